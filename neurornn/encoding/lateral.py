"""Recurrence inside the maps of a layer: lateral connections within a channel, and a convolutional GRU."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from neurornn import _check
from neurornn._types import generator, recorded
from neurornn.encoding.front import drawn

Disturb = Callable[[Tensor], Tensor]
"""What adds latent noise to a drive, or returns it as it is."""


class AbstractMaps(nn.Module, ABC):
    """Maps with a memory: from the drive of each bin to what the maps send.

    Attributes:
        warm: bins on which the memory finds its state.
        settings: the constructor's arguments, from which it can be rebuilt.
    """

    warm: int
    settings: dict[str, Any]

    @abstractmethod
    def forward(
        self, drive: Float[Tensor, "sample bin channel height width"], disturb: Disturb
    ) -> Float[Tensor, "sample bin channel height width"]:
        """Return what the maps send at each bin, rectified; `disturb` is applied to the drive before the rectifier."""


class Lateral(AbstractMaps):
    r"""Lateral connections inside each channel's map, through a slow trace of what the map sent.

    $$ r_t = [\,x_t + \sigma\xi - K_c \star a_{t-1}\,]_+, \qquad
       a_t = a_{t-1} + \tfrac{\Delta t}{\tau_c} (r_t - a_{t-1}) $$

    Each channel $c$ has a kernel $K_c$ over its own map (1 x 1: a unit hears itself alone) and a time constant. Both
    are learned; a positive kernel inhibits, which is what contrast adaptation needs, and nothing forces it to.

    Args:
        n_channels: channels of the layer.
        dt: bin width, ms.
        kernel: side of the kernels, odd; borders are padded with 0.
        tau: shortest and longest time constant at the start, ms; channels are spread between them evenly in the
            logarithm.
        gain: of the kernels' centre at the start.
        warm: bins on which the traces find their state; a few time constants.

    References:
        McIntosh et al. (2016), doi:10.48550/arXiv.1702.01825.

    Example:
        >>> import torch
        >>> from neurornn.encoding import Lateral
        >>> maps = Lateral(2, dt=10.0, warm=0)
        >>> sent = maps(torch.ones(1, 300, 2, 3, 3), lambda drive: drive)
        >>> bool((sent[0, -1] < sent[0, 0]).all())  # it adapts to a constant drive
        True
    """

    @recorded
    def __init__(
        self,
        n_channels: int,
        *,
        dt: float = 10.0,
        kernel: int = 1,
        tau: tuple[float, float] = (200.0, 2000.0),
        gain: float = 0.5,
        warm: int = 200,
    ) -> None:
        super().__init__()
        _check.count("Lateral", "n_channels", n_channels)
        self.dt = _check.positive("Lateral", "dt", dt)
        if _check.count("Lateral", "kernel", kernel) % 2 == 0:
            _check.fail("Lateral", "kernel", "odd", kernel)
        for value in tau:
            if _check.positive("Lateral", "tau", value) < dt:
                _check.fail("Lateral", "tau", f"at least `dt` = {dt:g} ms", value)
        self.warm = _check.count("Lateral", "warm", warm, least=0)
        first = torch.zeros(n_channels, 1, kernel, kernel)
        first[:, 0, kernel // 2, kernel // 2] = gain
        self.kernels = nn.Parameter(first)
        self.log_tau = nn.Parameter(torch.linspace(math.log(tau[0]), math.log(tau[1]), n_channels))

    @property
    def tau(self) -> Float[Tensor, " channel"]:
        """The time constants, ms."""
        return self.log_tau.exp()

    def forward(self, drive: Tensor, disturb: Disturb) -> Tensor:
        rate = (self.dt / self.tau).clamp(max=1.0)[:, None, None]
        side = self.kernels.shape[-1]
        trace = torch.zeros_like(drive[:, 0])
        sent = []
        for driven in disturb(drive).unbind(1):
            if side == 1:
                heard = self.kernels[:, 0] * trace
            else:
                heard = functional.conv2d(trace, self.kernels, padding=side // 2, groups=len(self.kernels))
            now = functional.relu(driven - heard)
            trace = trace + rate * (now - trace)
            sent.append(now)
        return torch.stack(sent, dim=1)


class ConvGRU(AbstractMaps):
    r"""A convolutional GRU over the maps: every product of a GRU is a convolution, in and across channels.

    $$ z = \sigma(x_z + U_z \star h'),\quad q = \sigma(x_q + U_q \star h'),\quad
       n = \tanh(x_n + U_n \star (q h')),\quad h = (1 - z) h' + z n $$

    with $x_\cdot = W_\cdot \star x$ of 1 x 1 kernels over the layer's noisy drive. What is sent is $[x + h]_+$: the
    layer without memory is what it starts from.

    Args:
        n_channels: channels of the layer.
        kernel: side of the recurrent kernels, odd; borders are padded with 0.
        warm: bins on which the state is found.
        seed: of the initial weights.

    References:
        Ballas et al. (2016), doi:10.48550/arXiv.1511.06432.
    """

    @recorded
    def __init__(self, n_channels: int, *, kernel: int = 3, warm: int = 100, seed: int = 0) -> None:
        super().__init__()
        n = _check.count("ConvGRU", "n_channels", n_channels)
        if _check.count("ConvGRU", "kernel", kernel) % 2 == 0:
            _check.fail("ConvGRU", "kernel", "odd", kernel)
        self.warm = _check.count("ConvGRU", "warm", warm, least=0)
        stream = generator(seed)
        self.w_in = drawn((3 * n, n, 1, 1), stream, gain=0.5)
        self.gates = drawn((2 * n, n, kernel, kernel), stream, gain=0.5)
        self.candidate = drawn((n, n, kernel, kernel), stream, gain=0.5)
        self.bias = nn.Parameter(torch.zeros(3 * n))

    def forward(self, drive: Tensor, disturb: Disturb) -> Tensor:
        n, pad = drive.shape[2], self.gates.shape[-1] // 2
        driven = disturb(drive)
        inputs = functional.conv2d(driven.flatten(0, 1), self.w_in, self.bias).reshape(
            *drive.shape[:2], 3 * n, *drive.shape[3:]
        )
        h = torch.zeros_like(drive[:, 0])
        kept = []
        for gates_in, new_in in zip(inputs[:, :, : 2 * n].unbind(1), inputs[:, :, 2 * n :].unbind(1), strict=True):
            z, q = torch.sigmoid(gates_in + functional.conv2d(h, self.gates, padding=pad)).chunk(2, dim=1)
            new = torch.tanh(new_in + functional.conv2d(q * h, self.candidate, padding=pad))
            h = (1 - z) * h + z * new
            kept.append(h)
        return functional.relu(driven + torch.stack(kept, dim=1))
