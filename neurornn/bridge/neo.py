"""neo: a Recording as a Block and back, loss-free; and Blocks that others made."""

from collections.abc import Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge import neo_foreign, table
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

if TYPE_CHECKING:
    import neo

MARK = "neurornn"
VERSION = 1


def to_neo(recording: Recording) -> "neo.Block":
    """Return a recording as a neo Block with one segment; every quantity carries its unit.

    Spikes become spike trains (ms), activity an analogue signal, behaviour irregularly sampled signals, trials and
    epochs two epoch arrays with their columns as array annotations, unit columns the annotations of the trains. What
    neo has no place for (data types, observed stretches, exact sampling step, unit columns that bear the name of one of
    neo's own arguments) is annotated as plain text, so that `from_neo` gives back the same recording bit for bit.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.bridge import to_neo
        >>> to_neo(Recording(0.0, 9.0, spikes=[np.array([3.0])])).segments[0].spiketrains[0].times.dimensionality.string
        'ms'
    """
    import neo

    owner = "to_neo"
    source = {str(key): value for key, value in recording.source.items()}
    block = neo.Block(name=str(source.get("name", "recording")), description=str(source.get("description", "")))
    segment = neo.Segment(name="session", index=0)
    block.segments.append(segment)
    for place, unit in enumerate(recording.units.index if recording.spikes is not None else []):
        segment.spiketrains.append(_train(recording, place, unit))
    if recording.activity is not None:
        segment.analogsignals.append(_activity(recording))
    for name, signal in recording.behaviour.items():
        segment.irregularlysampledsignals.append(_behaviour(name, signal))
    for name in ("trials", "epochs"):
        segment.epochs.append(_epoch(name, getattr(recording, name)))
    about = {
        "version": VERSION,
        "t_start": recording.t_start,
        "t_stop": recording.t_stop,
        "unit": recording.unit,
        "dt": recording.dt,
        "source": source,
        "ids": recording.units.index.tolist(),
        "ids_dtype": str(recording.units.index.dtype),
        "units": _packed(owner, recording.units),
        "observed": [[key, np.asarray(value).tolist()] for key, value in recording.observed.items()],
        "trials_dtypes": table.dtypes(recording.trials),
        "epochs_dtypes": table.dtypes(recording.epochs),
    }
    block.annotate(**{MARK: table.text(owner, about)})
    return block


def from_neo(block: "neo.Block") -> Recording:
    """Return a neo Block as a recording: one that `to_neo` made exactly, or one that others made.

    In a Block of others, segments become trials: where they happened if their times do not overlap, else laid end to
    end on one clock. Trains are matched across segments by their annotation `id` or `unit_id`, else their name, else
    their place; a unit without a train in a segment was not recorded in it. Plain annotations of a segment become
    condition columns. Analogue signals are the units' activity where there are no spike trains, else behaviour. All
    units of time become ms.

    Args:
        block: with at least one segment.

    Raises:
        RecordingError: if it is not a Block, holds nothing, or its times cannot be what they claim (as when a brian2
            time in seconds was handed to neo as ms).
    """
    import neo

    if not isinstance(block, neo.Block):
        fix = "Put the segment or the trains into a neo.Block, which states their units."
        _check.fail("from_neo", "block", "a neo.Block", type(block).__name__, fix, error=RecordingError)
    if not block.segments:
        _check.fail("from_neo", "block", "one with a segment", "none", error=RecordingError)
    return _ours(block) if MARK in block.annotations else neo_foreign.read_block(block)


def _train(recording: Recording, place: int, unit: object) -> Any:
    import neo
    import quantities as pq

    assert recording.spikes is not None
    train = recording.spikes[place]
    row = recording.units.iloc[place]
    start, stop = float(row["t_start"]), float(row["t_stop"])
    outside = len(train) and not (start <= train[0] and train[-1] <= stop)
    if outside or not start <= stop:  # neo refuses spikes outside the train; the exact times stay in the unit table
        start, stop = recording.t_start, recording.t_stop
    held = neo.SpikeTrain(train, units=pq.ms, t_start=start * pq.ms, t_stop=stop * pq.ms, name=str(unit))
    told = {str(key): _plain(value) for key, value in row.items() if str(key) not in _taken(neo.SpikeTrain)}
    held.annotate(**{**told, "id": _plain(unit)})
    return held


