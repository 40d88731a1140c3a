"""The simulated session has the structure of the real one, and the truth that it states is in it."""

import numpy as np
import pytest

from neurornn.bridge import simulated_track
from neurornn.recording import Recording
from tests.tolerances import CHANCE


@pytest.fixture(scope="module")
def session() -> Recording:
    return simulated_track(3, run=600_000.0, rest=300_000.0)


def test_same_seed_same_session() -> None:
    one, same, other = (simulated_track(seed, run=60_000.0, rest=20_000.0) for seed in (1, 1, 2))
    for a, b in zip(one.spikes or (), same.spikes or (), strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(map(len, one.spikes or ())) != sum(map(len, other.spikes or ()))


def test_structure_is_that_of_the_real_session(session: Recording) -> None:
    assert list(session.behaviour) == ["position", "linear", "speed"]
    assert [signal.unit for signal in session.behaviour.values()] == ["px", "px", "px/s"]
    assert set(session.epochs["name"]) == {"run", "rest", "replay"}
    assert session.source["simulated"] is True
    assert session.n_units == 31


def test_units_fire_most_at_their_true_field(session: Recording) -> None:
    """The rate of each place unit in its preferred direction, over its background, follows the stated Gaussian."""
    run = session.epochs.query("name == 'run'").iloc[0]
    binned = session.between(run["start"], run["stop"]).binned(50.0)
    place = binned.behaviour["linear"][:, 0]
    step = np.gradient(place)
    assert session.spikes is not None
    for at, unit in enumerate(session.units.index[:28]):
        truth = session.units.loc[unit]
        sign = 1 if truth["gain_out"] == 1.0 else -1
        at_field = (
            np.abs(place - truth["field_centre"] - 4.0) < 8.0
        )  # the camera's zero lies a few pixels before the end
        inside = at_field & (sign * step > 2.0)
        if inside.sum() < 40:
            continue
        rate = binned.values[inside, at].mean() / 0.05
        error = np.sqrt(max(binned.values[inside, at].sum(), 1)) / inside.sum() / 0.05
        assert abs(rate - truth["field_peak"]) < CHANCE * error + 0.15 * truth["field_peak"], unit


def test_flat_units_fire_at_their_background(session: Recording) -> None:
    rates, background = session.rates()[-3:], session.units["background"].to_numpy()[-3:]
    error = np.sqrt(background / (session.duration / 1000.0))
    assert np.all(np.abs(rates - background) < CHANCE * error)


def test_rest_is_busier_in_replay(session: Recording) -> None:
    rest = session.epochs.query("name == 'rest'").iloc[0]
    events = session.epochs.query("name == 'replay'")[["start", "stop"]].to_numpy()
    trains = np.sort(np.concatenate((session.spikes or ())[:28]))
    inside = sum(np.sum((trains >= a) & (trains < b)) for a, b in events) / (events[:, 1] - events[:, 0]).sum()
    outside = np.sum((trains >= rest["start"]) & (trains < rest["stop"])) / (rest["stop"] - rest["start"])
    assert len(events) == session.source["replay_events"] and inside > 5 * outside


def test_impossible_sessions_are_refused() -> None:
    with pytest.raises(ValueError, match="simulated_track: `n_units` must be a whole number, 4 or above; got 3"):
        simulated_track(0, n_units=3)
    with pytest.raises(ValueError, match="simulated_track: `rest` must be a finite number above 0"):
        simulated_track(0, rest=0.0)
    with pytest.raises(ValueError, match="simulated_track: `seed` must be a whole number, 0 or above"):
        simulated_track(-1)
