"""Rotations in population activity (jPCA): the skew-symmetric motion that fits it best, in closed form."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.linalg import solve_sylvester

from neurornn import _check


@dataclass(frozen=True, eq=False)
class Rotations:
    r"""The rotations that fit a population's motion best, the fastest plane first.

    Args:
        planes: two directions of each plane. Shape `(plane, 2, unit)`.
        frequencies: turns per second in each. Shape `(plane,)`, Hz.
        projections: of the activity. Shape `(condition, time, plane, 2)`.
        variance: part of the variance of the activity in each plane. Shape `(plane,)`.
        r2: part of the variance of the motion that rotations explain, $\dot x = M x$ with $M = -M^\top$.
        r2_linear: the same for any matrix.
        null: `r2` of the same activity with each component of each condition in a random sign. Shape `(draw,)`.
        methods: how this was made.
        references: DOIs.
    """

    planes: Float[np.ndarray, "plane 2 unit"]
    frequencies: Float[np.ndarray, " plane"]
    projections: Float[np.ndarray, "condition time plane 2"]
    variance: Float[np.ndarray, " plane"]
    r2: float
    r2_linear: float
    null: Float[np.ndarray, " draw"]
    methods: str
    references: tuple[str, ...] = ("10.1038/nature11129",)

    @property
    def ratio(self) -> float:
        """How much of what any linear motion explains rotations explain: 1 where all is rotation."""
        return self.r2 / self.r2_linear if self.r2_linear > 0 else float("nan")

    @property
    def p(self) -> float:
        """The share of the null that rotates as well or better, the activity itself counted."""
        return float((1 + np.sum(self.null >= self.r2)) / (1 + len(self.null)))

    def frame(self) -> pd.DataFrame:
        """Return one row a plane: `frequency` (Hz) and `variance`."""
        columns = {"frequency": self.frequencies, "variance": self.variance}
        return pd.DataFrame(columns).rename_axis("plane")


def jpca(
    activity: Float[np.ndarray, "condition time unit"],
    *,
    dt: float,
    seed: int,
    n_components: int = 6,
    subtract_mean: bool = True,
    soften: float = 0.0,
    draws: int = 200,
) -> Rotations:
    r"""Return the planes in which a population turns, and how much of its motion that explains.

    In the leading principal components, $\dot x \approx M x$ with $M = -M^\top$ by least squares. The solution obeys
    $S M + M S = A - A^\top$ with $S = X^\top X$ and $A = X^\top \dot X$, a Sylvester equation: no iteration. Activity
    and motion are taken between two bins, so that a pure rotation is found at its very frequency.

    Smooth activity that differs between conditions looks rotational to some degree. The null changes the sign of each
    component of each condition at random: every course in time stays as it is, but conditions no longer turn the same
    way.

    Args:
        activity: means of conditions. Shape `(condition, time, unit)`.
        dt: bin width, ms.
        seed: of the null.
        n_components: principal components that are kept; even.
        subtract_mean: whether the mean over conditions at each time is taken out first, as is usual.
        soften: activity of each unit is divided by its range plus this (5 Hz is usual for firing rates); 0 for not.
        draws: of the null.

    Raises:
        ValueError: if there are too few conditions, times or units.

    References:
        Churchland et al. (2012), doi:10.1038/nature11129.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import jpca
        >>> t = np.arange(50) * 0.01
        >>> turning = np.stack([[np.cos(4 * np.pi * t + a), np.sin(4 * np.pi * t + a)] for a in (0, 2, 4)])
        >>> found = jpca(turning.swapaxes(1, 2), dt=10.0, seed=0, n_components=2)
        >>> found.frequencies.round(6), round(found.r2, 6)
        (array([2.]), 1.0)
    """
    owner = "jpca"
    x = _check.finite(owner, "activity", activity)
    _check.positive(owner, "dt", dt)
    _check.not_negative(owner, "soften", soften)
    _check.count(owner, "draws", draws, least=0)
    if x.ndim != 3 or x.shape[0] < 2 or x.shape[1] < 3:
        must = "of shape (condition, time, unit), two conditions and three times or more"
        _check.fail(owner, "activity", must, activity)
    most = min(x.shape[2], x.shape[0] * x.shape[1])
    if _check.count(owner, "n_components", n_components, least=2) % 2 or n_components > most:
        _check.fail(owner, "n_components", f"even and at most {most}", n_components)
    if soften:
        x = x / (np.ptp(x, axis=(0, 1)) + soften)
    x = x - (x.mean(axis=0) if subtract_mean else x.mean(axis=(0, 1)))
    flat = x.reshape(-1, x.shape[2])
    _, values, rows = np.linalg.svd(flat, full_matrices=False)
    components = rows[:n_components]
    reduced = x @ components.T
    m, r2, r2_linear = _fitted(reduced, dt)
    eigenvalues, vectors = np.linalg.eig(m)
    order = [i for i in np.argsort(-np.abs(eigenvalues.imag), kind="stable") if eigenvalues[i].imag > 0]
    planes, frequencies = [], []
    for i in order:
        pair = np.stack([vectors[:, i].real, vectors[:, i].imag])
        first, second = np.linalg.qr(pair.T)[0].T
        turns = second @ m @ first  # rows: how the first direction turns into the second
        planes.append(np.stack([first, second if turns < 0 else -second]) @ components)
        # Between two bins a turn by w looks like 2 tan(w dt / 2) / dt.
        frequencies.append(2 * np.arctan(abs(eigenvalues[i].imag) * dt / 2) / dt / (2 * np.pi) * 1e3)
    stacked = np.array(planes)
    projections = np.einsum("ctu,pku->ctpk", x, stacked)
    rng = np.random.default_rng(seed)
    null = np.array([_fitted(_turned(reduced, rng), dt)[1] for _ in range(draws)])
    methods = (
        f"jPCA of {x.shape[0]} conditions, {x.shape[1]} times of {dt:g} ms and {x.shape[2]} units, in {n_components} "
        f"principal components ({100 * float(np.sum(values[:n_components] ** 2) / np.sum(values**2)):.0f} % of the "
        f"variance){', less the mean over conditions' if subtract_mean else ''}; null: {draws} draws in which each "
        f"component of each condition keeps or changes its sign at random."
    )
    return Rotations(
        planes=stacked,
        frequencies=np.array(frequencies),
        projections=projections,
        variance=np.sum(projections**2, axis=(0, 1, 3)) / np.sum(flat**2),
        r2=r2,
        r2_linear=r2_linear,
        null=null,
        methods=methods,
    )


def _fitted(x: np.ndarray, dt: float) -> tuple[np.ndarray, float, float]:
    """Return the best skew-symmetric matrix in rows, x' = x M, and R2 with and without the constraint."""
    here = ((x[:, 1:] + x[:, :-1]) / 2).reshape(-1, x.shape[2])
    motion = ((x[:, 1:] - x[:, :-1]) / dt).reshape(-1, x.shape[2])
    s, a = here.T @ here, here.T @ motion
    m = solve_sylvester(s, s, a - a.T)
    m = (m - m.T) / 2
    free = np.linalg.lstsq(here, motion, rcond=None)[0]
    total = max(float(np.sum(motion**2)), 1e-300)
    return m, *(1 - float(np.sum((motion - here @ one) ** 2)) / total for one in (m, free))  # type: ignore[return-value]


def _turned(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the activity with each component of each condition kept or changed in sign at random."""
    return x * rng.choice([-1.0, 1.0], size=(x.shape[0], 1, x.shape[2]))
