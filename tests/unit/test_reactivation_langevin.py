"""Quiescence as Langevin dynamics: a linear network that undoes its noise samples what it learnt, or its square."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neurornn import GRU, Dense, LeakyRate, Network, UniformNoise, generator
from neurornn.reactivation import Reactivation, reactivate
from tests.unit.test_reactivation import Stay, leaky

SPREAD, NOISE = 0.5, 0.05
"""Standard deviation of the Gaussian that is to be sampled, and of the noise of a step."""


def quiet(factor: float, **settings: object) -> Reactivation:
    r"""Return the quiescence of $r' = r + \sigma^2 \nabla \log p(r)$ for a Gaussian $p$: a leak of $\sigma^2/s^2$."""
    fit = SimpleNamespace(network=leaky(noise=NOISE, leak=(NOISE / SPREAD) ** 2), task=Stay())
    wanted = {"trials": 100, "steps": 1200, "discard": 500, "untrained": 1, "seed": 3, **settings}
    return reactivate(fit, noise_factor=factor, **wanted)  # type: ignore[arg-type]


def test_noise_of_root_two_samples_the_density_and_less_samples_its_square() -> None:
    langevin, same = quiet(2**0.5), quiet(1.0)
    # The steps are finite: the variance is s^2 / (1 - a/2).
    exact = SPREAD**2 / (1 - (NOISE / SPREAD) ** 2 / 2)
    assert langevin.positions["quiescent"].var() == pytest.approx(exact, rel=0.1)
    assert same.positions["quiescent"].var() == pytest.approx(exact / 2, rel=0.1)


def test_the_field_of_a_linear_network_is_its_leak() -> None:
    fit = SimpleNamespace(network=leaky(), task=Stay(n_steps=400))
    found = reactivate(fit, trials=100, steps=600, discard=50, untrained=1)
    assert found.fields["quiescent"].pull == pytest.approx(0.3, rel=0.05)
    assert found.value("pull to the mean", "quiescent") == found.fields["quiescent"].pull
    assert found.value("pull to the mean", "quiescent, shuffled in time") > 0.9
    assert found.value("drift along the score", "quiescent") > 0.9


def test_kernel_densities_stand_beside_the_histograms() -> None:
    found = quiet(1.0, trials=20, steps=200, discard=50, kernel_points=500)
    frame = found.frame().set_index(["quantity", "condition"])
    assert frame.loc[("KL from active, kernels", "quiescent"), "error"] > 0
    assert ("KL from active, kernels", "uniform") in frame.index


def test_uniform_noise_is_a_drive_and_gaussian_noise_is_none() -> None:
    """A constant drive of half the width moves a leaky unit to width / (2 leak)."""
    fit = SimpleNamespace(network=leaky(), task=Stay())
    drawn = reactivate(fit, trials=20, steps=300, discard=100, untrained=1, noise=UniformNoise(0.1))
    assert drawn.positions["quiescent"].mean() == pytest.approx(0.05 / 0.3, rel=0.02)


def test_a_leaky_gru_of_one_step_is_a_gru_and_of_two_goes_half_the_way() -> None:
    x, h = torch.randn(3, 2, generator=generator(0)), torch.randn(3, 5, generator=generator(1))
    plain = GRU(2, 5, dt=10.0)
    whole, half = (GRU(2, 5, dt=10.0, tau=tau) for tau in (10.0, 20.0))
    after = plain.step(x, (h,))[0]
    torch.testing.assert_close(whole.step(x, (h,))[0], after, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(half.step(x, (h,))[0], (h + after) / 2, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="GRU: `tau` must be at least `dt` = 10 ms; got 5"):
        GRU(2, 5, dt=10.0, tau=5.0)


def test_even_initial_weights_are_torchs_and_no_bias_is_none() -> None:
    cell = LeakyRate(2, 200, bias=False, uniform=True)
    network = Network(cell, 3, n_start=4, readout_bias=False, encoder_bias=False)
    assert sorted(name for name, _ in network.named_parameters() if "bias" in name) == []
    for weight, fan in ((cell.w_in, 2), (cell.wiring(), 200), (network.encoder, 4), (network.readout, 200)):
        assert weight is not None
        bound = fan**-0.5
        assert 0.95 * bound < weight.abs().max() <= bound
    assert float(Dense(200, uniform=True)().detach().std()) == pytest.approx(200**-0.5 / np.sqrt(3), rel=0.02)
    started = network.initial(2, torch.zeros(2, 4))
    assert (started[0] == 0).all()
