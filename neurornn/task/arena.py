"""Arenas: polygons with inner walls and landmarks, given one by one or drawn from a law."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from neurornn import _check
from neurornn._types import generator as stream
from neurornn.task.code import Extent
from neurornn.task.walls import Walls, walls_of

Point = tuple[float, float]
"""x and y, m."""


@dataclass(frozen=True)
class Arena:
    """A polygon that an animal walks in.

    Args:
        corners: in order around the arena, three or more, m.
        walls: inner walls, each from one point to another, m.
        landmarks: points that can be seen from afar, m.

    Raises:
        ValueError: if the corners make no polygon.

    Example:
        >>> from neurornn.task import Arena
        >>> Arena(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), walls=(((0.5, 0.0), (0.5, 0.6)),)).extent
        ((0.0, 1.0), (0.0, 1.0))
    """

    corners: tuple[Point, ...]
    walls: tuple[tuple[Point, Point], ...] = ()
    landmarks: tuple[Point, ...] = ()

    def __post_init__(self) -> None:
        if len(self.corners) < 3 or len(set(self.corners)) < len(self.corners):
            _check.fail("Arena", "corners", "three or more different points", self.corners)
        flat = [value for point in (*self.corners, *self.landmarks) for value in point]
        if not all(map(math.isfinite, flat)):
            _check.fail("Arena", "corners", "finite", self.corners)

    @property
    def extent(self) -> Extent:
        """The smallest box around it, m."""
        return tuple((min(axis), max(axis)) for axis in zip(*self.corners, strict=True))


class AbstractArenas(ABC):
    """Which arenas trials take place in. Laws of arenas are frozen dataclasses.

    Attributes:
        n_arenas: how many there are; 0 where every trial has a new one.
        n_landmarks: landmarks in each.
        extent: a box that holds them all, m.
    """

    @property
    @abstractmethod
    def n_arenas(self) -> int:
        """How many arenas there are; 0 where every trial has a new one."""

    @property
    @abstractmethod
    def n_landmarks(self) -> int:
        """Landmarks in each arena."""

    @property
    @abstractmethod
    def extent(self) -> Extent:
        """A box that holds every arena, m."""

    @abstractmethod
    def draw(self, n_trials: int, *, generator: torch.Generator) -> pd.DataFrame:
        """Return the arena of each trial, as columns from which `walls` can build it again."""

    @abstractmethod
    def walls(self, chosen: pd.DataFrame) -> Walls:
        """Return the arena of each row of what `draw` gave."""

    @abstractmethod
    def all(self) -> Walls:
        """Return every arena there is, in order.

        Raises:
            ValueError: if every trial has a new one.
        """


@dataclass(frozen=True)
class GivenArenas(AbstractArenas):
    """Arenas that are given one by one; each trial takes place in any of them.

    Args:
        arenas: one or more, each with the same number of landmarks.

    Raises:
        ValueError: if there is none, or their landmarks differ in number.

    Example:
        >>> from neurornn.task import Arena, GivenArenas
        >>> GivenArenas((Arena(((0.0, 0.0), (1.0, 0.0), (0.5, 1.0))),)).n_arenas
        1
    """

    arenas: tuple[Arena, ...]

    def __post_init__(self) -> None:
        if not self.arenas:
            _check.fail("GivenArenas", "arenas", "one arena or more", self.arenas)
        landmarks = [len(arena.landmarks) for arena in self.arenas]
        if len(set(landmarks)) > 1:
            must = "arenas with the same number of landmarks"
            _check.fail("GivenArenas", "arenas", must, landmarks, "Inputs must mean the same in all of them.")

    @property
    def n_arenas(self) -> int:
        return len(self.arenas)

    @property
    def n_landmarks(self) -> int:
        return len(self.arenas[0].landmarks)

    @property
    def extent(self) -> Extent:
        sides = zip(*(arena.extent for arena in self.arenas), strict=True)
        return tuple((min(low for low, _ in side), max(high for _, high in side)) for side in sides)

    def draw(self, n_trials: int, *, generator: torch.Generator) -> pd.DataFrame:
        return _any_of(self.n_arenas, n_trials, generator)

    def walls(self, chosen: pd.DataFrame) -> Walls:
        return self.all().of(torch.tensor(chosen["arena"].to_numpy()))

    def all(self) -> Walls:
        return walls_of(
            [torch.tensor(arena.corners) for arena in self.arenas],
            [torch.tensor(arena.walls).reshape(-1, 2, 2) for arena in self.arenas],
            [torch.tensor(arena.landmarks).reshape(-1, 2) for arena in self.arenas],
        )


@dataclass(frozen=True)
class StarArenas(AbstractArenas):
    r"""Random polygons about the origin, star-shaped: every corner can be seen from the middle.

    $$c_k = \rho_k (\cos \tfrac{2\pi k}{K}, \sin \tfrac{2\pi k}{K}), \qquad \rho_k \sim U(r_{min}, r_{max})$$

    Args:
        n: how many; 0 for a new one in every trial.
        n_corners: $K$.
        radii: $r_{min}$ and $r_{max}$, m. The closer they are, the more alike are the arenas.
        landmarks: cue cards on the walls of each, at random places.
        seed: of the arenas, where there is a set of them.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> from neurornn.task import StarArenas
        >>> StarArenas(5, radii=(0.35, 1.2)).all().starts.shape
        torch.Size([5, 10, 2])

    References:
        I. Kanitscheider and I. Fiete (2017), Training recurrent networks to generate hypotheses about how the brain
        solves hard navigation problems, doi:10.48550/arXiv.1609.09059 (random polygons; these numbers are ours).
    """

    n: int = 1
    n_corners: int = 10
    radii: tuple[float, float] = (0.6, 1.0)
    landmarks: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        _check.count("StarArenas", "n", self.n, least=0)
        _check.count("StarArenas", "n_corners", self.n_corners, least=3)
        _check.count("StarArenas", "landmarks", self.landmarks, least=0)
        low, high = self.radii
        if not 0 < low <= high:
            _check.fail("StarArenas", "radii", "two lengths above 0, the smaller first (m)", self.radii)

    @property
    def n_arenas(self) -> int:
        return self.n

    @property
    def n_landmarks(self) -> int:
        return self.landmarks

    @property
    def extent(self) -> Extent:
        return ((-self.radii[1], self.radii[1]),) * 2

    def draw(self, n_trials: int, *, generator: torch.Generator) -> pd.DataFrame:
        if self.n:
            return _any_of(self.n, n_trials, generator)
        numbers = self._numbers(n_trials, generator)
        table = pd.DataFrame(numbers.double().numpy(), columns=self._columns)
        table.insert(0, "arena", -1)
        return table

    def walls(self, chosen: pd.DataFrame) -> Walls:
        if self.n:
            return self.all().of(torch.tensor(chosen["arena"].to_numpy()))
        return self._built(torch.tensor(chosen[self._columns].to_numpy(), dtype=torch.get_default_dtype()))

    def all(self) -> Walls:
        if not self.n:
            _check.fail("StarArenas.all", "n", "above 0", 0, "Every trial has an arena of its own: see `walls`.")
        return self._built(self._numbers(self.n, stream(self.seed)))

    @property
    def _columns(self) -> list[str]:
        return [f"radius_{k}" for k in range(self.n_corners)] + [f"landmark_{k}" for k in range(self.landmarks)]

    def _numbers(self, n_arenas: int, generator: torch.Generator) -> Tensor:
        """Draw the radii of the corners (m), and how far around the walls each landmark lies (0 to 1)."""
        low, high = self.radii
        drawn = torch.rand(n_arenas, self.n_corners + self.landmarks, generator=generator)
        return torch.cat([low + (high - low) * drawn[:, : self.n_corners], drawn[:, self.n_corners :]], dim=1)

    def _built(self, numbers: Tensor) -> Walls:
        radii, around = numbers.split([self.n_corners, self.landmarks], dim=1)
        angle = math.tau * torch.arange(self.n_corners, dtype=numbers.dtype) / self.n_corners
        starts = radii[..., None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
        ends = starts.roll(-1, dims=1)
        wall = (around * self.n_corners).long()
        part = (around * self.n_corners - wall)[..., None]
        at = wall[..., None].expand(-1, -1, 2)
        landmarks = torch.lerp(starts.gather(1, at), ends.gather(1, at), part)
        return Walls(starts, ends, torch.zeros(radii.shape, dtype=torch.bool), landmarks)


def _any_of(n_arenas: int, n_trials: int, generator: torch.Generator) -> pd.DataFrame:
    index: Int[Tensor, " trial"] = torch.randint(n_arenas, (n_trials,), generator=generator)
    return pd.DataFrame({"arena": index.numpy()})
