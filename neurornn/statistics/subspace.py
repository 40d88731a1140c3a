"""The directions that activity moves in: how many there are, and whether two activities share them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check


def participation_ratio(activity: Float[np.ndarray, "sample unit"]) -> float:
    r"""Return how many directions share the variance: $(\sum_i \lambda_i)^2 / \sum_i \lambda_i^2$.

    1 where all lies on a line, the number of units where all directions carry alike. It grows with the number of units,
    of samples, and with observation noise: match all three before comparing a network with an animal.

    Args:
        activity: shape `(sample, unit)`.

    Returns:
        The ratio; NaN where nothing varies.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import participation_ratio
        >>> participation_ratio(np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]))
        2.0

    References:
        Gao et al. (2017), bioRxiv 214262, doi:10.1101/214262.
    """
    variances = np.linalg.eigvalsh(_covariance("participation_ratio", "activity", activity))
    total = float(np.sum(variances**2))
    return float(np.sum(variances)) ** 2 / total if total > 0 else float("nan")


def n_components(activity: Float[np.ndarray, "sample unit"], *, share: float = 0.9) -> int:
    """Return how many principal components hold at least `share` of the variance; 0 where nothing varies.

    Args:
        activity: shape `(sample, unit)`.
        share: in [0, 1].

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import n_components
        >>> n_components(np.array([[3.0, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]]))
        1
    """
    _check.fraction("n_components", "share", share)
    variances = np.maximum(np.linalg.eigvalsh(_covariance("n_components", "activity", activity))[::-1], 0.0)
    total = float(variances.sum())
    if total == 0:
        return 0
    # A rounding error must not cost a component.
    return int(np.searchsorted(np.cumsum(variances) / total, share - 1e-12)) + 1


@dataclass(frozen=True, eq=False)
class Overlap:
    """How much of each activity's variance lies in the other's main directions.

    Args:
        one_in_other: for k = 1, 2 ..., the variance of `one` in the first k components of `other`, over that in its own
            first k: 1 is the same space, k/n_units is what a random space would hold of white activity. Shape `(k,)`.
        other_in_one: the reverse. Shape `(k,)`.
        chance: the same for `one` in random directions: mean over draws. Shape `(k,)`.
        one_alone: cumulative share of the variance of `one` in its own components. Shape `(k,)`.
        other_alone: the same for `other`. Shape `(k,)`.
        methods: how this was made.
        references: DOIs.
    """

    one_in_other: Float[np.ndarray, " k"]
    other_in_one: Float[np.ndarray, " k"]
    chance: Float[np.ndarray, " k"]
    one_alone: Float[np.ndarray, " k"]
    other_alone: Float[np.ndarray, " k"]
    methods: str
    references: tuple[str, ...] = ("10.1038/ncomms13239",)

    def frame(self) -> pd.DataFrame:
        """Return one row for each number of components."""
        names = ("one_in_other", "other_in_one", "chance", "one_alone", "other_alone")
        table = pd.DataFrame({name: getattr(self, name) for name in names})
        table.insert(0, "k", np.arange(1, len(table) + 1))
        return table


def subspace_overlap(
    one: Float[np.ndarray, "one unit"],
    other: Float[np.ndarray, "other unit"],
    *,
    seed: int,
    n_components: int = 10,
    n_draws: int = 100,
) -> Overlap:
    r"""Return how far the main directions of two activities of the same units agree.

    $$ \frac{\mathrm{tr}(V_k^\top C\, V_k)}{\sum_{i \le k} \lambda_i(C)} $$

    with $C$ the covariance of one activity and $V_k$ the first k components of the other.

    Args:
        one: activity. Shape `(sample, unit)`.
        other: activity of the same units. Shape `(sample, unit)`.
        seed: of the random directions.
        n_components: how many components at most.
        n_draws: random sets of directions for the chance level.

    Raises:
        ValueError: if an activity is not finite or there are more components than units.

    References:
        Elsayed et al. (2016), Nat. Commun. 7:13239, doi:10.1038/ncomms13239.
    """
    owner = "subspace_overlap"
    n_units = one.shape[1]
    n_components = _check.count(owner, "n_components", n_components)
    if n_components > n_units:
        _check.fail(owner, "n_components", f"at most the number of units, {n_units}", n_components)
    covariances = [_covariance(owner, name, value) for name, value in (("one", one), ("other", other))]
    parts = [np.linalg.eigh(covariance) for covariance in covariances]
    values = [np.maximum(value[::-1], 0.0)[:n_components] for value, _ in parts]
    vectors = [vector[:, ::-1][:, :n_components] for _, vector in parts]
    rng = np.random.default_rng(seed)
    draws = (np.linalg.qr(rng.standard_normal((n_units, n_components)))[0] for _ in range(n_draws))
    chance = np.mean([_captured(covariances[0], draw, values[0]) for draw in draws], axis=0)
    shares = [np.cumsum(v) / max(np.trace(c), 1e-300) for v, c in zip(values, covariances, strict=True)]
    methods = (
        f"Principal components of each activity ({len(one)} and {len(other)} samples of {n_units} units); variance "
        f"captured by the other's first k components over that captured by the own ones; chance: {n_draws} random sets "
        f"of orthonormal directions."
    )
    one_in, other_in = (_captured(covariances[i], vectors[1 - i], values[i]) for i in (0, 1))
    return Overlap(one_in, other_in, chance, shares[0], shares[1], methods)


def _captured(covariance: np.ndarray, directions: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the variance in the first 1, 2 ... k directions over that in the first own components."""
    inside = np.cumsum(np.einsum("uk,uv,vk->k", directions, covariance, directions))
    best = np.cumsum(own)
    return np.divide(inside, best, out=np.full(len(best), np.nan), where=best > 0)


def _covariance(owner: str, name: str, activity: np.ndarray) -> np.ndarray:
    activity = _check.finite(owner, name, activity, "Drop samples at which a unit was not recorded.")
    if len(activity) < 2:
        _check.fail(owner, name, "two samples or more", activity)
    return np.cov(activity.T, bias=True).reshape(activity.shape[1], activity.shape[1])
