"""Subspaces: known covariances, rotations, and what chance holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn.statistics import participation_ratio, subspace_overlap


def with_variances(variances, seed: int = 0, n: int = 400) -> np.ndarray:
    """Return samples whose covariance is exactly diagonal with these variances."""
    white = np.random.default_rng(seed).normal(size=(n, len(variances)))
    white = np.linalg.qr(white - white.mean(axis=0))[0] * np.sqrt(n)
    return white * np.sqrt(variances)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(0, 100))
def test_equal_variances_are_as_many_dimensions_as_units_however_turned(n, seed):
    activity = with_variances(np.full(n, 3.0), seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    assert participation_ratio(activity @ turn) == pytest.approx(n)
    assert participation_ratio(activity[:, :1] @ np.ones((1, 3))) == pytest.approx(1.0)


def test_participation_ratio_of_known_variances():
    variances = np.array([4.0, 2.0, 1.0, 0.0])
    assert participation_ratio(with_variances(variances)) == pytest.approx(49 / 21)
    assert np.isnan(participation_ratio(np.ones((10, 3))))


def test_overlap_with_itself_with_a_disjoint_space_and_in_between():
    one = with_variances([4.0, 2.0, 1e-9, 1e-9, 1e-9, 1e-9])
    apart = with_variances([1e-9, 1e-9, 4.0, 2.0, 1e-9, 1e-9])
    same = subspace_overlap(one, one * 3.0, seed=0, n_components=2)
    np.testing.assert_allclose(same.one_in_other, 1.0)
    np.testing.assert_allclose(same.other_in_one, 1.0)
    none = subspace_overlap(one, apart, seed=0, n_components=2)
    np.testing.assert_allclose(none.one_in_other, 0.0, atol=1e-8)
    half = subspace_overlap(one, with_variances([4.0, 0, 2.0, 0, 0, 0]), seed=0, n_components=2)
    np.testing.assert_allclose(half.one_in_other, [1.0, 4 / 6], rtol=1e-6)
    np.testing.assert_allclose(half.one_alone, [4 / 6, 1.0], rtol=1e-6)


def test_chance_is_the_share_of_the_directions():
    white = with_variances(np.ones(20))
    found = subspace_overlap(white, white, seed=0, n_components=5, n_draws=50)
    np.testing.assert_allclose(found.chance, 1.0, rtol=1e-9)  # all directions of white activity are alike
    steep = with_variances(2.0 ** -np.arange(20.0))
    chance = subspace_overlap(steep, steep, seed=0, n_components=5, n_draws=300).chance
    best = np.cumsum(2.0 ** -np.arange(5.0))
    np.testing.assert_allclose(chance, np.arange(1, 6) * 2.0 / 20 / best, rtol=0.15)
    assert len(found.frame()) == 5
    assert "50 random sets" in found.methods


def test_refusals():
    good = np.random.default_rng(0).random((50, 3))
    with pytest.raises(ValueError, match="subspace_overlap: `n_components` must be at most the number of units, 3"):
        subspace_overlap(good, good, seed=0)
    with pytest.raises(ValueError, match="subspace_overlap: `n_components` must be a whole number"):
        subspace_overlap(good, good, seed=0, n_components=0)
    with pytest.raises(ValueError, match="participation_ratio: `activity` must be finite everywhere"):
        participation_ratio(np.full((5, 2), np.nan))
    with pytest.raises(ValueError, match="participation_ratio: `activity` must be two samples or more"):
        participation_ratio(good[:1])
