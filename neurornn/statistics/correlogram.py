"""Cross-correlograms of all pairs of units at once, and what independent firing would have given."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.binned import ticks
from neurornn.errors import RecordingError
from neurornn.recording import Recording

AT_ONCE = 1 << 23
"""Pairs of spikes that are counted at once: what fits into a few hundred MB."""


@dataclass(frozen=True, eq=False)
class CrossCorrelograms:
    """How often each unit fired at each lag after each other unit.

    Args:
        counts: spikes of the second unit at this lag after one of the first, `counts[i, j, lag] = counts[j, i, -lag]`.
            Shape `(unit, unit, lag)`.
        lags: middle of each lag. Shape `(lag,)`, ms.
        expected: counts of independent units with the same numbers of spikes. Shape `(unit, unit, lag)`.
        units: ids.
        dt: width of a lag, ms.
        methods: how this was made.
        references: DOIs.
    """

    counts: Int[np.ndarray, "unit unit lag"]
    lags: Float[np.ndarray, " lag"]
    expected: Float[np.ndarray, "unit unit lag"]
    units: tuple[object, ...]
    dt: float
    methods: str
    references: tuple[str, ...] = ("10.1016/S0006-3495(67)86597-4",)

    @property
    def excess(self) -> Float[np.ndarray, "unit unit lag"]:
        r"""Counts in standard deviations above independence, $(n - \hat n)/\sqrt{\hat n}$; NaN for silent units."""
        spread = np.sqrt(self.expected)
        return np.divide(self.counts - self.expected, spread, out=np.full(spread.shape, np.nan), where=spread > 0)

    def frame(self) -> pd.DataFrame:
        """Return one row a pair: the lag (ms) with the greatest excess, its excess, and the count at lag 0."""
        first, second = np.triu_indices(len(self.units), 1)
        excess = self.excess[first, second]
        best = np.where(np.isfinite(excess), excess, -np.inf).argmax(axis=1)
        names = np.array(self.units, dtype=object)
        return pd.DataFrame(
            {
                "unit": names[first],
                "other": names[second],
                "lag": self.lags[best],
                "excess": excess[np.arange(len(best)), best],
                "coincidences": self.counts[first, second, len(self.lags) // 2],
            }
        )


def cross_correlograms(recording: Recording, *, dt: float = 1.0, max_lag: float = 100.0) -> CrossCorrelograms:
    r"""Return the cross-correlograms of all pairs of units, and all autocorrelograms.

    $$ c_{ij}(k) = \sum_t n_i(t)\, n_j(t + k) $$

    of counts in bins of `dt` within trials, so that no pair lies across the border of two. All spikes are sorted once;
    the differences between each and the next, the one after, ... are counted together, until none is within `max_lag`.
    200 units of 8 Hz over ten minutes take seconds, where one pair after the other takes a quarter of an hour.

    Expected counts are those of units that fire independently at constant rates: slow common changes of rate show as
    excess.

    Args:
        recording: of spikes.
        dt: bin width, ms.
        max_lag: the longest lag, ms; rounded down to whole bins.

    Raises:
        RecordingError: if there are no spikes.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.statistics import cross_correlograms
        >>> first = np.array([10.5, 200.5, 500.5])
        >>> found = cross_correlograms(Recording(0.0, 1000.0, spikes=[first, first + 3.0]), max_lag=5.0)
        >>> dict(zip(found.lags.tolist(), found.counts[0, 1].tolist()))[3.0]
        3

    References:
        Perkel et al. (1967), Biophys. J. 7:419, doi:10.1016/S0006-3495(67)86597-4.
    """
    owner = "cross_correlograms"
    if recording.spikes is None:
        fix = "Turn activity into spikes with neurornn.statistics.observe."
        _check.fail(owner, "recording", "of spikes", "sampled activity", fix, error=RecordingError)
    dt = _check.positive(owner, "dt", dt)
    n_lags = int(_check.positive(owner, "max_lag", max_lag) / dt + 1e-9)
    if n_lags < 1:
        _check.fail(owner, "max_lag", f"a bin of {dt:g} ms or more", max_lag, "Take finer bins, or a longer lag.")
    bins, unit, lengths, _ = ordered_spikes(recording, dt, n_lags)
    n = recording.n_units
    after = _differences(bins, unit, n, n_lags)
    counts = np.zeros((n, n, 2 * n_lags + 1), dtype=np.int64)
    counts[:, :, n_lags + 1 :] = after[:, :, 1:]
    counts[:, :, :n_lags] = after[:, :, :0:-1].transpose(1, 0, 2)
    counts[:, :, n_lags] = after[:, :, 0] + after[:, :, 0].T
    fired = np.bincount(unit, minlength=n)
    counts[np.arange(n), np.arange(n), n_lags] += fired
    lags = np.arange(-n_lags, n_lags + 1)
    whole = lengths.sum()
    overlap = np.maximum(lengths[:, None] - np.abs(lags), 0).sum(axis=0) / whole**2
    methods = (
        f"Cross-correlograms of counts in {dt:g} ms bins at lags of up to {n_lags * dt:g} ms, {n} units, "
        f"{len(lengths)} trials, pairs within trials; expected: independent units at constant rates."
    )
    expected = fired[:, None, None] * fired[None, :, None] * overlap
    return CrossCorrelograms(counts, lags * dt, expected, tuple(recording.units.index), dt, methods)


def ordered_spikes(
    recording: Recording, dt: float, n_lags: int
) -> tuple[Int[np.ndarray, " spike"], Int[np.ndarray, " spike"], Int[np.ndarray, " trial"], Int[np.ndarray, " trial"]]:
    """Return bin and unit of every spike in order, with trials further apart than any lag.

    Args:
        recording: of spikes.
        dt: bin width, ms.
        n_lags: the longest lag, in bins.

    Returns:
        Bin of each spike; its unit; the number of bins of each trial; and the bin where it starts.
    """
    assert recording.spikes is not None
    times = ticks(np.concatenate([*recording.spikes, np.empty(0)]))
    unit = np.repeat(np.arange(recording.n_units), [len(train) for train in recording.spikes])
    starts, stops = (ticks(recording.trials[edge].to_numpy(float)) for edge in ("start", "stop"))
    width = int(ticks(dt))
    lengths = np.maximum((stops - starts) // width, 0)
    trial = np.searchsorted(starts, times, side="right") - 1
    place = np.where(trial >= 0, (times - starts[np.maximum(trial, 0)]) // width, -1)
    inside = (place >= 0) & (place < lengths[np.maximum(trial, 0)])
    offset = np.concatenate([[0], np.cumsum(lengths + n_lags + 1)[:-1]])
    bins, unit = place[inside] + offset[trial[inside]], unit[inside]
    order = np.argsort(bins, kind="stable")
    return bins[order], unit[order], lengths, offset


def _differences(bins: np.ndarray, unit: np.ndarray, n: int, n_lags: int) -> np.ndarray:
    """Count, for each two units, the spikes at 0 to `n_lags` bins after one another; each pair once."""
    counts = np.zeros(n * n * (n_lags + 1), dtype=np.int64)
    bins, unit = bins.astype(np.int32 if len(bins) == 0 or bins[-1] < 2**31 else np.int64), unit.astype(np.int64)
    waiting: list[np.ndarray] = []
    for step in range(1, len(bins)):
        apart = bins[step:] - bins[:-step]
        near = np.flatnonzero(apart <= n_lags)
        if len(near) == 0:
            break
        waiting.append((unit[near] * n + unit[near + step]) * (n_lags + 1) + apart[near])
        if sum(map(len, waiting)) > AT_ONCE:
            counts += np.bincount(np.concatenate(waiting), minlength=len(counts))
            waiting = []
    if waiting:
        counts += np.bincount(np.concatenate(waiting), minlength=len(counts))
    return counts.reshape(n, n, n_lags + 1)
