"""The oddball: its statistics, its sound, its trials as tones; and the study of it on networks wired by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurornn import DelayedMatch, Dense, DrivePenalty, LeakyRate, Network, Objective, Oddball, generator, mismatch
from neurornn.errors import RecipeError
from neurornn.plot import figures
from neurornn.recipe import load_fit_recipe
from neurornn.study import OddballStudy, Plan
from neurornn.study.oddball import heard_by, omission_match
from neurornn.task import AbstractTask, Role

ONE_STEP = {"tone": 150.0, "pace": 150.0, "dt": 150.0}


def roles_of(task: Oddball, n_trials: int = 400) -> torch.Tensor:
    k = round(task.pace / task.dt)
    return task.sample(n_trials, generator=generator(0)).behaviour["role"][:, ::k, 0].long()


def test_rare_tones_are_as_rare_as_told_and_never_two_in_a_row() -> None:
    task = Oddball(length=60, deviant=0.1, omission=0.05, many=0.0)
    roles = roles_of(task)
    assert bool((roles[:, : task.lead] == Role.OTHER).all())
    rare = (roles == Role.DEVIANT) | (roles == Role.OMISSION)
    assert not bool((rare[:, 1:] & rare[:, :-1]).any())
    assert bool((roles[:, 1:][rare[:, :-1]] == Role.OTHER).all())
    # Of the tones that could be rare, a tenth are deviants and a twentieth are left out.
    free = roles[:, task.lead :] != Role.OTHER
    for role, share in ((Role.DEVIANT, 0.1), (Role.OMISSION, 0.05)):
        found = float((roles[:, task.lead :] == role)[free].float().mean())
        assert abs(found - share) < 3 * (share * (1 - share) / int(free.sum())) ** 0.5
    many = roles_of(Oddball(many=1.0))
    assert bool((many[:, 3:] == Role.CONTROL).all()) and not bool((many[:, :3] == Role.CONTROL).any())


def test_tones_are_heard_for_as_long_as_they_last_by_the_channels_beside_them() -> None:
    task = Oddball(length=5, many=0.0, deviant=1.0, lead=3, width=0.8)
    trials = task.sample(50, generator=generator(1))
    sound = trials.inputs.reshape(50, 5, 6, 16)
    assert float(sound[:, :, 2:].abs().sum()) == 0.0 and trials.n_steps == 30
    torch.testing.assert_close(sound[:, :, 0], sound[:, :, 1])
    heard = trials.behaviour["tone"][:, ::6, 0].long()
    standard = torch.tensor(trials.conditions["standard"].to_numpy())
    assert bool((heard[:, :3] == standard[:, None]).all())
    assert heard[:, 3].tolist() == trials.conditions["deviant"].tolist() and bool((heard[:, 3] != standard).all())
    at = torch.linspace(0, 15, 10)[heard]
    expected = torch.exp(-((torch.arange(16.0) - at[..., None]) ** 2) / (2 * 0.8**2))
    torch.testing.assert_close(sound[:, :, 0], expected)
    silent = Oddball(length=5, many=0.0, deviant=0.0, omission=1.0).sample(3, generator=generator(0))
    assert float(silent.inputs[:, 18:24].sum()) == 0.0 and float(silent.inputs[:, :18].sum()) > 0


def a_network(task: AbstractTask, seed: int = 0, n_units: int = 48) -> Network:
    wiring = Dense(n_units, uniform=True, seed=seed + 1)
    told = {"tau": task.dt, "dt": task.dt, "clamp_tau": True, "bias": False, "one_to_one": True, "seed": seed}
    return Network(LeakyRate(task.n_in, n_units, wiring=wiring, **told), task.n_out, readout_bias=False)


def adapting(task: Oddball, weight: float) -> Network:
    """Each channel's unit takes from itself at the next step what it sends now: nothing but its own fatigue."""
    network = a_network(task, n_units=16)
    with torch.no_grad():
        network.cell.wiring.weight.copy_(-weight * torch.eye(16))
    return network


