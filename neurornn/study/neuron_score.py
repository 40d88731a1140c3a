"""How well a fitted neuron does on sweeps that it never saw: rates, coincident spikes, and the potential below them."""

from dataclasses import dataclass

import numpy as np
import torch

from neurornn.statistics import coincidence_factor
from neurornn.study.clamp import Clamp
from neurornn.study.neuron_kinds import Population
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


def answer(one: Population, clamp: Clamp) -> Answer:
    """Run a population of one under the sweeps of a clamp."""
    with torch.no_grad():
        spikes, potentials = clamped(one, clamp)
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


def irregularity(clamp: Clamp) -> float:
    r"""Return by how much a neuron's interval differs from what its neighbours in the train would make of it.

    $$ \sigma^2 = \tfrac23\operatorname{Var}\bigl[\ln I_k - \tfrac12(\ln I_{k-1} + \ln I_{k+1})\bigr] $$

    over all sweeps: the standard deviation of an interval, as a share of it, that no slow change explains.

    Returns:
        The share; NaN where no sweep has four spikes.
    """
    apart = []
    for train in clamp.spikes:
        if len(train) > 3:
            logs = np.log(np.diff(train))
            apart.append(logs[1:-1] - (logs[:-2] + logs[2:]) / 2)
    return float(np.sqrt(2 / 3 * np.mean(np.concatenate(apart) ** 2))) if apart else float("nan")


def ceiling(clamp: Clamp, *, repeats: int = 50, seed: int = 0) -> float:
    """Return the coincidence factor that a neuron would have with itself, had each step been given twice.

    No file gives a step twice. Two trains are made of each recorded one, whose intervals vary by the neuron's own
    `irregularity`, independently of each other; latencies are taken for exact. It is an estimate, and rather too high.

    Returns:
        The mean over sweeps and repeats; NaN where there is none.
    """
    sigma, stream, found = irregularity(clamp), np.random.default_rng(seed), []
    for train in clamp.spikes:
        if not len(train) or not np.isfinite(sigma):
            continue
        for _ in range(repeats):
            one, other = (
                train[0] + np.concatenate([[0.0], np.cumsum(np.diff(train) * np.exp(sigma * noise))])
                for noise in stream.standard_normal((2, len(train) - 1))
            )
            found.append(coincidence_factor(one, other, duration=clamp.duration))
    known = [one for one in found if np.isfinite(one)]
    return float(np.mean(known)) if known else float("nan")


def paced(clamp: Clamp, *, share: float = 0.02) -> float:
    """Return the coincidence factor of a neuron with itself, were it slower from its first spike on.

    Under a constant step nothing tells a spike when to come but the spike before it, so that errors of the pace add up:
    this is what is left to a model that knows every latency and every interval but for a few per cent of its length.

    Args:
        clamp: the neuron.
        share: how much longer every interval is.

    Returns:
        The mean over sweeps; NaN where there is none.
    """
    found = [
        coincidence_factor(train[0] + (train - train[0]) * (1 + share), train, duration=clamp.duration)
        for train in clamp.spikes
        if len(train)
    ]
    known = [one for one in found if np.isfinite(one)]
    return float(np.mean(known)) if known else float("nan")


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
