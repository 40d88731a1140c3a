"""The ceiling: how much of what was measured any model could explain, from repeats."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.statistics.repeats import cc_norm
from neurornn.statistics.scores import correlation as correlation


def spearman_brown(half: float | Float[np.ndarray, "*shape"]) -> float | Float[np.ndarray, "*shape"]:
    """Return the reliability of a mean over all repeats from the correlation of two halves: 2h / (1 + h).

    The reliability is a *ratio of variances*: signal over signal and noise.

    Example:
        >>> from neurornn.comparison import spearman_brown
        >>> round(spearman_brown(0.5), 4)
        0.6667

    References:
        Spearman (1910), Br. J. Psychol. 3:271, doi:10.1111/j.2044-8295.1910.tb00206.x.
    """
    return 2.0 * half / (1.0 + half)


def of_ceiling(
    r: float | Float[np.ndarray, "*shape"], reliability: float | Float[np.ndarray, "*shape"]
) -> float | Float[np.ndarray, "*shape"]:
    r"""Return the share of the explainable variance that a correlation with a noisy mean stands for: r|r| / rel.

    A reliability is already a ratio of variances. Dividing the *correlation* by it and squaring, $(r/\text{rel})^2$,
    goes above 1 for noisy units: with a true $\rho^2$ of 0.64 and a reliability of 0.5, it says 1.28.

    Args:
        r: correlation of a prediction with the mean over all repeats. A negative one counts as negative.
        reliability: of that mean, rel (see `spearman_brown`).

    Example:
        >>> from neurornn.comparison import of_ceiling
        >>> round(of_ceiling(0.32**0.5, 0.5), 2)
        0.64
    """
    return r * abs(r) / reliability


def cc_norm_squared(
    prediction: Float[np.ndarray, " condition"], responses: Float[np.ndarray, "repeat condition"]
) -> float:
    r"""Return the squared normalised correlation of a prediction with repeated responses.

    $$ CC_\text{norm}^2 = \frac{\text{cov}(\hat y, \bar y)^2}{\text{var}(\hat y)\, SP}, \qquad
       SP = \frac{\text{var}(\sum_r y_r) - \sum_r \text{var}(y_r)}{R (R - 1)} $$

    Args:
        prediction: shape `(condition,)`.
        responses: shape `(repeat, condition)`, at least two repeats.

    Returns:
        The share of the signal's variance; NaN where no signal power is left after the noise.

    Raises:
        ValueError: if there are fewer than two repeats.

    References:
        Schoppe et al. (2016), Front. Comput. Neurosci. 10:10, doi:10.3389/fncom.2016.00010.
    """
    n = len(responses)
    if n < 2:
        _check.fail("cc_norm_squared", "responses", "of at least 2 repeats", n)
    return float(cc_norm(responses[:, :, None], prediction[:, None])[0] ** 2)


@dataclass(frozen=True, eq=False)
class Reliability:
    """How reliable the mean response of each unit is.

    Args:
        value: split-half reliability with the Spearman-Brown step, of the mean over all repeats. Shape `(unit,)`.
        low: lower end of the 95 % jackknife interval over repeats. Shape `(unit,)`.
        high: upper end. Shape `(unit,)`.
        n_repeats: repeats.
        n_splits: random halves that were averaged.
    """

    value: Float[np.ndarray, " unit"]
    low: Float[np.ndarray, " unit"]
    high: Float[np.ndarray, " unit"]
    n_repeats: int
    n_splits: int

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        table = pd.DataFrame({"reliability": self.value, "low": self.low, "high": self.high})
        return table.rename_axis("unit")


def split_half(
    responses: Float[np.ndarray, "repeat condition unit"],
    occupancy: Float[np.ndarray, "repeat condition"] | None = None,
    *,
    n_splits: int = 20,
    seed: int = 0,
) -> Reliability:
    """Return the split-half reliability of each unit's mean response over conditions.

    Repeats are halved at random `n_splits` times; the correlation of the halves' means over conditions is averaged and
    stepped up. The interval is that of a jackknife over repeats.

    Args:
        responses: summed response of each repeat to each condition. Shape `(repeat, condition, unit)`.
        occupancy: how many bins each sum is over (laps do not visit every place equally long); 1 where absent.
            Conditions that one half never visits are left out of that split. Shape `(repeat, condition)`.
        n_splits: halvings.
        seed: of the halvings.

    Raises:
        ValueError: if there are fewer than 4 repeats.

    References:
        Spearman (1910), Br. J. Psychol. 3:271, doi:10.1111/j.2044-8295.1910.tb00206.x.
    """
    n = len(responses)
    if n < 4:
        _check.fail("split_half", "responses", "of at least 4 repeats", n, "Without repeats there is no ceiling.")
    _check.count("split_half", "n_splits", n_splits)
    seen = np.ones(responses.shape[:2]) if occupancy is None else occupancy
    rng = np.random.default_rng(seed)
    halves = np.zeros((n_splits, n), dtype=bool)
    for half in halves:
        half[rng.permutation(n)[: n // 2]] = True
    value = _stepped(responses, seen, halves)
    left_out = np.stack(
        [_stepped(np.delete(responses, k, 0), np.delete(seen, k, 0), np.delete(halves, k, 1)) for k in range(n)]
    )
    error = np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean(axis=0)) ** 2, axis=0))
    return Reliability(value, value - 1.96 * error, value + 1.96 * error, n, n_splits)


def _stepped(responses: np.ndarray, occupancy: np.ndarray, halves: np.ndarray) -> np.ndarray:
    total, seen = responses.sum(axis=0), occupancy.sum(axis=0)
    found = np.zeros((len(halves), responses.shape[2]))
    for k, half in enumerate(halves):
        first, seen_first = responses[half].sum(axis=0), occupancy[half].sum(axis=0)
        both = (seen_first > 0) & (seen - seen_first > 0)
        found[k] = correlation(
            first[both] / seen_first[both, None], (total - first)[both] / (seen - seen_first)[both, None]
        )
    mean = found.mean(axis=0)
    return np.asarray(spearman_brown(np.where(mean > -1, mean, np.nan)))
