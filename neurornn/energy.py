"""What a network spends at each step: the drive of its units, their activity, and what that sends through synapses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.cell.adaptive import AdaptiveLIF
from neurornn.cell.base import Intervention
from neurornn.cell.lif import LIF
from neurornn.cell.rate import LeakyRate
from neurornn.network import Network, Perturbs, combine
from neurornn.trials import Trials

ACTION, SYNAPSES = 1 / 3, 2 / 3
"""Shares of action potentials and of synaptic transmission in what is spent."""

PAID = ("drive", "action", "synapses", "total")
"""What can be paid for."""


@dataclass(frozen=True, eq=False)
class Energy:
    r"""What a network spends at each step of each trial, a unit.

    With the weights $W$, the drive $u$ and the activity $r$ that $n$ units have,

    $$E_{drive} = \langle |u_i| \rangle_i, \quad E_{AP} = \langle |r_i| \rangle_i, \quad
      E_{ST} = \frac{1}{n} \sum_{ij} |W_{ij}|\,|r_j|, \quad E = \tfrac13 E_{AP} + \tfrac23 E_{ST}$$

    Args:
        drive: of the synapses of a unit, input and recurrent ones together; `None` for cells that have no such sum.
        action: action potentials.
        synapses: synaptic transmission: what activity sends through recurrent weights, whatever their sign.

    Shapes:
        all `(*stack, trial, time)`, in the unit of the activity: of spiking cells spikes a step, and pA or mV times
        that for synapses.

    References:
        A. Ali et al. (2022), doi:10.1016/j.patter.2022.100639; B. Sengupta, M. Stemmler, S. B. Laughlin and J. E. Niven
        (2010), Action potential energy efficiency varies among neuron types in vertebrates and invertebrates,
        doi:10.1371/journal.pcbi.1000840.
    """

    drive: Float[Tensor, "*stack trial time"] | None
    action: Float[Tensor, "*stack trial time"]
    synapses: Float[Tensor, "*stack trial time"]

    @property
    def total(self) -> Float[Tensor, "*stack trial time"]:
        """A third of action potentials and two thirds of synaptic transmission."""
        return ACTION * self.action + SYNAPSES * self.synapses

    def frame(self) -> pd.DataFrame:
        """Return one row a step: the mean of each over trials (and stacked runs)."""
        parts = {"drive": self.drive, "action": self.action, "synapses": self.synapses, "total": self.total}
        means = {
            name: np.full(self.action.shape[-1], np.nan)
            if part is None
            else part.double().flatten(0, -2).mean(0).cpu().numpy()
            for name, part in parts.items()
        }
        return pd.DataFrame(means).rename_axis("step")

    def paid(self, what: str) -> Float[Tensor, "*stack trial time"]:
        """Return one of `drive`, `action`, `synapses` and `total`.

        Raises:
            ValueError: if there is no such energy, or the cell has no drive.
        """
        if what not in PAID or getattr(self, what) is None:
            known = [name for name in PAID if getattr(self, name) is not None]
            _check.fail("Energy.paid", "what", "an energy that this network has", what, _check.near(what, known))
        return getattr(self, what)


def drives(
    network: Network,
    activity: Float[Tensor, "*stack trial time unit"],
    trials: Trials,
    act: Intervention | None = None,
) -> Float[Tensor, "*stack trial time unit"]:
    r"""Return the drive of each unit at each step, $u_t = W r_{t-1} + W_{in} x_t + b$, of a run that is over.

    Of integrate-and-fire units it is the current into a unit, pA, with the synaptic current $i$ of its filter,
    $u_t = i_{t-1} + W s_{t-1} + W_{in} x_t + b$. It is one product over all steps, and gradients flow through it.

    Args:
        network: of `LeakyRate` units, or of `LIF` or `AdaptiveLIF` units with a synaptic filter.
        activity: what the units sent in the run.
        trials: the trials of the run.
        act: what was done to the network meanwhile; nothing where absent.

    Raises:
        ValueError: if the units have no drive, or where they started from is not known.
    """
    cell = network.cell
    if not has_drive(network):
        must = "of LeakyRate units, or of LIF units with a synaptic filter, without delays and short-term plasticity"
        fix = "Gated cells have one drive a gate; what any cell sends is asked for with ActivityPenalty(1)."
        _check.fail("drives", "network", must, type(cell).__name__, fix)
    if network.scatter is not None:
        fix = "What the first step felt is not kept in a run. Use Network(scatter=None)."
        _check.fail("drives", "network.scatter", "absent", network.scatter, fix)
    act = act if act is not None else Intervention()
    if act.live or act.constants or act.alterations:
        must = "of gains, clamps, currents, cuts and edited inputs"
        fix = "Closed loops, mixed units, changed constants and cuts in a window leave drives that a run does not tell."
        _check.fail("drives", "act", must, "another perturbation", fix)
    start = None if trials.start is None else trials.start.to(activity)
    first = act.sent(cell.activity(network.initial(trials.n_trials, start)), -1)
    before = torch.cat([first.expand(*activity.shape[:-2], -1)[..., None, :], activity[..., :-1, :]], dim=-2)
    whole = before.flatten(-3, -2)  # trials and steps as one axis, so that stacked weights meet stacked activity
    w_in, w_rec, bias, *_ = cell.altered(act)
    arriving = (whole @ w_rec.mT).unflatten(-2, activity.shape[-3:-1])
    fed = (act.seen(trials.inputs.to(activity)).flatten(-3, -2) @ w_in.mT).unflatten(-2, activity.shape[-3:-1])
    if isinstance(cell, LIF | AdaptiveLIF):
        if cell.spike_inputs:
            arriving, fed = arriving + fed, torch.zeros_like(fed)
        arriving = _filtered(arriving, torch.exp(-cell.dt / cell.tau_syn()))  # type: ignore[operator]
    u = arriving + fed + bias
    return u if act.current is None else u + act.current


def has_drive(network: Network) -> bool:
    """Return whether what the synapses of a unit add up to is known from what units send."""
    cell = network.cell
    if isinstance(cell, LIF | AdaptiveLIF):
        return "current" in cell.parts and cell.delays is None and cell.short_term is None
    return isinstance(cell, LeakyRate)


def _filtered(arriving: Tensor, kept: Tensor) -> Tensor:
    """Return the synaptic current of each step: what arrives, and what is left of the steps before."""
    now, current = torch.zeros_like(arriving[..., 0, :]), []
    for one in arriving.unbind(-2):
        now = kept * now + one
        current.append(now)
    return torch.stack(current, dim=-2)


def spent(
    network: Network,
    trials: Trials,
    *,
    perturb: Sequence[Perturbs] = (),
    generator: torch.Generator | None = None,
    n_units: int | None = None,
) -> Energy:
    """Run a network and return what it spends at each step.

    Args:
        network: of any cell; only some have a drive (see `drives`).
        trials: what it sees.
        perturb: what is done to it meanwhile; stacked perturbations give stacked energies.
        generator: where noise is drawn from; no noise where absent.
        n_units: count the first so many units only (those with an input, say); all where absent.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network, Trials
        >>> from neurornn.energy import spent
        >>> network = Network(LeakyRate(2, 2, one_to_one=True, bias=False), 1)
        >>> seen = Trials(torch.tensor([[[1.0, 3.0]]]), torch.zeros(1, 1, 1), torch.ones(1, 1), dt=20.0)
        >>> spent(network, seen).drive.item()
        2.0
    """
    with torch.no_grad():
        act = combine(perturb, network, trials.n_trials, trials.n_steps) or Intervention()
        start = None if trials.start is None else trials.start.to(network.readout)
        run = network(trials.inputs.to(network.readout), start=start, generator=generator, perturb=act)
        driven = has_drive(network)
        u = drives(network, run.activity, trials, act)[..., :n_units].abs().mean(-1) if driven else None
        weights = network.cell.altered(act)[1][..., :n_units, :]
        sent = traffic(weights, run.activity).mean(-1)
        return Energy(u, run.activity[..., :n_units].abs().mean(-1), sent)


def traffic(
    weights: Float[Tensor, "*#stack post unit"], activity: Float[Tensor, "*stack trial time unit"]
) -> Float[Tensor, "*stack trial time post"]:
    r"""Return what reaches each unit through its synapses, whatever its sign: $\sum_j |W_{ij}|\,|r_j|$."""
    size = activity.abs()
    return (size.flatten(-3, -2) @ weights.abs().mT).unflatten(-2, size.shape[-3:-1])


def synaptic_operations(
    network: Network, activity: Float[Tensor, "*stack trial time unit"], *, readout: bool = False
) -> Float[Tensor, "*stack trial"]:
    r"""Return how many synaptic operations the spikes of each trial set off, $\sum_t \sum_j s_j(t)\,k_j$.

    $k_j$ is the number of recurrent connections that lead away from unit $j$ and are there, its out-degree: what
    pruning spares. What inputs cost is not counted, as it is the same for all.

    Args:
        network: of spiking units.
        activity: their spikes.
        readout: whether connections to the readout count, too.

    Raises:
        ValueError: if the units send no spikes.
    """
    if not network.spiking:
        fix = "What rate units send is asked for with `spent`."
        _check.fail("synaptic_operations", "network", "of spiking units", type(network.cell).__name__, fix)
    with torch.no_grad():
        degree = (network.cell.weights()[1] != 0).sum(0)
        if readout:
            degree = degree + (network.readout != 0).sum(0)
        return (activity.sum(-2) * degree).sum(-1)
