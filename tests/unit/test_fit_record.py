"""What a network did lies where it should: end to end, or to the sample on an animal's clock."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from hold_pulse import HoldPulse
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import EXACT

from neurornn import GRU, Intervention, Network, Recording, Signal, Trials, generator
from neurornn.errors import FitError
from neurornn.fit import Fit, train


@pytest.fixture(scope="module")
def fit() -> Fit:
    return train(Network(GRU(2, 5), 1, noise=0.1), HoldPulse(), steps=1, batch=2, progress=False)


def a_brain(starts: list[float], lengths: list[float], t_start: float = 0.0) -> Recording:
    trials = pd.DataFrame({"start": starts, "stop": np.add(starts, lengths), "sign": [1.0, -1.0, 1.0][: len(starts)]})
    stop = float(trials["stop"].max() + 33.0)
    place = Signal(np.linspace(t_start, stop, 50), np.linspace(0, 1, 50)[:, None], unit="cm")
    spikes = [np.array([t_start + 1.0])]
    return Recording(t_start, stop, spikes=spikes, trials=trials, behaviour={"position": place}, source={"name": "rat"})


def test_trials_lie_end_to_end_without_padding(fit: Fit):
    recording = fit.record(n_trials=6, seed=3)
    trials = fit.task.sample(6, generator=generator(3))
    lengths = trials.valid.sum(1).numpy()
    assert recording.duration == lengths.sum() * 20.0 and len(set(lengths)) > 1
    np.testing.assert_allclose(recording.trials["stop"] - recording.trials["start"], lengths * 20.0)
    np.testing.assert_array_equal(recording.trials["sign"], trials.conditions["sign"])
    binned = recording.binned(20.0)
    steps = np.concatenate([np.arange(n) for n in lengths])
    np.testing.assert_allclose(binned.behaviour["position"][:, 0], steps, atol=1e-9)
    np.testing.assert_allclose(binned.values, recording.activity, **EXACT)
    answers = recording.epochs
    np.testing.assert_allclose(np.sort(answers["start"]), recording.trials["start"] + 80.0)
    np.testing.assert_allclose(np.sort(answers["stop"]), recording.trials["stop"])


def test_noise_has_its_seed(fit: Fit):
    one, again, other = (fit.record(n_trials=4, seed=s).activity for s in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    quiet = replace(fit, network=_without_noise(fit.network)).record(n_trials=4).activity
    assert not np.array_equal(quiet, one)


def _without_noise(network: Network) -> Network:
    silent = Network(network.cell, 1)
    silent.load_state_dict(network.state_dict())
    return silent


@settings(max_examples=25, deadline=None)
@given(
    offsets=st.lists(st.floats(0.0, 50.0), min_size=3, max_size=3),
    lengths=st.lists(st.floats(120.0, 400.0), min_size=3, max_size=3),
    t_start=st.floats(-100.0, 100.0),
)
def test_on_an_animal_s_clock_each_bin_is_its_step(fit: Fit, offsets: list, lengths: list, t_start: float):
    starts = t_start + np.cumsum(np.array(offsets) + np.array([0.0, *lengths[:2]]))
    # Trials whose length leaves a rest above rounding, so that both sides agree on the number of whole bins.
    lengths = [20.0 * (n // 20.0) + 1.0 for n in lengths]
    brain = a_brain(list(starts), lengths, t_start)
    fit = replace(fit, network=_without_noise(fit.network))
    recording = fit.record(brain)
    followed = fit.task.follow(brain)
    with torch.no_grad():
        activity = fit.network(followed.inputs).activity.numpy()
    binned = recording.binned(20.0)
    for trial, length in enumerate(lengths):
        np.testing.assert_allclose(
            binned.values[binned.trial == trial], activity[trial, : int(length // 20)], rtol=1e-6
        )
    inside = np.zeros(len(recording.activity), dtype=bool)
    middles = t_start + (np.arange(len(inside)) + 0.5) * 20.0
    for start, length in zip(starts, lengths, strict=True):
        inside |= (middles >= start - 1e-6) & (middles <= start + length + 1e-6)
    assert np.isnan(recording.activity[~inside]).all()


def test_the_animal_s_own_things_come_along(fit: Fit):
    brain = a_brain([10.0, 300.0], [205.0, 205.0])
    recording = fit.record(brain, seed=1)
    pd.testing.assert_frame_equal(recording.trials, brain.trials)
    assert recording.behaviour == brain.behaviour and (recording.t_start, recording.t_stop) == (0.0, brain.t_stop)
    assert recording.n_units == 5 and recording.dt == 20.0 and recording.source["follows"] == "rat"
    assert np.isnan(recording.activity).any() and not np.isnan(recording.activity).all()
    np.testing.assert_array_equal(recording.activity, fit.record(brain, seed=1).activity)
    assert not np.array_equal(recording.activity, fit.record(brain, seed=2).activity, equal_nan=True)


def test_perturbed_units_are_silent_on_record_too(fit: Fit):
    gain = torch.ones(1, 1, 5)
    gain[..., 2] = 0.0
    assert (fit.record(n_trials=3, perturb=Intervention(gain=gain)).activity[:, 2] == 0).all()
    with pytest.raises(
        ValueError, match=r"Fit.record: `perturb` must be one perturbation at a time; got 'a stack'\. Record"
    ):
        fit.record(n_trials=3, perturb=Intervention(gain=gain[None].expand(2, 1, 1, 5), n_stack=2))


@dataclass(frozen=True)
class Odd(HoldPulse):
    few: bool = False

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        trials = super().sample(n_trials, generator=generator)
        valid = trials.valid.clone()
        valid[:, 0] = False
        return replace(trials, valid=valid)

    def follow(self, recording: Recording) -> Trials:
        return super().follow(recording).select(slice(0, 1))


def test_trials_that_cannot_be_laid_out_are_refused(fit: Fit):
    odd = replace(fit, task=Odd())
    with pytest.raises(FitError, match=r"Fit.record: `trials.valid` must be padding only at the end of trials"):
        odd.record(n_trials=2)
    with pytest.raises(
        FitError, match=r"Fit.record: `task.follow` must be one trial for each of the 2 of the rec.*; got 1"
    ):
        odd.record(a_brain([10.0, 300.0], [205.0, 205.0]))
    with pytest.raises(ValueError, match=r"Fit.record: `n_trials` must be a whole number, 1 or above"):
        fit.record(n_trials=0)
    with pytest.raises(ValueError, match=r"Fit.score: `n_trials` must be a whole number, 1 or above"):
        fit.score(0)
