"""Population events and replay: what was planted is found, and disorder is not called order."""

import numpy as np
import pandas as pd
import pytest
from track_session import LENGTH, bump, spiking, walk

from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal
from neurornn.statistics import PlaceBins, population_events, replay
from neurornn.statistics.replay import weighted_correlation

CENTRES = np.linspace(5.0, 95.0, 12)
RUN, REST = 120_000.0, 60_000.0
PLACE = PlaceBins(bins=20, dt=200.0, smooth=0.0, extent=((0.0, LENGTH),))


def rested(order: str, seed: int = 0) -> tuple[Recording, np.ndarray]:
    """Return a run, then a rest with 20 bursts of all cells: in order, backwards or in any order; and their starts."""
    rng = np.random.default_rng(seed)
    ran = spiking([bump(c, peak=15.0) for c in CENTRES], RUN, seed=seed)
    starts = RUN + 1500.0 + np.arange(20) * 2900.0
    trains = [list(train) for train in ran.spikes]
    for begin in starts:
        ranks = {"forth": np.arange(12), "back": np.arange(12)[::-1], "any": rng.permutation(12)}[order]
        for cell in range(12):
            trains[cell] += list(begin + 12.0 * ranks[cell] + rng.uniform(0.0, 12.0, 3))
    for train in trains:
        train += list(RUN + rng.random(6) * REST)
    walked = walk(RUN)
    trials = pd.DataFrame({"start": [0.0], "stop": [RUN]})
    spikes = [np.sort(train) for train in trains]
    return Recording(0.0, RUN + REST, spikes=spikes, trials=trials, behaviour={"linear": walked}), starts


def test_planted_bursts_are_found_where_they_are():
    session, starts = rested("any")
    found = population_events(session, start=RUN, stop=RUN + REST)
    table = found.frame()
    assert len(table) == 20
    assert np.all(table["start"].to_numpy() < starts + 20.0)
    assert np.all(table["stop"].to_numpy() > starts + 120.0)
    assert np.all((table["peak"] > starts) & (table["peak"] < starts + 150.0))
    assert (table["n_active"] == 12).all()
    assert "20 in 60 s" in found.methods
    assert found.z.mean() == pytest.approx(0.0, abs=1e-9)
    assert len(population_events(session, start=RUN, stop=RUN + REST, n_active=13).table) == 0
    assert len(population_events(session, start=RUN, stop=RUN + REST, longest=80.0).table) == 0


@pytest.mark.parametrize(("order", "sign"), [("forth", 1), ("back", -1)])
def test_sequences_are_found_with_their_direction(order, sign):
    session, starts = rested(order)
    events = pd.DataFrame({"start": starts, "stop": starts + 144.0})  # as planted: stray spikes widen found bounds
    table = replay(session, events, PLACE, dt=20.0, n_shuffles=100).frame()
    assert (table["score"] * sign > 0.8).all()
    assert (table["p_cells"] < 0.05).mean() > 0.9
    assert (table["p_time"] < 0.05).mean() > 0.9


def test_bursts_in_any_order_are_no_sequences():
    session, _ = rested("any", seed=1)
    events = population_events(session, start=RUN, stop=RUN + REST).table
    found = replay(session, events, PLACE, dt=20.0, n_shuffles=100)
    table = found.frame()
    assert ((table["p_cells"] < 0.05) & (table["p_time"] < 0.05)).sum() <= 4  # 1 expected of 20 at most
    assert len(found.posteriors) == len(events)
    assert found.posteriors[0].shape[1] == len(found.centres) == 20


def test_an_event_with_too_few_bins_has_no_score():
    session, starts = rested("forth")
    events = pd.DataFrame({"start": [starts[0]], "stop": [starts[0] + 30.0]})
    table = replay(session, events, PLACE, dt=20.0, n_shuffles=10).frame()
    assert table[["score", "p_cells", "p_time"]].isna().all(axis=None)
    assert table["n_bins"].item() == 2


def test_weighted_correlation_is_pearsons_with_weights():
    rng = np.random.default_rng(0)
    p, x = rng.random((6, 9)), np.sort(rng.random(9))
    t = np.repeat(np.arange(6.0), 9)
    covariance = np.cov(t, np.tile(x, 6), aweights=p.ravel())
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert weighted_correlation(p, x) == pytest.approx(expected)
    np.testing.assert_allclose(weighted_correlation(np.stack([p, p[::-1]]), x), [expected, -expected])
    assert np.isnan(weighted_correlation(np.eye(5)[:, :1], np.zeros(1)))


def test_refusals():
    session, _ = rested("any")
    events = population_events(session, start=RUN, stop=RUN + REST).table
    with pytest.raises(RecordingError, match="population_events: `recording` must be of spikes"):
        population_events(Recording(0.0, 10.0, activity=np.ones((10, 1)), dt=1.0), start=0.0, stop=10.0)
    with pytest.raises(ValueError, match="population_events: `longest` must be above `shortest`, 50 ms"):
        population_events(session, start=RUN, stop=RUN + REST, longest=50.0)
    quiet = Recording(0.0, 5000.0, spikes=[np.array([])])
    with pytest.raises(
        RecordingError, match="population_events: `recording` must be of a population whose rate varies"
    ):
        population_events(quiet, start=0.0, stop=5000.0)
    with pytest.raises(ValueError, match="replay: `min_peak` must be reached by two units or more"):
        replay(session, events, PLACE, min_peak=1e6)
    with pytest.raises(ValueError, match="replay: `n_shuffles` must be"):
        replay(session, events, PLACE, n_shuffles=0)
    times = np.arange(0.0, 5000.0, 20.0)
    plane = {"place": Signal(times, np.random.default_rng(0).random((250, 2)))}
    flat = Recording(0.0, 5000.0, spikes=[np.array([5.0])], behaviour=plane)
    with pytest.raises(ValueError, match="replay: `position` must be along one axis; got '2 axes'"):
        replay(flat, events, PlaceBins(position="place"))
