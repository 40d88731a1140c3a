"""How many independent samples there are, and how far apart two bins must lie to count as separate."""

import numpy as np
from jaxtyping import Float

from neurornn import _check


def gapped_autocorrelation(
    values: Float[np.ndarray, "bin column"], times: Float[np.ndarray, " bin"], *, dt: float
) -> Float[np.ndarray, "lag column"]:
    """Return the autocorrelation of each column at lags of 0, 1, 2 ... bins of `dt` ms, up to half the stretch.

    Bins may be missing (rest, pauses): each lag averages only the pairs of bins that are there, and lags with fewer
    than ten pairs, and everything after them, are left out. A constant column gives NaN.

    Args:
        values: no NaN. Shape `(bin, column)`.
        times: the bins' times, in order. Shape `(bin,)`, ms.
        dt: bin width, ms.
    """
    _check.positive("gapped_autocorrelation", "dt", dt)
    place = np.rint((times - times[0]) / dt).astype(np.int64)
    n_grid = int(place[-1]) + 1
    n_fft = 1 << int(2 * n_grid - 1).bit_length()
    here = np.zeros(n_grid)
    here[place] = 1.0
    signal = np.zeros((n_grid, values.shape[1]))
    signal[place] = values - values.mean(axis=0)
    n_lags = max(n_grid // 2, 1)
    n_pairs = np.rint(_correlated(here[:, None], n_fft)[:n_lags, 0])
    enough = int(np.argmin(n_pairs >= 10)) if np.any(n_pairs < 10) else n_lags
    products = _correlated(signal, n_fft)[: max(enough, 1)] / np.maximum(n_pairs[: max(enough, 1)], 1.0)[:, None]
    variance = products[0]
    return np.divide(products, variance, out=np.full_like(products, np.nan), where=variance > 1e-12)


def _correlated(signal: np.ndarray, n_fft: int) -> np.ndarray:
    spectrum = np.fft.rfft(signal, n_fft, axis=0)
    return np.fft.irfft(np.abs(spectrum) ** 2, n_fft, axis=0)


def decorrelation_lag(
    values: Float[np.ndarray, "bin column"], times: Float[np.ndarray, " bin"], *, dt: float
) -> Float[np.ndarray, " column"]:
    """Return the lag at which each column's autocorrelation first falls to 1/e, linear between bins.

    The longest lag that was measured is returned where it never falls that far; NaN for a constant column. Counting
    noise lowers the autocorrelation of spike counts at every lag but 0, so that of sparse units reads short.

    Args:
        values: no NaN. Shape `(bin, column)`.
        times: the bins' times, in order. Shape `(bin,)`, ms.
        dt: bin width, ms.

    Returns:
        Shape `(column,)`, ms.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import decorrelation_lag
        >>> times = np.arange(0.0, 20_000.0, 10.0)
        >>> wave = np.sin(2 * np.pi * times / 1000.0)[:, None]  # its autocorrelation is a cosine
        >>> decorrelation_lag(wave, times, dt=10.0).round(-1)  # arccos(1/e) of a period of 1000 ms
        array([190.])
    """
    correlation = gapped_autocorrelation(values, times, dt=dt)
    below = correlation <= np.exp(-1.0)
    first = np.where(below.any(axis=0), below.argmax(axis=0), len(correlation) - 1)
    columns = np.arange(values.shape[1])
    after, before = correlation[first, columns], correlation[np.maximum(first - 1, 0), columns]
    step = np.divide(before - np.exp(-1.0), before - after, out=np.ones(len(first)), where=before - after > 0)
    lag = np.where(below.any(axis=0), first - 1 + np.clip(step, 0.0, 1.0), first) * dt
    return np.where(np.isnan(correlation[0]), np.nan, lag)


def n_independent(
    values: Float[np.ndarray, "bin column"], times: Float[np.ndarray, " bin"], *, dt: float
) -> Float[np.ndarray, " column"]:
    r"""Return how many independent bins each column is worth when it is correlated with something as slow as itself.

    $$ n_\text{eff} = \frac{n}{1 + 2\sum_k \rho_k^2} $$

    The sum stops where the autocorrelation first reaches zero. A correlation between two series scatters about chance
    with a standard deviation of about $1/\sqrt{n_\text{eff}}$.

    Args:
        values: no NaN. Shape `(bin, column)`.
        times: the bins' times, in order. Shape `(bin,)`, ms.
        dt: bin width, ms.

    References:
        Bartlett (1946), J. R. Stat. Soc. B 8:27, doi:10.2307/2983611.
    """
    correlation = gapped_autocorrelation(values, times, dt=dt)
    alive = np.cumprod(correlation[1:] > 0, axis=0)
    inflation = 1.0 + 2.0 * np.sum(np.where(alive, correlation[1:], 0.0) ** 2, axis=0)
    return np.where(np.isnan(correlation[0]), np.nan, len(values) / inflation)
