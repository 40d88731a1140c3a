"""Condition averages, demixed components and rotations: closed forms, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import expm

from neurornn import Recording
from neurornn.statistics import Averages, condition_averages, demixed_pca, jpca, marginalised
from tests.tolerances import FLOAT64

RNG = np.random.default_rng(0)


def averages(values: np.ndarray, noise: np.ndarray | None = None) -> Averages:
    n_units, n_s, n_c, n_t = values.shape
    return Averages(
        values,
        ("stimulus", "choice"),
        (tuple(range(n_s)), tuple(range(n_c))),
        np.full((n_s, n_c), 10),
        np.zeros((n_units, n_units)) if noise is None else noise,
        np.arange(n_t) * 10.0,
        10.0,
        tuple(range(n_units)),
    )


def mixture() -> tuple[np.ndarray, np.ndarray]:
    """Three patterns over units that are far from right angles: one for time, one for stimulus, one for choice."""
    t = np.linspace(0, 1, 20)
    patterns = RNG.normal(size=(3, 15))
    patterns[1] += patterns[0]
    patterns[2] += patterns[0]
    courses = np.zeros((3, 4, 2, 20))
    courses[0] = np.sin(2 * np.pi * t)
    courses[1] = (np.arange(4) - 1.5)[:, None, None] * t
    courses[2] = np.array([-1.0, 1.0])[None, :, None] * t**2
    return np.einsum("pu,psct->usct", patterns, courses), courses


def test_parts_sum_to_the_whole_and_are_at_right_angles() -> None:
    values = RNG.normal(size=(5, 3, 2, 7))
    parts = marginalised(averages(values))
    assert set(parts) == {"time", "stimulus", "choice", "stimulus x choice"}
    centred = values - values.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(sum(parts.values()), centred, atol=1e-12)
    names = list(parts)
    for i, one in enumerate(names):
        for other in names[:i]:
            np.testing.assert_allclose(np.einsum("usct,vsct->uv", parts[one], parts[other]), 0, atol=1e-10)
    np.testing.assert_allclose(
        parts["stimulus"], np.broadcast_to(parts["stimulus"][:, :, :1], (5, 3, 2, 7)), atol=1e-12
    )
    np.testing.assert_allclose(parts["stimulus"].mean(axis=1), 0, atol=1e-12)


def test_what_is_mixed_in_the_units_is_told_apart() -> None:
    """Without noise each decoder sees its own factor alone, though the patterns overlap."""
    values, courses = mixture()
    found = demixed_pca(averages(values), n_components=1, penalty=1e-12)
    assert set(found.marginals) == {"time", "stimulus", "choice"}
    for i, name in enumerate(("time", "stimulus", "choice")):
        (k,) = found.of(name)
        assert found.shares[name][k] > 0.9999
        own = courses[i] - courses[i].mean()
        r = np.corrcoef(found.projections[k].ravel(), own.ravel())[0, 1]
        assert abs(r) > 0.9999
    np.testing.assert_allclose(sum(found.total.values()), 1, **FLOAT64)
    np.testing.assert_allclose(np.linalg.norm(found.encoders, axis=1), 1, **FLOAT64)


def test_principal_components_mix_them() -> None:
    """The case above is one on which principal components fail: else it would show nothing."""
    values, _ = mixture()
    x = values.reshape(15, -1)
    u = np.linalg.svd(x - x.mean(axis=1, keepdims=True))[0][:, :3]
    parts = marginalised(averages(values))
    for direction in u.T:
        power = np.array([np.sum((direction @ part.reshape(15, -1)) ** 2) for part in parts.values()])
        assert power.max() / power.sum() < 0.97


def test_a_single_factor_in_orthogonal_directions_is_pca() -> None:
    """With one part only, what is left to do is principal components: the same variances."""
    basis = np.linalg.qr(RNG.normal(size=(8, 2)))[0]
    courses = RNG.normal(size=(2, 5, 1, 1)) * np.array([3.0, 1.0])[:, None, None, None]
    courses = np.concatenate([courses, courses], axis=2) * np.ones(6)
    courses -= courses.mean(axis=1, keepdims=True)
    found = demixed_pca(averages(np.einsum("up,psct->usct", basis, courses)), n_components=2, penalty=1e-12)
    assert found.marginals == ("stimulus", "stimulus")
    x = np.einsum("up,ps->us", basis, courses[:, :, 0, 0])
    values = np.linalg.svd(x, compute_uv=False)[:2] ** 2
    np.testing.assert_allclose(found.variance, values / values.sum(), rtol=1e-6)


def test_noise_turns_decoders_away_from_noisy_units() -> None:
    values = np.zeros((2, 4, 2, 5))
    values[:] = (np.arange(4) - 1.5)[:, None, None]
    quiet = demixed_pca(averages(values, np.diag([1.0, 100.0])), n_components=1)
    assert abs(quiet.decoders[0, 0]) > 20 * abs(quiet.decoders[0, 1])


def session() -> Recording:
    """Twenty trials of two stimuli and two choices; the second unit knows only the choice."""
    stimulus, choice = np.tile([0, 1], 10), np.repeat([0, 1], 10)
    activity = np.zeros((20, 10, 2))
    activity[..., 0] = (stimulus + 2 * choice)[:, None] * np.arange(10)
    activity[..., 1] = choice[:, None]
    starts = 100.0 * np.arange(20)
    trials = pd.DataFrame({"start": starts, "stop": starts + 100, "stimulus": stimulus, "choice": choice})
    return Recording(0.0, 2000.0, activity=activity.reshape(-1, 2), dt=10.0, trials=trials)


def test_averages_of_a_recording() -> None:
    found = condition_averages(session(), ["stimulus", "choice"], dt=10.0)
    assert found.values.shape == (2, 2, 2, 10) and (found.n_trials == 5).all()
    np.testing.assert_allclose(found.values[0, 1, 1], 3.0 * np.arange(10))
    np.testing.assert_allclose(found.values[1, :, 1], 1)
    np.testing.assert_allclose(found.noise, 0)
    assert found.times[0] == 5.0 and found.frame().shape == (80, 5)
    told = demixed_pca(found, n_components=1)
    assert told.marginals[0] == "choice" and told.frame()["marginal"][0] == "choice"
    assert condition_averages(session(), ["choice"], dt=20.0, duration=60.0).values.shape == (2, 2, 3)


def turning(frequency: float, n: int = 6, seed: int = 0, decay: float = 0.0, other: float = 0.0) -> np.ndarray:
    """Conditions that turn in one plane among `n` units, and in another at another frequency; dt is 10 ms."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
    m = np.zeros((4, 4))
    m[0, 1], m[1, 0] = -2 * np.pi * frequency, 2 * np.pi * frequency
    m[2, 3], m[3, 2] = -2 * np.pi * other, 2 * np.pi * other
    m -= decay * np.eye(4)
    starts = rng.normal(size=(8, 4)) * (1.0 if other else np.array([1.0, 1.0, 0.0, 0.0]))
    steps = np.stack([expm(m * 0.01 * t) for t in range(40)])
    return np.einsum("tij,cj,ui->ctu", steps, starts, basis[:, :4])


