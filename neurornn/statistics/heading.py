"""Head direction: how sharply each unit is tuned to the way an animal faces."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal
from neurornn.statistics.movement import movement
from neurornn.statistics.nonnegative import AbstractNonNegative, Rectify
from neurornn.statistics.place import tallies
from neurornn.statistics.shifts import circular_shifts, shifted
from neurornn.statistics.spatial import chance


@dataclass(frozen=True, eq=False)
class DirectionTuning:
    """What each unit says about the heading.

    Args:
        table: one row a unit: `vector` (mean vector length), `preferred` (rad), `peak` (Hz or activity), and for the
            vector `..._null95`, `..._percentile` and `..._p` from circular shifts.
        curves: mean activity at each heading. Shape `(unit, angle)`.
        angles: middles of the bins, rad.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    curves: Float[np.ndarray, "unit angle"]
    angles: Float[np.ndarray, " angle"]
    methods: str
    references: tuple[str, ...] = ("10.1523/JNEUROSCI.10-02-00420.1990",)

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table


def direction_tuning(
    recording: Recording,
    *,
    heading: str = "heading",
    dt: float = 250.0,
    bins: int = 36,
    smoothing: float = 1.0,
    rule: AbstractNonNegative | None = None,
    n_shifts: int = 200,
    min_shift: float = 20_000.0,
    seed: int = 0,
) -> DirectionTuning:
    r"""Return the tuning of every unit to the heading.

    $$ R = \frac{\pi/n}{\sin(\pi/n)}\,\frac{|\sum_k r_k e^{i\theta_k}|}{\sum_k r_k} $$

    with $r_k$ the mean activity in the $k$-th of $n$ bins of heading. 0 is no tuning, 1 firing at one heading only. An
    animal that faces one way in one place makes place cells look tuned to the heading: read it beside the null, and
    place and heading together.

    Args:
        recording: with the heading as a signal, rad; `with_heading` makes one from the movement.
        heading: name of that signal.
        dt: bin width in time, ms.
        bins: bins of the circle.
        smoothing: standard deviation of the Gaussian on activity and occupancy, in bins, round the circle.
        rule: what is done with activity below 0; `Rectify()` where absent.
        n_shifts: circular shifts of activity against heading, 20 or above.
        min_shift: each shift is at least this long either way round, ms.
        seed: of the shifts.

    Raises:
        RecordingError: if there is no such signal.
        ValueError: if it has more than one dimension, or there is too little time for the shifts.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording, Signal
        >>> from neurornn.statistics import direction_tuning
        >>> times = np.arange(0.0, 200_000.0, 100.0)
        >>> angle = np.cumsum(np.random.default_rng(0).normal(size=len(times)))
        >>> activity = 1 + np.cos(angle - 1.0)[:, None]  # a cosine about its mean: R = 1/2
        >>> signal = {"heading": Signal(times + 50.0, angle[:, None], unit="rad")}
        >>> turning = Recording(0.0, 200_000.0, activity=activity, dt=100.0, behaviour=signal)
        >>> found = direction_tuning(turning, dt=100.0, smoothing=0.0).table
        >>> found[["vector", "preferred"]].round(1).values.tolist()
        [[0.5, 1.0]]

    References:
        J. S. Taube, R. U. Muller and J. B. Ranck (1990), Head-direction cells recorded from the postsubiculum in freely
        moving rats, doi:10.1523/JNEUROSCI.10-02-00420.1990.
    """
    owner = "direction_tuning"
    rule = Rectify() if rule is None else rule
    n_shifts = _check.count(owner, "n_shifts", n_shifts, least=20)
    bins = _check.count(owner, "bins", bins, least=4)
    _check.not_negative(owner, "smoothing", smoothing, "It is in bins.")
    if heading not in recording.behaviour:
        fix = "`with_heading(recording)` makes one from the movement."
        _check.fail(owner, "heading", "a signal of the recording", heading, fix, error=RecordingError)
    signal = recording.behaviour[heading]
    if signal.values.shape[1] != 1:
        _check.fail(owner, "heading", "a signal of one dimension, rad", signal.values.shape[1])
    # Between two samples the angle goes the short way round: the vector is what is interpolated.
    vector = Signal(signal.times, np.concatenate([np.cos(signal.values), np.sin(signal.values)], axis=1))
    move = movement(replace(recording, behaviour={"vector": vector}), position="vector", dt=dt, smooth=0.0)
    angle = np.arctan2(move.position[:, 1], move.position[:, 0])
    code = np.floor((angle + math.pi) / math.tau * bins).astype(np.int64).clip(0, bins - 1)
    values = move.binned.rates if move.binned.counts else rule(move.binned.rates)
    angles = -math.pi + (np.arange(bins) + 0.5) * math.tau / bins

    def curves_of(activity: np.ndarray) -> np.ndarray:
        total, seen = tallies(code, activity, bins)
        if smoothing:
            total, seen = (gaussian_filter1d(part, smoothing, axis=1, mode="wrap") for part in (total, seen))
        return np.divide(total, seen, out=np.full(total.shape, np.nan), where=seen > 1e-12)

    curves = curves_of(values)
    rng = np.random.default_rng(seed)
    shifts = circular_shifts(owner, len(values), dt, n_shifts=n_shifts, min_shift=min_shift, rng=rng)
    null = shifted(lambda moved: np.abs(_mean_vector(curves_of(moved), angles)), values, shifts)
    mean = _mean_vector(curves, angles)
    table = pd.DataFrame(index=recording.units.index)
    table["vector"], table["preferred"] = np.abs(mean), np.angle(mean)
    table["peak"] = np.nan_to_num(curves).max(axis=1)
    table = table.join(chance(table["vector"].to_numpy(), null, "vector", table.index))
    what = "spikes" if move.binned.counts else f"activity {rule.text}"
    methods = (
        f"Mean vector length of the tuning curve over {bins} bins of heading ({dt:g} ms bins of {what}, smoothed by "
        f"{smoothing:g} bins), corrected for the width of the bins; null: {n_shifts} circular shifts of at least "
        f"{min_shift / 1000:g} s."
    )
    return DirectionTuning(table, curves, angles, methods)


