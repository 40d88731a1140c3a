"""How weights move: optimisers, and the learning rate over the course of a training."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from neurornn import _check


class AbstractOptimiser(ABC):
    """A rule that turns gradients into steps of the weights."""

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        """Return torch's optimiser for `parameters`."""


@dataclass(frozen=True)
class Adam(AbstractOptimiser):
    r"""Adam, with decoupled weight decay.

    Args:
        beta1: memory of the mean gradient.
        beta2: memory of the squared gradient.
        epsilon: added to the root of the squared gradient.
        decay: each step also shrinks the weights by `learning_rate * decay`.

    References:
        Kingma & Ba (2015), doi:10.48550/arXiv.1412.6980; Loshchilov & Hutter (2019), doi:10.48550/arXiv.1711.05101.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                _check.fail("Adam", name, "a number in [0, 1)", getattr(self, name))
        _check.positive("Adam", "epsilon", self.epsilon)
        _check.not_negative("Adam", "decay", self.decay)

    def build(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        betas, given = (self.beta1, self.beta2), list(parameters)
        # One kernel for each parameter, on a GPU one for all of them, takes the place of a dozen.
        kinds = {one.device.type for one in given}
        fused = True if len(kinds) == 1 and kinds <= {"cpu", "cuda"} else None
        return torch.optim.AdamW(given, learning_rate, betas, self.epsilon, weight_decay=self.decay, fused=fused)


@dataclass(frozen=True)
class SGD(AbstractOptimiser):
    """Plain gradient descent.

    Args:
        momentum: memory of the past steps, in [0, 1].
        nesterov: whether the gradient is taken ahead, where the momentum leads.

    References:
        Sutskever et al. (2013), https://proceedings.mlr.press/v28/sutskever13.html.
    """

    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _check.fraction("SGD", "momentum", self.momentum)
        if self.nesterov and self.momentum == 0:
            _check.fail("SGD", "momentum", "above 0 with `nesterov`", self.momentum)

    def build(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, learning_rate, self.momentum, nesterov=self.nesterov)


class AbstractSchedule(ABC):
    """The learning rate over a training, as a factor. A function of the step alone: there is no state to lose."""

    @abstractmethod
    def factor(self, step: int, steps: int) -> float:
        """Return what the learning rate is multiplied with at `step`, of 0 to `steps - 1`."""


@dataclass(frozen=True)
class Constant(AbstractSchedule):
    """The learning rate as it is, from first to last."""

    def factor(self, step: int, steps: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(AbstractSchedule):
    r"""Down along half a cosine after a linear rise: $f + (1-f)\,\tfrac12(1 + \cos \pi s)$, $s$ from 0 to 1.

    Args:
        floor: $f$, where it ends.
        warmup: the fraction of the steps that the rise takes.

    References:
        Loshchilov & Hutter (2017), doi:10.48550/arXiv.1608.03983.

    Example:
        >>> from neurornn.fit import Cosine
        >>> [round(Cosine(floor=0.1).factor(step, 3), 2) for step in range(3)]
        [1.0, 0.55, 0.1]
    """

    floor: float = 0.0
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _check.fraction("Cosine", "floor", self.floor)
        if _check.fraction("Cosine", "warmup", self.warmup) == 1:
            _check.fail("Cosine", "warmup", "below 1", self.warmup)

    def factor(self, step: int, steps: int) -> float:
        rise = round(self.warmup * steps)
        if step < rise:
            return (step + 1) / (rise + 1)
        done = (step - rise) / max(steps - 1 - rise, 1)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class OneCycle(AbstractSchedule):
    """Up to the learning rate along half a cosine, and down again further than it started.

    Args:
        first: the factor of the first step.
        last: the factor of the last step.
        peak: the fraction of the steps at which it stands highest, at 1.

    References:
        Smith & Topin (2018), doi:10.48550/arXiv.1708.07120.
    """

    first: float = 0.04
    last: float = 1e-4
    peak: float = 0.3

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            _check.fraction("OneCycle", name, getattr(self, name))
        if not 0 < self.peak < 1:
            _check.fail("OneCycle", "peak", "inside (0, 1)", self.peak)

    def factor(self, step: int, steps: int) -> float:
        top = self.peak * max(steps - 1, 1)
        if step <= top:
            return _between(self.first, 1.0, step / top)
        return _between(1.0, self.last, (step - top) / (steps - 1 - top))


def _between(start: float, stop: float, done: float) -> float:
    return start + (stop - start) * (1 - math.cos(math.pi * done)) / 2
