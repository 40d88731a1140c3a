"""Remapping: whether units keep their place maps from one recording to another, or draw new ones."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics.information import mean_rate, similarity
from neurornn.statistics.place import PlaceBins, mapped, place_code, rates_of


@dataclass(frozen=True, eq=False)
class Remapping:
    """Place maps of the same units in two recordings, held against the two halves of each.

    Args:
        table: one row a unit: `within` and `between` (map correlations), `rate_one`, `rate_other`, `overlap` (the
            smaller over the larger mean rate).
        vectors: population-vector correlation at each place visited in all halves: `within` and `between`.
        null: mean map correlation between the recordings when units of one are dealt to those of the other at random.
            Shape `(shuffle,)`.
        vector_null: mean population-vector correlation likewise.
        maps: the maps of both halves of both recordings. Shape `(recording, half, unit, *bins)`.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    vectors: pd.DataFrame
    null: Float[np.ndarray, " shuffle"]
    vector_null: Float[np.ndarray, " shuffle"]
    maps: Float[np.ndarray, "2 2 unit *bins"]
    methods: str
    references: tuple[str, ...] = ("10.1126/science.1114037",)

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table

    def summary(self) -> pd.DataFrame:
        """Return the mean within and between, beside chance: the null's mean, 95th percentile and p-value.

        A small p says that units keep more of their maps than chance: that they have **not** remapped completely.
        """
        rows = {}
        for name, table, null in (
            ("map", self.table, self.null),
            ("population vector", self.vectors, self.vector_null),
        ):
            between = float(np.nanmean(table["between"]))
            rows[name] = {
                "within": float(np.nanmean(table["within"])),
                "between": between,
                "shuffled": float(np.mean(null)),
                "shuffled_95": float(np.quantile(null, 0.95)),
                "p": (1 + np.sum(null >= between)) / (1 + len(null)),
            }
        rows["rate overlap"] = {"between": float(np.nanmean(self.table["overlap"]))}
        return pd.DataFrame.from_dict(rows, orient="index")


