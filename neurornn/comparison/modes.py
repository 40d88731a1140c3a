"""Modes: the frequencies and decays with which a population moves, and how far they are from those of another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float, Int
from scipy.optimize import linear_sum_assignment

from neurornn import _check
from neurornn.comparison.metric import AbstractMetric
from neurornn.statistics.folds import Folds


def delay_modes(
    stretches: Float[np.ndarray, "stretch time unit"], *, n_delays: int, rank: int, penalty: float = 1e-8
) -> Complex[np.ndarray, " mode"]:
    r"""Return the eigenvalues of the linear step that best carries delayed activity on: dynamic mode decomposition.

    $$ h_t = (x_t, \dots, x_{t-D+1}),\quad z_t = V_r^\top h_t,\quad
       A = \arg\min \sum_t \|z_{t+1} - A z_t\|^2 + \lambda\|A\|^2 $$

    $V_r$: the `rank` leading right singular vectors of all $h_t$. An eigenvalue $\mu$ stands for a decay
    $-\Delta t / \log|\mu|$ and a frequency $\arg\mu / 2\pi\Delta t$.

    Args:
        stretches: activity in pieces of equal length. Shape `(stretch, time, unit)`.
        n_delays: $D$, copies of the activity, each a step later.
        rank: $r$, at most delays times units.
        penalty: $\lambda$, of components scaled to unit length over all steps.

    Returns:
        Shape `(mode,)`, with as many as `rank`.

    References:
        Tu et al. (2014), J. Comput. Dyn. 1:391, doi:10.3934/jcd.2014.1.391.
    """
    z, _ = _embedded(stretches, n_delays, rank)
    return np.linalg.eigvals(_step(z, penalty)).astype(np.complex128)


def chosen_delays(
    stretches: Float[np.ndarray, "stretch time unit"],
    *,
    delays: tuple[int, ...] = (1, 2, 3, 5, 8),
    ranks: tuple[int, ...] = (2, 4, 6, 10, 16),
    penalty: float = 1e-8,
) -> tuple[int, int]:
    """Return how many delays, and which rank, carry the last third of the stretches one step on with the least error.

    The step is learnt on the first two thirds; the error is that of the newest copy of the activity. Choose on the
    recording, or on a model that is not compared, and use the answer for all.

    Args:
        stretches: activity in pieces of equal length, three or more. Shape `(stretch, time, unit)`.
        delays: to choose from.
        ranks: to choose from; those above delays times units are passed over.
        penalty: ridge penalty of the step.

    Returns:
        Delays and rank.

    References:
        Ostrow et al. (2023), doi:10.48550/arXiv.2306.10168.
    """
    owner, (n, n_time, n_units) = "chosen_delays", stretches.shape
    if n < 3:
        _check.fail(owner, "stretches", "three pieces or more", n, "Cut the record into shorter pieces.")
    if n_time < max(delays) + 2:
        _check.fail(owner, "delays", f"at most {n_time - 2}, two less than the steps of a stretch", max(delays))
    train = 2 * n // 3
    errors: dict[tuple[int, int], float] = {}
    for d in delays:
        for r in ranks:
            if r <= d * n_units:
                z, axes = _embedded(stretches, d, r, n_fit=train)
                told = z[train:, :-1] @ _step(z[:train], penalty).T @ np.linalg.pinv(axes)
                miss = told[:, :, -n_units:] - stretches[train:, d:]
                errors[d, r] = float(np.mean(miss[:, max(delays) - d :] ** 2))  # all are judged on the same steps
    if not errors:
        _check.fail(owner, "ranks", f"some at most {max(delays) * n_units}, delays times units", ranks)
    return min(errors, key=lambda pair: errors[pair])


def _embedded(
    stretches: np.ndarray, n_delays: int, rank: int, n_fit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return delayed activity along its leading components, and the axes; the newest copy comes last.

    Components are scaled to unit length, which changes no eigenvalue.
    """
    n_time = stretches.shape[1]
    if n_time < n_delays + 2:
        must = f"of {n_delays + 2} steps or more, two more than the delays"
        _check.fail("delay_modes", "stretches", must, f"{n_time} steps", "Take longer stretches or fewer delays.")
    steps = n_time - n_delays + 1
    delayed = np.concatenate([stretches[:, d : d + steps] for d in range(n_delays)], axis=2)
    if rank > delayed.shape[2]:
        must = f"at most {delayed.shape[2]}, delays times units"
        _check.fail("delay_modes", "rank", must, rank, "Use more delays, or a smaller rank.")
    flat = delayed[:n_fit].reshape(-1, delayed.shape[2])
    power, axes = np.linalg.eigh(flat.T @ flat)
    power, axes = power[::-1][:rank], axes[:, ::-1][:, :rank]
    if power[-1] <= 1e-13 * power[0]:
        n = int(np.sum(power > 1e-13 * power[0]))
        _check.fail("delay_modes", "rank", f"at most {n}, the components that vary", rank, "Use a smaller rank.")
    scaled = axes / np.sqrt(power)
    return delayed @ scaled, scaled


