"""Sweeps as neo hands them over become trials; files that are no current clamp are refused."""

from pathlib import Path
from types import SimpleNamespace

import neo
import numpy as np
import pytest
import quantities as pq

from neurornn.bridge import read_current_clamp
from neurornn.errors import RecordingError
from neurornn.recording import Recording

COMMANDS = np.zeros((3, 100))
COMMANDS[:, 10:20] = -50.0  # the same test pulse in each sweep
COMMANDS[:, 40:80] = np.array([0.0, 20.0, 40.0])[:, None]


def sweeps(values: np.ndarray, unit: str, gap: float = 10.0) -> list[neo.Segment]:
    made = []
    for place, row in enumerate(values):
        segment = neo.Segment()
        segment.analogsignals.append(
            neo.AnalogSignal(row[:, None], units=unit, sampling_period=1 * pq.ms, t_start=place * (100 + gap) * pq.ms)
        )
        made.append(segment)
    return made


def read(
    monkeypatch: pytest.MonkeyPatch, recorded: list[neo.Segment], stated: list[neo.Segment], **options: float
) -> Recording:
    reader = SimpleNamespace(
        read_block=lambda signal_group_mode: SimpleNamespace(segments=recorded), read_protocol=lambda: stated
    )
    monkeypatch.setattr("neo.io.AxonIO", lambda path: reader)
    return read_current_clamp({"a": Path("a")}, file="a", **options)


def potentials() -> np.ndarray:
    values = np.full((3, 100), -60.0)
    values[1, 50:52] = 10.0
    values[2, [45, 60]] = 10.0
    values[2, 70] = -20.0
    return values


def test_steps_are_where_the_sweeps_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = read(monkeypatch, sweeps(potentials(), "mV"), sweeps(COMMANDS, "pA"))
    assert recording.trials["step"].tolist() == [0.0, 20.0, 40.0]
    np.testing.assert_allclose(recording.trials["step_start"] - recording.trials["start"], 40.0)
    np.testing.assert_allclose(recording.trials["step_stop"] - recording.trials["start"], 80.0)
    np.testing.assert_allclose(recording.trials["start"], [0.0, 110.0, 220.0])
    np.testing.assert_allclose(recording.spikes[0], [160.0, 265.0, 280.0])


def test_between_sweeps_nothing_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = read(monkeypatch, sweeps(potentials(), "V"), sweeps(COMMANDS, "nA"))
    assert recording.activity is not None and np.isnan(recording.activity[100:110]).all()
    assert np.isfinite(recording.activity[:100]).all() and recording.activity[0, 0] == -60_000.0
    np.testing.assert_allclose(recording.intervals(0), [[0.0, 100.0], [110.0, 210.0], [220.0, 320.0]])
    np.testing.assert_allclose(recording.trials["step"], [0.0, 20_000.0, 40_000.0])


def test_threshold_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = read(monkeypatch, sweeps(potentials(), "mV"), sweeps(COMMANDS, "pA"), threshold=-30.0)
    assert recording.spikes is not None and len(recording.spikes[0]) == 4


def test_a_ramp_has_no_level_and_equal_sweeps_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = COMMANDS.copy()
    ramp[2, 40:80] = np.arange(40.0)
    recording = read(monkeypatch, sweeps(potentials(), "mV"), sweeps(ramp, "pA"))
    assert np.isnan(recording.trials["step"][2])
    recording = read(monkeypatch, sweeps(potentials(), "mV"), sweeps(COMMANDS[[0, 0, 0]], "pA"))
    assert recording.trials["step"].isna().all()


def test_what_is_no_current_clamp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    voltage = sweeps(potentials(), "mV")
    with pytest.raises(
        RecordingError, match=r"a file with a channel in pA or nA; got 'mV'\. This is not a current-clamp"
    ):
        read(monkeypatch, voltage, sweeps(COMMANDS, "mV"))
    with pytest.raises(RecordingError, match="a file with a channel in mV or V; got 'no channel'"):
        read(monkeypatch, [neo.Segment()], sweeps(COMMANDS, "pA"))
    with pytest.raises(RecordingError, match="one command a sweep; got '2 for 3 sweeps'"):
        read(monkeypatch, voltage, sweeps(COMMANDS[:2], "pA"))
    with pytest.raises(RecordingError, match=r"`sweeps` must be of one length; got \[90, 100\]"):
        read(monkeypatch, voltage, sweeps(COMMANDS[:, :90], "pA"))