def remapping(
    one: Recording,
    other: Recording,
    place: PlaceBins,
    *,
    n_shuffles: int = 200,
    n_blocks: int = 10,
    seed: int = 0,
) -> Remapping:
    r"""Compare the place maps of the same units in two recordings, of two arenas or of two days.

    The analysed time of each recording is cut into `n_blocks` of equal length, and the even and the odd ones make two
    halves. *Within* is Pearson's r of the halves' maps of one recording, *between* that of a half of one and a half of
    the other (the mean of all four pairs), so that both rest on equally much data. Only places count that were visited
    in both. The population vector at a place is the activity of all units there, each of them z-scored over all places
    and halves.

    Read *between* against two marks: *within* (no remapping) and the null, in which the units of one recording are
    dealt at random to those of the other (remapping so complete that a unit's map says nothing of its next). Maps of
    recordings in which all units fire in the same places correlate even then.

    Args:
        one: with a position signal.
        other: with the same units, and positions in the same coordinates.
        place: how position is read and cut; its `extent` holds for both, or else their common range.
        n_shuffles: how often units are dealt anew.
        n_blocks: how many blocks make the halves.
        seed: of the null.

    Raises:
        RecordingError: if the units differ.
        ValueError: if no place was visited in all four halves.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording, Signal
        >>> from neurornn.statistics import PlaceBins, remapping
        >>> times = np.arange(0.0, 100_000.0, 100.0)
        >>> x = 50 - 50 * np.cos(times / 5_000 * np.pi)
        >>> fields = np.exp(-((x[:, None] - np.array([20.0, 50.0, 80.0])) ** 2) / 200)
        >>> signal = {"linear": Signal(times + 50.0, x[:, None], unit="cm")}
        >>> here = Recording(0.0, 100_000.0, activity=fields, dt=100.0, behaviour=signal)
        >>> there = Recording(0.0, 100_000.0, activity=fields[:, ::-1], dt=100.0, behaviour=signal)
        >>> found = remapping(here, there, PlaceBins(bins=20, dt=100.0, smooth=0.0, min_occupancy=0.0))
        >>> found.table["within"].round(2).tolist()
        [1.0, 1.0, 1.0]
        >>> bool(found.table["between"][0] < 0 < found.table["between"][1])
        True

    References:
        S. Leutgeb et al. (2005), Independent codes for spatial and episodic memory in hippocampal neuronal ensembles,
        doi:10.1126/science.1114037 (rate overlap, spatial and population-vector correlation).
    """
    owner = "remapping"
    n_shuffles = _check.count(owner, "n_shuffles", n_shuffles, least=20)
    n_blocks = _check.count(owner, "n_blocks", n_blocks, least=2)
    if list(one.units.index) != list(other.units.index):
        must, fix = "a recording of the same units", "Select the common ones with `recording.select`."
        _check.fail(owner, "other", must, f"{other.n_units} others", fix, error=RecordingError)
    place = _common(one, other, place)
    halves = [_halves(recording, place, n_blocks) for recording in (one, other)]
    maps = np.stack([maps for maps, _ in halves])  # (recording, half, unit, place)
    rates = [mean_rate(*_whole(recording, place)) for recording in (one, other)]
    known = np.isfinite(maps).all(axis=(0, 1, 2))
    if known.sum() < 3:
        fix = "Record longer, take fewer bins, or a lower `min_occupancy`."
        _check.fail(owner, "place", "with three bins or more visited in every half", f"{known.sum()} of them", fix)
    table = pd.DataFrame(index=one.units.index)
    table["within"] = np.mean([similarity(*half) for half in maps], axis=0)
    table["between"] = np.mean([similarity(maps[0, i], maps[1, j]) for i in (0, 1) for j in (0, 1)], axis=0)
    table["rate_one"], table["rate_other"] = rates
    larger = np.maximum(*rates)
    table["overlap"] = np.divide(np.minimum(*rates), larger, out=np.full(len(larger), np.nan), where=larger > 0)
    vectors = _vectors(maps[..., known])
    at = np.flatnonzero(known)
    within = np.mean([_correlated(half[0], half[1]) for half in vectors], axis=0)
    between = np.mean([_correlated(vectors[0, i], vectors[1, j]) for i in (0, 1) for j in (0, 1)], axis=0)
    rng = np.random.default_rng(seed)
    null, vector_null = np.empty(n_shuffles), np.empty(n_shuffles)
    for k in range(n_shuffles):
        order = rng.permutation(one.n_units)
        pairs = [(i, j) for i in (0, 1) for j in (0, 1)]
        null[k] = np.nanmean([similarity(maps[0, i], maps[1, j][order]) for i, j in pairs])
        vector_null[k] = np.nanmean([_correlated(vectors[0, i], vectors[1, j][order]) for i, j in pairs])
    shape = tuple(len(edge) - 1 for edge in place.edges(np.array(place.extent).T))
    methods = (
        f"Place maps: {place.text} Halves: even and odd ones of {n_blocks} blocks of equal analysed time. Pearson's r "
        f"of maps over common bins, within recordings and between halves of the two; population vectors at {len(at)} "
        f"places, units z-scored. Null: units dealt at random, {n_shuffles} times."
    )
    return Remapping(
        table,
        pd.DataFrame({"within": within, "between": between}, index=pd.Index(at, name="place")),
        null,
        vector_null,
        maps.reshape(*maps.shape[:3], *shape),
        methods,
    )


def _common(one: Recording, other: Recording, place: PlaceBins) -> PlaceBins:
    """Return the same bins for both recordings."""
    if place.extent:
        return place
    positions = np.concatenate([place.movement(recording).position for recording in (one, other)])
    return replace(place, extent=tuple(zip(positions.min(axis=0), positions.max(axis=0), strict=True)))


def _halves(recording: Recording, place: PlaceBins, n_blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps of even and odd blocks, and the bins visited in each: `(half, unit, place)`."""
    move = place.movement(recording)
    edges = place.edges(move.position)
    shape = tuple(len(edge) - 1 for edge in edges)
    n = int(np.prod(shape))
    code = place_code(move.position, edges)
    half = (np.arange(len(code)) * n_blocks // len(code)) % 2
    maps, seen = mapped(np.where(code >= 0, half * n + code, -1), rates_of(move, place), (2, *shape), place)
    return maps.reshape(-1, 2, n).swapaxes(0, 1), seen.reshape(-1, 2, n).swapaxes(0, 1)


def _whole(recording: Recording, place: PlaceBins) -> tuple[np.ndarray, np.ndarray]:
    maps, seen = _halves(recording, place, 1)
    return maps[0], seen[0]


def _vectors(maps: Float[np.ndarray, "recording half unit place"]) -> np.ndarray:
    """Return the maps with each unit z-scored over all places and halves; units that never change are 0."""
    mean = maps.mean(axis=(0, 1, 3), keepdims=True)
    spread = maps.std(axis=(0, 1, 3), keepdims=True)
    return np.divide(maps - mean, spread, out=np.zeros_like(maps), where=spread > 1e-12)


def _correlated(one: Float[np.ndarray, "unit place"], other: Float[np.ndarray, "unit place"]) -> np.ndarray:
    """Return Pearson's r over units, at each place."""
    return similarity(one.T, other.T)
