"""The study of predictive coding: its parts against known cases, a tiny run, and the two ways to one number."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurornn import (
    DelayedMatch,
    Dense,
    Digits,
    DrivePenalty,
    Fit,
    ImageSequences,
    LeakyRate,
    Network,
    Objective,
    generator,
    spent,
    train,
)
from neurornn.errors import RecipeError
from neurornn.perturb import Silence, paired_scores
from neurornn.plot import figures
from neurornn.recipe import load_fit_recipe
from neurornn.study import Plan, PredictiveStudy
from neurornn.study.economy import guesses, priced, surprise
from neurornn.study.expecting import anticipating, matched, next_class, unit_kinds
from neurornn.task import AbstractTask
from tests.tolerances import FLOAT32


def a_network(task: AbstractTask, seed: int = 0, n_units: int = 0, **settings: object) -> Network:
    told = {"tau": 1.0, "dt": 1.0, "clamp_tau": True, "bias": False, "one_to_one": True, "seed": seed} | settings
    n = n_units or task.n_in
    wiring = Dense(n, uniform=True, seed=seed + 1)
    return Network(LeakyRate(task.n_in, n, wiring=wiring, **told), task.n_out, readout_bias=False)  # type: ignore[arg-type]


def oracle(task: ImageSequences) -> Network:
    """A network that knows: the one pixel of each class takes away the one of the next."""
    network = a_network(task)
    n = task.n_in
    with torch.no_grad():
        network.cell.wiring.weight.zero_()
        for c in range(n):  # pixel c is class c: it takes away that of the next class
            network.cell.wiring.weight[(c + 1) % n, c] = -1.0
    return network


def pure_task(n_classes: int = 6) -> ImageSequences:
    """Every class is one pixel, always lit alike: all that comes can be foreseen."""
    from neurornn import Images

    pixels = np.eye(n_classes, dtype=np.uint8)
    part = (np.repeat(pixels, 3, axis=0), np.repeat(np.arange(n_classes), 3))
    return ImageSequences(images=Images(part, part, top=1.0), length=n_classes)


def test_an_oracle_pays_nothing_but_for_the_first_image_and_is_surprised_twice_over() -> None:
    """In turn, the second image is cancelled whole (and the units are silent, so that the third is not)."""
    task = pure_task()
    network = oracle(task)
    trials = task.sample(60, generator=generator(0))
    curve = priced(network, task, trials, condition="oracle")["drive"].to_numpy()
    np.testing.assert_allclose(curve, [1 / 6, 0.0, 1 / 6, 0.0, 1 / 6, 0.0], atol=1e-7)
    assert guesses(task.images, trials) == pytest.approx(
        {"input": 1 / 6, "dataset median": 1 / 6, "category median": 0}
    )
    right, agree = next_class(network, trials, task.images.class_medians())
    np.testing.assert_allclose(right[[0, 2, 4]], 1.0)  # after an image that was not foreseen, the next one is
    np.testing.assert_allclose(agree[[0, 2, 4]], 1.0)
    pair = matched(task, 400, 2, seed=1)
    # In turn 0; out of turn what was taken away and what came: 2 of 6 units.
    expected, unexpected = (float(spent(network, one).drive[:, -1].mean()) for one in pair)
    assert expected == pytest.approx(0.0, abs=1e-7) and unexpected == pytest.approx(2 / 6, rel=1e-6)
    assert surprise(a_network(task, n_units=6), pair, 1) > 0


def test_matched_trials_share_the_image_and_not_the_past() -> None:
    task = ImageSequences()
    expected, unexpected = matched(task, 200, 9, seed=3)
    torch.testing.assert_close(expected.inputs[:, -1], unexpected.inputs[:, -1])
    classes = [one.behaviour["class"][..., 0] for one in (expected, unexpected)]
    assert bool((classes[0].diff(dim=1).remainder(10) == 1).all())
    assert bool((classes[1][:, :-1].diff(dim=1).remainder(10) == 1).all())
    assert bool((classes[1][:, -2:].diff(dim=1).remainder(10) != 1).all())


def test_kinds_of_units_are_those_that_were_wired() -> None:
    """Unit 6 has no pixel and a steady drive while 2 is shown: it predicts. Pixel units err, and 7 does nothing."""
    task = pure_task()
    network = a_network(task, n_units=8)
    with torch.no_grad():
        network.cell.wiring.weight.zero_()
        for c in range(6):
            network.cell.wiring.weight[(c + 1) % 6, c] = -0.5
        network.cell.wiring.weight[6, 1] = 0.5  # pixel 1 was seen: 2 is shown now
    kinds = unit_kinds(network, replace(task, length=4), n_trials=40, z=2.576, seed=0)
    assert kinds.predicts[6].tolist()[2] and not kinds.predicts[7].any()
    assert kinds.errs[:6].any(axis=1).all() and not kinds.errs[7].any()
    assert kinds.frame()["kind"].tolist()[7] == "neither" and np.isnan(kinds.variance[6:]).all()
    assert kinds.summary()["units"].sum() == 8


def a_fit(task: ImageSequences) -> Fit:
    fit = train(a_network(task), task, steps=1, progress=False)
    return replace(fit, network=a_network(task, seed=3))


def test_the_error_of_the_anticipation_is_the_energy_of_the_next_step() -> None:
    """Two ways to one number, intact and under a lesion: the score of the readout, and what the drives come to."""
    task = ImageSequences(length=6)
    fit = anticipating(a_fit(task))
    trials = task.held_out.sample(20, generator=generator(2))
    only = torch.zeros_like(trials.mask)
    only[:, -2] = 1.0
    last = replace(trials, mask=only)
    hurt = Silence([3, 40, 77])
    scores = paired_scores(fit.network, task, last, [Silence([]), hurt])
    for score, perturb in zip(scores, ([], [hurt]), strict=True):
        energy = spent(fit.network, trials, perturb=perturb).drive[:, -1]
        np.testing.assert_allclose(score, energy.numpy(), **FLOAT32)
    leaky = replace(fit, network=Network(LeakyRate(144, 144), 144))
    with pytest.raises(ValueError, match=r"anticipating: `fit.network` must be of LeakyRate units with one_to_one"):
        anticipating(leaky)


def a_plan(**train_settings: object) -> Plan:
    settings = {"steps": 40, "batch": 16, "objective": Objective({"drive": DrivePenalty()}), "clip": 0.0}
    return Plan(
        lambda task, seed: a_network(task, seed), lambda **known: ImageSequences(**known), settings | train_settings
    )


def test_a_tiny_study_finds_what_its_gates_ask_for_and_draws_it(tmp_path) -> None:
    study = PredictiveStudy(sequences=60, a_class=20, weights=4.73, folder=str(tmp_path))
    found = study.run(a_plan())
    for name in ("predictive_coding_digits", "predictive_coding_mnist"):
        asked = {gate.quantity for gate in load_fit_recipe(name).gate}
        assert asked <= set(found.quantities) | {"control_p"}
    economy = found.parts["economy"]
    assert found.quantities["energy_10"] == economy.curve("energy")[-1]
    assert found.quantities["energy_10"] < found.quantities["untrained_10"]
    trials = ImageSequences().held_out.sample(60, generator=generator(7_000_003))
    guess = guesses(Digits(), trials)
    assert economy.guesses == guess and guess["category median"] < guess["dataset median"] < guess["input"]
    with pytest.raises(ValueError, match=r"Economy.curve: `condition` must be one that was measured; .*mean 'energy'"):
        economy.curve("enrgy")
    for part in found.parts.values():
        assert len(part.frame()) and part.methods and all(drawn.svg for drawn in figures(part))
    # What was trained is taken from the folder: the same numbers without a step.
    assert study.run(a_plan()).quantities == pytest.approx(found.quantities, nan_ok=True)


def test_what_the_study_cannot_use_is_refused() -> None:
    plan = replace(a_plan(), task=lambda **known: DelayedMatch())
    with pytest.raises(RecipeError, match="PredictiveStudy: `task` must be of images in order; got DelayedMatch"):
        PredictiveStudy().run(plan)
