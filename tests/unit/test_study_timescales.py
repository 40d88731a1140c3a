"""The study of two curricula: its statistics against closed forms, its perturbations against plain ones, a tiny run."""

import math
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from neurornn import (
    GRU,
    LIF,
    SGD,
    AbstractTask,
    BitMatch,
    CrossEntropy,
    DelayedMatch,
    LeakyRate,
    Network,
    Objective,
    Parity,
    SingleHead,
    generator,
)
from neurornn.claim import check
from neurornn.errors import RecipeError
from neurornn.plot import figures
from neurornn.recipe import load_fit_recipe
from neurornn.study import Plan
from neurornn.study.growth import Growth, grow, grow_all, network_statistics, time_constants
from neurornn.study.robustness import Probe, ablation, noise_curve, noisy_taus, noisy_weights, relative, retraining
from neurornn.study.timescales import TimescaleStudy
from neurornn.trials import Trials
from tests.memory_network import a_network
from tests.tolerances import EXACT, FLOAT32


def test_the_statistics_of_a_ring_are_known() -> None:
    """A ring of equal weights w has eigenvalues w exp(2 pi i k / n): its radius is w, that of a step 1 - a + a w."""
    cell = LeakyRate(1, 6, tau=4.0, dt=1.0, clamp_tau=True)
    with torch.no_grad():
        cell.wiring.weight.copy_(0.5 * torch.eye(6).roll(1, 0))
    found = network_statistics(Network(cell, 1))
    assert found["tau_mean"] == found["tau_max"] == 4.0 and found["tau_sd"] == 0.0
    assert found["weight_mean"] == pytest.approx(6 * 0.5 / 30)
    assert found["radius"] == pytest.approx(0.5, rel=1e-6)
    assert found["step_radius"] == pytest.approx(1 - 0.25 + 0.25 * 0.5, rel=1e-6)
    with pytest.raises(ValueError, match="network_statistics: `network` must be of LeakyRate units; got 'GRU'"):
        network_statistics(Network(GRU(1, 4), 1))
    with pytest.raises(ValueError, match="time_constants: `network` must be of LeakyRate or spiking units; got 'GRU'"):
        time_constants(Network(GRU(1, 4), 1))
    assert time_constants(Network(LIF(1, 3, tau=30.0), 1)).tolist() == pytest.approx([30.0] * 3)


def test_noise_has_the_size_it_is_told() -> None:
    network = a_network()
    before = network.cell.wiring.inner.weight.detach().clone()
    changed = noisy_weights(network, 0.3, 5).cell.wiring.inner.weight.detach()
    assert float((changed - before).norm() / before.norm()) == pytest.approx(0.3, rel=1e-5)
    torch.testing.assert_close(network.cell.wiring.inner.weight.detach(), before, **EXACT)
    taus, longer = time_constants(network), time_constants(noisy_taus(network, 0.3, 5))
    assert (longer >= taus).all()
    assert np.linalg.norm(longer - taus) / np.linalg.norm(taus) == pytest.approx(0.3, rel=1e-5)
    smooth = Network(LeakyRate(1, 4), 1)
    with pytest.raises(ValueError, match="noisy_taus: `network` must be of units with `clamp_tau`"):
        noisy_taus(smooth, 0.1, 0)


def test_a_silenced_unit_is_a_removed_one() -> None:
    network = a_network()
    probe = Probe(network, Parity(spread=0.0), 2, "head_0", streams=3, bits=40, warm_up=5)
    table = ablation(probe, 2)
    taus = time_constants(network)
    assert table["group"].tolist() == ["short", "short", "long", "long"]
    assert table["tau"].tolist()[0] == taus.min() and table["tau"].tolist()[-1] == taus.max()
    for unit, accuracy in zip(table["unit"], table["accuracy"], strict=True):
        without = a_network()
        with torch.no_grad():
            without.cell.wiring.inner.weight[:, unit] = 0.0
            without.readout[:, unit] = 0.0
        assert float(probe.accuracy(without)) == pytest.approx(accuracy, abs=1e-9)
    with pytest.raises(ValueError, match="ablation: `n_units` must be at most half of 12 units; got 7"):
        ablation(probe, 7)
    with pytest.raises(ValueError, match="ablation: `n_units` must be a whole number, 1 or above; got 0"):
        ablation(probe, 0)


