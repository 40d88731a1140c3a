"""Timescales beside recordings: the known population is found, counts have the means they are given."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurornn import (
    SGD,
    CrossEntropy,
    Dense,
    Form,
    LeakyRate,
    Network,
    NoAutapses,
    Objective,
    Parity,
    Recording,
    Uniform,
)
from neurornn.errors import RecordingError
from neurornn.plot import figures
from neurornn.statistics import intrinsic_timescales
from neurornn.study import ClockStudy, Plan
from neurornn.study.clocks import KNOWN, spiking, switching

STUDY = ClockStudy(last=2, epochs=1, bin=10.0, stretch=60, lags=10, epoch="run", least=20, shuffles=20)


def a_recording(n_units: int = 8, duration: float = 3000.0) -> Recording:
    rng = np.random.default_rng(0)
    rates = switching((1, int(duration / 10.0), n_units), rng)[0]
    spikes = [np.sort(rng.uniform(0, 10.0, (on > 0).sum()) + 10.0 * np.flatnonzero(on)) for on in rates.T]
    spikes[-1] = spikes[-1][:3]
    epochs = pd.DataFrame({"name": ["run"], "start": [0.0], "stop": [duration]})
    return Recording(0.0, duration, spikes=spikes, epochs=epochs, source={"name": "made"})


def a_plan(recording: Recording | None) -> Plan:
    cell = LeakyRate(
        1,
        12,
        tau=Uniform(1.0, 2.0),
        dt=1.0,
        nonlinearity="leaky_relu",
        form=Form.UPDATE,
        train_tau=True,
        clamp_tau=True,
        bias_in=Uniform(-1.0, 1.0),
        wiring=NoAutapses(Dense(12)),
    )
    settings = {
        "batch": 8,
        "objective": Objective({"entropy": CrossEntropy()}),
        "optimiser": SGD(momentum=0.1),
        "validate_every": 3,
        "n_validation": 16,
    }
    return Plan(lambda task, seed: Network(cell, task.heads), lambda: Parity(block=8), settings, recording)


def test_the_known_population_decays_as_it_says_and_its_counts_have_their_means() -> None:
    rng = np.random.default_rng(1)
    rates = switching((30, 1000, 20), rng)
    assert rates.mean() == pytest.approx(0.2, abs=0.01)
    like = rng.poisson(np.array([0.5, 2.0, 8.0]), size=(30, 1000, 3)).astype(float)
    counts = spiking(rates, like, rng)
    means, given = counts.mean(axis=(0, 1)), like.mean(axis=(0, 1))
    assert np.abs(means[:, None] / given - 1).min(axis=1).max() < 0.1, "each has the mean of one recorded neuron"
    found = intrinsic_timescales(counts, dt=1.0, max_lag=20.0).table["tau"]
    assert abs(float(np.median(found)) / KNOWN - 1) < 0.1
    silent = np.concatenate([rates, np.full((30, 1000, 1), -1.0)], axis=2)
    assert spiking(silent, like, rng).shape[2] == 20, "a unit that sends nothing has no spikes to be seen by"


def test_a_small_study_says_who_remembers() -> None:
    recording = a_recording()
    found = STUDY.run(a_plan(recording))
    clocks = found.parts["clocks"]
    assert set(clocks.table["source"]) == {"made", "untrained", "single", "multi", "known"}
    assert recording.spikes is not None
    enough = sum(len(train) >= 20 for train in recording.spikes)
    assert found.quantities["brain_units"] == enough < recording.n_units, "the neuron of three spikes is left out"
    assert found.quantities["brain_kept"] > 0.5 and found.quantities["known_kept"] > 0.5
    table = clocks.table[clocks.table["source"] == "made"]
    assert (table["bin"] == 10.0).all() and len(clocks.against) == 3
    assert len(clocks.frame()) and figures(clocks)[0].svg and len(found.headline) == 5


def test_what_the_study_cannot_use_is_refused() -> None:
    with pytest.raises(ValueError, match="ClockStudy: `recording` must be named in the recipe; got None"):
        STUDY.run(a_plan(None))
    with pytest.raises(ValueError, match=r"ClockStudy: `epoch` must be one of the recording's; got 'rest'. Set epoch"):
        replace(STUDY, epoch="rest").run(a_plan(a_recording()))
    with pytest.raises(RecordingError, match="ClockStudy: `stretch` must be at most as long as the recording, 60000"):
        replace(STUDY, bin=1000.0).run(a_plan(a_recording()))
    with pytest.raises(ValueError, match="ClockStudy: `stretch` must be at least twice the 30 lags; got 50"):
        ClockStudy(stretch=50)
    with pytest.raises(ValueError, match="ClockStudy: `bin` must be a finite number above 0; got 0"):
        ClockStudy(bin=0.0)
