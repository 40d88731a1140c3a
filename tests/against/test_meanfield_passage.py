"""Rate and CV of a neuron in white noise, beside the moments of its first passage time found by integrating an ODE."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from neurornn.errors import NotConverged
from neurornn.statistics import brunel_stationary, siegert_cv, siegert_rate

TAU, THRESHOLD, RESET, REFRACTORY = 20.0, 20.0, 10.0, 2.0


def passage(mean: float, spread: float) -> tuple[float, float]:
    """Return rate (Hz) and CV from the backward Kolmogorov equation for the moments of the first passage time.

    With T_0 = 1, the moments obey (sigma^2/2) T_n'' + (mu - v) T_n' = -n tau T_(n-1), T_n(threshold) = 0, and a bounded
    slope far below. Slopes are integrated upwards, in which direction they are stable.
    """
    v = np.linspace(min(mean, RESET) - 8 * spread, THRESHOLD, 40_001)
    moment, found = np.ones_like(v), []
    for n in (1, 2):

        def slope(at: float, w: np.ndarray, n: int = n, before: np.ndarray = moment) -> np.ndarray:
            return -2 / spread**2 * ((mean - at) * w + n * TAU * np.interp(at, v, before))

        first = -n * TAU * moment[0] / (mean - v[0])
        w = solve_ivp(slope, (v[0], v[-1]), [first], t_eval=v, rtol=1e-8, atol=1e-10, max_step=0.05).y[0]
        area = np.concatenate([[0.0], np.cumsum(np.diff(v) * (w[1:] + w[:-1]) / 2)])
        moment = area - area[-1]  # integral from v to threshold of -w
        found.append(float(np.interp(RESET, v, moment)))
    first_moment, second = found
    interval = first_moment + REFRACTORY
    return 1000.0 / interval, float(np.sqrt(second - first_moment**2) / interval)


@pytest.mark.parametrize(("mean", "spread"), [(15.0, 5.0), (21.0, 7.7), (25.0, 3.0)])
def test_rate_and_cv_are_those_of_the_first_passage(mean: float, spread: float) -> None:
    rate, cv = passage(mean, spread)
    assert siegert_rate(mean, spread) == pytest.approx(rate, rel=1e-3)
    assert siegert_cv(mean, spread) == pytest.approx(cv, rel=1e-3)


def test_without_noise_it_is_the_closed_form_of_a_clock() -> None:
    interval = REFRACTORY + TAU * np.log((40.0 - RESET) / (40.0 - THRESHOLD))
    assert siegert_rate(40.0, 0.05) == pytest.approx(1000.0 / interval, rel=1e-4)


def test_the_network_is_consistent_with_itself() -> None:
    state = brunel_stationary(inhibition=5.0, drive=2.0)
    assert siegert_rate(state.mean, state.spread) == pytest.approx(state.rate, abs=1e-6)
    outside = 2.0 * 20.0 / (1000 * 0.1 * 20.0) * 1000.0
    assert outside == 20.0
    assert state.mean == pytest.approx(1000 * 0.1 * 0.02 * (outside + state.rate * (1 - 5.0 / 4)))
    assert state.spread**2 == pytest.approx(1000 * 0.1**2 * 0.02 * (outside + state.rate * (1 + 25.0 / 4)))


def test_what_theory_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="siegert_rate: `spread` must be a finite number above 0; got 0"):
        siegert_rate(20.0, 0.0)
    with pytest.raises(ValueError, match="siegert_cv: `tau` must be a finite number above 0"):
        siegert_cv(20.0, 1.0, tau=-1.0)
    with pytest.raises(ValueError, match="siegert_rate: `reset` must be below the threshold, 20 mV; got 25"):
        siegert_rate(20.0, 1.0, reset=25.0)
    with pytest.raises(ValueError, match="brunel_stationary: `inhibition` must be above 4; got 3"):
        brunel_stationary(inhibition=3.0)
    with pytest.raises(ValueError, match="brunel_stationary: `weight` must be a finite number above 0"):
        brunel_stationary(weight=0.0)
    with pytest.raises(ValueError, match="brunel_stationary: `inputs` must be a whole number, 1 or above"):
        brunel_stationary(inputs=0)
    with pytest.raises(NotConverged, match="brunel_stationary: `rate` must be one that keeps itself up"):
        brunel_stationary(drive=1e-5)
