"""Ridge regression from one set of units to another, with a penalty for each target unit."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from neurornn import _check
from neurornn.comparison.linear import MIXES, LinearMap, mixing_gain
from neurornn.comparison.metric import AbstractPredictivity
from neurornn.statistics.folds import Folds

CHUNK = 512
"""Target columns that are worked on at once: few enough to stay in the cache."""

LEAST_SPREAD = 0.5
"""Of the root mean square over regressors."""


class Spectrum(NamedTuple):
    """Regressors as principal axes: every penalty then costs one division.

    `axes` (source, axis); `power` (axis,), the eigenvalues of X'X; `mean` (source,), which was taken out.
    """

    axes: np.ndarray
    power: np.ndarray
    mean: np.ndarray

    def project(self, x: np.ndarray) -> np.ndarray:
        """Return `x` along the axes."""
        return (x - self.mean) @ self.axes


def spectrum(x: Float[np.ndarray, "bin source"]) -> Spectrum:
    """Return the principal axes of `x`, from the smaller of its two Gram matrices."""
    mean = x.mean(axis=0)
    centred = x - mean
    if len(x) >= x.shape[1]:
        power, axes = np.linalg.eigh(centred.T @ centred)
        keep = power > max(power[-1], 0.0) * 1e-13
        return Spectrum(axes[:, keep], power[keep], mean)
    power, rows = np.linalg.eigh(centred @ centred.T)
    keep = power > max(power[-1], 0.0) * 1e-13
    return Spectrum(centred.T @ rows[:, keep] / np.sqrt(power[keep]), power[keep], mean)


def ridge_weights(
    x: Float[np.ndarray, "bin source"], y: Float[np.ndarray, "bin target"], penalty: float
) -> tuple[Float[np.ndarray, "source target"], Float[np.ndarray, " target"]]:
    r"""Return weights and intercepts of ridge regression at one penalty.

    $$ \min_{W, c} \|Y - XW - c\|^2 + \lambda \|W\|^2 $$

    Args:
        x: regressors. Shape `(bin, source)`.
        y: targets. Shape `(bin, target)`.
        penalty: $\lambda$, 0 or above.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import ridge_weights
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> weights, intercept = ridge_weights(x, 3.0 * x + 1.0, 0.0)
        >>> weights.round(6).item(), intercept.round(6).item()
        (3.0, 1.0)
    """
    _check.not_negative("ridge_weights", "penalty", penalty)
    axes = spectrum(x)
    mean = y.mean(axis=0)
    weights = axes.axes @ (axes.project(x).T @ (y - mean) / (axes.power + penalty)[:, None])
    return weights, mean - axes.mean @ weights


def spreads(x: Float[np.ndarray, "bin source"], bands: tuple[int, ...] = ()) -> Float[np.ndarray, " source"]:
    """Return what to divide each regressor by: its standard deviation, or half its band's if that is more.

    A unit that is nearly silent in the training bins must not become a giant when it fires in a test bin.

    Args:
        x: regressors. Shape `(bin, source)`.
        bands: how many regressors there are of each kind.

    Returns:
        Shape `(source,)`; infinite for bands that are constant, which tell nothing.
    """
    own = x.std(axis=0)
    least = np.empty_like(own)
    for start, stop in pairwise(np.cumsum([0, *(bands or (len(own),))])):
        least[start:stop] = LEAST_SPREAD * np.sqrt(np.mean(own[start:stop] ** 2))
    spread = np.maximum(own, least)
    return np.where(spread > 1e-12 * np.abs(x).max(initial=0.0), spread, np.inf)


@dataclass(frozen=True)
class RidgePredictivity(AbstractPredictivity):
    r"""Held-out linear predictivity: ridge regression from all source units to each target unit.

    Regressors are standardised on the training bins (those with less than half the usual spread: by that half). Each
    target has its own penalty $\lambda = \alpha n$ ($n$ training bins), the $\alpha$ with the least squared error in
    `n_inner` blocked folds *inside* the training bins. With two bands of regressors, the weight of the last one is
    chosen in the same way. Scores:

    * `r2`: $1 - \sum(y-\hat y)^2 / \sum(y-\bar y_\text{train})^2$ over all test bins; below 0 is worse than a constant.
    * `r`: Pearson's correlation within the test blocks, pooled.
    * `bits_per_spike`: of the rate $(1-w)\max(\hat y, \text{floor}) + w\,\bar y_\text{train}$ against
      $\bar y_\text{train}$; $w$ is chosen by likelihood on the inner folds. A linear map predicts negative rates, and
      the mixing says what they cost: at $w = 1$ the gain is 0.

    A linear map with many regressors overfits even at its best penalty, the more so the more regressors there are:
    compare sources of equal size, or see the untrained network of the same size beside it.

    Args:
        penalties: the $\alpha$ to choose from.
        ratios: weights of the last band to choose from, where there are two.
        n_inner: folds inside the training bins.
        floor: lowest rate in a likelihood, Hz.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import RidgePredictivity
        >>> from neurornn.statistics.folds import blocked_folds
        >>> x = np.random.default_rng(0).normal(size=(300, 5))
        >>> folds = blocked_folds(np.arange(300.0), 5, gap=2.0)
        >>> RidgePredictivity().held_out(x, x @ np.ones((5, 1)), folds)["r2"].round(3)
        array([1.])

    References:
        Hoerl & Kennard (1970), Technometrics 12:55, doi:10.1080/00401706.1970.10488634.
        Yamins et al. (2014), PNAS 111:8619, doi:10.1073/pnas.1403112111.
    """

    penalties: tuple[float, ...] = tuple(float(a) for a in np.logspace(-4, 4, 20))
    ratios: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    n_inner: int = 4
    floor: float = 0.05

    references = ("10.1080/00401706.1970.10488634", "10.1073/pnas.1403112111")

    def __post_init__(self) -> None:
        _check.count("RidgePredictivity", "n_inner", self.n_inner, least=2)
        _check.positive("RidgePredictivity", "floor", self.floor, "It is in Hz.")
        for name in ("penalties", "ratios"):
            values = getattr(self, name)
            if len(values) == 0 or min(values) <= 0:
                _check.fail("RidgePredictivity", name, "one or more numbers above 0", values)

    def sentence(self) -> str:
        return (
            f"Ridge regression on standardised regressors; the penalty of each target unit ({len(self.penalties)} "
            f"values, {min(self.penalties):g} to {max(self.penalties):g} of the number of training bins) was chosen in "
            f"{self.n_inner} blocked folds inside the training bins. Predicted rates were rectified at {self.floor:g} "
            "Hz and mixed with the training mean by a weight chosen in the same folds; bits/spike are against the "
            "training mean of each unit."
        )

    def choices(self) -> str:
        return (
            f"Of each target unit, in {self.n_inner} blocked folds inside the training bins: the penalty "
            f"({len(self.penalties)} values), the weight of the last band ({len(self.ratios)}) and the mixing with the "
            f"mean ({len(MIXES)})."
        )

    def fit(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        inner: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
    ) -> LinearMap:
        mean, spread = x.mean(axis=0), spreads(x, bands)
        standard = (x - mean) / spread
        ratios = self.ratios if len(bands) > 1 else (1.0,)
        scales = [_scales(bands, x.shape[1], ratio) for ratio in ratios]
        views = [[_view(standard * scale, train, test) for train, test in inner] for scale in scales]
        whole = [spectrum(standard * scale) for scale in scales]
        least = 0.0 if dt is None else self.floor * dt / 1000.0
        parts = []
        for first in range(0, y.shape[1], CHUNK):
            part = y[:, first : first + CHUNK]
            penalty, ratio = self._chosen(views, part, inner)
            mix = np.zeros(part.shape[1]) if dt is None else _mixed(views, part, inner, penalty, ratio, least)
            weights = np.zeros((x.shape[1], part.shape[1]))
            for k, scale in enumerate(scales):
                mine = ratio == k
                weights[:, mine] = scale[:, None] * _weights(whole[k], standard * scale, part[:, mine], penalty[mine])
            parts.append((weights, part.mean(axis=0), penalty, np.asarray(ratios)[ratio], mix))
        weights, level, penalty, ratio, mix = (np.concatenate(p, axis=-1) for p in zip(*parts, strict=True))
        weights = weights / spread[:, None]
        chosen = {"penalty": penalty, "ratio": ratio}
        return LinearMap(weights, level - mean @ weights, level, mix, least, chosen)

    def _chosen(self, views: list[list["_View"]], y: np.ndarray, inner: Folds) -> tuple[np.ndarray, np.ndarray]:
        """Return each target's penalty and the place of its ratio: the least squared error in the inner folds."""
        errors = np.zeros((len(views), len(self.penalties), y.shape[1]))
        for k, folds in enumerate(views):
            for view, (train, test) in zip(folds, inner, strict=True):
                mean = y[train].mean(axis=0)
                moments = view.seen.T @ (y[train] - mean)  # (axis, target)
                target = view.basis.T @ (y[test] - mean)  # what no penalty can reach is the same for all: left out
                for j, penalty in enumerate(self.penalties):
                    shrunk = moments / (view.power + penalty * len(train))[:, None]
                    miss = target - view.unseen @ shrunk
                    errors[k, j] += np.einsum("it,it->t", miss, miss)
        best = errors.reshape(-1, y.shape[1]).argmin(axis=0)
        ratio, place = np.divmod(best, len(self.penalties))
        return np.asarray(self.penalties)[place], ratio


