"""Blocks that others made become recordings, in ms, on one clock; what cannot be a time is refused."""

import neo
import numpy as np
import pandas as pd
import pytest
import quantities as pq
from neo.core.spiketrainlist import SpikeTrainList
from neo.utils import cut_block_by_epochs

from neurornn import Recording, Signal
from neurornn.bridge import from_neo, to_neo
from neurornn.errors import RecordingError


def block(*segments: neo.Segment) -> neo.Block:
    made = neo.Block(name="theirs")
    made.segments.extend(segments)
    return made


def segment(*trains: neo.SpikeTrain, **annotations: object) -> neo.Segment:
    made = neo.Segment(**annotations)
    for train in trains:
        made.spiketrains.append(train)
    return made


def train(times: list[float], unit: str = "s", stop: float = 2.0, start: float = 0.0, **more: object) -> neo.SpikeTrain:
    return neo.SpikeTrain(times * pq.Quantity(1, unit), t_start=start, t_stop=stop, **more)


@pytest.mark.parametrize(("unit", "scale"), [("s", 1.0), ("ms", 1e3), ("us", 1e6)])
def test_all_units_of_time_become_ms(unit: str, scale: float) -> None:
    one = train([0.25 * scale, 1.5 * scale], unit, stop=2.0 * scale)
    recording = from_neo(block(segment(one)))
    assert recording.t_stop == pytest.approx(2000.0)
    np.testing.assert_allclose(recording.spikes[0], [250.0, 1500.0])


def test_every_quantity_that_leaves_has_a_unit() -> None:
    recording = Recording(0.0, 10.0, spikes=[np.array([3.0])], activity=np.ones((10, 1)), dt=1.0, unit="mV")
    session = to_neo(recording).segments[0]
    assert str(session.spiketrains[0].dimensionality) == "ms"
    assert str(session.analogsignals[0].dimensionality) == "mV"
    assert float(session.analogsignals[0].sampling_period.rescale("ms")) == 1.0
    assert str(session.epochs[0].times.dimensionality) == "ms"


def test_segments_that_overlap_are_laid_end_to_end() -> None:
    recording = from_neo(block(segment(train([0.5]), side="left"), segment(train([0.25, 1.0]), side="right")))
    assert recording.trials["side"].tolist() == ["left", "right"]
    assert recording.trials["start"].tolist() == [0.0, 2000.0]
    np.testing.assert_allclose(recording.spikes[0], [500.0, 2250.0, 3000.0])


def test_segments_in_order_stay_where_they_happened() -> None:
    recording = from_neo(block(segment(train([0.5])), segment(train([5.5], stop=6.0, start=5.0))))
    assert recording.trials[["start", "stop"]].to_numpy().tolist() == [[0.0, 2000.0], [5000.0, 6000.0]]
    np.testing.assert_allclose(recording.intervals(0), [[0.0, 2000.0], [5000.0, 6000.0]])
    np.testing.assert_allclose(recording.rates(), [2 / 3.0])


def test_a_unit_without_a_train_was_not_recorded() -> None:
    first = segment(train([0.5], id="a"), train([], id="b"))
    recording = from_neo(block(first, segment(train([0.25], id="a"))))
    assert recording.units.index.tolist() == ["a", "b"]
    counts = recording.binned(2000.0).values
    np.testing.assert_array_equal(counts, [[1.0, 0.0], [1.0, np.nan]])


def test_analogue_signals_are_activity_or_behaviour() -> None:
    signal = neo.AnalogSignal(np.arange(6.0).reshape(3, 2), units="V", sampling_period=1 * pq.ms, name="Vm")
    alone = neo.Segment()
    alone.analogsignals.append(signal)
    recording = from_neo(block(alone))
    assert recording.spikes is None and recording.unit == "V" and recording.dt == 1.0
    np.testing.assert_array_equal(recording.activity, signal.magnitude)
    beside = segment(train([1.0], "ms", stop=3.0))
    beside.analogsignals.append(signal)
    recording = from_neo(block(beside))
    assert recording.activity is None and recording.behaviour["Vm"].unit == "V"


def test_signals_know_nothing_between_segments() -> None:
    parts = []
    for start in (0.0, 5.0):
        part = segment(train([start + 0.5], stop=start + 2.0, start=start))
        part.irregularlysampledsignals.append(
            neo.IrregularlySampledSignal([start, start + 1.0] * pq.s, [1.0, 2.0] * pq.cm, name="x")
        )
        parts.append(part)
    signal = from_neo(block(*parts)).behaviour["x"]
    assert signal.unit == "cm"
    assert np.isnan(signal.at(np.array([2000.0, 4000.0]))).all()
    np.testing.assert_allclose(signal.at(np.array([500.0, 5500.0])).ravel(), [1.5, 1.5])


def test_epochs_are_named_by_label() -> None:
    made = segment(train([0.5]))
    made.epochs.append(neo.Epoch([0.0, 1.0] * pq.s, [0.5, 0.5] * pq.s, labels=["run", "rest"]))
    epochs = from_neo(block(made)).epochs
    assert epochs["name"].tolist() == ["run", "rest"]
    np.testing.assert_allclose(epochs[["start", "stop"]], [[0.0, 500.0], [1000.0, 1500.0]])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of brian2's own imports
