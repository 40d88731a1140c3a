"""Recordings and their bins: no spike lost, none invented, and missing never silent."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import Binned, Recording, Signal
from neurornn.binned import TICKS, ticks
from neurornn.errors import RecordingError
from tests.tolerances import FLOAT64

AWKWARD = [0.1, 0.3, 1 / 3, 1.0, 7.7, 1 / 30, 20.0, 33.3, 100 / 3, 250.0, np.pi]
"""Bin widths (ms) that floating-point division gets wrong somewhere."""


def trials(*edges: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(edges, columns=["start", "stop"])


def whole(recording: Recording, binned: Binned) -> None:
    """Every spike is in exactly one bin, or is reported."""
    assert recording.spikes is not None
    counted = np.nansum(binned.values, axis=0).astype(int) + binned.leftover
    assert counted.tolist() == [len(train) for train in recording.spikes]
    assert np.all(binned.leftover >= 0)


@settings(max_examples=25, deadline=None)
@given(
    dt=st.sampled_from(AWKWARD),
    tick=st.sampled_from([1.0, 1 / 30, 1 / 32, 0.1, 1e-6]),
    start=st.floats(-500.0, 5e6),
    seed=st.integers(0, 10_000),
)
def test_every_spike_is_counted_once_or_reported(dt: float, tick: float, start: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = [np.sort(rng.integers(0, int(2000 / tick), size=n)) for n in (0, 1, 60, 400)]
    recording = Recording(start, start + 2001.0, spikes=[start + k * tick for k in steps])
    binned = recording.binned(dt)
    whole(recording, binned)
    assert binned.values.shape == (len(binned.times), 4)
    assert not np.isnan(binned.values).any()
    assert np.all(np.diff(binned.times) > 0)
    assert len(binned.times) in {int(2001 / dt), int(2001 / dt + 1e-9)}


@settings(max_examples=25, deadline=None)
@given(dt=st.sampled_from(AWKWARD), first=st.sampled_from([0.0, 0.3, 12_345.678, -7.7]), n_bins=st.integers(1, 60))
def test_a_spike_on_an_edge_belongs_to_the_bin_that_starts_there(dt: float, first: float, n_bins: int) -> None:
    edges = first + np.arange(n_bins + 1) * dt
    recording = Recording(first, edges[-1], spikes=[edges])
    binned = recording.binned(dt)
    assert len(binned.times) == n_bins
    assert binned.values[:, 0].tolist() == [1.0] * n_bins
    assert binned.leftover.tolist() == [1], "the last edge starts no bin"


@pytest.mark.parametrize(
    ("spike", "dt", "place"), [(300.0, 100.0, 3), (600.0, 200.0, 3), (1.1, 0.1, 11), (0.7, 0.1, 7)]
)
def test_edges_that_floating_point_division_puts_into_the_bin_before(spike: float, dt: float, place: int) -> None:
    values = Recording(0.0, 1000.0, spikes=[np.array([spike])]).binned(dt).values[:, 0]
    assert int(np.argmax(values)) == place and values.sum() == 1
    in_seconds = Recording(0.0, 1000.0, spikes=[np.array([spike / 1000.0]) * 1000.0]).binned(dt).values[:, 0]
    assert int(np.argmax(in_seconds)) == place


def test_a_neighbour_of_an_edge_stays_on_its_side() -> None:
    near = np.array([99.999, 100.0, 100.001])
    assert Recording(0.0, 200.0, spikes=[near]).binned(100.0).values[:, 0].tolist() == [1.0, 2.0]


@settings(max_examples=25, deadline=None)
@given(dt=st.sampled_from(AWKWARD), seed=st.integers(0, 10_000))
def test_bins_start_anew_at_each_trial_and_gaps_are_reported(dt: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.uniform(0, 5000, size=8)).reshape(4, 2) + np.array([0.0, 260.0])
    edges[:, 0] = np.maximum(edges[:, 0], np.append(0.0, edges[:-1, 1]))
    edges[:, 1] = np.maximum(edges[:, 1], edges[:, 0] + 260.0)
    edges[1:, 0] = np.maximum(edges[1:, 0], edges[:-1, 1])
    edges[:, 1] = np.maximum(edges[:, 1], edges[:, 0])
    spikes = [np.sort(rng.uniform(0, 8000, size=n)) for n in (300, 0, 20)]
    recording = Recording(0.0, 8000.0, spikes=spikes, trials=pd.DataFrame(edges, columns=["start", "stop"]))
    binned = recording.binned(dt)
    whole(recording, binned)
    for row, (start, stop) in enumerate(edges):
        times = binned.times[binned.trial == row]
        if len(times):
            assert times[0] - dt / 2 >= start - 1e-6 and times[-1] + dt / 2 <= stop + 1e-6
            in_trial = [np.sum((t >= start) & (t < start + len(times) * dt)) for t in spikes]
            assert binned.values[binned.trial == row].sum(axis=0).tolist() == in_trial


def test_a_unit_recorded_for_a_part_is_nan_for_the_rest_and_its_stray_spikes_are_reported() -> None:
    units = pd.DataFrame({"t_start": [0.0, 250.0], "t_stop": [1000.0, 750.0]}, index=["whole", "part"])
    spikes = [np.array([10.0, 999.0]), np.array([260.0, 310.0, 690.0, 720.0])]
    recording = Recording(0.0, 1000.0, spikes=spikes, units=units)
    binned = recording.binned(100.0)
    whole(recording, binned)
    assert np.isnan(binned.values[:, 1]).tolist() == [True] * 3 + [False] * 4 + [True] * 3
    assert binned.values[3:7, 1].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert binned.leftover.tolist() == [0, 2]
    assert recording.rates().tolist() == [2.0, 8.0]


def test_a_unit_recorded_in_several_pieces() -> None:
    pieces = {0: np.array([[0.0, 200.0], [200.0, 300.0], [600.0, 1000.0]])}
    recording = Recording(0.0, 1000.0, spikes=[np.array([150.0, 250.0, 650.0])] * 2, observed=pieces)
    values = recording.binned(150.0).values
    assert np.isnan(values[:, 0]).tolist() == [False, False, True, True, False, False][: len(values)]
    assert not np.isnan(values[:, 1]).any()
    np.testing.assert_allclose(recording.rates(), [3 / 0.7, 3.0], **FLOAT64)
    whole(recording, recording.binned(150.0))
    cut = recording.between(100.0, 700.0)
    assert cut.intervals(0).tolist() == [[100.0, 200.0], [200.0, 300.0], [600.0, 700.0]]
    assert recording.select([0]).observed.keys() == {0} and not recording.select([1]).observed


def test_a_unit_never_recorded_has_no_rate() -> None:
    recording = Recording(0.0, 100.0, spikes=[np.array([])] * 2, observed={1: np.empty((0, 2))})
    assert recording.rates()[0] == 0.0 and np.isnan(recording.rates()[1])
    assert np.isnan(recording.binned(10.0).values[:, 1]).all()


@settings(max_examples=25, deadline=None)
@given(
    dt=st.sampled_from([1.0, 1 / 30, 5.0, 0.1]), ratio=st.integers(1, 9), n=st.integers(1, 20), unit=st.integers(0, 2)
)
def test_activity_is_averaged_over_the_samples_of_a_bin(dt: float, ratio: int, n: int, unit: int) -> None:
    activity = np.random.default_rng(n).normal(size=(n * ratio, 3))
    activity[:ratio, unit] = np.nan
    recording = Recording(7.0, 7.0 + n * ratio * dt, activity=activity, dt=dt)
    binned = recording.binned(ratio * dt)
    expected = activity.reshape(n, ratio, 3).mean(axis=1)
    np.testing.assert_allclose(binned.values, expected, rtol=1e-9, atol=1e-12)
    assert not binned.counts and binned.rates is binned.values


def test_a_bin_with_some_missing_samples_averages_the_others() -> None:
    activity = np.array([[1.0], [np.nan], [3.0], [np.nan], [np.nan], [np.nan]])
    recording = Recording(0.0, 60.0, activity=activity, dt=10.0)
    np.testing.assert_array_equal(recording.binned(30.0).values[:, 0], [2.0, np.nan])


def test_behaviour_is_read_at_the_bin_centres() -> None:
    place = Signal(np.array([0.0, 100.0]), np.array([[0.0], [10.0]]), unit="cm")
    recording = Recording(0.0, 200.0, spikes=[np.array([])], behaviour={"place": place})
    binned = recording.binned(20.0)
    assert binned.behaviour["place"][:5, 0].tolist() == [1.0, 3.0, 5.0, 7.0, 9.0]
    assert np.isnan(binned.behaviour["place"][5:]).all(), "outside the samples nothing was measured"
    kept = binned.where(binned.times > 50.0)
    assert len(kept.values) == len(kept.trial) == len(kept.behaviour["place"]) == 7
    assert binned.rates.shape == (10, 1)


def test_rates_of_bins_are_hz() -> None:
    binned = Recording(0.0, 100.0, spikes=[np.array([1.0, 2.0, 60.0])]).binned(50.0)
    assert binned.rates[:, 0].tolist() == [40.0, 20.0]


def test_between_cuts_everything_and_keeps_the_clock() -> None:
    recording = Recording(
        0.0,
        1000.0,
        spikes=[np.array([100.0, 400.0, 900.0])],
        activity=np.arange(100.0)[:, None],
        dt=10.0,
        trials=trials((0, 300), (300, 600), (700, 1000)).assign(side=["l", "r", "l"]),
        epochs=pd.DataFrame({"name": ["rest"], "start": [500.0], "stop": [900.0]}),
        behaviour={"x": Signal(np.arange(0.0, 1000.0, 50.0), np.zeros((20, 1)))},
    )
    cut = recording.between(350.0, 650.0)
    assert (cut.t_start, cut.t_stop) == (350.0, 650.0)
    assert cut.spikes is not None and cut.spikes[0].tolist() == [400.0]
    assert cut.activity is not None and cut.activity[[0, -1], 0].tolist() == [35.0, 64.0]
    assert cut.trials.to_dict("list") == {"start": [350], "stop": [600], "side": ["r"]}
    assert cut.epochs[["start", "stop"]].to_numpy().tolist() == [[500.0, 650.0]]
    assert cut.behaviour["x"].times.tolist() == [350.0, 400.0, 450.0, 500.0, 550.0, 600.0, 650.0]
    assert cut.units.loc[0].tolist() == [350.0, 650.0]
    assert recording.between(-50.0, 2000.0).duration == 1000.0


def test_between_at_the_very_end_keeps_the_last_sample() -> None:
    recording = Recording(0.0, 100.0, activity=np.arange(10.0)[:, None], dt=10.0)
    last = recording.between(98.0, 100.0).activity
    assert last is not None and last.tolist() == [[9.0]]


def test_select_keeps_order_and_refuses_strangers() -> None:
    units = pd.DataFrame({"area": ["CA1", "CA3", "CA1"]}, index=["a", "b", "c"])
    activity = np.arange(6.0).reshape(2, 3)
    recording = Recording(
        0.0, 2.0, spikes=[np.array([t]) for t in (0.1, 0.2, 0.3)], units=units, activity=activity, dt=1.0
    )
    picked = recording.select(["c", "a"])
    assert picked.units.index.tolist() == ["c", "a"] and picked.units.index.name == "unit"
    assert picked.spikes is not None and [t.item() for t in picked.spikes] == [0.3, 0.1]
    assert picked.activity is not None and picked.activity[0].tolist() == [2.0, 0.0]
    with pytest.raises(
        RecordingError, match=r"Recording.select: `units` must be ids of this recording; got 'd'.*'a' to 'c'"
    ):
        recording.select(["d"])


def test_the_table_of_units_and_the_one_line() -> None:
    recording = Recording(0.0, 2000.0, spikes=[np.array([1.0, 2.0]), np.array([])], source={"name": "two"})
    assert recording.frame()[["n_spikes", "rate"]].to_numpy().tolist() == [[2.0, 1.0], [0.0, 0.0]]
    assert repr(recording) == "Recording(two: 2 units, 2 spikes, 2.0 s, 1 trials)"
    model = Recording(0.0, 20.0, activity=np.array([[1.0], [3.0]]), dt=10.0)
    assert model.frame()["activity"].tolist() == [2.0]
    assert "activity every 10 ms" in repr(model)
    assert model.with_trials(trials((0, 10), (10, 20))).trials["stop"].tolist() == [10, 20]


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e7, 1e7))
def test_ticks_are_whole_nanoseconds(time: float) -> None:
    assert abs(int(ticks(np.array(time))) / TICKS - time) <= 0.5 / TICKS + abs(time) * 1e-15


def test_signals_interpolate_and_never_extrapolate() -> None:
    signal = Signal(np.array([0.0, 10.0, 20.0]), np.array([[0.0, 1.0], [10.0, np.nan], [20.0, 3.0]]), unit="cm")
    got = signal.at(np.array([-1.0, 5.0, 20.0, 21.0]))
    np.testing.assert_array_equal(got[:, 0], [np.nan, 5.0, 20.0, np.nan])
    np.testing.assert_array_equal(got[:, 1], [np.nan, np.nan, 3.0, np.nan])
    empty = Signal(np.array([]), np.empty((0, 2)))
    assert empty.at(np.array([1.0])).shape == (1, 2)
    assert signal.between(5.0, 20.0).times.tolist() == [10.0, 20.0]


TRAIN = [np.array([1.0, 2.0])]
REFUSED: list[tuple[Callable[[], object], str]] = [
    (
        lambda: Signal(np.arange(2.0), np.zeros((3, 1))),
        "Signal: `values` must be one row for each time; got '3 values at 2",
    ),
    (lambda: Signal(np.array([0.0, 2.0, 1.0]), np.zeros((3, 1))), "Signal: `times` must be increasing.*sample 2.*Sort"),
    (
        lambda: Recording(5.0, 5.0, spikes=TRAIN),
        "Recording: `t_stop` must be finite and after `t_start`; got '5.0 to 5.0 ms'",
    ),
    (lambda: Recording(0.0, np.nan, spikes=TRAIN), "Recording: `t_stop` must be finite"),
    (lambda: Recording(0.0, 10.0), "Recording: `spikes` must be given, or `activity`; got None"),
    (
        lambda: Recording(0.0, 10.0, spikes=TRAIN, units=pd.DataFrame(index=[1, 2])),
        "`units` must be one row for each unit; got '2 ",
    ),
    (
        lambda: Recording(0.0, 10.0, spikes=TRAIN * 2, units=pd.DataFrame(index=[1, 1])),
        "`units` must be indexed by distinct ids; .*1 tw",
    ),
    (
        lambda: Recording(0.0, 10.0, spikes=TRAIN, trials=pd.DataFrame({"begin": [1.0]})),
        "`trials` must be a table with `start` and",
    ),
    (
        lambda: Recording(0.0, 10.0, spikes=TRAIN, epochs=pd.DataFrame({"name": ["a"]})),
        "`epochs` must be a table with `start` and",
    ),
    (
        lambda: Recording(0.0, 10.0, spikes=TRAIN, trials=trials((0, 5), (8, 6))),
        "`trials` must be stretches of time; got 'row 1 that",
    ),
    (
        lambda: Recording(0.0, 10.0, spikes=TRAIN, trials=trials((0, np.nan))),
        "`trials` must be stretches of time; got 'row 0 that",
    ),
    (
        lambda: Recording(0.0, 10.0, spikes=[np.array([1.0, np.nan])]),
        "`spikes` must be finite; got 'NaN or infinite times in unit 0'",
    ),
    (
        lambda: Recording(0.0, 10.0, spikes=[np.array([2.0, 1.0])]),
        "`spikes` must be sorted; got 'times of unit 0 that step back at spike 1'",
    ),
    (
        lambda: Recording(0.0, 1.5, spikes=TRAIN),
        "`spikes` must be inside the session; got '1 of 2 spikes of unit 0 outside 0 to 1.5",
    ),
    (
        lambda: Recording(1.5, 9.0, spikes=TRAIN),
        "`spikes` must be inside the session; .*Check that spikes and clock share one unit",
    ),
    (
        lambda: Recording(0.0, 9.0, spikes=TRAIN, observed={7: np.array([[0.0, 1.0]])}),
        "Recording: `observed` must be given by unit id; got 7",
    ),
    (
        lambda: Recording(0.0, 9.0, spikes=TRAIN, observed={0: np.array([[0.0, 5.0], [4.0, 6.0]])}),
        "`observed` must be stretches .start, stop.",
    ),
    (lambda: Recording(0.0, 20.0, activity=np.zeros((2, 1))), "Recording: `dt` must be given with `activity`"),
    (
        lambda: Recording(0.0, 20.0, activity=np.zeros((2, 1)), dt=-1.0),
        "Recording: `dt` must be a finite number above 0; got -1",
    ),
    (
        lambda: Recording(0.0, 20.0, activity=np.zeros(2), dt=10.0),
        r"Recording: `activity` must be of shape \(time, unit\)",
    ),
    (
        lambda: Recording(0.0, 20.0, spikes=TRAIN, activity=np.zeros((2, 3)), dt=10.0),
        r"`activity` must be of shape \(time, 1\)",
    ),
    (
        lambda: Recording(0.0, 40.0, activity=np.zeros((2, 1)), dt=10.0),
        "`activity` must be as long as the clock, 40 ms; got '2 samples",
    ),
    (
        lambda: Recording(0.0, 20.0, activity=np.zeros((2, 1)), dt=10.0).rates(),
        "Recording.rates: `spikes` must be recorded; .*Use `activ",
    ),
    (
        lambda: Recording(0.0, 9.0, spikes=TRAIN).between(9.0, 12.0),
        "Recording.between: `start, stop` must be a stretch of 0 to 9 ms; .*not silence",
    ),
    (
        lambda: Recording(0.0, 9.0, spikes=TRAIN).binned(0.0),
        "Recording.binned: `dt` must be a finite number above 0; got 0",
    ),
    (
        lambda: Recording(0.0, 9.0, spikes=TRAIN).binned(10.0),
        r"Recording.binned: `dt` must be shorter than a trial \(9 ms\); got 10",
    ),
    (
        lambda: Recording(0.0, 20.0, activity=np.zeros((2, 1)), dt=10.0).binned(5.0),
        "Recording.binned: `dt` must be at least the sampling",
    ),
    (
        lambda: Recording(0.0, 9.0, spikes=TRAIN, trials=trials((0, 5), (4, 9))).binned(1.0),
        "Recording.binned: `trials` must be in order, without overlap; got 'a trial that starts before trial 0 stops'",
    ),
]


@pytest.mark.parametrize(("build", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_recording_that_contradicts_itself_is_refused(
    build: Callable[[], object], message: str, as_users_run: None
) -> None:
    with pytest.raises((RecordingError, ValueError), match=message):
        build()
