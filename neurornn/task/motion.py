"""How an animal moves in a box: speed, turning, and what a wall does to it."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.task.draw import normal_cdf, wander

SECOND = 1000.0
"""ms."""

AFTER_COLLISION = NormalDist().inv_cdf(1 - math.exp(-1 / 8))
"""The normal score of half the scale of a Rayleigh law: the speed after a collision."""


@dataclass(frozen=True, eq=False)
class Path:
    """Paths in a box, one position more than steps.

    Args:
        position: where the animals are, from the start on. Shape `(trial, point, 2)`, m.
        heading: which way they face after each step. Shape `(trial, time)`, rad.
    """

    position: Float[Tensor, "trial point 2"]
    heading: Float[Tensor, "trial time"]


class AbstractMotion(ABC):
    """A law of movement in a box. Motions are frozen dataclasses."""

    @abstractmethod
    def paths(
        self, n_trials: int, n_steps: int, *, box: tuple[float, float], dt: float, generator: torch.Generator
    ) -> Path:
        """Draw paths that never leave the box.

        Args:
            n_trials: how many.
            n_steps: steps of each; positions are one more.
            box: width and height, m; the box starts at (0, 0).
            dt: time step, ms.
            generator: where the numbers come from.

        Returns:
            The paths; starts and headings are even over the box and the circle.
        """


@dataclass(frozen=True)
class Foraging(AbstractMotion):
    r"""A rat that forages: smooth speed and turning, drawn to walls and pushed off them.

    Speed is a wandering value $z$ (variance 1, memory $\tau_v$) made Rayleigh through its distribution function, so its
    mean is $\sigma\sqrt{\pi/2}$; rotation $\omega$ is a wandering value of standard deviation `turning`:

    $$v = \sigma \sqrt{-2 \ln(1 - \Phi(z))}, \qquad \theta_{t+1} = \theta_t + \omega_t\,dt$$

    Within `reach` $d$ of a wall at distance $x$ the velocity is turned inwards by $3(1-h)^2\,v^2(d-x)/d^2$ and the
    position is shifted inwards by $6h^2\,v\,dt\,(1-\sqrt{1-(d-x)^2/d^2})$ ($h$ is `thigmotaxis`: at 0 the animal shuns
    walls, at 1 it follows them). A step that would cross a wall is reflected, and the speed starts anew from
    $\sigma/2$.

    Args:
        scale: $\sigma$ of the Rayleigh law of speed, m/s.
        memory: $\tau_v$, time over which the speed forgets itself, ms.
        turning: standard deviation of the rotation, degrees per second.
        turning_memory: time over which the rotation forgets itself, ms.
        thigmotaxis: $h$, in [0, 1].
        reach: $d$, distance within which walls act, m.
        repulsion: strength of that; 0 for none.

    Raises:
        ValueError: if a number is out of its range; the message names it.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import Foraging
        >>> Foraging().paths(4, 100, box=(1.0, 1.0), dt=20.0, generator=generator(0)).position.shape
        torch.Size([4, 101, 2])

    References:
        T. M. George et al. (2024), RatInABox, a toolkit for modelling locomotion and neuronal activity in continuous
        environments, doi:10.7554/eLife.85274.
    """

    scale: float = 0.08
    memory: float = 700.0
    turning: float = 120.0
    turning_memory: float = 80.0
    thigmotaxis: float = 0.5
    reach: float = 0.1
    repulsion: float = 1.0

    def __post_init__(self) -> None:
        for name in ("scale", "memory", "turning_memory", "reach"):
            _check.positive("Foraging", name, getattr(self, name))
        _check.not_negative("Foraging", "turning", self.turning)
        _check.not_negative("Foraging", "repulsion", self.repulsion)
        _check.fraction("Foraging", "thigmotaxis", self.thigmotaxis)

    def paths(
        self, n_trials: int, n_steps: int, *, box: tuple[float, float], dt: float, generator: torch.Generator
    ) -> Path:
        seconds = dt / SECOND
        keep = math.exp(-dt / self.memory)
        drawn = torch.randn(n_trials, n_steps, generator=generator)
        score = torch.randn(n_trials, generator=generator)
        rotation = wander(n_trials, n_steps, memory=self.turning_memory, dt=dt, generator=generator)
        rotation = rotation * math.radians(self.turning) * seconds
        size, position, heading = _beginning(n_trials, box, generator)
        path, headings = [position], []
        for step in range(n_steps):
            heading = heading + rotation[:, step]
            score = keep * score + math.sqrt(1 - keep**2) * drawn[:, step]
            # 1 - Phi(z) = Phi(-z), which keeps its digits in the upper tail.
            speed = self.scale * (-2 * normal_cdf(-score).log()).sqrt()[:, None]
            velocity = speed * torch.stack([heading.cos(), heading.sin()], dim=1)  # (trial, axis)
            push, shift = self._walls(position, size, speed, seconds)
            velocity = velocity + push
            reached = position + shift + seconds * velocity
            crossed = (reached < 0) | (reached > size)
            hit = crossed.any(dim=1, keepdim=True)
            velocity = torch.where(crossed, -velocity, velocity)
            slow = 0.5 * self.scale * velocity / velocity.norm(dim=1, keepdim=True).clamp(min=1e-12)
            reached = torch.where(hit, position + seconds * slow, reached)
            score = torch.where(hit[:, 0], AFTER_COLLISION, score)
            position = torch.minimum(reached.clamp(min=0.0), size)
            heading = torch.atan2(velocity[:, 1], velocity[:, 0])
            path.append(position)
            headings.append(heading)
        return Path(torch.stack(path, dim=1), torch.stack(headings, dim=1))

    def _walls(self, position: Tensor, size: Tensor, speed: Tensor, seconds: float) -> tuple[Tensor, Tensor]:
        """Return the velocity and the displacement that the walls add in this step, each `(trial, axis)`."""
        low = (1 - position / self.reach).clamp(min=0.0)  # how deep inside the wall's reach: 0 to 1
        high = (1 - (size - position) / self.reach).clamp(min=0.0)
        soft = 3 * (1 - self.thigmotaxis) ** 2 * self.repulsion * speed**2 / self.reach
        push = seconds * soft * (low - high)

        def conveyed(deep: Tensor) -> Tensor:
            return 1 - (1 - deep.square()).clamp(min=0.0).sqrt()

        firm = 6 * self.thigmotaxis**2 * self.repulsion * speed * seconds
        return push, firm * (conveyed(low) - conveyed(high))


@dataclass(frozen=True)
class Darting(AbstractMotion):
    r"""The movement that grid-cell networks are usually trained on: every step has a speed and a turn of its own.

    Speed is Rayleigh and heading a random walk. Within `reach` of a wall that the animal faces, it goes at a quarter of
    its speed and turns to run along the wall. The defaults are ten times as fast as a rat: mean speed 1.02 m/s.
    Each step is drawn afresh, so the statistics belong to the step: the turn of a step is `turning` times `dt`.

    With `pull` $k$ every step also goes $k\,(m - x)$ towards the middle $m$ of the box, whatever its length: the animal
    is biased to stay there.

    Args:
        scale: of the Rayleigh law of speed, m/s.
        turning: standard deviation of the turn in a step over the length of the step, rad/s.
        reach: distance within which a wall slows and turns the animal, m.
        pull: $k$, the fraction of the way to the middle that each step adds.

    Raises:
        ValueError: if a number is out of its range; the message names it.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import Darting
        >>> Darting().paths(4, 100, box=(2.2, 2.2), dt=20.0, generator=generator(0)).position.shape
        torch.Size([4, 101, 2])

    References:
        B. Sorscher et al. (2023), A unified theory for the computational and mechanistic origins of grid cells,
        doi:10.1016/j.neuron.2022.10.003. U. M. Erdem and M. Hasselmo (2012), A goal-directed spatial navigation model
        using forward trajectory planning based on grid cells, doi:10.1111/j.1460-9568.2012.08015.x. N. Krishna et al.
        (2025), Sufficient conditions for offline reactivation in recurrent neural networks,
        doi:10.48550/arXiv.2505.17003 (the pull).
    """

    scale: float = 0.26 * math.pi
    turning: float = 11.52
    reach: float = 0.03
    pull: float = 0.0

    def __post_init__(self) -> None:
        _check.fraction("Darting", "pull", self.pull)
        _check.positive("Darting", "scale", self.scale)
        _check.not_negative("Darting", "turning", self.turning)
        _check.not_negative("Darting", "reach", self.reach)

    def paths(
        self, n_trials: int, n_steps: int, *, box: tuple[float, float], dt: float, generator: torch.Generator
    ) -> Path:
        seconds = dt / SECOND
        uniform = torch.rand(n_trials, n_steps, generator=generator).clamp(max=1 - 1e-7)
        speed = self.scale * (-2 * torch.log1p(-uniform)).sqrt()
        turn = seconds * self.turning * torch.randn(n_trials, n_steps, generator=generator)
        size, position, heading = _beginning(n_trials, box, generator)
        path, headings = [position], []
        outward = torch.tensor(
            [math.pi, 0.0, -math.pi / 2, math.pi / 2]
        )  # angle into the low x, high x, low y, high y wall
        for step in range(n_steps):
            distance = torch.stack([position, size - position], dim=2).reshape(n_trials, 4)
            near, wall = distance.min(dim=1)
            facing = torch.remainder(heading - outward[wall] + math.pi, math.tau) - math.pi
            blocked = (near < self.reach) & (facing.abs() < math.pi / 2)
            along = torch.where(facing >= 0, math.pi / 2 - facing, -math.pi / 2 - facing)
            stride = seconds * torch.where(blocked, 0.25, 1.0) * speed[:, step]
            heading = heading + turn[:, step] + torch.where(blocked, along, 0.0)
            moved = stride[:, None] * torch.stack([heading.cos(), heading.sin()], dim=1)
            if self.pull:
                moved = moved + self.pull * (size / 2 - position)
            position = torch.minimum((position + moved).clamp(min=0.0), size)
            path.append(position)
            headings.append(heading)
        return Path(torch.stack(path, dim=1), torch.stack(headings, dim=1))


def _beginning(
    n_trials: int, box: tuple[float, float], generator: torch.Generator
) -> tuple[Float[Tensor, " 2"], Float[Tensor, "trial 2"], Float[Tensor, " trial"]]:
    """Return the box's size and draw starts and headings."""
    size = torch.tensor(box)
    position = size * torch.rand(n_trials, 2, generator=generator)
    return size, position, math.tau * torch.rand(n_trials, generator=generator) - math.pi
