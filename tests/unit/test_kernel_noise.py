"""Noise that is made where it is used: the same numbers for everybody, and Gaussian ones."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from neurornn import GaussianNoise, LeakyRate, Network, generator
from neurornn.fit.roll import Roll
from neurornn.kernel import Noise, library
from tests.tolerances import FLOAT32

LEVELS = range(library.level() + 1)
LIKE = torch.zeros(0)
WHOLE = Noise(key=2**64 - 5, sd=1.0, n_trials=13, n_steps=9, n_units=70)
native = pytest.mark.skipif(not LEVELS, reason="the native library was not built here")


def python(noise: Noise, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """The numbers as they are made without the native library."""
    with monkeypatch.context() as patch:
        patch.setattr(library, "level", lambda: -1)
        return noise.tensor(LIKE.double())


@native
@pytest.mark.parametrize("level", LEVELS)
def test_every_build_makes_the_numbers_of_the_python_form(level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = python(WHOLE, monkeypatch)
    monkeypatch.setattr(library, "level", lambda: level)
    torch.testing.assert_close(WHOLE.tensor(LIKE.double()), wanted, rtol=FLOAT32["rtol"], atol=1e-6)


def test_a_part_holds_the_numbers_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = WHOLE.tensor(LIKE)
    assert torch.equal(WHOLE[4:11].tensor(LIKE), whole[4:11])
    assert torch.equal(WHOLE[4:11][1:3].tensor(LIKE), whole[5:7])
    stretches = WHOLE.split(4, dim=1)
    assert [one.n_steps for one in stretches] == [4, 4, 1]
    assert torch.equal(torch.cat([one.tensor(LIKE) for one in stretches], 1), whole)
    assert WHOLE[3:3].tensor(LIKE).shape == (0, 9, 70)
    part = python(WHOLE[4:6].split(4, dim=1)[1], monkeypatch)
    assert torch.equal(part, python(WHOLE, monkeypatch)[4:6, 4:8])


def test_parts_that_are_no_parts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Noise: `trials` must be a slice of trials that follow each other"):
        WHOLE[::2]
    with pytest.raises(ValueError, match=r"Noise.split: `dim` must be 1, the axis of time; got 0"):
        WHOLE.split(2, dim=0)
    with pytest.raises(ValueError, match=r"Noise: `shape` must be \(trial, time, unit\)"):
        Noise.drawn((3, 4), 1.0, generator=generator(0))


def test_the_numbers_are_gaussian_and_know_nothing_of_each_other() -> None:
    """Laws with bounds of four standard errors at a fixed key."""
    noise = Noise(key=20, sd=1.0, n_trials=50, n_steps=100, n_units=200)
    z = noise.tensor(LIKE).double()
    n = z.numel()
    for k, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs(float((z**k).mean()) - moment) < 4 * (variance / n) ** 0.5
    assert stats.kstest(z.flatten().numpy()[::7], "norm").pvalue > 1e-3
    tails = [float((z.abs() > x).double().mean()) for x in (2.0, 3.0, 4.0)]
    for x, got in zip((2.0, 3.0, 4.0), tails, strict=True):
        p = 2 * stats.norm.sf(x)
        assert abs(got - p) < 4 * (p / n) ** 0.5
    neighbours = [(z[1:], z[:-1]), (z[:, 1:], z[:, :-1]), (z[..., 1:], z[..., :-1]), (z[..., 16:], z[..., :-16])]
    for a, b in [*neighbours, (z, Noise(21, 1.0, *z.shape).tensor(LIKE).double()), (z**2 - 1, z)]:
        assert abs(float((a * b).mean())) < 4 * 2**0.5 / a.numel() ** 0.5


def test_one_generator_reproduces_a_run_and_draw_gives_its_numbers() -> None:
    noise = GaussianNoise(0.3, per_sqrt_ms=True)
    made = noise.on_demand((4, 5, 6), dt=4.0, generator=generator(7))
    assert isinstance(made, Noise) and made.sd == pytest.approx(0.6)
    assert torch.equal(made.tensor(LIKE), noise.draw((4, 5, 6), dt=4.0, generator=generator(7)))
    assert noise.draw((2, 3, 4, 5), dt=1.0, generator=generator(0)).shape == (2, 3, 4, 5)
    assert noise.draw((5,), dt=1.0, generator=generator(0)).shape == (5,)
    stream = generator(7)
    assert noise.on_demand((4, 5, 6), dt=4.0, generator=stream) == made
    assert noise.on_demand((4, 5, 6), dt=4.0, generator=stream) != made


@pytest.mark.parametrize("noise_at", ["state", "drive"])
@pytest.mark.parametrize("backend", ["native", "torch", "loop"])
def test_a_run_with_it_is_the_run_with_its_numbers(
    backend: str, noise_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "native" and not LEVELS:
        pytest.skip("the native library was not built here")
    monkeypatch.setenv("NEURORNN_BACKEND", backend)
    cell = LeakyRate(2, 37, tau=60.0, dt=20.0, nonlinearity="tanh", noise_at=noise_at, train_tau=True)
    network = Network(cell, 3, noise=0.2)
    inputs = torch.randn(9, 11, 2, generator=generator(0))
    made = network.draw_noise(9, 11, generator(1))
    assert isinstance(made, Noise)
    answers = []
    for noise in (made, made.tensor(inputs)):
        network.zero_grad()
        run = network(inputs, noise=noise)
        run.outputs.square().sum().backward()
        answers.append([run.outputs.detach(), run.activity.detach(), *(p.grad for p in network.parameters())])
    for a, b in zip(*answers, strict=True):
        torch.testing.assert_close(a, b, rtol=FLOAT32["rtol"], atol=1e-5 * float(b.abs().max()))
    assert torch.equal(network(inputs, generator=generator(1)).activity, network(inputs, noise=made).activity)


@native
def test_threads_processes_and_stretches_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(LeakyRate(2, 20, tau=60.0, dt=20.0, noise_at="drive"), 3, noise=0.2)
    inputs = torch.randn(9, 11, 2, generator=generator(0))
    noise = network.draw_noise(9, 11, generator(1))
    assert noise is not None
    whole = network(inputs, noise=noise)
    assert torch.equal(network(inputs[3:7], noise=noise[3:7]).activity, whole.activity[3:7])
    assert torch.equal(Roll(network, 4)(inputs, None, noise).outputs, whole.outputs)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert torch.equal(network(inputs, noise=noise).activity, whole.activity)


@native
def test_second_derivatives_of_a_run_that_makes_its_noise_are_those_of_the_loop() -> None:
    cell = LeakyRate(2, 6, tau=60.0, dt=20.0, nonlinearity="tanh", noise_at="drive")
    network = Network(cell, 2, noise=0.2)
    inputs = torch.randn(3, 4, 2, generator=generator(0)).requires_grad_()
    noise = network.draw_noise(3, 4, generator(1))
    found = []
    for backend in ("native", "loop"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NEURORNN_BACKEND", backend)
            loss = network(inputs, noise=noise).outputs.square().sum()
            (grad,) = torch.autograd.grad(loss, inputs, create_graph=True)
            found.append(torch.autograd.grad(grad.square().sum(), [cell.w_in, network.readout]))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
