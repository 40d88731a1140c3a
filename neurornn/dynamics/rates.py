"""The rates that a spiking network settles at: a smooth map in place of one that jumps."""

import math

import numpy as np
import torch
from torch import Tensor

from neurornn import _check
from neurornn.cell import LIF
from neurornn.dynamics.system import Map

NODES = 64
"""Gauss-Legendre nodes of the first-passage integral."""


def rate_map(cell: LIF, *, noise: float = 1.0) -> Map:
    r"""Return the mean-field map of a network of leaky integrate-and-fire units.

    Its state is the mean current $y$ of each unit (pA), which follows inputs and rates $\nu$ with the synaptic time
    constant:

    $$y' = \alpha y + (1-\alpha)\,(\tau_s W \nu(y) + W_{in} x + b), \qquad \mu = E + R y$$
    $$\nu(y)^{-1} = t_{ref} + \tau\sqrt\pi \int_{(v_r - \mu)/\sigma}^{(v_{th} - \mu)/\sigma}
      e^{u^2}(1 + \mathrm{erf}\,u)\,du$$

    Each unit sees its mean current and white noise: right where many weak and independent inputs add up, wrong where
    units fire together. Its fixed points are the steady rates of the network; `read` of the map gives them in Hz.

    Args:
        cell: the network, with a synaptic filter (`tau_syn`).
        noise: $\sigma$, mV: $\sqrt 2$ times the standard deviation of the potential without a threshold.

    Raises:
        ValueError: if the cell is of another kind, or has no synaptic filter.

    References:
        Siegert (1951), doi:10.1103/PhysRev.81.617; Brunel (2000), doi:10.1023/A:1008925309027.

    Example:
        >>> import torch
        >>> from neurornn import LIF, fixed_points
        >>> from neurornn.dynamics import rate_map
        >>> cell = LIF(1, 5, wiring=None, seed=1)
        >>> step, held = rate_map(cell, noise=3.0), torch.ones(1, 1).double()
        >>> on_the_way = step.trajectory(torch.zeros(1, 5).double(), 100, held)[0]
        >>> fixed_points(step, on_the_way, held).outputs.shape[1]
        5
    """
    if type(cell) is not LIF or "current" not in cell.parts:
        fix = "Give it `tau_syn`."
        _check.fail("rate_map", "cell", "of LIF units with a synaptic filter", type(cell).__name__, fix)
    sigma = _check.positive("rate_map", "noise", noise)
    with torch.no_grad():
        w_in, w_rec, bias = (part.double() for part in cell.weights()[:3])
        constants = {name: getattr(cell, name)().double() for name in ("tau", "tau_syn", "resistance")}
        v_rest, v_threshold, v_reset = (getattr(cell, name)().double() for name in ("v_rest", "v_threshold", "v_reset"))
    dead = cell.refractory_steps * cell.dt
    kept = torch.exp(-cell.dt / constants["tau_syn"])
    drop = 1e-3 * constants["resistance"]  # MOhm times pA is 1e-3 mV

    def rates(current: Tensor) -> Tensor:
        """Return spikes a ms at a mean current, pA."""
        mean = v_rest + drop * current
        waited = _passage((v_reset - mean) / sigma, (v_threshold - mean) / sigma)
        return 1 / (dead + constants["tau"] * math.sqrt(math.pi) * waited)

    def step(y: Tensor, u: Tensor) -> Tensor:
        fed = u @ w_in.mT * (constants["tau_syn"] / cell.dt if cell.spike_inputs else 1.0)
        driven = constants["tau_syn"] * (rates(y) @ w_rec.mT) + fed + bias
        return kept * y + (1 - kept) * driven

    return Map(
        step,
        cell.n_units,
        cell.n_in,
        cell.dt,
        "mean-field LIF",
        bounded=dead > 0,
        read=lambda y: 1e3 * rates(y),
    )


def _passage(low: Tensor, high: Tensor) -> Tensor:
    r"""Return $\int e^{u^2}(1 + \mathrm{erf}\,u)\,du$ between two bounds.

    Far above threshold both are very negative and the integrand is a scaled complementary error function; below it the
    integral grows beyond all bounds, and so does the time to the next spike: it is cut at $e^{576}$.
    """
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(NODES))
    half = (high - low) / 2
    u = (low + high)[..., None] / 2 + half[..., None] * nodes.to(low)
    negative = torch.special.erfcx(u.clamp(max=0).neg())
    top = u.clamp(0, 24.0)
    positive = torch.exp(top.square()) * (1 + torch.erf(top))
    return half * (torch.where(u < 0, negative, positive) @ weights.to(low))
