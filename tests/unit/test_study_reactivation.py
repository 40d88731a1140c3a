"""The study of reactivation on networks too small to learn: conditions, quantities, figures and refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurornn import GaussianNoise, LeakyRate, Network, UniformNoise, figures
from neurornn.recipe import load_fit_recipe
from neurornn.study import Findings, Plan, ReactivationStudy
from neurornn.study.reactivation import biased_like, test_error, with_noise
from neurornn.task import AbstractTask, ArenaIntegration, Darting, Foraging, HeadDirection, Layout, PlaceCode, VonMises

SMALL = ReactivationStudy(trials=10, steps=80, burn_in=40, untrained=1, kernel_points=200, test_trials=10)
BOX = ArenaIntegration((2.2, 2.2), 20.0, 300.0, Darting(), PlaceCode(16, 0.1, layout=Layout.RANDOM), speed_scale=50.0)
RING = HeadDirection(duration=300.0, code=VonMises(12))


def network(task: AbstractTask, seed: int = 0, noise: float = 0.05) -> Network:
    cell = LeakyRate(task.n_in, 8, tau=100.0, dt=20.0, bias=False, uniform=True, seed=seed)
    sizes = {"n_out": task.n_out, "n_start": task.n_start}
    return Network(cell, noise=noise, readout_bias=False, encoder_bias=False, seed=seed, **sizes)


def planned(task: AbstractTask) -> Plan:
    return Plan(network=network, task=lambda **known: task, train={"steps": 2, "batch": 4}, seed=1)


@pytest.fixture(scope="module")
def box() -> Findings:
    return replace(SMALL, uniform=True).run(planned(BOX))


@pytest.fixture(scope="module")
def ring() -> Findings:
    return replace(SMALL, noiseless=False).run(planned(RING))


@pytest.mark.parametrize("name", ["reactivation_position", "reactivation_heading"])
def test_every_gate_asks_for_what_the_study_gives(name: str, box: Findings, ring: Findings) -> None:
    given = (box if name == "reactivation_position" else ring).quantities
    assert {gate.quantity for gate in load_fit_recipe(name).gate} <= set(given)


def test_conditions_differ_in_noise_and_animal_alone(box: Findings) -> None:
    assert list(box.headline.index) == ["noisy", "biased", "noiseless", "uniform noise"]
    assert box.fit.task.code.seed == 1, "place cells lie elsewhere for every seed"  # type: ignore[attr-defined]
    conditions = replace(SMALL, uniform=True)._conditions(BOX, network(BOX))
    weights = [torch.cat([p.flatten() for p in start.parameters()]) for _, _, start in conditions]
    assert all(torch.equal(weights[0], other) for other in weights[1:])
    noises = [start.noise for _, _, start in conditions]
    assert noises == [GaussianNoise(0.05), GaussianNoise(0.05), GaussianNoise(0.0), UniformNoise(0.05)]
    assert [task.motion.pull for _, task, _ in conditions] == [0.0, 0.05, 0.0, 0.0]  # type: ignore[attr-defined]


def test_what_moves_without_training_noise_is_given_that_of_the_others(box: Findings) -> None:
    assert "GaussianNoise(sd=0.07" in box.parts["noiseless"].methods
    assert "UniformNoise(width=0.07" in box.parts["uniform noise"].methods


def test_errors_are_in_their_units(box: Findings, ring: Findings) -> None:
    assert box.quantities["test_error_chance"] == pytest.approx(2.2**2 / 12, rel=0.5)
    assert ring.quantities["test_error_chance"] == pytest.approx(103.9, abs=0.1)
    assert 50 < ring.quantities["test_error"] < 150
    assert test_error(ring.fit, 10, 1)[0] == ring.quantities["test_error"]
    assert "mean_turn" in ring.quantities and "mean_turn" not in box.quantities
    assert np.isfinite([box.quantities[name] for name in ("js", "step", "drift_along_score")]).all()


def test_what_came_out_is_drawn(box: Findings, ring: Findings) -> None:
    for findings in (box, ring):
        drawn = figures(findings.parts["reactivation"])
        assert [figure.title for figure in drawn] == ["Without input.", "Where it drifts.", "How it moves."]
        (field,) = figures(findings.parts["reactivation"].fields["quiescent"])
        assert field.title == "Drift."


def test_another_noise_keeps_the_weights_and_the_network() -> None:
    first = network(BOX)
    other = with_noise(first, UniformNoise(0.1))
    assert other.noise == UniformNoise(0.1) and first.noise == GaussianNoise(0.05)
    with torch.no_grad():
        other.readout.zero_()
    assert first.readout.abs().sum() > 0


@pytest.mark.parametrize(
    ("task", "study", "message"),
    [
        (replace(RING, biased=True), SMALL, "ReactivationStudy: `task` must be the unbiased one; got 'a biased task'"),
        (
            ArenaIntegration(motion=Foraging()),
            SMALL,
            "ReactivationStudy: `task` must be one with a biased form; got 'ArenaIntegration'. Use HeadDirection",
        ),
    ],
)
def test_tasks_that_cannot_be_studied(task: AbstractTask, study: ReactivationStudy, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study.run(planned(task))


def test_uniform_noise_needs_a_size() -> None:
    loud = with_noise(network(BOX), UniformNoise(0.1))
    with pytest.raises(ValueError, match="ReactivationStudy: `noise` must be Gaussian with `uniform`; got Uniform"):
        replace(SMALL, uniform=True)._conditions(BOX, loud)


def test_the_biased_form_of_a_task_and_back() -> None:
    assert biased_like(biased_like(BOX, biased=True), biased=False) == BOX
    assert biased_like(RING, biased=True) == replace(RING, biased=True)
