"""Perturbations of the inputs: taken away, delayed, or shuffled beyond a lag, so as to ask what a network remembers."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.cell.base import Intervention
from neurornn.cell.intervention import Edit
from neurornn.network import Network
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.schedule import AbstractWhen, Always, check_when


@dataclass(frozen=True)
class Drop(AbstractPerturbation):
    """Take input channels away.

    Without `keep_mean` no unit hears them, as if they were 0: their information and their mean drive are gone alike.
    With it they stand at their mean over all trials and steps of the run, so that the drive stays.

    Args:
        channels: indices of input channels; none changes nothing.
        when: when they are away; halfway up a ramp half of them is left.
        keep_mean: whether their mean stays.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import Drop
        >>> network = Network(LeakyRate(2, 4), 1)
        >>> bool((network(torch.ones(1, 3, 2), perturb=[Drop([0, 1])]).activity == 0).all())
        True
    """

    channels: Units
    when: AbstractWhen = field(default_factory=Always)
    keep_mean: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", unit_tuple("Drop", self.channels, "channels"))
        check_when("Drop", self.when)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        channels = _channels("Drop", self.channels, network)
        if not channels:
            return Intervention()
        strength = self.when.strength(n_trials, n_steps, network.dt).to(network.readout)
        return Intervention(edits=(_Dropped(channels, strength, self.keep_mean),))


@dataclass(frozen=True)
class DelayInput(AbstractPerturbation):
    """Let input channels come later; until then they stand at their first value.

    Args:
        channels: indices of input channels; none changes nothing.
        by: how much later, ms, rounded to whole steps; 0 for nothing.
        when: when it holds; halfway up a ramp half of the input comes later.
    """

    channels: Units
    by: float
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        check_when("DelayInput", self.when)
        object.__setattr__(self, "channels", unit_tuple("DelayInput", self.channels, "channels"))
        _check.not_negative("DelayInput", "by", self.by)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        channels = _channels("DelayInput", self.channels, network)
        steps = min(round(self.by / network.dt), n_steps - 1)
        if not channels or not steps:
            return Intervention()
        strength = self.when.strength(n_trials, n_steps, network.dt).to(network.readout)
        return Intervention(edits=(_Delayed(channels, steps, strength),))


@dataclass(frozen=True)
class ShuffleBeyond(AbstractPerturbation):
    """Shuffle the inputs of the past: what came more than `lag` ms before the end of the trial is put in random order.

    What the network says at the end can then rest on the order of the last `lag` ms alone; the mean drive of every
    trial stays as it was to the last bit of its sum. Each trial has an order of its own, which its channels share. With
    `drop` the past is taken away instead.

    Args:
        channels: indices of input channels; none changes nothing.
        lag: what is left as it was, ms before the end of the run.
        seed: of the orders.
        drop: whether the past is 0 rather than shuffled.

    References:
        After U. Khandelwal, H. He, P. Qi and D. Jurafsky (2018), Sharp nearby, fuzzy far away: how neural language
        models use context, doi:10.18653/v1/P18-1027.
    """

    channels: Units
    lag: float
    seed: int = 0
    drop: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", unit_tuple("ShuffleBeyond", self.channels, "channels"))
        _check.not_negative("ShuffleBeyond", "lag", self.lag)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        channels = _channels("ShuffleBeyond", self.channels, network)
        past = n_steps - round(self.lag / network.dt)
        if not channels or past < (1 if self.drop else 2):
            return Intervention()
        if self.drop:
            away = (torch.arange(n_steps) < past)[None].to(network.readout)
            return Intervention(edits=(_Dropped(channels, away, False),))
        order = torch.rand(n_trials, past, generator=generator(self.seed)).argsort(dim=1)
        return Intervention(edits=(_Shuffled(channels, order),))


def _channels(owner: str, channels: object, network: Network) -> list[int]:
    chosen = list(unit_tuple(owner, channels, "channels"))
    within(owner, chosen, network.n_in, "channels")
    return chosen


@dataclass(frozen=True, eq=False)
class _Dropped:
    channels: list[int]
    strength: Tensor  # (trial, time), or 1 where all are alike
    keep_mean: bool

    def __call__(self, inputs: Tensor) -> Tensor:
        seen = inputs.clone()
        there = inputs[..., self.channels]
        away = self.strength[..., None].to(inputs)
        seen[..., self.channels] = (1 - away) * there
        if self.keep_mean:
            seen[..., self.channels] += away * there.mean(dim=(0, 1))
        return seen

    def part(self, rows: slice) -> Edit:
        return self if len(self.strength) == 1 else replace(self, strength=self.strength[rows])


@dataclass(frozen=True, eq=False)
class _Delayed:
    channels: list[int]
    steps: int
    strength: Tensor  # (trial, time), or 1 where all are alike

    def __call__(self, inputs: Tensor) -> Tensor:
        there = inputs[..., self.channels]
        late = torch.cat([there[:, :1].expand(-1, self.steps, -1), there[:, : -self.steps]], dim=1)
        seen, how = inputs.clone(), self.strength[..., None].to(inputs)
        seen[..., self.channels] = (1 - how) * there + how * late
        return seen

    def part(self, rows: slice) -> Edit:
        return self if len(self.strength) == 1 else replace(self, strength=self.strength[rows])


@dataclass(frozen=True, eq=False)
class _Shuffled:
    channels: list[int]
    order: Tensor  # (trial, step of the past)

    def __call__(self, inputs: Tensor) -> Tensor:
        seen = inputs.clone()
        past = self.order.shape[1]
        there = inputs[:, :past, self.channels]
        order = self.order.to(inputs.device)[..., None].expand_as(there)
        seen[:, :past, self.channels] = there.gather(1, order)
        return seen

    def part(self, rows: slice) -> Edit:
        return replace(self, order=self.order[rows])
