import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from neurornn._types import generator
from neurornn.task import RULES, Multitask, VonMises
from neurornn.task.rule import EPOCHS
from neurornn.trials import Trials

N = 400


def drawn(*rules: str, **settings: object) -> tuple[Multitask, Trials]:
    task = Multitask(rules, noise=0.0, **settings)  # type: ignore[arg-type]
    return task, task.sample(N, generator=generator(3))


def during(trials: Trials, epoch: str, columns: slice) -> torch.Tensor:
    """Return the mean input of each trial in an epoch. Shape `(trial, column)`."""
    on = trials.epoch(epoch).float()
    return (trials.inputs[..., columns] * on[..., None]).sum(1) / on.sum(1, keepdim=True).clamp(min=1)


def angle(ring: torch.Tensor) -> torch.Tensor:
    angles = VonMises(32).angles
    return torch.atan2(ring @ angles.sin(), ring @ angles.cos())


def apart(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (torch.remainder(a - b + math.pi, math.tau) - math.pi).abs()


def column(trials: Trials, name: str) -> torch.Tensor:
    return torch.tensor(trials.conditions[name].to_numpy(dtype=float)).float()


def test_all_twenty_are_there() -> None:
    assert len(RULES) == 20 and len(Multitask().rules) == 20
    assert Multitask().n_in == 1 + 64 + 20 and Multitask().n_out == 33


def test_every_rule_has_its_share_and_its_channel() -> None:
    task = Multitask(tuple(RULES)[:6])
    trials = task.sample(60, generator=generator(0))
    counts = trials.conditions["rule"].value_counts()
    assert counts.max() - counts.min() <= 6 and counts.min() >= 6
    for row, rule in enumerate(trials.conditions["rule"]):
        told = trials.inputs[row, 0, 65:]
        assert told.tolist() == [float(name == rule) for name in task.rules]


@pytest.mark.parametrize(("rule", "away"), [("Go", 0.0), ("Dly Go", 0.0), ("Anti", math.pi), ("RT Anti", math.pi)])
def test_saccades_go_to_the_item_or_away_from_it(rule: str, away: float) -> None:
    _, trials = drawn(rule)
    rings = during(trials, "response" if rule == "RT Anti" else "stimulus", slice(1, 65)).reshape(N, 2, 32)
    seen = rings.sum(1)
    assert float(apart(angle(seen) + away, column(trials, "direction")).max()) < 1e-3
    one_modality = (rings.sum(-1) > 0.1).sum(1)
    assert (one_modality == 1).all()
    shown_late = during(trials, "response", slice(1, 65)).sum(1) > 0.1
    assert bool(shown_late.all()) != (rule == "Dly Go")
    fixation = during(trials, "response", slice(0, 1))[:, 0]
    assert bool((fixation == (1.0 if rule.startswith("RT") else 0.0)).all())


@pytest.mark.parametrize(
    ("rule", "heeded", "second"),
    [
        ("DM 1", [0], "stimulus"),
        ("DM 2", [1], "stimulus"),
        ("Ctx DM 1", [0], "stimulus"),
        ("Ctx Dly DM 2", [1], "second"),
        ("MultSen DM", [0, 1], "stimulus"),
        ("MultSen Dly DM", [0, 1], "second"),
        ("Dly DM 1", [0], "second"),
    ],
)
def test_choices_go_to_the_stronger_item_of_what_counts(rule: str, heeded: list[int], second: str) -> None:
    _, trials = drawn(rule)
    strength = []
    for item, epoch in (("first", "stimulus"), ("second", second)):
        rings = during(trials, epoch, slice(1, 65)).reshape(N, 2, 32)[:, heeded].sum(1)
        bump = VonMises(32, 6.5).encode(column(trials, item)[:, None])
        strength.append((rings * bump).sum(-1))
    chosen = torch.where(strength[0] > strength[1], column(trials, "first"), column(trials, "second"))
    clear = (strength[0] - strength[1]).abs() > 1e-3
    assert clear.float().mean() > 0.9
    assert float(apart(chosen, column(trials, "direction"))[clear].max()) < 1e-4
    assert float(apart(column(trials, "first"), column(trials, "second")).min()) > 0.49 * math.pi


def test_context_is_needed_where_both_modalities_tell() -> None:
    """In half of the trials the modality that does not count speaks for the other item."""
    _, trials = drawn("Ctx DM 1")
    rings = during(trials, "stimulus", slice(1, 65)).reshape(N, 2, 32)
    bumps = [VonMises(32, 6.5).encode(column(trials, item)[:, None])[:, None] for item in ("first", "second")]
    balance = ((rings * bumps[0]).sum(-1) - (rings * bumps[1]).sum(-1)).sign()
    assert 0.4 < float((balance[:, 0] == balance[:, 1]).float().mean()) < 0.6


@pytest.mark.parametrize("rule", ["DMS", "DNMS", "DMC", "DNMC"])
def test_a_response_is_asked_for_where_items_match_or_where_they_do_not(rule: str) -> None:
    _, trials = drawn(rule)
    first, second = column(trials, "first"), column(trials, "second")
    same = torch.remainder(first, math.tau) < math.pi
    match = same == (torch.remainder(second, math.tau) < math.pi) if "C" in rule else apart(first, second) < 1e-4
    answers = column(trials, "answers").bool()
    assert torch.equal(answers, ~match if rule.startswith("DN") else match)
    assert 0.4 < float(answers.float().mean()) < 0.6
    assert bool((during(trials, "response", slice(0, 1)) == 1.0).all())
    if "C" not in rule:
        assert float(apart(first, second)[~match].min()) > math.pi / 9 - 1e-4


def test_times_are_those_of_the_paper_and_follow_the_pace() -> None:
    _, trials = drawn("Dly Go", "DM 1", "DMC", dt=10.0)
    delays = {rule: set(part["delay_ms"]) for rule, part in trials.conditions.groupby("rule")}
    assert delays == {"Dly Go": {200.0, 400.0, 800.0, 1600.0}, "DM 1": {0.0}, "DMC": {200.0, 400.0, 800.0, 1600.0}}
    edges = trials.epochs["response"]
    assert ((edges[:, 1] - edges[:, 0]) == 50).all() and tuple(trials.epochs) == EPOCHS
    _, quick = drawn("Dly Go", dt=10.0, pace=0.5)
    assert set(quick.conditions["delay_ms"]) == {100.0, 200.0, 400.0, 800.0}


def test_looking_anywhere_is_right_in_a_fifth_and_fixating_where_that_is_asked() -> None:
    for rules, fixating, right in ((("Go", "Anti"), 0.0, 0.2), (("DMS",), 1.0, 0.5)):
        task, trials = drawn(*rules)
        ring = VonMises(32).encode(torch.full((1, 1, 1), 0.3)).expand(N, trials.n_steps, -1)
        outputs = torch.cat([torch.full((N, trials.n_steps, 1), fixating), ring], dim=2)
        scores = task.score(trials, outputs)
        assert float(scores.mean()) == pytest.approx(right, abs=0.07)
    assert torch.equal(scores.bool(), ~column(trials, "answers").bool())


def test_reaction_times_and_choices_are_read_from_the_outputs() -> None:
    task, trials = drawn("DM 1", "DMS")
    outputs = trials.targets.clone()
    started = trials.epochs["response"][:, 0]
    steps = torch.arange(trials.n_steps)
    outputs[..., 0] = torch.where(steps < started[:, None] + 5, 1.0, outputs[..., 0])
    times = task.reaction_time(trials, outputs).numpy()
    answers = trials.conditions["answers"].to_numpy()
    assert np.isnan(times[~answers]).all() and (times[answers] == 6 * task.dt).all()
    dm = (trials.conditions["rule"] == "DM 1").to_numpy()
    first = task.chose_first(trials, trials.targets).numpy()[dm]
    assert np.array_equal(first > 0.5, trials.conditions["evidence"].to_numpy()[dm] > 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Multitask(()), r"Multitask: `rules` must be one name or more; got \(\)"),
        (
            lambda: Multitask(("Goo",)),
            r"Multitask: `rules` must be names of known tasks; got 'Goo'\. Did you mean 'Go'",
        ),
        (lambda: Multitask(("Go", "Go")), r"Multitask: `rules` must be distinct"),
        (
            lambda: Multitask().sample(0, generator=generator(0)),
            r"Multitask.sample: `n_trials` must be a whole number, 1 or above; got 0",
        ),
        (lambda: Multitask(pace=0.0), r"Multitask: `pace` must be a finite number above 0; got 0.0"),
        (lambda: Multitask(dt=60.0, pace=0.5), r"Multitask: `dt` must be at most 50 ms at this pace; got 60.0"),
        (lambda: Multitask(noise=-1.0), r"Multitask: `noise` must be a finite number, 0 or above; got -1.0"),
    ],
)
def test_tasks_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
