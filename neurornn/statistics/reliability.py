"""The ceiling of a repeated response, with its confidence interval; and the sentence where there can be none."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn.statistics.repeats import Responses, cc_max, oracle

ONE_REPEAT = (
    "The stimulus was shown once: without repeats, signal and noise cannot be told apart, so that there is no ceiling, "
    "no normalised correlation and no explainable variance (NaN)."
)
"""What stands where a ceiling was asked for and cannot be had."""


@dataclass(frozen=True, eq=False)
class Ceiling:
    r"""The best correlation with the mean response that any model can expect, of each unit.

    Args:
        value: $CC_\text{max}$. Shape `(unit,)`.
        low: lower end of its 95 % interval, from a jackknife over repeats (NaN under three). Shape `(unit,)`.
        high: upper end. Shape `(unit,)`.
        oracle: correlation of each repeat with the mean of the others; an underestimate. Shape `(unit,)`.
        n_repeats: most repeats that a bin has.
        note: why there is no ceiling, where there is none.
    """

    value: Float[np.ndarray, " unit"]
    low: Float[np.ndarray, " unit"]
    high: Float[np.ndarray, " unit"]
    oracle: Float[np.ndarray, " unit"]
    n_repeats: int
    note: str = ""

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        table = {"cc_max": self.value, "cc_max_low": self.low, "cc_max_high": self.high, "oracle": self.oracle}
        return pd.DataFrame(table).rename_axis("unit")


def ceiling(responses: Responses) -> Ceiling:
    r"""Return the ceiling of each unit from repeats of one stimulus.

    The value is $CC_\text{max} = \sqrt{SP / \mathrm{Var}(\bar y)}$ (see `cc_max`). Its interval comes from leaving out
    each repeat in turn: $\pm 1.96$ jackknife standard errors of $CC_\text{max}^2$, before the square root, held in
    [0, 1].

    Args:
        responses: shape `(repeat, bin, unit)`; NaN where a repeat was not shown.

    Returns:
        NaN, and a sentence in `note`, for a single repeat.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.reliability import ceiling
        >>> rng = np.random.default_rng(0)
        >>> truth = rng.normal(size=(500, 1))
        >>> told = ceiling(truth + rng.normal(size=(4, 500, 1)))  # signal and noise alike: 4/5 of the mean's variance
        >>> bool(told.low[0] < 0.8**0.5 < told.high[0])
        True

    References:
        Schoppe et al. (2016), doi:10.3389/fncom.2016.00010.
    """
    n = int(np.isfinite(responses).any(axis=2).sum(axis=0).max(initial=0))
    nothing = np.full(responses.shape[2], np.nan)
    if n < 2:
        return Ceiling(nothing, nothing, nothing, nothing, n, ONE_REPEAT)
    value = cc_max(responses)
    low, high = nothing, nothing
    if len(responses) > 2:
        left_out = np.stack([cc_max(np.delete(responses, k, axis=0)) ** 2 for k in range(len(responses))])
        k = len(responses)
        # Fewer repeats leave more noise in their mean: each pseudo-value is brought back to all of them.
        left_out = k * left_out / (k - 1 + left_out)
        spread = np.sqrt((k - 1) / k * np.sum((left_out - left_out.mean(axis=0)) ** 2, axis=0))
        low = np.sqrt(np.clip(value**2 - 1.96 * spread, 0.0, 1.0))
        high = np.sqrt(np.clip(value**2 + 1.96 * spread, 0.0, 1.0))
    return Ceiling(value, low, high, oracle(responses), n)
