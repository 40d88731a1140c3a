"""What happens to the weights that survive."""

from enum import Enum

import numpy as np
from jaxtyping import Bool, Float

from neurornn import _check
from neurornn.cell.member import member


class Rescale(Enum):
    r"""What survivors are multiplied by.

    - `NONE`: nothing.
    - `FULL`: $1/p_{ij}$, one over their probability of being kept, so that every weight keeps its expectation.
    - `CAPPED`: the same up to a quantile of $1/p$ over the connections there were: what was nearly certain to go and
      stayed is not blown up, and the score matters more.
    - `RADIUS`: one factor for all, which restores the spectral radius of the recurrent weights.
    """

    NONE = "none"
    FULL = "full"
    CAPPED = "capped"
    RADIUS = "radius"


def survivors(
    weights: Float[np.ndarray, "unit unit"],
    mask: Bool[np.ndarray, "unit unit"],
    keep: Float[np.ndarray, "unit unit"] | None,
    how: Rescale,
    cap: float = 1.0,
    back: Bool[np.ndarray, "unit unit"] | None = None,
) -> tuple[Float[np.ndarray, "unit unit"], float]:
    """Return the weights that `mask` leaves, rescaled, and the largest factor among them.

    Args:
        weights: all of them, rows post-synaptic; those of a unit onto itself are no connections, and stay.
        mask: the connections that are kept.
        keep: their probabilities.
        how: what they are multiplied by.
        cap: the quantile of one over the probability, for `CAPPED`.
        back: connections that no draw kept and that came back all the same. They stand for no others, and so keep the
            weight that they had under `FULL` and `CAPPED`.
    """
    left = np.where(mask, weights, 0.0)
    if how is Rescale.NONE:
        return left, 1.0
    if how is Rescale.RADIUS:
        factor = radius(weights) / max(radius(left), 1e-12)
        return left * factor, factor
    assert keep is not None, "asked only of methods that draw"
    between = mask & ~np.eye(len(weights), dtype=bool)
    there = (weights != 0) & ~np.eye(len(weights), dtype=bool) & (keep > 0)
    factors = np.where(there, 1 / np.where(there, keep, 1.0), 1.0)
    if how is Rescale.CAPPED and there.any():
        factors = np.minimum(factors, np.quantile(factors[there], cap))
    if back is not None:
        factors = np.where(back, 1.0, factors)
    return np.where(between, left * factors, left), float(factors[between].max(initial=1.0))


def radius(weights: Float[np.ndarray, "unit unit"]) -> float:
    """Return the spectral radius."""
    return float(np.abs(np.linalg.eigvals(weights)).max(initial=0.0))


def rescaling(owner: str, how: Rescale | str, allowed: tuple[Rescale, ...]) -> Rescale:
    """Return a way of rescaling by its name, or refuse one that a method has no numbers for."""
    known = member(owner, "rescale", Rescale, how)
    if known not in allowed:
        fix = f"There are: {', '.join(one.value for one in allowed)}."
        _check.fail(owner, "rescale", "one that this method has probabilities for", known.value, fix)
    return known
