r"""What stands for the derivative of a spike.

A spike is a step, $z = [s > 0]$ with $s$ the distance of the membrane potential above threshold (mV), and a step has no
slope to learn from. Backward, and only there,

$$\frac{\partial z}{\partial s} := \frac{1}{\Theta}\,h(k s)$$

with the span $\Theta$ (mV) from rest to threshold, a bump $h$ of height 1 and its slope $k$ (1/mV): the larger $k$, the
nearer to threshold a potential must come to have a gradient. The forward pass never sees it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from neurornn import _check, kernel


@dataclass(frozen=True)
class AbstractSurrogate(ABC):
    """A bump of height 1 over the distance from threshold.

    Args:
        slope: $k$, 1/mV.

    Attributes:
        kind: the same bump in the kernels; `None` where they do not know it.
    """

    kind: ClassVar[kernel.Surrogate | None] = None

    slope: float = 1.0

    def __post_init__(self) -> None:
        _check.positive(type(self).__name__, "slope", self.slope)

    @abstractmethod
    def bump(self, above: Tensor) -> Tensor:
        """Return $h(k s)$ of the distance above threshold, mV. Any shape."""

    @abstractmethod
    def integral(self, above: Tensor) -> Tensor:
        """Return the integral of the bump from threshold to a distance above it, mV. Any shape."""


class SuperSpike(AbstractSurrogate):
    r"""The derivative of a fast sigmoid: $h(u) = 1/(1 + |u|)^2$. Its tails reach far, so that silent units learn, too.

    Args:
        slope: $k$, 1/mV.

    References:
        Zenke & Ganguli (2018), doi:10.1162/neco_a_01086.

    Example:
        >>> import torch
        >>> from neurornn import SuperSpike
        >>> SuperSpike(slope=1.0).bump(torch.tensor([0.0, 1.0]))
        tensor([1.0000, 0.2500])
    """

    kind = kernel.Surrogate.SUPERSPIKE

    def bump(self, above: Tensor) -> Tensor:
        return (1 + self.slope * above.abs()).square().reciprocal()

    def integral(self, above: Tensor) -> Tensor:
        return above / (1 + self.slope * above.abs())


class Triangle(AbstractSurrogate):
    r"""A triangle: $h(u) = \max(0, 1 - |u|)$. Units farther than $1/k$ from threshold learn nothing.

    Args:
        slope: $k$, 1/mV.

    References:
        Bellec et al. (2018), doi:10.48550/arXiv.1803.09574.
    """

    kind = kernel.Surrogate.TRIANGLE

    def bump(self, above: Tensor) -> Tensor:
        return (1 - self.slope * above.abs()).clamp(min=0)

    def integral(self, above: Tensor) -> Tensor:
        near = above.clamp(-1 / self.slope, 1 / self.slope)
        return near - self.slope * near * near.abs() / 2


class ArcTan(AbstractSurrogate):
    r"""The derivative of the arctangent: $h(u) = 1/(1 + u^2)$.

    Args:
        slope: $k$, 1/mV.

    References:
        Fang et al. (2021), doi:10.48550/arXiv.2007.05785.
    """

    kind = kernel.Surrogate.ARCTAN

    def bump(self, above: Tensor) -> Tensor:
        return (1 + (self.slope * above).square()).reciprocal()

    def integral(self, above: Tensor) -> Tensor:
        return torch.atan(self.slope * above) / self.slope


class SigmoidDerivative(AbstractSurrogate):
    r"""The derivative of the logistic function, scaled to height 1: $h(u) = 4\,\sigma(u)(1 - \sigma(u))$.

    The logistic function is the firing probability of a unit with noise at its threshold; the kernels do not know it.

    Args:
        slope: $k$, 1/mV.

    References:
        Neftci, Mostafa & Zenke (2019), doi:10.1109/MSP.2019.2931595.
    """

    def bump(self, above: Tensor) -> Tensor:
        up = torch.sigmoid(self.slope * above)
        return 4 * up * (1 - up)

    def integral(self, above: Tensor) -> Tensor:
        return 4 * (torch.sigmoid(self.slope * above) - 0.5) / self.slope


def spike(above: Tensor, near: Tensor, surrogate: AbstractSurrogate, span: float) -> Tensor:
    r"""Return 1 where `above` is above 0, else 0; backward, the surrogate's bump at `near`.

    Args:
        above: distance above what makes a spike, mV. Any shape.
        near: distance from threshold at which the gradient is taken, mV: `above` itself where a threshold makes the
            spike. Where the two differ, the upstroke beyond threshold counts once, at the spike, and as at threshold:
            counted at each of its steps, a slow one would weigh many times what a spike is.
        surrogate: what stands for the derivative.
        span: $\Theta$, mV.
    """
    fired = (above > 0).to(above.dtype)
    if not torch.is_grad_enabled():  # (a tangent may ask, too, which no flag of `near` tells)
        return fired
    bump = surrogate.bump(near.detach() if near is above else near.detach().clamp(max=0))
    if near is not above:
        bump = bump.masked_fill((near.detach() > 0) & (above.detach() <= 0), 0.0)
    along = near * (bump / span)
    return fired + (along - along.detach())  # the bracket is 0, to the bit


def backward_as(exact: Tensor, along: Tensor) -> Tensor:
    """Return `exact`; backward, `along`.

    Units with an upstroke take it beyond threshold as the straight line that touches it there: through the upstroke
    itself a gradient grows a hundredfold with every spike, and comes back by way of what the spike sets off.
    """
    return exact.detach() + (along - along.detach())  # the bracket is 0, to the bit
