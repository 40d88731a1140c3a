"""Folds in blocks of time: what is held out is never a neighbour of what was learnt from.

Neural activity and behaviour are autocorrelated. A split that shuffles bins puts near copies of every test bin into
training, and then regressors that have nothing to do with the recording predict it well. So test bins are contiguous
(or whole trials), and training bins within `gap` of a test bin are used for neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from neurornn import _check


@dataclass(frozen=True, eq=False)
class Folds:
    """Splits of the same bins into training and test; a sequence of `(train, test)` index arrays.

    Args:
        pairs: one `(train, test)` a fold: places into the bins that were split, in order of time.
        times: the bins' times. Shape `(bin,)`, ms.
        gap: training bins this close (ms) to a test bin are left out of the fold.
        groups: the trial (or other label) of each bin, where whole groups are held out.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.folds import blocked_folds
        >>> folds = blocked_folds(np.arange(10.0), 2, gap=1.0)
        >>> [(train.tolist(), test.tolist()) for train, test in folds]
        [([6, 7, 8, 9], [0, 1, 2, 3, 4]), ([0, 1, 2, 3], [5, 6, 7, 8, 9])]
    """

    pairs: tuple[tuple[Int[np.ndarray, " _train"], Int[np.ndarray, " _test"]], ...]
    times: Float[np.ndarray, " bin"]
    gap: float
    groups: Shaped[np.ndarray, " bin"] | None = None

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return iter(self.pairs)

    def __getitem__(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        return self.pairs[fold]

    def inner(self, fold: int, n_folds: int = 4) -> "Folds":
        """Return folds of the training bins of `fold`, for choices that must not see its test bins.

        The same gap and the same whole groups; the indices are still places into all the bins.
        """
        train, _ = self.pairs[fold]
        groups = None if self.groups is None else self.groups[train]
        within = blocked_folds(self.times[train], n_folds, gap=self.gap, groups=groups)
        pairs = tuple((train[a], train[b]) for a, b in within.pairs)
        return Folds(pairs, self.times, self.gap, self.groups)

    def frame(self) -> pd.DataFrame:
        """Return one row a fold: how many bins train, test and are left out, and when the test bins lie (ms)."""
        rows = [
            {
                "fold": k,
                "n_train": len(train),
                "n_test": len(test),
                "n_left_out": len(self.times) - len(train) - len(test),
                "test_start": self.times[test[0]],
                "test_stop": self.times[test[-1]],
            }
            for k, (train, test) in enumerate(self.pairs)
        ]
        return pd.DataFrame(rows)


def blocked_folds(
    times: Float[np.ndarray, " bin"],
    n_folds: int = 5,
    *,
    gap: float = 0.0,
    groups: Shaped[np.ndarray, " _label"] | None = None,
) -> Folds:
    """Split bins into contiguous blocks of time, each tested once, with a gap in time around it.

    Distances are those of the clock, not of the row number: where bins were removed (rest, pauses between trials) the
    pause counts towards the gap.

    Args:
        times: the bins' times (centres), never going back. Shape `(bin,)`, ms.
        n_folds: how many blocks, 2 or above. They hold the same number of bins (or of groups) to within one.
        gap: training bins whose time lies within `gap` of a test bin are left out, ms.
        groups: a label of each bin (its trial); bins of one group stay on one side. Shape `(bin,)`.

    Returns:
        The folds; iterate them as `for train, test in folds`.

    Raises:
        ValueError: if times go back, a group comes in several pieces, there are fewer bins (or groups) than folds, or
            the gap leaves a fold nothing to train on.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.folds import blocked_folds
        >>> laps = np.array([0, 0, 0, 1, 1, 2, 2, 2])
        >>> [test.tolist() for _, test in blocked_folds(np.arange(8.0), 3, groups=laps)]
        [[0, 1, 2], [3, 4], [5, 6, 7]]

    References:
        Roberts et al. (2017), Ecography 40:913, doi:10.1111/ecog.02881.
    """
    owner = "blocked_folds"
    n_folds = _check.count(owner, "n_folds", n_folds, least=2)
    gap = _check.not_negative(owner, "gap", gap, "It is in ms.")
    times = _check.finite(owner, "times", times)
    if np.any(np.diff(times) < 0):
        _check.fail(owner, "times", "in order", f"a step back at bin {int(np.argmax(np.diff(times) < 0)) + 1}")
    starts = _starts(times, groups)
    if len(starts) < n_folds:
        what = "bins" if groups is None else "groups"
        fix = "Take fewer folds, or finer groups."
        _check.fail(owner, "n_folds", f"at most the number of {what}, {len(starts)}", n_folds, fix)
    borders = [part[0] for part in np.array_split(starts, n_folds)] + [len(times)]
    pairs = []
    for first, stop in pairwise(borders):
        before = np.flatnonzero(times[:first] < times[first] - gap) if gap else np.arange(first)
        after = stop + (np.flatnonzero(times[stop:] > times[stop - 1] + gap) if gap else np.arange(len(times) - stop))
        train = np.concatenate([before, after]).astype(np.int64)
        if len(train) == 0:
            fix = "Take a smaller gap, more folds, or a longer recording."
            must = f"short enough to leave training bins beside {times[first]:g} to {times[stop - 1]:g} ms"
            _check.fail(owner, "gap", must, gap, fix)
        pairs.append((train, np.arange(first, stop, dtype=np.int64)))
    return Folds(tuple(pairs), times, gap, None if groups is None else np.asarray(groups))


def held_out_groups(
    times: Float[np.ndarray, " bin"],
    context: Shaped[np.ndarray, " bin"],
    *,
    trial: Int[np.ndarray, " bin"],
    gap: float = 0.0,
) -> Folds:
    """Split bins by context: each context is tested once, by what was learnt in all others.

    Args:
        times: the bins' times (centres), never going back. Shape `(bin,)`, ms.
        context: what is held out whole, in as many pieces of time as there are. Shape `(bin,)`.
        trial: bins that the inner folds keep together. Shape `(bin,)`.
        gap: training bins whose time lies within `gap` of a test bin are left out, ms.

    Raises:
        ValueError: if the gap leaves a fold nothing to train on.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics.folds import held_out_groups
        >>> folds = held_out_groups(np.arange(4.0), np.array([0, 1, 0, 1]), trial=np.arange(4))
        >>> [(train.tolist(), test.tolist()) for train, test in folds]
        [([1, 3], [0, 2]), ([0, 2], [1, 3])]
    """
    gap = _check.not_negative("held_out_groups", "gap", gap, "It is in ms.")
    pairs = []
    for value in np.unique(context):
        test = np.flatnonzero(context == value)
        edges = np.concatenate([[-np.inf], times[test], [np.inf]])
        after = np.searchsorted(times[test], times, side="right")
        apart = np.minimum(times - edges[after], edges[after + 1] - times)
        train = np.flatnonzero((context != value) & ((apart > gap) if gap else True))
        if len(train) == 0:
            must = "short enough to leave training bins between the trials of a context"
            _check.fail("held_out_groups", "gap", must, gap, "Take a smaller gap, or contexts in blocks.")
        pairs.append((train.astype(np.int64), test.astype(np.int64)))
    return Folds(tuple(pairs), times, gap, trial)


def _starts(times: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the first bin of each thing that is never split: a group, or a single bin."""
    if groups is None:
        return np.arange(len(times))
    groups = np.asarray(groups)
    if len(groups) != len(times):
        _check.fail("blocked_folds", "groups", f"one label for each of {len(times)} bins", f"{len(groups)} labels")
    starts = np.concatenate([[0], np.flatnonzero(groups[1:] != groups[:-1]) + 1])
    labels, times_seen = np.unique(groups[starts], return_counts=True)
    if np.any(times_seen > 1):
        label = labels[np.argmax(times_seen > 1)]
        _check.fail("blocked_folds", "groups", "each in one piece", f"group {label} in {times_seen.max()} pieces")
    return starts
