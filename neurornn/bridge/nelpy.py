"""The nelpy linear track: tetrode spikes in a ragged MATLAB cell array, position from a Trodes camera."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge.clock import same_clock
from neurornn.bridge.matlab import load_mat
from neurornn.bridge.track import along_track
from neurornn.bridge.trodes import read_position
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

OWNER = "read_nelpy_track"


def read_nelpy_track(
    files: Mapping[str, Path],
    *,
    spikes: str = "spikes.mat",
    position: str = "trajectory.videoPositionTracking",
    smoothing: float = 100.0,
) -> Recording:
    """Read a linear-track session as nelpy's example data stores it.

    Spikes and camera share one clock (seconds, and ticks of the rate that the camera file states); both become ms and
    keep their origin. Units without a spike are left out and counted in `source["silent_units"]`. A camera frame with
    the time of the one before is left out and counted in `source["frames_repeated"]`. What `position` holds while the
    tracker stood still is kept; `linear` and `speed` are NaN outside the run (see `along_track`). The position is in
    camera pixels: the file states no scale.

    Args:
        files: local files by name.
        spikes: which of them holds the spikes.
        position: which of them holds the position.
        smoothing: standard deviation of the Gaussian before speed is taken, ms.

    Returns:
        A recording with behaviour `position` (px), `linear` (px) and `speed` (px/s), epochs `run` and `rest`, and unit
        columns `tetrode` and `cell`, counted from 1.

    Raises:
        RecordingError: if a file is damaged or contradicts the other.
    """
    trains, units = _units(files[spikes])
    times, xy = read_position(files[position])
    n_frames = len(times)
    fresh = np.concatenate([[True], np.diff(times) > 0])
    times, xy = times[fresh], xy[fresh]
    first, last = float(np.min(units["t_start"].to_numpy())), float(np.max(units["t_stop"].to_numpy()))
    t_start, t_stop = min(first, float(times[0])), max(last, float(times[-1]))
    _one_session(min(last, times[-1]) - max(first, times[0]), t_stop - t_start)
    same_clock(OWNER, trains, t_start, t_stop)
    track = along_track(times, xy, smoothing=smoothing)
    n_cells = len(trains)
    heard = np.array([len(train) > 0 for train in trains])
    return Recording(
        t_start,
        t_stop,
        spikes=[train for train in trains if len(train)],
        units=units.loc[heard],
        epochs=track.epochs.assign(
            start=track.epochs["start"].clip(first, last), stop=track.epochs["stop"].clip(first, last)
        ),
        behaviour={"position": Signal(times, xy, "px"), "linear": track.linear, "speed": track.speed},
        source={
            "frames": n_frames,
            "frames_repeated": n_frames - len(times),
            "silent_units": n_cells - int(heard.sum()),
            "track_length": track.length,
            "laps": len(track.laps),
            "smoothing": float(smoothing),
        },
    )


def _one_session(overlap: float, length: float) -> None:
    if overlap < 0.5 * length:
        got = f"{max(overlap, 0.0) / 1000:.1f} s in common of {length / 1000:.1f} s"
        fix = "Check that both files belong to one session and that spikes are in seconds."
        _check.fail(OWNER, "spikes and position", "of one session", got, fix, error=RecordingError)


def _units(path: Path) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Spike trains (ms) and unit table out of `spikes{tetrode}{cell}`, with structs of time, timerange, meanrate."""
    tetrodes = load_mat(OWNER, path, ["spikes"])["spikes"]
    while tetrodes.dtype == object and tetrodes.size == 1 and tetrodes.flat[0].dtype == object:
        tetrodes = tetrodes.flat[0]  # the outer cells of epochs and days, of which there is one each
    trains, rows = [], []
    for tetrode, cells in enumerate(tetrodes.flat if tetrodes.dtype == object else [], start=1):
        for cell, struct in enumerate(cells.flat if cells.dtype == object else [], start=1):
            if struct.dtype.names is None or struct.size == 0:
                continue
            missing = {"time", "timerange"} - set(struct.dtype.names)
            if missing:
                got = f"a struct without '{min(missing)}' at tetrode {tetrode}, cell {cell}"
                _check.fail(OWNER, "spikes", "structs with `time` and `timerange`", got, error=RecordingError)
            value = struct.flat[0]
            heard = np.asarray(value["timerange"], dtype=float).ravel() * 1000.0
            if heard.size != 2 or not heard[1] > heard[0]:
                got = f"{heard.tolist()} ms at tetrode {tetrode}, cell {cell}"
                _check.fail(OWNER, "timerange", "a start and a later stop", got, error=RecordingError)
            trains.append(np.asarray(value["time"], dtype=float).ravel() * 1000.0)
            rows.append((f"t{tetrode}c{cell}", tetrode, cell, heard[0], heard[1]))
    if not rows:
        fix = "This is not nelpy's ragged cell array of units, or it is empty."
        _check.fail(OWNER, "spikes", "a cell array with one or more units", tetrodes, fix, error=RecordingError)
    columns = ["unit", "tetrode", "cell", "t_start", "t_stop"]
    return trains, pd.DataFrame(rows, columns=columns).set_index("unit")
