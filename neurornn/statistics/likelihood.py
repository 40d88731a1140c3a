"""How well predicted rates explain spike counts, in bits for each spike, against a stated null."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.special import gammaln

from neurornn import _check


@dataclass(frozen=True, eq=False)
class BitsPerSpike:
    """The gain in log-likelihood over a null, for each unit and for all of them together.

    **The mean of `units` and `pooled` differ, often a lot**: the first counts every unit alike, the second every spike
    alike, so that few fast units dominate it. Say which one you report.

    Args:
        units: gain of each unit; NaN where it has fewer than `min_spikes` spikes. Shape `(unit,)`, bits/spike.
        pooled: summed gain of the units kept, over their summed spikes, bits/spike.
        pooled_all: the same over all units, whatever their number of spikes.
        gain: summed gain of each unit, never NaN for want of spikes. Shape `(unit,)`, bits.
        n_spikes: spikes of each unit in the evaluated bins. Shape `(unit,)`.
        min_spikes: the threshold below which a unit is set aside.
        floor: rates below this were raised to it, in the model and in the null alike, Hz.
    """

    units: Float[np.ndarray, " unit"]
    pooled: float
    pooled_all: float
    gain: Float[np.ndarray, " unit"]
    n_spikes: Int[np.ndarray, " unit"]
    min_spikes: int
    floor: float

    @property
    def kept(self) -> Bool[np.ndarray, " unit"]:
        """Which units have enough spikes."""
        return self.n_spikes >= self.min_spikes

    def frame(self) -> pd.DataFrame:
        """Return one row a unit: its bits/spike, its spikes, and whether it was kept."""
        table = pd.DataFrame({"bits_per_spike": self.units, "n_spikes": self.n_spikes, "kept": self.kept})
        return table.rename_axis("unit")


def poisson_log_likelihood(
    counts: Float[np.ndarray, "bin unit"], rates: Float[np.ndarray, "bin unit"], *, dt: float, floor: float = 0.05
) -> Float[np.ndarray, "bin unit"]:
    r"""Return the Poisson log-likelihood of each count, in nats; NaN where the count is NaN.

    $$ n \log\lambda - \lambda - \log n!, \qquad \lambda = \max(r, \text{floor})\,dt $$

    Args:
        counts: spike counts. Shape `(bin, unit)`.
        rates: predicted rates. Shape `(bin, unit)`, Hz.
        dt: bin width, ms.
        floor: the least rate that a prediction may claim, Hz: one spike where 0 was predicted has no likelihood.
    """
    owner = "poisson_log_likelihood"
    seconds = _check.positive(owner, "dt", dt) / 1000.0
    floor = _check.positive(owner, "floor", floor, "A rate of 0 forbids a spike; the usual floor is 0.05 Hz.")
    expected = np.maximum(rates, floor) * seconds
    return counts * np.log(expected) - expected - gammaln(counts + 1.0)


def bits_per_spike(
    counts: Float[np.ndarray, "bin unit"],
    rates: Float[np.ndarray, "bin unit"],
    null_rates: Float[np.ndarray, "bin unit"] | Float[np.ndarray, " unit"],
    *,
    dt: float,
    floor: float = 0.05,
    min_spikes: int = 50,
) -> BitsPerSpike:
    r"""Return how many bits each spike gains from the predicted rates, beyond the null rates.

    $$ \frac{\sum_t \log p(n_t \mid r_t) - \log p(n_t \mid r^0_t)}{\log 2 \; \sum_t n_t} $$

    0 is no better than the null, and below 0 is worse. The null to give is each unit's mean rate **over the training
    bins**, of each fold where there are several (shape `(bin, unit)`). Some benchmarks take the mean over the evaluated
    bins instead, which favours the null a little: numbers of the two kinds do not compare.

    Args:
        counts: spike counts; NaN where a unit was not recorded (left out). Shape `(bin, unit)`.
        rates: predicted, held-out rates. Shape `(bin, unit)`, Hz.
        null_rates: rates of the null. Shape `(unit,)` or `(bin, unit)`, Hz.
        dt: bin width, ms.
        floor: lower rates are raised to this, in both, Hz.
        min_spikes: units with fewer spikes in these bins get NaN: with few spikes the score is all noise.

    Returns:
        The gain of each unit and the two pooled ones.

    Raises:
        ValueError: if counts are negative, or a rate is NaN where there is a count.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.likelihood import bits_per_spike
        >>> counts = np.array([[2.0], [0.0]])
        >>> told = bits_per_spike(counts, np.array([[2.0], [0.0]]), np.array([1.0]), dt=1000.0, min_spikes=1)
        >>> round(told.pooled, 2)  # one bit for each spike, less what the floor costs
        0.96

    References:
        Pei et al. (2021), Neural Latents Benchmark, doi:10.48550/arXiv.2109.04463.
    """
    owner = "bits_per_spike"
    min_spikes = _check.count(owner, "min_spikes", min_spikes)
    null = np.broadcast_to(null_rates, counts.shape)
    known = np.isfinite(counts)
    if np.any(counts[known] < 0):
        _check.fail(owner, "counts", "spike counts, 0 or above", float(np.nanmin(counts)))
    for name, value in (("rates", rates), ("null_rates", null)):
        if not np.all(np.isfinite(value[known])):
            bad = int(np.count_nonzero(~np.isfinite(value[known])))
            _check.fail(owner, name, "finite wherever there is a count", f"{bad} values NaN or infinite")
    gain = poisson_log_likelihood(counts, rates, dt=dt, floor=floor)
    gain = np.nansum(gain - poisson_log_likelihood(counts, null, dt=dt, floor=floor), axis=0) / np.log(2.0)
    n_spikes = np.nansum(counts, axis=0)
    kept = n_spikes >= min_spikes
    units = np.divide(gain, n_spikes, out=np.full(len(gain), np.nan), where=kept)
    return BitsPerSpike(
        units=units,
        pooled=float(gain[kept].sum() / n_spikes[kept].sum()) if kept.any() else float("nan"),
        pooled_all=float(gain.sum() / n_spikes.sum()) if n_spikes.sum() else float("nan"),
        gain=gain,
        n_spikes=np.rint(n_spikes).astype(np.int64),
        min_spikes=min_spikes,
        floor=float(floor),
    )
