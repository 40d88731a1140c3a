"""Population events: short bursts of the whole population, in which sequences are looked for."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording


@dataclass(frozen=True, eq=False)
class PopulationEvents:
    """Stretches in which many units fire together.

    Args:
        table: one row an event: `start`, `stop`, `peak` (ms), `z` (at the peak), `n_spikes`, `n_active` (units).
        z: smoothed population rate, z-scored over the stretch. Shape `(step,)`.
        times: centres of the steps. Shape `(step,)`, ms.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    z: Float[np.ndarray, " step"]
    times: Float[np.ndarray, " step"]
    methods: str
    references: tuple[str, ...] = ("10.1016/j.neuron.2009.07.027",)

    def frame(self) -> pd.DataFrame:
        """Return one row an event."""
        return self.table


def population_events(
    recording: Recording,
    *,
    start: float,
    stop: float,
    threshold: float = 3.0,
    smoothing: float = 15.0,
    shortest: float = 50.0,
    longest: float = 750.0,
    n_active: int = 4,
    step: float = 2.0,
) -> PopulationEvents:
    """Return where the summed rate of all units rises above `threshold` standard deviations of its mean.

    An event reaches on both sides to where the rate falls back to its mean. Mean and standard deviation are those of
    the stretch itself, so a stretch of constant activity has few events, whatever its rate: report the rate too.

    Args:
        recording: of spikes (see `observe` for a network).
        start: where the stretch starts, ms.
        stop: where it stops, ms.
        threshold: of the peak, in standard deviations.
        smoothing: standard deviation of the Gaussian on the summed spikes, ms.
        shortest: shorter events are left out, ms.
        longest: longer events are left out, ms.
        n_active: events with fewer different units firing are left out.
        step: width of the bins of the summed rate, ms.

    Raises:
        RecordingError: if the recording has no spikes, or the population never varies in the stretch.

    References:
        Davidson, Kloosterman & Wilson (2009), Neuron 63:497, doi:10.1016/j.neuron.2009.07.027.
    """
    owner = "population_events"
    if recording.spikes is None:
        fix = "Turn activity into spikes with neurornn.statistics.observe."
        _check.fail(owner, "recording", "of spikes", "sampled activity", fix, error=RecordingError)
    _check.positive(owner, "step", step)
    _check.positive(owner, "smoothing", smoothing)
    if not longest > shortest:
        _check.fail(owner, "longest", f"above `shortest`, {shortest:g} ms", longest)
    part = recording.between(start, stop).with_trials(pd.DataFrame({"start": [float(start)], "stop": [float(stop)]}))
    binned = part.binned(step)
    rate = gaussian_filter1d(np.nansum(binned.values, axis=1), smoothing / step)
    spread = rate.std()
    if not spread > 0:
        fix = "Check that the units were recorded there."
        _check.fail(
            owner, "recording", "of a population whose rate varies", "a constant rate", fix, error=RecordingError
        )
    z = (rate - rate.mean()) / spread
    above = np.diff(np.concatenate([[0], (z > 0).astype(np.int8), [0]]))
    firsts, lasts = np.flatnonzero(above == 1), np.flatnonzero(above == -1)
    rows = []
    for first, last in zip(firsts, lasts, strict=True):
        top = first + int(np.argmax(z[first:last]))
        inside = binned.values[first:last]
        active = int(np.sum(np.nansum(inside, axis=0) > 0))
        if z[top] > threshold and shortest <= (last - first) * step <= longest and active >= n_active:
            begin = binned.times[first] - step / 2
            end = begin + (last - first) * step
            rows.append((begin, end, binned.times[top], z[top], int(np.nansum(inside)), active))
    table = pd.DataFrame(rows, columns=["start", "stop", "peak", "z", "n_spikes", "n_active"])
    methods = (
        f"Events: summed spikes in {step:g} ms bins, Gaussian of {smoothing:g} ms, peak above {threshold:g} standard "
        f"deviations, bounds where it falls to its mean, {shortest:g} to {longest:g} ms long, {n_active} or more units "
        f"active; {len(table)} in {(stop - start) / 1000:g} s."
    )
    return PopulationEvents(table, z, binned.times, methods)
