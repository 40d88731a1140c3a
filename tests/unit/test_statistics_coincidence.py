"""The coincidence factor: 1 for the same train, 0 for chance, pairs one to one as graph theory pairs them."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from neurornn.statistics import coincidence_factor, matched
from tests.tolerances import CHANCE


def poisson(rate: float, seconds: float, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return np.sort(draw.uniform(0.0, seconds * 1000.0, draw.poisson(rate * seconds)))


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_as_many_as_can_be(seed: int) -> None:
    one, other = poisson(60.0, 2.0, seed), poisson(90.0, 2.0, seed + 100)
    near = csr_array((np.abs(one[:, None] - other[None]) <= 4.0).astype(int))
    assert matched(one, other) == int((maximum_bipartite_matching(near) >= 0).sum())


def test_the_same_train_gives_one_and_chance_gives_zero() -> None:
    train = poisson(10.0, 5.0, 0)
    assert coincidence_factor(train, train, duration=5000.0) == pytest.approx(1.0)
    found = [
        coincidence_factor(poisson(5.0, 20.0, i), poisson(5.0, 20.0, i + 500), duration=20_000.0) for i in range(100)
    ]
    assert abs(np.mean(found)) < CHANCE * np.std(found) / 10


def test_where_it_has_no_meaning_it_is_nan() -> None:
    train = poisson(200.0, 1.0, 0)
    assert np.isnan(coincidence_factor(train, train, duration=1000.0)), "chance meets every spike"
    assert np.isnan(coincidence_factor(train[:3], np.array([]), duration=1000.0))
    assert coincidence_factor(np.array([]), train[:5], duration=1000.0) == 0.0


def test_impossible_windows_are_refused() -> None:
    train = np.array([1.0])
    with pytest.raises(ValueError, match="coincidence_factor: `duration` must be a finite number above 0"):
        coincidence_factor(train, train, duration=0.0)
    with pytest.raises(ValueError, match="coincidence_factor: `window` must be a finite number above 0"):
        coincidence_factor(train, train, duration=10.0, window=-1.0)
