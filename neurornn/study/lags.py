"""How long a neuron lags behind what it hears or sees: the check of two clocks, before any model."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn.encoding.evoked import Evoked


@dataclass(frozen=True, eq=False)
class LagReport:
    """The spike-triggered stimulus over lags, from before the stimulus to after it.

    Args:
        lags: of the stimulus before the spike, ms; below 0 the stimulus comes *after* the spike. Shape `(lag,)`.
        power: root mean square over pixels of the correlation of each unit's counts with the stimulus at that lag.
            Shape `(lag, unit)`.
        noise: the same for counts shifted in a circle by half of the recording: what chance gives. Shape `(unit,)`.
        units: ids.
    """

    lags: Float[np.ndarray, " lag"]
    power: Float[np.ndarray, "lag unit"]
    noise: Float[np.ndarray, " unit"]
    units: pd.Index

    @property
    def best(self) -> float:
        """The median over units of the lag with the greatest power, ms."""
        return float(np.median(self.lags[np.nan_to_num(self.power, nan=-1.0).argmax(axis=0)]))

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            "Correlation of counts with the stimulus at each lag, root mean square over channels or pixels; the null "
            "is the greatest value after a circular shift by half of the recording. A peak at a lag below 0 says that "
            "the clocks of stimulus and spikes do not agree."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a unit: its lag (ms), the correlation there, the null's, and the greatest before 0."""
        values = np.nan_to_num(self.power, nan=-1.0)
        at = values.argmax(axis=0)
        future = values[self.lags < 0].max(axis=0, initial=0.0)
        table = {"lag": self.lags[at], "correlation": values[at, np.arange(len(at))], "null": self.noise}
        return pd.DataFrame({**table, "of_the_future": future}, index=pd.Index(self.units, name="unit"))


def lag_report(evoked: Evoked, *, most: int = 40, pixels: int = 400, seed: int = 0) -> LagReport:
    """Correlate counts with the stimulus at lags of up to `most` bins before and a third of it after the spike.

    Args:
        evoked: stimulus and counts; the mean over repeats is taken.
        most: bins.
        pixels: most pixels of a movie that are looked at, drawn at random.
        seed: of these.
    """
    n = evoked.n_bins
    flat = int(np.prod(evoked.shape))
    rng = np.random.default_rng(seed)
    looked = np.sort(rng.permutation(flat)[: min(flat, pixels)])
    frames = np.concatenate([piece.reshape(len(piece), -1)[:, looked] for _, piece in evoked.pieces()])
    frames = frames.astype(np.float64)
    counts = evoked.mean_counts
    lags = np.arange(-(most // 3), most + 1)
    inner = slice(most, n - most // 3)

    def power(shown: np.ndarray) -> np.ndarray:
        response = _standard(counts[inner])
        moved = (_standard(shown[most - lag : n - most // 3 - lag]) for lag in lags)
        return np.stack([np.sqrt(np.mean((each.T @ response / len(response)) ** 2, axis=0)) for each in moved])

    null = power(np.roll(frames, n // 2, axis=0)).max(axis=0)
    return LagReport(lags * evoked.dt, power(frames), null, evoked.units)


def _standard(values: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and spread 1; what is not known, or does not vary, is 0."""
    spread = np.nanstd(values, axis=0)
    return np.nan_to_num((values - np.nanmean(values, axis=0)) / np.where(spread > 0, spread, np.inf))
