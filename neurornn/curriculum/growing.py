"""Curricula in which the memory that is asked for grows: by one head, many heads, or a window of heads."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from neurornn import _check
from neurornn.curriculum.base import AbstractCurriculum, Stage, Stages
from neurornn.task.bits import AbstractBits, head


class AbstractGrowing(AbstractCurriculum):
    """Stages that ask one after the other for a longer memory.

    A stage is left when the fraction of right answers is above `until` both in the mean over the N of the stage and at
    the largest of them; after the last stage the training ends. The optimiser goes on as it was. A training moves on by
    one stage a validation at most.
    """

    @property
    @abstractmethod
    def lessons(self) -> Stages:
        """The stages in their order."""

    def reached(self, scores: Sequence[float]) -> int:
        return self.lessons.reached(scores)

    def stage(self, number: int) -> Stage | None:
        return self.lessons.stage(number)

    def stages(self) -> Sequence[Stage]:
        return self.lessons.stages()


@dataclass(frozen=True)
class SingleHead(AbstractGrowing):
    """One N at a time, N + 1 after N, always with the first readout head, which is trained anew for each.

    Args:
        task: the task; the smallest of its `ns` is where it starts.
        last: the largest N.
        until: the fraction of right answers that must be passed.

    Raises:
        ValueError: if `last` is below the start, or `until` no fraction.

    Example:
        >>> from neurornn.curriculum import SingleHead
        >>> from neurornn.task import Parity
        >>> [stage.task.ns for stage in SingleHead(Parity(), last=4).stages()]
        [(2,), (3,), (4,)]

    References:
        Khajehabdollahi et al. (2024), doi:10.48550/arXiv.2309.12927.
    """

    task: AbstractBits
    last: int
    until: float = 0.98

    def __post_init__(self) -> None:
        check_range("SingleHead", self.task, self.last, self.until)

    @property
    def lessons(self) -> Stages:
        ranges = [((n,), (head(0),)) for n in range(min(self.task.ns), self.last + 1)]
        return _stages(self.task, ranges, self.until)


@dataclass(frozen=True)
class MultiHead(AbstractGrowing):
    """Every N up to the largest so far, each with a head of its own; N + 1 with a fresh head joins after N.

    Args:
        task: the task; the smallest of its `ns` is where it starts.
        last: the largest N.
        until: the fraction of right answers that must be passed, in the mean and at the largest N.

    Raises:
        ValueError: if `last` is below the start, or `until` no fraction.

    Example:
        >>> from neurornn.curriculum import MultiHead
        >>> from neurornn.task import Parity
        >>> [stage.task.ns for stage in MultiHead(Parity(), last=4).stages()]
        [(2,), (2, 3), (2, 3, 4)]

    References:
        Khajehabdollahi et al. (2024), doi:10.48550/arXiv.2309.12927.
    """

    task: AbstractBits
    last: int
    until: float = 0.98

    def __post_init__(self) -> None:
        check_range("MultiHead", self.task, self.last, self.until)

    @property
    def lessons(self) -> Stages:
        first = min(self.task.ns)
        ranges = []
        for n in range(first, self.last + 1):
            ns = tuple(range(first, n + 1))
            ranges.append((ns, tuple(head(place) for place in range(len(ns)))))
        return _stages(self.task, ranges, self.until)


@dataclass(frozen=True)
class Sliding(AbstractGrowing):
    """A window of N at a time that slides on by `step`: the smallest are dropped and as many larger ones join.

    By default the heads belong to the places in the window, as in the paper's code: after a slide the first head is
    asked about another N, and so is every other. With `own_heads` each N keeps a head of its own, and those that join
    are fresh.

    Args:
        task: the task; the smallest of its `ns` is where it starts.
        last: the largest N; the window stops where it would pass it.
        window: how many N are trained together.
        step: how many are dropped, and join, at a time.
        own_heads: whether each N keeps its own head.
        until: the fraction of right answers that must be passed, in the mean and at the largest N.

    Raises:
        ValueError: if the window does not fit between the start and `last`, or a number is out of range.

    Example:
        >>> from neurornn.curriculum import Sliding
        >>> from neurornn.task import Parity
        >>> [stage.task.ns for stage in Sliding(Parity(), last=5, window=2, step=1).stages()]
        [(2, 3), (3, 4), (4, 5)]

    References:
        Khajehabdollahi et al. (2024), doi:10.48550/arXiv.2309.12927.
    """

    task: AbstractBits
    last: int
    window: int = 10
    step: int = 5
    own_heads: bool = False
    until: float = 0.98

    def __post_init__(self) -> None:
        first = check_range("Sliding", self.task, self.last, self.until)
        _check.count("Sliding", "window", self.window)
        _check.count("Sliding", "step", self.step)
        if first + self.window - 1 > self.last:
            fix = "Take a smaller window or a larger `last`."
            _check.fail("Sliding", "window", f"at most {self.last - first + 1}, to fit below `last`", self.window, fix)

    @property
    def lessons(self) -> Stages:
        first = min(self.task.ns)
        ranges = []
        for start in range(first, self.last - self.window + 2, self.step):
            ns = tuple(range(start, start + self.window))
            offset = start - first if self.own_heads else 0
            ranges.append((ns, tuple(head(offset + place) for place in range(self.window))))
        return _stages(self.task, ranges, self.until)


@dataclass(frozen=True)
class NoCurriculum(AbstractGrowing):
    """The task as it is, with its first heads, from scratch until it is solved.

    Args:
        task: the task.
        until: the fraction of right answers at which training ends, in the mean and at the largest N.

    Raises:
        ValueError: if `until` is no fraction.
    """

    task: AbstractBits
    until: float = 0.98

    def __post_init__(self) -> None:
        _check.fraction("NoCurriculum", "until", self.until)

    @property
    def lessons(self) -> Stages:
        heads = tuple(head(place) for place in range(len(self.task.ns)))
        return _stages(self.task, [(self.task.ns, heads)], self.until)


def check_range(owner: str, task: AbstractBits, last: int, until: float) -> int:
    """Return the smallest N of `task`; raise where a curriculum from there to `last` is not possible."""
    first = min(task.ns)
    if _check.count(owner, "last", last) < first:
        _check.fail(owner, "last", f"at least the task's smallest N, {first}", last)
    _check.fraction(owner, "until", until)
    return first


def stages_of(asked: Sequence[tuple[AbstractBits, tuple[str, ...]]], until: float) -> Stages:
    """Return stages of these tasks and heads, each of which is left above `until`."""
    # A stage is passed at `until` or above, and the rule of the paper is above.
    above = math.nextafter(until, 2.0)
    return Stages(tuple(Stage(task, heads, above) for task, heads in asked))


def _stages(task: AbstractBits, ranges: Sequence[tuple[tuple[int, ...], tuple[str, ...]]], until: float) -> Stages:
    return stages_of([(replace(task, ns=ns), heads) for ns, heads in ranges], until)
