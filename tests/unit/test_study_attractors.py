"""The studies of memories, lines and rings at toy size: what they measure, draw and refuse."""

import math

import pytest

from neurornn import Dense, LeakyRate, Network, figures
from neurornn.errors import RecipeError
from neurornn.study import ContinuumStudy, FlipFlopStudy, Plan
from neurornn.task import AbstractTask, EvidenceAccumulation, FlipFlop, HeadDirection, VonMises


def plan(task: AbstractTask, steps: int = 2) -> Plan:
    def network(task: AbstractTask, seed: int) -> Network:
        cell = LeakyRate(task.n_in, 12, tau=60.0, dt=task.dt, nonlinearity="tanh", wiring=Dense(12, gain=0.9))
        return Network(cell, task.heads, n_start=task.n_start, seed=seed)

    return Plan(network=network, task=lambda **known: task, train={"steps": steps, "batch": 4}, seed=1)


def test_a_memory_is_measured_and_drawn() -> None:
    found = FlipFlopStudy(trials=8, seeds=30, longer=2, followed=20).run(plan(FlipFlop(n_bits=2, duration=400.0)))
    assert {"score", "long_score", "stable", "patterns", "index_sum", "saddles_joining"} <= set(found.quantities)
    assert found.quantities["index_sum"] == 1.0 and found.quantities["points"] >= 1
    assert sum(found.quantities[f"index_{i}"] for i in range(3)) == found.quantities["points"]
    assert list(found.headline.columns) == ["index", "fixed points", "a cube has"]
    assert all(figures(part) for name, part in found.parts.items())


@pytest.mark.parametrize(
    ("study", "task", "kind"),
    [
        (
            ContinuumStudy((1.0, 0.5, 0.5), "stimulus", 60.0, trials=8, samples=12, tokens=20, seeds=12),
            EvidenceAccumulation(fixation=(100.0, 100.0), delay=(0.0, 0.0)),
            "score_of_ideal",
        ),
        (
            ContinuumStudy(settle=60.0, trials=8, samples=12, tokens=20, seeds=12),
            HeadDirection(duration=400.0, code=VonMises(8)),
            "slow_tau",
        ),
    ],
)
def test_a_continuum_is_measured_and_drawn(study: ContinuumStudy, task: AbstractTask, kind: str) -> None:
    found = study.run(plan(task))
    needed = {"score", "ring", "slow_tau", "tau_ratio", "along", "drift", "deposit_r", "stable", kind}
    assert needed <= set(found.quantities)
    assert all(math.isfinite(found.quantities[name]) for name in needed)
    for part in found.parts.values():
        assert figures(part)


def test_studies_refuse() -> None:
    with pytest.raises(RecipeError, match=r"FlipFlopStudy: `task` must be a flip-flop; got 'EvidenceAccumulation'"):
        FlipFlopStudy().run(plan(EvidenceAccumulation()))
    with pytest.raises(RecipeError, match=r"ContinuumStudy: `held` must be one number for each of 3 inputs"):
        ContinuumStudy(held=(1.0,)).run(plan(EvidenceAccumulation()))
