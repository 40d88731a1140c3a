"""How an animal moves on a linear track, as numbers: how fast it runs, when it stops, for how long."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm, rankdata

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal

FRACTIONS = np.linspace(0.0, 1.0, 21)
"""Where a law is read off: its smallest value, every 5 %, its largest."""

RUN = 0.1
"""A bout of movement is a run if it covers this fraction of the track; the rest is fidgeting in place."""

END = 0.25
"""A run reached an end if it stops further than this fraction of the track from the middle."""


@dataclass(frozen=True)
class Speeds:
    """The statistics of running back and forth on a track: everything that `TrackIntegration` draws from.

    The animal is either *running* towards one end or *still* (where it fidgets). It rests at an end that it reached
    before it turns back, and it may pause on the way. Each law is a tuple of evenly spaced quantiles, the smallest
    value first and the largest last. The defaults are those of the rat of the recording `rat_linear_track`, in px.

    Args:
        running: speed while running, in the world's unit per second.
        memory: time over which the running speed forgets itself (autocorrelation 1/e), ms.
        still: speed while not running, in the world's unit per second.
        still_memory: the same for the velocity while still, ms.
        rests: how long it stays at an end, ms.
        pauses: how long it pauses on the way, ms.
        pause_rate: how often it starts to pause, in Hz of running time.
        turning: the probability that it turns round after a pause.

    Raises:
        ValueError: if a law is empty, sinks or has negative values; the message names it.

    Example:
        >>> from neurornn.task import Speeds
        >>> Speeds(running=(40.0, 80.0, 120.0), pause_rate=0.0).fastest
        120.0
    """

    running: tuple[float, ...] = (21.0, 41.0, 53.0, 64.0, 73.0, 83.0, 96.0, 107.0, 117.0, 129.0, 156.0)
    memory: float = 560.0
    still: tuple[float, ...] = (0.0, 0.3, 0.9, 1.6, 2.7, 4.4, 6.9, 11.0, 16.0, 25.0, 125.0)
    still_memory: float = 215.0
    rests: tuple[float, ...] = (
        2250.0,
        5830.0,
        6610.0,
        6945.0,
        7330.0,
        7850.0,
        8700.0,
        9620.0,
        11690.0,
        15430.0,
        26100.0,
    )
    pauses: tuple[float, ...] = (
        150.0,
        645.0,
        5320.0,
        7550.0,
        12440.0,
        17375.0,
        21740.0,
        24150.0,
        27500.0,
        30600.0,
        58400.0,
    )
    pause_rate: float = 0.06
    turning: float = 0.0

    def __post_init__(self) -> None:
        for name in ("running", "still", "rests", "pauses"):
            law = getattr(self, name)
            if not law or min(law) < 0 or not np.all(np.isfinite(law)) or np.any(np.diff(law) < 0):
                _check.fail("Speeds", name, "rising quantiles, 0 or above, at least one", law)
        _check.positive("Speeds", "running[-1]", self.running[-1], "An animal that never moves has nothing to track.")
        _check.positive("Speeds", "memory", self.memory)
        _check.positive("Speeds", "still_memory", self.still_memory)
        _check.not_negative("Speeds", "pause_rate", self.pause_rate)
        _check.fraction("Speeds", "turning", self.turning)

    @property
    def fastest(self) -> float:
        """The largest running speed, in the world's unit per second."""
        return float(self.running[-1])

    @classmethod
    def from_recording(
        cls,
        recording: Recording,
        *,
        trials: Sequence[int] | slice = slice(None),
        length: float = 0.0,
        signal: str = "linear",
        dt: float = 50.0,
        smoothing: float = 100.0,
        moving: float = 0.05,
    ) -> "Speeds":
        """Return the statistics of an animal's movement in some trials of a recording.

        The smoothed position is read every `dt` ms in each stretch of unbroken trials and differenced. Movement faster
        than `moving` that covers a tenth of the track is a run; between two runs in opposite directions lies a rest,
        between two in one direction a pause. Stretches cut by the border of the trials are not counted in durations.
        `memory` is read off within runs and comes out a little short (some 15 % where a run lasts eight memories),
        because a run ends where the track does.

        Args:
            recording: with a signal of the position along the track.
            trials: rows of `recording.trials` to learn from: give those of the training part alone.
            length: of the track, in the signal's unit; 0 for the range that the animal covered in these trials.
            signal: name of the position signal.
            dt: sampling step of the analysis, ms.
            smoothing: standard deviation of the Gaussian that the position is smoothed with, ms; 0 for none.
            moving: least speed of a run, in track lengths a second.

        Raises:
            RecordingError: if the signal is missing or the animal made fewer than two runs in these trials.
        """
        if signal not in recording.behaviour:
            fix = _check.near(signal, recording.behaviour) if recording.behaviour else "It has no behaviour."
            _check.fail("Speeds", "signal", "a signal of the recording", signal, fix, error=RecordingError)
        track = smoothed(recording.behaviour[signal], smoothing)
        stretches = [part for part in _stretches(track, recording.trials, trials, dt) if len(part) >= 3]
        if not stretches:
            must = "trials with known positions"
            _check.fail("Speeds", "trials", must, f"none of 3 samples of {dt:g} ms", error=RecordingError)
        covered = np.concatenate(stretches)
        length, middle = length or float(np.ptp(covered)), (covered.min() + covered.max()) / 2
        bouts = [_bouts(part - middle, dt, length, moving) for part in stretches]
        return cls(**_fitted(bouts, dt))


