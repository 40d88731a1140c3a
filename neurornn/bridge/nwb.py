"""NWB files, read through pynwb: units with any column, trials, epochs, behaviour."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge import table
from neurornn.bridge.clock import same_clock
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

MARK = "neurornn"
"""The name of the scratch text in which `write_nwb` keeps what NWB has no place for."""

OWN = ("spike_times", "obs_intervals", "electrodes", "waveforms")


def read_nwb_files(files: Mapping[str, Path], *, file: str) -> Recording:
    """Read the NWB file `file`: the reader of data recipes.

    Args:
        files: local files by name.
        file: which of them to read.

    Raises:
        RecordingError: see `read_nwb`.
    """
    return read_nwb(files[file])


def read_nwb(path: str | Path) -> Recording:
    """Read an NWB file, whoever wrote it.

    Unit columns are kept under their names (references to other objects as those objects' names); `obs_intervals`
    become `observed`, and are absent in many files. `trials` and `epochs` keep their columns; an epoch is named by its
    first tag. Time series of acquisition and of the processing modules become behaviour, `Position` included. NWB
    states no session length: the clock runs from 0 to the last thing that the file holds. All seconds become ms.

    Args:
        path: of the file.

    Raises:
        RecordingError: if the file is damaged, has no units, or contradicts itself.
    """
    import pynwb
    from hdmf.build import ConstructError

    path = Path(path)
    owner = f"read_nwb({path.name})"
    with ExitStack() as stack:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pynwb's advice to whoever wrote the file, not to whoever reads it
                opened: Any = pynwb.NWBHDF5IO
                nwb = stack.enter_context(opened(str(path), "r")).read()
        except (ConstructError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            text = f"{owner}: `file` must be a whole NWB file; got {type(error).__name__}: {error}."
            raise RecordingError(f"{text} Delete it and fetch it again.") from error
        return _read(nwb, owner)


def _read(nwb: Any, owner: str) -> Recording:
    note = json.loads(nwb.scratch[MARK].data) if MARK in nwb.scratch else {}
    behaviour = dict(_behaviour(nwb, owner))
    activity, dt = None, None
    if "activity" in note:
        held = nwb.acquisition["activity"]
        activity, dt = np.asarray(held.data[()]), float(note["activity"]["dt"])
        behaviour.pop("activity", None)
    if nwb.units is None or len(nwb.units) == 0:
        fix = "Spike-sort it first, or read its time series with pynwb."
        _check.fail(owner, "units", "a table with one or more units", nwb.units, fix, error=RecordingError)
    units, spikes, observed = _units(nwb.units, owner)
    if spikes is None and activity is None:
        fix = "Only files with spike times or with the activity that neurornn writes are read."
        _check.fail(owner, "units", "a table with `spike_times`", list(nwb.units.colnames), fix, error=RecordingError)
    trials, epochs = _intervals(nwb.trials), _epochs(nwb.epochs)
    ends = [*_times(trials, "stop"), *_times(epochs, "stop"), *(piece[-1, 1] for piece in observed.values())]
    ends += [train[-1] for train in spikes or [] if len(train)]
    ends += [signal.times[-1] for signal in behaviour.values() if len(signal.times)]
    starts = [0.0, *_times(trials, "start"), *(piece[0, 0] for piece in observed.values())]
    starts += [train[0] for train in spikes or [] if len(train)]
    t_start, t_stop = note.get("clock", (float(min(starts)), float(max(ends, default=0.0))))
    if spikes is not None and not note:
        same_clock(owner, spikes, t_start, t_stop)
    about = {"name": nwb.identifier, "description": nwb.session_description}
    return Recording(
        t_start,
        t_stop,
        spikes=spikes,
        activity=activity,
        dt=dt,
        unit=note.get("unit", ""),
        units=_typed(units, note.get("units")),
        trials=_typed(trials, note.get("trials")),
        epochs=_typed(epochs, note.get("epochs")),
        behaviour=behaviour,
        observed=observed if not note else {unit: observed[unit] for unit in note["observed"]},
        source=note.get("source", about),
    )


def _ms(seconds: Any) -> np.ndarray:
    return np.asarray(seconds, dtype=float) * 1000.0


def _times(frame: pd.DataFrame, name: str) -> list[float]:
    return frame[name].tolist() if name in frame else []


def _units(held: Any, owner: str) -> tuple[pd.DataFrame, list[np.ndarray] | None, dict[Any, np.ndarray]]:
    names = [name for name in held.colnames if name not in OWN]
    ids = held["unit_label"][:] if "unit_label" in names else held.id[:]
    ids = table.from_texts(np.asarray(ids)) if "unit_label" in names else [int(one) for one in ids]
    units = pd.DataFrame({name: _column(held[name][:]) for name in names if name != "unit_label"}, index=ids)
    spikes = [_ms(held["spike_times"][row]) for row in range(len(held))] if "spike_times" in held.colnames else None
    observed = {}
    if "obs_intervals" in held.colnames:
        for row, unit in enumerate(ids):
            pieces = _ms(held["obs_intervals"][row]).reshape(-1, 2)
            if len(pieces):
                observed[unit] = pieces
        if "t_start" not in units and len(observed) == len(ids):
            units["t_start"] = [observed[unit][0, 0] for unit in ids]
            units["t_stop"] = [observed[unit][-1, 1] for unit in ids]
    return units, spikes, observed


def _column(values: Any) -> list[Any]:
    """Return table cells as plain values: arrays as lists, references as the names of what they point to."""
    return [_cell(value) for value in values]


def _cell(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, str | int | float | bool | list | tuple):
        return value
    return getattr(value, "name", str(value))


def _intervals(held: Any) -> pd.DataFrame:
    if held is None:
        return pd.DataFrame()
    columns: dict[str, Any] = {"start": _ms(held["start_time"][:]), "stop": _ms(held["stop_time"][:])}
    for name in held.colnames:
        if name not in ("start_time", "stop_time", "timeseries"):
            columns[name] = _column(held[name][:])
    return pd.DataFrame(columns)


def _epochs(held: Any) -> pd.DataFrame:
    epochs = _intervals(held)
    if "tags" in epochs:
        name = [tags[0] if len(tags) else "epoch" for tags in epochs.pop("tags")]
        epochs.insert(0, "name", name)
    elif len(epochs.columns) and "name" not in epochs:
        epochs.insert(0, "name", "epoch")
    return epochs


def _behaviour(nwb: Any, owner: str) -> Iterator[tuple[str, Signal]]:
    """Yield every numeric time series that stands beside the units."""
    import pynwb

    holders = [*nwb.acquisition.values()]
    for module in nwb.processing.values():
        holders += module.data_interfaces.values()
    holder: Any
    for holder in holders:
        series: Any = holder
        if hasattr(holder, "spatial_series"):
            series = list(holder.spatial_series.values())
        elif hasattr(holder, "time_series"):
            series = list(holder.time_series.values())
        for one in series if isinstance(series, list) else [series]:
            if isinstance(one, pynwb.TimeSeries) and getattr(one.data, "ndim", 0) in (1, 2) and len(one.data):
                yield str(one.name), _signal(one, owner)


def _signal(series: Any, owner: str) -> Signal:
    values = np.asarray(series.data[()], dtype=float) * series.conversion + series.offset
    if series.timestamps is not None:
        times = _ms(series.timestamps[()])
    elif series.rate:
        times = (series.starting_time + np.arange(len(values)) / series.rate) * 1000.0
    else:
        must = "a series with timestamps or a rate"
        _check.fail(owner, series.name, must, "neither", "The file does not say when.", error=RecordingError)
    return Signal(times, values.reshape(len(values), -1), "" if series.unit == "n/a" else str(series.unit))


def _typed(frame: pd.DataFrame, kinds: Mapping[str, str] | None) -> pd.DataFrame:
    """Return a table with the columns and data types that `write_nwb` noted; one of others as it is."""
    if kinds is None:
        return frame
    missing = [name for name in kinds if name not in frame and len(frame)]
    if missing:
        fix = "The file was changed after neurornn wrote it."
        must, got = f"those that were written ({', '.join(kinds)})", f"none called {missing[0]}"
        _check.fail("read_nwb", "columns", must, got, fix, error=RecordingError)
    typed = pd.DataFrame({name: pd.Series(frame[name] if name in frame else [], dtype=kinds[name]) for name in kinds})
    typed.index = frame.index
    return typed
