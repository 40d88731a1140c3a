"""Rate maps and what is read off them: closed forms, and equal treatment of spikes and activity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import FLOAT64
from track_session import LENGTH, bump, flat, one_way, sampled, spiking

from neurornn.recording import Recording, Signal
from neurornn.statistics import AsIs, FieldRule, FromLeast, PlaceBins, Rectify, place_fields, rate_maps
from neurornn.statistics.information import (
    direction_index,
    information,
    mean_rate,
    selectivity,
    similarity,
    sparsity,
)

EXACTLY = PlaceBins(bins=20, smoothing=0.0, smooth=0.0, dt=50.0, min_occupancy=0.0, extent=((0.0, LENGTH),))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 64), st.floats(0.1, 50.0))
def test_firing_in_one_of_n_places_is_log2_n_bits_and_firing_everywhere_is_none(n, rate):
    one = np.zeros(n)
    one[n // 2] = rate
    time = np.full(n, 3.0)
    assert information(one, time) / mean_rate(one, time) == pytest.approx(np.log2(n))
    assert sparsity(one, time) == pytest.approx(1 / n)
    assert selectivity(one, time) == pytest.approx(n)
    everywhere = np.full(n, rate)
    assert information(everywhere, time) == pytest.approx(0.0, abs=1e-12)
    assert sparsity(everywhere, time) == pytest.approx(1.0)
    assert selectivity(everywhere, time) == pytest.approx(1.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 9.0))
def test_information_is_the_kl_divergence_of_spikes_from_occupancy(seed, scale):
    rng = np.random.default_rng(seed)
    rates, time = rng.gamma(1.0, 5.0, 12), rng.random(12) + 0.1
    p = time / time.sum()
    q = p * rates / np.sum(p * rates)
    expected = np.sum(q * np.log2(q / p))
    assert information(rates, time) / mean_rate(rates, time) == pytest.approx(expected)
    assert information(rates * scale, time) == pytest.approx(scale * information(rates, time))


def test_unknown_places_and_silent_maps():
    rates = np.array([[0.0, np.nan, 4.0], [0.0, 0.0, 0.0]])
    time = np.ones(3)
    assert mean_rate(rates, time).tolist() == [2.0, 0.0]
    assert information(rates, time).tolist() == [2.0, 0.0]
    assert np.isnan(sparsity(rates, time)[1])
    assert np.isnan(selectivity(rates, time)[1])
    assert np.isnan(direction_index(rates[1], rates[1]))
    assert np.isnan(similarity(np.ones(4), np.arange(4.0)))


def test_similarity_is_pearson_over_common_places():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 20))
    one[3], other[7] = np.nan, np.nan
    both = np.isfinite(one) & np.isfinite(other)
    np.testing.assert_allclose(similarity(one, other), np.corrcoef(one[both], other[both])[0, 1], **FLOAT64)


def test_a_map_of_activity_is_the_function_that_made_it():
    recording = sampled([lambda x, way: np.floor(x / 5.0), flat(3.0)], 100_000.0)
    maps = rate_maps(recording, EXACTLY)
    np.testing.assert_allclose(maps.maps[1], 3.0, **FLOAT64)
    np.testing.assert_allclose(maps.maps[0], np.arange(20.0), atol=0.05)
    assert maps.occupancy.sum() == pytest.approx(100_000.0)
    assert maps.rate_unit == ""
    assert len(maps.frame()) == 40


def test_spikes_become_hz_and_smoothing_keeps_a_flat_map_flat():
    recording = spiking([flat(30.0)], 200_000.0, seed=1)
    maps = rate_maps(recording, PlaceBins(bins=10, dt=100.0))
    assert maps.rate_unit == "Hz"
    assert abs(maps.maps.mean() - 30.0) < 3 * np.sqrt(30.0 / 200.0)
    even = rate_maps(sampled([flat(2.0)], 50_000.0), PlaceBins(bins=25, smoothing=4.0, dt=50.0))
    np.testing.assert_allclose(even.maps[np.isfinite(even.maps)], 2.0, **FLOAT64)


def test_directions_apart():
    recording = sampled([one_way(50.0)], 100_000.0)
    forth, back = (rate_maps(recording, EXACTLY, direction=d) for d in (1, -1))
    assert np.nanmax(forth.maps) > 18.0
    assert np.nanmax(back.maps) < 1.0  # the bins at the turn
    assert direction_index(forth.maps, back.maps)[0] > 0.95
    with pytest.raises(ValueError, match=r"rate_maps: `direction` must be \+1, -1 or 0"):
        rate_maps(recording, EXACTLY, direction=2)


def test_places_hardly_visited_are_not_known():
    times = np.arange(0.0, 10_000.0, 100.0)
    x = np.where(times < 9_900.0, 10.0, 90.0)
    x[:50] = 30.0
    signal = Signal(times + 50.0, x[:, None])
    recording = Recording(0.0, 10_000.0, activity=np.ones((100, 1)), dt=100.0, behaviour={"linear": signal})
    place = PlaceBins(bins=4, smoothing=0.0, dt=100.0, smooth=0.0, min_occupancy=200.0, extent=((0.0, 100.0),))
    assert np.isfinite(rate_maps(recording, place).maps[0]).tolist() == [True, True, False, False]


def test_a_unit_recorded_for_a_part_has_the_occupancy_of_that_part():
    recording = sampled([flat(1.0), flat(1.0)], 40_000.0)
    activity = np.array(recording.activity)
    activity[: len(activity) // 2, 1] = np.nan
    part = Recording(0.0, 40_000.0, activity=activity, dt=50.0, behaviour=recording.behaviour)
    np.testing.assert_allclose(rate_maps(part, EXACTLY).maps, 1.0, **FLOAT64)


def test_a_plane():
    rng = np.random.default_rng(0)
    times = np.arange(0.0, 100_000.0, 100.0)
    xy = rng.random((len(times), 2))
    activity = np.stack([xy[:, 0] > 0.5, xy[:, 1] > 0.5], axis=1).astype(float)
    behaviour = {"place": Signal(times + 50.0, xy, "m")}
    recording = Recording(0.0, 100_000.0, activity=activity, dt=100.0, behaviour=behaviour)
    square = ((0.0, 1.0), (0.0, 1.0))
    place = PlaceBins(position="place", bins=(4, 2), smoothing=0.0, dt=100.0, smooth=0.0, extent=square)
    maps = rate_maps(recording, place)
    assert maps.maps.shape == (2, 4, 2)
    np.testing.assert_allclose(maps.maps[0], [[0, 0], [0, 0], [1, 1], [1, 1]])
    np.testing.assert_allclose(maps.maps[1], [[0, 1]] * 4)
    fields = place_fields(maps, FieldRule(min_bins=1))
    assert fields["size"].tolist() == pytest.approx([0.5, 0.5])
    assert {"x", "y"} <= set(fields)


def test_fields_are_counted_measured_and_found():
    recording = sampled([lambda x, way: bump(25.0)(x, way) + bump(75.0, peak=10.0)(x, way), flat(0.0)], 100_000.0)
    maps = rate_maps(recording, EXACTLY)
    fields = place_fields(maps)
    assert fields["unit"].tolist() == [0, 0]
    assert fields["x"].tolist() == pytest.approx([25.0, 75.0], abs=5.0)
    assert fields["peak"].iloc[0] > fields["peak"].iloc[1]
    half_width = 8.0 * np.sqrt(2 * np.log(5.0))  # where a Gaussian falls to a fifth
    assert fields["size"].iloc[0] == pytest.approx(2 * half_width, abs=5.0)
    assert len(place_fields(maps, FieldRule(threshold=0.9))) == 1


def test_weak_fields_of_spikes_do_not_count_but_activity_has_no_scale():
    weak = rate_maps(sampled([bump(50.0, peak=0.01, floor=0.0)], 50_000.0), EXACTLY)
    assert len(place_fields(weak)) == 1
    quiet = rate_maps(spiking([flat(0.3)], 100_000.0, seed=0), PlaceBins(bins=10, dt=100.0))
    assert len(place_fields(quiet)) == 0
    assert list(place_fields(quiet).columns) == ["unit", "field", "peak", "size", "n_bins", "x"]


def test_activity_below_zero():
    values = np.array([[-1.0], [np.nan], [3.0]])
    np.testing.assert_array_equal(Rectify()(values), [[0.0], [np.nan], [3.0]])
    np.testing.assert_array_equal(FromLeast()(values), [[0.0], [np.nan], [4.0]])
    np.testing.assert_array_equal(AsIs()(np.abs(values)), np.abs(values))
    with pytest.raises(ValueError, match=r"AsIs: `activity` must be 0 or above; got -1\.0\. Pass Rectify"):
        AsIs()(values)
    assert len({rule.text for rule in (Rectify(), FromLeast(), AsIs())}) == 3


def test_refusals():
    with pytest.raises(ValueError, match="PlaceBins: `bins` must be a whole number, 2 or above"):
        PlaceBins(bins=1)
    with pytest.raises(ValueError, match=r"PlaceBins: `extent` must be `\(low, high\)` of each axis"):
        PlaceBins(extent=((1.0, 0.0),))
    with pytest.raises(ValueError, match="PlaceBins: `smoothing` must be"):
        PlaceBins(smoothing=-1.0)
    with pytest.raises(ValueError, match="PlaceBins: `min_occupancy` must be"):
        PlaceBins(min_occupancy=-1.0)
    recording = sampled([flat(1.0)], 20_000.0)
    with pytest.raises(ValueError, match="PlaceBins: `bins` must be given for each of 1 axes"):
        rate_maps(recording, PlaceBins(bins=(3, 3)))
    still = {"linear": Signal(np.arange(0.0, 2000.0, 20.0), np.ones((100, 1)))}
    parked = Recording(0.0, 2000.0, spikes=[np.array([1.0])], behaviour=still)
    with pytest.raises(ValueError, match="PlaceBins: `position` must be different somewhere"):
        rate_maps(parked)
    with pytest.raises(ValueError, match="FieldRule: `threshold` must be"):
        FieldRule(threshold=2.0)
    with pytest.raises(ValueError, match="FieldRule: `min_peak` must be"):
        FieldRule(min_peak=-2.0)
    with pytest.raises(ValueError, match="FieldRule: `min_bins` must be"):
        FieldRule(min_bins=0)
