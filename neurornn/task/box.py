"""Path integration in a box: where one is in the plane, from how one moved."""

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.task.code import AbstractCode, Layout, PlaceCode, VonMises
from neurornn.task.motion import SECOND, AbstractMotion, Foraging
from neurornn.trials import Trials


class SelfMotion(Enum):
    """What the network is told about each step."""

    ALLOCENTRIC = "allocentric"
    """The velocity, in the axes of the box: two channels."""

    HEADING = "heading"
    """Speed, and cosine and sine of the direction of the step: three channels."""

    EGOCENTRIC = "egocentric"
    """Speed, and cosine and sine of the turn since the step before: three channels. The start tells the heading too."""


@dataclass(frozen=True)
class ArenaIntegration(AbstractTask):
    r"""Keep track of the position in a box from self-motion.

    The network is told where it starts (the code of that position) and then sees at each step its own motion; it
    answers with the code of the position at the end of the step. Speeds are given over `speed_scale`, so that inputs
    are of the size of one.

    Behaviour: `position` (x, y at the end of each step, m), `speed` (m/s), `heading` (rad).

    Args:
        box: width and height, m; the box starts at (0, 0).
        dt: time step, ms.
        duration: of a trial, ms.
        motion: how the animal moves.
        code: how positions are written as outputs; it is laid over this box.
        senses: what the network is told about each step.
        speed_scale: the speed that is an input of 1, m/s.
        input_noise: standard deviation of the noise on each input channel, at each step.
        heading: how the direction of movement is written as a second head, `heading` beside `position`, normalised so
            that it sums to 1; not asked for where absent. The network is then told its code at the start, too.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import ArenaIntegration
        >>> ArenaIntegration(duration=2000.0).sample(8, generator=generator(0))
        Trials(8 trials, 40 steps of 50 ms, 2 in, 256 out)

    References:
        A. Banino et al. (2018), Vector-based navigation using grid-like representations in artificial agents,
        doi:10.1038/s41586-018-0102-6. B. Sorscher et al. (2023), A unified theory for the computational and mechanistic
        origins of grid cells, doi:10.1016/j.neuron.2022.10.003.
    """

    box: tuple[float, float] = (1.0, 1.0)
    dt: float = 50.0
    duration: float = 10_000.0
    motion: AbstractMotion = field(default_factory=Foraging)
    code: AbstractCode = field(default_factory=lambda: PlaceCode(256, 0.1, layout=Layout.RANDOM))
    senses: SelfMotion = SelfMotion.ALLOCENTRIC
    speed_scale: float = 0.1
    input_noise: float = 0.0
    heading: VonMises | None = None

    score_name: ClassVar[str] = "mean position error (m)"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for i, side in enumerate(self.box):
            _check.positive("ArenaIntegration", f"box[{i}]", side)
        for name in ("dt", "duration", "speed_scale"):
            _check.positive("ArenaIntegration", name, getattr(self, name))
        if self.duration < self.dt:
            _check.fail("ArenaIntegration", "duration", f"at least one step of {self.dt:g} ms", self.duration)
        _check.not_negative("ArenaIntegration", "input_noise", self.input_noise)
        object.__setattr__(self, "code", self.code.over(tuple((0.0, float(side)) for side in self.box)))

    @property
    def n_in(self) -> int:
        return 2 if self.senses is SelfMotion.ALLOCENTRIC else 3

    @property
    def n_out(self) -> int:
        return self.code.n_out + (self.heading.n_out if self.heading else 0)

    @property
    def heads(self) -> dict[str, int]:
        if self.heading is None:
            return super().heads
        return {"position": self.code.n_out, "heading": self.heading.n_out}

    @property
    def n_start(self) -> int:
        told = 2 * (self.senses is SelfMotion.EGOCENTRIC) if self.heading is None else self.heading.n_out
        return self.code.n_out + told

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("ArenaIntegration.sample", "n_trials", n_trials)
        n_steps = int(self.duration / self.dt + 1e-9)
        # One step more than the trial, so that the first turn has a heading before it.
        path = self.motion.paths(n_trials, n_steps + 1, box=self.box, dt=self.dt, generator=generator)
        velocity = path.position.diff(dim=1) / (self.dt / SECOND)
        direction = torch.atan2(velocity[..., 1], velocity[..., 0])  # of the step itself, walls included
        speed, position = velocity[:, 1:].norm(dim=2), path.position[:, 2:]
        inputs = self._sensed(velocity[:, 1:], speed, direction)
        if self.input_noise:
            inputs = inputs + self.input_noise * torch.randn(inputs.shape, generator=generator)
        start, targets = self.code.encode(path.position[:, 1]), self.code.encode(position)
        if self.heading is not None:
            faced = self.heading.encode(direction[..., None])  # of the step before the trial, and of each step
            faced = faced / faced.sum(-1, keepdim=True)
            start, targets = torch.cat([start, faced[:, 0]], dim=1), torch.cat([targets, faced[:, 1:]], dim=2)
        elif self.senses is SelfMotion.EGOCENTRIC:
            start = torch.cat([start, direction[:, :1].cos(), direction[:, :1].sin()], dim=1)
        return Trials(
            inputs=inputs,
            targets=targets,
            mask=torch.ones(n_trials, n_steps),
            dt=self.dt,
            start=start,
            conditions=pd.DataFrame(path.position[:, 1].double().numpy(), columns=["start_x", "start_y"]),
            behaviour={
                "position": position,
                "speed": speed[..., None],
                "heading": path.heading[:, 1:, None],
            },
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        error = (self.code.decode(outputs[..., : self.code.n_out]) - trials.behaviour["position"].to(outputs)).norm(
            dim=-1
        )
        mask = trials.mask.to(outputs)
        return (error * mask).sum(-1) / mask.sum(-1)

    def _sensed(self, velocity: Tensor, speed: Tensor, direction: Tensor) -> Tensor:
        if self.senses is SelfMotion.ALLOCENTRIC:
            return velocity / self.speed_scale
        angle = direction[:, 1:] if self.senses is SelfMotion.HEADING else direction.diff(dim=1)
        return torch.stack([speed / self.speed_scale, angle.cos(), angle.sin()], dim=2)
