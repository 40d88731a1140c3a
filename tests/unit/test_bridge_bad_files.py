"""Damaged NWB and HDF5 files: each ends in one clear sentence, and what cannot be saved leaves the old file."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest

from neurornn import Recording
from neurornn.bridge import read_hdf5, read_nwb, save_recording, simulated_track
from neurornn.errors import RecordingError


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def nwb(path: Path, fill: Callable[[Any], None]) -> Path:
    held: Any = pynwb.NWBFile(
        session_description="d", identifier="i", session_start_time=datetime(2020, 1, 1, tzinfo=UTC)
    )
    fill(held)
    with pynwb.NWBHDF5IO(str(path), "w") as writer:
        writer.write(held)
    return path


def unit(**settings: Any) -> Callable[[Any], None]:
    return lambda held: held.add_unit(**settings)


def clockless(held: Any) -> None:
    held.add_unit(spike_times=[1.0])
    held.add_acquisition(pynwb.TimeSeries(name="x", data=[1.0, 2.0], unit="m", timestamps=[2.0, 1.0]))


def only_spaced(held: Any) -> None:
    held.add_unit_column("area", "a")
    held.add_unit(area="CA1")


NWB: dict[str, tuple[Callable[[Any], None], str]] = {
    "no units": (lambda held: None, "`units` must be a table with one or more units; got None"),
    "units without spikes": (only_spaced, r"`units` must be a table with `spike_times`; got \['area'\]"),
    "zero spikes": (unit(spike_times=np.empty(0), obs_intervals=[[0.0, 9.0]]), "got '0 spikes in 1 units'"),
    "unsorted times": (unit(spike_times=[2.0, 1.0]), "times of unit 0 that step back at spike 1"),
    "a NaN spike": (unit(spike_times=[1.0, np.nan], obs_intervals=[[0.0, 9.0]]), "NaN or infinite times in unit 0"),
    "spikes in ms": (
        unit(spike_times=np.linspace(1, 9, 40) / 1000, obs_intervals=[[0.0, 9.0]]),
        "slower than|spread over",
    ),
    "position times that step back": (clockless, "`times` must be increasing; got 'a step back at sample 1'"),
}


@pytest.mark.parametrize("case", NWB)
def test_bad_nwb(case: str, tmp_path: Path) -> None:
    fill, message = NWB[case]
    with pytest.raises(RecordingError, match=message):
        read_nwb(nwb(tmp_path / "a.nwb", fill))


def test_nwb_signal_without_times(tmp_path: Path) -> None:
    def fill(held: Any) -> None:
        held.add_unit(spike_times=[1.0])
        held.add_acquisition(pynwb.TimeSeries(name="x", data=[1.0, 2.0], unit="m", rate=1.0))

    path = nwb(tmp_path / "a.nwb", fill)
    with h5py.File(path, "r+") as file:
        file["acquisition/x/starting_time"].attrs["rate"] = 0.0
    with pytest.raises(RecordingError, match="`x` must be a series with timestamps or a rate; got 'neither'"):
        read_nwb(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_truncated_nwb(share: float, tmp_path: Path) -> None:
    path = nwb(tmp_path / "a.nwb", unit(spike_times=[1.0]))
    cut(path, share)
    with pytest.raises(RecordingError, match=r"read_nwb\(a.nwb\): `file` must be a whole NWB file"):
        read_nwb(path)


def set_version(file: Any) -> None:
    file.attrs["version"] = 9


def set_format(file: Any) -> None:
    del file.attrs["format"]


def move_offset(file: Any) -> None:
    file["spikes/offsets"][1] = 10**9


def swap_times(file: Any) -> None:
    file["spikes/times"][0] = file["spikes/times"][1] + 1


def drop_ids(file: Any) -> None:
    ids = file["ids"][1:]
    kind = file["ids"].attrs["dtype"]
    del file["ids"]
    file["ids"] = ids
    file["ids"].attrs["dtype"] = kind


def drop_column(file: Any) -> None:
    del file["units/field_peak"]


def shorten_column(file: Any) -> None:
    values = file["epochs/start"][1:]
    del file["epochs/start"]
    file["epochs/start"] = values


def scramble_source(file: Any) -> None:
    del file["source"]
    file["source"] = np.bytes_(b'{"name": ')


HDF5: dict[str, tuple[Callable[[Any], None], str]] = {
    "another version": (set_version, "`version` must be 1, the one this neurornn writes; got 9. Update neurornn"),
    "another format": (set_format, "`format` must be 'neurornn recording'; got None"),
    "tampered offsets": (move_offset, "`spikes/offsets` must be 7 numbers that rise from 0 to"),
    "tampered times": (swap_times, "times of unit 'u1' that step back at spike 1"),
    "lost id": (drop_ids, "`ids` must be one for each of 6 units; got '5'"),
    "lost column": (drop_column, "must be a whole HDF5 recording; got .*field_peak"),
    "short column": (shorten_column, "`/epochs` must be columns of one length"),
    "scrambled source": (scramble_source, "must be a whole HDF5 recording; got Expecting value"),
}


@pytest.fixture(scope="module")
def session() -> Recording:
    return simulated_track(0, n_units=6, run=60_000.0, rest=20_000.0)


@pytest.mark.parametrize("case", HDF5)
def test_bad_hdf5(case: str, session: Recording, tmp_path: Path) -> None:
    path = save_recording(session, tmp_path / "a.h5")
    damage, message = HDF5[case]
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(RecordingError, match=message):
        read_hdf5(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_hdf5(share: float, session: Recording, tmp_path: Path) -> None:
    path = save_recording(session, tmp_path / "a.h5")
    cut(path, share)
    with pytest.raises(RecordingError, match=r"`a\.h5` must be a whole HDF5 recording"):
        read_hdf5(path)


def test_what_cannot_be_saved_leaves_the_old_file(session: Recording, tmp_path: Path) -> None:
    path = save_recording(session, tmp_path / "a.h5")
    before = path.read_bytes()
    odd = Recording(0.0, 9.0, spikes=[np.array([1.0])], source={"network": object()})
    with pytest.raises(RecordingError, match="`value` must be text, numbers, lists or tables of them"):
        save_recording(odd, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(RecordingError, match=r"save_recording: `path` must be a path that ends in \.h5; got .*a\.nwb"):
        save_recording(session, tmp_path / "a.nwb")
    wide = session.with_trials(session.trials.assign(**{"a/b": 1}))
    with pytest.raises(RecordingError, match="named by text without '/'; got 'a/b'"):
        save_recording(wide, path)
