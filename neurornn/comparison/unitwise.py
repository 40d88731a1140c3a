"""Whether the units of two populations are alike, one by one and two by two, and how many dimensions they fill."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.comparison.distributions import distances
from neurornn.comparison.effective import decorrelation_lag
from neurornn.comparison.metric import AbstractMetric
from neurornn.statistics.folds import Folds
from neurornn.statistics.subspace import participation_ratio


@dataclass(frozen=True)
class UnitSimilarity(AbstractMetric):
    r"""One less the Kolmogorov-Smirnov distance between what single units and pairs of units do in two populations.

    * `fano`: variance of the bins over their mean (of counts only; NaN otherwise).
    * `timescale`: lag at which the autocorrelation of a unit falls to 1/e.
    * `coupling`: correlation of a unit with the mean of all others.
    * `pairwise`: correlation of two units.

    1 for two populations with the same distributions; two samples of n units from one population come to about
    $1 - 0.87\sqrt{2/n}$, so that 30 units reach 0.78 and not 1. All four change with the number of spikes and with
    the bin: networks are seen through spikes at the recorded rates (`compare(in_silico=True)`), which leaves the rates
    themselves without anything to say.

    Args:
        least: units on both sides, below which nothing is said (NaN).

    References:
        Massey (1951), J. Am. Stat. Assoc. 46:68, doi:10.1080/01621459.1951.10500769.
        Okun et al. (2015), Nature 521:511, doi:10.1038/nature14273.
    """

    family = "distribution"
    measures = ("fano", "timescale", "coupling", "pairwise")
    columnwise = False
    symmetric = True
    paired = False
    learns = False
    of_units = True
    references = ("10.1080/01621459.1951.10500769", "10.1038/nature14273")

    least: int = 5

    def __post_init__(self) -> None:
        _check.count("UnitSimilarity", "least", self.least, least=2)

    def held_out(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        folds: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
        labels: Int[np.ndarray, " bin"] | None = None,
    ) -> Mapping[str, Float[np.ndarray, " _score"]]:
        ours, theirs = (self._statistics(values, folds.times) for values in (x, y))
        return {name: np.array([self._alike(ours[name], theirs[name])]) for name in self.measures}

    def _statistics(self, values: np.ndarray, times: np.ndarray) -> dict[str, np.ndarray]:
        varies = values[:, values.std(axis=0) > 0]
        step = float(np.median(np.diff(times)))
        standard = (varies - varies.mean(axis=0)) / varies.std(axis=0)
        together = standard.T @ standard / len(standard)
        others = varies.sum(axis=1, keepdims=True) - varies
        spread = others.std(axis=0)
        product = (standard * (others - others.mean(axis=0))).mean(axis=0)
        mean = varies.mean(axis=0)
        counts = bool(np.all(varies >= 0)) and np.array_equal(varies, np.rint(varies))
        fano = varies.var(axis=0) / mean if counts else np.full(len(mean), np.nan)
        return {
            "fano": fano,
            "timescale": decorrelation_lag(varies, times, dt=step) if varies.shape[1] else np.empty(0),
            "coupling": np.divide(product, spread, out=np.full(len(mean), np.nan), where=spread > 0),
            "pairwise": together[np.triu_indices(len(together), 1)],
        }

    def _alike(self, ours: np.ndarray, theirs: np.ndarray) -> float:
        ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
        if min(len(ours), len(theirs)) < self.least:
            return float("nan")
        return 1.0 - distances(ours, theirs, 1.0)[0]

    def sentence(self) -> str:
        return (
            "1 less the Kolmogorov-Smirnov distance between the two populations' distributions of Fano factors, "
            "decorrelation times, population coupling and pairwise correlations."
        )


@dataclass(frozen=True)
class DimensionSimilarity(AbstractMetric):
    r"""The smaller over the larger of two participation ratios: 1 where two populations fill as many dimensions.

    $$ D = \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}, \qquad \frac{\min(D_x, D_y)}{\max(D_x, D_y)} $$

    of the eigenvalues of the covariance. It says how many dimensions there are, not which: independent noise of as many
    units agrees. The ratio changes with the number of units, of bins and with spike noise: see
    `compare(in_silico=True)`.

    References:
        Gao et al. (2017), bioRxiv 214262, doi:10.1101/214262.
    """

    family = "distribution"
    measures = ("dimension",)
    columnwise = False
    symmetric = True
    paired = False
    learns = False
    of_units = True
    references = ("10.1101/214262",)

    def held_out(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        folds: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
        labels: Int[np.ndarray, " bin"] | None = None,
    ) -> Mapping[str, Float[np.ndarray, " _score"]]:
        sizes = sorted(participation_ratio(values) for values in (x, y))
        return {"dimension": np.array([sizes[0] / sizes[1]])}

    def sentence(self) -> str:
        return "The smaller over the larger participation ratio of the two populations' covariances."
