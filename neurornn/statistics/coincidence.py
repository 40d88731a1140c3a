"""How many spikes of one train are met by spikes of another within a few ms, beyond chance."""

import numpy as np
from jaxtyping import Float

from neurornn import _check


def matched(
    train: Float[np.ndarray, " spike"], reference: Float[np.ndarray, " reference"], *, window: float = 4.0
) -> int:
    """Return how many spikes can be paired one to one, no two of a pair more than `window` ms apart.

    Trains are walked through in time and the earliest partner is taken, which pairs as many as can be. A spike is never
    counted twice: counting all neighbours would reward a train for firing too much.

    Args:
        train: sorted spike times, ms.
        reference: sorted spike times, ms.
        window: ms.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import matched
        >>> matched(np.array([10.0, 11.0, 12.0]), np.array([11.0]))
        1
    """
    i = j = found = 0
    while i < len(train) and j < len(reference):
        apart = train[i] - reference[j]
        if abs(apart) <= window:
            found, i, j = found + 1, i + 1, j + 1
        elif apart < 0:
            i += 1
        else:
            j += 1
    return found


def coincidence_factor(
    train: Float[np.ndarray, " spike"],
    reference: Float[np.ndarray, " reference"],
    *,
    duration: float,
    window: float = 4.0,
) -> float:
    r"""Return the coincidence factor $\Gamma$ of a train with a reference: 1 for the same train, about 0 for chance.

    $$ \Gamma = \frac{N_c - 2\nu\Delta N_{ref}}{\frac12 (N + N_{ref})}\,\frac{1}{1 - 2\nu\Delta} $$

    with $N_c$ pairs within $\Delta$ = `window` and the rate $\nu = N/T$ of `train`: $2\nu\Delta N_{ref}$ is what a
    Poisson train of that rate would pair. It has no meaning where a train is so fast that chance meets every spike.

    Args:
        train: of a model, sorted, ms.
        reference: of the neuron, sorted, ms.
        duration: $T$, of both, ms.
        window: $\Delta$, ms.

    Returns:
        The factor; NaN without a reference spike, or where $2\nu\Delta \ge 1$.

    Raises:
        ValueError: if `duration` or `window` is not above 0.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import coincidence_factor
        >>> spikes = np.array([20.0, 150.0, 300.0])
        >>> coincidence_factor(spikes + 1.0, spikes, duration=500.0)
        1.0

    References:
        Kistler, Gerstner & van Hemmen (1997), Neural Comput. 9:1015, doi:10.1162/neco.1997.9.5.1015; Jolivet et al.
        (2008), J. Neurosci. Methods 169:417, doi:10.1016/j.jneumeth.2007.11.006.
    """
    _check.positive("coincidence_factor", "duration", duration)
    _check.positive("coincidence_factor", "window", window)
    chance = 2 * window * len(train) / duration
    if len(reference) == 0 or chance >= 1:
        return float("nan")
    beyond = matched(train, reference, window=window) - chance * len(reference)
    return beyond / (0.5 * (len(train) + len(reference))) / (1 - chance)
