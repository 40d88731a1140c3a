"""Walls: arenas as straight segments, a batch of them, and what can be asked of a position among them."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FAR = 1e6
"""Where walls that only fill up a batch lie, m: no animal gets there."""


@dataclass(frozen=True, eq=False)
class Walls:
    """The walls of a batch of arenas, one arena a row.

    The outer walls run counter-clockwise around each arena, so that its inside lies to their left; inner walls have two
    sides. All methods broadcast: positions of shape `(arena, point, 2)` need `walls.each()`.

    Args:
        starts: where each wall starts. Shape `(*arena, wall, 2)`, m.
        ends: where it ends. Shape `(*arena, wall, 2)`, m.
        inner: which walls stand inside. Shape `(*arena, wall)`.
        landmarks: what can be seen from afar. Shape `(*arena, landmark, 2)`, m.
    """

    starts: Float[Tensor, "*arena wall 2"]
    ends: Float[Tensor, "*arena wall 2"]
    inner: Bool[Tensor, "*arena wall"]
    landmarks: Float[Tensor, "*arena landmark 2"]
    _frame: tuple[Tensor, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        (ax, ay), (bx, by) = self.starts.unbind(-1), self.ends.unbind(-1)
        length = torch.hypot(bx - ax, by - ay)
        # What fills up a batch has no length; any direction will do, so that it stays far away.
        safe = torch.where(length > 0, length, 1.0)
        ux, uy = torch.where(length > 0, (bx - ax) / safe, 1.0), (by - ay) / safe
        frame = (ux, uy, -(ax * ux + ay * uy), ax * uy - ay * ux, length, torch.atan2(ux, -uy))
        object.__setattr__(self, "_frame", frame)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.starts, self.ends, self.inner, self.landmarks

    @property
    def normals(self) -> Float[Tensor, "*arena wall"]:
        """The angle of the normal to the left of each wall, rad."""
        return self._frame[-1]

    def centroid(self) -> Float[Tensor, "*arena 2"]:
        """Return the centre of mass of each arena, m."""
        outer = (~self.inner).to(self.starts)
        (x0, y0), (x1, y1) = self.starts.unbind(-1), self.ends.unbind(-1)
        cross = outer * (x0 * y1 - x1 * y0)
        moment = torch.stack([((x0 + x1) * cross).sum(-1), ((y0 + y1) * cross).sum(-1)], dim=-1)
        return moment / (3 * cross.sum(-1, keepdim=True))

    def of(self, index: Int[Tensor, "*trial"]) -> "Walls":
        """Return the arenas at `index`, one a trial."""
        return Walls(*(part[index] for part in self._parts))

    def each(self) -> "Walls":
        """Return the same arenas with an axis more, for many points in each."""
        starts, ends, landmarks = (part.unsqueeze(-3) for part in (self.starts, self.ends, self.landmarks))
        return Walls(starts, ends, self.inner.unsqueeze(-2), landmarks)

    def flat(self, shape: tuple[int, int]) -> "Walls":
        """Return arenas of shape `(trial, point)`, one a row; those of `each()` are repeated for every point."""
        parts = (part.expand(*shape, *part.shape[2:]).flatten(0, 1) for part in self._parts)
        return Walls(*parts)

    def picked(self, index: Int[Tensor, "trial point"]) -> "Walls":
        """Return, of arenas of shape `(trial, point)`, those at `index` of each trial."""
        trial = torch.arange(len(index))[:, None]
        return Walls(*(part[trial, index] for part in self._parts))

    def seen_from(self, position: Float[Tensor, "*shape 2"]) -> tuple[Tensor, Tensor]:
        """Return how far along each wall a position lies, and how far to its left, m. Shapes `(*shape, wall)`."""
        ux, uy, along, left, _, _ = self._frame
        x, y = position[..., 0, None], position[..., 1, None]
        return torch.addcmul(torch.addcmul(along, ux, x), uy, y), torch.addcmul(torch.addcmul(left, -uy, x), ux, y)

    def distance(self, position: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape"]:
        """Return how far the nearest wall is, m."""
        return self.squared_distances(*self.seen_from(position)).amin(-1).sqrt()

    def nearest(self, position: Float[Tensor, "*shape 2"]) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
        """Return how far the nearest wall is (m), and the angle of its normal on the animal's side (rad)."""
        along, left = self.seen_from(position)
        distance, wall = self.squared_distances(along, left).min(dim=-1, keepdim=True)
        normal = self._frame[-1].expand(left.shape).gather(-1, wall)
        if bool(self.inner.any()):
            behind = self.inner.expand(left.shape).gather(-1, wall) & (left.gather(-1, wall) < 0)
            normal = torch.where(behind, normal + math.pi, normal)
        return distance.squeeze(-1).sqrt(), normal.squeeze(-1)

    def inside(self, position: Float[Tensor, "*shape 2"]) -> Bool[Tensor, "*shape"]:
        """Return which positions lie inside the outer walls: a ray from there crosses an odd number of them."""
        x, y = position[..., 0, None], position[..., 1, None]
        (x0, y0), (x1, y1) = self.starts.unbind(-1), self.ends.unbind(-1)
        slope = (x1 - x0) / torch.where(y1 == y0, 1.0, y1 - y0)
        level = ((y0 > y) != (y1 > y)) & ~self.inner
        return (level & (x < torch.addcmul(x0 - y0 * slope, slope, y))).sum(-1) % 2 == 1

    def crossed(self, here: Float[Tensor, "*shape 2"], there: Float[Tensor, "*shape 2"]) -> Bool[Tensor, "*shape"]:
        """Return whether a straight step from `here` to `there` goes through a wall, or ends on one."""
        return self._between(self.seen_from(here), self.seen_from(there))

    def free(
        self, here: Float[Tensor, "*shape 2"], there: Float[Tensor, "*shape 2"], margin: float
    ) -> Bool[Tensor, "*shape"]:
        """Return whether a step goes through no wall and ends no closer than `margin` (m) to one."""
        end = self.seen_from(there)
        return (self.squared_distances(*end).amin(-1) >= margin**2) & ~self._between(self.seen_from(here), end)

    def squared_distances(self, along: Tensor, left: Tensor) -> Float[Tensor, "*shape wall"]:
        """Return how far each wall is, m^2, from what `seen_from` gave."""
        length = self._frame[4]
        past = along - torch.clamp(along, min=torch.zeros_like(length), max=length)
        return torch.addcmul(past.square(), left, left)

    def _between(self, here: tuple[Tensor, Tensor], there: tuple[Tensor, Tensor]) -> Tensor:
        (along, left), (along_end, left_end) = here, there
        # Where the step meets the line of the wall; a step along that very line (0 / 0) does not go through it.
        at = torch.lerp(along, along_end, left / (left - left_end))
        return ((left * left_end <= 0) & (at >= 0) & (at <= self._frame[4])).any(-1)


