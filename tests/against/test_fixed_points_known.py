"""Fixed points against systems whose fixed points are known: in closed form, by construction, or by theory."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import root_scalar
from torch import Tensor

from neurornn import Dense, LeakyRate, Map, fixed_points, flow_map, generator
from neurornn.dynamics import FixedPoints, Search
from tests.tolerances import FLOAT64

QUICK = Search(n_seeds=120, adam_steps=400)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def search(step: Map, visited: Tensor, how: Search = QUICK) -> FixedPoints:
    return fixed_points(step, visited, search=how, progress=False)


@pytest.mark.parametrize(
    ("w", "x", "inner"),
    [
        (2.0, 0.957504024077, 0.166372087752),
        (1.5, 0.858559636640, 0.394313025499),
        (3.0, 0.994901528453, 0.030512846048),
    ],
)
def test_one_bistable_unit(w: float, x: float, inner: float) -> None:
    found = search(Map(lambda s: torch.tanh(w * s), 1, bounded=True), drawn(20, 1))
    order = np.argsort(found.states[:, 0])
    np.testing.assert_allclose(found.states[order, 0], [-x, 0.0, x], rtol=0, atol=1e-11)
    np.testing.assert_allclose(np.abs(found.eigenvalues[order, 0]), [inner, w, inner], rtol=0, atol=1e-11)
    assert found.index[order].tolist() == [0, 1, 0] and found.index_sums.tolist() == [1.0] and not found.notes


@pytest.mark.parametrize("w", [0.5, 0.9])
def test_one_weak_unit_rests_only_at_zero(w: float) -> None:
    found = search(Map(lambda s: torch.tanh(w * s), 1, bounded=True), drawn(20, 1))
    np.testing.assert_allclose(found.states, [[0.0]], rtol=0, atol=1e-10)


def test_a_leak_moves_eigenvalues_but_no_fixed_point() -> None:
    found = search(Map(lambda s: 0.8 * s + 0.2 * torch.tanh(2 * s), 1, dt=2.0, bounded=True), drawn(20, 1))
    order = np.argsort(found.states[:, 0])
    np.testing.assert_allclose(found.states[order, 0], [-0.957504024077, 0, 0.957504024077], rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.eigenvalues[order, 0].real, [0.833274417550, 1.2, 0.833274417550], atol=1e-11)
    rows = found.frame().iloc[order]
    np.testing.assert_allclose(rows["time_constant"].iloc[0], -2.0 / math.log(0.833274417550), rtol=1e-9)


def memory(n_bits: int, n_more: int, rotated: bool = True) -> Map:
    """Bistable units beside contracting ones, seen from a rotated frame."""
    n = n_bits + n_more
    w = torch.zeros(n, n, dtype=torch.float64)
    w[:n_bits, :n_bits] = 2 * torch.eye(n_bits)
    w[n_bits:, n_bits:] = 0.3 * drawn(n_more, n_more, seed=1) / math.sqrt(n_more)
    turn = torch.linalg.qr(drawn(n, n, seed=2))[0] if rotated else torch.eye(n, dtype=torch.float64)
    return Map(lambda x: torch.tanh(x @ turn @ w.T) @ turn.T, n, bounded=True)


@pytest.mark.parametrize(("n_bits", "counts"), [(2, {0: 4, 1: 4, 2: 1}), (3, {0: 8, 1: 12, 2: 6, 3: 1})])
def test_a_memory_of_bits_is_a_cube_of_fixed_points(n_bits: int, counts: dict[int, int]) -> None:
    step = memory(n_bits, 6)
    found = search(step, step.trajectory(drawn(40, step.n_state), 20).flatten(0, 1), Search(adam_steps=400))
    assert found.counts == counts
    assert found.index_sums.tolist() == [1.0] and len(found.slow_states) == 0


def test_missing_points_show_in_the_index_sum() -> None:
    """With seeds near one corner only, the rest is missed, and the sum says so where it can."""
    step = memory(1, 0, rotated=False)
    found = search(step, 1.0 + 0.01 * drawn(20, 1), Search(n_seeds=30, noise=0.0))
    assert found.counts == {0: 1, 1: 1}  # the origin is always a seed
    assert found.index_sums.tolist() == [0.0] and "fixed points are missing" in found.notes[0]


def low_rank(n: int, s: float) -> tuple[LeakyRate, Tensor, Tensor]:
    """One outlier: weights m n^T / N with n = s m + noise, in the form dx/dt = -x + W tanh(x)."""
    m, noise = drawn(n, seed=3), drawn(n, seed=4)
    cell = LeakyRate(1, n, tau=20.0, dt=2.0, nonlinearity="tanh", form="current", bias=False, wiring=Dense(n))
    with torch.no_grad():
        cell.wiring.weight.copy_(torch.outer(m, s * m + noise) / n)  # type: ignore[union-attr,operator]
    return cell, m, s * m + noise


def overlap(s: float) -> float:
    """Mean-field theory: 1 = s E[1 - tanh^2(kappa z)]."""
    z = np.linspace(-8, 8, 4001)
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    return root_scalar(lambda k: s * np.sum(weight / np.cosh(k * z) ** 2) - 1, bracket=(1e-3, 20)).root


def test_the_theory_of_rank_one_networks() -> None:
    found = [overlap(s) for s in (1.5, 2.0, 3.0)]
    np.testing.assert_allclose(found, [0.8434173990, 1.3371088959, 2.2223135098], rtol=0, atol=1e-6)


@pytest.mark.parametrize("s", [1.5, 3.0])
def test_a_rank_one_network_rests_where_its_overlap_says(s: float) -> None:
    """x* = kappa m, with kappa of these very vectors exactly, and that of theory as far as 500 units allow."""
    cell, m, n = low_rank(500, s)
    w_m = torch.outer(m, n) / 500
    kappa = root_scalar(
        lambda k: float((w_m @ torch.tanh(k * m)) @ m / (m @ m)) - k, bracket=(0.2, 10.0), xtol=1e-14
    ).root
    visited = torch.outer(torch.linspace(-3, 3, 13, dtype=torch.float64), m)
    found = fixed_points(cell, visited, search=Search(n_seeds=12, noise=0.0, adam_steps=100), progress=False)
    got = np.sort(found.states @ m.numpy() / float(m @ m))
    np.testing.assert_allclose(got, [-kappa, 0.0, kappa], rtol=0, atol=1e-6)  # float32 weights
    assert abs(kappa / overlap(s) - 1) < 0.15
    assert found.counts == {0: 2, 1: 1}


@pytest.mark.slow
def test_a_large_rank_one_network_is_as_theory_says() -> None:
    found = []
    for seed in range(8):
        m, noise = drawn(4000, seed=10 + seed), drawn(4000, seed=50 + seed)
        step = Map(lambda x, m=m, n=2 * m + noise: torch.tanh(x) @ n[:, None] * m / 4000, 4000)
        x = step.trajectory(2.0 * m[None], 400)[:, -1]
        assert float((step(x) - x).norm()) < 1e-9
        found.append(float(x[0] @ m / (m @ m)))
    assert abs(np.mean(found) - 1.3371088959) < 3 * np.std(found, ddof=1) / math.sqrt(8)


def test_a_linear_integrator_rests_anywhere_on_its_line() -> None:
    along, read = drawn(10, seed=5), drawn(10, seed=6)
    read = read / (along @ read)
    rest = 0.5 * (torch.eye(10, dtype=torch.float64) - torch.outer(along, read))
    w = torch.outer(along, read) + rest
    found = search(Map(lambda x: x @ w.T, 10), drawn(50, 10))
    assert len(found.states) > 60 and found.q.max() < 1e-24
    off = found.states - np.outer(found.states @ read.numpy(), along.numpy())
    np.testing.assert_allclose(off, 0, atol=1e-9)
    np.testing.assert_allclose(np.abs(found.eigenvalues[:, 0]), 1, atol=1e-9)
    assert (found.marginal == 1).all() and found.stable.all()
    assert np.isnan(found.index_sums).all()


def ring(n: int, excitation: float, inhibition: float = -10.0, c: float = 1.0) -> Map:
    """Threshold-linear units on a circle: a ring attractor, if the excitation is one of a few strengths."""
    angle = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    w = (inhibition + excitation * torch.cos(angle[:, None] - angle)) / n
    return flow_map(lambda h: -h + torch.relu(h) @ w.T + c, n, dt=0.2, name="ring")


def bumps(n: int, n_angles: int = 72) -> Tensor:
    angle = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    where = 2 * math.pi * (torch.arange(n_angles, dtype=torch.float64) + 0.37) / n_angles
    return torch.cos(angle - where[:, None])


def facing(states: np.ndarray) -> np.ndarray:
    n = states.shape[1]
    return np.angle(np.maximum(states, 0) @ np.exp(2j * np.pi * np.arange(n) / n))


@pytest.mark.parametrize(
    ("n", "excitation"),
    [(6, 12.0), (6, 4.0), (6, 2.4), (8, 8.0), (8, 4.0), (8, 2.6667), (8, 2.1580)],
)
def test_the_ring_holds_every_angle(n: int, excitation: float) -> None:
    exact = {2.6667: 8 / 3, 2.1580: 8 / ring_sum(8)}.get(excitation, excitation)
    assert abs(exact - excitation) < 1e-3
    step = ring(n, exact)
    held = step.trajectory(bumps(n), 1500)[:, -1]
    found = search(step, held, Search(n_seeds=72, noise=0.0, adam_steps=1, apart=1e-6))
    angles = np.sort(facing(held.numpy()))
    assert len(np.unique(angles.round(6))) == 72  # 72 of 72 starts end apart
    assert float(0.5 * (step(held) - held).square().sum(-1).max()) < 1e-16
    assert len(found.states) > 72 / 3


def ring_sum(n: int) -> float:
    """The sum of sin^2 of offsets from the bump's centre over all but two units: the widest bump."""
    offsets = 2 * math.pi / n * (np.arange(n - 2) - (n - 3) / 2)
    return float(np.sum(np.sin(offsets) ** 2))


