"""Lyapunov spectra against what is known exactly, from long runs of others, or from mean-field theory."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from neurornn import Dense, Form, LeakyRate, Network, generator
from neurornn.dynamics import EXPONENTS, SYSTEMS, Lyapunov, Map, lyapunov, mean_field_flow, mean_field_map
from tests.tolerances import FLOAT64

THEORY = {
    1.1: (0.1111, 0.0037, 0.0051),
    1.25: (0.3156, 0.0170, 0.0235),
    1.5: (0.7477, 0.0468, 0.0652),
    2.0: (1.9248, 0.1125, 0.1547),
    3.0: (5.4463, 0.2355, 0.3103),
    5.0: (16.964, 0.4337, 0.5324),
}
"""Gain: variance of the flow, largest exponent of the flow and of the map, from an independent solver."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def around(name: str, n: int) -> Tensor:
    """Starts in the basin of a known system's attractor."""
    spread = {"lorenz63": 5.0, "rossler": 1.0, "henon": 0.05}
    if name in spread:
        return spread[name] * drawn(n, SYSTEMS[name]().n_state)
    return torch.rand(n, SYSTEMS[name]().n_state, generator=generator(0), dtype=torch.float64)


def spectrum(name: str, n: int, steps: int, transient: int, align: int, **settings: float) -> Lyapunov:
    told = {"steps": steps, "transient": transient, "align": align, "progress": False}
    return lyapunov(SYSTEMS[name](**settings), start=around(name, n), **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "settings", "n", "steps", "transient", "align", "within"),
    [
        ("logistic", {}, 2000, 100, 50, 0, 0.005),
        ("cat", {}, 2, 50, 20, 50, 1e-12),
        ("henon", {}, 1000, 200, 50, 50, 0.005),
        ("lorenz63", {"dt": 0.02}, 500, 300, 2000, 400, 0.02),
        ("rossler", {"dt": 0.1}, 500, 300, 600, 400, 0.25),  # as far as so coarse steps go
        pytest.param("lorenz63", {}, 500, 4000, 5000, 1500, 0.005, marks=pytest.mark.slow),
        pytest.param("rossler", {"dt": 0.03}, 600, 8000, 2000, 3000, 0.005, marks=pytest.mark.slow),
    ],
)
def test_known_systems(
    name: str, settings: dict[str, float], n: int, steps: int, transient: int, align: int, within: float
) -> None:
    found = spectrum(name, n, steps, transient, align, **settings)
    np.testing.assert_allclose(found.exponents, EXPONENTS[name], rtol=0, atol=within)
    if name == "lorenz63":
        assert abs(found.dimension - 2.062) < 0.003
        assert found.entropy_rate == found.exponents[found.exponents > 0].sum()


def test_vectors_that_are_not_aligned_show_in_the_error() -> None:
    found = spectrum("lorenz63", 200, 100, 300, 20, dt=0.02)
    assert abs(found.largest - 0.9056) > 0.1
    # It tells of more than scatter over trials; not of all that is missing: one run cannot know where it is going.
    assert found.error[0] > 1.5 * found.trials[:, 0].std() / math.sqrt(200)


def test_sums_that_are_exact() -> None:
    np.testing.assert_allclose(spectrum("henon", 4, 50, 20, 0).exponents.sum(), math.log(0.3), **FLOAT64)
    # The divergence of Lorenz's flow is the same everywhere; a Runge-Kutta step keeps it to its own order.
    np.testing.assert_allclose(spectrum("lorenz63", 4, 100, 100, 0).exponents.sum(), -41 / 3, rtol=1e-4)


