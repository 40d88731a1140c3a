"""One clock for spikes and session: what a reader checks before it believes a file."""

from collections.abc import Sequence

import numpy as np

from neurornn import _check
from neurornn.errors import RecordingError

HIGHEST_RATE = 2000.0
"""Hz. No neuron keeps this up: an absolute refractory period of 0.5 ms forbids it."""

SHARE = 0.01
"""Spikes that all lie in this first share of a session were most likely written in another unit of time."""


def same_clock(owner: str, spikes: Sequence[np.ndarray], t_start: float, t_stop: float) -> None:
    """Refuse spikes that cannot have been timed on the clock from `t_start` to `t_stop`.

    Refused are: no unit, no spike at all, a unit that fires faster than 2000 Hz, and 20 or more spikes that all
    lie in the first 1 % of the session. The last two are what seconds read as milliseconds look like.

    Args:
        owner: who is reading, for the message.
        spikes: spike times of each unit, ms.
        t_start: start of the session, ms.
        t_stop: end of the session, ms.

    Raises:
        RecordingError: naming the unit or the times.
    """
    if len(spikes) == 0:
        _check.fail(owner, "units", "one or more", 0, "The file holds no sorted unit.", error=RecordingError)
    n_spikes = sum(len(train) for train in spikes)
    if n_spikes == 0:
        fix = "A silent recording cannot be analysed; check that this is the sorted file."
        _check.fail(owner, "spikes", "one or more", f"0 spikes in {len(spikes)} units", fix, error=RecordingError)
    fix = "Seconds read as ms look like this: check the unit of time (a brian2 time is divided by brian2.second first)."
    for place, train in enumerate(spikes):
        span = float(np.max(train) - np.min(train)) if len(train) > 1 else np.inf
        rate = 1000.0 * (len(train) - 1) / span if span > 0 else np.inf
        if len(train) >= 5 and rate > HIGHEST_RATE:
            got = f"{rate:,.0f} Hz in the unit at place {place}"
            _check.fail(owner, "spikes", f"slower than {HIGHEST_RATE:g} Hz", got, fix, error=RecordingError)
    last = max(float(np.max(train)) for train in spikes if len(train))
    if n_spikes >= 20 and last - t_start < SHARE * (t_stop - t_start):
        must = f"spread over the session, {t_start:g} to {t_stop:g} ms"
        _check.fail(owner, "spikes", must, f"none after {last:g} ms", fix, error=RecordingError)
