"""Current clamp in Axon binary files, read through neo: sweeps as trials, the command rebuilt from the protocol."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

OWNER = "read_current_clamp"


def read_current_clamp(files: Mapping[str, Path], *, file: str, threshold: float = 0.0) -> Recording:
    """Read a current-clamp file: membrane potential, command current and spikes of one neuron.

    Sweeps lie on the clock where they were recorded; between them the potential is NaN and the unit is not observed.
    The command is not a recorded channel: it is rebuilt from the protocol that the file states. A spike is the first
    sample at or above `threshold` after one below it.

    Args:
        files: local files by name.
        file: which of them to read.
        threshold: potential that a spike crosses upwards, mV.

    Returns:
        A recording of one unit with `activity` (mV), spikes, behaviour `current` (pA), and one trial a sweep with the
        columns `sweep`, `step` (pA), `step_start` and `step_stop` (ms on the clock): the longest stretch of the
        command in which the sweeps differ (the first of equals), and the level of this sweep in it (NaN where it is
        not constant).

    Raises:
        RecordingError: if the file is damaged, holds no channel in mV, or states no command in pA.
    """
    potentials, commands, starts, dt = _sweeps(files[file])
    n_sweeps, n_samples = potentials.shape
    first = np.rint((starts - starts[0]) / dt).astype(int)
    index = first[:, None] + np.arange(n_samples)
    n_clock = int(index.max()) + 1
    activity = np.full((n_clock, 1), np.nan, dtype=np.float32)
    activity[index.ravel(), 0] = potentials.ravel()
    above = potentials >= threshold
    sweep, sample = np.nonzero(above[:, 1:] & ~above[:, :-1])
    t_start = float(starts[0])
    lower = t_start + first * dt
    upper = lower + n_samples * dt
    current = Signal(t_start + index.ravel() * dt, commands.reshape(-1, 1).astype(float), "pA")
    return Recording(
        t_start,
        t_start + n_clock * dt,
        spikes=[lower[sweep] + (sample + 1) * dt],
        activity=activity,
        dt=dt,
        unit="mV",
        trials=pd.DataFrame({"start": lower, "stop": upper, "sweep": np.arange(n_sweeps)}).join(
            _steps(commands, lower, dt)
        ),
        behaviour={"current": current},
        observed={0: np.stack([lower, upper], axis=1)},
        source={"threshold": float(threshold)},
    )


def _sweeps(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return potentials (mV) and commands (pA), both (sweep, sample), sweep starts (ms) and the sampling step (ms)."""
    from neo.io import AxonIO

    damaged = (ValueError, OSError, KeyError, IndexError, TypeError, AssertionError, EOFError, struct.error)
    try:
        reader = AxonIO(str(path))
        recorded = reader.read_block(signal_group_mode="split-all").segments
        stated = reader.read_protocol()
    except (*damaged, NotImplementedError, AttributeError) as error:
        text = f"{OWNER}: `{path.name}` must be a whole ABF file with a protocol; got {type(error).__name__}: {error}."
        raise RecordingError(f"{text} Delete it and fetch it again.") from error
    potentials = [_channel(path, segment, "mV", "V") for segment in recorded]
    commands = [_channel(path, segment, "pA", "nA") for segment in stated]
    if not potentials or len(potentials) != len(commands):
        got = f"{len(commands)} for {len(potentials)} sweeps"
        _check.fail(OWNER, "protocol", "one command a sweep", got, error=RecordingError)
    lengths = {len(signal) for signal in (*potentials, *commands)}
    if len(lengths) != 1:
        _check.fail(OWNER, "sweeps", "of one length", sorted(lengths), error=RecordingError)
    dt = float(potentials[0].sampling_period.rescale("ms"))
    starts = np.array([float(signal.t_start.rescale("ms")) for signal in potentials])
    return (
        np.stack([signal.rescale("mV").magnitude.ravel() for signal in potentials]),
        np.stack([signal.rescale("pA").magnitude.ravel() for signal in commands]),
        starts,
        dt,
    )


def _channel(path: Path, segment: Any, *units: str) -> Any:
    for signal in segment.analogsignals:
        if str(signal.units.dimensionality) in units:
            return signal
    got = ", ".join(str(signal.units.dimensionality) for signal in segment.analogsignals) or "no channel"
    fix = "This is not a current-clamp file."
    _check.fail(OWNER, path.name, f"a file with a channel in {' or '.join(units)}", got, fix, error=RecordingError)


def _steps(commands: np.ndarray, lower: np.ndarray, dt: float) -> pd.DataFrame:
    """Return each sweep's level (pA) in the longest stretch in which the sweeps differ, and when that was (ms)."""
    varied = np.ptp(commands, axis=0) > 0 if len(commands) > 1 else commands[0] != commands[0, 0]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], varied, [False]]).astype(int)))
    stretches = [(stop - start, start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    if not stretches:
        return pd.DataFrame({"step": np.nan, "step_start": lower, "step_stop": lower})
    _, first, last = max(stretches, key=lambda stretch: stretch[0])  # the first of equals
    within = commands[:, first:last].astype(float)
    level = np.where(np.ptp(within, axis=1) == 0, within[:, 0], np.nan)
    return pd.DataFrame({"step": level, "step_start": lower + first * dt, "step_stop": lower + last * dt})
