"""Statistics of spike trains beside elephant and neo: what is timed, each way on the same spikes."""

import warnings
from collections.abc import Callable

import neo
import numpy as np
import quantities as pq

from neurornn.recording import Recording
from neurornn.statistics import cross_correlograms, peri_event, population_coupling

N_UNITS, RATE, SECONDS = 200, 8.0, 600.0
N_EVENTS = 300
PAIRS = 10
"""Pairs of units that elephant is timed on; its time for all of them is that many times the time of one."""

Step = Callable[[], object]


def session() -> Recording:
    """Return 200 Poisson units of 8 Hz over ten minutes: 960,000 spikes."""
    rng = np.random.default_rng(0)
    stop = 1000.0 * SECONDS
    spikes = [np.sort(rng.uniform(0.0, stop, rng.poisson(RATE * SECONDS))) for _ in range(N_UNITS)]
    return Recording(0.0, stop, spikes=spikes)


def contestants() -> dict[str, tuple[Step, Step, float, str]]:
    """Return for each task ours, theirs, how often theirs must run to do as much, and what theirs is, in words."""
    recording = session()
    events = np.linspace(2000.0, 1000.0 * SECONDS - 2000.0, N_EVENTS)
    n_pairs = N_UNITS * (N_UNITS - 1) // 2
    segment = neo.Segment()
    for train in recording.spikes or ():
        segment.spiketrains.append(neo.SpikeTrain(train * pq.ms, t_stop=1000.0 * SECONDS * pq.ms))
    return {
        "all cross-correlograms, ±100 ms": (
            lambda: cross_correlograms(recording, dt=1.0, max_lag=100.0),
            lambda: _correlograms(segment),
            n_pairs / PAIRS,
            f"cross_correlation_histogram, {PAIRS} of {n_pairs} pairs",
        ),
        "windows around 300 events, as counts": (
            lambda: peri_event(recording, events, before=500.0, after=1500.0).counts(20.0),
            lambda: _cut(segment, events[:3]),
            N_EVENTS / 3,
            "neo.utils.cut_segment_by_epoch, 3 of 300 events",
        ),
        "population coupling, 20 units": (
            lambda: population_coupling(recording.select(range(20)), dt=5.0),
            lambda: _coupling(segment),
            1.0,
            "instantaneous_rate and a loop over spikes",
        ),
    }


def _correlograms(segment: neo.Segment) -> None:
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import cross_correlation_histogram

    with warnings.catch_warnings(action="ignore"):
        binned = [BinnedSpikeTrain(train, bin_size=1 * pq.ms) for train in segment.spiketrains[: PAIRS + 1]]
        for one in binned[1:]:
            cross_correlation_histogram(binned[0], one, window=[-100, 100])


def _cut(segment: neo.Segment, events: np.ndarray) -> None:
    from neo.utils import cut_segment_by_epoch

    with warnings.catch_warnings(action="ignore"):
        durations = np.full(len(events), 2000.0) * pq.ms
        cut_segment_by_epoch(segment, neo.Epoch(times=(events - 500.0) * pq.ms, durations=durations), reset_time=True)


def _coupling(segment: neo.Segment) -> None:
    from elephant.kernels import GaussianKernel
    from elephant.statistics import instantaneous_rate

    with warnings.catch_warnings(action="ignore"):
        trains = segment.spiketrains[:20]
        rates = instantaneous_rate(list(trains), sampling_period=5 * pq.ms, kernel=GaussianKernel(12 * pq.ms))
    values = np.asarray(rates)
    total = values.sum(axis=1)
    for unit, train in enumerate(trains):
        others = total - values[:, unit]
        others = others - others.mean()
        place = (train.magnitude / 5.0).astype(int)
        place = place[(place >= 20) & (place < len(others) - 20)]
        np.mean([others[p - 20 : p + 21] for p in place], axis=0)
