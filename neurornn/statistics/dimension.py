"""How many dimensions activity has at different times of a trial."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.recording import Recording
from neurornn.statistics.subspace import participation_ratio


@dataclass(frozen=True, eq=False)
class Dimensions:
    """The dimensionality of activity in windows of the trial.

    Args:
        table: one row a window: `start` and `stop` (ms since the trial began), `dimensions` (participation ratio), its
            `error` (standard deviation over resampled trials), `n_samples`.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    methods: str
    references: tuple[str, ...] = ("10.1101/214262",)

    def frame(self) -> pd.DataFrame:
        """Return one row a window."""
        return self.table


def dimensions(
    recording: Recording,
    windows: Sequence[tuple[float, float]],
    *,
    dt: float,
    n_resamples: int = 50,
    seed: int = 0,
) -> Dimensions:
    """Return the participation ratio of the activity of all trials in each window of the trial.

    The ratio grows with the number of samples, so every window is given equally many: as many as the poorest has, drawn
    at random from the others. Compare windows of one recording with each other; another number of units or of samples,
    or spikes instead of rates, has another scale.

    Args:
        recording: with trials.
        windows: `(start, stop)` of each window since the start of the trial, ms; a bin belongs where its middle lies.
        dt: bin width, ms.
        n_resamples: bootstrap samples of trials for the error.
        seed: of the draws.

    Raises:
        ValueError: if a window holds less than three bins of all trials together.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from neurornn import Recording
        >>> from neurornn.statistics import dimensions
        >>> rng = np.random.default_rng(0)
        >>> line = rng.normal(size=(40, 50, 1)) @ np.ones((1, 8))  # the first half of each trial lies on a line
        >>> line[:, 25:] = rng.normal(size=(40, 25, 8))  # the second fills 8 dimensions
        >>> starts = 50.0 * np.arange(40)
        >>> trials = pd.DataFrame({"start": starts, "stop": starts + 50.0})
        >>> whole = Recording(0.0, 2000.0, activity=line.reshape(-1, 8), dt=1.0, trials=trials)
        >>> dimensions(whole, [(0.0, 25.0), (25.0, 50.0)], dt=1.0).table["dimensions"].round(0).tolist()
        [1.0, 8.0]

    References:
        Gao et al. (2017), bioRxiv 214262, doi:10.1101/214262.
    """
    owner = "dimensions"
    binned = recording.binned(dt)
    since = binned.times - recording.trials["start"].to_numpy(float)[binned.trial]
    known = np.isfinite(binned.values).all(axis=1)
    rows = [np.flatnonzero(known & (since >= low) & (since < high)) for low, high in windows]
    for (low, high), row in zip(windows, rows, strict=True):
        if len(row) < 3:
            must, got = "each with three bins or more", f"{len(row)} in {low:g} to {high:g} ms"
            _check.fail(owner, "windows", must, got, "Are windows and trials both in ms?")
    n = min(map(len, rows))
    rng = np.random.default_rng(seed)
    table = []
    for (low, high), row in zip(windows, rows, strict=True):
        chosen = rng.choice(row, n, replace=False)
        trials = np.unique(binned.trial[chosen])
        members = {trial: chosen[binned.trial[chosen] == trial] for trial in trials}
        again = [
            participation_ratio(binned.values[np.concatenate([members[t] for t in rng.choice(trials, len(trials))])])
            for _ in range(n_resamples)
        ]
        ratio = participation_ratio(binned.values[chosen])
        error = float(np.std(again, ddof=1)) if n_resamples > 1 else np.nan
        table.append({"start": low, "stop": high, "dimensions": ratio, "error": error, "n_samples": n})
    methods = (
        f"Participation ratio of the covariance of {recording.n_units} units over trials and {dt:g} ms bins of each "
        f"window, {n} samples in each; error: standard deviation over {n_resamples} bootstrap samples of trials."
    )
    return Dimensions(pd.DataFrame(table), methods)
