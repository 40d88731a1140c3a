"""Claims: gates judged by the median over seeds, cards written whole, recipes that ask for what is not there."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from neurornn.claim import Card, Verdict, check, run, run_recipe, write_card
from neurornn.errors import RecipeError, SourceMissing
from neurornn.fit import Fit, train
from neurornn.recipe import Gate
from neurornn.recording import Recording
from neurornn.study import STUDIES, AbstractStudy, Findings, Plan

RECIPE = """
seed = 5
[about]
title = "a small claim"
[study]
type = "{study}"
[task]
type = "DelayedMatch"
[network.cell]
type = "LeakyRate"
n_units = 4
[train]
steps = 1
batch = 2
[[gate]]
quantity = "seed"
at_least = 6.0
because = "the median of 5, 6, 7"
"""


@dataclass(frozen=True)
class TellSeed(AbstractStudy):
    """Train, and report the seed as what was found."""

    def run(self, plan: Plan) -> Findings:
        task = plan.task()
        fit: Fit = train(plan.network(task, plan.seed), task, seed=plan.seed, progress=False, **plan.train)
        return Findings({"seed": float(plan.seed), "nothing": math.nan}, fit, notes=plan.notes)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(STUDIES, "TellSeed", TellSeed)
    (tmp_path / "fits").mkdir()
    path = tmp_path / "fits" / "mine.toml"
    path.write_text(RECIPE.format(study="TellSeed"))
    monkeypatch.chdir(tmp_path)
    return path


def test_seeds_count_up_and_the_median_is_judged(recipe: Path) -> None:
    card = check("mine", seeds=3, progress=False)
    assert card.seeds == (5, 6, 7)
    assert card.verdicts[0].values == (5.0, 6.0, 7.0)
    assert card.holds
    assert not check("mine", seeds=1, progress=False).holds


def test_a_card_is_written_beside_its_recipe_and_is_plain_json(recipe: Path) -> None:
    card = check("mine", seeds=1, progress=False)
    path = write_card(card, Path("fits/mine.toml"))
    assert path == Path("fits/mine/card.json")
    told = json.loads(path.read_text())
    assert told["pass"] is False
    assert told["gates"][0]["values"] == [5.0]
    assert told["quantities"][0]["nothing"] == "nan"
    assert list(path.parent.iterdir()) == [path]
    assert write_card(replace(card, size="full"), Path("fits/mine.toml")).name == "card_full.json"


def test_an_interrupted_check_goes_on_where_it_was(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, ran = Path("fits/mine/card.unfinished"), []

    def watched(self: TellSeed, plan: Plan) -> Findings:
        ran.append(plan.seed)
        if plan.seed == 7 and ran.count(7) == 1:
            raise KeyboardInterrupt
        return whole(self, plan)

    whole = TellSeed.run
    monkeypatch.setattr(TellSeed, "run", watched)
    with pytest.raises(KeyboardInterrupt):
        check("mine", seeds=3, unfinished=kept, progress=False)
    said: list[str] = []
    card = check("mine", seeds=3, unfinished=kept, progress=False, say=said.append)
    assert ran == [5, 6, 7, 7]
    assert said[0] == "kept from an interrupted check: seed 5, 6"
    assert card.verdicts[0].values == (5.0, 6.0, 7.0)
    assert math.isnan(card.quantities[0]["nothing"])
    assert not kept.exists()


def test_seeds_of_another_recipe_are_not_kept(recipe: Path) -> None:
    kept = Path("mine.unfinished")
    stale = {"common": {"recipe": "of another"}, "seeds": {"5": {"quantities": {"seed": 9.0}, "minutes": 1.0}}}
    kept.write_text(json.dumps(stale))
    assert check("mine", unfinished=kept, progress=False).verdicts[0].values == (5.0,)


def test_a_claim_without_gates_does_not_hold() -> None:
    assert not Card("x", "small", (0,), (), ({},), (0.0,), "", {}).holds
    nan = Verdict(Gate(quantity="q", at_most=1.0, because="b"), (math.nan,))
    assert not nan.holds and math.isnan(nan.median)


@pytest.mark.parametrize("place", range(3))
def test_a_seed_that_gave_nothing_counts_against_the_claim(place: int) -> None:
    def judged(low: float, high: float, **bound: float) -> Verdict:
        values = [low, high]
        values.insert(place, math.nan)
        return Verdict(Gate(quantity="q", because="b", **bound), tuple(values))

    assert judged(1.0, 2.0, at_least=0.5, at_most=2.5).holds and judged(1.0, 2.0, at_least=0.5).median == 1.5
    # The one that is missing may be the smallest or the largest: then the median is 1 or 2.
    assert not judged(1.0, 2.0, at_least=1.5).holds and not judged(1.0, 2.0, at_most=1.5).holds
    assert judged(1.0, 2.0, at_most=2.0).holds


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('quantity = "seed"', 'quantity = "sead"', "gate: `quantity` must be one that the study gives; .*mean 'seed'"),
        ("steps = 1", "step = 1", r"recipe: `train.step` must be a parameter of train; .*mean 'steps'\?"),
        ("[network.cell]", "[network.cells]", r"recipe: `network.cell` must be a table; got None. Add"),
        ("n_units = 4", "n_units = 4\ndt = 5.0", "recipe: `network.cell.dt` must be left to the task"),
        ("[network.cell]", "[network]\nn_out = 3\n[network.cell]", "recipe: `network.n_out` must be left to the task"),
        ('"DelayedMatch"', '"LeakyRate"\nn_in = 1\nn_units = 2', "recipe: `task.type` must be a task; got 'LeakyRate'"),
        ('"TellSeed"', '"TelSeed"', r"No type called 'TelSeed'. Did you mean 'TellSeed'\?"),
        ('"TellSeed"', '"Adam"', r"recipe: `study.type` must be a study; got 'Adam'"),
        ("n_units = 4", "n_unit = 4", r"No parameter of LeakyRate called 'n_unit'. Did you mean 'n_units'\?"),
    ],
)
def test_a_recipe_that_asks_for_what_is_not_there(recipe: Path, old: str, new: str, match: str) -> None:
    recipe.write_text(recipe.read_text().replace(old, new, 1))
    with pytest.raises(RecipeError, match=match):
        check("mine", progress=False)


def test_seeds_are_at_least_one(recipe: Path) -> None:
    with pytest.raises(ValueError, match="check: `seeds` must be a whole number, 1 or above; got 0"):
        check("mine", seeds=0)


def test_a_stand_in_is_used_and_said(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> Recording:
        if name == "far":
            raise SourceMissing("far: can be had nowhere")
        return Recording(0.0, 1.0, spikes=[np.array([0.5])])

    monkeypatch.setattr(run, "load_recording", nowhere)
    recipe.write_text(recipe.read_text() + '[recording]\nname = "far"\notherwise = "near"\n')
    said: list[str] = []
    findings = run_recipe("mine", progress=False, say=said.append)
    assert findings.notes[0].startswith("SIMULATED DATA") and "data fetch far" in findings.notes[0]
    assert said[0] == findings.notes[0]
    with pytest.raises(SourceMissing, match="far: can be had nowhere"):
        check("mine", progress=False)