def test_the_cleanest_ring_is_marginal_at_every_orientation() -> None:
    step = ring(8, 8.0)
    held = step.trajectory(bumps(8), 1500)[:, -1]
    assert bool(((held > 0).sum(-1) == 3).all())
    found = search(step, held, Search(n_seeds=120, noise=0.0, adam_steps=1))
    active = (found.states > 1e-9).sum(axis=1)
    on_ring = active == 3
    assert on_ring.sum() > 60
    np.testing.assert_allclose(np.abs(found.eigenvalues[on_ring, 0]), 1, atol=1e-6)
    assert (np.abs(found.eigenvalues[on_ring, 1]) < 0.99).all()


@pytest.mark.parametrize(("n", "excitation"), [(6, 3.0), (8, 3.2)])
def test_off_the_condition_the_ring_breaks_into_as_many_points_as_units(n: int, excitation: float) -> None:
    step = ring(n, excitation)
    held = step.trajectory(bumps(n), 20_000)[:, -1]
    found = search(step, held, Search(n_seeds=120, noise=0.0, adam_steps=1, apart=1e-3))
    stable = found.states[found.stable]
    assert len(stable) == n
    apart = np.diff(np.sort(facing(stable)))
    np.testing.assert_allclose(apart, 2 * np.pi / n, atol=1e-4)


