"""Procrustes alignment: how alike two sets of states are, up to a rotation; and the distance between shapes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from neurornn.comparison.metric import AbstractMetric
from neurornn.statistics.folds import Folds


def procrustes_rotation(
    x: Float[np.ndarray, "bin source"], y: Float[np.ndarray, "bin target"]
) -> Float[np.ndarray, "source target"]:
    r"""Return the rotation (or reflection) of `x` that brings it nearest to `y`.

    $$ \max_{Q}\ \mathrm{tr}(Y^\top X Q) = \|Y^\top X\|_*, \qquad Q^\top Q = 1 $$

    Sets of different size are compared as if the smaller one had silent units.

    References:
        Schönemann (1966), Psychometrika 31:1, doi:10.1007/BF02289451.
    """
    u, _, v = np.linalg.svd(x.T @ y, full_matrices=False)
    return u @ v


def shape_distance(x: Float[np.ndarray, "bin source"], y: Float[np.ndarray, "bin target"]) -> float:
    r"""Return the angle between two sets of states after the best rotation: 0 for the same shape, at most $\pi/2$.

    $$ d(X, Y) = \arccos \frac{\|X^\top Y\|_*}{\|X\|\,\|Y\|} $$

    of centred activity. A metric: symmetric, 0 only between rotated and scaled copies, and shorter than any way round.
    In sample, and therefore small between noise in few bins: `ProcrustesSimilarity` holds out.

    Args:
        x: shape `(bin, source)`.
        y: the same bins. Shape `(bin, target)`.

    Returns:
        Radians; NaN where one of the sets does not vary.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import shape_distance
        >>> x = np.random.default_rng(0).normal(size=(50, 4))
        >>> round(shape_distance(x, 3.0 * x[:, ::-1]), 6)
        0.0

    References:
        Williams et al. (2021), doi:10.48550/arXiv.2110.14739.
    """
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    scale = float(np.linalg.norm(x) * np.linalg.norm(y))
    if scale <= 0:
        return float("nan")
    return float(np.arccos(min(np.linalg.svd(x.T @ y, compute_uv=False).sum() / scale, 1.0)))


@dataclass(frozen=True)
class ProcrustesSimilarity(AbstractMetric):
    """The cosine between two sets of states after a rotation that was found in other bins.

    1 for a rotated and scaled copy, about 0 for unrelated activity of any width. Invariant to rotations, not to other
    linear maps: unlike CKA it notices when small directions differ, so that a high value here means a high CKA and not
    the other way round. The sets are centred on training bins; the in-sample angle is `shape_distance`.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import ProcrustesSimilarity
        >>> from neurornn.statistics.folds import blocked_folds
        >>> x = np.random.default_rng(0).normal(size=(300, 4))
        >>> folds = blocked_folds(np.arange(300.0), 3)
        >>> ProcrustesSimilarity().held_out(x, 2 * x[:, ::-1], folds)["procrustes"].round(3)
        array([1.])

    References:
        Schönemann (1966), Psychometrika 31:1, doi:10.1007/BF02289451.
        Williams et al. (2021), doi:10.48550/arXiv.2110.14739.
    """

    family = "geometry"
    measures = ("procrustes",)
    columnwise = False
    symmetric = True
    references = ("10.1007/BF02289451", "10.48550/arXiv.2110.14739")

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
        product, power_x, power_y = 0.0, 0.0, 0.0
        for train, test in folds:
            middle_x, middle_y = x[train].mean(axis=0), y[train].mean(axis=0)
            q = procrustes_rotation(x[train] - middle_x, y[train] - middle_y)
            u, v = x[test] - middle_x, y[test] - middle_y
            u, v = u - u.mean(axis=0), v - v.mean(axis=0)
            product += float(np.sum((u @ q) * v))
            power_x, power_y = power_x + float(np.sum(u**2)), power_y + float(np.sum(v**2))
        scale = np.sqrt(power_x * power_y)
        return {"procrustes": np.array([product / scale if scale > 0 else np.nan])}

    def sentence(self) -> str:
        return (
            "Procrustes alignment: the cosine between the two sets of states in the test bins after the rotation that "
            "fits the training bins best."
        )
