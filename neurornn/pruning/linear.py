r"""A network as a linear one, driven by noise: what scores of synapses are taken from.

$$\dot x = A x + \sigma\,\xi(t), \qquad A_{ij} = (\phi' W_{ij} - \delta_{ij})/\tau_i$$

with the recurrent weights in the wiring's own unit: of rate units they act on rates through the slope $\phi'$ of the
nonlinearity, and of spiking units a weight of 1 is the charge from rest to threshold, so that one spike makes one
spike.
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import solve_continuous_lyapunov
from torch import Tensor, nn

from neurornn import _check
from neurornn.cell import LeakyRate
from neurornn.errors import NotConverged
from neurornn.network import Network
from neurornn.pruning.rebuild import wiring_of

SHIFTS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""How far the leak is raised, in mean leaks, until an unstable network is stable."""


def time_constants_of(network: Network) -> Float[np.ndarray, " unit"]:
    """Return the time constants of the units, ms, or refuse units that have none.

    Raises:
        ValueError: if the membrane of the units has no time constant of its own.
    """
    tau = getattr(network.cell, "tau", None)
    if not isinstance(tau, nn.Module):
        fix = "Take another cell, or RandomPruning or MagnitudePruning."
        _check.fail("prune", "network", "of units with a time constant `tau`", type(network.cell).__name__, fix)
    return tau().detach().double().cpu().numpy()


def linear_model(network: Network) -> Float[np.ndarray, "unit unit"]:
    """Return $A$, 1/ms, rows post-synaptic."""
    weights = wiring_of(network)().detach().double().cpu().numpy()
    return (slope_at_rest(network) * weights - np.eye(len(weights))) / time_constants_of(network)[:, None]


def slope_at_rest(network: Network) -> float:
    """Return the slope of the nonlinearity just above 0; 1 for spiking units."""
    if not isinstance(network.cell, LeakyRate):
        return 1.0
    x = torch.tensor(1e-6, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(_number(network.cell.f(x)), x)
    return float(slope)


def _number(value: Tensor) -> Tensor:
    return value.sum()


def noise_covariance(a: Float[np.ndarray, "unit unit"]) -> Float[np.ndarray, "unit unit"]:
    r"""Return the stationary covariance under white noise of $\sigma = 1$: the solution of $A C + C A^\top = -1$.

    Of a symmetric $A$ it is $-A^{-1}/2$.

    Args:
        a: stable, that is without an eigenvalue whose real part is 0 or above.
    """
    if is_symmetric(a):
        return -np.linalg.inv((a + a.T) / 2) / 2
    solved = solve_continuous_lyapunov(a, -np.eye(len(a)))
    return (solved + solved.T) / 2


def is_symmetric(*matrices: Float[np.ndarray, "unit unit"]) -> bool:
    """Tell whether all of them are, but for rounding."""
    return all(np.allclose(one, one.T, rtol=1e-6, atol=1e-9 * np.abs(one).max(initial=0.0)) for one in matrices)


def stabilised(a: Float[np.ndarray, "unit unit"]) -> tuple[Float[np.ndarray, "unit unit"], float, float]:
    """Return a stable matrix: with its leak raised as little as does, how far (in mean leaks), and the abscissa before.

    The abscissa is the largest real part of an eigenvalue, 1/ms.

    Raises:
        NotConverged: if the largest shift does not do.
    """
    values = np.linalg.eigvalsh(a) if is_symmetric(a) else np.linalg.eigvals(a).real
    abscissa = float(values.max())
    leak = float(-np.trace(a) / len(a))
    for shift in (0.0, *SHIFTS):
        if abscissa - shift * abs(leak) < 0:
            return a - shift * abs(leak) * np.eye(len(a)), shift, abscissa
    fix = "Scale its weights down, or take SimulatedCovariance()."
    must = f"stable once its leak is raised by {SHIFTS[-1]:g} leaks"
    got = f"an eigenvalue of {abscissa:.3g}/ms beside a leak of {leak:.3g}/ms"
    _check.fail("AnalyticCovariance", "network", must, got, fix, error=NotConverged)
