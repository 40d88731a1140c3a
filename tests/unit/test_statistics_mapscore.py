"""Grid, border and direction scores of units whose maps are known in closed form."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import i0, i1

from neurornn import Recording, Signal
from neurornn.errors import RecordingError
from neurornn.statistics import (
    BorderScore,
    GridScore,
    PlaceBins,
    autocorrelogram,
    direction_tuning,
    map_scores,
    with_heading,
)

N = 24
X, Y = np.meshgrid((np.arange(N) + 0.5) / N, (np.arange(N) + 0.5) / N, indexing="ij")
EDGES = (np.linspace(0, 1, N + 1),) * 2
PLACE = PlaceBins("position", N, ((0.0, 1.0), (0.0, 1.0)), smoothing=1.0, dt=100.0, smooth=0.0, min_occupancy=0.0)


def waves(angles, scale=0.3, phase=(0.1, 0.2), x=X, y=Y):
    """The rectified sum of plane waves: a grid of triangles for three 60 degrees apart, of squares for two."""
    k = 4 * math.pi / (math.sqrt(3) * scale)
    total = sum(np.cos(k * (math.cos(a) * (x - phase[0]) + math.sin(a) * (y - phase[1]))) for a in angles)
    return np.maximum(total, 0.0)


def hexagonal(turn, **more):
    return waves([turn + k * math.pi / 3 for k in range(3)], **more)


def squares(turn):
    return waves([turn, turn + math.pi / 2])


def test_grids_are_told_from_squares_and_from_one_field():
    maps = np.stack(
        [hexagonal(0.0), hexagonal(0.4), squares(0.0), squares(0.3), np.exp(-((X - 0.4) ** 2 + (Y - 0.6) ** 2) / 0.02)]
    )
    grid, square = GridScore()(maps, EDGES), GridScore(symmetry=4)(maps, EDGES)
    assert (grid[:2] > 1.0).all() and (grid[2:4] < 0.2).all()
    assert (square[2:4] > 1.0).all() and (square[:2] < 0.3).all()
    assert abs(grid[4]) < 0.4


def test_the_score_does_not_depend_on_turn_phase_or_scale_of_the_rates():
    maps = np.stack([hexagonal(0.1, phase=p) for p in ((0.0, 0.0), (0.3, 0.1))])
    scores = GridScore()(np.concatenate([maps, 5 * maps + 1]), EDGES)
    np.testing.assert_allclose(scores[:2], scores[2:], atol=1e-8)
    assert np.ptp(scores) < 0.25


def test_an_autocorrelogram_is_pearsons_r_at_every_lag():
    rates = np.random.default_rng(0).random((1, 9, 7))
    rates[0, 2, 3] = np.nan
    found = autocorrelogram(rates, min_overlap=5)[0]
    for dx, dy in ((0, 0), (1, 2), (-3, 1), (4, -2)):
        a = rates[0, max(0, dx) : 9 + min(0, dx), max(0, dy) : 7 + min(0, dy)]
        b = rates[0, max(0, -dx) : 9 + min(0, -dx), max(0, -dy) : 7 + min(0, -dy)]
        both = np.isfinite(a) & np.isfinite(b)
        assert found[8 + dx, 6 + dy] == pytest.approx(np.corrcoef(a[both], b[both])[0, 1], abs=1e-10)
    assert np.isnan(found[0, 0])


def test_flat_maps_have_no_grid():
    assert np.isnan(GridScore()(np.ones((1, N, N)), EDGES)).all()


def test_border_scores_of_extremes():
    edge = np.zeros((N, N))
    edge[0] = 3.0  # all along one wall
    half = np.zeros((N, N))
    half[0, : N // 2] = 3.0
    middle = np.zeros((N, N))
    middle[N // 2 - 2 : N // 2 + 2, N // 2 - 2 : N // 2 + 2] = 1.0
    found = BorderScore()(np.stack([edge, half, middle, np.zeros((N, N))]), EDGES)
    assert found[0] == pytest.approx(1.0)
    assert found[1] == pytest.approx(1.0)  # half of the wall, but nowhere else
    assert found[2] == pytest.approx(-1.0)
    assert np.isnan(found[3])
    wide = np.where(X < 0.25, 1.0, 0.0)  # a quarter of the arena, six rows deep
    row, column = np.meshgrid(np.arange(6), np.arange(N), indexing="ij")
    away = np.minimum(row, np.minimum(column, N - 1 - column)).mean() / (N / 2 - 1)
    assert BorderScore()(wide[None], EDGES)[0] == pytest.approx((1 - away) / (1 + away))


def test_walls_of_a_round_arena_are_its_edge():
    disc = np.where((X - 0.5) ** 2 + (Y - 0.5) ** 2 < 0.25, 0.0, np.nan)
    left = np.where(np.isfinite(disc) & (np.hypot(X - 0.5, Y - 0.5) > 0.42) & (X < 0.45), 1.0, disc)
    inside = np.where(np.isfinite(disc) & (np.hypot(X - 0.5, Y - 0.5) < 0.12), 1.0, disc)
    found = BorderScore()(np.stack([left, inside]), EDGES)
    assert found[0] > 0.5 and found[1] < -0.9


def foraged(n=40_000, seed=0):
    """A grid cell, a border cell and noise, of an animal that wanders about a box."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(0.03 * rng.normal(size=(n, 2)), axis=0)
    position = np.abs((walk + 0.5) % 2 - 1)  # reflected at the walls
    x, y = position.T
    grid = hexagonal(0.2, x=x, y=y)
    border = np.exp(-x / 0.04)
    activity = np.stack([grid, border, rng.random(n)], axis=1)
    times = 100.0 * (np.arange(n) + 0.5)
    return Recording(0.0, 100.0 * n, activity=activity, dt=100.0, behaviour={"position": Signal(times, position, "m")})


