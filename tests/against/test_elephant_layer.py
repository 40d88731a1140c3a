"""What elephant does slowly or wrongly, in our vectorised form, beside elephant, neo and plain loops."""

import neo
import numpy as np
import pandas as pd
import pytest
import quantities as pq
from elephant.conversion import BinnedSpikeTrain
from elephant.spike_train_correlation import cross_correlation_histogram
from elephant.statistics import fanofactor
from neo.utils import cut_segment_by_epoch
from scipy.ndimage import gaussian_filter1d

from neurornn.bridge import to_neo
from neurornn.errors import RecordingError
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
from neurornn.statistics.debiased import _autoregressive

ELEPHANT = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def poisson(n_units=4, seconds=20.0, rate=10.0, seed=0, trials=None):
    rng = np.random.default_rng(seed)
    stop = 1000.0 * seconds
    spikes = [np.sort(rng.uniform(0, stop, rng.poisson(rate * seconds))) for _ in range(n_units)]
    return Recording(0.0, stop, spikes=spikes, trials=pd.DataFrame() if trials is None else trials)


@ELEPHANT
def test_correlograms_are_elephants():
    recording = poisson()
    found = cross_correlograms(recording, dt=2.0, max_lag=30.0)
    binned = [
        BinnedSpikeTrain(train, bin_size=2 * pq.ms, t_start=0 * pq.ms, t_stop=20_000 * pq.ms)
        for train in to_neo(recording).segments[0].spiketrains
    ]
    for i in range(4):
        for j in range(4):
            theirs, _ = cross_correlation_histogram(binned[i], binned[j], window=[-15, 15], method="memory")
            np.testing.assert_array_equal(found.counts[i, j], np.asarray(theirs.magnitude).ravel())
    assert found.lags.tolist() == (2.0 * np.arange(-15, 16)).tolist()


@ELEPHANT
def test_trap_elephants_default_loses_lags_of_uneven_windows():
    one, other = (
        BinnedSpikeTrain(train, bin_size=1 * pq.ms, t_start=0 * pq.ms, t_stop=20_000 * pq.ms)
        for train in to_neo(poisson(2)).segments[0].spiketrains
    )
    theirs, _ = cross_correlation_histogram(one, other, window=[0, 100])
    assert len(theirs) < 101, "elephant gives all lags by now: say so in the benchmarks"
    ours = cross_correlograms(poisson(2), dt=1.0, max_lag=100.0)
    assert np.sum(ours.lags >= 0) == 101


def test_correlograms_are_those_of_plain_loops_and_stay_within_trials():
    trials = pd.DataFrame({"start": [0.0, 105.0], "stop": [100.0, 200.0]})
    recording = poisson(3, seconds=0.2, rate=60.0, trials=trials)
    found = cross_correlograms(recording, dt=1.0, max_lag=10.0)
    values = recording.binned(1.0)
    expected = np.zeros((3, 3, 21))
    for trial in (0, 1):
        n = values.values[values.trial == trial]
        for i, j, lag in np.ndindex(3, 3, 21):
            k = lag - 10
            a, b = n[max(0, -k) : len(n) - max(0, k), i], n[max(0, k) : len(n) - max(0, -k), j]
            expected[i, j, lag] += a @ b
    np.testing.assert_array_equal(found.counts, expected)
    np.testing.assert_array_equal(found.counts, found.counts.transpose(1, 0, 2)[:, :, ::-1])


def test_independent_units_have_no_excess_and_followers_have():
    recording = poisson(6, seconds=300.0)
    follows = np.sort(recording.spikes[0][::2] + 4.0)
    recording = Recording(0.0, recording.t_stop, spikes=[*recording.spikes, follows[follows < recording.t_stop]])
    found = cross_correlograms(recording, max_lag=20.0)
    first, second = np.triu_indices(6, 1)
    excess = found.excess[first, second]
    assert abs(excess.mean()) < 0.1 and abs(excess.std() - 1) < 0.1
    pair = found.frame().set_index(["unit", "other"]).loc[(0, 6)]
    assert pair["lag"] == 4.0 and pair["excess"] > 20
    assert found.methods and found.references


