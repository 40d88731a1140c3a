"""Spikes around events: windows cut out of a recording, as index ranges, as relative times, or as counts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.binned import ticks
from neurornn.errors import RecordingError
from neurornn.recording import Recording


@dataclass(frozen=True, eq=False)
class PeriEvent:
    """The spikes of every unit in a window around every event.

    Args:
        spikes: sorted spike times of each unit, ms.
        events: ms. Shape `(event,)`.
        before: where windows start before their event, ms.
        after: where they stop after it, ms.
        first: index of the first spike in each window. Shape `(event, unit)`.
        last: index after the last one. Shape `(event, unit)`.
    """

    spikes: tuple[Float[np.ndarray, " _spike"], ...]
    events: Float[np.ndarray, " event"]
    before: float
    after: float
    first: Int[np.ndarray, "event unit"]
    last: Int[np.ndarray, "event unit"]

    @property
    def numbers(self) -> Int[np.ndarray, "event unit"]:
        """Spikes in each window."""
        return self.last - self.first

    def relative(self) -> list[list[Float[np.ndarray, " _spike"]]]:
        """Return spike times since the event, ms, by event and unit."""
        return [
            [train[a:b] - event for train, a, b in zip(self.spikes, low, high, strict=True)]
            for event, low, high in zip(self.events, self.first, self.last, strict=True)
        ]

    def counts(self, dt: float) -> Int[np.ndarray, "event bin unit"]:
        """Return spike counts in bins of `dt` ms from the start of each window; a part of a bin at the end is left out.

        A spike on an edge belongs to the bin that starts there. Windows may overlap.
        """
        n_bins = int((self.before + self.after) / _check.positive("PeriEvent.counts", "dt", dt) + 1e-9)
        if n_bins < 1:
            must = f"at most the window, {self.before + self.after:g} ms"
            _check.fail("PeriEvent.counts", "dt", must, dt, "Use finer bins, or a longer window.")
        edges, starts = ticks(np.arange(n_bins + 1) * dt), ticks(self.events) - ticks(self.before)
        found = np.empty((len(self.spikes), len(self.events), n_bins), dtype=np.int64)
        for unit, train in enumerate(self.spikes):
            first, number = self.first[:, unit], self.numbers[:, unit]
            window = np.repeat(np.arange(len(starts)), number)
            at = np.arange(number.sum()) + np.repeat(first - np.cumsum(number) + number, number)
            place = np.searchsorted(edges, ticks(train)[at] - starts[window], side="right") - 1
            inside = place < n_bins
            flat = (window * n_bins + place)[inside]
            found[unit] = np.bincount(flat, minlength=len(starts) * n_bins).reshape(len(starts), n_bins)
        return found.transpose(1, 2, 0)


def peri_event(recording: Recording, events: Float[np.ndarray, " event"], *, before: float, after: float) -> PeriEvent:
    """Cut a window around each event out of a recording of spikes.

    Nothing is copied but two indices for each unit and event, so that 300 events of 200 units take milliseconds.

    Args:
        recording: of spikes.
        events: ms, in any order. Shape `(event,)`.
        before: how long before an event its window starts, ms (negative: after it).
        after: how long after it stops, ms. A spike at the end is outside.

    Raises:
        RecordingError: if there are no spikes, or a window leaves the recording.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.statistics import peri_event
        >>> recording = Recording(0.0, 100.0, spikes=[np.array([12.0, 48.0, 55.0])])
        >>> cut = peri_event(recording, np.array([10.0, 50.0]), before=5.0, after=10.0)
        >>> [[times.tolist() for times in units] for units in cut.relative()]
        [[[2.0]], [[-2.0, 5.0]]]
    """
    owner = "peri_event"
    if recording.spikes is None:
        fix = "Turn activity into spikes with neurornn.statistics.observe."
        _check.fail(owner, "recording", "of spikes", "sampled activity", fix, error=RecordingError)
    events = _check.finite(owner, "events", events)
    if not before + after > 0:
        _check.fail(owner, "after", f"above {-before:g} ms, where the window starts", after)
    outside = (events - before < recording.t_start) | (events + after > recording.t_stop)
    if outside.any():
        got = f"one at {events[outside][0]:g} ms"
        fix = "Leave such events out, or take a shorter window."
        must = f"with windows inside {recording.t_start:g} to {recording.t_stop:g} ms"
        _check.fail(owner, "events", must, got, fix, error=RecordingError)
    low, high = ticks(events) - ticks(before), ticks(events) + ticks(after)
    first, last = (np.empty((len(events), recording.n_units), dtype=np.int64) for _ in range(2))
    for unit, train in enumerate(recording.spikes):
        at = ticks(train)
        first[:, unit], last[:, unit] = np.searchsorted(at, low), np.searchsorted(at, high)
    return PeriEvent(tuple(recording.spikes), events, float(before), float(after), first, last)
