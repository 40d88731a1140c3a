"""Chaotic systems as series: what can be forecast for a while, and how long that is is known."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from neurornn import _check
from neurornn.task.series import AbstractSeries, Samples

TOLERANCE = 1e-9
"""Of the integrator, relative and absolute."""
FAR = 1e4
"""A state that is larger than this has left every attractor here."""


@dataclass(frozen=True)
class AbstractFlow(AbstractSeries):
    """A series of samples of an orbit on the attractor of a differential equation.

    Integrated by scipy's Runge-Kutta method of order 8 (DOP853) at a tolerance of 1e-9, from a random point near the
    attractor, of which the first `transient` is left out. The part held out is an orbit from another point.

    Args:
        step: time between two samples, in the system's own time.
        duration: of the orbit, in the system's own time.
        test: whether this is the orbit that is held out.
        seed: of the two first points.
    """

    step: float = 0.02
    duration: float = 200.0
    test: bool = False
    seed: int = 0

    transient: ClassVar[float] = 100.0
    centre: ClassVar[tuple[float, ...]]
    standard_exponent: ClassVar[float]

    def __post_init__(self) -> None:
        owner = type(self).__name__
        _check.positive(owner, "step", self.step)
        _check.count(owner, "seed", self.seed, least=0)
        if not 2 * self.step <= self.duration < float("inf"):
            _check.fail(owner, "duration", f"two steps of {self.step:g} or more", self.duration)

    @abstractmethod
    def field(self, state: Sequence[float]) -> tuple[float, ...]:
        """Return the rate of change of the state, per unit of its own time."""

    @property
    @abstractmethod
    def standard(self) -> bool:
        """Whether the parameters are those for which the exponent is known."""

    @property
    def exponent(self) -> float:
        return self.standard_exponent if self.standard else float("nan")

    @property
    def samples(self) -> Samples:
        learnt = _orbit(replace(self, test=False))
        return Samples(_orbit(self), learnt.mean(axis=0), learnt.std(axis=0))

    @property
    def held_out(self) -> "AbstractFlow":
        return replace(self, test=True)


@dataclass(frozen=True)
class Lorenz63(AbstractFlow):
    r"""The Lorenz system, $\dot x = \sigma(y - x),\ \dot y = x(\rho - z) - y,\ \dot z = xy - \beta z$.

    At the standard parameters its largest Lyapunov exponent is 0.9056 per unit of its time, and a turn about one of its
    two wings takes about 0.75.

    Args:
        step: time between two samples, in the system's own time.
        duration: of the orbit, in the system's own time.
        test: whether this is the orbit that is held out.
        seed: of the two first points.
        sigma: $\sigma$.
        rho: $\rho$.
        beta: $\beta$.

    Raises:
        ValueError: if the orbit has fewer than two steps.

    Example:
        >>> from neurornn.task import Lorenz63
        >>> Lorenz63(step=0.05, duration=20.0).samples.values.shape
        (400, 3)

    References:
        E. N. Lorenz (1963), Deterministic nonperiodic flow, doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2. Exponent:
        J. C. Sprott (2003), Chaos and Time-Series Analysis, Oxford.
    """

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8 / 3

    centre: ClassVar[tuple[float, ...]] = (0.0, 0.0, 25.0)
    standard_exponent: ClassVar[float] = 0.9056

    @property
    def standard(self) -> bool:
        return (self.sigma, self.rho, self.beta) == (10.0, 28.0, 8 / 3)

    def field(self, state: Sequence[float]) -> tuple[float, ...]:
        x, y, z = state
        return (self.sigma * (y - x), x * (self.rho - z) - y, x * y - self.beta * z)


@dataclass(frozen=True)
class Rossler(AbstractFlow):
    r"""The Rössler system, $\dot x = -y - z,\ \dot y = x + a y,\ \dot z = b + z(x - c)$.

    At the standard parameters its largest Lyapunov exponent is 0.0714 per unit of its time, and a turn takes about 5.9.

    Args:
        step: time between two samples, in the system's own time.
        duration: of the orbit, in the system's own time.
        test: whether this is the orbit that is held out.
        seed: of the two first points.
        a: $a$.
        b: $b$.
        c: $c$.

    Raises:
        ValueError: if the orbit has fewer than two steps.

    Example:
        >>> from neurornn.task import Rossler
        >>> Rossler(duration=100.0).samples.values.shape
        (625, 3)

    References:
        O. E. Rössler (1976), An equation for continuous chaos, doi:10.1016/0375-9601(76)90101-8. Exponent: J. C. Sprott
        (2003), Chaos and Time-Series Analysis, Oxford.
    """

    step: float = 0.16
    duration: float = 1600.0
    a: float = 0.2
    b: float = 0.2
    c: float = 5.7

    centre: ClassVar[tuple[float, ...]] = (0.0, -4.0, 0.0)
    standard_exponent: ClassVar[float] = 0.0714

    @property
    def standard(self) -> bool:
        return (self.a, self.b, self.c) == (0.2, 0.2, 5.7)

    def field(self, state: Sequence[float]) -> tuple[float, ...]:
        x, y, z = state
        return (-y - z, x + self.a * y, self.b + z * (x - self.c))


@lru_cache(maxsize=8)
def _orbit(flow: AbstractFlow) -> np.ndarray:
    from scipy.integrate import solve_ivp

    draw = np.random.default_rng([flow.seed, int(flow.test)])
    first = np.array(flow.centre) + draw.standard_normal(len(flow.centre))
    n = round(flow.duration / flow.step)
    times = flow.transient + flow.step * np.arange(n)
    told = {"method": "DOP853", "rtol": TOLERANCE, "atol": TOLERANCE, "t_eval": times, "events": _leaves}
    done = solve_ivp(lambda _, state: flow.field(state.tolist()), (0.0, times[-1]), first, **told)
    if len(done.t) != n:
        fix = "Some parameters have no attractor."
        _check.fail(type(flow).__name__, "field", f"one whose orbits stay within {FAR:g}", done.message, fix)
    values = np.ascontiguousarray(done.y.T)
    values.flags.writeable = False  # the one copy of all tasks
    return values


def _leaves(_: float, state: np.ndarray) -> float:
    return FAR - float(np.abs(state).max())


_leaves.terminal = True  # type: ignore[attr-defined]
