"""The two controls that every other way of pruning is held against: at random, and the smallest weights."""

from dataclasses import dataclass

import numpy as np
import torch

from neurornn.network import Network
from neurornn.pruning.base import AbstractPruning, Choice, Connected, count_of
from neurornn.pruning.rescale import Rescale, rescaling, survivors


@dataclass(frozen=True)
class RandomPruning(AbstractPruning):
    """Keep connections at random, as many as the density asks for exactly.

    Args:
        rescale: what survivors are multiplied by: "none", "full" (one over the density) or "radius".

    Example:
        >>> from neurornn import LeakyRate, Network, RandomPruning, prune
        >>> round(prune(Network(LeakyRate(1, 50), 1), RandomPruning(), density=0.2).density, 3)
        0.2
    """

    rescale: Rescale | str = Rescale.NONE

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "rescale", rescaling("RandomPruning", self.rescale, (Rescale.NONE, Rescale.FULL, Rescale.RADIUS))
        )

    def choose(self, network: Network, density: float, generator: torch.Generator) -> Choice:
        dense = Connected.of(network)
        n_kept = count_of("RandomPruning", density, len(dense.places))
        chosen = torch.randperm(len(dense.places), generator=generator)[:n_kept].numpy()
        mask = dense.only(chosen)
        keep = np.where(dense.between, n_kept / len(dense.places), 0.0)
        weights, factor = survivors(dense.weights, mask, keep, Rescale(self.rescale))
        return Choice(weights, mask, keep=keep, steps=(("rescale", "largest factor", factor),))


@dataclass(frozen=True)
class MagnitudePruning(AbstractPruning):
    """Keep the connections of largest absolute weight, as many as the density asks for exactly.

    Args:
        rescale: what survivors are multiplied by: "none" or "radius".

    Example:
        >>> from neurornn import LeakyRate, MagnitudePruning, Network, prune
        >>> round(prune(Network(LeakyRate(1, 50), 1), MagnitudePruning(), density=0.2).density, 3)
        0.2
    """

    rescale: Rescale | str = Rescale.NONE

    def __post_init__(self) -> None:
        object.__setattr__(self, "rescale", rescaling("MagnitudePruning", self.rescale, (Rescale.NONE, Rescale.RADIUS)))

    def choose(self, network: Network, density: float, generator: torch.Generator) -> Choice:
        dense = Connected.of(network)
        n_kept = count_of("MagnitudePruning", density, len(dense.places))
        sizes = np.abs(dense.weights[dense.between])
        mask = dense.only(np.argsort(-sizes, kind="stable")[:n_kept])
        weights, factor = survivors(dense.weights, mask, None, Rescale(self.rescale))
        smallest = float(np.sort(sizes)[::-1][n_kept - 1])
        return Choice(weights, mask, steps=(("choose", "smallest weight", smallest), ("rescale", "factor", factor)))
