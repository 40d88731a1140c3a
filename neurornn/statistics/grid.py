"""Grid cells: whether a place map repeats itself when it is turned by 60 degrees."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from scipy import fft

from neurornn import _check
from neurornn.statistics.information import similarity
from neurornn.statistics.mapscore import AbstractMapScore


@dataclass(frozen=True)
class GridScore(AbstractMapScore):
    r"""How far the autocorrelogram of a map looks alike after turns of 60 degrees, but not after 30, 90 and 150.

    $$ s_6 = \frac{r_{60} + r_{120}}{2} - \frac{r_{30} + r_{90} + r_{150}}{3}, \qquad
       s_4 = r_{90} - \frac{r_{45} + r_{135}}{2} $$

    $r_\phi$ is Pearson's r of the autocorrelogram with itself turned by $\phi$, within a ring about its middle; the
    score is the highest over rings of different width. A square arena favours $s_4$.

    Args:
        symmetry: 6 for grids of triangles, 4 for grids of squares.
        inner: inner radius of every ring, as a fraction of the number of bins along the longest side.
        outer: outer radii, likewise.
        min_overlap: lags at which fewer bins overlap are left out.

    Raises:
        ValueError: if the symmetry is another one.

    References:
        F. Sargolini et al. (2006), Conjunctive representation of position, direction, and velocity in entorhinal
        cortex, doi:10.1126/science.1125572. A. Banino et al. (2018), doi:10.1038/s41586-018-0102-6 (these rings).
    """

    symmetry: int = 6
    inner: float = 0.2
    outer: tuple[float, ...] = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    min_overlap: int = 20

    references: ClassVar[tuple[str, ...]] = ("10.1126/science.1125572", "10.1038/s41586-018-0102-6")

    def __post_init__(self) -> None:
        if self.symmetry not in (4, 6):
            _check.fail("GridScore", "symmetry", "6 (triangles) or 4 (squares)", self.symmetry)
        if not 0 <= self.inner < min(self.outer):
            _check.fail("GridScore", "outer", f"above the inner radius, {self.inner:g}", self.outer)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The column that it fills."""
        return "grid_score" if self.symmetry == 6 else "square_score"

    @property
    def text(self) -> str:
        turns = "60 degrees" if self.symmetry == 6 else "90 degrees"
        return f"Grid score: symmetry of the autocorrelogram under turns of {turns}, best of {len(self.outer)} rings."

    def __call__(
        self, maps: Float[np.ndarray, "unit x y"], edges: tuple[np.ndarray, ...]
    ) -> Float[np.ndarray, " unit"]:
        whole = autocorrelogram(maps, min_overlap=self.min_overlap)
        x, y = np.meshgrid(*(np.arange(n) - n // 2 for n in whole.shape[1:]), indexing="ij")
        radius = np.hypot(x, y) / max(maps.shape[1:])
        alike, unlike = ((60.0, 120.0), (30.0, 90.0, 150.0)) if self.symmetry == 6 else ((90.0,), (45.0, 135.0))
        turned = {angle: _turned(whole, angle) for angle in (*alike, *unlike)}
        best = np.full(len(maps), np.nan)
        for outer in self.outer:
            ring = (radius >= self.inner) & (radius <= outer)
            r = {angle: similarity(whole[:, ring], part[:, ring]) for angle, part in turned.items()}
            score = np.mean([r[a] for a in alike], axis=0) - np.mean([r[a] for a in unlike], axis=0)
            best = np.fmax(best, score)
        return best


def autocorrelogram(
    maps: Float[np.ndarray, "unit x y"], *, min_overlap: int = 20
) -> Float[np.ndarray, "unit 2*x-1 2*y-1"]:
    """Return Pearson's r of each map with itself at every lag, over the bins known in both; NaN at the far lags.

    Args:
        maps: NaN where unknown.
        min_overlap: lags at which fewer bins overlap are NaN.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.grid import autocorrelogram
        >>> found = autocorrelogram(np.random.default_rng(0).random((1, 8, 8)))
        >>> found.shape, round(float(found[0, 7, 7]), 6)
        ((1, 15, 15), 1.0)
    """
    known = np.isfinite(maps)
    mean = np.nanmean(np.where(known.any(axis=(1, 2), keepdims=True), maps, 0.0), axis=(1, 2), keepdims=True)
    values = np.where(known, maps - mean, 0.0)
    size = tuple(2 * n - 1 for n in maps.shape[1:])
    one, level, square = (np.asarray(fft.rfft2(part, size)) for part in (known.astype(float), values, values**2))

    def lagged(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(fft.fftshift(np.asarray(fft.irfft2(a * np.conj(b), size)), axes=(1, 2)))

    n = np.rint(lagged(one, one))
    first, second = lagged(level, one), lagged(one, level)
    together = n * lagged(level, level) - first * second
    spread = (n * lagged(square, one) - first**2) * (n * lagged(one, square) - second**2)
    # What is left of a map that does not vary is rounding.
    least = 1e-12 * np.maximum(n, 1.0) ** 4 * np.square(np.mean(values**2, axis=(1, 2), keepdims=True)) + 1e-300
    out = np.full(n.shape, np.nan)
    return np.divide(together, np.sqrt(np.maximum(spread, 0.0)), out=out, where=(n >= min_overlap) & (spread > least))


def _turned(whole: Float[np.ndarray, "unit x y"], angle: float) -> np.ndarray:
    """Return pictures turned about their middle (degrees), linear between pixels, NaN where a pixel is unknown."""
    n_x, n_y = whole.shape[1:]
    x, y = np.meshgrid(np.arange(n_x) - n_x // 2, np.arange(n_y) - n_y // 2, indexing="ij")
    turn = math.radians(angle)
    u = math.cos(turn) * x - math.sin(turn) * y + n_x // 2
    v = math.sin(turn) * x + math.cos(turn) * y + n_y // 2
    i, j = np.floor(u + 1e-9).astype(int), np.floor(v + 1e-9).astype(int)
    a, b = u - i, v - j
    inside = (i >= 0) & (j >= 0) & (u <= n_x - 1 + 1e-9) & (v <= n_y - 1 + 1e-9)
    i, j = np.clip(i, 0, n_x - 1), np.clip(j, 0, n_y - 1)
    i1, j1 = np.minimum(i + 1, n_x - 1), np.minimum(j + 1, n_y - 1)
    low = (1 - a) * whole[:, i, j] + a * whole[:, i1, j]
    high = (1 - a) * whole[:, i, j1] + a * whole[:, i1, j1]
    return np.where(inside, (1 - b) * low + b * high, np.nan)
