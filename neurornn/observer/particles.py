"""The particle filter: many places in mind at once, each weighted by what the sensors say."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from neurornn import _check
from neurornn.observer.base import AbstractObserver, Located
from neurornn.task.navigation import Navigation, Start
from neurornn.task.sensors import Readings, Sensors
from neurornn.task.walls import Walls
from neurornn.trials import Trials

BLOCK = 32
"""Trials that are filtered at once, so that their particles stay in the processor's cache."""

OUTSIDE = -8.0
"""Log-likelihood of a particle where no animal can be."""

UNTOUCHED = -4.0
"""Log-likelihood of no touch for a particle whose wall is within reach."""


@dataclass(frozen=True)
class ParticleFilter(AbstractObserver):
    r"""A bootstrap particle filter: as good as can be with enough particles, up to what its noise model leaves out.

    Each particle is a position (and, untold, an arena). At every step it draws a heading $\tilde\theta +
    \sigma_\theta\eta$ and a length $\tilde s / (1 + \sigma_s\eta)$, goes there, and is weighted:

    - outside the arena, or through an inner wall: $e^{-8}$;
    - at a contact: a Gaussian in the distance of its own nearest wall (with `slack` for the particles' coarseness), and
      one in the angle of that wall's normal from its own heading;
    - **without one, although its wall is within reach**: $e^{-4}$. No touch is evidence, too;
    - for each landmark: Gaussians in distance and angle where one was seen.

    Where the effective number of particles falls below half, they are drawn anew (systematic resampling, with
    `jitter`). The answer is their weighted mean.

    Args:
        n_particles: how many in each trial.
        told: whether it is told where the trial begins, even if the network is not.
        told_arena: whether it knows the arena of each trial. Without, each particle also bets on one of the arenas.
        slack: standard deviation added to that of the felt distance, m.
        jitter: standard deviation of the noise on particles drawn anew, m.
        progress: whether to show a progress bar.

    Raises:
        ValueError: if a number is out of its range; or if it shall tell arenas apart and every trial has a new one.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.observer import ParticleFilter
        >>> from neurornn.task import Navigation
        >>> task = Navigation(duration=20_000.0)
        >>> trials = task.sample(32, generator=generator(0))
        >>> error = ParticleFilter(200).locate(task, trials, generator=generator(1)).errors(trials).mean(0)
        >>> bool(error[-1] < error[0])
        True

    References:
        N. J. Gordon, D. J. Salmond and A. F. M. Smith (1993), Novel approach to nonlinear/non-Gaussian Bayesian state
        estimation, doi:10.1049/ip-f-2.1993.0015. S. Thrun, W. Burgard and D. Fox (2005), Probabilistic Robotics.
    """

    n_particles: int = 1000
    told: bool = False
    told_arena: bool = True
    slack: float = 0.01
    jitter: float = 0.005
    progress: bool = False

    def __post_init__(self) -> None:
        _check.count("ParticleFilter", "n_particles", self.n_particles, least=2)
        _check.not_negative("ParticleFilter", "slack", self.slack)
        _check.not_negative("ParticleFilter", "jitter", self.jitter)

    @torch.no_grad()
    def locate(self, task: Navigation, trials: Trials, *, generator: torch.Generator) -> Located:
        positions, arenas = [], []
        blocks = range(0, trials.n_trials, BLOCK)
        for first in tqdm(blocks, desc="particle filter", unit="block", disable=not self.progress):
            part = trials.select(slice(first, first + BLOCK))
            steps = [(cloud.mean, cloud.bets) for cloud in self.clouds(task, part, generator=generator)]
            positions.append(torch.stack([mean for mean, _ in steps], dim=1))
            arenas.append(torch.stack([bets for _, bets in steps], dim=1))
        return Located(torch.cat(positions), None if self.told_arena else torch.cat(arenas))

    def clouds(self, task: Navigation, trials: Trials, *, generator: torch.Generator) -> Iterator["Cloud"]:
        """Give the particles of all trials after each step, one step after the other."""
        if not self.told_arena and task.arenas.n_arenas < 1:
            fix = "Every trial has a new arena here: set told_arena=True."
            _check.fail("ParticleFilter", "told_arena", "True with these arenas", False, fix)
        readings = task.sensors.read(trials.inputs, task.motion.stride)
        cloud = self._first(task, trials, generator)
        for t in range(trials.n_steps):
            cloud = self._moved(cloud, task.sensors, readings, t, generator)
            yield cloud
            cloud = self._renewed(cloud, generator)

    def _first(self, task: Navigation, trials: Trials, generator: torch.Generator) -> "Cloud":
        """Return the particles before the first step: where the trial begins, or all over the arena."""
        shape = (trials.n_trials, self.n_particles)
        n_arenas = max(task.arenas.n_arenas, 1)
        if self.told_arena:
            walls, arena = task.walls(trials).each(), torch.zeros(shape, dtype=torch.long)
        else:
            arena = torch.randint(n_arenas, shape, generator=generator)
            walls = task.arenas.all().of(arena)
        if self.told or task.start is not Start.UNKNOWN:
            begun = torch.tensor(trials.conditions[["start_x", "start_y"]].to_numpy()).to(trials.inputs)
            position = begun[:, None].expand(*shape, 2)
        else:
            position = task.motion.starts(walls.flat(shape), generator=generator).reshape(*shape, 2)
        return Cloud(position, torch.full(shape, 1 / self.n_particles), arena, walls, n_arenas)

    def _moved(
        self, cloud: "Cloud", sensors: Sensors, readings: Readings, t: int, generator: torch.Generator
    ) -> "Cloud":
        """Return the particles after a step, weighted by what was felt."""
        noise = torch.randn(2, *cloud.weights.shape, generator=generator)
        heading = readings.heading[:, t, None] + sensors.heading_noise * noise[0]
        # An animal that did not move did not feel which way it faces.
        anywhere = math.pi * noise[0].erf() if not bool(readings.moved[:, t].all()) else heading
        heading = torch.where(readings.moved[:, t, None], heading, anywhere)
        length = readings.stride[:, t, None] / (1 + sensors.speed_noise * noise[1]).clamp(min=0.3)
        position = cloud.position + length[..., None] * torch.stack([heading.cos(), heading.sin()], dim=-1)
        distance, normal = cloud.walls.nearest(position)
        told = self._touch(sensors, readings, t, distance, normal - heading)
        barred = ~cloud.walls.inside(position)
        if bool(cloud.walls.inner.any()):
            barred |= cloud.walls.crossed(cloud.position, position)
        told = told + OUTSIDE * barred
        for i in range(readings.seen.shape[-1]):
            told = told + self._sight(sensors, readings, t, i, cloud.walls.landmarks[..., i, :] - position, heading)
        weights = (cloud.weights.log() + told).softmax(dim=1)
        return replace(cloud, position=position, weights=weights)

    def _touch(self, sensors: Sensors, readings: Readings, t: int, distance: Tensor, angle: Tensor) -> Tensor:
        """Return the log-likelihood of a touch, or of none, for particles so far from their nearest wall."""
        if not sensors.touch:
            return torch.zeros_like(distance)
        contact, felt = readings.contact[:, t, None], readings.distance[:, t, None]
        spread = sensors.distance_noise**2 + self.slack**2
        apart = torch.remainder(readings.angle[:, t, None] - angle + math.pi, math.tau) - math.pi
        touched = -((felt - distance).square() / spread + apart.square() / sensors.angle_noise**2) / 2
        return torch.where(contact, touched, UNTOUCHED * (distance < sensors.reach))

    def _sight(self, sensors: Sensors, readings: Readings, t: int, i: int, away: Tensor, heading: Tensor) -> Tensor:
        """Return the log-likelihood of how a landmark was seen, 0 where it was not."""
        far = away.norm(dim=-1)
        side = torch.atan2(away[..., 1], away[..., 0]) - heading
        apart = torch.remainder(readings.side[:, t, None, i] - side + math.pi, math.tau) - math.pi
        spread = (sensors.distance_noise / sensors.reach * far).square() + self.slack**2
        off = (readings.far[:, t, None, i] - far).square() / spread + spread.log()
        return torch.where(readings.seen[:, t, None, i], -(off + apart.square() / sensors.angle_noise**2) / 2, 0.0)

    def _renewed(self, cloud: "Cloud", generator: torch.Generator) -> "Cloud":
        """Return the particles drawn anew in trials in which few of them still carry weight."""
        poor = 1 / cloud.weights.square().sum(dim=1) < self.n_particles / 2
        if not bool(poor.any()):
            return cloud
        n, shape = self.n_particles, cloud.weights.shape
        comb = (torch.arange(n) + torch.rand(shape[0], 1, generator=generator)) / n
        index = torch.searchsorted(cloud.weights.cumsum(dim=1), comb).clamp(max=n - 1)
        index = torch.where(poor[:, None], index, torch.arange(n))
        position = cloud.position.gather(1, index[..., None].expand(*shape, 2))
        moved = position + self.jitter * torch.randn(position.shape, generator=generator)
        position = torch.where(poor[:, None, None], moved, position)
        weights = torch.where(poor[:, None], 1 / n, cloud.weights)
        arena = cloud.arena.gather(1, index)
        walls = cloud.walls if self.told_arena else cloud.walls.picked(index)
        return replace(cloud, position=position, weights=weights, arena=arena, walls=walls)


@dataclass(frozen=True, eq=False)
class Cloud:
    """The particles of many trials after one step.

    Args:
        position: of each, m.
        weights: how probable each is; they sum to 1.
        arena: which arena each bets on.
        walls: that arena.
        n_arenas: how many there are.
    """

    position: Float[Tensor, "trial particle 2"]
    weights: Float[Tensor, "trial particle"]
    arena: Int[Tensor, "trial particle"]
    walls: Walls
    n_arenas: int

    @property
    def mean(self) -> Float[Tensor, "trial 2"]:
        """The weighted mean position, m."""
        return (self.weights[..., None] * self.position).sum(dim=1)

    @property
    def bets(self) -> Float[Tensor, "trial arena"]:
        """How probable each arena is."""
        return self.weights.new_zeros(len(self.weights), self.n_arenas).scatter_add(1, self.arena, self.weights)
