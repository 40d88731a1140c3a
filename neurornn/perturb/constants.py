"""Perturbations of what units are made of: time constants, thresholds, biases, delays, plasticity."""

from dataclasses import dataclass, field

from neurornn import _check
from neurornn.cell.base import Intervention
from neurornn.network import Network
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple
from neurornn.perturb.held import held
from neurornn.perturb.lesion import on_units
from neurornn.perturb.schedule import AbstractWhen, Always, check_when


@dataclass(frozen=True)
class Retune(AbstractPerturbation):
    r"""Change a constant of units: $c_i \leftarrow s\,c_i + d$.

    Which constants a cell has is its `constants`: `bias` and `tau` of leaky rate units; of spiking ones `bias`, `tau`,
    `tau_syn`, `resistance`, `v_rest`, `v_threshold`, `v_reset` and their own. Weights stay as they are, in physical
    units. Gated cells have none.

    Where its synapses have them: `delay` (ms, of the synapses that the units send; rounded to whole steps, from 0 to
    the longest delay that the cell was made with) and `plasticity` (1 for short-term plasticity as it is, 0 for every
    spike releasing what a rested synapse would).

    Args:
        units: indices; none changes nothing.
        constant: its name.
        scale: $s$.
        shift: $d$, in the constant's unit (ms, mV, pA, MOhm; of a rate unit's bias that of the drive).
        when: when it holds; halfway up a ramp half of the change is made.

    Raises:
        ValueError: if the cell has no such constant, or a time constant would not be possible.

    Example:
        >>> import torch
        >>> from neurornn import LIF, Network
        >>> from neurornn.perturb import Retune
        >>> network = Network(LIF(1, 4, seed=1), 1)
        >>> deaf = network(torch.ones(1, 50, 1), perturb=[Retune(range(4), "v_threshold", shift=1000.0)])
        >>> int(deaf.activity.sum())
        0
    """

    units: Units
    constant: str
    scale: float = 1.0
    shift: float = 0.0
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        check_when("Retune", self.when)
        object.__setattr__(self, "units", unit_tuple("Retune", self.units))
        _check.finite("Retune", "scale", self.scale)
        _check.finite("Retune", "shift", self.shift)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        cell = network.cell
        if self.constant not in cell.constants:
            fix = _check.near(self.constant, cell.constants) if cell.constants else "Gated cells have none."
            _check.fail("Retune", "constant", f"a constant of {type(cell).__name__}", self.constant, fix)
        scale = 1.0 + on_units("Retune", self.units, self.scale - 1.0, network)
        shift = on_units("Retune", self.units, self.shift, network)
        if not bool((scale != 1.0).any() or shift.any()):
            return Intervention()
        return held(self.when, network, n_trials, n_steps, constants={self.constant: (scale, shift)})
