"""Training steps as CUDA graphs: which may be recorded, and that they are the steps one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neurornn import GRU, LIF, LeakyRate, Network, train
from neurornn.fit import SGD, ActivityPenalty, Adam, CrossEntropy, Objective, SquaredError
from neurornn.fit.graphed import can_be_graphed
from tests.hold_pulse import HoldPulse

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
TASK = HoldPulse()


class Counting(SquaredError):
    """Somebody's own term: it may look at anything."""


class OwnCell(LeakyRate):
    """Somebody's own cell: its module is not ours."""


def network(noise: float = 0.0, cell: type = LeakyRate) -> Network:
    return Network(cell(TASK.n_in, 16, dt=TASK.dt), TASK.n_out, noise=noise)


def adam(of: Network) -> torch.optim.Optimizer:
    return Adam().build(of.parameters(), 1e-3)


def test_what_is_ours_may_be_recorded() -> None:
    own = network()
    terms = {"error": SquaredError(), "rates": ActivityPenalty()}
    assert can_be_graphed(own, Objective(terms), adam(own))
    assert can_be_graphed(own, Objective({"error": CrossEntropy()}), adam(own))


@pytest.mark.parametrize("what", ["term", "cell", "optimiser"])
def test_what_others_wrote_is_left_alone(what: str) -> None:
    own = network(cell=OwnCell if what == "cell" else LeakyRate)
    objective = Objective({"error": Counting() if what == "term" else SquaredError()})
    optimiser = SGD().build(own.parameters(), 1e-3) if what == "optimiser" else adam(own)
    assert not can_be_graphed(own, objective, optimiser)


def test_on_a_cpu_it_changes_nothing() -> None:
    fits = [train(network(), TASK, steps=8, device="cpu", graphed=one, progress=False) for one in (True, False)]
    assert fits[0].history.equals(fits[1].history)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("cell", ["rate", "gated", "spiking"])
def test_on_a_gpu_graphs_are_the_steps_one_by_one(cell: str, noise: float, tmp_path: Path) -> None:
    made = {
        "rate": lambda: LeakyRate(TASK.n_in, 16, dt=TASK.dt),
        "gated": lambda: GRU(TASK.n_in, 16, dt=TASK.dt),
        "spiking": lambda: LIF(TASK.n_in, 16, tau=100.0, tau_syn=40.0, dt=TASK.dt),
    }[cell]()
    own = Network(made, TASK.n_out, noise=noise)
    told = {"steps": 30, "device": "cuda", "validate_every": 10, "progress": False}
    fits = [train(own, TASK, graphed=one, **told) for one in (True, False)]
    losses = [fit.history["loss"].to_numpy() for fit in fits]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][-1] != losses[0][0]
    file = tmp_path / "half.ckpt"
    train(own, TASK, checkpoint=file, checkpoint_every=15, minutes=1e-9, **told)
    resumed = train(own, TASK, checkpoint=file, **told)
    np.testing.assert_allclose(resumed.history["loss"].to_numpy(), losses[0], rtol=1e-5)
