"""What varies when an experiment is done again: networks, animals and units, each resampled where it was sampled."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import permutation_test

from neurornn import _check
from neurornn.comparison.bootstrap import Interval

MOST_EXACT = 20_000
"""Regroupings that are all tried; where there are more, as many are drawn."""


def hierarchical_bootstrap(
    scores: list[Float[np.ndarray, "network _unit"]], *, seed: int, n_draws: int = 2000, level: float = 0.95
) -> Interval:
    """Return the mean over animals and networks of the median over units, with the interval of doing it all again.

    Each draw takes animals, networks and units of each animal anew, with replacement; the same networks in all animals,
    since they are crossed with them. Where there is only one animal, or only one network, that level is not resampled:
    the interval then speaks of this animal, or this network, alone. Bootstrapping units alone would treat the many
    units of one animal as so many animals.

    Args:
        scores: one table an animal: networks x units (one column, for a metric of whole populations). NaN where a unit
            has no score.
        seed: of the draws.
        n_draws: resamples.
        level: coverage.

    Returns:
        The value, its interval (NaN where nothing can be resampled), and how many networks x animals it is over.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import hierarchical_bootstrap
        >>> three = [np.array([[0.2], [0.4], [0.6]])]
        >>> found = hierarchical_bootstrap(three, seed=0)
        >>> round(found.median, 3), round(found.low, 3), round(found.high, 3)
        (0.4, 0.2, 0.6)

    References:
        Saravanan et al. (2020), Neurons Behav. Data Anal. Theory 3(5), doi:10.48550/arXiv.2007.07797.
    """
    _check.count("hierarchical_bootstrap", "n_draws", n_draws)
    level = _check.fraction("hierarchical_bootstrap", "level", level)
    known = [table[:, np.isfinite(table).all(axis=0)] for table in scores]
    known = [table for table in known if table.shape[1]]
    if not known:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    value = float(np.mean([np.median(table, axis=1).mean() for table in known]))
    n_networks = len(known[0])
    if len(known) == 1 and known[0].size == 1:
        return Interval(value, float("nan"), float("nan"), 1)
    rng = np.random.default_rng(seed)
    networks = rng.integers(n_networks, size=(n_draws, n_networks))
    animals = rng.integers(len(known), size=(n_draws, len(known)))
    draws = np.zeros(n_draws)
    for slot in animals.T:
        for i, table in enumerate(known):
            here = np.flatnonzero(slot == i)
            units = rng.integers(table.shape[1], size=(len(here), 1, table.shape[1]))
            drawn = table[networks[here][:, :, None], units]  # (draw, network, unit)
            draws[here] += np.median(drawn, axis=2).mean(axis=1) / len(known)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), n_networks * len(known))


def regrouping_p(better: Float[np.ndarray, " network"], worse: Float[np.ndarray, " other"], *, seed: int) -> float:
    r"""Return the one-sided p that the networks of one kind are above those of another, by regrouping them.

    All ways to deal the networks to the two kinds are tried. With $n$ and $m$ networks p cannot fall below
    $1/\binom{n+m}{n}$: 0.05 for three and three, 0.004 for five and five. NaN where a kind is empty.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import regrouping_p
        >>> regrouping_p(np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 2.0]), seed=0)
        0.05
    """
    if len(better) == 0 or len(worse) == 0 or not np.isfinite([*better, *worse]).all():
        return float("nan")
    if min(len(better), len(worse)) == 1:  # scipy takes two or more of each: one changes places with each of the others
        pool, alone = np.concatenate([better, worse]), better if len(better) == 1 else -worse
        pool = pool if len(better) == 1 else -pool
        return float(np.mean(pool >= alone[0]))
    return _permuted((better, worse), lambda x, y, axis: x.mean(axis) - y.mean(axis), "independent", seed)


def sign_flip_p(differences: Float[np.ndarray, " network"], *, seed: int) -> float:
    """Return the one-sided p that paired differences are above 0, by all changes of their signs (at least 1 / 2^n)."""
    differences = differences[np.isfinite(differences)]
    if len(differences) == 0:
        return float("nan")
    if len(differences) == 1:  # two signs; scipy takes two or more
        return 0.5 if differences[0] > 0 else 1.0
    return _permuted((differences,), lambda x, axis: x.mean(axis), "samples", seed)


def _permuted(data: tuple[np.ndarray, ...], statistic: Callable[..., Any], kind: str, seed: int) -> float:
    rng = np.random.default_rng(seed)
    found = permutation_test(
        data,
        statistic,
        permutation_type=kind,
        vectorized=True,
        n_resamples=MOST_EXACT,
        alternative="greater",
        rng=rng,  # type: ignore[call-arg]
    )
    return float(found.pvalue)


def holm(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Return p-values corrected for their number by Holm's step-down rule; NaN stay, and do not count.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison import holm
        >>> holm(np.array([0.01, 0.04, 0.03])).round(2)
        array([0.03, 0.06, 0.06])

    References:
        Holm (1979), Scand. J. Stat. 6:65, https://www.jstor.org/stable/4615733.
    """
    found = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return found


def holm_within(kinds: Sequence[str] | np.ndarray, p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Return p-values corrected by Holm's rule within each kind of test, for the number of tests of that kind."""
    kinds, found = np.asarray(kinds, dtype=str), np.full(len(p), np.nan)
    for kind in np.unique(kinds):
        found[kinds == kind] = holm(p[kinds == kind])
    return found
