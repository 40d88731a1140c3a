"""How far apart two clouds of positions lie: Kullback-Leibler and Jensen-Shannon divergence."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import logsumexp

from neurornn import _check


@dataclass(frozen=True)
class Divergence:
    """Divergence of one cloud of points from another, in nats.

    Args:
        kl: KL(one || other): how badly `other` explains what `one` does.
        kl_error: its standard error from the Monte Carlo draw alone (0 for histograms). Repeated runs of a network
            scatter more than this.
        kl_back: KL(other || one).
        js: Jensen-Shannon divergence: symmetric, between 0 and ln 2.
        js_error: its standard error from the draw.
        kl_uniform: KL(uniform || other) over the extent: what a source that goes everywhere alike would score.
        n: points used of each cloud.
        methods: how this was made.
        references: DOIs.
    """

    kl: float
    kl_error: float
    kl_back: float
    js: float
    js_error: float
    kl_uniform: float
    n: tuple[int, int]
    methods: str
    references: tuple[str, ...] = ("10.1109/18.61115",)

    def frame(self) -> pd.DataFrame:
        """Return one row, in nats."""
        names = ("kl", "kl_error", "kl_back", "js", "js_error", "kl_uniform")
        return pd.DataFrame([{name: getattr(self, name) for name in names}])


def kde_divergence(
    one: Float[np.ndarray, "one dimension"],
    other: Float[np.ndarray, "other dimension"],
    *,
    seed: int,
    extent: tuple[tuple[float, float], ...] = (),
    n_points: int = 8000,
    n_draws: int = 2500,
) -> Divergence:
    r"""Return the divergence of the kernel densities of two clouds of points, in nats, by Monte Carlo.

    $$ KL(p \| q) = \langle \log p(x) - \log q(x) \rangle_{x \sim p}, \qquad
       JS = \tfrac12 KL(p \| m) + \tfrac12 KL(q \| m), \; m = \tfrac12 (p + q) $$

    The densities are Gaussian kernel densities with Scott's bandwidth, which smooth: two clouds narrower than their
    kernels look alike. The uniform baseline is the density 1/volume over **all** axes of the extent.

    Args:
        one: points. Shape `(point, dimension)`.
        other: points, same unit.
        seed: of the subsample and the draws.
        extent: `(low, high)` of each axis for the uniform baseline; the range of both clouds where empty.
        n_points: clouds with more points are thinned to this many at random.
        n_draws: points drawn from each density.

    Raises:
        ValueError: if a cloud has NaN points, too few of them, or lies on one value along an axis.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import kde_divergence
        >>> points = np.random.default_rng(0).normal(size=(500, 1))
        >>> kde_divergence(points, points, seed=0).kl
        0.0

    References:
        Lin (1991), IEEE Trans. Inf. Theory 37:145, doi:10.1109/18.61115.
        Scott (1992), Multivariate Density Estimation, doi:10.1002/9780470316849.
    """
    from scipy.stats import gaussian_kde

    rng = np.random.default_rng(seed)
    n_draws = _check.count("kde_divergence", "n_draws", n_draws, least=2)
    clouds = []
    for name, cloud in (("one", one), ("other", other)):
        cloud = _cloud("kde_divergence", name, cloud)
        if np.any(np.ptp(cloud, axis=0) <= 0):
            fix = "A density of one point does not exist; compare histograms instead."
            _check.fail("kde_divergence", name, "spread along every axis", "one value throughout an axis", fix)
        clouds.append(cloud[rng.choice(len(cloud), n_points, replace=False)] if len(cloud) > n_points else cloud)
    p, q = (gaussian_kde(cloud.T) for cloud in clouds)
    draws = [_draw(density.dataset, density.covariance, n_draws, rng) for density in (p, q)]
    logs = [(p.logpdf(x), q.logpdf(x)) for x in draws]
    gain = logs[0][0] - logs[0][1]
    mixed = [logsumexp(pair, axis=0) - np.log(2.0) for pair in logs]
    halves = [logs[0][0] - mixed[0], logs[1][1] - mixed[1]]
    limits = _limits("kde_divergence", extent, clouds)
    inside = limits[:, 0] + rng.random((n_draws, len(limits))) * np.ptp(limits, axis=1)
    uniform = float(np.mean(-np.log(np.ptp(limits, axis=1)).sum() - q.logpdf(inside.T)))
    methods = (
        f"Gaussian kernel densities (Scott's bandwidth) of {len(clouds[0])} and {len(clouds[1])} points; "
        f"KL(one||other) and JS in nats from {n_draws} draws of each density; the error is the "
        f"standard error of that draw."
    )
    return Divergence(
        kl=float(gain.mean()),
        kl_error=float(gain.std(ddof=1) / np.sqrt(n_draws)),
        kl_back=float((logs[1][1] - logs[1][0]).mean()),
        js=float((halves[0].mean() + halves[1].mean()) / 2),
        js_error=float(np.hypot(halves[0].std(ddof=1), halves[1].std(ddof=1)) / 2 / np.sqrt(n_draws)),
        kl_uniform=uniform,
        n=(len(clouds[0]), len(clouds[1])),
        methods=methods,
    )


def histogram_divergence(
    one: Float[np.ndarray, "one dimension"],
    other: Float[np.ndarray, "other dimension"],
    *,
    bins: int = 20,
    extent: tuple[tuple[float, float], ...] = (),
    pseudo: float = 0.5,
) -> Divergence:
    """Return the divergence of the histograms of two clouds of points, in nats.

    Needs no bandwidth and takes clouds that stand still, but depends on `bins` and, where one cloud never goes, on
    `pseudo`: KL grows with the logarithm of the number of points there. JS does not need it.

    Args:
        one: points. Shape `(point, dimension)`.
        other: points, same unit.
        bins: bins along each axis.
        extent: `(low, high)` of each axis; the range of both clouds where empty. Points outside count at the edge.
        pseudo: added to the count of every bin for KL (not for JS).

    Raises:
        ValueError: if a cloud has NaN points or too few of them, or `extent` is no extent.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import histogram_divergence
        >>> left, right = np.zeros((50, 1)), np.ones((50, 1))
        >>> round(histogram_divergence(left, right, bins=2).js, 6)  # nothing in common: ln 2
        0.693147

    References:
        Lin (1991), IEEE Trans. Inf. Theory 37:145, doi:10.1109/18.61115.
    """
    owner = "histogram_divergence"
    bins = _check.count(owner, "bins", bins, least=2)
    pseudo = _check.positive(owner, "pseudo", pseudo, "Without it KL is infinite where one cloud never goes.")
    clouds = [_cloud(owner, name, cloud) for name, cloud in (("one", one), ("other", other))]
    limits = _limits(owner, extent, clouds)
    edges = [np.linspace(low, high, bins + 1) for low, high in limits]
    counts = [np.histogramdd(np.clip(cloud, limits[:, 0], limits[:, 1]), edges)[0].ravel() for cloud in clouds]
    p, q = ((count + pseudo) / (count + pseudo).sum() for count in counts)
    raw = [count / count.sum() for count in counts]
    middle = (raw[0] + raw[1]) / 2
    js = sum(float(np.sum(r[r > 0] * np.log(r[r > 0] / middle[r > 0]))) for r in raw) / 2
    methods = (
        f"Histograms of {len(clouds[0])} and {len(clouds[1])} points in {bins} bins an axis; KL(one||other) in nats "
        f"with {pseudo:g} added to each bin, JS in nats from the raw histograms."
    )
    return Divergence(
        kl=float(np.sum(p * np.log(p / q))),
        kl_error=0.0,
        kl_back=float(np.sum(q * np.log(q / p))),
        js=js,
        js_error=0.0,
        kl_uniform=float(np.mean(np.log(1.0 / len(q) / q))),
        n=(len(clouds[0]), len(clouds[1])),
        methods=methods,
    )


def _cloud(owner: str, name: str, cloud: np.ndarray) -> np.ndarray:
    cloud = _check.finite(owner, name, cloud, "Drop the points that were not measured.")
    if len(cloud) <= cloud.shape[1] + 1:
        _check.fail(owner, name, f"more than {cloud.shape[1] + 1} points", f"{len(cloud)} points")
    return cloud


def _draw(data: np.ndarray, covariance: np.ndarray, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return draws from a kernel density, `(dimension, draw)`: a point of the data and the kernel's own noise."""
    noise = np.linalg.cholesky(covariance) @ rng.standard_normal((len(data), n_draws))
    return data[:, rng.integers(data.shape[1], size=n_draws)] + noise


def _limits(owner: str, extent: tuple[tuple[float, float], ...], clouds: list[np.ndarray]) -> np.ndarray:
    every = np.concatenate(clouds)
    limits = np.array(extent or list(zip(every.min(axis=0), every.max(axis=0), strict=True)), dtype=float)
    if limits.shape != (every.shape[1], 2) or np.any(limits[:, 1] <= limits[:, 0]):
        must = f"`(low, high)` of each of {every.shape[1]} axes"
        _check.fail(owner, "extent", must, extent or "a single point", "Give the extent of the arena.")
    return limits
