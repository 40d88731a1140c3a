"""Encoding, decoding and observing: known rates give known bits, and a network is read like an animal."""

import numpy as np
import pytest
from tolerances import CHANCE
from track_session import LENGTH, bump, flat, one_way, sampled, spiking

from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics import FromLeast, PlaceBins, decode, encode, observe
from neurornn.statistics.decoding import posterior
from neurornn.statistics.encoding import RateHistogram, rate_histogram
from neurornn.statistics.information import information, mean_rate

PLACE = PlaceBins(bins=20, dt=200.0, smooth=0.0, extent=((0.0, LENGTH),))
CELLS = [bump(float(c), peak=15.0) for c in range(5, 100, 10)]


@pytest.fixture(scope="module")
def session() -> Recording:
    return spiking([*CELLS, flat(5.0)], 200_000.0, seed=2)


def test_held_out_bits_approach_the_information_of_the_true_map(session):
    found = encode(session, PLACE)
    x = np.linspace(0.0, LENGTH, 2000)
    truth = CELLS[4](x, 1)
    expected = information(truth, np.ones(2000)) / mean_rate(truth, np.ones(2000))
    assert 0.75 * expected < found.bits.units[4] < expected
    assert abs(found.bits.units[10]) < 0.05
    assert found.population == found.bits.pooled_all
    assert "5 contiguous folds" in found.methods
    assert len(found.frame()) == 11


def test_direction_helps_where_units_know_it():
    session = spiking([one_way(50.0)], 200_000.0, seed=4)
    with_way, without = (encode(session, PLACE, by_direction=way).population for way in (True, False))
    assert with_way > without + 0.6  # one bit, less what finer bins cost


def test_decoding_finds_the_animal_and_a_flat_population_does_not(session):
    found = decode(session, PLACE, n_shuffles=50)
    assert found.median < 6.0
    assert found.p == pytest.approx(1 / 51)
    assert np.median(found.chance) > 20.0
    assert found.frame()["median_share_of_track"].item() == pytest.approx(found.median / LENGTH)
    np.testing.assert_allclose(found.confusion.sum(axis=1), 1.0)
    lost = decode(spiking([flat(5.0)] * 3, 60_000.0, seed=0), PLACE, n_shuffles=50)
    assert lost.median > 15.0


def test_the_posterior_is_bayes_rule():
    rates = np.array([[[1.0, 10.0, 3.0]], [[8.0, 2.0, 3.0]]])
    model = RateHistogram(rates, (np.arange(4.0),), rates.mean(axis=(1, 2)))
    counts = np.array([[2.0, 1.0], [0.0, 0.0], [np.nan, 4.0]])
    got = posterior(counts, model, dt=500.0)
    for row, probability in zip(counts, got, strict=True):
        likelihood = np.ones(3)
        for count, rate in zip(row, rates[:, 0], strict=True):
            if np.isfinite(count):
                likelihood *= (rate * 0.5) ** count * np.exp(-rate * 0.5)
        np.testing.assert_allclose(probability, likelihood / likelihood.sum())


def test_a_place_never_seen_in_training_has_the_mean_rate(session):
    move = PLACE.movement(session)
    left = move.where(move.position[:, 0] < 40.0)
    model = rate_histogram(left, PLACE.edges(move.position), smoothing=0.0)
    np.testing.assert_allclose(model.rates[:, :, -1], np.repeat(model.mean[:, None], 2, axis=1))
    assert model.predict(move).shape == move.binned.values.shape
    assert model.rates.min() >= 0.05


def test_observed_spikes_have_the_rates_asked_for_and_follow_the_activity():
    network = sampled([bump(50.0), flat(1.0), flat(0.0)], 200_000.0)
    wanted = np.array([4.0, 20.0, 3.0])
    seen = observe(network, rates=wanted, seed=0)
    error = np.sqrt(wanted[:2] / 200.0)
    assert np.all(np.abs(seen.rates()[:2] - wanted[:2]) < CHANCE * error)
    assert seen.rates()[2] == 0.0
    counts = seen.binned(1000.0).values[:, 1]
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=CHANCE * np.sqrt(2 / 200))
    activity = network.binned(1000.0).values[:, 0]
    assert np.corrcoef(seen.binned(1000.0).values[:, 0], activity)[0, 1] > 0.8
    assert seen.trials.equals(network.trials)
    assert seen.behaviour is network.behaviour


