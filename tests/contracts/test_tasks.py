"""What every task promises, whatever the animal does in it."""

from collections.abc import Callable
from dataclasses import is_dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import AbstractTask, Trials, generator, load_task
from neurornn.task import (
    ArenaIntegration,
    BitMatch,
    Cartesian,
    Darting,
    DelayedCopy,
    DelayedMatch,
    EvidenceAccumulation,
    FlipFlop,
    Forecasting,
    HeadDirection,
    ImageRows,
    Images,
    ImageSequences,
    Layout,
    Lorenz63,
    Multitask,
    Navigation,
    Oddball,
    Parity,
    PlaceCode,
    Rossler,
    SelfMotion,
    Series,
    StarArenas,
    Start,
    TrackIntegration,
)
from tests.tolerances import EXACT

COLOURED = Images(*[(np.arange(4 * 48).reshape(4, 48) % 97 / 97, np.array([0, 1, 2, 0]))] * 2, top=1.0)
GIVEN = Series(np.random.default_rng(0).standard_normal((400, 2)).cumsum(axis=0))

TASKS: dict[str, Callable[[], AbstractTask]] = {
    "track": lambda: TrackIntegration(duration=3000.0),
    "track, all channels": lambda: TrackIntegration(duration=3000.0, input_noise=0.1, contact=0.05, contact_noise=0.2),
    "track, cartesian": lambda: TrackIntegration(duration=3000.0, code=Cartesian(), heading=False),
    "arena": lambda: ArenaIntegration(duration=3000.0),
    "arena, cartesian": lambda: ArenaIntegration(duration=3000.0, code=Cartesian(), input_noise=0.1),
    "arena, heading": lambda: ArenaIntegration(duration=3000.0, code=PlaceCode(100), senses=SelfMotion.HEADING),
    "arena, egocentric": lambda: ArenaIntegration(duration=3000.0, senses=SelfMotion.EGOCENTRIC),
    "arena, place and heading": lambda: load_task("grid_cells_banino"),
    "arena, darting": lambda: ArenaIntegration(
        (2.2, 1.1), 20.0, 400.0, Darting(), PlaceCode(512, 0.0545, layout=Layout.RANDOM, surround=2.0), speed_scale=1.0
    ),
    "arena, pulled to the middle": lambda: load_task("reactivation_position"),
    "navigation": lambda: Navigation(duration=10_000.0),
    "navigation, new arenas": lambda: Navigation(StarArenas(0, landmarks=2), start=Start.ORIGIN, duration=10_000.0),
    "navigation, which arena": lambda: Navigation(StarArenas(3), start=Start.TOLD, identify=True, duration=10_000.0),
    "heading": lambda: load_task("reactivation_heading"),
    "heading, biased": lambda: HeadDirection(duration=500.0, biased=True, input_noise=0.1),
    "decision": EvidenceAccumulation,
    "decision, fixed": lambda: EvidenceAccumulation(fixation=(100.0, 100.0), stimulus=(500.0, 500.0), delay=(0.0, 0.0)),
    "match": DelayedMatch,
    "copy": DelayedCopy,
    "parity": lambda: Parity(ns=(2, 3, 5)),
    "parity, padded": lambda: Parity(ns=(3,), block=4, spread=0.0),
    "images": lambda: ImageSequences(length=4),
    "images, held": lambda: ImageSequences(length=3, hold=2.0, ordered=False),
    "image rows": ImageRows,
    "image rows, coloured": lambda: ImageRows(COLOURED, colours=3, hold=4.0, response=6.0),
    "forecast, lorenz": lambda: Forecasting(Lorenz63(duration=40.0), horizon=5),
    "forecast, rossler": lambda: Forecasting(Rossler(duration=200.0), horizon=5, hold=6.0, duration=300.0, noise=0.1),
    "forecast, given": lambda: Forecasting(GIVEN, hold=10.0, duration=500.0),
    "oddball": Oddball,
    "oddball, with omissions": lambda: Oddball(omission=0.2, many=0.5, noise=0.1, length=8),
    "flip-flop": FlipFlop,
    "flip-flop, settling": lambda: FlipFlop(2, 10.0, 500.0, 20.0, 30.0),
    "multitask": Multitask,
    "multitask, half pace": lambda: Multitask(("Dly Go", "Ctx DM 2", "DNMC"), pace=0.5),
    "bits match": lambda: BitMatch(ns=(2, 6), dt=0.5, block=4),
}
BEST: dict[str, float] = {
    "decision": 1.0,
    "match": 1.0,
    "multitask": 1.0,
    "copy": 1.0,
    "parity": 1.0,
    "bits": 1.0,
    "flip": 1.0,
    "track": 1.0,
    "arena, darting": 0.12,
    "arena, pulled": 0.12,
    "arena, place and heading": 0.15,
    "arena": 0.06,
    "heading": 0.06,
    "image rows": 1.0,
    "forecast": 1e-6,
    "images": 0.01,
    "oddball": 0.01,
    "navigation": 1e-5,
}
"""What the targets themselves score at worst: every choice right; 1 % of the track; a place field's width, m; rad;
the next input itself."""

sizes = given(n_trials=st.integers(1, 9), seed=st.integers(0, 2**31))
quick = settings(max_examples=5, deadline=None)


@pytest.fixture(params=TASKS, ids=str)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def task(name: str) -> AbstractTask:
    return TASKS[name]()


