"""A recording on a regular grid: bins cut on whole nanoseconds, so that no spike is lost or invented."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped

TICKS = 1_000_000
"""Integer ticks a millisecond: all edges and all comparisons are made on whole nanoseconds."""


def ticks(times: float | np.ndarray) -> np.ndarray:
    """Return times (ms) as whole nanoseconds, the nearest ones."""
    return np.asarray(np.rint(np.asarray(times, dtype=np.float64) * TICKS), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Binned:
    """A recording on a regular grid, one row a bin: what every statistic starts from.

    Bins never cross the border between two trials. A spike on an edge belongs to the bin that starts there.

    Args:
        values: spike counts, or mean activity. NaN where a unit was not recorded. Shape `(bin, unit)`.
        times: bin centres. Shape `(bin,)`, ms.
        trial: the row of `Recording.trials` that each bin lies in. Shape `(bin,)`.
        dt: bin width, ms.
        counts: whether `values` are spike counts (else mean activity).
        leftover: spikes of each unit that lie in no bin (no whole bin was left for them, they lie outside the trials,
            or the unit was recorded for only a part of the bin). Shape `(unit,)`.
        behaviour: each signal of the recording at the bin centres. Shapes `(bin, dimension)`.
    """

    values: Float[np.ndarray, "bin unit"]
    times: Float[np.ndarray, " bin"]
    trial: Int[np.ndarray, " bin"]
    dt: float
    counts: bool
    leftover: Int[np.ndarray, " unit"]
    behaviour: Mapping[str, Float[np.ndarray, "bin dimension"]]

    @property
    def rates(self) -> Float[np.ndarray, "bin unit"]:
        """Counts as Hz; activity as it is."""
        return self.values / (self.dt / 1000.0) if self.counts else self.values

    def where(self, keep: Shaped[np.ndarray, " bin"]) -> "Binned":
        """Return only the bins of a boolean mask or an index."""
        return replace(
            self,
            values=self.values[keep],
            times=self.times[keep],
            trial=self.trial[keep],
            behaviour={name: values[keep] for name, values in self.behaviour.items()},
        )


def grid(
    starts: Float[np.ndarray, " trial"], stops: Float[np.ndarray, " trial"], dt: float
) -> tuple[Int[np.ndarray, " bin"], Int[np.ndarray, " bin"], Int[np.ndarray, " bin"]]:
    """Cut each trial into whole bins of `dt` ms.

    The edge `k` of a trial lies `k*dt` after its start, rounded to the nearest tick, and never after its stop.

    Returns:
        Where each bin starts and stops, in ticks, and the trial that it lies in.
    """
    first, last = ticks(starts), ticks(stops)
    # Half a tick of grace: a trial of 1000 ms holds three bins of 1000/3 ms, whatever the last digit of 1000/3 is.
    n_bins = np.maximum(np.floor((last - first + 0.499) / (dt * TICKS)).astype(np.int64), 0)
    trial = np.repeat(np.arange(len(starts)), n_bins)
    within = np.arange(n_bins.sum()) - np.repeat(np.cumsum(n_bins) - n_bins, n_bins)
    lower, upper = first[trial] + ticks(within * dt), first[trial] + ticks((within + 1) * dt)
    return lower, upper, trial


def counted(
    spikes: Sequence[Float[np.ndarray, " _spike"]], lower: Int[np.ndarray, " bin"], upper: Int[np.ndarray, " bin"]
) -> tuple[Float[np.ndarray, "bin unit"], Int[np.ndarray, " unit"]]:
    """Count the spikes of each unit in ordered bins `[lower, upper)`.

    Args:
        spikes: sorted spike times of each unit, ms.
        lower: where each bin starts, ticks.
        upper: where it stops, ticks; at most where the next one starts.

    Returns:
        Counts, and how many spikes of each unit lie in no bin.
    """
    values = np.zeros((len(lower), len(spikes)))
    leftover = np.zeros(len(spikes), dtype=np.int64)
    for i, train in enumerate(spikes):
        at = ticks(train)
        place = np.searchsorted(lower, at, side="right") - 1
        hit = (place >= 0) & (at < upper[np.maximum(place, 0)])
        values[:, i] = np.bincount(place[hit], minlength=len(lower))
        leftover[i] = len(train) - int(hit.sum())
    return values, leftover


def averaged(
    activity: Float[np.ndarray, "time unit"],
    centres: Int[np.ndarray, " time"],
    lower: Int[np.ndarray, " bin"],
    upper: Int[np.ndarray, " bin"],
) -> Float[np.ndarray, "bin unit"]:
    """Average the finite samples whose centre (ticks) lies in each bin `[lower, upper)`; NaN where there is none."""
    first, last = np.searchsorted(centres, lower), np.searchsorted(centres, upper)
    known = np.isfinite(activity)
    nothing = np.zeros((1, activity.shape[1]))
    total = np.concatenate([nothing, np.cumsum(np.where(known, activity, 0.0), axis=0, dtype=np.float64)])
    n_known = np.concatenate([nothing, np.cumsum(known, axis=0)])
    n_samples = n_known[last] - n_known[first]
    empty = np.full((len(lower), activity.shape[1]), np.nan)
    return np.divide(total[last] - total[first], n_samples, out=empty, where=n_samples > 0)


def inside(
    lower: Int[np.ndarray, " bin"], upper: Int[np.ndarray, " bin"], intervals: Int[np.ndarray, "interval 2"]
) -> np.ndarray:
    """Return which bins lie wholly in recorded time, all in ticks; intervals that touch are one. Shape `(bin,)`."""
    if len(intervals) == 0:
        return np.zeros(len(lower), dtype=bool)
    fresh = np.append(True, intervals[1:, 0] > intervals[:-1, 1])
    starts, stops = intervals[fresh, 0], intervals[np.append(fresh[1:], True), 1]
    place = np.searchsorted(starts, lower, side="right") - 1
    return (place >= 0) & (upper <= stops[np.maximum(place, 0)])