class _View(NamedTuple):
    """One inner fold: training bins along their axes, and test bins reduced to what matters for the squared error."""

    seen: np.ndarray
    power: np.ndarray
    basis: np.ndarray
    unseen: np.ndarray


def _view(x: np.ndarray, train: np.ndarray, test: np.ndarray) -> _View:
    axes = spectrum(x[train])
    basis, unseen = np.linalg.qr(axes.project(x[test]))
    return _View(axes.project(x[train]), axes.power, basis, unseen)


def _scales(bands: tuple[int, ...], n_sources: int, ratio: float) -> np.ndarray:
    """Return the weight of each regressor when the last band weighs `ratio` times the others."""
    if bands and sum(bands) != n_sources:
        _check.fail("RidgePredictivity", "bands", f"sizes that add up to {n_sources} regressors", bands)
    scale = np.ones(n_sources)
    if len(bands) > 1:
        scale[n_sources - bands[-1] :] = ratio
    return scale


def _weights(axes: Spectrum, x: np.ndarray, y: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    moments = axes.project(x).T @ (y - y.mean(axis=0))
    return axes.axes @ (moments / (axes.power[:, None] + penalty * len(x)))


def _mixed(
    views: list[list[_View]], y: np.ndarray, inner: Folds, penalty: np.ndarray, ratio: np.ndarray, least: float
) -> np.ndarray:
    """Return how much of the mean each target's rate should hold, by likelihood in the inner folds."""
    gain = np.zeros((len(MIXES), y.shape[1]))
    for k in np.unique(ratio):
        mine = ratio == k
        for view, (train, test) in zip(views[k], inner, strict=True):
            mean = y[train][:, mine].mean(axis=0)
            moments = view.seen.T @ (y[train][:, mine] - mean)
            drive = view.unseen @ (moments / (view.power[:, None] + penalty[mine] * len(train)))
            gain[:, mine] += mixing_gain(y[test][:, mine], mean + view.basis @ drive, mean, least)
    return MIXES[gain.argmax(axis=0)]
