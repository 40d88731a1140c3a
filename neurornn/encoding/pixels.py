"""The retina's front end: convolutions over space with time as the first layer's channels, noise before rectifiers."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurornn import _check
from neurornn._types import generator, recorded
from neurornn.encoding.front import AbstractFront, drawn, noisy
from neurornn.encoding.lateral import AbstractMaps

NORM_MOMENTUM = 0.01
NORM_EPS = 1e-3
"""Of batch normalisation, as the published retina models have them."""


class UnitNorm(nn.Module):
    """Batch normalisation of every unit by itself: each channel at each position has its own mean, spread and scale.

    Args:
        n_units: units.
        positive: whether the scale is held positive (its size is taken), so that no filter changes its sign.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_units: int, *, positive: bool = False) -> None:
        super().__init__()
        self.positive = positive
        self.scale = nn.Parameter(torch.ones(n_units))
        self.shift = nn.Parameter(torch.zeros(n_units))
        self.register_buffer("running_mean", torch.zeros(n_units))
        self.register_buffer("running_var", torch.ones(n_units))

    def forward(self, drive: Tensor) -> Tensor:
        """Return the normalised drive; the last axes of `drive`, flattened, are the units."""
        n_units = len(self.scale)
        scale = self.scale.abs() if self.positive else self.scale
        flat = drive.reshape(-1, n_units)
        normed = functional.batch_norm(
            flat, self.running_mean, self.running_var, scale, self.shift, self.training, NORM_MOMENTUM, NORM_EPS
        )
        return normed.reshape(drive.shape)


