"""Statistics of spike trains beside elephant and neo: what is timed, each way on the same spikes."""

import warnings
from collections.abc import Callable, Sequence

import neo
import numpy as np
import quantities as pq

from neurornn.recording import Recording
from neurornn.statistics import (
    cross_correlograms,
    debiased_timescales,
    intrinsic_timescales,
    mean_matched_fano,
    peri_event,
    population_coupling,
    van_rossum,
    victor_purpura,
)

N_UNITS, RATE, SECONDS = 200, 8.0, 600.0
N_EVENTS = 300
PAIRS, UNITS, WINDOWS = 10, 5, 40
"""Pairs, units and windows that elephant is timed on; its time for all of them is so many times as long."""

Step = Callable[[], object]


def session() -> Recording:
    """Return 200 Poisson units of 8 Hz over ten minutes: 960,000 spikes."""
    rng = np.random.default_rng(0)
    stop = 1000.0 * SECONDS
    spikes = [np.sort(rng.uniform(0.0, stop, rng.poisson(RATE * SECONDS))) for _ in range(N_UNITS)]
    return Recording(0.0, stop, spikes=spikes)


def contestants() -> dict[str, tuple[Step, Step, float, str]]:
    """Return for each task ours, theirs, how often theirs must run to do as much, and what theirs is, in words."""
    from elephant.spike_train_dissimilarity import van_rossum_distance, victor_purpura_distance
    from elephant.statistics import fanofactor

    recording = session()
    events = np.linspace(2000.0, 1000.0 * SECONDS - 2000.0, N_EVENTS)
    n_pairs = N_UNITS * (N_UNITS - 1) // 2
    segment = neo.Segment()
    for train in recording.spikes or ():
        segment.spiketrains.append(neo.SpikeTrain(train * pq.ms, t_stop=1000.0 * SECONDS * pq.ms))
    others = _others(segment)
    stretches = peri_event(recording, events, before=500.0, after=1500.0).counts(20.0).astype(float)
    relative = peri_event(recording, events, before=500.0, after=1500.0).relative()
    cut = [
        [neo.SpikeTrain(_within(one[k % UNITS], k), t_stop=100.0, units="ms") for one in relative]
        for k in range(WINDOWS)
    ]
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
        "index ranges of windows around 300 events": (
            lambda: peri_event(recording, events, before=500.0, after=1500.0),
            lambda: _cut(segment, events[:3]),
            N_EVENTS / 3,
            "neo.utils.cut_segment_by_epoch, 3 of 300 events",
        ),
        "spike-triggered population rates, 5 ms": (
            lambda: population_coupling(recording, dt=5.0, max_lag=100.0),
            lambda: _triggered(segment, others),
            N_UNITS * SECONDS / 20.0,
            f"spike_triggered_average of 1 of {N_UNITS} units over 20 of {SECONDS:.0f} s, the others' rate given",
        ),
        "mean-matched Fano factors, 20 windows": (
            lambda: _fano(recording, events),
            lambda: [fanofactor(trains) for trains in cut],
            N_UNITS * 20 / len(cut),
            f"fanofactor, without matching, of {len(cut)} of {N_UNITS * 20} windows, cut beforehand",
        ),
        "intrinsic timescales": (
            lambda: intrinsic_timescales(stretches, dt=20.0, max_lag=1000.0),
            lambda: _timescale(segment),
            N_UNITS / UNITS,
            f"spike_train_timescale (another quantity) of {UNITS} of {N_UNITS} units",
        ),
        "intrinsic timescales, without their bias": (
            lambda: debiased_timescales(stretches, dt=20.0, max_lag=1000.0),
            lambda: _timescale(segment),
            N_UNITS / UNITS,
            f"spike_train_timescale (another quantity) of {UNITS} of {N_UNITS} units",
        ),
        "Victor-Purpura distances of 60 trains": (
            lambda: victor_purpura(relative[0][:60], cost=50.0),
            lambda: victor_purpura_distance(_trials(relative[0][:60]), cost_factor=50 * pq.Hz),
            1.0,
            "victor_purpura_distance, trains of 2 s",
        ),
        "van Rossum distances of 200 trains": (
            lambda: van_rossum(relative[0], tau=20.0),
            lambda: van_rossum_distance(_trials(relative[0]), time_constant=20 * pq.ms),
            1.0,
            "van_rossum_distance, trains of 2 s",
        ),
    }


def _trials(trains: Sequence[np.ndarray]) -> list[neo.SpikeTrain]:
    return [neo.SpikeTrain(train, t_start=-500.0, t_stop=1500.0, units="ms") for train in trains]


def _within(times: np.ndarray, k: int) -> np.ndarray:
    """Return the spikes of one of twenty windows of 100 ms since its start."""
    start = 100.0 * (k % 20) - 500.0
    return times[(times >= start) & (times < start + 100.0)] - start


def _fano(recording: Recording, events: np.ndarray) -> None:
    counts = peri_event(recording, events, before=500.0, after=1500.0).counts(100.0)
    mean_matched_fano(counts.mean(axis=0), counts.var(axis=0, ddof=1), times=100.0 * np.arange(20))


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


def _others(segment: neo.Segment) -> neo.AnalogSignal:
    from elephant.kernels import GaussianKernel
    from elephant.statistics import instantaneous_rate

    with warnings.catch_warnings(action="ignore"):
        trains = list(segment.spiketrains)[1:]
        rates = instantaneous_rate(trains, sampling_period=5 * pq.ms, kernel=GaussianKernel(12 * pq.ms))
        return neo.AnalogSignal(np.asarray(rates).sum(axis=1, keepdims=True), units="Hz", sampling_period=5 * pq.ms)


def _triggered(segment: neo.Segment, others: neo.AnalogSignal) -> None:
    from elephant.sta import spike_triggered_average

    with warnings.catch_warnings(action="ignore"):
        train = segment.spiketrains[0].time_slice(100 * pq.s, 120 * pq.s)
        spike_triggered_average(others, train, (-100 * pq.ms, 105 * pq.ms))


def _timescale(segment: neo.Segment) -> None:
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import spike_train_timescale

    with warnings.catch_warnings(action="ignore"):
        for train in segment.spiketrains[:UNITS]:
            spike_train_timescale(BinnedSpikeTrain(train, bin_size=20 * pq.ms), 1000 * pq.ms)
