"""DSA through dsa-metric: the same motion through other units is the same; another is not."""

import sys
import warnings

import numpy as np
import pytest

from neurornn.comparison import DynamicSimilarity
from neurornn.statistics.folds import blocked_folds

METRIC = DynamicSimilarity(n_delays=2, rank=4, iterations=300, length=50)


def turning(frequencies: tuple[float, float], seed: int, n: int = 6, driven: bool = False) -> tuple[np.ndarray, ...]:
    """Two planes that turn, seen through units of their own, kicked by noise or by a known input."""
    rng = np.random.default_rng(seed)
    step = np.zeros((4, 4))
    for i, f in enumerate(frequencies):
        c, s = np.cos(f), np.sin(f)
        step[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = 0.95 * np.array([[c, -s], [s, c]])
    units, into = np.linalg.qr(rng.normal(size=(n, 4)))[0], np.array([1.0, 0.0, 1.0, 0.0])
    x, inputs, seen = rng.normal(size=(20, 4)), rng.normal(size=(20, 100, 1)), []
    for t in range(100):
        x = x @ step.T + (inputs[:, t] * into if driven else 0.1 * rng.normal(size=(20, 4)))
        seen.append(x @ units.T)
    return np.stack(seen, axis=1), inputs


@pytest.fixture(scope="module")
def library():
    with warnings.catch_warnings(action="ignore"):
        return pytest.importorskip("DSA", reason="the extra dsa is not installed")


@pytest.mark.filterwarnings("ignore")
def test_the_same_motion_through_other_units(library) -> None:
    one, same, other = (turning(f, seed)[0] for f, seed in (((0.3, 0.8), 0), ((0.3, 0.8), 1), ((0.05, 1.5), 2)))
    alike, unlike = METRIC.between(one, same), METRIC.between(one, other)
    assert alike > 0.98
    assert unlike < alike - 0.05
    np.testing.assert_allclose(METRIC.between(same, one), alike, atol=0.02)


@pytest.mark.filterwarnings("ignore")
def test_as_a_metric_over_bins(library) -> None:
    x = turning((0.3, 0.8), 0)[0].reshape(-1, 6)
    times = np.arange(len(x)) * 10.0 + 1e4 * (np.arange(len(x)) // 100)
    found = METRIC.held_out(
        x, x @ np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0], blocked_folds(times, 2)
    )
    assert found["dsa"].shape == (1,) and found["dsa"][0] > 0.9


@pytest.mark.filterwarnings("ignore")
def test_driven_populations(library) -> None:
    (one, u), (same, v), (other, w) = (
        turning(f, seed, driven=True) for f, seed in (((0.3, 0.8), 0), ((0.3, 0.8), 1), ((0.05, 1.5), 2))
    )
    alike, unlike = METRIC.driven(one, u, same, v), METRIC.driven(one, u, other, w)
    assert alike > 0.98 and unlike < alike - 0.05


def test_it_says_what_it_does_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert METRIC.sentence().endswith(".") and METRIC.references
    monkeypatch.setitem(sys.modules, "DSA", None)
    with pytest.raises(ValueError, match=r"DynamicSimilarity: `dsa-metric` must be installed.*neurornn\[dsa\]"):
        METRIC.between(np.ones((2, 60, 6)), np.ones((2, 60, 6)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_delays": 0}, r"DynamicSimilarity: `n_delays` must be a whole number"),
        ({"rank": 0}, r"DynamicSimilarity: `rank` must be a whole number"),
        ({"length": 1}, r"DynamicSimilarity: `length` must be a whole number"),
        ({"iterations": 0}, r"DynamicSimilarity: `iterations` must be a whole number"),
        ({"learning_rate": 0.0}, r"DynamicSimilarity: `learning_rate` must be a finite number above 0"),
        ({"penalty": -1.0}, r"DynamicSimilarity: `penalty` must be a finite number, 0 or above"),
        ({"length": 6}, r"DynamicSimilarity: `length` must be above the number of delays, 5"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DynamicSimilarity(**settings)  # type: ignore[arg-type]


def test_records_that_are_refused() -> None:
    with pytest.raises(ValueError, match=r"DynamicSimilarity: `rank` must be at most 2, delays times"):
        METRIC.between(np.ones((2, 60, 1)), np.ones((2, 60, 6)))
    with pytest.raises(ValueError, match=r"DynamicSimilarity: `length` must be so short that the record holds one"):
        METRIC.held_out(np.ones((40, 4)), np.ones((40, 4)), blocked_folds(np.arange(40.0), 2))
