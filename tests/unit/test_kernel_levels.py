"""The builds of the native library: each does the plainest training step, and the matrix unit is exact."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from neurornn import Form, LeakyRate, Network, generator
from neurornn.kernel import library

LEVELS = range(library.level() + 1)
AMX = library.LEVELS.index("AMX")
native = pytest.mark.skipif(not LEVELS, reason="the native library was not built here")
matrix_unit = pytest.mark.skipif(AMX not in LEVELS, reason="this machine has no matrix unit")


def gradients(network: Network, x: Tensor, targets: Tensor) -> list[Tensor]:
    """What a training step by the squared error of the outputs finds, and the outputs."""
    outputs = network(x).outputs
    found = torch.autograd.grad((outputs - targets).square().mean(), list(network.parameters()))
    return [outputs.detach(), *found]


def batch(trials: int, steps: int, n_in: int, n_out: int) -> tuple[Tensor, Tensor]:
    stream = generator(0)
    return torch.randn(trials, steps, n_in, generator=stream), torch.randn(trials, steps, n_out, generator=stream)


def by_level(patch: pytest.MonkeyPatch, level: int) -> None:
    patch.setenv("NEURORNN_BACKEND", "native")
    patch.setattr(library, "level", lambda: level)
    patch.setattr(library, "FEWEST_UNITS", 1)


@native
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("sizes", [(3, 7, 5, 1), (11, 6, 50, 3), (37, 9, 81, 12)])
def test_the_plainest_training_step_is_the_loops(
    level: int, form: Form, sizes: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No noise, nothing asked of the activity itself: the runs that have code of their own; few outputs and many."""
    trials, steps, n, n_out = sizes
    network = Network(LeakyRate(4, n, tau=60.0, dt=20.0, nonlinearity="tanh", form=form, train_tau=True), n_out)
    given = batch(trials, steps, 4, n_out)
    monkeypatch.setenv("NEURORNN_BACKEND", "loop")
    wanted = gradients(network, *given)
    by_level(monkeypatch, level)
    for a, b in zip(gradients(network, *given), wanted, strict=True):
        assert float((a - b).abs().max()) <= 1e-5 * max(float(b.abs().max()), 1e-3)


@matrix_unit
def test_the_matrix_unit_is_as_exact_as_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """It multiplies numbers of 8 bits; put together they lose nothing, against the loop in double precision."""
    network = Network(LeakyRate(7, 130, tau=60.0, dt=20.0, nonlinearity="tanh", train_tau=True), 3)
    given = batch(40, 30, 7, 3)
    monkeypatch.setenv("NEURORNN_BACKEND", "loop")
    exact = gradients(network.double(), *(one.double() for one in given))
    errors = {}
    for level in (AMX - 1, AMX):
        by_level(monkeypatch, level)
        found = gradients(network.float(), *given)
        errors[level] = [float((a - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True)]
    for vectors, unit in zip(errors[AMX - 1], errors[AMX], strict=True):
        assert unit <= 2 * vectors + 1e-7


@matrix_unit
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_no_number_stays_none(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    by_level(monkeypatch, AMX)
    cell = LeakyRate(2, 40)
    x = torch.zeros(3, 4, 2)
    x[1, 1] = wrong
    activity = cell.rollout(x, cell.initial(3))[0]
    assert activity[[0, 2]].isfinite().all() and not activity[1, 2:].isfinite().any()


@pytest.mark.parametrize(("n_units", "level"), [(95, AMX - 1), (96, AMX)])
def test_few_units_are_left_to_vectors(n_units: int, level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    fake = SimpleNamespace(a_kernel=lambda table, level: asked.append(level))
    monkeypatch.setattr(library, "library", lambda: fake)
    monkeypatch.setattr(library, "level", lambda: AMX)
    library.call("a_kernel", library.Leaky(units=n_units))
    assert asked == [level]
