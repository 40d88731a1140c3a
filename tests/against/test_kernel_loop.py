"""The kernels against the plain loop at sizes of real training, and against torch's own recurrent network."""

import pytest
import torch

from neurornn import LeakyRate, Network, generator
from neurornn.kernel import library

BACKENDS = [
    "torch",
    pytest.param("native", marks=pytest.mark.skipif(library.level() < 0, reason="it was not built here")),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_without_a_leak_it_is_torchs_recurrent_network(
    backend: str, nonlinearity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURORNN_BACKEND", backend)
    with torch.random.fork_rng():
        other = torch.nn.RNN(5, 33, nonlinearity=nonlinearity, batch_first=True)
    cell = LeakyRate(5, 33, tau=20.0, dt=20.0, nonlinearity=nonlinearity, clamp_tau=True)  # tau = dt: the leak is 1
    with torch.no_grad():
        other.weight_ih_l0.copy_(cell.w_in)
        other.weight_hh_l0.copy_(cell.wiring())
        other.bias_hh_l0.zero_()
        other.bias_ih_l0.zero_()
    x = torch.randn(7, 30, 5, generator=generator(1))
    got, wanted = cell.rollout(x, cell.initial(7))[0], other(x)[0]
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
    got.square().mean().backward()
    wanted.square().mean().backward()
    torch.testing.assert_close(cell.wiring.weight.grad, other.weight_hh_l0.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_learns_the_same_curve(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def curve(name: str) -> list[float]:
        monkeypatch.setenv("NEURORNN_BACKEND", name)
        network = Network(LeakyRate(3, 64, tau=100.0, dt=20.0, nonlinearity="tanh", train_tau=True), 2, noise=0.05)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
        stream = generator(0)
        inputs = torch.randn(16, 40, 3, generator=stream)
        targets = inputs.cumsum(1)[..., :2] / 5
        losses = []
        for _ in range(10):
            loss = (network(inputs, generator=stream).outputs - targets).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return losses

    wanted = curve("loop")
    assert wanted[-1] < wanted[0]
    assert curve(backend) == pytest.approx(wanted, rel=1e-4)