def walls_of(rings: list[Tensor], inner: list[Tensor], landmarks: list[Tensor]) -> Walls:
    """Return arenas of different shapes as one batch.

    Args:
        rings: the corners of each arena, in order. Shapes `(corner, 2)`, m; clockwise ones are turned round.
        inner: its inner walls. Shapes `(wall, 2, 2)`, m.
        landmarks: its landmarks. Shapes `(landmark, 2)`, m; the same number in each.
    """
    rings = [ring if _area(ring) > 0 else ring.flip(0) for ring in rings]
    starts = [torch.cat([ring, wall[:, 0]]) for ring, wall in zip(rings, inner, strict=True)]
    ends = [torch.cat([ring.roll(-1, 0), wall[:, 1]]) for ring, wall in zip(rings, inner, strict=True)]
    most = max(map(len, starts))

    def filled(parts: list[Tensor]) -> Tensor:
        return torch.stack([torch.cat([p, p.new_full((most - len(p), 2), FAR)]) for p in parts])

    inside = torch.stack([torch.arange(most) >= len(ring) for ring in rings])
    return Walls(filled(starts), filled(ends), inside, torch.stack(landmarks))


def _area(ring: Float[Tensor, "corner 2"]) -> float:
    """Return the signed area of a polygon, m^2: above 0 where the corners run counter-clockwise."""
    x, y = ring.double().unbind(1)
    return float((x * y.roll(-1) - x.roll(-1) * y).sum() / 2)
