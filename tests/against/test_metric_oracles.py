"""Metrics beside other implementations: scikit-learn, scipy, rsatoolbox, dsa-metric; and what a distance must be."""

import warnings

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment
from scipy.stats import ortho_group
from sklearn.cross_decomposition import CCA, PLSRegression

from neurornn.comparison import (
    CanonicalCorrelation,
    ModeSimilarity,
    PLSPredictivity,
    ProcrustesSimilarity,
    RepresentationalSimilarity,
    canonical_axes,
    chosen_delays,
    crossnobis,
    delay_modes,
    eigenvalue_distance,
    pls_paths,
    procrustes_rotation,
    shape_distance,
)
from neurornn.comparison.crossnobis import condition_patterns
from neurornn.statistics.folds import blocked_folds
from tests.tolerances import FLOAT64


@pytest.mark.parametrize("n_components", [1, 3, 10, 25])
def test_pls_is_scikit_learns_at_every_number_of_components(n_components):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 60)) @ rng.normal(size=(60, 60))
    y = x[:, :4] @ rng.normal(size=(4, 3)) + 20 * rng.normal(size=(200, 3))
    ours = pls_paths(x, y, 25)[n_components - 1]
    for k in range(3):
        theirs = PLSRegression(n_components, scale=False, tol=1e-12).fit(x, y[:, k]).coef_.ravel()
        np.testing.assert_allclose(ours[:, k], theirs, rtol=0, atol=1e-11 * np.abs(theirs).max())


def test_pls_stops_where_there_is_nothing_left():
    x = np.random.default_rng(0).normal(size=(50, 2))
    paths = pls_paths(x, x @ np.array([[1.0], [2.0]]), 9)
    np.testing.assert_allclose(paths[1:, :, 0] - [1.0, 2.0], 0.0, atol=1e-10)


def test_pls_takes_no_component_where_none_helps():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 256)), rng.normal(size=(200, 30))
    folds = blocked_folds(np.arange(200.0), 5)
    found = PLSPredictivity().fit(x, y, folds)
    assert np.mean(found.chosen["components"] == 0) > 0.5
    assert np.median(PLSPredictivity().held_out(x, y, folds)["r2"]) > -0.1  # 25 of them: -0.29


def test_pls_has_a_likelihood_of_counts():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    counts = rng.poisson(np.exp(0.5 * x[:, :1])).astype(float)
    found = PLSPredictivity().held_out(x, counts, blocked_folds(np.arange(400.0), 4), dt=100.0)
    assert 0.05 < found["bits_per_spike"].item() < 1.0


def test_canonical_correlations_are_scikit_learns():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 5)), rng.normal(size=(300, 4))
    y[:, :2] += x[:, 1:3]
    theirs = CCA(4, scale=False, tol=1e-12, max_iter=5000).fit(x, y)
    u, v = theirs.transform(x, y)
    expected = [np.corrcoef(u[:, k], v[:, k])[0, 1] for k in range(4)]
    to_x, to_y, found = canonical_axes(x, y, variance=1.0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(to_x.T @ np.cov(x.T) @ to_x * 299, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(to_y.T @ np.cov(y.T) @ to_y * 299, np.eye(4), atol=1e-9)


def test_svcca_keeps_what_holds_the_variance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)) * [10.0, 10.0, 0.1, 0.1, 0.1, 0.1]
    assert canonical_axes(x, x)[0].shape == (6, 2)
    assert canonical_axes(x, x, variance=1.0)[0].shape == (6, 6)
    assert np.isnan(CanonicalCorrelation().held_out(np.ones((40, 2)), x[:40], blocked_folds(np.arange(40.0), 2))["cca"])


def test_cca_does_not_see_an_invertible_map_and_svcca_not_small_units():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    folds = blocked_folds(np.arange(400.0), 4)
    turned = x @ (np.eye(4) + np.triu(np.ones((4, 4)), 1))
    np.testing.assert_allclose(CanonicalCorrelation(variance=1.0).held_out(turned, x, folds)["cca"], 1.0, atol=1e-9)
    assert ProcrustesSimilarity().held_out(turned, x, folds)["procrustes"] < 0.9


def test_in_sample_canonical_correlations_of_noise_are_high_and_held_out_ones_not():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 60)), rng.normal(size=(200, 60))
    assert canonical_axes(x, y, variance=1.0)[2][:10].mean() > 0.85
    held = CanonicalCorrelation(variance=1.0).held_out(x, y, blocked_folds(np.arange(200.0), 5))["cca"].item()
    assert abs(held) < 0.1


