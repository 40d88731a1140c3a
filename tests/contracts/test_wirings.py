"""What every wiring promises, alone and composed."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import (
    AbstractWiring,
    Dale,
    Dense,
    Diagonal,
    LeakyRate,
    LowRank,
    Masked,
    Network,
    NoAutapses,
    Sparse,
    build,
    describe,
    generator,
)
from tests.tolerances import EXACT, FLOAT64

N = 40
CHECKERS = torch.arange(N)[:, None] % 3 != torch.arange(N) % 2
WIRINGS: dict[str, Callable[[], AbstractWiring]] = {
    "dense": lambda: Dense(N, seed=2),
    "low-rank": lambda: LowRank(N, rank=3, seed=2),
    "diagonal": lambda: Diagonal(N, seed=2),
    "sparse": lambda: Sparse(Dense(N, seed=2), density=0.25),
    "masked": lambda: Masked(Dense(N, seed=2), CHECKERS),
    "masked dale": lambda: Masked(Dale(Dense(N, seed=2)), CHECKERS),
    "no autapses": lambda: NoAutapses(Dense(N, seed=2)),
    "dale": lambda: Dale(Dense(N, seed=2)),
    "dale low-rank": lambda: Dale(LowRank(N, rank=2, seed=2)),
    "sparse low-rank": lambda: Sparse(LowRank(N, rank=2, seed=2), density=0.5),
    "dale sparse": lambda: Dale(Sparse(Dense(N, seed=2), density=0.5)),
    "sparse dale": lambda: Sparse(Dale(Dense(N, seed=2)), density=0.5),
    "dale no-autapses sparse": lambda: Dale(NoAutapses(Sparse(Dense(N, seed=2), density=0.5))),
    "no-autapses dale": lambda: NoAutapses(Dale(Dense(N, seed=2))),
}


@pytest.fixture(params=WIRINGS, ids=str)
def wiring(request: pytest.FixtureRequest) -> AbstractWiring:
    return WIRINGS[request.param]()


def layers(wiring: AbstractWiring) -> list[AbstractWiring]:
    inner = getattr(wiring, "inner", None)
    return [wiring] if inner is None else [wiring, *layers(inner)]


def trained(wiring: AbstractWiring, steps: int = 20) -> AbstractWiring:
    """A few steps of Adam with weight decay and momentum, towards arbitrary weights."""
    optimiser = torch.optim.AdamW(wiring.parameters(), lr=0.05, weight_decay=0.1)
    target = torch.randn(wiring.n_units, wiring.n_units, generator=generator(4))
    for _ in range(steps):
        optimiser.zero_grad()
        (wiring() - target).square().sum().backward()
        optimiser.step()
    return wiring


def radii(weights: torch.Tensor) -> torch.Tensor:
    return torch.linalg.eigvals(weights.detach().double()).abs().sort(descending=True).values


def test_the_same_seed_gives_the_same_weights(wiring: AbstractWiring, request: pytest.FixtureRequest) -> None:
    again = WIRINGS[request.node.callspec.params["wiring"]]()
    assert wiring().shape == (N, N)
    torch.testing.assert_close(wiring(), again(), **EXACT)


def test_constraints_hold_at_the_start_and_after_learning(wiring: AbstractWiring) -> None:
    before = wiring().detach().clone()
    for weights in (before, trained(wiring)().detach()):
        for layer in layers(wiring):
            if isinstance(layer, Dale):
                assert bool((weights * layer.signs >= 0).all())
            if isinstance(layer, Sparse | Masked):
                assert bool((weights[layer.mask == 0] == 0).all())
            if isinstance(layer, NoAutapses):
                assert bool((weights.diagonal() == 0).all())
    assert not torch.equal(before, weights), "nothing was learnt"


def test_every_wiring_carries_gradients_to_a_network(wiring: AbstractWiring) -> None:
    network = Network(LeakyRate(1, N, nonlinearity="tanh", wiring=wiring), n_out=1)
    network(torch.ones(2, 4, 1)).outputs.sum().backward()
    for name, parameter in wiring.named_parameters():
        assert parameter.grad is not None and bool((parameter.grad != 0).any()), name


@settings(max_examples=15, deadline=None)
@given(n=st.integers(6, 40), rank=st.integers(1, 5), seed=st.integers(0, 500))
def test_a_rank_is_a_rank_and_learning_keeps_it(n: int, rank: int, seed: int) -> None:
    wiring = LowRank(n, rank=rank, seed=seed).double()
    assert int(torch.linalg.matrix_rank(wiring(), tol=1e-9)) == rank
    torch.testing.assert_close(wiring(), wiring.m @ wiring.n.T / n, **FLOAT64)
    with torch.no_grad():
        wiring.m += 1.0
    assert int(torch.linalg.matrix_rank(wiring(), tol=1e-9)) == rank


@settings(max_examples=20, deadline=None)
@given(n=st.integers(5, 60), density=st.floats(0.2, 1.0), seed=st.integers(0, 500))
def test_a_sparse_unit_receives_as_many_connections_as_every_other(n: int, density: float, seed: int) -> None:
    wiring = Sparse(Dense(n, seed=seed), density=density, seed=seed)
    assert set((wiring() != 0).sum(1).tolist()) == {round(density * n)}


def test_thinning_keeps_the_variance_that_a_unit_receives() -> None:
    dense, sparse = Dense(600, gain=1.2, seed=1), Sparse(Dense(600, gain=1.2, seed=1), density=0.1)
    received = sparse().detach().square().sum() / dense().detach().square().sum()
    assert abs(float(received) - 1.0) < 0.03


@pytest.mark.parametrize("n", [3, 8, 21])
def test_a_mask_survives_description_and_fresh_weights(n: int) -> None:
    mask = torch.rand(n, n, generator=generator(n)) < 0.4
    network = Network(LeakyRate(1, n, wiring=Masked(Dense(n), mask)), n_out=1)
    for other in (build(describe(network)), network.untrained(3)):
        assert torch.equal(other.cell.wiring() != 0, mask)
    assert not torch.equal(network.untrained(3).cell.wiring(), network.cell.wiring())


def test_the_circular_law_sets_the_spectral_radius() -> None:
    assert abs(float(radii(Dense(600, gain=1.5, seed=0)())[0]) - 1.5) < 0.1


@pytest.mark.parametrize("excitatory", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("density", [None, 0.3])
def test_dale_is_balanced_and_has_no_outlier(excitatory: float, density: float | None) -> None:
    inner = Dense(200, seed=3) if density is None else Sparse(Dense(200, seed=3), density=density)
    target, plain = float(radii(inner())[0]), inner().detach().abs()
    wiring = Dale(inner, excitatory=excitatory)
    weights = wiring().detach()
    n_exc = round(200 * excitatory)
    assert wiring.signs.tolist() == [1.0] * n_exc + [-1.0] * (200 - n_exc)
    scale = weights.abs().sum(1)
    assert float((weights.sum(1) / scale).abs().max()) < 1e-5
    sizes = radii(weights)
    assert abs(float(sizes[0]) - target) < 1e-3 * target
    assert float(sizes[0] / sizes[4]) < 1.5, "one eigenvalue lies far outside the others"
    naive = radii(plain * wiring.signs)
    if excitatory != 0.5:
        assert float(naive[0] / naive[4]) > 3.0, "without balance there is an outlier: the test can fail"


def test_a_masked_product_of_low_rank_is_formally_of_full_rank_and_its_factors_alone_learn() -> None:
    r"""Tumma et al. (2023): $W = (W_1 W_2) \circ M$ from the leading singular vectors of initial weights.

    A mask makes it full rank, with few outliers above a bulk (Herbert & Ostojic 2022): factor rank and spectrum differ.
    """
    n, rank = 60, 3
    left, sizes, right = torch.linalg.svd(Dense(n, seed=1)().detach().double(), full_matrices=False)
    start = (left[:, :rank] * sizes[:rank]) @ right[:rank]
    inner = LowRank(n, rank=rank).double()
    inner.fill(start)
    there = torch.rand(n, n, generator=generator(2)) < 0.3
    wiring = Masked(inner, there)
    torch.testing.assert_close(wiring(), torch.where(there, start, 0.0), rtol=1e-9, atol=1e-12)
    assert int(torch.linalg.matrix_rank(inner())) == rank and int(torch.linalg.matrix_rank(wiring())) > 0.8 * n
    assert sorted(p.shape for p in wiring.parameters()) == [(n, rank), (n, rank)]
    values = torch.linalg.svdvals(wiring())
    assert values[rank - 1] > 1.1 * values[rank], "as many outliers as the factors have columns"


def test_dale_of_low_rank_keeps_the_rank_of_its_magnitudes_balanced() -> None:
    weights = Dale(LowRank(80, rank=1, seed=1))().detach().double()
    assert float((weights.sum(1) / weights.abs().sum(1)).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Dense(0), "Dense: `n_units` must be a whole number, 1 or above; got 0"),
        (lambda: Dense(3, gain=-1.0), "Dense: `gain` must be a finite number, 0 or above; got -1"),
        (lambda: LowRank(0), "LowRank: `n_units` must be a whole number"),
        (lambda: LowRank(4, rank=0), "LowRank: `rank` must be a whole number"),
        (lambda: LowRank(4, rank=5), "LowRank: `rank` must be at most the number of units, 4; got 5. Use Dense"),
        (
            lambda: LowRank(4).rescale(torch.ones(4, 4)),
            "LowRank.rescale: `factor` must be one number for each column; got an array of shape",
        ),
        (lambda: Sparse(Dense(4), density=1.5), r"Sparse: `density` must be a number in \[0, 1\]; got 1.5"),
        (lambda: Sparse(Dense(4), density=0.1), "Sparse: `density` must be large enough.*Use at least 0.25"),
        (lambda: Masked(Dense(4), torch.ones(3, 3).bool()), r"Masked: `mask` must be of shape \(4, 4\)"),
        (lambda: Masked(Dense(4), ["f0", "f0"]), "Masked: `mask` must be 4 rows of 2 hexadecimal digits"),
        (lambda: Masked(Dense(4), ["f0", "f0", "f0", "xy"]), "Masked: `mask` must be 4 rows of 2 hexadecimal digits"),
        (lambda: Dale(Dense(4), excitatory=-0.1), r"Dale: `excitatory` must be a number in \[0, 1\]; got -0.1"),
        (lambda: Dale(Dense(4), excitatory=1.0), "Dale: `excitatory` must be a fraction that leaves both kinds; got 1"),
    ],
)
def test_wirings_refuse(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_weights_that_are_handed_over_are_taken_as_they_are(
    wiring: AbstractWiring, request: pytest.FixtureRequest
) -> None:
    handed = trained(WIRINGS[request.node.callspec.params["wiring"]]())().detach()
    before = wiring().detach().clone()
    if isinstance(layers(wiring)[-1], LowRank) and len(layers(wiring)) > 1:
        with pytest.raises(ValueError, match=r"LowRank.fill: `weights` must be of rank 2 or less; got 'of rank"):
            wiring.fill(handed)
        torch.testing.assert_close(wiring(), before, **EXACT)
        return
    wiring.fill(handed)
    torch.testing.assert_close(wiring(), handed, rtol=1e-5, atol=1e-6)


def test_weights_against_the_rule_are_refused() -> None:
    wiring = Dale(Dense(10))
    before, weights = wiring().detach().clone(), wiring().detach().clone()
    weights[4, 3], weights[5, 9] = -0.1, 0.2
    dale = r"Dale.fill: `weights` must be at least 0 in the columns of the first 8 units and at most 0 in the rest; "
    with pytest.raises(ValueError, match=dale + "got '2 units that do otherwise, the first of them unit 3, which inh"):
        wiring.fill(weights)
    torch.testing.assert_close(wiring(), before, **EXACT)
    with pytest.raises(
        ValueError, match=r"NoAutapses.fill: `weights` must be 0 where the wiring has no connection; got"
    ):
        NoAutapses(Dense(10)).fill(torch.ones(10, 10))
    with pytest.raises(ValueError, match=r"Dense.fill: `weights` must be of shape \(10, 10\), rows post-synaptic"):
        Dense(10).fill(torch.ones(3, 10))
    with pytest.raises(ValueError, match=r"Dense.fill: `weights` must be finite everywhere; got '1 of 4 values"):
        Dense(2).fill(torch.tensor([[0.0, float("nan")], [1.0, 2.0]]))
