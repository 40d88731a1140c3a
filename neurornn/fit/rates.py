"""Terms of the loss that keep spiking networks in the regime of neurons: rates in a band, potentials in a range."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from neurornn import _check
from neurornn.fit.objective import AbstractTerm
from neurornn.network import Network, Run
from neurornn.trials import Trials


@dataclass(frozen=True)
class RatePenalty(AbstractTerm):
    r"""How far the rates of units lie outside a band, in Hz squared.

    $$\Bigl\langle \max(0, f_i - f_{high})^2 + \max(0, f_{low} - f_i)^2 \Bigr\rangle_i$$

    with the mean rate $f_i$ (Hz) of a unit over all steps of the batch. The upper edge keeps spikes sparse; the lower
    one wakes units that are silent, whose only gradient is this one. With several processes the rates are those of each
    one's part of the batch.

    Args:
        low: $f_{low}$, Hz.
        high: $f_{high}$, Hz.

    Raises:
        ValueError: if the band is empty.
    """

    low: float = 2.0
    high: float = 30.0

    def __post_init__(self) -> None:
        _check.not_negative("RatePenalty", "low", self.low)
        if not self.low <= self.high < float("inf"):
            _check.fail("RatePenalty", "high", "a finite rate, at least `low` (Hz)", (self.low, self.high))

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        if run.spikes is None:
            fix = "Use ActivityPenalty for rate units."
            _check.fail("RatePenalty", "network", "of spiking units", type(network.cell).__name__, fix)
        assert trials.valid is not None
        valid = trials.valid.to(run.spikes.dtype)
        rates = (valid[..., None] * run.spikes).sum((0, 1)) / valid.sum() * (1000 / run.dt)
        outside = (rates - self.high).clamp(min=0).square() + (self.low - rates).clamp(min=0).square()
        return outside.sum(), outside.new_tensor(float(len(outside)))


@dataclass(frozen=True)
class VoltagePenalty(AbstractTerm):
    r"""How far membrane potentials lie outside a range, in mV squared, mean over units and steps of the trials.

    $$\bigl\langle \max(0, v - v_{high})^2 + \max(0, v_{low} - v)^2 \bigr\rangle$$

    Networks that learn by surrogate gradients like to push units far below rest, where no neuron goes and no gradient
    reaches them. The potentials take the plain loop, which is slower than the kernels.

    Args:
        low: $v_{low}$, mV.
        high: $v_{high}$, mV.

    Raises:
        ValueError: if the range is empty.
    """

    needs_voltages: ClassVar[bool] = True

    low: float = -80.0
    high: float = -45.0

    def __post_init__(self) -> None:
        if not float("-inf") < self.low < self.high < float("inf"):
            _check.fail("VoltagePenalty", "high", "above `low`, and both finite (mV)", (self.low, self.high))

    def total(self, run: Run, trials: Trials, network: Network) -> tuple[Tensor, Tensor]:
        if run.voltages is None:
            fix = "Run the network with voltages=True."
            _check.fail("VoltagePenalty", "run", "one that kept its potentials", run.voltages, fix)
        assert trials.valid is not None
        valid = trials.valid.to(run.voltages.dtype)
        outside = (run.voltages - self.high).clamp(min=0).square() + (self.low - run.voltages).clamp(min=0).square()
        return (valid * outside.sum(-1)).sum(), valid.sum() * outside.shape[-1]
