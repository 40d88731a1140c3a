"""What perturbations ask of a rollout, as data; and what of it must look at the run as it goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from neurornn import _check
from neurornn.cell.alteration import Alteration, Change, StackedAlterations, of_member


@runtime_checkable
class Acting(Protocol):
    """One run's worth of something live."""

    def current(self, t: int) -> Tensor | None:
        """Return what is added to the drive of each unit at step `t`, which may depend on what was sent before it."""
        ...

    def sent(self, activity: Tensor, t: int) -> Tensor:
        """Return what is sent of `activity` at step `t`; called once a step, from `t = -1` (the initial state) on."""
        ...


@runtime_checkable
class Live(Protocol):
    """Something done to units that is no gain, offset or current known beforehand: mixed units, closed loops."""

    def begin(self) -> Acting:
        """Return what acts in one run; it may remember."""
        ...

    def part(self, rows: slice) -> "Live":
        """Return what holds for some of the trials."""
        ...


@runtime_checkable
class Edit(Protocol):
    """Something done to the inputs before a run."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return what is seen of `inputs`. Shapes `(trial, time, in)`; a stack of edits adds its axis in front."""
        ...

    def part(self, rows: slice) -> "Edit":
        """Return what holds for some of the trials."""
        ...


@dataclass(frozen=True)
class Intervention:
    """What perturbations ask of a rollout, as data: the network itself is never changed.

    An intervention acts on what a unit *sends*, never on what it remembers: sent activity is `gain * r + offset`, and
    that is what the other units, the readout and the experimenter see. The unit's own state integrates on, so that it
    rebounds to its driven value on release. A `stack` axis runs many interventions side by side.

    Args:
        gain: multiplies the sent activity. Shape broadcasts to `(*stack, trial, time, unit)`.
        offset: added to it (a clamp is gain 0 and offset the value). Shape as `gain`.
        current: added to the drive of each unit, in the unit of the drive. Shape as `gain`.
        synapses: multiplies the recurrent weights for the whole rollout. Shape `(*stack, unit, unit)`, rows
            post-synaptic.
        afferents: multiplies the input weights for the whole rollout. Shape `(*stack, unit, in)`.
        resting_gain: what `gain` is before the first step, for what the initial state sends. A perturbation that holds
            always has one; one that starts during the run has none. Shape broadcasts to `(*stack, trial, unit)`.
        resting_offset: what `offset` is before the first step. Shape as `resting_gain`.
        n_stack: how many interventions are stacked; 0 where there is no stack axis.
        live: what is done to the sent activity after gain and offset, in this order.
        edits: what is done to the inputs, in this order.
        constants: changes of the cell's constants for the whole rollout, by name (`AbstractCell.constants`).
        alterations: changes of weights and constants that hold for a part of it, in this order, after those.
    """

    gain: Tensor | None = None
    offset: Tensor | None = None
    current: Tensor | None = None
    synapses: Tensor | None = None
    afferents: Tensor | None = None
    resting_gain: Tensor | None = None
    resting_offset: Tensor | None = None
    n_stack: int = 0
    live: tuple[Live, ...] = ()
    edits: tuple[Edit, ...] = ()
    constants: Mapping[str, Change] = field(default_factory=dict)
    alterations: tuple[Alteration | StackedAlterations, ...] = ()

    def sent(self, activity: Tensor, t: int) -> Tensor:
        """Return what gain and offset leave of `activity` at step `t`; `t = -1` is the initial state."""
        gain = self.resting_gain if t < 0 else at_step(self.gain, t)
        offset = self.resting_offset if t < 0 else at_step(self.offset, t)
        if gain is not None:
            activity = activity * gain
        if offset is not None:
            activity = activity + offset
        return activity

    def seen(self, inputs: Tensor) -> Tensor:
        """Return what is seen of `inputs`."""
        for edit in self.edits:
            inputs = edit(inputs)
        return inputs

    @property
    def empty(self) -> bool:
        """Whether nothing at all is done, and nothing is stacked."""
        return not self.n_stack and all(
            getattr(self, part.name) is None or len(getattr(self, part.name)) == 0
            for part in fields(self)
            if part.name != "n_stack"
        )

    @property
    def units_alone(self) -> bool:
        """Whether nothing but gains, offsets and currents is asked for, which kernels know."""
        return not (self.reweighs or self.live)

    @property
    def reweighs(self) -> bool:
        """Whether weights or constants are changed."""
        cut = self.synapses is not None or self.afferents is not None
        return cut or len(self.constants) > 0 or len(self.alterations) > 0

    @property
    def own_alterations(self) -> tuple[Alteration, ...]:
        """The alterations of an intervention that is not stacked."""
        return tuple(one for one in self.alterations if isinstance(one, Alteration))

    @property
    def each_member(self) -> "tuple[Intervention, ...]":
        """What is done in each member of the stack; itself alone where it is not stacked."""
        return tuple(self.member(k) for k in range(self.n_stack)) if self.n_stack else (self,)

    def member(self, place: int) -> "Intervention":
        """Return what is done to units and weights in one member of a stack, but for what is live."""

        def own(whole: Tensor | None, ndim: int) -> Tensor | None:
            return whole[place] if whole is not None and whole.ndim > ndim else whole

        alterations: list[Alteration] = []
        for one in self.alterations:
            alterations += one.members[place] if isinstance(one, StackedAlterations) else (one.member(place),)
        return Intervention(
            gain=own(self.gain, 3),
            offset=own(self.offset, 3),
            current=own(self.current, 3),
            synapses=own(self.synapses, 2),
            afferents=own(self.afferents, 2),
            resting_gain=own(self.resting_gain, 2),
            resting_offset=own(self.resting_offset, 2),
            constants=of_member(self.constants, place),
            alterations=tuple(alterations),
        )

    def without_weights(self) -> "Intervention | None":
        """Return what is done to units alone; `None` where that is nothing."""
        alone = replace(self, synapses=None, afferents=None, constants={}, alterations=())
        return None if alone.empty else alone

    def part(self, rows: slice) -> "Intervention":
        """Return the part that holds for some of the trials, of an intervention that is not stacked."""

        def cut(name: str) -> Tensor | None:
            whole: Tensor | None = getattr(self, name)
            return whole if whole is None or whole.shape[0] == 1 else whole[rows]

        timed = ("gain", "offset", "current", "resting_gain", "resting_offset")
        return replace(
            self,
            **{name: cut(name) for name in timed},
            live=tuple(one.part(rows) for one in self.live),
            edits=tuple(one.part(rows) for one in self.edits),
            alterations=tuple(one.part(rows) for one in self.alterations),
        )