def test_a_probe_asks_its_own_head_after_the_warm_up() -> None:
    """The last bit is always the same as itself: the head that always says so is always right, the other never."""
    network = a_network({"head_0": 2, "head_1": 2})
    with torch.no_grad():
        network.readout.zero_()
        network.readout_bias.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0]))
    asked = [Probe(network, BitMatch(), 1, f"head_{k}", streams=2, bits=20, warm_up=3) for k in (0, 1)]
    assert [float(one.accuracy()) for one in asked] == [0.0, 1.0]
    curve = noise_curve(asked[1], noisy_weights, (0.0, 0.1, 1.0), 2)
    assert curve["size"].tolist() == [0.0, 0.1, 0.1, 1.0, 1.0] and (curve["relative"] == 1.0).all()
    assert relative(0.5, 0.9) == 0.0 and relative(0.7, 0.9) == pytest.approx(0.5)


def test_retraining_starts_from_the_network_and_leaves_it() -> None:
    network = a_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    probe = Probe(network, Parity(spread=0.0), 2, "head_0", streams=2, bits=20, warm_up=3)
    settings = {"batch": 8, "objective": Objective({"entropy": CrossEntropy()})}
    table = retraining(probe, Parity(block=8), (3, 4), epochs=1, epoch=3, settings=settings)
    assert table["n"].tolist() == [3, 4] and table["accuracy"].between(0, 1).all()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], **EXACT)


def a_plan(task: AbstractTask | None = None, **train) -> Plan:
    chosen = task if task is not None else Parity(block=64)
    settings = {
        "batch": 64,
        "objective": Objective({"entropy": CrossEntropy()}),
        "learning_rate": 0.2,
        "optimiser": SGD(momentum=0.1, nesterov=True),
        "clip": 2.0,
        "validate_every": 50,
        "n_validation": 640,
    }
    return Plan(lambda task, seed: a_network(task.heads, 24, seed), lambda: chosen, settings | train)


def test_a_tiny_study_finds_what_it_names_and_draws_it(tmp_path) -> None:
    sizes = {"single_last": 2, "multi_last": 2, "single_epochs": 8, "multi_epochs": 8, "compared_at": 2, "streams": 1}
    more = {"bits": 20, "lesioned": 2, "repeats": 1, "memory_streams": 2, "memory_bits": 100}
    study = TimescaleStudy(**sizes, **more, folder=str(tmp_path))
    found = study.run(a_plan())
    growths = found.parts["curricula"].growths
    assert growths["multi"].solved >= 2 and growths["single"].solved >= 2
    for name, growth in growths.items():
        assert found.quantities[f"{name}_epoch_2"] == growth.table["epoch"].iloc[1]
        assert found.quantities[f"{name}_tau_fall_2"] == pytest.approx(
            found.quantities["untrained_tau_mean"] - time_constants(growth.networks[2]).mean()
        )
        torch.testing.assert_close(growth.untrained.cell.w_in, growths["multi"].untrained.cell.w_in, **FLOAT32)
    assert found.quantities["slowdown"] == found.quantities["single_epoch_2"] / found.quantities["multi_epoch_2"]
    assert math.isinf(growths["multi"].at(9, "epoch")) and math.isnan(growths["multi"].at(9, "tau_mean"))
    assert found.quantities["multi_worst_head"] > 0.9
    for part in found.parts.values():
        assert len(part.frame()) and part.methods and all(drawn.svg for drawn in figures(part))
    # What was trained once is taken from the folder: the same numbers without a step.
    assert study.run(a_plan()).quantities == pytest.approx(found.quantities, nan_ok=True)


class Killed(Exception):
    """Stands for a kill between two batches."""


