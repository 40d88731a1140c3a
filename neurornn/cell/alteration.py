"""Changes of weights and constants that hold for a part of a run: some of the trials, some steps, more or less."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from neurornn._types import State

if TYPE_CHECKING:
    from neurornn.cell.base import AbstractCell
    from neurornn.cell.intervention import Intervention

Change = tuple[Tensor, Tensor]
"""What a constant of each unit is multiplied with, and what is then added. Shapes `(*stack, unit)`."""

Weights = tuple[Tensor, ...]
"""What `AbstractCell.weights` returns."""


@runtime_checkable
class Looks(Protocol):
    """One run's worth of a closed loop."""

    def on(self) -> Tensor:
        """Return in which trials it holds at the coming step. Shape `(trial,)`, booleans."""
        ...

    def look(self, sent: Tensor, t: int) -> None:
        """Take note of what was sent at step `t`."""
        ...


@runtime_checkable
class Watches(Protocol):
    """A closed loop."""

    def begin(self) -> Looks:
        """Return what watches one run."""
        ...

    def part(self, rows: slice) -> "Watches":
        """Return what holds for some of the trials."""
        ...


@dataclass(frozen=True, eq=False)
class Alteration:
    r"""A change of weights and constants, and how strongly it holds when.

    At strength $s$ a weight is multiplied with $1 + s\,(m - 1)$, and a constant becomes $(1 + s\,(a - 1))\,c + s\,d$.
    What holds in the steps of a window holds for what arrives in them.

    Args:
        strength: $s$, from 0 to 1. Shape broadcasts to `(trial, time)`. What `watch` says counts where there is one.
        synapses: $m$ of the recurrent weights. Shape `(*stack, unit, unit)`, rows post-synaptic.
        afferents: $m$ of the input weights. Shape `(*stack, unit, in)`.
        constants: $a$ and $d$, by name.
        watch: a closed loop in the place of a strength that is known beforehand.
    """

    strength: Tensor
    synapses: Tensor | None = None
    afferents: Tensor | None = None
    constants: Mapping[str, Change] = field(default_factory=dict)
    watch: Watches | None = None

    def part(self, rows: slice) -> "Alteration":
        """Return what holds for some of the trials."""
        strength = self.strength if len(self.strength) == 1 else self.strength[rows]
        return replace(self, strength=strength, watch=None if self.watch is None else self.watch.part(rows))

    def member(self, place: int) -> "Alteration":
        """Return what holds for one member of a stack."""

        def own(whole: Tensor | None, ndim: int) -> Tensor | None:
            return whole[place] if whole is not None and whole.ndim > ndim else whole

        constants = of_member(self.constants, place)
        return replace(self, synapses=own(self.synapses, 2), afferents=own(self.afferents, 2), constants=constants)

    def weighed(self, cell: "AbstractCell", weights: Weights, strength: float) -> Weights:
        """Return the weights of a cell, changed as strongly as that."""
        if strength == 0:
            return weights
        w_in, w_rec, *own = weights
        gates = w_rec.shape[-2] // w_rec.shape[-1]
        if self.afferents is not None:
            w_in = w_in * (1 + strength * (self.afferents - 1)).tile((gates, 1))
        if self.synapses is not None:
            w_rec = w_rec * (1 + strength * (self.synapses - 1)).tile((gates, 1))
        changed = {
            name: (1 + strength * (scale - 1), strength * shift) for name, (scale, shift) in self.constants.items()
        }
        weights = (w_in, w_rec, *own)
        return cell.retuned(weights, changed) if changed else weights


def of_member(constants: Mapping[str, Change], place: int) -> dict[str, Change]:
    """Return the changes of constants of one member of a stack, whose shapes are `(stack, 1, unit)` or `(unit,)`."""

    def own(part: Tensor) -> Tensor:
        return part[place, 0] if part.ndim > 1 else part

    return {name: (own(scale), own(shift)) for name, (scale, shift) in constants.items()}


@dataclass(frozen=True, eq=False)
class StackedAlterations:
    """Alterations along the stack axis, each member's for itself."""

    members: tuple[tuple[Alteration, ...], ...]

    def part(self, rows: slice) -> "StackedAlterations":
        """Return what holds for some of the trials."""
        return StackedAlterations(tuple(tuple(one.part(rows) for one in member) for member in self.members))


