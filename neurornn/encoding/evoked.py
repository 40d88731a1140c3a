"""A stimulus and what it evoked: frames and counts on one clock, in memory or read from a file as they are needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from neurornn import _check
from neurornn.binned import averaged, ticks
from neurornn.errors import RecordingError
from neurornn.recording import Recording, Signal
from neurornn.statistics.repeats import Responses, mean_response

PIECE = 1024
"""Frames that are read at once when a whole stimulus is gone through."""


@dataclass(frozen=True, eq=False)
class Evoked:
    """A stimulus, and the counts of each unit in the same bins.

    Args:
        stimulus: one frame a bin: `(bin, channel)` for sounds, signals and behaviour, `(bin, height, width)` for
            movies. An array, or anything that has a `shape` and gives an array for a slice (a dataset of an open file):
            it is never read whole. NaN frames are nobody's: bins that see one are left out.
        counts: spike counts; NaN where a unit was not recorded or a repeat not shown. Shape `(repeat, bin, unit)`.
        dt: bin width, ms.
        block: a label of each bin; windows never reach across the border of two blocks. One block where absent.
        units: ids of the units; numbered where absent.
        names: what the stimulus is, by channel, for figures.
        source: where this comes from. Plain values only.

    Raises:
        RecordingError: if stimulus and counts differ in length, or a count is below 0.

    Example:
        >>> import numpy as np
        >>> from neurornn import Evoked
        >>> Evoked(np.zeros((100, 1)), np.ones((1, 100, 2)), dt=10.0)
        Evoked(100 bins of 10 ms, stimulus (1,), 2 units, 1 repeat)
    """

    stimulus: Any
    counts: Responses
    dt: float
    block: Int[np.ndarray, " bin"] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    units: pd.Index = field(default_factory=lambda: pd.Index([]))
    names: tuple[str, ...] = ()
    source: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check.positive("Evoked", "dt", self.dt)
        n_bins, n_units = self.counts.shape[1:]
        if len(self.stimulus.shape) not in (2, 3):
            must = "of shape (bin, channel) or (bin, height, width)"
            _check.fail("Evoked", "stimulus", must, self.stimulus, "Add an axis for one channel.", error=RecordingError)
        if self.stimulus.shape[0] != n_bins:
            got, fix = f"{self.stimulus.shape[0]} frames", "Bring both onto one clock first: bins of one frame each."
            must = f"one frame for each of {n_bins} bins"
            _check.fail("Evoked", "stimulus", must, got, fix, error=RecordingError)
        if np.nanmin(self.counts, initial=0.0) < 0:
            fix = "Rates and z-scores are no counts."
            _check.fail("Evoked", "counts", "0 or above", np.nanmin(self.counts), fix, error=RecordingError)
        block = self.block if len(self.block) else np.zeros(n_bins, dtype=np.int64)
        if len(block) != n_bins:
            _check.fail("Evoked", "block", f"one label for each of {n_bins} bins", block, error=RecordingError)
        units = self.units if len(self.units) else pd.RangeIndex(n_units)
        if len(units) != n_units:
            _check.fail("Evoked", "units", f"one id for each of {n_units} units", len(units), error=RecordingError)
        object.__setattr__(self, "block", np.asarray(block, dtype=np.int64))
        object.__setattr__(self, "units", pd.Index(units))

    def __repr__(self) -> str:
        repeats = f"{len(self.counts)} repeat{'s' if len(self.counts) > 1 else ''}"
        shape = tuple(map(int, self.shape))
        return f"Evoked({self.n_bins} bins of {self.dt:g} ms, stimulus {shape}, {self.n_units} units, {repeats})"

    @property
    def n_bins(self) -> int:
        """How many bins there are."""
        return self.counts.shape[1]

    @property
    def n_units(self) -> int:
        """How many units there are."""
        return self.counts.shape[2]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame."""
        return tuple(self.stimulus.shape[1:])

    @property
    def times(self) -> Float[np.ndarray, " bin"]:
        """Bin centres from the start of the first, ms."""
        return (np.arange(self.n_bins) + 0.5) * self.dt

    @cached_property
    def mean_counts(self) -> Float[np.ndarray, "bin unit"]:
        """The mean count over repeats."""
        return mean_response(self.counts)

    @classmethod
    def from_recording(
        cls,
        recording: Recording,
        signal: str,
        *,
        dt: float,
        transform: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> "Evoked":
        """Return a recording's spikes beside one of its signals.

        The signal is averaged over each bin; where it was sampled more coarsely, it is linear between samples. Trials
        of the recording are blocks.

        Args:
            recording: of spikes.
            signal: name of the signal that is the stimulus: a sound's envelope, a position ...
            dt: bin width, ms.
            transform: applied to the samples first (a logarithm, say).

        Raises:
            RecordingError: if there is no such signal or no spike, or spikes lie where there is no stimulus.
        """
        owner = "Evoked.from_recording"
        if recording.spikes is None:
            _check.fail(owner, "recording", "of spikes", "sampled activity", error=RecordingError)
        if signal not in recording.behaviour:
            fix = _check.near(signal, recording.behaviour)
            _check.fail(owner, "signal", "one of the recording's", signal, fix, error=RecordingError)
        shown = recording.behaviour[signal]
        step = float(np.median(np.diff(shown.times)))
        begin, end = float(shown.times[0]), float(shown.times[-1]) + step
        late = sum(int(np.sum((train < begin - step) | (train > end))) for train in recording.spikes)
        if late:
            got = f"{late} spikes outside {begin:g} to {end:g} ms"
            fix = "Cut the recording with `between`, or mend the clock of the signal."
            _check.fail(owner, "signal", "there wherever there are spikes", got, fix, error=RecordingError)
        if transform is not None:
            shown = replace(shown, values=transform(shown.values))
        binned = recording.binned(dt)
        frames = sampled(shown, binned.times, dt)
        names = tuple(f"{signal} {k}" for k in range(frames.shape[1])) if frames.shape[1] > 1 else (signal,)
        source: dict[str, object] = {"name": str(recording.source.get("name", "unnamed")), "signal": signal}
        return cls(frames, binned.values[None], dt, binned.trial, recording.units.index, names, source)

    def pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """Give the stimulus piece by piece, each with the bin that it starts at."""
        for first in range(0, self.n_bins, PIECE):
            yield first, np.asarray(self.stimulus[first : first + PIECE], dtype=np.float32)

    @cached_property
    def frame_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Sum and sum of squares of each frame, by channel (of a movie: over pixels); NaN for NaN frames."""
        sums, squares = [], []
        for _, piece in self.pieces():
            flat = piece.reshape(len(piece), -1).astype(np.float64)
            if len(self.shape) == 2:
                flat_sum, flat_square = flat.sum(axis=1, keepdims=True), (flat**2).sum(axis=1, keepdims=True)
            else:
                flat_sum, flat_square = flat, flat**2
            bad = ~np.isfinite(flat).all(axis=1)
            flat_sum[bad], flat_square[bad] = np.nan, np.nan
            sums.append(flat_sum)
            squares.append(flat_square)
        return np.concatenate(sums), np.concatenate(squares)

    @property
    def missing(self) -> Bool[np.ndarray, " bin"]:
        """Which frames hold a NaN."""
        return np.asarray(np.isnan(self.frame_sums[0]).any(axis=1))

    @property
    def n_pixels(self) -> int:
        """How many values of a frame share one mean and spread: the pixels of a movie, else 1."""
        return int(np.prod(self.shape)) if len(self.shape) == 2 else 1


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and spread of a training stimulus: what every stimulus is brought to, training and test alike.

    Args:
        mean: by channel; one number for a movie.
        spread: standard deviation, by channel; one number for a movie.
    """

    mean: Float[np.ndarray, " channel"]
    spread: Float[np.ndarray, " channel"]

    @classmethod
    def of(cls, evoked: Evoked, rows: Int[np.ndarray, " row"]) -> "Moments":
        """Return those of the frames `rows`; NaN frames do not count.

        Raises:
            RecordingError: if a channel does not vary, or every frame is NaN.
        """
        sums, squares = (part[rows] for part in evoked.frame_sums)
        known = np.isfinite(sums).all(axis=1)
        if not known.any():
            fix = "Fill gaps, or cut the stimulus to where it was shown."
            _check.fail("Moments", "stimulus", "known in some bin", "NaN frames alone", fix, error=RecordingError)
        n = known.sum() * evoked.n_pixels
        mean = sums[known].sum(axis=0) / n
        spread = np.sqrt(np.maximum(squares[known].sum(axis=0) / n - mean**2, 0.0))
        if np.any(spread <= 1e-9 * np.maximum(np.abs(mean), 1e-30)):
            still = int(np.argmin(spread))
            fix = "A stimulus that does not vary evokes nothing that could be told."
            _check.fail(
                "Moments", "stimulus", "one that varies", f"channel {still} constant", fix, error=RecordingError
            )
        return cls(mean, spread)

    def applied(self, frames: np.ndarray) -> np.ndarray:
        """Return frames with mean 0 and spread 1, as float32."""
        if frames.ndim == 3:
            return ((frames - self.mean[0]) / self.spread[0]).astype(np.float32)
        return ((frames - self.mean) / self.spread).astype(np.float32)


def sampled(signal: Signal, times: Float[np.ndarray, " bin"], dt: float) -> Float[np.ndarray, "bin channel"]:
    """Return the mean of a signal in each bin (centres `times`, ms); linear between samples where a bin holds none."""
    lower, upper = ticks(times - dt / 2), ticks(times + dt / 2)
    mean = averaged(signal.values, ticks(signal.times), lower, upper)
    return np.where(np.isnan(mean), signal.at(times), mean)