def test_a_limit_cycle_has_no_stable_fixed_point_and_the_finder_says_so() -> None:
    turn = torch.tensor([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]], dtype=torch.float64)
    step = Map(lambda x: torch.tanh(1.5 * x @ turn.T), 2, dt=10.0, bounded=True)
    found = search(step, step.trajectory(drawn(10, 2), 50).flatten(0, 1))
    np.testing.assert_allclose(found.states, [[0, 0]], atol=1e-10)
    assert found.index.tolist() == [2] and found.frame()["kind"].tolist() == ["source"]
    np.testing.assert_allclose(found.frame()["period"], 2 * math.pi / 0.3 * 10.0, **FLOAT64)
    assert "no stable fixed point" in found.notes[0] and "lyapunov" in found.notes[0]


@pytest.mark.parametrize("form", ["rate", "current", "update"])
def test_weak_random_weights_leave_only_the_origin(form: str) -> None:
    cell = LeakyRate(1, 40, tau=20.0, dt=5.0, nonlinearity="tanh", form=form, wiring=Dense(40, gain=0.8))
    found = fixed_points(cell, drawn(50, 40), search=QUICK, progress=False)
    np.testing.assert_allclose(found.states, np.zeros((1, 40)), atol=1e-9)
    assert found.stable.all() and found.index_sums.tolist() == [1.0]


GHOST: Callable[[Tensor], Tensor] = lambda x: x + 0.1 * (x.square() + 0.01)  # noqa: E731  (no root: a ghost at 0)


def test_a_ghost_is_slow_and_not_a_fixed_point() -> None:
    found = search(Map(GHOST, 1), torch.linspace(-1, 1, 21, dtype=torch.float64)[:, None])
    assert len(found.states) == 0
    assert len(found.slow_states) >= 1
    best = int(np.argmin(found.slow_q))
    assert abs(found.slow_states[best, 0]) < 0.02 and found.slow_speeds[best] < 0.1
    np.testing.assert_allclose(found.slow_q[best], 0.5 * 0.001**2, rtol=0.05)
    assert list(found.slow_frame().columns) == ["condition", "q", "speed"]
