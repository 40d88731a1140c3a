"""Time rescaling: whether predicted rates account for when spikes fell, and not only for how many there were."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.stats import kstest

from neurornn import _check
from neurornn.errors import RecordingError

BAND = 1.36
"""Over the root of the number of intervals: the 95 % band of the Kolmogorov-Smirnov distance."""


@dataclass(frozen=True, eq=False)
class Rescaled:
    r"""Intervals between spikes in rescaled time, by unit.

    Args:
        intervals: $z = 1 - e^{-\Lambda}$ of every interval, $\Lambda$ the expected spikes in it: even in [0, 1] if the
            rates are right. Sorted.
        distance: Kolmogorov-Smirnov distance to even; NaN without an interval. Shape `(unit,)`.
        p: of a distance as large, if the rates were right. Shape `(unit,)`.
        n: intervals. Shape `(unit,)`.
    """

    intervals: tuple[Float[np.ndarray, " _interval"], ...]
    distance: Float[np.ndarray, " unit"]
    p: Float[np.ndarray, " unit"]
    n: Int[np.ndarray, " unit"]

    def frame(self) -> pd.DataFrame:
        """Return one row a unit, with the 95 % band that the distance should stay within."""
        band = np.where(self.n > 0, BAND / np.sqrt(np.maximum(self.n, 1)), np.nan)
        return pd.DataFrame({"ks": self.distance, "ks_band": band, "p": self.p, "n_intervals": self.n})


def rescaled(
    counts: Float[np.ndarray, "repeat bin unit"],
    rates: Float[np.ndarray, "prediction bin unit"],
    *,
    dt: float,
    seed: int = 0,
) -> Rescaled:
    r"""Return the intervals between spikes, measured by how many spikes the rates expected in them.

    $$ \Lambda_k = \int_{t_{k-1}}^{t_k} \lambda(t)\, dt $$

    is exponential with mean 1 if $\lambda$ is the rate of the process, given its past. Rates are constant within a bin,
    and a bin's spikes lie anywhere in it with equal probability: exact for Poisson counts, good for any process where
    bins are short beside the intervals.

    Args:
        counts: NaN where nothing was recorded; an interval that holds such a bin does not count. Nor does one across
            two repeats. Shape `(repeat, bin, unit)`.
        rates: one for all repeats, or (with spike history) one for each. Shape `(1 or repeat, bin, unit)`, Hz.
        dt: bin width, ms.
        seed: of the places of spikes within bins.

    Raises:
        RecordingError: if a rate is below 0 or unknown where counts are known.

    References:
        Brown et al. (2002), doi:10.1162/08997660252741149.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import rescaled
        >>> rate = 20 + 15 * np.sin(np.arange(20_000) / 50)[None, :, None]
        >>> counts = np.random.default_rng(0).poisson(rate / 100).astype(float)
        >>> right, flat = (rescaled(counts, one, dt=10.0).distance.item() for one in (rate, np.full_like(rate, 20.0)))
        >>> right < 0.03 < 0.06 < flat
        True
    """
    seconds = _check.positive("rescaled", "dt", dt) / 1000.0
    each = np.broadcast_to(rates, counts.shape)
    bad = np.isfinite(counts) & ~(each >= 0)
    if bad.any():
        got = f"{int(bad.sum())} rates NaN or below 0"
        _check.fail("rescaled", "rates", "known, 0 or above, wherever counts are", got, error=RecordingError)
    rng = np.random.default_rng(seed)
    intervals = []
    for unit in range(counts.shape[2]):
        found = [_intervals(n, rate * seconds, rng) for n, rate in zip(counts[..., unit], each[..., unit], strict=True)]
        intervals.append(np.sort(-np.expm1(-np.concatenate(found))))
    tests = [kstest(one, "uniform") if len(one) else None for one in intervals]
    return Rescaled(
        tuple(intervals),
        np.array([np.nan if one is None else one.statistic for one in tests]),
        np.array([np.nan if one is None else one.pvalue for one in tests]),
        np.array([len(one) for one in intervals]),
    )


def _intervals(counts: np.ndarray, expected: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the expected spikes between each spike and the next."""
    known = np.isfinite(counts)
    before = np.concatenate([[0.0], np.cumsum(np.where(known, expected, 0.0))])
    lost = np.cumsum(~known)
    bins = np.repeat(np.arange(len(counts)), np.where(known, counts, 0.0).astype(np.int64))
    at = np.sort(before[bins] + rng.uniform(size=len(bins)) * expected[bins])
    return np.diff(at)[np.diff(lost[bins]) == 0]
