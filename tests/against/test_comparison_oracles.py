"""Metrics beside answers found elsewhere: scikit-learn, scipy, kernel forms, and published traps."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import bootstrap, ks_2samp, wasserstein_distance
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import PoissonRegressor, Ridge
from sklearn.model_selection import KFold

from neurornn.comparison import (
    RidgePredictivity,
    bootstrap_median,
    cc_norm_squared,
    cliffs_delta,
    debiased_cka,
    of_ceiling,
    poisson_ridge,
    ridge_weights,
    split_half,
)
from neurornn.comparison.distributions import distances
from neurornn.statistics.folds import Folds, blocked_folds
from tests.tolerances import FLOAT64


def walks(rng, n, n_units, tau):
    keep = np.exp(-1 / tau)
    return lfilter([1.0], [1.0, -keep], rng.normal(size=(n, n_units)), axis=0)


@pytest.mark.parametrize("n_bins", [30, 80])  # fewer and more bins than regressors: both Gram matrices
@pytest.mark.parametrize("penalty", [0.1, 30.0])
def test_ridge_is_scikit_learns(n_bins, penalty):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n_bins, 50)) + 3.0, rng.normal(size=(n_bins, 4))
    weights, intercept = ridge_weights(x, y, penalty)
    theirs = Ridge(alpha=penalty).fit(x, y)
    np.testing.assert_allclose(weights, theirs.coef_.T, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(intercept, theirs.intercept_, rtol=1e-7, atol=1e-9)


def test_the_fitted_map_is_scikit_learns_ridge_at_the_penalty_it_chose():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 10)) * rng.uniform(0.8, 1.2, 10)
    y = x @ rng.normal(size=(10, 3)) + rng.normal(size=(200, 3))
    found = RidgePredictivity().fit(x, y, blocked_folds(np.arange(200.0), 4))
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    for k in range(3):
        theirs = Ridge(alpha=found.chosen["penalty"][k] * 200).fit(standard, y[:, k])
        np.testing.assert_allclose(found.predict(x)[:, k], theirs.predict(standard), **FLOAT64)


def test_the_chosen_penalty_is_that_of_a_plain_search():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(120, 20))
    y = x @ rng.normal(size=(20, 3)) + 5 * rng.normal(size=(120, 3))
    inner = blocked_folds(np.arange(120.0), 4, gap=3.0)
    metric = RidgePredictivity()
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    errors = np.zeros((len(metric.penalties), 3))
    for train, test in inner:
        for k, penalty in enumerate(metric.penalties):
            theirs = Ridge(alpha=penalty * len(train)).fit(standard[train], y[train])
            errors[k] += np.sum((y[test] - theirs.predict(standard[test])) ** 2, axis=0)
    expected = np.asarray(metric.penalties)[errors.argmin(axis=0)]
    np.testing.assert_array_equal(metric.fit(x, y, inner).chosen["penalty"], expected)


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 3.0])
def test_poisson_is_scikit_learns(penalty):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    y = rng.poisson(np.exp(x @ rng.normal(size=(6, 3)) * 0.4)).astype(float)
    found = poisson_ridge(x, y, penalty)
    for k in range(3):
        theirs = PoissonRegressor(alpha=penalty, tol=1e-10, max_iter=2000).fit(x, y[:, k])
        np.testing.assert_allclose(found[1:, k], theirs.coef_, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[0, k], theirs.intercept_, rtol=1e-4, atol=1e-5)


def test_poisson_meets_its_normal_equations():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 4))
    y = rng.poisson(np.exp(x[:, :2])).astype(float)
    found = poisson_ridge(x, y, 0.1)
    rate = np.exp(x @ found[1:] + found[0])
    np.testing.assert_allclose(rate.mean(axis=0), y.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(x.T @ (y - rate) / 200, 0.1 * found[1:], atol=1e-7)


def kernel_form(x, y):
    """Debiased CKA as it is written: with the kernels."""

    def hsic(k, m):
        n = len(k)
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        one = np.ones(n)
        rest = one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ m @ one
        return (np.trace(k @ m) + rest) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def test_cka_is_its_kernel_form():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 9))
    y[:, :3] += x[:, :3]
    np.testing.assert_allclose(debiased_cka(x, y), kernel_form(x, y), **FLOAT64)


@pytest.mark.parametrize(
    ("n", "p", "q", "biased"), [(100, 1000, 1000, 0.91), (100, 500, 100, 0.64), (1000, 100, 100, 0.09)]
)
def test_trap_biased_cka_of_independent_noise(n, p, q, biased):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    plain = np.sum((x.T @ y) ** 2) / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert abs(plain - biased) < 0.02
    assert abs(debiased_cka(x, y)) < 0.03


def test_trap_in_sample_pls():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 256)), rng.normal(size=(200, 30))
    inside = PLSRegression(25).fit(x, y).score(x, y)
    train, test = np.arange(100), np.arange(100, 200)
    outside = PLSRegression(25).fit(x[train], y[train]).score(x[test], y[test])
    assert inside > 0.5 and outside < -0.1
    ours = RidgePredictivity().held_out(x, y, blocked_folds(np.arange(200.0), 5))["r2"]
    assert abs(np.median(ours)) < 0.05


def test_trap_shuffled_folds_on_autocorrelated_data():
    rng = np.random.default_rng(0)
    times = np.arange(1000.0)
    shuffled, blocked = [], []
    for tau in (1.0, 5.0, 20.0):
        x, y = walks(rng, 1000, 128, tau), walks(rng, 1000, 12, tau)
        split = KFold(5, shuffle=True, random_state=0).split(times)
        mixed = Folds(tuple((a.astype(np.int64), np.sort(b).astype(np.int64)) for a, b in split), times, 0.0)
        metric = RidgePredictivity(penalties=tuple(np.logspace(-4, 1, 8)))
        pairs = [(Ridge(alpha=1.0).fit(x[a], y[a]).predict(x[b]), b) for a, b in mixed]
        said = np.concatenate([p for p, _ in pairs])
        true = y[np.concatenate([b for _, b in pairs])]
        shuffled.append(np.median([np.corrcoef(said[:, k], true[:, k])[0, 1] for k in range(12)]))
        ours = metric.held_out(x, y, blocked_folds(times, 5, gap=3 * tau))["r"]
        blocked.append(np.median(ours))
    assert shuffled[0] < 0.15 and shuffled[1] > 0.4 and shuffled[2] > 0.75
    assert np.all(np.abs(blocked) < 0.2)


@pytest.mark.parametrize(("snr", "raw", "wrong"), [(0.1, 0.33, 1.40), (0.3, 0.48, 0.86), (1.0, 0.58, 0.71)])
def test_trap_the_ceiling_divides_the_squared_correlation(snr, raw, wrong):
    rng = np.random.default_rng(0)
    n_conditions, n_repeats, n_units = 400, 10, 60
    signal = rng.normal(size=(n_conditions, n_units))
    model = 0.8 * signal + 0.6 * rng.normal(size=signal.shape)  # true rho^2 = 0.64
    noise = rng.normal(size=(n_repeats, n_conditions, n_units)) / np.sqrt(snr)
    responses = signal + noise
    mean = responses.mean(axis=0)
    r = np.array([np.corrcoef(model[:, k], mean[:, k])[0, 1] for k in range(n_units)])
    reliability = split_half(responses, n_splits=4).value
    assert abs(np.mean(r**2) - raw) < 0.03
    assert abs(np.mean(of_ceiling(r, reliability)) - 0.64) < 0.04
    assert abs(np.mean((r / reliability) ** 2) - wrong) < 0.2 * wrong
    schoppe = [cc_norm_squared(model[:, k], responses[:, :, k]) for k in range(n_units)]
    assert abs(np.mean(schoppe) - 0.64) < 0.04


def test_the_jackknife_interval_covers_the_true_reliability():
    rng = np.random.default_rng(1)
    signal = rng.normal(size=(60, 80))
    responses = signal + rng.normal(size=(12, 60, 80)) * 2.0
    found = split_half(responses, n_splits=6)
    true = 1 / (1 + 4 / 12)
    assert abs(found.value.mean() - true) < 0.03
    covered = np.mean((found.low < true) & (true < found.high))
    assert covered > 0.5  # the signal's own sample is random too, which repeats cannot tell
    assert found.frame().shape == (80, 3) and found.n_repeats == 12


def test_the_bootstrap_is_scipys():
    values = np.random.default_rng(0).gamma(2.0, size=40)
    ours = bootstrap_median(values, seed=0, n_draws=5000)
    theirs = bootstrap(
        (values,), np.median, n_resamples=5000, method="percentile", random_state=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=0.06)
    assert ours.median == np.median(values)


def test_distances_are_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=30), rng.normal(1.0, size=40)
    ks, far = distances(a, b, 2.0)
    np.testing.assert_allclose(ks, ks_2samp(a, b).statistic, **FLOAT64)
    np.testing.assert_allclose(far, wasserstein_distance(a, b) / 2.0, **FLOAT64)
    np.testing.assert_allclose(cliffs_delta(a, b), np.sign(a[:, None] - b).mean(), **FLOAT64)
