"""Dynamics of spiking cells: two spectra, told apart; no fixed points of what jumps; the mean-field map instead."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import erfcx

from neurornn import (
    LIF,
    AdEx,
    Dense,
    GaussianNoise,
    Map,
    Network,
    Search,
    SuperSpike,
    fixed_points,
    generator,
    lyapunov,
    modes,
)
from neurornn.dynamics import as_map, continuum, linear_error, rate_map
from neurornn.dynamics.rates import _passage
from tests.tolerances import CHANCE

TAUS = [5.0, 8.0, 13.0, 21.0, 34.0]


def units(gain: float, **settings: object) -> LIF:
    told = {"tau": TAUS, "tau_syn": None, "wiring": Dense(5, gain=gain), "dt": 1.0, **settings}
    return LIF(1, 5, **told)  # type: ignore[arg-type]


def spectrum(cell: LIF, *, surrogate: bool) -> np.ndarray:
    start = torch.cat([-65 + 15 * torch.rand(1, 5, generator=generator(0)), torch.zeros(1, 5)], dim=1)
    found = lyapunov(
        cell, torch.full((1, 1, 1), 4.0), start=start, surrogate=surrogate, steps=300, transient=20, align=200
    )
    assert found.tangent == (f"surrogate {cell.surrogate!r}" if surrogate else "exact")
    return found.exponents


def test_the_exact_spectrum_is_that_of_the_leaks_whatever_the_weights() -> None:
    found = spectrum(units(3.0), surrogate=False)
    np.testing.assert_allclose(found[:5], -1 / np.array(TAUS[::-1]), rtol=0, atol=1e-4)
    assert np.isneginf(found[5:]).all()  # spikes are flat


def test_the_surrogate_spectrum_depends_on_weights_and_slope() -> None:
    weak, strong = (spectrum(units(gain), surrogate=True) for gain in (0.5, 3.0))
    assert np.abs(strong[:5] - weak[:5]).max() > 0.01
    steep = spectrum(units(3.0, surrogate=SuperSpike(slope=5.0)), surrogate=True)
    assert np.abs(steep[:5] - strong[:5]).max() > 0.005


def test_the_surrogate_derivative_is_the_one_of_training() -> None:
    cell = units(2.0, reset="soft").double()
    step = as_map(cell, surrogate=True)
    x = torch.cat([-52 + 4 * torch.rand(1, 5, generator=generator(1)), torch.zeros(1, 5)], dim=1).double()
    u = torch.full((1, 1), 4.0).double()
    by_training = torch.autograd.functional.jacobian(
        lambda s: torch.cat(cell.step(u, s.chunk(2, dim=-1))[1], dim=-1), x
    )[0, :, 0]
    torch.testing.assert_close(step.jacobian(x, u)[0], by_training, rtol=1e-6, atol=1e-9)
    assert bool((as_map(cell).jacobian(x, u)[0, 5:] == 0).all())


@pytest.mark.parametrize("cell", [units(1.0), AdEx(1, 3)])
def test_a_step_that_jumps_has_no_fixed_points_to_look_for(cell) -> None:
    step = as_map(cell)
    states = torch.zeros(20, step.n_state).double()
    for call, owner in (
        (lambda: fixed_points(cell, states), "fixed_points"),
        (lambda: modes(cell, states[0]), "modes"),
        (lambda: linear_error(cell, states, states), "linear_error"),
        (lambda: continuum(cell, states, settle=5.0), "continuum"),
    ):
        with pytest.raises(ValueError, match=f"{owner}: `system` must be a step without jumps; got .*rate_map"):
            call()


@pytest.mark.parametrize(("low", "high"), [(-20.0, -5.0), (-15.0, -0.5), (-3.0, 2.0), (-1.0, 4.0), (1.0, 3.0)])
def test_the_first_passage_integral(low: float, high: float) -> None:
    exact = quad(lambda u: erfcx(-u), low, high, epsrel=1e-12)[0]
    found = _passage(torch.tensor([low]).double(), torch.tensor([high]).double())
    np.testing.assert_allclose(found.numpy(), [exact], rtol=1e-9)


@pytest.mark.parametrize("drive", [1.5, 0.9])
def test_the_rate_of_one_unit_is_that_of_the_simulation(drive: float) -> None:
    """Above threshold and, with noise, below it; shrinking dt for the reset and the crossing between two steps."""
    sigma, dt = 4.0, 0.05
    cell = LIF(1, 1, dt=dt, wiring=Dense(1, gain=0.0), bias=False, reset="hard", refractory=2.0)
    with torch.no_grad():
        cell.w_in.fill_(1.0)
    network = Network(cell, 1, noise=GaussianNoise(sigma * math.sqrt(dt / 20.0)))
    with torch.no_grad():
        run = network(torch.full((400, 3000, 1), drive), generator=generator(0))
    simulated = run.activity[:, 1000:].mean(dim=(1, 2)) * 1e3 / dt
    held = torch.tensor([[drive]]).double()
    step = rate_map(cell, noise=sigma)
    on_the_way = step.trajectory(torch.zeros(1, 1).double(), 400, held)[0]
    found = fixed_points(step, on_the_way, held, search=Search(n_seeds=6, adam_steps=50), progress=False)
    error = float(simulated.std()) / 20
    assert abs(float(simulated.mean()) - found.outputs[0, 0]) < CHANCE * error + 0.05 * found.outputs[0, 0]


def test_a_network_settles_at_its_rates_whatever_it_starts_from() -> None:
    cell = LIF(1, 20, wiring=Dense(20, gain=0.1), refractory=2.0, seed=3)
    step = rate_map(cell, noise=3.0)
    assert step.bounded and isinstance(step, Map)
    starts = 100 * torch.randn(30, 20, generator=generator(2)).double()
    how = Search(n_seeds=30, adam_steps=100)
    found = fixed_points(step, step.trajectory(starts, 20).flatten(0, 1), torch.ones(1, 1), search=how, progress=False)
    assert found.stable.all() and found.index_sums.tolist() == [1.0]
    assert bool((found.outputs >= 0).all()) and bool((found.outputs < 500).all())


def test_spikes_for_inputs_are_as_much_current_as_their_rate() -> None:
    """A fifth of a spike a step of 0.5 ms is 0.4 spikes a ms, each a charge of its weight times tau_syn."""
    one = LIF(1, 3, tau_syn=[3.0, 5.0, 8.0], spike_inputs=True, bias=False, dt=0.5, seed=1).double()
    other = LIF(1, 3, tau_syn=[3.0, 5.0, 8.0], bias=True, dt=0.5, seed=1).double()
    with torch.no_grad():
        other.w_in.zero_()
        other.bias.copy_(0.4 * one.tau_syn() * one.weights()[0][:, 0] / other.unit_in)
    y, u = torch.tensor([[100.0, 20.0, 50.0]]).double(), torch.full((1, 1), 0.2).double()
    found = [rate_map(cell, noise=3.0).step(y, u) for cell in (one, other)]
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-9)


def test_rate_map_refuses() -> None:
    with pytest.raises(ValueError, match=r"rate_map: `cell` must be of LIF units with a synaptic filter; got 'LIF'"):
        rate_map(units(1.0))
    with pytest.raises(ValueError, match=r"rate_map: `noise` must be a finite number above 0"):
        rate_map(LIF(1, 2), noise=0.0)
