"""What every way of pruning promises, on rate and spiking networks of every wiring that it serves."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn.perturb import Silence
from tests.tolerances import EXACT, FLOAT32

N, N_IN, STEPS, TRIALS = 24, 3, 30, 4
INPUTS = torch.randn(TRIALS, STEPS, N_IN, generator=nr.generator(5))

NETWORKS: dict[str, Callable[[], nr.Network]] = {
    "rate": lambda: nr.Network(nr.LeakyRate(N_IN, N, tau=nr.Gamma(60.0, 0.5, least=20.0), nonlinearity="tanh"), 2),
    "dale": lambda: nr.Network(nr.LeakyRate(N_IN, N, nonlinearity="tanh", wiring=nr.Dale(nr.Dense(N))), 2, n_start=2),
    "sparse": lambda: nr.Network(nr.LeakyRate(N_IN, N, wiring=nr.Sparse(nr.Dense(N), density=0.5)), 2),
    "lif": lambda: nr.Network(nr.LIF(N_IN, N, tau=nr.Gamma(20.0, 0.5, least=2.0)), 2, readout=nr.LeakyIntegrator()),
    "delays": lambda: nr.Network(nr.AdaptiveLIF(N_IN, N, delay=nr.Uniform(1.0, 4.0)), {"a": 1, "b": 2}),
}
METHODS: dict[str, Callable[[], nr.AbstractPruning]] = {
    "random": nr.RandomPruning,
    "random full": lambda: nr.RandomPruning(rescale="full"),
    "magnitude": nr.MagnitudePruning,
    "magnitude radius": lambda: nr.MagnitudePruning(rescale="radius"),
    "activity": lambda: nr.ActivityPruning(10 * INPUTS.abs(), start=torch.ones(TRIALS, 2)),
    "activity synapses": lambda: nr.ActivityPruning(10 * INPUTS.abs(), start=torch.ones(TRIALS, 2), drop="synapses"),
    "noise": nr.NoisePruning,
    "noise simulated": lambda: nr.NoisePruning(nr.SimulatedCovariance(frames=5, progress=False), rescale="full"),
    "noise shuffled": lambda: nr.NoisePruning(shuffled=True),
    "noise by weight": lambda: nr.NoisePruning(score="weight", rescale="none"),
    "lyapunov": lambda: nr.LyapunovNoisePruning(evaluations=2, steps=10, n_exponents=3),
    "lyapunov bare": lambda: nr.LyapunovNoisePruning(size="even", units=0.0, repair=False, retime=False),
}
RETIMED = {"lyapunov"}
"""Methods that choose time constants anew."""
DRAWN = {"lyapunov", "lyapunov bare", "noise", "noise simulated", "noise shuffled", "noise by weight"}
"""Methods that draw each connection on its own reach a density only on average."""


@pytest.fixture(params=NETWORKS, ids=str)
def network(request: pytest.FixtureRequest) -> nr.Network:
    return NETWORKS[request.param]()


@pytest.fixture(params=METHODS, ids=str)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def start_of(network: nr.Network) -> torch.Tensor | None:
    return torch.ones(TRIALS, network.n_start) if network.n_start else None


def outputs(network: nr.Network) -> torch.Tensor:
    return network(INPUTS, start=start_of(network)).outputs.detach()


def test_it_reaches_its_density_and_leaves_the_original_alone(network: nr.Network, name: str) -> None:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pruned = nr.prune(network, METHODS[name](), density=0.3, seed=2)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, before[key], **EXACT)
    dense = network.cell.wiring().detach().numpy()
    off = ~np.eye(N, dtype=bool)
    assert not (pruned.mask & (dense == 0) & off).any(), "it invented connections"
    assert pruned.density == (pruned.mask & off).sum() / ((dense != 0) & off).sum()
    slack = 0.08 if name == "activity" or name in DRAWN else 0.002
    assert abs(pruned.density - 0.3) < slack
    assert pruned.frame().set_index("synapses").loc["all", "kept"] < sum(p.numel() for p in network.parameters())


def test_the_same_seed_gives_the_same_network(network: nr.Network, name: str) -> None:
    first, again = (nr.prune(network, METHODS[name](), density=0.5, seed=3) for _ in range(2))
    assert np.array_equal(first.mask, again.mask)
    torch.testing.assert_close(outputs(first.network), outputs(again.network), **EXACT)


def test_the_new_network_holds_the_mask_and_all_else_as_it_was(network: nr.Network, name: str) -> None:
    pruned = nr.prune(network, METHODS[name](), density=0.4, seed=1)
    new, units = pruned.network, pruned.units
    weights = new.cell.wiring().detach().numpy()
    assert np.array_equal(weights != 0, pruned.mask[np.ix_(units, units)])
    old_in, old_out = network.cell.weights()[0], network.readout
    torch.testing.assert_close(new.cell.weights()[0], old_in[units], **EXACT)
    torch.testing.assert_close(new.readout, old_out[:, units], **EXACT)
    if name not in RETIMED:
        torch.testing.assert_close(new.cell.tau(), network.cell.tau()[units], **EXACT)
    signs = np.sign(network.cell.wiring().detach().numpy()[np.ix_(units, units)])
    between = (weights != 0) & ~np.eye(len(units), dtype=bool)
    assert (np.sign(weights) == signs)[between].all()


def test_what_was_cut_stays_cut_in_training(network: nr.Network, name: str) -> None:
    new = nr.prune(network, METHODS[name](), density=0.4, seed=1).network
    before = new.cell.wiring().detach().clone()
    optimiser = torch.optim.AdamW(new.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(5):
        optimiser.zero_grad()
        (new(3 * INPUTS, start=start_of(new)).outputs - 1).square().mean().backward()
        optimiser.step()
    after = new.cell.wiring().detach()
    assert bool((after[before == 0] == 0).all())
    assert not torch.equal(after, before), "nothing was learnt"


def test_it_can_be_written_down_and_read_back(network: nr.Network, name: str) -> None:
    new = nr.prune(network, METHODS[name](), density=0.4, seed=1).network
    again = nr.build(nr.describe(new))
    again.load_state_dict(new.state_dict())
    torch.testing.assert_close(outputs(again), outputs(new), **EXACT)
    fresh = new.untrained(4).cell.wiring()
    assert torch.equal(fresh != 0, new.cell.wiring() != 0)


def test_everything_kept_is_the_network_itself(network: nr.Network) -> None:
    for method in (nr.RandomPruning(), nr.MagnitudePruning(rescale="radius")):
        pruned = nr.prune(network, method, density=1.0)
        assert pruned.density == 1.0
        torch.testing.assert_close(outputs(pruned.network), outputs(network), **FLOAT32)


def test_without_units_it_runs_as_if_they_were_silenced() -> None:
    network = NETWORKS["rate"]()
    pruned = nr.prune(network, METHODS["activity"](), density=0.4)
    dropped = sorted(set(range(N)) - set(pruned.units.tolist()))
    assert len(dropped) > 3
    silenced = network(INPUTS, perturb=[Silence(dropped)]).outputs.detach()
    torch.testing.assert_close(outputs(pruned.network), silenced, **FLOAT32)


def test_weights_of_low_rank_are_cut_but_never_rescaled() -> None:
    network = nr.Network(nr.LeakyRate(N_IN, N, nonlinearity="tanh", wiring=nr.LowRank(N, rank=2, gain=2.0)), 1)
    kept = nr.prune(network, METHODS["activity"](), density=0.3)
    assert 4 < len(kept.units) < N
    weights = network.cell.wiring()[kept.units][:, kept.units]
    torch.testing.assert_close(kept.network.cell.wiring(), weights, **FLOAT32)
    with pytest.raises(ValueError, match="prune: `weights` must be as they were, for a wiring of low rank"):
        nr.prune(network, nr.RandomPruning(rescale="full"))
