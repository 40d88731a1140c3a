"""The race of variants: what each starts from and is taught by, what stays fixed, and what the study names."""

import numpy as np
import pytest
import torch

from neurornn import (
    GRU,
    SGD,
    CrossEntropy,
    Dense,
    Form,
    LeakyRate,
    Network,
    NoAutapses,
    Objective,
    Parity,
    Uniform,
)
from neurornn.errors import RecipeError
from neurornn.plot import figures
from neurornn.recipe import load_fit_recipe
from neurornn.study import Plan
from neurornn.study.growth import time_constants
from neurornn.study.variants import VariantStudy, slug
from tests.tolerances import EXACT

STUDY = VariantStudy(last=3, epochs=2, fixed=(1.0, 2.5), window=2, step=1, continuous=2)


def a_network(heads: dict[str, int], seed: int = 0) -> Network:
    cell = LeakyRate(
        1,
        10,
        tau=Uniform(1.0, 2.0),
        dt=1.0,
        nonlinearity="leaky_relu",
        form=Form.UPDATE,
        train_tau=True,
        clamp_tau=True,
        bias_in=Uniform(-1.0, 1.0),
        uniform=True,
        wiring=NoAutapses(Dense(10, uniform=True, seed=1)),
        seed=seed,
    )
    return Network(cell, heads, scatter=Uniform(0.0, 0.1), seed=seed)


def a_plan(**train) -> Plan:
    settings = {
        "batch": 16,
        "objective": Objective({"entropy": CrossEntropy()}),
        "learning_rate": 0.1,
        "optimiser": SGD(momentum=0.1, nesterov=True),
        "validate_every": 4,
        "n_validation": 32,
    }
    return Plan(lambda task, seed: a_network(task.heads, seed), lambda: Parity(block=16), settings | train)


def test_all_start_alike_and_what_is_fixed_stays_so() -> None:
    found = STUDY.run(a_plan())
    growths = found.parts["variants"].growths
    assert len(growths) == 2 + 2 * (2 + 1) + 2 + 3 + 2 + 1
    start = growths["multi"].untrained
    for name, one in growths.items():
        torch.testing.assert_close(one.untrained.readout, start.readout, **EXACT)
        if "GRU" in name or "LSTM" in name:
            continue
        torch.testing.assert_close(one.untrained.cell.weights()[1], start.cell.weights()[1], **EXACT)
        taus = time_constants(one.fit.network)
        if "tau = " in name:
            assert np.all(taus == float(name.rpartition("= ")[2]))
        else:
            assert not np.allclose(taus, time_constants(one.untrained))
        changed = (one.fit.network.cell.weights()[1] - one.untrained.cell.weights()[1]).detach()
        assert float(changed.abs().max()) > 0
    assert growths["multi, mod"].fit.network.cell.form is Form.RATE
    assert growths["multi, continuous"].fit.network.dt == 0.5
    assert growths["multi, GRU"].fit.recipe["training"]["learning_rate"] == 1e-3
    assert {"multi_tau_2p5_behind", "single_mod_epoch_3", "sliding_own_heads_solved"} <= set(found.quantities)
    assert np.isnan(found.quantities["multi_LSTM_tau_mean_end"])
    (drawn,) = figures(found.parts["variants"])
    assert drawn.svg and len(found.parts["variants"].frame()) == len(growths) == len(found.headline)


def test_a_window_that_slides_by_place_trains_the_first_heads_again() -> None:
    racers = dict(STUDY._racers(a_network(Parity(ns=(2, 3)).heads), Parity(), Parity(ns=(2, 3))))
    asked = {name: [stage.heads for stage in racers[name].curriculum.stages()] for name in racers}
    assert asked["sliding"] == [("head_0", "head_1")]
    assert asked["naive"] == [("head_0",), ("head_1",)] and asked["single"] == [("head_0",), ("head_0",)]


def test_what_the_study_cannot_use_is_refused() -> None:
    with pytest.raises(ValueError, match="VariantStudy: `last` must be a whole number, 1 or above; got 0"):
        VariantStudy(last=0)
    with pytest.raises(ValueError, match="VariantStudy: `continuous` must be a whole number, 0 or above; got -1"):
        VariantStudy(continuous=-1)
    gated = Plan(lambda task, seed: Network(GRU(1, 4, dt=1.0), task.heads), lambda: Parity(), {"validate_every": 5})
    with pytest.raises(RecipeError, match=r"VariantStudy: `network.cell` must be LeakyRate; got 'GRU'"):
        STUDY.run(gated)
    with pytest.raises(RecipeError, match=r"VariantStudy: `train.validate_every` must be the training steps"):
        STUDY.run(a_plan(validate_every=0))


def test_names_and_gates_fit() -> None:
    assert slug("multi, tau = 2.5") == "multi_tau_2p5" and slug("sliding, own heads") == "sliding_own_heads"
    recipe = load_fit_recipe("timescales_variants").sized("small")
    taus = {f"{kind}_tau_{tau:g}_behind" for kind in ("multi", "single") for tau in recipe.study["fixed"]}
    assert {gate.quantity for gate in recipe.gate} <= taus
