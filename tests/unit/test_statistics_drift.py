"""The field of drifts against processes whose drift is known: a linear one, a rotation, and no process at all."""

import math

import numpy as np
import pytest

from neurornn.statistics import drift_field, kde_divergence
from neurornn.statistics.visits import kernel_rows

LEAK = 0.2


@pytest.fixture(scope="module")
def linear() -> np.ndarray:
    """Return paths of $x' = (1-a)x + 0.3 z$ in the plane."""
    rng = np.random.default_rng(0)
    path = np.zeros((200, 400, 2))
    for t in range(1, 400):
        path[:, t] = (1 - LEAK) * path[:, t - 1] + 0.3 * rng.standard_normal((200, 2))
    return path[:, 50:]


BOX = ((-1.5, 1.5), (-1.5, 1.5))


def test_a_linear_process_drifts_to_its_mean_in_proportion(linear: np.ndarray) -> None:
    field = drift_field(linear, extent=BOX, density=linear.reshape(-1, 2))
    assert field.pull == pytest.approx(LEAK, rel=0.03)
    known = np.isfinite(field.drift).all(axis=1) & (field.visits > 200)
    off = (field.drift + LEAK * field.centres)[known] / field.error[known]
    # The mean position within a bin is not quite its middle, hence a little more than chance.
    assert np.sqrt(np.mean(off**2)) < 1.5
    assert field.alignment > 0.97, "of a Gaussian density the score is linear, too"
    assert len(field.frame()) == 225 and "score_1" in field.frame()


def test_positions_in_random_order_go_all_the_way_back(linear: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    shuffled = rng.permuted(linear, axis=1)
    assert drift_field(shuffled, extent=BOX).pull == pytest.approx(1.0, abs=0.15)


def test_a_rotation_drifts_alike_everywhere_across_the_seam() -> None:
    angle = 0.3 * np.arange(400)[None, :, None] + np.linspace(0, 6, 30)[:, None, None]
    path = (angle + math.pi) % math.tau - math.pi
    field = drift_field(path, extent=((-math.pi, math.pi),), bins=12, circular=True, density=path.reshape(-1, 1))
    np.testing.assert_allclose(field.drift, 0.3, atol=1e-9)
    assert abs(field.alignment) < 0.5


def test_places_seldom_visited_and_unknown_steps_have_no_drift(linear: np.ndarray) -> None:
    path = linear.copy()
    path[:, ::2] = np.nan
    with pytest.raises(ValueError, match="drift_field: `paths` must be paths with a step that begins within"):
        drift_field(path, extent=BOX)
    field = drift_field(linear, extent=BOX, min_visits=10**6)
    assert np.isnan(field.drift).all() and math.isnan(field.pull) and math.isnan(field.alignment)


def test_another_number_of_axes_is_refused(linear: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"drift_field: `extent` must be `\(low, high\)` of each of 2 axes"):
        drift_field(linear, extent=((-1.0, 1.0),))


def test_kernel_rows_leave_out_what_has_no_density_and_know_the_uniform() -> None:
    rng = np.random.default_rng(0)
    clouds = {
        "active": rng.normal(0.0, 0.2, (20, 200, 2)),
        "quiescent": rng.normal(0.1, 0.2, (20, 200, 2)),
        "no noise": np.zeros((20, 200, 2)),
        "uniform": rng.random((20, 200, 2)),
    }
    rows = kernel_rows(clouds, "active", extent=BOX, n_points=1500, seed=0)
    found = {(row["quantity"], row["condition"]): row["value"] for row in rows}
    assert not any(name == "no noise" for _, name in found)
    assert ("JS from active, kernels", "uniform") not in found
    flat = {name: cloud.reshape(-1, 2) for name, cloud in clouds.items()}
    alone = kde_divergence(flat["quiescent"], flat["active"], seed=0, extent=BOX, n_points=1500)
    assert found["KL from active, kernels", "quiescent"] == alone.kl
    assert found["KL from active, kernels", "uniform"] == alone.kl_uniform
    assert abs(found["KL from active, kernels", "active"]) < 0.05
