"""Decisions and memory: evidence against the ideal observer, epochs and cues, what is refused."""

import math
import re
from dataclasses import replace
from statistics import NormalDist

import pytest
import torch

from neurornn import generator
from neurornn.task import AbstractTask, DelayedCopy, DelayedMatch, EvidenceAccumulation
from neurornn.task.draw import lasting, spread, wander
from tests.tolerances import CHANCE


@pytest.mark.parametrize("dt", [5.0, 20.0])
@pytest.mark.parametrize("coherence", [0.064, 0.128])
def test_an_ideal_observer_is_right_as_often_as_theory_says(dt: float, coherence: float) -> None:
    task = EvidenceAccumulation(dt=dt, coherences=(coherence,), stimulus=(800.0, 800.0), delay=(0.0, 0.0))
    trials = task.sample(3000, generator=generator(0))
    seen = trials.inputs * trials.epoch("stimulus")[..., None]
    choice = (seen[..., 2] - seen[..., 1]).sum(dim=1).sign()
    outputs = torch.zeros_like(trials.targets)
    outputs[..., 2] = choice[:, None]
    expected = NormalDist().cdf(coherence * math.sqrt(800.0 / 2) / task.noise)
    error = math.sqrt(expected * (1 - expected) / 3000)
    assert abs(float(task.score(trials, outputs).mean()) - expected) < CHANCE * error


def test_sides_and_coherences_are_balanced() -> None:
    conditions = EvidenceAccumulation().sample(6000, generator=generator(0)).conditions
    assert abs(conditions["side"].mean()) < CHANCE / 6000**0.5
    counts = conditions["coherence"].value_counts()
    assert len(counts) == 6 and counts.sub(1000).abs().max() < CHANCE * (6000 * 5 / 36) ** 0.5 * 1.2
    assert (conditions["signed_coherence"] == conditions["coherence"] * conditions["side"]).all()


@pytest.mark.parametrize("task", [EvidenceAccumulation(), DelayedMatch()])
def test_the_end_of_fixation_is_the_signal_to_go(task: AbstractTask) -> None:
    trials = task.sample(50, generator=generator(0))
    assert trials.valid is not None
    go = trials.valid & (trials.inputs[..., 0] == 0)
    assert go.equal(trials.epoch("response"))
    answered = trials.targets[..., 1:].sum(dim=2) > 0
    assert answered.equal(trials.epoch("response"))
    assert (trials.mask[trials.epoch("response")] == 1).all()


def test_lengths_are_drawn_within_their_bounds() -> None:
    trials = EvidenceAccumulation().sample(400, generator=generator(0))
    length = trials.conditions["stimulus_ms"]
    assert length.min() >= 400 and length.max() <= 1200 and length.std() > 150
    assert (trials.epoch("stimulus").sum(dim=1).double() * 20.0 == torch.tensor(length.to_numpy(copy=True))).all()


def test_evidence_is_silent_outside_the_stimulus() -> None:
    trials = EvidenceAccumulation().sample(20, generator=generator(0))
    assert (trials.inputs[..., 1:][~trials.epoch("stimulus")] == 0).all()


def test_choices_of_the_wrong_side_score_nothing() -> None:
    task = EvidenceAccumulation()
    trials = task.sample(30, generator=generator(0))
    assert (task.score(trials, trials.targets[..., [0, 2, 1]]) == 0).all()
    assert (task.score(trials, torch.zeros_like(trials.targets)) == 0.5).all()
    right = torch.tensor(trials.conditions["side"].to_numpy(copy=True)) > 0
    assert (task.evidence(trials, trials.targets) > 0).equal(right)


def test_match_trials_show_the_same_direction_twice() -> None:
    task = DelayedMatch(noise=0.0)
    trials = task.sample(200, generator=generator(0))

    def shown(epoch: str) -> torch.Tensor:
        on = trials.epoch(epoch)[..., None]
        return (trials.inputs[..., 1:] * on).sum(dim=1) / on.sum(dim=1)

    same = (shown("sample") - shown("test")).norm(dim=1) < 1e-4
    match = torch.tensor(trials.conditions["match"].to_numpy(copy=True)) == 1
    assert same.equal(match) and 0.4 < match.float().mean() < 0.6
    seen = task.ring.decode(shown("sample"))[:, 0]
    told = torch.tensor(trials.conditions["sample"].to_numpy(copy=True))
    gap = torch.remainder(seen - told + math.pi, math.tau) - math.pi
    assert gap.abs().max() < math.tau / 32


