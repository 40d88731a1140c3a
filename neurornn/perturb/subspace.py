"""Lesions of directions in the activity of a population, rather than of units; and random directions to match."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float

from neurornn import _check
from neurornn.cell.base import Intervention
from neurornn.cell.intervention import Mix
from neurornn.network import Network
from neurornn.perturb.base import AbstractPerturbation
from neurornn.perturb.schedule import AbstractWhen, Always, check_when

SAME = 0.9
"""Mean squared cosine between two subspaces from which one is no control for the other."""


@dataclass(frozen=True, eq=False)
class RemoveSubspace(AbstractPerturbation):
    r"""Take directions out of what a population sends: $r \leftarrow r - P\,(r - c)$.

    $P$ projects onto the span of `directions`, which need be neither orthogonal nor of unit length. About the mean
    activity $c$ it removes information and leaves the drive; about 0 it removes both. Hold it against
    `matched_subspaces`, random ones that carry as much variance: a random subspace of equal dimension carries less.

    Args:
        directions: what is removed. Shape `(direction, unit)`; none changes nothing.
        centre: $c$; 0 where absent. Shape `(unit,)`.
        when: when it holds; halfway up a ramp half of it is left.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import RemoveSubspace
        >>> network = Network(LeakyRate(1, 8), 1)
        >>> sent = network(torch.ones(1, 5, 1), perturb=[RemoveSubspace(np.ones((1, 8)))]).activity
        >>> bool(sent.sum(-1).abs().max() < 1e-5)
        True
    """

    directions: Float[np.ndarray, "..."]
    centre: Float[np.ndarray, "..."] | None = None
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        given = _check.finite("RemoveSubspace", "directions", self.directions)
        if given.ndim != 2:
            _check.fail("RemoveSubspace", "directions", "of shape (direction, unit)", given)
        if len(given) and np.linalg.matrix_rank(given) < len(given):
            must = "linearly independent"
            _check.fail("RemoveSubspace", "directions", must, f"rank {np.linalg.matrix_rank(given)} of {len(given)}")
        object.__setattr__(self, "directions", given)
        check_when("RemoveSubspace", self.when)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        if not len(self.directions):
            return Intervention()
        _for_units("RemoveSubspace", "directions", self.directions.shape[1], network)
        basis = np.linalg.qr(self.directions.T)[0]  # (unit, direction)
        return _mixed(np.eye(len(basis)) - basis @ basis.T, self.centre, self.when, network, n_trials, n_steps)


@dataclass(frozen=True, eq=False)
class Rotate(AbstractPerturbation):
    r"""Rotate what a population sends: $r \leftarrow Q\,(r - c) + c$, with $Q$ orthogonal.

    All distances and variances stay; what each unit stands for is lost to the others and to the readout. A rotation
    within a subspace that the others do not read changes nothing.

    Args:
        matrix: $Q$. Shape `(unit, unit)`.
        centre: $c$; 0 where absent.
        when: when it holds; halfway up a ramp half of the unrotated activity is left.
    """

    matrix: Float[np.ndarray, "..."]
    centre: Float[np.ndarray, "..."] | None = None
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        given = _check.finite("Rotate", "matrix", self.matrix)
        if given.ndim != 2 or given.shape[0] != given.shape[1]:
            _check.fail("Rotate", "matrix", "square", given)
        off = float(np.abs(given @ given.T - np.eye(len(given))).max(initial=0.0))
        if off > 1e-5:
            fix = "Take it from numpy.linalg.qr or scipy.stats.ortho_group."
            _check.fail("Rotate", "matrix", "orthogonal", f"one whose product with its transpose is {off:.2g} off", fix)
        object.__setattr__(self, "matrix", given)
        check_when("Rotate", self.when)

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        _for_units("Rotate", "matrix", len(self.matrix), network)
        if np.array_equal(self.matrix, np.eye(len(self.matrix))):
            return Intervention()
        return _mixed(self.matrix, self.centre, self.when, network, n_trials, n_steps)


def carried_variance(
    activity: Float[np.ndarray, "sample unit"], directions: Float[np.ndarray, "direction unit"]
) -> float:
    """Return the share of the variance of `activity` that lies in the span of `directions`."""
    basis = np.linalg.qr(np.asarray(directions, dtype=float).T)[0]
    covariance = np.atleast_2d(np.cov(activity, rowvar=False))
    return float(np.trace(basis.T @ covariance @ basis) / np.trace(covariance))


def matched_subspaces(
    activity: Float[np.ndarray, "sample unit"],
    directions: Float[np.ndarray, "direction unit"],
    *,
    n_sets: int = 999,
    seed: int = 0,
    tolerance: float = 0.01,
) -> Float[np.ndarray, "set direction unit"]:
    r"""Draw random subspaces of the same dimension that carry the same share of variance.

    Each is the span of $C^{\alpha} g$ with Gaussian $g$ and the covariance $C$ of the activity. At $\alpha = 0$ it is
    even over all directions and carries little, with growing $\alpha$ it leans to the first principal components;
    $\alpha$ is found for each draw by bisection, so that the share is met. A draw that is nearly the subspace to
    be matched (mean squared cosine above 0.9) is no control, and is drawn again.

    Args:
        activity: of the intact network.
        directions: what is to be matched.
        n_sets: how many subspaces.
        seed: of the draws.
        tolerance: how far off the share of variance may be; draws that are further off are drawn again.

    Returns:
        Orthonormal bases.

    Raises:
        ValueError: if the share lies outside what random subspaces reach, as that of the first principal components
            does: nothing else carries as much.
    """
    k = len(directions)
    own = np.linalg.qr(np.asarray(directions, dtype=float).T)[0]  # (unit, direction)
    share = carried_variance(activity, directions)
    covariance = np.cov(activity, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    values = values.clip(min=0.0) / values.sum()
    scaled = (values / values.max()).clip(min=1e-12)
    rng = np.random.default_rng(seed)

    def basis(g: np.ndarray, alpha: float) -> np.ndarray:
        return np.linalg.qr(scaled[:, None] ** alpha * g)[0]  # (unit, direction), in the basis of the components

    def carried(one: np.ndarray) -> float:
        return float((values[:, None] * one**2).sum())

    found: list[np.ndarray] = []
    failed = 0
    while len(found) < n_sets and failed < 200:
        g = rng.standard_normal((len(values), k))
        low, high = -1.0, 4.0
        if not carried(basis(g, low)) <= share <= carried(basis(g, high)) + tolerance:
            failed += 1
            continue
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if carried(basis(g, middle)) < share else (low, middle)
        one = basis(g, (low + high) / 2)
        control = (vectors @ one).T
        same = float(np.square(control @ own).sum()) / k  # 1 for the very subspace that is to be matched
        if abs(carried(one) - share) <= tolerance and same < SAME:
            found.append(control)
            failed = 0
        else:
            failed += 1
    if len(found) < n_sets:
        must, fix = "such that random subspaces carry as much variance", "Compare with the next components instead."
        _check.fail("matched_subspaces", "directions", must, f"a share of {share:.3f} in {k} dimensions", fix)
    return np.stack(found)


def _for_units(owner: str, name: str, n: int, network: Network) -> None:
    if n != network.n_units:
        _check.fail(owner, name, f"given for the {network.n_units} units of the network", f"{n} columns")


def _mixed(
    matrix: np.ndarray, centre: np.ndarray | None, when: AbstractWhen, network: Network, n_trials: int, n_steps: int
) -> Intervention:
    like = network.readout
    about = np.zeros(len(matrix)) if centre is None else _check.finite("RemoveSubspace", "centre", centre)
    _for_units("RemoveSubspace", "centre", len(about), network)
    strength = when.strength(n_trials, n_steps, network.dt).to(like)
    resting = when.resting(n_trials).to(like)
    return Intervention(
        live=(Mix(torch.as_tensor(matrix).to(like), torch.as_tensor(about).to(like), strength, resting),)
    )
