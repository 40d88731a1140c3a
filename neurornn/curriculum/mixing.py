"""Curricula that mix what is easy with what is hard, as programs were once taught to a network: naive, mixed, both."""

from dataclasses import dataclass, replace

from neurornn import _check
from neurornn.curriculum.base import Stages
from neurornn.curriculum.growing import AbstractGrowing, check_range, stages_of
from neurornn.task.bits import AbstractBits, head


@dataclass(frozen=True)
class Naive(AbstractGrowing):
    """One N at a time, N + 1 after N, each with a head of its own, and what was learnt before is asked no more.

    `SingleHead` with as many heads as there are N: whatever it forgets is not for want of a head to say it with.

    Args:
        task: the task; the smallest of its `ns` is where it starts.
        last: the largest N.
        until: the fraction of right answers that must be passed.

    Raises:
        ValueError: if `last` is below the start, or `until` no fraction.

    Example:
        >>> from neurornn.curriculum import Naive
        >>> from neurornn.task import Parity
        >>> [stage.heads for stage in Naive(Parity(), last=4).stages()]
        [('head_0',), ('head_1',), ('head_2',)]

    References:
        W. Zaremba & I. Sutskever (2014), Learning to execute, doi:10.48550/arXiv.1410.4615.
    """

    task: AbstractBits
    last: int
    until: float = 0.98

    def __post_init__(self) -> None:
        check_range("Naive", self.task, self.last, self.until)

    @property
    def lessons(self) -> Stages:
        first = min(self.task.ns)
        tasks = [replace(self.task, ns=(n,)) for n in range(first, self.last + 1)]
        return stages_of([(task, (head(place),)) for place, task in enumerate(tasks)], self.until)


@dataclass(frozen=True)
class Mixed(AbstractGrowing):
    """Every N from the first batch on: each trial is about one of them, drawn evenly. There is no order at all.

    Args:
        task: the task; the smallest of its `ns` is the least that is asked.
        last: the largest N.
        until: the fraction of right answers at which training ends, in the mean and at the largest N.

    Raises:
        ValueError: if `last` is below the start, or `until` no fraction.

    Example:
        >>> from neurornn.curriculum import Mixed
        >>> from neurornn.task import Parity
        >>> [stage.task.shares for stage in Mixed(Parity(), last=5).stages()]
        [(1.0, 1.0, 1.0, 1.0)]

    References:
        W. Zaremba & I. Sutskever (2014), Learning to execute, doi:10.48550/arXiv.1410.4615.
    """

    task: AbstractBits
    last: int
    until: float = 0.98

    def __post_init__(self) -> None:
        check_range("Mixed", self.task, self.last, self.until)

    @property
    def lessons(self) -> Stages:
        ns = tuple(range(min(self.task.ns), self.last + 1))
        task = replace(self.task, ns=ns, shares=(1.0,) * len(ns))
        return stages_of([(task, tuple(head(place) for place in range(len(ns))))], self.until)


@dataclass(frozen=True)
class Combined(AbstractGrowing):
    """Each trial is about any N up to the largest, as in `Mixed`, or about the one that is due, as in `Naive`.

    A stage is left when the N that is due is right often enough.

    Args:
        task: the task; the smallest of its `ns` is where it starts.
        last: the largest N.
        mixed: the share of the trials that may be about any N.
        until: the fraction of right answers that must be passed at the N that is due.

    Raises:
        ValueError: if `last` is below the start, or `mixed` or `until` no fraction.

    Example:
        >>> from neurornn.curriculum import Combined
        >>> from neurornn.task import Parity
        >>> [stage.task.shares for stage in Combined(Parity(), last=3).stages()]
        [(0.75, 0.25), (0.25, 0.75)]

    References:
        W. Zaremba & I. Sutskever (2014), Learning to execute, doi:10.48550/arXiv.1410.4615.
    """

    task: AbstractBits
    last: int
    mixed: float = 0.5
    until: float = 0.98

    def __post_init__(self) -> None:
        check_range("Combined", self.task, self.last, self.until)
        if _check.fraction("Combined", "mixed", self.mixed) == 1:
            _check.fail("Combined", "mixed", "below 1", self.mixed, "Use Mixed() for no order at all.")

    @property
    def lessons(self) -> Stages:
        ns = tuple(range(min(self.task.ns), self.last + 1))
        heads = tuple(head(place) for place in range(len(ns)))
        shares = [tuple(self.mixed / len(ns) + (1 - self.mixed) * (n == due) for n in ns) for due in ns]
        return stages_of([(replace(self.task, ns=ns, shares=each), heads) for each in shares], self.until)
