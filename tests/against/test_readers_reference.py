"""What the readers find in the real recordings, against numbers counted by other software or printed elsewhere."""

import hashlib
import time
from pathlib import Path

import numpy as np
import pytest

from neurornn.source import available, find, load_data_recipe, load_recording

pytestmark = pytest.mark.usefixtures("recordings")

F_I = {
    "current_clamp_regular": {
        50: 2, 75: 2, 100: 6, 125: 8, 150: 10, 175: 12, 200: 12, 225: 14, 250: 16, 275: 16, 300: 18,
    },
    "current_clamp_fast_spiking": {
        0: 8, 25: 26, 50: 40, 75: 56, 100: 66, 125: 80, 150: 90, 175: 98, 200: 108,
        225: 114, 250: 120, 275: 124, 300: 128,
    },
    "current_clamp_17o05028": {0: 6, 10: 12, 20: 14, 30: 20, 40: 24, 50: 30, 60: 34, 70: 36, 80: 40, 90: 40, 100: 42},
    "current_clamp_18711001": {60: 0, 70: 4, 100: 6, 150: 8, 200: 10, 250: 12, 290: 14},
}  # fmt: skip
"""Firing rate (Hz) over each step of current (pA)."""

REST = {"current_clamp_regular": -62, "current_clamp_fast_spiking": -57, "current_clamp_17o05028": -48}
"""Resting potential, mV: the median before the step."""


def test_linear_track() -> None:
    started = time.perf_counter()
    recording = load_recording("rat_linear_track")
    assert time.perf_counter() - started < 10.0  # 0.3 s alone; checked types and a shared machine cost the rest
    assert recording.n_units == 31 and recording.spikes is not None
    assert sum(map(len, recording.spikes)) == 28_829
    assert sum(len(train) < 100 for train in recording.spikes) == 5
    assert recording.source["frames"] == 118_965
    position = recording.behaviour["position"]
    assert len(position.times) == 118_965 - recording.source["frames_repeated"]  # type: ignore[operator]
    seconds = position.times[[0, -1]] / 1000.0
    np.testing.assert_allclose(seconds, [4397.0, 6379.5], atol=0.05)
    assert abs(np.diff(seconds).item() - 1982.4) < 0.05
    assert abs(1000.0 / np.median(np.diff(position.times)) - 60.0) < 0.1


def test_linear_track_is_one_line_and_ends_in_rest() -> None:
    recording = load_recording("rat_linear_track")
    run, rest = (recording.epochs.query("name == @name").iloc[0] for name in ("run", "rest"))
    ends = (run["stop"] - recording.behaviour["position"].times[0]) / 1000.0
    assert 930.0 < ends < 960.0  # where running ends
    assert rest["start"] > run["stop"] and rest["stop"] - rest["start"] > 900_000.0
    position = recording.behaviour["position"].between(run["start"], run["stop"]).values
    assert position[:, 0].min() >= 133 and position[:, 0].max() <= 496
    spread = np.linalg.svd(position - position.mean(axis=0), compute_uv=False) ** 2
    assert spread[0] / spread.sum() > 0.98
    linear = recording.behaviour["linear"].between(run["start"], run["stop"]).values
    assert linear.min() == 0.0 and np.isfinite(linear).all()
    moving = recording.binned(250.0).behaviour["speed"][:, 0] > 20.0
    assert abs(moving.sum() - 1209) < 0.05 * 1209
    still = recording.behaviour["linear"].between(rest["start"], rest["stop"]).values
    assert np.isnan(still).all()


@pytest.mark.parametrize(("name", "n_spikes"), [("rat_place_cell", 220), ("rat_place_cell_untuned", 268)])
def test_place_cell(name: str, n_spikes: int) -> None:
    recording = load_recording(name)
    assert recording.spikes is not None and len(recording.spikes[0]) == n_spikes
    assert len(recording.behaviour["linear"].times) == 177_761
    counts = recording.binned(1.0)
    assert len(counts.values) == 177_761 and counts.values.sum() + counts.leftover.sum() == n_spikes


def test_place_cell_glm_of_the_book() -> None:
    """The Poisson regression on position that Case Studies in Neural Data Analysis prints, in the book's own bins."""
    recording = load_recording("rat_place_cell")
    x = recording.behaviour["linear"].values[:, 0]
    assert recording.spikes is not None
    counts = np.zeros(len(x))
    counts[np.rint(recording.spikes[0]).astype(int) - 1] = 1
    for powers, expected, rtol in ((1, [-7.43888719, 0.01294342], 1e-6), (2, [-26.3, 0.6901, -0.0055], 2e-2)):
        design = np.stack([(x / 100.0) ** power for power in range(powers + 1)], axis=1)
        weights = np.zeros(powers + 1)
        weights[0] = np.log(counts.mean())
        for _ in range(60):  # Newton's method
            rate = np.exp(design @ weights)
            weights += np.linalg.solve(design.T @ (design * rate[:, None]), design.T @ (counts - rate))
        np.testing.assert_allclose(weights / 100.0 ** np.arange(powers + 1), expected, rtol=rtol)


