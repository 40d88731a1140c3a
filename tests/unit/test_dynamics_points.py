"""Fixed points, modes, manifolds and flow of networks: what they hold, agree on, and refuse."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from neurornn import (
    GRU,
    LSTM,
    Dense,
    LeakyRate,
    Map,
    Network,
    Search,
    Trials,
    connections,
    continuum,
    figures,
    fixed_points,
    generator,
    modes,
    portrait,
    visited_states,
)
from neurornn.dynamics import FixedPoints, as_map, flat, linear_error, periods, time_constants
from tests.tolerances import EXACT, FLOAT64

QUICK = Search(n_seeds=60, adam_steps=300)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


CELLS = {
    "rate": lambda: LeakyRate(2, 8, tau=50.0, dt=10.0, nonlinearity="tanh", wiring=Dense(8, gain=2.5)),
    "GRU": lambda: GRU(2, 8, dt=10.0),
    "LSTM": lambda: LSTM(2, 8, dt=10.0),
}


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_and_many_inputs_in_one_call(name: str) -> None:
    """Points stay where they are, each under its own input; one call is as good as several."""
    network = Network(CELLS[name](), 3)
    step = as_map(network)
    visited, inputs = drawn(40, step.n_state), 0.5 * drawn(3, 2, seed=1)
    found = fixed_points(network, visited, inputs, search=QUICK, progress=False)
    assert set(found.conditions.tolist()) == {0, 1, 2}
    x, u = torch.as_tensor(found.states), torch.as_tensor(found.inputs[found.conditions])
    torch.testing.assert_close(step(x, u), x, rtol=0, atol=1e-10)
    alone = fixed_points(network, visited, inputs[1:2], search=QUICK, progress=False)
    here = found.states[found.conditions == 1]
    assert len(alone.states) == len(here)
    np.testing.assert_allclose(np.sort(alone.states @ np.ones(step.n_state)), np.sort(here.sum(axis=1)), atol=1e-8)
    assert found.outputs.shape == (len(found.states), 3)
    assert list(found.frame().columns[-3:]) == ["out_0", "out_1", "out_2"]
    assert np.isfinite(found.index_sums).all() and found.states.dtype == np.float64


def test_the_network_is_left_as_it_was() -> None:
    network = Network(CELLS["rate"](), 1)
    before = [(p.requires_grad, p.clone()) for p in network.parameters()]
    fixed_points(network, drawn(20, 8), search=QUICK, progress=False)
    for (asked, value), p in zip(before, network.parameters(), strict=True):
        assert p.requires_grad is asked and p.grad is None
        torch.testing.assert_close(p, value, **EXACT)


def test_one_seed_is_enough_where_there_is_one_point() -> None:
    network = Network(LeakyRate(1, 5, nonlinearity="tanh", wiring=Dense(5, gain=0.2)), 1)
    found = fixed_points(network, drawn(2, 5), search=Search(n_seeds=1, adam_steps=1), progress=False)
    assert len(found.states) == 1


def test_q_is_that_of_the_states_returned() -> None:
    found = fixed_points(CELLS["rate"](), drawn(30, 8), search=QUICK, progress=False)
    step, x = found.system, torch.as_tensor(found.states)
    np.testing.assert_allclose(found.q, 0.5 * (step(x) - x).square().sum(-1), rtol=1e-6, atol=1e-34)


def test_trials_are_run_for_their_states() -> None:
    trials = Trials(0.1 * drawn(4, 12, 2).float(), torch.zeros(4, 12, 1), torch.ones(4, 12), dt=10.0)
    network = Network(CELLS["LSTM"](), 1)
    states = visited_states(network, trials)
    run = network(trials.inputs)
    torch.testing.assert_close(states[:, -1], flat(run.state), rtol=0, atol=1e-6)
    torch.testing.assert_close(states[..., :8], run.activity.double(), rtol=0, atol=1e-6)
    assert isinstance(fixed_points(network, trials, search=QUICK, progress=False), FixedPoints)


def test_modes_of_a_known_matrix() -> None:
    """Real and turning modes, their time constants and periods, and what excites them."""
    turn = 0.9 * torch.tensor([[math.cos(0.2), -math.sin(0.2)], [math.sin(0.2), math.cos(0.2)]], dtype=torch.float64)
    a = torch.block_diag(turn, torch.tensor([[0.5]], dtype=torch.float64))
    b = drawn(3, 2, seed=4)
    found = modes(Map(lambda x, u: x @ a.T + u @ b.T, 3, 2, dt=5.0), torch.zeros(3))
    np.testing.assert_allclose(np.abs(found.eigenvalues), [0.9, 0.9, 0.5], **FLOAT64)
    table = found.frame()
    np.testing.assert_allclose(table["time_constant"], [-5 / math.log(0.9)] * 2 + [-5 / math.log(0.5)], rtol=1e-9)
    np.testing.assert_allclose(table["period"][:2], 2 * math.pi / 0.2 * 5.0, rtol=1e-9)
    assert table["period"][2] == math.inf
    np.testing.assert_allclose(found.left @ found.right, np.eye(3), atol=1e-12)
    np.testing.assert_allclose((found.right @ found.inputs).real, b.numpy(), atol=1e-12)
    np.testing.assert_allclose([found.departure, found.condition, found.transient], [0, 1, 1], atol=1e-7)
    np.testing.assert_allclose(found.amplification[:6], 0.9 ** np.arange(6), rtol=1e-9)


def test_a_chain_amplifies_although_every_mode_decays() -> None:
    chain = torch.diag(torch.full((4,), 3.0, dtype=torch.float64), -1) + 0.5 * torch.eye(5, dtype=torch.float64)
    found = modes(Map(lambda x: x @ chain.T, 5), torch.zeros(5))
    assert found.transient > 50 and found.departure > 0.9 and found.amplification[-1] < 1
    np.testing.assert_allclose(found.amplification[3], np.linalg.norm(np.linalg.matrix_power(chain.numpy(), 3), 2))


def test_the_linear_error_is_nothing_where_all_is_linear_and_grows_as_the_cube_of_the_distance() -> None:
    w, b = 0.9 * drawn(4, 4, seed=2) / 2, drawn(4, 2, seed=3)
    x, u = drawn(200, 4, seed=4), drawn(200, 2, seed=5)
    assert linear_error(Map(lambda s, v: s @ w.T + v @ b.T, 4, 2), drawn(3, 4), x, u, drawn(2, seed=6)) < 1e-28
    curved = Map(lambda s, v: torch.tanh(s @ w.T + v @ b.T), 4, 2)
    near, nearer = (linear_error(curved, torch.zeros(1, 4), size * x, size * u) for size in (0.02, 0.01))
    assert abs(near / nearer - 16) < 0.5  # the missed part is of third order, and squared over what is of first
    many = linear_error(curved, x[:100], x, u)
    assert many < linear_error(curved, torch.zeros(1, 4), x, u), "about nearer places less is missed"


def test_time_constants_and_periods() -> None:
    np.testing.assert_allclose(time_constants(np.array([math.exp(-0.1), 1.0]), 2.0), [20.0, math.inf])
    np.testing.assert_allclose(periods(np.array([1j, 1.0]), 2.0), [8.0, math.inf])


def leaking_line(leak: float) -> tuple[Map, Tensor, Tensor]:
    """A line along a random direction, read by another one, with an input."""
    along, read = drawn(6, seed=5), drawn(6, seed=6)
    along = along / along.norm()
    read = read / (along @ read)
    rest = 0.4 * (torch.eye(6, dtype=torch.float64) - torch.outer(along, read))
    w, b = leak * torch.outer(along, read) + rest, drawn(6, 1, seed=7)
    return Map(lambda x, u: x @ w.T + u @ b.T, 6, 1, dt=10.0), along, read @ b


def test_a_line_is_found_with_its_direction_and_what_moves_along_it() -> None:
    step, along, deposit = leaking_line(1.0)
    found = continuum(step, 3 * drawn(300, 6, seed=8), settle=400.0, n_samples=30)
    assert found.kind == "line" and found.share[0] > 0.999
    np.testing.assert_allclose(np.abs(found.slow @ along.numpy()), 1, atol=1e-9)
    np.testing.assert_allclose(found.along, 1, atol=1e-6)
    np.testing.assert_allclose(np.abs(found.deposits[:, 0]), abs(float(deposit[0])), rtol=1e-6)
    np.testing.assert_allclose(found.drift, 0, atol=1e-8)
    pushed = step(torch.as_tensor(found.states), torch.ones(1, 1).double())
    for _ in range(40):
        pushed = step(pushed)
    np.testing.assert_allclose(found.moved(found.states, pushed.numpy()), found.deposits[:, 0], rtol=1e-6)


def test_a_leaking_line_drifts_to_its_middle() -> None:
    step, _, _ = leaking_line(0.99)
    found = continuum(step, 3 * drawn(300, 6, seed=8), settle=200.0, n_samples=30, over=10.0)
    assert found.rests == 1
    where = found.position - float(found.position[np.argmin(np.abs(found.drift))])
    slope = np.polyfit(where, found.drift, 1)[0]
    np.testing.assert_allclose(slope, -0.01 / 0.010, rtol=0.02)  # per second: 1 % a step of 10 ms
    np.testing.assert_allclose(found.time_constants[:, 0], -10 / math.log(0.99), rtol=1e-6)


def gated_line(name: str) -> tuple[Network, float]:
    """A gated cell whose first unit forgets hardly anything: a line of slow states, and the modulus of its mode.

    No unit hears another. A GRU's unit keeps the part z of what it held, an LSTM's the part f; their input adds to it.
    """
    made = (GRU if name == "GRU" else LSTM)(1, 6, dt=10.0, seed=3)
    keeps = torch.full((6,), -1.0)
    keeps[0] = 8.0
    gates = {"GRU": (torch.zeros(6), keeps, torch.zeros(6)), "LSTM": (torch.zeros(6), keeps, torch.zeros(6), keeps * 0)}
    with torch.no_grad():
        made.w_rec.zero_()
        made.w_in[: -6 if name == "GRU" else 12].zero_()  # inputs reach the content alone, not the gates
        if name == "LSTM":
            made.w_in[18:].zero_()
        made.b_in.copy_(torch.cat(gates[name]))
        made.b_rec.zero_()
    return Network(made, 1), float(torch.sigmoid(torch.tensor(8.0, dtype=torch.float64)))


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_a_gate_that_holds_makes_a_line_with_the_time_constant_of_the_gate(name: str) -> None:
    r"""The slow mode's modulus is the gate's own value, and an input moves the state by what reaches its content.

    Of a GRU that is $(1 - z)\,W_n x$; of an LSTM $i\,W_g x$ of the memory, with $i = 1/2$.
    """
    network, kept = gated_line(name)
    step = as_map(network)
    visited = drawn(300, step.n_state, seed=4)
    visited[:, 6:] *= 0.5  # an LSTM's memories, where tanh is not flat
    found = continuum(network, visited, torch.zeros(1), settle=300.0, n_samples=20)
    assert found.kind == "line" and found.along.min() > 0.99
    np.testing.assert_allclose(np.abs(found.eigenvalues[:, 0]), kept, rtol=1e-6)
    np.testing.assert_allclose(found.time_constants[:, 0], -10.0 / math.log(kept), rtol=1e-3)
    assert found.time_constants[:, 1].max() < 50.0
    weight = float(network.cell.w_in.detach()[-6 if name == "GRU" else 12, 0])  # type: ignore[union-attr,index]
    into = {"GRU": (1 - kept) * weight, "LSTM": 0.5 * weight}[name]
    # What is moved along the line, by its own measure: in an LSTM what is sent goes along with what is held.
    steep = np.abs(found.tangent[:, 0 if name == "GRU" else 6])
    np.testing.assert_allclose(np.abs(found.deposits[:, 0]) * found.stretch * steep, abs(into), rtol=2e-2)
    held = fixed_points(network, visited, search=QUICK, progress=False)
    assert len(held.states) == 1 and held.stable.all(), "it leaks: slow all along, at rest in one place alone"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("name", CELLS)
def test_on_a_gpu_the_same_points_are_found(name: str) -> None:
    network = Network(CELLS[name](), 3)
    visited, inputs = drawn(40, as_map(network).n_state), 0.5 * drawn(2, 2, seed=1)
    here = fixed_points(network, visited, inputs, search=QUICK, progress=False)
    there = fixed_points(network.to("cuda"), visited.to("cuda"), inputs.to("cuda"), search=QUICK, progress=False)
    assert there.counts == here.counts and (there.index_sums == here.index_sums).all()
    for c in range(2):
        one, other = (found.states[found.conditions == c] for found in (here, there))
        nearest = np.linalg.norm(one[:, None] - other[None], axis=-1).min(axis=1)
        np.testing.assert_allclose(nearest, 0, atol=1e-8)


def circle(n_rests: int, pull: float = 0.02) -> Map:
    """A ring in the plane, beside two directions that die; it rests in some places, as pulled."""

    def step(x: Tensor) -> Tensor:
        plane, rest = x[..., :2], x[..., 2:]
        radius = plane.norm(dim=-1, keepdim=True).clamp(min=1e-9)
        angle = torch.atan2(plane[..., 1:], plane[..., :1])
        angle = angle - pull * torch.sin(n_rests * angle) if n_rests else angle
        radius = radius + 0.5 * (1 - radius)
        return torch.cat([radius * torch.cos(angle), radius * torch.sin(angle), 0.3 * rest], dim=-1)

    return Map(step, 4, dt=10.0)


@pytest.mark.parametrize("n_rests", [0, 5])
def test_a_ring_is_found_with_its_drift_and_rests(n_rests: int) -> None:
    found = continuum(circle(n_rests), drawn(2000, 4, seed=9), settle=400.0, n_samples=90, over=10.0)
    assert found.kind == "ring" and found.rests == n_rests
    assert found.along.min() > 0.95
    angle = np.angle(found.states[:, 0] + 1j * found.states[:, 1])
    np.testing.assert_allclose(np.abs(found.drift), np.abs(2.0 * np.sin(n_rests * angle)), atol=0.05)
    if not n_rests:
        np.testing.assert_allclose(np.abs(found.eigenvalues[:, 0]), 1, atol=1e-6)


def bistable() -> FixedPoints:
    step = Map(lambda x: torch.tanh(2 * x @ torch.diag(torch.tensor([1.0, 0.2]).double())), 2, bounded=True)
    return fixed_points(step, drawn(40, 2), search=QUICK, progress=False)


def test_a_saddle_joins_the_two_memories_beside_it() -> None:
    joined = connections(bistable(), n_steps=200)
    assert joined.joining.tolist() == [True] and joined.paths.shape == (1, 2, 200, 2)
    assert sorted(joined.ends[0].tolist()) == np.flatnonzero(bistable().stable).tolist()
    assert connections(bistable(), n_steps=1).ends.tolist() == [[-1, -1]]  # no time to arrive


def test_a_portrait_is_the_flow_of_the_step() -> None:
    w = torch.tensor([[0.9, 0.2], [-0.2, 0.8]], dtype=torch.float64)
    step = Map(lambda x: x @ w.T, 2, dt=10.0)
    view = portrait(step, torch.stack([step.trajectory(drawn(5, 2), 30)])[0], n_places=6)
    places = view.middle + view.places @ view.axes
    velocity = (places @ w.numpy().T - places) / 10.0 * 1e3
    np.testing.assert_allclose(view.flow, velocity @ view.axes.T, atol=1e-9)
    np.testing.assert_allclose(view.speed, np.linalg.norm(velocity, axis=1), atol=1e-9)
    assert view.frame().shape == (36, 5) and view.paths.shape == (5, 30, 2)


def test_everything_can_be_drawn() -> None:
    points = bistable()
    network = Network(CELLS["rate"](), 1)
    paths = drawn(3, 10, 8)
    shown = fixed_points(network, paths.flatten(0, 1), search=QUICK, progress=False)
    results = [
        points,
        connections(points, n_steps=50),
        modes(network, shown.states[0]),
        portrait(network, paths, points=shown),
        continuum(circle(3), drawn(500, 4, seed=9), settle=100.0),
        continuum(leaking_line(0.99)[0], drawn(100, 6), settle=50.0),
    ]
    for result in results:
        for figure in figures(result):
            assert figure.svg and figure.caption and figure.alt


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: fixed_points(n, drawn(5, 3)), r"fixed_points: `visited` must be of shape \(sample, 8\)"),
        (lambda n: fixed_points(n, drawn(5, 8) / 0), r"fixed_points: `visited` must be finite everywhere"),
        (
            lambda n: fixed_points(n, drawn(5, 8), drawn(1, 3)),
            r"fixed_points: `inputs` must be of shape",
        ),
        (
            lambda n: fixed_points(n.cell, Trials(drawn(1, 4, 2), drawn(1, 4, 1), torch.ones(1, 4), dt=1.0)),
            r"fixed_points: `visited` must be states, where the system is no network",
        ),
        (lambda n: modes(n, drawn(3)), r"modes: `state` must be of shape \(8,\)"),
        (lambda n: modes(n, drawn(8), drawn(5)), r"modes: `inputs` must be of shape \(2,\)"),
        (lambda n: linear_error(n, drawn(2, 3), drawn(5, 8)), r"linear_error: `around` must be of shape \(sample, 8\)"),
        (lambda n: linear_error(n, drawn(2, 8), drawn(5, 3)), r"linear_error: `states` must be of shape \(sample, 8\)"),
        (
            lambda n: linear_error(n, drawn(2, 8), drawn(5, 8), drawn(5, 1)),
            r"linear_error: `inputs` must be of shape \(5, 2\), and `held` of \(2,\)",
        ),
        (lambda n: modes(n, drawn(8), n_steps=0), r"modes: `n_steps` must be a whole number"),
        (lambda n: continuum(n, drawn(50, 3), settle=1.0), r"continuum: `visited` must be of shape \(sample, 8\)"),
        (lambda n: continuum(n, drawn(50, 8), settle=0.0), r"continuum: `settle` must be a finite number above 0"),
        (lambda n: continuum(n, drawn(50, 8), settle=9.0, over=-1.0), r"continuum: `over` must be a finite number, 0"),
        (lambda n: continuum(n, drawn(50, 8), settle=9.0, n_samples=1), r"continuum: `n_samples` must be a whole"),
        (lambda n: continuum(n, drawn(50, 8), drawn(1), settle=9.0), r"continuum: `inputs` must be of shape \(2,\)"),
        (
            lambda _: continuum(Map(lambda x: 0.1 * x, 2), drawn(50, 2), settle=90.0),
            r"continuum: `settle` must be so short that states stay apart",
        ),
        (lambda n: portrait(n, drawn(5, 8)), r"portrait: `visited` must be of shape \(path, time, 8\)"),
        (lambda n: portrait(n, drawn(2, 5, 8), n_places=1), r"portrait: `n_places` must be a whole number"),
        (lambda n: portrait(n, drawn(2, 5, 8), margin=-1.0), r"portrait: `margin` must be a finite number, 0"),
        (lambda _: connections(bistable(), condition=1), r"connections: `condition` must be below 1; got 1"),
        (lambda _: connections(bistable(), n_steps=0), r"connections: `n_steps` must be a whole number"),
        (lambda _: connections(bistable(), kick=0.0), r"connections: `kick` must be a finite number above 0"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(Network(CELLS["rate"](), 1))
