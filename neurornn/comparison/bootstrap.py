"""Confidence intervals over neurons, and tests of one set of scores against another."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import mannwhitneyu, wilcoxon

from neurornn import _check


class Interval(NamedTuple):
    """A median with its interval: `median`, `low`, `high`, and how many values it is over, `n`."""

    median: float
    low: float
    high: float
    n: int


def bootstrap_median(
    values: Float[np.ndarray, " unit"], *, seed: int, n_draws: int = 2000, level: float = 0.95
) -> Interval:
    """Return the median over units with a percentile bootstrap interval; NaN units are left out.

    Units of one animal are not independent of each other, so this is the spread over *these* neurons, not over
    animals. With fewer than two values the interval is NaN.

    Args:
        values: one score a unit. Shape `(unit,)`.
        seed: of the draws.
        n_draws: resamples.
        level: coverage.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import bootstrap_median
        >>> bootstrap_median(np.array([1.0, 2.0, 3.0, np.nan]), seed=0).median
        2.0

    References:
        Efron (1979), Ann. Stat. 7:1, doi:10.1214/aos/1176344552.
    """
    _check.count("bootstrap_median", "n_draws", n_draws)
    level = _check.fraction("bootstrap_median", "level", level)
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return Interval(float(known[0]) if len(known) else float("nan"), float("nan"), float("nan"), len(known))
    draws = np.random.default_rng(seed).integers(len(known), size=(n_draws, len(known)))
    low, high = np.quantile(np.median(known[draws], axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.median(known)), float(low), float(high), len(known))


def paired_p(better: Float[np.ndarray, " unit"], worse: Float[np.ndarray, " unit"]) -> float:
    """Return the one-sided p of a Wilcoxon signed-rank test that `better` is above `worse`, unit by unit.

    Args:
        better: one score a unit. Shape `(unit,)`.
        worse: the same units. Shape `(unit,)`.

    Returns:
        p; 1 where no pair differs, NaN where there is no pair.

    References:
        Wilcoxon (1945), Biometrics Bull. 1:80, doi:10.2307/3001968.
    """
    difference = better - worse
    difference = difference[np.isfinite(difference)]
    if len(difference) == 0:
        return float("nan")
    if not np.any(difference):
        return 1.0
    return float(np.asarray(wilcoxon(difference, alternative="greater"))[1])


def unpaired_p(better: Float[np.ndarray, " unit"], worse: Float[np.ndarray, " other"]) -> float:
    """Return the one-sided p of a rank-sum test that `better` is above `worse`; NaN where one side is empty.

    Args:
        better: one score a unit. Shape `(unit,)`.
        worse: scores of other units. Shape `(other,)`.

    References:
        Mann & Whitney (1947), Ann. Math. Stat. 18:50, doi:10.1214/aoms/1177730491.
    """
    better, worse = better[np.isfinite(better)], worse[np.isfinite(worse)]
    if len(better) == 0 or len(worse) == 0:
        return float("nan")
    _, p = mannwhitneyu(better, worse, alternative="greater")
    return float(p)


def rank_p(value: float, null: Float[np.ndarray, " draw"]) -> float:
    """Return how often the null reaches the value, counting the value itself: (1 + reached) / (1 + draws)."""
    null = null[np.isfinite(null)]
    if len(null) == 0 or not np.isfinite(value):
        return float("nan")
    return float((1 + np.sum(null >= value)) / (1 + len(null)))
