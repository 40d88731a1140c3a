"""What pruning says when it refuses."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn.pruning import Choice


def rate(n: int = 12, **settings: object) -> nr.Network:
    return nr.Network(nr.LeakyRate(2, n, **settings), 1)


class Ring(nr.AbstractWiring):
    """A wiring of one's own, whose weights nobody else knows how to set."""

    def __init__(self) -> None:
        super().__init__()
        self.n_units, self.settings = 12, {}

    def forward(self) -> torch.Tensor:
        return torch.eye(12).roll(1, dims=0)

    def rescale(self, factor: torch.Tensor) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Given(nr.AbstractPruning):
    """A method that keeps everything but what it is told to drop, and adds to every unit's own connection."""

    units: tuple[int, ...] = tuple(range(12))
    itself: float = 0.0

    def choose(self, network: nr.Network, density: float, generator: torch.Generator) -> Choice:
        weights = network.cell.wiring().detach().double().numpy() + self.itself * np.eye(12)
        return Choice(weights, weights != 0, units=np.array(self.units))


DALE = nr.Dale(nr.Dense(12), excitatory=0.9)
STRONG = torch.ones(2, 20, 2)

REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: nr.prune(rate(), nr.RandomPruning(), density=0.0), r"prune: `density` must be in \(0, 1\]; got 0.0"),
    (lambda: nr.prune(rate(), nr.RandomPruning(), density=1.1), r"prune: `density` must be in \(0, 1\]; got 1.1"),
    (
        lambda: nr.prune(rate(), nr.RandomPruning(), density=1e-4),
        "RandomPruning: `density` must be large enough for one connection; got 0.0001. Use at least 0.0076",
    ),
    (
        lambda: nr.prune(rate(wiring=nr.Diagonal(12)), nr.RandomPruning()),
        "prune: `network` must be one with recurrent weights between units; got 'none'",
    ),
    (
        lambda: nr.prune(nr.Network(nr.GRU(2, 5), 1), nr.RandomPruning()),
        "prune: `network` must be of LeakyRate or spiking units; got 'GRU'",
    ),
    (
        lambda: nr.prune(rate(wiring=Ring()), nr.RandomPruning()),
        "prune: `wiring` must be Dense, LowRank, Sparse, Masked, NoAutapses or Dale; got 'Ring'",
    ),
    (lambda: nr.RandomPruning(rescale="capped"), "RandomPruning: `rescale` must be one that this method"),
    (lambda: nr.RandomPruning(rescale="half"), "RandomPruning: `rescale` must be a member of Rescale; got 'half'"),
    (lambda: nr.MagnitudePruning(rescale="full"), "MagnitudePruning: `rescale` must be one that this method"),
    (lambda: nr.ActivityPruning(STRONG, drop="layers"), "ActivityPruning: `drop` must be a member of Least"),
    (
        lambda: nr.prune(rate(), nr.ActivityPruning(0 * STRONG)),
        "ActivityPruning: `inputs` must be strong enough to make some unit active",
    ),
    (
        lambda: nr.prune(rate(), nr.ActivityPruning(STRONG), density=0.01),
        "ActivityPruning: `density` must be enough for two connected units and those needed; got 1",
    ),
    (
        lambda: nr.prune(rate(wiring=DALE, seed=4), nr.ActivityPruning(STRONG), density=0.05),
        "prune: `units` must be some that excite and some that inhibit",
    ),
    (
        lambda: nr.prune(rate(one_to_one=True), Given(units=(1, 2, 3))),
        r"prune: `units` must be among them 2 that have an input of their own; got \[0\]",
    ),
    (
        lambda: nr.prune(rate(wiring=DALE), Given(itself=-9.0)),
        "prune: `weights` must be of one sign a unit, for a wiring with Dale's law; got 'others'. Take diagonal",
    ),
    (
        lambda: nr.prune(rate(wiring=nr.NoAutapses(nr.Dense(12))), Given(itself=-9.0)),
        "prune: `weights` must be 0 on the diagonal, for a wiring without autapses",
    ),
]


@pytest.mark.parametrize(("ask", "message"), REFUSED, ids=[message[:48] for _, message in REFUSED])
def test_it_says_what_is_wrong(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask()
