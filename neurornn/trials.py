"""Trials: a whole batch of them, drawn as arrays, with what the network sees and what it should answer."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurornn import _check


@dataclass(frozen=True, eq=False)
class Trials:
    """A batch of trials, padded to one length.

    Args:
        inputs: what the network sees. Shape `(trial, time, in)`.
        targets: what it should answer. Shape `(trial, time, out)`.
        mask: how much each step counts in the loss and the score, 0 where it does not. Shape `(trial, time)`.
        dt: time step, ms.
        valid: which steps belong to the trial (the rest is padding). All of them where absent. Shape `(trial, time)`.
        start: what the network is told about the start of the trial, for its encoder; `None` where nothing is.
            Shape `(trial, start)`.
        epochs: named stretches of every trial as steps `[first, last)`. Shapes `(trial, 2)`.
        conditions: one row a trial: what this trial was.
        behaviour: what happened in the world (position, speed ...), in the units that the task states. Shapes
            `(trial, time, dimension)`.

    Raises:
        ValueError: if the parts differ in trials or steps.

    Example:
        >>> import torch
        >>> from neurornn import Trials
        >>> Trials(torch.zeros(2, 5, 1), torch.zeros(2, 5, 3), torch.ones(2, 5), dt=10.0)
        Trials(2 trials, 5 steps of 10 ms, 1 in, 3 out)
    """

    inputs: Float[Tensor, "trial time in"]
    targets: Float[Tensor, "trial time out"]
    mask: Float[Tensor, "trial time"]
    dt: float
    valid: Bool[Tensor, "trial time"] | None = None
    start: Float[Tensor, "trial start"] | None = None
    epochs: Mapping[str, Int[Tensor, "trial 2"]] = field(default_factory=dict)
    conditions: pd.DataFrame = field(default_factory=pd.DataFrame)
    behaviour: Mapping[str, Float[Tensor, "trial time _dimension"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check.positive("Trials", "dt", self.dt)
        grid = tuple(self.inputs.shape[:2])
        if self.valid is None:
            object.__setattr__(self, "valid", torch.ones(grid, dtype=torch.bool, device=self.inputs.device))
        assert self.valid is not None
        parts = {"targets": self.targets, "mask": self.mask, "valid": self.valid, **self.behaviour}
        for name, part in parts.items():
            if tuple(part.shape[:2]) != grid:
                _check.fail("Trials", name, f"given for {grid[0]} trials of {grid[1]} steps", part)
        rows = {"start": self.start, "conditions": self.conditions if len(self.conditions.columns) else None}
        for name, part in {**rows, **self.epochs}.items():
            if part is not None and len(part) != grid[0]:
                _check.fail("Trials", name, f"one row for each of {grid[0]} trials", f"{len(part)} rows")
        if bool((self.mask[~self.valid] != 0).any()):
            _check.fail("Trials", "mask", "0 on padding", "padded steps that count", "Multiply it with `valid`.")

    @property
    def n_trials(self) -> int:
        """How many trials."""
        return self.inputs.shape[0]

    @property
    def n_steps(self) -> int:
        """How many steps, padding included."""
        return self.inputs.shape[1]

    def __repr__(self) -> str:
        shape = f"{self.n_trials} trials, {self.n_steps} steps of {self.dt:g} ms"
        return f"Trials({shape}, {self.inputs.shape[2]} in, {self.targets.shape[2]} out)"

    def epoch(self, name: str) -> Bool[Tensor, "trial time"]:
        """Return which steps lie in the epoch `name`.

        Raises:
            ValueError: if there is no such epoch; the message names the near one.
        """
        if name not in self.epochs:
            _check.fail("Trials.epoch", "name", "an epoch of this task", name, _check.near(name, self.epochs))
        first, last = self.epochs[name].unbind(1)
        steps = torch.arange(self.n_steps, device=first.device)
        return (steps >= first[:, None]) & (steps < last[:, None])

    def select(self, index: Int[np.ndarray, " index"] | slice) -> "Trials":
        """Return the trials at `index` (rows, or a slice)."""

        def rows(value: object) -> object:
            if isinstance(value, Tensor):
                return value[index]
            if isinstance(value, pd.DataFrame):
                return value.iloc[index].reset_index(drop=True) if len(value.columns) else value
            if isinstance(value, Mapping):
                return {name: part[index] for name, part in value.items()}
            return value

        return replace(self, **{f.name: rows(getattr(self, f.name)) for f in fields(self)})

    def to(self, device: torch.device | str) -> "Trials":
        """Return the same trials with every tensor on `device`; on the way to a GPU nobody waits for it."""
        device = torch.device(device)

        def moved(value: object) -> object:
            if isinstance(value, Tensor):
                # Back from a GPU this would hand out numbers that have not arrived yet.
                return value.to(device, non_blocking=value.device.type == "cpu" and device.type == "cuda")
            if isinstance(value, Mapping):
                return {name: moved(part) for name, part in value.items()}
            return value

        # They were checked when they were made, and a look at the mask would make a GPU wait once more.
        other = copy.copy(self)
        for f in fields(self):
            object.__setattr__(other, f.name, moved(getattr(self, f.name)))
        return other
