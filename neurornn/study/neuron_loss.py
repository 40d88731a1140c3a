"""How far candidates are from a neuron: the one loss that all optimisers lower, and the run it is taken of."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurornn.study.clamp import Clamp
from neurornn.study.neuron_kinds import Population

VOLTAGE, WAY = 5.0, 0.2
"""mV that are as bad as half a spike, and the share of the way from the first potential that is where that is far."""

BIN = 5.0
"""ms between the moments at which spikes so far are counted."""

HALF, SHARE = 0.5, 0.05
"""Spikes that are as bad as 5 mV, and the share of the spikes so far that is once they are many."""

TRACE = 10.0
"""Time constant of the trace that a spike leaves, ms."""


def clamped(candidates: Population, clamp: Clamp) -> tuple[Tensor, Tensor]:
    """Run every candidate under every sweep, from the potential that was recorded first.

    Returns:
        Spikes and potentials (mV), each `(time, sweep, candidate)`.
    """
    current, first = torch.as_tensor(clamp.current), torch.as_tensor(clamp.potential[:, 0])
    spikes, potentials = zip(*candidates.steps(current.double(), first.double()), strict=True)
    return torch.stack(spikes), torch.stack(potentials)


def quiet(clamp: Clamp, *, margin: float = 2.0) -> Bool[np.ndarray, "sweep time"]:
    """Return where each sweep has not fired yet, less `margin` ms."""
    times = (np.arange(clamp.current.shape[1]) + 1) * clamp.dt
    first = np.array([train[0] if len(train) else np.inf for train in clamp.spikes])
    return times[None] < first[:, None] - margin


def loss(candidates: Population, clamp: Clamp) -> Float[Tensor, " candidate"]:
    r"""Return how far each candidate is from the neuron.

    $$ L = \Bigl\langle \frac{(v - v_{data})^2}{(5\,\mathrm{mV})^2 + (0.2\,[v_{data} - v_{data}(0)])^2}
       \Bigr\rangle_{\text{before the first spike}} +
       \Bigl\langle \frac{(N(t) - N_{data}(t))^2}{0.5^2 + (0.05\,N_{data}(t))^2} \Bigr\rangle_{\text{sweeps},\ t} +
       \Bigl\langle \frac{\int (f - f_{data})^2\,dt}{\int f^2\,dt + \int f_{data}^2\,dt + \tau_f/2}
       \Bigr\rangle_{\text{sweeps}} $$

    with the number $N(t)$ of spikes up to $t$, taken every 5 ms, and the trace $f$ of the spikes, each of which decays
    with $\tau_f$ = 10 ms. The second part knows rates, latencies and how a train slows, half a spike or a twentieth
    of them being as bad as 5 mV; the third, van Rossum's distance, knows where single spikes are.

    References:
        van Rossum (2001), doi:10.1162/089976601300014321.
    """
    spikes, potentials = clamped(candidates, clamp)
    mask = torch.as_tensor(quiet(clamp).T[..., None], dtype=torch.float64)  # (time, sweep, 1)
    recorded = torch.as_tensor(clamp.potential.T[..., None])
    allowed = VOLTAGE**2 + (WAY * (recorded - recorded[:1])).square()
    below = (mask * (potentials - recorded).square() / allowed).sum((0, 1)) / mask.sum()
    every = round(BIN / clamp.dt)
    n = len(spikes) // every
    binned = spikes[: n * every].unflatten(0, (n, every)).sum(1)  # (bin, sweep, candidate)
    edges = np.arange(n + 1) * BIN
    counts = torch.as_tensor(np.stack([np.histogram(train, edges)[0] for train in clamp.spikes], axis=1))[..., None]
    so_far = counts.cumsum(0)
    apart = ((binned.cumsum(0) - so_far).square() / (HALF**2 + (SHARE * so_far).square())).mean((0, 1))
    return below + apart + _distance(binned, counts.double()).mean(0)


def _distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return van Rossum's distance of spikes in bins, over what both trains have alone. Shape `(sweep, candidate)`."""
    lags = torch.arange(len(ours), dtype=ours.dtype)
    decay = torch.exp(-(lags[:, None] - lags) * BIN / TRACE).tril()
    traces = [torch.einsum("ts,swc->twc", decay, spikes) for spikes in (ours, theirs)]
    one = 1 / (1 - float(np.exp(-2 * BIN / TRACE)))  # what one spike has alone
    sizes = [trace.square().sum(0) for trace in traces]
    return (traces[0] - traces[1]).square().sum(0) / (sizes[0] + sizes[1] + one)
