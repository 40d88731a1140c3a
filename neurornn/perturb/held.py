"""Changes of weights and constants as an intervention: for the whole run, or for as long as a schedule says."""

from collections.abc import Mapping

import torch
from torch import Tensor

from neurornn.cell.alteration import Alteration, Change
from neurornn.cell.base import Intervention
from neurornn.network import Network
from neurornn.perturb.schedule import AbstractWhen, Always
from neurornn.perturb.trigger import Trigger


def held(
    when: AbstractWhen,
    network: Network,
    n_trials: int,
    n_steps: int,
    *,
    synapses: Tensor | None = None,
    afferents: Tensor | None = None,
    constants: Mapping[str, Change] | None = None,
) -> Intervention:
    """Return weights multiplied and constants changed while `when` holds.

    Args:
        when: when, and how strongly.
        network: the network.
        n_trials: of the run.
        n_steps: of the run.
        synapses: what multiplies the recurrent weights. Shape `(unit, unit)`, rows post-synaptic.
        afferents: what multiplies the input weights. Shape `(unit, in)`.
        constants: what multiplies constants, and what is then added, by name.
    """
    told = {"synapses": synapses, "afferents": afferents, "constants": dict(constants or {})}
    if when == Always():
        return Intervention(**told)  # type: ignore[arg-type]
    if isinstance(when, Trigger):
        watch = when.watch(network.n_units, n_trials, n_steps, network.dt)
        return Intervention(alterations=(Alteration(torch.zeros(1, 1), watch=watch, **told),))  # type: ignore[arg-type]
    strength = when.strength(n_trials, n_steps, network.dt)
    if not bool(strength.any()):
        return Intervention()
    return Intervention(alterations=(Alteration(strength, **told),))  # type: ignore[arg-type]
