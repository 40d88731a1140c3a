"""The spatial profile of every unit: one row a unit, each number beside what chance makes of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.recording import Recording
from neurornn.statistics.fields import FieldRule, place_fields
from neurornn.statistics.information import (
    direction_index,
    information,
    mean_rate,
    selectivity,
    similarity,
    sparsity,
)
from neurornn.statistics.movement import Movement
from neurornn.statistics.place import PlaceBins, RateMaps, place_code, rate_maps, rates_of, smoothed_ratio, tallies
from neurornn.statistics.shifts import circular_shifts

TESTED = ("information", "stability", "direction_index", "position_r2")
"""The statistics that are compared with circular shifts."""


@dataclass(frozen=True, eq=False)
class SpatialProfile:
    """What each unit says about position.

    Args:
        table: one row a unit; see `spatial_profile`.
        maps: the rate maps of both directions together.
        forth: the maps of runs towards larger positions (empty along other axes than one).
        back: the maps of runs towards smaller positions.
        fields: one row for each place field.
        null: values of each tested statistic after each shift. Shapes `(shift, unit)`.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    maps: RateMaps
    forth: RateMaps
    back: RateMaps
    fields: pd.DataFrame
    null: dict[str, Float[np.ndarray, "shift unit"]]
    methods: str
    references: tuple[str, ...] = (
        "10.1016/0006-8993(71)90358-1",
        "10.1002/(SICI)1098-1063(1996)6:2<149::AID-HIPO6>3.0.CO;2-K",
    )

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table


