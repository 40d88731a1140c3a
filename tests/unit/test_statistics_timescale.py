"""Timescales: an autoregressive process has a known one, and short stretches hide it by a known share."""

import numpy as np
import pytest
from scipy.signal import lfilter
from tolerances import FLOAT64

from neurornn.statistics import autocorrelation, autocorrelation_time, intrinsic_timescales, n_effective


def autoregressive(tau: float, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return AR(1) noise along the last axis with autocorrelation exp(-k/tau)."""
    rng = np.random.default_rng(seed)
    a = np.exp(-1.0 / tau)
    warm = int(10 * tau) + 1
    noise = rng.normal(size=(*shape[:-1], shape[-1] + warm))
    return lfilter([1.0], [1.0, -a], noise, axis=-1)[..., warm:]


def test_autocorrelation_is_the_sum_of_products():
    values = np.random.default_rng(0).normal(size=(50, 3))
    got = autocorrelation(values, 10)
    centred = values - values.mean(axis=0)
    for lag in range(11):
        expected = (centred[: 50 - lag] * centred[lag:]).sum(axis=0) / (centred**2).sum(axis=0)
        np.testing.assert_allclose(got[lag], expected, **FLOAT64)
    assert np.isnan(autocorrelation(np.ones((20, 1)), 3)).all()


@pytest.mark.parametrize(("n_steps", "offset", "low", "high"), [
    (50, False, 2.0, 6.0), (200, False, 7.0, 13.0), (1000, False, 14.0, 18.5), (10_000, False, 18.0, 21.0),
    (50, True, 4.0, 9.5), (200, True, 11.0, 17.0), (1000, True, 16.5, 20.5), (10_000, True, 18.3, 21.0),
])  # fmt: skip
def test_short_stretches_hide_the_timescale(n_steps, offset, low, high):
    """True timescale 20 steps; published traps: 4.0 9.9 16.5 19.3 without an offset, 6.7 14.0 18.8 19.8 with one."""
    n_stretches = max(40_000 // n_steps, 8)
    values = autoregressive(20.0, (n_stretches, n_steps), seed=1)[:, :, None]
    tau = intrinsic_timescales(values, dt=1.0, max_lag=min(n_steps - 1.0, 100.0), offset=offset).frame()["tau"].item()
    assert low < tau < high


def test_the_timescale_is_in_ms_and_each_unit_has_its_own():
    fast, slow = (autoregressive(tau, (8, 4000), seed=2) for tau in (5.0, 30.0))
    found = intrinsic_timescales(np.stack([fast, slow], axis=2), dt=10.0, max_lag=1500.0)
    assert found.frame()["tau"].tolist() == pytest.approx([50.0, 300.0], rel=0.2)
    assert (found.frame()["error"] < 0.05).all()
    assert "8 stretches of 40000 ms" in found.methods


def test_a_silent_unit_has_no_timescale():
    values = np.zeros((3, 100, 1))
    assert intrinsic_timescales(values, dt=1.0, max_lag=20.0).frame()["tau"].isna().all()


def test_integrated_time_of_an_autoregressive_process():
    values = autoregressive(10.0, (6, 40_000), seed=3).T
    a = np.exp(-0.1)
    assert autocorrelation_time(values, dt=2.0).mean() == pytest.approx(2.0 * (1 + a) / (1 - a), rel=0.15)
    white = np.random.default_rng(0).normal(size=(20_000, 1))
    assert autocorrelation_time(white, dt=2.0)[0] == pytest.approx(2.0, rel=0.1)
    assert np.isnan(autocorrelation_time(np.ones((10, 1)), dt=1.0))[0]


def test_effective_samples_predict_the_scatter_of_chance_correlations():
    tau, n = 10.0, 2000
    pairs = autoregressive(tau, (200, 2, n), seed=4)
    spread = np.std([np.corrcoef(pair)[0, 1] for pair in pairs])
    effective = np.median([n_effective(pair[0], pair[1]) for pair in pairs[:50]])
    a2 = np.exp(-2.0 / tau)
    assert effective == pytest.approx(n * (1 - a2) / (1 + a2), rel=0.2)
    assert spread == pytest.approx(1 / np.sqrt(effective), rel=0.2)


def test_white_series_are_worth_all_their_samples_and_constants_nothing():
    white = np.random.default_rng(5).normal(size=(2, 5000))
    assert n_effective(white[0], white[1]) > 4700
    assert np.isnan(n_effective(np.ones(50), white[0, :50]))


def test_refusals():
    with pytest.raises(ValueError, match="n_effective: `other` must be as long as `one`"):
        n_effective(np.zeros(5), np.zeros(6))
    with pytest.raises(ValueError, match="autocorrelation: `n_lags` must be below the number of samples, 5"):
        autocorrelation(np.zeros((5, 1)), 5)
    with pytest.raises(ValueError, match="autocorrelation: `values` must be finite everywhere"):
        autocorrelation(np.full((5, 1), np.nan), 2)
    with pytest.raises(ValueError, match="intrinsic_timescales: `max_lag` must be four steps of 1 ms or more"):
        intrinsic_timescales(np.zeros((1, 50, 1)), dt=1.0, max_lag=3.0)
    with pytest.raises(ValueError, match="autocorrelation_time: `dt` must be"):
        autocorrelation_time(np.zeros((5, 1)), dt=0.0)
