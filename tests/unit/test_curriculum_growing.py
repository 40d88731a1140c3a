"""Curricula of growing memory: what each asks for, when it moves on, and that a cut training goes on in its stage."""

import pytest
import torch

from neurornn import BitMatch, CrossEntropy, Objective, Parity
from neurornn._types import generator
from neurornn.curriculum import Combined, Mixed, MultiHead, Naive, NoCurriculum, SingleHead, Sliding
from neurornn.errors import FitError
from neurornn.fit import SGD, build, describe, snapshot, train
from neurornn.fit.checkpoint import digest
from tests.memory_network import a_network

TASK = Parity(block=64)
ENTROPY = Objective({"entropy": CrossEntropy()})


def asked(curriculum) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    return [(stage.task.ns, tuple(name.removeprefix("head_") for name in stage.heads)) for stage in curriculum.stages()]


def test_each_curriculum_asks_for_what_it_should() -> None:
    assert asked(SingleHead(TASK, 4)) == [((2,), ("0",)), ((3,), ("0",)), ((4,), ("0",))]
    assert asked(MultiHead(TASK, 4)) == [((2,), ("0",)), ((2, 3), ("0", "1")), ((2, 3, 4), ("0", "1", "2"))]
    window = Sliding(TASK, 7, window=3, step=2)
    assert asked(window) == [((2, 3, 4), ("0", "1", "2")), ((4, 5, 6), ("0", "1", "2"))]
    own = Sliding(TASK, 7, window=3, step=2, own_heads=True)
    assert asked(own) == [((2, 3, 4), ("0", "1", "2")), ((4, 5, 6), ("2", "3", "4"))]
    assert asked(NoCurriculum(BitMatch(ns=(5,)))) == [((5,), ("0",))]
    assert asked(Naive(TASK, 4)) == [((2,), ("0",)), ((3,), ("1",)), ((4,), ("2",))]
    assert asked(Mixed(TASK, 4)) == [((2, 3, 4), ("0", "1", "2"))]
    assert asked(Combined(TASK, 4)) == 3 * [((2, 3, 4), ("0", "1", "2"))]
    assert [stage.task.level for stage in Combined(TASK, 4).stages()] == [2, 3, 4]


@pytest.mark.parametrize("curriculum", [Mixed(TASK, 4), Combined(TASK, 4, mixed=0.6)])
def test_a_mixing_curriculum_asks_each_trial_about_one_n_as_often_as_it_says(curriculum) -> None:
    task = curriculum.stages()[0].task
    trials = task.sample(6000, generator=generator(0))
    told = trials.targets.sum(1).unflatten(-1, (3, 2)).sum(-1)  # (trial, n): 1 where it is asked
    assert (told.sum(1) == 1).all()
    shares = torch.tensor(task.shares) / sum(task.shares)
    assert float((told.mean(0) - shares).abs().max()) < 3 * (0.25 / 6000) ** 0.5
    # The network that is right about N = 2 alone: the others are chance, and only what is asked is scored.
    outputs = torch.zeros_like(trials.targets)
    outputs[..., :2] = trials.targets[..., :2]
    right = task.right(trials, outputs)
    assert (right.isnan() == (told == 0)).all()
    assert right.nanmean(0).tolist() == [1.0, 0.5, 0.5]
    assert task.overall(trials, outputs) == (1.0 if isinstance(curriculum, Combined) else 0.5)


@pytest.mark.parametrize(
    "curriculum",
    [
        SingleHead(TASK, 5),
        MultiHead(TASK, 5),
        Sliding(TASK, 5, window=2, step=1),
        NoCurriculum(TASK),
        Naive(TASK, 5),
        Mixed(TASK, 5),
        Combined(TASK, 5),
    ],
)
def test_a_stage_is_left_above_98_percent_and_one_at_a_time(curriculum) -> None:
    n = len(curriculum.stages())
    assert curriculum.reached([0.98] * 9) == 0 and curriculum.reached([0.981]) == 1
    assert curriculum.reached([0.99, 0.5, 0.99]) == min(2, n)
    assert curriculum.reached([1.0] * 20) == n and curriculum.stage(n) is None and curriculum.needs_scores()
    assert describe(curriculum)["type"] == type(curriculum).__name__
    assert build(describe(curriculum)) == curriculum


