"""A simulated animal's rest beside a small network's: by the same code, on one clock, with what it refuses."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording, figures, simulated_track
from neurornn.claim.run import network_of, task_of
from neurornn.errors import RecordingError
from neurornn.fit import Fit
from neurornn.recipe import load_fit_recipe
from neurornn.study import Findings, Plan, RestStudy, TrackStudy
from neurornn.study.probing import noise_sweep, quiet_paths, targeted
from neurornn.study.replay import Replays, observed_session, replays, rest_of, whole_session

SMALL = RestStudy(
    shuffles=19,
    windows=8,
    factors=(0.0, 2.0),
    strengths=(0.0, 0.1),
    lesioned=3,
    controls=199,
    quiet_trials=6,
    quiet_steps=150,
)


@pytest.fixture(scope="module")
def session() -> Recording:
    return simulated_track(0, run=300_000.0, rest=60_000.0)


def planned(session: Recording | None) -> Plan:
    recipe = load_fit_recipe("rat_rest_replay")
    network = {**recipe.network, "cell": {**recipe.network["cell"], "n_units": 24}}
    return Plan(
        network=lambda task, seed: network_of(network, task, seed),
        task=lambda **known: task_of({**recipe.task, "duration": 4000.0}, known),
        train={"steps": 60, "batch": 16, "learning_rate": 5e-3},
        recording=session,
    )


@pytest.fixture(scope="module")
def findings(session: Recording) -> Findings:
    return SMALL.run(planned(session))


@pytest.fixture(scope="module")
def fit(findings: Findings) -> Fit:
    return findings.fit


def test_every_gate_asks_for_what_the_study_gives(findings: Findings) -> None:
    assert {gate.quantity for gate in load_fit_recipe("rat_rest_replay").gate} <= set(findings.quantities)
    assert findings.quantities["rest_seconds"] == pytest.approx(60.0, abs=0.05)


def test_brain_model_and_untrained_go_through_the_same_code(findings: Findings) -> None:
    scores: Replays = findings.parts["replay"]
    table = scores.frame()
    assert list(table["source"].unique()) == ["brain", "model", "untrained"]
    assert set(table["stretches"]) == {"events", "windows"}
    assert (np.asarray(table.loc[table["stretches"] == "windows", "n"]) == 8).all()
    for row in table.itertuples():
        assert row.scored == 0 or (row.scored <= row.n and row.both <= min(row.cells, row.time))
    assert scores.share("brain", "windows", "cells") == findings.quantities["brain_windows_cells"]


def test_the_network_lives_on_the_animals_clock_and_rests_without_input(session: Recording, fit: Fit) -> None:
    runs, _ = TrackStudy().runs(session)
    rest = rest_of(session)
    whole = whole_session(fit, runs, rest, factor=2**0.5, seed=0)
    driven = fit.record(runs, seed=0)
    assert (whole.t_start, whole.dt) == (driven.t_start, driven.dt)
    times = whole.t_start + whole.dt * np.arange(len(whole.activity))
    resting = (times >= rest[0]) & (times < rest[1])
    assert np.isfinite(whole.activity[resting]).all()
    np.testing.assert_array_equal(whole.activity[~resting], driven.activity[~resting])
    still = whole_session(fit, runs, rest, factor=0.0, seed=0)
    moving, standing = (one.activity[resting][200:].std(axis=0).sum() for one in (whole, still))
    assert moving > 5 * standing
    seen = observed_session(whole, session, SMALL.place, runs, seed=0)
    assert seen.spikes is not None and seen.n_units <= session.n_units
    assert np.median(seen.rates()) == pytest.approx(np.median(session.rates()), rel=0.5)


def test_spikes_that_run_along_the_track_in_rest_are_replay(session: Recording) -> None:
    """A positive control: the spikes of the runs, laid into the rest, beat both shuffles."""
    runs, _ = TrackStudy().runs(session)
    first, last = float(runs.trials["start"].iloc[0]), float(runs.trials["stop"].iloc[-1])
    rest = (300_000.0, 300_000.0 + min(55_000.0, last - first))
    moved = []
    for train in session.spikes or ():
        again = train[(train >= first) & (train < first + rest[1] - rest[0])] - first + rest[0]
        moved.append(np.sort(np.concatenate([train[train < rest[0]], again])))
    animal = replace(session, spikes=moved)
    found = replays(
        {"copy": animal}, {"copy": animal.with_trials(runs.trials)}, SMALL.place, rest=rest, n_windows=12, n_shuffles=39
    )
    # Windows of the clock, not of the runs: many hold a turn. By chance one in four hundred would beat both.
    assert found.share("copy", "windows", "both") > 0.15


def test_quiescence_without_noise_stands_still_and_a_current_moves_it(findings: Findings, fit: Fit) -> None:
    sweep = noise_sweep(fit, (0.0, 2.0), trials=6, steps=200).frame()
    assert sweep["variance"][0] < 0.2 * sweep["variance"][1]
    biased = findings.parts["targeted"]
    assert np.isnan(biased.near(0.25, 0.5, "place"))
    assert set(biased.frame()["pattern"]) == {"place", "shuffled units"}
    still = quiet_paths(fit, factor=0.0, trials=3, steps=120, discard=100)
    assert still.shape == (3, 20, 1)


def test_what_came_out_is_drawn(findings: Findings) -> None:
    titles = [figure.title for part in findings.parts.values() for figure in figures(part)]
    assert titles == [
        "Replay in rest.",
        "The events that score highest.",
        "How much noise quiescence needs.",
        "Targeted reactivation.",
        "Lesion in quiescence.",
    ]


def test_what_cannot_be_asked(session: Recording, fit: Fit) -> None:
    with pytest.raises(RecordingError, match="replays: `epochs` must be a table with one named rest; got"):
        rest_of(replace(session, epochs=pd.DataFrame(columns=["name", "start", "stop"])))
    with pytest.raises(ValueError, match="noise_sweep: `factor` must be a finite number, 0 or above; got -1"):
        noise_sweep(fit, (-1.0,), trials=3, steps=110)
    with pytest.raises(ValueError, match=r"targeted: `targets` must be places that active trials visit; got 7\.0"):
        targeted(fit, (7.0,), (0.1,), trials=3, steps=110)