def _taken(kind: type) -> set[str]:
    """Return the arguments of a neo class: an annotation of such a name is given twice when neo copies the object."""
    return set(signature(kind.__new__).parameters)


def _activity(recording: Recording) -> Any:
    import neo
    import quantities as pq

    return neo.AnalogSignal(
        recording.activity,
        units=_quantity(recording.unit),
        sampling_period=recording.dt * pq.ms,
        t_start=recording.t_start * pq.ms,
        name="activity",
        unit=recording.unit,
    )


def _behaviour(name: str, signal: Signal) -> Any:
    import neo
    import quantities as pq

    return neo.IrregularlySampledSignal(
        signal.times, signal.values, units=_quantity(signal.unit), time_units=pq.ms, name=name, unit=signal.unit
    )


def _epoch(name: str, frame: pd.DataFrame) -> Any:
    import neo
    import quantities as pq

    start, stop = frame["start"].to_numpy(float), frame["stop"].to_numpy(float)
    labels = frame["name"] if "name" in frame else frame.index
    epoch: Any = neo.Epoch(
        start * pq.ms, (stop - start) * pq.ms, labels=np.array(labels.astype(str), dtype="U"), name=name
    )
    if len(frame):
        epoch.array_annotate(
            **{
                column: values.astype("U") if values.dtype.kind == "S" else values
                for column, values in table.to_columns("to_neo", frame).items()
            }
        )
    return epoch


def _quantity(unit: str) -> Any:
    """Return the unit of measure where quantities knows it, else no dimension (the text is annotated)."""
    import quantities as pq

    try:
        return pq.Quantity(1.0, unit).units if unit else pq.dimensionless
    except LookupError:
        return pq.dimensionless


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | int | float | bool) else str(value)


def _packed(owner: str, frame: pd.DataFrame) -> dict[str, Any]:
    kinds = table.dtypes(frame)
    return {"dtypes": kinds, "columns": {name: frame[name].tolist() for name in kinds}}


def _ours(block: "neo.Block") -> Recording:
    import json

    about = json.loads(block.annotations[MARK])
    owner = "from_neo"
    if about["version"] != VERSION:
        must = f"{VERSION}, the one this neurornn writes"
        _check.fail(owner, "version", must, about["version"], "Update neurornn.", error=RecordingError)
    segment = block.segments[0]
    units = pd.DataFrame(
        {
            name: pd.Series(about["units"]["columns"][name], dtype=kind)
            for name, kind in about["units"]["dtypes"].items()
        }
    )
    units.index = pd.Index(about["ids"], dtype=about["ids_dtype"])
    trains = [train.times.rescale("ms").magnitude for train in segment.spiketrains]
    frames = {epoch.name: _frame(epoch, about[f"{epoch.name}_dtypes"]) for epoch in segment.epochs}
    return Recording(
        about["t_start"],
        about["t_stop"],
        spikes=trains if trains or not segment.analogsignals else None,
        activity=segment.analogsignals[0].magnitude if segment.analogsignals else None,
        dt=about["dt"],
        unit=about["unit"],
        units=units,
        trials=frames["trials"],
        epochs=frames["epochs"],
        behaviour={
            part.name: Signal(part.times.rescale("ms").magnitude, part.magnitude, part.annotations["unit"])
            for part in segment.irregularlysampledsignals
        },
        observed={key: np.array(value, dtype=float).reshape(-1, 2) for key, value in about["observed"]},
        source=about["source"],
    )


def _frame(epoch: Any, kinds: Mapping[str, str]) -> pd.DataFrame:
    if not len(epoch):
        return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})
    found = epoch.array_annotations
    columns = {name: np.char.encode(v, "utf-8") if v.dtype.kind == "U" else v for name, v in found.items()}
    return table.from_columns(columns, kinds)
