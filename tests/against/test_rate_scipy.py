"""Leaky rate units against an adaptive solver of ordinary differential equations."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from neurornn import Dense, Form, LeakyRate, generator
from tests.tolerances import FLOAT64, ORDER

N_IN, N_UNITS = 2, 10


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed)).double()


@pytest.mark.parametrize("form", [Form.RATE, Form.CURRENT], ids=str)
def test_halving_dt_halves_the_error_of_leaky_units(form: Form) -> None:
    """First order against an adaptive solver of order 8: dh/dt = (-h + F(h)) / tau."""
    tau = np.linspace(40.0, 120.0, N_UNITS)
    weight = Dense(N_UNITS, gain=1.5, seed=4).weight.detach().double()
    w_in, x = drawn(N_UNITS, N_IN, seed=6), torch.tensor([0.7, -0.4]).double()
    duration, rest = 160.0, 0.2 * drawn(1, N_UNITS, seed=7)

    def field(_: float, h: np.ndarray) -> np.ndarray:
        state, drive = torch.from_numpy(h), w_in @ x
        sent = torch.tanh(weight @ state + drive) if form is Form.RATE else weight @ torch.tanh(state) + drive
        return (-h + sent.numpy()) / tau

    truth = solve_ivp(field, (0.0, duration), rest[0].numpy(), method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    errors, steps = [], np.array([4.0, 2.0, 1.0, 0.5])
    for dt in steps:
        wiring = Dense(N_UNITS)
        cell = LeakyRate(N_IN, N_UNITS, tau=list(tau), dt=dt, nonlinearity="tanh", form=form, wiring=wiring).double()
        with torch.no_grad():
            wiring.weight.copy_(weight)
            cell.w_in.copy_(w_in)
            inputs = x.expand(1, int(duration / dt), N_IN)
            errors.append(float(np.abs(cell.rollout(inputs, (rest,))[1][0][0].numpy() - truth).max()))
    order = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(order - 1.0) < ORDER, errors


def test_a_unit_alone_decays_as_its_time_constant_says() -> None:
    """Without input and weights, h_t = (1 - dt/tau)^t h_0 exactly, which is exp(-t/tau) to first order."""
    cell = LeakyRate(1, 1, tau=50.0, dt=1.0, nonlinearity="identity", wiring=Dense(1, gain=0.0)).double()
    sent = cell.rollout(torch.zeros(1, 100, 1).double(), (torch.ones(1, 1).double(),))[0].detach()
    steps = torch.arange(1, 101).double()
    tau = cell.tau().detach()
    torch.testing.assert_close(sent[0, :, 0], (1 - 1 / tau) ** steps, **FLOAT64)
    assert float((sent[0, :, 0] - torch.exp(-steps / 50.0)).abs().max()) < 1 / 50.0 / 2