def test_wandering_values_are_standard_and_forget_at_their_pace() -> None:
    values = wander(400, 400, memory=100.0, dt=10.0, generator=generator(0))
    for step in (0, 399):
        assert abs(values[:, step].var() - 1) < CHANCE * math.sqrt(2 / 400)
    for lag in (1, 10, 20):
        kept = (values[:, lag:] * values[:, :-lag]).mean()
        assert kept == pytest.approx(math.exp(-lag / 10), abs=0.02)


def test_a_law_of_quantiles_is_drawn_as_given() -> None:
    drawn = spread(torch.rand(20_000, generator=generator(0)), (0.0, 1.0, 5.0))
    quantiles = torch.quantile(drawn, torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(quantiles, torch.tensor([0.5, 1.0, 3.0]), rtol=0.05, atol=0.0)
    assert (spread(torch.tensor([0.0, 1.0]), (7.0,)) == 7.0).all()


def test_lengths_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="lasting: `longest` must be at least `shortest`"):
        lasting(3, shortest=20.0, longest=10.0, dt=10.0, generator=generator(0))


@pytest.mark.parametrize(
    ("task", "setting", "value", "message"),
    [
        (EvidenceAccumulation(), "dt", 0.0, "`dt` must be a finite number above 0"),
        (EvidenceAccumulation(), "coherences", (), "`coherences` must be one or more numbers in [0, 1]"),
        (EvidenceAccumulation(), "coherences", (1.2,), "`coherences` must be one or more numbers in [0, 1]"),
        (EvidenceAccumulation(), "stimulus", (300.0, 200.0), "`stimulus` must be (shortest, longest), at least 20 ms"),
        (EvidenceAccumulation(), "delay", (-1.0, 2.0), "`delay` must be (shortest, longest), at least 0 ms"),
        (EvidenceAccumulation(), "response", 1.0, "`response` must be at least one step of 20 ms"),
        (EvidenceAccumulation(), "noise", -1.0, "`noise` must be"),
        (EvidenceAccumulation(), "hold", 2.0, "`hold` must be a number in [0, 1]"),
        (DelayedCopy(), "dt", 0.0, "`dt` must be a finite number above 0"),
        (DelayedCopy(), "n_items", 1, "`n_items` must be a whole number, 2 or above"),
        (DelayedCopy(), "length", 0, "`length` must be a whole number, 1 or above"),
        (DelayedCopy(), "item", 5.0, "`item` must be at least one step of 20 ms"),
        (DelayedCopy(), "delay", (50.0, 20.0), "`delay` must be (shortest, longest), 0 ms or above"),
        (DelayedCopy(), "fixation", (-1.0, 20.0), "`fixation` must be (shortest, longest), 0 ms or above"),
        (DelayedCopy(), "noise", -1.0, "`noise` must be"),
        (DelayedCopy(), "hold", 2.0, "`hold` must be a number in [0, 1]"),
        (DelayedMatch(), "dt", 0.0, "`dt` must be"),
        (DelayedMatch(), "n_directions", 1, "`n_directions` must be a whole number, 2 or above"),
        (DelayedMatch(), "sample_time", 5.0, "`sample_time` must be at least one step of 20 ms"),
        (DelayedMatch(), "fixation", (0.0, 100.0), "`fixation` must be (shortest, longest), at least 20 ms"),
        (DelayedMatch(), "noise", -1.0, "`noise` must be"),
        (DelayedMatch(), "hold", -0.5, "`hold` must be a number in [0, 1]"),
    ],
)
def test_settings_out_of_range_are_refused(task: AbstractTask, setting: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{type(task).__name__}: {message}")):
        replace(task, **{setting: value})  # type: ignore[type-var]


def test_a_task_without_an_animal_cannot_be_followed() -> None:
    from tests.track_session import flat, spiking

    with pytest.raises(ValueError, match="EvidenceAccumulation: `follow` must be offered by the task"):
        EvidenceAccumulation().follow(spiking([flat(1.0)], 10_000.0, 0))
