"""One guess at a time: dead reckoning that is put right at whichever wall a touch seems to come from."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from neurornn import _check
from neurornn.observer.base import AbstractObserver, Located, begun
from neurornn.task.navigation import Navigation
from neurornn.task.sensors import Readings
from neurornn.task.walls import Walls
from neurornn.trials import Trials


@dataclass(frozen=True)
class SingleHypothesis(AbstractObserver):
    r"""Path integration with one position in mind, which every contact corrects.

    At a contact it takes the wall whose normal agrees best with the felt angle and whose distance from its present
    guess with the felt distance,

    $$\arg\min_k \frac{(\tilde\theta + \tilde\beta - \nu_k)^2}{2(\sigma_\theta^2 + \sigma_\beta^2)} +
      \frac{(d_k - \tilde d)^2}{2\,\text{trust}^2}$$

    and moves `gain` of what is missing along that normal. It cannot hold two walls in mind, so it errs where they look
    alike: what an animal gains from keeping several hypotheses is its distance to the `ParticleFilter`.

    Args:
        told: whether it is told where the trial begins, even if the network is not.
        trust: how far its guess may be off, m.
        gain: how much of the difference it corrects, in [0, 1].

    Raises:
        ValueError: if a number is out of its range; the message names it.
    """

    told: bool = False
    trust: float = 0.3
    gain: float = 0.7

    def __post_init__(self) -> None:
        _check.positive("SingleHypothesis", "trust", self.trust)
        _check.fraction("SingleHypothesis", "gain", self.gain)

    def locate(self, task: Navigation, trials: Trials, *, generator: torch.Generator) -> Located:
        walls = task.walls(trials)
        readings = task.sensors.read(trials.inputs, task.motion.stride)
        moved = task.motion.stride * trials.inputs[..., :2]
        variance = task.sensors.heading_noise**2 + task.sensors.angle_noise**2
        position, found = begun(task, trials, walls, told=self.told), []
        for t in range(trials.n_steps):
            position = position + moved[:, t]
            position = position + self._correction(walls, position, readings, t, max(variance, 1e-6))
            found.append(position)
        return Located(torch.stack(found, dim=1))

    def _correction(self, walls: Walls, position: Tensor, readings: Readings, t: int, variance: float) -> Tensor:
        along, left = walls.seen_from(position)
        side = torch.where(walls.inner & (left < 0), -1.0, 1.0)  # an inner wall may be touched from its right
        normal = walls.normals + torch.where(side < 0, math.pi, 0.0)
        felt = (readings.heading[:, t] + readings.angle[:, t])[:, None]
        apart = torch.remainder(felt - normal + math.pi, math.tau) - math.pi
        missing = readings.distance[:, t, None] - side * left
        far = walls.squared_distances(along, left).sqrt() - readings.distance[:, t, None]
        wall = (apart.square() / variance + far.square() / self.trust**2).argmin(dim=1, keepdim=True)
        push = self.gain * missing.gather(1, wall) * readings.contact[:, t, None]
        angle = normal.gather(1, wall)
        return push * torch.cat([angle.cos(), angle.sin()], dim=1)
