"""Our worlds and tasks as environments of gymnasium. Only this file needs it when it is loaded."""

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from neurornn._types import generator
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials
from neurornn.world import AbstractWorld, Turn


class WorldEnv(gymnasium.Env[np.ndarray, Any]):
    """One episode of a world at a time.

    Args:
        world: the world.
    """

    def __init__(self, world: AbstractWorld) -> None:
        self.world = world
        self.observation_space = Box(-np.inf, np.inf, (world.n_observations,), np.float32)
        self.action_space = Discrete(world.n_actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self._stream = _stream(self.np_random)
        self._turn = self.world.begin(1, generator=self._stream)
        return self._seen(self._turn)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take an action."""
        chosen = torch.tensor([int(action)])
        self._turn = self.world.act(self._turn.state, chosen, generator=self._stream)
        observation, info = self._seen(self._turn)
        turn = self._turn
        return observation, float(turn.reward[0]), bool(turn.over[0]), bool(turn.cut[0]), info

    def _seen(self, turn: Turn) -> tuple[np.ndarray, dict[str, Any]]:
        info = {name: values[0].numpy().copy() for name, values in turn.behaviour.items()}
        return turn.observation[0].numpy().astype(np.float32).copy(), info


class TrialEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One trial of a task an episode: the action is the answer.

    Args:
        task: the task.
    """

    def __init__(self, task: AbstractTask) -> None:
        self.task = task
        self.observation_space = Box(-np.inf, np.inf, (task.n_in + task.n_start,), np.float32)
        self.action_space = Box(-np.inf, np.inf, (task.n_out,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a trial."""
        super().reset(seed=seed)
        self._trial: Trials = self.task.sample(1, generator=_stream(self.np_random))
        self._step = 0
        assert self._trial.valid is not None
        self._n_steps = int(self._trial.valid.sum())
        return self._seen(), self._info(0)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Answer a step."""
        at, trial = self._step, self._trial
        off = torch.as_tensor(np.asarray(action, dtype=np.float32)) - trial.targets[0, at]
        reward = -float(trial.mask[0, at] * off.square().mean())
        info = self._info(at)
        self._step += 1
        over = self._step >= self._n_steps
        return self._seen(), reward, over, False, info

    def _seen(self) -> np.ndarray:
        """Return the inputs of this step; those of the last one once more, where the trial has ended."""
        inputs = self._trial.inputs[0, min(self._step, self._n_steps - 1)]
        start = inputs.new_zeros(self.task.n_start)
        if self._step == 0 and self._trial.start is not None:
            start = self._trial.start[0]
        return torch.cat([inputs, start]).numpy().astype(np.float32)

    def _info(self, at: int) -> dict[str, Any]:
        return {"target": self._trial.targets[0, at].numpy().copy(), "mask": float(self._trial.mask[0, at])}


def _stream(rng: np.random.Generator) -> torch.Generator:
    """Return a random stream of torch that follows from one of numpy."""
    return generator(int(rng.integers(2**31 - 1)))
