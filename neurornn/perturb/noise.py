"""Noise as a perturbation: on the drive, on what is sent, or on the weights."""

from dataclasses import dataclass, field
from enum import Enum

import torch
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.cell.base import Intervention
from neurornn.cell.member import member
from neurornn.network import Network
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple
from neurornn.perturb.held import held
from neurornn.perturb.lesion import on_units
from neurornn.perturb.schedule import AbstractWhen, Always, check_when, scheduled


class Enters(Enum):
    r"""Where noise $\xi$ of standard deviation $\sigma$ enters.

    - `DRIVE`: $u_i \mathrel{+}= \xi$, so that the unit filters it.
    - `SENT`: $r_i \mathrel{+}= \xi$, on what the unit sends.
    - `GAIN`: $r_i \leftarrow (1 + \xi)\,r_i$, in proportion to what it sends.
    """

    DRIVE = "drive"
    SENT = "sent"
    GAIN = "gain"


@dataclass(frozen=True)
class AddNoise(AbstractPerturbation):
    r"""Add white Gaussian noise to units, other in every trial and step.

    Two unlike sets of units get the same total power with `total=True`: then $\sigma^2$ is shared out evenly, each unit
    having $\sigma/\sqrt n$. Halfway up a ramp the standard deviation is half.

    Args:
        units: indices; none changes nothing.
        sd: $\sigma$ of each step: in the unit of the drive or of the activity, or a fraction of what is sent.
        at: where it enters.
        when: when it holds.
        seed: of the noise.
        total: whether `sd` is that of all units together.
    """

    units: Units
    sd: float
    at: Enters | str = Enters.DRIVE
    when: AbstractWhen = field(default_factory=Always)
    seed: int = 0
    total: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", unit_tuple("AddNoise", self.units))
        object.__setattr__(self, "at", member("AddNoise", "at", Enters, self.at))
        _check.not_negative("AddNoise", "sd", self.sd)
        check_when("AddNoise", self.when)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        hit = on_units("AddNoise", self.units, 1.0, network)
        chosen = list(unit_tuple("AddNoise", self.units))
        if not chosen or self.sd == 0:
            return Intervention()
        sd = self.sd / len(chosen) ** 0.5 if self.total else self.sd
        strength, _ = scheduled(self.when, n_trials, n_steps, hit, network.dt)
        drawn = torch.randn(n_trials, n_steps, len(chosen), generator=generator(self.seed)).to(hit)
        noise = hit.new_zeros(n_trials, n_steps, network.n_units)
        noise[..., chosen] = sd * strength * drawn
        if self.at is Enters.GAIN:
            return Intervention(gain=1.0 + noise)
        return Intervention(current=noise) if self.at is Enters.DRIVE else Intervention(offset=noise)


@dataclass(frozen=True)
class WeightNoise(AbstractPerturbation):
    r"""Multiply every recurrent weight onto some units with $1 + \xi$, the same for as long as it holds.

    A connection may change its sign where $\sigma$ is large; units with Dale's law keep theirs with `sd` well below 1.

    Args:
        post: indices of the units that receive; none changes nothing.
        sd: $\sigma$.
        seed: of the noise.
        when: when it holds; halfway up a ramp the noise is half.
    """

    post: Units
    sd: float
    seed: int = 0
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        check_when("WeightNoise", self.when)
        object.__setattr__(self, "post", unit_tuple("WeightNoise", self.post, "post"))
        _check.not_negative("WeightNoise", "sd", self.sd)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        rows = on_units("WeightNoise", self.post, self.sd, network)
        if not bool(rows.any()):
            return Intervention()
        drawn: Tensor = torch.randn(network.n_units, network.n_units, generator=generator(self.seed)).to(rows)
        return held(self.when, network, n_trials, n_steps, synapses=1.0 + rows[:, None] * drawn)
