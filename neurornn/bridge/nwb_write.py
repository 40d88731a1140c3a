"""Recordings in NWB, written through pynwb."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge import table
from neurornn.bridge.nwb import MARK
from neurornn.errors import RecordingError
from neurornn.recording import Recording


def write_nwb(recording: Recording, path: str | Path, *, session_start: datetime | None = None) -> Path:
    """Write a recording as an NWB file that any NWB reader opens.

    Units go to the units table (`obs_intervals` and all own columns; `t_start` and `t_stop` stay ms, as their
    description says), trials and epochs to theirs, behaviour and activity to time series. NWB has no place for the
    ends of the clock, data types and `source`; they are kept as a scratch text. Times are s in the file, so a round
    trip is exact to the rounding of ms / 1000.

    Args:
        recording: what to write.
        path: where; ends in `.nwb`. The file is replaced whole or not at all.
        session_start: when the recording began, with its time zone. NWB demands one; where it is not known the file
            says 1970-01-01 and that this is not known.

    Returns:
        The path.

    Raises:
        RecordingError: if the path ends otherwise, or a table holds values that NWB cannot.
    """
    import pynwb

    path, owner = Path(path), "write_nwb"
    if path.suffix != ".nwb":
        _check.fail(owner, "path", "a path that ends in .nwb", str(path), error=RecordingError)
    if session_start is not None and session_start.tzinfo is None:
        fix = "Give it tzinfo, such as datetime.UTC."
        _check.fail(owner, "session_start", "a time with its time zone", session_start, fix, error=RecordingError)
    about = str(recording.source.get("description", "")) or "no description"
    new, opened = cast(Any, pynwb.NWBFile), cast(Any, pynwb.NWBHDF5IO)
    nwb = new(
        session_description=about if session_start else f"{about} (start of session not known)",
        identifier=str(recording.source.get("name", "recording")),
        session_start_time=session_start or datetime(1970, 1, 1, tzinfo=UTC),
    )
    _units(nwb, recording, owner)
    _trials(nwb, recording.trials, owner)
    _epochs(nwb, recording.epochs, owner)
    _series(nwb, recording)
    nwb.add_scratch(json.dumps(_note(recording, owner)), name=MARK, description="what NWB has no place for, as JSON")
    half = path.with_name(f".{path.stem}.{os.getpid()}.part.nwb")
    try:
        with opened(str(half), "w") as writer:
            writer.write(nwb)
        with half.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return path


def _note(recording: Recording, owner: str) -> dict[str, Any]:
    note: dict[str, Any] = {
        "clock": [_there_and_back(recording.t_start), _there_and_back(recording.t_stop)],
        "unit": recording.unit,
        "units": table.dtypes(recording.units),
        "trials": table.dtypes(recording.trials),
        "epochs": table.dtypes(recording.epochs),
        "observed": [_plain(unit) for unit in recording.observed],
        "source": json.loads(table.text(owner, dict(recording.source))),
    }
    if recording.activity is not None:
        note["activity"] = {"dt": recording.dt}
    return note


def _there_and_back(time: float) -> float:
    """Return ms as they come back from s: the ends of the clock must round like the spikes that lie on them."""
    return float(time) / 1000.0 * 1000.0


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _cells(owner: str, name: str, cells: list[Any]) -> list[Any]:
    if all(isinstance(value, str | int | float) for value in cells) and len({type(v) for v in cells}) <= 1:
        return cells
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in cells):
        return [float(value) for value in cells]
    got = f"{next((c for c in cells if not isinstance(c, str | int | float)), cells[0])!r}"
    fix = "NWB columns hold one kind of value: fill what is missing, or save as .h5."
    _check.fail(owner, f"column {name}", "all numbers, all texts or all truth values", got, fix, error=RecordingError)


def _units(nwb: Any, recording: Recording, owner: str) -> None:
    units = recording.units
    nwb.add_unit_column("unit_label", "id of the unit, as JSON")
    cells = {str(name): _cells(owner, str(name), units[name].tolist()) for name in units}
    for name in cells:
        nwb.add_unit_column(name, f"{name} (ms)" if name in ("t_start", "t_stop") else name)
    for place, unit in enumerate(units.index):
        row = {name: values[place] for name, values in cells.items()}
        if recording.spikes is not None:
            row["spike_times"] = recording.spikes[place] / 1000.0
        if recording.observed:
            row["obs_intervals"] = recording.intervals(unit) / 1000.0
        nwb.add_unit(unit_label=table.text(owner, _plain(unit)), **row)


def _trials(nwb: Any, trials: pd.DataFrame, owner: str) -> None:
    cells = {
        str(name): _cells(owner, str(name), trials[name].tolist()) for name in trials if name not in ("start", "stop")
    }
    for name in cells:
        nwb.add_trial_column(name, name)
    for row, (start, stop) in enumerate(trials[["start", "stop"]].to_numpy(float) / 1000.0):
        nwb.add_trial(start_time=start, stop_time=stop, **{name: values[row] for name, values in cells.items()})


def _epochs(nwb: Any, epochs: pd.DataFrame, owner: str) -> None:
    names = epochs["name"] if "name" in epochs else ["epoch"] * len(epochs)
    others = [str(name) for name in epochs if name not in ("name", "start", "stop")]
    cells = {name: _cells(owner, name, epochs[name].tolist()) for name in others}
    for name in others if len(epochs) else []:
        nwb.add_epoch_column(name, name)
    for row, (name, start, stop) in enumerate(zip(names, epochs["start"], epochs["stop"], strict=True)):
        more = {other: cells[other][row] for other in others}
        nwb.add_epoch(start_time=start / 1000.0, stop_time=stop / 1000.0, tags=[str(name)], **more)


def _series(nwb: Any, recording: Recording) -> None:
    import pynwb

    if recording.activity is not None:
        assert recording.dt is not None
        nwb.add_acquisition(
            pynwb.TimeSeries(
                name="activity",
                data=np.asarray(recording.activity),
                unit=recording.unit or "n/a",
                starting_time=recording.t_start / 1000.0,
                rate=1000.0 / recording.dt,
                description="activity of the units, one column a unit",
            )
        )
    if recording.behaviour:
        module = nwb.create_processing_module(name="behavior", description="what was measured beside the units")
        for name, signal in recording.behaviour.items():
            unit, times = signal.unit or "n/a", signal.times / 1000.0
            module.add(pynwb.TimeSeries(name=name, data=signal.values, unit=unit, timestamps=times))