def with_heading(
    recording: Recording, *, position: str = "position", name: str = "heading", smooth: float = 250.0
) -> Recording:
    """Return the recording with the direction of movement as a signal, rad; NaN where the animal stands.

    Where it moves is not where it looks: use it where no head direction was tracked.

    Args:
        recording: with a position signal of two dimensions.
        position: name of that signal.
        name: of the new signal.
        smooth: standard deviation of the Gaussian on the position, ms.

    Raises:
        RecordingError: if there is no such signal.
        ValueError: if the position has another number of dimensions.
    """
    if position not in recording.behaviour:
        fix = _check.near(position, recording.behaviour) if recording.behaviour else "It has no behaviour."
        _check.fail("with_heading", "position", "a signal of the recording", position, fix, error=RecordingError)
    signal = recording.behaviour[position]
    if signal.values.shape[1] != 2:
        _check.fail("with_heading", "position", "a signal of two dimensions", signal.values.shape[1])
    if len(signal.times) < 2:
        _check.fail("with_heading", "position", "a signal of two samples or more", len(signal.times))
    step = float(np.median(np.diff(signal.times)))
    values = signal.values.astype(float)
    known = np.asarray(np.isfinite(values).all(axis=1))
    weight = gaussian_filter1d(known.astype(float), max(smooth / step, 1e-3))
    path = gaussian_filter1d(np.where(known[:, None], values, 0.0), max(smooth / step, 1e-3), axis=0)
    path = np.divide(path, weight[:, None], out=np.full(path.shape, np.nan), where=weight[:, None] > 1e-9)
    velocity = np.gradient(path, signal.times, axis=0)
    angle = np.arctan2(velocity[:, 1], velocity[:, 0])
    angle[~known | (np.hypot(*velocity.T) == 0)] = np.nan
    made = Signal(signal.times, angle[:, None], "rad")
    return replace(recording, behaviour={**recording.behaviour, name: made})


def _mean_vector(curves: Float[np.ndarray, "unit angle"], angles: np.ndarray) -> np.ndarray:
    """Return the mean vector of each curve as a complex number; NaN where a unit never fires."""
    rates = np.nan_to_num(curves)
    half = math.pi / len(angles)
    total = rates.sum(axis=1)
    mean = np.divide(rates @ np.exp(1j * angles), total, out=np.full(len(rates), np.nan + 0j), where=total > 0)
    return mean * half / math.sin(half)
