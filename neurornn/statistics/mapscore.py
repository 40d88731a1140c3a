"""Scores of the shape of a place map (grids, borders), each unit beside what chance makes of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.recording import Recording
from neurornn.statistics.place import PlaceBins, RateMaps, mapped, place_code, rate_maps, rates_of
from neurornn.statistics.shifts import circular_shifts
from neurornn.statistics.spatial import chance


class AbstractMapScore(ABC):
    """A number for the shape of a map over a plane. Scores are frozen dataclasses.

    Attributes:
        name: the column that it fills.
        references: DOIs.
    """

    name: str
    references: tuple[str, ...]

    @abstractmethod
    def __call__(
        self, maps: Float[np.ndarray, "unit x y"], edges: tuple[np.ndarray, ...]
    ) -> Float[np.ndarray, " unit"]:
        """Return the score of each map; NaN where it has none.

        Args:
            maps: mean activity at each place, 0 or above, NaN where it is unknown.
            edges: bin edges along both axes.
        """

    @property
    @abstractmethod
    def text(self) -> str:
        """How it is made, for a methods section."""


@dataclass(frozen=True, eq=False)
class MapScores:
    """Scores of every unit's map.

    Args:
        table: one row a unit: each score with `..._null95` (95th percentile of the shifts), `..._percentile` and
            `..._p`.
        maps: the maps.
        null: the scores after each shift, by name. Shapes `(shift, unit)`.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    maps: RateMaps
    null: dict[str, Float[np.ndarray, "shift unit"]]
    methods: str
    references: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table


def map_scores(
    recording: Recording,
    scores: Sequence[AbstractMapScore],
    place: PlaceBins,
    *,
    n_shifts: int = 200,
    min_shift: float = 20_000.0,
    seed: int = 0,
) -> MapScores:
    """Score the place map of every unit in the plane, beside circular shifts of its activity against the position.

    Smooth maps of anything have some grid score, and in a small arena many fields lie at a border: a score means
    something beside its null, and of a population beside that of an untrained network.

    Args:
        recording: with a position signal of two dimensions.
        scores: such as `GridScore()` and `BorderScore()`.
        place: how position is read and cut.
        n_shifts: circular shifts of activity against position, 20 or above.
        min_shift: each shift is at least this long either way round, ms.
        seed: of the shifts.

    Raises:
        ValueError: if the position has another number of dimensions, or there is too little time for the shifts.
    """
    owner = "map_scores"
    n_shifts = _check.count(owner, "n_shifts", n_shifts, least=20)
    move = place.movement(recording)
    if move.position.shape[1] != 2:
        fix = "Name a signal of x and y in PlaceBins(position=...)."
        _check.fail(owner, "place", "with a position of two dimensions", move.position.shape[1], fix)
    edges = place.edges(move.position)
    fixed = replace(place, extent=tuple((edge[0], edge[-1]) for edge in edges))
    shape = tuple(len(edge) - 1 for edge in edges)
    code, values = place_code(move.position, edges), rates_of(move, fixed)
    rng = np.random.default_rng(seed)
    shifts = circular_shifts(owner, len(values), place.dt, n_shifts=n_shifts, min_shift=min_shift, rng=rng)
    maps = rate_maps(recording, fixed)
    null: dict[str, list[np.ndarray]] = {score.name: [] for score in scores}
    for shift in shifts:
        moved, _ = mapped(code, np.roll(values, int(shift), axis=0), shape, fixed)
        for score in scores:
            null[score.name].append(score(moved, edges))
    table = pd.DataFrame(index=recording.units.index)
    for score in scores:
        table[score.name] = score(maps.maps, edges)
        rows = np.stack(null[score.name])
        table = table.join(chance(table[score.name].to_numpy(), rows, score.name, table.index))
    methods = (
        f"{fixed.text} {' '.join(score.text for score in scores)} Null: {n_shifts} circular shifts of at least "
        f"{min_shift / 1000:g} s; p = (1 + shifts at or above) / (1 + shifts), uncorrected for the number of units."
    )
    references = tuple(dict.fromkeys(doi for score in scores for doi in score.references))
    return MapScores(table, maps, {name: np.stack(rows) for name, rows in null.items()}, methods, references)
