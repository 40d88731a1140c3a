"""The main job on a simulated animal with known truth: what it measures, what it draws, what it refuses."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording, figures, report, simulated_track
from neurornn.claim.run import network_of, task_of
from neurornn.errors import NotConverged, RecordingError
from neurornn.fit import Fit
from neurornn.page import TITLES
from neurornn.perturb import LesionTable
from neurornn.recipe import load_fit_recipe
from neurornn.study import Findings, Plan, TrackStudy
from neurornn.study.base import needs_recording
from neurornn.study.rest import rest_profile

SMALL = TrackStudy(
    blocks=2,
    block=3,
    shifts=100,
    lesioned=3,
    controls=199,
    lesion_trials=4,
    untrained=1,
    quiet_trials=6,
    quiet_steps=260,
)


@pytest.fixture(scope="module")
def session() -> Recording:
    return simulated_track(0, run=300_000.0, rest=90_000.0)


def planned(session: Recording | None) -> Plan:
    recipe = load_fit_recipe("rat_linear_track")
    network = {**recipe.network, "cell": {**recipe.network["cell"], "n_units": 24}}
    return Plan(
        network=lambda task, seed: network_of(network, task, seed),
        task=lambda **known: task_of({**recipe.task, "duration": 4000.0}, known),
        train={"steps": 60, "batch": 16, "learning_rate": 5e-3},
        recording=session,
        notes=("a note that must be seen",),
        title="A title",
    )


@pytest.fixture(scope="module")
def findings(session: Recording) -> Findings:
    return SMALL.run(planned(session))


def test_it_recovers_what_the_simulation_put_in(session: Recording, findings: Findings) -> None:
    found = findings.quantities
    assert found["n_units"] == 31
    tuned = findings.parts["beside"].brain.frame()["information_p"].to_numpy() < 0.05
    placed = session.units["field_peak"].to_numpy() > 0
    assert tuned[placed].mean() > 0.8
    assert tuned[~placed].mean() <= 1 / 3
    assert found["brain_decoding_error"] < found["brain_decoding_chance"] / 2
    assert found["brain_bits_per_spike"] > 0.3


def test_training_tells_in_tracking_and_lesions_in_harm(findings: Findings) -> None:
    found = findings.quantities
    assert found["tracking_error"] < found["tracking_error_untrained"]
    assert findings.parts["lesion"].p >= 1 / 200
    assert findings.parts["compare"].complete


def test_every_number_is_finite_but_those_that_say_why(findings: Findings) -> None:
    assert {name for name, value in findings.quantities.items() if not np.isfinite(value)} == set()
    assert findings.frame()["quantity"].is_unique


def test_held_out_runs_are_contiguous_blocks(session: Recording, findings: Findings) -> None:
    held = findings.parts["tracking"].held_out
    assert held.sum() == 6
    assert int(np.sum(np.diff(np.concatenate([[0], held.astype(int)])) == 1)) == 2


def test_the_page_is_whole_and_asks_no_other_host(findings: Findings, tmp_path: Path) -> None:
    page = report(
        findings.fit, title=findings.title, notes=findings.notes, headline=findings.headline, **findings.parts
    )
    html = page.save(tmp_path / "deep" / "report.html").read_text()
    assert "a note that must be seen" in html and "<h1>A title</h1>" in html
    for name in findings.parts:
        assert f'id="{name}"' in html and TITLES[name] in html.replace("&#39;", "'")
    assert not re.findall(r"""(?:src|href)=["'](?!data:|https://doi\.org/)[^"'#]""", html)
    images = re.findall(r"<img[^>]*>", html)
    assert len(images) >= 9
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)
    assert "<script" not in html
    assert {"report.html"} == {path.name for path in (tmp_path / "deep").iterdir()}


def test_figures_show_themselves_in_a_notebook(findings: Findings) -> None:
    drawn = figures(findings.parts["tracking"])[0]
    assert drawn._repr_html_().startswith("<figure><img src=")


def test_a_comparison_without_its_nulls_is_not_drawn(findings: Findings) -> None:
    lame = replace(findings.parts["compare"], missing=("untrained: none were given",))
    with pytest.raises(ValueError, match="figures: `comparison` must be complete, with all its nulls; got 'untrained"):
        figures(lame)
    with pytest.raises(ValueError, match="figures: `result` must be a result of this package; got 'int'"):
        figures(3)


def test_an_untrained_fit_has_no_training_to_draw(findings: Findings) -> None:
    fresh: Fit = findings.fit.untrained(1)
    assert figures(fresh) == []


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (
            lambda s: replace(s, spikes=[t[:0] for t in s.spikes]),
            "TrackStudy: `recording` must be one with spikes; got",
        ),
        (lambda s: replace(s, epochs=pd.DataFrame()), "TrackStudy: `epochs` must be a table with one named rest; got"),
        (lambda s: replace(s, behaviour={}), "laps: `position` must be a signal of the recording; got 'linear'"),
        (lambda s: s.between(0.0, 30_000.0), "TrackStudy: `recording` must be of 10 runs or more, for 2 blocks of 3"),
    ],
)
def test_a_bad_recording_is_refused_before_training(session: Recording, damage: object, match: str) -> None:
    with pytest.raises(RecordingError, match=match):
        SMALL.run(replace(planned(damage(session)), train={"steps": 10**9}))  # type: ignore[operator]


def test_a_plan_without_a_recording_is_refused() -> None:
    with pytest.raises(ValueError, match=r"TrackStudy: `recording` must be named in the recipe; got None. Add"):
        needs_recording("TrackStudy", planned(None))


def test_rest_needs_rest_with_spikes(session: Recording, findings: Findings) -> None:
    run = findings.parts["rest"].run
    trials = session.with_trials(pd.DataFrame({"start": [1_000.0], "stop": [299_000.0]}))
    with pytest.raises(RecordingError, match="rest_profile: `epochs` must be a table with one named rest; got"):
        rest_profile(replace(session, epochs=pd.DataFrame()), trials, SMALL.place, run, seed=0)
    quiet = replace(session, spikes=[train[train < 300_000.0] for train in session.spikes or ()])
    with pytest.raises(RecordingError, match="rest_profile: `rest` must be active: 50 bins of 250 ms"):
        rest_profile(quiet, trials, SMALL.place, run, seed=0)


def test_the_lesion_is_of_units_that_position_explains(findings: Findings) -> None:
    hurt: LesionTable = findings.parts["lesion"]
    table = findings.parts["beside"].model.frame()
    passing = table[table["information_p"] < 0.05]["position_r2"]
    assert set(hurt.units) == set(passing.sort_values(ascending=False).index[:3])


def test_a_network_without_place_tuned_units_is_not_lesioned(session: Recording, findings: Findings) -> None:
    flat = findings.parts["beside"].model.table.assign(information_p=1.0)
    beside = replace(findings.parts["beside"], model=replace(findings.parts["beside"].model, table=flat))
    with pytest.raises(NotConverged, match=r"TrackStudy: `network` must be one with place-tuned units; got .none"):
        SMALL._lesion(planned(session), findings.fit, beside)
