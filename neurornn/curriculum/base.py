"""What a curriculum is: stages, when one is left, and which readout heads are scored meanwhile."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neurornn import _check
from neurornn.task.base import AbstractTask


@dataclass(frozen=True)
class Stage:
    """What is trained for a while.

    Args:
        task: what is trained. Its outputs are those of `heads`, in their order.
        heads: the readout heads that are trained and scored; all of them where none is named. The others stay.
        until: the validation score that ends the stage, in the task's own measure; without one it lasts to the end.
    """

    task: AbstractTask
    heads: tuple[str, ...] = ()
    until: float | None = None

    def passed(self, score: float) -> bool:
        """Return whether `score` is good enough to go on."""
        if self.until is None:
            return False
        return score >= self.until if self.task.higher_is_better else score <= self.until


class AbstractCurriculum(ABC):
    """An order in which to learn. It has no state: what is trained now follows from what was scored so far.

    So a checkpoint that holds the scores holds the curriculum, and a resumed training is in the stage it was in.
    """

    @abstractmethod
    def reached(self, scores: Sequence[float]) -> int:
        """Return the number of the stage that is reached after these validation scores, in order."""

    @abstractmethod
    def stage(self, number: int) -> Stage | None:
        """Return a stage by its number; `None` where the curriculum has ended and nothing is left to train."""

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """Return every stage that may come, so that all are checked before the first one starts."""

    def needs_scores(self) -> bool:
        """Return whether any stage ends on a score."""
        return any(stage.until is not None for stage in self.stages())


@dataclass(frozen=True)
class Stages(AbstractCurriculum):
    """Stages one after the other: each is left when a validation score passes its `until`.

    After the last one's `until` the training ends.

    Args:
        order: the stages.

    Raises:
        ValueError: if there is none, or one that would be reached never.

    Example:
        >>> from neurornn.curriculum import Stage, Stages
        >>> from neurornn.task import DelayedMatch
        >>> lessons = Stages((Stage(DelayedMatch(), until=0.8), Stage(DelayedMatch())))
        >>> lessons.reached([0.5, 0.9])
        1
    """

    order: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.order:
            _check.fail("Stages", "order", "at least one stage", self.order, "Use Stages((Stage(task),)).")
        for number, stage in enumerate(self.order[:-1]):
            if stage.until is None:
                fix = "Give it the score at which the next stage starts."
                _check.fail("Stages", f"order[{number}].until", "a score, except in the last stage", None, fix)

    def reached(self, scores: Sequence[float]) -> int:
        number = 0
        for score in scores:
            if number < len(self.order) and self.order[number].passed(score):
                number += 1
        return number

    def stage(self, number: int) -> Stage | None:
        return self.order[number] if number < len(self.order) else None

    def stages(self) -> Sequence[Stage]:
        return self.order


def check_stage(stage: Stage, *, n_in: int, n_start: int, dt: float, heads: Mapping[str, slice]) -> None:
    """Raise where the task of a stage does not fit a network of these sizes; the message says where."""
    task = stage.task
    owner = type(task).__name__
    for name in stage.heads:
        if name not in heads:
            _check.fail("Stage", "heads", "readout heads of the network", name, _check.near(name, heads))
    scored = stage.heads or tuple(heads)
    n_out = sum(heads[name].stop - heads[name].start for name in scored)
    for name, has, needs in (
        ("n_in", task.n_in, n_in),
        ("n_out", task.n_out, n_out),
        ("n_start", task.n_start, n_start),
    ):
        if has != needs:
            fix = f"Build the network with task.{name}."
            _check.fail(owner, name, f"{needs}, as the network has", has, fix)
    if abs(task.dt - dt) > 1e-9 * dt:
        _check.fail(owner, "dt", f"{dt:g} ms, as the network's", task.dt, "Build the cell with dt=task.dt.")
