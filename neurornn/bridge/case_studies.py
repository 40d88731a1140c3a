"""Single neurons of *Case Studies in Neural Data Analysis*: a place cell, a neuron in culture, a movement raster."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge.clock import same_clock
from neurornn.bridge.matlab import load_mat, vector
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal


def read_place_cell(files: Mapping[str, Path], *, file: str) -> Recording:
    """Read one hippocampal neuron with the animal's place on a track: `t` and `spiketimes` in s, `X` in cm.

    The samples of `t` end the millisecond that they stand for, so the session starts one step before the first.

    Args:
        files: local files by name.
        file: which of them to read.

    Returns:
        A recording of one unit with behaviour `linear` (cm).

    Raises:
        RecordingError: if a variable is missing or damaged.
    """
    owner = "read_place_cell"
    found = {
        name: vector(owner, name, value)
        for name, value in load_mat(owner, files[file], ["t", "X", "spiketimes"]).items()
    }
    times = found["t"] * 1000.0
    if len(times) < 2 or len(times) != len(found["X"]):
        got = f"{len(found['X'])} positions at {len(times)} times"
        _check.fail(owner, "X", "one position for each time", got, error=RecordingError)
    step = float(np.median(np.diff(times)))
    train = found["spiketimes"] * 1000.0
    same_clock(owner, [train], times[0] - step, times[-1])
    return Recording(
        float(times[0] - step),
        float(times[-1]),
        spikes=[train],
        behaviour={"linear": Signal(times, found["X"][:, None], "cm")},
    )


def read_retina_light(files: Mapping[str, Path], *, file: str, length: float = 30_000.0) -> Recording:
    """Read one retinal neuron under low and high light: two stretches laid end to end as trials.

    The file holds spike times (s) alone; how long the stretches are is told by its publication, so it is an option.

    Args:
        files: local files by name.
        file: which of them to read.
        length: length of each stretch, ms.

    Returns:
        A recording of one unit and two trials, with the column `light` ("low", "high").

    Raises:
        RecordingError: if a variable is missing or spikes lie outside their stretch.
    """
    owner = "read_retina_light"
    _check.positive(owner, "length", length)
    found = load_mat(owner, files[file], ["SpikesLow", "SpikesHigh"])
    parts = [vector(owner, name, found[name]) * 1000.0 for name in ("SpikesLow", "SpikesHigh")]
    for name, part in zip(("SpikesLow", "SpikesHigh"), parts, strict=True):
        same_clock(owner, [part], 0.0, length)
        if part.min() < 0 or part.max() > length:
            got = f"{part.min():g} to {part.max():g} ms"
            _check.fail(owner, name, f"times from 0 to {length:g} ms", got, error=RecordingError)
    trials = pd.DataFrame({"start": [0.0, length], "stop": [length, 2 * length], "light": ["low", "high"]})
    return Recording(0.0, 2 * length, spikes=[np.concatenate([parts[0], parts[1] + length])], trials=trials)


def read_movement_raster(files: Mapping[str, Path], *, file: str) -> Recording:
    """Read one neuron over trials of movement to the left or the right: a raster of 0 and 1 in steps of 1 ms.

    Trials are laid end to end. A spike of the file's bin `k` is put in the middle of that bin. The column `event` says
    when, on the clock of the recording, the file's time 0 was; `direction` is the file's own 0 or 1.

    Args:
        files: local files by name.
        file: which of them to read.

    Returns:
        A recording of one unit.

    Raises:
        RecordingError: if a variable is missing, the raster is not one of 0 and 1, or the parts differ in trials.
    """
    owner = "read_movement_raster"
    found = load_mat(owner, files[file], ["direction", "train", "t"])
    times, direction = vector(owner, "t", found["t"]), vector(owner, "direction", found["direction"])
    raster = found["train"]
    if raster.shape != (len(direction), len(times)):
        must = f"of shape (trial, time) = ({len(direction)}, {len(times)})"
        _check.fail(owner, "train", must, raster, error=RecordingError)
    if not np.isin(raster, (0, 1)).all():
        got = f"values up to {raster.max()}"
        _check.fail(owner, "train", "a raster of 0 and 1", got, "More than one spike in a bin?", error=RecordingError)
    step = float(np.median(np.diff(times)))
    trial, bin_ = np.nonzero(raster)
    length = len(times) * step
    start = np.arange(len(direction)) * length
    train = start[trial] + (bin_ + 0.5) * step
    same_clock(owner, [train], 0.0, len(direction) * length)
    trials = pd.DataFrame(
        {
            "start": start,
            "stop": start + length,
            "direction": direction.astype(int),
            "event": start - times[0],
        }
    )
    return Recording(0.0, float(len(direction) * length), spikes=[train], trials=trials)
