"""What a cell is: one step of a population of units, and the loop over it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurornn._types import State


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
    """

    gain: Tensor | None = None
    offset: Tensor | None = None
    current: Tensor | None = None
    synapses: Tensor | None = None
    afferents: Tensor | None = None
    resting_gain: Tensor | None = None
    resting_offset: Tensor | None = None
    n_stack: int = 0

    def sent(self, activity: Tensor, t: int) -> Tensor:
        """Return what is sent of `activity` at step `t`; `t = -1` is the initial state."""
        gain = self.resting_gain if t < 0 else _at(self.gain, t)
        offset = self.resting_offset if t < 0 else _at(self.offset, t)
        if gain is not None:
            activity = activity * gain
        if offset is not None:
            activity = activity + offset
        return activity

    @property
    def empty(self) -> bool:
        """Whether nothing at all is done, and nothing is stacked."""
        return not self.n_stack and all(
            getattr(self, part.name) is None for part in fields(self) if part.name != "n_stack"
        )


def _at(whole: Tensor | None, t: int) -> Tensor | None:
    return None if whole is None else whole[..., t if whole.shape[-2] > 1 else 0, :]


class AbstractCell(nn.Module, ABC):
    """A population of recurrently connected units that takes one step at a time.

    A cell has no clock, no readout and no randomness: given input, state and noise, its step is a function. All of its
    shapes may carry leading `stack` axes.

    Attributes:
        n_in: number of input channels.
        n_units: number of units.
        dt: time step, ms.
        span: how far a unit wanders from rest, in the unit of the first part of its state: 1, or the way from rest to
            threshold (mV).
        settings: the constructor's arguments, from which the cell can be rebuilt.
    """

    n_in: int
    n_units: int
    dt: float
    span: float = 1.0
    settings: dict[str, Any]

    @abstractmethod
    def initial(self, n_trials: int) -> State:
        """Return the state of rest for `n_trials` trials. Shapes `(trial, unit)`."""

    @abstractmethod
    def activity(self, state: State) -> Float[Tensor, "*stack trial unit"]:
        """Return what the units send in `state`, before any intervention."""

    @abstractmethod
    def weights(self) -> tuple[Tensor, ...]:
        """Return the effective weights of this moment, computed once for a whole rollout.

        The first is the input weight `(unit*, in)`, the second the recurrent weight `(unit*, unit)`, rows
        post-synaptic (a gated cell stacks its gates along the rows); the rest are the cell's own.
        """

    @abstractmethod
    def step(
        self,
        x: Float[Tensor, "*#stack trial in"],
        state: State,
        noise: Float[Tensor, "*#stack trial unit"] | None = None,
        *,
        sent: Float[Tensor, "*stack trial unit"] | None = None,
        current: Float[Tensor, "*#stack #trial unit"] | None = None,
        weights: tuple[Tensor, ...] | None = None,
    ) -> tuple[Float[Tensor, "*stack trial unit"], State]:
        """Take one step of `dt` ms.

        Args:
            x: input of this step.
            state: the state before it.
            noise: noise of this step, ready to be added, in the unit of the state; none where absent.
            sent: what the units sent at the end of the last step; `activity(state)` where absent.
            current: added to the drive of each unit.
            weights: what `weights()` returned; computed anew where absent.

        Returns:
            The activity after the step, and the state after it.
        """

    def rollout(
        self,
        x: Float[Tensor, "*#stack trial time in"],
        state: State,
        noise: Float[Tensor, "*#stack trial time unit"] | None = None,
        *,
        intervention: Intervention | None = None,
    ) -> tuple[Float[Tensor, "*stack trial time unit"], State]:
        """Take a step for each of the inputs.

        Args:
            x: input of each step.
            state: the state before the first step.
            noise: noise of each step; none where absent.
            intervention: what is done to the units meanwhile; the empty one changes no bit.

        Returns:
            What the units sent at each step, and the state after the last one.
        """
        return self.loop(x, state, noise, intervention=intervention)

    def loop(
        self,
        x: Float[Tensor, "*#stack trial time in"],
        state: State,
        noise: Float[Tensor, "*#stack trial time unit"] | None = None,
        *,
        intervention: Intervention | None = None,
    ) -> tuple[Float[Tensor, "*stack trial time unit"], State]:
        """Take the steps one by one in Python: what `rollout` computes, in the plainest way."""
        kept, last = [], state
        for sent, after in self.steps(x, state, noise, intervention=intervention):
            kept.append(sent)
            last = after
        return torch.stack(kept, dim=-2), last

    def steps(
        self,
        x: Float[Tensor, "*#stack trial time in"],
        state: State,
        noise: Float[Tensor, "*#stack trial time unit"] | None = None,
        *,
        intervention: Intervention | None = None,
    ) -> Iterator[tuple[Tensor, State]]:
        """Take the steps of `loop`, and give what the units sent and the state after each of them."""
        act = intervention if intervention is not None else Intervention()
        weights = cut(self.weights(), act)
        sent = act.sent(self.activity(state), -1)
        inputs = x.unbind(-2)
        noises = noise.unbind(-2) if noise is not None else (None,) * len(inputs)
        for t, (x_t, noise_t) in enumerate(zip(inputs, noises, strict=True)):
            current = _at(act.current, t)
            activity, state = self.step(x_t, state, noise_t, sent=sent, current=current, weights=weights)
            sent = act.sent(activity, t)
            yield sent, state


def cut(weights: tuple[Tensor, ...], act: Intervention) -> tuple[Tensor, ...]:
    """Return the weights as an intervention cuts them, input and recurrent ones, gate by gate."""
    w_in, w_rec, *own = weights
    for_all_gates = w_rec.shape[-2] // w_rec.shape[-1]
    if act.afferents is not None:
        w_in = w_in * act.afferents.tile((for_all_gates, 1))
    if act.synapses is not None:
        w_rec = w_rec * act.synapses.tile((for_all_gates, 1))
    return (w_in, w_rec, *own)
