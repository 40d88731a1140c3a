"""Light on some trials of a simulated recording, written to neo and read back, as the test of a fit to the others."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch

from neurornn import FORCE, Dense, LeakyRate, RateTrials, Recording, Signal, fit_rates
from neurornn.fit import ConstrainedFit
from neurornn.network import Network
from neurornn.page.section import section
from neurornn.perturb import Current, Intervals, Silence
from neurornn.study import stimulated_rates

N, HZ, BINS, TRIALS = 12, 40.0, 60, 18
LIT = range(10, 18)


def cell(seed: int) -> LeakyRate:
    told = {"tau": 40.0, "dt": 10.0, "form": "current", "nonlinearity": "sigmoid"}
    return LeakyRate(2, N, wiring=Dense(N, gain=4.0, seed=seed), seed=seed, **told)


def on_for(units: object, when: object) -> Current:
    return Current(units, 3.0, when)  # type: ignore[arg-type]


@cache
def recorded() -> Recording:
    """Return a known network's rates on a clock; in the last trials a laser drives three units for 150 ms."""
    rng = np.random.default_rng(0)
    inputs = np.repeat(rng.normal(size=(TRIALS, BINS // 6, 2)), 6, axis=1)
    start = torch.from_numpy(rng.normal(size=(TRIALS, N))).float()
    teacher = Network(cell(0), 1)
    began = 150.0 + 10.0 * np.arange(len(LIT))
    light = Intervals(list(LIT), began, began + 150.0, TRIALS)
    with torch.no_grad():
        later = teacher(
            torch.from_numpy(inputs[:, 1:]).float(), state=(start,), perturb=[on_for([0, 1, 2], light.later(-10.0))]
        ).activity
        rates = torch.cat([torch.sigmoid(start)[:, None], later], dim=1).double().numpy() * HZ
    whole = BINS * 10.0
    first = (whole + 200.0) * np.arange(TRIALS)
    times = np.concatenate([t + 10.0 * np.arange(BINS) + 5.0 for t in first])
    activity = np.full((int((first[-1] + whole) / 10.0), N), np.nan)
    activity[np.floor(times / 10.0).astype(int)] = rates.reshape(-1, N)
    epochs = pd.DataFrame(
        {"name": "light", "start": first[list(LIT)] + began, "stop": first[list(LIT)] + began + 150.0}
    )
    trials = pd.DataFrame({"start": first, "stop": first + whole})
    seen = {"drive": Signal(times, inputs.reshape(-1, 2))}
    return Recording(0.0, first[-1] + whole, activity=activity, dt=10.0, trials=trials, epochs=epochs, behaviour=seen)


@cache
def fitted() -> tuple[ConstrainedFit, RateTrials, Intervals]:
    """Return a network fitted to the dark trials alone, all trials, and when the light was on as neo told it back."""
    from neurornn.bridge.neo import from_neo, to_neo

    brain = from_neo(to_neo(recorded()))
    trials = RateTrials.from_recording(recorded(), dt=10.0, smoothing=0.0, inputs=("drive",))
    light = Intervals.from_recording(brain, "light")
    dark = np.setdiff1d(np.arange(TRIALS), light.held)
    told = {"train": range(8), "scale": HZ, "progress": False}
    return fit_rates(cell(5), trials.select(dark), FORCE(passes=6, alpha=1e-4), **told), trials, light


def test_windows_come_back_from_neo_as_they_were() -> None:
    light = fitted()[2]
    assert light.held.tolist() == list(LIT) and light.n_trials == TRIALS
    np.testing.assert_allclose(light.start, 150.0 + 10.0 * np.arange(8))
    np.testing.assert_allclose(np.asarray(light.stop) - light.start, 150.0)
    strength = light.strength(TRIALS, BINS, 10.0)
    assert strength.sum(1).tolist() == [0.0] * 10 + [15.0] * 8 and strength[11, 16:31].all()
    assert light.select([17, 0]).strength(2, BINS, 10.0).sum(1).tolist() == [15.0, 0.0]
    assert light.later(-300.0).select([10]).strength(1, BINS, 10.0).sum() == 0 and not light.resting(3).any()


def test_light_is_foreseen_by_a_network_fitted_in_the_dark_and_by_no_null() -> None:
    fit, trials, light = fitted()
    found = stimulated_rates(fit, trials, light, [0, 1, 2], on_for, controls=100, matched_on=("n", "rate"))
    assert found.explained("perturbed") > 0.98
    others = found.frame().set_index("condition").drop("perturbed")
    assert (others["explained"] < 0.9).all() and found.frame().set_index("condition").loc["perturbed", "low"] > 0.1
    assert others.loc["other units perturbed", "explained"] < found.explained("not perturbed")
    assert others.loc["not perturbed", "without"] > 0.98  # in the dark it is right
    assert found.neurons.shape == (N, 4) and found.neurons.loc[0, "not perturbed"] < found.neurons.loc[0, "perturbed"]
    wrong = stimulated_rates(fit, trials, light, [0, 1, 2], lambda u, when: Silence(u, when), controls=0)
    assert wrong.explained("perturbed") < found.explained("not perturbed")
    shown = section("stimulation", found)
    assert shown.figures[0].svg and {"split", "nulls", "generalisation", "interval"} <= set(shown.checklist)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Intervals([0], [1.0, 2.0], [3.0], 1), r"Intervals: `start` must be as many as `trial` and `stop`"),
        (lambda: Intervals([0], [5.0], [3.0], 1), r"Intervals: `stop` must be at or after `start`; got 3.0"),
        (lambda: Intervals([0], [np.nan], [3.0], 1), r"Intervals: `start` must be .*finite"),
        (lambda: Intervals([2], [1.0], [3.0], 2), r"Intervals: `trial` must be whole, from 0 to 1; got 2.0"),
        (lambda: Intervals([], [], [], 0), r"Intervals: `n_trials` must be a whole number, 1 or above; got 0"),
        (
            lambda: Intervals([0], [1.0], [3.0], 1).strength(2, 3, 1.0),
            r"Intervals: `n_trials` must be 2, as the run has; got 1",
        ),
        (
            lambda: Intervals.from_recording(recorded(), "lihgt"),
            r"Intervals: `name` must be an epoch of the recording; got 'lihgt'\. Did you mean 'light'",
        ),
        (
            lambda: stimulated_rates(*fitted()[:2], fitted()[2].select([10]), [0], on_for),
            r"stimulated_rates: `when` must be of the 18 trials; got '1 trials'",
        ),
        (
            lambda: stimulated_rates(fitted()[0], fitted()[1].select([0]), fitted()[2].select([0]), [0], on_for),
            r"stimulated_rates: `when` must be with a window in some trial; got 'none'",
        ),
    ],
)
def test_windows_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
