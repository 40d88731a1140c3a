"""How an animal roams among walls: steps of its own length and turn, and what it does where a wall is in the way."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.task.motion import Path
from neurornn.task.walls import FAR, Walls

CANDIDATES = 16
"""Places that are drawn at once for the start of each trial, of which the first possible one is taken."""

ROUNDS = 200
"""How often they are drawn before the arena is called too narrow."""


@dataclass(frozen=True)
class Roaming:
    r"""A random walk among walls.

    $$\theta_{t+1} = \theta_t + \text{turning}\,\eta, \qquad s = \text{stride}\,|1 + \text{spread}\,\eta'|$$

    A step that would go through a wall or end closer than `margin` to one is taken anew: in the direction of the normal
    of the nearest wall, give or take `scatter`. If that one is not possible either, the animal stays where it is. Each
    step is drawn afresh, so the statistics belong to the step, whatever it lasts.

    Args:
        turning: standard deviation of the turn of a step, rad.
        stride: mean length of a step, before its spread, m.
        spread: standard deviation of the length, as a fraction of `stride`.
        margin: how close to a wall a step may end, m.
        scatter: half the range of directions away from a wall, rad.

    Raises:
        ValueError: if a number is out of its range; the message names it.

    References:
        The law of I. Kanitscheider and I. Fiete (2017), doi:10.48550/arXiv.1609.09059, is not published in numbers;
        these are ours.
    """

    turning: float = 0.35
    stride: float = 0.07
    spread: float = 0.4
    margin: float = 0.02
    scatter: float = 1.2

    def __post_init__(self) -> None:
        _check.positive("Roaming", "stride", self.stride)
        for name in ("turning", "spread", "margin", "scatter"):
            _check.not_negative("Roaming", name, getattr(self, name))

    def paths(self, walls: Walls, start: Float[Tensor, "trial 2"], n_steps: int, *, generator: torch.Generator) -> Path:
        """Draw a path from each start, which never goes through a wall.

        Args:
            walls: the arena of each trial.
            start: where each begins, m.
            n_steps: steps of each; positions are one more.
            generator: where the numbers come from.
        """
        n_trials = len(start)
        turn = self.turning * torch.randn(n_trials, n_steps, generator=generator)
        length = self.stride * (1 + self.spread * torch.randn(n_trials, n_steps, generator=generator)).abs()
        away = self.scatter * (2 * torch.rand(n_trials, n_steps, generator=generator) - 1)
        heading = math.tau * torch.rand(n_trials, generator=generator) - math.pi
        position, path, headings = start, [start], []
        for step in range(n_steps):
            heading = heading + turn[:, step]
            reached = position + _along(heading, length[:, step])
            free = walls.free(position, reached, self.margin)
            if not bool(free.all()):
                _, normal = walls.nearest(position)
                heading = torch.where(free, heading, normal + away[:, step])
                again = position + _along(heading, length[:, step])
                able = free | walls.free(position, again, self.margin)
                reached = torch.where(free[:, None], reached, torch.where(able[:, None], again, position))
            position = reached
            path.append(position)
            headings.append(heading)
        whole = torch.remainder(torch.stack(headings, dim=1) + math.pi, math.tau) - math.pi
        return Path(torch.stack(path, dim=1), whole)

    def starts(self, walls: Walls, *, generator: torch.Generator) -> Float[Tensor, "trial 2"]:
        """Draw a place in each arena, even over where an animal may stand."""
        low, high = _box(walls)
        found = torch.zeros_like(low)
        open_ = torch.ones(len(low), dtype=torch.bool)
        for _ in range(ROUNDS):
            if not bool(open_.any()):
                return found
            drawn = torch.rand(len(low), CANDIDATES, 2, generator=generator)
            places = low[:, None] + (high - low)[:, None] * drawn
            each = walls.each()
            fits = each.inside(places) & (each.distance(places) >= self.margin)
            first = places[torch.arange(len(low)), fits.int().argmax(dim=1)]
            found = torch.where((open_ & fits.any(dim=1))[:, None], first, found)
            open_ &= ~fits.any(dim=1)
        fix = "Take a smaller margin, or a wider arena."
        _check.fail("Roaming", "margin", "small enough to leave room in every arena (m)", self.margin, fix)


def _along(heading: Tensor, length: Tensor) -> Tensor:
    return length[..., None] * torch.stack([heading.cos(), heading.sin()], dim=-1)


def _box(walls: Walls) -> tuple[Tensor, Tensor]:
    """Return the smallest box around each arena, `(trial, 2)` each."""
    outer = ~walls.inner[..., None] & (walls.starts < FAR)
    return walls.starts.where(outer, math.inf).amin(-2), walls.starts.where(outer, -math.inf).amax(-2)
