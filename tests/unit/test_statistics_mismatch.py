"""Mismatch: known responses give known indices, on spikes and on activity; nulls; a real neuron; what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording, load_recording, mismatch
from neurornn.errors import RecordingError
from neurornn.plot import figures
from tests.tolerances import FLOAT64

GAP = 100.0


def trials(roles: list[str], tones: list[int] | None = None) -> pd.DataFrame:
    starts = GAP * np.arange(len(roles))
    table = pd.DataFrame({"start": starts, "stop": starts + GAP, "role": roles, "event": starts + 20.0})
    return table.assign(tone=tones if tones is not None else 0)


def a_train(counts: list[int], at: float = 30.0) -> np.ndarray:
    """So many spikes in each trial, 1 ms apart from `at` on."""
    return np.concatenate([GAP * i + at + np.arange(n) for i, n in enumerate(counts)]).astype(float)


def spiking(counts: list[list[int]], table: pd.DataFrame) -> Recording:
    return Recording(0.0, GAP * len(table), spikes=[a_train(one) for one in counts], trials=table)


def test_responses_and_indices_are_those_counted_by_hand() -> None:
    roles = ["standard", "standard", "deviant", "control", "standard", "deviant"]
    one = spiking([[1, 2, 6, 4, 3, 8], [0, 0, 0, 0, 0, 0], [3, 3, 0, 0, 3, 0]], trials(roles))
    found = mismatch(one, control="control", n_shuffles=0)
    d, s, c = (np.array(values) / 0.1 for values in ([7.0, 0.0, 0.0], [2.0, 0.0, 3.0], [4.0, 0.0, 0.0]))  # Hz
    table = found.frame()
    np.testing.assert_allclose(table[["deviant", "standard", "control"]].to_numpy().T, [d, s, c], **FLOAT64)
    np.testing.assert_allclose(table["index"], [5 / 9, np.nan, -1.0], **FLOAT64)
    size = (49 + 4 + 16) ** 0.5
    np.testing.assert_allclose(table["prediction_error"], [3 / size, np.nan, 0.0], **FLOAT64)
    np.testing.assert_allclose(table["repetition_suppression"], [2 / size, np.nan, -1.0], **FLOAT64)
    known = table.dropna(subset=["mismatch"])
    parts = known["prediction_error"] + known["repetition_suppression"]
    np.testing.assert_allclose(known["mismatch"], parts, **FLOAT64)
    whole = found.population()
    assert whole["index"] == pytest.approx((7 - 5) / (7 + 5)) and found.numbers["standard"] == 3
    assert table["p"].isna().all()


def test_what_units_prefer_does_not_enter_once_stimuli_are_told_apart() -> None:
    """Tone 1 evokes ten times as much and is rare more often: with stimuli apart there is no mismatch left."""
    roles = ["standard"] * 6 + ["deviant"] * 4
    tones = [0, 0, 0, 0, 0, 1, 0, 1, 1, 1]
    counts = [10 if tone else 1 for tone in tones]
    one = spiking([counts], trials(roles, tones))
    assert mismatch(one, n_shuffles=0).frame()["index"].iloc[0] > 0.4
    apart = mismatch(one, stimulus="tone", n_shuffles=50)
    assert apart.frame()["index"].iloc[0] == pytest.approx(0.0)
    assert apart.frame()["p"].iloc[0] == 1.0  # roles shuffled within a stimulus change nothing here
    # The common index over both stimuli, (d1 + d2 - s1 - s2) / (d1 + d2 + s1 + s2).
    flipped = spiking([[1, 1, 1, 1, 1, 2, 3, 6, 6, 6]], trials(roles, tones))
    found = mismatch(flipped, stimulus="tone", n_shuffles=0).frame()["index"].iloc[0]
    assert found == pytest.approx((3 + 6 - 1 - 2) / (3 + 6 + 1 + 2))


def test_stimuli_without_every_role_are_left_out() -> None:
    roles = ["standard", "deviant", "standard", "standard"]
    one = spiking([[1, 3, 1, 60]], trials(roles, [0, 0, 0, 1]))
    found = mismatch(one, stimulus="tone", n_shuffles=0)
    assert found.frame()["index"].iloc[0] == pytest.approx(0.5) and "1 stimuli" in found.methods


def test_events_windows_and_baselines_say_when() -> None:
    """Ten spikes before the event, two (or four) in the 20 ms after 10 ms from it."""
    roles = ["standard", "deviant"] * 3
    table = trials(roles)
    before = np.concatenate([GAP * i + np.arange(10) for i in range(6)])
    after = np.concatenate([GAP * i + 32.0 + np.arange(4 if i % 2 else 2) for i in range(6)])
    one = Recording(0.0, 600.0, spikes=[np.sort(np.concatenate([before, after]))], trials=table)
    told = {"event": "event", "window": (10.0, 30.0), "n_shuffles": 0}
    found = mismatch(one, **told).frame().iloc[0]
    assert (found["deviant"], found["standard"]) == (pytest.approx(200.0), pytest.approx(100.0))
    less = mismatch(one, baseline=(-20.0, 0.0), **told).frame().iloc[0]
    assert less["deviant"] == pytest.approx(200.0 - 500.0) and np.isnan(less["index"])
    order = table.sample(frac=1.0, random_state=1).reset_index(drop=True)
    assert mismatch(one.with_trials(order), **told).frame().iloc[0]["deviant"] == pytest.approx(200.0)


def test_activity_is_averaged_and_what_was_not_recorded_does_not_count() -> None:
    roles = ["standard", "deviant", "standard", "deviant"]
    activity = np.repeat([[1.0, 2.0], [3.0, 2.0], [1.0, 2.0], [5.0, 2.0]], 10, axis=0)
    activity[30:, 0] = np.nan
    one = Recording(0.0, 400.0, activity=activity, dt=10.0, trials=trials(roles))
    table = mismatch(one, n_shuffles=20).frame()
    np.testing.assert_allclose(table["deviant"], [3.0, 2.0])
    np.testing.assert_allclose(table["index"], [0.5, 0.0])


def test_the_null_has_its_level_and_finds_what_is_there() -> None:
    rng = np.random.default_rng(0)
    roles = rng.permutation(["deviant"] * 30 + ["standard"] * 170).tolist()
    rare = np.array(roles) == "deviant"
    none = [rng.poisson(3.0, 200).tolist() for _ in range(60)]
    some = [rng.poisson(np.where(rare, 5.0, 3.0)).tolist() for _ in range(20)]
    found = mismatch(spiking(none + some, trials(roles)), n_shuffles=199, seed=1)
    p = found.frame()["p"].to_numpy()
    level = (p[:60] <= 0.05).mean()
    assert abs(level - 0.05) < 3 * (0.05 * 0.95 / 60) ** 0.5
    assert (p[60:] <= 0.05).mean() > 0.9
    assert found.null.shape == (199, 80) and abs(float(np.nanmean(found.null))) < 0.02
    again = mismatch(spiking(none + some, trials(roles)), n_shuffles=199, seed=1)
    assert np.array_equal(found.null, again.null, equal_nan=True)
    assert all(drawn.svg for drawn in figures(found))


def test_a_real_neuron_that_tells_two_directions_apart(recordings: Path) -> None:
    """Any two conditions of a recording with trials: after the event this neuron fires more for one direction."""
    brain = load_recording("movement_raster")
    told = {"deviant": 1, "standard": 0, "event": "event", "n_shuffles": 999}
    raster = brain.trials["direction"].to_numpy()
    assert set(raster) == {0, 1}
    after = mismatch(brain, "direction", window=(0.0, 500.0), **told)
    spikes, events = np.asarray(brain.spikes[0]), brain.trials["event"].to_numpy()
    counts = np.array([((spikes >= e) & (spikes < e + 500.0)).sum() for e in events]) / 0.5
    row = after.frame().iloc[0]
    assert row["deviant"] == pytest.approx(counts[raster == 1].mean(), rel=1e-9)
    assert row["standard"] == pytest.approx(counts[raster == 0].mean(), rel=1e-9)
    difference = counts[raster == 1].mean() - counts[raster == 0].mean()
    assert np.sign(row["index"]) == np.sign(difference)
    rng = np.random.default_rng(3)
    null = [
        (lambda mixed: counts[mixed == 1].mean() - counts[mixed == 0].mean())(rng.permutation(raster))
        for _ in range(999)
    ]
    by_hand = (1 + (np.abs(null) >= abs(difference) - 1e-9).sum()) / 1000
    assert row["p"] == pytest.approx(by_hand, abs=0.05)
    assert all(drawn.svg for drawn in figures(after))


def test_what_cannot_be_asked_is_refused() -> None:
    one = spiking([[1, 2, 3]], trials(["standard", "deviant", "standard"], [0, 1, 0]))
    with pytest.raises(RecordingError, match=r"mismatch: `roles` must be a column of the trials; got .*mean 'role'"):
        mismatch(one, "roles")
    with pytest.raises(RecordingError, match=r"mismatch: `role` must be with trials of every role in \['odd', 'st"):
        mismatch(one, deviant="odd")
    with pytest.raises(RecordingError, match=r"with trials of every role .*no `tone` in every role"):
        mismatch(one, stimulus="tone")
    with pytest.raises(ValueError, match=r"mismatch: `window` must be \(start, stop\) in ms, in this order; got \(5"):
        mismatch(one, window=(5.0, 5.0))
    with pytest.raises(ValueError, match="mismatch: `n_shuffles` must be a whole number, 0 or above; got -1"):
        mismatch(one, n_shuffles=-1)
    assert mismatch(replace(one, trials=one.trials), window=(0.0, 100.0), n_shuffles=0).null.shape == (0, 1)
