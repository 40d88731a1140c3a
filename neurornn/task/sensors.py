"""Sensors: what an animal among walls knows of its own movement and of what is near, with noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurornn import _check
from neurornn.task.motion import Path
from neurornn.task.walls import Walls


@dataclass(frozen=True)
class Sensors:
    r"""Noisy self-motion, touch of the nearest wall, and sight of landmarks.

    At every step with length $s$ and heading $\theta$ the animal feels

    $$\tilde s = s\,(1 + \sigma_s \eta), \qquad \tilde\theta = \theta + \sigma_\theta \eta$$

    and, where the nearest wall is closer than `reach`, its distance and the angle of its normal from the heading:
    $\tilde d = d + \sigma_d \eta$ and $\tilde\beta = \beta + \sigma_\beta \eta$. A landmark within `view`, with no wall
    between, shows its distance and its angle from the heading with noise of the same two sizes (the distance's grows in
    proportion, $\sigma_d\, d / $ `reach`).

    Channels: $\tilde s \cos\tilde\theta$, $\tilde s \sin\tilde\theta$, contact (0 or 1), $\tilde d$ over `reach`,
    $\cos\tilde\beta$, $\sin\tilde\beta$, $\tilde s$; then for each landmark seen (0 or 1), distance over `view`, cosine
    and sine of its angle. Lengths $\tilde s$ are over the stride. What is not felt is 0.

    The heading is that of a compass, so that the direction of a wall can be told. And even without touch, movement
    gives the position away a little: an animal turns where a wall is.

    Args:
        speed_noise: $\sigma_s$, as a fraction of the step.
        heading_noise: $\sigma_\theta$, rad.
        reach: how near a wall must be to be felt, m.
        distance_noise: $\sigma_d$, m.
        angle_noise: $\sigma_\beta$, rad.
        view: how near a landmark must be to be seen, m.
        touch: whether walls are felt at all. Without, the channels stay and are 0.

    Raises:
        ValueError: if a number is out of its range; the message names it.

    References:
        Which senses: I. Kanitscheider and I. Fiete (2017), doi:10.48550/arXiv.1609.09059. Their sizes are ours.
    """

    speed_noise: float = 0.3
    heading_noise: float = 0.4
    reach: float = 0.1
    distance_noise: float = 0.02
    angle_noise: float = 0.2
    view: float = 1.0
    touch: bool = True

    def __post_init__(self) -> None:
        for name in ("speed_noise", "heading_noise", "distance_noise", "angle_noise"):
            _check.not_negative("Sensors", name, getattr(self, name))
        for name in ("reach", "view"):
            _check.positive("Sensors", name, getattr(self, name))

    def n_channels(self, n_landmarks: int) -> int:
        """Return how many channels there are with so many landmarks."""
        return 7 + 4 * n_landmarks

    def sense(
        self, path: Path, walls: Walls, stride: float, *, generator: torch.Generator
    ) -> Float[Tensor, "trial time channel"]:
        """Return what is felt at the end of each step of a path."""
        position, heading = path.position[:, 1:], path.heading
        n_trials, n_steps = heading.shape
        n_landmarks = walls.landmarks.shape[-2]
        noise = torch.randn(4 + 2 * n_landmarks, n_trials, n_steps, generator=generator)
        length = path.position.diff(dim=1).norm(dim=2)
        felt = length * (1 + self.speed_noise * noise[0]) / stride
        turned = heading + self.heading_noise * noise[1]
        each = walls.each()
        distance, normal = each.nearest(position)
        contact = ((distance < self.reach) & self.touch).to(felt)
        near = (distance + self.distance_noise * noise[2]) / self.reach
        angle = normal - heading + self.angle_noise * noise[3]
        channels = [felt * turned.cos(), felt * turned.sin()]
        channels += [contact, contact * near, contact * angle.cos(), contact * angle.sin(), felt]
        for i in range(n_landmarks):
            away = each.landmarks[..., i, :] - position
            seen = self._seen(each, position, away).to(felt)
            far = away.norm(dim=-1)
            shown = far * (1 + self.distance_noise / self.reach * noise[4 + 2 * i]) / self.view
            side = torch.atan2(away[..., 1], away[..., 0]) - heading + self.angle_noise * noise[5 + 2 * i]
            channels += [seen, seen * shown, seen * side.cos(), seen * side.sin()]
        return torch.stack(channels, dim=2)

    def _seen(self, walls: Walls, position: Tensor, away: Tensor) -> Bool[Tensor, "trial time"]:
        # A card on a wall is not hidden by that wall: the line of sight stops just before it.
        return (away.norm(dim=-1) < self.view) & ~walls.crossed(position, position + 0.98 * away)

    def read(self, inputs: Float[Tensor, "trial time channel"], stride: float) -> "Readings":
        """Return the readings behind input channels, in their own units: all that an ideal observer may know."""
        felt = inputs[..., 6]
        sign = torch.where(felt < 0, -1.0, 1.0)
        n_landmarks = (inputs.shape[-1] - 7) // 4
        landmarks = inputs[..., 7:].reshape(*felt.shape, n_landmarks, 4)
        return Readings(
            stride=felt * stride,
            heading=torch.atan2(sign * inputs[..., 1], sign * inputs[..., 0]),
            moved=felt.abs() > 1e-6,
            contact=inputs[..., 2] > 0.5,
            distance=inputs[..., 3] * self.reach,
            angle=torch.atan2(inputs[..., 5], inputs[..., 4]),
            seen=landmarks[..., 0] > 0.5,
            far=landmarks[..., 1] * self.view,
            side=torch.atan2(landmarks[..., 3], landmarks[..., 2]),
        )


@dataclass(frozen=True, eq=False)
class Readings:
    """What sensors told, step by step, in m and rad.

    Args:
        stride: felt length of the step, m.
        heading: felt heading; without meaning where the animal did not move, rad.
        moved: whether it moved.
        contact: whether a wall was felt.
        distance: felt distance of that wall, m.
        angle: felt angle of its normal from the heading, rad.
        seen: which landmarks were seen. Shape `(trial, time, landmark)`.
        far: how far each, m.
        side: where each from the heading, rad.
    """

    stride: Float[Tensor, "trial time"]
    heading: Float[Tensor, "trial time"]
    moved: Bool[Tensor, "trial time"]
    contact: Bool[Tensor, "trial time"]
    distance: Float[Tensor, "trial time"]
    angle: Float[Tensor, "trial time"]
    seen: Bool[Tensor, "trial time landmark"]
    far: Float[Tensor, "trial time landmark"]
    side: Float[Tensor, "trial time landmark"]
