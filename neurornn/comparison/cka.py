"""Centred kernel alignment without its bias: how alike two geometries are, and 0 where they have nothing in common."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.comparison.metric import AbstractMetric
from neurornn.statistics.folds import Folds


def debiased_cka(x: Float[np.ndarray, "bin source"], y: Float[np.ndarray, "bin target"]) -> float:
    r"""Return debiased linear CKA between two sets of units.

    $$ \frac{h(K, L)}{\sqrt{h(K, K)\,h(L, L)}}, \qquad K = XX^\top,\; L = YY^\top $$

    with the unbiased $h$ of Song et al. (2012). 1 for a rotated copy, about 0 for independent data of any width; the
    usual (biased) form gives 0.91 for independent noise of 1000 units in 100 samples. Small negative values occur.

    Computed from the units, not from the kernels: cost is bins x source x target.

    Args:
        x: shape `(bin, source)`.
        y: shape `(bin, target)`.

    Returns:
        The alignment; NaN where one of the sets has no structure beyond noise (its own $h$ is not above 0).

    Raises:
        ValueError: if there are fewer than 4 bins.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import debiased_cka
        >>> x = np.random.default_rng(0).normal(size=(50, 4))
        >>> round(debiased_cka(x, x[:, ::-1]), 6)
        1.0

    References:
        Song et al. (2012), JMLR 13:1393.
        Kornblith et al. (2019), doi:10.48550/arXiv.1905.00414.
    """
    if len(x) < 4:
        _check.fail("debiased_cka", "x", "of at least 4 bins", x)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    scale = np.sqrt(_hsic(x, x)) * np.sqrt(_hsic(y, y)) if _hsic(x, x) > 0 and _hsic(y, y) > 0 else np.nan
    return float(_hsic(x, y) / scale)


def _hsic(x: np.ndarray, y: np.ndarray) -> float:
    """Return the unbiased Hilbert-Schmidt independence criterion of two linear kernels with an emptied diagonal."""
    n = len(x)
    square_x, square_y = np.einsum("bi,bi->b", x, x), np.einsum("bi,bi->b", y, y)
    row_x, row_y = x @ x.sum(axis=0) - square_x, y @ y.sum(axis=0) - square_y
    trace = np.sum((x.T @ y) ** 2) - square_x @ square_y
    middle = row_x.sum() * row_y.sum() / ((n - 1) * (n - 2))
    return float((trace + middle - 2.0 / (n - 2) * (row_x @ row_y)) / (n * (n - 3)))


@dataclass(frozen=True)
class DebiasedCKA(AbstractMetric):
    """Debiased linear CKA over all bins (nothing is learnt, so nothing is held out).

    One number for the two sets. Bins are not independent: read it beside its circular shifts. It is blind to which
    units carry what, and no value of it is good as such.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import DebiasedCKA
        >>> from neurornn.statistics.folds import blocked_folds
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> DebiasedCKA().held_out(x, 2 * x, blocked_folds(np.arange(100.0), 2))["cka"].round(6)
        array([1.])

    References:
        Song et al. (2012), JMLR 13:1393.
        Kornblith et al. (2019), doi:10.48550/arXiv.1905.00414.
    """

    family = "geometry"
    measures = ("cka",)
    columnwise = False
    symmetric = True
    learns = False
    references = ("10.48550/arXiv.1905.00414",)

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
        return {"cka": np.array([debiased_cka(x, y)])}

    def sentence(self) -> str:
        return "Linear centred kernel alignment with the unbiased estimator, over all analysed bins."
