"""NWB files of others: any unit column, observation intervals or none, trials, positions."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pynwb
import pytest
from pynwb.behavior import BehavioralTimeSeries, Position, SpatialSeries

from neurornn import Recording
from neurornn.bridge import read_nwb, write_nwb
from neurornn.errors import RecordingError

SPIKES = [np.array([0.1, 0.5, 1.9]), np.array([0.2])]


def empty() -> Any:
    return pynwb.NWBFile(
        session_description="theirs", identifier="one", session_start_time=datetime(2020, 1, 1, tzinfo=UTC)
    )


def saved(nwb: Any, path: Path) -> Path:
    with pynwb.NWBHDF5IO(str(path), "w") as writer:
        writer.write(nwb)
    return path


def test_custom_columns_and_several_intervals(tmp_path: Path) -> None:
    nwb = empty()
    for name in ("area", "quality", "good"):
        nwb.add_unit_column(name, name)
    nwb.add_unit_column("waveform", "ragged", index=True)
    pieces = np.array([[0.0, 0.6], [1.0, 2.0]])
    for train, area in zip(SPIKES, ("CA1", "CA3"), strict=True):
        nwb.add_unit(spike_times=train, area=area, quality=0.5, good=True, waveform=[1.0, 2.0], obs_intervals=pieces)
    recording = read_nwb(saved(nwb, tmp_path / "a.nwb"))
    assert recording.units["area"].tolist() == ["CA1", "CA3"]
    assert recording.units["good"].dtype == bool and recording.units["waveform"].iloc[0] == [1.0, 2.0]
    np.testing.assert_allclose(recording.intervals(0), pieces * 1000.0)
    np.testing.assert_allclose(recording.spikes[0], SPIKES[0] * 1000.0)
    np.testing.assert_allclose(recording.rates(), [3 / 1.6, 1 / 1.6])


def test_without_observation_intervals(tmp_path: Path) -> None:
    nwb = empty()
    for train in SPIKES:
        nwb.add_unit(spike_times=train)
    recording = read_nwb(saved(nwb, tmp_path / "a.nwb"))
    assert recording.observed == {} and recording.n_units == 2
    assert (recording.t_start, recording.t_stop) == (0.0, 1900.0)


def test_trials_epochs_and_behaviour(tmp_path: Path) -> None:
    nwb = empty()
    nwb.add_unit(spike_times=SPIKES[0])
    nwb.add_trial_column("side", "left or right")
    nwb.add_trial(start_time=0.0, stop_time=1.0, side="left")
    nwb.add_trial(start_time=1.0, stop_time=2.0, side="right")
    nwb.add_epoch(start_time=0.5, stop_time=2.5, tags=["run"])
    times = np.array([0.0, 1.0, 2.0])
    place = SpatialSeries(name="track", data=np.ones((3, 2)), timestamps=times, reference_frame="corner", unit="m")
    speed = pynwb.TimeSeries(name="speed", data=np.arange(4), rate=2.0, unit="cm/s", conversion=10.0)
    module = nwb.create_processing_module("behavior", "b")
    module.add(Position(spatial_series=place))
    module.add(BehavioralTimeSeries(time_series=speed))
    recording = read_nwb(saved(nwb, tmp_path / "a.nwb"))
    assert recording.trials["side"].tolist() == ["left", "right"]
    assert recording.trials["stop"].tolist() == [1000.0, 2000.0]
    assert recording.epochs.to_numpy().tolist() == [["run", 500.0, 2500.0]]
    assert recording.behaviour["track"].unit == "m" and recording.behaviour["track"].times[-1] == 2000.0
    np.testing.assert_allclose(recording.behaviour["speed"].values.ravel(), [0.0, 10.0, 20.0, 30.0])
    np.testing.assert_allclose(recording.behaviour["speed"].times, [0.0, 500.0, 1000.0, 1500.0])
    assert recording.t_stop == 2500.0


def test_what_we_write_pynwb_reads(tmp_path: Path) -> None:
    recording = Recording(
        0.0,
        2000.0,
        spikes=[train * 1000.0 for train in SPIKES],
        units=pd.DataFrame({"area": ["a", "b"]}, index=["x", "y"]),
    )
    path = write_nwb(recording, tmp_path / "a.nwb", session_start=datetime(2024, 5, 6, tzinfo=UTC))
    with pynwb.NWBHDF5IO(str(path), "r") as reader:
        nwb: Any = reader.read()
        np.testing.assert_allclose(nwb.units["spike_times"][0], SPIKES[0])
        assert list(nwb.units["area"][:]) == ["a", "b"]
        assert nwb.session_start_time.year == 2024


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    recording = Recording(0.0, 9.0, spikes=[np.array([3.0])])
    with pytest.raises(RecordingError, match=r"write_nwb: `path` must be a path that ends in \.nwb; got .*a\.h5"):
        write_nwb(recording, tmp_path / "a.h5")
    with pytest.raises(
        RecordingError, match=r"write_nwb: `session_start` must be a time with its time zone; .* Give it tzinfo"
    ):
        write_nwb(recording, tmp_path / "a.nwb", session_start=datetime(2024, 5, 6))
    mixed = Recording(0.0, 9.0, spikes=[np.array([3.0])] * 2, units=pd.DataFrame({"a": ["x", None]}))
    with pytest.raises(RecordingError, match=r"`column a` must be all numbers, all texts .*fill what is missing"):
        write_nwb(mixed, tmp_path / "a.nwb")
    assert list(tmp_path.iterdir()) == []


def test_a_file_changed_after_it_was_written_is_refused(tmp_path: Path) -> None:
    units = pd.DataFrame({"area": ["a"]})
    path = write_nwb(Recording(0.0, 9.0, spikes=[np.array([3.0])], units=units), tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        names = [name for name in file["units"].attrs["colnames"] if name != "area"]
        file["units"].attrs["colnames"] = names
        del file["units/area"]
    with pytest.raises(
        RecordingError,
        match=r"read_nwb: `columns` must be those .*; got 'none called area'.*changed after neurornn wrote",
    ):
        read_nwb(path)
