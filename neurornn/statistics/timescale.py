"""How long activity remembers itself: autocorrelation, intrinsic timescale, effective sample size."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import curve_fit

from neurornn import _check


def autocorrelation(values: Float[np.ndarray, "time unit"], n_lags: int) -> Float[np.ndarray, "lag unit"]:
    r"""Return the autocorrelation of each column at lags 0 to `n_lags`; NaN for columns that do not vary.

    $$ \rho_k = \frac{\sum_t (x_t - \bar x)(x_{t+k} - \bar x)}{\sum_t (x_t - \bar x)^2} $$

    Divided by all samples at every lag. The mean of the stretch itself is taken out, which pulls it down in stretches
    that are not much longer than the timescale: compare stretches of equal length only.

    Args:
        values: shape `(time, unit)`.
        n_lags: the longest lag, in samples.

    Raises:
        ValueError: if values are not finite or shorter than the lags.
    """
    values = _check.finite("autocorrelation", "values", values, "Cut the stretch to where it was recorded.")
    n_lags = _check.count("autocorrelation", "n_lags", n_lags)
    if n_lags >= len(values):
        _check.fail("autocorrelation", "n_lags", f"below the number of samples, {len(values)}", n_lags)
    centred = values - values.mean(axis=0)
    power = np.abs(np.fft.rfft(centred, n=2 * len(values), axis=0)) ** 2
    products = np.fft.irfft(power, n=2 * len(values), axis=0)[: n_lags + 1]
    varies = products[0] > 1e-12 * np.maximum(np.sum(values**2, axis=0), 1e-300)
    return np.divide(products, products[0], out=np.full(products.shape, np.nan), where=varies)


@dataclass(frozen=True, eq=False)
class Timescales:
    """Intrinsic timescale of each unit.

    Args:
        table: one row a unit: `tau` (ms; NaN where the fit failed), `amplitude`, `offset`, `error` (root mean square of
            the fit).
        autocorrelation: what was fitted. Shape `(lag, unit)`.
        lags: ms. Shape `(lag,)`.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    autocorrelation: Float[np.ndarray, "lag unit"]
    lags: Float[np.ndarray, " lag"]
    methods: str
    references: tuple[str, ...] = ("10.1038/nn.3862", "10.1038/s43588-022-00214-3")

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table


