"""Closed loops: a perturbation that begins when the network itself does something."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from neurornn import _check
from neurornn.cell.intervention import at_step
from neurornn.perturb.base import Units, unit_tuple, within
from neurornn.perturb.schedule import AbstractWhen, Always
from neurornn.trials import Trials


@dataclass(frozen=True)
class Trigger(AbstractWhen):
    """From when units become active, for a while: closed-loop stimulation, each trial for itself.

    The mean activity that `units` send is looked at after every step. Once it exceeds `above`, the perturbation holds
    from `delay` ms later on, for `lasting` ms, and then waits for the next time. What is looked at is what was sent
    before the present step, so the loop has a latency of one step at least.

    Args:
        units: whose mean activity is looked at.
        above: the level that triggers.
        lasting: how long the perturbation holds, ms.
        delay: from the trigger to its beginning, ms.
        armed: when a trigger counts; ramps have no meaning here.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import Silence, Trigger
        >>> network = Network(LeakyRate(1, 4, seed=1), 1)
        >>> loop = Trigger([0, 1], above=0.2, lasting=100.0)
        >>> run = network(torch.ones(2, 30, 1), perturb=[Silence([2], loop)])
    """

    units: Units
    above: float
    lasting: float
    delay: float = 0.0
    armed: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        units = unit_tuple("Trigger", self.units)
        if not units:
            _check.fail("Trigger", "units", "one unit or more", "none")
        object.__setattr__(self, "units", units)
        _check.finite("Trigger", "above", self.above)
        _check.positive("Trigger", "lasting", self.lasting)
        _check.not_negative("Trigger", "delay", self.delay)
        if isinstance(self.armed, Trigger) or not isinstance(self.armed, AbstractWhen):
            _check.fail("Trigger", "armed", "a schedule that is no loop itself", self.armed, "Such as Epoch(name).")

    def during(self, trials: Trials) -> "Trigger":
        return replace(self, armed=self.armed.during(trials))

    def strength(self, n_trials: int, n_steps: int, dt: float) -> Tensor:
        fix = "Use it with Silence, Scale, Clamp, Current, Retune, or what cuts synapses."
        _check.fail("Trigger", "when", "the schedule of a perturbation of units or weights", "another use", fix)

    def resting(self, n_trials: int) -> Tensor:
        return torch.zeros(1)

    def watch(self, n_units: int, n_trials: int, n_steps: int, dt: float) -> "Watch":
        """Return what watches a run of this size.

        Raises:
            ValueError: if the network has no such units.
        """
        within("Trigger", unit_tuple("Trigger", self.units), n_units)
        armed = self.armed.strength(n_trials, n_steps, dt).expand(n_trials, n_steps) > 0
        steps = max(1, round(self.lasting / dt))
        return Watch(unit_tuple("Trigger", self.units), self.above, steps, round(self.delay / dt), armed)


@dataclass(frozen=True, eq=False)
class Watch:
    """A trigger for a run of known size: `steps` and `delay` in steps, `armed` of shape `(trial, time)`."""

    units: tuple[int, ...]
    above: float
    steps: int
    delay: int
    armed: Tensor

    def begin(self) -> "Watching":
        """Return what watches one run."""
        return Watching(self)

    def part(self, rows: slice) -> "Watch":
        """Return what watches some of the trials."""
        return replace(self, armed=self.armed[rows])


class Watching:
    """The countdowns of all trials: steps until the perturbation begins, and steps for which it still holds."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.wait = torch.full((len(watch.armed),), -1)
        self.left = torch.zeros(len(watch.armed), dtype=torch.long)

    def on(self) -> Tensor:
        """Return in which trials the perturbation holds at the coming step. Shape `(trial,)`, booleans."""
        return self.left > 0

    def look(self, sent: Tensor, t: int) -> None:
        """Take note of what was sent at step `t`."""
        watch = self.watch
        self.left = (self.left - (t >= 0) * self.on().long()).clamp(min=0)
        step = min(t + 1, watch.armed.shape[1] - 1)
        level = sent[..., list(watch.units)].mean(-1).cpu()
        fires = (level > watch.above) & watch.armed[:, step] & (self.wait < 0) & (self.left == 0)
        self.wait = torch.where(fires, watch.delay, torch.where(self.wait >= 0, self.wait - 1, self.wait))
        begins = self.wait == 0
        self.left = torch.where(begins, watch.steps, self.left)
        self.wait = torch.where(begins, -1, self.wait)


@dataclass(frozen=True, eq=False)
class Triggered:
    """A gain, an offset and a current of units that hold while a trigger says so.

    Args:
        watch: the trigger.
        gain: what the sent activity is multiplied with, `(unit,)`, or `(trial, time, unit)`.
        offset: what is added to it. Shape as `gain`.
        added: current. Shape as `gain`.
    """

    watch: Watch
    gain: Tensor | None = None
    offset: Tensor | None = None
    added: Tensor | None = None

    def begin(self) -> "_Acts":
        return _Acts(self)

    def part(self, rows: slice) -> "Triggered":
        def cut(whole: Tensor | None) -> Tensor | None:
            return whole if whole is None or whole.ndim < 3 or whole.shape[0] == 1 else whole[rows]

        return Triggered(self.watch.part(rows), cut(self.gain), cut(self.offset), cut(self.added))


class _Acts:
    def __init__(self, what: Triggered) -> None:
        self.what, self.watching = what, what.watch.begin()

    def current(self, t: int) -> Tensor | None:
        on = self.watching.on()
        if self.what.added is None or not bool(on.any()):
            return None
        return on[:, None].to(self.what.added) * _now(self.what.added, t)

    def sent(self, activity: Tensor, t: int) -> Tensor:
        on = self.watching.on()[:, None].to(activity.device)
        changed = activity
        if t >= 0 and self.what.gain is not None:
            changed = changed * _now(self.what.gain, t)
        if t >= 0 and self.what.offset is not None:
            changed = changed + _now(self.what.offset, t)
        activity = torch.where(on, changed, activity)
        self.watching.look(activity, t)
        return activity


def _now(whole: Tensor, t: int) -> Tensor:
    return whole if whole.ndim < 3 else at_step(whole, t)  # type: ignore[return-value]
