"""Scores of predictions and repeats: by hand, by law, and against another implementation."""

import numpy as np
import pytest
from sklearn.metrics import d2_tweedie_score, mean_tweedie_deviance, r2_score

from neurornn.statistics.likelihood import bits_per_spike
from neurornn.statistics.reliability import ONE_REPEAT, ceiling
from neurornn.statistics.repeats import (
    cc_max,
    cc_norm,
    feve,
    mean_response,
    oracle,
    signal_power,
    signal_power_explained,
    variability,
    variance_of_ceiling,
)
from neurornn.statistics.scores import deviance_r2, known_correlation, mcfadden_r2, poisson_deviance, psth_r2
from tests.tolerances import FLOAT64

TWO = np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]])[:, :, None]
GUESS = np.array([0.0, 1.0, 3.0])[:, None]


def test_signal_power_and_its_scores_by_hand() -> None:
    # Sum 0, 3, 6 has variance 9, the repeats 1 and 4: (9 - 5) / 2. Their mean 0, 1.5, 3 has variance 9/4.
    assert signal_power(TWO) == pytest.approx([2.0])
    assert cc_max(TWO) == pytest.approx([np.sqrt(2 / 2.25)])
    # The guess has variance 7/3, and covariance 9/4 with the mean.
    assert cc_norm(TWO, GUESS) == pytest.approx([2.25 / np.sqrt(2 * 7 / 3)])
    left = np.var([0.0, 0.5, 0.0], ddof=1)
    assert signal_power_explained(TWO, GUESS) == pytest.approx([(2.25 - left) / 2.0])
    product = cc_max(TWO) * cc_norm(TWO, GUESS)
    assert product == pytest.approx(known_correlation(mean_response(TWO), GUESS))


def test_feve_by_hand_and_what_clipping_hides() -> None:
    # Noise (0 + 1/2 + 2) / 3; total 11.5 / 5; mean squared error 3 / 6.
    noise, total = 2.5 / 3, 2.3
    found = feve(TWO, GUESS)
    assert found.explainable == pytest.approx([(total - noise) / total])
    assert found.feve == pytest.approx([1 - (0.5 - noise) / (total - noise)])
    assert found.clipped == pytest.approx([1.0])
    bad = feve(TWO, 100.0 - GUESS)
    assert bad.feve[0] < -1000
    assert bad.clipped[0] == 0


def test_variance_of_ceiling_by_hand_and_by_another_implementation() -> None:
    # Even repeats (the first): 0, 1, 2, of variance 2 about their mean; the odd one misses by 0, 1, 2, so that it
    # explains 1 - 5/2 < 0: no ceiling. With the repeats exchanged: 8 about the mean, the same 5 missed, 3/8 explained.
    assert np.isnan(variance_of_ceiling(TWO, GUESS)).all()
    assert variance_of_ceiling(TWO[::-1], GUESS) == pytest.approx([(1 - 2 / 8) / (3 / 8)])
    assert np.isnan(variance_of_ceiling(TWO[:1], GUESS)).all()
    rng = np.random.default_rng(0)
    rate = rng.gamma(2.0, 1.0, size=(500, 1))
    shown = rng.poisson(rate, size=(10, 500, 1)).astype(float)
    even, odd = shown[0::2].mean(axis=0), shown[1::2].mean(axis=0)
    other = r2_score(even, rate) / r2_score(even, odd)
    assert variance_of_ceiling(shown, rate) == pytest.approx([other])
    assert other > 1.0


def test_repeats_of_unequal_number_are_masked_and_not_filled_with_zeros() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 2))
    responses = truth + rng.normal(size=(5, 400, 2))
    responses[3:, 200:] = np.nan
    pairs, weights = [], []
    for r in range(5):
        for s in range(5):
            both = np.isfinite(responses[r, :, 0]) & np.isfinite(responses[s, :, 0])
            if r != s:
                pairs.append(np.cov(responses[r, both, 0], responses[s, both, 0])[0, 1])
                weights.append(both.sum())
    assert signal_power(responses)[0] == pytest.approx(np.average(pairs, weights=weights))
    assert cc_norm(responses, truth) == pytest.approx([1.0, 1.0], abs=0.06)
    padded = np.where(np.isfinite(responses), responses, 0.0)
    slopes = [np.polyfit(truth[200:, 0], mean_response(each)[200:, 0], 1)[0] for each in (responses, padded)]
    assert slopes == pytest.approx([1.0, 0.6], abs=0.1)


def test_padding_repeats_that_were_shown_nowhere_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    responses = rng.poisson(2.0, size=(4, 50, 3)).astype(float)
    more = np.concatenate([responses, np.full((2, 50, 3), np.nan)])
    guess = rng.normal(size=(50, 3))
    for score in (cc_norm, signal_power_explained):
        np.testing.assert_allclose(score(more, guess), score(responses, guess), **FLOAT64)
    np.testing.assert_allclose(feve(more, guess).feve, feve(responses, guess).feve, **FLOAT64)


