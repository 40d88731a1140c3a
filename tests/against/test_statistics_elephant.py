"""Firing statistics, densities and dimensions against elephant, scipy and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy, gaussian_kde
from tolerances import FLOAT64

from neurornn.recording import Recording
from neurornn.statistics import (
    fano_factors,
    histogram_divergence,
    kde_divergence,
    participation_ratio,
    spike_trains,
    subspace_overlap,
)

elephant = pytest.importorskip("elephant.statistics")
neo = pytest.importorskip("neo")


@pytest.fixture(scope="module")
def trains() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    gaps = [rng.gamma(shape, 50.0 / shape, 300) for shape in (0.5, 1.0, 2.0, 8.0)]
    return [np.cumsum(gap) for gap in gaps]


def test_irregularity_is_elephants(trains):
    table = spike_trains(Recording(0.0, 60_000.0, spikes=trains)).frame()
    for i, train in enumerate(trains):
        gaps = np.diff(train)
        assert table["cv"][i] == pytest.approx(elephant.cv(gaps), rel=1e-12)
        assert table["cv2"][i] == pytest.approx(elephant.cv2(gaps), rel=1e-12)
        assert table["lv"][i] == pytest.approx(elephant.lv(gaps), rel=1e-12)


def test_fano_across_trials_is_elephants(trains):
    edges = np.arange(0.0, 10_000.0, 500.0)
    trials = pd.DataFrame({"start": edges, "stop": edges + 500.0})
    found = fano_factors(Recording(0.0, 60_000.0, spikes=trains, trials=trials), window=500.0)
    for i, train in enumerate(trains):
        cut = [train[(train >= e) & (train < e + 500.0)] - e for e in edges]
        parts = [neo.SpikeTrain(part, t_stop=500.0, units="ms") for part in cut]
        assert found[i] == pytest.approx(elephant.fanofactor(parts), rel=1e-12)


def test_kernel_densities_are_scipys():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(300, 2)), rng.normal(1.0, 2.0, size=(400, 2))
    p, q = gaussian_kde(one.T), gaussian_kde(other.T)
    grid = np.stack(np.meshgrid(np.linspace(-6, 8, 120), np.linspace(-6, 8, 120), indexing="ij")).reshape(2, -1)
    expected = entropy(p(grid) / p(grid).sum(), q(grid) / q(grid).sum())
    found = kde_divergence(one, other, seed=0, n_draws=5000)
    assert found.kl == pytest.approx(expected, abs=3 * found.kl_error + 0.005)


def test_histogram_js_is_scipys():
    from scipy.spatial.distance import jensenshannon

    rng = np.random.default_rng(2)
    one, other = rng.random((500, 1)), rng.random((300, 1)) ** 2
    counts = [np.histogram(cloud, 10, (0.0, 1.0))[0] for cloud in (one, other)]
    found = histogram_divergence(one, other, bins=10, extent=((0.0, 1.0),))
    assert found.js == pytest.approx(jensenshannon(*counts) ** 2)
    assert found.kl == pytest.approx(entropy(counts[0] + 0.5, counts[1] + 0.5))


def test_components_are_scikit_learns():
    PCA = pytest.importorskip("sklearn.decomposition").PCA
    rng = np.random.default_rng(3)
    one, other = (rng.normal(size=(200, 8)) @ rng.normal(size=(8, 8)) for _ in range(2))
    found = subspace_overlap(one, other, seed=0, n_components=4)
    fit, own = PCA(4).fit(other), PCA(4).fit(one)
    np.testing.assert_allclose(found.one_alone, np.cumsum(own.explained_variance_ratio_), **FLOAT64)
    centred = one - one.mean(axis=0)
    inside = np.cumsum(np.var(centred @ fit.components_.T, axis=0))
    best = np.cumsum(np.var(centred @ own.components_.T, axis=0))
    np.testing.assert_allclose(found.one_in_other, inside / best, **FLOAT64)
    values = PCA().fit(one).explained_variance_
    assert participation_ratio(one) == pytest.approx(values.sum() ** 2 / (values**2).sum())
