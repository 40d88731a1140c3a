"""What positions are visited, and how one moves between them: clouds of decoded paths held against each other."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from neurornn.statistics.density import histogram_divergence, kde_divergence
from neurornn.statistics.drift import DriftField, drift_field

POINTS = 20_000
"""Positions of each condition that divergences are computed from, thinned evenly in time."""

RESAMPLES = 20
"""Bootstrap samples of trials for the error of a divergence."""


def divergence_rows(
    clouds: Mapping[str, Float[np.ndarray, "_trial _time _axis"]],
    references: Sequence[str],
    *,
    extent: tuple[tuple[float, float], ...],
    bins: int,
    rng: np.random.Generator,
) -> list[dict[str, object]]:
    """Return KL and JS (nats) of every cloud from each reference, with errors over resampled trials."""
    rows = []
    for reference in references:
        for name, cloud in clouds.items():
            other = clouds[reference]
            if name == reference:
                if len(cloud) < 2:
                    continue
                cloud, other = cloud[::2], cloud[1::2]
            resampled = [(_again(cloud, rng), _again(other, rng)) for _ in range(RESAMPLES)]
            found = [
                histogram_divergence(visited(a), visited(b), bins=bins, extent=extent)
                for a, b in [(cloud, other), *resampled]
            ]
            for quantity, values in (("KL", [d.kl for d in found]), ("JS", [d.js for d in found])):
                error = float(np.std(values[1:], ddof=1))
                rows.append(entry(f"{quantity} from {reference}", name, values[0], error))
    return rows


def kernel_rows(
    clouds: Mapping[str, Float[np.ndarray, "_trial _time _axis"]],
    reference: str,
    *,
    extent: tuple[tuple[float, float], ...],
    n_points: int,
    seed: int,
) -> list[dict[str, object]]:
    """Return KL and JS (nats) of every cloud from the reference by kernel densities, with their Monte Carlo error.

    A cloud that lies on one value along an axis has no density and gets no row. `uniform` is the density 1/volume
    itself, not that of points drawn from it, and has no JS.
    """
    rows, other, uniform = [], visited(clouds[reference]), float("nan")
    for name, cloud in clouds.items():
        points = visited(cloud)
        if name == "uniform" or np.any(np.ptp(points, axis=0) <= 0):
            continue
        pair = (visited(cloud[::2]), visited(cloud[1::2])) if name == reference else (points, other)
        found = kde_divergence(*pair, seed=seed, extent=extent, n_points=n_points)
        uniform = found.kl_uniform if name != reference else uniform
        rows.append(entry(f"KL from {reference}, kernels", name, found.kl, found.kl_error))
        rows.append(entry(f"JS from {reference}, kernels", name, found.js, found.js_error))
    rows.append(entry(f"KL from {reference}, kernels", "uniform", uniform))
    return rows


def drift_rows(
    paths: Mapping[str, Float[np.ndarray, "_trial _time _axis"]],
    density: Float[np.ndarray, "point axis"],
    *,
    extent: tuple[tuple[float, float], ...],
    circular: bool,
) -> tuple[list[dict[str, object]], dict[str, DriftField]]:
    """Return how far the mean step climbs `density` and goes back to the mean, and the fields themselves."""
    fields = {
        name: drift_field(path, extent=extent, circular=circular, density=density) for name, path in paths.items()
    }
    rows = []
    for name, field in fields.items():
        rows.append(entry("drift along the score", name, field.alignment))
        rows.append(entry("pull to the mean", name, field.pull))
    return rows, fields


def movement_rows(
    paths: Mapping[str, Float[np.ndarray, "_trial _time _axis"]], *, side: float, circular: bool
) -> list[dict[str, object]]:
    """Return how far decoded positions move a step, on how many steps they move, and how far they spread over time.

    A step counts as moving beyond a millionth of the world's longest `side`. On the circle distances go the short way
    round, and the variance is that of the unit vectors, 0 to 1.
    """
    rows = []
    for name, path in paths.items():
        change = np.diff(path, axis=1)
        if circular:
            change = (change + math.pi) % (2 * math.pi) - math.pi
            turns = np.where(np.isfinite(change), change, 0.0).sum(axis=(1, 2))
            rows.append(mean_entry("mean turn", name, turns / np.maximum(np.isfinite(change).sum(axis=(1, 2)), 1)))
            path = np.concatenate([np.cos(path), np.sin(path)], axis=2)
        distance = np.linalg.norm(change, axis=2)
        known = np.isfinite(distance)
        moved = np.where(known, distance > 1e-6 * side, np.nan)
        for quantity, values in (("step distance", distance), ("moving steps", moved)):
            rows.append(mean_entry(quantity, name, np.nansum(values, axis=1) / np.maximum(known.sum(axis=1), 1)))
        rows.append(mean_entry("position variance over time", name, np.nanvar(path, axis=1).sum(axis=1)))
    return rows


def thinned(positions: np.ndarray) -> np.ndarray:
    """Return the same trials with fewer steps, evenly spaced, so that at most `POINTS` positions are left."""
    known = np.isfinite(positions).all(axis=(0, 2))
    first = int(np.argmax(known)) if known.any() else 0
    return positions[:, first :: max(1, positions.shape[0] * (positions.shape[1] - first) // POINTS)]


def visited(cloud: np.ndarray) -> np.ndarray:
    """Return all known positions of a cloud of trials, shape `(point, axis)`; a single trial is taken as it is."""
    flat = cloud.reshape(-1, cloud.shape[-1])
    return flat[np.isfinite(flat).all(axis=1)] if len(cloud) > 1 else flat


def _again(cloud: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cloud if len(cloud) == 1 else cloud[rng.integers(len(cloud), size=len(cloud))]


def out_of_order(positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return every trial with its known steps in random order."""
    shuffled = positions.copy()
    for trial in shuffled:
        known = np.flatnonzero(np.isfinite(trial).all(axis=1))
        trial[known] = trial[rng.permutation(known)]
    return shuffled


def entry(quantity: str, condition: str, value: float, error: float = float("nan")) -> dict[str, object]:
    """Return one row of a tidy table; an error of NaN is one that was not estimated."""
    return {"quantity": quantity, "condition": condition, "value": float(value), "error": error}


def mean_entry(quantity: str, condition: str, values: np.ndarray) -> dict[str, object]:
    """Return the mean over trials as a row, its error the standard error over them."""
    return entry(quantity, condition, values.mean(), float(values.std(ddof=1) / math.sqrt(len(values))))
