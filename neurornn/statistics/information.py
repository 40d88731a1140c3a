"""What a rate map says about position: spatial information, sparsity, selectivity, and how alike two maps are."""

import numpy as np
from jaxtyping import Float


def _weights(maps: np.ndarray, occupancy: np.ndarray) -> np.ndarray:
    """Return occupancy fractions over the bins of each map that are known."""
    seen = np.where(np.isfinite(maps), occupancy, 0.0)
    total = seen.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(seen, total, out=np.zeros_like(seen), where=total > 0))


def mean_rate(maps: Float[np.ndarray, "*rows place"], occupancy: Float[np.ndarray, "*more place"]) -> np.ndarray:
    r"""Return $R = \sum_i p_i r_i$, with $p_i$ the occupancy fraction, over the known bins of each map."""
    return np.asarray(np.sum(_weights(maps, occupancy) * np.nan_to_num(maps), axis=-1))


def information(maps: Float[np.ndarray, "*rows place"], occupancy: Float[np.ndarray, "*more place"]) -> np.ndarray:
    r"""Return the spatial information of each map, bits/s for maps in Hz.

    $$ \sum_i p_i\, r_i \log_2 \frac{r_i}{R}, \qquad R = \sum_i p_i r_i $$

    Divide by `mean_rate` for bits/spike. Bins with $r_i = 0$ add nothing. It is biased upwards where data are few: give
    it beside shifts of the same data.

    Args:
        maps: rates, 0 or above, NaN where unknown. The last axis runs over places.
        occupancy: time spent at each place, any unit.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.information import information, mean_rate
        >>> one_of_eight = np.array([0.0, 0, 0, 8, 0, 0, 0, 0])  # silent but in one of 8 places: 3 bits a spike
        >>> float(information(one_of_eight, np.ones(8)) / mean_rate(one_of_eight, np.ones(8)))
        3.0

    References:
        Skaggs et al. (1993), NeurIPS 5:1030.
    """
    weights, rates = _weights(maps, occupancy), np.nan_to_num(maps)
    mean = np.sum(weights * rates, axis=-1, keepdims=True)
    ratio = np.divide(rates, mean, out=np.ones_like(rates), where=(rates > 0) & (mean > 0))
    return np.asarray(np.sum(weights * rates * np.log2(ratio), axis=-1))


def sparsity(maps: Float[np.ndarray, "*rows place"], occupancy: Float[np.ndarray, "*more place"]) -> np.ndarray:
    r"""Return $R^2 / \sum_i p_i r_i^2$: 1 where a unit fires everywhere alike, 1/n where in one of n places.

    References:
        Skaggs et al. (1996), Hippocampus 6:149, doi:10.1002/(SICI)1098-1063(1996)6:2<149::AID-HIPO6>3.0.CO;2-K.
    """
    square = np.asarray(np.sum(_weights(maps, occupancy) * np.nan_to_num(maps) ** 2, axis=-1))
    return np.asarray(
        np.divide(mean_rate(maps, occupancy) ** 2, square, out=np.full(square.shape, np.nan), where=square > 0)
    )


def selectivity(maps: Float[np.ndarray, "*rows place"], occupancy: Float[np.ndarray, "*more place"]) -> np.ndarray:
    r"""Return $\max_i r_i / R$: 1 where a unit fires everywhere alike; NaN where it never fires."""
    mean = mean_rate(maps, occupancy)
    peak = np.asarray(np.max(np.nan_to_num(maps, nan=0.0), axis=-1))
    return np.asarray(np.divide(peak, mean, out=np.full(mean.shape, np.nan), where=mean > 0))


def similarity(one: Float[np.ndarray, "*rows place"], other: Float[np.ndarray, "*rows place"]) -> np.ndarray:
    """Return Pearson's r of two maps over the bins known in both; NaN where one does not vary."""
    both = np.isfinite(one) & np.isfinite(other)
    n = np.maximum(both.sum(axis=-1, keepdims=True), 1)
    a, b = np.where(both, one, 0.0), np.where(both, other, 0.0)
    a = np.where(both, a - a.sum(axis=-1, keepdims=True) / n, 0.0)
    b = np.where(both, b - b.sum(axis=-1, keepdims=True) / n, 0.0)
    size = np.asarray(np.sqrt(np.sum(a * a, axis=-1) * np.sum(b * b, axis=-1)))
    return np.asarray(np.divide(np.sum(a * b, axis=-1), size, out=np.full(size.shape, np.nan), where=size > 1e-12))


def direction_index(forth: Float[np.ndarray, "*rows place"], back: Float[np.ndarray, "*rows place"]) -> np.ndarray:
    r"""Return $|F - B| / (F + B)$, with $F$, $B$ the mean of the two maps over the bins known in both.

    The plain mean over places, not over time, so that a unit is not called directional because the animal dwelt
    elsewhere. 0 is no preference, 1 is firing in one direction only; NaN where it never fires.
    """
    both = np.isfinite(forth) & np.isfinite(back)
    one = np.asarray(np.sum(np.where(both, forth, 0.0), axis=-1))
    other = np.sum(np.where(both, back, 0.0), axis=-1)
    return np.asarray(
        np.divide(np.abs(one - other), one + other, out=np.full(one.shape, np.nan), where=one + other > 0)
    )
