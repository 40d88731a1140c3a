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


PACE = 0.2
"""Difference of the slowing that is as bad as 5 mV."""

FINE = 0.5
"""ms between the moments at which the spikes of a step are counted to tell its intervals."""

SOFT = 0.1
"""Spikes over which the moment of a spike is smoothed, so that it has a gradient."""


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
       \Bigr\rangle_{\text{sweeps}} +
       \Bigl\langle \frac{(A - A_{data})^2}{0.2^2} \Bigr\rangle_{\text{sweeps of three spikes or more}} $$

    with the number $N(t)$ of spikes up to $t$, taken every 5 ms, and the trace $f$ of the spikes, each of which decays
    with $\tau_f$ = 10 ms. The second part knows rates and latencies, half a spike or a twentieth of them being as bad
    as 5 mV; the third, van Rossum's distance, knows where single spikes are. The fourth knows how a train slows, $A$
    being the last interval of a step less the first, over their sum: of sixty spikes in half a second the first two are
    so small a part that the others hardly know.

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
    return below + apart + _distance(binned, counts.double()).mean(0) + _pace(spikes, clamp)


def _distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return van Rossum's distance of spikes in bins, over what both trains have alone. Shape `(sweep, candidate)`."""
    lags = torch.arange(len(ours), dtype=ours.dtype)
    decay = torch.exp(-(lags[:, None] - lags) * BIN / TRACE).tril()
    traces = [torch.einsum("ts,swc->twc", decay, spikes) for spikes in (ours, theirs)]
    one = 1 / (1 - float(np.exp(-2 * BIN / TRACE)))  # what one spike has alone
    sizes = [trace.square().sum(0) for trace in traces]
    return (traces[0] - traces[1]).square().sum(0) / (sizes[0] + sizes[1] + one)


def _pace(spikes: Tensor, clamp: Clamp) -> Tensor:
    """Return how far the slowing within a step is from the neuron's. Shape `(candidate,)`.

    The moment of the k-th spike is the time during which fewer than k were fired, a step of the number of spikes that
    is smoothed for model and neuron alike.
    """
    fold = max(round(FINE / clamp.dt), 1)
    on, n = round(clamp.onset / clamp.dt), round((clamp.offset - clamp.onset) / clamp.dt) // fold
    ours = spikes[on : on + n * fold].unflatten(0, (n, fold)).sum(1).cumsum(0)  # (bin, sweep, candidate)
    edges = clamp.onset + np.arange(n + 1) * fold * clamp.dt
    counts = np.stack([np.histogram(train, edges)[0] for train in clamp.spikes], axis=1)
    several = np.flatnonzero(counts.sum(axis=0) >= 3)
    if not len(several):
        return torch.zeros_like(spikes[0, 0])
    theirs = torch.as_tensor(counts[:, several, None]).cumsum(0).to(spikes.dtype)
    last = theirs[-1]  # (sweep, 1)
    return ((_slowing(ours[:, several], last) - _slowing(theirs, last)) / PACE).square().mean(0)


def _slowing(so_far: Tensor, last: Tensor) -> Tensor:
    """Return the slowing from the first two to the last two of `last` spikes. Shape `(sweep, candidate)`."""
    first, second, last_but_one, at_last = (
        torch.sigmoid((k - 0.5 - so_far) / SOFT).sum(0) for k in (1.0, 2.0, last - 1, last)
    )
    early, late = second - first, at_last - last_but_one
    return (late - early) / (late + early + 1.0)  # (one bin more, so that silence has one)
