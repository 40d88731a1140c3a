"""Circular shifts: activity moved against behaviour, which breaks their bond and leaves each as it is."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from neurornn import _check


def circular_shifts(
    owner: str, n_bins: int, dt: float, *, n_shifts: int, min_shift: float, rng: np.random.Generator
) -> Int[np.ndarray, " shift"]:
    """Draw how many bins to shift by, each at least `min_shift` ms either way round.

    Args:
        owner: who asks, for the sentence that refuses.
        n_bins: how many bins are analysed.
        dt: bin width, ms.
        n_shifts: how many shifts.
        min_shift: the least, ms.
        rng: where the numbers come from.

    Raises:
        ValueError: if the analysed time is shorter than twice `min_shift`.
    """
    least = int(np.ceil(min_shift / dt))
    if n_bins - 2 * least < 1:
        fix = "Record longer, or take a smaller `min_shift` and say so."
        must = f"less than half of the analysed time, {n_bins * dt:g} ms"
        _check.fail(owner, "min_shift", must, min_shift, fix)
    return rng.integers(least, n_bins - least + 1, n_shifts)


def shifted(
    measure: Callable[[np.ndarray], np.ndarray],
    values: Float[np.ndarray, "bin unit"],
    shifts: Int[np.ndarray, " shift"],
) -> Float[np.ndarray, "shift unit"]:
    """Return a statistic of every unit after each shift of the activity."""
    return np.stack([measure(np.roll(values, int(shift), axis=0)) for shift in shifts])
