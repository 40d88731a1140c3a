"""What the tasks refuse, in the words that they use."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording, Signal, generator
from neurornn.errors import RecordingError
from neurornn.task import (
    ArenaIntegration,
    Cartesian,
    Darting,
    DelayedCopy,
    DelayedMatch,
    EvidenceAccumulation,
    Foraging,
    HeadDirection,
    Layout,
    Parity,
    PlaceCode,
    Speeds,
    TrackIntegration,
    VonMises,
)
from neurornn.task.draw import wander

TIMES = np.arange(0.0, 60_000.0, 20.0)
LAPS = 50 - 50 * np.cos(TIMES / 10_000 * 2 * np.pi)
"""Laps of 5 s on a track of 100 cm."""


def session(linear: np.ndarray = LAPS, *, name: str = "linear", trials: pd.DataFrame | None = None) -> Recording:
    signal = Signal(TIMES, linear[:, None], "cm")
    table = pd.DataFrame() if trials is None else trials
    return Recording(0.0, 60_000.0, spikes=[np.array([1.0])], behaviour={name: signal}, trials=table)


def blind(first: float, last: float) -> np.ndarray:
    """The laps, not seen for a while."""
    return np.where((first <= TIMES) & (last >= TIMES), np.nan, LAPS)


def trials(*rows: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["start", "stop"])


TRACK = TrackIntegration(length=100.0, unit="cm")
STREAM = generator(0)

NUMBERS: list[tuple[Callable[[], object], str]] = [
    (lambda: PlaceCode(1), "PlaceCode: `n_cells` must be a whole number, 2 or above; got 1."),
    (
        lambda: PlaceCode(width=0.0),
        "PlaceCode: `width` must be a finite number above 0; got 0.0. It is a fraction of the world's longest side.",
    ),
    (lambda: PlaceCode(total=-1.0), "PlaceCode: `total` must be a finite number above 0; got -1.0."),
    (lambda: PlaceCode(surround=-2.0), "PlaceCode: `surround` must be a finite number, 0 or above; got -2.0."),
    (
        lambda: PlaceCode(surround=0.5),
        "PlaceCode: `surround` must be above 1 (wider than the centre), or 0 for none; got 0.5.",
    ),
    (lambda: PlaceCode(top=0), "PlaceCode: `top` must be a whole number, 1 or above; got 0."),
    (lambda: PlaceCode(4, top=5), "PlaceCode: `top` must be at most the 4 cells there are; got 5."),
    (
        lambda: PlaceCode(10, extent=((0.0, 1.0), (0.0, 1.0))),
        "PlaceCode: `n_cells` must be a whole number to the power of 2; got 10. Or use Layout.RANDOM.",
    ),
    (lambda: VonMises(2), "VonMises: `n_cells` must be a whole number, 3 or above; got 2."),
    (lambda: VonMises(concentration=0.0), "VonMises: `concentration` must be a finite number above 0; got 0.0."),
    (lambda: VonMises(top=0), "VonMises: `top` must be a whole number, 1 or above; got 0."),
    (lambda: VonMises(4, top=5), "VonMises: `top` must be at most the 4 cells there are; got 5."),
    (lambda: ArenaIntegration(box=(1.0, 0.0)), "ArenaIntegration: `box[1]` must be a finite number above 0; got 0.0."),
    (
        lambda: ArenaIntegration(speed_scale=0.0),
        "ArenaIntegration: `speed_scale` must be a finite number above 0; got 0.0.",
    ),
    (
        lambda: ArenaIntegration(dt=50.0, duration=20.0),
        "ArenaIntegration: `duration` must be at least one step of 50 ms; got 20.0.",
    ),
    (
        lambda: ArenaIntegration(input_noise=-0.1),
        "ArenaIntegration: `input_noise` must be a finite number, 0 or above; got -0.1.",
    ),
    (
        lambda: ArenaIntegration().sample(0, generator=STREAM),
        "ArenaIntegration.sample: `n_trials` must be a whole number, 1 or above; got 0.",
    ),
    (lambda: EvidenceAccumulation(dt=0.0), "EvidenceAccumulation: `dt` must be a finite number above 0; got 0.0."),
    (
        lambda: EvidenceAccumulation(coherences=(0.1, 1.2)),
        "EvidenceAccumulation: `coherences` must be one or more numbers in [0, 1]; got (0.1, 1.2).",
    ),
    (
        lambda: EvidenceAccumulation(coherences=()),
        "EvidenceAccumulation: `coherences` must be one or more numbers in [0, 1]; got ().",
    ),
    (
        lambda: EvidenceAccumulation(dt=20.0, response=10.0),
        "EvidenceAccumulation: `response` must be at least one step of 20 ms; got 10.0.",
    ),
    (
        lambda: EvidenceAccumulation(noise=-1.0),
        "EvidenceAccumulation: `noise` must be a finite number, 0 or above; got -1.0.",
    ),
    (lambda: EvidenceAccumulation(hold=1.5), "EvidenceAccumulation: `hold` must be a number in [0, 1]; got 1.5."),
    (
        lambda: EvidenceAccumulation().sample(0, generator=STREAM),
        "EvidenceAccumulation.sample: `n_trials` must be a whole number, 1 or above; got 0.",
    ),
    (lambda: DelayedMatch(dt=-20.0), "DelayedMatch: `dt` must be a finite number above 0; got -20.0."),
    (
        lambda: DelayedMatch(n_directions=1),
        "DelayedMatch: `n_directions` must be a whole number, 2 or above; got 1.",
    ),
    (lambda: DelayedMatch(noise=-1.0), "DelayedMatch: `noise` must be a finite number, 0 or above; got -1.0."),
    (lambda: DelayedMatch(hold=-0.2), "DelayedMatch: `hold` must be a number in [0, 1]; got -0.2."),
    (lambda: DelayedCopy(dt=0.0), "DelayedCopy: `dt` must be a finite number above 0; got 0.0."),
    (lambda: DelayedCopy(n_items=1), "DelayedCopy: `n_items` must be a whole number, 2 or above; got 1."),
    (lambda: DelayedCopy(length=0), "DelayedCopy: `length` must be a whole number, 1 or above; got 0."),
    (lambda: DelayedCopy(item=5.0), "DelayedCopy: `item` must be at least one step of 20 ms; got 5.0."),
    (lambda: DelayedCopy(noise=-1.0), "DelayedCopy: `noise` must be a finite number, 0 or above; got -1.0."),
    (lambda: DelayedCopy(hold=2.0), "DelayedCopy: `hold` must be a number in [0, 1]; got 2.0."),
    (
        lambda: DelayedCopy().sample(0, generator=STREAM),
        "DelayedCopy.sample: `n_trials` must be a whole number, 1 or above; got 0.",
    ),
    (
        lambda: DelayedMatch().sample(0, generator=STREAM),
        "DelayedMatch.sample: `n_trials` must be a whole number, 1 or above; got 0.",
    ),
    (lambda: Foraging(turning_memory=0.0), "Foraging: `turning_memory` must be a finite number above 0; got 0.0."),
    (lambda: Foraging(turning=-1.0), "Foraging: `turning` must be a finite number, 0 or above; got -1.0."),
    (lambda: Foraging(repulsion=-1.0), "Foraging: `repulsion` must be a finite number, 0 or above; got -1.0."),
    (lambda: Foraging(thigmotaxis=1.1), "Foraging: `thigmotaxis` must be a number in [0, 1]; got 1.1."),
    (lambda: Darting(scale=0.0), "Darting: `scale` must be a finite number above 0; got 0.0."),
    (lambda: Darting(turning=-1.0), "Darting: `turning` must be a finite number, 0 or above; got -1.0."),
    (lambda: Darting(reach=-0.1), "Darting: `reach` must be a finite number, 0 or above; got -0.1."),
    (lambda: Darting(pull=-0.1), "Darting: `pull` must be a number in [0, 1]; got -0.1."),
    (lambda: HeadDirection(turning=0.0), "HeadDirection: `turning` must be a finite number above 0; got 0.0."),
    (
        lambda: HeadDirection(dt=20.0, duration=10.0),
        "HeadDirection: `duration` must be at least one step of 20 ms; got 10.0.",
    ),
    (
        lambda: HeadDirection(input_noise=-0.1),
        "HeadDirection: `input_noise` must be a finite number, 0 or above; got -0.1.",
    ),
    (
        lambda: HeadDirection(code=Cartesian()),
        "HeadDirection: `code` must be a code of angles, VonMises; got 'Cartesian'. Angles wrap around, and other",
    ),
    (
        lambda: HeadDirection().sample(0, generator=STREAM),
        "HeadDirection.sample: `n_trials` must be a whole number, 1 or above; got 0.",
    ),
    (
        lambda: Speeds(running=(0.0, 0.0)),
        "Speeds: `running[-1]` must be a finite number above 0; got 0.0. An animal that never moves has nothing to",
    ),
    (lambda: Speeds(memory=0.0), "Speeds: `memory` must be a finite number above 0; got 0.0."),
    (lambda: Speeds(still_memory=0.0), "Speeds: `still_memory` must be a finite number above 0; got 0.0."),
    (lambda: Speeds(pause_rate=-0.1), "Speeds: `pause_rate` must be a finite number, 0 or above; got -0.1."),
    (lambda: Speeds(turning=1.1), "Speeds: `turning` must be a number in [0, 1]; got 1.1."),
    (
        lambda: Speeds.from_recording(session(), smoothing=-1.0),
        "Speeds: `smoothing` must be a finite number, 0 or above; got -1.0.",
    ),
    (
        lambda: TrackIntegration(dt=50.0, duration=49.0),
        "TrackIntegration: `duration` must be at least one step of 50 ms; got 49.0.",
    ),
    (
        lambda: TrackIntegration(contact=0.5),
        "TrackIntegration: `contact` must be a fraction of the track in [0, 0.5); got 0.5.",
    ),
    (
        lambda: TrackIntegration().sample(0, generator=STREAM),
        "TrackIntegration.sample: `n_trials` must be a whole number, 1 or above; got 0.",
    ),
    (
        lambda: Parity().stream(1, 0, generator=STREAM),
        "Parity.stream: `n_bits` must be a whole number, 1 or above; got 0.",
    ),
    (
        lambda: wander(2, 5, memory=0.0, dt=10.0, generator=STREAM),
        "wander: `memory` must be a finite number above 0; got 0.0.",
    ),
    (
        lambda: wander(2, 5, memory=10.0, dt=0.0, generator=STREAM),
        "wander: `dt` must be a finite number above 0; got 0.0.",
    ),
]

RECORDINGS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: Speeds.from_recording(session(), signal="lineal"),
        "Speeds: `signal` must be a signal of the recording; got 'lineal'. Did you mean 'linear'?",
    ),
    (
        lambda: Speeds.from_recording(Recording(0.0, 9.0, spikes=[np.array([1.0])])),
        "Speeds: `signal` must be a signal of the recording; got 'linear'. It has no behaviour.",
    ),
    (
        lambda: Speeds.from_recording(session(np.full_like(LAPS, np.nan))),
        "Speeds: `trials` must be trials with known positions; got 'none of 3 samples of 50 ms'.",
    ),
    (
        lambda: Speeds.from_recording(session(trials=trials((0.0, 5000.0), (30_000.0, 60_000.0))), trials=[0]),
        "Speeds: `trials` must be trials with at least two runs; got '1 runs of at least 10% of the track'. Give more "
        "trials, or lower `moving`.",
    ),
    (
        lambda: TRACK.follow(session(name="position")),
        "TrackIntegration: `recording` must be one with `linear`; got Recording(",
    ),
    (
        lambda: TRACK.follow(session(name="position")),
        " It has: position.",
    ),
    (
        lambda: TRACK.follow(session(trials=trials((0.0, 5000.0), (6000.0, 6030.0)))),
        "TrackIntegration: `trials` must be at least one step of 50 ms long; got '30 ms in trial 1'.",
    ),
    (
        lambda: TRACK.follow(session(blind(5900.0, 9100.0), trials=trials((0.0, 5000.0), (6000.0, 9000.0)))),
        "TrackIntegration: `linear` must be known in every trial; got 'only NaN in trial 1'.",
    ),
    (
        lambda: TRACK.follow(session(2 * LAPS, trials=trials((0.0, 1000.0), (5000.0, 9000.0)))),
        "TrackIntegration: `linear` must be on the track, 0 to 100 cm; got '199.",
    ),
    (
        lambda: TRACK.follow(session(2 * LAPS, trials=trials((0.0, 1000.0), (5000.0, 9000.0)))),
        " in trial 1'. Use TrackIntegration.from_recording, or trials in which the animal is on the track.",
    ),
]


@pytest.mark.parametrize(("call", "says"), NUMBERS, ids=[says.split(" must")[0] for _, says in NUMBERS])
def test_numbers_that_do_not_fit(call: Callable[[], object], says: str) -> None:
    sentence = re.escape(says)
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize(("call", "says"), RECORDINGS, ids=[says.split(" must")[0] for _, says in RECORDINGS])
def test_recordings_that_a_task_cannot_take(call: Callable[[], object], says: str) -> None:
    sentence = re.escape(says)
    with pytest.raises(RecordingError, match=sentence):
        call()


def test_a_random_layout_takes_any_number_of_cells() -> None:
    assert PlaceCode(10, layout=Layout.RANDOM, extent=((0.0, 1.0), (0.0, 1.0))).n_out == 10
