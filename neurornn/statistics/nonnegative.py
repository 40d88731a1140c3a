"""What to do with activity below zero, where a statistic only makes sense for rates."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurornn import _check


class AbstractNonNegative(ABC):
    """How activity becomes something that can be read as a rate. It changes spatial information, so it is stated."""

    @abstractmethod
    def __call__(self, values: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, "bin unit"]:
        """Return values of 0 or above; NaN stays NaN. Shape `(bin, unit)`."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What is done, for a methods section."""


@dataclass(frozen=True)
class Rectify(AbstractNonNegative):
    """Negative activity counts as none: `max(a, 0)`."""

    def __call__(self, values: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, "bin unit"]:
        return np.maximum(values, 0.0)

    @property
    def text(self) -> str:
        return "rectified at 0"


@dataclass(frozen=True)
class FromLeast(AbstractNonNegative):
    """Each unit's least activity in the analysed bins becomes 0: `a - min a`. Keeps what tanh units do below 0."""

    def __call__(self, values: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, "bin unit"]:
        return values - np.nanmin(values, axis=0, where=np.isfinite(values), initial=np.inf)

    @property
    def text(self) -> str:
        return "shifted so that each unit's minimum is 0"


@dataclass(frozen=True)
class AsIs(AbstractNonNegative):
    """Nothing is done, and negative activity is refused."""

    def __call__(self, values: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, "bin unit"]:
        if np.any(values < 0):
            fix = "Pass Rectify() or FromLeast(), and say which: spatial information depends on it."
            _check.fail("AsIs", "activity", "0 or above", float(np.nanmin(values)), fix)
        return values

    @property
    def text(self) -> str:
        return "taken as it is"
