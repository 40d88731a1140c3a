"""What a network spends, against its definition and against the loop that steps it; and the terms that ask for it."""

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn import (
    GRU,
    LIF,
    ActivityPenalty,
    AdaptiveLIF,
    Cut,
    Dale,
    Dense,
    DrivePenalty,
    Form,
    LeakyRate,
    Network,
    Objective,
    Silence,
    Stack,
    SynapsePenalty,
    Trials,
    Uniform,
    generator,
    spent,
    train,
)
from neurornn.energy import drives
from neurornn.perturb import Clamp, Current
from neurornn.task import ImageSequences
from tests.tolerances import EXACT, FLOAT32, FLOAT64


def a_network(n_units: int = 7, n_in: int = 5, **settings: object) -> Network:
    told = {"tau": 1.0, "dt": 1.0, "clamp_tau": True, "bias": False, "one_to_one": True, "seed": 3} | settings
    return Network(LeakyRate(n_in, n_units, **told), 2, seed=4).double()  # type: ignore[arg-type]


def some_trials(n_in: int = 5, n_steps: int = 6) -> Trials:
    inputs = torch.rand(4, n_steps, n_in, generator=generator(1)).double()
    return Trials(inputs, torch.zeros(4, n_steps, 2).double(), torch.ones(4, n_steps).double(), dt=1.0)


def test_each_channel_drives_its_own_unit_alone_and_stays_as_it_is() -> None:
    """The paper's equation, written out: a = h W + [x; 0], h = ReLU(a), with W from row to column."""
    network, trials = a_network(), some_trials()
    w = network.cell.weights()[1].detach().T
    h = torch.zeros(4, 7).double()
    run = network(trials.inputs)
    for t in range(trials.n_steps):
        a = h @ w + torch.cat([trials.inputs[:, t], torch.zeros(4, 2).double()], dim=1)
        torch.testing.assert_close(drives(network, run.activity, trials)[:, t], a, **FLOAT64)
        h = torch.relu(a)
        torch.testing.assert_close(run.activity[:, t], h, **FLOAT64)
    assert not network.cell.w_in.requires_grad
    before = network.cell.w_in.clone()
    small = a_network(9, 4).float()
    task = ImageSequences(length=2)
    cell = LeakyRate(task.n_in, task.n_in, tau=1.0, dt=1.0, clamp_tau=True, one_to_one=True)
    fit = train(
        Network(cell, task.n_out), task, steps=2, objective=Objective({"drive": DrivePenalty()}), progress=False
    )
    torch.testing.assert_close(fit.network.cell.w_in, torch.eye(task.n_in), **EXACT)
    assert not torch.equal(fit.network.cell.weights()[1], cell.weights()[1])
    torch.testing.assert_close(before, torch.eye(7, 5).double(), **EXACT)
    assert small.cell.weights()[0].sum() == 4


def test_more_channels_than_units_are_refused() -> None:
    with pytest.raises(
        ValueError, match="LeakyRate: `one_to_one` must be with a unit for each of 5 channels; got '4 u"
    ):
        LeakyRate(5, 4, one_to_one=True)


@pytest.mark.parametrize("form", list(Form))
def test_drives_are_those_of_the_loop(form: Form) -> None:
    """With a leak and a bias, for every form: the drive that `step` felt is recovered from what was sent."""
    network = a_network(form=form, tau=3.0, one_to_one=False, bias=True, nonlinearity="tanh")
    with torch.no_grad():
        network.cell.bias.copy_(torch.linspace(-1, 1, 7))
    trials = some_trials()
    state, felt = network.initial(4), []
    for x in trials.inputs.unbind(1):
        felt.append(network.cell.drive(x, network.cell.activity(state)))
        _, state = network.cell.step(x, state)
    found = drives(network, network(trials.inputs).activity, trials)
    torch.testing.assert_close(found, torch.stack(felt, 1), **FLOAT64)


def test_energies_are_their_sums() -> None:
    network, trials = a_network(), some_trials()
    energy = spent(network, trials)
    h, w = network(trials.inputs).activity.detach(), network.cell.weights()[1].detach()
    for k, t in ((0, 0), (1, 3), (3, 5)):
        each = sum(abs(float(h[k, t, i])) * abs(float(w[j, i])) for i in range(7) for j in range(7)) / 7
        assert float(energy.synapses[k, t]) == pytest.approx(each, rel=1e-10)
        assert float(energy.action[k, t]) == pytest.approx(float(h[k, t].abs().mean()), rel=1e-10)
    torch.testing.assert_close(energy.total, energy.action / 3 + 2 * energy.synapses / 3, **FLOAT64)
    torch.testing.assert_close(energy.drive[:, 0], trials.inputs[:, 0].sum(-1) / 7, **FLOAT64)
    few = spent(network, trials, n_units=5)
    u = drives(network, network(trials.inputs).activity, trials)[..., :5]
    torch.testing.assert_close(few.drive, u.abs().mean(-1).detach(), **FLOAT64)
    assert energy.frame().shape == (6, 4)