def intrinsic_timescales(
    values: Float[np.ndarray, "stretch time unit"], *, dt: float, max_lag: float, offset: bool = True
) -> Timescales:
    r"""Fit $A\,e^{-t/\tau} + B$ to the autocorrelation of each unit, averaged over stretches of equal length.

    **Biased downwards in short stretches**: the mean of each stretch is taken out, and with it what is slow. For a true
    timescale of 20 bins, stretches of 50 bins give about a third of it, 200 bins two thirds, 1000 bins nine tenths
    (worse without the offset). Compare model and brain at the same length, bin and observation noise only.

    Args:
        values: activity or counts. Shape `(stretch, time, unit)`.
        dt: step of `values`, ms.
        max_lag: the longest lag that is fitted, ms.
        offset: whether to fit $B$; without it $B = 0$.

    Raises:
        ValueError: if fewer than four lags fit.

    References:
        Murray et al. (2014), Nat. Neurosci. 17:1661, doi:10.1038/nn.3862.
        Zeraati et al. (2022), Nat. Comput. Sci. 2:193, doi:10.1038/s43588-022-00214-3.
    """
    owner = "intrinsic_timescales"
    dt = _check.positive(owner, "dt", dt)
    n_lags = min(int(_check.positive(owner, "max_lag", max_lag) // dt), values.shape[1] - 1)
    if n_lags < 4:
        must = f"four steps of {dt:g} ms or more, within the stretch"
        _check.fail(owner, "max_lag", must, max_lag, "Take finer bins or longer stretches.")
    every = np.stack([autocorrelation(stretch, n_lags) for stretch in values])  # (stretch, lag, unit)
    known = np.isfinite(every)
    n = known.sum(axis=0)
    rho = np.divide(np.where(known, every, 0.0).sum(axis=0), n, out=np.full(n.shape, np.nan), where=n > 0)
    lags = np.arange(n_lags + 1) * dt
    rows = [_fitted(lags[1:], column[1:], offset) for column in rho.T]
    table = pd.DataFrame(rows, columns=["tau", "amplitude", "offset", "error"]).rename_axis("unit")
    methods = (
        f"Exponential {'with offset ' if offset else ''}fitted to the autocorrelation at lags of {dt:g} to "
        f"{lags[-1]:g} ms, averaged over {len(values)} stretches of {values.shape[1] * dt:g} ms; biased downwards in "
        f"short stretches."
    )
    return Timescales(table, rho, lags, methods)


def _fitted(lags: np.ndarray, rho: np.ndarray, offset: bool) -> tuple[float, float, float, float]:
    """Return tau, amplitude, offset and error; NaN where there is nothing to fit or the fit does not settle."""
    nothing = (np.nan, np.nan, np.nan, np.nan)
    if not np.isfinite(rho).all():
        return nothing

    def decay(t: np.ndarray, tau: float, amplitude: float, level: float = 0.0) -> np.ndarray:
        return amplitude * np.exp(-t / tau) + level

    step = lags[0]
    below = np.flatnonzero(rho < rho[0] / np.e)
    start = max(lags[below[0]] if len(below) else lags[-1] / 2, step)
    low, high = [step / 10, 0.0, -1.0], [100 * lags[-1], 2.0, 1.0]
    n = 3 if offset else 2
    guess = [start, min(max(rho[0], 0.01), 1.9), 0.0]
    try:
        best, _ = curve_fit(decay, lags, rho, guess[:n], bounds=(low[:n], high[:n]), ftol=1e-6, xtol=1e-6)
    except RuntimeError:  # the fit did not settle: no timescale, which NaN says
        return nothing
    error = float(np.sqrt(np.mean((decay(lags, *best) - rho) ** 2)))
    return float(best[0]), float(best[1]), float(best[2]) if offset else 0.0, error


def autocorrelation_time(values: Float[np.ndarray, "time unit"], *, dt: float) -> Float[np.ndarray, " unit"]:
    r"""Return the integrated autocorrelation time $\Delta t\,(1 + 2\sum_k \rho_k)$ of each column, ms.

    The sum stops before the first pair of lags whose sum is not above 0. Used to size the gaps between folds.

    Args:
        values: shape `(time, unit)`.
        dt: step, ms.

    Returns:
        Shape `(unit,)`, ms, `dt` or above; NaN for columns that do not vary.

    References:
        Geyer (1992), Stat. Sci. 7:473, doi:10.1214/ss/1177011137.
    """
    dt = _check.positive("autocorrelation_time", "dt", dt)
    rho = autocorrelation(values, len(values) - 1)
    return dt * np.maximum(1.0 + 2.0 * _until_noise(rho)[1:].sum(axis=0), 1.0)


def n_effective(one: Float[np.ndarray, " _one"], other: Float[np.ndarray, " _other"]) -> float:
    r"""Return how many independent pairs the correlation of two autocorrelated series is worth.

    $$ \frac1{n^*} = \frac1n + \frac2n \sum_{k \ge 1} \left(1 - \frac kn\right) \rho^{x}_k \rho^{y}_k $$

    Args:
        one: a series. Shape `(time,)`.
        other: another on the same steps.

    Returns:
        Between 2 and n; NaN where one does not vary.

    Raises:
        ValueError: if the two differ in length.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import n_effective
        >>> white = np.random.default_rng(0).normal(size=(2, 1000))
        >>> bool(n_effective(white[0], white[1]) > 900)
        True

    References:
        Bartlett (1935), J. R. Stat. Soc. 98:536, doi:10.2307/2342284.
        Bayley & Hammersley (1946), Suppl. J. R. Stat. Soc. 8:184, doi:10.2307/2983560.
    """
    if len(one) != len(other):
        _check.fail("n_effective", "other", f"as long as `one`, {len(one)} samples", f"{len(other)} samples")
    rho = autocorrelation(np.stack([one, other], axis=1), len(one) - 1)
    if not np.isfinite(rho).all():
        return float("nan")
    n = len(one)
    both = _until_noise((rho[:, 0] * rho[:, 1])[:, None])[:, 0]
    total = 1.0 + 2.0 * np.sum((1 - np.arange(1, n) / n) * both[1:])
    return float(np.clip(n / total, 2.0, n))


def _until_noise(rho: np.ndarray) -> np.ndarray:
    """Return the autocorrelation with 0 from the first pair of lags on whose sum is not above 0."""
    n_pairs = len(rho) // 2
    pairs = rho[: 2 * n_pairs].reshape(n_pairs, 2, -1).sum(axis=1)
    going = np.cumprod(np.nan_to_num(pairs) > 0, axis=0).astype(bool)
    keep = np.zeros(rho.shape, dtype=bool)
    keep[: 2 * n_pairs] = np.repeat(going, 2, axis=0)
    return np.where(keep | np.isnan(rho), rho, 0.0)
