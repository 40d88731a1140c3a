"""Injected current: the like of optogenetic stimulation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from neurornn import _check
from neurornn.cell.base import Intervention
from neurornn.network import Network
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple
from neurornn.perturb.lesion import on_units
from neurornn.perturb.schedule import AbstractWhen, Always, check_when, scheduled
from neurornn.perturb.trigger import Trigger, Triggered


@dataclass(frozen=True)
class Current(AbstractPerturbation):
    r"""Inject current: $u_i \mathrel{+}= I_i$, in the unit of the drive.

    The like of optogenetic stimulation. Driving the inhibitory units of a network with Dale's law silences the others
    indirectly. In a gated cell it enters the drive of the candidate activity, never a gate.

    Args:
        units: indices; none changes nothing.
        amount: $I$, one for all or one for each of `units`.
        when: when it holds.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import Current, During
        >>> network = Network(LeakyRate(1, 4, tau=20.0, dt=20.0, clamp_tau=True), 1)
        >>> run = network(torch.zeros(1, 3, 1), perturb=[Current([2], 1.5, when=During(20.0, 40.0))])
        >>> [round(r, 4) for r in run.activity[0, :2, 2].tolist()]
        [0.0, 1.5]
    """

    units: Units
    amount: float | Sequence[float]
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        units = unit_tuple("Current", self.units)
        object.__setattr__(self, "units", units)
        amounts = _check.finite("Current", "amount", self.amount)
        if amounts.ndim and amounts.shape != (len(units),):
            must = f"one number, or one for each of {len(units)} units"
            _check.fail("Current", "amount", must, f"{amounts.size} values")
        object.__setattr__(self, "amount", tuple(amounts.tolist()) if amounts.ndim else float(amounts))
        check_when("Current", self.when)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        amount = on_units("Current", self.units, self.amount, network)
        if not bool(amount.any()):
            return Intervention()
        if isinstance(self.when, Trigger):
            return Intervention(
                live=(Triggered(self.when.watch(network.n_units, n_trials, n_steps, network.dt), added=amount),)
            )
        strength, _ = scheduled(self.when, n_trials, n_steps, amount, network.dt)
        return Intervention(current=strength * amount)