def test_energy_under_perturbations_is_that_of_the_changed_network() -> None:
    """Silenced: what they send is gone, what they receive is still paid for. Cut: as in the network without."""
    network, trials = a_network(), some_trials()
    silent = spent(network, trials, perturb=[Silence([1, 4])])
    cut = a_network()
    with torch.no_grad():
        cut.cell.wiring.weight[:, [1, 4]] = 0.0
    torch.testing.assert_close(silent.drive, spent(cut, trials).drive, **FLOAT64)
    assert bool((silent.action < spent(cut, trials).action).any())
    torch.testing.assert_close(
        spent(network, trials, perturb=[Cut([1, 4], incoming=False)]).drive, silent.drive, **FLOAT64
    )
    members = [(), Silence([1, 4]), Cut([2]), Current([0], 0.7), Clamp([3], 0.5)]
    stacked = spent(network, trials, perturb=[Stack(members)])
    for k, member in enumerate(members):
        alone = spent(network, trials, perturb=[member] if member else [])
        for part in ("drive", "action", "synapses"):
            torch.testing.assert_close(getattr(stacked, part)[k], getattr(alone, part), **FLOAT64)
    moved = spent(network, trials, perturb=[Current([0], 0.7)]).drive[:, 0] * 7
    torch.testing.assert_close(moved, trials.inputs[:, 0].sum(-1) + 0.7, **FLOAT64)


def test_the_terms_are_means_over_the_valid_steps() -> None:
    network, trials = a_network(), some_trials()
    run = network(trials.inputs)
    energy = spent(network, trials)
    terms = {"drive": DrivePenalty(), "synapses": SynapsePenalty(), "action": ActivityPenalty(1)}
    for part, term in terms.items():
        torch.testing.assert_close(term(run, trials, network), getattr(energy, part).mean(), **FLOAT64)
    valid = torch.ones(4, 6, dtype=torch.bool)
    valid[0, 3:] = False
    short = Trials(trials.inputs, trials.targets, trials.mask * valid, dt=1.0, valid=valid)
    for part, term in terms.items():
        expected = getattr(energy, part)[valid].mean()
        torch.testing.assert_close(term(run, short, network), expected, **FLOAT64)


