"""Steps solved together are the steps taken one by one: values, gradients, training, and where it must not be used."""

import pytest
import torch
from torch import Tensor

from neurornn import GRU, LIF, LSTM, Dense, FlipFlop, Intervention, LeakyRate, Network, Newton, generator, train
from neurornn.cell import AbstractCell, in_parallel
from neurornn.cell.parallel import scan
from neurornn.errors import NotConverged
from tests.tolerances import EXACT


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def rate(gain: float = 0.9, n: int = 10, **settings: object) -> LeakyRate:
    told = {"tau": 50.0, "dt": 10.0, "nonlinearity": "tanh", "wiring": Dense(n, gain=gain), **settings}
    return LeakyRate(2, n, **told)  # type: ignore[arg-type]


CELLS = {
    "rate": rate,
    "current": lambda: rate(form="current", train_tau=True),
    "update": lambda: rate(form="update"),
    "GRU": lambda: GRU(2, 8),
    "LSTM": lambda: LSTM(2, 8),
}
METHODS = {
    "full": Newton(tolerance=1e-10),
    "diagonal": Newton(diagonal=True, tolerance=1e-10, sweeps=200),
    "damped": Newton(damping=0.2, tolerance=1e-10, sweeps=200),
    "damped diagonal": Newton(diagonal=True, damping=0.1, tolerance=1e-10, sweeps=200),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients_are_those_of_the_loop(name: str, method: str) -> None:
    cell: AbstractCell = CELLS[name]().double()
    x, noise = drawn(3, 41, 2).requires_grad_(), 0.1 * drawn(3, 41, cell.n_units, seed=1)
    state = tuple(0.3 * drawn(3, cell.n_units, seed=2 + i).requires_grad_() for i in range(len(cell.initial(1))))
    given = [*(p for p in cell.parameters() if p.requires_grad), x, *state]
    weight = drawn(3, 41, cell.n_units, seed=9)

    sent, last = cell.loop(x, state, noise)
    wanted = torch.autograd.grad((sent * weight).sum() + last[0].sum(), given)
    found = in_parallel(cell, x, state, noise, how=METHODS[method])
    assert found.converged and found.largest < 0
    torch.testing.assert_close(found.activity, sent, rtol=0, atol=1e-8)
    got = torch.autograd.grad((found.activity * weight).sum() + found.state[0].sum(), given)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 8, 13])
def test_the_scan_is_the_recurrence(n_steps: int) -> None:
    for slopes in (drawn(2, n_steps, 4, 4), drawn(2, n_steps, 4)):
        offset = drawn(2, n_steps, 4, seed=1)
        s, kept = offset[:, 0], [offset[:, 0]]
        for t in range(1, n_steps):
            s = ((slopes[:, t] @ s[..., None])[..., 0] if slopes.ndim == 4 else slopes[:, t] * s) + offset[:, t]
            kept.append(s)
        torch.testing.assert_close(scan(slopes, offset), torch.stack(kept, 1), rtol=1e-9, atol=1e-9)


def test_a_linear_cell_takes_two_sweeps() -> None:
    """One to solve it, one to see that it is solved."""
    cell = rate(nonlinearity="identity", form="current").double()
    found = in_parallel(cell, drawn(2, 64, 2), cell.double().initial(2), how=Newton(tolerance=1e-10))
    assert found.converged and found.sweeps == 2


def test_chaos_is_refused_or_taken_step_by_step() -> None:
    cell = rate(gain=6.0, n=40, tau=10.5).double()
    x = 0.1 * drawn(2, 200, 2)
    state = (drawn(2, 40, seed=3),)
    found = in_parallel(cell, x, state, how=Newton())
    assert not found.converged and found.largest > 0.05 and found.sweeps == 0
    torch.testing.assert_close(found.activity, cell.rollout(x, state)[0], **EXACT)
    with pytest.raises(NotConverged, match=r"not solved together: the largest exponent is 0\.\d+ a step"):
        in_parallel(cell, x, state, how=Newton(strict=True))
    blind = in_parallel(cell, x, state, how=Newton(look=False, sweeps=20))
    assert not blind.converged and blind.largest != blind.largest
    torch.testing.assert_close(blind.activity, found.activity, **EXACT)


def test_too_few_sweeps_are_told() -> None:
    with pytest.raises(NotConverged, match=r"in_parallel: the steps were not solved together: 2 sweeps"):
        how = Newton(sweeps=2, tolerance=1e-9, strict=True)
        in_parallel(rate(), drawn(2, 60, 2).float(), rate().initial(2), how=how)


def test_a_network_runs_and_trains_so() -> None:
    task = FlipFlop(n_bits=2, duration=400.0)
    network = Network(LeakyRate(2, 12, tau=60.0, dt=20.0, nonlinearity="tanh"), 2)
    trials = task.sample(4, generator=generator(0))
    run = network(trials.inputs, parallel=Newton())
    assert run.solved is not None and run.solved.converged
    torch.testing.assert_close(run.outputs, network(trials.inputs).outputs, rtol=0, atol=1e-4)
    told = {"steps": 20, "batch": 8, "seed": 1, "progress": False}
    plain = train(network, task, **told)  # type: ignore[arg-type]
    fits = [train(network, task, parallel=Newton(look=False, tolerance=1e-7), chunk=c, **told) for c in (0, 7)]  # type: ignore[arg-type]
    for fit in fits:
        losses = [torch.tensor(one.history["loss"].to_numpy()) for one in (fit, plain)]
        torch.testing.assert_close(*losses, rtol=1e-3, atol=0)
    assert fits[0].recipe["training"]["parallel"]["type"] == "Newton"


@pytest.mark.usefixtures("as_users_run")
def test_refusals() -> None:
    for settings, message in (
        ({"damping": 1.5}, r"Newton: `damping` must be a number in \[0, 1\]"),
        ({"tolerance": 0.0}, r"Newton: `tolerance` must be a finite number above 0"),
        ({"sweeps": 0}, r"Newton: `sweeps` must be a whole number"),
    ):
        with pytest.raises(ValueError, match=message):
            Newton(**settings)  # type: ignore[arg-type]
    cell = LIF(2, 4)
    with pytest.raises(ValueError, match=r"in_parallel: `cell` must be one whose step has a derivative; got 'LIF'"):
        in_parallel(cell, drawn(1, 5, 2).float(), cell.initial(1), how=Newton())
    network = Network(rate(), 1)
    lesion = Intervention(gain=torch.zeros(1, 1, 10))
    with pytest.raises(ValueError, match=r"Network: `parallel` must be absent with perturbations or voltages"):
        network(drawn(1, 5, 2).float(), perturb=lesion, parallel=Newton())
