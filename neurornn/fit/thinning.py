"""Connections that are taken away during training."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from neurornn import _check
from neurornn.network import Network
from neurornn.pruning.base import Connected, count_of
from neurornn.pruning.rebuild import remade
from neurornn.wiring import Masked


class AbstractThinning(ABC):
    """A rule by which a network in training loses connections."""

    @abstractmethod
    def thin(self, network: Network, step: int, steps: int) -> None:
        """Take away what is due after step `step` (from 1) of `steps`: clear entries of the mask of `opened`."""

    def opened(self, network: Network) -> Network:
        """Return the same network under a mask that is still whole.

        Raises:
            ValueError: if the network's wiring cannot be masked.
        """
        dense = Connected.of(network)
        return remade(network, np.arange(network.n_units), dense.weights, dense.weights != 0)


@dataclass(frozen=True)
class GradualMagnitude(AbstractThinning):
    r"""Take away the smallest weights, a few at a time, until a density is reached.

    $$d_t = d_f + (1 - d_f)\Bigl(1 - \frac{t - t_0}{t_1 - t_0}\Bigr)^3$$

    from $t_0$ to $t_1$: many at first, while there are many to spare. What is gone does not come back. Connections of
    units onto themselves stay and do not count.

    Args:
        density: $d_f$, the part of the connections between units that is left.
        start: $t_0$, as a fraction of the training.
        stop: $t_1$, as a fraction of the training; what remains is trained from there to the end.
        every: steps between two cuts.

    Raises:
        ValueError: if the density is not in (0, 1], or the fractions are not in order.

    Example:
        >>> from neurornn.fit import GradualMagnitude
        >>> rule = GradualMagnitude(density=0.1, start=0.0, stop=0.5)
        >>> [round(rule.due(step, 100), 4) for step in (1, 25, 50, 100)]
        [0.9471, 0.2125, 0.1, 0.1]

    References:
        M. Zhu and S. Gupta (2017), To prune, or not to prune: exploring the efficacy of pruning for model compression,
        doi:10.48550/arXiv.1710.01878; S. Narang, E. Elsen, G. Diamos and S. Sengupta (2017), Exploring sparsity in
        recurrent neural networks, doi:10.48550/arXiv.1704.05119.
    """

    density: float = 0.1
    start: float = 0.0
    stop: float = 0.6
    every: int = 5

    def __post_init__(self) -> None:
        if _check.fraction("GradualMagnitude", "density", self.density) == 0:
            _check.fail("GradualMagnitude", "density", "in (0, 1]", self.density, "It is the part that is kept.")
        _check.count("GradualMagnitude", "every", self.every)
        for name in ("start", "stop"):
            _check.fraction("GradualMagnitude", name, getattr(self, name))
        if self.start >= self.stop:
            _check.fail("GradualMagnitude", "stop", f"above `start`, {self.start:g}", self.stop)

    def due(self, step: int, steps: int) -> float:
        """Return the density that is due after step `step` of `steps`."""
        gone = (step / steps - self.start) / (self.stop - self.start)
        return self.density + (1 - self.density) * (1 - min(max(gone, 0.0), 1.0)) ** 3

    def thin(self, network: Network, step: int, steps: int) -> None:
        if step % self.every and step < steps:
            return
        wiring = network.cell.wiring  # type: ignore[union-attr]
        assert isinstance(wiring, Masked), "made so by `opened`"
        with torch.no_grad():
            off = ~torch.eye(network.n_units, dtype=torch.bool, device=wiring.mask.device)
            # Of those there were at the start: a wiring inside may have left some out.
            n_dense = int((wiring.inner() != 0)[off].sum())
            n_kept = count_of("GradualMagnitude", self.due(step, steps), n_dense)
            sizes = torch.where((wiring.mask > 0) & off, wiring().abs(), -1.0).flatten()
            if int((sizes > 0).sum()) > n_kept:
                left = torch.zeros_like(sizes)
                left[sizes.argsort(descending=True, stable=True)[:n_kept]] = 1.0
                wiring.mask.copy_(torch.where(off, left.view_as(wiring.mask), wiring.mask))