def test_correlograms_of_nothing():
    silent = Recording(0.0, 100.0, spikes=[np.array([]), np.array([5.0])])
    found = cross_correlograms(silent, max_lag=3.0)
    assert found.counts.sum() == 1 and np.isnan(found.excess[0]).all()
    with pytest.raises(ValueError, match="cross_correlograms: `max_lag` must be a bin of 1 ms or more"):
        cross_correlograms(silent, max_lag=0.5)
    with pytest.raises(ValueError, match="cross_correlograms: `dt` must be a finite number above 0"):
        cross_correlograms(silent, dt=0.0)
    sampled = Recording(0.0, 10.0, activity=np.ones((10, 2)), dt=1.0)
    for measure in (cross_correlograms, population_coupling):
        with pytest.raises(RecordingError, match=rf"{measure.__name__}: `recording` must be of spikes"):
            measure(sampled)


@pytest.mark.filterwarnings("ignore")
def test_windows_are_those_of_neo():
    recording = poisson(3)
    events = np.array([1000.0, 4000.0, 4200.0])
    cut = peri_event(recording, events, before=300.0, after=500.0)
    segment = neo.Segment()
    for train in recording.spikes:
        segment.spiketrains.append(neo.SpikeTrain(train * pq.ms, t_stop=20_000.0 * pq.ms))
    for event, units in zip(events, cut.relative(), strict=True):
        epoch = neo.Epoch(times=[event - 300] * pq.ms, durations=[800] * pq.ms)
        (piece,) = cut_segment_by_epoch(segment, epoch, reset_time=True)
        theirs = [train.rescale("ms").magnitude for train in piece.spiketrains if len(train)]
        ours = [times + 300.0 for times in units if len(times)]
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
    counts = cut.counts(10.0)
    assert counts.shape == (3, 80, 3)
    np.testing.assert_array_equal(counts.sum(axis=1), cut.numbers)


def test_windows_count_each_spike_once():
    recording = Recording(0.0, 100.0, spikes=[np.array([10.0, 20.0, 29.999, 30.0])])
    counts = peri_event(recording, np.array([20.0]), before=10.0, after=10.0).counts(10.0)
    assert counts[0, :, 0].tolist() == [1, 2]
    with pytest.raises(RecordingError, match="peri_event: `events` must be with windows inside 0 to 100 ms"):
        peri_event(recording, np.array([5.0, 50.0]), before=10.0, after=10.0)
    with pytest.raises(ValueError, match="peri_event: `after` must be above -5 ms, where the window starts"):
        peri_event(recording, np.array([50.0]), before=5.0, after=-5.0)
    with pytest.raises(ValueError, match=r"PeriEvent.counts: `dt` must be at most the window, 20 ms"):
        peri_event(recording, np.array([50.0]), before=10.0, after=10.0).counts(30.0)
    with pytest.raises(RecordingError, match="peri_event: `recording` must be of spikes"):
        peri_event(Recording(0.0, 10.0, activity=np.ones((10, 2)), dt=1.0), np.array([5.0]), before=1.0, after=1.0)


def test_population_rates_are_the_sums_of_correlograms():
    """Without smoothing, the rate of the others around a spike is the summed correlogram over spikes and bin."""
    recording = poisson(5, seconds=60.0)
    found = population_coupling(recording, dt=1.0, max_lag=20.0, sigma=0.0)
    pairs = cross_correlograms(recording, dt=1.0, max_lag=20.0).counts
    rates = np.array([len(train) for train in recording.spikes]) / 60.0
    for i in range(5):
        others = [j for j in range(5) if j != i]
        expected = pairs[i, others].sum(axis=0) / len(recording.spikes[i]) * 1000.0 - rates[others].sum()
        # Spikes within a lag of an end are in the correlogram only: two coincidences at most.
        np.testing.assert_allclose(found.rates[i], expected, atol=2500.0 / len(recording.spikes[i]))


