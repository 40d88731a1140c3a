"""How well a prediction follows one response: correlation, explained variance and likelihood, a number a unit."""

import numpy as np
from jaxtyping import Float
from scipy.special import xlogy

from neurornn import _check
from neurornn.statistics.likelihood import poisson_log_likelihood


def correlation(a: Float[np.ndarray, "row column"], b: Float[np.ndarray, "row column"]) -> Float[np.ndarray, " column"]:
    """Return Pearson's correlation of each column of `a` with that of `b`; NaN where one is constant."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.sqrt(np.sum(a**2, axis=0) * np.sum(b**2, axis=0))
    return np.divide(np.sum(a * b, axis=0), scale, out=np.full(len(scale), np.nan), where=scale > 1e-12)


def known_correlation(a: Float[np.ndarray, "bin unit"], b: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, " unit"]:
    """Return Pearson's correlation of each column over the bins that both have; NaN where one is constant.

    A constant trace has no correlation: it is NaN and not 0, so that it can be counted.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.scores import known_correlation
        >>> a = np.array([[0.0], [1.0], [2.0], [np.nan]])
        >>> known_correlation(a, np.array([[1.0], [3.0], [5.0], [0.0]])).round(6)
        array([1.])
    """
    found = np.full(a.shape[1], np.nan)
    for k, (x, y) in enumerate(zip(a.T, b.T, strict=True)):
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() > 1:
            found[k] = correlation(x[both, None], y[both, None])[0]
    return found


def psth_r2(psth: Float[np.ndarray, "bin unit"], rates: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, " unit"]:
    r"""Return the share of the variance of a mean response that a prediction explains.

    $$ R^2 = 1 - \frac{\sum_t (y_t - \hat y_t)^2}{\sum_t (y_t - \bar y)^2} $$

    Over the bins where `psth` is known. Below 0 is worse than the mean; NaN where the response is constant.

    Args:
        psth: the mean over repeats, NaN where nothing was shown. Shape `(bin, unit)`, Hz or counts.
        rates: the prediction, in the same unit. Shape `(bin, unit)`.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.scores import psth_r2
        >>> psth_r2(np.array([[0.0], [2.0]]), np.array([[0.5], [1.5]]))
        array([0.75])
    """
    known = np.isfinite(psth)
    n = known.sum(axis=0)
    mean = np.divide(np.where(known, psth, 0.0).sum(axis=0), n, out=np.zeros(len(n)), where=n > 0)
    left = np.where(known, (psth - rates) ** 2, 0.0).sum(axis=0)
    whole = np.where(known, (psth - mean) ** 2, 0.0).sum(axis=0)
    return 1.0 - np.divide(left, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def mcfadden_r2(
    counts: Float[np.ndarray, "bin unit"],
    rates: Float[np.ndarray, "bin unit"],
    null_rates: Float[np.ndarray, "bin unit"] | Float[np.ndarray, " unit"],
    *,
    dt: float,
    floor: float = 1e-6,
) -> Float[np.ndarray, " unit"]:
    r"""Return McFadden's pseudo-R2, $1 - \log L / \log L_0$, of Poisson likelihoods with the term $\log n!$.

    It is on another scale than the one from deviances (`deviance_r2`), and far from 1 for bins with few spikes: say
    which of the two you report.

    Args:
        counts: spike counts; NaN where not recorded. Shape `(bin, unit)`.
        rates: predicted rates. Shape `(bin, unit)`, Hz.
        null_rates: rates of the null. Shape `(unit,)` or `(bin, unit)`, Hz.
        dt: bin width, ms.
        floor: lower rates are raised to this, Hz.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.scores import mcfadden_r2
        >>> counts = np.array([[0.0], [2.0]])
        >>> mcfadden_r2(counts, counts, np.array([1.0]), dt=1000.0).round(4)
        array([0.5147])
    """
    known = np.isfinite(counts)
    null = np.broadcast_to(null_rates, counts.shape)
    model = np.where(known, poisson_log_likelihood(counts, rates, dt=dt, floor=floor), 0.0).sum(axis=0)
    nothing = np.where(known, poisson_log_likelihood(counts, null, dt=dt, floor=floor), 0.0).sum(axis=0)
    return 1.0 - np.divide(model, nothing, out=np.full(len(model), np.nan), where=nothing < 0)


def poisson_deviance(
    counts: Float[np.ndarray, "bin unit"], rates: Float[np.ndarray, "bin unit"], *, dt: float, floor: float = 1e-6
) -> Float[np.ndarray, " unit"]:
    r"""Return the summed Poisson deviance $2 \sum_t [n \log (n / \lambda) - (n - \lambda)]$ of each unit, in nats.

    Args:
        counts: spike counts; NaN where not recorded. Shape `(bin, unit)`.
        rates: predicted rates. Shape `(bin, unit)`, Hz.
        dt: bin width, ms.
        floor: lower rates are raised to this, Hz.
    """
    expected = np.maximum(rates, floor) * _check.positive("poisson_deviance", "dt", dt) / 1000.0
    each = 2.0 * (xlogy(counts, counts) - xlogy(counts, expected) - counts + expected)
    return np.where(np.isfinite(counts), each, 0.0).sum(axis=0)


def deviance_r2(
    counts: Float[np.ndarray, "bin unit"],
    rates: Float[np.ndarray, "bin unit"],
    null_rates: Float[np.ndarray, "bin unit"] | Float[np.ndarray, " unit"],
    *,
    dt: float,
    floor: float = 1e-6,
) -> Float[np.ndarray, " unit"]:
    r"""Return the pseudo-R2 of deviances, $1 - D(\hat r)/D(r_0)$: the share of the null's deviance that is explained.

    Args:
        counts: spike counts; NaN where not recorded. Shape `(bin, unit)`.
        rates: predicted rates. Shape `(bin, unit)`, Hz.
        null_rates: rates of the null. Shape `(unit,)` or `(bin, unit)`, Hz.
        dt: bin width, ms.
        floor: lower rates are raised to this, Hz.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.scores import deviance_r2
        >>> counts = np.array([[0.0], [2.0]])
        >>> deviance_r2(counts, counts, np.array([1.0]), dt=1000.0).round(4)
        array([1.])

    References:
        Cameron & Windmeijer (1997), doi:10.1016/S0304-4076(96)01818-0.
    """
    null = np.broadcast_to(null_rates, counts.shape)
    model = poisson_deviance(counts, rates, dt=dt, floor=floor)
    nothing = poisson_deviance(counts, null, dt=dt, floor=floor)
    return 1.0 - np.divide(model, nothing, out=np.full(len(model), np.nan), where=nothing > 0)
