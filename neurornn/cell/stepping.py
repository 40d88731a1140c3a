"""A run under an intervention, step by step: for whoever learns the input of a step only when it comes."""

from typing import TYPE_CHECKING

from torch import Tensor

from neurornn._types import State
from neurornn.cell.alteration import Altering
from neurornn.cell.intervention import Intervention, at_step

if TYPE_CHECKING:
    from neurornn.cell.base import AbstractCell


class Stepping:
    """A cell that is taken through a run while something is done to it.

    Args:
        cell: the cell.
        state: the state before the first step.
        act: what is done; nothing where absent. Its edits of inputs are the caller's.
        n_steps: steps of the run.
        weights: the weights in place of the cell's own, as `weights()` gives them.

    Attributes:
        state: the state after the last step that was taken.
    """

    state: State

    def __init__(
        self,
        cell: "AbstractCell",
        state: State,
        act: Intervention | None,
        n_steps: int,
        weights: tuple[Tensor, ...] | None = None,
    ) -> None:
        self.cell, self.state, self.t = cell, state, 0
        self.act = act if act is not None else Intervention()
        n_trials = state[0].shape[-2]
        self.altering = Altering(cell, self.act, weights, n_trials, n_steps) if self.act.alterations else None
        self.weights = cell.altered(self.act, weights) if self.altering is None else None
        self.acting = [one.begin() for one in self.act.live]
        self.last = self._sent(cell.activity(state), -1)

    def step(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Take one step, and return what the units send after it.

        Args:
            x: input of this step, as it is seen. Shape `(*stack, trial, in)`.
            noise: of this step; none where absent.
        """
        t, current = self.t, at_step(self.act.current, self.t)
        for one in self.acting:
            added = one.current(t)
            if added is not None:
                current = added if current is None else current + added
        if self.altering is None:
            told = {"sent": self.last, "current": current, "weights": self.weights}
            activity, self.state = self.cell.step(x, self.state, noise, **told)
        else:
            activity, self.state = self.altering.step(x, self.state, noise, sent=self.last, current=current, t=t)
        self.last, self.t = self._sent(activity, t), t + 1
        return self.last

    def _sent(self, activity: Tensor, t: int) -> Tensor:
        sent = self.act.sent(activity, t)
        for one in self.acting:
            sent = one.sent(sent, t)
        if self.altering is not None:
            self.altering.look(sent, t)
        return sent
