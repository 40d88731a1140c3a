"""How regularly each unit fires: rates, CV, CV2 and LV of its intervals, Fano factors of its counts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Firing statistics of every unit.

    Args:
        table: one row a unit; see `spike_trains`.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    methods: str
    references: tuple[str, ...] = ("10.1152/jn.1996.75.5.1806", "10.1162/089976603322518759")

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table


def spike_trains(recording: Recording, *, window: float = 1000.0, min_spikes: int = 3) -> SpikeTrains:
    r"""Return rate, CV, CV2, LV and Fano factor of every unit.

    $$ CV = \frac{\sigma_I}{\langle I \rangle}, \quad
       CV_2 = \left\langle \frac{2 |I_{k+1} - I_k|}{I_{k+1} + I_k} \right\rangle, \quad
       LV = \left\langle \frac{3 (I_{k+1} - I_k)^2}{(I_{k+1} + I_k)^2} \right\rangle $$

    All four are 1 for a Poisson process of constant rate, and 0 for a clock. CV and the Fano factor also rise with slow
    changes of rate; CV2 and LV hardly do. Intervals run within one stretch of recording, never across a pause.

    Args:
        recording: of spikes (see `observe` for a network).
        window: length of the windows in which spikes are counted for the Fano factor, within trials, ms.
        min_spikes: units with fewer spikes get NaN throughout but for their rate; 3 or above, for two intervals.

    Returns:
        One row a unit: `n_spikes`, `rate` (Hz), `cv`, `cv2`, `lv`, `fano` (NaN under two windows or without a spike).

    Raises:
        RecordingError: if the recording has no spikes.
        ValueError: if `min_spikes` is below 3.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.statistics import spike_trains
        >>> clock = Recording(0.0, 10_000.0, spikes=[np.arange(5.0, 10_000.0, 10.0)])
        >>> spike_trains(clock).frame()[["cv", "cv2", "fano"]].round(6).values.tolist()
        [[0.0, 0.0, 0.0]]

    References:
        Holt et al. (1996), J. Neurophysiol. 75:1806, doi:10.1152/jn.1996.75.5.1806.
        Shinomoto et al. (2003), Neural Comput. 15:2823, doi:10.1162/089976603322518759.
    """
    min_spikes = _check.count("spike_trains", "min_spikes", min_spikes, least=3)
    if recording.spikes is None:
        fix = "Turn activity into spikes with neurornn.statistics.observe."
        _check.fail("spike_trains", "recording", "of spikes", "sampled activity", fix, error=RecordingError)
    rows = [
        _irregularity(train, recording.intervals(unit), min_spikes)
        for unit, train in zip(recording.units.index, recording.spikes, strict=True)
    ]
    table = pd.DataFrame(rows, index=recording.units.index, columns=["cv", "cv2", "lv"])
    table.insert(0, "n_spikes", [len(train) for train in recording.spikes])
    table.insert(1, "rate", recording.rates())
    table["fano"] = np.where(table["n_spikes"] >= min_spikes, fano_factors(recording, window=window), np.nan)
    methods = (
        f"CV, CV2 and LV of inter-spike intervals (elephant) within stretches of recording; Fano factor of counts in "
        f"{window:g} ms windows within trials. Units with fewer than {min_spikes} spikes: not computed."
    )
    return SpikeTrains(table, methods)


def _irregularity(train: np.ndarray, stretches: np.ndarray, min_spikes: int) -> tuple[float, float, float]:
    from elephant.statistics import cv2, lv

    nothing = (np.nan, np.nan, np.nan)
    if len(train) < min_spikes:
        return nothing
    cuts = np.searchsorted(train, stretches)
    pieces = [np.diff(train[a:b]) for a, b in cuts if b - a >= 2]
    if sum(len(piece) for piece in pieces) < 2:
        return nothing
    every = np.concatenate(pieces)
    local = [piece for piece in pieces if len(piece) >= 2]
    pairs = np.array([len(piece) - 1 for piece in local], dtype=float)
    spread = float(np.std(every) / np.mean(every)) if np.mean(every) > 0 else np.nan
    if not local:
        return spread, np.nan, np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        both = [[float(np.asarray(measure(piece))) for piece in local] for measure in (cv2, lv)]
    return spread, float(np.average(both[0], weights=pairs)), float(np.average(both[1], weights=pairs))


def fano_factors(recording: Recording, *, window: float) -> Float[np.ndarray, " unit"]:
    r"""Return the variance of each unit's counts over their mean, across windows of all trials.

    $$ F = \frac{\mathrm{var}(n)}{\langle n \rangle} $$ with the variance over windows (no Bessel correction).

    Args:
        recording: of spikes.
        window: ms. Give the length of a trial for the Fano factor across trials.

    Returns:
        Shape `(unit,)`; NaN where a unit has fewer than two windows or no spike.
    """
    counts = recording.binned(window).values
    known = np.isfinite(counts)
    n = known.sum(axis=0)
    mean = np.divide(np.where(known, counts, 0.0).sum(axis=0), n, out=np.zeros(len(n)), where=n > 0)
    square = np.where(known, (counts - mean) ** 2, 0.0).sum(axis=0)
    spread = np.divide(square, n, out=np.zeros(len(n)), where=n > 0)
    return np.divide(spread, mean, out=np.full(len(n), np.nan), where=(mean > 0) & (n >= 2))
