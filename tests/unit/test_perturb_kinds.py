"""Perturbations held against closed forms."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group

from neurornn._types import generator
from neurornn.cell import GRU, LIF, LeakyRate
from neurornn.energy import drives
from neurornn.network import Network
from neurornn.perturb import (
    AblateSynapses,
    AddNoise,
    Always,
    Clamp,
    Current,
    DelayInput,
    Drop,
    During,
    Freeze,
    InTrials,
    Playback,
    RemoveSubspace,
    Retune,
    Rotate,
    ShuffleBeyond,
    Silence,
    Stack,
    Trigger,
    WeightNoise,
    carried_variance,
    matched_subspaces,
)
from neurornn.trials import Trials
from neurornn.wiring import Dale, Dense
from tests.tolerances import FLOAT32


def echo(n: int = 3, n_in: int = 1) -> Network:
    """Return units that send their input at once, and hear nobody."""
    network = Network(LeakyRate(n_in, n, tau=10.0, dt=10.0, nonlinearity="identity", clamp_tau=True), 1)
    with torch.no_grad():
        network.cell.get_parameter("wiring.weight").zero_()
        network.cell.get_parameter("w_in").fill_(1.0)
    return network.requires_grad_(False)


def pulse(at: int, n_steps: int = 12) -> torch.Tensor:
    inputs = torch.zeros(2, n_steps, 1)
    inputs[0, at] = 1.0
    return inputs


def test_loop_closes_one_step_after_what_it_waits_for_and_for_as_long_as_it_says() -> None:
    act = Clamp([2], 5.0, Trigger([0], above=0.5, lasting=30.0))
    sent = echo()(pulse(4), perturb=[act]).activity[..., 2]
    assert sent[0].tolist() == [0, 0, 0, 0, 1, 5, 5, 5, 0, 0, 0, 0]
    assert bool((sent[1] == 0).all())
    late = Clamp([2], 5.0, Trigger([0], above=0.5, lasting=20.0, delay=20.0))
    assert echo()(pulse(4), perturb=[late]).activity[0, :, 2].tolist() == [0, 0, 0, 0, 1, 0, 0, 5, 5, 0, 0, 0]
    driven = Current([1], 2.0, Trigger([0], above=0.5, lasting=10.0))
    assert echo()(pulse(4), perturb=[driven]).activity[0, :, 1].tolist() == [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0]


def test_loop_waits_until_it_is_armed_and_counts_again_when_it_is_done() -> None:
    steady = torch.ones(1, 12, 1)
    again = Silence([1], Trigger([0], above=0.5, lasting=20.0))
    assert echo()(steady, perturb=[again]).activity[0, :, 1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    own = Silence([0], Trigger([0], above=0.5, lasting=20.0))
    assert echo()(steady, perturb=[own]).activity[0, :, 0].tolist() == [1, 0, 0] * 4
    armed = Silence([1], Trigger([0], above=0.5, lasting=200.0, armed=During(60.0, 90.0)))
    assert echo()(steady, perturb=[armed]).activity[0, :, 1].tolist() == [1] * 6 + [0] * 6


def test_loop_in_a_stack_and_in_a_part_of_the_trials() -> None:
    network = echo()
    act = Clamp([2], 5.0, Trigger([0], above=0.5, lasting=30.0))
    stacked = network(pulse(4), perturb=[Stack([(), act, Current([0], 1.0)])]).activity
    torch.testing.assert_close(stacked[1], network(pulse(4), perturb=[act]).activity)
    torch.testing.assert_close(stacked[0], network(pulse(4)).activity)
    part = act.intervention(network, 2, 12).part(slice(1, 2))
    torch.testing.assert_close(network(pulse(4)[1:], perturb=part).activity, network(pulse(4)[1:]).activity)


def test_frozen_units_repeat_what_they_sent_last() -> None:
    inputs = torch.arange(1.0, 9.0)[None, :, None]
    sent = echo()(inputs, perturb=[Freeze([1], During(30.0, 60.0))]).activity[0]
    assert sent[:, 1].tolist() == [1, 2, 3, 3, 3, 3, 7, 8]
    assert sent[:, 0].tolist() == list(range(1, 9))


def test_played_back_units_keep_what_they_should_and_lose_the_rest() -> None:
    network = echo()
    inputs = torch.randn(6, 9, 1, generator=generator(0))
    intact = network(inputs)
    own = intact.activity[..., [1]].double().numpy()
    trial = network(inputs, perturb=[Playback.trial_mean([1], intact)]).activity[..., [1]].numpy()
    np.testing.assert_allclose(trial, np.broadcast_to(own.mean(1, keepdims=True), trial.shape), rtol=1e-5, atol=1e-7)
    course = network(inputs, perturb=[Playback.time_course([1], intact)]).activity[..., [1]].numpy()
    np.testing.assert_allclose(course, np.broadcast_to(own.mean(0, keepdims=True), course.shape), rtol=1e-5, atol=1e-7)
    other = network(inputs, perturb=[Playback.resampled([1], intact, seed=3)]).activity[..., 1].numpy()
    which = [int(np.abs(own[..., 0] - row).sum(1).argmin()) for row in other]
    assert sorted(which) == list(range(6)) and all(a != b for a, b in enumerate(which))
    np.testing.assert_allclose(np.sort(other, axis=0), np.sort(own[..., 0], axis=0), rtol=1e-6)


def test_inputs_are_dropped_delayed_and_shuffled() -> None:
    network, inputs = echo(), torch.arange(1.0, 9.0).repeat(3, 1)[..., None]

    def heard(act: object) -> list[float]:
        return network(inputs, perturb=[act]).activity[0, :, 0].tolist()  # type: ignore[list-item]

    assert heard(Drop([0], During(20.0, 40.0))) == [1, 2, 0, 0, 5, 6, 7, 8]
    assert heard(Drop([0], During(20.0, 40.0), keep_mean=True)) == [1, 2, 4.5, 4.5, 5, 6, 7, 8]
    assert heard(DelayInput([0], 30.0)) == [1, 1, 1, 1, 2, 3, 4, 5]
    assert heard(ShuffleBeyond([0], 30.0, drop=True)) == [0, 0, 0, 0, 0, 6, 7, 8]
    sent = network(inputs, perturb=[ShuffleBeyond([0], 30.0, seed=1)]).activity[..., 0]
    assert sent[:, 5:].tolist() == inputs[:, 5:, 0].tolist()
    assert torch.equal(sent[:, :5].sort(dim=1).values, inputs[:, :5, 0])
    assert not torch.equal(sent[0], sent[1])
    stack = network(inputs, perturb=[Stack([Drop([0]), ()])]).activity
    assert bool((stack[0] == 0).all()) and torch.equal(stack[1], network(inputs).activity)
    some = DelayInput([0], 30.0).intervention(network, 3, 8).part(slice(0, 2))
    assert torch.equal(network(inputs[:2], perturb=some).activity[0, :, 0], torch.tensor([1.0, 1, 1, 1, 2, 3, 4, 5]))


def test_noise_has_the_power_that_was_asked_for() -> None:
    network, inputs = echo(8), torch.ones(200, 50, 1)
    for at, mean in (("drive", 1.0), ("sent", 1.0), ("gain", 1.0)):
        sent = network(inputs, perturb=[AddNoise([0, 1, 2, 3], 0.5, at)]).activity
        assert float(sent[..., :4].std()) == pytest.approx(0.5, rel=0.02)
        assert float(sent[..., :4].mean()) == pytest.approx(mean, abs=0.01)
        assert float(sent[..., 4:].std()) == 0.0
    shared = network(inputs, perturb=[AddNoise(range(4), 0.5, "sent", total=True)]).activity[..., :4] - 1.0
    assert float(shared.square().sum(-1).mean()) == pytest.approx(0.25, rel=0.02)
    act = WeightNoise([1, 2], 0.3, seed=2).intervention(Network(LeakyRate(1, 200), 1), 1, 1)
    assert act.synapses is not None
    assert float(act.synapses[[1, 2]].std()) == pytest.approx(0.3, rel=0.1) and bool((act.synapses[3:] == 1).all())


def test_changed_time_constants_decay_as_they_should() -> None:
    cell = LeakyRate(1, 2, tau=100.0, dt=1.0, nonlinearity="identity", wiring=Dense(2, gain=0.0))
    state = (torch.ones(1, 2),)
    network = Network(cell, 1)
    run = network(torch.zeros(1, 100, 1), state=state, perturb=[Retune([1], "tau", 0.5)])
    torch.testing.assert_close(run.activity[0, -1], torch.tensor([0.99**100, 0.98**100]), rtol=1e-4, atol=0.0)
    shifted = network(torch.zeros(1, 100, 1), state=state, perturb=[Retune([1], "tau", shift=-50.0)])
    torch.testing.assert_close(shifted.activity, run.activity)
    lowered = network(torch.zeros(1, 400, 1), perturb=[Retune([0], "bias", shift=2.0)])
    torch.testing.assert_close(lowered.activity[0, -1], torch.tensor([2 * (1 - 0.99**400), 0.0]), rtol=1e-3, atol=0.0)
    twice = Retune([1], "tau", 0.8), Retune([1], "tau", 0.625)
    torch.testing.assert_close(network(torch.zeros(1, 100, 1), state=state, perturb=twice).activity, run.activity)


def test_a_higher_threshold_needs_more_current_for_the_same_spikes() -> None:
    """From rest the current that holds a unit at threshold is proportional to the distance of threshold and rest."""
    network = Network(LIF(1, 1, tau=20.0, dt=0.1, reset="hard", inject=True), 1)
    plain = network(torch.full((1, 3000, 1), 200.0)).activity
    raised = Retune([0], "v_threshold", shift=15.0)
    assert torch.equal(network(torch.full((1, 3000, 1), 400.0), perturb=[raised]).activity, plain)
    assert int(network(torch.full((1, 3000, 1), 200.0), perturb=[raised]).activity.sum()) == 0


def test_classes_of_synapses() -> None:
    network = Network(LeakyRate(1, 40, wiring=Dale(Dense(40, seed=1))), 1)
    weights = network.cell.weights()[1].detach().numpy()
    inhibitory = AblateSynapses(sign="inhibitory")
    assert np.array_equal(inhibitory.chosen(network), weights < 0)
    strongest = AblateSynapses(magnitude=(0.9, 1.0))
    there = np.abs(weights[weights != 0])
    assert strongest.chosen(network).sum() == (there >= np.quantile(there, 0.9)).sum()
    assert AblateSynapses(fraction=0.25).chosen(network).sum() == round(0.25 * len(there))
    line = np.arange(40.0)[:, None]
    near = AblateSynapses(distance=(0.0, 3.0), positions=line).chosen(network)
    assert all(abs(i - j) <= 3 for i, j in zip(*np.nonzero(near), strict=True))
    side = AblateSynapses(pre=[1, 2], post=[7]).chosen(network)
    assert set(zip(*np.nonzero(side), strict=True)) <= {(7, 1), (7, 2)}


def test_what_is_left_can_keep_the_spectral_radius() -> None:
    network = Network(LeakyRate(1, 40, seed=3), 1)
    weights = network.cell.weights()[1].detach().double().numpy()
    cut = AblateSynapses(fraction=0.5, seed=4, keep_radius=True)
    row = cut.frame(network).iloc[0]
    left = cut.intervention(network, 1, 1).synapses
    assert left is not None
    radius = np.abs(np.linalg.eigvals(weights)).max()
    assert row["radius"] == pytest.approx(radius) and row["radius_cut"] < radius
    assert np.abs(np.linalg.eigvals(weights * left.double().numpy())).max() == pytest.approx(radius, rel=1e-5)
    assert row["cut"] == 800 and row["scaled_by"] == pytest.approx(radius / row["radius_cut"])
    assert np.isnan(AblateSynapses(fraction=0.5).frame(Network(GRU(1, 6), 1)).iloc[0]["radius"])


def test_rotated_weights_undo_a_rotation_of_linear_units() -> None:
    """With W Q^T in place of W, and R Q^T in place of R, nobody notices that what is sent is rotated by Q."""
    cell = LeakyRate(2, 6, tau=40.0, dt=10.0, nonlinearity="identity", seed=1)
    network = Network(cell, 2).double()
    inputs = torch.randn(3, 30, 2, generator=generator(0)).double()
    plain = network(inputs)
    q = ortho_group.rvs(6, random_state=0)
    with torch.no_grad():
        cell.get_parameter("wiring.weight").copy_(cell.get_parameter("wiring.weight") @ torch.as_tensor(q).T)
        network.readout.copy_(network.readout @ torch.as_tensor(q).T)
    turned = network(inputs, perturb=[Rotate(q)])
    torch.testing.assert_close(turned.outputs, plain.outputs)
    torch.testing.assert_close(turned.activity, plain.activity @ torch.as_tensor(q).T)
    half = network(inputs, perturb=[Rotate(q, when=During(0.0, 100.0))]).activity
    assert torch.equal(half[:, :10], turned.activity[:, :10]) and not torch.equal(half[:, 10], turned.activity[:, 10])


def test_removed_subspace_is_gone_and_the_rest_is_there() -> None:
    network = Network(LeakyRate(2, 8, nonlinearity="softplus", tau=40.0, dt=10.0), 1).requires_grad_(False)
    inputs = torch.randn(3, 30, 2, generator=generator(0))
    directions = np.random.default_rng(0).standard_normal((2, 8))
    sent = network(inputs, perturb=[RemoveSubspace(directions)]).activity
    assert float((sent @ torch.tensor(directions.T).float()).abs().max()) < 1e-5
    centre = network(inputs).activity.detach().mean((0, 1)).numpy()
    kept = network(inputs, perturb=[RemoveSubspace(directions, centre)]).activity
    along = kept @ torch.tensor(directions.T).float()
    torch.testing.assert_close(
        along, torch.tensor(centre @ directions.T).float().expand_as(along), rtol=1e-4, atol=1e-5
    )
    some = network(inputs, perturb=[RemoveSubspace(directions, when=InTrials(0.5, seed=4))]).activity
    assert torch.equal(
        some[~InTrials(0.5, seed=4).chosen(3)],
        network(inputs, perturb=[Stack([()])]).activity[0][~InTrials(0.5, seed=4).chosen(3)],
    )


def test_random_subspaces_carry_as_much_variance() -> None:
    rng = np.random.default_rng(1)
    activity = rng.standard_normal((500, 20)) @ np.diag(np.linspace(3, 0.1, 20))
    directions = np.linalg.qr(rng.standard_normal((20, 3)))[0].T
    share = carried_variance(activity, directions)
    sets = matched_subspaces(activity, directions, n_sets=50)
    assert sets.shape == (50, 3, 20)
    assert all(abs(carried_variance(activity, one) - share) <= 0.011 for one in sets)
    assert np.abs(sets @ sets.transpose(0, 2, 1) - np.eye(3)).max() < 1e-8
    overlap = [np.linalg.norm(one @ sets[0].T) ** 2 / 3 for one in sets[1:]]
    assert max(overlap) < 0.9


def test_energy_is_asked_only_where_a_run_tells_it() -> None:
    network = Network(LeakyRate(1, 3), 1)
    trials = Trials(torch.ones(2, 5, 1), torch.zeros(2, 5, 1), torch.ones(2, 5), dt=20.0)
    act = Retune([0], "bias", shift=1.0).intervention(network, 2, 5)
    with pytest.raises(ValueError, match=r"drives: `act` must be of gains, clamps, currents, cuts and edited inputs"):
        drives(network, network(trials.inputs, perturb=act).activity, trials, act)


NET = Network(LeakyRate(2, 6, tau=20.0, dt=10.0), 1)
SEEN = torch.zeros(2, 5, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Trigger([], 0.0, 10.0), r"Trigger: `units` must be one unit or more; got 'none'"),
        (lambda: Trigger([0], math.nan, 10.0), r"Trigger: `above` must be finite everywhere"),
        (lambda: Trigger([0], 0.0, 0.0), r"Trigger: `lasting` must be a finite number above 0; got 0.0"),
        (lambda: Trigger([0], 0.0, 1.0, -1.0), r"Trigger: `delay` must be a finite number, 0 or above; got -1.0"),
        (
            lambda: Trigger([0], 0.0, 1.0, armed=Trigger([0], 0.0, 1.0)),
            r"Trigger: `armed` must be a schedule that is no loop itself",
        ),
        (
            lambda: NET(SEEN, perturb=[AddNoise([0], 1.0, when=Trigger([0], 0.0, 10.0))]),
            r"Trigger: `when` must be the schedule of a perturbation of units or weights; got 'another use'\. Use it",
        ),
        (lambda: NET(SEEN, perturb=[Silence([0], Trigger([9], 0.0, 1.0))]), r"Trigger: `units` must be below 6; got 9"),
        (lambda: Playback([0], np.zeros((1, 5))), r"Playback: `activity` must be of shape \(trial, time, 1\)"),
        (lambda: Playback([0], np.full((1, 1, 1), np.nan)), r"Playback: `activity` must be finite everywhere"),
        (
            lambda: NET(SEEN, perturb=[Playback([0], np.zeros((3, 5, 1)))]),
            r"Playback: `activity` must be given for the 2 trials of the run; got an array of shape \(3, 5, 1\)",
        ),
        (
            lambda: Playback.resampled([0], NET(SEEN[:1])),
            r"Playback.resampled: `run` must be of two trials or more; got '1 trial'",
        ),
        (
            lambda: Playback.trial_mean([0], NET(SEEN, perturb=[Stack([()])])),
            r"Playback: `run` must be of one network, not of a stack",
        ),
        (lambda: DelayInput([0], -1.0), r"DelayInput: `by` must be a finite number, 0 or above; got -1.0"),
        (lambda: ShuffleBeyond([0], -1.0), r"ShuffleBeyond: `lag` must be a finite number, 0 or above; got -1.0"),
        (lambda: AddNoise([0], -1.0), r"AddNoise: `sd` must be a finite number, 0 or above; got -1.0"),
        (lambda: AddNoise([0], 1.0, "sends"), r"AddNoise: `at` must be a member of Enters; got 'sends'\. Did you mean"),
        (lambda: WeightNoise([0], -1.0), r"WeightNoise: `sd` must be a finite number, 0 or above; got -1.0"),
        (lambda: Retune([0], "tau", math.inf), r"Retune: `scale` must be finite everywhere"),
        (lambda: Retune([0], "tau", shift=math.inf), r"Retune: `shift` must be finite everywhere"),
        (
            lambda: NET(SEEN, perturb=[Retune([0], "taus")]),
            r"Retune: `constant` must be a constant of LeakyRate; got 'taus'\. Did you mean 'tau'",
        ),
        (
            lambda: Network(GRU(2, 6), 1)(SEEN, perturb=[Retune([0], "tau")]),
            r"Retune: `constant` must be a constant of GRU; got 'tau'\. Gated cells have none",
        ),
        (
            lambda: NET(SEEN, perturb=[Retune([0], "tau", 0.1)]),
            r"LeakyRate: `tau` must be at least `dt` = 10 ms, however it is changed; got 2.*Change it less",
        ),
        (
            lambda: Network(LIF(2, 6), 1)(SEEN, perturb=[Retune([0], "tau", -1.0)]),
            r"LIF: `tau` must be above 0 for every unit, however it is changed; got -20",
        ),
        (lambda: RemoveSubspace(np.zeros(3)), r"RemoveSubspace: `directions` must be of shape \(direction, unit\)"),
        (lambda: RemoveSubspace(np.ones((2, 3))), r"`directions` must be linearly independent; got 'rank 1 of 2'"),
        (lambda: RemoveSubspace(np.full((1, 3), np.nan)), r"RemoveSubspace: `directions` must be finite everywhere"),
        (
            lambda: NET(SEEN, perturb=[RemoveSubspace(np.ones((1, 3)))]),
            r"RemoveSubspace: `directions` must be given for the 6 units of the network; got '3 columns'",
        ),
        (
            lambda: NET(SEEN, perturb=[RemoveSubspace(np.ones((1, 6)), np.ones(2))]),
            r"RemoveSubspace: `centre` must be given for the 6 units of the network; got '2 columns'",
        ),
        (lambda: Rotate(np.ones((2, 3))), r"Rotate: `matrix` must be square"),
        (
            lambda: Rotate(2 * np.eye(3)),
            r"Rotate: `matrix` must be orthogonal; got 'one whose product.* 3 off'\. Take it",
        ),
        (lambda: Rotate(np.full((2, 2), np.nan)), r"Rotate: `matrix` must be finite everywhere"),
        (
            lambda: matched_subspaces(np.diag([9.0, 0.2, 0.1])[[0, 1, 2, 0, 1, 2]], np.eye(3)[:1], n_sets=3),
            r"matched_subspaces: `directions` must be such that random subspaces carry as much variance; got 'a share",
        ),
        (lambda: AblateSynapses(sign="plus"), r"AblateSynapses: `sign` must be a member of Sign; got 'plus'"),
        (
            lambda: AblateSynapses(magnitude=(0.9, 0.1)),
            r"AblateSynapses: `magnitude` must be two quantiles in \[0, 1\], the lower first",
        ),
        (
            lambda: AblateSynapses(distance=(3.0, 1.0)),
            r"AblateSynapses: `distance` must be two distances, 0 or above, the nearer first",
        ),
        (lambda: AblateSynapses(distance=(0.0, 1.0)), r"`positions` must be given with a distance; got None"),
        (lambda: AblateSynapses(fraction=2.0), r"AblateSynapses: `fraction` must be a number in \[0, 1\]; got 2.0"),
        (
            lambda: AblateSynapses(positions=np.zeros((2, 2))).chosen(NET),
            r"AblateSynapses: `positions` must be one row for each of the 6 units of the network",
        ),
        (
            lambda: AblateSynapses(keep_radius=True).frame(NET),
            r"AblateSynapses: `keep_radius` must be False where no loop is left; got True\. Cut fewer",
        ),
        (
            lambda: AblateSynapses(keep_radius=True).frame(Network(GRU(2, 6), 1)),
            r"AblateSynapses: `keep_radius` must be False for gated cells; got True\. A gated cell has one radius",
        ),
    ],
)
def test_perturbations_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_always_is_a_schedule_of_every_kind() -> None:
    assert Freeze([0]).when == Always() == AddNoise([0], 1.0).when
    torch.testing.assert_close(NET(SEEN, perturb=[AddNoise([], 1.0)]).activity, NET(SEEN).activity, **FLOAT32)
