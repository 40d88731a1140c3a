"""What the noise of a network is drawn from."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from neurornn import _check
from neurornn.kernel import Noise


class AbstractNoise(ABC):
    """A distribution of the noise that a cell is handed at each step, independent over units, steps and trials."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...], *, dt: float, generator: torch.Generator) -> Tensor:
        """Return noise of `shape` for steps of `dt` ms, in the unit of the cell's state."""

    def on_demand(self, shape: tuple[int, int, int], *, dt: float, generator: torch.Generator) -> Tensor | Noise:
        """Return the same numbers as `draw` for a batch of `(trial, time, unit)`, unmade where that is possible."""
        return self.draw(shape, dt=dt, generator=generator)

    @abstractmethod
    def scaled(self, factor: float) -> "AbstractNoise":
        """Return the same noise, `factor` times as strong."""


@dataclass(frozen=True)
class GaussianNoise(AbstractNoise):
    r"""Zero-mean Gaussian noise: $\sigma z$, or $\sigma\sqrt{\Delta t}\,z$ with `per_sqrt_ms`.

    Args:
        sd: standard deviation, in the unit of the state (per $\sqrt{\text{ms}}$ with `per_sqrt_ms`).
        per_sqrt_ms: whether `sd` is a diffusion, so that the noise of a step grows with the square root of `dt`.
            Without it, changing `dt` changes the noise that the network feels.

    Example:
        >>> from neurornn import GaussianNoise, generator
        >>> GaussianNoise(0.1).draw((2, 3), dt=10.0, generator=generator(0)).shape
        torch.Size([2, 3])
    """

    sd: float
    per_sqrt_ms: bool = False

    def __post_init__(self) -> None:
        _check.not_negative("GaussianNoise", "sd", self.sd)

    def draw(self, shape: tuple[int, ...], *, dt: float, generator: torch.Generator) -> Tensor:
        if generator.device.type != "cpu":
            return torch.empty(shape, device=generator.device).normal_(std=self._deviation(dt), generator=generator)
        whole = (math.prod(shape[:-2]), *(1,) * (2 - len(shape)), *shape[-2:])
        made = Noise.drawn(whole, self._deviation(dt), generator=generator)
        return made.tensor(torch.empty(0)).reshape(shape)

    def on_demand(self, shape: tuple[int, int, int], *, dt: float, generator: torch.Generator) -> Tensor | Noise:
        if generator.device.type != "cpu":
            return self.draw(shape, dt=dt, generator=generator)
        return Noise.drawn(shape, self._deviation(dt), generator=generator)

    def _deviation(self, dt: float) -> float:
        return self.sd * dt**0.5 if self.per_sqrt_ms else self.sd

    def scaled(self, factor: float) -> "GaussianNoise":
        return GaussianNoise(self.sd * factor, self.per_sqrt_ms)


@dataclass(frozen=True)
class UniformNoise(AbstractNoise):
    r"""Noise uniform on $[0, w)$: a constant drive of $w/2$ with jitter of variance $w^2/12$.

    Some released code draws its noise so although the theory beside it needs a mean of zero. It is offered to match
    those numbers; `GaussianNoise` is what is usually meant.

    Args:
        width: $w$, in the unit of the state.
    """

    width: float

    def __post_init__(self) -> None:
        _check.not_negative("UniformNoise", "width", self.width)

    def draw(self, shape: tuple[int, ...], *, dt: float, generator: torch.Generator) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device).mul_(self.width)

    def scaled(self, factor: float) -> "UniformNoise":
        return UniformNoise(self.width * factor)
