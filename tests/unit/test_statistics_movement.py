"""Movement: exact on straight lines, never across trials, and clear about what it cannot use."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal
from neurornn.statistics import movement


def line(speed: float, smooth: float, duration: float = 5000.0):
    times = np.arange(0.0, duration + 1, 20.0)
    signal = Signal(times, (times * speed / 1000.0)[:, None], unit="cm")
    recording = Recording(0.0, duration, spikes=[np.array([10.0])], behaviour={"linear": signal})
    return movement(recording, dt=100.0, smooth=smooth)


@settings(max_examples=20, deadline=None)
@given(st.floats(-50, 50), st.sampled_from([0.0, 20.0, 100.0, 500.0]))
def test_straight_motion_keeps_its_place_and_speed_to_the_edges(speed, smooth):
    move = line(speed, smooth)
    np.testing.assert_allclose(move.velocity[:, 0], speed, atol=1e-9)
    np.testing.assert_allclose(move.position[:, 0], move.binned.times * speed / 1000.0, atol=1e-9)
    assert np.all(move.direction == (1 if speed > 0 else -1)) or abs(speed) < 1e-9


def test_nothing_is_smoothed_or_interpolated_across_the_jump_between_two_trials():
    times = np.arange(0.0, 4000.0, 20.0)
    x = np.where(times < 2000.0, 0.0, 100.0)
    trials = pd.DataFrame({"start": [0.0, 2000.0], "stop": [2000.0, 4000.0]})
    recording = Recording(
        0.0, 4000.0, spikes=[np.array([1.0])], trials=trials, behaviour={"linear": Signal(times, x[:, None])}
    )
    move = movement(recording, dt=100.0, smooth=300.0)
    assert set(np.unique(move.position)) == {0.0, 100.0}
    assert np.all(move.speed == 0.0)


def test_slow_bins_unknown_places_unrecorded_bins_and_masked_bins_are_left_out():
    times = np.arange(0.0, 10_001.0, 20.0)
    x = np.where(times < 5000.0, times / 100.0, 50.0)  # 10 cm/s, then still
    x[(times > 1000.0) & (times < 2000.0)] = np.nan
    activity = np.ones((200, 2))
    activity[:10] = np.nan
    recording = Recording(0.0, 10_000.0, activity=activity, dt=50.0, behaviour={"linear": Signal(times, x[:, None])})
    move = movement(recording, dt=100.0, smooth=0.0, min_speed=5.0)
    assert move.binned.times.min() > 500.0
    assert move.binned.times.max() <= 5050.0
    assert not np.any((move.binned.times > 1000.0) & (move.binned.times < 2000.0))
    assert move.n_bins == 100
    late = movement(recording, dt=100.0, smooth=0.0, where=recording.binned(100.0).times > 6000.0)
    assert late.binned.times.min() > 6000.0
    assert late.seconds == pytest.approx(len(late.position) * 0.1)


def test_a_plane_has_a_speed_too():
    times = np.arange(0.0, 2000.0, 20.0)
    xy = np.stack([times * 0.03, times * 0.04], axis=1)
    recording = Recording(0.0, 2000.0, spikes=[np.array([1.0])], behaviour={"place": Signal(times, xy)})
    np.testing.assert_allclose(movement(recording, position="place", dt=100.0).speed, 50.0, rtol=1e-9)


def test_refusals():
    times = np.arange(0.0, 2000.0, 20.0)
    still = {"linear": Signal(times, np.ones((100, 1)))}
    recording = Recording(0.0, 2000.0, spikes=[np.array([1.0])], behaviour=still)
    with pytest.raises(RecordingError, match="movement: `position` must be a signal of the recording"):
        movement(recording, position="linaer")
    with pytest.raises(RecordingError, match="Did you mean 'linear'"):
        movement(recording, position="linaer")
    with pytest.raises(
        RecordingError, match="movement: `position` must be known and moving somewhere; got 'none of 8 bins'"
    ):
        movement(recording, min_speed=1.0)
    with pytest.raises(ValueError, match="movement: `where` must be one value for each of 8 bins"):
        movement(recording, where=np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="movement: `min_speed` must be a finite number, 0 or above"):
        movement(recording, min_speed=-1.0)
    with pytest.raises(
        ValueError, match=r"movement: `smooth` must be a finite number, 0 or above; got -1\.0\. It is in ms"
    ):
        movement(recording, smooth=-1.0)


def test_a_trial_without_positions_gives_no_bins():
    times = np.arange(0.0, 1000.0, 20.0)
    trials = pd.DataFrame({"start": [0.0, 1000.0], "stop": [1000.0, 2000.0]})
    behaviour = {"linear": Signal(times, times[:, None])}
    recording = Recording(0.0, 2000.0, spikes=[np.array([1.0])], trials=trials, behaviour=behaviour)
    assert movement(recording, dt=100.0).binned.times.max() < 1000.0
