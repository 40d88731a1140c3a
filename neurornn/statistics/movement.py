"""Movement: where an animal (or its model) was, how fast and which way it went, in the bins of its activity."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter1d

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Binned, Recording, Signal


@dataclass(frozen=True, eq=False)
class Movement:
    """Bins of activity with the position and velocity in each: only those that were analysed.

    Args:
        binned: the activity of the bins kept.
        position: smoothed position at the bin centres. Shape `(bin, dimension)`, in `unit`.
        velocity: its derivative. Shape `(bin, dimension)`, `unit`/s.
        unit: unit of measure of the position.
        n_bins: how many bins there were before any was left out.
    """

    binned: Binned
    position: Float[np.ndarray, "bin dimension"]
    velocity: Float[np.ndarray, "bin dimension"]
    unit: str
    n_bins: int

    @property
    def speed(self) -> Float[np.ndarray, " bin"]:
        """Length of the velocity, `unit`/s."""
        return np.linalg.norm(self.velocity, axis=1)

    @property
    def direction(self) -> Int[np.ndarray, " bin"]:
        """+1 towards larger positions along the first axis, -1 back (and when standing still)."""
        return np.where(self.velocity[:, 0] > 0, 1, -1).astype(np.int64)

    @property
    def seconds(self) -> float:
        """How much time was analysed, s."""
        return len(self.position) * self.binned.dt / 1000.0

    def where(self, keep: Bool[np.ndarray, " bin"]) -> "Movement":
        """Return only the bins of a mask."""
        return Movement(self.binned.where(keep), self.position[keep], self.velocity[keep], self.unit, self.n_bins)


def movement(
    recording: Recording,
    *,
    position: str = "linear",
    dt: float = 250.0,
    min_speed: float = 0.0,
    smooth: float = 250.0,
    where: Bool[np.ndarray, " bin"] | None = None,
) -> Movement:
    """Return a recording in bins with the movement in each, without the bins that are not to be analysed.

    The position is brought onto a regular grid (its median step), smoothed with a Gaussian and differentiated, **within
    each trial** (trials of a network lie end to end: between two of them the position jumps). Edges are continued by
    odd reflection, so that straight motion stays what it is. Bins without a position, slower than `min_speed`, or in
    which no unit was recorded are left out.

    Args:
        recording: with a signal `position`.
        position: name of that signal.
        dt: bin width, ms.
        min_speed: bins slower than this are left out, position units/s.
        smooth: standard deviation of the Gaussian on the position, ms; 0 for none.
        where: further restriction, one value for each bin of `recording.binned(dt)`.

    Raises:
        RecordingError: if there is no such signal, or no bin is left.
        ValueError: if `where` has another length than the bins.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording, Signal
        >>> from neurornn.statistics import movement
        >>> times = np.arange(0.0, 10_000.0, 20.0)
        >>> walk = Signal(times, times[:, None] / 100, unit="cm")
        >>> move = movement(Recording(0.0, 10_000.0, spikes=[np.array([5.0])], behaviour={"linear": walk}), dt=500.0)
        >>> move.speed[:3].round(6)
        array([10., 10., 10.])
    """
    owner = "movement"
    min_speed = _check.not_negative(owner, "min_speed", min_speed)
    smooth = _check.not_negative(owner, "smooth", smooth, "It is in ms.")
    if position not in recording.behaviour:
        fix = _check.near(position, recording.behaviour) if recording.behaviour else "It has no behaviour."
        _check.fail(owner, "position", "a signal of the recording", position, fix, error=RecordingError)
    signal = recording.behaviour[position]
    binned = recording.binned(dt)
    n_bins = len(binned.times)
    if where is not None and len(where) != n_bins:
        _check.fail(owner, "where", f"one value for each of {n_bins} bins", where, "Make it from recording.binned(dt).")
    place, velocity = _followed(signal, recording, binned, smooth)
    keep = np.asarray(np.isfinite(place).all(axis=1) & np.isfinite(binned.values).any(axis=1))
    if min_speed > 0:
        keep &= np.nan_to_num(np.linalg.norm(velocity, axis=1), nan=-1.0) >= min_speed
    if where is not None:
        keep &= where
    if not keep.any():
        fix = "Check its unit against `min_speed`, and the trials against the signal's times."
        got = f"none of {n_bins} bins"
        _check.fail(owner, "position", "known and moving somewhere", got, fix, error=RecordingError)
    return Movement(binned.where(keep), place[keep], velocity[keep], signal.unit, n_bins)


def _followed(signal: Signal, recording: Recording, binned: Binned, smooth: float) -> tuple[np.ndarray, np.ndarray]:
    """Return position and velocity at the bin centres, trial by trial."""
    shape = (len(binned.times), signal.values.shape[1])
    place, velocity = np.full(shape, np.nan), np.full(shape, np.nan)
    starts, stops = recording.trials["start"].to_numpy(float), recording.trials["stop"].to_numpy(float)
    first, last = np.searchsorted(signal.times, starts, "left"), np.searchsorted(signal.times, stops, "right")
    for trial in np.unique(binned.trial):
        rows = binned.trial == trial
        times, values = signal.times[first[trial] : last[trial]], signal.values[first[trial] : last[trial]]
        if len(times) < 2:
            continue
        grid = np.arange(times[0], times[-1], float(np.median(np.diff(times))))
        grid = np.append(grid, times[-1]) if len(grid) < 2 else grid
        for axis, column in enumerate(values.T):
            path, speed = _smoothed(times, column, grid, smooth)
            at = binned.times[rows]
            place[rows, axis] = np.interp(at, grid, path, left=np.nan, right=np.nan)
            velocity[rows, axis] = np.interp(at, grid, speed, left=np.nan, right=np.nan)
    return place, velocity


def _smoothed(times: np.ndarray, values: np.ndarray, grid: np.ndarray, smooth: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a smoothed path and its derivative (per second) on a regular grid; NaN stays NaN."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.full(len(grid), np.nan), np.full(len(grid), np.nan)
    path = np.interp(grid, times[known], values[known])
    step = grid[1] - grid[0]
    if smooth > 0:
        pad = int(min(len(path) - 1, np.ceil(4 * smooth / step)))
        path = np.pad(path, pad, mode="reflect", reflect_type="odd")
        path = gaussian_filter1d(path, smooth / step)[pad : len(path) - pad]
    speed = np.gradient(path, step / 1000.0)
    missing = np.isnan(np.interp(grid, times, values))
    path[missing], speed[missing] = np.nan, np.nan
    return path, speed
