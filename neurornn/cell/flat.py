"""Stacks of trials as one batch, as the kernels take them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from neurornn._types import State
from neurornn.kernel import Noise


@dataclass(frozen=True)
class Flat:
    """Input, state and noise of a rollout with their leading axes flattened into one of trials.

    Args:
        sides: the leading axes, stacks and trials.
        x: inputs. Shape `(trial, time, in)`.
        state: the state before the first step. Shapes `(trial, unit)`.
        noise: noise of each step, if any. Shape `(trial, time, unit)`.
    """

    sides: tuple[int, ...]
    x: Tensor
    state: State
    noise: Tensor | None

    def back(self, whole: Tensor) -> Tensor:
        """Return `(trial, ...)` with its leading axes restored."""
        return whole.reshape(*self.sides, *whole.shape[1:])


def flattened(x: Tensor, state: State, noise: Tensor | None) -> Flat:
    """Return input, state and noise, broadcast against each other and flattened."""
    drives = [x] if noise is None else [x, noise]
    leading = {*(part.shape[:-1] for part in state), *(one.shape[:-2] for one in drives)}
    sides = torch.broadcast_shapes(*leading) if len(leading) > 1 else leading.pop()  # the former takes its time
    n_trials = math.prod(sides)

    def flat(one: Tensor, kept: int) -> Tensor:
        own = one.shape[-kept:]
        return one.expand(*sides, *own).reshape(n_trials, *own)

    return Flat(
        tuple(sides),
        flat(x, 2),
        tuple(flat(part, 1) for part in state),
        None if noise is None else flat(noise, 2),
    )


def whole(n_in: int, n_units: int, x: Tensor, state: State, noise: Tensor | Noise | None) -> bool:
    """Tell whether input, state and noise have the sizes of a cell; what does not is the loop's to refuse."""
    return (
        x.shape[-1] == n_in
        and all(part.shape[-1] == n_units for part in state)
        and (noise is None or noise.shape[-2:] == (x.shape[-2], n_units))
    )
