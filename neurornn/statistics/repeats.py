"""Repeats of one stimulus: what of a response is signal, how much of it is explained, and how variable the rest is.

Responses are `(repeat, bin, unit)`. **A bin that a repeat did not show is NaN, never 0**: repeats may differ in number
from bin to bin, and every formula here counts what there is.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurornn.statistics.scores import known_correlation, psth_r2

Responses = Float[np.ndarray, "repeat bin unit"]


def mean_response(responses: Responses) -> Float[np.ndarray, "bin unit"]:
    """Return the mean over the repeats that showed each bin; NaN where none did."""
    known = np.isfinite(responses)
    n = known.sum(axis=0)
    total = np.where(known, responses, 0.0).sum(axis=0)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def signal_power(responses: Responses) -> Float[np.ndarray, " unit"]:
    r"""Return the variance over time of what all repeats share, the mean covariance of two different repeats.

    $$ SP = \frac{\mathrm{Var}_t(\sum_r y_r) - \sum_r \mathrm{Var}_t(y_r)}{R (R - 1)}
          = \langle \mathrm{Cov}_t(y_r, y_s) \rangle_{r \ne s} $$

    with sample variances. The two forms are the same where every repeat is whole; the second also holds where repeats
    are of unequal length, each pair over the bins that both have and weighted by their number.

    Args:
        responses: shape `(repeat, bin, unit)`; NaN where a repeat was not shown.

    Returns:
        Shape `(unit,)`, in the squared unit of the responses. It is unbiased, so that it may be below 0 for a unit
        without signal; NaN for a single repeat.

    References:
        Sahani & Linden (2003), NeurIPS 15; Schoppe et al. (2016), doi:10.3389/fncom.2016.00010.
    """
    known = np.isfinite(responses).astype(float).transpose(2, 0, 1)  # (unit, repeat, bin)
    values = np.where(np.isfinite(responses), responses, 0.0).transpose(2, 0, 1)
    n = known @ known.transpose(0, 2, 1)
    first = values @ known.transpose(0, 2, 1)  # sum of r over the bins that s has too
    product = values @ values.transpose(0, 2, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = (product - first * first.transpose(0, 2, 1) / n) / (n - 1)
    other = ~np.eye(len(responses), dtype=bool)
    usable = other & (n > 1)
    weight = np.where(usable, n, 0.0)
    total = np.where(usable, covariance * weight, 0.0).sum(axis=(1, 2))
    whole = weight.sum(axis=(1, 2))
    return np.divide(total, whole, out=np.full(len(total), np.nan), where=whole > 0)


def cc_max(responses: Responses) -> Float[np.ndarray, " unit"]:
    r"""Return the correlation that the true rate has with the mean response, $\sqrt{SP / \mathrm{Var}(\bar y)}$.

    No model can expect more. 0 where no signal power is left after the noise; NaN for a single repeat.

    Args:
        responses: shape `(repeat, bin, unit)`; NaN where a repeat was not shown.

    References:
        Schoppe et al. (2016), doi:10.3389/fncom.2016.00010.
    """
    power = signal_power(responses)
    spread = _variance(mean_response(responses))
    share = np.divide(power, spread, out=np.full(len(power), np.nan), where=spread > 0)
    return np.sqrt(np.maximum(share, 0.0))


def cc_norm(responses: Responses, rates: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, " unit"]:
    r"""Return the normalised correlation: that with the mean response, over the best that any model could have.

    $$ CC_\text{norm} = \frac{\mathrm{Cov}(\bar y, \hat y)}{\sqrt{SP\; \mathrm{Var}(\hat y)}} $$

    All variances and covariances are sample ones. NaN where no signal power is left, for a constant prediction, and for
    a single repeat. It is above 1 by chance where there are few repeats.

    Args:
        responses: shape `(repeat, bin, unit)`; NaN where a repeat was not shown.
        rates: the prediction, in any unit. Shape `(bin, unit)`.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.repeats import cc_norm
        >>> truth = np.sin(np.arange(200.0) / 5)[:, None]
        >>> noise = np.random.default_rng(0).normal(size=(20, 200, 1))
        >>> cc_norm(truth + noise, truth).round(1)
        array([1.])

    References:
        Schoppe et al. (2016), doi:10.3389/fncom.2016.00010.
    """
    power = signal_power(responses)
    mean = mean_response(responses)
    known = np.isfinite(mean)
    shown = np.where(known, rates, np.nan)
    spread = _variance(shown)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = np.where(known, mean - _mean(mean), 0.0) * np.where(known, shown - _mean(shown), 0.0)
        found = centred.sum(axis=0) / (n - 1) / np.sqrt(power * spread)
    return np.where((power > 0) & (spread > 0), found, np.nan)


def signal_power_explained(responses: Responses, rates: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, " unit"]:
    r"""Return $[\mathrm{Var}(\bar y) - \mathrm{Var}(\bar y - \hat y)] / SP$: the explained share of the signal power.

    It has no lower bound; `cc_norm` is the better choice, and this is here to be compared with papers that report it.

    Args:
        responses: shape `(repeat, bin, unit)`; NaN where a repeat was not shown.
        rates: the prediction, in the unit of the responses. Shape `(bin, unit)`.
    """
    power, mean = signal_power(responses), mean_response(responses)
    gain = _variance(mean) - _variance(mean - rates)
    return np.divide(gain, power, out=np.full(len(power), np.nan), where=power > 0)


@dataclass(frozen=True, eq=False)
class Explained:
    """The explainable share of the variance over repeats, and how much of that a prediction explains.

    Args:
        explainable: (total - noise) / total variance. Units below 0.15 are commonly left out. Shape `(unit,)`.
        feve: fraction of the explainable variance that is explained, **unclipped**: no lower bound. Shape `(unit,)`.
    """

    explainable: Float[np.ndarray, " unit"]
    feve: Float[np.ndarray, " unit"]

    @property
    def clipped(self) -> Float[np.ndarray, " unit"]:
        """`feve` held in [0, 1], as some tools report it: it hides how bad a bad model is."""
        return np.clip(self.feve, 0.0, 1.0)


def feve(responses: Responses, rates: Float[np.ndarray, "bin unit"]) -> Explained:
    r"""Return the fraction of explainable variance explained, over single repeats.

    $$ FEVE = 1 - \frac{\langle (y_{rt} - \hat y_t)^2 \rangle - \sigma^2_\text{noise}}
                       {\sigma^2_\text{total} - \sigma^2_\text{noise}} $$

    The noise is the sample variance over repeats, averaged over the bins that at least two repeats showed; the total is
    the sample variance over all bins and repeats.

    Args:
        responses: shape `(repeat, bin, unit)`; NaN where a repeat was not shown.
        rates: the prediction, in the unit of the responses. Shape `(bin, unit)`.

    Returns:
        Both shares; NaN for a single repeat, where noise and signal cannot be told apart.

    References:
        Cadena et al. (2019), doi:10.1371/journal.pcbi.1006897.
    """
    known = np.isfinite(responses)
    n = known.sum(axis=0)
    mean = mean_response(responses)
    square = np.where(known, (responses - mean) ** 2, 0.0).sum(axis=0)
    within = np.divide(square, n - 1, out=np.full(square.shape, np.nan), where=n > 1)
    noise = _mean(within)
    flat = responses.reshape(-1, responses.shape[2])
    total = _variance(flat)
    error = _mean((responses - rates).reshape(flat.shape) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        signal = np.where(total - noise > 0, total - noise, np.nan)
        return Explained((total - noise) / total, 1.0 - (error - noise) / signal)


def variance_of_ceiling(responses: Responses, rates: Float[np.ndarray, "bin unit"]) -> Float[np.ndarray, " unit"]:
    r"""Return the explained variance of the mean of the even repeats, over what the odd repeats explain of it.

    $$ FV = \frac{1 - \sum_t (y^e_t - \hat y_t)^2 / \sum_t (y^e_t - \bar y^e)^2}
                {1 - \sum_t (y^e_t - y^o_t)^2 / \sum_t (y^e_t - \bar y^e)^2} $$

    As some papers report it: a prediction without noise may come above 1, since the odd repeats are noisy themselves.
    `cc_norm` and `feve` have no such excess. NaN where the odd repeats explain nothing, or for a single repeat.

    Args:
        responses: shape `(repeat, bin, unit)`; NaN where a repeat was not shown.
        rates: the prediction, in the unit of the responses. Shape `(bin, unit)`.

    References:
        Heitman et al. (2016), doi:10.1101/045336.
    """
    even, odd = mean_response(responses[0::2]), mean_response(responses[1::2])
    if len(responses) < 2:
        return np.full(responses.shape[2], np.nan)
    both = np.where(np.isfinite(even) & np.isfinite(odd), even, np.nan)
    best = psth_r2(both, np.nan_to_num(odd))
    return np.divide(psth_r2(both, rates), best, out=np.full(len(best), np.nan), where=best > 0)


def oracle(responses: Responses) -> Float[np.ndarray, " unit"]:
    """Return the correlation of every repeat with the mean of the others, all repeats end to end.

    The leave-one-out ceiling: it is too low, the more so the fewer repeats there are. NaN for a single repeat.

    Args:
        responses: shape `(repeat, bin, unit)`; NaN where a repeat was not shown.
    """
    if len(responses) < 2:
        return np.full(responses.shape[2], np.nan)
    others = np.stack([mean_response(np.delete(responses, k, axis=0)) for k in range(len(responses))])
    return known_correlation(responses.reshape(-1, responses.shape[2]), others.reshape(-1, responses.shape[2]))


@dataclass(frozen=True, eq=False)
class Variability:
    """How the variance of counts over repeats grows with their mean.

    Args:
        mean: mean over repeats in each window. Shape `(window, unit)`.
        variance: sample variance over repeats. Shape `(window, unit)`.
        slope: of variance on mean, through the origin; 1 for a Poisson process. Shape `(unit,)`.
        error: standard error of the slope. Shape `(unit,)`.
        fano: summed variance over summed mean. Shape `(unit,)`.
    """

    mean: Float[np.ndarray, "window unit"]
    variance: Float[np.ndarray, "window unit"]
    slope: Float[np.ndarray, " unit"]
    error: Float[np.ndarray, " unit"]
    fano: Float[np.ndarray, " unit"]


def variability(responses: Responses, *, bins: int = 1) -> Variability:
    r"""Return the variance-to-mean relation of counts over repeats.

    $$ \text{slope} = \frac{\sum_w m_w v_w}{\sum_w m_w^2}, \qquad F = \frac{\sum_w v_w}{\sum_w m_w} $$

    over windows $w$ with mean $m$ and sample variance $v$ over repeats. For Poisson counts both are 1 in expectation.
    The slope's standard error is that of least squares with unequal variances.

    Args:
        responses: counts. Shape `(repeat, bin, unit)`; windows in which a repeat has a NaN are left out of it.
        bins: bins to a window; bins beyond the last whole window are left out.

    Returns:
        NaN where there is a single repeat or no spike.
    """
    n_windows = responses.shape[1] // bins
    cut = responses[:, : n_windows * bins].reshape(len(responses), n_windows, bins, -1).sum(axis=2)
    known = np.isfinite(cut)
    n = known.sum(axis=0)
    mean = mean_response(cut)
    square = np.where(known, (cut - mean) ** 2, 0.0).sum(axis=0)
    variance = np.divide(square, n - 1, out=np.full(square.shape, np.nan), where=n > 1)
    m, v = np.where(np.isfinite(variance), mean, 0.0), np.where(np.isfinite(variance), variance, 0.0)
    power = (m**2).sum(axis=0)
    nothing = np.full(len(power), np.nan)
    slope = np.divide((m * v).sum(axis=0), power, out=nothing.copy(), where=power > 0)
    error = np.sqrt((m**2 * (v - slope * m) ** 2).sum(axis=0))
    error = np.divide(error, power, out=nothing.copy(), where=power > 0)
    fano = np.divide(v.sum(axis=0), m.sum(axis=0), out=nothing.copy(), where=m.sum(axis=0) > 0)
    return Variability(mean, variance, slope, error, fano)


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    n = known.sum(axis=0)
    return np.divide(np.where(known, values, 0.0).sum(axis=0), n, out=np.full(values.shape[1:], np.nan), where=n > 0)


def _variance(values: np.ndarray) -> np.ndarray:
    """Return the sample variance of each column over the rows where it is known; NaN for fewer than two."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    square = np.where(known, (values - _mean(values)) ** 2, 0.0).sum(axis=0)
    return np.divide(square, n - 1, out=np.full(square.shape, np.nan), where=n > 1)