def test_units_that_follow_the_crowd_are_coupled_to_it():
    rng = np.random.default_rng(0)
    crowd = 5 * np.exp(gaussian_filter1d(rng.normal(size=60_000), 30.0) * 7)
    gains = np.array([0.0, 0.5, 1.0, 1.0, 1.0, 1.0])
    spikes = []
    for gain in gains:
        n = rng.poisson((gain * crowd + (1 - gain) * 5) / 1000.0)
        spikes.append(np.flatnonzero(n) + 0.5)
    found = population_coupling(Recording(0.0, 60_000.0, spikes=spikes), max_lag=200.0)
    order = found.coupling
    assert order[0] < order[1] < order[2:].min() and abs(order[0]) < 1.5
    assert np.all(np.abs(found.shifted) < 0.5 * order[2:].mean())
    table = found.frame()
    assert table.columns.tolist() == ["coupling", "shifted", "n_spikes"] and found.methods
    with pytest.raises(RecordingError, match="population_coupling: `recording` must be of two units or more"):
        population_coupling(Recording(0.0, 10.0, spikes=[np.array([1.0])]))
    with pytest.raises(ValueError, match="population_coupling: `max_lag` must be below half of the longest trial"):
        population_coupling(Recording(0.0, 60_000.0, spikes=spikes), max_lag=40_000.0)
    with pytest.raises(ValueError, match="population_coupling: `sigma` must be a finite number, 0 or above"):
        population_coupling(Recording(0.0, 60_000.0, spikes=spikes), sigma=-1.0)


def test_trap_a_change_of_rates_looks_like_a_change_of_variability():
    """Refractory units are more regular the faster they fire: rates double at the third time, variability does not."""
    rng = np.random.default_rng(0)
    base = rng.uniform(1.0, 8.0, 300)
    means, variances = [], []
    for gain in (1.0, 1.0, 2.0):
        chance = np.minimum(gain * base / 20.0, 0.95)
        counts = rng.binomial(20, chance, size=(300, 300))  # var / mean = 1 - p falls with the rate
        means.append(counts.mean(axis=0))
        variances.append(counts.var(axis=0, ddof=1))
    table = mean_matched_fano(np.array(means), np.array(variances), times=np.arange(3.0)).frame()
    assert table["raw"][0] - table["raw"][2] > 0.15
    assert abs(table["fano"][0] - table["fano"][2]) < 0.04
    assert abs(table["mean_matched"][0] - table["mean_matched"][2]) < 0.1 < table["mean"][2] - table["mean"][0]


@ELEPHANT
def test_one_point_is_elephants_fano_factor():
    rng = np.random.default_rng(0)
    counts = rng.poisson(4.0, size=40)
    trains = [neo.SpikeTrain(np.sort(rng.uniform(0, 1, n)) * pq.s, t_stop=1 * pq.s) for n in counts]
    theirs = fanofactor(trains)  # without Bessel's correction
    means, variances = np.array([[counts.mean()]]), np.array([[counts.var(ddof=1)]])
    ours = mean_matched_fano(means, variances, times=np.array([0.0])).frame()
    assert ours["raw"][0] * 39 / 40 == pytest.approx(theirs)
    with pytest.raises(ValueError, match="mean_matched_fano: `means` must be so that some bin of mean counts"):
        mean_matched_fano(np.array([[1.0], [9.0]]), np.ones((2, 1)), times=np.arange(2.0))
    with pytest.raises(ValueError, match="mean_matched_fano: `bin_width` must be a finite number above 0"):
        mean_matched_fano(means, variances, times=np.array([0.0]), bin_width=0.0)
    with pytest.raises(ValueError, match="mean_matched_fano: `n_draws` must be a whole number"):
        mean_matched_fano(means, variances, times=np.array([0.0]), n_draws=0)


