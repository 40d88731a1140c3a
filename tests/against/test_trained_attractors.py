"""What training makes of networks that must hold a quantity: how many dimensions they hold it in, on every cell.

Nothing here is exact: networks are trained. Held are the statements of the literature, with their numbers told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import GRU, LSTM, Dense, LeakyRate, Network, OneCycle, Trials, generator, modes, train, visited_states
from neurornn.dynamics import as_map
from neurornn.study import ContinuumStudy, FlipFlopStudy, Plan
from neurornn.task import AbstractTask, EvidenceAccumulation, FlipFlop, HeadDirection, VonMises


@dataclass(frozen=True)
class Classes(AbstractTask):
    """Noise on as many channels as there are classes, a little more on one of them: which one?"""

    n: int = 3
    dt: float = 20.0
    steps: int = 40
    score_name: ClassVar[str] = "fraction told right"
    higher_is_better: ClassVar[bool] = True

    @property
    def n_in(self) -> int:
        return self.n

    @property
    def n_out(self) -> int:
        return self.n

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        which = torch.nn.functional.one_hot(torch.randint(self.n, (n_trials,), generator=generator), self.n).float()
        noise = torch.randn(n_trials, self.steps, self.n, generator=generator)
        asked = (torch.arange(self.steps) >= 10).float().expand(n_trials, -1).clone()
        targets = which[:, None].expand(-1, self.steps, -1).clone()
        return Trials(0.4 * noise + 0.15 * which[:, None], targets, asked, dt=self.dt)

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        return (outputs[..., -1, :].argmax(-1) == trials.targets[..., -1, :].argmax(-1)).double()


@pytest.mark.parametrize("n", [2, 3, 4])
def test_as_many_slow_modes_as_classes_less_one(n: int) -> None:
    """Evidence for C classes is held in C - 1 dimensions (Aitken et al. 2020): a line, a plane, a space."""
    task = Classes(n)
    cell = LeakyRate(n, 48, tau=100.0, dt=task.dt, nonlinearity="tanh", wiring=Dense(48, gain=0.8, seed=1))
    settings = {"batch": 64, "learning_rate": 2e-3, "schedule": OneCycle(), "progress": False}
    fit = train(Network(cell, n, noise=0.02), task, steps=600, **settings)  # type: ignore[arg-type]
    drawn = task.sample(64, generator=generator(5))
    told = drawn.inputs.sum(1).argmax(-1) == drawn.targets[:, -1].argmax(-1)
    assert fit.score(512).mean() > 0.9 * float(told.double().mean())
    held = torch.full((n,), 0.15 / n, dtype=torch.float64)
    step, x = as_map(fit.network), visited_states(fit.network, drawn).flatten(0, 1)
    with torch.no_grad():
        for _ in range(20):
            x = step(x, held[None])
    middle = x.mean(dim=0)
    power = torch.linalg.svdvals(x - middle).square().cumsum(0)
    share = (power / power[-1]).tolist()
    assert share[n - 2] > 0.95
    assert n == 2 or share[n - 3] < 0.75
    nearest = x[(x - middle).square().sum(1).argmin()]
    taus = modes(fit.network, nearest, held).frame()["time_constant"].to_numpy()
    assert taus[n - 2] > 2.0 * taus[n - 1] and taus[n - 2] > 500.0 > taus[n - 1]


def studied(
    study: ContinuumStudy | FlipFlopStudy, cell: Callable[..., GRU | LSTM | LeakyRate], task: AbstractTask, n: int,
    steps: int,
) -> dict[str, float]:  # fmt: skip
    """Train a small network of a kind of cell, and return what the study finds."""

    def network(task: AbstractTask, seed: int) -> Network:
        return Network(
            cell(task.n_in, n, dt=task.dt, seed=seed), task.heads, n_start=task.n_start, noise=0.02, seed=seed
        )

    settings = {"steps": steps, "batch": 64, "learning_rate": 5e-3, "schedule": OneCycle()}
    return dict(study.run(Plan(network=network, task=lambda **_: task, train=settings, seed=0)).quantities)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [GRU, LSTM], ids=["GRU", "LSTM"])
def test_gated_units_add_up_evidence_on_a_line(cell: Callable[..., GRU | LSTM]) -> None:
    """The same mechanism in every architecture (Maheswaranathan et al. 2019): one slow mode along one line."""
    task = EvidenceAccumulation(fixation=(100.0, 100.0), stimulus=(400.0, 800.0), delay=(0.0, 0.0))
    study = ContinuumStudy(
        (1.0, 0.5, 0.5), "stimulus", 400.0, 800.0, trials=32, samples=24, tokens=100, seeds=24, descent=200
    )
    found = studied(study, cell, task, 24, 500)
    assert found["score_of_ideal"] > 0.95 and found["ring"] == 0
    assert found["slow_tau"] > 800.0 and found["tau_ratio"] > 3.0
    assert found["along"] > 0.9 and found["deposit_r"] > 0.9 and found["position_is_answer"] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("cell", [GRU, LSTM], ids=["GRU", "LSTM"])
def test_gated_units_hold_heading_on_a_ring_of_discrete_points(cell: Callable[..., GRU | LSTM]) -> None:
    """Trained GRUs did not become continuous in Jordan et al. (2021): what is near a ring rests in a few places."""
    task = HeadDirection(duration=1000.0, turning=5.0, code=VonMises(16, concentration=3.6476, top=3))
    study = ContinuumStudy(settle=500.0, trials=32, samples=36, tokens=100, seeds=36, descent=200)
    found = studied(study, cell, task, 32, 800)
    print({name: round(found[name], 3) for name in ("rests", "drift", "slow_tau", "next_tau", "along", "stable")})
    assert found["ring"] == 1 and found["slow_tau"] > 1000.0 and found["along"] > 0.8
    assert found["rests"] >= 1 and 0 < found["drift"] < 60.0, "discrete: it drifts, to places where it rests"


@pytest.mark.slow
def test_a_gru_remembers_bits_in_a_stable_point_each() -> None:
    """How many saddles there are differs between networks that do the same; what must hold is asserted."""
    study = FlipFlopStudy(trials=32, seeds=300, descent=800, longer=3, followed=1500)
    found = studied(study, GRU, FlipFlop(n_bits=3, dt=20.0, duration=960.0), 32, 500)
    assert found["score"] > 0.97 and found["stable"] == 8 and found["patterns"] == 8
    assert found["index_sum"] == 1 and found["saddles_joining"] == 1