def test_scores_of_a_recording_stand_beside_their_shifts():
    found = map_scores(foraged(), [GridScore(), BorderScore()], PLACE, n_shifts=20)
    table = found.frame()
    assert table.loc[0, "grid_score"] > 0.8 and table.loc[0, "grid_score_p"] < 0.06
    assert table.loc[1, "border_score"] > 0.6 and table.loc[1, "border_score_p"] < 0.06
    assert table.loc[2, "grid_score"] < table.loc[2, "grid_score_null95"] + 0.3
    assert found.null["grid_score"].shape == (20, 3)
    assert "10.1126/science.1125572" in found.references and "10.1126/science.1166466" in found.references


def turning(activity_of, n=30_000, seed=0, **more):
    angle = np.cumsum(0.4 * np.random.default_rng(seed).normal(size=n))
    times = 100.0 * (np.arange(n) + 0.5)
    heading = {"heading": Signal(times, np.remainder(angle + math.pi, math.tau)[:, None] - math.pi, "rad")}
    return Recording(0.0, 100.0 * n, activity=activity_of(angle), dt=100.0, behaviour=heading)


def test_the_vector_of_von_mises_tuning_is_a_ratio_of_bessel_functions():
    kappas = np.array([0.5, 1.0, 4.0, 10.0])
    recording = turning(lambda angle: np.exp(kappas * (np.cos(angle[:, None] - 2.0) - 1)))
    table = direction_tuning(recording, dt=100.0, smoothing=0.0, n_shifts=20).frame()
    np.testing.assert_allclose(table["vector"], i1(kappas) / i0(kappas), atol=0.01)
    np.testing.assert_allclose(table["preferred"], 2.0, atol=0.02)
    assert (table["vector_p"] < 0.06).all()


def test_untuned_units_are_within_their_null():
    recording = turning(lambda angle: np.random.default_rng(3).random((len(angle), 20)))
    table = direction_tuning(recording, dt=100.0, n_shifts=100).frame()
    assert (table["vector_p"] < 0.05).mean() < 0.25 and (table["vector"] < 0.05).all()