class Dying(Parity):
    """Stops the process, so to say, at the n-th batch, whichever the stage and the curriculum."""

    left: ClassVar[list[int]] = [10**9]

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise Killed
        return super().sample(n_trials, generator=generator)


def test_a_study_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path) -> None:
    sizes = {"single_last": 3, "multi_last": 3, "single_epochs": 4, "multi_epochs": 4, "streams": 1, "bits": 20}
    study = TimescaleStudy(**sizes, compared_at=2, lesioned=1, repeats=1, memory_streams=1, memory_bits=60)
    plan = a_plan(Dying(block=16), validate_every=10, n_validation=64)
    whole = study.run(plan).quantities
    kills = 0
    while True:
        Dying.left[0] = 30
        try:
            resumed = replace(study, folder=str(tmp_path)).run(plan).quantities
            break
        except Killed:
            kills += 1
        assert kills < 20, "it never gets on"
    Dying.left[0] = 10**9
    assert kills >= 2, "it was not killed in the midst of both trainings"
    assert resumed == pytest.approx(whole, nan_ok=True)


def test_what_the_study_cannot_use_is_refused() -> None:
    study = TimescaleStudy()
    with pytest.raises(RecipeError, match="TimescaleStudy: `task` must be on a stream of bits; got 'DelayedMatch'"):
        study.run(a_plan(DelayedMatch()))
    with pytest.raises(RecipeError, match=r"TimescaleStudy: `train.steps` must be left to the study; got 5"):
        study.run(a_plan(steps=5))
    with pytest.raises(RecipeError, match=r"TimescaleStudy: `train.validate_every` must be the training steps"):
        study.run(a_plan(validate_every=0))
    with pytest.raises(ValueError, match="check: `workers` must be a whole number, 1 or above; got 0"):
        check("timescales_parity", workers=0)


def test_trainings_side_by_side_are_those_one_after_the_other(tmp_path) -> None:
    def training(name: str, folder: str) -> partial[Growth]:
        task = Parity(block=16)
        told = {"name": name, "task": task, "epochs": 2, "epoch": 3, "folder": tmp_path / folder / name, "seed": 0}
        settings = {"batch": 16, "objective": Objective({"entropy": CrossEntropy()}), "n_validation": 32}
        return partial(grow, a_network(), SingleHead(task, 2), settings=settings, **told)

    both = [
        grow_all({name: training(name, str(workers)) for name in ("one", "other")}, workers=workers)
        for workers in (1, 2)
    ]
    for name in ("one", "other"):
        alone, beside = (grown[name].fit for grown in both)
        pd.testing.assert_frame_equal(alone.history, beside.history, rtol=1e-4)  # threads may sum in another order
    with pytest.raises(ValueError, match="TimescaleStudy: `workers` must be a whole number, 1 or above; got 0"):
        TimescaleStudy(workers=0)
    with pytest.raises(ValueError, match="TimescaleStudy: `compared_at` must be at most 5, where one ends; got 9"):
        TimescaleStudy(single_last=5)


SIZED = [(name, size) for name in ("timescales_parity", "timescales_dms") for size in ("small", "full")]


@pytest.mark.parametrize(("name", "size"), [*SIZED, ("timescales_parity", "shipped")])
def test_the_gates_ask_for_what_the_study_gives(name: str, size: str) -> None:
    recipe = load_fit_recipe(name).sized(size)
    settings = {key: value for key, value in recipe.study.items() if key != "type"}
    study = TimescaleStudy(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    )
    ns = {"single": study.single_last, "multi": study.multi_last}
    for gate in recipe.gate:
        kind, end = gate.quantity.partition("_")[0], gate.quantity.rpartition("_")[2]
        if end.isdigit():
            assert int(end) <= ns[kind], f"{gate.quantity}: the curriculum ends before"


def test_fair_bits_leave_no_prior() -> None:
    task = replace(Parity(), ns=(2,), spread=0.0)
    trials = task.stream(20, 2000, generator=generator(0))
    assert abs(float(trials.targets[:, 10:, 0].mean()) - 0.5) < 0.01