def test_the_rotation_is_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 5)), rng.normal(size=(80, 5))
    theirs, nuclear = orthogonal_procrustes(x, y)
    np.testing.assert_allclose(procrustes_rotation(x, y), theirs, **FLOAT64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    nuclear = orthogonal_procrustes(x, y)[1]
    expected = np.arccos(nuclear / (np.linalg.norm(x) * np.linalg.norm(y)))
    np.testing.assert_allclose(shape_distance(x, y), expected, **FLOAT64)


def test_shapes_have_a_distance():
    rng = np.random.default_rng(0)
    shapes = [rng.normal(size=(40, n)) for n in (3, 5, 4, 6, 3, 2)]
    between = np.array([[shape_distance(a, b) for b in shapes] for a in shapes])
    np.testing.assert_allclose(between, between.T, atol=1e-9)
    np.testing.assert_allclose(np.diag(between), 0.0, atol=1e-7)
    for i, j, k in np.ndindex(6, 6, 6):
        assert between[i, k] <= between[i, j] + between[j, k] + 1e-7
    turned = 3.0 * shapes[1] @ ortho_group.rvs(5, random_state=0) + 2.0
    np.testing.assert_allclose(shape_distance(turned, shapes[1]), 0.0, atol=1e-7)
    assert np.isnan(shape_distance(np.ones((9, 2)), shapes[0][:9]))


def noisy_conditions(rng, n_conditions=6, n_units=8, n_bins=600):
    labels = rng.permuted(np.tile(np.arange(n_conditions), n_bins // n_conditions))
    mix = np.eye(n_units) + 0.3 * rng.normal(size=(n_units, n_units))
    return rng.normal(size=(n_conditions, n_units))[labels] + rng.normal(size=(n_bins, n_units)) @ mix, labels


@pytest.mark.filterwarnings("ignore")
def test_crossnobis_is_rsatoolboxs():
    with warnings.catch_warnings(action="ignore"):
        data = pytest.importorskip("rsatoolbox.data", reason="the extra rsa is not installed")
        rdm = pytest.importorskip("rsatoolbox.rdm")
    rng = np.random.default_rng(0)
    folds = blocked_folds(np.arange(600.0), 5)
    found = []
    for _ in range(2):
        x, labels = noisy_conditions(rng)
        patterns, shared = condition_patterns(x, labels, folds)
        precision = np.linalg.inv(np.cov(rng.normal(size=(50, 8)).T))
        flat = patterns.reshape(-1, 8)
        parts, conditions = np.divmod(np.arange(len(flat)), len(shared))
        described = {"condition": conditions, "part": parts}
        theirs = [
            rdm.calc_rdm(
                data.Dataset(flat, obs_descriptors=described),
                method="crossnobis",
                descriptor="condition",
                cv_descriptor="part",
                noise=noise,
            )
            for noise in (None, precision)
        ]
        for noise, other in zip((None, precision), theirs, strict=True):
            np.testing.assert_allclose(crossnobis(patterns, noise), other.dissimilarities[0], **FLOAT64)
        found.append((crossnobis(patterns), theirs[0]))
    (one, r_one), (two, r_two) = found
    centred = [d - d.mean() for d in (one, two)]
    cosine = float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
    correlation = float(centred[0] @ centred[1] / np.linalg.norm(centred[0]) / np.linalg.norm(centred[1]))
    np.testing.assert_allclose(rdm.compare(r_one, r_two, method="cosine").item(), cosine, **FLOAT64)
    np.testing.assert_allclose(rdm.compare(r_one, r_two, method="corr").item(), correlation, **FLOAT64)


def test_distances_between_equal_conditions_are_nothing_on_average():
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(10), 60)
    folds = blocked_folds(np.arange(600.0), 5)
    noise = [rng.normal(size=(600, 20)) for _ in range(20)]
    ours = [RepresentationalSimilarity().distances(x, labels, folds).mean() for x in noise]
    patterns = [np.stack([x[labels == k].mean(axis=0) for k in range(10)]) for x in noise]
    naive = [np.mean([np.sum((p[0] - q) ** 2) / 20 for q in p[1:]]) for p in patterns]
    assert abs(np.mean(ours)) < 3 * np.std(ours) / np.sqrt(20)
    assert np.mean(naive) > 0.03  # what is not cross-validated counts noise: 2 / 60


def test_rsa_reads_conditions_that_occur_in_every_part():
    labels = np.array([0, 1, 2, 0, 1, -1, 0, 1, 2, 0, 1, 2])
    patterns, shared = condition_patterns(np.arange(12.0)[:, None], labels, blocked_folds(np.arange(12.0), 2))
    assert shared.tolist() == [0, 1, 2] and patterns.ravel().tolist() == [1.5, 2.5, 2.0, 7.5, 8.5, 9.5]
    with pytest.raises(ValueError, match="RepresentationalSimilarity: `labels` must be the condition of each bin"):
        RepresentationalSimilarity().held_out(np.ones((12, 1)), np.ones((12, 1)), blocked_folds(np.arange(12.0), 2))
    with pytest.raises(ValueError, match="crossnobis: `patterns` must be of two parts and two conditions or more"):
        crossnobis(np.ones((1, 3, 2)))


def turning(seed, angles=(0.3, 0.8), n_units=6, decay=0.95):
    """Two planes that turn, kicked by noise, seen through units of their own."""
    rng = np.random.default_rng(seed)
    step = np.zeros((4, 4))
    for i, f in enumerate(angles):
        step[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = decay * np.array([[np.cos(f), -np.sin(f)], [np.sin(f), np.cos(f)]])
    units, x, seen = np.linalg.qr(rng.normal(size=(n_units, 4)))[0], rng.normal(size=(20, 4)), []
    for _ in range(100):
        x = x @ step.T + rng.normal(size=(20, 4))
        seen.append(x @ units.T)
    return np.stack(seen, axis=1)


def test_the_modes_of_a_known_system():
    modes = delay_modes(turning(0), n_delays=1, rank=4)
    expected = 0.95 * np.exp(1j * np.array([0.3, -0.3, 0.8, -0.8]))
    assert eigenvalue_distance(modes, expected) < 0.03
    same, other = delay_modes(turning(1), n_delays=1, rank=4), delay_modes(turning(2, (0.05, 1.5)), n_delays=1, rank=4)
    assert eigenvalue_distance(modes, same) < 0.05 < 0.3 < eigenvalue_distance(modes, other)


def test_the_distance_of_modes_is_dsa_metrics():
    with warnings.catch_warnings(action="ignore"):
        dsa = pytest.importorskip("DSA", reason="the extra dsa is not installed")
        one, other = turning(0), turning(2, (0.05, 1.5))
        told = {"n_delays": 3, "rank": 4, "lamb": 0.0}
        theirs = dsa.DSA(one, other, dmd_class=dsa.DMD, score_method="wasserstein", **told)
        distance = float(np.asarray(theirs.fit_score()).reshape(-1)[0])
        step = [np.asarray(d.A_v) for d in (theirs.dmds[0][0], theirs.dmds[1][0])]
    ours = [delay_modes(x, n_delays=3, rank=4, penalty=0.0) for x in (one, other)]
    for modes, a in zip(ours, step, strict=True):
        assert eigenvalue_distance(modes, np.linalg.eigvals(a)) < 1e-4
    squared = np.abs(ours[0][:, None] - ours[1]) ** 2  # theirs is the mean of squares, ours of distances
    np.testing.assert_allclose(squared[linear_sum_assignment(squared)].mean(), distance, atol=1e-4)


def test_delays_are_chosen_by_what_they_predict():
    x = turning(0)[:, :, :1]  # one unit of a system of four dimensions: it takes delays to see them
    delays, rank = chosen_delays(x, delays=(1, 2, 5, 8), ranks=(1, 2, 4))
    assert delays > 1 and rank == 4
    assert chosen_delays(turning(0), delays=(1,), ranks=(2, 4))[1] == 4
    with pytest.raises(ValueError, match="chosen_delays: `stretches` must be three pieces or more"):
        chosen_delays(x[:2])
    with pytest.raises(ValueError, match="chosen_delays: `delays` must be at most 98"):
        chosen_delays(x, delays=(200,))
    with pytest.raises(ValueError, match="chosen_delays: `ranks` must be some at most 1, delays times units"):
        chosen_delays(x, delays=(1,), ranks=(5,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PLSPredictivity(n_components=0), "PLSPredictivity: `n_components` must be a whole number"),
        (lambda: PLSPredictivity(n_inner=1), "PLSPredictivity: `n_inner` must be a whole number, 2 or above"),
        (lambda: PLSPredictivity(floor=0.0), "PLSPredictivity: `floor` must be a finite number above 0"),
        (lambda: pls_paths(np.ones((4, 1)), np.ones((4, 1)), 0), "pls_paths: `n_components` must be a whole number"),
        (lambda: CanonicalCorrelation(variance=1.5), r"CanonicalCorrelation: `variance` must be a number in \[0, 1\]"),
        (
            lambda: CanonicalCorrelation(variance=0.0),
            "CanonicalCorrelation: `variance` must be a finite number above 0",
        ),
        (lambda: CanonicalCorrelation(n_axes=0), "CanonicalCorrelation: `n_axes` must be a whole number"),
        (lambda: ModeSimilarity(rank=0), "ModeSimilarity: `rank` must be a whole number"),
        (lambda: ModeSimilarity(penalty=-1.0), "ModeSimilarity: `penalty` must be a finite number, 0 or above"),
        (lambda: ModeSimilarity(length=6), "ModeSimilarity: `length` must be a whole number, 7 or above"),
        (
            lambda: ModeSimilarity().held_out(np.ones((40, 4)), np.ones((40, 4)), blocked_folds(np.arange(40.0), 2)),
            "ModeSimilarity: `length` must be so short that the record holds one, 40 bins",
        ),
        (lambda: delay_modes(turning(0)[:, :4], n_delays=5, rank=2), "delay_modes: `stretches` must be of 7 steps"),
        (lambda: delay_modes(turning(0), n_delays=1, rank=7), "delay_modes: `rank` must be at most 6, delays times"),
        (lambda: delay_modes(turning(0), n_delays=1, rank=6), "delay_modes: `rank` must be at most 4, the components"),
    ],
)
def test_settings_that_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
