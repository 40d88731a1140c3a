"""Optimisers are torch's; schedules are what their equations say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import FLOAT64

from neurornn.fit import SGD, Adam, Constant, Cosine, OneCycle


def _moved(optimiser: torch.optim.Optimizer, weight: torch.nn.Parameter) -> np.ndarray:
    for _ in range(5):
        optimiser.zero_grad()
        weight.square().sum().backward()
        optimiser.step()
    return weight.detach().numpy()


def _weight() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))


def test_adam_without_decay_is_adam():
    ours, theirs = _weight(), _weight()
    a = _moved(Adam(beta1=0.8).build([ours], 0.1), ours)
    np.testing.assert_allclose(a, _moved(torch.optim.Adam([theirs], 0.1, (0.8, 0.999)), theirs), **FLOAT64)


def test_decay_shrinks_weights_whatever_the_gradient():
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimiser = Adam(decay=0.5).build([weight], 0.1)
    weight.grad = torch.zeros_like(weight)
    optimiser.step()
    np.testing.assert_allclose(weight.detach().numpy(), 0.95, **FLOAT64)


def test_sgd_goes_down_the_gradient():
    weight = _weight()
    before = weight.detach().numpy().copy()
    np.testing.assert_allclose(_moved(SGD().build([weight], 0.1), weight), before * 0.8**5, **FLOAT64)


@settings(max_examples=25, deadline=None)
@given(steps=st.integers(2, 400), floor=st.floats(0, 1), warmup=st.floats(0, 0.9))
def test_a_cosine_stays_in_bounds_and_ends_on_its_floor(steps: int, floor: float, warmup: float):
    curve = np.array([Cosine(floor, warmup).factor(step, steps) for step in range(steps)])
    assert np.all((curve > 0) | (curve >= floor - 1e-12)) and np.all(curve <= 1 + 1e-12)
    if steps - round(warmup * steps) > 1:
        np.testing.assert_allclose(curve[-1], floor, atol=1e-12)
        assert np.all(np.diff(curve[round(warmup * steps) :]) <= 1e-12)


@settings(max_examples=25, deadline=None)
@given(steps=st.integers(20, 400))
def test_one_cycle_is_torch_s(steps: int):
    weight = _weight()
    optimiser = torch.optim.SGD([weight], 1.0)
    kind = torch.optim.lr_scheduler.OneCycleLR
    theirs = kind(optimiser, 1.0, total_steps=steps, pct_start=0.3, div_factor=25.0, final_div_factor=400.0)
    curve = []
    for _ in range(steps):
        curve.append(theirs.get_last_lr()[0])
        optimiser.step()
        if len(curve) < steps:
            theirs.step()
    # torch puts the peak at `0.3 * steps - 1`, one cycle of `steps - 1` intervals at `0.3 * (steps - 1)`.
    ours = [OneCycle().factor(step, steps) for step in range(steps)]
    np.testing.assert_allclose(ours[0], curve[0])
    np.testing.assert_allclose(ours[-1], curve[-1], atol=1e-9)
    if steps > 50:
        np.testing.assert_allclose(ours, curve, atol=2.5 / (0.3 * steps))


def test_constant_is_one():
    assert [Constant().factor(step, 3) for step in range(3)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Adam(beta1=1.0), r"Adam: `beta1` must be a number in \[0, 1\); got 1.0"),
        (lambda: Adam(epsilon=0.0), "Adam: `epsilon` must be a finite number above 0"),
        (lambda: Adam(decay=-1.0), "Adam: `decay` must be a finite number, 0 or above"),
        (lambda: SGD(momentum=2.0), "SGD: `momentum` must be a number in"),
        (lambda: SGD(nesterov=True), "SGD: `momentum` must be above 0 with `nesterov`; got 0.0"),
        (lambda: Cosine(floor=2.0), "Cosine: `floor` must be a number in"),
        (lambda: Cosine(warmup=1.0), "Cosine: `warmup` must be below 1; got 1.0"),
        (lambda: OneCycle(first=2.0), "OneCycle: `first` must be a number in"),
        (lambda: OneCycle(peak=1.0), "OneCycle: `peak` must be inside"),
    ],
)
def test_wrong_settings_are_refused(make, says: str):
    with pytest.raises(ValueError, match=says):
        make()