def test_bins_that_cross_the_back_of_the_head_point_backwards():
    """An angle that jumps from pi to -pi between two samples is pi, not 0, in the bin that holds both."""
    times = 50.0 * (np.arange(40_000) + 0.5)
    angle = math.pi + 0.2 * np.sin(times / 700.0)
    wrapped = np.remainder(angle + math.pi, math.tau) - math.pi
    backwards = Recording(
        0.0, 2e6, activity=np.ones((20_000, 1)), dt=100.0, behaviour={"heading": Signal(times, wrapped[:, None], "rad")}
    )
    curve = direction_tuning(backwards, dt=100.0, smoothing=0.0, n_shifts=20).curves[0]
    assert np.isnan(curve[12:24]).all() and np.isfinite(curve[[0, -1]]).all()


def test_the_heading_of_a_circle_turns_evenly():
    times = 50.0 * np.arange(2000)
    circle = np.stack([np.cos(times / 1000), np.sin(times / 1000)], axis=1)
    around = Recording(0.0, 100_000.0, spikes=[np.array([])], behaviour={"position": Signal(times, circle, "m")})
    heading = with_heading(around).behaviour["heading"].values[20:-20, 0]
    expected = times[20:-20] / 1000 + math.pi / 2
    apart = np.remainder(heading - expected + math.pi, math.tau) - math.pi
    assert np.abs(apart).max() < 0.01


def test_what_has_no_score_is_refused():
    box = foraged(2000)
    with pytest.raises(ValueError, match=r"GridScore: `symmetry` must be 6 \(triangles\) or 4 \(squares\)"):
        GridScore(symmetry=5)
    with pytest.raises(ValueError, match="GridScore: `outer` must be above the inner radius"):
        GridScore(inner=0.5)
    with pytest.raises(ValueError, match=r"BorderScore: `threshold` must be a number in \[0, 1\]"):
        BorderScore(threshold=2.0)
    with pytest.raises(ValueError, match="BorderScore: `min_bins` must be a whole number"):
        BorderScore(min_bins=0)
    with pytest.raises(ValueError, match="map_scores: `n_shifts` must be a whole number, 20 or above"):
        map_scores(box, [BorderScore()], PLACE, n_shifts=2)
    with pytest.raises(ValueError, match="map_scores: `min_shift` must be less than half of the analysed time"):
        map_scores(box, [BorderScore()], PLACE, min_shift=1e6)
    flat = replace(box, behaviour={"position": Signal(box.behaviour["position"].times, np.zeros((2000, 1)), "m")})
    with pytest.raises(ValueError, match="map_scores: `place` must be with a position of two dimensions"):
        map_scores(flat, [BorderScore()], PLACE)
    with pytest.raises(RecordingError, match="direction_tuning: `heading` must be a signal of the recording"):
        direction_tuning(box)
    with pytest.raises(ValueError, match="direction_tuning: `heading` must be a signal of one dimension"):
        direction_tuning(box, heading="position", n_shifts=20)
    with pytest.raises(ValueError, match="direction_tuning: `bins` must be a whole number, 4 or above"):
        direction_tuning(box, heading="position", bins=2)
    with pytest.raises(ValueError, match="direction_tuning: `n_shifts` must be a whole number, 20 or above"):
        direction_tuning(box, heading="position", n_shifts=2)
    with pytest.raises(ValueError, match="direction_tuning: `smoothing` must be a finite number, 0 or above"):
        direction_tuning(box, heading="position", smoothing=-1.0)
    with pytest.raises(RecordingError, match="with_heading: `position` must be a signal of the recording"):
        with_heading(box, position="place")
    with pytest.raises(ValueError, match="with_heading: `position` must be a signal of two dimensions"):
        with_heading(flat)
    one = replace(box, behaviour={"position": Signal(np.array([1.0]), np.zeros((1, 2)), "m")})
    with pytest.raises(ValueError, match="with_heading: `position` must be a signal of two samples or more"):
        with_heading(one)
