"""Recordings in HDF5: flat arrays and offsets, fast for large ones, no pickle; replaced whole or not at all."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge import table
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

FORMAT = "neurornn recording"
VERSION = 1
OWNER = "read_hdf5"


def save_recording(recording: Recording, path: str | Path) -> Path:
    """Write a recording to an HDF5 file, loss-free.

    The file is written beside its place, flushed to the disk and moved: whatever happens, `path` is either the old
    file or the whole new one.

    Args:
        recording: what to write.
        path: where; ends in `.h5`.

    Returns:
        The path.

    Raises:
        RecordingError: if the path ends otherwise, or a table or `source` holds values that are not plain.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from neurornn import Recording
        >>> from neurornn.bridge import read_hdf5, save_recording
        >>> folder = Path(tempfile.mkdtemp())
        >>> read_hdf5(save_recording(Recording(0.0, 9.0, spikes=[np.array([3.0])]), folder / "one.h5")).spikes
        (array([3.]),)
    """
    import h5py

    path = Path(path)
    if path.suffix != ".h5":
        _check.fail("save_recording", "path", "a path that ends in .h5", str(path), error=RecordingError)
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(half, "w") as file:
            _write(file, recording)
        with half.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return path


def read_hdf5(path: str | Path) -> Recording:
    """Read a recording that `save_recording` wrote.

    Raises:
        RecordingError: if the file is cut short, of another kind or version, or its parts contradict each other.
    """
    import h5py

    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            return _read(file, f"{OWNER}({path.name})")
    except (OSError, KeyError, json.JSONDecodeError) as error:
        message = f"{OWNER}: `{path.name}` must be a whole HDF5 recording; got {error}. Save it or fetch it again."
        raise RecordingError(message) from error


def _write(file: Any, recording: Recording) -> None:
    owner = "save_recording"
    file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
    file.attrs["t_start"], file.attrs["t_stop"] = recording.t_start, recording.t_stop
    file.attrs["unit"] = recording.unit
    file["source"] = np.bytes_(table.text(owner, dict(recording.source)).encode())
    if recording.spikes is not None:
        _ragged(file.create_group("spikes"), "times", recording.spikes)
    if recording.activity is not None:
        file["activity"] = np.asarray(recording.activity)
        file["activity"].attrs["dt"] = recording.dt
    units = file.create_group("units")
    file["ids"] = table.texts(owner, recording.units.index.tolist())
    file["ids"].attrs["dtype"] = str(recording.units.index.dtype)
    for group, frame in ((units, recording.units), *((file.create_group(n), getattr(recording, n)) for n in TABLES)):
        group.attrs["kinds"] = json.dumps(table.dtypes(frame))
        for name, column in table.to_columns(owner, frame).items():
            group[name] = column
    beside = file.create_group("behaviour", track_order=True)
    for name, signal in recording.behaviour.items():
        part = beside.create_group(name)
        part["times"], part["values"], part.attrs["unit"] = signal.times, signal.values, signal.unit
    observed = file.create_group("observed")
    observed["ids"] = table.texts(owner, list(recording.observed))
    pieces = [np.asarray(piece, dtype=float).reshape(-1, 2) for piece in recording.observed.values()]
    _ragged(observed, "intervals", pieces)


TABLES = ("trials", "epochs")


def _ragged(group: Any, name: str, parts: Sequence[np.ndarray]) -> None:
    empty = np.empty((0, 2)) if name == "intervals" else np.empty(0)
    group[name] = np.concatenate([empty, *parts])
    group["offsets"] = np.cumsum([0, *map(len, parts)], dtype=np.int64)


def _read(file: Any, owner: str) -> Recording:
    kind, version = file.attrs.get("format"), file.attrs.get("version")
    if kind != FORMAT:
        fix = "Only files of save_recording are read; an NWB file ends in .nwb."
        _check.fail(owner, "format", f"'{FORMAT}'", kind, fix, error=RecordingError)
    if version != VERSION:
        fix = "Update neurornn, or save the recording again with this version."
        got = version if version is None else int(version)
        _check.fail(owner, "version", f"{VERSION}, the one this neurornn writes", got, fix, error=RecordingError)
    units = _table(file["units"], owner)
    ids = table.from_texts(file["ids"][()])
    if len(ids) != len(units):
        _check.fail(owner, "ids", f"one for each of {len(units)} units", f"{len(ids)}", error=RecordingError)
    units.index = pd.Index(ids, dtype=file["ids"].attrs["dtype"])
    spikes = None
    if "spikes" in file:
        spikes = _parts(owner, "spikes/offsets", file["spikes/times"][()], file["spikes/offsets"][()], len(units))
    observed_ids = table.from_texts(file["observed/ids"][()])
    intervals, offsets = file["observed/intervals"][()], file["observed/offsets"][()]
    pieces = _parts(owner, "observed/offsets", intervals, offsets, len(observed_ids))
    return Recording(
        float(file.attrs["t_start"]),
        float(file.attrs["t_stop"]),
        spikes=spikes,
        activity=file["activity"][()] if "activity" in file else None,
        dt=float(file["activity"].attrs["dt"]) if "activity" in file else None,
        unit=str(file.attrs["unit"]),
        units=units,
        trials=_table(file["trials"], owner),
        epochs=_table(file["epochs"], owner),
        behaviour={
            name: Signal(part["times"][()], part["values"][()], str(part.attrs["unit"]))
            for name, part in file["behaviour"].items()
        },
        observed=dict(zip(observed_ids, pieces, strict=True)),
        source=json.loads(file["source"][()]),
    )


def _table(group: Any, owner: str) -> pd.DataFrame:
    kinds: Mapping[str, str] = json.loads(group.attrs["kinds"])
    columns = {name: group[name][()] for name in kinds}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        _check.fail(owner, group.name, "columns of one length", sorted(lengths), error=RecordingError)
    return table.from_columns(columns, kinds)


def _parts(owner: str, name: str, flat: np.ndarray, offsets: np.ndarray, n_parts: int) -> list[np.ndarray]:
    ordered = len(offsets) == n_parts + 1 and offsets[0] == 0 and offsets[-1] == len(flat)
    if not ordered or np.any(np.diff(offsets) < 0):
        must = f"{n_parts + 1} numbers that rise from 0 to {len(flat)}"
        fix = "The file was changed or damaged: fetch or save it again."
        _check.fail(owner, name, must, offsets.tolist(), fix, error=RecordingError)
    return np.split(flat, offsets[1:-1]) if n_parts else []
