"""What a perturbation is: something that says, as data, what is done to which units; and several of them stacked."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import SupportsIndex

import numpy as np
import torch
from torch import Tensor

from neurornn import _check
from neurornn.cell.alteration import Change, StackedAlterations
from neurornn.cell.base import Intervention
from neurornn.cell.intervention import Edits, beside
from neurornn.network import Network, Perturbs, combine
from neurornn.trials import Trials

Units = Iterable[SupportsIndex]
"""Indices of units: a list, a range, an array or a tensor of whole numbers."""

PARTS = {"gain": 1.0, "offset": 0.0, "current": 0.0, "synapses": 1.0, "afferents": 1.0}
RESTING = {"resting_gain": 1.0, "resting_offset": 0.0}


class AbstractPerturbation(ABC):
    """Something that is done to a network during a run.

    Perturbations are frozen dataclasses. They never change a network: `intervention` compiles them to data that the
    rollout is handed, so that nothing has to be restored and many can run side by side (`Stack`).
    """

    @abstractmethod
    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        """Return what is done to `network` in a run of this size, as data.

        Args:
            network: the network that will be run; it is only read.
            n_trials: number of trials of the run.
            n_steps: number of steps of the run.

        Returns:
            The intervention; an empty one (which changes no bit of the run) where there is nothing to do.

        Raises:
            ValueError: if the network has no such units or channels.
        """

    def during(self, trials: Trials) -> "AbstractPerturbation":
        """Return the same perturbation with the epochs that it names looked up in `trials`.

        Raises:
            ValueError: if the trials have no such epoch.
        """
        whole = self
        for part in fields(self):  # type: ignore[arg-type]
            value = getattr(self, part.name)
            if isinstance(value, Timed):
                whole = replace(whole, **{part.name: value.during(trials)})  # type: ignore[type-var]
        return whole


class Timed(ABC):
    """Something that can be fixed to given trials."""

    @abstractmethod
    def during(self, trials: Trials) -> "Timed":
        """Return the same with every named epoch looked up in `trials`."""


@dataclass(frozen=True)
class Stack:
    """Many perturbations of the same network in one rollout, along a leading `stack` axis, on shared inputs and noise.

    A thousand matched controls cost one batched pass, and every difference between two of them is paired.

    Args:
        members: the perturbations; a member that is a sequence of them is applied in its order, an empty one is none.

    Raises:
        ValueError: if there are none, or one of them is stacked itself.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import Silence, Stack
        >>> network = Network(LeakyRate(1, 8), 2)
        >>> network(torch.zeros(3, 5, 1), perturb=[Stack([Silence([i]) for i in range(8)])]).outputs.shape
        torch.Size([8, 3, 5, 2])
    """

    members: Sequence[Perturbs | Sequence[Perturbs]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        if not self.members:
            _check.fail(
                "Stack", "members", "one perturbation or more", "none", "Pass [()] for a stack of one intact run."
            )

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        """Return the interventions of all members as one, with a leading `stack` axis."""
        acts = []
        for member in self.members:
            one = member if isinstance(member, Sequence) else (member,)
            act = combine(one, network, n_trials, n_steps) or Intervention()
            if act.n_stack:
                _check.fail("Stack", "members", "not stacked themselves", "a Stack in a Stack", "Join their members.")
            acts.append(act)
        size = network.n_units
        own = {
            "synapses": (size, size),
            "afferents": (size, network.n_in),
            **dict.fromkeys(RESTING, (1, size)),
        }
        stacked = {
            name: _stacked([getattr(act, name) for act in acts], neutral, own.get(name, (1, 1, size)), network)
            for name, neutral in {**PARTS, **RESTING}.items()
        }
        return Intervention(
            n_stack=len(acts),
            live=beside([act.live for act in acts]),
            edits=(Edits(tuple(act.edits for act in acts)),) if any(act.edits for act in acts) else (),
            constants=_constants(acts, network),
            alterations=(StackedAlterations(tuple(act.own_alterations for act in acts)),)
            if any(act.alterations for act in acts)
            else (),
            **stacked,
        )

    def during(self, trials: Trials) -> "Stack":
        """Return the same stack with every named epoch looked up in `trials`."""

        def timed(member: Perturbs | Sequence[Perturbs]) -> Perturbs | Sequence[Perturbs]:
            if isinstance(member, Sequence):
                return tuple(one.during(trials) if isinstance(one, AbstractPerturbation) else one for one in member)
            return member.during(trials) if isinstance(member, AbstractPerturbation) else member

        return Stack([timed(member) for member in self.members])


def _stacked(parts: list[Tensor | None], neutral: float, shape: tuple[int, ...], network: Network) -> Tensor | None:
    """Lay parts along a leading axis, what is absent as `neutral`; nothing where all are absent."""
    given = [part for part in parts if part is not None]
    if not given:
        return None
    common = torch.broadcast_shapes(shape, *(part.shape for part in given))
    whole = torch.full((len(parts), *common), neutral, dtype=network.readout.dtype, device=network.device)
    for place, part in enumerate(parts):
        if part is not None:
            whole[place] = part
    return whole


def _constants(acts: Sequence[Intervention], network: Network) -> dict[str, Change]:
    """Lay changes of constants along a leading axis, and one for the trials."""
    whole = {}
    for name in dict.fromkeys(name for act in acts for name in act.constants):
        pairs = [act.constants.get(name) for act in acts]
        parts = [[None if pair is None else pair[k] for pair in pairs] for k in range(2)]
        laid = [
            _stacked(part, neutral, (1, network.n_units), network)
            for part, neutral in zip(parts, (1.0, 0.0), strict=True)
        ]
        assert laid[0] is not None and laid[1] is not None, "a name that somebody gave has a change"
        whole[name] = (laid[0], laid[1])
    return whole


def unit_tuple(owner: str, units: object, name: str = "units") -> tuple[int, ...]:
    """Return indices as a tuple of ints.

    Raises:
        ValueError: if they are not whole numbers, negative, or not distinct.
    """
    if isinstance(units, str | bytes) or not isinstance(units, Iterable):
        _check.fail(owner, name, "a sequence of indices", units, "Write [3] for a single one.")
    given = list(units)
    if any(isinstance(u, bool | np.bool_) for u in given):
        _check.fail(owner, name, "indices", "a mask", "Take the indices of a mask with numpy.flatnonzero.")
    if not all(isinstance(u, int | np.integer) or (isinstance(u, Tensor) and not u.is_floating_point()) for u in given):
        odd = next(u for u in given if not isinstance(u, int | np.integer))
        _check.fail(owner, name, "whole numbers", odd)
    indices = tuple(int(u) for u in given)
    if any(u < 0 for u in indices):
        _check.fail(owner, name, "0 or above", min(indices), "Count from the first unit, not from the last.")
    if len(set(indices)) < len(indices):
        twice = next(u for place, u in enumerate(indices) if u in indices[:place])
        _check.fail(owner, name, "distinct", f"{twice} twice")
    return indices


def within(owner: str, indices: Sequence[int], size: int, name: str = "units") -> None:
    """Refuse indices at or above `size`."""
    if indices and max(indices) >= size:
        fix = f"This network's run from 0 to {size - 1}."
        _check.fail(owner, name, f"below {size}", max(indices), fix)
