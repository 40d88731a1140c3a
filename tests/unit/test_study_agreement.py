"""Several networks beside a simulated animal: what the study measures, draws and refuses."""

from dataclasses import replace

import pytest
import torch

from neurornn import generator, report, simulated_track
from neurornn.claim.run import network_of, task_of
from neurornn.page import TITLES
from neurornn.recipe import load_fit_recipe
from neurornn.study import AgreementStudy, Findings, Plan
from neurornn.task import Recall, TrackIntegration

SMALL = AgreementStudy(networks=2, untrained=2, surrogates=1, length=8)


@pytest.fixture(scope="module")
def findings() -> Findings:
    recipe = load_fit_recipe("many_against_rat")
    network = {**recipe.network, "cell": {**recipe.network["cell"], "n_units": 40}}
    plan = Plan(
        network=lambda task, seed: network_of(network, task, seed),
        task=lambda **known: task_of({**recipe.task, "duration": 2000.0}, known),
        train={"steps": 6, "batch": 4, "learning_rate": 5e-3},
        recording=simulated_track(0, run=300_000.0, rest=60_000.0),
        title="A title",
    )
    return SMALL.run(plan)


def test_every_gate_of_the_recipe_has_its_number(findings: Findings) -> None:
    gates = {gate.quantity for gate in load_fit_recipe("many_against_rat").gate}
    assert gates <= set(findings.quantities)
    assert findings.quantities["complete"] == 1 and findings.quantities["families"] == 4
    assert findings.quantities["networks"] == 2


def test_all_kinds_stand_in_one_table(findings: Findings) -> None:
    found = findings.parts["agreement"]
    assert set(found.families) == {"mapping", "geometry", "dynamics", "distribution"}
    assert {"trained", "other task", "untrained", "behaviour", "time", "shifted"} <= set(found.scores["kind"])
    counts = found.scores.groupby("kind")["network"].nunique()
    assert counts[["trained", "other task", "untrained"]].tolist() == [2, 2, 2]
    assert {"families", "seeds", "nulls", "ceiling", "split"} <= set(found.checklist)
    assert "trained" in findings.headline.columns


def test_the_page_draws_it(findings: Findings) -> None:
    html = report(findings.fit, title=findings.title, **findings.parts).html
    assert TITLES["agreement"] in html and "Ridge predictivity" in html and "hierarchical bootstrap" in html


def test_the_other_task_asks_for_what_came_in_before() -> None:
    inner = TrackIntegration(duration=2000.0, contact=0.05)
    task = Recall(inner, lag=500.0)
    trials = task.sample(3, generator=generator(0))
    same = inner.sample(3, generator=generator(0))
    assert torch.equal(trials.inputs, same.inputs) and trials.targets.shape == trials.inputs.shape
    assert torch.equal(trials.targets[:, 10:], trials.inputs[:, :-10]) and not trials.targets[:, :10].any()
    assert torch.equal(task.score(trials, trials.targets), torch.zeros(3))
    assert (task.n_in, task.n_out, task.n_start) == (4, 4, inner.n_start) and task.dt == inner.dt
    assert not trials.mask[:, :10].any() and trials.mask[:, 10:].all()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"AgreementStudy: `networks` must be a whole number, 2 or above"):
        replace(SMALL, networks=1)
    with pytest.raises(ValueError, match=r"AgreementStudy: `lag` must be a finite number above 0"):
        replace(SMALL, lag=0.0)
