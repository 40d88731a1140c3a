"""First states and initial values that are drawn: from their law, from the stream that is given, and from no other."""

import pytest
import torch

from neurornn import Dense, LeakyRate, Network, Uniform, generator
from neurornn.fit.roll import Roll
from tests.tolerances import EXACT, FLOAT32


def a_network(**settings) -> Network:
    return Network(LeakyRate(2, 300, tau=20.0, dt=10.0, bias=False), 1, **settings)


def test_a_uniform_law_has_its_bounds_and_mean() -> None:
    law = Uniform(1.0, 3.0)
    drawn = law.draw((100_000,), generator=generator(0))
    assert 1.0 <= drawn.min() < 1.001 and 2.999 < drawn.max() <= 3.0
    assert law.mean == 2.0 and abs(float(drawn.mean()) - 2.0) < 3 * 2 / 12**0.5 / 100_000**0.5
    with pytest.raises(ValueError, match=r"Uniform: `high` must be at least `low`, and both finite; got \(2.0, 1.0\)"):
        Uniform(2.0, 1.0)


def test_first_states_are_scattered_where_a_stream_is_given() -> None:
    network = a_network(scatter=Uniform(0.0, 0.1))
    x = torch.zeros(40, 3, 2)
    drawn = network.draw_scatter(40, generator(5))
    assert drawn is not None and drawn.shape == (40, 300) and 0 <= drawn.min() and drawn.max() <= 0.1
    one, two = network(x, generator=generator(5)), network(x, scatter=drawn)
    torch.testing.assert_close(one.activity, two.activity, **EXACT)
    still = network(x)
    torch.testing.assert_close(still.activity, network(x, scatter=torch.full((40, 300), 0.05)).activity, **FLOAT32)
    torch.testing.assert_close(network.initial(2)[0], torch.full((2, 300), 0.05), **EXACT)


def test_without_scatter_nothing_is_drawn() -> None:
    network, stream = a_network(), generator(0)
    before = stream.get_state()
    assert network.draw_scatter(3, stream) is None and torch.equal(stream.get_state(), before)


def test_scatter_adds_to_what_the_encoder_says() -> None:
    network = a_network(scatter=Uniform(0.5, 0.5), n_start=2)
    start = torch.ones(1, 2)
    plain = Network(network.cell, 1, n_start=2).initial(1, start)[0]
    torch.testing.assert_close(network.initial(1, start)[0], plain + 0.5, **EXACT)


def test_stretches_start_where_the_whole_does() -> None:
    network = a_network(scatter=Uniform(0.0, 1.0))
    x, drawn = torch.ones(4, 6, 2), network.draw_scatter(4, generator(0))
    one, other = Roll(network, 0)(x, None, None, drawn), Roll(network, 2)(x, None, None, drawn)
    torch.testing.assert_close(one.activity, other.activity, **EXACT)


def test_time_constants_and_biases_follow_their_laws() -> None:
    cell = LeakyRate(
        1, 500, tau=Uniform(1.0, 2.0), dt=1.0, clamp_tau=True, bias=Uniform(-0.1, 0.1), bias_in=Uniform(-1.0, 1.0)
    )
    assert 1.0 <= cell.tau().min() and cell.tau().max() <= 2.0 and cell.tau().std() > 0.25
    assert cell.bias is not None and cell.bias.abs().max() <= 0.1 < cell.bias_in.abs().max() <= 1.0
    torch.testing.assert_close(cell.weights()[2], cell.bias + cell.bias_in, **EXACT)
    plain = LeakyRate(1, 500, tau=1.5, dt=1.0, clamp_tau=True)
    torch.testing.assert_close(plain.w_in, cell.w_in, **EXACT)


def test_two_biases_learn_twice_as_fast_as_one() -> None:
    one, two = (LeakyRate(1, 5, tau=2.0, dt=1.0, bias_in=both, wiring=Dense(5)) for both in (False, True))
    for cell in (one, two):
        optimiser = torch.optim.SGD(cell.parameters(), lr=0.1)
        activity, _ = cell.rollout(torch.ones(3, 1, 1), cell.initial(3))
        activity.sum().backward()
        optimiser.step()
    torch.testing.assert_close(two.weights()[2], 2 * one.weights()[2], **FLOAT32)
