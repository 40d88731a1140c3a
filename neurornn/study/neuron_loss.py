"""How far candidates are from a neuron: the one loss that both optimisers lower, and the run it is taken of."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurornn.cell import AbstractSpiking
from neurornn.study.clamp import Clamp

VOLTAGE = 5.0
"""mV that weigh as much as one spike."""

BIN = 25.0
"""ms between the moments at which spikes so far are counted."""


def clamped(cell: AbstractSpiking, clamp: Clamp) -> tuple[Tensor, Tensor]:
    """Run every unit under every sweep, from the potential that was recorded first.

    Returns:
        Spikes and potentials (mV), each `(time, sweep, unit)`.
    """
    current = torch.as_tensor(clamp.current, dtype=torch.float64)[..., None]
    first = torch.as_tensor(clamp.potential[:, :1], dtype=torch.float64).expand(-1, cell.n_units)
    _, *rest = cell.initial(len(clamp))
    spikes, potentials = zip(*((sent, state[0]) for sent, state in cell.steps(current, (first, *rest))), strict=True)
    return torch.stack(spikes), torch.stack(potentials)


def quiet(clamp: Clamp, *, margin: float = 2.0) -> Bool[np.ndarray, "sweep time"]:
    """Return where each sweep has not fired yet, less `margin` ms."""
    times = (np.arange(clamp.current.shape[1]) + 1) * clamp.dt
    first = np.array([train[0] if len(train) else np.inf for train in clamp.spikes])
    return times[None] < first[:, None] - margin


def loss(cell: AbstractSpiking, clamp: Clamp) -> Float[Tensor, " unit"]:
    r"""Return how far each unit of a population is from the neuron.

    $$ L = \Bigl\langle \frac{(v - v_{data})^2}{(5\,\mathrm{mV})^2} \Bigr\rangle_{\text{before the first spike}} +
       \Bigl\langle \frac{(N(t) - N_{data}(t))^2}{1 + N_{data}(T)} \Bigr\rangle_{\text{sweeps},\ t}$$

    with the number $N(t)$ of spikes up to $t$, taken every 25 ms: it knows rates, latencies and how a train slows.
    """
    spikes, potentials = clamped(cell, clamp)
    mask = torch.as_tensor(quiet(clamp).T[..., None], dtype=torch.float64)  # (time, sweep, 1)
    recorded = torch.as_tensor(clamp.potential.T[..., None])
    below = (mask * ((potentials - recorded) / VOLTAGE).square()).sum((0, 1)) / mask.sum()
    every = round(BIN / clamp.dt)
    n = len(spikes) // every
    counted = spikes[: n * every].unflatten(0, (n, every)).sum(1).cumsum(0)  # (bin, sweep, unit)
    edges = np.arange(1, n + 1) * BIN
    known = torch.as_tensor(np.stack([np.searchsorted(train, edges) for train in clamp.spikes], axis=1))[..., None]
    whole = torch.as_tensor([float(len(train)) for train in clamp.spikes], dtype=torch.float64)[None, :, None]
    return below + ((counted - known).square() / (1 + whole)).mean((0, 1))