@pytest.mark.parametrize(("n_time", "raw"), [(50, 6.7), (200, 14.0), (1000, 18.8)])
def test_trap_short_stretches_shorten_timescales(n_time, raw):
    """True 20 bins. Without the correction: 6.7, 14.0, 18.8, however many stretches there are."""
    drawn = _autoregressive(20.0, (20_000 // n_time, n_time, 30), 1.0, np.random.default_rng(1))
    found = debiased_timescales(drawn, dt=1.0, max_lag=min(60.0, n_time / 2), n_simulated=8)
    table = found.frame()
    assert np.median(table["tau_raw"]) == pytest.approx(raw, rel=0.25)
    if n_time > 50:
        assert np.nanmedian(table["tau"]) == pytest.approx(20.0, rel=0.15)
    assert np.nanmedian(table["tau"]) > np.median(table["tau_raw"])
    assert "Corrected by simulation" in found.methods


def test_the_correction_holds_through_spikes():
    rng = np.random.default_rng(0)
    slow = _autoregressive(10.0, (60, 100, 40), 1.0, rng)
    counts = rng.poisson(np.maximum(3.0 + slow, 0.0)).astype(float)
    raw = np.median(intrinsic_timescales(counts, dt=5.0, max_lag=200.0).table["tau"])
    found = debiased_timescales(counts, dt=5.0, max_lag=200.0, n_simulated=8).table
    assert raw < 40.0 < np.nanmedian(found["tau"]) < 60.0  # true 50 ms
    with pytest.raises(ValueError, match="debiased_timescales: `n_simulated` must be a whole number, 5 or above"):
        debiased_timescales(counts, dt=5.0, max_lag=200.0, n_simulated=2)


@ELEPHANT
@pytest.mark.parametrize("scale", [2.0, 30.0, 500.0])
def test_distances_of_spike_trains_are_elephants(scale):
    from elephant.spike_train_dissimilarity import van_rossum_distance, victor_purpura_distance

    recording = poisson(7, seconds=1.0, rate=25.0)
    trains = [*recording.spikes, np.array([])]
    theirs = [neo.SpikeTrain(train * pq.ms, t_stop=1000 * pq.ms) for train in trains]
    expected = victor_purpura_distance(theirs, cost_factor=(1 / scale) / pq.ms)
    np.testing.assert_allclose(victor_purpura(trains, cost=1000 / scale), expected, atol=1e-9)
    expected = van_rossum_distance(theirs, time_constant=scale * pq.ms)
    np.testing.assert_allclose(van_rossum(trains, tau=scale), expected, atol=1e-6)


def test_many_spikes_are_taken_in_blocks():
    trains = list(poisson(4, seconds=60.0, rate=20.0).spikes)
    found = van_rossum(trains, tau=40.0)
    kernel = [[np.exp(-np.abs(a[:, None] - b) / 40.0).sum() for b in trains] for a in trains]
    expected = np.sqrt([[kernel[i][i] + kernel[j][j] - 2 * kernel[i][j] for j in range(4)] for i in range(4)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_distances_are_distances():
    trains = [train for seed in range(3) for train in poisson(3, seconds=0.5, rate=30.0, seed=seed).spikes]
    for between in (victor_purpura(trains, cost=50.0), van_rossum(trains, tau=20.0)):
        np.testing.assert_allclose(between, between.T, atol=1e-9)
        np.testing.assert_allclose(np.diag(between), 0.0, atol=1e-6)
        assert np.all(between[:, None, :] <= between[:, :, None] + between[None] + 1e-9)
    sizes = np.array([len(train) for train in trains])
    np.testing.assert_allclose(victor_purpura(trains, cost=0.0), np.abs(sizes[:, None] - sizes), atol=1e-9)
    assert victor_purpura([], cost=1.0).shape == van_rossum([], tau=1.0).shape == (0, 0)
    with pytest.raises(ValueError, match="victor_purpura: `cost` must be a finite number, 0 or above"):
        victor_purpura(trains, cost=-1.0)
    with pytest.raises(ValueError, match="van_rossum: `tau` must be a finite number above 0"):
        van_rossum(trains, tau=0.0)
    with pytest.raises(ValueError, match=r"van_rossum: `trains\[0\]` must be in order of time; got .*Sort them"):
        van_rossum([np.array([2.0, 1.0])], tau=1.0)
