"""The parts of a comparison: bases, effective samples, intervals, ceilings, distributions, and their refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from neurornn.comparison import (
    Clock,
    Nulls,
    PoissonPredictivity,
    RidgePredictivity,
    Space,
    UnitDistributions,
    bootstrap_median,
    cc_norm_squared,
    debiased_cka,
    decorrelation_lag,
    n_independent,
    of_ceiling,
    paired_p,
    poisson_ridge,
    rank_p,
    ridge_weights,
    spearman_brown,
    splines,
    split_half,
    unpaired_p,
)
from neurornn.errors import NotConverged
from neurornn.statistics.folds import blocked_folds
from tests.tolerances import FLOAT64


def test_splines_add_up_to_one_everywhere():
    basis = splines(np.linspace(-1, 12, 100), 9, low=0.0, high=10.0)
    assert basis.shape == (100, 9) and basis.min() >= 0
    np.testing.assert_allclose(basis.sum(axis=1), 1.0, **FLOAT64)


def test_space_tells_directions_apart_and_takes_a_plane():
    x = np.linspace(0, 100, 60)[:, None]
    forth, back = (Space()(x, speed * np.ones_like(x)) for speed in (10.0, -10.0))
    assert forth.shape == (60, 45) and np.abs(forth - back).max() > 0.5
    assert Space(n_side=5)(np.hstack([x, x[::-1]]), np.ones((60, 2))).shape == (60, 25 + 2 + 5)
    assert Space()(x, np.zeros_like(x)).shape == (60, 40)  # no speed, no splines of it
    with pytest.raises(ValueError, match="Space: `position` must be of one or two dimensions"):
        Space()(np.ones((60, 3)) * x, np.ones((60, 3)))
    with pytest.raises(ValueError, match=r"splines: `high` must be above low \(5\); got 5\.0\. The values do not vary"):
        Space()(np.full((60, 1), 5.0), np.ones((60, 1)))
    with pytest.raises(ValueError, match="splines: `n` must be a whole number, 4 or above"):
        splines(x[:, 0], 3, low=0.0, high=1.0)


def test_the_clock_knows_session_and_trial():
    times = np.arange(40.0)
    trial = np.repeat(np.arange(4), 10)
    assert Clock()(times, times % 10, trial).shape == (40, 20)
    assert Clock()(times, times, np.zeros(40, dtype=int)).shape == (40, 10)


@pytest.mark.parametrize("tau", [2.0, 8.0])
def test_the_time_constant_and_effective_size_of_a_known_process(tau):
    keep = np.exp(-1 / tau)
    x = lfilter([1.0], [1.0, -keep], np.random.default_rng(0).normal(size=(20_000, 6)), axis=0)
    times = np.arange(20_000) * 10.0
    np.testing.assert_allclose(np.median(decorrelation_lag(x, times, dt=10.0)), tau * 10, rtol=0.1)
    expected = 20_000 * (1 - keep**2) / (1 + keep**2)
    np.testing.assert_allclose(np.median(n_independent(x, times, dt=10.0)), expected, rtol=0.1)


def test_missing_bins_do_not_shorten_the_time_constant():
    keep = np.exp(-1 / 8)
    x = lfilter([1.0], [1.0, -keep], np.random.default_rng(0).normal(size=(20_000, 4)), axis=0)
    there = np.random.default_rng(1).random(20_000) < 0.5
    times = np.arange(20_000) * 10.0
    np.testing.assert_allclose(np.median(decorrelation_lag(x[there], times[there], dt=10.0)), 80, rtol=0.1)


def test_a_constant_has_no_time_constant():
    times = np.arange(50.0)
    assert np.isnan(decorrelation_lag(np.ones((50, 1)), times, dt=1.0)).all()
    assert np.isnan(n_independent(np.ones((50, 1)), times, dt=1.0)).all()
    with pytest.raises(ValueError, match="gapped_autocorrelation: `dt` must be a finite number above 0"):
        decorrelation_lag(np.ones((50, 1)), times, dt=0.0)


def test_a_trend_that_never_decays_gets_the_longest_lag():
    times = np.arange(100.0)
    assert decorrelation_lag(np.repeat([[0.0], [1.0]], 50, axis=0), times, dt=1.0).item() > 15


def test_regressors_that_are_silent_in_training_do_not_explode():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5))
    x[:, 0] = 1e-6 * x[:, 0]
    x[:60, 0] = 1.0  # moves only in the first test block
    x[:, 1] = 3.0  # constant
    found = RidgePredictivity().held_out(x, x[:, 2:3] + 0.1, blocked_folds(np.arange(300.0), 5))
    assert found["r2"].item() > 0.99


def test_the_bands_are_weighed():
    rng = np.random.default_rng(0)
    good, noise = rng.normal(size=(200, 3)), rng.normal(size=(200, 100))
    y = good @ np.ones((3, 1)) + rng.normal(size=(200, 1))
    folds = blocked_folds(np.arange(200.0), 5)
    x = np.hstack([good, noise])
    metric = RidgePredictivity()
    alone, together = metric.held_out(good, y, folds)["r2"], metric.held_out(x, y, folds)["r2"]
    banded = metric.held_out(x, y, folds, bands=(3, 100))["r2"]
    assert together < banded and banded > alone - 0.05
    assert metric.fit(x, y, blocked_folds(np.arange(200.0), 4), bands=(3, 100)).chosen["ratio"].item() < 1
    with pytest.raises(ValueError, match="RidgePredictivity: `bands` must be sizes that add up to 103 regressors"):
        metric.held_out(x, y, folds, bands=(3, 90))


def test_a_constant_prediction_scores_zero_and_a_constant_target_nothing():
    folds = blocked_folds(np.arange(60.0), 3)
    scores = RidgePredictivity().held_out(np.ones((60, 2)), np.random.default_rng(0).normal(size=(60, 1)), folds)
    assert scores["r"].item() == 0.0
    scores = RidgePredictivity().held_out(np.random.default_rng(0).normal(size=(60, 2)), np.ones((60, 1)), folds)
    assert np.isnan(scores["r2"].item()) and np.isnan(scores["r"].item())


@pytest.mark.parametrize(
    ("metric", "settings", "message"),
    [
        (RidgePredictivity, {"n_inner": 1}, "RidgePredictivity: `n_inner` must be a whole number, 2 or above"),
        (RidgePredictivity, {"floor": 0.0}, "RidgePredictivity: `floor` must be a finite number above 0"),
        (RidgePredictivity, {"penalties": ()}, "RidgePredictivity: `penalties` must be one or more numbers above 0"),
        (RidgePredictivity, {"ratios": (0.0,)}, "RidgePredictivity: `ratios` must be one or more numbers above 0"),
        (PoissonPredictivity, {"n_inner": 1}, "PoissonPredictivity: `n_inner` must be a whole number, 2 or above"),
        (PoissonPredictivity, {"floor": 0.0}, "PoissonPredictivity: `floor` must be a finite number above 0"),
        (
            PoissonPredictivity,
            {"penalties": (-1.0,)},
            "PoissonPredictivity: `penalties` must be one or more numbers above 0",
        ),
        (PoissonPredictivity, {"n_components": 0}, "PoissonPredictivity: `n_components` must be a whole number"),
        (UnitDistributions, {"n_draws": 0}, "UnitDistributions: `n_draws` must be a whole number"),
        (UnitDistributions, {"least": 3}, "UnitDistributions: `least` must be a whole number, 4 or above"),
        (Nulls, {"n_shifts": 99}, "Nulls: `n_shifts` must be a whole number, 100 or above"),
    ],
)
def test_bad_settings_are_refused(metric, settings, message):
    with pytest.raises(ValueError, match=message):
        metric(**settings)


def test_poisson_refuses_what_it_cannot_fit():
    x = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(ValueError, match="poisson_ridge: `y` must be counts, 0 or above, with at least one"):
        poisson_ridge(x, np.zeros((50, 1)), 1.0)
    with pytest.raises(ValueError, match="poisson_ridge: `penalty` must be a finite number, 0 or above"):
        poisson_ridge(x, np.ones((50, 1)), -1.0)
    with pytest.raises(NotConverged, match="poisson_ridge: `max_steps` must be enough to reach a gradient"):
        poisson_ridge(x, np.exp(x[:, :1]), 0.1, max_steps=1)
    with pytest.raises(ValueError, match=r"PoissonPredictivity: `y` must be spike counts; .* RidgePredictivity\."):
        PoissonPredictivity().held_out(x, np.ones((50, 1)), blocked_folds(np.arange(50.0), 2))
    with pytest.raises(ValueError, match="ridge_weights: `penalty` must be a finite number, 0 or above"):
        ridge_weights(x, x, -1.0)


def test_a_unit_without_a_training_spike_is_predicted_at_the_floor():
    x = np.random.default_rng(0).normal(size=(80, 2))
    silent = PoissonPredictivity().fit(x, np.zeros((80, 1)), blocked_folds(np.arange(80.0), 2), dt=100.0)
    np.testing.assert_allclose(silent.rates(x), 0.05 * 0.1, **FLOAT64)
    assert np.isnan(silent.penalty).all()


def test_p_values_count_what_they_claim():
    rng = np.random.default_rng(0)
    low = rng.normal(size=30)
    assert paired_p(low + 1, low) < 1e-5 and paired_p(low, low + 1) > 0.99
    assert paired_p(low, low) == 1.0 and np.isnan(paired_p(low[:0], low[:0]))
    assert unpaired_p(low + 2, low) < 1e-5 and np.isnan(unpaired_p(low[:0], low))
    assert rank_p(5.0, np.arange(5.0)) == pytest.approx(1 / 6) and rank_p(-1.0, np.arange(5.0)) == 1.0
    assert np.isnan(rank_p(np.nan, np.arange(5.0))) and np.isnan(rank_p(1.0, np.empty(0)))


def test_the_interval_needs_two_values():
    assert bootstrap_median(np.array([np.nan, 2.0]), seed=0)[0] == 2.0
    assert np.isnan(bootstrap_median(np.array([np.nan]), seed=0).median)
    with pytest.raises(ValueError, match=r"bootstrap_median: `level` must be a number in \[0, 1\]"):
        bootstrap_median(np.ones(3), seed=0, level=2.0)
    with pytest.raises(ValueError, match="bootstrap_median: `n_draws` must be a whole number"):
        bootstrap_median(np.ones(3), seed=0, n_draws=0)


def test_the_ceiling_needs_repeats():
    assert spearman_brown(1.0) == 1.0 and of_ceiling(-0.5, 0.5) == -0.5
    with pytest.raises(
        ValueError, match=r"split_half: `responses` must be of at least 4 repeats; got 3\. Without repeats"
    ):
        split_half(np.ones((3, 5, 1)))
    with pytest.raises(ValueError, match="cc_norm_squared: `responses` must be of at least 2 repeats; got 1"):
        cc_norm_squared(np.arange(5.0), np.ones((1, 5)))
    assert np.isnan(cc_norm_squared(np.arange(5.0), np.ones((3, 5))))
    with pytest.raises(ValueError, match="split_half: `n_splits` must be a whole number"):
        split_half(np.ones((5, 5, 1)), n_splits=0)
    with pytest.raises(ValueError, match="debiased_cka: `x` must be of at least 4 bins"):
        debiased_cka(np.ones((3, 2)), np.ones((3, 2)))
    assert np.isnan(debiased_cka(np.ones((9, 2)), np.ones((9, 2))))


def test_places_that_half_of_the_laps_never_visit_are_left_out():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(20, 3)) * 2
    responses = signal + 0.1 * rng.normal(size=(8, 20, 3))
    occupancy = np.ones((8, 20))
    responses[1:, 0], occupancy[1:, 0] = 0.0, 0.0  # visited once
    responses[0, 0] = 1e6
    assert np.all(split_half(responses, occupancy).value > 0.98)


def test_distributions_are_told_apart_or_not():
    rng = np.random.default_rng(0)
    brain = pd.DataFrame({"rate": rng.gamma(2.0, size=40), "width": rng.normal(size=40), "few": np.nan, "id": "a"})
    model = pd.DataFrame({"rate": rng.gamma(2.0, size=120), "width": rng.normal(2.0, 1.0, 120), "few": 1.0, "id": "b"})
    found = UnitDistributions().compare(model, brain)
    table = found.frame().set_index("statistic")
    assert table.index.tolist() == ["rate", "width", "few"]
    assert table.loc["rate", "ks"] < 1.3 * table.loc["rate", "ks_same"]
    assert table.loc["width", "ks"] > 2 * table.loc["width", "ks_same"] and table.loc["width", "ks_p"] < 1e-6
    assert table.loc["width", "low"] > 0.5 and table.loc["width", "wasserstein"] > 1
    assert table.loc["rate", "n_matched"] == 20 and np.isnan(table.loc["few", "effect"])
    assert "Cliff" in found.methods and found.references


def test_distributions_need_a_shared_column():
    table = pd.DataFrame({"rate": np.arange(9.0)})
    with pytest.raises(
        ValueError, match="UnitDistributions: `model, brain` must be tables that share a numeric column"
    ):
        UnitDistributions().compare(table, table.rename(columns={"rate": "cv"}))
    with pytest.raises(
        ValueError, match=r"UnitDistributions: `statistics` must be numeric columns .*Did you mean 'rate'"
    ):
        UnitDistributions(("rates",)).compare(table, table)
