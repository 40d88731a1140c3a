"""The lottery ticket: which connections it keeps, and what weights they have."""

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn.pruning import LotteryTicket

N = 20


def network(seed: int, n_units: int = N) -> nr.Network:
    return nr.Network(nr.LIF(2, n_units, seed=seed), 1)


def test_the_largest_trained_weights_are_rewound() -> None:
    start, trained = network(0), network(7)
    pruned = nr.prune(start, LotteryTicket(trained), density=0.3)
    first, last = (one.cell.wiring().detach().numpy() for one in (start, trained))
    sizes = np.where(np.eye(N, dtype=bool), 0.0, np.abs(last))
    least = np.sort(sizes[sizes > 0])[::-1][round(0.3 * N * (N - 1)) - 1]
    kept = pruned.mask & ~np.eye(N, dtype=bool)
    assert np.array_equal(kept, sizes >= least)
    weights = pruned.network.cell.wiring().detach().numpy()
    assert np.array_equal(weights, np.where(pruned.mask, first, 0.0))
    torch.testing.assert_close(pruned.network.readout, start.readout)


def test_a_network_of_another_size_is_no_copy() -> None:
    with pytest.raises(
        ValueError, match="LotteryTicket: `trained` must be a copy of the network, of 20 units; got 'one"
    ):
        nr.prune(network(0), LotteryTicket(network(1, 10)))
