"""Front ends: what is made of the last frames of a stimulus, for every bin at once."""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from neurornn import _check
from neurornn._types import generator, recorded
from neurornn.encoding.base import windowed


class AbstractFront(nn.Module, ABC):
    """A function of the last `lags` frames, the same at every bin.

    Attributes:
        lags: frames in a window.
        warm: bins before the first that counts, on which recurrent maps find their state.
        n_features: features of a bin.
        settings: the constructor's arguments, from which the front end can be rebuilt.
    """

    lags: int
    warm: int = 0
    n_features: int
    settings: dict[str, Any]

    @abstractmethod
    def forward(
        self, stimulus: Float[Tensor, "sample frame *shape"], noise: torch.Generator | None = None
    ) -> Float[Tensor, "sample bin feature"]:
        """Return the features of the last `frame - lags + 1` bins.

        Args:
            stimulus: standardised frames.
            noise: where latent noise is drawn from; none is added where absent.
        """


def drawn(shape: tuple[int, ...], stream: torch.Generator, *, gain: float = 1.0) -> nn.Parameter:
    r"""Return Gaussian weights of standard deviation $g / \sqrt{\text{inputs of a unit}}$."""
    fan_in = math.prod(shape[1:])
    return nn.Parameter(torch.randn(shape, generator=stream) * gain / math.sqrt(fan_in))


def noisy(drive: Tensor, sd: float, noise: torch.Generator | None) -> Tensor:
    """Return the drive with Gaussian noise; as it is where there is none to draw."""
    if noise is None or sd == 0.0:
        return drive
    return drive + sd * torch.randn(drive.shape, generator=noise, device=noise.device).to(drive)


class Filters(AbstractFront):
    r"""Filters over the whole frame and the whole window, then a rectifier: the subunits of a cascade.

    $$ f_{kt} = \phi(w_k \cdot s_{\text{window}} + b_k) $$

    Args:
        shape: of one frame.
        n_filters: how many.
        lags: frames in a window.
        rectified: whether there is a rectifier (a softplus while it is trained would do as well); a plain linear
            filter where not.
        noise: standard deviation of latent noise before the rectifier.
        seed: of the initial weights.

    Example:
        >>> import torch
        >>> from neurornn.encoding import Filters
        >>> Filters((3,), 4, lags=10)(torch.zeros(2, 30, 3)).shape
        torch.Size([2, 21, 4])
    """

    @recorded
    def __init__(
        self,
        shape: tuple[int, ...],
        n_filters: int,
        *,
        lags: int,
        rectified: bool = True,
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_features = _check.count("Filters", "n_filters", n_filters)
        self.lags = _check.count("Filters", "lags", lags)
        self.noise = _check.not_negative("Filters", "noise", noise)
        self.rectified = rectified
        self.weight = drawn((n_filters, lags, *shape), generator(seed))  # oldest frame first
        self.bias = nn.Parameter(torch.zeros(n_filters))

    def forward(self, stimulus: Tensor, noise: torch.Generator | None = None) -> Tensor:
        drive = noisy(windowed(stimulus, self.weight) + self.bias, self.noise, noise)
        return functional.relu(drive) if self.rectified else drive


class TemporalConv(AbstractFront):
    r"""Convolutions over time, layer upon layer, for signals of a few channels: sounds, spectrograms, behaviour.

    Each layer convolves with its own kernel, adds latent noise and rectifies (softplus with unit slope, so that a
    single neuron's few spikes give smooth gradients). The window is $1 + \sum (\text{kernel} - 1)$ frames.

    Args:
        n_channels: channels of the stimulus: 1 for an envelope, the bands of a spectrogram.
        channels: filters of each layer.
        kernels: frames that each spans.
        noise: standard deviation of latent noise before each rectifier.
        seed: of the initial weights.

    Example:
        >>> from neurornn.encoding import TemporalConv
        >>> TemporalConv(1, channels=(8, 8), kernels=(25, 6)).lags
        30
    """

    @recorded
    def __init__(
        self,
        n_channels: int,
        *,
        channels: tuple[int, ...] = (16,),
        kernels: tuple[int, ...] = (30,),
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if len(channels) != len(kernels) or len(channels) == 0:
            _check.fail("TemporalConv", "kernels", f"one for each of {len(channels)} layers", kernels)
        for name, values in (("channels", channels), ("kernels", kernels)):
            for value in values:
                _check.count("TemporalConv", name, value)
        self.noise = _check.not_negative("TemporalConv", "noise", noise)
        self.lags = 1 + sum(kernel - 1 for kernel in kernels)
        self.n_features = channels[-1]
        stream = generator(seed)
        sizes = zip((n_channels, *channels), channels, kernels, strict=False)
        self.weights = nn.ParameterList([drawn((new, old, k), stream) for old, new, k in sizes])
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(new)) for new in channels])

    def forward(self, stimulus: Tensor, noise: torch.Generator | None = None) -> Tensor:
        maps = stimulus.transpose(1, 2)  # (sample, channel, frame)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            maps = functional.softplus(noisy(functional.conv1d(maps, weight, bias), self.noise, noise))
        return maps.transpose(1, 2)
