"""Path integration on a linear track: where one is, from how one moved."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import TICKS, Recording, ticks
from neurornn.task.base import AbstractTask
from neurornn.task.code import AbstractCode, PlaceCode
from neurornn.task.draw import normal_cdf, spread, wander
from neurornn.task.speeds import Speeds, smoothed
from neurornn.trials import Trials


@dataclass(frozen=True)
class TrackIntegration(AbstractTask):
    r"""Keep track of the position on a linear track from self-motion.

    The animal runs back and forth as `speeds` says. The network is told where it starts (the code of that position)
    and then sees at each step the velocity of the step, over the fastest running speed, with noise; the heading, if
    `heading`; and whether a wall is felt at either end, if `contact`. It answers with the code of the position at the
    end of each step.

    Inputs, in order: velocity; heading (-1, 0 or 1; the way of the last movement faster than a twentieth of the track a
    second, 0 before the first); contact with the lower and with the upper end.
    Behaviour: `linear` (position at the end of each step), `speed` (in `unit` per second), `direction` (the heading).

    Args:
        length: of the track, in `unit`.
        origin: position of its lower end, in `unit`.
        unit: unit of measure of the world, as text.
        dt: time step, ms.
        duration: of a trial that is drawn, ms.
        speeds: how the animal moves.
        code: how positions are written as outputs; it is laid over this track.
        input_noise: standard deviation of the noise on the velocity, as a fraction of the fastest speed, at each step.
        heading: whether the network sees which way the animal faces.
        contact: reach of the walls at the ends as a fraction of the track; 0 for no walls.
        contact_noise: standard deviation of the noise on the two contact channels, at each step.
        smoothing: of an animal's position in `follow`, the standard deviation of a Gaussian, ms; 0 for none.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import TrackIntegration
        >>> TrackIntegration(length=200.0, duration=5000.0).sample(8, generator=generator(0))
        Trials(8 trials, 100 steps of 50 ms, 2 in, 32 out)

    References:
        C. J. Cueva and X.-X. Wei (2018), Emergence of grid-like representations by training recurrent neural networks
        to perform spatial localization, doi:10.48550/arXiv.1803.07770.
    """

    length: float = 430.0
    origin: float = 0.0
    unit: str = "px"
    dt: float = 50.0
    duration: float = 10_000.0
    speeds: Speeds = field(default_factory=Speeds)
    # At a total of 8 the cells peak near 1: the squared error has the size of 1, and training takes fewer steps.
    code: AbstractCode = field(default_factory=lambda: PlaceCode(32, total=8.0))
    input_noise: float = 0.0
    heading: bool = True
    contact: float = 0.0
    contact_noise: float = 0.0
    smoothing: float = 100.0

    score_name: ClassVar[str] = "mean position error (% of the track)"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("length", "dt", "duration"):
            _check.positive("TrackIntegration", name, getattr(self, name))
        if self.duration < self.dt:
            _check.fail("TrackIntegration", "duration", f"at least one step of {self.dt:g} ms", self.duration)
        for name in ("input_noise", "contact_noise", "smoothing"):
            _check.not_negative("TrackIntegration", name, getattr(self, name))
        if not 0 <= self.contact < 0.5:
            _check.fail("TrackIntegration", "contact", "a fraction of the track in [0, 0.5)", self.contact)
        object.__setattr__(self, "code", self.code.over(((self.origin, self.origin + self.length),)))

    @classmethod
    def from_recording(
        cls, recording: Recording, *, trials: Sequence[int] | slice = slice(None), signal: str = "linear", **fields: Any
    ) -> "TrackIntegration":
        """Return the task that fits an animal: the recording's track, and its movement in some trials.

        Args:
            recording: with a signal of the position along the track.
            trials: rows of `recording.trials` that the movement is learnt from: those of the training part. The track's
                borders (of the apparatus, not the animal) are read off all trials.
            signal: name of the position signal.
            fields: other fields of the task, such as `dt` or `code`.

        Raises:
            RecordingError: if the signal is missing or the animal made fewer than two runs in these trials.
        """
        smoothing = fields.get("smoothing", 100.0)
        speeds = Speeds.from_recording(recording, trials=trials, signal=signal, smoothing=smoothing)
        track = recording.behaviour[signal]
        within = np.zeros(len(track.times), dtype=bool)
        for start, stop in zip(recording.trials["start"], recording.trials["stop"], strict=True):
            within |= (track.times >= start) & (track.times <= stop)
        low, high = np.nanmin(track.values[within, 0]), np.nanmax(track.values[within, 0])
        world = {"length": float(high - low), "origin": float(low), "unit": track.unit, "speeds": speeds}
        return cls(**{**world, **fields})

    @property
    def n_in(self) -> int:
        return 1 + self.heading + 2 * (self.contact > 0)

    @property
    def n_out(self) -> int:
        return self.code.n_out

    @property
    def n_start(self) -> int:
        return self.code.n_out

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("TrackIntegration.sample", "n_trials", n_trials)
        n_steps = int(self.duration / self.dt + 1e-9)
        position = self.origin + _laps(self.speeds, self.length, n_trials, n_steps, self.dt, generator)
        mask = torch.ones(n_trials, n_steps)
        conditions = pd.DataFrame(
            {
                "start_position": position[:, 0].double().numpy(),
                "distance": position.diff(dim=1).abs().sum(1).double().numpy(),
            }
        )
        return self._trials(position, mask, mask.bool(), conditions, generator)

    def follow(self, recording: Recording) -> Trials:
        """Return the animal's own runs: one row for each trial of `recording`, from its signal `linear`.

        The smoothed position is read at the end of each step, `dt` ms apart from the trial's start on, and the inputs
        follow from it as in `sample`, without noise. Nothing is filled in: where the position is not known the velocity
        is 0 and the step does not count (mask 0), and what was missed arrives as one step when the animal is seen
        again.

        Raises:
            RecordingError: if there is no signal `linear`, a trial has no known position or none of `dt` ms, or the
                animal leaves the track.
        """
        if "linear" not in recording.behaviour:
            fix = f"It has: {', '.join(recording.behaviour) or 'no behaviour'}."
            _check.fail("TrackIntegration", "recording", "one with `linear`", recording, fix, error=RecordingError)
        start, stop = recording.trials["start"].to_numpy(float), recording.trials["stop"].to_numpy(float)
        n_steps = np.floor((ticks(stop) - ticks(start)) / (self.dt * TICKS) + 1e-9).astype(int)
        if n_steps.min() < 1:
            row, must = int(n_steps.argmin()), f"at least one step of {self.dt:g} ms long"
            got = f"{stop[row] - start[row]:g} ms in trial {row}"
            _check.fail("TrackIntegration", "trials", must, got, error=RecordingError)
        grid = start[:, None] + self.dt * np.arange(n_steps.max() + 1)  # (trial, time + 1)
        position = smoothed(recording.behaviour["linear"], self.smoothing).at(grid.ravel())[:, 0].reshape(grid.shape)
        valid = np.arange(n_steps.max()) < n_steps[:, None]
        position[:, 1:][~valid] = np.nan
        self._inside(position)
        known = np.isfinite(position)
        if not known.any(axis=1).all():
            row = int(known.any(axis=1).argmin())
            got = f"only NaN in trial {row}"
            _check.fail("TrackIntegration", "linear", "known in every trial", got, error=RecordingError)
        # Unknown positions keep the last known one, and those before it the first: the velocity there is 0.
        held = pd.DataFrame(position).ffill(axis=1).bfill(axis=1).to_numpy(copy=True)
        mask = torch.from_numpy(known[:, 1:] & valid).float()
        return self._trials(
            torch.from_numpy(held), mask, torch.from_numpy(valid), recording.trials.copy(), generator=None
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        found = self.code.decode(outputs)[..., 0]
        error = 100 / self.length * (found - trials.behaviour["linear"][..., 0].to(found)).abs()
        mask = trials.mask.to(found)
        return (error * mask).sum(-1) / mask.sum(-1)

    def _inside(self, position: np.ndarray) -> None:
        slack = 1e-6 * self.length
        outside = (position < self.origin - slack) | (position > self.origin + self.length + slack)
        if outside.any():
            row = int(outside.any(axis=1).argmax())
            must = f"on the track, {self.origin:g} to {self.origin + self.length:g} {self.unit}"
            got = f"{position[outside][0]:g} in trial {row}"
            fix = "Use TrackIntegration.from_recording, or trials in which the animal is on the track."
            _check.fail("TrackIntegration", "linear", must, got, fix, error=RecordingError)

    def _trials(
        self,
        position: Float[Tensor, "trial point"],
        mask: Float[Tensor, "trial time"],
        valid: Bool[Tensor, "trial time"],
        conditions: pd.DataFrame,
        generator: torch.Generator | None,
    ) -> Trials:
        """Return what is seen and asked on these paths: one position more than steps, in `unit`."""
        velocity = (position.diff(dim=1) / (self.dt / 1000)).float()
        position = position.float()
        linear = position[:, 1:, None]
        heading = _heading(velocity, least=0.05 * self.length)[..., None]
        channels = [self._noisy(velocity / self.speeds.fastest, self.input_noise, generator)[..., None]]
        if self.heading:
            channels.append(heading)
        if self.contact:
            reach = self.contact * self.length
            low, high = linear < self.origin + reach, linear > self.origin + self.length - reach
            channels.append(self._noisy(torch.cat([low, high], dim=2).float(), self.contact_noise, generator))
        return Trials(
            inputs=torch.cat(channels, dim=2) * valid[..., None],
            targets=self.code.encode(linear),
            mask=mask,
            dt=self.dt,
            valid=valid,
            start=self.code.encode(position[:, :1]),
            conditions=conditions,
            behaviour={"linear": linear, "speed": velocity.abs()[..., None], "direction": heading},
        )

    @staticmethod
    def _noisy(values: Tensor, deviation: float, generator: torch.Generator | None) -> Tensor:
        if generator is None or not deviation:
            return values
        return values + deviation * torch.randn(values.shape, generator=generator)


def _heading(velocity: Float[Tensor, "trial time"], *, least: float) -> Float[Tensor, "trial time"]:
    """Return the sign of the last velocity above `least` so far; 0 before the first."""
    fast = velocity.abs() > least
    steps = torch.arange(velocity.shape[1]).expand_as(velocity)
    last = torch.where(fast, steps, -1).cummax(dim=1).values
    return torch.where(last >= 0, velocity.sign().gather(1, last.clamp(min=0)), 0.0)


def _laps(
    speeds: Speeds, length: float, n_trials: int, n_steps: int, dt: float, generator: torch.Generator
) -> Float[Tensor, "trial point"]:
    """Draw paths from 0 to `length`, one position more than steps: runs, rests at the ends, pauses on the way."""
    seconds = dt / 1000

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    score = wander(n_trials, n_steps, memory=speeds.memory, dt=dt, generator=generator)
    stride = seconds * spread(normal_cdf(score), speeds.running)
    fidget = wander(n_trials, n_steps, memory=speeds.still_memory, dt=dt, generator=generator)
    # A signed value whose size follows the law: the half of the normal law on each side is stretched over it.
    fidget = seconds * fidget.sign() * spread(2 * normal_cdf(fidget.abs()) - 1, speeds.still)
    rest = spread(uniform(n_trials, n_steps), speeds.rests) / dt
    pause = spread(uniform(n_trials, n_steps), speeds.pauses) / dt
    stops = uniform(n_trials, n_steps) < speeds.pause_rate * seconds
    turns = uniform(n_trials, n_steps) < speeds.turning

    position, way, left = _beginning(speeds, length, n_trials, dt, generator)
    path = [position]
    for step in range(n_steps):
        running = left <= 0
        reached = position + torch.where(running, way * stride[:, step], fidget[:, step])
        position = reached.clamp(0.0, length)
        arrived = running & (reached != position)
        paused = running & stops[:, step] & ~arrived
        left = torch.where(arrived, rest[:, step], torch.where(paused, pause[:, step], left - 1))
        way = torch.where(arrived | (paused & turns[:, step]), -way, way)
        path.append(position)
    return torch.stack(path, dim=1)


def _beginning(
    speeds: Speeds, length: float, n_trials: int, dt: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw where a trial finds the animal: position, which way it goes, how many steps it still rests.

    Time is shared among running, rests and pauses as in an endless session, and a rest is met in its middle.
    """

    def uniform() -> Tensor:
        return torch.rand(n_trials, generator=generator)

    def residual(quantiles: tuple[float, ...]) -> Tensor:
        # A random moment meets long stretches more often: draw one in proportion to its length, then a point in it.
        law = spread(torch.linspace(0, 1, 201), quantiles)
        chosen = torch.multinomial(law + 1e-9, n_trials, replacement=True, generator=generator)
        return law[chosen] * uniform() / dt

    lap = length / (sum(speeds.running) / len(speeds.running))  # s
    rest = float(np.mean(spread(torch.linspace(0, 1, 201), speeds.rests).numpy())) / 1000
    pause = speeds.pause_rate * lap * float(np.mean(spread(torch.linspace(0, 1, 201), speeds.pauses).numpy())) / 1000
    when = uniform() * (lap + rest + pause)
    resting, pausing = when < rest, when >= rest + lap
    way = torch.where(uniform() < 0.5, -1.0, 1.0)
    end = torch.where(way > 0, 0.0, length)
    position = torch.where(resting, end, uniform() * length)
    left = torch.where(resting, residual(speeds.rests), torch.where(pausing, residual(speeds.pauses), 0.0))
    return position, way, left
