"""Ideal observers: what must hold whatever the noise, and what the particle filter must come to."""

import pytest
import torch

from neurornn import generator
from neurornn.observer import ParticleFilter, PathIntegration, SingleHypothesis
from neurornn.task import Arena, GivenArenas, Navigation, Sensors, StarArenas, Start

EXACT = Sensors(speed_noise=0.0, heading_noise=0.0, distance_noise=0.0, angle_noise=0.0)


def drawn(task, n_trials=40, seed=0):
    return task.sample(n_trials, generator=generator(seed))


def errors(observer, task, trials, seed=1):
    return observer.locate(task, trials, generator=generator(seed)).errors(trials).mean(0)


def test_without_noise_path_integration_is_right():
    task = Navigation(sensors=EXACT)
    assert errors(PathIntegration(), task, drawn(task)).max() < 1e-4


def test_the_error_of_path_integration_grows_with_the_root_of_time():
    wide = GivenArenas((Arena(((-90.0, -90.0), (90.0, -90.0), (90.0, 90.0), (-90.0, 90.0))),))
    task = Navigation(arenas=wide, start=Start.ORIGIN, duration=100_000.0)
    error = errors(PathIntegration(), task, drawn(task, 300))
    # The mean error of a random walk of independent steps: doubled after four times as long (the drift of a compass
    # whose noise shortens every step adds some).
    assert (error[159] / error[39]).item() == pytest.approx(2.0, rel=0.25)


def test_observers_come_in_the_order_of_what_they_use():
    task = Navigation()
    trials = drawn(task, 64)
    late = {
        name: errors(observer, task, trials)[60:].mean()
        for name, observer in {
            "filter": ParticleFilter(300),
            "single": SingleHypothesis(),
            "integration": PathIntegration(),
            "lost": PathIntegration(told=False),
        }.items()
    }
    assert late["filter"] < 0.75 * late["single"] < late["integration"] < late["lost"]
    assert late["filter"] < 0.16  # 0.12 with 1000 particles


def test_the_plateau_of_the_filter_does_not_depend_on_the_start():
    task = Navigation()
    trials = drawn(task, 32)
    told, untold = (errors(ParticleFilter(300, told=told), task, trials) for told in (True, False))
    assert told[0] < 0.06 and untold[0] > 0.3
    assert untold[80:].mean().item() == pytest.approx(told[80:].mean().item(), rel=0.15)


def test_no_touch_is_evidence_too():
    """In a corridor, walls that are not felt tell that one walks in the middle."""
    corridor = GivenArenas((Arena(((-2.0, -0.15), (2.0, -0.15), (2.0, 0.15), (-2.0, 0.15))),))
    task = Navigation(arenas=corridor, duration=2000.0)
    trials = drawn(task, 200)
    found = ParticleFilter(400).locate(task, trials, generator=generator(3)).position[..., 1]
    apart = trials.inputs[..., 2] == 0
    assert found[apart].abs().mean() < 0.05


def test_the_filter_tells_arenas_apart_and_bets_sum_to_one():
    task = Navigation(arenas=StarArenas(3, radii=(0.35, 1.2)), identify=True, duration=30_000.0)
    trials = drawn(task, 24)
    found = ParticleFilter(1500, told_arena=False).locate(task, trials, generator=generator(2))
    torch.testing.assert_close(found.arena.sum(-1), torch.ones(24, 60), rtol=0, atol=1e-4)
    right = found.recognised(trials).mean(0)
    assert right[0] < 0.7 < right[-10:].mean()
    assert ParticleFilter(50).locate(task, trials, generator=generator(2)).recognised(trials).min() == 1


def test_landmarks_help():
    dark = Navigation(arenas=StarArenas(1, landmarks=2), sensors=Sensors(view=1e-3), duration=10_000.0)
    lit = Navigation(arenas=StarArenas(1, landmarks=2), duration=10_000.0)
    late = [errors(ParticleFilter(500), task, drawn(task, 64))[-5:].mean() for task in (dark, lit)]
    assert late[1] < 0.7 * late[0]


def test_an_inner_wall_stops_particles():
    parted = Arena(((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)), walls=(((0.0, -1.0), (0.0, 1.0)),))
    task = Navigation(arenas=GivenArenas((parted,)), start=Start.TOLD)
    trials = drawn(task, 40)
    found = ParticleFilter(300).locate(task, trials, generator=generator(4)).position
    side = torch.sign(trials.behaviour["position"][..., 0]) == torch.sign(found[..., 0])
    assert side.float().mean() > 0.97


def test_the_same_stream_gives_the_same_answers():
    task = Navigation(duration=5000.0)
    trials = drawn(task)
    one, two = (ParticleFilter(50).locate(task, trials, generator=generator(5)).position for _ in range(2))
    assert one.equal(two)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParticleFilter(1), "ParticleFilter: `n_particles` must be a whole number, 2 or above"),
        (lambda: ParticleFilter(slack=-1.0), "ParticleFilter: `slack` must be a finite number, 0 or above"),
        (lambda: ParticleFilter(jitter=-1.0), "ParticleFilter: `jitter` must be a finite number, 0 or above"),
        (lambda: SingleHypothesis(trust=0.0), "SingleHypothesis: `trust` must be a finite number above 0"),
        (lambda: SingleHypothesis(gain=2.0), r"SingleHypothesis: `gain` must be a number in \[0, 1\]"),
    ],
)
def test_impossible_observers_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_new_arena_in_every_trial_cannot_be_guessed():
    task = Navigation(arenas=StarArenas(0), start=Start.ORIGIN, duration=2000.0)
    with pytest.raises(ValueError, match="ParticleFilter: `told_arena` must be True with these arenas"):
        ParticleFilter(10, told_arena=False).locate(task, drawn(task), generator=generator(0))
