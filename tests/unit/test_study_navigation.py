"""The navigation studies at toy sizes: what they give, what they draw, what they refuse."""

from dataclasses import replace

import numpy as np
import pytest

from neurornn import LSTM, Network
from neurornn.errors import RecipeError
from neurornn.plot import figures
from neurornn.recipe import load_fit_recipe
from neurornn.study import FamiliarArenaStudy, NovelArenaStudy, Plan, RemappingStudy
from neurornn.study.localising import asked
from neurornn.task import Arena, GivenArenas, Navigation, StarArenas, Start

SMALL = {"trials": 8, "particles": 30, "examples": 1}


def plan(task, **more):
    def network(task, seed):
        return Network(LSTM(task.n_in, 12, dt=task.dt, seed=seed), task.heads, seed=seed)

    settings = {"steps": 3, "batch": 4}
    return Plan(network=network, task=lambda **known: task, train=settings, **more)


def gated(name):
    return {gate.quantity for gate in load_fit_recipe(name).gate}


def test_a_familiar_arena(tmp_path):
    study = FamiliarArenaStudy(
        **SMALL, recorded=30, bins=6, windows=(3, 8, 16, 30), settled=11, late=20, folder=str(tmp_path)
    )
    found = study.run(plan(Navigation(duration=15_000.0), name="toy"))
    assert gated("navigation_familiar") <= set(found.quantities)
    assert all(np.isfinite(value) for value in found.quantities.values())
    assert (tmp_path / "toy" / "seed_0" / "main.safetensors").exists()
    localisation = found.parts["localisation"]
    assert localisation.errors["particle filter"].shape == (8, 30)
    assert len(localisation.frame()) == 30 * len(localisation.errors)
    assert localisation.summary().columns[-1] == "step 30"
    for part in found.parts.values():
        drawn = figures(part)
        assert drawn and all(one.svg and len(one.caption) > 40 for one in drawn)
        assert len(part.frame()) and part.methods and part.references


def test_another_seed_is_another_arena():
    walls = [asked(Navigation(), seed).arenas.all().starts for seed in (0, 1)]
    assert (walls[0] - walls[1]).abs().max() > 0.01


def test_novel_arenas():
    task = Navigation(StarArenas(20), start=Start.ORIGIN, duration=10_000.0)
    found = NovelArenaStudy(**SMALL, specialist_steps=2).run(plan(task))
    assert gated("navigation_novel") <= set(found.quantities)
    assert found.quantities["path_integration_error"] < 0.3
    assert figures(found.parts["novel"]) and len(found.parts) == 4


def test_several_arenas():
    task = Navigation(StarArenas(2, radii=(0.35, 1.2)), identify=True, duration=25_000.0)
    study = RemappingStudy(**SMALL, guessed=4, recorded=120, bins=5, shuffles=20, settled=11, control_steps=2)
    found = study.run(plan(task))
    assert gated("navigation_remapping") <= set(found.quantities)
    maps = found.parts["remapping"]
    assert set(maps.summary().index) == {"trained", "trained, similar arenas", "untrained"}
    assert len(maps.frame()) == 3 and found.parts["recognition"].chance == 0.5
    for part in found.parts.values():
        assert figures(part) and part.methods and part.references


def test_tasks_that_a_study_cannot_use_are_refused():
    given = Navigation(GivenArenas((Arena(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))),)))
    with pytest.raises(RecipeError, match="navigation study: `task` must be Navigation in random arenas"):
        FamiliarArenaStudy().run(plan(given))
    with pytest.raises(RecipeError, match="NovelArenaStudy: `task` must be one of many arenas with a known start"):
        NovelArenaStudy().run(plan(Navigation()))
    with pytest.raises(RecipeError, match="RemappingStudy: `task` must be one that asks which arena it is"):
        RemappingStudy().run(plan(replace(Navigation(), arenas=StarArenas(3))))
