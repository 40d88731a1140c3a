"""neo Blocks that others made: segments become trials on one clock."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge.clock import same_clock
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

OWNER = "from_neo"
PLAIN = (str, int, float, bool)


def read_block(block: Any) -> Recording:
    """Return a Block that others made as a recording; see `neurornn.bridge.from_neo`."""
    segments = list(block.segments)
    spans = np.array([_span(segment, place) for place, segment in enumerate(segments)])
    overlap = np.any(spans[1:, 0] < spans[:-1, 1])
    ends = np.concatenate([[0.0], np.cumsum(spans[:, 1] - spans[:, 0])])
    shifts = ends[:-1] - spans[:, 0] if overlap else np.zeros(len(spans))
    spans = spans + shifts[:, None]
    ids = list(dict.fromkeys(unit for segment in segments for unit in _ids(segment)))
    behaviour, activity, dt, unit = _signals(segments, spans, shifts, bool(ids))
    if not ids and activity is None:
        _check.fail(OWNER, "block", "one with spike trains or analogue signals", "neither", error=RecordingError)
    trials = pd.DataFrame({"start": spans[:, 0], "stop": spans[:, 1], "segment": np.arange(len(segments))})
    for name in dict.fromkeys(key for segment in segments for key in segment.annotations):
        values = [segment.annotations.get(name) for segment in segments]
        if name not in trials and all(value is None or isinstance(value, PLAIN) for value in values):
            trials[name] = values
    t_start, t_stop = float(spans[0, 0]), float(spans[-1, 1])
    units, observed = _units(segments, ids, spans)
    spikes = _spikes(segments, ids, shifts) if ids else None
    if spikes is not None:
        same_clock(OWNER, spikes, t_start, t_stop)
    return Recording(
        t_start,
        t_stop,
        spikes=spikes,
        activity=activity,
        dt=dt,
        unit=unit,
        units=units,
        trials=trials,
        epochs=_epochs(segments, shifts),
        behaviour=behaviour,
        observed=observed,
        source={
            "name": block.name or "neo Block",
            "description": block.description or "",
            **{key: value for key, value in block.annotations.items() if isinstance(value, PLAIN)},
        },
    )


def _ms(quantity: Any) -> np.ndarray:
    try:
        return np.asarray(quantity.rescale("ms").magnitude, dtype=float)
    except (ValueError, AttributeError) as error:
        text = f"{OWNER}: `times` must be in a unit of time; got {getattr(quantity, 'dimensionality', type(quantity))}."
        raise RecordingError(f"{text} State s, ms or us when the object is made.") from error


def _span(segment: Any, place: int) -> tuple[float, float]:
    parts = [*segment.spiketrains, *segment.analogsignals, *segment.irregularlysampledsignals]
    if not parts:
        _check.fail(
            OWNER, f"segments[{place}]", "one with spike trains or signals", "an empty one", error=RecordingError
        )
    return min(float(_ms(part.t_start)) for part in parts), max(float(_ms(part.t_stop)) for part in parts)


def _ids(segment: Any) -> list[Any]:
    """Return the ids of a segment's trains: annotated, else named, else their places."""
    trains = list(segment.spiketrains)
    for found in (
        [train.annotations.get("id", train.annotations.get("unit_id")) for train in trains],
        [train.name for train in trains],
    ):
        if all(one not in (None, "") for one in found) and len(set(found)) == len(found):
            return found
    return list(range(len(trains)))


def _spikes(segments: list[Any], ids: list[Any], shifts: np.ndarray) -> list[np.ndarray]:
    pieces: dict[Any, list[np.ndarray]] = {unit: [] for unit in ids}
    for segment, shift in zip(segments, shifts, strict=True):
        for unit, train in zip(_ids(segment), segment.spiketrains, strict=True):
            pieces[unit].append(np.sort(_ms(train.times)) + shift)  # neo does not promise an order
    return [np.concatenate(pieces[unit]) for unit in ids]


