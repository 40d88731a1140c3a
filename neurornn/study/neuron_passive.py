"""What a neuron tells of itself before any fit: potential and resistance at rest, and its time constant."""

from dataclasses import dataclass

import numpy as np

from neurornn.study.clamp import Clamp

STEADY = 100.0
"""ms before the end of a step over which the potential counts as steady."""


@dataclass(frozen=True)
class Passive:
    """Constants of a neuron as the steps tell them in which it is silent, each the median over those.

    Args:
        v_rest: potential before any step, mV.
        resistance: how far a step takes the potential, over its current, MOhm.
        tau: time to 63 % of that way, ms.
    """

    v_rest: float
    resistance: float
    tau: float


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
    return Passive(float(np.median(before)), float(np.median(resistance)), float(np.median(tau)))
