"""Track integration: the laws of an animal's laps, and driving the task through an animal's own runs."""

import re
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import Recording, Signal, generator
from neurornn.errors import RecordingError
from neurornn.task import Cartesian, Speeds, TrackIntegration
from neurornn.task.speeds import smoothed
from tests.tolerances import FLOAT32

SHUTTLE = Speeds(
    running=(50.0, 60.0, 80.0, 110.0, 140.0),
    memory=600.0,
    still=(0.0, 1.0, 5.0, 15.0),
    still_memory=200.0,
    rests=(2000.0, 4000.0, 9000.0),
    pauses=(1000.0, 3000.0),
    pause_rate=0.1,
)


def session(linear: np.ndarray, *, dt: float = 20.0, trials: pd.DataFrame | None = None) -> Recording:
    times = 1000.0 + dt * np.arange(len(linear))
    return Recording(
        float(times[0]),
        float(times[-1]),
        spikes=[np.array([])],
        behaviour={"linear": Signal(times, np.asarray(linear, dtype=float)[:, None], "px")},
        trials=pd.DataFrame() if trials is None else trials,
    )


def from_law(speeds: Speeds, *, minutes: float, seed: int = 0) -> Recording:
    task = TrackIntegration(length=400.0, dt=20.0, duration=60_000.0 * minutes, speeds=speeds)
    trials = task.sample(1, generator=generator(seed))
    return session(trials.behaviour["linear"][0, :, 0].numpy())


def test_speeds_fitted_to_a_known_animal_are_its_own() -> None:
    fitted = Speeds.from_recording(from_law(SHUTTLE, minutes=60.0), length=400.0, dt=20.0, smoothing=0.0)
    at = np.linspace(0, 1, 5)
    running, rests = (np.quantile(law, at[1:4]) for law in (fitted.running, fitted.rests))
    np.testing.assert_allclose(running, (60.0, 80.0, 110.0), rtol=0.1)
    np.testing.assert_allclose(rests, np.interp(at[1:4], (0, 0.5, 1), SHUTTLE.rests), rtol=0.2)
    assert 0.7 * 600.0 < fitted.memory < 1.05 * 600.0  # read off within runs, it comes out short
    assert fitted.pause_rate == pytest.approx(0.1, rel=0.3)
    assert fitted.turning == 0.0


def test_runs_go_from_end_to_end_and_turn_there() -> None:
    task = TrackIntegration(length=400.0, duration=120_000.0, speeds=replace(SHUTTLE, pause_rate=0.0, still=(0.0, 0.0)))
    trials = task.sample(20, generator=generator(0))
    linear, way = trials.behaviour["linear"][..., 0], trials.behaviour["direction"][..., 0]
    turned = (way[:, 1:] * way[:, :-1]) < 0
    ends = torch.minimum(linear, 400.0 - linear)
    assert turned.sum() > 20
    # The heading turns with the first step away from the end, which is one stride long.
    assert (ends[:, 1:][turned] <= 140.0 * 0.05).all()


@given(seed=st.integers(0, 2**31), length=st.floats(20.0, 1e4), origin=st.floats(-1e3, 1e3))
@settings(max_examples=15, deadline=None)
def test_nobody_leaves_the_track(seed: int, length: float, origin: float) -> None:
    task = TrackIntegration(length=length, origin=origin, duration=5000.0)
    linear = task.sample(5, generator=generator(seed)).behaviour["linear"]
    slack = 1e-6 * (abs(origin) + length)
    assert linear.min() >= origin - slack and linear.max() <= origin + length + slack


def test_inputs_integrate_to_the_position() -> None:
    task = TrackIntegration(duration=10_000.0, code=Cartesian())
    trials = task.sample(10, generator=generator(0))
    assert trials.start is not None
    start = task.code.decode(trials.start)
    moved = trials.inputs[..., :1].cumsum(dim=1) * task.speeds.fastest * task.dt / 1000
    torch.testing.assert_close(start[:, None] + moved, trials.behaviour["linear"], rtol=1e-4, atol=0.05)


def test_statistics_of_speed_do_not_depend_on_dt() -> None:
    means = []
    for dt in (10.0, 50.0):
        speed = TrackIntegration(dt=dt, duration=40_000.0).sample(150, generator=generator(3)).behaviour["speed"]
        means.append((speed.mean(), speed.mean(dim=(1, 2)).std() / 150**0.5))
    (fine, error_fine), (coarse, error_coarse) = means
    assert abs(fine - coarse) < 3 * (error_fine**2 + error_coarse**2) ** 0.5


