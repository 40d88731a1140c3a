"""Poisson regression with a ridge penalty from one set of units to the spike counts of another."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurornn import _check
from neurornn.comparison.metric import AbstractMap, AbstractPredictivity
from neurornn.comparison.ridge import spectrum, spreads
from neurornn.errors import NotConverged
from neurornn.statistics.folds import Folds

STEEPEST = 30.0
"""Log-rates are held within this of 0 while iterating: beyond it a count is 10^13 or nothing."""


def poisson_ridge(
    x: Float[np.ndarray, "bin source"],
    y: Float[np.ndarray, "bin target"],
    penalty: float,
    *,
    start: Float[np.ndarray, "coefficient target"] | None = None,
    tolerance: float = 1e-8,
    max_steps: int = 100,
) -> Float[np.ndarray, "coefficient target"]:
    r"""Return the coefficients of Poisson regression with a log link, for all targets at once, by Newton's method.

    $$ \min_{w, c}\; \tfrac1n \sum_t \left[ e^{\eta_t} - y_t \eta_t \right] + \tfrac\alpha2 \|w\|^2, \qquad
       \eta_t = c + x_t \cdot w $$

    The intercept $c$ is not penalised. The penalty is the `alpha` of scikit-learn's `PoissonRegressor`.

    Args:
        x: regressors. Shape `(bin, source)`.
        y: counts; each target must hold at least one. Shape `(bin, target)`.
        penalty: $\alpha$, 0 or above. With none, separable data sends a weight towards infinity.
        start: where to start. Shape `(1 + source, target)`.
        tolerance: largest gradient that ends the search.
        max_steps: most Newton steps.

    Returns:
        Intercept (row 0) and weights. Shape `(1 + source, target)`.

    Raises:
        ValueError: if a count is below 0 or a target has none at all.
        NotConverged: if `max_steps` did not reach the tolerance.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import poisson_ridge
        >>> counts = np.array([[1.0], [1.0], [4.0], [4.0]])
        >>> step = np.array([[0.0], [0.0], [1.0], [1.0]])
        >>> np.exp(poisson_ridge(step, counts, 1e-9).sum()).round(4)  # the rate where the step is 1
        np.float64(4.0)

    References:
        Nelder & Wedderburn (1972), J. R. Stat. Soc. A 135:370, doi:10.2307/2344614.
    """
    owner = "poisson_ridge"
    penalty = _check.not_negative(owner, "penalty", penalty)
    if np.any(y < 0) or np.any(y.sum(axis=0) <= 0):
        fix = "Set silent units aside; sampled activity has no Poisson likelihood."
        _check.fail(owner, "y", "counts, 0 or above, with at least one for each target", y, fix)
    n = len(x)
    design = np.concatenate([np.ones((n, 1)), x], axis=1)
    ridge = np.full(design.shape[1], penalty)
    ridge[0] = 0.0
    found = np.zeros((design.shape[1], y.shape[1])) if start is None else start.copy()
    if start is None:
        found[0] = np.log(y.mean(axis=0))
    loss = _loss(design, y, found, ridge)
    for _ in range(max_steps):
        expected = np.exp(np.clip(design @ found, -STEEPEST, STEEPEST))
        gradient = design.T @ (expected - y) / n + ridge[:, None] * found
        if np.max(np.abs(gradient)) < tolerance:
            return found
        curvature = np.stack([design.T @ (design * rate[:, None]) for rate in expected.T]) / n + np.diag(ridge)
        curvature += 1e-12 * np.eye(len(ridge))
        step = np.linalg.solve(curvature, gradient.T[..., None])[..., 0].T
        size = np.ones(y.shape[1])
        for _ in range(30):  # halve the step of each target until its loss does not rise
            trial = found - size * step
            new = _loss(design, y, trial, ridge)
            worse = new > loss + 1e-12 * (1.0 + np.abs(loss))
            if not worse.any():
                break
            size = np.where(worse, size / 2, size)
        found, loss = trial, new
    worst = float(np.max(np.abs(gradient)))
    fix = "Standardise the regressors or raise the penalty."
    _check.fail(
        owner, "max_steps", f"enough to reach a gradient of {tolerance:g}", f"{worst:.1e}", fix, error=NotConverged
    )


def _loss(design: np.ndarray, y: np.ndarray, found: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    drive = np.clip(design @ found, -STEEPEST, STEEPEST)
    return (np.exp(drive) - y * drive).mean(axis=0) + 0.5 * ridge @ found**2


@dataclass(frozen=True, eq=False)
class PoissonMap(AbstractMap):
    """A log-linear map.

    Args:
        weights: shape `(source, target)`.
        intercept: shape `(target,)`.
        penalty: chosen penalty of each target; NaN for those without a training spike. Shape `(target,)`.
        largest: highest count seen in training, of each target: no bin is predicted above it. Shape `(target,)`.
    """

    weights: Float[np.ndarray, "source target"]
    intercept: Float[np.ndarray, " target"]
    penalty: Float[np.ndarray, " target"]
    largest: Float[np.ndarray, " target"]

    def predict(self, x: Float[np.ndarray, "bin source"]) -> Float[np.ndarray, "bin target"]:
        drive = np.clip(x @ self.weights + self.intercept, -STEEPEST, STEEPEST)
        return np.minimum(np.exp(drive), self.largest)

    def rates(self, x: Float[np.ndarray, "bin source"]) -> Float[np.ndarray, "bin target"]:
        return self.predict(x)


@dataclass(frozen=True)
class PoissonPredictivity(AbstractPredictivity):
    """Held-out predictivity of spike counts: Poisson regression with a log link and a ridge penalty.

    Source units are standardised and reduced to their `n_components` leading principal axes, both on training bins. The
    penalty of each target is the one with the greatest likelihood in `n_inner` blocked folds inside the training bins.
    Predictions above the highest count of the training bins are cut to it: an exponential extrapolates badly. Targets
    without a training spike are predicted at the floor.

    Exact where `RidgePredictivity` is approximate, and about a hundred times slower. For spike counts only.

    Args:
        n_components: principal axes of the source that are kept.
        penalties: to choose from (see `poisson_ridge`).
        n_inner: folds inside the training bins.
        floor: lowest rate in a likelihood, Hz.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import PoissonPredictivity
        >>> from neurornn.statistics.folds import blocked_folds
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(400, 3))
        >>> counts = rng.poisson(np.exp(x[:, :1])).astype(float)
        >>> folds = blocked_folds(np.arange(400.0), 4, gap=2.0)
        >>> bool(PoissonPredictivity().held_out(x, counts, folds, dt=100.0)["bits_per_spike"] > 0.3)
        True

    References:
        Nelder & Wedderburn (1972), J. R. Stat. Soc. A 135:370, doi:10.2307/2344614.
    """

    n_components: int = 24
    penalties: tuple[float, ...] = (3e-3, 3e-2, 0.3, 3.0, 30.0)
    n_inner: int = 4
    floor: float = 0.05

    counts_only = True
    references = ("10.2307/2344614",)

    def __post_init__(self) -> None:
        _check.count("PoissonPredictivity", "n_components", self.n_components)
        _check.count("PoissonPredictivity", "n_inner", self.n_inner, least=2)
        _check.positive("PoissonPredictivity", "floor", self.floor, "It is in Hz.")
        if len(self.penalties) == 0 or min(self.penalties) <= 0:
            _check.fail("PoissonPredictivity", "penalties", "one or more numbers above 0", self.penalties)

    def sentence(self) -> str:
        return (
            f"Poisson regression (log link) on the {self.n_components} leading principal axes of the standardised "
            f"regressors; the ridge penalty of each target unit ({len(self.penalties)} values) was chosen by "
            f"likelihood in {self.n_inner} blocked folds inside the training bins; bits/spike are against the training "
            f"mean of each unit, with rates of at least {self.floor:g} Hz."
        )

    def choices(self) -> str:
        return (
            f"The penalty of each target unit ({len(self.penalties)} values), in {self.n_inner} blocked folds inside "
            "the training bins."
        )

    def fit(
        self,
        x: Float[np.ndarray, "bin source"],
        y: Float[np.ndarray, "bin target"],
        inner: Folds,
        *,
        dt: float | None = None,
        bands: tuple[int, ...] = (),
    ) -> PoissonMap:
        if dt is None:
            fix = "Compare sampled activity with RidgePredictivity."
            _check.fail("PoissonPredictivity", "y", "spike counts", "sampled activity", fix)
        mean, spread = x.mean(axis=0), spreads(x, bands)
        axes = spectrum((x - mean) / spread).axes[:, ::-1][:, : self.n_components]
        z = (x - mean) / spread @ axes
        penalty = self._chosen(z, y, inner)
        coefficients = np.zeros((1 + z.shape[1], y.shape[1]))
        coefficients[0] = np.log(self.floor * dt / 1000.0)
        for value in np.unique(penalty[np.isfinite(penalty)]):
            mine = penalty == value
            coefficients[:, mine] = poisson_ridge(z, y[:, mine], float(value))
        weights = axes @ coefficients[1:] / spread[:, None]
        largest = np.maximum(y.max(axis=0), self.floor * dt / 1000.0)
        return PoissonMap(weights, coefficients[0] - mean @ weights, penalty, largest)

    def _chosen(self, z: np.ndarray, y: np.ndarray, inner: Folds) -> np.ndarray:
        """Return each target's penalty: the greatest likelihood in the inner folds; NaN for targets without a spike."""
        gain = np.zeros((len(self.penalties), y.shape[1]))
        order = np.argsort(self.penalties)[::-1]  # from stiff to loose: each answer starts the next
        for train, test in inner:
            alive = y[train].sum(axis=0) > 0
            if not alive.any():
                continue
            found = None
            for k in order:
                found = poisson_ridge(z[train], y[train][:, alive], self.penalties[k], start=found, tolerance=1e-5)
                drive = np.clip(z[test] @ found[1:] + found[0], -STEEPEST, STEEPEST)
                drive = np.minimum(drive, np.log(y[train][:, alive].max(axis=0)))
                gain[k, alive] += np.sum(y[test][:, alive] * drive - np.exp(drive), axis=0)
        chosen = np.asarray(self.penalties)[gain.argmax(axis=0)]
        return np.where(y.sum(axis=0) > 0, chosen, np.nan)