@dataclass(frozen=True, eq=False)
class _Sheet:
    """All that maps, halves and directions need, so that a shift costs one sparse product."""

    code: Int[np.ndarray, " bin"]
    shape: tuple[int, ...]
    place: PlaceBins
    directed: bool

    def measure(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Return the statistics of each unit for activity in this order of bins."""
        n = int(np.prod(self.shape))
        total, seen = tallies(self.code, values, 4 * n)
        total, seen = total.reshape(-1, 2, 2, n), seen.reshape(-1, 2, 2, n)  # (unit, half, direction, place)
        maps, seen_both = self._maps(total.sum(axis=(1, 2)), seen.sum(axis=(1, 2)))
        rates, _ = self._maps(total.sum(axis=2), seen.sum(axis=2))
        mean = mean_rate(maps, seen_both)
        bits = information(maps, seen_both)
        out = {
            "information": np.divide(bits, mean, out=np.full(mean.shape, np.nan), where=mean > 0),
            "stability": similarity(rates[:, 0], rates[:, 1]),
            "rate": mean,
            "sparsity": sparsity(maps, seen_both),
            "selectivity": selectivity(maps, seen_both),
            "position_r2": _explained(values, total.sum(axis=(1, 2)), seen_both, maps),
            "direction_index": np.full(len(mean), np.nan),
        }
        if self.directed:
            sides, _ = self._maps(total.sum(axis=1), seen.sum(axis=1))
            out["direction_index"] = direction_index(sides[:, 1], sides[:, 0])
        return out

    def _maps(self, total: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grid = (*total.shape[:-1], *self.shape)
        maps = smoothed_ratio(total.reshape(grid), seen.reshape(grid), len(self.shape), self.place.smoothing)
        maps = maps.reshape(total.shape)
        return np.where(seen * self.place.dt >= max(self.place.min_occupancy, 1e-9), maps, np.nan), seen


def _explained(values: np.ndarray, total: np.ndarray, seen: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Return 1 - var(activity - map(position)) / var(activity), from sums; bins without a map use the mean rate."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    mean = np.divide(np.where(known, values, 0.0).sum(axis=0), n, out=np.zeros(len(n)), where=n > 0)
    spread = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    shift = np.where(np.isfinite(maps), maps - mean[:, None], 0.0)
    away = total - seen * mean[:, None]
    left = spread - 2 * np.sum(shift * away, axis=1) + np.sum(shift**2 * seen, axis=1)
    bias = np.divide(np.sum(away - shift * seen, axis=1), n, out=np.zeros(len(n)), where=n > 0)
    return np.divide(left - n * bias**2, spread, out=np.full(len(n), np.nan), where=spread > 1e-12) * -1 + 1


def spatial_profile(
    recording: Recording,
    place: PlaceBins | None = None,
    *,
    n_shifts: int = 200,
    min_shift: float = 20_000.0,
    n_blocks: int = 10,
    rule: FieldRule | None = None,
    seed: int = 0,
) -> SpatialProfile:
    """Measure what every unit says about position, the same way for an animal and for a network.

    **Stability alone proves nothing**: an untrained network driven by a smooth input repeats itself, and its split-half
    maps correlate at 0.999. Read it beside the spatial information and the untrained network's own profile. Position
    R^2 is in sample; the p-values are not corrected for the number of units. Where behaviour repeats exactly (identical
    trials in a row), a shift by a whole trial is no shift, and the p-values are too large.

    Args:
        recording: spikes or sampled activity, with a position signal along one axis or more.
        place: how position is read, cut and smoothed, and what is done with activity below 0.
        n_shifts: circular shifts of activity against position, 100 or above.
        min_shift: each shift is at least this long either way round, within the analysed time, ms.
        n_blocks: stability compares the even with the odd ones of this many blocks of equal analysed time (laps of a
            track alternate in direction, so odd and even laps would compare directions).
        rule: what counts as a place field.
        seed: of the shifts.

    Returns:
        One row a unit: `rate` (over places), `peak`, `bits_per_spike`, `bits_per_second` (Hz maps), `sparsity`,
        `selectivity`, `n_fields`, `field_size`, `field_peak`, `field_x` (the highest field), `stability`,
        `direction_index`, `position_r2`, and for each tested statistic `..._null95` (95th percentile of the shifts),
        `..._percentile` and `..._p` = (1 + shifts at or above) / (1 + shifts).

    Raises:
        ValueError: if there is too little analysed time for the shifts, or fewer than 100 are asked for.

    References:
        O'Keefe & Dostrovsky (1971), Brain Res. 34:171, doi:10.1016/0006-8993(71)90358-1.
        Skaggs et al. (1993), NeurIPS 5:1030.
        Skaggs et al. (1996), Hippocampus 6:149, doi:10.1002/(SICI)1098-1063(1996)6:2<149::AID-HIPO6>3.0.CO;2-K.
    """
    owner = "spatial_profile"
    place = PlaceBins() if place is None else place
    rule = FieldRule() if rule is None else rule
    n_shifts = _check.count(owner, "n_shifts", n_shifts, least=100)
    n_blocks = _check.count(owner, "n_blocks", n_blocks, least=2)
    move = place.movement(recording)
    edges = place.edges(move.position)
    fixed = PlaceBins(**{**place.__dict__, "extent": tuple((edge[0], edge[-1]) for edge in edges)})
    values = rates_of(move, fixed)
    sheet = _sheet(move, fixed, edges, n_blocks)
    found = sheet.measure(values)
    null = _shifted(sheet, values, n_shifts, min_shift, np.random.default_rng(seed))
    both = rate_maps(recording, fixed)
    sides = [rate_maps(recording, fixed, direction=d) if _runs(move, d) else both for d in (1, -1)]
    fields = place_fields(both, rule)
    table = _table(recording, both, fields, found, null)
    methods = (
        f"{len(values)} bins ({move.seconds:.0f} s) of {place.text} Spatial information after Skaggs et al. "
        f"{rule.text} Stability: Pearson's r of maps from even and odd ones of {n_blocks} blocks. Null: {n_shifts} "
        f"circular shifts of at least {min_shift / 1000:g} s within the analysed time; p = (1 + shifts at or above) / "
        f"(1 + shifts), uncorrected for the number of units."
    )
    return SpatialProfile(table, both, sides[0], sides[1], fields, null, methods)


def _runs(move: Movement, direction: int) -> bool:
    return move.position.shape[1] == 1 and bool((move.direction == direction).any())


def _sheet(move: Movement, place: PlaceBins, edges: tuple[np.ndarray, ...], n_blocks: int) -> _Sheet:
    shape = tuple(len(edge) - 1 for edge in edges)
    n = int(np.prod(shape))
    code = place_code(move.position, edges)
    half = (np.arange(len(code)) * n_blocks // len(code)) % 2
    directed = move.position.shape[1] == 1 and len(np.unique(move.direction)) == 2
    side = (move.direction > 0).astype(np.int64)
    full = np.where(code >= 0, (half * 2 + side) * n + code, -1)
    return _Sheet(full.astype(np.int64), shape, place, directed)


def _shifted(
    sheet: _Sheet, values: np.ndarray, n_shifts: int, min_shift: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return the tested statistics after circular shifts of the activity against the position."""
    shifts = circular_shifts(
        "spatial_profile", len(values), sheet.place.dt, n_shifts=n_shifts, min_shift=min_shift, rng=rng
    )
    rows = [sheet.measure(np.roll(values, int(shift), axis=0)) for shift in shifts]
    return {name: np.stack([row[name] for row in rows]) for name in TESTED}


def _table(
    recording: Recording,
    maps: RateMaps,
    fields: pd.DataFrame,
    found: dict[str, np.ndarray],
    null: dict[str, np.ndarray],
) -> pd.DataFrame:
    table = pd.DataFrame(index=recording.units.index)
    table["rate"] = found["rate"]
    table["peak"] = np.max(np.nan_to_num(maps.maps.reshape(len(maps.maps), -1)), axis=1)
    table["bits_per_spike"] = found["information"]
    table["bits_per_second"] = found["information"] * found["rate"] if maps.rate_unit == "Hz" else np.nan
    table["sparsity"], table["selectivity"] = found["sparsity"], found["selectivity"]
    table["n_fields"] = fields.groupby("unit").size().reindex(table.index, fill_value=0)
    first = fields[fields["field"] == 0].set_index("unit")
    axes = [name for name in "xyzuvw" if name in first]
    for name in ("size", "peak", *axes):
        table[f"field_{name}"] = first[name].astype(float).reindex(table.index)
    for name in TESTED:
        if name != "information":
            table[name] = found[name]
        table = table.join(chance(found[name], null[name], name, table.index))
    return table


def chance(
    found: Float[np.ndarray, " unit"], null: Float[np.ndarray, "shift unit"], name: str, index: pd.Index
) -> pd.DataFrame:
    """Return the null's 95th percentile, the percentile of what was found and its p-value; NaN where it is NaN."""
    shown = np.where(np.isfinite(null), null, -np.inf)
    high = np.sum(shown >= found, axis=0)
    p = (1.0 + high) / (1.0 + len(null))
    level = np.quantile(shown, 0.95, axis=0, method="higher")
    table = {
        f"{name}_null95": np.where(np.isfinite(level), level, np.nan),
        f"{name}_percentile": 100.0 * np.mean(shown < found, axis=0),
        f"{name}_p": p,
    }
    known = np.isfinite(found)
    return pd.DataFrame({key: np.where(known, column, np.nan) for key, column in table.items()}, index=index)
