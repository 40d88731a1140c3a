"""Timescales from autocorrelations: known processes give their own, and one exponential is told from two."""

import numpy as np
import pytest
import torch

from neurornn import Form, LeakyRate, generator
from neurornn.statistics import decays, n_components


def decaying(taus: list[float], n_steps: int = 20_000, stretches: int = 3, seed: int = 0) -> np.ndarray:
    """First-order autoregressive series, one for each tau, in steps."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(seed).standard_normal((stretches, n_steps + 500, len(taus)))
    series = [lfilter([1.0], [1.0, -np.exp(-1 / tau)], noise[..., i], axis=1) for i, tau in enumerate(taus)]
    return np.stack(series, axis=2)[:, 500:]


@pytest.mark.parametrize("dt", [1.0, 20.0])
def test_an_autoregressive_series_has_its_own_timescale(dt: float) -> None:
    taus = [1.5, 3.0, 6.0]
    table = decays(decaying(taus, 60_000), dt=dt).table
    # The faster of two can be anything where the second is not needed: what counts is the slower.
    np.testing.assert_allclose(table["tau"], dt * np.array(taus), rtol=0.05)


def test_the_sum_of_a_fast_and_a_slow_process_is_told_from_one() -> None:
    fast, slow = decaying([1.0, 15.0], 60_000).transpose(2, 0, 1)
    both = (fast / fast.std() + slow / slow.std())[..., None]
    row = decays(both, dt=1.0).table.iloc[0]
    assert row["n_exponentials"] == 2 and row["aic_two"] < row["aic_one"]
    assert 12.0 < row["tau"] < 18.0 and 0.5 < row["tau_fast"] < 1.5 and 0.4 < row["weight_slow"] < 0.6


def test_an_isolated_unit_decays_with_its_leak() -> None:
    """Its activity falls by 1 - 1/tau a step, so that it is -1/ln(1 - 1/tau), not tau."""
    taus = [1.5, 2.0, 4.0, 8.0]
    cell = LeakyRate(1, 4, tau=taus, dt=1.0, form=Form.UPDATE, nonlinearity="identity", clamp_tau=True, bias=False)
    with torch.no_grad():
        cell.wiring.weight.zero_()
        cell.w_in.fill_(1.0)
        x = torch.randn(10, 4_000, 1, generator=generator(0))
        activity, _ = cell.rollout(x, cell.initial(10))
    table = decays(activity.double().numpy()[:, 200:], dt=1.0).table
    np.testing.assert_allclose(table["tau"], [-1 / np.log(1 - 1 / tau) for tau in taus], rtol=0.08)


def test_a_unit_that_does_not_vary_has_none() -> None:
    values = decaying([2.0, 2.0], 500)
    values[..., 1] = 3.0
    table = decays(values, dt=1.0).table
    assert table["tau"].isna().tolist() == [False, True]


def test_components_are_counted_until_the_share_is_held() -> None:
    values = np.random.default_rng(0).standard_normal((5000, 4)) * np.sqrt([6.0, 3.0, 0.9, 0.1])
    assert [n_components(values, share=share) for share in (0.5, 0.85, 0.95, 1.0)] == [1, 2, 3, 4]
    assert n_components(np.ones((5, 3))) == 0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="decays: `n_lags` must be below the number of steps, 20; got 30"):
        decays(np.zeros((1, 20, 2)), dt=1.0)
    with pytest.raises(ValueError, match="decays: `n_lags` must be a whole number, 5 or above; got 2"):
        decays(np.zeros((1, 20, 2)), dt=1.0, n_lags=2)
    with pytest.raises(ValueError, match=r"decays: `values` must be finite everywhere; got .*1 of 40 values"):
        decays(np.where(np.arange(40).reshape(1, 20, 2) == 3, np.nan, 0.0), dt=1.0)
    with pytest.raises(ValueError, match="decays: `dt` must be a finite number above 0"):
        decays(np.zeros((1, 20, 2)), dt=0.0)
    with pytest.raises(ValueError, match=r"n_components: `share` must be a number in \[0, 1\]; got 90"):
        n_components(np.zeros((5, 2)), share=90.0)
