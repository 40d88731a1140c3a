"""Firing statistics: a clock, a Poisson process, pauses, and units with almost nothing."""

import numpy as np
import pandas as pd
import pytest
from tolerances import CHANCE

from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics import fano_factors, spike_trains


def test_poisson_is_one_by_every_measure():
    rng = np.random.default_rng(0)
    train = np.sort(rng.random(20_000)) * 1_000_000.0
    table = spike_trains(Recording(0.0, 1_000_000.0, spikes=[train])).frame()
    assert table["rate"].item() == 20.0
    for name, spread in {"cv": 1.0, "cv2": 0.6, "lv": 1.0, "fano": 1.5}.items():
        n = 1000 if name == "fano" else 20_000
        assert abs(table[name].item() - 1.0) < CHANCE * spread / np.sqrt(n)


def test_slow_changes_of_rate_raise_cv_but_hardly_cv2():
    rng = np.random.default_rng(1)
    fast, slow = np.sort(rng.random(5000)) * 100_000.0, 100_000.0 + np.sort(rng.random(500)) * 100_000.0
    row = spike_trains(Recording(0.0, 200_000.0, spikes=[np.concatenate([fast, slow])])).frame().iloc[0]
    assert row["cv"] > 1.5
    assert row["cv2"] == pytest.approx(1.0, abs=0.05)
    assert row["lv"] == pytest.approx(1.0, abs=0.05)


def test_intervals_do_not_cross_a_pause_in_the_recording():
    clock = np.concatenate([np.arange(5.0, 1000.0, 10.0), np.arange(5005.0, 6000.0, 10.0)])
    pieces = {0: np.array([[0.0, 1000.0], [5000.0, 6000.0]])}
    row = spike_trains(Recording(0.0, 6000.0, spikes=[clock], observed=pieces), window=100.0).frame().iloc[0]
    assert row["cv"] == pytest.approx(0.0, abs=1e-9)
    assert row["cv2"] == pytest.approx(0.0, abs=1e-9)
    assert row["fano"] == pytest.approx(0.0, abs=1e-9)


def test_too_few_spikes_are_nan_and_silence_has_a_rate():
    trains = [np.array([]), np.array([1.0]), np.array([1.0, 2.0]), np.array([1.0, 2.0, 4.0])]
    table = spike_trains(Recording(0.0, 1000.0, spikes=trains), window=100.0).frame()
    assert table["rate"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert table[["cv", "cv2", "lv", "fano"]].iloc[:3].isna().all(axis=None)
    assert table[["cv", "cv2", "lv", "fano"]].iloc[3].notna().all()


def test_spikes_scattered_over_pieces_have_no_pairs_of_intervals():
    train = np.array([1.0, 2.0, 501.0, 503.0])
    pieces = {0: np.array([[0.0, 100.0], [500.0, 600.0]])}
    row = spike_trains(Recording(0.0, 1000.0, spikes=[train], observed=pieces), window=100.0).frame().iloc[0]
    assert row["cv"] == pytest.approx(1 / 3)
    assert np.isnan(row["cv2"])
    lonely = {0: np.array([[0.0, 1.5], [500.0, 502.0], [502.5, 504.0]])}
    row = spike_trains(Recording(0.0, 1000.0, spikes=[train], observed=lonely), window=100.0).frame().iloc[0]
    assert np.isnan(row["cv"])


def test_the_fano_factor_across_trials():
    trials = pd.DataFrame({"start": [0.0, 100.0, 200.0], "stop": [100.0, 200.0, 300.0]})
    session = Recording(0.0, 300.0, spikes=[np.array([10.0, 110.0, 120.0, 210.0, 220.0, 230.0])], trials=trials)
    assert fano_factors(session, window=100.0)[0] == pytest.approx(np.var([1, 2, 3]) / 2)
    assert np.isnan(fano_factors(Recording(0.0, 100.0, spikes=[np.array([1.0])]), window=100.0)[0])


def test_refusals():
    with pytest.raises(RecordingError, match=r"spike_trains: `recording` must be of spikes; .*observe"):
        spike_trains(Recording(0.0, 10.0, activity=np.ones((10, 1)), dt=1.0))
    with pytest.raises(ValueError, match="spike_trains: `min_spikes` must be a whole number, 3 or above"):
        spike_trains(Recording(0.0, 10.0, spikes=[np.array([1.0])]), min_spikes=2)
