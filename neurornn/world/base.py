"""What a world is: it shows something, takes an action, and answers with what comes next and what that was worth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Turn:
    """What a batch of worlds shows after an action.

    Args:
        state: what the worlds need for the next turn; nobody else reads it.
        observation: what is seen now. Shape `(trial, observation)`.
        reward: what the action earned. Shape `(trial,)`.
        over: which episodes have come to their end. Shape `(trial,)`.
        cut: which were cut short by a limit of time, so that more might have come. Shape `(trial,)`.
        behaviour: what else there is to know (a position, whether a choice was the better one). Shapes
            `(trial, dimension)`. It is recorded and not shown to the network.
    """

    state: Any
    observation: Float[Tensor, "trial observation"]
    reward: Float[Tensor, " trial"]
    over: Bool[Tensor, " trial"]
    cut: Bool[Tensor, " trial"]
    behaviour: Mapping[str, Float[Tensor, "trial _dimension"]] = field(default_factory=dict)


class AbstractWorld(ABC):
    """A task in a closed loop, many episodes of it side by side. Worlds are frozen dataclasses.

    The network sees at each step the observation, its own last action (one channel each) and the last reward; its heads
    are the preferences for the actions and the value of the state. That is enough to learn *within* an episode, with
    fixed weights.

    Attributes:
        dt: what a step lasts, ms.
        n_steps: steps of an episode at most.
    """

    dt: float

    @property
    @abstractmethod
    def n_steps(self) -> int:
        """Steps of an episode at most."""

    @property
    @abstractmethod
    def n_observations(self) -> int:
        """Channels of an observation."""

    @property
    @abstractmethod
    def n_actions(self) -> int:
        """Actions to choose from at every step."""

    @property
    def n_in(self) -> int:
        """Input channels of a network: observation, last action, last reward."""
        return self.n_observations + self.n_actions + 1

    @property
    def heads(self) -> dict[str, int]:
        """Readout heads of a network: preferences for the actions, and the value of the state."""
        return {"action": self.n_actions, "value": 1}

    @abstractmethod
    def begin(self, n_trials: int, *, generator: torch.Generator) -> Turn:
        """Begin episodes: the first observation, with a reward of 0.

        Args:
            n_trials: how many.
            generator: where the numbers come from.
        """

    @abstractmethod
    def act(self, state: Any, action: Int[Tensor, " trial"], *, generator: torch.Generator) -> Turn:
        """Take an action in every episode. What comes back of episodes that had ended counts for nothing.

        Args:
            state: that of the last turn.
            action: what is done, from 0.
            generator: where the numbers come from.
        """


def going(n_trials: int) -> Bool[Tensor, " trial"]:
    """Return that no episode has ended."""
    return torch.zeros(n_trials, dtype=torch.bool)
