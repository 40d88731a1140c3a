"""What every perturbation of every cell must do."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from neurornn._types import generator
from neurornn.cell import GRU, LIF, LSTM, AbstractCell, AdaptiveLIF, Form, LeakyRate, NoiseAt
from neurornn.network import Network, Run
from neurornn.perturb import (
    AblateSynapses,
    AbstractPerturbation,
    AbstractWhen,
    AddNoise,
    Always,
    Clamp,
    Current,
    Cut,
    CutSynapses,
    DelayInput,
    Drop,
    During,
    Freeze,
    InTrials,
    Playback,
    RemoveSubspace,
    Retune,
    Rotate,
    Scale,
    ShuffleBeyond,
    Silence,
    Stack,
    Trigger,
    WeightNoise,
)
from neurornn.wiring import Dale, Dense
from tests.tolerances import EXACT, FLOAT32

N, N_IN, DT, STEPS, TRIALS = 12, 3, 10.0, 20, 4

CELLS: dict[str, Callable[[], AbstractCell]] = {
    "rate": lambda: LeakyRate(N_IN, N, tau=40.0, dt=DT, nonlinearity="softplus", seed=1),
    "current": lambda: LeakyRate(N_IN, N, tau=40.0, dt=DT, nonlinearity="tanh", form=Form.CURRENT, seed=2),
    "update": lambda: LeakyRate(N_IN, N, tau=40.0, dt=DT, nonlinearity="tanh", form=Form.UPDATE, seed=3),
    "drive noise": lambda: LeakyRate(N_IN, N, tau=40.0, dt=DT, noise_at=NoiseAt.DRIVE, seed=4),
    "dale": lambda: LeakyRate(N_IN, N, tau=40.0, dt=DT, wiring=Dale(Dense(N))),
    "gru": lambda: GRU(N_IN, N, dt=DT, seed=5),
    "lstm": lambda: LSTM(N_IN, N, dt=DT, seed=6),
    "lif": lambda: LIF(N_IN, N, tau=40.0, tau_syn=10.0, dt=DT, resistance=1e5, seed=7),
    "adaptive": lambda: AdaptiveLIF(N_IN, N, tau=40.0, tau_syn=10.0, dt=DT, resistance=1e5, seed=8),
}
"""The resistance of spiking units is such that currents are numbers about 1 for them, too."""

SPOKEN = np.linspace(0.0, 1.0, STEPS)[None, :, None]


def swapped(units: list[int]) -> np.ndarray:
    """Return the rotation that hands each of `units` what the next one sends."""
    matrix = np.eye(N)
    matrix[units] = matrix[np.roll(units, 1)] if units else matrix[units]
    return matrix


KINDS: dict[str, Callable[[list[int]], AbstractPerturbation]] = {
    "silence": Silence,
    "clamp": lambda units: Clamp(units, 0.7),
    "scale": lambda units: Scale(units, 1.5),
    "cut": Cut,
    "cut incoming": lambda units: Cut(units, outgoing=False),
    "cut outgoing": lambda units: Cut(units, incoming=False),
    "cut synapses": lambda units: CutSynapses(units, [0, 5]),
    "current": lambda units: Current(units, 0.8),
    "drop": Drop,
    "drop to the mean": lambda units: Drop(units, During(30.0, 90.0), keep_mean=True),
    "delay input": lambda units: DelayInput(units, 30.0),
    "shuffle input": lambda units: ShuffleBeyond(units, 50.0),
    "drop the past": lambda units: ShuffleBeyond(units, 50.0, drop=True),
    "playback": lambda units: Playback(units, np.repeat(SPOKEN, len(units), axis=2)),
    "freeze": lambda units: Freeze(units, During(30.0, 90.0)),
    "noise": lambda units: AddNoise(units, 0.5),
    "sent noise": lambda units: AddNoise(units, 0.5, "sent", total=True),
    "gain noise": lambda units: AddNoise(units, 0.5, "gain"),
    "weight noise": lambda units: WeightNoise(units, 0.5),
    "bias": lambda units: Retune(units, "bias", shift=0.5),
    "tau": lambda units: Retune(units, "tau", 0.5),
    "ablate": lambda units: AblateSynapses(pre=units, sign="excitatory"),
    "subspace": lambda units: RemoveSubspace(np.eye(N)[units]),
    "rotate": lambda units: Rotate(swapped(units)),
    "closed loop": lambda units: Silence(units, Trigger([0], -9.0, lasting=30.0, delay=20.0)),
    "closed-loop current": lambda units: Current(units, 2.0, Trigger([0], -9.0, lasting=30.0)),
    "closed-loop cut": lambda units: Cut(units, when=Trigger([0], -9.0, lasting=30.0)),
    "cut in a window": lambda units: Cut(units, when=During(30.0, 90.0)),
    "bias on a ramp": lambda units: Retune(units, "bias", shift=0.5, when=During(30.0, 150.0, ramp=40.0)),
    "tau in some trials": lambda units: Retune(units, "tau", 0.5, when=InTrials(0.5, 4, During(30.0, 90.0))),
}

TWICE_IS_ONCE = ["silence", "clamp", "cut", "cut incoming", "cut outgoing", "cut synapses", "drop", "drop the past"]
TWICE_IS_ONCE += ["playback", "freeze", "ablate", "closed-loop cut", "cut in a window"]

WINDOWED: dict[str, Callable[[list[int], AbstractWhen], AbstractPerturbation]] = {
    "silence": Silence,
    "clamp": lambda units, when: Clamp(units, 0.7, when),
    "scale": lambda units, when: Scale(units, 1.5, when),
    "current": lambda units, when: Current(units, 0.8, when),
}

REWEIGHED: dict[str, Callable[[list[int], AbstractWhen], AbstractPerturbation]] = {
    "cut": lambda units, when: Cut(units, when=when),
    "cut incoming": lambda units, when: Cut(units, outgoing=False, when=when),
    "cut synapses": lambda units, when: CutSynapses(units, range(N), when),
    "ablate": lambda units, when: AblateSynapses(pre=units, when=when),
    "weight noise": lambda units, when: WeightNoise(units, 0.5, when=when),
    "bias": lambda units, when: Retune(units, "bias", shift=0.5, when=when),
    "tau": lambda units, when: Retune(units, "tau", 0.5, when=when),
}

WINDOWED_TOO: dict[str, Callable[[list[int], AbstractWhen], AbstractPerturbation]] = {
    **WINDOWED,
    **REWEIGHED,
    "drop": Drop,
    "delay input": lambda units, when: DelayInput(units, 30.0, when),
    "playback": lambda units, when: Playback(units, 2 + np.repeat(SPOKEN, len(units), axis=2), when),
    "noise": lambda units, when: AddNoise(units, 0.8, when=when),
    "sent noise": lambda units, when: AddNoise(units, 0.8, "sent", when),
    "subspace": lambda units, when: RemoveSubspace(np.ones((1, N)), when=when),
    "rotate": lambda units, when: Rotate(swapped(list(range(N))), when=when),
}


@pytest.fixture(params=list(CELLS))
def network(request: pytest.FixtureRequest) -> Network:
    return Network(CELLS[request.param](), 2, n_start=2, noise=0.1)


def possible(network: Network, kind: str) -> None:
    """Skip what this network has nothing for."""
    if kind.split()[0] in ("bias", "tau") and not network.cell.constants:
        pytest.skip("gated cells have no constants to change")


def run(network: Network, *perturb: AbstractPerturbation | Stack) -> Run:
    inputs = (4.0 if network.spiking else 1.0) * torch.randn(TRIALS, STEPS, N_IN, generator=generator(1))
    start = torch.randn(TRIALS, 2, generator=generator(2))
    with torch.no_grad():
        return network(inputs, start=start, generator=generator(3), perturb=perturb)


def intact_by_steps(network: Network) -> Run:
    """Return the intact run taken step by step, as perturbed runs are: a kernel may round otherwise."""
    return run(network, Scale([0], 1.0))


def same(a: Run, b: Run) -> bool:
    return torch.equal(a.activity, b.activity) and torch.equal(a.outputs, b.outputs)


def whole_state(network: Network) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_done_to_nobody(network: Network, kind: str) -> None:
    possible(network, kind)
    assert same(run(network), run(network, KINDS[kind]([])))


@pytest.mark.parametrize("kind", KINDS)
def test_something_done_to_somebody(network: Network, kind: str) -> None:
    possible(network, kind)
    assert not same(run(network), run(network, KINDS[kind]([1, 2])))


@pytest.mark.parametrize("kind", KINDS)
def test_network_is_left_untouched(network: Network, kind: str) -> None:
    possible(network, kind)
    before = [part.clone() for part in whole_state(network)]
    intact = run(network)
    run(network, KINDS[kind]([1, 2]))
    assert all(torch.equal(a, b) for a, b in zip(before, whole_state(network), strict=True))
    assert same(intact, run(network))


@pytest.mark.parametrize("kind", TWICE_IS_ONCE)
def test_twice_is_once(network: Network, kind: str) -> None:
    once = KINDS[kind]([1, 2])
    assert same(run(network, once), run(network, once, once))


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", ["silence", "current"])
def test_order_is_free_on_different_units(network: Network, first: str, second: str) -> None:
    possible(network, first)
    one, other = KINDS[first]([0, 1]), KINDS[second]([2, 6])
    torch.testing.assert_close(run(network, one, other).activity, run(network, other, one).activity, **FLOAT32)


def test_the_later_of_two_on_one_unit_wins(network: Network) -> None:
    silence, clamp = Silence([1]), Clamp([1], 0.7)
    assert same(run(network, silence, clamp), run(network, clamp))
    assert same(run(network, clamp, silence), run(network, silence))


@pytest.mark.parametrize("kind", KINDS)
def test_stack_of_one_is_the_single_run(network: Network, kind: str) -> None:
    possible(network, kind)
    single, stacked = run(network, KINDS[kind]([1, 2])), run(network, Stack([KINDS[kind]([1, 2])]))
    torch.testing.assert_close(stacked.activity[0], single.activity, **FLOAT32)
    torch.testing.assert_close(stacked.outputs[0], single.outputs, **FLOAT32)


def test_stack_is_the_separate_runs(network: Network) -> None:
    kinds = [kind for kind in KINDS if kind.split()[0] not in ("bias", "tau") or network.cell.constants]
    both = (Silence([3]), Current([4], 1.0, During(50.0, 90.0)))
    mixed = (Rotate(swapped([3, 4])), Scale([3], 0.5), Drop([0], During(50.0, 90.0)))
    members = [(), *(KINDS[kind]([1, 2]) for kind in kinds), both, mixed]
    stacked = run(network, Stack(members))
    assert stacked.outputs.shape == (len(members), TRIALS, STEPS, 2)
    for place, member in enumerate(members):
        single = run(network, *(member if isinstance(member, tuple) else (member,)))
        torch.testing.assert_close(stacked.activity[place], single.activity, **FLOAT32)
        for part, one in zip(stacked.state, single.state, strict=True):
            torch.testing.assert_close(part[place], one, **FLOAT32)


@pytest.mark.parametrize("kind", WINDOWED_TOO)
def test_before_the_window_nothing_changes(network: Network, kind: str) -> None:
    possible(network, kind)
    later = WINDOWED_TOO[kind]([1, 2], During(100.0, 150.0))
    intact, hurt = intact_by_steps(network), run(network, later)
    torch.testing.assert_close(hurt.activity[:, :10], intact.activity[:, :10], **FLOAT32)
    assert not torch.equal(hurt.activity[:, 10:], intact.activity[:, 10:])


@pytest.mark.parametrize("kind", REWEIGHED)
def test_changed_weights_hold_in_their_window_trials_and_strength(network: Network, kind: str) -> None:
    """A window over the whole run is the whole run; chosen trials alone are changed; no ramp is another lesion."""
    possible(network, kind)
    make = REWEIGHED[kind]
    always, whole = run(network, make([1, 2], Always())), run(network, make([1, 2], During(0.0, STEPS * DT)))
    torch.testing.assert_close(whole.activity, always.activity, **FLOAT32)
    when = InTrials(0.5, seed=4)
    chosen, some = when.chosen(TRIALS), run(network, make([1, 2], when))
    torch.testing.assert_close(some.activity[chosen], always.activity[chosen], **FLOAT32)
    torch.testing.assert_close(some.activity[~chosen], intact_by_steps(network).activity[~chosen], **FLOAT32)
    ramp = run(network, make([1, 2], During(0.0, STEPS * DT, ramp=80.0)))
    assert not torch.equal(ramp.activity, always.activity)


@pytest.mark.parametrize("kind", REWEIGHED)
def test_kernel_and_loop_agree_on_changed_weights(network: Network, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    possible(network, kind)
    make = REWEIGHED[kind]
    later, ramp = During(50.0, 120.0), During(20.0, 180.0, ramp=40.0)
    stack = Stack([(), make([1], Always()), (make([1, 2], later), Silence([3], InTrials(0.5, 4)), Current([4], 0.3))])
    acts = [[make([1, 2], when)] for when in (Always(), later, ramp, InTrials(0.5, 4, later))]
    acts += [[make([1], later), Scale([2], 0.5, During(90.0, 160.0)), Clamp([3], 0.4)], [stack]]
    fast = [run(network, *act) for act in acts]
    monkeypatch.setenv("NEURORNN_BACKEND", "loop")
    for act, one in zip(acts, fast, strict=True):
        slow = run(network, *act)
        torch.testing.assert_close(one.activity, slow.activity, rtol=1e-4, atol=1e-5)
        for part, other in zip(one.state, slow.state, strict=True):
            torch.testing.assert_close(part, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", WINDOWED)
def test_a_whole_window_differs_from_always_by_the_initial_state_alone(network: Network, kind: str) -> None:
    always, window = WINDOWED[kind]([1, 2], Always()), WINDOWED[kind]([1, 2], During(0.0, STEPS * DT))
    a, b = always.intervention(network, TRIALS, STEPS), window.intervention(network, TRIALS, STEPS)
    assert b.resting_gain is None and b.resting_offset is None
    assert (a.resting_gain is None) == (kind == "current")
    zero = torch.zeros(TRIALS, N)
    start = tuple(zero for _ in network.cell.initial(TRIALS))
    inputs = torch.randn(TRIALS, STEPS, N_IN, generator=generator(1))
    if kind != "clamp" and torch.equal(network.cell.activity(start), zero):
        runs = [network(inputs, state=start, perturb=[p]).activity for p in (always, window)]
        torch.testing.assert_close(runs[0], runs[1], **EXACT)


def test_an_always_composed_with_a_window_keeps_both_beginnings(network: Network) -> None:
    always, later = Silence([1]), Clamp([2], 5.0, During(100.0, 150.0))
    both, alone = run(network, later, always), run(network, always)
    torch.testing.assert_close(both.activity[:, :10], alone.activity[:, :10], **EXACT)
    torch.testing.assert_close(run(network, always, later).activity[:, :10], alone.activity[:, :10], **EXACT)


@pytest.mark.parametrize("kind", WINDOWED)
def test_only_the_chosen_trials_are_perturbed(network: Network, kind: str) -> None:
    when = InTrials(0.5, seed=4)
    chosen = when.chosen(TRIALS)
    assert 0 < chosen.sum() < TRIALS
    intact, hurt, all_hurt = (
        intact_by_steps(network),
        run(network, WINDOWED[kind]([1], when)),
        run(network, WINDOWED[kind]([1], Always())),
    )
    torch.testing.assert_close(hurt.activity[~chosen], intact.activity[~chosen], **EXACT)
    torch.testing.assert_close(hurt.activity[chosen], all_hurt.activity[chosen], **EXACT)


def test_silence_holds_in_its_window_and_ends_with_it(network: Network) -> None:
    hurt = run(network, Silence([1, 2], During(50.0, 100.0))).activity[..., [1, 2]]
    assert bool((hurt[:, 5:10] == 0).all())
    assert bool((hurt[:, 10:] != 0).any())


def test_unit_rebounds_to_its_driven_value(network: Network) -> None:
    """Without recurrence nobody hears the lesion, so the unit sends on release what it would have sent anyway."""
    with torch.no_grad():
        for name, part in network.cell.named_parameters():
            if name in ("w_rec", "wiring.weight", "wiring.inner.weight"):
                part.zero_()
    intact, hurt = intact_by_steps(network).activity, run(network, Silence([1, 2], During(50.0, 100.0))).activity
    assert not torch.equal(hurt[:, 5:10], intact[:, 5:10])
    torch.testing.assert_close(hurt[:, 10:], intact[:, 10:], **EXACT)


def removed(network: Network, units: list[int]) -> Network:
    """Return a smaller network, built anew without the rows and columns of `units`."""
    keep = torch.tensor([u for u in range(N) if u not in units])
    cell = network.cell
    settings = {**cell.settings, "n_units": len(keep)}
    if not isinstance(cell, GRU | LSTM):
        settings["wiring"] = Dense(len(keep))
    small = Network(type(cell)(**settings), 2, n_start=2, noise=0.1)
    gates = {"GRU": 3, "LSTM": 4}.get(type(cell).__name__, 1)
    rows = torch.cat([keep + gate * N for gate in range(gates)])
    w_in, w_rec, *_ = cell.weights()
    with torch.no_grad():
        small.readout.copy_(network.readout[:, keep])
        assert small.encoder is not None and network.encoder is not None
        small.encoder.copy_(network.encoder[keep])
        if isinstance(cell, LeakyRate):
            assert isinstance(small.cell, LeakyRate) and isinstance(small.cell.wiring, Dense)
            small.cell.wiring.weight.copy_(w_rec[keep][:, keep])
            small.cell.w_in.copy_(w_in[keep])
        elif isinstance(cell, LIF | AdaptiveLIF):
            assert isinstance(small.cell, LIF | AdaptiveLIF) and isinstance(small.cell.wiring, Dense)
            small.cell.wiring.weight.copy_(cell.wiring()[keep][:, keep])
            small.cell.w_in.copy_(cell.w_in[keep])
        else:
            small.cell.get_parameter("w_rec").copy_(w_rec[rows][:, keep])
            for name in ("w_in", "b_in", "b_rec"):
                small.cell.get_parameter(name).copy_(cell.get_parameter(name)[rows])
    return small


def test_silenced_is_removed_is_unheard_for_the_survivors(network: Network) -> None:
    """Three implementations of one lesion: silence, a smaller network, and weights of 0 to everybody."""
    units = [1, 4, 5]
    keep = [u for u in range(N) if u not in units]
    small = removed(network, units)
    inputs = (4.0 if network.spiking else 1.0) * torch.randn(TRIALS, STEPS, N_IN, generator=generator(1))
    start = torch.randn(TRIALS, 2, generator=generator(2))
    noise = 0.1 * torch.randn(TRIALS, STEPS, N, generator=generator(3))
    silent = network(inputs, start=start, noise=noise, perturb=[Silence(units)])
    gone = small(inputs, start=start, noise=noise[..., keep])
    unheard = network(inputs, start=start, noise=noise, perturb=[Cut(units, incoming=False)])
    for other in (gone.activity, unheard.activity[..., keep]):
        torch.testing.assert_close(silent.activity[..., keep], other, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(silent.outputs, gone.outputs, rtol=1e-5, atol=1e-6)
    deaf = unheard.outputs - unheard.activity[..., units] @ network.readout[:, units].mT
    torch.testing.assert_close(silent.outputs, deaf, rtol=1e-5, atol=1e-6)


def test_cut_outgoing_is_silence_for_the_survivors_but_not_for_the_readout(network: Network) -> None:
    keep = [u for u in range(N) if u not in (1, 4)]
    silent, cut = run(network, Silence([1, 4])), run(network, Cut([1, 4], incoming=False))
    torch.testing.assert_close(cut.activity[..., keep], silent.activity[..., keep], **FLOAT32)
    assert not torch.allclose(cut.outputs, silent.outputs, atol=1e-3)


def test_dropped_channels_are_channels_of_zeros(network: Network) -> None:
    inputs = torch.randn(TRIALS, STEPS, N_IN, generator=generator(1))
    without = inputs.clone()
    without[..., 1] = 0.0
    start = torch.zeros(TRIALS, 2)
    dropped = network(inputs, start=start, perturb=[Drop([1])]).activity
    torch.testing.assert_close(dropped, network(without, start=start).activity, **FLOAT32)