def test_observing_is_seeded_and_what_was_not_recorded_is_not_silent():
    activity = np.ones((200, 2))
    activity[50:100, 0] = np.nan
    network = Recording(0.0, 10_000.0, activity=activity, dt=50.0)
    one, other, third = (observe(network, rates=30.0, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.spikes[0], other.spikes[0])
    assert len(one.spikes[0]) != len(third.spikes[0]) or not np.array_equal(one.spikes[0], third.spikes[0])
    assert one.intervals(0).tolist() == [[0.0, 2500.0], [5000.0, 10_000.0]]
    assert not np.any((one.spikes[0] >= 2500.0) & (one.spikes[0] < 5000.0))
    assert abs(one.rates()[0] - 30.0) < CHANCE * np.sqrt(30.0 / 7.5)


def test_an_observed_network_is_decoded_like_an_animal():
    network = sampled([lambda x, way, c=c: np.tanh((x - c) / 10.0) for c in range(10, 100, 10)], 100_000.0)
    seen = observe(network, rates=8.0, seed=0, rule=FromLeast())
    found = decode(seen, PLACE, n_shuffles=20)
    assert found.median < 0.5 * np.median(found.chance)


def test_decoding_in_a_plane():
    from neurornn.recording import Signal

    rng = np.random.default_rng(0)
    times = np.arange(0.0, 200_000.0, 200.0)
    xy = rng.random((len(times), 2))
    centres = rng.random((20, 2))
    activity = np.exp(-((xy[:, None] - centres) ** 2).sum(axis=2) / 0.02)
    behaviour = {"place": Signal(times + 100.0, xy)}
    network = Recording(0.0, 200_000.0, activity=activity, dt=200.0, behaviour=behaviour)
    place = PlaceBins(position="place", bins=8, dt=200.0, smooth=0.0, smoothing=0.7)
    found = decode(observe(network, rates=10.0, seed=0), place, n_shuffles=20)
    assert found.median < 0.3 * np.median(found.chance)
    assert found.confusion.shape == (64, 64)


def test_refusals():
    network = sampled([bump(50.0)], 100_000.0)
    with pytest.raises(ValueError, match=r"rate_histogram: `move` must be bins of spike counts; .*observe"):
        decode(network, PLACE)
    with pytest.raises(ValueError, match="rate_histogram: `move` must be bins of spike counts"):
        encode(network, PLACE)
    spikes = spiking([bump(50.0)], 30_000.0, seed=0)
    with pytest.raises(RecordingError, match="observe: `recording` must be of sampled activity"):
        observe(spikes, rates=1.0, seed=0)
    with pytest.raises(ValueError, match="observe: `rates` must be one for each of 1 units; got '2 rates'"):
        observe(network, rates=np.ones(2), seed=0)
    with pytest.raises(ValueError, match=r"observe: `rates` must be 0 or above; got -1\.0"):
        observe(network, rates=-1.0, seed=0)
    with pytest.raises(ValueError, match="observe: `rates` must be finite"):
        observe(network, rates=np.nan, seed=0)
    with pytest.raises(
        ValueError, match=r"rate_histogram: `floor` must be a finite number above 0; .* A rate of 0 would forbid"
    ):
        encode(spikes, PLACE, floor=0.0)
    with pytest.raises(ValueError, match="decode: `n_shuffles` must be"):
        decode(spikes, PLACE, n_shuffles=0)
    with pytest.raises(ValueError, match="posterior: `dt` must be"):
        posterior(np.ones((1, 1)), RateHistogram(np.ones((1, 1, 1)), (np.arange(2.0),), np.ones(1)), dt=0.0)
