"""Single-unit statistics of two sets of units, compared as distributions, not as means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import ks_2samp, wasserstein_distance

from neurornn import _check


@dataclass(frozen=True, eq=False)
class DistributionComparison:
    """How two sets of units differ in each of their statistics.

    Args:
        table: one row a statistic: `statistic`, `n_model`, `n_brain`, `n_matched`, medians, `ks` with `ks_p`,
            `wasserstein` (in standard deviations of the brain's units), `effect` with `low` and `high`.
        methods: what was done, in plain sentences.
        references: DOIs.
    """

    table: pd.DataFrame
    methods: str
    references: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table


def cliffs_delta(a: Float[np.ndarray, " one"], b: Float[np.ndarray, " other"]) -> float:
    """Return the chance that a value of `a` is above one of `b`, less the chance that it is below: -1 to 1.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import cliffs_delta
        >>> cliffs_delta(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
        0.75

    References:
        Cliff (1993), Psychol. Bull. 114:494, doi:10.1037/0033-2909.114.3.494.
    """
    b = np.sort(b)
    below, not_above = np.searchsorted(b, a, "left"), np.searchsorted(b, a, "right")
    return float((below.sum() - (len(b) - not_above).sum()) / (len(a) * len(b)))


@dataclass(frozen=True)
class UnitDistributions:
    """Compares the distributions of single-unit statistics (rates, field sizes, CV2 ...) of a model and a brain.

    For each statistic: the Kolmogorov-Smirnov distance, the Wasserstein distance in standard deviations of the brain's
    units, and Cliff's delta. Both distances are biased upwards in small samples, the more so the smaller: they are
    therefore means over `n_draws` subsamples of both sets at one matched size (half of the smaller set, both drawn
    without replacement), to be compared with `ks_same` and `wasserstein_same`: the same distances between two such
    subsamples of the pooled units. The interval of the effect is a bootstrap over units.

    Args:
        statistics: columns to compare; all numeric columns that both tables have where empty.
        n_draws: subsamples, and bootstrap resamples.
        least: a statistic needs this many units on both sides.
        seed: of the draws.

    Example:
        >>> import numpy as np, pandas as pd
        >>> from neurornn.comparison import UnitDistributions
        >>> rng = np.random.default_rng(0)
        >>> model, brain = (pd.DataFrame({"rate": rng.gamma(2.0, size=60)}) for _ in range(2))
        >>> found = UnitDistributions().compare(model, brain).frame()
        >>> bool(found["ks_p"].item() > 0.01), bool(abs(found["effect"].item()) < 0.3)
        (True, True)

    References:
        Massey (1951), J. Am. Stat. Assoc. 46:68, doi:10.1080/01621459.1951.10500769.
        Cliff (1993), Psychol. Bull. 114:494, doi:10.1037/0033-2909.114.3.494.
    """

    statistics: Sequence[str] = ()
    n_draws: int = 200
    least: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        _check.count("UnitDistributions", "n_draws", self.n_draws)
        _check.count("UnitDistributions", "least", self.least, least=4)

    def compare(self, model: pd.DataFrame, brain: pd.DataFrame) -> DistributionComparison:
        """Return the comparison of two tables with one row a unit; NaN units are left out of each statistic.

        Raises:
            ValueError: if a statistic is missing from a table, or they share none.
        """
        owner = "UnitDistributions"
        shared = [name for name in model.select_dtypes("number") if name in brain.select_dtypes("number")]
        if not shared:
            got = f"{list(model.columns)} and {list(brain.columns)}"
            _check.fail(owner, "model, brain", "tables that share a numeric column", got)
        for name in self.statistics:
            if name not in shared:
                _check.fail(owner, "statistics", "numeric columns of both tables", name, _check.near(name, shared))
        names = list(self.statistics) or shared
        rows = [self._row(name, model[name].to_numpy(float), brain[name].to_numpy(float)) for name in names]
        return DistributionComparison(
            pd.DataFrame(rows),
            methods=(
                "Distributions over units: Kolmogorov-Smirnov and Wasserstein distances (in standard deviations of the "
                f"brain's units), means over {self.n_draws} subsamples of both sets at a matched size, beside the same "
                "between subsamples of the pooled units; Cliff's delta with a 95 % bootstrap over units; p of the "
                "two-sample Kolmogorov-Smirnov test over all units."
            ),
            references=("10.1080/01621459.1951.10500769", "10.1037/0033-2909.114.3.494"),
        )

    def _row(self, name: str, model: np.ndarray, brain: np.ndarray) -> dict[str, object]:
        model, brain = model[np.isfinite(model)], brain[np.isfinite(brain)]
        row: dict[str, object] = {"statistic": name, "n_model": len(model), "n_brain": len(brain)}
        keys = ("median_model", "median_brain", "ks", "ks_same", "ks_p", "wasserstein", "wasserstein_same")
        if min(len(model), len(brain)) < self.least:
            return row | {"n_matched": 0} | dict.fromkeys((*keys, "effect", "low", "high"), float("nan"))
        rng = np.random.default_rng(self.seed)
        n, pooled = min(len(model), len(brain)) // 2, np.concatenate([model, brain])
        scale = brain.std() if brain.std() > 0 else 1.0
        apart, same, effects = [], [], []
        for _ in range(self.n_draws):
            a, b = rng.choice(model, n, replace=False), rng.choice(brain, n, replace=False)
            both = rng.choice(pooled, 2 * n, replace=False)
            apart.append(distances(a, b, scale))
            same.append(distances(both[:n], both[n:], scale))
            effects.append(cliffs_delta(rng.choice(model, len(model)), rng.choice(brain, len(brain))))
        (ks, far), (ks_same, far_same) = np.mean(apart, axis=0), np.mean(same, axis=0)
        low, high = np.quantile(effects, [0.025, 0.975])
        p = float(np.asarray(ks_2samp(model, brain))[1])
        middle = (float(np.median(model)), float(np.median(brain)))
        values = (*middle, ks, ks_same, p, far, far_same, cliffs_delta(model, brain), low, high)
        keys = (*keys, "effect", "low", "high")
        return row | {"n_matched": n} | {key: float(value) for key, value in zip(keys, values, strict=True)}


def distances(a: Float[np.ndarray, " one"], b: Float[np.ndarray, " other"], scale: float) -> tuple[float, float]:
    """Return the Kolmogorov-Smirnov distance of two samples, and their Wasserstein distance in units of `scale`."""
    grid = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(side), grid, "right") / len(side) for side in (a, b)]
    return float(np.max(np.abs(below[0] - below[1]))), float(wasserstein_distance(a, b) / scale)