def drawn(task: AbstractTask, n_trials: int = 12, seed: int = 0) -> Trials:
    return task.sample(n_trials, generator=generator(seed))


def tensors(trials: Trials) -> dict[str, torch.Tensor]:
    parts = {"inputs": trials.inputs, "targets": trials.targets, "mask": trials.mask, "valid": trials.valid}
    parts |= {"start": trials.start, **trials.epochs, **trials.behaviour}
    return {key: part for key, part in parts.items() if part is not None}


@sizes
@quick
@pytest.mark.parametrize("name", TASKS)
def test_the_same_generator_state_gives_the_same_bits(name: str, n_trials: int, seed: int) -> None:
    task = TASKS[name]()
    one, two = drawn(task, n_trials, seed), drawn(task, n_trials, seed)
    for key, part in tensors(one).items():
        torch.testing.assert_close(part, tensors(two)[key], **EXACT)
    assert one.conditions.equals(two.conditions)


@sizes
@quick
@pytest.mark.parametrize("name", TASKS)
def test_shapes_are_as_announced(name: str, n_trials: int, seed: int) -> None:
    task = TASKS[name]()
    trials = drawn(task, n_trials, seed)
    assert trials.n_trials == n_trials
    assert trials.inputs.shape[2] == task.n_in
    assert trials.targets.shape == (n_trials, trials.n_steps, task.n_out)
    assert trials.dt == task.dt
    assert (0 if trials.start is None else trials.start.shape[1]) == task.n_start
    assert len(trials.conditions) == n_trials
    for part in tensors(trials).values():
        assert torch.isfinite(part.float()).all()


def test_another_seed_gives_other_trials(task: AbstractTask) -> None:
    one, two = drawn(task, seed=1), drawn(task, seed=2)
    assert one.inputs.shape != two.inputs.shape or not one.inputs.equal(two.inputs)


def test_a_generator_goes_on_where_it_was(task: AbstractTask) -> None:
    stream = generator(0)
    one, two = task.sample(4, generator=stream), task.sample(4, generator=stream)
    assert one.inputs.shape != two.inputs.shape or not one.inputs.equal(two.inputs)


def test_padding_is_silent_and_does_not_count(task: AbstractTask) -> None:
    trials = drawn(task)
    assert trials.valid is not None
    padding = ~trials.valid
    for part in (trials.inputs, trials.targets * (trials.start is None), trials.mask[..., None]):
        assert (part[padding] == 0).all()
    assert trials.valid.any(dim=1).all() and (trials.mask.sum(dim=1) > 0).all()
    # A trial is one stretch from the first step on: nothing valid follows padding.
    assert (trials.valid[:, 1:] <= trials.valid[:, :-1]).all()


def test_epochs_follow_one_another_within_the_trial(task: AbstractTask) -> None:
    trials = drawn(task)
    assert trials.valid is not None
    last = torch.zeros(trials.n_trials, dtype=torch.long)
    for edges in trials.epochs.values():
        assert (edges[:, 0] == last).all() and (edges[:, 1] >= edges[:, 0]).all()
        last = edges[:, 1]
    if trials.epochs:
        assert last.equal(trials.valid.sum(dim=1))


def test_the_targets_are_reachable_and_silence_is_worse(task: AbstractTask, name: str) -> None:
    trials = drawn(task, 40)
    perfect, silent = task.score(trials, trials.targets), task.score(trials, torch.zeros_like(trials.targets))
    bound = next(value for key, value in BEST.items() if name.startswith(key))
    if task.higher_is_better:
        assert perfect.min() >= bound and silent.mean() < bound - 0.2
    else:
        assert perfect.max() <= bound and silent.mean() > 3 * bound


def test_the_score_of_a_stack_is_the_scores_of_its_runs(task: AbstractTask) -> None:
    trials = drawn(task)
    noise = 0.3 * torch.randn(3, *trials.targets.shape, generator=generator(5))
    outputs = trials.targets + noise
    stacked = task.score(trials, outputs)
    assert stacked.shape == (3, trials.n_trials)
    for i in range(3):
        torch.testing.assert_close(stacked[i], task.score(trials, outputs[i]))


def test_steps_that_do_not_count_do_not_change_the_score(task: AbstractTask) -> None:
    trials = drawn(task)
    off = (trials.mask == 0)[..., None]
    changed = torch.where(off, 17.0, trials.targets)
    torch.testing.assert_close(task.score(trials, changed), task.score(trials, trials.targets), **EXACT)


def test_half_the_step_gives_twice_the_steps(task: AbstractTask) -> None:
    fine = replace(task, dt=task.dt / 2)  # type: ignore[type-var]
    n_fine, n_coarse = drawn(fine, 200).n_steps, drawn(task, 200).n_steps
    assert abs(n_fine - 2 * n_coarse) <= 4


def test_a_task_is_a_frozen_value(task: AbstractTask) -> None:
    assert is_dataclass(task) and hash(task) == hash(replace(task)) and replace(task) == task  # type: ignore[type-var]
    with pytest.raises(AttributeError):
        task.dt = 1.0


def test_no_trials_are_refused(task: AbstractTask) -> None:
    with pytest.raises(ValueError, match="`n_trials` must be a whole number, 1 or above"):
        task.sample(0, generator=generator(0))


def test_names_of_scores_say_what_is_measured(task: AbstractTask) -> None:
    assert len(task.score_name) > 10 and isinstance(task.higher_is_better, bool)
