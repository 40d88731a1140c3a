"""What every linear way to predict units shares: the map, and how much of the mean a predicted rate should hold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurornn.comparison.metric import AbstractMap

MIXES = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
"""How much of the training mean a predicted rate may hold."""


@dataclass(frozen=True, eq=False)
class LinearMap(AbstractMap):
    """A linear map, with what each target chose.

    Args:
        weights: shape `(source, target)`.
        intercept: shape `(target,)`.
        mean: mean of each target over the training bins. Shape `(target,)`.
        mix: how much of the mean the predicted rate holds. Shape `(target,)`.
        least: lowest rate, in counts a bin.
        chosen: by name, what else each target chose: its penalty, say. Shapes `(target,)`.
    """

    weights: Float[np.ndarray, "source target"]
    intercept: Float[np.ndarray, " target"]
    mean: Float[np.ndarray, " target"]
    mix: Float[np.ndarray, " target"]
    least: float
    chosen: Mapping[str, np.ndarray]

    def predict(self, x: Float[np.ndarray, "bin source"]) -> Float[np.ndarray, "bin target"]:
        return x @ self.weights + self.intercept

    def rates(self, x: Float[np.ndarray, "bin source"]) -> Float[np.ndarray, "bin target"]:
        return (1.0 - self.mix) * np.maximum(self.predict(x), self.least) + self.mix * self.mean


def mixing_gain(
    counts: Float[np.ndarray, "bin target"],
    linear: Float[np.ndarray, "bin target"],
    mean: Float[np.ndarray, " target"],
    least: float,
) -> Float[np.ndarray, "mix target"]:
    """Return the Poisson log likelihood of held-out counts at each of `MIXES`, up to what all of them share.

    Args:
        counts: shape `(bin, target)`.
        linear: what the map predicts of them; below 0 it may be. Shape `(bin, target)`.
        mean: of the bins that taught the map. Shape `(target,)`.
        least: lowest rate, in counts a bin.
    """
    linear, mean = np.maximum(linear, least), np.maximum(mean, least)
    rates = ((1.0 - mix) * linear + mix * mean for mix in MIXES)
    return np.stack([np.sum(counts * np.log(rate) - rate, axis=0) for rate in rates])
