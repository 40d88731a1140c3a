"""When a perturbation holds: always, in a window, in a named epoch, or in some of the trials."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.binned import ticks
from neurornn.perturb.base import Timed, Units, unit_tuple
from neurornn.recording import Recording
from neurornn.trials import Trials


class AbstractWhen(Timed):
    """When, and how strongly, a perturbation holds. Step `k` covers `[k * dt, (k + 1) * dt)` of a trial."""

    @abstractmethod
    def strength(self, n_trials: int, n_steps: int, dt: float) -> Tensor:
        """Return how strongly the perturbation holds, from 0 (not at all) to 1.

        Args:
            n_trials: number of trials of the run.
            n_steps: number of steps of the run.
            dt: time step, ms.

        Returns:
            Strengths, of a shape that broadcasts to `(trial, time)`.
        """

    @abstractmethod
    def resting(self, n_trials: int) -> Tensor:
        """Return how strongly it holds before the first step, broadcasting to `(trial,)`."""

    def during(self, trials: Trials) -> "AbstractWhen":
        """Return the same with every named epoch looked up in `trials`."""
        return self


@dataclass(frozen=True)
class Always(AbstractWhen):
    """From before the first step to the end: also what the initial state sends is perturbed."""

    def strength(self, n_trials: int, n_steps: int, dt: float) -> Tensor:
        return torch.ones(1, 1)

    def resting(self, n_trials: int) -> Tensor:
        return torch.ones(1)


@dataclass(frozen=True)
class During(AbstractWhen):
    """In the steps that start in `[start, stop)`; what the initial state sends is not perturbed, even with start 0.

    Args:
        start: when it starts, ms from the start of the trial.
        stop: when it ends, ms.
        ramp: how long the strength takes to rise linearly to 1 after `start`, and to fall before `stop`, ms.

    Raises:
        ValueError: if it stops before it starts, or the ramps do not fit in.

    Example:
        >>> from neurornn.perturb import During
        >>> During(20.0, 60.0, ramp=20.0).strength(1, 8, 10.0)
        tensor([[0.0000, 0.0000, 0.2500, 0.7500, 0.7500, 0.2500, 0.0000, 0.0000]])
    """

    start: float
    stop: float
    ramp: float = 0.0

    def __post_init__(self) -> None:
        _check.not_negative("During", "start", self.start)
        _check.positive("During", "stop", self.stop)
        _check.not_negative("During", "ramp", self.ramp)
        if self.stop < self.start:
            _check.fail("During", "stop", f"at or after `start`, {self.start:g} ms", self.stop)
        if 2 * self.ramp > self.stop - self.start:
            must = f"at most half of the window, {(self.stop - self.start) / 2:g} ms"
            _check.fail("During", "ramp", must, self.ramp, "Take a longer window or a shorter ramp.")

    def strength(self, n_trials: int, n_steps: int, dt: float) -> Tensor:
        starts = torch.arange(n_steps, dtype=torch.float64) * dt
        # On whole ticks, so that a window from 0.3 ms on holds in the fourth step of 0.1 ms.
        first, last = ticks(np.array([self.start, self.stop]))
        steps = ticks(starts.numpy())
        inside = torch.as_tensor((steps >= first) & (steps < last))
        if self.ramp == 0:
            return inside.float()[None]
        middle = starts + dt / 2
        slope = torch.minimum(middle - self.start, self.stop - middle) / self.ramp
        return (slope.clamp(0.0, 1.0) * inside).float()[None]

    def resting(self, n_trials: int) -> Tensor:
        return torch.zeros(1)


@dataclass(frozen=True, eq=False)
class Epoch(AbstractWhen):
    """In a named epoch of every trial, such as the delay, wherever it lies.

    A run knows nothing of epochs, so they are looked up first: `perturbation.during(trials)`. The experiments of this
    package do so by themselves.

    Args:
        name: name of the epoch.
        trials: the trials whose epochs are meant; `during` fills it in.

    Raises:
        ValueError: if the run has other trials, or none were given.
    """

    name: str
    trials: Trials | None = field(default=None, repr=False)

    def during(self, trials: Trials) -> "Epoch":
        trials.epoch(self.name)
        return replace(self, trials=trials)

    def strength(self, n_trials: int, n_steps: int, dt: float) -> Tensor:
        fix = "Call `perturbation.during(trials)` with the trials of the run."
        if self.trials is None:
            _check.fail("Epoch", "trials", "given before the run", None, fix)
        if (self.trials.n_trials, self.trials.n_steps) != (n_trials, n_steps):
            _check.fail("Epoch", "trials", f"the {n_trials} trials of {n_steps} steps of the run", self.trials, fix)
        return self.trials.epoch(self.name).float().cpu()

    def resting(self, n_trials: int) -> Tensor:
        return torch.zeros(1)


@dataclass(frozen=True)
class InTrials(AbstractWhen):
    """In a random part of the trials only, the others being their control.

    Args:
        probability: of each trial, independently.
        seed: of the draw; which trials were drawn is `chosen(n_trials)`.
        when: when it holds within these trials.

    Example:
        >>> from neurornn.perturb import InTrials
        >>> InTrials(0.5, seed=1).chosen(6).shape
        torch.Size([6])
    """

    probability: float
    seed: int = 0
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        _check.fraction("InTrials", "probability", self.probability)

    def chosen(self, n_trials: int) -> Tensor:
        """Return which trials are perturbed. Shape `(trial,)`, booleans."""
        return torch.rand(n_trials, generator=generator(self.seed)) < self.probability

    def during(self, trials: Trials) -> "InTrials":
        return replace(self, when=self.when.during(trials))

    def strength(self, n_trials: int, n_steps: int, dt: float) -> Tensor:
        return self.chosen(n_trials)[:, None] * self.when.strength(n_trials, n_steps, dt)

    def resting(self, n_trials: int) -> Tensor:
        return self.chosen(n_trials) * self.when.resting(n_trials)


@dataclass(frozen=True)
class OnTrials(AbstractWhen):
    """In given trials only, such as those in which an animal was stimulated.

    Args:
        trials: indices of the trials.
        when: when it holds within these trials.

    Example:
        >>> from neurornn.perturb import OnTrials
        >>> OnTrials([1]).strength(3, 2, 10.0).tolist()
        [[0.0], [1.0], [0.0]]
    """

    trials: Units
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trials", unit_tuple("OnTrials", self.trials, "trials"))
        check_when("OnTrials", self.when)

    def during(self, trials: Trials) -> "OnTrials":
        return replace(self, when=self.when.during(trials))

    def strength(self, n_trials: int, n_steps: int, dt: float) -> Tensor:
        return self._chosen(n_trials)[:, None] * self.when.strength(n_trials, n_steps, dt)

    def resting(self, n_trials: int) -> Tensor:
        return self._chosen(n_trials) * self.when.resting(n_trials)

    def _chosen(self, n_trials: int) -> Tensor:
        chosen = list(unit_tuple("OnTrials", self.trials, "trials"))
        if chosen and max(chosen) >= n_trials:
            _check.fail("OnTrials", "trials", f"below {n_trials}, as the run has so many", max(chosen))
        whole = torch.zeros(n_trials, dtype=torch.bool)
        whole[chosen] = True
        return whole


@dataclass(frozen=True, eq=False)
class Intervals(AbstractWhen):
    """In given stretches of given trials, such as those in which a laser was on.

    Args:
        trial: trial of each stretch.
        start: when each begins, ms from the start of its trial.
        stop: when each ends, ms.
        n_trials: how many trials there are.

    Raises:
        ValueError: if a stretch ends before it begins, or belongs to no trial.

    Example:
        >>> from neurornn.perturb import Intervals
        >>> Intervals([1], [10.0], [30.0], n_trials=2).strength(2, 4, 10.0).tolist()
        [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]]
    """

    trial: Units
    start: Iterable[float]
    stop: Iterable[float]
    n_trials: int

    def __post_init__(self) -> None:
        trial, start, stop = (np.asarray(list(one), dtype=float) for one in (self.trial, self.start, self.stop))
        if not len(trial) == len(start) == len(stop):
            must, got = "as many as `trial` and `stop`", f"{len(trial)}, {len(start)} and {len(stop)}"
            _check.fail("Intervals", "start", must, got)
        for name, values in (("start", start), ("stop", stop)):
            object.__setattr__(self, name, _check.finite("Intervals", name, values))
        if (stop < start).any():
            _check.fail("Intervals", "stop", "at or after `start`", float(stop[stop < start][0]))
        size = _check.count("Intervals", "n_trials", self.n_trials)
        if len(trial) and (trial.min() < 0 or trial.max() >= size or (trial % 1).any()):
            _check.fail("Intervals", "trial", f"whole, from 0 to {size - 1}", float(trial.max()))
        object.__setattr__(self, "trial", trial.astype(int))

    @classmethod
    def from_recording(cls, recording: Recording, name: str) -> "Intervals":
        """Return when epochs of this name held in a recording, trial by trial; what lies outside trials is left out.

        Raises:
            ValueError: if the recording has no epoch of this name.
        """
        epochs = recording.epochs
        names = epochs["name"].astype(str).tolist() if len(epochs) else []
        if name not in names:
            _check.fail("Intervals", "name", "an epoch of the recording", name, _check.near(name, sorted(set(names))))
        held = epochs.loc[(epochs["name"].astype(str) == name).to_numpy(dtype=bool)]
        begins, ends = (recording.trials[edge].to_numpy(float)[:, None] for edge in ("start", "stop"))
        start = np.maximum(held["start"].to_numpy(float), begins)
        stop = np.minimum(held["stop"].to_numpy(float), ends)
        trial, which = np.nonzero(stop > start)
        first = begins[trial, 0]
        return cls(trial, start[trial, which] - first, stop[trial, which] - first, len(begins))

    @property
    def held(self) -> np.ndarray:
        """The trials with a stretch."""
        return np.unique(np.asarray(self.trial, dtype=int))

    def select(self, trials: Sequence[int] | np.ndarray) -> "Intervals":
        """Return the same for some of the trials, numbered anew."""
        chosen = np.asarray(trials, dtype=int)
        rows = [np.flatnonzero(np.asarray(self.trial) == one) for one in chosen]
        at = np.concatenate([*rows, np.empty(0, dtype=int)]).astype(int)
        new = np.repeat(np.arange(len(chosen)), [len(one) for one in rows])
        return replace(
            self, trial=new, start=np.asarray(self.start)[at], stop=np.asarray(self.stop)[at], n_trials=len(chosen)
        )

    def later(self, by: float) -> "Intervals":
        """Return the same so many ms later; what then lies before its trial is cut off."""
        start, stop = (np.maximum(np.asarray(one) + by, 0.0) for one in (self.start, self.stop))
        return replace(self, start=start, stop=stop)

    def strength(self, n_trials: int, n_steps: int, dt: float) -> Tensor:
        if n_trials != self.n_trials:
            _check.fail("Intervals", "n_trials", f"{n_trials}, as the run has", self.n_trials)
        steps = ticks(np.arange(n_steps) * dt)
        whole = torch.zeros(n_trials, n_steps)
        edges = [ticks(np.asarray(one, dtype=float)) for one in (self.start, self.stop)]
        for trial, first, last in zip(np.asarray(self.trial).tolist(), *edges, strict=True):
            whole[trial, torch.as_tensor((steps >= first) & (steps < last))] = 1.0
        return whole

    def resting(self, n_trials: int) -> Tensor:
        return torch.zeros(1)


def scheduled(when: AbstractWhen, n_trials: int, n_steps: int, like: Tensor, dt: float) -> tuple[Tensor, Tensor | None]:
    """Return the strength, `(trial, time, 1)` so that it multiplies units, and that before the first step if any."""
    strength = when.strength(n_trials, n_steps, dt).to(like)[..., None]
    resting = when.resting(n_trials).to(like)[:, None]
    return strength, resting if bool(resting.any()) else None


def check_when(owner: str, when: object) -> None:
    """Refuse anything that is not a schedule."""
    if not isinstance(when, AbstractWhen):
        _check.fail(owner, "when", "a schedule", when, "Such as Always(), During(start, stop) or Epoch(name).")