def test_fatigue_is_repetition_suppression_and_no_prediction_error() -> None:
    """Units that tire of their own tone: the textbook case of adaptation without deviance detection."""
    task = Oddball(length=30, many=0.4, **ONE_STEP)
    trials = task.sample(300, generator=generator(0))
    rates, _ = heard_by(adapting(task, 0.5), task, trials)
    assert len(rates.trials) == 300 * 30 and set(rates.trials["role"]) >= {"standard", "deviant", "control", "other"}
    found = mismatch(rates, control="control", stimulus="tone", n_shuffles=0).population()
    # Among many standards a tone meets the fatigue of its neighbours, too: a little of the mismatch looks like error.
    assert found["repetition_suppression"] > 0.15
    assert 0 <= found["prediction_error"] < 0.25 * found["repetition_suppression"]
    # In the long run r = x - r / 2, so that the standard evokes 2/3 of what the first tone did.
    standards = rates.trials["role"] == "standard"
    late = standards & (rates.trials["position"] > 20)
    response = np.asarray(rates.activity).mean(axis=1)
    first = rates.trials["position"] == 1
    ratio = response[late.to_numpy()].mean() / response[first.to_numpy()].mean()
    assert ratio == pytest.approx(2 / 3, abs=0.05)
    none, _ = heard_by(adapting(task, 0.0), task, trials)
    flat = mismatch(none, control="control", stimulus="tone", n_shuffles=0).population()
    assert flat["index"] == pytest.approx(0.0, abs=1e-6)


def test_what_is_taken_away_where_a_tone_is_missing() -> None:
    task = Oddball(length=30, many=0.0, deviant=0.0, omission=0.2, **ONE_STEP)
    trials = task.sample(100, generator=generator(0))
    assert omission_match(adapting(task, 0.5), task, trials) == pytest.approx(1.0, abs=1e-5)
    assert omission_match(adapting(task, -0.5), task, trials) == pytest.approx(-1.0, abs=1e-5)


def test_a_tiny_study_gives_what_its_gates_ask_for_and_draws_it() -> None:
    task = Oddball(**ONE_STEP)
    settings = {"steps": 60, "batch": 32, "objective": Objective({"drive": DrivePenalty()}), "clip": 0.0}
    found = OddballStudy(sequences=60, length=20, n_shuffles=19).run(Plan(a_network, lambda: task, settings))
    assert {gate.quantity for gate in load_fit_recipe("oddball_energy").gate} <= set(found.quantities)
    assert abs(found.quantities["index_untrained"]) < 0.1
    deviance = found.parts["deviance"]
    trained = deviance.roles[deviance.roles["network"] == "energy"].set_index(["measure", "role"])["response"]
    assert trained["rate", "omission"] < trained["rate", "standard"]
    assert len(deviance.summary()) == 6 and deviance.methods
    assert all(drawn.svg for drawn in figures(deviance))
    with pytest.raises(RecipeError, match="OddballStudy: `task` must be of tones; got 'DelayedMatch'"):
        OddballStudy().run(Plan(a_network, DelayedMatch, settings))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_channels": 1}, "Oddball: `n_channels` must be a whole number, 2 or above; got 1"),
        ({"n_tones": 2}, "Oddball: `n_tones` must be a whole number, 3 or above"),
        ({"length": 1}, "Oddball: `length` must be a whole number, 2 or above"),
        ({"lead": 0}, "Oddball: `lead` must be a whole number, 1 or above"),
        ({"lead": 20}, "Oddball: `lead` must be below the 20 tones of a sequence; got 20"),
        ({"width": 0.0}, "Oddball: `width` must be a finite number above 0"),
        ({"deviant": 1.5}, r"Oddball: `deviant` must be a number in \[0, 1\]"),
        ({"noise": -1.0}, "Oddball: `noise` must be a finite number, 0 or above"),
        ({"omission": 0.95}, "Oddball: `omission` must be at most 0.9, what deviants leave; got 0.95"),
        ({"tone": 200.0}, "Oddball: `tone` must be at most `pace`, 150 ms; got 200.0"),
        ({"pace": 160.0}, "Oddball: `pace` must be a whole number of steps of 25 ms; got 160.0"),
    ],
)
def test_impossible_sounds_are_refused(settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Oddball(**settings)


def test_no_sequences_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Oddball.sample: `n_trials` must be a whole number, 1 or above; got 0"):
        Oddball().sample(0, generator=generator(0))


def test_a_seed_gives_the_same_sequences_whatever_the_noise() -> None:
    quiet, loud = Oddball(), Oddball(noise=0.1)
    one, two = (task.sample(5, generator=generator(3)) for task in (quiet, loud))
    assert one.behaviour["tone"].equal(two.behaviour["tone"])
    assert abs(float((two.inputs - one.inputs).std()) - 0.1) < 0.01
    assert replace(quiet, noise=0.1) == loud
