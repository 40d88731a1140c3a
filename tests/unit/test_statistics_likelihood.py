"""Bits per spike: closed forms, what the null is, and what is set aside."""

import numpy as np
import pytest
from scipy.stats import poisson

from neurornn.statistics.likelihood import bits_per_spike, poisson_log_likelihood
from tests.tolerances import FLOAT64


def test_the_likelihood_is_scipys():
    rng = np.random.default_rng(0)
    rates, counts = rng.uniform(1, 40, (50, 3)), rng.poisson(3.0, (50, 3)).astype(float)
    np.testing.assert_allclose(
        poisson_log_likelihood(counts, rates, dt=100.0), poisson.logpmf(counts, rates * 0.1), **FLOAT64
    )


def test_a_twofold_rate_known_exactly_has_its_closed_form():
    counts = np.array([[4.0], [0.0]] * 100)
    rates = np.array([[4.0], [0.05]] * 100)  # Hz in bins of 1 s; the null says 2
    expected = np.log2(4 / 2) - (4 + 0.05 - 2 * 2) / 4 / np.log(2)
    found = bits_per_spike(counts, rates, np.array([2.0]), dt=1000.0)
    np.testing.assert_allclose(found.units, expected, **FLOAT64)
    assert found.pooled == found.pooled_all == pytest.approx(expected)


def test_the_null_against_itself_is_zero_and_worse_is_negative():
    counts = np.random.default_rng(0).poisson(2.0, (200, 4)).astype(float)
    mean = counts.mean(axis=0)
    same = bits_per_spike(counts, np.broadcast_to(mean, counts.shape).copy(), mean, dt=1000.0)
    assert np.all(same.units == 0) and same.pooled == 0
    assert np.all(bits_per_spike(counts, np.full(counts.shape, 9.0), mean, dt=1000.0).units < 0)


def test_pooled_weighs_spikes_and_the_mean_weighs_units():
    counts = np.concatenate([np.tile([[8.0], [0.0]], (100, 1)), np.full((200, 1), 1.0)], axis=1)
    rates = np.concatenate([np.tile([[8.0], [0.05]], (100, 1)), np.full((200, 1), 1.0)], axis=1)
    found = bits_per_spike(counts, rates, counts.mean(axis=0), dt=1000.0)
    gain = found.units[0]
    assert found.units[1] == 0
    np.testing.assert_allclose(found.pooled, gain * 800 / 1000, **FLOAT64)
    np.testing.assert_allclose(np.mean(found.units), gain / 2, **FLOAT64)


def test_units_with_few_spikes_are_set_aside_but_counted():
    counts = np.zeros((100, 2))
    counts[:60, 0], counts[:3, 1] = 1.0, 1.0
    found = bits_per_spike(counts, np.ones((100, 2)), counts.mean(axis=0), dt=1000.0, min_spikes=50)
    assert found.kept.tolist() == [True, False] and np.isnan(found.units[1])
    assert found.pooled == found.units[0] != found.pooled_all
    assert found.frame()["n_spikes"].tolist() == [60, 3]


def test_bins_in_which_a_unit_was_not_recorded_are_left_out():
    rng = np.random.default_rng(0)
    counts, rates = rng.poisson(2.0, (100, 1)).astype(float), rng.uniform(1, 3, (100, 1))
    gone = counts.copy()
    gone[50:] = np.nan
    whole = bits_per_spike(counts[:50], rates[:50], np.array([2.0]), dt=1000.0)
    np.testing.assert_allclose(bits_per_spike(gone, rates, np.array([2.0]), dt=1000.0).units, whole.units, **FLOAT64)


def test_no_unit_with_spikes_gives_nan():
    found = bits_per_spike(np.zeros((5, 1)), np.ones((5, 1)), np.ones(1), dt=1.0)
    assert np.isnan(found.pooled) and np.isnan(found.pooled_all)


def test_bad_values_are_refused():
    counts, rates, null = np.ones((4, 1)), np.ones((4, 1)), np.ones(1)
    with pytest.raises(ValueError, match="`counts` must be spike counts, 0 or above; got -1"):
        bits_per_spike(-counts, rates, null, dt=1.0)
    with pytest.raises(ValueError, match="`rates` must be finite wherever there is a count; got '4 values"):
        bits_per_spike(counts, rates * np.nan, null, dt=1.0)
    with pytest.raises(ValueError, match="`null_rates` must be finite wherever there is a count"):
        bits_per_spike(counts, rates, null * np.nan, dt=1.0)
    with pytest.raises(ValueError, match=r"`floor` must be a finite number above 0; got .* A rate of 0 forbids"):
        bits_per_spike(counts, rates, null, dt=1.0, floor=0.0)
    with pytest.raises(ValueError, match="`dt` must be"):
        poisson_log_likelihood(counts, rates, dt=0.0)
    with pytest.raises(ValueError, match="`min_spikes` must be a whole number"):
        bits_per_spike(counts, rates, null, dt=1.0, min_spikes=0)
