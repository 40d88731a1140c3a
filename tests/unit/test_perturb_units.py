import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from neurornn._types import generator
from neurornn.cell import LeakyRate
from neurornn.network import Network
from neurornn.perturb import Clamp, Current, Cut, CutSynapses, Drop, During, Scale, Silence, Stack
from neurornn.perturb.base import unit_tuple
from neurornn.perturb.schedule import check_when
from neurornn.recording import Recording
from tests.tolerances import EXACT, FLOAT32


def network(**settings: object) -> Network:
    return Network(LeakyRate(2, 6, tau=20.0, dt=10.0, nonlinearity="softplus", **settings), 1)  # type: ignore[arg-type]


def inputs(n_trials: int = 3) -> torch.Tensor:
    return torch.randn(n_trials, 10, 2, generator=generator(0))


def test_units_may_be_given_in_many_ways() -> None:
    for units in ([1, 2], (1, 2), range(1, 3), np.array([1, 2]), torch.tensor([1, 2])):
        assert Silence(units).units == (1, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: unit_tuple("Silence", "all"), r"Silence: `units` must be a sequence of indices; got 'all'"),
        (lambda: unit_tuple("Silence", [True, False]), r"`units` must be indices; got 'a mask'\. .* numpy.flatnonzero"),
        (lambda: unit_tuple("Silence", [1.5]), r"Silence: `units` must be whole numbers; got 1.5"),
        (lambda: check_when("Silence", 3), r"Silence: `when` must be a schedule; got 3\. Such as Always"),
        (lambda: Silence([-1]), r"`units` must be 0 or above; got -1\. Count from the first unit"),
        (lambda: Cut([3, 2, 3]), r"Cut: `units` must be distinct; got '3 twice'"),
        (lambda: Drop([0, 0]), r"Drop: `channels` must be distinct; got '0 twice'"),
        (lambda: Scale([1], -0.5), r"Scale: `gain` must be a finite number, 0 or above; got -0.5"),
        (lambda: Clamp([1], math.nan), r"Clamp: `value` must be finite everywhere"),
        (lambda: Clamp([1, 2], [1.0, 2.0, 3.0]), r"`value` must be one number, or one for each of 2 units; got '3 val"),
        (lambda: Current([1], math.inf), r"Current: `amount` must be finite everywhere"),
        (lambda: Current([1, 2], [1.0]), r"Current: `amount` must be one number, or one for each of 2 units"),
        (lambda: Cut([1], incoming=False, outgoing=False), r"Cut: `incoming` must be True where `outgoing` is False"),
        (lambda: Stack([]), r"Stack: `members` must be one perturbation or more; got 'none'\. Pass \[\(\)\]"),
    ],
)
def test_perturbations_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", [Silence, Cut, lambda u: Current(u, 1.0), lambda u: Clamp(u, 1.0)])
def test_units_that_the_network_lacks(kind: Callable[[list[int]], Silence]) -> None:
    with pytest.raises(ValueError, match=r"`units` must be below 6; got 6\. This network's run from 0 to 5"):
        network()(inputs(), perturb=[kind([1, 6])])


def test_other_indices_that_the_network_lacks() -> None:
    with pytest.raises(ValueError, match=r"Drop: `channels` must be below 2; got 2"):
        network()(inputs(), perturb=[Drop([2])])
    with pytest.raises(ValueError, match=r"CutSynapses: `pre` must be below 6; got 9"):
        network()(inputs(), perturb=[CutSynapses([9], [0])])
    with pytest.raises(ValueError, match=r"CutSynapses: `post` must be below 6; got 7"):
        network()(inputs(), perturb=[CutSynapses([0], [7])])


def test_stacks_do_not_nest_and_join_only_at_one_depth() -> None:
    with pytest.raises(ValueError, match=r"Stack: `members` must be not stacked themselves"):
        network()(inputs(), perturb=[Stack([Stack([Silence([1])])])])
    with pytest.raises(ValueError, match=r"Network: `perturb` must be stacked 2 deep, or not at all; got 3"):
        network()(inputs(), perturb=[Stack([()] * 2), Stack([()] * 3)])


def test_stack_shares_what_is_done_to_all() -> None:
    net = network()
    both = net(inputs(), perturb=[Stack([Silence([0]), Silence([1])]), Current([2], 1.0)]).activity
    one = net(inputs(), perturb=[Silence([1]), Current([2], 1.0)]).activity
    torch.testing.assert_close(both[1], one, **FLOAT32)


def test_clamped_units_send_their_values() -> None:
    sent = network()(inputs(), perturb=[Clamp([4, 1], [0.25, -2.0])]).activity
    assert bool((sent[..., 4] == 0.25).all() and (sent[..., 1] == -2.0).all())