def at_step(whole: Tensor | None, t: int) -> Tensor | None:
    """Return what of a part of shape `(..., time, unit)` holds at step `t`; a single step holds always."""
    return None if whole is None else whole[..., t if whole.shape[-2] > 1 else 0, :]


@dataclass(frozen=True, eq=False)
class Affine:
    """Gain and offset as something live, so that they can follow on something live."""

    act: Intervention

    def begin(self) -> "Affine":
        return self

    def part(self, rows: slice) -> "Affine":
        return Affine(self.act.part(rows))

    def current(self, t: int) -> Tensor | None:
        return None

    def sent(self, activity: Tensor, t: int) -> Tensor:
        return self.act.sent(activity, t)


@dataclass(frozen=True, eq=False)
class Mix:
    """Sent activity mixed over units, $r + s (M - 1)(r - c)$, with a strength $s$ of each trial and step.

    Args:
        matrix: $M$, rows what is sent. Shape `(*stack, unit, unit)`.
        centre: $c$. Shape `(*stack, unit)`.
        strength: $s$. Shape broadcasts to `(*stack, trial, time)`.
        resting: $s$ before the first step. Shape broadcasts to `(*stack, trial)`.
    """

    matrix: Tensor
    centre: Tensor
    strength: Tensor
    resting: Tensor

    def begin(self) -> "_Mixing":
        return _Mixing(self)

    def part(self, rows: slice) -> "Mix":
        def cut(whole: Tensor) -> Tensor:
            return whole if whole.shape[0] == 1 else whole[rows]

        return replace(self, strength=cut(self.strength), resting=cut(self.resting))


class _Mixing:
    def __init__(self, mix: Mix) -> None:
        one = torch.eye(mix.matrix.shape[-1], dtype=mix.matrix.dtype, device=mix.matrix.device)
        self.mix, self.change = mix, (mix.matrix - one).mT
        self.centre = mix.centre[..., None, :]

    def current(self, t: int) -> Tensor | None:
        return None

    def sent(self, activity: Tensor, t: int) -> Tensor:
        every = self.mix.strength
        strength = self.mix.resting if t < 0 else every[..., t if every.shape[-1] > 1 else 0]
        if not bool(strength.any()):
            return activity
        return activity + strength[..., None] * ((activity - self.centre) @ self.change)


