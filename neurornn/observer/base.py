"""What an observer is: someone who knows the rules of a task and answers from what a network is told, nothing more."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn.task.navigation import Navigation, Start
from neurornn.task.walls import Walls
from neurornn.trials import Trials


@dataclass(frozen=True, eq=False)
class Located:
    """Where an observer thinks the animal is.

    Args:
        position: at the end of each step. Shape `(trial, time, 2)`, m.
        arena: how probable each arena is, for observers that are not told; `None` for the others. Shape
            `(trial, time, arena)`.
    """

    position: Float[Tensor, "trial time 2"]
    arena: Float[Tensor, "trial time arena"] | None = None

    def errors(self, trials: Trials) -> Float[Tensor, "trial time"]:
        """Return how far off it is at each step, m."""
        return (self.position - trials.behaviour["position"]).norm(dim=-1)

    def recognised(self, trials: Trials) -> Float[Tensor, "trial time"]:
        """Return whether the most probable arena is the right one, at each step: 1 or 0; 1 for those that are told."""
        if self.arena is None:
            return torch.ones(self.position.shape[:2])
        number = torch.tensor(trials.conditions["arena"].to_numpy())
        return (self.arena.argmax(-1) == number[:, None]).to(self.position)


class AbstractObserver(ABC):
    """A way to find out where one is, that needs no training. Observers are frozen dataclasses.

    It sees the inputs of the trials and knows the task: the arena of each trial, how the animal roams, and the noise of
    its sensors.
    """

    @abstractmethod
    def locate(self, task: Navigation, trials: Trials, *, generator: torch.Generator) -> Located:
        """Answer every step of every trial.

        Args:
            task: the rules.
            trials: what the network is given, drawn from `task`.
            generator: where the numbers come from, for observers that draw some.
        """


def begun(task: Navigation, trials: Trials, walls: Walls, *, told: bool) -> Float[Tensor, "trial 2"]:
    """Return where an observer starts, m: where the trial does if it is `told` or always the same, else mid-arena."""
    if told or task.start is not Start.UNKNOWN:
        return torch.tensor(trials.conditions[["start_x", "start_y"]].to_numpy()).to(trials.inputs)
    return walls.centroid()
