"""A linear track: where on it the animal was, how fast it ran, and when it ran and when it rested."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Signal

END = 0.1
"""The share of the track at each side that counts as its end when laps are counted."""


@dataclass(frozen=True, eq=False)
class Track:
    """What `along_track` finds in a tracked position.

    Args:
        linear: place along the track, 0 at one end; NaN outside the run. px.
        speed: running speed along the track, 0 or above; NaN outside the run. px/s.
        laps: one row a traversal from one end to the other: `start`, `stop` (ms), `direction` (+1 or -1).
        epochs: `run`, from the first lap to the last, and `rest`, where there is one.
        axis: the direction of the track in the picture. Shape `(2,)`.
        length: how far the animal got from one end to the other, px.
    """

    linear: Signal
    speed: Signal
    laps: pd.DataFrame
    epochs: pd.DataFrame
    axis: Float[np.ndarray, " 2"]
    length: float


def along_track(
    times: Float[np.ndarray, " frame"],
    position: Float[np.ndarray, "frame 2"],
    *,
    smoothing: float = 100.0,
    held: float = 10_000.0,
) -> Track:
    """Project a position on the track it was taken on, and find the run and the rest.

    1. A pixel that does not change for `held` ms is a tracker without a light, not an animal; those frames are set
       aside.
    2. The track is the first principal axis of the remaining frames, and again of the frames of the run.
    3. A lap leads from the first tenth of the axis to the last, or back. The run lasts from the start of the first lap
       to the end of the last. Place and speed are NaN outside it, because the animal was not shown to be on the track.
    4. The rest is the last stretch of held frames that starts after the run, to the last frame.

    Speed is the absolute derivative of the place after a Gaussian of `smoothing` ms (in frames: over the median
    interval).

    Args:
        times: frame times, increasing. Shape `(frame,)`, ms.
        position: tracked positions, NaN where nothing was tracked. Shape `(frame, 2)`, px.
        smoothing: standard deviation of the Gaussian, ms.
        held: how long a pixel must stay the same to count as held, ms.

    Returns:
        A `Track`.

    Raises:
        RecordingError: if no position was measured, or there are fewer than two laps.
    """
    _check.positive("along_track", "smoothing", smoothing)
    _check.positive("along_track", "held", held)
    still, stretches = _held(times, position, held)
    moving = ~still & np.isfinite(position).all(axis=1)
    if np.count_nonzero(moving) < 2:
        got = f"{np.count_nonzero(moving)} usable of {len(times)} frames"
        fix = "The position is NaN or held everywhere: the tracker never saw the animal."
        _check.fail("along_track", "position", "measured while the animal moved", got, fix, error=RecordingError)
    for _ in range(2):  # once to find the run, once more on the run alone
        place, axis = _project(position, moving)
        laps = _laps(times, place, moving)
        if len(laps) < 2:
            got = f"{len(laps)} in {(times[-1] - times[0]) / 1000:.1f} s"
            fix = "Check that this is a recording on a linear track."
            _check.fail("along_track", "position", "one of two or more laps", got, fix, error=RecordingError)
        start, stop = float(laps["start"].to_numpy()[0]), float(laps["stop"].to_numpy()[-1])
        moving = moving & (times >= start) & (times <= stop)
    run = (times >= start) & (times <= stop)
    place = place - place[moving].min()
    speed = _speed(times, place, smoothing)
    return Track(
        linear=Signal(times, np.where(run, place, np.nan)[:, None], "px"),
        speed=Signal(times, np.where(run, speed, np.nan)[:, None], "px/s"),
        laps=laps,
        epochs=_epochs(times, start, stop, stretches),
        axis=axis,
        length=float(np.ptp(place[moving])),
    )


def _epochs(times: np.ndarray, start: float, stop: float, stretches: list) -> pd.DataFrame:
    epochs = [("run", start, stop)]
    later = [first for first, _ in stretches if times[first] >= stop]
    if later:
        epochs.append(("rest", float(times[later[-1]]), float(times[-1])))
    return pd.DataFrame(epochs, columns=["name", "start", "stop"])


def _held(times: np.ndarray, position: np.ndarray, held: float) -> tuple[Bool[np.ndarray, " frame"], list]:
    """Which frames lie in stretches of one single pixel of at least `held` ms, and the stretches."""
    change = np.flatnonzero(np.any(np.diff(position, axis=0) != 0, axis=1)) + 1  # NaN differs from itself
    edges = np.concatenate([[0], change, [len(times)]])
    still = np.zeros(len(times), dtype=bool)
    stretches = []
    for first, end in pairwise(edges):
        if times[end - 1] - times[first] >= held:
            still[first:end] = True
            stretches.append((int(first), int(end)))
    return still, stretches


def _project(position: np.ndarray, moving: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the place along the first principal axis of the moving frames, and the axis, pointing right or down."""
    centre = position[moving].mean(axis=0)
    axis = np.linalg.svd(position[moving] - centre, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])
    return (position - centre) @ axis, axis


def _laps(times: np.ndarray, place: np.ndarray, moving: np.ndarray) -> pd.DataFrame:
    """Every traversal: from the last frame at one end to the first frame at the other."""
    low, high = np.quantile(place[moving], [0.01, 0.99])
    margin = END * (high - low)
    end = np.where(place <= low + margin, -1, np.where(place >= high - margin, 1, 0))
    at_end = np.flatnonzero((end != 0) & moving)
    switch = np.flatnonzero(np.diff(end[at_end]) != 0)
    leave, reach = at_end[switch], at_end[switch + 1]
    return pd.DataFrame({"start": times[leave], "stop": times[reach], "direction": end[reach]})


def _speed(times: np.ndarray, place: np.ndarray, smoothing: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    measured = np.flatnonzero(np.isfinite(place))
    sigma = smoothing / float(np.median(np.diff(times)))
    speed = np.full(len(times), np.nan)
    # A gap in the tracking splits the smoothing, so that no speed is made up across it.
    for piece in np.split(measured, np.flatnonzero(np.diff(measured) > 1) + 1):
        if len(piece) > 1:
            smooth = gaussian_filter1d(place[piece], sigma)
            speed[piece] = np.abs(np.gradient(smooth, times[piece])) * 1000.0
    return speed