def _step(z: np.ndarray, penalty: float) -> np.ndarray:
    """Return the matrix that carries each row of components to the next."""
    rank = z.shape[2]
    now, later = z[:, :-1].reshape(-1, rank), z[:, 1:].reshape(-1, rank)
    return np.linalg.solve(now.T @ now + penalty * np.eye(rank), now.T @ later).T


@dataclass(frozen=True)
class ModeSimilarity(AbstractMetric):
    r"""One less the Wasserstein distance between the eigenvalues of two populations' delayed linear dynamics.

    $$ 1 - \min_{\pi}\ \frac1r \sum_k |\mu_k - \nu_{\pi(k)}| $$

    1 for the same motion seen through other units: it does not matter which bins stand beside which, nor how the states
    are laid out. Not rotations but eigenvalues are compared, which is quick and needs no descent; two systems with the
    same eigenvalues may still move apart where modes are not orthogonal, which `DynamicSimilarity` sees. Populations
    that share a timescale score high: read it beside the untrained network, random features and scrambled bins. Delays
    and rank must be the same for all; take those that predict the *recording* best (`chosen_delays`).

    Args:
        n_delays: copies of the activity, each a bin later.
        rank: components that are kept; at most `n_delays` times the smaller number of units.
        length: bins of the stretches into which the record is cut.
        penalty: ridge penalty of the decomposition.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import ModeSimilarity
        >>> from neurornn.statistics.folds import blocked_folds
        >>> t = np.arange(400.0)
        >>> x = np.stack([np.sin(0.3 * t), np.cos(0.3 * t)], axis=1)
        >>> metric = ModeSimilarity(n_delays=1, rank=2, length=100)
        >>> metric.held_out(x, 5 * x[:, ::-1], blocked_folds(t, 2))["modes"].round(4)
        array([1.])

    References:
        Tu et al. (2014), J. Comput. Dyn. 1:391, doi:10.3934/jcd.2014.1.391.
        Ostrow et al. (2023), doi:10.48550/arXiv.2306.10168.
    """

    family = "dynamics"
    measures = ("modes",)
    columnwise = False
    symmetric = True
    paired = False
    learns = False
    references = ("10.3934/jcd.2014.1.391", "10.48550/arXiv.2306.10168")

    n_delays: int = 5
    rank: int = 10
    length: int = 100
    penalty: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("n_delays", "rank"):
            _check.count("ModeSimilarity", name, getattr(self, name))
        _check.not_negative("ModeSimilarity", "penalty", self.penalty)
        must = self.n_delays + 2
        _check.count("ModeSimilarity", "length", self.length, "Two more than the delays, at least.", least=must)

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
        one, other = (
            self.modes(whole_stretches(values, folds.times, self.length, owner="ModeSimilarity")) for values in (x, y)
        )
        return {"modes": np.array([1.0 - eigenvalue_distance(one, other)])}

    def modes(self, stretches: Float[np.ndarray, "stretch time unit"]) -> Complex[np.ndarray, " mode"]:
        """Return the eigenvalues of one population (see `delay_modes`)."""
        return delay_modes(stretches, n_delays=self.n_delays, rank=self.rank, penalty=self.penalty)

    def sentence(self) -> str:
        return (
            f"Dynamic mode decomposition of rank {self.rank} with {self.n_delays} delays of both populations, over all "
            "analysed bins; 1 less the Wasserstein distance between their eigenvalues."
        )


def eigenvalue_distance(one: Complex[np.ndarray, " mode"], other: Complex[np.ndarray, " mode"]) -> float:
    """Return the mean distance in the complex plane when each eigenvalue is carried to one of the other set's.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import eigenvalue_distance
        >>> eigenvalue_distance(np.array([1.0 + 0j, 0.5]), np.array([0.5 + 0j, 1.0]))
        0.0
    """
    cost = np.abs(one[:, None] - other)
    return float(cost[linear_sum_assignment(cost)].mean())


def whole_stretches(
    values: Float[np.ndarray, "bin unit"], times: Float[np.ndarray, " bin"], length: int, *, owner: str
) -> Float[np.ndarray, "stretch time unit"]:
    """Return stretches of `length` bins that follow each other, every unit scaled to mean 0 and variance 1.

    Raises:
        ValueError: if no part of the record is as long.
    """
    step = np.median(np.diff(times))
    pieces = np.split(np.arange(len(values)), np.flatnonzero(np.diff(times) > 1.5 * step) + 1)
    cut = [piece[i : i + length] for piece in pieces for i in range(0, len(piece), length)]
    whole = [values[rows] for rows in cut if len(rows) == length]
    if not whole:
        must = f"so short that the record holds one, {max(len(piece) for piece in pieces)} bins"
        _check.fail(owner, "length", must, length)
    stacked = np.stack(whole).astype(float)
    spread = stacked.std(axis=(0, 1))
    return (stacked - stacked.mean(axis=(0, 1))) / np.where(spread > 0, spread, 1.0)