def _units(segments: list[Any], ids: list[Any], spans: np.ndarray) -> tuple[pd.DataFrame, dict[Any, np.ndarray]]:
    """Return the annotations of each unit's first train, and the segments in which it was recorded."""
    if not ids:
        return pd.DataFrame(), {}
    rows: dict[Any, dict[str, Any]] = {}
    where: dict[Any, list[np.ndarray]] = {unit: [] for unit in ids}
    for segment, span in zip(segments, spans, strict=True):
        for unit, train in zip(_ids(segment), segment.spiketrains, strict=True):
            where[unit].append(span)
            plain = {key: value for key, value in train.annotations.items() if isinstance(value, PLAIN) and key != "id"}
            rows.setdefault(unit, {key: value for key, value in plain.items() if key not in ("t_start", "t_stop")})
    units = pd.DataFrame([rows[unit] for unit in ids], index=pd.Index(ids))
    observed = {unit: np.array(pieces) for unit, pieces in where.items()}
    units["t_start"] = [float(observed[unit][0, 0]) for unit in ids]
    units["t_stop"] = [float(observed[unit][-1, 1]) for unit in ids]
    return units, observed


def _signals(
    segments: list[Any], spans: np.ndarray, shifts: np.ndarray, spiking: bool
) -> tuple[dict[str, Signal], np.ndarray | None, float | None, str]:
    """Return behaviour, and activity with its step and unit where analogue signals are the units' own."""
    irregular = [list(segment.irregularlysampledsignals) for segment in segments]
    analogue = [list(segment.analogsignals) for segment in segments]
    if spiking or not any(analogue):
        return _behaviour([a + b for a, b in zip(irregular, analogue, strict=True)], shifts), None, None, ""
    counts = {len(signals) for signals in analogue}
    first = analogue[0][0] if analogue[0] else None
    steps = {round(float(_ms(signal.sampling_period)), 9) for signals in analogue for signal in signals}
    if len(counts) != 1 or first is None or len(steps) != 1:
        must = "alike in every segment, with one sampling step"
        got = f"{sorted(counts)} signals with steps {sorted(steps)} ms"
        fix = "Resample them, or read them one by one."
        _check.fail(OWNER, "analogsignals", must, got, fix, error=RecordingError)
    dt, unit = steps.pop(), str(first.dimensionality)
    blocks = [np.concatenate([_column(signal, unit) for signal in signals], axis=1) for signals in analogue]
    n_clock = int(np.rint((spans[-1, 1] - spans[0, 0]) / dt))
    activity = np.full((n_clock, blocks[0].shape[1]), np.nan)
    for block, (start, _) in zip(blocks, spans, strict=True):
        at = int(np.rint((start - spans[0, 0]) / dt))
        activity[at : at + len(block)] = block[: n_clock - at]
    return _behaviour(irregular, shifts), activity, dt, "" if unit == "dimensionless" else unit


def _column(signal: Any, unit: str) -> np.ndarray:
    return np.asarray(signal.rescale(unit).magnitude, dtype=float)


def _behaviour(signals: list[list[Any]], shifts: np.ndarray) -> dict[str, Signal]:
    """Join each signal over the segments, by name, with one NaN after each piece: between segments nothing is known."""
    pieces: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    units: dict[str, str] = {}
    for row, shift in zip(signals, shifts, strict=True):
        for place, signal in enumerate(row):
            name = signal.name or f"signal {place}"
            unit = units.setdefault(name, str(signal.dimensionality))
            pieces.setdefault(name, []).append((_ms(signal.times) + shift, _column(signal, unit)))
    joined = {}
    for name, parts in pieces.items():
        times, values = [parts[0][0]], [parts[0][1]]
        for (before, _), (after, rows) in pairwise(parts):
            if len(before) and len(after) and after[0] > before[-1]:
                times.append(np.array([(before[-1] + after[0]) / 2]))
                values.append(np.full((1, rows.shape[1]), np.nan))
            times.append(after)
            values.append(rows)
        unit = "" if units[name] == "dimensionless" else units[name]
        joined[name] = Signal(np.concatenate(times), np.concatenate(values), unit)
    return joined


def _epochs(segments: list[Any], shifts: np.ndarray) -> pd.DataFrame:
    rows = []
    for segment, shift in zip(segments, shifts, strict=True):
        for epoch in segment.epochs:
            start, length = _ms(epoch.times) + shift, _ms(epoch.durations)
            labels = epoch.labels if len(epoch.labels) else [epoch.name or "epoch"] * len(start)
            rows += [(str(label), a, a + b) for label, a, b in zip(labels, start, length, strict=True)]
    return pd.DataFrame(rows, columns=["name", "start", "stop"]) if rows else pd.DataFrame()