def test_clamp_is_heard_before_the_first_step() -> None:
    """With the weights zero but one, the first step shows what the initial state sent."""
    net = Network(LeakyRate(1, 2, tau=10.0, dt=10.0, nonlinearity="identity", clamp_tau=True), 1)
    with torch.no_grad():
        net.cell.get_parameter("wiring.weight").copy_(torch.tensor([[0.0, 0.0], [3.0, 0.0]]))
        net.cell.get_parameter("w_in").zero_()
    first = {
        when: net(torch.zeros(1, 2, 1), perturb=[p]).activity[0, :, 1].tolist()
        for when, p in {"always": Clamp([0], 2.0), "window": Clamp([0], 2.0, During(0.0, 20.0))}.items()
    }
    assert first == {"always": [6.0, 6.0], "window": [0.0, 6.0]}


def test_clamp_to_mean_of_a_run_and_of_a_recording() -> None:
    net = network()
    run = net(inputs())
    means = run.activity.mean(dim=(0, 1))[[3, 1]].tolist()
    assert Clamp.to_mean([3, 1], run).value == pytest.approx(means)
    activity = run.activity.detach().reshape(-1, 6).double().numpy()
    activity[5, 3] = np.nan
    recording = Recording(0.0, 300.0, activity=activity, dt=10.0)
    clamp = Clamp.to_mean([3, 1], recording, when=During(0.0, 20.0))
    assert clamp.value == pytest.approx(np.nanmean(activity[:, [3, 1]], axis=0).tolist())
    assert clamp.when == During(0.0, 20.0)


def test_clamp_to_a_mean_that_is_not_there() -> None:
    spikes = Recording(0.0, 10.0, spikes=[np.array([1.0])])
    with pytest.raises(ValueError, match=r"Clamp.to_mean: `source` must be sampled activity"):
        Clamp.to_mean([0], spikes)
    never = Recording(0.0, 20.0, activity=np.array([[1.0, np.nan], [2.0, np.nan]]), dt=10.0)
    with pytest.raises(ValueError, match=r"`source` must be activity of every unit; got 'none of unit 1'"):
        Clamp.to_mean([0, 1], never)
    with pytest.raises(ValueError, match=r"Clamp.to_mean: `units` must be below 2; got 2"):
        Clamp.to_mean([2], never)


def test_unit_without_incoming_connections_keeps_its_tonic_activity() -> None:
    sent = network()(inputs(), perturb=[Cut([2], outgoing=False)]).activity[:, -1, 2]
    expected = math.log(2.0) * (1 - 0.5**10)  # leaks towards softplus(0) with a = 1/2
    torch.testing.assert_close(sent, torch.full((3,), expected), **FLOAT32)


def test_cut_synapses_are_zeros_in_the_weights() -> None:
    net, cut = network(seed=3), network(seed=3)
    with torch.no_grad():
        weight = cut.cell.get_parameter("wiring.weight")
        weight[4, 0] = weight[4, 1] = weight[5, 0] = weight[5, 1] = 0.0
        cut.readout.copy_(net.readout)
    hurt = net(inputs(), perturb=[CutSynapses(pre=[0, 1], post=[4, 5])])
    torch.testing.assert_close(hurt.activity, cut(inputs()).activity, **FLOAT32)


def test_current_is_a_bias() -> None:
    net, biased = network(seed=3), network(seed=3)
    with torch.no_grad():
        biased.cell.get_parameter("bias")[torch.tensor([1, 4])] += torch.tensor([0.5, -2.0])
    driven = net(inputs(), perturb=[Current([1, 4], [0.5, -2.0])])
    torch.testing.assert_close(driven.activity, biased(inputs()).activity, **FLOAT32)


def test_empty_lesion_is_the_identity_in_both_precisions() -> None:
    for dtype in (torch.float32, torch.float64):
        net = network().to(dtype)
        for empty in (Silence([]), Clamp([], []), Cut([]), Current([], 1.0), Drop([]), CutSynapses([], [1])):
            torch.testing.assert_close(
                net(inputs().to(dtype), perturb=[empty]).activity, net(inputs().to(dtype)).activity, **EXACT
            )
        hurt = net(inputs().to(dtype), perturb=[Silence([1]), Current([2], 1.0), Cut([3]), Drop([0])]).activity
        assert hurt.dtype == dtype


def test_gradients_flow_through_a_lesion() -> None:
    net = network()
    net(inputs(), perturb=[Silence([1])]).outputs.square().sum().backward()
    grad = net.readout.grad
    assert grad is not None and float(grad[0, 1]) == 0.0 and bool((grad[0, [0, 2, 3, 4, 5]] != 0).all())