def test_noise_is_on_the_inputs_alone() -> None:
    loud = TrackIntegration(length=400.0, input_noise=0.3, contact=0.1, contact_noise=0.2)
    one = loud.sample(30, generator=generator(0))
    clean = replace(loud, input_noise=0.0, contact_noise=0.0).sample(30, generator=generator(0))
    torch.testing.assert_close(one.targets, clean.targets)
    difference = one.inputs - clean.inputs
    assert difference[..., 0].std() == pytest.approx(0.3, rel=0.05)
    assert (difference[..., 1] == 0).all()
    assert difference[..., 2:].std() == pytest.approx(0.2, rel=0.05)


def test_contact_is_felt_within_reach_of_an_end() -> None:
    trials = TrackIntegration(length=100.0, contact=0.1, heading=False).sample(20, generator=generator(1))
    linear = trials.behaviour["linear"][..., 0]
    torch.testing.assert_close(trials.inputs[..., 1], (linear < 10.0).float())
    torch.testing.assert_close(trials.inputs[..., 2], (linear > 90.0).float())


# Following an animal


def there_and_back() -> np.ndarray:
    return np.abs(np.linspace(-200.0, 200.0, 501))  # 10 s at 20 ms: 40 px/s


FOLLOWER = TrackIntegration(length=200.0, smoothing=0.0)


def test_an_animal_is_followed_step_by_step() -> None:
    trials = pd.DataFrame({"start": [1000.0, 6000.0], "stop": [6000.0, 8020.0], "lap": ["back", "out"]})
    followed = FOLLOWER.follow(session(there_and_back(), trials=trials))
    assert followed.n_trials == 2 and followed.n_steps == 100
    assert followed.valid is not None and followed.valid.sum(dim=1).tolist() == [100, 40]
    assert list(followed.conditions["lap"]) == ["back", "out"]
    steps = 50.0 * torch.arange(1, 101)
    torch.testing.assert_close(followed.behaviour["linear"][0, :, 0], 200.0 - 0.04 * steps, rtol=0, atol=1e-3)
    torch.testing.assert_close(
        followed.inputs[0, :, 0], torch.full((100,), -40.0 / FOLLOWER.speeds.fastest), **FLOAT32 | {"atol": 1e-4}
    )
    torch.testing.assert_close(followed.inputs[1, :40, 1], torch.ones(40))
    assert FOLLOWER.score(followed, followed.targets).max() < 0.5


def test_sample_and_follow_see_the_same_world() -> None:
    task = TrackIntegration(length=400.0, dt=50.0, duration=20_000.0, smoothing=0.0)
    drawn = task.sample(1, generator=generator(4))
    linear = np.r_[drawn.conditions["start_position"], drawn.behaviour["linear"][0, :, 0].numpy()]
    followed = task.follow(session(linear, dt=50.0))
    torch.testing.assert_close(followed.inputs, drawn.inputs, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(followed.targets, drawn.targets, rtol=1e-3, atol=1e-3)


def test_unknown_positions_do_not_count_and_are_caught_up() -> None:
    linear = there_and_back()
    linear[100:121] = np.nan  # 2.0 to 2.4 s of the session
    followed = FOLLOWER.follow(session(linear))
    lost = (followed.mask == 0)[0]
    assert lost.sum() == 9 and lost[39:48].all()
    assert (followed.inputs[0, lost, 0] == 0).all()
    moved = followed.inputs[0, :, 0].double().sum() * FOLLOWER.speeds.fastest * 0.05
    assert float(moved) == pytest.approx(linear[500] - linear[0], abs=0.01)
    torch.testing.assert_close(followed.behaviour["linear"][0, 50, 0].item(), linear[127] * 0.5 + linear[128] * 0.5)


def test_smoothing_keeps_the_gaps_and_the_mean() -> None:
    noisy = Signal(10.0 * np.arange(1000.0), np.random.default_rng(0).normal(size=(1000, 1)))
    noisy.values[300:310] = np.nan
    smooth = smoothed(noisy, 100.0)
    assert np.isnan(smooth.values).sum() == 10 and np.isnan(smooth.values[300:310]).all()
    # A Gaussian of 10 samples leaves 1 / (2 sqrt(pi) 10) of the variance of white noise.
    assert np.nanvar(smooth.values) == pytest.approx(1 / (2 * np.sqrt(np.pi) * 10), rel=0.5)
    assert smoothed(noisy, 0.0) is noisy


def test_a_task_made_from_a_recording_follows_it() -> None:
    recording = from_law(SHUTTLE, minutes=10.0)
    task = TrackIntegration.from_recording(recording, duration=5000.0)
    assert task.unit == "px" and task.length == pytest.approx(400.0, abs=1.0)
    followed = task.follow(recording)
    assert task.score(followed, followed.targets).max() < 1.0


# What is refused


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("length", 0.0, "`length` must be a finite number above 0"),
        ("dt", -1.0, "`dt` must be a finite number above 0"),
        ("duration", 10.0, "`duration` must be at least one step of 50 ms"),
        ("input_noise", -0.1, "`input_noise` must be a finite number, 0 or above"),
        ("contact_noise", float("nan"), "`contact_noise` must be a finite number, 0 or above"),
        ("smoothing", -1.0, "`smoothing` must be a finite number, 0 or above"),
        ("contact", 0.5, "`contact` must be a fraction of the track in [0, 0.5)"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"TrackIntegration: {message}")):
        TrackIntegration(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("running", (3.0, 2.0), "`running` must be rising quantiles, 0 or above"),
        ("rests", (), "`rests` must be rising quantiles"),
        ("pauses", (-1.0, 2.0), "`pauses` must be rising quantiles"),
        ("running", (0.0, 0.0), "`running[-1]` must be a finite number above 0"),
        ("memory", 0.0, "`memory` must be"),
        ("still_memory", 0.0, "`still_memory` must be"),
        ("pause_rate", -1.0, "`pause_rate` must be"),
        ("turning", 1.5, "`turning` must be a number in [0, 1]"),
    ],
)
def test_laws_out_of_range_are_refused(setting: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"Speeds: {message}")):
        Speeds(**{setting: value})


