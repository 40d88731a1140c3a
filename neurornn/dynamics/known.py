"""Systems whose exponents are known: what a spectrum is checked against, and what to learn the methods on."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from neurornn import _check
from neurornn.dynamics.system import Map, flow_map

EXPONENTS: dict[str, tuple[float, ...]] = {
    "logistic": (math.log(2),),
    "cat": (math.log((3 + math.sqrt(5)) / 2), -math.log((3 + math.sqrt(5)) / 2)),
    "henon": (0.41922, -1.62319),
    "lorenz63": (0.9056, 0.0, -14.572),
    "rossler": (0.0714, 0.0, -5.394),
}
"""Per unit of time at the standard parameters. The first two are exact, and so are the sums of henon, ln 0.3, and of
lorenz63, -41/3; the rest is from long runs (Sprott 2003, Chaos and Time-Series Analysis, Oxford)."""


def lorenz63(*, sigma: float = 10.0, rho: float = 28.0, beta: float = 8 / 3, dt: float = 0.01) -> Map:
    r"""Return the Lorenz system, $\dot x = \sigma(y - x),\ \dot y = x(\rho - z) - y,\ \dot z = xy - \beta z$.

    Args:
        sigma: $\sigma$.
        rho: $\rho$.
        beta: $\beta$.
        dt: step of the Runge-Kutta method, in the system's own time.

    References:
        Lorenz (1963), doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2.

    Example:
        >>> import torch
        >>> from neurornn.dynamics import lorenz63
        >>> lorenz63().trajectory(torch.ones(1, 3), 100).shape
        torch.Size([1, 100, 3])
    """

    def field(s: Tensor) -> Tensor:
        x, y, z = s.unbind(-1)
        return torch.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z], dim=-1)

    return flow_map(field, 3, dt=dt, name="Lorenz 63")


def rossler(*, a: float = 0.2, b: float = 0.2, c: float = 5.7, dt: float = 0.02) -> Map:
    r"""Return the Rössler system, $\dot x = -y - z,\ \dot y = x + a y,\ \dot z = b + z(x - c)$.

    Args:
        a: $a$.
        b: $b$.
        c: $c$.
        dt: step of the Runge-Kutta method, in the system's own time.

    References:
        Rössler (1976), doi:10.1016/0375-9601(76)90101-8.
    """

    def field(s: Tensor) -> Tensor:
        x, y, z = s.unbind(-1)
        return torch.stack([-y - z, x + a * y, b + z * (x - c)], dim=-1)

    return flow_map(field, 3, dt=dt, name="Rossler")


def henon(*, a: float = 1.4, b: float = 0.3) -> Map:
    r"""Return the Hénon map, $x' = 1 - a x^2 + y,\ y' = b x$.

    Args:
        a: $a$.
        b: $b$.

    References:
        Hénon (1976), doi:10.1007/BF01608556.
    """

    def step(s: Tensor) -> Tensor:
        x, y = s.unbind(-1)
        return torch.stack([1 - a * x.square() + y, b * x], dim=-1)

    return Map(step, 2, name="Henon")


def logistic(*, rate: float = 4.0) -> Map:
    r"""Return the logistic map, $x' = r x (1 - x)$, which at $r = 4$ doubles differences on average.

    Args:
        rate: $r$, in (0, 4].
    """
    if not 0 < rate <= 4:
        _check.fail("logistic", "rate", "above 0 and at most 4", rate, "Beyond 4 it leaves the unit interval.")
    return Map(lambda x: rate * x * (1 - x), 1, name="logistic")


def cat() -> Map:
    r"""Return Arnold's cat map, $(x, y)' = (2x + y,\ x + y) \bmod 1$: it stretches everywhere alike."""
    matrix = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    return Map(lambda s: torch.remainder(s @ matrix.T, 1.0), 2, name="cat")


SYSTEMS: dict[str, Callable[[], Map]] = {
    "logistic": logistic,
    "cat": cat,
    "henon": henon,
    "lorenz63": lorenz63,
    "rossler": rossler,
}
"""Each system of `EXPONENTS` at its standard parameters."""
