"""What every perturbation of every cell must do."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from neurornn._types import generator
from neurornn.cell import GRU, LSTM, AbstractCell, Form, LeakyRate, NoiseAt
from neurornn.network import Network, Run
from neurornn.perturb import (
    AbstractPerturbation,
    AbstractWhen,
    Always,
    Clamp,
    Current,
    Cut,
    CutSynapses,
    Drop,
    During,
    InTrials,
    Scale,
    Silence,
    Stack,
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
}

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
}

TWICE_IS_ONCE = ["silence", "clamp", "cut", "cut incoming", "cut outgoing", "cut synapses", "drop"]

WINDOWED: dict[str, Callable[[list[int], AbstractWhen], AbstractPerturbation]] = {
    "silence": Silence,
    "clamp": lambda units, when: Clamp(units, 0.7, when),
    "scale": lambda units, when: Scale(units, 1.5, when),
    "current": lambda units, when: Current(units, 0.8, when),
}


@pytest.fixture(params=list(CELLS))
def network(request: pytest.FixtureRequest) -> Network:
    return Network(CELLS[request.param](), 2, n_start=2, noise=0.1)


def run(network: Network, *perturb: AbstractPerturbation | Stack) -> Run:
    inputs = torch.randn(TRIALS, STEPS, N_IN, generator=generator(1))
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
    assert same(run(network), run(network, KINDS[kind]([])))


@pytest.mark.parametrize("kind", KINDS)
def test_something_done_to_somebody(network: Network, kind: str) -> None:
    assert not same(run(network), run(network, KINDS[kind]([1, 2])))


@pytest.mark.parametrize("kind", KINDS)
def test_network_is_left_untouched(network: Network, kind: str) -> None:
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
@pytest.mark.parametrize("second", ["silence", "clamp", "cut", "current"])
def test_order_is_free_on_different_units(network: Network, first: str, second: str) -> None:
    one, other = KINDS[first]([0, 1]), KINDS[second]([2, 6])
    torch.testing.assert_close(run(network, one, other).activity, run(network, other, one).activity, **FLOAT32)


def test_the_later_of_two_on_one_unit_wins(network: Network) -> None:
    silence, clamp = Silence([1]), Clamp([1], 0.7)
    assert same(run(network, silence, clamp), run(network, clamp))
    assert same(run(network, clamp, silence), run(network, silence))


@pytest.mark.parametrize("kind", KINDS)
def test_stack_of_one_is_the_single_run(network: Network, kind: str) -> None:
    single, stacked = run(network, KINDS[kind]([1, 2])), run(network, Stack([KINDS[kind]([1, 2])]))
    torch.testing.assert_close(stacked.activity[0], single.activity, **FLOAT32)
    torch.testing.assert_close(stacked.outputs[0], single.outputs, **FLOAT32)


def test_stack_is_the_separate_runs(network: Network) -> None:
    members = [(), *(KINDS[kind]([1, 2]) for kind in KINDS), (Silence([3]), Current([4], 1.0, During(50.0, 90.0)))]
    stacked = run(network, Stack(members))
    assert stacked.outputs.shape == (len(members), TRIALS, STEPS, 2)
    for place, member in enumerate(members):
        single = run(network, *(member if isinstance(member, tuple) else (member,)))
        torch.testing.assert_close(stacked.activity[place], single.activity, **FLOAT32)
        for part, one in zip(stacked.state, single.state, strict=True):
            torch.testing.assert_close(part[place], one, **FLOAT32)


@pytest.mark.parametrize("kind", WINDOWED)
def test_before_the_window_nothing_changes(network: Network, kind: str) -> None:
    later = WINDOWED[kind]([1, 2], During(100.0, 150.0))
    intact, hurt = intact_by_steps(network), run(network, later)
    torch.testing.assert_close(hurt.activity[:, :10], intact.activity[:, :10], **EXACT)
    assert not torch.equal(hurt.activity[:, 10], intact.activity[:, 10])


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
    assert bool((hurt[:, 10] != 0).any())


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
    if isinstance(cell, LeakyRate):
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
        else:
            small.cell.get_parameter("w_rec").copy_(w_rec[rows][:, keep])
            for name in ("w_in", "b_in", "b_rec"):
                small.cell.get_parameter(name).copy_(cell.get_parameter(name)[rows])
    return small


def test_silenced_is_removed_for_the_survivors(network: Network) -> None:
    units = [1, 4, 5]
    keep = [u for u in range(N) if u not in units]
    small = removed(network, units)
    inputs = torch.randn(TRIALS, STEPS, N_IN, generator=generator(1))
    start = torch.randn(TRIALS, 2, generator=generator(2))
    noise = 0.1 * torch.randn(TRIALS, STEPS, N, generator=generator(3))
    silent = network(inputs, start=start, noise=noise, perturb=[Silence(units)])
    gone = small(inputs, start=start, noise=noise[..., keep])
    torch.testing.assert_close(silent.activity[..., keep], gone.activity, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(silent.outputs, gone.outputs, rtol=1e-5, atol=1e-6)


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
