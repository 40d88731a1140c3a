"""Remapping and dimensions, where the answer is known because the activity was made so."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording, Signal
from neurornn.errors import RecordingError
from neurornn.statistics import PlaceBins, dimensions, participation_ratio, rate_maps, remapping

PLACE = PlaceBins("position", 10, ((0.0, 1.0), (0.0, 1.0)), smoothing=0.0, dt=100.0, smooth=0.0, min_occupancy=500.0)


def walked(centres, *, seed, noise=0.05, n=6000, gain=1.0):
    """Place cells at `centres` of an animal that is anywhere at any time."""
    rng = np.random.default_rng(seed)
    position = rng.random((n, 2))
    squared = ((position[:, None] - centres) ** 2).sum(-1)
    activity = gain * np.exp(-squared / 0.045) + noise * rng.random((n, len(centres)))
    times = 100.0 * (np.arange(n) + 0.5)
    signal = {"position": Signal(times, position, "m")}
    return Recording(0.0, 100.0 * n, activity=activity, dt=100.0, behaviour=signal)


CENTRES = np.random.default_rng(0).random((40, 2))
MOVED = np.random.default_rng(1).random((40, 2))


def test_the_same_cells_on_another_day_do_not_remap():
    found = remapping(walked(CENTRES, seed=1), walked(CENTRES, seed=2), PLACE)
    assert found.table["within"].min() > 0.95
    np.testing.assert_allclose(found.table["between"], found.table["within"], atol=0.02)
    table = found.summary()
    assert table.loc["map", "p"] < 0.01 and table.loc["population vector", "p"] < 0.01
    assert table.loc["population vector", "between"] > 0.95


def test_new_centres_are_complete_remapping():
    found = remapping(walked(CENTRES, seed=1), walked(MOVED, seed=2), PLACE)
    table = found.summary()
    assert table.loc["map", "within"] > 0.95
    for name in ("map", "population vector"):
        assert table.loc[name, "between"] < table.loc[name, "shuffled_95"]
        assert table.loc[name, "p"] > 0.01


def test_half_of_the_cells_lie_between():
    mixed = np.concatenate([CENTRES[:20], MOVED[20:]])
    found = remapping(walked(CENTRES, seed=1), walked(mixed, seed=2), PLACE)
    assert found.table["between"][:20].min() > 0.9
    assert found.table["between"][20:].mean() < 0.3
    assert found.summary().loc["map", "p"] < 0.01


def test_rates_may_change_where_maps_do_not():
    found = remapping(walked(CENTRES, seed=1, noise=0.0), walked(CENTRES, seed=2, noise=0.0, gain=3.0), PLACE)
    assert found.table["between"].min() > 0.95
    assert found.table["overlap"].between(0.28, 0.4).all()


def test_maps_of_both_halves_average_to_the_map_of_the_whole():
    one = walked(CENTRES, seed=1)
    found = remapping(one, walked(MOVED, seed=2), PLACE)
    whole = rate_maps(one, PLACE).maps
    assert np.nanmax(np.abs(found.maps[0].mean(axis=0) - whole)) < 0.1


def test_the_order_of_the_recordings_does_not_matter():
    pair = walked(CENTRES, seed=1), walked(MOVED, seed=2)
    one, other = remapping(*pair, PLACE), remapping(*pair[::-1], PLACE)
    np.testing.assert_allclose(one.table["between"], other.table["between"])
    np.testing.assert_allclose(one.vectors["between"], other.vectors["between"])


def test_silent_units_are_no_number():
    quiet = walked(CENTRES, seed=1)
    activity = np.asarray(quiet.activity).copy()
    activity[:, 3] = 0.0
    found = remapping(replace(quiet, activity=activity), walked(CENTRES, seed=2), PLACE)
    assert found.table.loc[3, ["within", "between"]].isna().all()
    assert found.table.loc[3, "overlap"] == 0
    assert np.isfinite(found.summary().loc["map"]).all()


def test_what_cannot_be_compared_is_refused():
    one = walked(CENTRES, seed=1)
    with pytest.raises(RecordingError, match="remapping: `other` must be a recording of the same units"):
        remapping(one, one.select(range(5)), PLACE)
    with pytest.raises(ValueError, match="remapping: `place` must be with three bins or more visited in every half"):
        remapping(one, one, replace(PLACE, min_occupancy=1e6))
    with pytest.raises(ValueError, match="remapping: `n_shuffles` must be a whole number, 20 or above"):
        remapping(one, one, PLACE, n_shuffles=3)
    with pytest.raises(ValueError, match="remapping: `n_blocks` must be a whole number, 2 or above"):
        remapping(one, one, PLACE, n_blocks=1)


def trials_of(values):
    """Trials laid end to end, `(trial, time, unit)`, of 1 ms a step."""
    n_trials, n_steps, n_units = values.shape
    starts = float(n_steps) * np.arange(n_trials)
    table = pd.DataFrame({"start": starts, "stop": starts + n_steps})
    return Recording(0.0, float(n_trials * n_steps), activity=values.reshape(-1, n_units), dt=1.0, trials=table)


def test_dimensions_are_those_of_the_samples_in_the_window():
    values = np.random.default_rng(0).normal(size=(60, 30, 12)) * np.linspace(0.2, 2, 12)
    found = dimensions(trials_of(values), [(0.0, 10.0), (10.0, 30.0)], dt=1.0).table
    assert found["n_samples"].tolist() == [600, 600]
    reference = participation_ratio(values[:, :10].reshape(-1, 12))
    assert found["dimensions"][0] == pytest.approx(reference, rel=1e-12)
    assert found["dimensions"][1] == pytest.approx(reference, rel=0.1)
    assert found["error"].between(0.01, 1.0).all()


def test_windows_without_bins_are_refused():
    whole = trials_of(np.zeros((4, 10, 3)))
    with pytest.raises(ValueError, match="dimensions: `windows` must be each with three bins or more"):
        dimensions(whole, [(0.0, 10.0), (50.0, 60.0)], dt=1.0)