def test_brian_trains_by_the_safe_road() -> None:
    from brian2 import ms, second
    from brian2.units import Quantity

    times = Quantity([7.5, 20.0, 90.0] * ms)
    made = neo.Segment()
    made.spiketrains = SpikeTrainList.from_spike_time_array(
        np.asarray(times / second), np.array([0, 1, 0]), all_channel_ids=np.arange(3), t_stop=0.2 * pq.s, units="s"
    )
    recording = from_neo(block(made))
    assert recording.n_units == 3
    np.testing.assert_allclose(recording.spikes[0], [7.5, 90.0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of brian2's own imports
def test_brian_seconds_read_as_ms_are_refused() -> None:
    from brian2 import second

    times = np.linspace(0.0075, 0.19, 40) * second
    wrong = neo.SpikeTrain(times, t_stop=0.2, units="ms")  # neo takes the bare numbers
    with pytest.raises(RecordingError, match=r"slower than 2000 Hz; got .*brian2.second"):
        from_neo(block(segment(wrong)))
    wrong = neo.SpikeTrain(times * 100, t_stop=4000.0, units="ms")
    with pytest.raises(RecordingError, match=r"`spikes` must be (slower|spread over the session)"):
        from_neo(block(segment(wrong)))


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(
        RecordingError, match=r"from_neo: `block` must be a neo\.Block; got 'SpikeTrain'\. Put the segment or the"
    ):
        from_neo(train([0.5]))  # type: ignore[arg-type]
    with pytest.raises(RecordingError, match="from_neo: `block` must be one with a segment; got 'none'"):
        from_neo(neo.Block())
    with pytest.raises(
        RecordingError, match=r"from_neo: `segments\[0\]` must be one with spike trains or signals; got 'an empty one'"
    ):
        from_neo(block(neo.Segment()))
    only_beside = neo.Segment()
    only_beside.irregularlysampledsignals.append(neo.IrregularlySampledSignal([0, 1] * pq.s, [1, 2] * pq.cm))
    with pytest.raises(RecordingError, match="spike trains or analogue signals; got 'neither'"):
        from_neo(block(only_beside))


def test_signals_that_differ_between_segments_are_refused() -> None:
    parts = []
    for step in (1.0, 2.0):
        part = neo.Segment()
        part.analogsignals.append(neo.AnalogSignal(np.ones((3, 1)), units="mV", sampling_period=step * pq.ms))
        parts.append(part)
    with pytest.raises(
        RecordingError, match=r"from_neo: `analogsignals` must be alike in every segment.* Resample them"
    ):
        from_neo(block(*parts))


def test_times_without_a_unit_of_time_are_refused() -> None:
    made = neo.Segment()
    made.spiketrains.append(train([0.5]))
    made.spiketrains[0].t_stop = 3.0 * pq.mV
    with pytest.raises(RecordingError, match=r"from_neo: `times` must be in a unit of time; .* State s, ms or us when"):
        from_neo(block(made))


@pytest.mark.parametrize("reset", [False, True])
def test_neo_cuts_what_was_handed_to_it(reset: bool) -> None:
    """Through neo's own time_slice, time_shift and cut_block_by_epochs; a column called as one of neo's arguments."""
    trials = pd.DataFrame({"start": [10.0, 60.0], "stop": [40.0, 90.0], "choice": [1, 2]})
    units = pd.DataFrame({"units": ["a", "b"], "area": ["CA1", "CA3"], "sampling_rate": [1.0, 2.0]})
    recording = Recording(
        0.0,
        100.0,
        spikes=[np.array([5.0, 20.0, 70.0]), np.array([39.0, 89.0])],
        activity=np.arange(200.0).reshape(100, 2),
        dt=1.0,
        units=units,
        trials=trials,
        behaviour={"speed": Signal(np.arange(1.0, 101.0, 2.0), np.arange(50.0)[:, None], "cm/s")},
    )
    made = to_neo(recording)
    pd.testing.assert_frame_equal(from_neo(made).units, recording.units)
    cut = cut_block_by_epochs(made, {"name": "trials"}, reset_time=reset)
    assert [part.annotations["choice"] for part in cut.segments] == [1, 2]
    for part, origin, spikes in zip(cut.segments, (10.0, 60.0), ([[20.0], [39.0]], [[70.0], [89.0]]), strict=True):
        for train, times in zip(part.spiketrains, spikes, strict=True):
            np.testing.assert_allclose(train.rescale("ms").magnitude, np.array(times) - (origin if reset else 0.0))
        assert [train.annotations["area"] for train in part.spiketrains] == ["CA1", "CA3"]
        assert len(part.analogsignals[0]) == 30
    back = from_neo(cut)
    np.testing.assert_allclose(back.trials["stop"] - back.trials["start"], 30.0)
    assert [len(train) for train in back.spikes] == [2, 2] and back.units["area"].tolist() == ["CA1", "CA3"]


def test_a_block_of_another_version_is_refused() -> None:
    made = to_neo(Recording(0.0, 9.0, spikes=[np.array([3.0])]))
    made.annotations["neurornn"] = made.annotations["neurornn"].replace('"version": 1', '"version": 7')
    with pytest.raises(RecordingError, match="`version` must be 1, the one this neurornn writes; got 7"):
        from_neo(made)
