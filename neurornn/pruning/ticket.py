"""The lottery ticket: connections that a training made large, with the weights they had before it."""

from dataclasses import dataclass, field

import numpy as np
import torch

from neurornn import _check
from neurornn.network import Network
from neurornn.pruning.base import AbstractPruning, Choice, Connected, count_of


@dataclass(frozen=True, eq=False)
class LotteryTicket(AbstractPruning):
    """Keep the connections whose weights are largest in a trained copy, rewound to the weights from before training.

    Args:
        trained: the same network after training, all of its connections there.

    Example:
        >>> from neurornn import LIF, LotteryTicket, Network, prune
        >>> start, trained = Network(LIF(1, 30), 1), Network(LIF(1, 30, seed=5), 1)
        >>> round(prune(start, LotteryTicket(trained), density=0.2).density, 3)
        0.2

    References:
        J. Frankle and M. Carbin (2019), The lottery ticket hypothesis: finding sparse, trainable neural networks,
        doi:10.48550/arXiv.1803.03635.
    """

    trained: Network = field(repr=False)

    def choose(self, network: Network, density: float, generator: torch.Generator) -> Choice:
        dense = Connected.of(network)
        n_kept = count_of("LotteryTicket", density, len(dense.places))
        if self.trained.n_units != network.n_units:
            must = f"a copy of the network, of {network.n_units} units"
            _check.fail("LotteryTicket", "trained", must, f"one of {self.trained.n_units}")
        sizes = np.abs(Connected.of(self.trained).weights[dense.between])
        mask = dense.only(np.argsort(-sizes, kind="stable")[:n_kept])
        smallest = float(np.sort(sizes)[::-1][n_kept - 1])
        return Choice(np.where(mask, dense.weights, 0.0), mask, steps=(("choose", "smallest trained", smallest),))
