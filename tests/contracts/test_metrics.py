"""What every metric must do, whichever it is: add it to METRICS and it is tested."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import ortho_group

from neurornn.comparison import FAMILIES, DebiasedCKA, PoissonPredictivity, RidgePredictivity, shifted_scores
from neurornn.statistics.folds import blocked_folds
from tests.tolerances import FLOAT64

METRICS = [
    pytest.param(RidgePredictivity(), "r", id="ridge"),
    pytest.param(PoissonPredictivity(n_components=8, penalties=(1e-3, 0.03, 0.3, 3.0)), "r", id="poisson"),
    pytest.param(DebiasedCKA(), "cka", id="cka"),
]
N = 600
DT = 100.0


def walks(seed, n_units, tau=5.0):
    """AR(1) activity with a correlation time of `tau` bins."""
    rng = np.random.default_rng(seed)
    keep = np.exp(-1 / tau)
    return np.sqrt(1 - keep**2) * lfilter([1.0], [1.0, -keep], rng.normal(size=(N, n_units)), axis=0)


def pair(metric, x, seed=0):
    """Activity and a target of it that this metric can score: the activity itself, or counts at high rates."""
    if not metric.counts_only:
        return x, None
    return np.random.default_rng(seed).poisson(np.exp(0.4 * x + 6.0)).astype(float), DT


@pytest.fixture
def folds():
    return blocked_folds(np.arange(N) * DT, 4, gap=15 * DT)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_a_rotated_copy_scores_one(metric, measure, folds):
    x = walks(0, 6)
    y, dt = pair(metric, x)
    turned = x @ ortho_group.rvs(6, random_state=1)
    assert np.all(metric.held_out(turned, y, folds, dt=dt)[measure] > 0.97)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_a_noisy_copy_scores_high_and_less_than_a_clean_one(metric, measure, folds):
    x = walks(0, 6)
    y, dt = pair(metric, x)
    noisy = x + 0.7 * np.random.default_rng(5).normal(size=x.shape)
    clean, less = (np.median(metric.held_out(one, y, folds, dt=dt)[measure]) for one in (x, noisy))
    assert 0.5 < less < clean


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_independent_activity_scores_about_nothing(metric, measure, folds):
    y, dt = pair(metric, walks(1, 6))
    scores = [np.median(metric.held_out(walks(50 + k, 6), y, folds, dt=dt)[measure]) for k in range(3)]
    assert abs(np.mean(scores)) < 0.12


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_bins_in_another_order_score_no_better_than_the_shifts(metric, measure, folds):
    x = walks(0, 6)
    y, dt = pair(metric, x)
    order = np.random.default_rng(3).permutation(N)
    assert np.median(metric.held_out(x[order], y, folds, dt=dt)[measure]) < 0.1
    null = shifted_scores(metric, x, y, folds, np.array([150, 300, 450]), dt=dt)[measure]
    assert null.shape[0] == 3 and np.median(null) < 0.3


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_the_order_of_units_does_not_matter(metric, measure, folds):
    x = walks(0, 6) + 0.5 * walks(9, 6)
    y, dt = pair(metric, walks(0, 6))
    swap = np.array([3, 1, 5, 0, 2, 4])
    once = metric.held_out(x, y, folds, dt=dt)[measure]
    again = metric.held_out(x[:, swap], y[:, swap], folds, dt=dt)[measure]
    np.testing.assert_allclose(again, once[swap] if metric.columnwise else once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_symmetric_where_claimed(metric, measure, folds):
    x, y = walks(0, 6), walks(0, 6)[:, :3] + 0.5 * walks(4, 3)
    if not metric.symmetric:
        pytest.skip("not claimed to be symmetric")
    there, back = metric.held_out(x, y, folds)[measure], metric.held_out(y, x, folds)[measure]
    np.testing.assert_allclose(there, back, **FLOAT64)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_columns_are_scored_on_their_own_where_claimed(metric, measure, folds):
    x = walks(0, 6)
    y, dt = pair(metric, walks(0, 4) + walks(8, 4))
    whole = metric.held_out(x, y, folds, dt=dt)[measure]
    assert whole.shape == ((4,) if metric.columnwise else (1,))
    if metric.columnwise:
        alone = metric.held_out(x, y[:, 2:3].copy(), folds, dt=dt)[measure]
        np.testing.assert_allclose(alone, whole[2:3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("metric", "measure"), METRICS)
def test_it_says_what_it_does(metric, measure, folds):
    assert metric.sentence().endswith(".") and metric.choices().endswith(".") and metric.family in FAMILIES
    assert metric.references and measure in metric.measures
    y, dt = pair(metric, walks(0, 6))
    assert set(metric.held_out(walks(0, 6), y, folds, dt=dt)) <= set(metric.measures)
