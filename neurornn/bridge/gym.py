"""gymnasium: its environments as worlds that a network can learn in, and our worlds and tasks as its environments."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.world import AbstractWorld, Turn

if TYPE_CHECKING:
    import gymnasium


@dataclass(frozen=True, eq=False)
class _State:
    steps: int
    ended: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class GymWorld(AbstractWorld):
    """An environment of gymnasium as a world, many copies of it side by side.

    Observations are flattened into channels, whatever they are made of. Actions must be a choice of one out of several
    (`Discrete`). An episode that `terminated` is over, one that was `truncated`, or has lasted `limit` steps, is cut.

    Args:
        make: makes the environment; `lambda: gymnasium.make("CartPole-v1")`.
        limit: steps of an episode at most.
        dt: what a step lasts, ms.

    Raises:
        ValueError: if its actions are not a choice, or its observations have no fixed size.

    Example:
        >>> import gymnasium
        >>> from neurornn.bridge.gym import GymWorld
        >>> world = GymWorld(lambda: gymnasium.make("CartPole-v1"), limit=50)
        >>> world.n_observations, world.n_actions
        (4, 2)

    References:
        M. Towers et al. (2024), Gymnasium: a standard interface for reinforcement learning environments,
        doi:10.48550/arXiv.2407.17032.
    """

    make: "Callable[[], gymnasium.Env[Any, Any]]"
    limit: int = 100
    dt: float = 100.0

    def __post_init__(self) -> None:
        gym = _gymnasium("GymWorld")
        _check.count("GymWorld", "limit", self.limit)
        _check.positive("GymWorld", "dt", self.dt)
        one = self.make()
        if not isinstance(one.action_space, gym.spaces.Discrete):
            fix = "Wrap it so that it offers a choice: gymnasium.spaces.Discrete."
            _check.fail("GymWorld", "make", "an environment with a choice of actions", str(one.action_space), fix)
        if not one.observation_space.is_np_flattenable:
            fix = "Wrap it so that observations are a gymnasium.spaces.Box."
            _check.fail("GymWorld", "make", "an environment with flat observations", str(one.observation_space), fix)
        choice: Any = one.action_space
        object.__setattr__(self, "_space", one.observation_space)
        object.__setattr__(self, "_actions", (int(choice.n), int(choice.start)))
        object.__setattr__(self, "_size", int(gym.spaces.flatdim(one.observation_space)))
        object.__setattr__(self, "_idle", [one])

    @property
    def n_steps(self) -> int:
        return self.limit

    @property
    def n_observations(self) -> int:
        return self._size  # type: ignore[attr-defined, no-any-return]

    @property
    def n_actions(self) -> int:
        return self._actions[0]  # type: ignore[attr-defined, no-any-return]

    def begin(self, n_trials: int, *, generator: torch.Generator) -> Turn:
        copies: list[Any] = self._idle  # type: ignore[attr-defined]
        while len(copies) < n_trials:
            copies.append(self.make())
        seeds = torch.randint(2**31 - 1, (n_trials,), generator=generator).tolist()
        seen = [env.reset(seed=seed)[0] for env, seed in zip(copies, seeds, strict=False)]
        ended = np.zeros(n_trials, dtype=bool)
        return self._turn(0, ended, self._flat(seen), np.zeros(n_trials), ended, ended)

    def act(self, state: _State, action: Int[Tensor, " trial"], *, generator: torch.Generator) -> Turn:
        copies: list[Any] = self._idle  # type: ignore[attr-defined]
        ended, flat = state.ended, state.seen.copy()  # where an episode has ended, what was last seen stays
        reward, over, cut = np.zeros(len(ended)), ended.copy(), np.zeros(len(ended), dtype=bool)
        for i in np.flatnonzero(~ended):
            chosen = int(action[i]) + self._actions[1]  # type: ignore[attr-defined]
            seen, reward[i], over[i], truncated, _ = copies[i].step(chosen)
            flat[i] = self._flat([seen])[0]
            cut[i] = not over[i] and (truncated or state.steps + 1 >= self.limit)
        return self._turn(state.steps + 1, ended | over | cut, flat, reward, over, cut)

    def _flat(self, seen: list[Any]) -> np.ndarray:
        from gymnasium.spaces import flatten

        space = self._space  # type: ignore[attr-defined]
        return np.stack([np.asarray(flatten(space, one), dtype=np.float32) for one in seen])

    def _turn(
        self, steps: int, ended: np.ndarray, seen: np.ndarray, reward: np.ndarray, over: np.ndarray, cut: np.ndarray
    ) -> Turn:
        worth = torch.tensor(reward, dtype=torch.float32)
        return Turn(_State(steps, ended, seen), torch.tensor(seen), worth, torch.tensor(over), torch.tensor(cut))


def to_gym(thing: object) -> "gymnasium.Env[Any, Any]":
    """Return a world or a task as an environment of gymnasium, for any of its learners.

    A world keeps its observations, actions and rewards. A task becomes one trial an episode: what is observed are the
    inputs (and, in its first step, what the network is told about the start), the action is the answer, one number an
    output, and the reward is the squared error of the step times its mask, below 0. `info` holds `target` and `mask`.

    Args:
        thing: a world, or a task.

    Raises:
        ValueError: if it is neither.

    Example:
        >>> from neurornn.bridge.gym import to_gym
        >>> from neurornn.world import TwoArmedBandit
        >>> to_gym(TwoArmedBandit()).action_space
        Discrete(2)
    """
    _gymnasium("to_gym")
    from neurornn.bridge.gym_env import TrialEnv, WorldEnv

    if isinstance(thing, AbstractWorld):
        return WorldEnv(thing)
    if isinstance(thing, AbstractTask):
        return TrialEnv(thing)
    _check.fail("to_gym", "thing", "a world or a task", type(thing).__name__)


def _gymnasium(owner: str) -> Any:
    try:
        import gymnasium
    except ImportError as error:
        raise ImportError(f"{owner} needs gymnasium. Install it: pip install 'neurornn[gym]'.") from error
    return gymnasium
