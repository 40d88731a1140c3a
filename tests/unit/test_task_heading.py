"""Head direction: turns as the paper states them, angles that wrap, and a pull whose variance has a closed form."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import generator, load_task
from neurornn.task import Cartesian, Darting, HeadDirection, VonMises
from tests.tolerances import CHANCE

TURN = 11.52 * 0.02
"""Standard deviation of the turn of a step, rad."""


def test_turns_are_normal_with_the_stated_deviation() -> None:
    turn = load_task("reactivation_heading").sample(400, generator=generator(0)).inputs.double()
    error = TURN / turn.numel() ** 0.5
    assert abs(turn.mean()) < CHANCE * error
    assert abs(turn.std() - TURN) < CHANCE * error / math.sqrt(2)


def test_a_biased_animal_turns_one_way() -> None:
    turn = HeadDirection(biased=True).sample(400, generator=generator(0)).inputs.double()
    assert (turn >= 0).all()
    half_normal = TURN * math.sqrt(2 / math.pi)  # 0.184 rad
    assert abs(turn.mean() - half_normal) < CHANCE * turn.std() / turn.numel() ** 0.5


@given(seed=st.integers(0, 2**31), biased=st.booleans(), dt=st.floats(5.0, 50.0))
@settings(max_examples=10, deadline=None)
def test_turns_integrate_to_the_heading(seed: int, biased: bool, dt: float) -> None:
    task = HeadDirection(dt=dt, biased=biased, code=VonMises(32))
    trials = task.sample(5, generator=generator(seed))
    start = torch.tensor(trials.conditions["start_heading"].to_numpy())[:, None, None]
    angle = start + trials.inputs.double().cumsum(dim=1)
    heading = trials.behaviour["heading"].double()
    assert heading.min() >= -math.pi - 1e-6 and heading.max() <= math.pi
    torch.testing.assert_close(angle.cos(), heading.cos(), rtol=0, atol=1e-4)
    torch.testing.assert_close(angle.sin(), heading.sin(), rtol=0, atol=1e-4)


def test_the_error_goes_the_short_way_round() -> None:
    task = HeadDirection(duration=200.0, code=VonMises(360))
    trials = task.sample(20, generator=generator(1))
    for offset in (0.5, -0.5, math.tau - 0.5):
        answers = task.code.encode(trials.behaviour["heading"] + offset)
        torch.testing.assert_close(task.score(trials, answers), torch.full((20,), 0.5), rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"turning": 0.0}, "HeadDirection: `turning` must be a finite number above 0"),
        ({"duration": 5.0}, "HeadDirection: `duration` must be at least one step of 20 ms"),
        ({"input_noise": -1.0}, "HeadDirection: `input_noise` must be a finite number, 0 or above"),
        (
            {"code": Cartesian()},
            "HeadDirection: `code` must be a code of angles, VonMises; got 'Cartesian'. Angles wrap",
        ),
    ],
)
def test_headings_that_cannot_be(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HeadDirection(**fields)


def test_a_pull_gives_the_variance_of_the_process() -> None:
    r"""Away from walls a coordinate is $x' = (1-k)x + s$, its strides $s$ correlated by the heading's random walk."""
    side, pull = 200.0, 0.05
    path = Darting(pull=pull).paths(400, 700, box=(side, side), dt=20.0, generator=generator(0)).position.double()
    settled = path[:, 400:] - side / 2
    stride = (0.02 * Darting().scale) ** 2
    kept, heading = 1 - pull, math.exp(-(TURN**2) / 2)
    series = kept * heading / (1 - kept * heading)
    variance = stride * (1 + math.pi / 2 * series) / (1 - kept**2)
    each = settled.square().mean(dim=(1, 2))
    assert abs(each.mean() - variance) < CHANCE * each.std() / len(each) ** 0.5
    assert each.std() / len(each) ** 0.5 < 0.05 * variance


def test_inputs_of_the_position_task_are_displacements_in_metres() -> None:
    task = load_task("reactivation_position")
    trials = task.sample(20, generator=generator(0))
    start = torch.tensor(trials.conditions[["start_x", "start_y"]].to_numpy(), dtype=torch.float32)
    moved = start[:, None] + trials.inputs.cumsum(dim=1)
    torch.testing.assert_close(moved, trials.behaviour["position"], rtol=0, atol=1e-4)
    assert trials.targets.shape[2] == 512 and trials.n_steps == 100
    torch.testing.assert_close(trials.targets.sum(dim=-1), torch.ones(20, 100), rtol=0, atol=1e-4)


def test_a_pull_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Darting: `pull` must be a number in \[0, 1\]; got 1.5"):
        Darting(pull=1.5)
