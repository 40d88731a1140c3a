"""Time constants that are trained, in the two forms that rate units know."""

import itertools

import torch

from neurornn import LeakyRate
from neurornn.cell.constant import ClampedTau, LogTau
from tests.tolerances import EXACT, FLOAT32


def test_log_tau_stays_above_dt_and_keeps_its_gradient_where_the_clamp_loses_it() -> None:
    taus = torch.tensor([10.5, 40.0, 400.0])
    torch.testing.assert_close(LogTau(taus, 10.0, True)(), taus, **FLOAT32)
    torch.testing.assert_close(ClampedTau(taus, 10.0, True)(), taus, **EXACT)
    low, clamped = LogTau(taus, 10.0, True), ClampedTau(taus, 10.0, True)
    with torch.no_grad():
        low.theta -= 8.0
        clamped.raw[:] = torch.tensor([3.0, 40.0, 400.0])
    assert bool((low() > 10.0).all())
    assert clamped().tolist() == [10.0, 40.0, 400.0]
    low().sum().backward()
    clamped().sum().backward()
    assert low.theta.grad is not None and bool((low.theta.grad > 0).all())
    torch.testing.assert_close(low.theta.grad, torch.exp(low.theta.detach()), **FLOAT32)
    assert clamped.raw.grad is not None and clamped.raw.grad.tolist() == [0.0, 1.0, 1.0]


def test_time_constants_are_trained_only_when_asked() -> None:
    for train_tau, clamp_tau in itertools.product((False, True), repeat=2):
        cell = LeakyRate(2, 10, dt=10.0, tau=50.0, train_tau=train_tau, clamp_tau=clamp_tau)
        names = {name for name, parameter in cell.named_parameters() if parameter.requires_grad}
        assert any(name.startswith("tau.") for name in names) == train_tau
