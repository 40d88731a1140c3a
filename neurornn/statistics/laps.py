"""Laps: the runs of an animal from one end of a track to the other."""

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording


def laps(recording: Recording, *, position: str = "linear", zone: float = 0.15, margin: float = 500.0) -> pd.DataFrame:
    """Return one row for each run between the two ends of a track, in order of time.

    A run starts when the animal last leaves one end zone and stops when it first enters the other one; `margin` is
    added on both sides where the neighbouring runs allow it. Visits that return to the same end are no laps.

    Args:
        recording: with a one-dimensional signal `position`, within whose finite range the track lies.
        position: name of that signal.
        zone: length of each end zone, as a fraction of the track (1st to 99th percentile of the position).
        margin: added before and after each run, ms.

    Returns:
        A table with `start`, `stop` (ms) and `direction` (+1 towards larger positions, -1 back), to be used as trials.

    Raises:
        RecordingError: if the signal is missing or the animal never ran from end to end.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording, Signal
        >>> from neurornn.statistics import laps
        >>> times = np.arange(0.0, 20_000.0, 100.0)
        >>> there_and_back = 50 - 50 * np.cos(times / 10_000 * 2 * np.pi)
        >>> signal = Signal(times, there_and_back[:, None], unit="cm")
        >>> session = Recording(0.0, 20_000.0, spikes=[np.array([5.0])], behaviour={"linear": signal})
        >>> laps(session)["direction"].tolist()
        [1, -1, 1, -1]
    """
    if position not in recording.behaviour:
        fix = _check.near(position, recording.behaviour) if recording.behaviour else "It has no behaviour."
        _check.fail("laps", "position", "a signal of the recording", position, fix, error=RecordingError)
    signal = recording.behaviour[position]
    known = np.isfinite(signal.values[:, 0])
    times, x = signal.times[known], signal.values[known, 0]
    if len(x) == 0:
        _check.fail("laps", "position", "measured somewhere", f"{position!r}, NaN throughout", error=RecordingError)
    low, high = np.percentile(x, [1, 99])
    reach = zone * (high - low)
    end = np.where(x <= low + reach, -1, np.where(x >= high - reach, 1, 0))
    at_end = np.flatnonzero(end)
    crossing = np.flatnonzero(np.diff(end[at_end]) != 0)
    if len(crossing) == 0:
        fix = "Check the signal, or cut the recording to the part with running."
        _check.fail(
            "laps", "position", "a signal that runs from end to end", "no single run", fix, error=RecordingError
        )
    leave, arrive = times[at_end[crossing]], times[at_end[crossing + 1]]
    before = np.concatenate([[recording.t_start], (leave[1:] + arrive[:-1]) / 2])
    after = np.concatenate([(leave[1:] + arrive[:-1]) / 2, [recording.t_stop]])
    return pd.DataFrame(
        {
            "start": np.maximum(leave - margin, before),
            "stop": np.minimum(arrive + margin, after),
            "direction": end[at_end[crossing + 1]],
        }
    )