def test_linear_map_has_the_logarithms_of_its_eigenvalues() -> None:
    values = torch.tensor([1.05, 0.9, 0.7, -0.5, 0.3, 0.2], dtype=torch.float64)
    basis = drawn(6, 6, seed=1)
    matrix = basis @ torch.diag(values) @ torch.linalg.inv(basis)
    found = lyapunov(
        Map(lambda x: x @ matrix.T, 6, dt=2.0), start=torch.zeros(1, 6), steps=200, transient=0, align=200, every=5
    )
    np.testing.assert_allclose(found.per_step, values.abs().log(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.exponents * 2.0, found.per_step, **FLOAT64)


def test_complex_pairs_share_their_exponent() -> None:
    matrix = drawn(10, 10, seed=3) / math.sqrt(10)
    exact = np.sort(np.log(np.abs(np.linalg.eigvals(matrix.numpy()))))[::-1]
    start = torch.zeros(1, 10)
    found = lyapunov(Map(lambda x: x @ matrix.T, 10), start=start, steps=2000, transient=0, align=200, every=4)
    np.testing.assert_allclose(found.exponents, exact, rtol=0, atol=1.5e-3)


def rate(n: int, gain: float, *, tau: float = 1.0, seed: int = 0, **settings: object) -> LeakyRate:
    """Random units as theory has them: the nonlinearity on the state, no bias, nothing coming in."""
    wiring = Dense(n, gain=gain, seed=seed)
    told = {"nonlinearity": "tanh", "form": Form.CURRENT, "bias": False, "dt": 1.0, "clamp_tau": True, **settings}
    return LeakyRate(1, n, tau=tau, wiring=wiring, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize("leak", [1.0, 0.1])
def test_quiet_rate_network_has_the_spectrum_of_its_weights(leak: float) -> None:
    cell = rate(30, 0.7, tau=1 / leak)
    eigenvalues = np.linalg.eigvals(cell.weights()[1].detach().double().numpy())
    a = float(cell.weights()[3][0])
    exact = np.sort(np.log(np.abs(1 - a + a * eigenvalues)))[::-1]
    start = torch.zeros(1, 30)
    found = lyapunov(cell, start=start, steps=800, transient=0, align=300, n_exponents=5)
    np.testing.assert_allclose(found.exponents, exact[:5], rtol=0, atol=3e-3)


@pytest.mark.parametrize("gain", [pytest.param(g, marks=() if g in (1.5, 3.0) else pytest.mark.slow) for g in THEORY])
def test_theory_of_random_networks(gain: float) -> None:
    variance, flow, step = THEORY[gain]
    found = mean_field_flow(gain)
    assert abs(found.variance - variance) < 6e-5 * max(1, 10 * variance)
    assert abs(found.largest - flow) < 6e-5
    assert abs(mean_field_map(gain).largest - step) < 6e-5


def test_theory_below_and_far_above_the_onset() -> None:
    assert mean_field_map(0.5).largest == math.log(0.5)
    assert mean_field_flow(0.5).largest == -0.5
    assert abs(mean_field_map(10.0).largest - 0.8564) < 6e-5


def simulated(n: int, gain: float, *, tau: float = 1.0, trials: int, steps: int, seed: int = 0) -> Lyapunov:
    cell = rate(n, gain, tau=tau, seed=seed)
    return lyapunov(cell, n_exponents=1, n_trials=trials, steps=steps, transient=200, align=50)


def test_random_map_is_as_chaotic_as_theory_says() -> None:
    """Small networks scatter: the mean of four of 300 units is within a tenth."""
    found = [simulated(300, 3.0, trials=8, steps=100, seed=seed).largest for seed in range(4)]
    assert abs(np.mean(found) / mean_field_map(3.0).largest - 1) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("gain", [1.5, 2.0, 3.0, 5.0])
def test_random_map_of_a_thousand_units_is_within_five_per_cent(gain: float) -> None:
    found = np.mean([simulated(1000, gain, trials=16, steps=200, seed=seed).largest for seed in range(4)])
    assert abs(found / mean_field_map(gain).largest - 1) < 0.05


def test_gain_of_one_is_the_onset_of_chaos() -> None:
    assert simulated(200, 0.8, trials=2, steps=200).largest < -0.1
    assert simulated(200, 2.0, trials=2, steps=200).largest > 0.05


def test_the_sum_is_the_mean_logarithm_of_the_determinant() -> None:
    cell = rate(12, 2.0)
    found = lyapunov(cell, steps=300, transient=100, align=50)
    w = cell.weights()[1].detach().double()
    x = drawn(1, 12)  # the same start: generator(0)
    for _ in range(150):
        x = torch.tanh(x) @ w.T
    total = 0.0
    for _ in range(300):
        total += float(torch.linalg.slogdet(w * (1 - torch.tanh(x) ** 2)).logabsdet)
        x = torch.tanh(x) @ w.T
    np.testing.assert_allclose(found.exponents.sum(), total / 300, rtol=1e-8)


def test_a_driven_network_is_less_chaotic_and_noise_free_copies_agree() -> None:
    """Input suppresses chaos (Molgedey et al. 1992), and the driven exponents are those of the driven steps."""
    cell = rate(100, 2.0)
    strong = 3.0 * drawn(4, 350, 1, seed=4)
    free = lyapunov(cell, n_exponents=1, n_trials=4, steps=200, transient=100, align=50)
    driven = lyapunov(Network(cell, 1), strong, n_exponents=1, transient=100, align=50)
    assert driven.largest < free.largest - 0.03
    held = lyapunov(cell, torch.zeros(1, 1, 1), n_exponents=1, n_trials=4, steps=200, transient=100, align=50)
    np.testing.assert_allclose(held.exponents, free.exponents, **FLOAT64)