@pytest.mark.parametrize("frequency", [0.5, 2.0, 7.0])
def test_a_rotation_is_found_at_its_very_frequency(frequency: float) -> None:
    found = jpca(turning(frequency), dt=10.0, seed=0, n_components=2, draws=50)
    np.testing.assert_allclose(found.frequencies, [frequency], rtol=1e-6)
    np.testing.assert_allclose([found.r2, found.ratio], 1, atol=1e-9)
    assert found.p < 0.05


def test_two_planes_are_told_apart() -> None:
    x = turning(4.0, other=1.5)
    x = x - x.mean(axis=0)
    found = jpca(x, dt=10.0, seed=0, n_components=4, draws=0)
    np.testing.assert_allclose(found.frequencies, [4.0, 1.5], rtol=1e-6)
    np.testing.assert_allclose(found.r2, 1, atol=1e-9)
    np.testing.assert_allclose(found.variance.sum(), 1, rtol=1e-9)
    flat = found.planes.reshape(4, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(4), atol=1e-9)
    assert found.frame().shape == (2, 2) and found.p == 1.0
    angle = np.unwrap(np.arctan2(found.projections[0, :, 0, 1], found.projections[0, :, 0, 0]))
    np.testing.assert_allclose(np.diff(angle), 2 * np.pi * 4.0 * 0.01, rtol=1e-6)  # counter-clockwise, as drawn


