"""Units made to send given activity: what they sent before, with the time course or the trial taken out of it."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.cell.base import Intervention
from neurornn.network import Network, Run
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.lesion import on_units
from neurornn.perturb.schedule import AbstractWhen, Always, check_when, scheduled


@dataclass(frozen=True, eq=False)
class Playback(AbstractPerturbation):
    r"""Make units send given activity, $r_i(t) = v_i(t)$, whatever drives them.

    Made from an intact run, it takes information away and leaves the drive: `trial_mean` keeps which trial it is and
    takes the time course, `time_course` keeps the time course and takes which trial it is, and `resampled` hands each
    trial the activity of another one, so that the distribution at each time stays as it was, too.

    Args:
        units: indices; none changes nothing.
        activity: what they send. Shape `(trial, time, units)`; an axis of size 1 stands for all trials or steps.
        when: when it holds; halfway up a ramp half of the unit's own activity is left.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import Playback
        >>> network = Network(LeakyRate(1, 8), 1)
        >>> intact = network(torch.zeros(6, 20, 1))
        >>> run = network(torch.ones(6, 20, 1), perturb=[Playback.resampled([2, 3], intact, seed=0)])
    """

    units: Units
    activity: Float[np.ndarray, "..."]
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        units = unit_tuple("Playback", self.units)
        object.__setattr__(self, "units", units)
        given = _check.finite("Playback", "activity", self.activity)
        if given.ndim != 3 or given.shape[2] != len(units):
            _check.fail("Playback", "activity", f"of shape (trial, time, {len(units)}), as there are units", given)
        object.__setattr__(self, "activity", given)
        check_when("Playback", self.when)

    @classmethod
    def trial_mean(cls, units: Units, run: Run, *, when: AbstractWhen | None = None) -> "Playback":
        """Return units held at the mean of each trial of an intact run."""
        chosen, sent = _sent(units, run)
        return cls(chosen, sent.mean(axis=1, keepdims=True), when if when is not None else Always())

    @classmethod
    def time_course(cls, units: Units, run: Run, *, when: AbstractWhen | None = None) -> "Playback":
        """Return units that send their mean over the trials of an intact run, step by step."""
        chosen, sent = _sent(units, run)
        return cls(chosen, sent.mean(axis=0, keepdims=True), when if when is not None else Always())

    @classmethod
    def resampled(cls, units: Units, run: Run, *, seed: int = 0, when: AbstractWhen | None = None) -> "Playback":
        """Return units that send in each trial what they sent in another one of an intact run, drawn at random.

        All units have the same other trial, so that what they tell together stays together.

        Raises:
            ValueError: if the run has a single trial.
        """
        chosen, sent = _sent(units, run)
        if len(sent) < 2:
            _check.fail("Playback.resampled", "run", "of two trials or more", f"{len(sent)} trial")
        # A cycle through a random order: every trial has another one, and each is used once.
        order = torch.randperm(len(sent), generator=generator(seed)).numpy()
        other = np.empty_like(order)
        other[order] = np.roll(order, 1)
        return cls(chosen, sent[other], when if when is not None else Always())

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        hit = on_units("Playback", self.units, 1.0, network)
        if not bool(hit.any()):
            return Intervention()
        for axis, (name, size) in enumerate((("trials", n_trials), ("steps", n_steps))):
            if self.activity.shape[axis] not in (1, size):
                _check.fail("Playback", "activity", f"given for the {size} {name} of the run", self.activity)
        value = hit.new_zeros(*self.activity.shape[:2], network.n_units)
        value[..., list(unit_tuple("Playback", self.units))] = torch.as_tensor(self.activity).to(hit)
        strength, resting = scheduled(self.when, n_trials, n_steps, hit, network.dt)
        return Intervention(
            gain=1.0 - strength * hit,
            offset=strength * value,
            resting_gain=None if resting is None else 1.0 - resting * hit,
            resting_offset=None if resting is None else resting * value[:, 0],
        )


@dataclass(frozen=True)
class Freeze(AbstractPerturbation):
    """Freeze units: from the moment it begins they send what they sent then, in each trial for itself.

    Args:
        units: indices; none changes nothing.
        when: when it holds; ramps count as the whole.
    """

    units: Units
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", unit_tuple("Freeze", self.units))
        check_when("Freeze", self.when)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        units = unit_tuple("Freeze", self.units)
        within("Freeze", units, network.n_units)
        if not units:
            return Intervention()
        holds = self.when.strength(n_trials, n_steps, network.dt).expand(n_trials, n_steps) > 0
        return Intervention(live=(_Frozen(list(units), holds),))


@dataclass(frozen=True, eq=False)
class _Frozen:
    units: list[int]
    holds: Tensor  # (trial, time)

    def begin(self) -> "_Freezing":
        return _Freezing(self)

    def part(self, rows: slice) -> "_Frozen":
        return _Frozen(self.units, self.holds[rows])


class _Freezing:
    def __init__(self, what: _Frozen) -> None:
        self.what = what
        self.kept: Tensor | None = None

    def current(self, t: int) -> Tensor | None:
        return None

    def sent(self, activity: Tensor, t: int) -> Tensor:
        now = activity[..., self.what.units]
        if t >= 0 and self.kept is not None:
            on = self.what.holds[:, t, None].to(activity.device)
            now = torch.where(on, self.kept, now)
            activity = activity.clone()
            activity[..., self.what.units] = now
        self.kept = now
        return activity


def _sent(units: Units, run: Run) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the units, and what they sent, `(trial, time, units)`."""
    chosen = unit_tuple("Playback", units)
    if run.activity.ndim != 3:
        _check.fail("Playback", "run", "of one network, not of a stack", run.activity)
    within("Playback", chosen, run.activity.shape[-1])
    return chosen, run.activity.detach().cpu().double().numpy()[..., list(chosen)]
