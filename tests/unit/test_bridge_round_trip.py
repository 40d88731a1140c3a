"""A recording goes to neo, HDF5 and NWB and comes back the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import Recording, Signal
from neurornn.bridge import from_neo, read_hdf5, read_nwb, save_recording, to_neo, write_nwb
from tests.tolerances import EXACT

SECONDS = {"rtol": 4e-16, "atol": 0.0}
"""NWB counts seconds: a time comes back to the last bit of ms / 1000 * 1000."""

CARRIERS = {"neo": EXACT, "hdf5": EXACT, "nwb": SECONDS}


def carried(recording: Recording, carrier: str, folder: Path) -> Recording:
    if carrier == "neo":
        return from_neo(to_neo(recording))
    if carrier == "hdf5":
        return read_hdf5(save_recording(recording, folder / "one.h5"))
    return read_nwb(write_nwb(recording, folder / "one.nwb"))


def assert_same(a: Recording, b: Recording, tolerance: dict[str, float]) -> None:
    def close(x: object, y: object) -> None:
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), **tolerance)

    close([a.t_start, a.t_stop], [b.t_start, b.t_stop])
    assert (a.spikes is None) == (b.spikes is None)
    for one, other in zip(a.spikes or (), b.spikes or (), strict=True):
        close(one, other)
    assert (a.activity is None) == (b.activity is None)
    if a.activity is not None and b.activity is not None:
        np.testing.assert_array_equal(a.activity, b.activity)
        assert a.activity.dtype == b.activity.dtype
    assert (a.dt, a.unit, dict(a.source)) == (b.dt, b.unit, dict(b.source))
    for name in ("units", "trials", "epochs"):
        rtol, atol = tolerance["rtol"], tolerance["atol"]
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=False, rtol=rtol, atol=atol)
    assert list(a.behaviour) == list(b.behaviour)
    for name, signal in a.behaviour.items():
        close(signal.times, b.behaviour[name].times)
        np.testing.assert_array_equal(signal.values, b.behaviour[name].values)
        assert signal.unit == b.behaviour[name].unit
    assert list(a.observed) == list(b.observed)
    for unit, pieces in a.observed.items():
        close(pieces, b.observed[unit])


def full(seed: int = 0, n_units: int = 3, n_signal: int = 7) -> Recording:
    """A recording in which every part is used, with awkward numbers."""
    draw = np.random.default_rng(seed)
    t_start, dt = float(draw.uniform(-50, 5000)), float(draw.choice([0.05, 0.1, 1 / 3, 7.3]))
    t_stop = t_start + 100 * dt
    spikes = [np.sort(draw.uniform(t_start, t_stop, draw.integers(0, 9))) for _ in range(n_units)]
    spikes[0] = np.array([t_start, t_stop])
    half = (t_start + t_stop) / 2
    sample = np.sort(draw.uniform(t_start, t_stop, n_signal))
    return Recording(
        t_start,
        t_stop,
        spikes=spikes,
        activity=np.where(draw.uniform(size=(100, n_units)) < 0.1, np.nan, draw.normal(size=(100, n_units))),
        dt=dt,
        unit="mV",
        units=pd.DataFrame(
            {
                "area": [f"CA{i} - é" for i in range(n_units)],
                "depth": np.where(np.arange(n_units) == 1, np.nan, 1.5),
                "layer": np.arange(n_units),
                "good": np.arange(n_units) % 2 == 0,
                "t_start": t_start,
                "t_stop": np.where(np.arange(n_units) == 0, t_stop, half),
            },
            index=[f"u{i}" for i in range(n_units)],
        ),
        trials=pd.DataFrame({"start": [t_start, half], "stop": [half, t_stop], "side": ["left", "right"], "x": [1, 2]}),
        epochs=pd.DataFrame({"name": ["run", "rest"], "start": [t_start, half], "stop": [half, t_stop]}),
        behaviour={
            "position": Signal(sample, np.where(draw.uniform(size=(n_signal, 2)) < 0.3, np.nan, 2.5), "px"),
            "speed": Signal(sample, draw.normal(size=(n_signal, 1)), "cm/s"),
        },
        observed={"u0": np.array([[t_start, half], [half + dt, t_stop]])},
        source={"name": "all of it", "doi": "none", "seed": seed, "options": {"smoothing": [1.5, 2]}, "note": "é"},
    )


@pytest.mark.parametrize("carrier", CARRIERS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), n_units=st.integers(1, 5), n_signal=st.integers(2, 20))
def test_everything_comes_back(
    carrier: str, seed: int, n_units: int, n_signal: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    recording = full(seed, n_units, n_signal)
    assert_same(recording, carried(recording, carrier, tmp_path_factory.mktemp("carried")), CARRIERS[carrier])


PARTS: dict[str, Callable[[], Recording]] = {
    "spikes alone": lambda: Recording(0.0, 9.0, spikes=[np.array([3.0]), np.array([])]),
    "activity alone": lambda: Recording(-3.0, 7.0, activity=np.arange(20.0).reshape(10, 2), dt=1.0),
    "activity in float32": lambda: Recording(0.0, 4.0, activity=np.ones((4, 1), np.float32), dt=1.0, unit="Hz"),
    "no unit at all fires": lambda: Recording(0.0, 9.0, spikes=[np.array([]), np.array([])]),
    "ids are numbers": lambda: Recording(
        0.0, 9.0, spikes=[np.array([3.0])], units=pd.DataFrame({"a": [1]}, index=[41])
    ),
    "spikes outside the unit's own time": lambda: Recording(
        0.0, 9.0, spikes=[np.array([3.0])], units=pd.DataFrame({"t_start": [4.0], "t_stop": [5.0]})
    ),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("part", PARTS)
def test_each_part_comes_back(carrier: str, part: str, tmp_path: Path) -> None:
    recording = PARTS[part]()
    assert_same(recording, carried(recording, carrier, tmp_path), CARRIERS[carrier])


def test_real_recording_through_hdf5_and_neo(recordings: Path, tmp_path: Path) -> None:
    from neurornn.source import load_recording

    recording = load_recording("rat_linear_track")
    for carrier in ("neo", "hdf5"):
        assert_same(recording, carried(recording, carrier, tmp_path), EXACT)
