"""The laws that initial values are drawn from."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from scipy import special
from torch import Tensor

from neurornn import _check


class AbstractLaw(ABC):
    """A law of one value a unit.

    Attributes:
        mean: the mean.
    """

    @property
    @abstractmethod
    def mean(self) -> float:
        """The mean."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...], *, generator: torch.Generator) -> Tensor:
        """Return values of `shape`."""


@dataclass(frozen=True)
class Uniform(AbstractLaw):
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
        return (self.low + self.high) / 2

    def draw(self, shape: tuple[int, ...], *, generator: torch.Generator) -> Tensor:
        return self.low + (self.high - self.low) * torch.rand(shape, generator=generator, device=generator.device)


@dataclass(frozen=True)
class Gamma(AbstractLaw):
    r"""Positive values with a Gamma law, given by its centre and its coefficient of variation.

    Shape $k = 1/c^2$ and scale $m c^2$, so that the mean is $m$ and the standard deviation $c\,m$.

    Args:
        centre: $m$: the mean, but for what `least` cuts off.
        cv: $c$: 0.577 for shape 3, which trained networks were given; small for nearly equal values.
        least: values below it are not drawn: the law is that of the values above.

    Raises:
        ValueError: if a number is out of range, or nothing of the law lies above `least`.

    Example:
        >>> from neurornn import Gamma, generator
        >>> bool((Gamma(20.0, 0.5, least=1.0).draw((1000,), generator=generator(0)) >= 1.0).all())
        True

    References:
        Perez-Nieves, Leung, Dragotti & Goodman (2021), doi:10.1038/s41467-021-26022-3.
    """

    centre: float
    cv: float
    least: float = 0.0

    def __post_init__(self) -> None:
        _check.positive("Gamma", "centre", self.centre)
        _check.positive("Gamma", "cv", self.cv)
        _some_left("Gamma", self.least, self._below())

    def _below(self) -> float:
        return float(special.gammainc(self.cv**-2, max(self.least, 0.0) / (self.centre * self.cv**2)))

    @property
    def mean(self) -> float:
        shape, cut = self.cv**-2, max(self.least, 0.0) / (self.centre * self.cv**2)
        return self.centre * float(special.gammaincc(shape + 1, cut) / special.gammaincc(shape, cut))

    def draw(self, shape: tuple[int, ...], *, generator: torch.Generator) -> Tensor:
        quantiles = _above(self._below(), shape, generator)
        drawn = self.centre * self.cv**2 * special.gammaincinv(self.cv**-2, quantiles.numpy())
        return _as_drawn(drawn, self.least, generator)


@dataclass(frozen=True)
class LogNormal(AbstractLaw):
    r"""Positive values whose logarithm is normal, given by their centre and their coefficient of variation.

    $\ln x \sim \mathcal N(\ln m - \sigma^2/2, \sigma^2)$ with $\sigma^2 = \ln(1 + c^2)$, so that the mean is $m$ and
    the standard deviation $c\,m$.

    Args:
        centre: $m$: the mean, but for what `least` cuts off.
        cv: $c$.
        least: values below it are not drawn: the law is that of the values above.

    Raises:
        ValueError: if a number is out of range, or nothing of the law lies above `least`.

    Example:
        >>> from neurornn import LogNormal
        >>> LogNormal(20.0, 0.5).mean
        20.0
    """

    centre: float
    cv: float
    least: float = 0.0

    def __post_init__(self) -> None:
        _check.positive("LogNormal", "centre", self.centre)
        _check.positive("LogNormal", "cv", self.cv)
        _some_left("LogNormal", self.least, self._below())

    @property
    def _log(self) -> tuple[float, float]:
        variance = math.log1p(self.cv**2)
        return math.log(self.centre) - variance / 2, math.sqrt(variance)

    def _below(self) -> float:
        middle, sd = self._log
        return float(special.ndtr((math.log(self.least) - middle) / sd)) if self.least > 0 else 0.0

    @property
    def mean(self) -> float:
        if self.least <= 0:
            return self.centre
        middle, sd = self._log
        cut = (math.log(self.least) - middle) / sd
        return self.centre * float(special.ndtr(sd - cut) / special.ndtr(-cut))

    def draw(self, shape: tuple[int, ...], *, generator: torch.Generator) -> Tensor:
        middle, sd = self._log
        quantiles = _above(self._below(), shape, generator)
        return _as_drawn((middle + sd * torch.special.ndtri(quantiles)).exp().numpy(), self.least, generator)


def _some_left(owner: str, least: float, below: float) -> None:
    if not below < 1 - 1e-6:
        _check.fail(owner, "least", "a bound above which some of the law lies", least, "Take a smaller one.")


def _above(below: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return quantiles even over what lies above `below`, and inside of (0, 1)."""
    even = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64).cpu()
    return (below + (1 - below) * even).clamp(1e-12, 1 - 1e-12)


def _as_drawn(drawn: object, least: float, generator: torch.Generator) -> Tensor:
    return torch.as_tensor(drawn, dtype=torch.get_default_dtype()).clamp(min=least).to(generator.device)
