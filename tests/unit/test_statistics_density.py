"""Divergence of densities: Gaussians have a closed form, and the uniform baseline counts every axis."""

import numpy as np
import pytest

from neurornn.statistics import histogram_divergence, kde_divergence


def gaussians(shift: float, scale: float, n: int = 8000, dimension: int = 1):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, dimension)), shift + scale * rng.normal(size=(n, dimension))


@pytest.mark.parametrize(("shift", "scale", "dimension"), [(0.0, 1.0, 1), (1.0, 1.0, 1), (0.5, 2.0, 1), (0.7, 1.5, 2)])
def test_gaussians(shift, scale, dimension):
    one, other = gaussians(shift, scale, 3000, dimension)
    expected = dimension * (np.log(scale) + (1 + shift**2) / (2 * scale**2) - 0.5)
    found = kde_divergence(one, other, seed=1, n_draws=1500)
    assert found.kl == pytest.approx(expected, abs=0.04 * dimension + 3 * found.kl_error)
    if dimension == 1:
        binned = histogram_divergence(one, other, bins=40)
        assert binned.kl == pytest.approx(expected, abs=0.08)


def test_gaussian_js_lies_between_nothing_and_ln_2_and_is_symmetric():
    one, other = gaussians(1.5, 1.0, 2000)
    forth, back = kde_divergence(one, other, seed=0), kde_divergence(other, one, seed=0)
    assert 0.0 < forth.js < np.log(2.0)
    assert forth.js == pytest.approx(back.js, abs=3 * np.hypot(forth.js_error, back.js_error))
    x = np.linspace(-8, 10, 4001)
    p, q = (np.exp(-((x - m) ** 2) / 2) / np.sqrt(2 * np.pi) for m in (0.0, 1.5))
    m = (p + q) / 2
    exact = np.trapezoid(p * np.log(p / m) + q * np.log(q / m), x) / 2
    assert forth.js == pytest.approx(exact, abs=0.03)
    assert histogram_divergence(one, other, bins=40).js == pytest.approx(exact, abs=0.03)


def test_the_same_cloud_and_disjoint_clouds():
    one = np.random.default_rng(0).random((500, 2))
    same = kde_divergence(one, one, seed=0)
    assert same.kl == 0.0
    assert same.js == pytest.approx(0.0, abs=1e-12)
    apart = kde_divergence(one, one + 100.0, seed=0, n_draws=200)
    assert apart.js == pytest.approx(np.log(2.0), abs=1e-9)
    assert apart.kl > 100.0  # not clipped
    assert histogram_divergence(one, one + 100.0).js == pytest.approx(np.log(2.0))
    assert histogram_divergence(one, one).kl == 0.0


def test_uniform_on_uniform_is_nothing_on_every_number_of_axes():
    rng = np.random.default_rng(0)
    for dimension in (1, 2):
        box = ((-1.1, 1.1),) * dimension
        points = rng.uniform(-1.1, 1.1, (3000, dimension))
        assert kde_divergence(points, points, seed=0, extent=box, n_draws=1000).kl_uniform == pytest.approx(0, abs=0.2)
        found = histogram_divergence(points, points, bins=5, extent=box)
        assert found.kl_uniform == pytest.approx(0.0, abs=0.02)


def test_thinning_is_seeded_and_said():
    one, other = gaussians(1.0, 1.0, 3000)
    found = [kde_divergence(one, other, seed=s, n_points=500, n_draws=500) for s in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0].kl != found[2].kl
    assert found[0].n == (500, 500)
    assert "500 and 500 points" in found[0].methods
    assert set(found[0].frame()) >= {"kl", "js", "kl_error", "kl_uniform"}


def test_refusals():
    good = np.random.default_rng(0).random((50, 1))
    with pytest.raises(ValueError, match="kde_divergence: `other` must be finite everywhere"):
        kde_divergence(good, np.full((50, 1), np.nan), seed=0)
    with pytest.raises(ValueError, match="kde_divergence: `one` must be more than 2 points"):
        kde_divergence(good[:2], good, seed=0)
    with pytest.raises(ValueError, match="kde_divergence: `one` must be spread along every axis"):
        kde_divergence(np.ones((50, 1)), good, seed=0)
    with pytest.raises(ValueError, match=r"histogram_divergence: `extent` must be `\(low, high\)` of each of 1 axes"):
        histogram_divergence(good, good, extent=((1.0, 0.0),))
    with pytest.raises(ValueError, match="histogram_divergence: `pseudo` must be a finite number above 0"):
        histogram_divergence(good, good, pseudo=0.0)
    with pytest.raises(ValueError, match="histogram_divergence: `bins` must be"):
        histogram_divergence(good, good, bins=1)
    with pytest.raises(ValueError, match="kde_divergence: `n_draws` must be"):
        kde_divergence(good, good, seed=0, n_draws=1)
