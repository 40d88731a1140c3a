"""Border cells: whether a unit fires along a wall and nowhere else."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt

from neurornn import _check
from neurornn.statistics.fields import parts_above
from neurornn.statistics.mapscore import AbstractMapScore


@dataclass(frozen=True)
class BorderScore(AbstractMapScore):
    r"""How much of a wall a field covers, against how far firing lies from any wall.

    $$ b = \frac{c_M - d_m}{c_M + d_m} $$

    $c_M$ is the largest share of a wall's bins that any one field covers. $d_m$ is the mean distance of the bins of all
    fields from the nearest wall, weighted by rate, over the largest distance in the arena. 1 is firing along the whole
    of a wall only, -1 firing in the middle. NaN without a field.

    Walls are the edges of the ground that was visited, one on each of the four sides, so that arenas need not be
    rectangles; places at a wall have a distance of 0.

    Args:
        threshold: a field is a contiguous set of bins above this fraction of the map's peak.
        min_bins: smaller sets are no fields.

    Raises:
        ValueError: if the threshold is no fraction.

    References:
        T. Solstad et al. (2008), Representation of geometric borders in the entorhinal cortex,
        doi:10.1126/science.1166466.
    """

    threshold: float = 0.3
    min_bins: int = 4

    name: ClassVar[str] = "border_score"
    references: ClassVar[tuple[str, ...]] = ("10.1126/science.1166466",)

    def __post_init__(self) -> None:
        _check.fraction("BorderScore", "threshold", self.threshold)
        _check.count("BorderScore", "min_bins", self.min_bins)

    @property
    def text(self) -> str:
        return f"Border score: fields above {self.threshold:.0%} of the peak, {self.min_bins} bins or more."

    def __call__(
        self, maps: Float[np.ndarray, "unit x y"], edges: tuple[np.ndarray, ...]
    ) -> Float[np.ndarray, " unit"]:
        return np.array([self._score(one) for one in maps])

    def _score(self, rates: Float[np.ndarray, "x y"]) -> float:
        ground = np.isfinite(rates)
        known = np.where(ground, rates, 0.0)
        peak = known.max(initial=0.0)
        fields = [mask for mask in parts_above(known, self.threshold * peak) if mask.sum() >= self.min_bins]
        if not peak > 0 or not fields:
            return float("nan")
        # A ring of unvisited ground, so that the edge of the map is a wall, too.
        away = np.asarray(distance_transform_edt(np.pad(ground, 1)))[1:-1, 1:-1] - 1
        farthest = away.max()
        firing = np.logical_or.reduce(fields)
        distance = np.average(away[firing], weights=known[firing]) / farthest if farthest > 0 else 0.0
        covered = max(np.mean(field[wall]) for field in fields for wall in walls(ground))
        return float((covered - distance) / (covered + distance)) if covered + distance > 0 else float("nan")


def walls(ground: Bool[np.ndarray, "x y"]) -> list[Bool[np.ndarray, "x y"]]:
    """Return the visited bins at each of four sides: those with unvisited ground beyond them that way."""
    around = np.pad(ground, 1)
    beyond = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    return [ground & ~there for there in beyond]
