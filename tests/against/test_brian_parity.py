"""A network and its export to brian2: the same spikes in the same steps, the same potentials; small, on numpy.

The claim `brian2_parity` does the same for trained networks of 200 neurons over 2 s, on all three targets.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from neurornn import (
    LIF,
    AdaptiveLIF,
    AdEx,
    Dale,
    Dense,
    ExpIF,
    Gamma,
    Izhikevich,
    LeakyRate,
    LogNormal,
    Network,
    ShortTerm,
    Uniform,
    to_brian2,
)
from neurornn._types import generator
from neurornn.cell import AbstractCell, Form
from tests.tolerances import FLOAT64, ORDER

N = 12


def drawn(shape: tuple[int, ...], seed: int, low: float, high: float) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator(seed), dtype=torch.float64)


TAU = drawn((N,), 1, 10.0, 30.0).tolist()
TAU_SYN = drawn((N,), 2, 3.0, 8.0).tolist()
DRAWN = Gamma(20.0, 0.4, least=5.0)
BIAS = Uniform(20.0, 60.0)
HARD = {"reset": "hard", "refractory": 2.0}

SPIKING: dict[str, Callable[[], Any]] = {
    "lif": lambda: LIF(2, N, tau=TAU, tau_syn=TAU_SYN, dt=0.5),
    "lif, hard, delays": lambda: LIF(
        2,
        N,
        tau=TAU,
        tau_syn=TAU_SYN,
        **HARD,
        wiring=Dale(Dense(N)),
        delay={"excitatory": 1.5, "inhibitory": 0.5},
        dt=0.5,
    ),
    "lif, no filter": lambda: LIF(2, N, tau=TAU, tau_syn=None, **HARD, delay=1.0, dt=0.5),
    "lif, spike inputs": lambda: LIF(2, N, tau=TAU, tau_syn=TAU_SYN, **HARD, spike_inputs=True, bias=BIAS, dt=0.5),
    "lif, short term": lambda: LIF(2, N, tau=TAU, tau_syn=None, short_term=ShortTerm(0.4, 200.0), dt=0.5),
    "lif, facilitating": lambda: LIF(2, N, tau=TAU, tau_syn=TAU_SYN, short_term=ShortTerm(0.2, 150.0, 60.0), dt=0.5),
    "lif, drawn, delays a synapse": lambda: LIF(2, N, tau=DRAWN, tau_syn=TAU_SYN, delay=Uniform(0.0, 4.0), dt=0.5),
    "adaptive, drawn, delays a synapse": lambda: AdaptiveLIF(
        2, N, tau=TAU, tau_syn=TAU_SYN, tau_adapt=LogNormal(150.0, 0.4), **HARD, delay=Uniform(0.0, 2.0), dt=0.5
    ),
    "adaptive": lambda: AdaptiveLIF(2, N, tau=TAU, tau_syn=None, **HARD, dt=0.5),
    "exponential": lambda: ExpIF(2, N, tau=TAU, tau_syn=TAU_SYN, dt=0.1),
    "adex": lambda: AdEx(2, N, tau_syn=TAU_SYN, refractory=0.5, dt=0.1),
    "adex, no filter": lambda: AdEx(2, N, tau_syn=None, refractory=0.5, dt=0.1),
    "adex, delays a synapse": lambda: AdEx(2, N, tau_syn=TAU_SYN, delay=Uniform(0.0, 1.0), dt=0.1),
    "izhikevich": lambda: Izhikevich(2, N, tau_syn=TAU_SYN, dt=0.2),
}


def driven(cell: AbstractCell, duration: float, mean: float, spread: float) -> torch.Tensor:
    """Inputs that are redrawn every 10 ms."""
    every = round(10.0 / cell.dt)
    levels = mean + spread * torch.randn(round(duration / 10.0), 2, generator=generator(3), dtype=torch.float64)
    return levels.repeat_interleave(every, 0)


def ours(cell: AbstractCell, inputs: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Spikes (or rates) and first states of every step. Shapes (time, unit)."""
    with torch.no_grad():
        run = [(sent[0], state[0][0]) for sent, state in cell.steps(inputs[None], cell.initial(1))]
    return torch.stack([sent for sent, _ in run]).numpy(), torch.stack([v for _, v in run]).numpy()


@pytest.mark.parametrize("name", SPIKING)
def test_every_spike_falls_in_the_same_step(name: str) -> None:
    cell = SPIKING[name]().double()
    inputs = driven(cell, 200.0, 1.3, 0.8)
    spikes, potentials = ours(cell, inputs)
    recording = to_brian2(cell, inputs=inputs).run()
    theirs = np.zeros_like(spikes)
    for unit, train in enumerate(recording.spikes or ()):
        theirs[np.rint(train / cell.dt).astype(int), unit] += 1
    assert spikes.sum() > 10, "too few spikes to compare"
    np.testing.assert_array_equal(theirs, spikes)
    np.testing.assert_allclose(recording.activity, potentials, rtol=1e-6)
    assert recording.unit == "mV"


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cython", "cpp_standalone"])
@pytest.mark.parametrize("name", ["lif, hard, delays", "adex"])
def test_compiled_targets_fire_the_same_spikes(name: str, target: str) -> None:
    cell = SPIKING[name]().double()
    inputs = driven(cell, 100.0, 1.3, 0.8)
    plain, compiled = (to_brian2(cell, inputs=inputs).run(target=one) for one in ("numpy", target))
    for one, other in zip(plain.spikes or (), compiled.spikes or (), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-9)
    np.testing.assert_allclose(compiled.activity, plain.activity, rtol=1e-9)


