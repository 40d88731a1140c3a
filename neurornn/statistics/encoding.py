"""How well position and direction predict spikes that were not used to learn it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.recording import Recording
from neurornn.statistics.folds import Folds, blocked_folds
from neurornn.statistics.likelihood import BitsPerSpike, bits_per_spike
from neurornn.statistics.movement import Movement
from neurornn.statistics.place import PlaceBins, place_code, smoothed_ratio, tallies


@dataclass(frozen=True, eq=False)
class RateHistogram:
    """Rates by place and direction, learnt from some bins: the simplest model of a place cell.

    Args:
        rates: expected rate, never below the floor. Shape `(unit, direction, place)`, Hz; place runs over the flattened
            bins of all axes, direction over back and forth (or has one entry).
        edges: bin edges along each axis.
        mean: each unit's mean rate over the same bins. Shape `(unit,)`, Hz.
    """

    rates: Float[np.ndarray, "unit direction place"]
    edges: tuple[np.ndarray, ...]
    mean: Float[np.ndarray, " unit"]

    def predict(self, move: Movement) -> Float[np.ndarray, "bin unit"]:
        """Return the expected rate of every unit in every bin, Hz; positions beyond the edges count as at the edge."""
        inside = [np.clip(x, edge[0], edge[-1]) for x, edge in zip(move.position.T, self.edges, strict=True)]
        code = place_code(np.stack(inside, axis=1), self.edges)
        side = self.side(move)
        return np.ascontiguousarray(self.rates[:, side, code].T)

    def side(self, move: Movement) -> Int[np.ndarray, " bin"]:
        """Return which entry of the direction axis holds in each bin."""
        return (move.direction > 0).astype(np.int64) * (self.rates.shape[1] - 1)


def rate_histogram(
    move: Movement,
    edges: tuple[np.ndarray, ...],
    *,
    smoothing: float = 1.5,
    floor: float = 0.05,
    by_direction: bool = True,
) -> RateHistogram:
    """Learn rates by place and direction from the bins of `move`.

    Args:
        move: the training bins, of spike counts.
        edges: bin edges along each axis.
        smoothing: standard deviation of the Gaussian on spikes and on occupancy, each by itself, in bins.
        floor: lower rates are raised to this, Hz.
        by_direction: whether to learn the two directions of running apart (positions along one axis).

    Raises:
        ValueError: if the activity is no spike counts, or the floor is not above 0.
    """
    floor = _check.positive("rate_histogram", "floor", floor, "A rate of 0 would forbid a spike.")
    if not move.binned.counts:
        fix = "Turn activity into spikes at matched rates with neurornn.statistics.observe."
        _check.fail("rate_histogram", "move", "bins of spike counts", "sampled activity", fix)
    shape = tuple(len(edge) - 1 for edge in edges)
    n = int(np.prod(shape))
    split = by_direction and move.position.shape[1] == 1
    code = place_code(move.position, edges)
    side = (move.direction > 0).astype(np.int64) if split else np.zeros(len(code), dtype=np.int64)
    total, seen = tallies(np.where(code >= 0, side * n + code, -1), move.binned.rates, (1 + split) * n)
    grid = (-1, 1 + split, *shape)
    rates = smoothed_ratio(total.reshape(grid), seen.reshape(grid), len(shape), smoothing).reshape(len(total), -1, n)
    known = np.isfinite(move.binned.rates)
    sums = np.where(known, move.binned.rates, 0.0).sum(axis=0)
    mean = np.divide(sums, known.sum(axis=0), out=np.zeros(len(sums)), where=known.any(axis=0))
    rates = np.where(np.isfinite(rates), rates, mean[:, None, None])  # nothing learnt there: the mean rate
    return RateHistogram(np.maximum(rates, floor), edges, np.maximum(mean, floor))


@dataclass(frozen=True, eq=False)
class Encoding:
    """How many bits a spike are gained by knowing place and direction, in bins held out.

    Args:
        bits: the gain of each unit and of all together, against each unit's mean rate in the training bins.
        rates: the held-out prediction. Shape `(bin, unit)`, Hz.
        units: ids of the units.
        move: the bins.
        folds: how they were split.
        methods: how this was made.
        references: DOIs.
    """

    bits: BitsPerSpike
    rates: Float[np.ndarray, "bin unit"]
    units: pd.Index
    move: Movement
    folds: Folds
    methods: str
    references: tuple[str, ...] = ("10.48550/arXiv.2109.04463",)

    @property
    def population(self) -> float:
        """Gain of all units together, whatever their number of spikes, bits/spike."""
        return self.bits.pooled_all

    def frame(self) -> pd.DataFrame:
        """Return one row a unit: bits/spike (NaN for too few spikes), spikes and whether it was kept."""
        return self.bits.frame().set_index(self.units)


def encode(
    recording: Recording,
    place: PlaceBins | None = None,
    *,
    n_folds: int = 5,
    gap: float = 0.0,
    floor: float = 0.05,
    min_spikes: int = 50,
    by_direction: bool = True,
) -> Encoding:
    """Predict held-out spikes from place and direction, with rates learnt on the other folds.

    Args:
        recording: of spikes (see `observe` for a network), with a position signal.
        place: how position is read, cut and smoothed.
        n_folds: contiguous blocks of the analysed bins.
        gap: training bins this close (ms) to a test bin are left out.
        floor: lower rates are raised to this, Hz.
        min_spikes: units with fewer spikes in the analysed bins get NaN: their score is all noise.
        by_direction: whether the two directions of running have rates of their own.

    Raises:
        ValueError: if the recording has no spikes.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording, Signal
        >>> from neurornn.statistics import PlaceBins, encode, observe
        >>> times = np.arange(50.0, 100_000.0, 100.0)
        >>> x = 50 - 50 * np.cos(times / 5_000 * np.pi)
        >>> track, half = {"linear": Signal(times, x[:, None])}, (x[:, None] > 50) * 1.0
        >>> network = Recording(0.0, 100_000.0, activity=half, dt=100.0, behaviour=track)
        >>> told = encode(observe(network, rates=10.0, seed=0), PlaceBins(bins=10, smoothing=0.0, smooth=0.0))
        >>> bool(0.7 < told.population < 1.0)  # silent in half of the places: one bit a spike, less what was not known
        True

    References:
        Pei et al. (2021), Neural Latents Benchmark, doi:10.48550/arXiv.2109.04463.
    """
    place = PlaceBins() if place is None else place
    move = place.movement(recording)
    edges = place.edges(move.position)
    folds = blocked_folds(move.binned.times, n_folds, gap=gap)
    rates = np.empty(move.binned.values.shape)
    null = np.empty(rates.shape)
    for train, test in folds:
        model = rate_histogram(
            chosen(move, train), edges, smoothing=place.smoothing, floor=floor, by_direction=by_direction
        )
        rates[test], null[test] = model.predict(chosen(move, test)), model.mean
    bits = bits_per_spike(move.binned.values, rates, null, dt=place.dt, floor=floor, min_spikes=min_spikes)
    methods = (
        f"Rates by place{' and direction' if by_direction else ''} learnt on the other folds ({n_folds} contiguous "
        f"folds of {len(rates)} bins, gap {gap:g} ms, floor {floor:g} Hz): {place.text} Poisson log-likelihood of "
        f"held-out counts against each unit's mean rate in the training bins."
    )
    return Encoding(bits, rates, recording.units.index, move, folds, methods)


def chosen(move: Movement, rows: Int[np.ndarray, " index"]) -> Movement:
    """Return the bins at `rows`."""
    keep = np.zeros(len(move.position), dtype=bool)
    keep[rows] = True
    return move.where(keep)