def test_many_heads_reach_n_4_in_seconds(tmp_path) -> None:
    whole = Parity(ns=(2, 3, 4), block=64)
    network = a_network(whole.heads, 40)
    settings = {
        "steps": 1000,
        "batch": 64,
        "objective": ENTROPY,
        "learning_rate": 0.15,
        "optimiser": SGD(momentum=0.1, nesterov=True),
        "clip": 2.0,
        "curriculum": MultiHead(TASK, 4),
        "validate_every": 50,
        "n_validation": 640,
        "progress": False,
    }
    fit = train(network, whole, snapshots=tmp_path / "whole", **settings)
    assert len(fit.history) < 1000
    assert fit.score(1000).mean() > 0.97
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == [
        f"stage_{k:04d}.safetensors" for k in range(3)
    ]
    assert digest(snapshot(tmp_path / "whole", 2, network).state_dict()) == digest(fit.network.state_dict())
    assert (fit.network.cell.tau() >= 1).all()


def test_a_training_that_was_cut_goes_on_in_its_stage(tmp_path, monkeypatch) -> None:
    whole = Parity(ns=(2, 3, 4), block=8)
    settings = {
        "steps": 30,
        "batch": 8,
        "objective": ENTROPY,
        "curriculum": MultiHead(Parity(block=8), 4, until=0.3),
        "validate_every": 10,
        "n_validation": 32,
        "progress": False,
    }
    network = a_network(whole.heads, 10)
    straight = train(network, whole, snapshots=tmp_path / "straight", **settings)
    assert straight.history["stage"].nunique() > 1

    path, kept = tmp_path / "training.safetensors", []
    from neurornn.fit.session import Session

    save = Session.save

    def then_die(self, *args) -> None:
        save(self, *args)
        kept.append(self.step)
        if self.step == 15:
            raise KeyboardInterrupt

    monkeypatch.setattr(Session, "save", then_die)
    told = {"checkpoint": path, "checkpoint_every": 5, "snapshots": tmp_path / "cut"}
    with pytest.raises(KeyboardInterrupt):
        train(network, whole, **told, **settings)
    resumed = train(network, whole, **told, **settings)
    assert kept[:4] == [5, 10, 15, 20]
    assert resumed.history.equals(straight.history)
    assert digest(resumed.network.state_dict()) == digest(straight.network.state_dict())
    names = [sorted(one.name for one in (tmp_path / folder).iterdir()) for folder in ("straight", "cut")]
    assert names[0] == names[1] and names[0]
    for number in range(len(names[0])):
        one, other = (snapshot(tmp_path / folder, number, network).state_dict() for folder in ("straight", "cut"))
        assert digest(one) == digest(other)


def test_a_snapshot_that_is_not_there_or_not_whole_is_refused(tmp_path) -> None:
    network = a_network({"head_0": 2}, 4)
    with pytest.raises(FitError, match="missing: stage 3 was not passed, or no snapshots were kept"):
        snapshot(tmp_path, 3, network)
    (tmp_path / "stage_0000.safetensors").write_bytes(b"nothing")
    with pytest.raises(FitError, match="truncated or no safetensors file"):
        snapshot(tmp_path, 0, network)
    from neurornn.fit.snapshot import write_snapshot

    write_snapshot(tmp_path, 1, a_network({"head_0": 2}, 5))
    with pytest.raises(FitError, match="holds the weights of another network"):
        snapshot(tmp_path, 1, network)


def test_a_time_constant_below_the_step_has_no_gradient() -> None:
    network = a_network({"head_0": 2}, 6)
    with torch.no_grad():
        network.cell.tau.raw[:3] = 0.9
    network(torch.ones(3, 5, 1)).outputs.square().sum().backward()
    gradient = network.cell.tau.raw.grad
    assert (gradient[:3] == 0).all() and (gradient[3:] != 0).all()


def test_impossible_curricula_are_refused() -> None:
    for kind in (SingleHead, MultiHead, Sliding):
        with pytest.raises(
            ValueError, match=rf"{kind.__name__}: `last` must be at least the task's smallest N, 2; got 1"
        ):
            kind(TASK, 1)
        with pytest.raises(ValueError, match=rf"{kind.__name__}: `last` must be a whole number"):
            kind(TASK, 0)
        with pytest.raises(ValueError, match=rf"{kind.__name__}: `until` must be a number in \[0, 1\]; got 98"):
            kind(TASK, 12, until=98.0)
    with pytest.raises(ValueError, match="Sliding: `window` must be at most 3, to fit below `last`; got 10"):
        Sliding(TASK, 4)
    with pytest.raises(ValueError, match="Sliding: `window` must be a whole number, 1 or above; got 0"):
        Sliding(TASK, 4, window=0)
    with pytest.raises(ValueError, match="Sliding: `step` must be a whole number, 1 or above; got 0"):
        Sliding(TASK, 4, window=2, step=0)
    with pytest.raises(ValueError, match=r"NoCurriculum: `until` must be a number in \[0, 1\]; got 98"):
        NoCurriculum(TASK, until=98.0)
