"""Shapley values: what each of several players contributes to what they achieve together."""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from jaxtyping import Bool, Float

from neurornn import _check

EXACT = 10
"""Players up to which every coalition is asked for."""


@dataclass(frozen=True, eq=False)
class Shapley:
    """Contributions.

    Args:
        values: what each player contributes; together they are worth what all are worth more than nobody.
        errors: standard errors of sampling; 0 where every coalition was asked for. Shape as `values`.
        alone: what each is worth alone more than nobody.
        last: what all are worth more than all but this one: what a single lesion shows.
        coalitions: how many different coalitions were asked for.
    """

    values: Float[np.ndarray, " player"]
    errors: Float[np.ndarray, " player"]
    alone: Float[np.ndarray, " player"]
    last: Float[np.ndarray, " player"]
    coalitions: int


def shapley_values(
    worth: Callable[[Bool[np.ndarray, "coalition player"]], Float[np.ndarray, " coalition"]],
    n_players: int,
    *,
    orders: int = 200,
    seed: int = 0,
) -> Shapley:
    r"""Return the mean contribution of each player over all orders in which they could join.

    $$\phi_i = \sum_{S \not\ni i} \frac{|S|!\,(n - |S| - 1)!}{n!}\,\bigl(v(S \cup i) - v(S)\bigr)$$

    Up to 10 players every coalition is asked for, and the value is exact. With more, orders are drawn at random, each
    also taken backwards, which cancels much of the variance; then `errors` are those of the mean over pairs of orders.

    Args:
        worth: $v$: returns what each coalition is worth; it is called once for all of them.
        n_players: how many players.
        orders: how many orders are drawn where there are more than 10 players; rounded up to pairs.
        seed: of the orders.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.shapley import shapley_values
        >>> shapley_values(lambda who: who @ np.array([1.0, 2.0, 3.0]), 3).values.round(6).tolist()
        [1.0, 2.0, 3.0]

    References:
        J. Castro, D. Gómez and J. Tejada (2009), Polynomial calculation of the Shapley value based on sampling,
        doi:10.1016/j.cor.2008.04.004. For lesions: A. Keinan, B. Sandbank, C. C. Hilgetag, I. Meilijson and E. Ruppin
        (2004), Fair attribution of functional contribution in artificial and biological networks, Neural Computation
        16, 1887-1915.
    """
    n = _check.count("shapley_values", "n_players", n_players)
    if n <= EXACT:
        return _exact(worth, n)
    pairs = (_check.count("shapley_values", "orders", orders) + 1) // 2
    rng = np.random.default_rng(seed)
    forward = np.stack([rng.permutation(n) for _ in range(pairs)])
    drawn = np.stack([forward, forward[:, ::-1]], axis=1)  # (pair, direction, place)
    joined = drawn.argsort(axis=2)[:, :, None] < np.arange(n + 1)[:, None]  # (pair, direction, size, player)
    edges = np.concatenate([np.eye(n, dtype=bool), ~np.eye(n, dtype=bool)])
    every = np.concatenate([joined.reshape(-1, n), edges])
    distinct, place = np.unique(every, axis=0, return_inverse=True)
    found = np.asarray(worth(distinct), dtype=float)[place.ravel()]
    gains = np.diff(found[: len(every) - 2 * n].reshape(pairs, 2, n + 1), axis=2)
    own = np.take_along_axis(gains, drawn.argsort(axis=2), axis=2).mean(axis=1)  # (pair, player)
    nobody, all_of_them = found[0], found[n]
    errors = own.std(axis=0, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.full(n, np.nan)
    alone, without = found[-2 * n : -n], found[-n:]
    return Shapley(own.mean(axis=0), errors, alone - nobody, all_of_them - without, len(distinct))


def _exact(worth: Callable[[np.ndarray], np.ndarray], n: int) -> Shapley:
    every = (np.arange(2**n)[:, None] >> np.arange(n)) & 1 == 1  # row k: the coalition whose bits k has
    found = np.asarray(worth(every), dtype=float)
    sizes = every.sum(axis=1)
    weights = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)])
    values = np.empty(n)
    for i in range(n):
        without = np.flatnonzero(~every[:, i])
        values[i] = (weights[sizes[without]] * (found[without + 2**i] - found[without])).sum()
    single, all_but = 2 ** np.arange(n), 2**n - 1 - 2 ** np.arange(n)
    return Shapley(values, np.zeros(n), found[single] - found[0], found[-1] - found[all_but], len(every))
