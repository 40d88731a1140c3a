"""Synapses: when a spike arrives, and how much of it is left after many."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.cell.constant import whole_steps
from neurornn.cell.law import AbstractLaw
from neurornn.wiring import AbstractWiring, Dale

Delays = float | Sequence[float] | Sequence[Sequence[float]] | AbstractLaw | Mapping[str, float]
"""One delay for all synapses, one for each pre-synaptic unit, one a synapse (rows post-synaptic), the law they are
drawn from, or one for each class of a Dale wiring, by the names "excitatory" and "inhibitory"; ms."""

CLASSES = ("excitatory", "inhibitory")


@dataclass(frozen=True)
class ShortTerm:
    r"""Short-term plasticity: vesicles that are used up, and calcium that stays.

    With $s_t$ what a unit sends, its utilisation $u$ and its resources $x$,

    $$u^+ = u + U(1 - u)\,s,\qquad e = u^+ x\,s,\qquad x^+ = x - e$$

    are what a spike does, and $\tau_f\,\dot u = -u$, $\tau_r\,\dot x = 1 - x$ hold between spikes, which is integrated
    exactly. The other units receive $e$ in the place of $s$, so a weight is that of a spike that releases everything.
    At rest $u = 0$ and $x = 1$, and the first spike releases $U$. With spikes every $T$ ms it settles at

    $$u^+ = \frac{U}{1 - (1-U)\,e^{-T/\tau_f}},\qquad
      e = u^+\,\frac{1 - e^{-T/\tau_r}}{1 - (1 - u^+)\,e^{-T/\tau_r}}.$$

    Args:
        use: $U$, in (0, 1].
        tau_recovery: $\tau_r$, ms.
        tau_facilitation: $\tau_f$, ms; 0 for synapses that only depress.

    References:
        Tsodyks, Pawelzik & Markram (1998), doi:10.1162/089976698300017502.

    Example:
        >>> from neurornn import LIF, ShortTerm
        >>> cell = LIF(1, 10, short_term=ShortTerm(use=0.5, tau_recovery=800.0))
        >>> cell.parts
        ('voltage', 'spikes', 'current', 'utilisation', 'resources')
    """

    use: float
    tau_recovery: float
    tau_facilitation: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < _check.fraction("ShortTerm", "use", self.use):
            _check.fail("ShortTerm", "use", "above 0", self.use, "Nothing would ever be released.")
        _check.positive("ShortTerm", "tau_recovery", self.tau_recovery)
        _check.not_negative("ShortTerm", "tau_facilitation", self.tau_facilitation)

    def kept(self, dt: float) -> tuple[float, float]:
        """Return what is left after `dt` ms of the utilisation, and of what the resources lack."""
        facilitated = math.exp(-dt / self.tau_facilitation) if self.tau_facilitation else 0.0
        return facilitated, math.exp(-dt / self.tau_recovery)

    def release(self, sent: Tensor, utilisation: Tensor, resources: Tensor, dt: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is released of what units sent, and utilisation and resources `dt` ms later."""
        kept_use, kept_lack = self.kept(dt)
        used = utilisation + self.use * (1 - utilisation) * sent
        released = used * resources * sent
        return released, used * kept_use, 1 - (1 - resources + released) * kept_lack


def delay_steps(owner: str, delay: Delays, wiring: AbstractWiring, dt: float, *, seed: int) -> Tensor | None:
    """Return the delay of each synapse in whole steps, `(unit, unit)` with rows post-synaptic; `None` without any.

    Raises:
        ValueError: if a delay is negative or no multiple of `dt`; drawn ones are rounded to the nearest step.
    """
    n = wiring.n_units
    if isinstance(delay, AbstractLaw):
        drawn = delay.draw((n, n), generator=generator(seed)) / dt
        if float(drawn.min()) < 0:
            _check.fail(owner, "delay", "a law of values of 0 or above", delay)
        steps = drawn.round()
    elif isinstance(delay, Mapping):
        steps = _by_class(owner, delay, wiring, dt)
    else:
        given = torch.as_tensor(delay, dtype=torch.float64)
        if given.shape not in ((), (1,), (n,), (n, n)):
            must = f"one number, {n} of them (one a pre-synaptic unit), or a table of {n} x {n}"
            _check.fail(owner, "delay", must, given)
        values, places = torch.unique(given, return_inverse=True)
        whole = torch.tensor([float(whole_steps(owner, "delay", float(one), dt)) for one in values])
        steps = whole[places].expand(n, n)
    return steps.to(torch.get_default_dtype()).clone() if bool((steps > 0).any()) else None


def _by_class(owner: str, delay: Mapping[str, float], wiring: AbstractWiring, dt: float) -> Tensor:
    if not isinstance(wiring, Dale):
        fix = "Wrap the wiring, as in Dale(Dense(n_units)), or give one delay a synapse."
        _check.fail(owner, "delay", "given by class only where the wiring is Dale", type(wiring).__name__, fix)
    for name in (*delay, *CLASSES):
        if name not in CLASSES or name not in delay:
            _check.fail(owner, "delay", "given for 'excitatory' and 'inhibitory'", dict(delay))
    excitatory, inhibitory = (whole_steps(owner, f"delay[{name!r}]", delay[name], dt) for name in CLASSES)
    return torch.where(wiring.signs > 0, float(excitatory), float(inhibitory)).expand(wiring.n_units, wiring.n_units)
