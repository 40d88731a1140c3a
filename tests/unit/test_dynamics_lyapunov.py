"""Spectra of maps and networks: what they hold, what they refuse, and the diagnosis before training."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from neurornn import GRU, LSTM, Dense, LeakyRate, Map, Network, chaos, flow_map, generator, lyapunov
from neurornn.dynamics import as_map, flat, henon, logistic, mean_field_flow, mean_field_map, parted
from neurornn.errors import Diverged
from tests.tolerances import FLOAT64


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


CELLS = {
    "rate": lambda: LeakyRate(2, 6, tau=50.0, dt=10.0, nonlinearity="tanh"),
    "current": lambda: LeakyRate(2, 6, tau=50.0, dt=10.0, form="current", nonlinearity="softplus"),
    "update": lambda: LeakyRate(2, 6, tau=50.0, dt=10.0, form="update", nonlinearity="sigmoid"),
    "GRU": lambda: GRU(2, 6, dt=10.0),
    "LSTM": lambda: LSTM(2, 6, dt=10.0),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_map_is_the_step_of_its_cell(name: str) -> None:
    cell = CELLS[name]().double()
    step = as_map(Network(cell, 3).double())
    x, u = drawn(4, step.n_state), drawn(4, 2, seed=1)
    state = parted(x, cell.initial(4))
    sent, after = cell.step(u, state)
    torch.testing.assert_close(step(x, u), flat(after), **FLOAT64)
    assert step.sends is not None and step.read is not None
    torch.testing.assert_close(step.sends(flat(after)), sent, **FLOAT64)
    assert step.read(x).shape == (4, 3)
    exact = torch.func.vmap(torch.func.jacrev(lambda one, by: step(one[None], by[None])[0]))(x, u)
    torch.testing.assert_close(step.jacobian(x, u), exact, **FLOAT64)
    by = torch.func.vmap(torch.func.jacrev(lambda one, by: step(one[None], by[None])[0], argnums=1))(x, u)
    torch.testing.assert_close(step.input_jacobian(x, u), by, **FLOAT64)
    vectors = drawn(5, 4, step.n_state, seed=2)
    torch.testing.assert_close(step.pushed(x, vectors, u)[1], torch.einsum("pij,vpj->vpi", exact, vectors), **FLOAT64)


def test_a_network_is_left_as_it_was() -> None:
    network = Network(CELLS["GRU"](), 2)
    lyapunov(network, steps=20, transient=5, align=5)
    assert all(p.requires_grad and p.dtype is torch.float32 and p.grad is None for p in network.parameters())


def test_exponents_are_per_ms_and_come_with_errors_and_a_course() -> None:
    found = lyapunov(CELLS["rate"](), steps=100, transient=20, align=20, every=7, n_exponents=3, n_trials=4)
    assert found.trials.shape == (4, 3) and found.n_state == 6 and found.dt == 10.0
    np.testing.assert_allclose(found.per_step, 10 * found.exponents, **FLOAT64)
    np.testing.assert_allclose(found.running[-1], found.exponents, **FLOAT64)
    assert found.times[-1] == 1000.0 and len(found.times) == 15
    table = found.frame()
    assert list(table.columns) == ["exponent", "error", "per_step", "time"] and len(table) == 3
    assert bool((np.diff(found.exponents) <= 0).all())
    assert "100 steps of 10 ms" in found.methods and found.tangent == "exact"


def test_how_often_vectors_are_made_orthogonal_does_not_matter() -> None:
    wiring = Dense(20, gain=3.0)
    cell = LeakyRate(1, 20, tau=10.0, dt=10.0, nonlinearity="tanh", wiring=wiring)
    seldom, often = (
        lyapunov(cell, steps=200, transient=50, align=50, every=every, n_exponents=5).exponents for every in (5, 1)
    )
    np.testing.assert_allclose(seldom, often, rtol=1e-6)


def test_the_dimension_of_a_fixed_point_is_zero_and_of_too_few_exponents_unknown() -> None:
    matrix = torch.diag(torch.tensor([2.0, 1.5, 0.1], dtype=torch.float64))
    step = Map(lambda x: x @ matrix, 3)
    told = {"start": torch.zeros(1, 3), "steps": 20, "transient": 0, "align": 20}
    whole = lyapunov(step, **told)  # type: ignore[arg-type]
    np.testing.assert_allclose(whole.dimension, 2 + math.log(3.0) / -math.log(0.1), rtol=1e-9)
    assert math.isnan(lyapunov(step, n_exponents=2, **told).dimension)  # type: ignore[arg-type]
    assert lyapunov(Map(lambda x: x / 2, 2), steps=10, transient=0, align=2).dimension == 0
    assert lyapunov(Map(lambda x: 2 * x, 2), start=torch.zeros(1, 2), steps=9, transient=0, align=2).dimension == 2


def test_a_flow_follows_its_equation_at_fourth_order() -> None:
    def error(dt: float) -> float:
        swing = flow_map(lambda x: torch.stack([x[..., 1], -x[..., 0]], -1), 2, dt=dt)
        end = swing.trajectory(torch.tensor([[1.0, 0.0]], dtype=torch.float64), round(2 / dt))[0, -1]
        return float((end - torch.tensor([math.cos(2), -math.sin(2)], dtype=torch.float64)).norm())

    assert abs(math.log2(error(0.2) / error(0.1)) - 4) < 0.15


def gained(gain: float, n: int = 80) -> Network:
    wiring = Dense(n, gain=gain)
    return Network(LeakyRate(1, n, tau=20.0, dt=20.0, nonlinearity="tanh", wiring=wiring), 1)


def test_gradients_of_a_chaotic_network_grow_as_its_exponent_says() -> None:
    found = chaos(gained(3.0), 0.1 * drawn(4, 120, 1))
    assert found.chaotic and found.horizon < found.duration
    assert 0.5 < found.growth / found.spectrum.largest < 1.7
    assert "Start with trials of at most" in found.summary()
    assert list(found.frame().columns) == ["steps", "time", "gradient", "memory"]


def test_a_quiet_network_forgets_and_one_between_needs_no_advice() -> None:
    quiet = chaos(gained(0.5), 0.1 * drawn(4, 120, 1))
    assert not quiet.chaotic and "fades" in quiet.summary() and quiet.growth < 0
    slow = LeakyRate(1, 20, tau=4000.0, dt=20.0, nonlinearity="tanh", wiring=Dense(20, gain=0.1))
    assert chaos(Network(slow, 1), 0.1 * drawn(2, 30, 1)).advice == ()


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Map(torch.tanh, 0), r"Map: `n_state` must be a whole number"),
        (lambda: Map(torch.tanh, 1, -1), r"Map: `n_in` must be a whole number, 0 or above; got -1"),
        (lambda: Map(torch.tanh, 1, dt=0.0), r"Map: `dt` must be a finite number above 0"),
        (lambda: flow_map(torch.tanh, 1, dt=-1.0), r"flow_map: `dt` must be a finite number above 0; got -1.0"),
        (lambda: Map(torch.tanh, 1).trajectory(drawn(1, 1), 0), r"Map.trajectory: `n_steps` must be a whole number"),
        (lambda: lyapunov(torch.tanh), r"as_map: `system` must be a network, a cell or a map; got .*Wrap a function"),
        (lambda: lyapunov(henon(), n_exponents=3), r"lyapunov: `n_exponents` must be at most the size of the state, 2"),
        (lambda: lyapunov(henon(), n_exponents=-1), r"lyapunov: `n_exponents` must be a whole number"),
        (lambda: lyapunov(henon(), steps=0), r"lyapunov: `steps` must be a whole number, 1 or above; got 0"),
        (lambda: lyapunov(henon(), transient=-1), r"lyapunov: `transient` must be a whole number"),
        (lambda: lyapunov(henon(), n_trials=0), r"lyapunov: `n_trials` must be a whole number"),
        (lambda: lyapunov(henon(), start=drawn(1, 3)), r"lyapunov: `start` must be of shape \(trial, 2\)"),
        (lambda: lyapunov(CELLS["GRU"](), drawn(1, 5, 3)), r"lyapunov: `inputs` must be of shape \(trial, time, 2\)"),
        (
            lambda: lyapunov(CELLS["GRU"](), drawn(1, 500, 2)),
            r"lyapunov: `inputs` must be longer than `transient` \+ `align`, 700 steps; got '500 steps'",
        ),
        (lambda: chaos(gained(1.0), drawn(1, 5, 1)), r"chaos: `inputs` must be of shape .* 10 steps or more"),
        (lambda: chaos(gained(1.0), drawn(1, 20, 1), n_lengths=1), r"chaos: `n_lengths` must be a whole number, 4"),
        (lambda: logistic(rate=5.0), r"logistic: `rate` must be above 0 and at most 4; got 5.0"),
        (lambda: mean_field_map(0.0), r"mean_field_map: `gain` must be a finite number above 0"),
        (lambda: mean_field_flow(-1.0), r"mean_field_flow: `gain` must be a finite number above 0"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_trajectory_that_leaves_is_told() -> None:
    with pytest.raises(Diverged, match=r"lyapunov: the trajectory of Henon is not finite after .* steps. Start closer"):
        lyapunov(henon(), start=torch.full((1, 2), 9.0), progress=False)
