"""The flip-flop: what is held is the last pulse, and what it refuses."""

import pytest
import torch

from neurornn import generator
from neurornn.task import FlipFlop
from tests.tolerances import CHANCE


def test_the_last_pulse_is_held() -> None:
    trials = FlipFlop(n_bits=2, rate=10.0).sample(20, generator=generator(0))
    held = torch.zeros(20, 2)
    for t in range(trials.n_steps):
        pulse = trials.inputs[:, t]
        held = torch.where(pulse != 0, pulse, held)
        assert bool((trials.targets[:, t] == held).all())
    assert bool((trials.inputs[:, 0] != 0).all())
    assert (trials.conditions["bit_1"].to_numpy() == held[:, 1].numpy()).all()


def test_pulses_come_at_their_rate_and_to_both_sides() -> None:
    pulses = FlipFlop(duration=4000.0, rate=10.0).sample(100, generator=generator(1)).inputs[:, 1:]
    n = pulses.numel()
    assert abs(float((pulses != 0).float().mean()) - 0.2) < CHANCE * (0.2 * 0.8 / n) ** 0.5
    assert abs(float(pulses.mean())) < CHANCE * (0.2 / n) ** 0.5


def test_steps_after_a_pulse_do_not_count_where_the_answer_may_settle() -> None:
    trials = FlipFlop(settle=40.0).sample(20, generator=generator(2))
    came = (trials.inputs != 0).any(-1)
    assert bool((trials.mask[came] == 0).all())
    assert bool((trials.mask[:, 1:][came[:, :-1]] == 0).all())
    assert float(trials.mask.mean()) > 0.3


def test_a_wrong_bit_costs_its_share() -> None:
    task = FlipFlop()
    trials = task.sample(10, generator=generator(3))
    wrong = trials.targets.clone()
    wrong[..., 0] *= -1
    torch.testing.assert_close(task.score(trials, wrong), torch.full((10,), 2 / 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_bits": 0}, r"FlipFlop: `n_bits` must be a whole number"),
        ({"dt": 0.0}, r"FlipFlop: `dt` must be a finite number above 0"),
        ({"rate": 0.0}, r"FlipFlop: `rate` must be a finite number above 0"),
        ({"rate": 60.0}, r"FlipFlop: `rate` must be at most one pulse a step, 50 Hz; got 60.0"),
        ({"settle": -1.0}, r"FlipFlop: `settle` must be a finite number, 0 or above"),
        ({"duration": 5.0}, r"FlipFlop: `duration` must be at least one step of 20 ms; got 5.0"),
    ],
)
def test_refusals(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlipFlop(**settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"FlipFlop.sample: `n_trials` must be a whole number"):
        FlipFlop().sample(0, generator=generator(0))
