"""Navigation: what the sensors tell, against the geometry of the trial that they were drawn from."""

import math

import pytest
import torch

from neurornn import generator
from neurornn.task import Arena, GivenArenas, Navigation, PlaceCode, Sensors, StarArenas, Start

EXACT = Sensors(speed_noise=0.0, heading_noise=0.0, distance_noise=0.0, angle_noise=0.0)
BOX = GivenArenas((Arena(((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)), landmarks=((0.0, 0.9), (-0.9, 0.0))),))


def drawn(task, n_trials=60, seed=0):
    return task.sample(n_trials, generator=generator(seed))


def test_without_noise_the_felt_steps_add_up_to_the_path():
    task = Navigation(sensors=EXACT, start=Start.ORIGIN)
    trials = drawn(task)
    path = (task.motion.stride * trials.inputs[..., :2]).cumsum(1)
    torch.testing.assert_close(path, trials.behaviour["position"], rtol=0, atol=1e-4)


def test_touch_tells_distance_and_angle_of_the_nearest_wall():
    task = Navigation(sensors=EXACT)
    trials = drawn(task)
    distance, normal = task.walls(trials).each().nearest(trials.behaviour["position"])
    readings = task.sensors.read(trials.inputs, task.motion.stride)
    assert readings.contact.equal(distance < 0.1)
    assert 0.1 < readings.contact.float().mean() < 0.2  # some 14 % of steps
    touched = readings.contact
    torch.testing.assert_close(readings.distance[touched], distance[touched], rtol=1e-4, atol=1e-6)
    felt = (readings.angle + trials.behaviour["heading"][..., 0] - normal)[touched]
    assert (torch.remainder(felt + math.pi, math.tau) - math.pi).abs().max() < 1e-4
    assert (trials.inputs[..., 2:6][~touched] == 0).all()


def test_noise_has_the_stated_size():
    trials, exact = drawn(Navigation(), 400), drawn(Navigation(sensors=EXACT), 400)
    readings, truth = (Sensors().read(one.inputs, 0.07) for one in (trials, exact))
    torch.testing.assert_close(trials.behaviour["position"], exact.behaviour["position"])  # the noise comes after
    moved = truth.moved
    assert (readings.stride / truth.stride)[moved].std().item() == pytest.approx(0.3, rel=0.03)
    turned = torch.remainder(readings.heading - truth.heading + math.pi, math.tau)[moved] - math.pi
    assert turned.std().item() == pytest.approx(0.4, rel=0.03)
    touched = readings.contact
    assert (readings.distance - truth.distance)[touched].std().item() == pytest.approx(0.02, rel=0.05)


def test_landmarks_are_seen_where_they_are_and_not_through_walls():
    task = Navigation(arenas=BOX, sensors=EXACT, start=Start.ORIGIN)
    trials = drawn(task)
    readings = task.sensors.read(trials.inputs, task.motion.stride)
    assert trials.inputs.shape[2] == task.n_in == 15
    where = readings.side + trials.behaviour["heading"]
    at = trials.behaviour["position"][..., None, :] + readings.far[..., None] * torch.stack(
        [where.cos(), where.sin()], -1
    )
    marks = torch.tensor([[0.0, 0.9], [-0.9, 0.0]]).expand_as(at)
    torch.testing.assert_close(at[readings.seen], marks[readings.seen], rtol=0, atol=1e-4)
    walled = Arena(BOX.arenas[0].corners, walls=(((-0.5, -1.0), (-0.5, 1.0)),), landmarks=BOX.arenas[0].landmarks)
    hidden = Navigation(arenas=GivenArenas((walled,)), sensors=EXACT, start=Start.ORIGIN)
    shut = hidden.sensors.read(drawn(hidden).inputs, 0.07).seen
    assert not shut[..., 1].any() and shut[..., 0].any()


def test_new_arenas_can_be_built_again_from_the_conditions():
    task = Navigation(arenas=StarArenas(0, landmarks=1), start=Start.ORIGIN)
    trials = drawn(task)
    walls = task.walls(trials)
    assert (trials.conditions["arena"] == -1).all()
    assert walls.each().inside(trials.behaviour["position"]).all()
    radius = walls.starts.norm(dim=-1)
    assert radius.min() >= 0.6 and radius.max() <= 1.0 and (radius[0] - radius[1]).abs().max() > 0.05


def test_the_arena_is_a_head_of_its_own():
    task = Navigation(arenas=StarArenas(3), identify=True, code=PlaceCode(49, 0.1))
    trials = drawn(task)
    assert task.heads == {"position": 49, "arena": 3} and task.n_out == 52
    assert (task.recognised(trials, trials.targets) == 1).all()
    wrong = torch.cat([trials.targets[..., :49], trials.targets[..., 49:].roll(1, -1)], dim=-1)
    assert (task.recognised(trials, wrong) == 0).all()
    torch.testing.assert_close(task.score(trials, wrong), task.score(trials, trials.targets))


def test_a_told_start_is_where_the_trial_begins():
    trials = drawn(Navigation(start=Start.TOLD))
    assert trials.start is not None
    step = (trials.behaviour["position"][:, 0] - trials.start).norm(dim=1)
    torch.testing.assert_close(step, trials.behaviour["speed"][:, 0, 0] * 0.5)


def test_without_touch_the_channels_stay_silent():
    trials = drawn(Navigation(sensors=Sensors(touch=False)))
    assert (trials.inputs[..., 2:6] == 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: drawn(Navigation(), 0), "Navigation.sample: `n_trials` must be a whole number, 1 or above"),
        (lambda: Navigation(dt=0.0), "Navigation: `dt` must be a finite number above 0"),
        (lambda: Navigation(duration=100.0), "Navigation: `duration` must be at least one step of 500 ms"),
        (lambda: Navigation(identify=True), "Navigation: `identify` must be False with these arenas"),
        (
            lambda: Navigation(arenas=GivenArenas((Arena(((1.0, 1.0), (2.0, 1.0), (1.0, 2.0))),)), start=Start.ORIGIN),
            "Navigation: `start` must be a place inside every arena",
        ),
        (
            lambda: Navigation().recognised(drawn(Navigation()), torch.zeros(60, 100, 2)),
            "Navigation.recognised: `identify` must be True",
        ),
        (lambda: Sensors(speed_noise=-1.0), "Sensors: `speed_noise` must be a finite number, 0 or above"),
        (lambda: Sensors(reach=0.0), "Sensors: `reach` must be a finite number above 0"),
    ],
)
def test_impossible_tasks_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