def test_the_truth_scores_one_and_its_square_is_the_ceiling() -> None:
    rng = np.random.default_rng(2)
    truth = rng.gamma(1.0, 1.0, size=(4000, 1))
    responses = rng.poisson(truth, size=(10, 4000, 1)).astype(float)
    told = ceiling(responses)
    with_truth = known_correlation(mean_response(responses), truth)
    assert told.value == pytest.approx(with_truth, abs=0.01)
    assert told.low[0] < with_truth[0] < told.high[0]
    assert told.low[0] < told.value[0] < told.high[0]
    assert oracle(responses)[0] < told.value[0]
    assert feve(responses, truth).feve == pytest.approx([1.0], abs=0.02)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(300, 100))
    told = ceiling(truth + 2.0 * rng.normal(size=(6, 300, 100)))
    exact = np.sqrt(truth.var(axis=0, ddof=1) / (truth.var(axis=0, ddof=1) + 4 / 6))
    assert 0.85 < np.mean((told.low < exact) & (exact < told.high)) <= 1.0


def test_one_repeat_has_no_ceiling_and_says_so() -> None:
    told = ceiling(TWO[:1])
    assert told.note == ONE_REPEAT
    assert np.isnan(told.frame().to_numpy()).all()
    for value in (signal_power(TWO[:1]), cc_norm(TWO[:1], GUESS), feve(TWO[:1], GUESS).feve, oracle(TWO[:1])):
        assert np.isnan(value).all()
    assert np.isnan(variability(TWO[:1]).slope).all()


def test_two_repeats_have_a_ceiling_without_an_interval() -> None:
    told = ceiling(TWO)
    assert np.isfinite(told.value).all()
    assert np.isnan(told.low).all()


def test_a_silent_unit_and_a_constant_guess_are_nan_and_never_zero() -> None:
    silent = np.zeros((4, 10, 1))
    ramp = np.arange(10.0)[:, None]
    assert np.isnan(cc_norm(silent, ramp)).all()
    assert np.isnan(known_correlation(silent[0], ramp)).all()
    assert np.isnan(variability(silent).fano).all()
    assert np.isnan(cc_norm(silent + ramp, np.ones((10, 1)))).all()
    assert np.isnan(psth_r2(silent[0], ramp)).all()


def test_variability_of_a_clock_a_poisson_process_and_doublets() -> None:
    rng = np.random.default_rng(4)
    rate = rng.gamma(2.0, 1.0, size=(5000, 1))
    poisson = rng.poisson(rate, size=(20, 5000, 1)).astype(float)
    told = variability(poisson)
    assert abs(told.slope[0] - 1.0) < 3 * told.error[0]
    assert told.fano == pytest.approx([1.0], abs=0.02)
    assert variability(2 * poisson).fano == pytest.approx([2.0], abs=0.04)
    assert variability(np.ones((5, 30, 1))).fano == pytest.approx([0.0])
    windowed = variability(poisson, bins=7)
    assert windowed.mean.shape == (714, 1)
    assert windowed.mean[0, 0] == pytest.approx(poisson[:, :7].sum(axis=1).mean())


def test_correlation_is_over_the_bins_that_both_have() -> None:
    a = np.array([[0.0, 1.0], [1.0, 2.0], [np.nan, 5.0], [3.0, 4.0]])
    b = np.array([[1.0, np.nan], [3.0, 1.0], [0.0, np.nan], [7.0, np.nan]])
    found = known_correlation(a, b)
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1])


def test_likelihood_scores_are_those_of_another_implementation() -> None:
    rng = np.random.default_rng(5)
    expected = rng.gamma(2.0, 0.5, size=(300, 2))
    counts = rng.poisson(expected).astype(float)
    null = counts.mean(axis=0)
    for k in range(2):
        y, mu = counts[:, k], expected[:, k]
        assert poisson_deviance(counts, expected * 10, dt=100.0)[k] == pytest.approx(
            300 * mean_tweedie_deviance(y, mu, power=1)
        )
        assert deviance_r2(counts, expected * 10, null * 10, dt=100.0)[k] == pytest.approx(
            d2_tweedie_score(y, mu, power=1)
        )
        assert psth_r2(counts, expected)[k] == pytest.approx(r2_score(y, mu))


def test_the_two_pseudo_r2_differ_and_bits_belong_to_them() -> None:
    # One unit, counts 0 and 2, null 1: LL0 = -1 + (-1 - log 2), LL = 0 + (2 log 2 - 2 - log 2).
    counts = np.array([[0.0], [2.0]])
    null_ll, full_ll = -2 - np.log(2), 2 * np.log(2) - 2 - np.log(2)
    assert mcfadden_r2(counts, counts, np.array([1.0]), dt=1000.0) == pytest.approx([1 - full_ll / null_ll], abs=1e-4)
    assert deviance_r2(counts, counts, np.array([1.0]), dt=1000.0) == pytest.approx([1.0], abs=1e-4)
    bits = bits_per_spike(counts, counts, np.array([1.0]), dt=1000.0, floor=1e-6, min_spikes=1)
    assert bits.pooled == pytest.approx((full_ll - null_ll) / np.log(2) / 2, abs=1e-5)
