"""The grasshopper's auditory receptor: a sound envelope and spike times, as text in microseconds."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurornn import _check
from neurornn.bridge.clock import same_clock
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

OWNER = "read_grasshopper"


def read_grasshopper(files: Mapping[str, Path], *, stimulus: str, spikes: str) -> Recording:
    """Read one receptor neuron with the envelope of the sound it heard.

    Both files count microseconds; both become ms. The session ends one sampling step after the last sample.

    Args:
        files: local files by name.
        stimulus: which of them holds the envelope: rows of time and value.
        spikes: which of them holds the spike times.

    Returns:
        A recording of one unit with behaviour `envelope`, sampled every 0.05 ms, in the arbitrary unit of the file.

    Raises:
        RecordingError: if a file is damaged or contradicts the other.
    """
    sound = _numbers(files[stimulus])
    if sound.ndim != 2 or sound.shape[1] != 2 or len(sound) < 2:
        _check.fail(OWNER, stimulus, "rows of time and value", sound, error=RecordingError)
    train = _numbers(files[spikes]).ravel() / 1000.0
    times = sound[:, 0] / 1000.0
    step = float(np.median(np.diff(times)))
    t_stop = float(times[-1] + step)
    same_clock(OWNER, [train], float(times[0]), t_stop)
    envelope = Signal(times, sound[:, 1:], "")
    return Recording(float(times[0]), t_stop, spikes=[train], behaviour={"envelope": envelope})


def _numbers(path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # numpy's own word on an empty file; we refuse it below
            values = np.loadtxt(path)
    except ValueError as error:
        text = f"{OWNER}: `{path.name}` must be rows of numbers; got {error}. Delete it and fetch it again."
        raise RecordingError(text) from error
    return _check.finite(OWNER, path.name, values, error=RecordingError)
