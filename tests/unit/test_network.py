"""Networks: encoder, heads, noise from one stream, and perturbations as data."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neurornn import GRU, GaussianNoise, Intervention, LeakyRate, Network, UniformNoise, generator
from neurornn.cell.intervention import then
from neurornn.network import combine
from tests.tolerances import EXACT, FLOAT32


@dataclass(frozen=True)
class Scale:
    """A perturbation for tests: scales what the units send, adds to it, and injects a current."""

    gain: float = 1.0
    offset: float = 0.0
    current: float = 0.0
    deep: int = 0

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        shape = (self.deep, 1, 1, network.n_units) if self.deep else (1, 1, network.n_units)
        return Intervention(
            torch.full(shape, self.gain),
            torch.full(shape, self.offset),
            torch.full(shape, self.current),
            resting_gain=torch.full((*shape[:-2], network.n_units), self.gain),
            n_stack=self.deep,
        )


def small(**parts: object) -> Network:
    cell = LeakyRate(2, 12, tau=50.0, dt=10.0, nonlinearity="tanh")
    return Network(cell, **{"n_out": {"place": 3, "speed": 1}, **parts})  # type: ignore[arg-type]


def inputs(n_trials: int = 4, n_steps: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(n_trials, n_steps, 2, generator=generator(seed))


def test_heads_own_columns_in_order() -> None:
    network = small()
    assert network.heads == {"place": slice(0, 3), "speed": slice(3, 4)}
    assert (network.n_in, network.n_out, network.n_units, network.dt) == (2, 4, 12, 10.0)
    run = network(inputs())
    torch.testing.assert_close(run.outputs, run.activity @ network.readout.T + network.readout_bias, **FLOAT32)
    assert run.outputs[..., run.heads["speed"]].shape == (4, 9, 1)
    assert small(readout_bias=False).readout_bias is None
    assert small(n_out=5).heads == {"out": slice(0, 5)}


def test_the_encoder_sets_the_first_state() -> None:
    network = small(n_start=3)
    start = torch.randn(4, 3, generator=generator(1))
    (h,) = network.initial(4, start)
    assert network.encoder is not None
    torch.testing.assert_close(h, start @ network.encoder.T, **FLOAT32)
    told = network(inputs(), start=start)
    torch.testing.assert_close(told.activity, network(inputs(), state=(h,)).activity, **EXACT)
    assert bool((small().initial(4)[0] == 0).all())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), sd=st.floats(0.01, 1.0), n_trials=st.integers(1, 5), n_steps=st.integers(1, 12))
def test_one_generator_reproduces_a_run(seed: int, sd: float, n_trials: int, n_steps: int) -> None:
    network, x = small(noise=sd), inputs(n_trials, n_steps)
    one = network(x, generator=generator(seed)).activity
    torch.testing.assert_close(one, network(x, generator=generator(seed)).activity, **EXACT)
    assert not torch.equal(one, network(x, generator=generator(seed + 1)).activity)
    assert not torch.equal(one, network(x).activity), "without a generator there is no noise"


def test_noise_is_what_is_asked_for() -> None:
    network, x = small(noise=GaussianNoise(0.1)), inputs()
    quiet = network(x).activity
    torch.testing.assert_close(network(x, generator=generator(0), noise=GaussianNoise(0.0)).activity, quiet, **EXACT)
    drawn = UniformNoise(0.3).draw((4, 9, 12), dt=10.0, generator=generator(2))
    handed = network(x, noise=drawn).activity
    torch.testing.assert_close(network(x, noise=UniformNoise(0.3), generator=generator(2)).activity, handed, **EXACT)
    assert not torch.equal(handed, quiet)


def test_the_empty_perturbation_changes_no_bit_of_a_run() -> None:
    network, x = small(noise=0.1), inputs()
    plain = network(x, generator=generator(3))
    for perturb in ((), Intervention()):
        run = network(x, generator=generator(3), perturb=perturb)
        torch.testing.assert_close(run.outputs, plain.outputs, **EXACT)
    run = network(x, generator=generator(3), perturb=[Scale()])
    torch.testing.assert_close(run.outputs, plain.outputs, **FLOAT32)  # a gain of 1 may take another kernel


def test_a_perturbation_leaves_the_network_as_it_was() -> None:
    network = small(noise=0.1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(inputs(), perturb=[Scale(0.0, 1.0, deep=3)], generator=generator(0)).outputs.sum().backward()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], **EXACT)


def test_two_perturbations_act_one_after_the_other() -> None:
    network = small()
    both = combine([Scale(2.0, 1.0, 0.5), Scale(3.0, 0.5, 0.25)], network, 4, 9)
    assert both is not None and both.gain is not None and both.offset is not None and both.current is not None
    assert (both.gain.max(), both.offset.max(), both.current.max()) == (6.0, 3.5, 0.75)
    assert combine((), network, 4, 9) is None
    x = torch.ones(1, 12)
    one, two = (Scale(2.0, 1.0).intervention(network, 1, 1), Scale(3.0, 0.5).intervention(network, 1, 1))
    torch.testing.assert_close(then(one, two).sent(x, 0), two.sent(one.sent(x, 0), 0), **EXACT)


def test_a_stack_shares_inputs_and_noise() -> None:
    network = small(noise=0.2)
    run = network(inputs(), generator=generator(5), perturb=[Scale(deep=3)])
    assert run.outputs.shape == (3, 4, 9, 4)
    torch.testing.assert_close(run.activity[0], run.activity[2], **EXACT)
    torch.testing.assert_close(run.activity[0], network(inputs(), generator=generator(5)).activity, **FLOAT32)


def test_a_run_is_a_table() -> None:
    run = small()(inputs(2, 3))
    table = run.frame()
    assert table.columns.tolist() == ["trial", "time", "out_0", "out_1", "out_2", "out_3"]
    assert table["trial"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["time"].tolist() == [10.0, 20.0, 30.0] * 2
    assert table["out_1"].iloc[4] == pytest.approx(float(run.outputs[1, 1, 1].detach()))


def test_networks_refuse(as_users_run: None) -> None:
    network = small(n_start=3)
    with pytest.raises(
        ValueError, match=r"Network: `inputs` must be of shape \(trial, time, 2\); got an array of shape"
    ):
        network(torch.zeros(4, 9, 3))
    with pytest.raises(
        ValueError, match=r"Network: `start` must be given, with 3 columns; got None\. Pass `trials.start`"
    ):
        network(inputs())
    with pytest.raises(ValueError, match="Network: `start` must be given, with 3 columns; got an array of shape"):
        network(inputs(), start=torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"Network: `n_out\['out'\]` must be a whole number, 1 or above; got 0"):
        small(n_out=0)
    with pytest.raises(ValueError, match="Network: `n_start` must be a whole number, 0 or above; got -1"):
        Network(GRU(1, 2), 1, n_start=-1)
    with pytest.raises(ValueError, match="Network: `perturb` must be stacked 3 deep, or not at all; got 2"):
        network(inputs(), start=torch.zeros(4, 3), perturb=[Scale(deep=3), Scale(deep=2)])
