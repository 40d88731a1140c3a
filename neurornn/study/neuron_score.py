"""How well a fitted neuron does on sweeps that it never saw: rates, coincident spikes, and the potential below them."""

from dataclasses import dataclass

import numpy as np
import torch

from neurornn.cell import AbstractSpiking
from neurornn.statistics import coincidence_factor
from neurornn.study.clamp import Clamp
from neurornn.study.neuron_loss import clamped


@dataclass(frozen=True, eq=False)
class Answer:
    """What a fitted neuron did under the sweeps of a clamp.

    Args:
        clamp: the sweeps, with what the neuron did.
        model: the same sweeps, with what the model did.
    """

    clamp: Clamp
    model: Clamp

    @property
    def fi_error(self) -> float:
        """Mean absolute difference of the rate during the step, Hz."""
        return float(np.abs(self.model.rates() - self.clamp.rates()).mean())

    @property
    def gamma(self) -> float:
        """Mean coincidence factor (4 ms) of the sweeps in which it has a meaning; NaN where in none."""
        found = [
            coincidence_factor(model, train, duration=self.clamp.duration)
            for model, train in zip(self.model.spikes, self.clamp.spikes, strict=True)
        ]
        known = [one for one in found if np.isfinite(one)]
        return float(np.mean(known)) if known else float("nan")

    @property
    def rmse(self) -> float:
        """Root mean square difference of the potentials from 5 ms after to 2 ms before any spike of either, mV."""
        times = (np.arange(self.clamp.current.shape[1]) + 0.5) * self.clamp.dt
        apart = []
        for i, (ours, theirs) in enumerate(zip(self.model.spikes, self.clamp.spikes, strict=True)):
            free = np.ones(len(times), dtype=bool)
            for spike in (*ours, *theirs):
                free &= (times < spike - 2.0) | (times > spike + 5.0)
            apart.append((self.model.potential[i] - self.clamp.potential[i])[free])
        return float(np.sqrt(np.mean(np.concatenate(apart) ** 2)))


def answer(cell: AbstractSpiking, clamp: Clamp) -> Answer:
    """Run a cell of one unit under the sweeps of a clamp."""
    with torch.no_grad():
        spikes, potentials = clamped(cell, clamp)
    fired = spikes[..., 0].numpy() > 0  # (time, sweep)
    trains = tuple(np.flatnonzero(fired[:, i]) * clamp.dt for i in range(len(clamp)))
    model = Clamp(
        clamp.current,
        potentials[..., 0].T.numpy().copy(),
        trains,
        clamp.steps,
        clamp.onset,
        clamp.offset,
        clamp.dt,
    )
    return Answer(clamp, model)


def slowing(clamp: Clamp) -> float:
    r"""Return by how much the neuron slows during its strongest step: 0 for a clock, up to 1.

    $$ A = \frac{I_{last} - I_{first}}{I_{last} + I_{first}} $$ of the inter-spike intervals within the step.

    Returns:
        The index; NaN where the strongest step has fewer than three spikes.
    """
    strongest = int(np.argmax(clamp.steps))
    train = clamp.spikes[strongest]
    intervals = np.diff(train[(train >= clamp.onset) & (train < clamp.offset)])
    if len(intervals) < 2:
        return float("nan")
    return float((intervals[-1] - intervals[0]) / (intervals[-1] + intervals[0]))
