"""Time rescaling: by hand, by law, and what it sees that counts do not."""

import numpy as np
import pytest
from scipy.stats import kstest

from neurornn.errors import RecordingError
from neurornn.statistics import rescaled


def test_intervals_by_hand() -> None:
    # 1 ms bins at 100 Hz: 0.1 spikes expected in each. Spikes in bins 2, 12 and 42; places within bins move by < 0.1.
    counts = np.zeros((1, 60, 1))
    counts[0, [2, 12, 42]] = 1.0
    found = rescaled(counts, np.full((1, 60, 1), 100.0), dt=1.0)
    np.testing.assert_allclose(-np.log1p(-found.intervals[0]), [1.0, 3.0], atol=0.1)
    assert found.n.tolist() == [2]
    assert found.distance[0] == pytest.approx(kstest(found.intervals[0], "uniform").statistic)
    # An unknown bin breaks the interval that holds it, and two repeats have none between them.
    counts[0, 20] = np.nan
    assert rescaled(counts, np.full((1, 60, 1), 100.0), dt=1.0).n.tolist() == [1]
    twice = np.concatenate([counts, counts])
    assert rescaled(twice, np.full((1, 60, 1), 100.0), dt=1.0).n.tolist() == [2]


def test_the_true_rate_is_even_and_a_flat_one_is_not() -> None:
    rng = np.random.default_rng(0)
    rate = rng.gamma(2.0, 15.0, size=(1, 4000, 40))
    counts = rng.poisson(rate * 0.01).astype(float)
    right = rescaled(counts, rate, dt=10.0)
    assert 0.3 < np.mean(right.p) < 0.7  # p is even where the rate is right
    assert np.mean(right.distance > right.frame()["ks_band"]) < 0.15
    slow = 10 + 9 * np.sin(np.arange(20_000) / 100)[None, :, None]
    slow_counts = rng.poisson(slow * 0.01).astype(float)
    assert rescaled(slow_counts, np.full(slow.shape, slow.mean()), dt=10.0).p[0] < 1e-4
    assert rescaled(slow_counts, slow, dt=10.0).p[0] > 0.01


def test_refractoriness_shows_though_the_rate_is_right() -> None:
    rng = np.random.default_rng(1)
    counts = np.zeros((1, 20_000, 1))
    given = np.zeros_like(counts)
    last = -100
    for t in range(counts.shape[1]):
        given[0, t, 0] = 50.0 if t - last > 10 else 0.0
        if rng.random() < given[0, t, 0] / 1000:
            counts[0, t], last = 1.0, t
    flat = np.full(counts.shape, counts.mean() * 1000)
    assert rescaled(counts, given, dt=1.0).p[0] > 0.01
    assert rescaled(counts, flat, dt=1.0).p[0] < 1e-6


def test_silence_and_bad_rates() -> None:
    silent = rescaled(np.zeros((1, 10, 1)), np.ones((1, 10, 1)), dt=1.0)
    assert silent.n.tolist() == [0]
    assert np.isnan(silent.distance[0])
    assert np.isnan(silent.frame()["ks_band"][0])
    with pytest.raises(RecordingError, match="rescaled: `rates` must be known, 0 or above, wherever counts are"):
        rescaled(np.zeros((1, 2, 1)), np.array([[[1.0], [-1.0]]]), dt=1.0)
    with pytest.raises(ValueError, match="rescaled: `dt` must be a finite number above 0"):
        rescaled(np.zeros((1, 2, 1)), np.ones((1, 2, 1)), dt=0.0)