def test_growth_is_no_rotation() -> None:
    rng = np.random.default_rng(1)
    grown = rng.normal(size=(8, 1, 4)) * np.exp(0.05 * np.arange(30))[:, None]
    found = jpca(grown, dt=10.0, seed=0, n_components=4, draws=20)
    assert found.r2 < 0.05 < 0.9 < found.r2_linear


def test_decay_does_not_change_the_frequency_by_much() -> None:
    found = jpca(turning(2.0, decay=1.0), dt=10.0, seed=0, n_components=2, draws=0)
    assert abs(found.frequencies[0] / 2.0 - 1) < 0.02
    assert found.r2 < found.r2_linear


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: condition_averages(session(), [], dt=10.0), r"condition_averages: `by` must be one or more columns"),
        (
            lambda: condition_averages(session(), ["choise"], dt=10.0),
            r"`by` must be columns.*mean 'choice'",
        ),
        (lambda: condition_averages(session(), ["choice"], dt=10.0, least=0), r"condition_averages: `least` must be"),
        (
            lambda: condition_averages(session(), ["choice"], dt=10.0, least=11),
            r"11 trials or more",
        ),
        (lambda: condition_averages(session(), ["choice"], dt=10.0, duration=-1.0), r"condition_averages: `duration`"),
        (
            lambda: condition_averages(session(), ["choice"], dt=10.0, duration=200.0),
            r"condition_averages: `duration` must be at most the shortest trial, 100 ms",
        ),
        (
            lambda: condition_averages(gappy(), ["choice"], dt=10.0),
            r"condition_averages: `recording` must be without gaps; got '10 bins that are NaN'",
        ),
        (
            lambda: demixed_pca(averages(np.ones((2, 2, 2, 3))), n_components=3),
            r"demixed_pca: `n_components` must",
        ),
        (
            lambda: demixed_pca(averages(np.ones((2, 2, 2, 3))), n_components=0),
            r"demixed_pca: `n_components` must",
        ),
        (lambda: demixed_pca(averages(np.ones((2, 2, 2, 3))), n_components=1, penalty=-1.0), r"demixed_pca: `penalty`"),
        (
            lambda: demixed_pca(averages(np.ones((2, 1, 2, 3))), n_components=1),
            r"demixed_pca: `averages` must",
        ),
        (
            lambda: demixed_pca(averages(mixture()[0])).of("stimulos"),
            r"DemixedPCA.of: `marginal` must be one of its own; got 'stimulos'. Did you mean 'stimulus'",
        ),
        (lambda: jpca(np.ones((3, 5)), dt=1.0, seed=0), r"jpca: `activity` must be of shape"),
        (lambda: jpca(np.full((3, 5, 2), np.nan), dt=1.0, seed=0), r"jpca: `activity` must be finite everywhere"),
        (lambda: jpca(turning(1.0), dt=0.0, seed=0), r"jpca: `dt` must be a finite number above 0"),
        (
            lambda: jpca(turning(1.0), dt=1.0, seed=0, n_components=3),
            r"jpca: `n_components` must be even",
        ),
        (
            lambda: jpca(turning(1.0), dt=1.0, seed=0, soften=-1.0),
            r"jpca: `soften` must be a finite number",
        ),
        (lambda: jpca(turning(1.0), dt=1.0, seed=0, draws=-1), r"jpca: `draws` must be a whole number, 0 or above"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def gappy() -> Recording:
    whole = session()
    assert whole.activity is not None
    activity = whole.activity.copy()
    activity[:10, 0] = np.nan
    return Recording(0.0, 2000.0, activity=activity, dt=10.0, trials=whole.trials)
