"""Distances between spike trains, all pairs at once: Victor and Purpura's, van Rossum's."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from neurornn import _check

Trains = Sequence[Float[np.ndarray, " _spike"]]

AT_ONCE = 1 << 22
"""Numbers of the table of costs that are held at once."""
BLOCK = 512
"""Spikes whose traces are held at once."""


def victor_purpura(trains: Trains, *, cost: float) -> Float[np.ndarray, "train train"]:
    r"""Return the least cost of turning each train into each other: 1 to add or remove a spike, $q|\Delta t|$ to move.

    $$ G_{i,j} = \min\{G_{i-1,j} + 1,\; G_{i,j-1} + 1,\; G_{i-1,j-1} + q\,|t_i - s_j|\} $$

    The table is filled row by row for all pairs together. Its work grows with the product of two trains' spikes: give
    trials, not sessions.

    Args:
        trains: sorted spike times, ms.
        cost: $q$, per second: spikes more than 2/q apart are not moved onto each other; 0 compares counts.

    Raises:
        ValueError: if a train is not in order, or the cost is below 0.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import victor_purpura
        >>> victor_purpura([np.array([10.0]), np.array([10.0, 40.0]), np.array([15.0])], cost=100.0)
        array([[0. , 1. , 0.5],
               [1. , 0. , 1.5],
               [0.5, 1.5, 0. ]])

    References:
        Victor & Purpura (1996), J. Neurophysiol. 76:1310, doi:10.1152/jn.1996.76.2.1310.
    """
    q = _check.not_negative("victor_purpura", "cost", cost, "It is per second.") / 1000.0
    sizes = _sizes("victor_purpura", trains)
    longest = int(sizes.max(initial=0))
    times = np.zeros((len(trains), longest))
    for row, train in zip(times, trains, strict=True):
        row[: len(train)] = train
    found = np.zeros((len(trains), len(trains)))
    first, second = np.triu_indices(len(trains), 1)
    step = max(1, AT_ONCE // (longest + 1))
    for low in range(0, len(first), step):
        a, b = first[low : low + step], second[low : low + step]
        found[a, b] = found[b, a] = _least(times[a], sizes[a], times[b], sizes[b], q)
    return found


def _least(x: np.ndarray, n: np.ndarray, y: np.ndarray, m: np.ndarray, q: float) -> np.ndarray:
    """Fill the rows of the table for pairs `(pair, spike)`; a row's minimum over additions is a running one."""
    columns = np.arange(y.shape[1] + 1.0)
    row = np.broadcast_to(columns, (len(x), len(columns))).copy()
    found = row[np.arange(len(x)), m]
    for i in range(int(n.max(initial=0))):
        fresh = row + 1.0
        np.minimum(fresh[:, 1:], row[:, :-1] + q * np.abs(x[:, i : i + 1] - y), out=fresh[:, 1:])
        row = np.minimum.accumulate(fresh - columns, axis=1) + columns
        here = n == i + 1
        found[here] = row[here, m[here]]
    return found


def van_rossum(trains: Trains, *, tau: float) -> Float[np.ndarray, "train train"]:
    r"""Return the distance of trains that are filtered by an exponential, exactly, without a grid.

    $$ D^2 = \frac2\tau \int_0^\infty \big(f(t) - g(t)\big)^2 dt
           = K_{ff} + K_{gg} - 2 K_{fg}, \quad K_{fg} = \sum_{i,j} e^{-|t_i - s_j| / \tau} $$

    One spike beside none is at distance 1, two spikes far apart at $\sqrt2$. All spikes are taken in order of time; the
    work grows with their number times that of the trains.

    Args:
        trains: sorted spike times, ms.
        tau: of the exponential, ms.

    Raises:
        ValueError: if a train is not in order, or `tau` is not above 0.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import van_rossum
        >>> van_rossum([np.array([0.0]), np.array([0.0, 1e5]), np.array([])], tau=10.0).round(3)[0]
        array([0., 1., 1.])

    References:
        van Rossum (2001), Neural Comput. 13:751, doi:10.1162/089976601300014321.
    """
    tau = _check.positive("van_rossum", "tau", tau, "It is in ms.")
    sizes = _sizes("van_rossum", trains)
    n_trains = len(trains)
    times = np.concatenate([*trains, np.empty(0)])
    order = np.argsort(times, kind="stable")
    times, owner = times[order] / tau, np.repeat(np.arange(n_trains), sizes)[order]
    before = np.zeros((n_trains, n_trains))  # of each spike of one train, the trace that the spikes before left
    trace, at = np.zeros(n_trains), float(times[0]) if len(times) else 0.0
    for low in range(0, len(times), BLOCK):
        t, who = times[low : low + BLOCK], owner[low : low + BLOCK]
        apart = t[:, None] - t
        earlier = np.exp(-np.maximum(apart, 0.0)) * np.tri(len(t), k=-1)
        left = np.zeros((len(t), n_trains))
        left[np.arange(len(t)), who] = 1.0
        traces = earlier @ left + np.exp(-(t - at))[:, None] * trace
        before += left.T @ traces
        trace = trace * np.exp(-(t[-1] - at)) + np.exp(-(t[-1] - t)) @ left
        at = float(t[-1])
    overlap = before + before.T + np.diag(sizes.astype(float))
    own = np.diag(overlap)
    return np.sqrt(np.maximum(own[:, None] + own - 2 * overlap, 0.0))


def _sizes(owner: str, trains: Trains) -> np.ndarray:
    for k, train in enumerate(trains):
        if np.any(np.diff(train) < 0) or not np.isfinite(train).all():
            _check.fail(owner, f"trains[{k}]", "in order of time", "a step back, or what is no number", "Sort them.")
    return np.array([len(train) for train in trains], dtype=np.int64)
