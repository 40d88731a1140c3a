"""Movement in a box: the laws hold where no wall is near, nobody leaves, and the step does not matter."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import generator
from neurornn.task import AbstractMotion, ArenaIntegration, Cartesian, Darting, Foraging, SelfMotion
from tests.tolerances import CHANCE

OPEN = (200.0, 200.0)


def speeds(motion: AbstractMotion, box: tuple[float, float], dt: float, n_trials: int = 150) -> torch.Tensor:
    """Speed of each step, m/s."""
    path = motion.paths(n_trials, round(10_000 / dt), box=box, dt=dt, generator=generator(1))
    return path.position.double().diff(dim=1).norm(dim=2) / (dt / 1000)


@pytest.mark.parametrize(
    "motion", [Foraging(), Foraging(thigmotaxis=0.0), Foraging(thigmotaxis=1.0, scale=0.5), Darting()]
)
@given(seed=st.integers(0, 2**31), width=st.floats(0.3, 3.0), height=st.floats(0.3, 3.0), dt=st.floats(5.0, 100.0))
@settings(max_examples=6, deadline=None)
def test_nobody_leaves_the_box(motion: AbstractMotion, seed: int, width: float, height: float, dt: float) -> None:
    path = motion.paths(10, 100, box=(width, height), dt=dt, generator=generator(seed))
    assert path.position.isfinite().all() and path.heading.isfinite().all()
    assert path.position.min() >= 0 and (path.position <= torch.tensor((width, height))).all()


@pytest.mark.parametrize("dt", [10.0, 50.0])
def test_foraging_speed_is_rayleigh_with_its_memory_at_any_step(dt: float) -> None:
    speed = speeds(Foraging(), OPEN, dt, n_trials=600)
    error = speed.mean(dim=1).std() / len(speed) ** 0.5
    assert abs(speed.mean() - 0.08 * math.sqrt(math.pi / 2)) < CHANCE * error  # 0.10 m/s
    squares = speed.square().mean(dim=1)
    assert abs(squares.mean() - 2 * 0.08**2) < CHANCE * squares.std() / len(speed) ** 0.5
    lag, around = round(700 / dt), speed - speed.mean()
    kept = (around[:, lag:] * around[:, :-lag]).mean() / around.square().mean()
    assert kept == pytest.approx(math.exp(-1), abs=0.04)


@pytest.mark.parametrize("dt", [10.0, 50.0])
def test_foraging_turns_with_its_standard_deviation(dt: float) -> None:
    path = Foraging().paths(100, round(10_000 / dt), box=OPEN, dt=dt, generator=generator(2))
    turn = torch.remainder(path.heading.diff(dim=1) + math.pi, math.tau) - math.pi
    assert math.degrees(float(turn.std())) / (dt / 1000) == pytest.approx(120.0, rel=0.03)


def test_walls_slow_foraging_alike_at_any_step() -> None:
    means = [speeds(Foraging(), (1.0, 1.0), dt).mean(dim=1) for dt in (10.0, 50.0)]
    errors = [float(mean.std()) / len(mean) ** 0.5 for mean in means]
    assert abs(means[0].mean() - means[1].mean()) < CHANCE * math.hypot(*errors)
    assert 0.085 < means[0].mean() < 0.1


def test_thigmotaxis_draws_to_the_wall() -> None:
    def share(thigmotaxis: float) -> float:
        motion = Foraging(thigmotaxis=thigmotaxis)
        position = motion.paths(100, 1000, box=(1.0, 1.0), dt=50.0, generator=generator(0)).position
        return float(((position < 0.1) | (position > 0.9)).any(dim=2).float().mean())

    assert share(1.0) > share(0.0) + 0.05


def test_a_collision_starts_the_speed_anew() -> None:
    motion = Foraging(repulsion=0.0, turning=0.0)
    path = motion.paths(200, 400, box=(1.0, 1.0), dt=50.0, generator=generator(0))
    step = path.position.diff(dim=1).norm(dim=2) / 0.05
    turned = (torch.remainder(path.heading.diff(dim=1) + math.pi, math.tau) - math.pi).abs() > 1e-3
    # At half the scale, unless the reflected step met another wall.
    hit = step[:, 1:][turned]
    assert len(hit) > 100 and (hit - 0.04).abs().median() < 1e-4


def test_darting_speed_is_rayleigh_away_from_walls() -> None:
    speed = speeds(Darting(), OPEN, 20.0)
    error = speed.mean(dim=1).std() / len(speed) ** 0.5
    assert abs(speed.mean() - 0.26 * math.pi * math.sqrt(math.pi / 2)) < CHANCE * error


def test_darting_runs_along_the_wall_it_faces() -> None:
    path = Darting(turning=0.0).paths(300, 100, box=(1.0, 1.0), dt=20.0, generator=generator(0))
    along = torch.remainder(path.heading, math.pi / 2)
    on_axis = torch.minimum(along, math.pi / 2 - along) < 1e-4
    assert on_axis[:, -1].float().mean() > 0.9 and on_axis[:, 0].float().mean() < 0.1


@pytest.mark.parametrize("senses", [SelfMotion.ALLOCENTRIC, SelfMotion.HEADING])
def test_inputs_integrate_to_the_position(senses: SelfMotion) -> None:
    task = ArenaIntegration(code=Cartesian(), senses=senses, duration=5000.0)
    trials = task.sample(10, generator=generator(0))
    assert trials.start is not None
    seen = trials.inputs if senses is SelfMotion.ALLOCENTRIC else trials.inputs[..., :1] * trials.inputs[..., 1:]
    moved = (seen * task.speed_scale * 0.05).cumsum(dim=1)
    torch.testing.assert_close(
        task.code.decode(trials.start)[:, None] + moved, trials.behaviour["position"], rtol=0, atol=1e-4
    )


def test_egocentric_inputs_integrate_from_the_first_heading() -> None:
    task = ArenaIntegration(code=Cartesian(), senses=SelfMotion.EGOCENTRIC, duration=5000.0)
    trials = task.sample(10, generator=generator(0))
    assert trials.start is not None
    position, way = task.code.decode(trials.start[:, :2]), torch.atan2(trials.start[:, 3], trials.start[:, 2])
    turn = torch.atan2(trials.inputs[..., 2], trials.inputs[..., 1])
    angle = way[:, None] + turn.cumsum(dim=1)
    stride = trials.inputs[..., :1] * task.speed_scale * 0.05
    moved = (stride * torch.stack([angle.cos(), angle.sin()], dim=2)).cumsum(dim=1)
    torch.testing.assert_close(position[:, None] + moved, trials.behaviour["position"], rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Foraging(scale=0.0), "Foraging: `scale` must be a finite number above 0"),
        (lambda: Foraging(turning=-1.0), "Foraging: `turning` must be"),
        (lambda: Foraging(repulsion=-1.0), "Foraging: `repulsion` must be"),
        (lambda: Foraging(thigmotaxis=2.0), "Foraging: `thigmotaxis` must be a number in [0, 1]"),
        (lambda: Darting(scale=-1.0), "Darting: `scale` must be"),
        (lambda: Darting(turning=-1.0), "Darting: `turning` must be"),
        (lambda: Darting(reach=-1.0), "Darting: `reach` must be"),
        (lambda: ArenaIntegration((1.0, 0.0)), "ArenaIntegration: `box[1]` must be a finite number above 0"),
        (lambda: ArenaIntegration(speed_scale=0.0), "ArenaIntegration: `speed_scale` must be"),
        (lambda: ArenaIntegration(duration=1.0), "ArenaIntegration: `duration` must be at least one step of 50 ms"),
        (lambda: ArenaIntegration(input_noise=-1.0), "ArenaIntegration: `input_noise` must be"),
    ],
)
def test_movements_that_cannot_be_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()  # type: ignore[operator]
