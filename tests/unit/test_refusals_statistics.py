"""What laps, drift fields and events refuse; the other statistics say theirs in their own tests."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording, Signal
from neurornn.errors import RecordingError
from neurornn.statistics import (
    autocorrelation,
    drift_field,
    intrinsic_timescales,
    laps,
    population_events,
    replay,
)
from neurornn.statistics.folds import blocked_folds

TIMES = np.arange(0.0, 20_000.0, 100.0)


def session(place: np.ndarray) -> Recording:
    signal = Signal(TIMES, place[:, None], unit="cm")
    return Recording(0.0, 20_000.0, spikes=[np.array([5.0])], behaviour={"linear": signal})


THERE_AND_BACK = session(50 - 50 * np.cos(TIMES / 10_000 * 2 * np.pi))


def test_laps_need_a_signal_of_the_recording() -> None:
    said = r"laps: `position` must be a signal of the recording; got 'linaer'\. Did you mean 'linear'\?"
    with pytest.raises(RecordingError, match=said):
        laps(THERE_AND_BACK, position="linaer")
    with pytest.raises(RecordingError, match=r"laps: `position` must be a signal of .* It has no behaviour"):
        laps(replace(THERE_AND_BACK, behaviour={}))


def test_laps_need_a_position_that_is_known() -> None:
    with pytest.raises(RecordingError, match=r"laps: `position` must be measured somewhere; got .*NaN throughout"):
        laps(session(np.full(len(TIMES), np.nan)))


def test_laps_need_a_run_from_end_to_end() -> None:
    said = (
        r"laps: `position` must be a signal that runs from end to end; got 'no single run'\. Check the signal, or cut"
    )
    with pytest.raises(RecordingError, match=said):
        laps(session(np.full(len(TIMES), 3.0)))


PATHS = np.linspace(0.0, 1.0, 12).reshape(2, 6, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bins": 1}, "drift_field: `bins` must be a whole number, 2 or above; got 1"),
        ({"min_visits": 0}, "drift_field: `min_visits` must be a whole number, 1 or above; got 0"),
        ({"extent": ((0.0, 1.0),) * 2}, r"drift_field: `extent` must be `\(low, high\)` of each of 1 axes"),
        (
            {"extent": ((5.0, 6.0),)},
            r"drift_field: `paths` must be paths with a step that begins within \(\(5.0, 6.0\),\); got '10 steps "
            r"outside'\. Give the borders of the world",
        ),
    ],
)
def test_drift_fields_that_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drift_field(PATHS, **{"extent": ((0.0, 1.0),), "bins": 3, **settings})


NONE = pd.DataFrame({"start": [], "stop": []})
ONES = np.ones((1, 40, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: population_events(THERE_AND_BACK, start=0.0, stop=9000.0, step=0.0),
            "population_events: `step` must be a finite number above 0; got 0.0",
        ),
        (
            lambda: population_events(THERE_AND_BACK, start=0.0, stop=9000.0, smoothing=-1.0),
            "population_events: `smoothing` must be a finite number above 0; got -1.0",
        ),
        (
            lambda: replay(THERE_AND_BACK, NONE, min_bins=1),
            "replay: `min_bins` must be a whole number, 2 or above; got 1",
        ),
        (
            lambda: blocked_folds(np.array([0.0, np.nan, 2.0]), 2),
            "blocked_folds: `times` must be finite everywhere; got '1 of 3 values NaN or infinite'",
        ),
        (
            lambda: autocorrelation(ONES[0], 0),
            "autocorrelation: `n_lags` must be a whole number, 1 or above; got 0",
        ),
        (
            lambda: intrinsic_timescales(ONES, dt=0.0, max_lag=9.0),
            "intrinsic_timescales: `dt` must be a finite number above 0; got 0.0",
        ),
        (
            lambda: intrinsic_timescales(ONES, dt=1.0, max_lag=-1.0),
            "intrinsic_timescales: `max_lag` must be a finite number above 0; got -1.0",
        ),
    ],
)
def test_numbers_out_of_range(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
