"""GRU and LSTM against torch's own, with the same weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import GRU, LSTM, AbstractCell, Network, generator
from tests.tolerances import FLOAT64

PAIRS = {"GRU": (GRU, torch.nn.GRU), "LSTM": (LSTM, torch.nn.LSTM)}


def twin(kind: str, n_in: int, n_units: int, seed: int) -> tuple[AbstractCell, torch.nn.RNNBase]:
    """A cell and torch's module with its weights, without a draw from torch's global stream."""
    ours, theirs = PAIRS[kind]
    cell = ours(n_in, n_units, seed=seed).double()
    with torch.random.fork_rng(devices=[]):
        module = theirs(n_in, n_units, batch_first=True).double()
    with torch.no_grad():
        for name, weight in zip(("w_in", "w_rec", "b_in", "b_rec"), module.parameters(), strict=True):
            weight.copy_(getattr(cell, name))
    return cell, module


@pytest.mark.parametrize("kind", PAIRS)
@settings(max_examples=15, deadline=None)
@given(
    n_in=st.integers(1, 4),
    n_units=st.integers(1, 9),
    n_steps=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_the_same_weights_give_the_same_run_and_gradient(
    kind: str, n_in: int, n_units: int, n_steps: int, seed: int
) -> None:
    cell, module = twin(kind, n_in, n_units, seed)
    stream = generator(seed)
    x = torch.randn(3, n_steps, n_in, generator=stream).double().requires_grad_()
    state = tuple(torch.randn(3, n_units, generator=stream).double() for _ in cell.initial(3))
    first = tuple(part[None] for part in state)
    expected, last = module(x, first if len(first) > 1 else first[0])
    last = last if isinstance(last, tuple) else (last,)
    got, after = cell.rollout(x, state)
    torch.testing.assert_close(got, expected, **FLOAT64)
    for one, other in zip(after, last, strict=True):
        torch.testing.assert_close(one, other[0], **FLOAT64)
    theirs = torch.autograd.grad(expected.square().sum(), (x, *module.parameters()))
    ours = torch.autograd.grad(got.square().sum(), (x, *cell.parameters()))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, **FLOAT64)


def test_the_forget_bias_is_added_to_the_forget_gate_alone() -> None:
    plain, biased = LSTM(2, 5, forget_bias=0.0), LSTM(2, 5, forget_bias=1.5)
    difference = (biased.b_in - plain.b_in).detach()
    torch.testing.assert_close(difference, torch.tensor([0.0] * 5 + [1.5] * 5 + [0.0] * 10), rtol=0.0, atol=1e-6)


def test_the_encoder_sets_what_an_lstm_sends_and_leaves_its_memory_empty() -> None:
    network = Network(LSTM(2, 5), n_out=1, n_start=3)
    h, c = network.initial(4, torch.ones(4, 3))
    assert bool((h != 0).any()) and bool((c == 0).all())
