"""Dynamics before and after a lesion, held against networks whose courses and resting places are known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group

from neurornn.cell import LIF, AbstractCell, LeakyRate
from neurornn.dynamics import Search
from neurornn.fit import Fit, Objective
from neurornn.network import Network
from neurornn.page.section import section
from neurornn.perturb import AddNoise, Cut, During, Silence
from neurornn.study import lesion_dynamics
from neurornn.study.courses import course
from tests.wander import Wander

N, STEPS = 24, 40


def fit_of(cell: AbstractCell) -> Fit:
    import pandas as pd

    return Fit(Network(cell, 1).requires_grad_(False), Wander(n_steps=STEPS), Objective(), {}, pd.DataFrame(), 0, {})


def switch() -> Fit:
    """Return a unit that holds itself up or down, h = tanh(2 h), units that hear it, and units that nobody hears."""
    fit = fit_of(LeakyRate(2, N, tau=20.0, dt=10.0, nonlinearity="tanh", seed=3))
    weights = torch.zeros(N, N)
    weights[0, 0] = 2.0
    weights[1:12, 0] = 0.5
    fit.network.cell.get_parameter("wiring.weight").copy_(weights)
    return fit


QUICK = {"trials": 16, "steps": 60, "controls": 0, "search": None, "n_exponents": 0, "progress": False}


def test_a_switch_without_its_lever_rests_in_one_place() -> None:
    found = lesion_dynamics(switch(), [0], **{**QUICK, "search": Search(n_seeds=12, adam_steps=300), "n_exponents": 2})
    assert found.value("stable fixed points", "intact") == 2 and found.value("stable fixed points") == 1
    assert found.value("saddles and sources", "intact") == 1 and found.value("saddles and sources") == 0
    # Each step keeps half: all exponents of the lesioned network are those of the leak.
    assert found.value("largest exponent (1/s)") == pytest.approx(1e3 * np.log(0.5) / 10, rel=1e-3)
    held = 0.957504  # x = tanh(2 x)
    shift = np.sqrt(held**2 + 11 * np.tanh(held / 2) ** 2)
    assert found.value("shift of the stable points") == pytest.approx(shift / found.points["intact"].scale, rel=1e-3)
    assert set(found.points) == {"intact", "lesion"} and len(found.resting["intact"]) == 2
    assert "Silence of 1 of 24 units" in found.methods and np.isnan(found.table["p"]).all()
    shown = section("lesion dynamics", found)
    assert shown.figures[0].svg and "Dynamics before and after" in shown.title and "generalisation" in shown.checklist


def test_units_that_nobody_hears_change_no_course_and_matched_controls_do() -> None:
    found = lesion_dynamics(switch(), [20, 21], **{**QUICK, "controls": 199, "matched_on": ("n",)})
    assert found.value("distance from the intact course") == pytest.approx(0.0, abs=1e-6)
    assert found.value("speed over intact") == pytest.approx(1.0) and found.value("dimensions over intact") == 1.0
    row = found.frame().set_index("quantity").loc["distance from the intact course"]
    assert row["controls"] > 190 and row["high"] > 0.05 and 0 < row["p"] <= 1
    assert found.courses["noise"].isna().all() and not found.points and not found.exponents
    assert "nulls" in found.checklist and "matched on number" in found.methods
    assert section("lesion dynamics", found).figures[0].svg


def test_a_window_is_recovered_from_as_fast_as_the_leak_lets_it() -> None:
    """What the hearing units miss decays by half in each step of 10 ms once they hear again."""
    fit = switch()
    fit.network.cell.get_parameter("wiring.weight")[0, 0] = 0.0
    found = lesion_dynamics(fit, [0], **QUICK, perturbation=lambda units: Silence(units, During(100.0, 200.0)))
    assert found.value("recovery after the window (ms)") in (20.0, 30.0)  # heard a step later
    assert found.held.iloc[0][["start", "stop"]].tolist() == [100.0, 200.0]
    before = found.courses["time"] <= 100.0
    assert (found.courses.loc[before, "distance"] == 0).all() and found.value("largest distance") > 0.05
    cut = lesion_dynamics(fit, [0], **QUICK, perturbation=lambda units: Cut(units, when=During(100.0, 200.0)))
    assert cut.value("largest distance") > 0.05 and (cut.courses.loc[before, "distance"] == 0).all()


def test_distance_is_one_between_states_drawn_at_random_and_none_after_a_rotation() -> None:
    rng = np.random.default_rng(0)
    intact, other = rng.normal(size=(2, 60, 30, 10)) * np.linspace(1, 3, 10)
    valid = np.ones((60, 30), dtype=bool)
    valid[::2, 20:] = False
    far = course(intact, other, range(10), valid, 10.0)
    assert np.abs(far.distance - 1).max() < 0.15 and far.numbers()["distance from the intact course"] == pytest.approx(
        1, abs=0.02
    )
    turned = intact @ ortho_group.rvs(10, random_state=1) + 5.0
    found = course(intact, turned, range(10), valid, 10.0)
    assert found.aligned.max() < 1e-9 and found.distance.min() > 1
    np.testing.assert_allclose(found.speed[1:], found.intact_speed[1:])
    assert found.dimensions == pytest.approx(found.intact_dimensions) and np.isnan(found.recovery)
    assert course(intact, 2 * intact, range(10), valid, 10.0).numbers()["speed over intact"] == pytest.approx(2.0)
    assert course(intact, other, range(5), valid, 10.0).dimensions < far.dimensions
    fading = intact.copy()
    fading[:, 10:] += np.exp(-np.arange(20) / 5.0)[:, None]
    assert course(intact, fading, range(10), np.ones((60, 30), bool), 10.0, [11] * 60).recovery == 40.0


def test_spiking_units_have_courses_and_exponents_and_no_fixed_points() -> None:
    cell = LIF(2, N, tau=20.0, dt=10.0, tau_syn=10.0, seed=1)
    found = lesion_dynamics(fit_of(cell), [0, 1], **{**QUICK, "search": Search(), "n_exponents": 1})
    assert not found.points and set(found.exponents) == {"intact", "lesion"}
    assert "No fixed points: spiking units reset." in found.methods
    assert section("lesion dynamics", found).figures[0].svg


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lesion_dynamics(switch(), []), r"lesion_dynamics: `units` must be one or more, with two of 24 spared"),
        (lambda: lesion_dynamics(switch(), range(23)), r"lesion_dynamics: `units` must be one or more, .*'23 units'"),
        (lambda: lesion_dynamics(switch(), [24]), r"lesion_dynamics: `units` must be below 24; got 24"),
        (
            lambda: lesion_dynamics(switch(), [0], controls=50),
            r"lesion_dynamics: `controls` must be 0, or 199 and above; got 50",
        ),
        (lambda: lesion_dynamics(switch(), [0], searched=-1), r"lesion_dynamics: `searched` must be a whole number, 0"),
        (lambda: lesion_dynamics(switch(), [0], n_exponents=-1), r"lesion_dynamics: `n_exponents` must be a whole nu"),
        (
            lambda: lesion_dynamics(switch(), [0], steps=1),
            r"lesion_dynamics: `steps` must be a whole number, 2",
        ),
        (
            lambda: lesion_dynamics(switch(), [0], trials=1, controls=0),
            r"lesion_dynamics: `trials` must be two or more, so that one half aligns the other; got 1",
        ),
        (
            lambda: lesion_dynamics(switch(), [0], **QUICK).value("distanc from the intact course"),
            r"LesionDynamics: `quantity` must be in the table; .*Did you mean 'distance from the intact course'",
        ),
        (
            lambda: lesion_dynamics(
                switch(), [0], **{**QUICK, "n_exponents": 1}, perturbation=lambda units: AddNoise(units, 0.1)
            ),
            r"as_map: `perturb` must be the same in every trial and at every step; got 'one that changes'",
        ),
    ],
)
def test_dynamics_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