@dataclass(frozen=True)
class _Bouts:
    """Velocity of one stretch, where it is running, and the runs in it."""

    velocity: Float[np.ndarray, " time"]
    running: Bool[np.ndarray, " time"]
    runs: tuple[tuple[int, int, int, bool], ...]  # first step, last step + 1, direction, whether it reached an end


def smoothed(signal: Signal, smoothing: float) -> Signal:
    """Return a signal smoothed with a Gaussian of `smoothing` ms (over the median interval); NaN stays, and splits it.

    A camera's pixel jitter would else be taken for movement.
    """
    if not _check.not_negative("Speeds", "smoothing", smoothing) or len(signal.times) < 2:
        return signal
    deviation = smoothing / float(np.median(np.diff(signal.times)))
    values = signal.values.astype(float)
    known = np.all(np.isfinite(values), axis=1)
    for piece in np.split(np.arange(len(values)), np.flatnonzero(np.diff(known)) + 1):
        if known[piece[0]]:
            values[piece] = gaussian_filter1d(values[piece], deviation, axis=0, mode="nearest")
    return replace(signal, values=values)


def _stretches(track: Signal, table: pd.DataFrame, trials: Sequence[int] | slice, dt: float) -> list[np.ndarray]:
    """Positions every `dt` ms over unbroken trials, cut where the position is not known."""
    table = table.iloc[trials if isinstance(trials, slice) else list(trials)].sort_values("start")
    joined: list[list[float]] = []
    for start, stop in zip(table["start"], table["stop"], strict=True):
        if joined and start - joined[-1][1] <= dt:
            joined[-1][1] = max(stop, joined[-1][1])
        else:
            joined.append([start, stop])
    parts = []
    for start, stop in joined:
        times = start + dt * np.arange(int(np.floor((stop - start) / dt + 1e-9)) + 1)
        position = track.at(times)[:, 0]
        cuts = np.flatnonzero(np.diff(np.isfinite(position))) + 1
        parts += [part for part in np.split(position, cuts) if len(part) and np.isfinite(part[0])]
    return parts


def _bouts(position: np.ndarray, dt: float, length: float, moving: float) -> _Bouts:
    """Find the runs in positions from the middle of the track."""
    velocity = np.diff(position) / (dt / 1000)
    towards = np.where(np.abs(velocity) > moving * length, np.sign(velocity), 0.0)
    edges = np.flatnonzero(np.diff(towards)) + 1
    running = np.zeros(len(velocity), dtype=bool)
    runs = []
    for first, last in zip(np.r_[0, edges], np.r_[edges, len(velocity)], strict=True):
        way = int(towards[first])
        if way and abs(position[last] - position[first]) >= RUN * length:
            running[first:last] = True
            runs.append((int(first), int(last), way, bool(way * position[last] > END * length)))
    return _Bouts(velocity, running, tuple(runs))


def _fitted(bouts: list[_Bouts], dt: float) -> dict[str, Any]:
    n_runs = sum(len(bout.runs) for bout in bouts)
    if n_runs < 2:
        got = f"{n_runs} runs of at least {RUN:.0%} of the track"
        fix = "Give more trials, or lower `moving`."
        _check.fail("Speeds", "trials", "trials with at least two runs", got, fix, error=RecordingError)
    running = np.concatenate([np.abs(bout.velocity[bout.running]) for bout in bouts])
    still = np.concatenate([np.abs(bout.velocity[~bout.running]) for bout in bouts])
    pairs = [pair for bout in bouts for pair in zip(bout.runs[:-1], bout.runs[1:], strict=True)]
    rests, pauses, turned = [], [], []
    for before, after in pairs:
        turns, gap = before[2] != after[2], dt * (after[0] - before[1])
        if turns and before[3]:
            rests.append(gap)
        else:
            pauses.append(gap)
            turned.append(turns)
    return {
        "running": _law(running),
        "memory": _memory([np.abs(bout.velocity[a:b]) for bout in bouts for a, b, *_ in bout.runs], dt),
        "still": _law(still),
        "still_memory": _memory([np.where(bout.running, np.nan, bout.velocity) for bout in bouts], dt),
        "rests": _law(rests),
        "pauses": _law(pauses),
        "pause_rate": len(pauses) / (len(running) * dt / 1000),
        "turning": float(np.mean(turned)) if turned else 0.0,
    }


def _law(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    if not len(values):
        return (0.0,)
    return tuple(float(value) for value in np.quantile(values, FRACTIONS))


def _memory(pieces: list[np.ndarray], dt: float) -> float:
    """When the autocorrelation of the values' normal scores first falls below 1/e, ms; NaN separates pieces."""
    whole = np.concatenate([np.r_[piece, np.nan] for piece in pieces])
    known: np.ndarray = np.isfinite(whole)
    score = np.full(len(whole), np.nan)
    score[known] = norm.ppf((rankdata(whole[known]) - 0.5) / known.sum())
    if not known.any():
        return float(dt)
    before = 1.0
    for lag in range(1, len(whole)):
        both = known[lag:] & known[:-lag]
        if both.sum() < 3:
            break
        now = float(np.mean(score[lag:][both] * score[:-lag][both]) / np.mean(score[known] ** 2))
        if now < np.exp(-1):
            return float(dt * (lag - 1 + (before - np.exp(-1)) / (before - now)))
        before = now
    return float(dt * len(whole))
