"""Goal finding: a place in an arena that is worth going to, and that nothing shows."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from neurornn import _check
from neurornn.task.arena import AbstractArenas, StarArenas
from neurornn.task.roaming import Roaming
from neurornn.task.walls import Walls
from neurornn.world.base import AbstractWorld, Turn, going


@dataclass(frozen=True, eq=False)
class _State:
    walls: Walls
    position: Tensor
    goal: Tensor
    steps: int


@dataclass(frozen=True)
class GoalFinding(AbstractWorld):
    r"""Walk to a goal that cannot be seen, from anywhere in an arena, as in a water maze.

    Observed are x and y over the half side of a box about all arenas, with noise. Actions are steps in `n_actions`
    directions; one that would go through a wall is not taken. Reaching the goal earns 1, and every step costs `cost`.

    With a `goal` of its own place, the episode ends there: where it is must be in the weights. Where the goal is drawn
    anew for each episode (`goal` empty), the animal is put back somewhere else when it has found it, and may go there
    again until time is up: where it is must be remembered.

    Behaviour: `position`, `goal` (m), `found` (0 or 1).

    Args:
        arenas: where it takes place.
        goal: x and y of the goal, m; drawn anew for each episode where empty.
        radius: how near is there, m.
        stride: length of a step, m.
        directions: how many actions.
        cost: of a step.
        noise: standard deviation of the noise on the observed position, m.
        limit: steps of an episode at most.
        dt: what a step lasts, ms.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    References:
        R. G. M. Morris (1984), Developments of a water-maze procedure for studying spatial learning in the rat,
        doi:10.1016/0165-0270(84)90007-4.
    """

    arenas: AbstractArenas = field(default_factory=StarArenas)
    goal: tuple[float, ...] = (0.3, 0.3)
    radius: float = 0.15
    stride: float = 0.15
    directions: int = 4
    cost: float = 0.02
    noise: float = 0.02
    limit: int = 40
    dt: float = 500.0

    def __post_init__(self) -> None:
        for name in ("radius", "stride", "dt"):
            _check.positive("GoalFinding", name, getattr(self, name))
        for name in ("cost", "noise"):
            _check.not_negative("GoalFinding", name, getattr(self, name))
        _check.count("GoalFinding", "limit", self.limit)
        _check.count("GoalFinding", "directions", self.directions, least=2)
        if len(self.goal) not in (0, 2):
            _check.fail("GoalFinding", "goal", "x and y (m), or empty", self.goal)
        if self.goal and self.arenas.n_arenas:
            walls = self.arenas.all()
            if not bool(walls.inside(torch.tensor(self.goal).expand(self.arenas.n_arenas, 2)).all()):
                _check.fail("GoalFinding", "goal", "inside every arena (m)", self.goal)

    @property
    def n_steps(self) -> int:
        return self.limit

    @property
    def n_observations(self) -> int:
        return 2

    @property
    def n_actions(self) -> int:
        return self.directions

    def begin(self, n_trials: int, *, generator: torch.Generator) -> Turn:
        walls = self.arenas.walls(self.arenas.draw(n_trials, generator=generator))
        position = Roaming().starts(walls, generator=generator)
        goal = (
            torch.tensor(self.goal).expand(n_trials, 2) if self.goal else Roaming().starts(walls, generator=generator)
        )
        state = _State(walls, position, goal, 0)
        return self._turn(state, torch.zeros(n_trials), going(n_trials), generator)

    def act(self, state: _State, action: Int[Tensor, " trial"], *, generator: torch.Generator) -> Turn:
        angle = math.tau * action / self.directions
        there = state.position + self.stride * torch.stack([angle.cos(), angle.sin()], dim=1)
        free = state.walls.free(state.position, there, Roaming().margin)
        position = torch.where(free[:, None], there, state.position)
        found = (position - state.goal).norm(dim=1) <= self.radius
        reward = found.to(position) - self.cost
        if not self.goal and bool(found.any()):
            elsewhere = Roaming().starts(state.walls, generator=generator)
            position = torch.where(found[:, None], elsewhere, position)
        return self._turn(_State(state.walls, position, state.goal, state.steps + 1), reward, found, generator)

    def _turn(self, state: _State, reward: Tensor, found: Tensor, generator: torch.Generator) -> Turn:
        (low, high), (bottom, top) = self.arenas.extent
        middle = torch.tensor([(low + high) / 2, (bottom + top) / 2])
        seen = state.position + self.noise * torch.randn(state.position.shape, generator=generator)
        over = found if self.goal else going(len(reward))
        cut = ~over & (state.steps >= self.limit)
        shown = {"position": state.position, "goal": state.goal, "found": found.to(reward)[:, None]}
        return Turn(state, (seen - middle) / (max(high - low, top - bottom) / 2), reward, over, cut, shown)
