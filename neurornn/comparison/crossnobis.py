"""Representational similarity: which conditions two populations tell apart, by distances without noise in them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from neurornn import _check
from neurornn.comparison.metric import AbstractMetric
from neurornn.statistics.folds import Folds


def condition_patterns(
    values: Float[np.ndarray, "bin unit"],
    labels: Int[np.ndarray, " bin"],
    folds: Folds,
) -> tuple[Float[np.ndarray, "part condition unit"], Int[np.ndarray, " condition"]]:
    """Return the mean activity in each condition and each fold's test bins, for the conditions that occur in all.

    Args:
        values: shape `(bin, unit)`.
        labels: condition of each bin, -1 where it has none. Shape `(bin,)`.
        folds: their test bins are the independent parts.

    Returns:
        Patterns, and the labels of their conditions.
    """
    parts = [test[labels[test] >= 0] for _, test in folds]
    common = set(np.unique(labels[parts[0]]).tolist())
    for rows in parts[1:]:
        common &= set(labels[rows].tolist())
    shared = np.array(sorted(common), dtype=np.int64)
    found = np.zeros((len(parts), len(shared), values.shape[1]))
    for part, rows in zip(found, parts, strict=True):
        rows = rows[np.isin(labels[rows], shared)]
        place = np.searchsorted(shared, labels[rows])
        np.add.at(part, place, values[rows])
        part /= np.bincount(place, minlength=len(shared))[:, None]
    return found, shared


def crossnobis(
    patterns: Float[np.ndarray, "part condition unit"], precision: Float[np.ndarray, "unit unit"] | None = None
) -> Float[np.ndarray, " pair"]:
    r"""Return cross-validated squared Mahalanobis distances between conditions.

    $$ d_{ij} = \frac{1}{M (M-1) P} \sum_{m \ne n} (b_i - b_j)_m^\top\, \Sigma^{-1}\, (b_i - b_j)_n $$

    over the $M$ parts, $P$ units. The noise of two parts is independent, so that the distance between conditions that
    do not differ is 0 on average and may be negative.

    Args:
        patterns: mean activity in each condition of each independent part. Shape `(part, condition, unit)`.
        precision: inverse covariance of the noise, $\Sigma^{-1}$; the identity where absent. Shape `(unit, unit)`.

    Returns:
        Distances in the order of `np.triu_indices(n_conditions, 1)`. Shape `(pair,)`.

    Raises:
        ValueError: if there are fewer than two parts or two conditions.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import crossnobis
        >>> crossnobis(np.array([[[0.0], [2.0]], [[0.0], [3.0]]]))
        array([6.])

    References:
        Walther et al. (2016), NeuroImage 137:188, doi:10.1016/j.neuroimage.2015.12.012.
    """
    n_parts, n_conditions, n_units = patterns.shape
    if n_parts < 2 or n_conditions < 2:
        got = f"{n_parts} parts and {n_conditions} conditions"
        fix = "Take coarser conditions, or fewer folds."
        _check.fail("crossnobis", "patterns", "of two parts and two conditions or more", got, fix)
    other = patterns if precision is None else patterns @ precision
    total, total_other = patterns.sum(axis=0), other.sum(axis=0)
    across = total @ total_other.T - np.einsum("mcu,mdu->cd", patterns, other)  # sum over m != n of b_m S b_n
    distance = np.diag(across)[:, None] + np.diag(across) - across - across.T
    return distance[np.triu_indices(n_conditions, 1)] / (n_parts * (n_parts - 1) * n_units)


@dataclass(frozen=True)
class RepresentationalSimilarity(AbstractMetric):
    """How far two populations agree on which conditions are alike: crossnobis distances by cosine and by rank.

    The test bins of the folds are the independent parts that distances are cross-validated over. Conditions are the
    labels that `compare` gives to bins: position and direction on a track, or the columns of the trials that are named
    as `conditions`, by tenth of the trial. Distances are whitened by each population's own noise, estimated within
    conditions and shrunk as by Ledoit and Wolf, so that they do not change when a population is rotated.

    * `rsa`: Pearson's correlation of the two sets of distances; 0 where they have nothing in common.
    * `rsa_rank`: Spearman's correlation.
    * `rsa_cosine`: their cosine. Unbiased distances have a true 0, and this keeps it: 0 where one population tells no
      conditions apart, but high between any two that tell all of them apart.

    Distances share conditions and are not independent of one another: read both beside the shifts.

    Args:
        whiten: whether distances are Mahalanobis distances (else Euclidean).

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import RepresentationalSimilarity
        >>> from neurornn.statistics.folds import blocked_folds
        >>> rng, labels = np.random.default_rng(0), np.tile(np.arange(6), 100)
        >>> x = rng.normal(size=(6, 8))[labels] + rng.normal(size=(600, 8))
        >>> folds = blocked_folds(np.arange(600.0), 4)
        >>> RepresentationalSimilarity().held_out(x, x[:, ::-1], folds, labels=labels)["rsa"].round(6)
        array([1.])

    References:
        Kriegeskorte et al. (2008), Front. Syst. Neurosci. 2:4, doi:10.3389/neuro.06.004.2008.
        Walther et al. (2016), NeuroImage 137:188, doi:10.1016/j.neuroimage.2015.12.012.
    """

    family = "geometry"
    measures = ("rsa", "rsa_rank", "rsa_cosine")
    columnwise = False
    symmetric = True
    learns = False
    references = ("10.3389/neuro.06.004.2008", "10.1016/j.neuroimage.2015.12.012")

    whiten: bool = True

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
        if labels is None or not np.any(labels >= 0):
            fix = "Name columns of the trials as `conditions`, or give the recording a position in one dimension."
            _check.fail("RepresentationalSimilarity", "labels", "the condition of each bin", "none", fix)
        one, other = (self.distances(values, labels, folds) for values in (x, y))
        found = {
            "rsa": _cosine(one - one.mean(), other - other.mean()),
            "rsa_rank": _cosine(*(rankdata(d) - (len(d) + 1) / 2 for d in (one, other))),
            "rsa_cosine": _cosine(one, other),
        }
        return {name: np.array([value]) for name, value in found.items()}

    def distances(
        self, values: Float[np.ndarray, "bin unit"], labels: Int[np.ndarray, " bin"], folds: Folds
    ) -> Float[np.ndarray, " pair"]:
        """Return the crossnobis distances of one population.

        Args:
            values: shape `(bin, unit)`.
            labels: condition of each bin, -1 where it has none. Shape `(bin,)`.
            folds: their test bins are the independent parts.
        """
        varying = values[:, values.std(axis=0) > 0]
        patterns, shared = condition_patterns(varying, labels, folds)
        precision = _precision(varying, labels, shared) if self.whiten and varying.shape[1] else None
        return crossnobis(patterns, precision)

    def sentence(self) -> str:
        how = "whitened by the noise within conditions (Ledoit-Wolf)" if self.whiten else "not whitened"
        return (
            f"Representational similarity: squared distances between conditions, cross-validated over the test bins of "
            f"the folds, {how}, of each population; their correlation, rank correlation and cosine."
        )

    def choices(self) -> str:
        return "The shrinkage of the noise covariance, in closed form." if self.whiten else "Nothing is chosen."


def _precision(values: np.ndarray, labels: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return the inverse of the shrunk covariance of what is left after each condition's mean."""
    from sklearn.covariance import ledoit_wolf

    rows = np.flatnonzero(np.isin(labels, shared))
    place = np.searchsorted(shared, labels[rows])
    total = np.zeros((len(shared), values.shape[1]))
    np.add.at(total, place, values[rows])
    residual = values[rows] - (total / np.bincount(place, minlength=len(shared))[:, None])[place]
    covariance, _ = ledoit_wolf(residual, assume_centered=True)
    ridge = 1e-9 * max(float(np.trace(covariance)) / len(covariance), 1e-300)
    return np.linalg.inv(covariance + ridge * np.eye(len(covariance)))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / scale) if scale > 0 else float("nan")
