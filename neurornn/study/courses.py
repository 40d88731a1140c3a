"""How far a perturbed network strays from its intact course, step by step, and how it moves meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.linalg import orthogonal_procrustes
from torch import Tensor

from neurornn.kernel import Noise
from neurornn.network import Network, Perturbs
from neurornn.perturb.base import Stack
from neurornn.perturb.experiment import like_network
from neurornn.perturb.windows import windows
from neurornn.statistics.subspace import participation_ratio
from neurornn.trials import Trials

MEMORY = 1e8
"""Bytes of activity that are held at a time."""


@dataclass(frozen=True, eq=False)
class Course:
    r"""What a perturbation does to the course of the units that it leaves alone.

    Args:
        distance: $\sqrt{\langle \lVert r'(t) - r(t) \rVert^2 \rangle / 2 \langle \lVert r - \bar r \rVert^2 \rangle}$
            over trials under way, of the same trials and noise: 1 is as far as two states of the intact network drawn
            at random. Shape `(time,)`; NaN where no trial is under way.
        aligned: the same after the rotation and shift that lay the perturbed course of half of the trials best on the
            intact one, for the other half. Shape `(time,)`.
        speed: root mean square of the step, per second, in the same unit. Shape `(time,)`; NaN at the first.
        intact_speed: of the intact network, of the same units. Shape `(time,)`.
        dimensions: participation ratio over trials and steps.
        intact_dimensions: of the intact network, of the same units.
        recovery: after the end of the window, until the distance has halved, ms; NaN where no window ends in every
            trial, and where it does not halve.
    """

    distance: Float[np.ndarray, " time"]
    aligned: Float[np.ndarray, " time"]
    speed: Float[np.ndarray, " time"]
    intact_speed: Float[np.ndarray, " time"]
    dimensions: float
    intact_dimensions: float
    recovery: float

    def numbers(self) -> dict[str, float]:
        """Return one number a quantity, the last two relative to the intact network."""
        moving = np.isfinite(self.speed)
        return {
            "distance from the intact course": _rms(self.distance),
            "distance after alignment": _rms(self.aligned),
            "largest distance": float(np.nanmax(self.distance)),
            "recovery after the window (ms)": self.recovery,
            "speed over intact": _rms(self.speed[moving]) / _rms(self.intact_speed[moving]),
            "dimensions over intact": self.dimensions / self.intact_dimensions,
        }


def runs_of(
    network: Network, trials: Trials, members: Sequence[Sequence[Perturbs]], noise: Tensor | Noise | None
) -> list[Float[np.ndarray, "trial time unit"]]:
    """Return what the units send under each of several perturbations, on the same trials and noise."""
    inputs, start = trials.inputs.to(network.readout), like_network(trials.start, network)
    each = trials.n_trials * trials.n_steps * network.n_units * network.readout.element_size()
    size = max(1, int(MEMORY / each))
    found: list[np.ndarray] = []
    with torch.no_grad():
        for first in range(0, len(members), size):
            stack = Stack([tuple(one) for one in members[first : first + size]])
            found += list(network(inputs, start=start, noise=noise, perturb=[stack]).activity.double().cpu().numpy())
    return found


def course(
    intact: Float[np.ndarray, "trial time unit"],
    hurt: Float[np.ndarray, "trial time unit"],
    spared: Sequence[int],
    valid: Bool[np.ndarray, "trial time"],
    dt: float,
    release: Sequence[int] | None = None,
) -> Course:
    """Return what became of the course of some units.

    Args:
        intact: what the units sent in the intact network.
        hurt: what they sent under the perturbation, in the same trials with the same noise.
        spared: the units that count.
        valid: which steps are under way.
        dt: time step, ms.
        release: the first step after the window, of each trial; none where there is no such step in some trial.
    """
    before, after = intact[..., list(spared)], hurt[..., list(spared)]
    spread = 2 * float(before[valid].var(axis=0).sum())
    unit = spread if spread > 0 else np.nan
    apart = ((after - before) ** 2).sum(axis=2)
    laid = ((_laid(before, after, valid) - before) ** 2).sum(axis=2)
    both = valid[:, 1:] & valid[:, :-1]

    def moved(run: np.ndarray) -> np.ndarray:
        steps = np.sqrt(_over_trials((np.diff(run, axis=1) ** 2).sum(axis=2), both) / unit) / dt * 1000
        return np.concatenate([[np.nan], steps])

    return Course(
        distance=np.sqrt(_over_trials(apart, valid) / unit),
        aligned=np.sqrt(_over_trials(laid, valid) / unit),
        speed=moved(after),
        intact_speed=moved(before),
        dimensions=participation_ratio(after[valid]),
        intact_dimensions=participation_ratio(before[valid]),
        recovery=_recovery(apart, valid, release, dt),
    )


def release_of(perturb: Sequence[Perturbs], trials: Trials) -> tuple[int, ...] | None:
    """Return the first step of each trial after all perturbations have ended; `None` where one holds to its end."""
    held = windows(perturb, trials.n_trials, trials.n_steps, trials.dt)
    last = np.full(trials.n_trials, -np.inf)
    np.maximum.at(last, held["trial"].to_numpy(dtype=int), held["stop"].to_numpy(dtype=float))
    last = np.where(np.isfinite(last), last, np.inf)  # a trial without a window has no end of one
    steps = np.round(last / trials.dt)
    assert trials.valid is not None
    ends = trials.valid.sum(dim=1).cpu().numpy()
    return tuple(int(step) for step in steps) if bool(np.all(steps < ends)) else None


def _laid(before: np.ndarray, after: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return `after` rotated and shifted onto `before`: each half of the trials as the other half says."""
    laid = np.empty_like(after)
    odd = np.arange(len(before)) % 2 == 1
    for half in (odd, ~odd):
        here, there = before[~half][valid[~half]], after[~half][valid[~half]]
        middle, other = here.mean(axis=0), there.mean(axis=0)
        turn, _ = orthogonal_procrustes(there - other, here - middle)
        laid[half] = (after[half] - other) @ turn + middle
    return laid


def _recovery(apart: np.ndarray, valid: np.ndarray, release: Sequence[int] | None, dt: float) -> float:
    """Return how long after release the root mean square distance has halved; NaN where it does not in the trials."""
    if release is None:
        return float("nan")
    ends = valid.sum(axis=1)
    longest = int(min(end - first for end, first in zip(ends, release, strict=True)))
    lags = np.sqrt(
        [
            np.mean([row[first - 1 + lag] for row, first in zip(apart, release, strict=True)])
            for lag in range(longest + 1)
        ]
    )
    back = np.flatnonzero(lags <= lags[0] / 2)
    return float(back[0] * dt) if lags[0] > 0 and len(back) else float("nan")


def _over_trials(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    count = valid.sum(axis=0)
    total = np.where(valid, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(values**2)))
