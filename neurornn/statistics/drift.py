"""Where one drifts from each place: the mean step of paths as a field over position, and what it should be."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter

from neurornn import _check
from neurornn.statistics.decoding import place_centres

Extent = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class DriftField:
    """The mean step from each place.

    Args:
        centres: middles of the bins. Shape `(place, axis)`.
        drift: mean step from the positions in each bin; NaN where there are too few. Shape `(place, axis)`.
        error: standard error of that, over steps. Shape `(place, axis)`.
        visits: steps that began in each bin. Shape `(place,)`.
        score: gradient of the logarithm of the density that the drift is held against; NaN as `drift`, and throughout
            where no density was given. Shape `(place, axis)`.
        extent: borders of the world.
        bins: bins along each axis.
        methods: how this was made.
        references: DOIs.
    """

    centres: Float[np.ndarray, "place axis"]
    drift: Float[np.ndarray, "place axis"]
    error: Float[np.ndarray, "place axis"]
    visits: Int[np.ndarray, " place"]
    score: Float[np.ndarray, "place axis"]
    extent: Extent
    bins: int
    methods: str
    references: tuple[str, ...] = ("10.48550/arXiv.2505.17003",)

    @property
    def alignment(self) -> float:
        r"""Cosine between drift and score over all places, weighted by visits.

        $\sum w\,d \cdot s / \sqrt{\sum w |d|^2 \sum w |s|^2}$: 1 where the drift climbs the density as theory wants,
        0 where the two have nothing in common.
        """
        known = np.isfinite(self.drift).all(axis=1) & np.isfinite(self.score).all(axis=1)
        weight, drift, score = self.visits[known][:, None], self.drift[known], self.score[known]
        size = math.sqrt(float(np.sum(weight * drift**2)) * float(np.sum(weight * score**2)))
        return float(np.sum(weight * drift * score)) / size if size > 0 else float("nan")

    @property
    def pull(self) -> float:
        """Share of the way to the visits' mean that a step goes: minus the slope of drift on position, by visits."""
        known = np.isfinite(self.drift).all(axis=1)
        weight, drift, centres = self.visits[known][:, None], self.drift[known], self.centres[known]
        if not len(centres):
            return float("nan")
        away = centres - np.sum(weight * centres, axis=0) / weight.sum()
        size = float(np.sum(weight * away**2))
        return -float(np.sum(weight * away * drift)) / size if size > 0 else float("nan")

    def frame(self) -> pd.DataFrame:
        """Return one row a place: its middle, visits, and drift, error and score along each axis."""
        table = pd.DataFrame({"visits": self.visits})
        for name in ("centres", "drift", "error", "score"):
            for axis in range(self.centres.shape[1]):
                table[f"{name}_{axis}"] = getattr(self, name)[:, axis]
        return table


def drift_field(
    paths: Float[np.ndarray, "trial time axis"],
    *,
    extent: Extent,
    bins: int = 15,
    min_visits: int = 20,
    circular: bool = False,
    density: Float[np.ndarray, "point axis"] | None = None,
    smoothing: float = 1.0,
) -> DriftField:
    r"""Return the mean step from each place, $d(x) = \langle x_{t+1} - x_t \mid x_t \in \text{bin} \rangle$.

    Of a network without input it is a denoising field: if quiescence is Langevin dynamics, the drift climbs the
    density of what the network visits when it acts, $d(x) \propto \nabla \log p(x)$. **Any** path that comes back
    drifts towards its mean, even positions in random order (`pull` 1): hold it against those.

    Args:
        paths: positions, NaN where not known. Shape `(trial, time, axis)`.
        extent: `(low, high)` of each axis. Steps that begin outside are left out.
        bins: bins along each axis.
        min_visits: bins from which fewer steps begin have no drift.
        circular: whether the one axis is an angle from -pi to pi, so that steps go the short way round.
        density: positions whose density the drift is held against. Shape `(point, axis)`.
        smoothing: standard deviation of the Gaussian on the density's histogram, in bins.

    Raises:
        ValueError: if `extent` has another number of axes, or no step begins within it.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import drift_field
        >>> halving = np.array([[[1.0], [0.5], [0.25]]])
        >>> drift_field(halving, extent=((0.0, 2.0),), bins=2, min_visits=1).drift
        array([[-0.25],
               [-0.5 ]])

    References:
        N. Krishna et al. (2025), Sufficient conditions for offline reactivation in recurrent neural networks,
        doi:10.48550/arXiv.2505.17003.
    """
    owner = "drift_field"
    bins, min_visits = _check.count(owner, "bins", bins, least=2), _check.count(owner, "min_visits", min_visits)
    n_axes = paths.shape[2]
    if len(extent) != n_axes:
        _check.fail(owner, "extent", f"`(low, high)` of each of {n_axes} axes", extent)
    edges = tuple(np.linspace(low, high, bins + 1) for low, high in extent)
    at, step = paths[:, :-1].reshape(-1, n_axes), np.diff(paths, axis=1).reshape(-1, n_axes)
    if circular:
        step = (step + math.pi) % math.tau - math.pi
    low, high = np.array(extent, dtype=float).T
    use = np.isfinite(step).all(axis=1) & (at >= low).all(axis=1) & (at <= high).all(axis=1)
    if not use.any():
        must, got = (
            f"paths with a step that begins within {extent}",
            f"{np.isfinite(step).all(axis=1).sum()} steps outside",
        )
        _check.fail(owner, "paths", must, got, "Give the borders of the world as `extent`.")
    at, step = at[use], step[use]
    cell = np.minimum(((at - low) / (high - low) * bins).astype(int), bins - 1)
    place = np.ravel_multi_index(tuple(cell.T), (bins,) * n_axes)
    visits = np.bincount(place, minlength=bins**n_axes)
    mean, square = (
        np.stack([np.bincount(place, values, minlength=len(visits)) for values in (step**power).T], axis=1)
        / np.maximum(visits, 1)[:, None]
        for power in (1, 2)
    )
    spread = np.sqrt(np.maximum(square - mean**2, 0.0) / np.maximum(visits - 1, 1)[:, None])
    few = (visits < min_visits)[:, None]
    score = np.full(mean.shape, np.nan)
    if density is not None:
        score = _score(density, edges, smoothing, circular)
    return DriftField(
        place_centres(edges),
        np.where(few, np.nan, mean),
        np.where(few, np.nan, spread),
        visits,
        np.where(few, np.nan, score),
        extent,
        bins,
        f"Mean step of {len(step)} steps by the place where they begin ({bins} bins an axis; bins with fewer than "
        f"{min_visits} left out)"
        + (
            f"; score: gradient of the logarithm of a histogram of {len(density)} positions, smoothed with a Gaussian "
            f"of {smoothing:g} bins."
            if density is not None
            else "."
        ),
    )


def _score(
    points: np.ndarray, edges: tuple[np.ndarray, ...], smoothing: float, circular: bool
) -> Float[np.ndarray, "place axis"]:
    """Return the gradient of the logarithm of the points' density at the middle of each bin."""
    counts = np.histogramdd(points, edges)[0]
    # Half a count everywhere, so that a place without points has a slope towards those that have some.
    log = np.log(gaussian_filter(counts + 0.5, smoothing, mode="wrap" if circular else "nearest"))
    widths = [float(edge[1] - edge[0]) for edge in edges]
    if circular:
        return ((np.roll(log, -1) - np.roll(log, 1)) / (2 * widths[0]))[:, None]
    slopes = np.gradient(log, *widths)
    return np.stack([slope.ravel() for slope in (slopes if len(widths) > 1 else [slopes])], axis=1)
