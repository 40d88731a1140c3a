"""Partial least squares from one set of units to another, with as many components as each target unit needs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurornn import _check
from neurornn.comparison.linear import MIXES, LinearMap, mixing_gain
from neurornn.comparison.metric import AbstractPredictivity
from neurornn.comparison.ridge import Spectrum, spectrum, spreads
from neurornn.statistics.folds import Folds


def pls_paths(
    x: Float[np.ndarray, "bin source"], y: Float[np.ndarray, "bin target"], n_components: int
) -> Float[np.ndarray, "component source target"]:
    r"""Return the weights of partial least squares with 1, 2 ... components, each target on its own.

    With one target, the weights after $k$ components are those of least error in the Krylov space
    $\{X^\top y, X^\top X X^\top y, \dots\}$ of $k$ dimensions: the $k$-th step of conjugate gradients on the normal
    equations. Along the principal axes of $X$ a step costs one product per axis, for all targets at once.

    Args:
        x: regressors; their means are taken out. Shape `(bin, source)`.
        y: targets; their means are taken out. Shape `(bin, target)`.
        n_components: the most components. A target that is explained before keeps its weights.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import pls_paths
        >>> x = np.random.default_rng(0).normal(size=(40, 3))
        >>> pls_paths(x, x @ np.array([[1.0], [2.0], [0.0]]), 3)[-1].ravel().round(6) + 0.0
        array([1., 2., 0.])

    References:
        Wold et al. (1984), SIAM J. Sci. Stat. Comput. 5:735, doi:10.1137/0905052.
    """
    _check.count("pls_paths", "n_components", n_components)
    axes = spectrum(x)
    return axes.axes @ _krylov(axes, axes.project(x).T @ (y - y.mean(axis=0)), n_components)


def _krylov(axes: Spectrum, moments: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the solution along the axes after each step, `(step, axis, target)`.

    The residuals are kept orthogonal to all earlier ones: in floating point they drift apart from it after a few steps.
    """
    power = axes.power[:, None]
    weights, residual = np.zeros_like(moments), moments.copy()
    start = np.einsum("at,at->t", moments, moments)
    direction, size, path, basis = residual.copy(), start.copy(), [], []
    for _ in range(n_steps):
        going = size > 1e-24 * np.maximum(start, 1e-300)
        turned = power * direction
        curvature = np.einsum("at,at->t", direction, turned)
        step = np.where(going & (curvature > 0), size / np.where(curvature > 0, curvature, 1.0), 0.0)
        weights = weights + step * direction
        path.append(weights)
        basis.append(residual / np.sqrt(np.where(size > 0, size, 1.0)))
        residual = residual - step * turned
        for one in basis:
            residual = residual - one * np.einsum("at,at->t", one, residual)
        new = np.einsum("at,at->t", residual, residual)
        direction = residual + np.where(going, new / np.where(size > 0, size, 1.0), 0.0) * direction
        size = new
    return np.stack(path)


@dataclass(frozen=True)
class PLSPredictivity(AbstractPredictivity):
    """Held-out predictivity by partial least squares, one target unit at a time.

    Regressors are standardised on the training bins. The number of components of each target (0 to `n_components`; 0 is
    the training mean) has the least squared error in `n_inner` blocked folds *inside* the training bins. A fixed number
    for all is a habit that overfits: 256 units of noise tell 30 others with an R² of 0.55 in sample and -0.29 out of
    sample at 25 components. Scores are those of `RidgePredictivity`, whose answers it shares as a rule.

    Args:
        n_components: the most components.
        n_inner: folds inside the training bins.
        floor: lowest rate in a likelihood, Hz.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import PLSPredictivity
        >>> from neurornn.statistics.folds import blocked_folds
        >>> x = np.random.default_rng(0).normal(size=(300, 5))
        >>> folds = blocked_folds(np.arange(300.0), 5, gap=2.0)
        >>> PLSPredictivity().held_out(x, x @ np.ones((5, 1)), folds)["r2"].round(3)
        array([1.])

    References:
        Wold et al. (1984), SIAM J. Sci. Stat. Comput. 5:735, doi:10.1137/0905052.
        Yamins et al. (2014), PNAS 111:8619, doi:10.1073/pnas.1403112111.
    """

    n_components: int = 25
    n_inner: int = 4
    floor: float = 0.05

    references = ("10.1137/0905052", "10.1073/pnas.1403112111")

    def __post_init__(self) -> None:
        _check.count("PLSPredictivity", "n_components", self.n_components)
        _check.count("PLSPredictivity", "n_inner", self.n_inner, least=2)
        _check.positive("PLSPredictivity", "floor", self.floor, "It is in Hz.")

    def sentence(self) -> str:
        return (
            f"Partial least squares on standardised regressors, each target unit on its own, with 0 to "
            f"{self.n_components} components chosen in {self.n_inner} blocked folds inside the training bins. "
            f"Predicted rates were rectified at {self.floor:g} Hz and mixed with the training mean by a weight chosen "
            "in the same folds; bits/spike are against the training mean of each unit."
        )

    def choices(self) -> str:
        return (
            f"Of each target unit, in {self.n_inner} blocked folds inside the training bins: the number of components "
            f"(0 to {self.n_components}) and the mixing with the mean ({len(MIXES)} values)."
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
        least = 0.0 if dt is None else self.floor * dt / 1000.0
        folds = [self._fold(standard, y, *pair) for pair in inner]  # (component, bin, target) and its test bins
        errors = np.sum([np.sum((y[test] - said) ** 2, axis=1) for said, test, _ in folds], axis=0)
        components = errors.argmin(axis=0)
        mix = np.zeros(y.shape[1])
        if dt is not None:
            best = components[None, None, :]
            linear = [np.take_along_axis(said, best, axis=0)[0] for said, _, _ in folds]
            gains = [
                mixing_gain(y[test], one, level, least) for one, (_, test, level) in zip(linear, folds, strict=True)
            ]
            mix = MIXES[np.sum(gains, axis=0).argmax(axis=0)]
        paths = self._paths(standard, y)
        weights = np.take_along_axis(paths, components[None, None, :], axis=0)[0] / spread[:, None]
        level = y.mean(axis=0)
        return LinearMap(weights, level - mean @ weights, level, mix, least, {"components": components})

    def _paths(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        found = pls_paths(x, y, self.n_components)
        return np.concatenate([np.zeros((1, *found.shape[1:])), found])

    def _fold(
        self, x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        level = y[train].mean(axis=0)
        centred = x[test] - x[train].mean(axis=0)
        return centred @ self._paths(x[train], y[train]) + level, test, level
