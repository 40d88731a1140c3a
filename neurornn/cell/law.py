"""The law that initial values are drawn from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurornn import _check


@dataclass(frozen=True)
class Uniform:
    """Values even between two bounds.

    Args:
        low: the lower bound.
        high: the upper bound.

    Raises:
        ValueError: if the bounds are not finite, or in the wrong order.

    Example:
        >>> from neurornn import Uniform, generator
        >>> Uniform(1.0, 2.0).draw((3,), generator=generator(0)).shape
        torch.Size([3])
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not float("-inf") < self.low <= self.high < float("inf"):
            _check.fail("Uniform", "high", "at least `low`, and both finite", (self.low, self.high))

    @property
    def mean(self) -> float:
        """The mean."""
        return (self.low + self.high) / 2

    def draw(self, shape: tuple[int, ...], *, generator: torch.Generator) -> Tensor:
        """Return values of `shape`."""
        return self.low + (self.high - self.low) * torch.rand(shape, generator=generator, device=generator.device)
