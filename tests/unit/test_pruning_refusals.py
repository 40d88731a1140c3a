"""What pruning says when it refuses."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn.errors import NotConverged
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

    def fill(self, weights: torch.Tensor) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Given(nr.AbstractPruning):
    """A method that keeps everything but what it is told to drop, and adds to every unit's own connection."""

    units: tuple[int, ...] = tuple(range(12))
    itself: float = 0.0

    def choose(self, network: nr.Network, density: float, generator: torch.Generator) -> Choice:
        weights = network.cell.wiring().detach().double().numpy() + self.itself * np.eye(12)
        return Choice(weights, weights != 0, units=np.array(self.units))


LNP = nr.LyapunovNoisePruning
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
    (lambda: nr.NoisePruning(diagonal="zero"), "NoisePruning: `diagonal` must be a member of SelfWeights; got 'zero'"),
    (lambda: nr.NoisePruning(score="size"), "NoisePruning: `score` must be a member of Score; got 'size'"),
    (lambda: nr.NoisePruning(cap=1.5), r"NoisePruning: `cap` must be a number in \[0, 1\]; got 1.5"),
    (lambda: nr.NoisePruning(epsilon=1.0), r"NoisePruning: `epsilon` must be in \[0, 1\); got 1.0"),
    (
        lambda: nr.NoisePruning(nr.SimulatedCovariance(), epsilon=0.5),
        "NoisePruning: `epsilon` must be 0 but for the analytic covariance and score='noise'; got 0.5",
    ),
    (lambda: nr.SimulatedCovariance(level=0.0), "SimulatedCovariance: `level` must be a finite number above 0"),
    (lambda: nr.SimulatedCovariance(tau=-1.0), "SimulatedCovariance: `tau` must be a finite number above 0"),
    (lambda: nr.SimulatedCovariance(frames=0), "SimulatedCovariance: `frames` must be a whole number, 1 or above"),
    (lambda: nr.SimulatedCovariance(trials=0), "SimulatedCovariance: `trials` must be a whole number, 1 or above"),
    (
        lambda: nr.prune(nr.Network(nr.LIF(2, 12), 1), nr.NoisePruning(nr.SimulatedCovariance(level=1e-3, frames=1))),
        "SimulatedCovariance: `level` must be high enough to make units active; got 0.001. Raise `level`",
    ),
    (
        lambda: nr.prune(rate(wiring=nr.Dense(12, gain=40.0)), nr.NoisePruning()),
        "AnalyticCovariance: `network` must be stable once its leak is raised by 8 leaks; got 'an eigenvalue of",
    ),
    (
        lambda: nr.prune(nr.Network(nr.Izhikevich(2, 12), 1), nr.NoisePruning()),
        "prune: `network` must be of units with a time constant `tau`; got 'Izhikevich'",
    ),
    (
        lambda: nr.prune(rate(wiring=DALE), nr.NoisePruning(diagonal="matched", rescale="full")),
        "prune: `weights` must be of one sign a unit, for a wiring with Dale's law; got 'others'. Take diagonal",
    ),
    *[
        (lambda name=name, value=value: LNP(**{name: value}), f"LyapunovNoisePruning: `{name}` must be {must}")
        for name, value, must in [
            ("size", "length", "a member of Size; got 'length'"),
            ("exponents", "exact", "a member of Exponents; got 'exact'"),
            ("compared", "exact", "a member of Exponents; got 'exact'"),
            ("cap", 2.0, r"a number in \[0, 1\]; got 2.0"),
            ("units", -0.1, r"a number in \[0, 1\]; got -0.1"),
            ("batches", 0, "a whole number, 1 or above; got 0"),
            ("n_exponents", -1, "a whole number, 0 or above; got -1"),
            ("steps", 3, "a whole number, 8 or above; got 3"),
            ("level", 0.0, "a finite number above 0; got 0.0"),
            ("evaluations", 51, "at most 50; got 51"),
            ("evaluations", 0, "a whole number, 1 or above; got 0"),
        ]
    ],
    (
        lambda: nr.prune(rate(), LNP(units=0.95, retime=False)),
        "LyapunovNoisePruning: `units` must be small enough to leave two connected ones; got 0.95",
    ),
    (
        lambda: nr.prune(rate(), LNP(retime=False), density=1e-3),
        "LyapunovNoisePruning: `density` must be large enough for one connection",
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
    with pytest.raises((ValueError, NotConverged), match=message):
        ask()


def test_without_the_optimiser_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bayes_opt", None)
    with pytest.raises(ValueError, match="LyapunovNoisePruning: `retime` must be False where bayesian-optimization is"):
        nr.prune(rate(), LNP(), density=0.5)
    assert nr.prune(rate(), LNP(retime=False), density=0.5).density > 0.4