def refused(recording: Recording, match: str) -> None:
    with pytest.raises(RecordingError, match=match):
        FOLLOWER.follow(recording)


def test_recordings_that_cannot_be_followed_are_refused() -> None:
    linear = there_and_back()
    refused(Recording(0.0, 10.0, spikes=[np.array([])]), "`recording` must be one with `linear`.*no behaviour")
    refused(session(linear + 50.0), r"`linear` must be on the track, 0 to 200 px; got '250 in trial 0'\. Use")
    brief = pd.DataFrame({"start": [1000.0, 2000.0], "stop": [2000.0, 2040.0]})
    refused(session(linear, trials=brief), "`trials` must be at least one step of 50 ms long; got '40 ms in trial 1'")
    linear[:100] = np.nan
    blind = pd.DataFrame({"start": [4000.0, 1000.0], "stop": [5000.0, 2000.0]})
    refused(session(linear, trials=blind), "`linear` must be known in every trial; got 'only NaN in trial 1'")


def test_recordings_without_runs_teach_no_speeds() -> None:
    still = session(np.full(500, 7.0) + 1e-3 * np.arange(500))
    with pytest.raises(RecordingError, match=r"`signal` must be a signal of the recording; got 'lin'.*'linear'"):
        Speeds.from_recording(still, signal="lin")
    with pytest.raises(RecordingError, match="`trials` must be trials with at least two runs; got '0 runs"):
        Speeds.from_recording(still, length=400.0)
    with pytest.raises(RecordingError, match="`trials` must be trials with known positions"):
        Speeds.from_recording(session(np.full(500, np.nan)))


# The rat


@pytest.fixture(scope="module")
def rat(recordings: Any) -> Recording:
    from neurornn.bridge.nelpy import read_nelpy_track

    whole = read_nelpy_track({path.name: path for path in (recordings / "nelpy_linear_track").iterdir()})
    run = whole.epochs[whole.epochs["name"] == "run"].iloc[0]
    edges = np.arange(run["start"], run["stop"], 20_000.0)
    return whole.with_trials(pd.DataFrame({"start": edges[:-1], "stop": edges[1:]}))


def n_laps(linear: np.ndarray, length: float) -> int:
    """Count traversals from one fifth of the track to the other."""
    side = np.where(linear < 0.2 * length, -1, np.where(linear > 0.8 * length, 1, 0))
    return int(np.count_nonzero(np.diff(side[side != 0])))


def test_drawn_laps_are_those_of_the_rat(rat: Recording) -> None:
    task = TrackIntegration.from_recording(rat)
    animal = task.follow(rat).behaviour
    seconds = animal["speed"].numel() * task.dt / 1000
    drawn = replace(task, duration=1000 * seconds).sample(20, generator=generator(0)).behaviour
    levels = torch.tensor([0.5, 0.75, 0.9, 0.95])
    theirs, ours = (torch.quantile(part["speed"].flatten()[:100_000], levels) for part in (animal, drawn))
    torch.testing.assert_close(ours, theirs, rtol=0.15, atol=5.0)
    counts = [n_laps(one[:, 0].numpy(), task.length) for one in drawn["linear"]]
    assert np.mean(counts) == pytest.approx(n_laps(animal["linear"].numpy().ravel(), task.length), rel=0.2)


def test_every_field_of_the_rats_speeds_is_a_plain_number(rat: Recording) -> None:
    speeds = Speeds.from_recording(rat, trials=range(20))
    for field in fields(speeds):
        value = getattr(speeds, field.name)
        assert all(type(v) is float for v in (value if isinstance(value, tuple) else (value,)))
