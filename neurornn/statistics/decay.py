"""How activity decays: one or two exponentials fitted to the autocorrelation of long stretches, chosen by AIC."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import curve_fit

from neurornn import _check

COLUMNS = ["tau", "n_exponentials", "tau_fast", "weight_slow", "aic_one", "aic_two"]


@dataclass(frozen=True, eq=False)
class Decays:
    """The timescale of each unit that its autocorrelation shows.

    Args:
        table: one row a unit: `tau` (ms, the slower one of two; NaN for units that do not vary), `n_exponentials` that
            were chosen, `tau_fast` and `weight_slow` (NaN for one), and both criteria.
        autocorrelation: what was fitted. Shape `(lag, unit)`.
        lags: ms. Shape `(lag,)`.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    autocorrelation: Float[np.ndarray, "lag unit"]
    lags: Float[np.ndarray, " lag"]
    methods: str
    references: tuple[str, ...] = ("10.48550/arXiv.2309.12927", "10.1109/TAC.1974.1100705")

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table


def decays(values: Float[np.ndarray, "stretch time unit"], *, dt: float, n_lags: int = 30) -> Decays:
    r"""Fit one and two exponentials to the autocorrelation of each unit and choose by Akaike's criterion.

    $$ a\,e^{-l/\tau_1} \quad\text{or}\quad a\,\big(c\,e^{-l/\tau_1} + (1-c)\,e^{-l/\tau_2}\big),
       \qquad AIC = 2k + n \ln(RSS/n) $$

    over the lags 0 to `n_lags`, with $a$ and $c$ in [0, 1] and every $\tau$ up to 100 steps. Products are divided by
    how many there are at each lag, and averaged over stretches before they are divided by lag 0. The mean of each
    stretch is taken out, which lowers the autocorrelation by about $2\tau/T$ in stretches of length $T$: take stretches
    of a thousand timescales or more. `intrinsic_timescales` is meant for the short stretches of recordings.

    Errors at neighbouring lags go together, which the criterion does not know: it asks for two exponentials rather too
    often, and the slower one is then too slow. The distribution over units has a long tail, so that its median says
    more than its mean.

    Args:
        values: activity. Shape `(stretch, time, unit)`.
        dt: step, ms.
        n_lags: the longest lag, in steps.

    Raises:
        ValueError: if stretches are not longer than the lags, or a value is not finite.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import decays
        >>> drawn = np.random.default_rng(0).normal(size=(1, 4000, 1))
        >>> for t in range(1, 4000):
        ...     drawn[:, t] += np.exp(-1 / 5) * drawn[:, t - 1]
        >>> bool(4.5 < decays(drawn, dt=1.0).table["tau"][0] < 5.5)
        True

    References:
        Khajehabdollahi et al. (2024), doi:10.48550/arXiv.2309.12927; Akaike (1974), doi:10.1109/TAC.1974.1100705.
    """
    dt = _check.positive("decays", "dt", dt)
    values = _check.finite("decays", "values", values, "Cut the stretches to where the unit was recorded.")
    if _check.count("decays", "n_lags", n_lags, least=5) >= values.shape[1]:
        _check.fail("decays", "n_lags", f"below the number of steps, {values.shape[1]}", n_lags)
    rho = _unbiased(values, n_lags)
    lags = np.arange(n_lags + 1)
    rows = [_chosen(lags, column) for column in rho.T]
    table = pd.DataFrame(rows, columns=COLUMNS).rename_axis("unit")
    table[["tau", "tau_fast"]] *= dt
    methods = (
        f"One and two exponentials fitted to the autocorrelation at lags of 0 to {n_lags * dt:g} ms of {len(values)} "
        f"stretches of {values.shape[1] * dt:g} ms, the better one by AIC; of two, the slower."
    )
    return Decays(table, rho, lags * dt, methods)


def _unbiased(values: np.ndarray, n_lags: int) -> np.ndarray:
    """Return the autocorrelation averaged over stretches, divided by the number of products at each lag."""
    n_steps = values.shape[1]
    total = np.zeros((n_lags + 1, values.shape[2]))
    for stretch in values:
        centred = stretch - stretch.mean(axis=0)
        power = np.abs(np.fft.rfft(centred, n=2 * n_steps, axis=0)) ** 2
        total += np.fft.irfft(power, n=2 * n_steps, axis=0)[: n_lags + 1]
    total /= (n_steps - np.arange(n_lags + 1))[:, None]
    varies = total[0] > 1e-12 * np.maximum(np.mean(values**2, axis=(0, 1)), 1e-300)
    return np.divide(total, total[0], out=np.full(total.shape, np.nan), where=varies)


def _one(lags: np.ndarray, a: float, tau: float) -> np.ndarray:
    return a * np.exp(-lags / tau)


def _two(lags: np.ndarray, a: float, c: float, tau: float, other: float) -> np.ndarray:
    return a * (c * np.exp(-lags / tau) + (1 - c) * np.exp(-lags / other))


def _chosen(lags: np.ndarray, rho: np.ndarray) -> tuple[float, ...]:
    """Return the row of one unit, timescales in steps."""
    if not np.isfinite(rho).all():
        return (np.nan,) * len(COLUMNS)
    below = np.flatnonzero(rho < 1 / np.e)
    start = float(np.clip(lags[below[0]] if len(below) else lags[-1], 0.5, 50.0))
    least = 1e-3
    fits = []
    for law, guess in ((_one, (0.9, start)), (_two, (0.9, 0.5, start / 2, min(2 * start, 99.0)))):
        low = [0.0] * (len(guess) // 2) + [least] * (len(guess) // 2)
        high = [1.0] * (len(guess) // 2) + [100.0] * (len(guess) // 2)
        best, _ = curve_fit(law, lags, rho, guess, bounds=(low, high), max_nfev=5000, ftol=1e-6, xtol=1e-6)
        residue = float(np.sum((law(lags, *best) - rho) ** 2))
        n = len(lags)
        fits.append((best, float(2 * len(guess) + n * np.log(max(residue, 1e-30) / n))))
    (one, aic_one), (two, aic_two) = fits
    if aic_one <= aic_two:
        return float(one[1]), 1.0, np.nan, np.nan, aic_one, aic_two
    slow, fast = (two[2], two[3]) if two[2] >= two[3] else (two[3], two[2])
    weight = two[1] if two[2] >= two[3] else 1 - two[1]
    return float(slow), 2.0, float(fast), float(weight), aic_one, aic_two