@dataclass(frozen=True, eq=False)
class Stacked:
    """Live things along the stack axis, each member's for itself."""

    members: tuple[tuple[Live, ...], ...]

    def begin(self) -> "_Side":
        return _Side([[one.begin() for one in member] for member in self.members])

    def part(self, rows: slice) -> "Stacked":
        return Stacked(tuple(tuple(one.part(rows) for one in member) for member in self.members))


class _Side:
    def __init__(self, members: list[list[Acting]]) -> None:
        self.members = members
        self.like: Tensor | None = None

    def current(self, t: int) -> Tensor | None:
        assert self.like is not None, "currents are asked for after the initial state was sent"
        whole = None
        for k, member in enumerate(self.members):
            for one in member:
                added = one.current(t)
                if added is not None:
                    whole = torch.zeros_like(self.like) if whole is None else whole
                    whole[k] += added
        return whole

    def sent(self, activity: Tensor, t: int) -> Tensor:
        rows = list(activity.unbind(0))
        for k, member in enumerate(self.members):
            for one in member:
                rows[k] = one.sent(rows[k], t)
        self.like = torch.stack(rows)
        return self.like


@dataclass(frozen=True, eq=False)
class Edits:
    """Edits of the inputs along the stack axis, each member's for itself."""

    members: tuple[tuple[Edit, ...], ...]

    def __call__(self, inputs: Tensor) -> Tensor:
        seen = []
        for member in self.members:
            one = inputs
            for edit in member:
                one = edit(one)
            seen.append(one)
        return torch.stack(seen)

    def part(self, rows: slice) -> "Edits":
        return Edits(tuple(tuple(one.part(rows) for one in member) for member in self.members))


def beside(members: list[tuple[Live, ...]]) -> tuple[Live, ...]:
    """Return live things of several members as one, along the stack axis; mixtures as one product of matrices."""
    if not any(members):
        return ()
    mixes = [member[0] for member in members if len(member) == 1 and isinstance(member[0], Mix)]
    if len(mixes) < sum(len(member) > 0 for member in members):
        return (Stacked(tuple(members)),)
    like = mixes[0].matrix
    still = Mix(torch.eye(len(like)).to(like), mixes[0].centre, like.new_zeros(1, 1), like.new_zeros(1))
    whole = [member[0] if member else still for member in members]

    def laid(name: str) -> Tensor:
        return torch.stack(torch.broadcast_tensors(*(getattr(mix, name) for mix in whole)))

    return (Mix(laid("matrix"), laid("centre"), laid("strength"), laid("resting")),)


def then(first: Intervention, second: Intervention) -> Intervention:
    """Return `first` followed by `second`: gains and cuts multiply, currents add, what is live keeps its order."""
    if first.n_stack and second.n_stack and first.n_stack != second.n_stack:
        _check.fail("Network", "perturb", f"stacked {first.n_stack} deep, or not at all", second.n_stack)
    if first.live and (second.gain is not None or second.offset is not None):
        timed = {name: getattr(second, name) for name in ("gain", "offset", "resting_gain", "resting_offset")}
        blank = dict.fromkeys(timed)
        second = replace(second, **blank, live=(Affine(Intervention(**timed)), *second.live))
    if first.alterations and second.constants:
        after = Alteration(torch.ones(1, 1), constants=second.constants)
        second = replace(second, constants={}, alterations=(after, *second.alterations))
    return Intervention(
        gain=_product(first.gain, second.gain),
        offset=_sum(_scaled(first.offset, second.gain), second.offset),
        current=_sum(first.current, second.current),
        synapses=_product(first.synapses, second.synapses),
        afferents=_product(first.afferents, second.afferents),
        resting_gain=_product(first.resting_gain, second.resting_gain),
        resting_offset=_sum(_scaled(first.resting_offset, second.resting_gain), second.resting_offset),
        n_stack=max(first.n_stack, second.n_stack),
        live=(*first.live, *second.live),
        edits=(*first.edits, *second.edits),
        constants=_changed(first.constants, second.constants),
        alterations=(*first.alterations, *second.alterations),
    )


def _changed(first: Mapping[str, Change], second: Mapping[str, Change]) -> dict[str, Change]:
    both = dict(first)
    for name, (scale, shift) in second.items():
        before = both.get(name)
        both[name] = (scale, shift) if before is None else (before[0] * scale, before[1] * scale + shift)
    return both


def _product(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a * b


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _scaled(a: Tensor | None, gain: Tensor | None) -> Tensor | None:
    return a if a is None or gain is None else a * gain
