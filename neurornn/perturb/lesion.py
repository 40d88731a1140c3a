"""Lesions of units: silenced, clamped or scaled, in what they send to everybody else."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from neurornn import _check
from neurornn.cell.base import Intervention
from neurornn.network import Network, Run
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.schedule import AbstractWhen, Always, check_when, scheduled
from neurornn.perturb.trigger import Trigger, Triggered
from neurornn.recording import Recording


@dataclass(frozen=True)
class Silence(AbstractPerturbation):
    r"""Silence units: $r_i(t) = 0$ for everybody else, after the nonlinearity.

    The other units, the readout and the experimenter see 0. The unit's own state integrates on (of an LSTM, $h$ is
    silenced and $c$ is not), so that on release it sends what it would be driven to at that time. For the survivors and
    the readout, silencing for the whole run is the same as removing the units from the network.

    Args:
        units: indices; none changes nothing.
        when: when it holds.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import Silence
        >>> network = Network(LeakyRate(1, 4), 1)
        >>> run = network(torch.ones(2, 5, 1), perturb=[Silence([0, 2])])
        >>> bool((run.activity[..., [0, 2]] == 0).all())
        True

    References:
        Yang et al. (2019), doi:10.1038/s41593-018-0310-2.
    """

    units: Units
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", unit_tuple("Silence", self.units))
        check_when("Silence", self.when)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        return _sent("Silence", self.units, 0.0, None, self.when, network, n_trials, n_steps)


@dataclass(frozen=True)
class Scale(AbstractPerturbation):
    r"""Scale what units send: $r_i \leftarrow g\,r_i$. A gain of 0 silences, 1 changes nothing, 2 doubles.

    Args:
        units: indices; none changes nothing.
        gain: $g$, 0 or above.
        when: when it holds; halfway up a ramp the gain is halfway between 1 and $g$.
    """

    units: Units
    gain: float
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", unit_tuple("Scale", self.units))
        _check.not_negative("Scale", "gain", self.gain, "A negative gain would turn an excitatory unit inhibitory.")
        check_when("Scale", self.when)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        return _sent("Scale", self.units, self.gain, None, self.when, network, n_trials, n_steps)


@dataclass(frozen=True)
class Clamp(AbstractPerturbation):
    r"""Clamp what units send to fixed values: $r_i(t) = v_i$.

    Clamped to its mean (`Clamp.to_mean`), a unit still drives the others but tells them nothing. Silence takes both
    away; where baselines are not zero, report the two side by side.

    Args:
        units: indices; none changes nothing.
        value: $v$, one for all or one for each of `units`.
        when: when it holds; halfway up a ramp half of the unit's own activity is left.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import Clamp
        >>> network = Network(LeakyRate(1, 4), 1)
        >>> network(torch.ones(1, 2, 1), perturb=[Clamp([1, 3], 0.5)]).activity[0, 0, [1, 3]].tolist()
        [0.5, 0.5]
    """

    units: Units
    value: float | Sequence[float]
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        units = unit_tuple("Clamp", self.units)
        object.__setattr__(self, "units", units)
        values = _check.finite("Clamp", "value", self.value)
        if values.ndim and values.shape != (len(units),):
            _check.fail("Clamp", "value", f"one number, or one for each of {len(units)} units", f"{values.size} values")
        object.__setattr__(self, "value", tuple(values.tolist()) if values.ndim else float(values))
        check_when("Clamp", self.when)

    @classmethod
    def to_mean(cls, units: Units, source: Recording | Run, *, when: AbstractWhen | None = None) -> "Clamp":
        """Return units clamped to their mean activity.

        Args:
            units: indices, the columns of the activity in `source`.
            source: a recording of the network, or a run of it (whose every step then counts).
            when: when it holds; always where absent.

        Raises:
            ValueError: if `source` has no sampled activity, or none of one of the units.
        """
        chosen = unit_tuple("Clamp.to_mean", units)
        activity = source.activity.detach().cpu().numpy() if isinstance(source, Run) else source.activity
        if activity is None:
            _check.fail("Clamp.to_mean", "source", "sampled activity", source, "Spikes alone have no such mean.")
        within("Clamp.to_mean", chosen, activity.shape[-1])
        flat = np.asarray(activity, dtype=np.float64).reshape(-1, activity.shape[-1])[:, list(chosen)]
        known = ~np.isnan(flat)
        if not known.any(axis=0).all():
            got = f"none of unit {chosen[int(np.argmin(known.any(axis=0)))]}"
            _check.fail("Clamp.to_mean", "source", "activity of every unit", got)
        means = np.where(known, flat, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return cls(chosen, tuple(means.tolist()), when if when is not None else Always())

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        return _sent("Clamp", self.units, 0.0, self.value, self.when, network, n_trials, n_steps)


def on_units(owner: str, units: object, value: float | Sequence[float], network: Network) -> Tensor:
    """Return `value` at `units` and 0 elsewhere. Shape `(unit,)`."""
    chosen = unit_tuple(owner, units)
    within(owner, chosen, network.n_units)
    whole = torch.zeros(network.n_units, dtype=network.readout.dtype, device=network.device)
    whole[list(chosen)] = torch.as_tensor(value, dtype=whole.dtype, device=whole.device)
    return whole


def _sent(
    owner: str,
    units: object,
    gain: float,
    value: float | Sequence[float] | None,
    when: AbstractWhen,
    network: Network,
    n_trials: int,
    n_steps: int,
) -> Intervention:
    """Return what scales the sent activity of `units` by `gain` and then adds `value`."""
    hit = on_units(owner, units, 1.0, network)
    if not bool(hit.any()):
        return Intervention()
    change = (1.0 - gain) * hit
    offset = None if value is None else on_units(owner, units, value, network)
    if isinstance(when, Trigger):
        watch = when.watch(network.n_units, n_trials, n_steps, network.dt)
        return Intervention(live=(Triggered(watch, gain=1.0 - change, offset=offset),))
    strength, resting = scheduled(when, n_trials, n_steps, hit, network.dt)
    return Intervention(
        gain=1.0 - strength * change,
        offset=None if offset is None else strength * offset,
        resting_gain=None if resting is None else 1.0 - resting * change,
        resting_offset=None if resting is None or offset is None else resting * offset,
    )
