"""A rat on a linear track: what these statistics must find in a real recording.

The reference values were computed independently on the same file: 250 ms bins faster than 20 px/s (1209 of them),
five contiguous folds, rates by place (30 bins, smoothed by 1.5) and direction with a floor of 0.05 Hz. They rest on
everything before the rat was put to rest, also the time before its first lap: `tracked` is that. What the reader calls
the run is shorter, from the first lap to the last, and so is its track.
"""

import time
from dataclasses import replace

import numpy as np
import pytest

from neurornn.recording import Recording, Signal
from neurornn.statistics import (
    BorderScore,
    GridScore,
    PlaceBins,
    decode,
    dimensions,
    direction_tuning,
    encode,
    laps,
    map_scores,
    observe,
    remapping,
    spatial_profile,
    spike_trains,
    with_heading,
)

TRACK = PlaceBins(bins=30, smoothing=1.5, dt=250.0, min_speed=20.0, smooth=250.0)
WITHIN = 0.15
"""How far from the references the stated estimator may lie."""


@pytest.fixture(scope="module")
def rat(recordings) -> Recording:
    source = pytest.importorskip("neurornn.source", reason="no reader of recordings")
    if not (recordings / "nelpy_linear_track").is_dir():
        pytest.skip("the rat's linear track is not among the recordings")
    return source.load_recording("rat_linear_track")


@pytest.fixture(scope="module")
def tracked(rat) -> Recording:
    """The first 980 s, with the position along the first principal axis of the tracked one."""
    part = rat.between(rat.behaviour["position"].times[0], rat.behaviour["position"].times[0] + 980_000.0)
    signal = part.behaviour["position"]
    centred = signal.values - signal.values.mean(axis=0)
    linear = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    return replace(part, behaviour={"linear": Signal(signal.times, linear[:, None], "px")})


def test_the_recording_is_the_one_of_the_references(rat, tracked):
    assert rat.n_units == 31
    assert sum(map(len, rat.spikes)) == 28_829
    move = TRACK.movement(tracked)
    assert len(move.position) == pytest.approx(1209, rel=0.01)
    assert np.ptp(tracked.behaviour["linear"].values) == pytest.approx(476.5, rel=0.01)


def test_held_out_bits_per_spike(tracked):
    found = encode(tracked, TRACK, floor=0.05, min_spikes=1)
    assert found.population == pytest.approx(1.08, rel=WITHIN)
    assert (found.bits.units > 0.1).sum() >= 17  # the reference counts 23; the null's own floor decides on sparse units
    well = encode(tracked, TRACK, min_spikes=300).frame()["bits_per_spike"].dropna()
    assert len(well) >= 9
    assert (well > 0.0).all()


def test_decoding(tracked):
    found = decode(tracked, TRACK, seed=0)
    assert found.median == pytest.approx(29.0, rel=WITHIN)
    assert found.median / 476.5 == pytest.approx(0.061, rel=WITHIN)
    assert np.median(found.chance) == pytest.approx(136.0, rel=WITHIN)
    assert found.error.mean() == pytest.approx(79.0, rel=WITHIN)
    assert found.p < 0.01


def test_the_run_that_the_reader_finds_gives_the_same_share_of_the_track(rat):
    assert encode(rat, TRACK, min_spikes=1).population == pytest.approx(1.08, rel=WITHIN)
    found = decode(rat, TRACK, seed=0).frame()
    assert found["median_share_of_track"].item() == pytest.approx(0.061, rel=WITHIN)
    assert found["p"].item() < 0.01


def test_the_profile_of_every_unit_takes_seconds(rat):
    start = time.process_time()
    table = spatial_profile(rat, TRACK, n_shifts=200, seed=0).frame()
    assert time.process_time() - start < 10.0
    assert len(table) == 31
    tuned = (table["information_p"] < 0.01) & (table["n_fields"] > 0)
    assert 12 <= tuned.sum() <= 24
    assert (table.loc[tuned, "stability"] > 0.5).all()
    assert (table["direction_index_p"] < 0.01).sum() >= 10


def test_laps_as_trials_find_the_same_fields(rat):
    whole = spatial_profile(rat, TRACK, n_shifts=100).frame()
    by_lap = spatial_profile(rat.with_trials(laps(rat)), TRACK, n_shifts=100).frame()
    strong = whole["rate"] > 0.5
    assert strong.sum() > 8
    assert np.corrcoef(whole.loc[strong, "bits_per_spike"], by_lap.loc[strong, "bits_per_spike"])[0, 1] > 0.9


def test_firing_is_irregular(rat):
    table = spike_trains(rat).frame()
    many = table["n_spikes"] > 500
    assert table.loc[many, "cv2"].between(0.3, 1.5).all()
    assert table.loc[many, "cv"].gt(table.loc[many, "cv2"]).all()  # rates change over the session


def test_the_rats_own_maps_observed_have_its_rates(rat):
    """Rates by place and direction as fitted, turned into spikes, have the rat's own number of spikes."""
    found = encode(rat, TRACK, min_spikes=1)
    dt = TRACK.dt
    start, stop = rat.t_start, rat.t_start + np.floor(rat.duration / dt) * dt
    activity = np.full((round((stop - start) / dt), rat.n_units), np.nan)
    activity[((found.move.binned.times - start) / dt).astype(int)] = found.rates
    model = Recording(start, stop, activity=activity, dt=dt, units=rat.units[[]], behaviour=rat.behaviour)
    seen = observe(model, rates=np.nanmean(activity, axis=0), seed=0)
    n_spikes = sum(map(len, seen.spikes))
    assert n_spikes == pytest.approx(found.bits.n_spikes.sum(), rel=0.1)


def test_the_rat_does_not_remap_between_halves_of_its_session(tracked):
    middle = tracked.t_start + tracked.duration / 2
    early, late = tracked.between(tracked.t_start, middle), tracked.between(middle, tracked.t_stop)
    found = remapping(early, late, TRACK, n_shuffles=100)
    table = found.summary()
    assert table.loc["map", "p"] < 0.02 and table.loc["population vector", "p"] < 0.02
    assert table.loc["map", "between"] > 0.5 * table.loc["map", "within"] > 0
    assert abs(table.loc["map", "shuffled"]) < 0.2


def test_place_cells_of_the_rat_remap_between_the_directions_of_running(tracked):
    """Runs forth and back are two maps of one track: directional place cells keep less than halves of one direction."""
    runs = laps(tracked)
    there = [tracked.with_trials(runs[runs["direction"] == way]) for way in sorted(runs["direction"].unique())]
    table = remapping(*there, TRACK, n_shuffles=100, n_blocks=4).summary()
    assert table.loc["map", "between"] < table.loc["map", "within"] - 0.2


def test_scores_of_the_plane_run_on_the_rat(rat):
    plane = PlaceBins("position", 16, dt=250.0, min_speed=20.0)
    scores = map_scores(rat, [GridScore(), GridScore(symmetry=4), BorderScore()], plane, n_shifts=20).frame()
    assert len(scores) == 31 and scores["border_score"].notna().sum() > 15
    tuned = direction_tuning(with_heading(rat), n_shifts=100).frame()
    assert tuned["vector"].dropna().between(0, 1).all()
    assert 3 <= (tuned["vector_p"] < 0.02).sum()  # on a track the way one faces goes with the run


def test_dimensions_of_laps(rat):
    found = dimensions(rat.with_trials(laps(rat)), [(0.0, 1000.0), (1000.0, 2000.0)], dt=250.0).frame()
    assert found["dimensions"].between(1, 31).all() and found["n_samples"].nunique() == 1