def test_light_and_raster() -> None:
    light = load_recording("retina_light")
    counts = light.binned(30_000.0).values[:, 0]
    assert counts.tolist() == [750.0, 969.0] and light.trials["light"].tolist() == ["low", "high"]
    raster = load_recording("movement_raster")
    assert len(raster.trials) == 50 and set(raster.trials["direction"]) == {0, 1}
    assert raster.trials["event"][0] == 1000.0


@pytest.mark.parametrize(
    ("name", "n_spikes", "shortest", "variation"),
    [("grasshopper_receptor", 929, 3.2, 0.533), ("grasshopper_receptor_2", 868, 3.7, 0.450)],
)
def test_grasshopper(name: str, n_spikes: int, shortest: float, variation: float) -> None:
    recording = load_recording(name)
    assert recording.spikes is not None and recording.duration == pytest.approx(10_000.0)
    intervals = np.diff(recording.spikes[0])
    assert len(intervals) + 1 == n_spikes
    assert intervals.min() == pytest.approx(shortest)
    assert np.std(intervals) / np.mean(intervals) == pytest.approx(variation, abs=1e-3)
    envelope = recording.behaviour["envelope"]
    assert len(envelope.times) == 200_000 and np.median(np.diff(envelope.times)) == pytest.approx(0.05)


@pytest.mark.parametrize("name", F_I)
def test_current_clamp(name: str) -> None:
    recording = load_recording(name)
    assert recording.spikes is not None and recording.unit == "mV" and recording.dt == pytest.approx(0.05)
    train = recording.spikes[0]
    rates = {}
    for row in recording.trials.itertuples():
        inside = (train >= row.step_start) & (train < row.step_stop)
        rates[round(row.step)] = inside.sum() / ((row.step_stop - row.step_start) / 1000.0)
        middle = np.array([(row.step_start + row.step_stop) / 2])
        assert recording.behaviour["current"].at(middle).item() == pytest.approx(row.step)
    for current, rate in F_I[name].items():
        assert rates[current] == pytest.approx(rate), current
    if name in REST and recording.activity is not None:
        quiet = [recording.between(row.start, row.start + 140).activity for row in recording.trials.itertuples()]
        assert np.median(np.concatenate(quiet)) == pytest.approx(REST[name], abs=1.5)


def test_current_clamp_agrees_with_the_crossings() -> None:
    """Spikes are where the potential itself crosses 0 mV."""
    recording = load_recording("current_clamp_18711001")
    assert recording.spikes is not None and recording.activity is not None and recording.dt is not None
    at = np.rint((recording.spikes[0] - recording.t_start) / recording.dt).astype(int)
    potential = recording.activity[:, 0]
    assert (potential[at] >= 0).all() and (potential[at - 1] < 0).all()
    assert np.isnan(potential).mean() == pytest.approx(1 - 30 * 1500 / recording.duration, abs=1e-6)


def test_nwb() -> None:
    recording = load_recording("rat_phy_units")
    assert recording.spikes is not None and [len(train) for train in recording.spikes] == [11_020, 4_690, 5_644]
    assert recording.units.index.tolist() == [6, 191, 206]
    assert recording.epochs.to_numpy().tolist() == [["wake", 0.0, 1_087_528.9]]


def test_every_shipped_file_is_here_and_right(recordings: Path) -> None:
    for name, title, where in available():
        if title.startswith("IMAGES"):  # no recordings
            continue
        recipe = load_data_recipe(name)
        lies = [(recordings / recipe.folder / file.path).is_file() for file in recipe.file]
        by_package = {file.package.partition("/")[0] for file in recipe.file} - {""}
        assert all(lies) or by_package, f"{name} is neither among the recordings nor in a package"
        for path in find(recipe).values():
            assert path.is_relative_to(recordings) == all(lies)
            assert hashlib.sha256(path.read_bytes()).hexdigest() in load_recording(name).source["sha256"].values()  # type: ignore[union-attr]
        packaged = [f"package {package}" for package in by_package]
        assert where in (["$NEURORNN_DATA", "needs no files"] if all(lies) else packaged)