@pytest.mark.parametrize(
    ("form", "nonlinearity"),
    [
        (Form.CURRENT, "tanh"),
        (Form.UPDATE, "relu"),
        *((Form.RATE, name) for name in ("relu", "tanh", "softplus", "sigmoid", "leaky_relu", "identity")),
    ],
)
def test_rates_are_the_same(form: Form, nonlinearity: str) -> None:
    cell = LeakyRate(2, N, tau=drawn((N,), 4, 20.0, 80.0).tolist(), form=form, nonlinearity=nonlinearity, dt=5.0)
    cell = cell.double()
    inputs = driven(cell, 200.0, 0.2, 1.0)
    rates, _ = ours(cell, inputs)
    recording = to_brian2(cell, inputs=inputs).run()
    np.testing.assert_allclose(recording.activity, rates, **FLOAT64)
    assert recording.spikes is None and recording.unit == ""


def test_a_network_starts_where_its_encoder_puts_it() -> None:
    network = Network(LIF(2, N, dt=0.5), n_out=1, n_start=2, seed=1).double()
    inputs, start = driven(network.cell, 50.0, 1.0, 0.5), torch.tensor([1.0, -0.5], dtype=torch.float64)
    recording = to_brian2(network, inputs=inputs, start=start).run(record=[0, 3])
    with torch.no_grad():
        first = network.initial(1, start[None])
        potentials = [state[0][0] for _, state in network.cell.steps(inputs[None], first)]
    assert recording.activity is not None
    np.testing.assert_allclose(recording.activity[:, [0, 3]], torch.stack(potentials)[:, [0, 3]], rtol=1e-9)
    assert np.isnan(recording.activity[:, 1]).all()


def test_a_finer_step_brings_euler_nearer_at_first_order_and_leaves_exact_where_it_is() -> None:
    """Below threshold, so that nothing but the scheme differs: halving the step halves the distance to a fine one."""
    levels = torch.tensor([0.3, 0.8, 0.5, 0.9], dtype=torch.float64)

    def apart(cell: Any) -> float:
        inputs = levels.repeat_interleave(round(10.0 / cell.dt))[:, None]
        _, potentials = ours(cell, inputs)
        fine = np.asarray(to_brian2(cell, inputs=inputs).run(dt=0.0125).activity)
        ends = np.arange(1, round(40.0 / 0.4) + 1) * 0.4
        coarse_at, fine_at = (np.rint(ends / dt).astype(int) - 1 for dt in (cell.dt, 0.0125))
        return float(np.abs(potentials[coarse_at] - fine[fine_at]).max())

    def of(kind: Any, dt: float) -> Any:
        # The fine run is Euler, too: its own error is 0.0125/dt of the coarse one's.
        cell = kind(1, 1, tau_syn=None, dt=dt, seed=0).double()
        cell.w_in.data.fill_(1.0)
        return cell

    euler = [apart(of(ExpIF, dt)) / (1 - 0.0125 / dt) for dt in (0.4, 0.2, 0.1)]
    orders = np.log2(np.array(euler[:-1]) / np.array(euler[1:]))
    assert np.all(np.abs(orders - 1.0) < ORDER), orders
    assert max(apart(of(LIF, dt)) for dt in (0.4, 0.2)) < 1e-10


def test_a_postsynaptic_potential_is_the_closed_form() -> None:
    """One spike, one synapse: what is exported has the right size in mV, not only the size that we give it."""
    cell = LIF(2, 2, tau=20.0, tau_syn=5.0, resistance=100.0, reset="hard", inject=True, dt=0.1).double()
    with torch.no_grad():
        cell.wiring.weight.copy_(torch.tensor([[0.0, 0.0], [0.5, 0.0]]))
    inputs = torch.zeros(400, 2, dtype=torch.float64)
    inputs[0, 0] = 100_000.0  # one step of 100 nA makes unit 0 fire once
    recording = to_brian2(cell, inputs=inputs).run()
    assert [len(train) for train in recording.spikes or ()] == [1, 0]
    after = np.arange(400) * 0.1  # the spike of step 0 is felt from the end of that step on
    charge = 0.5 * 15.0  # mV: a weight of 1 is the charge from rest to threshold
    current = charge * 200.0 / 5.0 / 1e3  # nA through tau_syn, with C = 200 pF
    potential = 100.0 * current * 5.0 / (20.0 - 5.0) * (np.exp(-after / 20.0) - np.exp(-after / 5.0))
    np.testing.assert_allclose(np.asarray(recording.activity)[:, 1] + 65.0, potential, rtol=1e-9, atol=1e-9)
