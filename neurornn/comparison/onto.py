"""Other recordings in the brain's bins: on its clock, or, where they ran trials of their own, by conditions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Binned, Recording


@dataclass(frozen=True, eq=False)
class Onto:
    """The bins of a brain, and how other recordings are brought into them.

    A recording on the brain's clock, with its trials, is binned alike. One that ran other trials can only be compared
    by what both were about: where columns of the trials tell conditions apart, each bin of the brain takes the mean of
    the other recording over *its* trials of the same condition, at the same share of the trial.

    Args:
        grid: bin centres. Shape `(bin,)`, ms.
        trial: trial of each bin. Shape `(bin,)`.
        share: how much of its trial has passed. Shape `(bin,)`.
        trials: of the brain.
        dt: bin width, ms.
        conditions: columns that tell conditions apart; none where there are none.
    """

    grid: Float[np.ndarray, " bin"]
    trial: Int[np.ndarray, " bin"]
    share: Float[np.ndarray, " bin"]
    trials: pd.DataFrame
    dt: float
    conditions: tuple[str, ...]

    @classmethod
    def of(cls, brain: Recording, binned: Binned, conditions: Sequence[str]) -> "Onto":
        """Return the bins of a brain.

        Raises:
            RecordingError: if its trials have no such columns.
        """
        for name in conditions:
            if name not in brain.trials.columns:
                fix = _check.near(name, brain.trials.columns)
                _check.fail("compare", "conditions", "columns of the brain's trials", name, fix, error=RecordingError)
        share = _share(brain.trials, binned)
        return cls(binned.times, binned.trial, share, brain.trials, binned.dt, tuple(conditions))

    def apart(self, recording: Recording) -> bool:
        """Tell whether a recording has another clock, or other trials."""
        times = recording.binned(self.dt).times
        return len(times) != len(self.grid) or not np.allclose(times, self.grid, rtol=0.0, atol=1e-3 * self.dt)

    def values(self, recording: Recording, name: str) -> tuple[Float[np.ndarray, "bin unit"], bool]:
        """Return the activity of a recording in each bin, and whether it is spike counts.

        Raises:
            RecordingError: if it is on another clock and there is no condition that both have.
        """
        binned = recording.binned(self.dt)
        if not self.apart(recording):
            return binned.values, binned.counts
        absent = [column for column in self.conditions if column not in recording.trials.columns]
        if not self.conditions or absent:
            fix = "Make it with fit.record(brain), or name `conditions` that the trials of both have."
            got = f"{len(binned.times)} bins where the brain has {len(self.grid)}, or at other times"
            got += f", without {', '.join(absent)}" if absent else ""
            _check.fail("compare", name, "on the brain's clock, with its trials", got, fix, error=RecordingError)
        return self._means(recording, binned, name), False

    def _means(self, recording: Recording, binned: Binned, name: str) -> np.ndarray:
        """Return the means over trials of the same condition at the same share; NaN where there is none."""
        columns = list(self.conditions)
        mine, yours = (pd.DataFrame(table[columns]) for table in (self.trials, recording.trials))
        known = pd.MultiIndex.from_frame(pd.DataFrame(mine.drop_duplicates()))
        ours, theirs = (known.get_indexer(pd.MultiIndex.from_frame(table)) for table in (mine, yours))
        if not np.isin(theirs, ours).any():
            got = f"trials of none of the brain's {len(known)} conditions"
            _check.fail("compare", name, "of conditions that the brain has", got, error=RecordingError)
        n_cells = max(1, int(np.median(np.bincount(self.trial)[np.unique(self.trial)])))
        code, cell = theirs[binned.trial], _cell(_share(recording.trials, binned), n_cells)
        inside = code >= 0
        values = binned.values[inside]
        total, seen = (np.zeros((len(known), n_cells, values.shape[1])) for _ in range(2))
        np.add.at(total, (code[inside], cell[inside]), np.where(np.isfinite(values), values, 0.0))
        np.add.at(seen, (code[inside], cell[inside]), np.isfinite(values))
        means = np.divide(total, seen, out=np.full(total.shape, np.nan), where=seen > 0)
        for table in means:  # trials of fewer bins leave cells empty: the straight line between their neighbours
            for column in table.T:
                there = np.isfinite(column)
                if there.any():
                    column[~there] = np.interp(np.flatnonzero(~there), np.flatnonzero(there), column[there])
        return means[ours[self.trial], _cell(self.share, n_cells)]


def _share(trials: pd.DataFrame, binned: Binned) -> np.ndarray:
    start, stop = (trials[edge].to_numpy(float)[binned.trial] for edge in ("start", "stop"))
    return (binned.times - start) / (stop - start)


def _cell(share: np.ndarray, n_cells: int) -> np.ndarray:
    return np.clip((n_cells * share).astype(np.int64), 0, n_cells - 1)