class SpatialConv(AbstractFront):
    r"""Convolutions over space ("valid", stride 1); the first has the frames of the window as its input channels.

    A layer is convolution, normalisation (where asked for), recurrence inside its maps (where given), latent noise,
    rectifier, and pooling (where asked for):

    $$ r^{(k)} = [\,N(W^{(k)} \star r^{(k-1)} + b) + \sigma\xi\,]_+ $$

    Noise is drawn from the generator that is handed in: in training, and at inference where variability is measured.

    Args:
        shape: (height, width) of a frame.
        lags: frames in a window.
        channels: filters of each layer.
        kernels: side of each layer's kernels, pixels.
        noise: standard deviation of latent noise before each rectifier, in units of the drive.
        norm: whether each unit's drive is normalised over the batch.
        stacked: whether each kernel is a chain of 3 x 3 ones without a nonlinearity between them: the same field with
            far fewer weights. Kernels are then odd, and scales positive.
        separable: whether each kernel of the first layer is the product of a time course and an image: with 15 frames
            and 5 x 5 pixels 40 weights instead of 375, which a short recording can tell apart from its noise.
        maps: recurrence inside the maps of the layers, one for each or `None`; none where empty.
        pool: side of the squares over which the last layer's maximum is taken; 1 for none.
        seed: of the initial weights.

    Raises:
        ValueError: if the kernels do not fit into the frame.

    References:
        McIntosh et al. (2016), doi:10.48550/arXiv.1702.01825; Maheswaranathan et al. (2023),
        doi:10.1016/j.neuron.2023.06.007.

    Example:
        >>> import torch
        >>> from neurornn.encoding import SpatialConv
        >>> front = SpatialConv((12, 12), lags=20, channels=(8, 8), kernels=(5, 3))
        >>> front(torch.zeros(1, 50, 12, 12)).shape  # 8 maps of 6 x 6
        torch.Size([1, 31, 288])
    """

    @recorded
    def __init__(
        self,
        shape: tuple[int, int],
        *,
        lags: int,
        channels: tuple[int, ...] = (8, 8),
        kernels: tuple[int, ...] = (15, 11),
        noise: float = 0.05,
        norm: bool = False,
        stacked: bool = False,
        separable: bool = False,
        maps: tuple[AbstractMaps | None, ...] = (),
        pool: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        owner = "SpatialConv"
        if len(channels) != len(kernels) or len(channels) == 0:
            _check.fail(owner, "kernels", f"one for each of {len(channels)} layers", kernels)
        if maps and len(maps) != len(channels):
            _check.fail(owner, "maps", f"one, or None, for each of {len(channels)} layers", len(maps))
        if stacked and any(kernel % 2 == 0 or kernel < 3 for kernel in kernels):
            _check.fail(owner, "kernels", "odd, 3 or above, where they are stacked", kernels)
        self.lags = _check.count(owner, "lags", lags)
        self.noise = _check.not_negative(owner, "noise", noise)
        self.pool = _check.count(owner, "pool", pool)
        sizes = [tuple(side - sum(k - 1 for k in kernels[: n + 1]) for side in shape) for n in range(len(kernels))]
        if min(min(size) for size in sizes) < 1:
            fix = f"Each kernel takes its side less one from the frame, {shape[0]} x {shape[1]}."
            _check.fail(owner, "kernels", "small enough for the frame", kernels, fix)
        stream = generator(seed)
        self.layers = nn.ModuleList()
        if separable and stacked:
            fix = "A chain of 3 x 3 kernels and a product are two ways to have few weights."
            _check.fail(owner, "separable", "False where kernels are stacked", separable, fix)
        for old, new, kernel in zip((lags, *channels), channels, kernels, strict=False):
            if separable and len(self.layers) == 0:
                self.layers.append(Product(lags, new, kernel, stream))
                continue
            sides = (3,) * (kernel // 2) if stacked else (kernel,)
            self.layers.append(Chain(old, new, sides, stream))
        full = [new * math.prod(size) for new, size in zip(channels, sizes, strict=True)]
        self.norms = nn.ModuleList([UnitNorm(n, positive=stacked) for n in full] if norm else [])
        self.maps = nn.ModuleList([one if one is not None else nn.Identity() for one in maps])
        self.warm = sum(one.warm for one in maps if one is not None)
        self.n_features = channels[-1] * math.prod(side // pool for side in sizes[-1])
        self.sizes = tuple((new, *size) for new, size in zip(channels, sizes, strict=True))

    def forward(self, stimulus: Tensor, noise: torch.Generator | None = None) -> Tensor:
        n_samples = stimulus.shape[0]
        first = self.layers[0]
        assert isinstance(first, Chain | Product)
        drive = first.over_time(stimulus)  # (sample * bin, channel, height, width)
        for k in range(len(self.layers)):
            if k:
                drive = self.layers[k](drive)
            if len(self.norms):
                drive = self.norms[k](drive)
            if len(self.maps) and isinstance(self.maps[k], AbstractMaps):
                by_bin = drive.reshape(n_samples, -1, *drive.shape[1:])
                drive = self.maps[k](by_bin, lambda one: noisy(one, self.noise, noise)).flatten(0, 1)
            else:
                drive = functional.relu(noisy(drive, self.noise, noise))
        if self.pool > 1:
            drive = functional.max_pool2d(drive, self.pool)
        return drive.reshape(n_samples, -1, self.n_features)


class Chain(nn.Module):
    """Convolutions of these sides, one after the other, with nothing between them."""

    def __init__(self, old: int, new: int, sides: tuple[int, ...], stream: torch.Generator) -> None:
        super().__init__()
        pairs = zip((old, *(new for _ in sides)), sides, strict=False)
        self.weights = nn.ParameterList([drawn((new, before, side, side), stream) for before, side in pairs])
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(new)) for _ in sides])

    def forward(self, maps: Tensor) -> Tensor:
        for weight, bias in zip(self.weights, self.biases, strict=True):
            maps = functional.conv2d(maps, weight, bias)
        return maps

    def over_time(self, stimulus: Tensor) -> Tensor:
        """Return the drive of every bin; the window slides as a convolution, so that no window is copied."""
        first = self.weights[0][:, None]  # (channel, 1, lag, height, width)
        maps = functional.conv3d(stimulus[:, None], first, self.biases[0]).transpose(1, 2).flatten(0, 1)
        for weight, bias in zip(list(self.weights)[1:], list(self.biases)[1:], strict=True):
            maps = functional.conv2d(maps, weight, bias)
        return maps


class Product(nn.Module):
    r"""A convolution over time and space whose kernels are products: $W_{clhw} = a_{cl}\, k_{chw}$."""

    def __init__(self, lags: int, new: int, side: int, stream: torch.Generator) -> None:
        super().__init__()
        self.image = drawn((new, 1, side, side), stream)
        self.course = drawn((new, lags), stream)  # oldest frame first
        self.bias = nn.Parameter(torch.zeros(new))

    def over_time(self, stimulus: Tensor) -> Tensor:
        """Return the drive of every bin: each frame through the images, then each channel through its time course."""
        n_samples, n_frames = stimulus.shape[:2]
        seen = functional.conv2d(stimulus.flatten(0, 1)[:, None], self.image)  # (sample * frame, channel, ...)
        place, channels = seen.shape[2:], len(self.course)
        by_place = seen.reshape(n_samples, n_frames, channels, -1).permute(0, 3, 2, 1).flatten(0, 1)
        drive = functional.conv1d(by_place, self.course[:, None], self.bias, groups=channels)
        return drive.reshape(n_samples, -1, *drive.shape[1:]).permute(0, 3, 2, 1).reshape(-1, channels, *place)
