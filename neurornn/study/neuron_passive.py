"""What a neuron tells of itself before any fit: potential and resistance at rest, and its time constant."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from neurornn.study.clamp import Clamp

STEADY = 100.0
"""ms before the end of a step over which the potential counts as steady."""


@dataclass(frozen=True)
class Passive:
    """Constants of a neuron as its steps tell them before any fit, each a median.

    Args:
        v_rest: potential before any step, mV.
        resistance: how far a step in which it is silent takes the potential, over its current, MOhm.
        tau: time to 63 % of that way, ms.
        trough: lowest potential between one spike and the next, mV; NaN where no step has two spikes.
    """

    v_rest: float
    resistance: float
    tau: float
    trough: float


def passive(clamp: Clamp) -> Passive | None:
    """Return a neuron's passive constants, or `None` where it is silent in no step that moves its potential."""
    on, off = max(round(clamp.onset / clamp.dt), 1), round(clamp.offset / clamp.dt)
    before = clamp.potential[:, :on].mean(axis=1)
    way = clamp.potential[:, off - round(STEADY / clamp.dt) : off].mean(axis=1) - before
    resistance, tau = [], []
    for sweep in np.flatnonzero((clamp.rates() == 0) & (clamp.steps != 0)):
        if way[sweep] * clamp.steps[sweep] <= 0:
            continue
        share = (clamp.potential[sweep, on:off] - before[sweep]) / way[sweep]
        resistance.append(1000.0 * way[sweep] / clamp.steps[sweep])
        tau.append((int(np.argmax(share >= 1 - np.exp(-1.0))) + 1) * clamp.dt)
    if not resistance:
        return None
    return Passive(float(np.median(before)), float(np.median(resistance)), float(np.median(tau)), _trough(clamp))


def _trough(clamp: Clamp) -> float:
    """Return the median over all intervals of the lowest potential within one, mV."""
    lowest = [
        clamp.potential[sweep, round(one / clamp.dt) : round(other / clamp.dt) + 1].min()
        for sweep, train in enumerate(clamp.spikes)
        for one, other in pairwise(train)
    ]
    return float(np.median(lowest)) if lowest else float("nan")
