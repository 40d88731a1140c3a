"""Canonical correlations, after the smallest components are dropped (SVCCA): which directions two populations share."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.comparison.metric import AbstractMetric
from neurornn.statistics.folds import Folds


def canonical_axes(
    x: Float[np.ndarray, "bin source"], y: Float[np.ndarray, "bin target"], *, variance: float = 0.99
) -> tuple[Float[np.ndarray, "source axis"], Float[np.ndarray, "target axis"], Float[np.ndarray, " axis"]]:
    r"""Return the canonical axes of two sets of units, and the correlations along them, from high to low.

    $$ \max_{a, b}\ \mathrm{corr}(Xa, Yb) $$

    each pair uncorrelated with those before, within the principal components that hold `variance` of each set (1: all
    that are not rounding: plain CCA).

    Args:
        x: shape `(bin, source)`.
        y: shape `(bin, target)`.
        variance: share of the variance that the kept components hold.

    Returns:
        Axes of `x`, axes of `y`, and correlations *in these bins*, which are biased upwards: with as many components as
        bins they are all 1.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import canonical_axes
        >>> x = np.random.default_rng(0).normal(size=(60, 3))
        >>> mixed = x @ np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 5.0, 1.0]])
        >>> canonical_axes(x, mixed, variance=1.0)[2].round(6)
        array([1., 1., 1.])

    References:
        Hotelling (1936), Biometrika 28:321, doi:10.2307/2333955.
        Raghu et al. (2017), doi:10.48550/arXiv.1706.05806.
    """
    white_x, white_y = (_whitening(values, variance) for values in (x, y))
    u, correlation, v = np.linalg.svd(
        ((x - x.mean(axis=0)) @ white_x).T @ ((y - y.mean(axis=0)) @ white_y), full_matrices=False
    )
    return white_x @ u, white_y @ v.T, np.clip(correlation, 0.0, 1.0)


def _whitening(values: np.ndarray, variance: float) -> np.ndarray:
    """Return what takes units to their leading principal components at unit length; none where nothing varies."""
    centred = values - values.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    power = spread**2
    if power.sum() <= 1e-24 * max(float(np.sum(values**2)), 1e-300):
        return np.empty((values.shape[1], 0))
    share = np.cumsum(power) / power.sum()
    keep = min(int(np.searchsorted(share, variance - 1e-12)) + 1, int(np.sum(power > 1e-13 * power[0])))
    return axes[:keep].T / spread[:keep]


@dataclass(frozen=True)
class CanonicalCorrelation(AbstractMetric):
    """The mean correlation along canonical axes, in bins that the axes were not found in.

    The axes are found on the training bins of each fold, among the components that hold `variance` of each set, and the
    mean is over the `n_axes` first (all of the smaller set where there are fewer). Invariant to every invertible linear
    map of the units, so it sees which directions are shared and not how large they are: two populations can agree here
    and differ in nearly all of their variance. In sample it is near 1 for noise with many units, hence the folds. A
    negative mean is possible and says the same as 0.

    Args:
        variance: share of the variance that the kept components hold; 1 for plain CCA.
        n_axes: the most axes.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import CanonicalCorrelation
        >>> from neurornn.statistics.folds import blocked_folds
        >>> x = np.random.default_rng(0).normal(size=(300, 3))
        >>> mixed = x @ np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 5.0, 1.0]])
        >>> CanonicalCorrelation(variance=1.0).held_out(x, mixed, blocked_folds(np.arange(300.0), 3))["cca"].round(3)
        array([1.])

    References:
        Hotelling (1936), Biometrika 28:321, doi:10.2307/2333955.
        Raghu et al. (2017), doi:10.48550/arXiv.1706.05806.
    """

    family = "geometry"
    measures = ("cca",)
    columnwise = False
    symmetric = True
    references = ("10.2307/2333955", "10.48550/arXiv.1706.05806")

    variance: float = 0.99
    n_axes: int = 10

    def __post_init__(self) -> None:
        _check.fraction("CanonicalCorrelation", "variance", self.variance)
        _check.positive("CanonicalCorrelation", "variance", self.variance, "1 keeps every component.")
        _check.count("CanonicalCorrelation", "n_axes", self.n_axes)

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
        products, powers = [], []
        for train, test in folds:
            to_x, to_y, _ = canonical_axes(x[train], y[train], variance=self.variance)
            if to_x.shape[1] == 0:
                return {"cca": np.array([np.nan])}
            u, v = (x[test] @ to_x)[:, : self.n_axes], (y[test] @ to_y)[:, : self.n_axes]
            u, v = u - u.mean(axis=0), v - v.mean(axis=0)
            products.append(np.sum(u * v, axis=0))
            powers.append(np.sqrt(np.sum(u**2, axis=0) * np.sum(v**2, axis=0)))
        n = min(map(len, products))
        total, scale = (np.sum([part[:n] for part in parts], axis=0) for parts in (products, powers))
        each = np.divide(total, scale, out=np.zeros(n), where=scale > 0)
        return {"cca": np.array([each.mean()])}

    def sentence(self) -> str:
        kept = (
            "all components" if self.variance == 1 else f"the components that hold {self.variance:.0%} of the variance"
        )
        return (
            f"Mean of the first {self.n_axes} canonical correlations (fewer where a set has fewer components) within "
            f"{kept} of each set, axes found on the training bins and correlations taken in the test bins."
        )
