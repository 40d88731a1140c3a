"""Cuts and changed constants that hold for a part of a run, held against closed forms."""

import pytest
import torch

from neurornn.cell import LIF, LeakyRate, ShortTerm
from neurornn.network import Network
from neurornn.perturb import AblateSynapses, Cut, CutSynapses, DelayInput, During, Retune, Stack, Trigger
from neurornn.wiring import Dense


def test_changes_of_constants_and_cuts_hold_in_their_window_alone() -> None:
    cell = LeakyRate(1, 2, tau=100.0, dt=1.0, nonlinearity="identity", wiring=Dense(2, gain=0.0))
    network, state = Network(cell, 1), (torch.ones(1, 2),)
    faster = Retune([1], "tau", 0.5, when=During(20.0, 60.0))
    sent = network(torch.zeros(1, 100, 1), state=state, perturb=[faster]).activity[0, -1]
    torch.testing.assert_close(sent, torch.tensor([0.99**100, 0.99**60 * 0.98**40]), rtol=1e-4, atol=0.0)
    relay = Network(LeakyRate(1, 2, tau=10.0, dt=10.0, nonlinearity="identity", clamp_tau=True), 1).requires_grad_(
        False
    )
    relay.cell.get_parameter("wiring.weight").copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    relay.cell.get_parameter("w_in").copy_(torch.tensor([[1.0], [0.0]]))  # the first hears it, the second the first
    ones = torch.ones(1, 10, 1)

    def heard(act: object) -> list[float]:
        return relay(ones, perturb=[act]).activity[0, :, 1].tolist()  # type: ignore[list-item]

    assert heard(CutSynapses([0], [1], During(30.0, 60.0))) == [0, 1, 1, 0, 0, 0, 1, 1, 1, 1]
    assert heard(Cut([0], incoming=False, when=Trigger([1], above=0.5, lasting=20.0))) == [0, 1, 0, 0, 1, 0, 0, 1, 0, 0]
    half = heard(CutSynapses([0], [1], During(20.0, 80.0, ramp=20.0)))
    assert half == pytest.approx([0, 1, 0.75, 0.25, 0, 0, 0.25, 0.75, 1, 1])
    assert heard(AblateSynapses(when=During(50.0, 60.0))) == [0, 1, 1, 1, 1, 0, 1, 1, 1, 1]
    late = DelayInput([0], 30.0, During(0.0, 50.0))
    climbing = torch.arange(1.0, 9.0)[None, :, None]
    assert relay(climbing, perturb=[late]).activity[0, :, 0].tolist() == [1, 1, 1, 1, 2, 6, 7, 8]
    before, after = Retune([0], "bias", 2.0, 1.0, when=During(0.0, 50.0)), Retune([0], "bias", 3.0)
    relay.cell.get_parameter("bias")[0] = 1.0
    quiet = torch.zeros(1, 2, 1)
    assert relay(quiet, perturb=[before, after]).activity[0, 0, 0] == 9.0  # (2 b + 1) 3
    assert relay(quiet, perturb=[after, before]).activity[0, 0, 0] == 7.0  # 2 (3 b) + 1
    assert relay(quiet, perturb=[Stack([before]), Stack([after])]).activity[0, 0, 0, 0] == 9.0


def test_delays_and_short_term_plasticity_can_be_changed() -> None:
    """One spike arrives when the changed delay says, and a second as strong as the first without plasticity."""
    told = {"tau": 1e3, "tau_syn": None, "dt": 1.0, "reset": "hard", "wiring": Dense(2, gain=0.0), "bias": False}
    cell = LIF(1, 2, delay=[4.0, 0.0], short_term=ShortTerm(0.5, 200.0), **told)
    network = Network(cell, 1).requires_grad_(False)
    network.cell.get_parameter("wiring.weight")[1, 0] = 0.1
    network.cell.get_parameter("w_in")[1] = 0.0
    network.cell.get_parameter("w_in")[0] = 1e4
    inputs = torch.zeros(1, 40, 1)
    inputs[0, [2, 20]] = 1.0

    def jumps(*perturb: object) -> tuple[list[int], list[float]]:
        run = network(inputs, perturb=perturb, voltages=True)  # type: ignore[arg-type]
        assert run.voltages is not None
        rises = run.voltages[0, :, 1].diff()
        at = torch.nonzero(rises > 0.1)[:, 0]
        return (at + 1).tolist(), rises[at].tolist()

    when, sizes = jumps()
    assert when == [7, 25] and sizes[1] < 0.7 * sizes[0]
    assert jumps(Retune([0], "delay", shift=-3.0))[0] == [4, 22]
    assert jumps(Retune([0], "delay", 0.5, when=During(15.0, 40.0)))[0] == [7, 23]
    assert jumps(Retune([1], "delay", shift=4.0))[0] == [7, 25]  # of what the second sends: nothing
    flat = jumps(Retune([0], "plasticity", 0.0))
    assert flat[0] == when and flat[1][1] == pytest.approx(flat[1][0], rel=0.02)
    assert flat[1][0] == pytest.approx(sizes[0], rel=1e-4)
    for shift, worst in ((2.0, "6.0"), (-5.0, "-1.0")):
        message = rf"LIF: `delay` must be from 0 to the longest delay of the cell, 4 ms, .*; got {worst}"
        with pytest.raises(ValueError, match=message):
            jumps(Retune([0], "delay", shift=shift))
