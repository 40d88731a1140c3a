"""Navigation among walls: where one is, from noisy self-motion and a touch of a wall now and then."""

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from neurornn import _check
from neurornn.task.arena import AbstractArenas, StarArenas
from neurornn.task.base import AbstractTask
from neurornn.task.code import AbstractCode, Cartesian
from neurornn.task.motion import Path
from neurornn.task.roaming import Roaming
from neurornn.task.sensors import Sensors
from neurornn.task.walls import Walls
from neurornn.trials import Trials


class Start(Enum):
    """Where a trial begins, and whether the network is told."""

    UNKNOWN = "unknown"
    """Anywhere in the arena, and it is not told."""

    TOLD = "told"
    """Anywhere in the arena; it is told x and y, through its encoder."""

    ORIGIN = "origin"
    """Always at (0, 0), which it learns."""


@dataclass(frozen=True)
class Navigation(AbstractTask):
    r"""Say where you are, and perhaps in which arena, while you roam between walls that you only feel when you touch.

    - One arena that is always the same, start unknown: find yourself, then keep track (a familiar arena).
    - A new arena in every trial, start known: keep track, and learn where the walls are meanwhile (localising while
      mapping).
    - A few arenas, start unknown, `identify`: find out which of them it is, too.

    Behaviour: `position` (x, y at the end of each step, m), `heading` (rad), `speed` (m/s), `contact` (0 or 1).
    Conditions: `arena` (its number, -1 where every trial has a new one), `start_x`, `start_y`.

    Args:
        arenas: which arenas trials take place in.
        motion: how the animal roams.
        sensors: what it feels.
        start: where it begins, and whether the network is told.
        identify: whether a head `arena` must say which of the arenas it is, beside the head `position`.
        code: how positions are written as outputs; it is laid over a box that holds all arenas.
        dt: time step, ms. Steps are drawn one by one; it only says how long one lasts.
        duration: of a trial, ms.

    Raises:
        ValueError: if the parts do not fit; the message says which.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import Navigation
        >>> Navigation(duration=10_000.0).sample(8, generator=generator(0))
        Trials(8 trials, 20 steps of 500 ms, 7 in, 2 out)

    References:
        I. Kanitscheider and I. Fiete (2017), Training recurrent networks to generate hypotheses about how the brain
        solves hard navigation problems, doi:10.48550/arXiv.1609.09059.
    """

    arenas: AbstractArenas = field(default_factory=StarArenas)
    motion: Roaming = field(default_factory=Roaming)
    sensors: Sensors = field(default_factory=Sensors)
    start: Start = Start.UNKNOWN
    identify: bool = False
    code: AbstractCode = field(default_factory=Cartesian)
    dt: float = 500.0
    duration: float = 50_000.0

    score_name: ClassVar[str] = "mean position error (m)"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("dt", "duration"):
            _check.positive("Navigation", name, getattr(self, name))
        if self.duration < self.dt:
            _check.fail("Navigation", "duration", f"at least one step of {self.dt:g} ms", self.duration)
        if self.identify and self.arenas.n_arenas < 2:
            fix = "Two arenas or more can be told apart."
            _check.fail("Navigation", "identify", "False with these arenas", self.arenas.n_arenas, fix)
        if self.start is Start.ORIGIN and self.arenas.n_arenas:
            walls = self.arenas.all()
            origin = torch.zeros(self.arenas.n_arenas, 2)
            if not bool((walls.inside(origin) & (walls.distance(origin) >= self.motion.margin)).all()):
                fix = "Shift the arenas, or take Start.TOLD."
                _check.fail("Navigation", "start", "a place inside every arena", self.start.value, fix)
        object.__setattr__(self, "code", self.code.over(self.arenas.extent))

    @property
    def n_in(self) -> int:
        return self.sensors.n_channels(self.arenas.n_landmarks)

    @property
    def n_out(self) -> int:
        return sum(self.heads.values())

    @property
    def heads(self) -> dict[str, int]:
        return {"position": self.code.n_out} | ({"arena": self.arenas.n_arenas} if self.identify else {})

    @property
    def n_start(self) -> int:
        return 2 if self.start is Start.TOLD else 0

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("Navigation.sample", "n_trials", n_trials)
        chosen = self.arenas.draw(n_trials, generator=generator)
        walls = self.arenas.walls(chosen)
        path = self._path(walls, n_trials, generator)
        inputs = self.sensors.sense(path, walls, self.motion.stride, generator=generator)
        begun, position = path.position[:, 0], path.position[:, 1:]
        targets = [self.code.encode(position)]
        if self.identify:
            number = torch.tensor(chosen["arena"].to_numpy())
            which = functional.one_hot(number, self.arenas.n_arenas).to(position)
            targets.append(which[:, None].expand(-1, position.shape[1], -1))
        step = path.position.diff(dim=1).norm(dim=2)
        return Trials(
            inputs=inputs,
            targets=torch.cat(targets, dim=2),
            mask=torch.ones(inputs.shape[:2]),
            dt=self.dt,
            start=begun if self.start is Start.TOLD else None,
            conditions=chosen.assign(start_x=begun[:, 0].double().numpy(), start_y=begun[:, 1].double().numpy()),
            behaviour={
                "position": position,
                "heading": path.heading[..., None],
                "speed": step[..., None] / (self.dt / 1000),
                "contact": inputs[..., 2:3],
            },
        )

    def walls(self, trials: Trials) -> Walls:
        """Return the arena of each trial."""
        return self.arenas.walls(trials.conditions)

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        mask = trials.mask.to(outputs)
        return (self.errors(trials, outputs) * mask).sum(-1) / mask.sum(-1)

    def errors(
        self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]
    ) -> Float[Tensor, "*stack trial time"]:
        """Return how far off the answered position is at each step, m."""
        said = self.code.decode(outputs[..., : self.code.n_out])
        return (said - trials.behaviour["position"].to(outputs)).norm(dim=-1)

    def recognised(
        self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]
    ) -> Float[Tensor, "*stack trial time"]:
        """Return whether the arena is the one answered, at each step: 1 or 0.

        Raises:
            ValueError: if the task does not ask for it.
        """
        if not self.identify:
            _check.fail("Navigation.recognised", "identify", "True", False, "Build the task with identify=True.")
        number = torch.tensor(trials.conditions["arena"].to_numpy(), device=outputs.device)
        return (outputs[..., self.code.n_out :].argmax(-1) == number[:, None]).to(outputs)

    def _path(self, walls: Walls, n_trials: int, generator: torch.Generator) -> Path:
        n_steps = int(self.duration / self.dt + 1e-9)
        if self.start is Start.ORIGIN:
            start = torch.zeros(n_trials, 2)
        else:
            start = self.motion.starts(walls, generator=generator)
        return self.motion.paths(walls, start, n_steps, generator=generator)
