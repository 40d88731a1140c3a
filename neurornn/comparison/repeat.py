"""The ceiling of repeats: the same animal in another trial of the same condition, or another run past the same places.

Beside it stand, for maps over conditions or places, the split-half reliability and the normalised correlation.
"""

import numpy as np
from jaxtyping import Int

LIKE = 0.9
"""A trial may stand for another if it passes this share of the bins that the best one passes."""


def other_trials(
    labels: Int[np.ndarray, " bin"], trial: Int[np.ndarray, " bin"], *, seed: int
) -> Int[np.ndarray, " bin"]:
    """Return for each bin one of the same label in another trial, as alike in its labels as there is.

    Each trial is paired with one other, drawn among those that share most of its labels, and passed through in its
    order, so that the motion within trials stays. A label that the partner does not have is taken where the partner is
    as far in its trial.

    Args:
        labels: condition or place of each bin, none below 0. Shape `(bin,)`.
        trial: trial of each bin, each trial in one piece. Shape `(bin,)`.
        seed: of the draws.

    Returns:
        Places of the bins that stand for each. Shape `(bin,)`.

    Example:
        >>> import numpy as np
        >>> from neurornn.comparison.repeat import other_trials
        >>> other_trials(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), seed=0)  # to and fro
        array([3, 2, 1, 0])
    """
    rng = np.random.default_rng(seed)
    pieces = [np.flatnonzero(trial == k) for k in np.unique(trial)]
    passes = np.zeros((len(pieces), int(labels.max()) + 1))
    for k, rows in enumerate(pieces):
        np.add.at(passes[k], labels[rows], 1.0)
    shared = passes @ (passes > 0).T.astype(float)
    np.fill_diagonal(shared, -1.0)
    found = np.empty(len(labels), dtype=np.int64)
    for k, rows in enumerate(pieces):
        partner = pieces[rng.choice(np.flatnonzero(shared[k] >= LIKE * shared[k].max()))]
        there = labels[partner]
        for place, row in enumerate(rows):
            as_far = place * len(partner) // len(rows)
            same = np.flatnonzero(there == labels[row])
            found[row] = partner[same[np.abs(same - as_far).argmin()] if len(same) else as_far]
    return found
