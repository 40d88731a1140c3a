"""What tasks are made of: wandering values, values drawn from a table of quantiles, stretches of time."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurornn import _check


def wander(
    n_trials: int, n_steps: int, *, memory: float, dt: float, generator: torch.Generator
) -> Float[Tensor, "trial time"]:
    r"""Return values that wander about 0 with variance 1 and forget over `memory` ms (Ornstein-Uhlenbeck).

    $$z_{t+1} = a\, z_t + \sqrt{1 - a^2}\, \xi_t, \qquad a = e^{-dt / memory}$$

    The step is exact, so the statistics do not depend on `dt`, and the first value is drawn from the stationary law.

    Args:
        n_trials: how many.
        n_steps: how many steps.
        memory: time after which the autocorrelation has fallen to 1/e, ms.
        dt: time step, ms.
        generator: where the numbers come from.

    Returns:
        The values, shape `(trial, time)`.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task.draw import wander
        >>> wander(4, 1000, memory=100.0, dt=10.0, generator=generator(0)).shape
        torch.Size([4, 1000])

    References:
        D. T. Gillespie (1996), Exact numerical simulation of the Ornstein-Uhlenbeck process and its integral,
        doi:10.1103/PhysRevE.54.2084.
    """
    keep = math.exp(-_check.positive("wander", "dt", dt) / _check.positive("wander", "memory", memory))
    drawn = torch.randn(n_trials, n_steps, generator=generator)
    drawn[:, 1:] *= math.sqrt(1 - keep**2)
    # The recursion as a scan of log2(n_steps) whole-array additions: after each, the sum reaches twice as far back.
    reach = 1
    while reach < n_steps and keep**reach > 1e-12:
        drawn[:, reach:] = drawn[:, reach:] + keep**reach * drawn[:, :-reach]
        reach *= 2
    return drawn


def spread(fractions: Float[Tensor, "*shape"], quantiles: Sequence[float]) -> Float[Tensor, "*shape"]:
    """Return the values at `fractions` (in [0, 1]) of a law given by evenly spaced quantiles, linear in between.

    Args:
        fractions: where in the law, 0 the smallest and 1 the largest. Any shape.
        quantiles: the law's value at 0, 1/(n-1), ..., 1, in whatever unit.

    Example:
        >>> import torch
        >>> from neurornn.task.draw import spread
        >>> spread(torch.tensor([0.0, 0.25, 1.0]), (10.0, 20.0, 60.0))
        tensor([10., 15., 60.])
    """
    table = torch.tensor(quantiles, dtype=fractions.dtype)
    at = fractions * (len(table) - 1)
    below = at.floor().clamp(0, max(len(table) - 2, 0)).long()
    above = (below + 1).clamp(max=len(table) - 1)
    return torch.lerp(table[below], table[above], at - below)


def normal_cdf(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the fraction of a standard normal law that lies below each value: a wandering value made uniform."""
    return torch.special.ndtr(values)


def lasting(
    n_trials: int, *, shortest: float, longest: float, dt: float, generator: torch.Generator
) -> Int[Tensor, " trial"]:
    """Return a length for each trial, even between `shortest` and `longest` ms, in the nearest whole steps."""
    if not longest >= shortest >= 0:
        _check.fail("lasting", "longest", "at least `shortest`, and both 0 or above (ms)", (shortest, longest))
    drawn = torch.rand(n_trials, generator=generator)
    return ((shortest + drawn * (longest - shortest)) / dt).round().long()


def epochs(
    n_trials: int, lengths: Mapping[str, tuple[float, float]], *, dt: float, generator: torch.Generator
) -> dict[str, Int[Tensor, "trial 2"]]:
    """Return epochs that follow one another, as steps `[first, last)`, their lengths drawn by `lasting`.

    Args:
        n_trials: how many trials.
        lengths: shortest and longest length of each epoch in their order, ms.
        dt: time step, ms.
        generator: where the numbers come from.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task.draw import epochs
        >>> epochs(1, {"cue": (30.0, 30.0), "go": (20.0, 20.0)}, dt=10.0, generator=generator(0))
        {'cue': tensor([[0, 3]]), 'go': tensor([[3, 5]])}
    """
    drawn = [lasting(n_trials, shortest=a, longest=b, dt=dt, generator=generator) for a, b in lengths.values()]
    edges = torch.stack([torch.zeros(n_trials, dtype=torch.long), *drawn], dim=1).cumsum(dim=1)
    return {name: edges[:, i : i + 2] for i, name in enumerate(lengths)}


def within(edges: Mapping[str, Int[Tensor, "trial 2"]]) -> dict[str, Bool[Tensor, "trial time"]]:
    """Return which steps lie in each epoch, over as many steps as the longest trial has."""
    steps = torch.arange(max(int(edge.max()) for edge in edges.values()))
    return {name: (steps >= edge[:, :1]) & (steps < edge[:, 1:]) for name, edge in edges.items()}
