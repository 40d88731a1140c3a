"""The spatial profile: finds what was put in, and calls nothing significant that is not there."""

import numpy as np
import pytest
from tolerances import FLOAT64
from track_session import LENGTH, bump, flat, one_way, sampled, spiking

from neurornn.recording import Recording
from neurornn.statistics import PlaceBins, rate_maps, spatial_profile
from neurornn.statistics.spatial import chance

PLACE = PlaceBins(bins=20, dt=200.0, smooth=100.0)


@pytest.fixture(scope="module")
def profile():
    session = spiking([bump(30.0), one_way(70.0), flat(5.0), flat(0.0)], 300_000.0, seed=3)
    return spatial_profile(session, PLACE, n_shifts=100, seed=0)


def test_place_cells_are_found_and_flat_cells_are_not(profile):
    table = profile.frame()
    assert (table["information_p"].iloc[:2] < 0.02).all()
    assert table["information_p"].iloc[2] > 0.02
    assert table["bits_per_spike"].iloc[0] > 5 * table["bits_per_spike"].iloc[2]
    assert (table["stability"].iloc[:2] > 0.95).all()
    assert table["field_x"].iloc[:2].tolist() == pytest.approx([30.0, 70.0], abs=6.0)
    assert table["n_fields"].iloc[:2].tolist() == [1, 1]


def test_direction_is_found_where_it_is(profile):
    table = profile.frame()
    assert table["direction_index"].iloc[1] > 0.9
    assert table["direction_index_p"].iloc[1] < 0.02
    assert table["direction_index"].iloc[0] < 0.15
    assert np.nanmax(profile.forth.maps[1]) > 10 * np.nanmax(profile.back.maps[1])


def test_a_silent_unit_is_nan_and_not_significant(profile):
    silent = profile.frame().iloc[3]
    assert silent["rate"] == 0.0
    assert silent[["bits_per_spike", "information_p", "stability", "stability_p", "position_r2"]].isna().all()
    assert silent["n_fields"] == 0


def test_the_profile_says_what_it_did_and_keeps_its_null(profile):
    assert profile.null["information"].shape == (100, 4)
    for said in ("100 circular shifts of at least 20 s", "rectified at 0", "200 ms bins"):
        assert said in profile.methods
    assert profile.references
    assert {"information_null95", "information_percentile", "position_r2_p", "bits_per_second"} <= set(profile.table)


def test_a_flat_population_is_called_significant_at_chance_only():
    session = spiking([flat(rate) for rate in np.linspace(1, 10, 40)], 120_000.0, seed=5)
    p = spatial_profile(session, PLACE, n_shifts=100, seed=1).table["information_p"]
    assert (p < 0.05).sum() <= 7  # 2 expected of 40; 7 is far outside binomial chance
    assert 0.3 < p.mean() < 0.7


def test_position_r2_is_the_explained_variance_of_the_map():
    session = sampled([bump(30.0), lambda x, way: x * way], 100_000.0)
    place = PlaceBins(bins=20, dt=50.0, smooth=0.0, min_occupancy=0.0, smoothing=1.0)
    found = spatial_profile(session, place, n_shifts=100).table["position_r2"].to_numpy()
    move = place.movement(session)
    maps = rate_maps(session, place).maps
    where = np.clip(np.digitize(move.position[:, 0], place.edges(move.position)[0]) - 1, 0, 19)
    values = np.maximum(move.binned.values, 0.0)
    left = np.var(values - maps[:, where].T, axis=0)
    np.testing.assert_allclose(found, 1 - left / np.var(values, axis=0), **FLOAT64)
    assert found[0] > 0.95
    assert found[1] < 0.6  # direction, not place


def test_activity_and_the_same_activity_scaled_say_the_same():
    session = sampled([bump(30.0)], 100_000.0)
    more = Recording(0.0, 100_000.0, activity=session.activity * 7.0, dt=50.0, behaviour=session.behaviour)
    one, other = (spatial_profile(s, PLACE, n_shifts=100).table for s in (session, more))
    same = ["bits_per_spike", "sparsity", "selectivity", "stability", "position_r2", "information_p"]
    np.testing.assert_allclose(one[same].astype(float), other[same].astype(float), rtol=1e-9)
    assert one["bits_per_second"].isna().all()


def test_the_same_seed_gives_the_same_null():
    session = sampled([bump(30.0)], 100_000.0)
    one, other, third = (spatial_profile(session, PLACE, n_shifts=100, seed=s).null["stability"] for s in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, third)


def test_units_recorded_for_a_part_are_measured_on_that_part():
    session = sampled([bump(30.0), bump(30.0)], 200_000.0)
    activity = np.array(session.activity)
    activity[2000:, 1] = np.nan
    part = Recording(0.0, 200_000.0, activity=activity, dt=50.0, behaviour=session.behaviour)
    place = PlaceBins(bins=20, dt=200.0, smooth=0.0, extent=((0.0, LENGTH),))
    found = spatial_profile(part, place, n_shifts=100).table.iloc[1]
    alone = spatial_profile(session.between(0.0, 100_000.0), place, n_shifts=100).table.iloc[1]
    same = ["bits_per_spike", "position_r2", "peak", "rate", "sparsity"]
    np.testing.assert_allclose(found[same].astype(float), alone[same].astype(float), rtol=1e-9)


def test_p_counts_shifts_at_or_above():
    import pandas as pd

    null = np.array([[0.0], [1.0], [2.0], [3.0]])
    table = chance(np.array([2.0]), null, "x", pd.RangeIndex(1))
    assert table["x_p"].item() == pytest.approx(3 / 5)
    assert table["x_percentile"].item() == 50.0


def test_refusals():
    session = sampled([bump(30.0)], 35_000.0)
    with pytest.raises(ValueError, match="spatial_profile: `min_shift` must be less than half of the analysed time"):
        spatial_profile(session, PLACE)
    with pytest.raises(ValueError, match="spatial_profile: `n_shifts` must be a whole number, 100 or above"):
        spatial_profile(session, PLACE, n_shifts=10)
    with pytest.raises(ValueError, match="spatial_profile: `n_blocks` must be a whole number, 2 or above"):
        spatial_profile(session, PLACE, n_blocks=1)


def test_a_plane_has_no_direction():
    from neurornn.recording import Signal

    rng = np.random.default_rng(0)
    times = np.arange(0.0, 100_000.0, 100.0)
    xy = rng.random((len(times), 2))
    activity = (xy[:, :1] > 0.5) * 1.0
    behaviour = {"place": Signal(times + 50.0, xy)}
    session = Recording(0.0, 100_000.0, activity=activity, dt=100.0, behaviour=behaviour)
    place = PlaceBins(position="place", bins=4, smoothing=0.0, dt=100.0, smooth=0.0)
    table = spatial_profile(session, place, n_shifts=100).table
    assert np.isnan(table["direction_index"].item())
    assert table["bits_per_spike"].item() == pytest.approx(1.0, abs=0.05)
    assert table["information_p"].item() < 0.02
