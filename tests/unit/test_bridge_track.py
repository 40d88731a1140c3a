"""A straight track drawn at any angle is found again, with its laps, its speed and its rest."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn.bridge.track import along_track
from neurornn.errors import RecordingError

LENGTH = 400.0
PERIOD = 20_000.0


def shuttle(angle: float, n_laps: int = 8, rest: float = 30_000.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times, pixels and the true place of an animal that swings along a track and then is gone."""
    times = np.arange(0.0, n_laps * PERIOD / 2 + rest, 16.0)
    place = LENGTH / 2 * (1 - np.cos(2 * np.pi * times / PERIOD))
    gone = times >= n_laps * PERIOD / 2
    pixels = 300.0 + (place - LENGTH / 2)[:, None] * np.array([np.cos(angle), np.sin(angle)])
    pixels[gone] = [5.0, 7.0]
    place[gone] = np.nan
    return times, pixels, place


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(0.0, 2 * np.pi), n_laps=st.integers(2, 9))
def test_place_laps_and_rest_are_found(angle: float, n_laps: int) -> None:
    times, pixels, place = shuttle(angle, n_laps)
    track = along_track(times, pixels)
    assert len(track.laps) == n_laps
    assert (np.diff(track.laps["direction"]) != 0).all()
    assert track.epochs["name"].tolist() == ["run", "rest"]
    assert track.epochs["start"][1] == times[np.isnan(place)][0]
    assert track.epochs["stop"][1] == times[-1]
    found = track.linear.values[:, 0]
    run = np.isfinite(found)
    assert not np.any(run & np.isnan(place))
    slope = np.polyfit(place[run], found[run], 1)[0]
    assert abs(abs(slope) - 1) < 1e-9  # the same scale, at any angle
    assert np.nanmin(found) == 0.0


def test_speed_is_that_of_the_swing() -> None:
    times, pixels, place = shuttle(0.4)
    track = along_track(times, pixels, smoothing=50.0)
    true = np.abs(np.gradient(place, times)) * 1000.0
    middle = np.isfinite(track.speed.values[:, 0]) & (true > 20)
    np.testing.assert_allclose(track.speed.values[middle, 0], true[middle], rtol=0.02)


def test_missing_positions_stay_missing_and_spread_no_speed() -> None:
    times, pixels, _ = shuttle(0.4)
    pixels[500:520] = np.nan
    track = along_track(times, pixels)
    assert np.isnan(track.linear.values[500:520]).all() and np.isnan(track.speed.values[500:520]).all()
    assert np.isfinite(track.speed.values[520:600]).all() and np.isfinite(track.speed.values[450:500]).all()


def test_without_a_held_end_there_is_no_rest() -> None:
    times, pixels, _ = shuttle(0.4, rest=0.0)
    assert along_track(times, pixels).epochs["name"].tolist() == ["run"]


def test_what_is_no_track_is_refused() -> None:
    times, pixels, _ = shuttle(0.4)
    with pytest.raises(
        RecordingError,
        match=r"along_track: `position` must be measured while the animal moved; got '0 "
        r"usable of .*NaN or held everywhere",
    ):
        along_track(times, np.full_like(pixels, np.nan))
    with pytest.raises(
        RecordingError, match=r"along_track: `position` must be one of two or more laps; got '1 in 1\.6 s'\. Check that"
    ):
        along_track(times[:100], pixels[:100])
    with pytest.raises(ValueError, match="along_track: `smoothing` must be a finite number above 0"):
        along_track(times, pixels, smoothing=0.0)
    with pytest.raises(ValueError, match=r"along_track: `held` must be a finite number above 0; got -1.0"):
        along_track(times, pixels, held=-1.0)
    assert isinstance(along_track(times, pixels).laps, pd.DataFrame)
