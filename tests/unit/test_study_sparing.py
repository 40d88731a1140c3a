"""The study of sparing spikes: rates counted by hand, surprise of a network wired by hand, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurornn import (
    LIF,
    ActivityPenalty,
    DelayedMatch,
    Dense,
    Images,
    ImageSequences,
    LeakyRate,
    Network,
    Objective,
    generator,
)
from neurornn.errors import RecipeError
from neurornn.plot import figures
from neurornn.recipe import load_fit_recipe
from neurornn.study import Plan, SparingStudy
from neurornn.study.economy import priced, surprise
from neurornn.study.expecting import matched


def pure_task(n_classes: int = 6) -> ImageSequences:
    """Every class is one pixel, always lit alike."""
    part = (np.repeat(np.eye(n_classes, dtype=np.uint8), 3, axis=0), np.repeat(np.arange(n_classes), 3))
    return ImageSequences(images=Images(part, part, top=1.0), length=4, hold=10.0, gain=450.0)


def a_network(task: ImageSequences, seed: int = 0) -> Network:
    wiring = Dense(task.n_in, uniform=True, seed=seed + 1)
    cell = LIF(task.n_in, task.n_in, tau=10.0, tau_syn=5.0, dt=task.dt, inject=True, bias=False, wiring=wiring)
    return Network(cell, task.n_out, readout_bias=False)


def test_rates_are_spikes_counted_and_inhibition_of_the_next_image_makes_surprise() -> None:
    task = pure_task()
    network = a_network(task)
    with torch.no_grad():
        network.cell.wiring.weight.zero_()
        for c in range(6):  # a spike for class c takes away from the unit of the next class
            network.cell.wiring.weight[(c + 1) % 6, c] = -0.5
    trials = task.sample(40, generator=generator(0))
    with torch.no_grad():
        spikes = network(trials.inputs).activity
    found = priced(network, task, trials, condition="x")
    by_hand = spikes.reshape(40, 4, 10, 6).mean((0, 2, 3)).numpy()
    np.testing.assert_allclose(found["action"].to_numpy(), by_hand, rtol=1e-6)
    assert found["drive"].isna().all()
    pair = matched(task, 200, 3, seed=1)
    assert surprise(network, pair, 10, paid="action") > 1.1
    with torch.no_grad():
        network.cell.wiring.weight.zero_()
    assert surprise(network, pair, 10, paid="action") == pytest.approx(1.0)


def test_a_tiny_study_gives_what_its_gates_ask_for_and_draws_it() -> None:
    task = ImageSequences(length=3, hold=8.0, gain=450.0)
    settings = {"steps": 6, "batch": 8, "objective": Objective({"spikes": ActivityPenalty(1)}), "clip": 0.0}
    plan = Plan(a_network, lambda: task, settings | {"learning_rate": 0.01})
    found = SparingStudy(sequences=40).run(plan)
    assert {gate.quantity for gate in load_fit_recipe("predictive_coding_spiking").gate} <= set(found.quantities)
    assert found.quantities["rate_over_untrained"] < 1.0
    part = found.parts["sparing"]
    assert len(part.frame()) == 9 and part.methods and all(drawn.svg for drawn in figures(part))
    assert found.quantities["rate_3"] == part.curve("in order")[-1]
    with pytest.raises(RecipeError, match="SparingStudy: `task` must be of images in order; got DelayedMatch"):
        SparingStudy().run(replace(plan, task=DelayedMatch))
    rates = replace(plan, network=lambda task, seed: Network(LeakyRate(task.n_in, 144, dt=1.0, tau=1.0), task.n_out))
    with pytest.raises(RecipeError, match=r"SparingStudy: `network.cell` must be spiking; got 'LeakyRate'. Use LIF"):
        SparingStudy().run(rates)
