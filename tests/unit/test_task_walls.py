"""Walls: distances, normals, crossings and insides against plain geometry."""

import math

import numpy as np
import pytest
import torch
from matplotlib.path import Path as Polygon

from neurornn import generator
from neurornn.task import Arena, GivenArenas, Roaming, StarArenas
from neurornn.task.walls import walls_of

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def square(**more):
    return GivenArenas((Arena(SQUARE, **more),)).all()


def test_in_a_square_the_nearest_wall_is_known():
    points = torch.tensor([[0.1, 0.5], [0.5, 0.2], [0.97, 0.6], [0.4, 0.9]])
    distance, normal = square().nearest(points)
    torch.testing.assert_close(distance, torch.tensor([0.1, 0.2, 0.03, 0.1]))
    inwards = torch.tensor([0.0, math.pi / 2, -math.pi, -math.pi / 2])  # from the left, the bottom, the right, the top
    torch.testing.assert_close(torch.remainder(normal - inwards + math.pi, math.tau), torch.full((4,), math.pi))


def test_clockwise_corners_make_the_same_arena():
    points = torch.rand(50, 2, generator=generator(0))
    other = GivenArenas((Arena(SQUARE[::-1]),)).all()
    torch.testing.assert_close(square().nearest(points)[1], other.nearest(points)[1])
    assert other.inside(points).all()


def test_insides_are_those_of_matplotlib():
    walls = StarArenas(6, radii=(0.3, 1.2), seed=3).all()
    points = 1.3 * (2 * torch.rand(2000, 2, generator=generator(1)) - 1)
    for i in range(6):
        one = walls.of(torch.tensor([i]))
        reference = Polygon(one.starts[0].numpy()).contains_points(points.numpy())
        assert np.mean(one.each().inside(points[None])[0].numpy() == reference) > 0.999


def test_distances_are_those_to_densely_sampled_walls():
    walls = StarArenas(1, radii=(0.3, 1.2)).all()
    share = torch.linspace(0, 1, 4001)[:, None, None]
    dense = torch.lerp(walls.starts, walls.ends, share).reshape(-1, 2)
    points = 2 * torch.rand(200, 2, generator=generator(2)) - 1
    reference = torch.cdist(points, dense).amin(1)
    torch.testing.assert_close(walls.each().distance(points[None])[0], reference, rtol=0, atol=2e-4)


def test_an_inner_wall_has_two_sides_and_stops_a_step():
    walls = square(walls=(((0.5, 0.0), (0.5, 0.6)),))
    left, right = torch.tensor([[0.45, 0.3]]), torch.tensor([[0.55, 0.3]])
    assert walls.nearest(left)[1].cos().item() == pytest.approx(-1, abs=1e-5)
    assert walls.nearest(right)[1].cos().item() == pytest.approx(1, abs=1e-5)
    assert walls.crossed(left, right).item()
    above = torch.tensor([[0.45, 0.7]]), torch.tensor([[0.55, 0.7]])
    assert not walls.crossed(*above).item()
    assert walls.inside(left).item() and walls.inside(right).item()


def test_arenas_of_different_shapes_share_a_batch():
    triangle = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    both = walls_of([torch.tensor(SQUARE), triangle], [torch.zeros(0, 2, 2)] * 2, [torch.zeros(0, 2)] * 2)
    alone = walls_of([triangle], [torch.zeros(0, 2, 2)], [torch.zeros(0, 2)])
    point = torch.tensor([[0.5, 0.3]])
    torch.testing.assert_close(both.of(torch.tensor([1])).nearest(point)[0], alone.nearest(point)[0])
    torch.testing.assert_close(both.centroid()[1], torch.tensor([0.5, 1 / 3]))
    assert both.inside(torch.tensor([[0.05, 0.9], [0.05, 0.9]])).tolist() == [True, False]


def test_nobody_walks_through_a_wall():
    inner = (((0.5, 0.0), (0.5, 0.7)), ((0.0, 0.3), (0.3, 0.3)))
    walls = square(walls=inner).of(torch.zeros(100, dtype=torch.long))
    motion = Roaming()
    path = motion.paths(walls, motion.starts(walls, generator=generator(0)), 200, generator=generator(1))
    assert not walls.each().crossed(path.position[:, :-1], path.position[:, 1:]).any()
    assert walls.each().distance(path.position).min() > 0.0199
    assert walls.each().inside(path.position).all()


def test_starts_are_even_over_the_arena():
    walls = square().of(torch.zeros(4000, dtype=torch.long))
    start = Roaming(margin=0.1).starts(walls, generator=generator(3))
    assert start.min() >= 0.1 and start.max() <= 0.9
    counts = torch.histc(start[:, 0], 4, 0.1, 0.9)
    assert (counts - 1000).abs().max() < 3 * 27.4  # three standard deviations of a count


def test_free_steps_have_the_stated_lengths_and_turns():
    wide = GivenArenas((Arena(((-500.0, -500.0), (500.0, -500.0), (500.0, 500.0), (-500.0, 500.0))),)).all()
    walls = wide.of(torch.zeros(200, dtype=torch.long))
    path = Roaming().paths(walls, torch.zeros(200, 2), 300, generator=generator(4))
    length = path.position.diff(dim=1).norm(dim=2)
    assert length.mean().item() == pytest.approx(0.07, rel=0.01)
    turn = torch.remainder(path.heading.diff(dim=1) + math.pi, math.tau) - math.pi
    assert turn.std().item() == pytest.approx(0.35, rel=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Arena(((0.0, 0.0), (1.0, 0.0))), "Arena: `corners` must be three or more different points"),
        (lambda: Arena(((0.0, 0.0), (1.0, 0.0), (float("nan"), 1.0))), "Arena: `corners` must be finite"),
        (lambda: GivenArenas(()), "GivenArenas: `arenas` must be one arena or more"),
        (
            lambda: GivenArenas((Arena(SQUARE), Arena(SQUARE, landmarks=((0.0, 0.0),)))),
            "GivenArenas: `arenas` must be arenas with the same number of landmarks",
        ),
        (lambda: StarArenas(-1), "StarArenas: `n` must be a whole number, 0 or above"),
        (lambda: StarArenas(n_corners=2), "StarArenas: `n_corners` must be a whole number, 3 or above"),
        (lambda: StarArenas(landmarks=-1), "StarArenas: `landmarks` must be a whole number, 0 or above"),
        (lambda: StarArenas(radii=(1.0, 0.5)), "StarArenas: `radii` must be two lengths above 0"),
        (lambda: StarArenas(0).all(), "StarArenas.all: `n` must be above 0"),
        (lambda: Roaming(stride=0.0), "Roaming: `stride` must be a finite number above 0"),
        (lambda: Roaming(turning=-1.0), "Roaming: `turning` must be a finite number, 0 or above"),
        (
            lambda: Roaming(margin=0.6).starts(square(), generator=generator(0)),
            "Roaming: `margin` must be small enough to leave room in every arena",
        ),
    ],
)
def test_impossible_arenas_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
