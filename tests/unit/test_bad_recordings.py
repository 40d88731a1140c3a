"""Damaged files: each ends in one clear sentence, when the recording is loaded and before anything else happens."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from neurornn import Recording
from neurornn.bridge import (
    read_current_clamp,
    read_grasshopper,
    read_movement_raster,
    read_nelpy_track,
    read_place_cell,
    read_retina_light,
)
from neurornn.bridge.trodes import FIELDS, FRAME
from neurornn.errors import RecordingError

HEADER = f"<Start settings>\nclockrate: 30000\nFields: {FIELDS}\n<End settings>\n"


def pixels(n_laps: int = 6) -> np.ndarray:
    """Frames of an animal that swings along a track with a period of 20 s, at 50 Hz."""
    frames = np.zeros(n_laps * 500, dtype=FRAME)
    frames["time"] = 30_000 + 600 * np.arange(len(frames))
    frames["x"] = 300 - 200 * np.cos(2 * np.pi * np.arange(len(frames)) / 1000)
    frames["y"] = 100
    return frames


def cells(times: list[np.ndarray], fields: tuple[str, ...] = ("time", "timerange"), heard: Any = (1.0, 61.0)) -> Any:
    """A ragged cell array: one tetrode with these units."""
    values = {"time": times, "timerange": [np.array(heard)] * len(times)}
    inner = np.empty((1, len(times)), dtype=object)
    for place in range(len(times)):
        inner[0, place] = {name: values[name][place] for name in fields}
    outer = np.empty((1, 2), dtype=object)
    outer[0, 0], outer[0, 1] = inner, np.empty((0, 0))
    return outer


GOOD = [np.linspace(2.0, 60.0, 50), np.array([30.0])]


def track(folder: Path, spikes: Any = None, frames: np.ndarray | None = None, header: str = HEADER) -> Recording:
    savemat(folder / "spikes.mat", {"spikes": cells(GOOD) if spikes is None else spikes})
    body = (pixels() if frames is None else frames).tobytes()
    (folder / "trajectory.videoPositionTracking").write_bytes(header.encode() + body)
    return read(folder)


def read(folder: Path) -> Recording:
    return read_nelpy_track({path.name: path for path in folder.iterdir()})


def place_cell(folder: Path, **changes: Any) -> Recording:
    t = np.arange(0.001, 10.0005, 0.001)
    good = {"t": t, "X": 50 + 50 * np.sin(t), "spiketimes": np.array([1.0, 2.0, 9.0])}
    savemat(folder / "a.mat", {name: value for name, value in {**good, **changes}.items() if value is not None})
    return read_place_cell({"a.mat": folder / "a.mat"}, file="a.mat")


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


# The linear track


def test_the_good_one_loads(tmp_path: Path) -> None:
    recording = track(tmp_path)
    assert recording.n_units == 2 and recording.units["tetrode"].tolist() == [1, 1]
    np.testing.assert_allclose(recording.spikes[1], [30_000.0])


def stepping_back() -> np.ndarray:
    frames = pixels()
    frames["time"][100:] -= 30_000
    return frames


def parked() -> np.ndarray:
    frames = pixels()
    frames["x"] = 7
    return frames


TRACK: dict[str, tuple[dict[str, Any], str]] = {
    "no units": ({"spikes": cells([])}, "a cell array with one or more units; got an array of shape"),
    "another kind of array": ({"spikes": np.ones(3)}, "a cell array with one or more units"),
    "zero spikes": ({"spikes": cells([np.empty(0)] * 3)}, "`spikes` must be one or more; got '0 spikes in 3 units'"),
    "a NaN spike": ({"spikes": cells([*GOOD, np.array([3.0, np.nan])])}, "NaN or infinite times in unit 't1c3'"),
    "unsorted times": (
        {"spikes": cells([*GOOD, np.array([3.0, 2.0])])},
        "unit 't1c3' that step back at spike 1.*numpy.sort",
    ),
    "spikes outside the session": (
        {"spikes": cells([*GOOD, np.array([3.0, 99.0])])},
        "1 of 2 spikes of unit 't1c3' outside .*share one unit of time",
    ),
    "no time of recording": ({"spikes": cells(GOOD, ("time",))}, "a struct without 'timerange' at tetrode 1, cell 1"),
    "a recording that stops before it starts": (
        {"spikes": cells(GOOD, heard=(61.0, 1.0))},
        "`timerange` must be a start and a later stop",
    ),
    "spikes of another session": (
        {"spikes": cells([GOOD[0] + 900], heard=(901.0, 961.0))},
        "`spikes and position` must be of one session; got '0.0 s in common",
    ),
    "spikes in ms where s are meant": (
        {"spikes": cells([GOOD[0] * 1000], heard=(1000.0, 61_000.0))},
        "of one session; .*spikes are in seconds",
    ),
    "spikes in ks on a clock in s": (
        {"spikes": cells([1 + GOOD[0] / 1000])},
        "`spikes` must be spread over the session",
    ),
    "camera times that step back": (
        {"frames": stepping_back()},
        "`times` must be in order; got 'a step back at frame 100'",
    ),
    "an animal that never moved": ({"frames": parked()}, "NaN or held everywhere"),
    "no frame at all": ({"frames": pixels()[:0]}, "`frames` must be whole, and at least one; got '0 bytes"),
    "no end of the header": ({"header": HEADER.replace("<End", "<end")}, "closed by '<End settings>'"),
    "no clock rate": ({"header": HEADER.replace("clockrate", "clock")}, "one that states `clockrate`"),
    "other fields": ({"header": HEADER.replace("yloc2", "z")}, "`fields` must be <time uint32>"),
}


@pytest.mark.parametrize("case", TRACK)
def test_bad_tracks(case: str, tmp_path: Path) -> None:
    settings, message = TRACK[case]
    with pytest.raises(RecordingError, match=message) as caught:
        track(tmp_path, **settings)
    assert "\n" not in str(caught.value)


FILES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "truncated MATLAB file": ("spikes.mat", lambda p: cut(p, 0.5), "`spikes.mat` must be a whole MATLAB file"),
    "MATLAB file that is text": ("spikes.mat", lambda p: p.write_text("<html>not found</html>"), "a whole MATLAB file"),
    "empty MATLAB file": ("spikes.mat", lambda p: p.write_bytes(b""), "a whole MATLAB file"),
    "MATLAB 7.3": ("spikes.mat", lambda p: p.write_bytes(version_73()), "version 7 or older; got version 7.3"),
    "missing variable": (
        "spikes.mat",
        lambda p: savemat(p, {"spike": 1.0}),
        "a file with the variable 'spikes'; got 'spike'. Did you mean 'spike'",
    ),
    "no variable at all": ("spikes.mat", lambda p: savemat(p, {}), "got 'nothing'. The file is empty"),
    "empty position file": (
        "trajectory.videoPositionTracking",
        lambda p: p.write_bytes(b""),
        "a position file; got 'an empty file'",
    ),
    "truncated position file": (
        "trajectory.videoPositionTracking",
        lambda p: p.write_bytes(p.read_bytes()[:-5]),
        r"whole, and at least one; got '35995 bytes = 2999.58 frames'. The file is cut short",
    ),
}


def version_73() -> bytes:
    text = b"MATLAB 7.3 MAT-file".ljust(124)
    return text + struct.pack("<H", 0x0200) + b"IM" + b"\0" * 512


@pytest.mark.parametrize("case", FILES)
def test_damaged_files(case: str, tmp_path: Path) -> None:
    track(tmp_path)
    name, damage, message = FILES[case]
    damage(tmp_path / name)
    with pytest.raises(RecordingError, match=message) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


# Single neurons

CELL: dict[str, tuple[dict[str, Any], str]] = {
    "missing variable": ({"X": None}, "a file with the variable 'X'"),
    "position of another length": ({"X": np.ones(7)}, "one position for each time; got '7 positions at 10000 times'"),
    "position NaN": ({"X": np.full(10_000, np.nan)}, "`X` must be finite everywhere; got '10000 of 10000 values NaN"),
    "no spike": ({"spiketimes": np.empty(0)}, "`spiketimes` must be a row or column of numbers"),
    "spikes in ms where s are meant": ({"spiketimes": np.array([1000.0, 9000.0])}, "2 of 2 spikes of unit 0 outside"),
    "spikes in ks": ({"spiketimes": np.linspace(0.001, 0.01, 30)}, "slower than 2000 Hz|spread over the session"),
    "clock that steps back": (
        {"t": np.arange(10.0, 0.0, -0.001)},
        "`times` must be increasing; got 'a step back at sample 1'. Sort",
    ),
}


@pytest.mark.parametrize("case", CELL)
def test_bad_place_cells(case: str, tmp_path: Path) -> None:
    settings, message = CELL[case]
    with pytest.raises(RecordingError, match=message):
        place_cell(tmp_path, **settings)


def test_bad_light_and_raster(tmp_path: Path) -> None:
    files = {"a.mat": tmp_path / "a.mat"}
    savemat(files["a.mat"], {"SpikesLow": np.array([1.0, 2.0]), "SpikesHigh": np.array([1.0, 31.0])})
    with pytest.raises(RecordingError, match="`SpikesHigh` must be times from 0 to 30000 ms; got '1000 to 31000 ms'"):
        read_retina_light(files, file="a.mat")
    with pytest.raises(ValueError, match="`length` must be a finite number above 0"):
        read_retina_light(files, file="a.mat", length=-1.0)
    good = {"t": np.arange(10), "direction": np.ones(3), "train": np.eye(3, 10)}
    savemat(files["a.mat"], {**good, "direction": np.ones(4)})
    with pytest.raises(RecordingError, match=r"`train` must be of shape \(trial, time\) = \(4, 10\)"):
        read_movement_raster(files, file="a.mat")
    savemat(files["a.mat"], {**good, "train": 2 * np.eye(3, 10)})
    with pytest.raises(RecordingError, match=r"a raster of 0 and 1; got 'values up to 2\.0'"):
        read_movement_raster(files, file="a.mat")


SOUND: dict[str, tuple[str, str, str]] = {
    "words": ("0 1\n50 one\n", "60\n", "`s` must be rows of numbers; got .*fetch it again"),
    "one column": ("0\n50\n", "60\n", "`s` must be rows of time and value"),
    "NaN": ("0 1\n50 nan\n", "60\n", "`s` must be finite everywhere; got '1 of 4 values NaN"),
    "no spike": ("0 1\n50 1\n", "# only a header\n", "one or more; got '0 spikes in 1 units'"),
    "spikes after the end": ("0 1\n50 1\n", "10\n500\n", "1 of 2 spikes of unit 0 outside 0 to 0.1 ms"),
}


@pytest.mark.parametrize("case", SOUND)
def test_bad_sounds(case: str, tmp_path: Path) -> None:
    stimulus, spikes, message = SOUND[case]
    (tmp_path / "s").write_text(stimulus)
    (tmp_path / "n").write_text(spikes)
    with pytest.raises(RecordingError, match=message):
        read_grasshopper({"s": tmp_path / "s", "n": tmp_path / "n"}, stimulus="s", spikes="n")


def test_bad_current_clamp(tmp_path: Path, recordings: Path) -> None:
    path = tmp_path / "a.abf"
    path.write_bytes(b"ABF2" + b"\0" * 100)
    with pytest.raises(RecordingError, match=r"`a\.abf` must be a whole ABF file with a protocol"):
        read_current_clamp({"a.abf": path}, file="a.abf")
    path.write_bytes((recordings / "pyabf_current_clamp" / "18711001.abf").read_bytes()[:50_000])
    with pytest.raises(RecordingError, match=r"`a\.abf` must be a whole ABF file"):
        read_current_clamp({"a.abf": path}, file="a.abf")