class Schedule:
    """The weights of one member of a stack at each step and in each trial, made once for each strength.

    Args:
        cell: whose weights.
        act: what is done, not stacked.
        weights: what the weights are before; the cell's own where absent.
        n_trials: number of trials.
        n_steps: number of steps.
    """

    def __init__(
        self, cell: "AbstractCell", act: "Intervention", weights: Weights | None, n_trials: int, n_steps: int
    ) -> None:
        self.cell, self.acts = cell, act.own_alterations
        self.base = cell.altered(act, weights)
        known = [one.strength.detach().cpu().expand(n_trials, n_steps) for one in self.acts]
        self.known = torch.stack(known) if known else torch.zeros(0, n_trials, n_steps)  # (alteration, trial, time)
        self.loops = {place: one.watch.begin() for place, one in enumerate(self.acts) if one.watch is not None}
        self.made: dict[tuple[float, ...], Weights] = {}

    def look(self, sent: Tensor, t: int) -> None:
        """Show the closed loops what was sent at step `t`. Shape `(trial, unit)`."""
        for loop in self.loops.values():
            loop.look(sent, t)

    def at(self, t: int) -> list[tuple[Tensor, Weights]]:
        """Return which trials have which weights at step `t`: each trial once."""
        if not self.acts:
            return [(torch.arange(self.known.shape[1]), self.base)]
        now = self.known[:, :, t]
        if self.loops:
            now = now.clone()
            for place, loop in self.loops.items():
                now[place] = loop.on().to(now)
        values, of = torch.unique(now, dim=1, return_inverse=True)
        return [(torch.nonzero(of == k)[:, 0], self._weights(values[:, k])) for k in range(values.shape[1])]

    def stretches(self) -> list[tuple[int, int]]:
        """Return the longest stretches of steps, `[first, stop)`, in which no strength changes in any trial."""
        n_steps = self.known.shape[2]
        changes = (self.known[:, :, 1:] != self.known[:, :, :-1]).flatten(0, 1).any(dim=0)
        edges = [0, *(torch.nonzero(changes)[:, 0] + 1).tolist(), n_steps]
        return list(pairwise(edges))

    def _weights(self, strengths: Tensor) -> Weights:
        key = tuple(strengths.tolist())
        if key not in self.made:
            weights = self.base
            for one, strength in zip(self.acts, key, strict=True):
                weights = one.weighed(self.cell, weights, strength)
            self.made[key] = weights
        return self.made[key]


class Altering:
    """A run of which some weights or constants change on the way: each trial steps with those of its time."""

    def __init__(
        self, cell: "AbstractCell", act: "Intervention", weights: Weights | None, n_trials: int, n_steps: int
    ) -> None:
        members = [act.member(k) for k in range(act.n_stack)] if act.n_stack else [act]
        self.cell = cell
        self.schedules = [Schedule(cell, member, weights, n_trials, n_steps) for member in members]

    def look(self, sent: Tensor, t: int) -> None:
        """Show the closed loops what was sent at step `t`."""
        for schedule, own in zip(self.schedules, _sides(sent, len(self.schedules)), strict=True):
            schedule.look(own, t)

    def step(
        self, x: Tensor, state: State, noise: Tensor | None, *, sent: Tensor, current: Tensor | None, t: int
    ) -> tuple[Tensor, State]:
        """Take step `t`. Shapes as `AbstractCell.step` takes them."""
        sides, n_trials = sent.shape[:-1], sent.shape[-2]
        rows, weights = [], []
        for place, schedule in enumerate(self.schedules):
            for own, these in schedule.at(t):
                rows.append(own + place * n_trials)
                weights.append(these)
        if len(rows) == 1 and len(sides) == 1:
            return self.cell.step(x, state, noise, sent=sent, current=current, weights=weights[0])

        def flat(one: Tensor) -> Tensor:
            return one.expand(*sides, one.shape[-1]).reshape(-1, one.shape[-1])

        parts = [flat(one) for one in (x, sent, *state)]
        more = [None if one is None else flat(one) for one in (noise, current)]
        activities, states = [], []
        for some, these in zip(rows, weights, strict=True):
            own_x, own_sent, *own = (one[some] for one in parts)
            own_noise, own_current = (None if one is None else one[some] for one in more)
            activity, after = self.cell.step(
                own_x, tuple(own), own_noise, sent=own_sent, current=own_current, weights=these
            )
            activities.append(activity)
            states.append(after)
        back = torch.argsort(torch.cat(rows))
        whole = [torch.cat(one)[back].reshape(*sides, -1) for one in (activities, *zip(*states, strict=True))]
        return whole[0], tuple(whole[1:])


def _sides(sent: Tensor, n: int) -> tuple[Tensor, ...]:
    return (sent,) if sent.ndim < 3 else sent.unbind(0)
