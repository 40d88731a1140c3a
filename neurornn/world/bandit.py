"""The two-armed bandit: which arm pays more must be found out anew in every episode."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from neurornn import _check
from neurornn.world.base import AbstractWorld, Turn, going


@dataclass(frozen=True)
class TwoArmedBandit(AbstractWorld):
    r"""Two arms that pay 1 with probabilities $p$ and $1 - p$, drawn for each episode, and nothing to see.

    A network with fixed weights can only do better than chance if its activity remembers what paid: learning to learn.

    Behaviour: `better` (whether the arm chosen was the better one), `odds` (its probability to pay).

    Args:
        pulls: of an episode.
        odds: the probability that the better arm pays; even between 1/2 and 1, for each episode, where 0.
        dt: what a pull lasts, ms.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> import torch
        >>> from neurornn import generator
        >>> from neurornn.world import TwoArmedBandit
        >>> world, stream = TwoArmedBandit(odds=1.0), generator(0)
        >>> first = world.begin(1000, generator=stream)
        >>> turn = world.act(first.state, torch.zeros(1000, dtype=torch.long), generator=stream)
        >>> bool((turn.reward == turn.behaviour["better"][:, 0]).all())
        True

    References:
        J. X. Wang et al. (2018), Prefrontal cortex as a meta-reinforcement learning system,
        doi:10.1038/s41593-018-0147-8.
    """

    pulls: int = 50
    odds: float = 0.0
    dt: float = 1000.0

    def __post_init__(self) -> None:
        _check.count("TwoArmedBandit", "pulls", self.pulls)
        _check.positive("TwoArmedBandit", "dt", self.dt)
        if self.odds and not 0.5 <= self.odds <= 1:
            _check.fail("TwoArmedBandit", "odds", "in [0.5, 1], or 0 to draw them", self.odds)

    @property
    def n_steps(self) -> int:
        return self.pulls

    @property
    def n_observations(self) -> int:
        return 1

    @property
    def n_actions(self) -> int:
        return 2

    def begin(self, n_trials: int, *, generator: torch.Generator) -> Turn:
        better = torch.randint(2, (n_trials,), generator=generator)
        drawn = 0.5 + 0.5 * torch.rand(n_trials, generator=generator)
        odds = torch.full((n_trials,), self.odds) if self.odds else drawn
        return self._turn((better, odds, 0), torch.zeros(n_trials), torch.zeros(n_trials, dtype=torch.bool))

    def act(
        self, state: tuple[Tensor, Tensor, int], action: Int[Tensor, " trial"], *, generator: torch.Generator
    ) -> Turn:
        better, odds, pulled = state
        right = action == better
        pays = torch.rand(len(action), generator=generator) < torch.where(right, odds, 1 - odds)
        return self._turn((better, odds, pulled + 1), pays.to(odds), right)

    def _turn(self, state: tuple[Tensor, Tensor, int], reward: Tensor, right: Tensor) -> Turn:
        n_trials = len(reward)
        over = going(n_trials) | (state[2] >= self.pulls)
        shown = {"better": right.to(reward)[:, None], "odds": state[1][:, None]}
        return Turn(state, torch.ones(n_trials, 1), reward, over, going(n_trials), shown)