def test_the_gradient_of_the_drive_is_its_derivative() -> None:
    network = a_network(5, 3, nonlinearity="softplus")
    trials = some_trials(3, 4)
    weight = network.cell.wiring.weight

    def loss(given: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            weight.copy_(given)
        return DrivePenalty()(network(trials.inputs), trials, network)

    at = weight.detach().clone()
    loss(at).backward()
    found = weight.grad.clone()
    for i, j in ((0, 1), (2, 2), (4, 0)):
        step = torch.zeros_like(at)
        step[i, j] = 1e-6
        slope = float((loss(at + step) - loss(at - step)).detach()) / 2e-6
        assert float(found[i, j]) == pytest.approx(slope, rel=1e-5, abs=1e-9)


def test_the_kernel_and_the_loop_have_one_gradient() -> None:
    """The fixed input weight is no parameter: what the fast pass gives for the recurrent one is the loop's."""
    grads = []
    for rollout in ("rollout", "loop"):
        network = a_network(16, 16).float()
        trials = some_trials(16)
        cell = network.cell
        activity, _ = getattr(cell, rollout)(trials.inputs.float(), cell.initial(4))
        drives(network, activity, trials).abs().mean().backward()
        grads.append(cell.wiring.weight.grad)
    torch.testing.assert_close(grads[0], grads[1], **FLOAT32)


@pytest.mark.parametrize("kind", [LIF, AdaptiveLIF])
def test_the_drive_of_spiking_units_is_their_synaptic_and_injected_current(kind: type) -> None:
    """Against the state of the loop: what a unit felt is what was left of its current, what came, and the input."""
    told = {"tau": 12.0, "tau_syn": [3.0, 5.0, 8.0, 4.0, 6.0], "dt": 1.0, "inject": True, "bias": False, "seed": 1}
    network = Network(kind(5, 5, wiring=Dense(5, gain=2.0, seed=2), **told), 2).double()
    inputs = 400.0 * torch.rand(3, 40, 5, generator=generator(4)).double()
    trials = Trials(inputs, torch.zeros(3, 40, 2).double(), torch.ones(3, 40).double(), dt=1.0)
    cell = network.cell
    run = network(inputs)
    assert float(run.activity.detach().sum()) > 20
    w_rec, kept = cell.weights()[1], torch.exp(-1.0 / cell.tau_syn())
    at = cell.parts.index("current")
    state, sent, felt = cell.initial(3), torch.zeros(3, 5).double(), []
    for x in inputs.unbind(1):
        felt.append(state[at] + sent @ w_rec.mT + x)
        sent, state = cell.step(x, state)
        torch.testing.assert_close(state[at], kept * (felt[-1] - x), **FLOAT64)
    torch.testing.assert_close(drives(network, run.activity, trials), torch.stack(felt, 1), **FLOAT64)
    DrivePenalty()(network(inputs), trials, network).backward()
    assert float(cell.wiring.weight.grad.abs().sum()) > 0


def test_spikes_that_come_in_are_filtered_as_those_within() -> None:
    network = Network(LIF(3, 5, spike_inputs=True, tau_syn=[3.0, 5.0, 8.0, 4.0, 6.0], seed=1), 2).double()
    inputs = (torch.rand(2, 40, 3, generator=generator(4)) < 0.3).double()
    trials = Trials(inputs, torch.zeros(2, 40, 2).double(), torch.ones(2, 40).double(), dt=1.0)
    cell = network.cell
    w_in, w_rec, *_ = cell.weights()
    state, sent, felt = cell.initial(2), torch.zeros(2, 5).double(), []
    for x in inputs.unbind(1):
        felt.append(state[cell.parts.index("current")] + sent @ w_rec.mT + x @ w_in.mT)
        sent, state = cell.step(x, state)
    torch.testing.assert_close(drives(network, network(inputs).activity, trials), torch.stack(felt, 1), **FLOAT64)


def test_what_has_no_drive_or_an_unknown_start_is_refused() -> None:
    trials = some_trials()
    with pytest.raises(ValueError, match=r"drives: `network` must be of LeakyRate units, or .*; got 'GRU'. Gated"):
        drives(Network(GRU(5, 4), 2).double(), torch.zeros(4, 6, 4).double(), trials)
    energy = spent(Network(GRU(5, 4), 2).double(), trials)
    assert energy.drive is None and energy.frame()["drive"].isna().all() and float(energy.action.mean()) > 0
    with pytest.raises(ValueError, match=r"Energy.paid: `what` must be an energy that this network has; got 'drive'"):
        energy.paid("drive")
    scattered = Network(LeakyRate(5, 4), 2, scatter=Uniform(0.0, 0.1)).double()
    with pytest.raises(ValueError, match=r"drives: `network.scatter` must be absent; got Uniform.*scatter=None"):
        spent(scattered, trials)


def test_the_law_of_dale_is_counted_as_it_is_wired() -> None:
    network = a_network(10, 4, wiring=Dale(Dense(10, seed=2)))
    weights = network.cell.weights()[1].detach()
    energy = spent(network, some_trials(4))
    h = network(some_trials(4).inputs).activity.detach()
    expected = (h.abs() @ weights.abs().T).mean(-1)
    np.testing.assert_allclose(energy.synapses.numpy(), expected.numpy(), rtol=1e-10)


def test_a_spike_costs_as_many_operations_as_it_has_synapses() -> None:
    cell = nr.LIF(1, 4, wiring=nr.Masked(nr.Dense(4), torch.tensor([[0, 1, 0, 1]] * 2 + [[0, 1, 0, 0]] * 2).bool()))
    network = nr.Network(cell, 2)
    spikes = torch.zeros(3, 10, 4)
    spikes[0, :5, 1] = 1  # five spikes, four synapses each
    spikes[1, :2, 3] = 1  # two spikes, two synapses each
    spikes[2, :, 0] = 1  # a unit that nobody listens to
    assert nr.synaptic_operations(network, spikes).tolist() == [20.0, 4.0, 0.0]
    assert nr.synaptic_operations(network, spikes, readout=True).tolist() == [30.0, 8.0, 20.0]
    assert nr.synaptic_operations(network, spikes[None].expand(2, -1, -1, -1)).shape == (2, 3)


def test_rate_units_have_no_synaptic_operations() -> None:
    with pytest.raises(ValueError, match="synaptic_operations: `network` must be of spiking units; got 'LeakyRate'"):
        nr.synaptic_operations(nr.Network(nr.LeakyRate(1, 3), 1), torch.zeros(1, 2, 3))
