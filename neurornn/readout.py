"""How outputs are read from what units send: at once, or through the slow membranes that spikes need."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from neurornn import _check


class AbstractReadout(ABC):
    r"""What lies between the units and the outputs, before the readout's bias is added.

    All of them are causal, and linear in the weights $R$.

    Attributes:
        needs_voltages: whether it reads membrane potentials rather than what units send.
    """

    needs_voltages: bool = False

    @abstractmethod
    def follow(self, arriving: Float[Tensor, "*stack time out"], dt: float) -> Float[Tensor, "*stack time out"]:
        r"""Return the outputs that follow what arrives at each step from the start of the trial, $R\,r_t$."""

    def read(
        self, seen: Float[Tensor, "*stack time unit"], weights: Float[Tensor, "out unit"], dt: float
    ) -> Float[Tensor, "*stack time out"]:
        """Return the outputs.

        Args:
            seen: what the units sent at each step from the start of the trial; their potentials, as multiples of the
                way from rest to threshold, where `needs_voltages`.
            weights: $R$.
            dt: time step, ms.
        """
        return self.follow(seen @ weights.mT, dt)


@dataclass(frozen=True)
class Instant(AbstractReadout):
    r"""What is sent now: $y_t = R\,r_t$. For rates."""

    def follow(self, arriving: Tensor, dt: float) -> Tensor:
        return arriving


@dataclass(frozen=True)
class LeakyIntegrator(AbstractReadout):
    r"""Output units that do not fire: $\tau\,\dot y = -y + \tau R \sum_k \delta(t - t_k)$.

    Integrated exactly: $y_t = e^{-\Delta t/\tau}\,y_{t-1} + R\,z_t$ from $y_0 = 0$, so that each spike moves the
    outputs by its weights, whatever `dt`.

    Args:
        tau: time constant, ms.

    Raises:
        ValueError: if it is not above 0.

    Example:
        >>> import torch
        >>> from neurornn import LeakyIntegrator
        >>> spikes = torch.tensor([[[1.0], [0.0], [0.0]]])
        >>> LeakyIntegrator(tau=10.0).read(spikes, torch.ones(1, 1), dt=10.0).flatten()
        tensor([1.0000, 0.3679, 0.1353])
    """

    tau: float = 20.0

    def __post_init__(self) -> None:
        _check.positive("LeakyIntegrator", "tau", self.tau)

    def follow(self, arriving: Tensor, dt: float) -> Tensor:
        return leaky_sum(arriving, float(torch.exp(torch.tensor(-dt / self.tau, dtype=torch.float64))))


@dataclass(frozen=True)
class SpikeCount(AbstractReadout):
    r"""Spikes since the start of the trial: $y_t = R \sum_{s \le t} z_s$."""

    def follow(self, arriving: Tensor, dt: float) -> Tensor:
        return arriving.cumsum(dim=-2)


@dataclass(frozen=True)
class Membrane(AbstractReadout):
    r"""Membrane potentials of the units themselves: $y_t = R\,(v_t - v_{rest})/\Theta$, after the reset.

    Where only the last step of a task counts, this is the last-membrane readout. It needs the potentials of every step,
    which the compiled kernels do not keep.
    """

    needs_voltages = True

    def follow(self, arriving: Tensor, dt: float) -> Tensor:
        return arriving


def leaky_sum(values: Float[Tensor, "*stack time out"], kept: float) -> Float[Tensor, "*stack time out"]:
    r"""Return $y_t = k\,y_{t-1} + x_t$ from $y_0 = 0$, by doubling how far back the sum reaches.

    Args:
        values: $x$.
        kept: $k$, in [0, 1].

    Example:
        >>> import torch
        >>> from neurornn.readout import leaky_sum
        >>> leaky_sum(torch.ones(3, 1), 0.5).flatten()
        tensor([1.0000, 1.5000, 1.7500])
    """
    reach, n_steps = 1, values.shape[-2]
    while reach < n_steps and kept**reach > 1e-12:
        values = values + kept**reach * functional.pad(values[..., :-reach, :], (0, 0, reach, 0))
        reach *= 2
    return values
