"""What a cell is: one step of a population of units, and the loop over it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from neurornn import _check
from neurornn._types import State
from neurornn.cell.alteration import Change
from neurornn.cell.intervention import Intervention as Intervention
from neurornn.cell.stepping import Stepping
from neurornn.kernel import Noise, Read, numbers


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
        constants: names of what each unit has one of and a perturbation may change, such as its bias, in the order of
            `weights()` after the first two; none for most cells.
    """

    n_in: int
    n_units: int
    dt: float
    span: float = 1.0
    settings: dict[str, Any]
    constants: tuple[str, ...] = ()

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
        _, activity, after = self._sequence(x, state, noise, intervention, None)
        return activity, after

    def read_out(
        self,
        x: Float[Tensor, "*#stack trial time in"],
        state: State,
        noise: Float[Tensor, "*#stack trial time unit"] | Noise | None = None,
        *,
        readout: Float[Tensor, "out unit"],
        shift: Float[Tensor, " out"] | None = None,
        intervention: Intervention | None = None,
    ) -> tuple[Float[Tensor, "*stack trial time out"], Float[Tensor, "*stack trial time unit"], State]:
        """Take a step for each of the inputs, as `rollout` does, and read out what the units sent.

        Args:
            x: input of each step.
            state: the state before the first step.
            noise: noise of each step; none where absent.
            readout: weights from what the units sent to the outputs.
            shift: what is added to the outputs.
            intervention: what is done to the units meanwhile.

        Returns:
            The outputs, what the units sent at each step, and the state after the last one.
        """
        outputs, activity, after = self._sequence(x, state, noise, intervention, Read(readout, shift))
        return functional.linear(activity, readout, shift) if outputs is None else outputs, activity, after

    def runs_whole(self) -> bool:
        """Whether a kernel runs sequences whole here, also what is done to units meanwhile, and reads them out."""
        return False

    def answers(
        self,
        x: Float[Tensor, "*#stack trial time in"],
        state: State,
        noise: Float[Tensor, "*#stack trial time unit"] | Noise | None = None,
        *,
        readout: Float[Tensor, "out unit"],
        shift: Float[Tensor, " out"] | None = None,
        intervention: Intervention | None = None,
    ) -> Float[Tensor, "*stack trial time out"]:
        """Return the outputs of `read_out` alone: what the units sent goes nowhere, where a kernel can do without.

        Args:
            x: as `read_out` takes it, and all the others.
            state: the state before the first step.
            noise: noise of each step.
            readout: weights from what the units sent to the outputs.
            shift: what is added to the outputs.
            intervention: what is done to the units meanwhile.
        """
        outputs, activity, _ = self._sequence(x, state, noise, intervention, Read(readout, shift, alone=True))
        return functional.linear(activity, readout, shift) if outputs is None else outputs

    def _sequence(
        self,
        x: Tensor,
        state: State,
        noise: Tensor | Noise | None,
        act: Intervention | None,
        read: Read | None,
        weights: tuple[Tensor, ...] | None = None,
    ) -> tuple[Tensor | None, Tensor, State]:
        """Run all steps: here by the loop. A cell that the kernels know overrides it, and falls back to this.

        Returns:
            The outputs where a kernel made them, else `None`; then as `loop`.
        """
        return None, *self.loop(x, state, numbers(noise, x), intervention=act, weights=weights)

    def loop(
        self,
        x: Float[Tensor, "*#stack trial time in"],
        state: State,
        noise: Float[Tensor, "*#stack trial time unit"] | None = None,
        *,
        intervention: Intervention | None = None,
        weights: tuple[Tensor, ...] | None = None,
    ) -> tuple[Float[Tensor, "*stack trial time unit"], State]:
        """Take the steps one by one in Python: what `rollout` computes, in the plainest way.

        `weights` stand for the cell's own, as `weights()` gives them.
        """
        kept, last = [], state
        for sent, after in self.steps(x, state, noise, intervention=intervention, weights=weights):
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
        weights: tuple[Tensor, ...] | None = None,
    ) -> Iterator[tuple[Tensor, State]]:
        """Take the steps of `loop`, and give what the units sent and the state after each of them."""
        run = Stepping(self, state, intervention, x.shape[-2], weights)
        inputs = x.unbind(-2)
        noises = noise.unbind(-2) if noise is not None else (None,) * len(inputs)
        for x_t, noise_t in zip(inputs, noises, strict=True):
            sent = run.step(x_t, noise_t)
            yield sent, run.state

    def altered(self, act: Intervention, weights: tuple[Tensor, ...] | None = None) -> tuple[Tensor, ...]:
        """Return `weights()`, or others, as an intervention cuts them all the while, with the constants it changes."""
        weights = cut(self.weights() if weights is None else weights, act)
        return self.retuned(weights, act.constants) if act.constants else weights

    def retuned(self, weights: tuple[Tensor, ...], changes: Mapping[str, Change]) -> tuple[Tensor, ...]:
        """Return `weights` with constants changed, a change being what multiplies one and what is then added.

        Raises:
            ValueError: if a time constant or a resistance would not stay above 0.
        """
        w_in, w_rec, *own = weights
        for name, (scale, shift) in changes.items():
            place = self.constants.index(name)
            own[place] = own[place] * scale + shift
            if name.startswith(("tau", "resistance")) and float(own[place].min()) <= 0:
                _check.fail(
                    type(self).__name__, name, "above 0 for every unit, however it is changed", float(own[place].min())
                )
        return (w_in, w_rec, *own)


def cut(weights: tuple[Tensor, ...], act: Intervention) -> tuple[Tensor, ...]:
    """Return the weights as an intervention cuts them, input and recurrent ones, gate by gate."""
    w_in, w_rec, *own = weights
    for_all_gates = w_rec.shape[-2] // w_rec.shape[-1]
    if act.afferents is not None:
        w_in = w_in * act.afferents.tile((for_all_gates, 1))
    if act.synapses is not None:
        w_rec = w_rec * act.synapses.tile((for_all_gates, 1))
    return (w_in, w_rec, *own)
