r"""What mean-field theory says of random networks: how chaotic $N \to \infty$ units with gain $g$ are.

$$\tau \dot x = -x + J \tanh(x) \quad\text{or}\quad x_{t+1} = J \tanh(x_t), \qquad J_{ij} \sim \mathcal N(0, g^2/N)$$
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import root_scalar

from neurornn import _check

GRID = np.linspace(-8, 8, 401)
"""Standard deviations at which Gaussian means are summed. (Gauss-Hermite nodes are too coarse: 21 % off at gain 5.)"""
WEIGHT = np.exp(-(GRID**2) / 2) * (GRID[1] - GRID[0]) / math.sqrt(2 * math.pi)

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class MeanField:
    """A random network in the limit of many units.

    Args:
        gain: $g$.
        variance: of the state of a unit.
        largest: the largest Lyapunov exponent: per time constant of the flow, per step of the map.
    """

    gain: float
    variance: float
    largest: float


def mean_field_map(gain: float) -> MeanField:
    r"""Return the theory of the map $x' = J \tanh(x)$.

    $$q = g^2 \langle \tanh^2(\sqrt q\, z) \rangle, \qquad
      \lambda_1 = \ln g + \tfrac12 \ln \langle \tanh'(\sqrt q\, z)^2 \rangle$$

    Args:
        gain: $g$. Up to 1 all activity dies and the exponent is $\ln g$.

    References:
        Molgedey, Schuchhardt & Schuster (1992), doi:10.1103/PhysRevLett.69.3717.

    Example:
        >>> from neurornn.dynamics import mean_field_map
        >>> round(mean_field_map(2.0).largest, 3)
        0.155
    """
    g = _check.positive("mean_field_map", "gain", gain)
    if g <= 1:
        return MeanField(g, 0.0, math.log(g))
    variance = _root(lambda q: g**2 * _mean(np.tanh(math.sqrt(q) * GRID) ** 2) - q, 1e-9, g**2)
    slope = _mean(np.cosh(math.sqrt(variance) * GRID) ** -4.0)
    return MeanField(g, variance, math.log(g) + 0.5 * math.log(slope))


def mean_field_flow(gain: float, *, n_points: int = 160) -> MeanField:
    r"""Return the theory of the flow $\dot x = -x + J \tanh(x)$.

    The autocovariance solves $\ddot\Delta = \Delta - g^2 \langle \phi \phi \rangle$ and conserves energy;
    $\lambda_1 = -1 + \sqrt{1 - E_0}$ with $E_0$ the lowest level of
    $-\partial_\tau^2 + 1 - g^2 \langle \phi' \phi' \rangle(\tau)$.

    Args:
        gain: $g$. Up to 1 all activity dies and the exponent is $g - 1$.
        n_points: covariances at which the means are tabulated.

    References:
        Sompolinsky, Crisanti & Sommers (1988), doi:10.1103/PhysRevLett.61.259.

    Example:
        >>> from neurornn.dynamics import mean_field_flow
        >>> round(mean_field_flow(3.0).largest, 3)
        0.235
    """
    g = _check.positive("mean_field_flow", "gain", gain)
    if g <= 1:
        return MeanField(g, 0.0, g - 1)

    def energy(variance: float) -> float:
        values = _log_cosh(math.sqrt(variance) * GRID)
        return g**2 * (_mean(values**2) - _mean(values) ** 2) - variance**2 / 2

    variance = _root(energy, 1e-3 * (g - 1), g**2)
    # Delta = Delta_0 (1 - s^2): the turning point at s = 0 becomes regular.
    s = np.linspace(0, 1, n_points + 1)[:-1]
    share = 1 - s**2
    kinetic = 2 * (_potential(variance, g, np.ones(1))[0] - _potential(variance, g, share))
    slope = np.empty(n_points)
    slope[1:] = 2 * variance * s[1:] / np.sqrt(np.maximum(kinetic[1:], 1e-300))
    force = variance - g**2 * _product_mean(np.tanh, variance, np.ones(1))[0]  # minus the acceleration at the top
    slope[0] = 2 * variance / math.sqrt(2 * abs(force) * variance)
    time = CubicSpline(s, slope).antiderivative()(s)
    well = 1 - g**2 * _product_mean(lambda x: np.cosh(x) ** -2.0, variance, share)
    return MeanField(g, variance, -1 + math.sqrt(1 - _lowest(time, well)))


def _lowest(time: np.ndarray, well: np.ndarray) -> float:
    """Return the lowest level of a symmetric well that is known at some times from 0 on, and flat beyond."""
    step = min(0.02, time[-1] / 4000)
    grid = (np.arange(int(2 * time[-1] / step)) + 0.5) * step  # even levels: no slope at 0
    values = np.interp(grid, time, well)
    diagonal = 2 / step**2 + values
    diagonal[0] -= 1 / step**2
    return float(
        eigh_tridiagonal(diagonal, np.full(len(grid) - 1, -1 / step**2), select="i", select_range=(0, 0))[0][0]
    )


def _potential(variance: float, g: float, share: np.ndarray) -> np.ndarray:
    return g**2 * _product_mean(_log_cosh, variance, share) - (share * variance) ** 2 / 2


def _product_mean(f: Function, variance: float, share: np.ndarray) -> np.ndarray:
    """Return the mean of f(x) f(y) for Gaussians of equal variance, at each `share` that they have in common."""
    root = math.sqrt(variance)
    means = [_mean_of(f, root * math.sqrt(c) * GRID, root * math.sqrt(max(1 - c, 0.0))) for c in share]
    return np.array([_mean(inner**2) for inner in means])


def _mean_of(f: Function, centres: np.ndarray, spread: float) -> np.ndarray:
    return f(centres[:, None] + spread * GRID) @ WEIGHT


def _root(f: Callable[[float], float], low: float, high: float) -> float:
    return float(root_scalar(f, bracket=(low, high), method="brentq").root)


def _mean(values: np.ndarray) -> float:
    return float(values @ WEIGHT)


def _log_cosh(x: np.ndarray) -> np.ndarray:
    return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - math.log(2)
