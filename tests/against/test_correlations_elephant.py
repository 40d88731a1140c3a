"""Correlations of counts beside elephant's, and what independent and common firing give."""

import numpy as np
import pytest
import quantities as pq
from elephant.conversion import BinnedSpikeTrain
from elephant.spike_train_correlation import correlation_coefficient

from neurornn.bridge import to_neo
from neurornn.recording import Recording
from neurornn.statistics import correlations
from tests.tolerances import CHANCE


def poisson(n_units: int, common: float, *, seconds: float = 200.0, seed: int = 0) -> Recording:
    """Units of 10 Hz that share the fraction `common` of their spikes."""
    draw, duration = np.random.default_rng(seed), seconds * 1000.0

    def train(rate: float) -> np.ndarray:
        return draw.uniform(0.0, duration, draw.poisson(rate * seconds))

    shared = train(10.0 * common)
    own = [train(10.0 * (1 - common)) for _ in range(n_units)]
    return Recording(0.0, duration, spikes=[np.sort(np.concatenate([shared, one])) for one in own])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of elephant's calls into quantities
def test_correlations_are_those_of_elephant() -> None:
    recording = poisson(5, 0.3, seconds=20.0)
    trains = to_neo(recording).segments[0].spiketrains
    matrix = correlation_coefficient(BinnedSpikeTrain(trains, bin_size=50 * pq.ms))
    np.testing.assert_allclose(correlations(recording).values, matrix[np.triu_indices(5, 1)], atol=1e-12)


def test_a_common_share_of_spikes_is_the_correlation() -> None:
    """Of Poisson units that share a fraction c of their spikes, counts correlate by c and S = 1 + (n - 1) c."""
    found = correlations(poisson(12, 0.2))
    assert found.values.mean() == pytest.approx(0.2, abs=0.02)
    assert found.synchrony == pytest.approx(1 + 11 * 0.2, rel=0.1)
    n_bins = 200.0 / 0.05
    assert abs(found.shifted.mean()) < CHANCE / np.sqrt(n_bins)
    assert found.frame()["shifted in time"].iloc[2] == pytest.approx(1.0, abs=0.1)


def test_what_cannot_be_correlated_is_refused() -> None:
    silent = Recording(0.0, 1000.0, spikes=[np.array([500.0]), np.array([])])
    with pytest.raises(ValueError, match="correlations: `recording` must be of two units that fired, in three bins"):
        correlations(silent)
    sampled = Recording(0.0, 10.0, activity=np.zeros((10, 2)), dt=1.0)
    with pytest.raises(ValueError, match="correlations: `recording` must be of spikes; got 'sampled activity'"):
        correlations(sampled)
    with pytest.raises(ValueError, match="correlations: `seed` must be a whole number"):
        correlations(poisson(3, 0.1, seconds=2.0), seed=-1)
