"""Activity averaged over the trials of each condition: what condition-wise analyses of a population start from."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.recording import Recording


@dataclass(frozen=True, eq=False)
class Averages:
    """The mean response of each unit in each condition.

    Args:
        values: Hz, or activity. Shape `(unit, *factors, time)`: one axis a factor, then time since the trial began.
        factors: the conditions by which trials were told apart, in the order of the axes.
        levels: the values of each factor, in order.
        n_trials: trials behind each mean. Shape `(*factors,)`.
        noise: covariance of single trials about their means, averaged over conditions and times, over the number of
            trials of a mean. Shape `(unit, unit)`.
        times: of the bins since the trial began, ms. Shape `(time,)`.
        dt: bin width, ms.
        units: their ids.
    """

    values: Float[np.ndarray, "unit *factors time"]
    factors: tuple[str, ...]
    levels: tuple[tuple[Any, ...], ...]
    n_trials: Int[np.ndarray, "*factors"]
    noise: Float[np.ndarray, "unit unit"]
    times: Float[np.ndarray, " time"]
    dt: float
    units: tuple[Any, ...]

    def frame(self) -> pd.DataFrame:
        """Return one row a unit, condition and time: `unit`, the factors, `time` (ms), `value`."""
        index = pd.MultiIndex.from_product(
            [self.units, *self.levels, self.times], names=["unit", *self.factors, "time"]
        )
        return pd.DataFrame({"value": self.values.reshape(-1)}, index=index).reset_index()


def condition_averages(
    recording: Recording, by: Sequence[str], *, dt: float, duration: float = 0.0, least: int = 2
) -> Averages:
    """Return the mean response of each unit in each combination of conditions, on the time of the trial.

    Args:
        recording: with condition columns in its trials.
        by: which columns tell conditions apart.
        dt: bin width, ms.
        duration: from the start of each trial, ms; 0 for as long as the shortest trial.
        least: trials that each combination must have.

    Raises:
        ValueError: if a column is missing, a combination has too few trials, or a unit was not recorded throughout.

    Example:
        >>> import numpy as np, pandas as pd
        >>> from neurornn import Recording
        >>> from neurornn.statistics import condition_averages
        >>> trials = pd.DataFrame({"start": [0.0, 50, 100, 150], "stop": [50.0, 100, 150, 200], "side": [0, 1, 0, 1]})
        >>> activity = np.repeat([1.0, 3.0, 1.0, 5.0], 5)[:, None]
        >>> whole = Recording(0.0, 200.0, activity=activity, dt=10.0, trials=trials)
        >>> condition_averages(whole, ["side"], dt=10.0).values[0, :, 0].tolist()
        [1.0, 4.0]
    """
    owner = "condition_averages"
    if not by:
        _check.fail(owner, "by", "one or more columns of the trials", list(by))
    for name in by:
        if name not in recording.trials.columns:
            _check.fail(owner, "by", "columns of the trials", name, _check.near(name, recording.trials.columns))
    _check.count(owner, "least", least)
    binned = recording.binned(dt)
    counts = np.bincount(binned.trial, minlength=len(recording.trials))
    length = int(counts.min()) if not duration else int(_check.positive(owner, "duration", duration) / dt + 1e-9)
    if length < 1 or length > counts.min():
        must = f"at most the shortest trial, {counts.min() * dt:g} ms, and a bin at least"
        _check.fail(owner, "duration", must, duration, "Leave shorter trials out, or use a smaller `dt`.")
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    whole = binned.rates[first[:, None] + np.arange(length)]  # (trial, time, unit)
    if np.isnan(whole).any():
        fix = "Drop units or trials that were not recorded throughout."
        _check.fail(owner, "recording", "without gaps", f"{int(np.isnan(whole).sum())} bins that are NaN", fix)
    levels = tuple(tuple(sorted(pd.unique(recording.trials[name]).tolist())) for name in by)
    shape = tuple(len(level) for level in levels)
    values = np.empty((*shape, length, whole.shape[2]))
    n_trials, covariances = np.empty(shape, dtype=int), []
    for place in itertools.product(*(range(n) for n in shape)):
        here = np.ones(len(whole), dtype=bool)
        for name, level, i in zip(by, levels, place, strict=True):
            here &= (recording.trials[name] == level[i]).to_numpy(dtype=bool)
        n_trials[place] = here.sum()
        if n_trials[place] < least:
            told = ", ".join(f"{name}={level[i]}" for name, level, i in zip(by, levels, place, strict=True))
            fix = "Group conditions, or leave a factor out."
            _check.fail(owner, "by", f"{least} trials or more in every combination", f"{here.sum()} with {told}", fix)
        values[place] = whole[here].mean(axis=0)
        if n_trials[place] > 1:
            apart = (whole[here] - values[place]).reshape(-1, whole.shape[2])
            covariances.append(apart.T @ apart / (length * (n_trials[place] - 1) * n_trials[place]))
    n_units = whole.shape[2]
    return Averages(
        values=np.moveaxis(values, -1, 0),
        factors=tuple(by),
        levels=levels,
        n_trials=n_trials,
        noise=np.mean(covariances, axis=0) if covariances else np.zeros((n_units, n_units)),
        times=(np.arange(length) + 0.5) * dt,
        dt=float(dt),
        units=tuple(recording.units.index),
    )
