"""The Fano factor over time, with the distribution of mean counts held still."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check


@dataclass(frozen=True, eq=False)
class MeanMatchedFano:
    """Variability across trials at different times, at the same mean counts.

    Args:
        table: one row a time: `time` (ms), `fano` (matched, the mean over draws), its `error` (standard deviation over
            draws), `raw` (all points), `mean` (mean count of all points), `mean_matched`, `n_matched`.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    methods: str
    references: tuple[str, ...] = ("10.1038/nn.2501",)

    def frame(self) -> pd.DataFrame:
        """Return one row a time."""
        return self.table


def mean_matched_fano(
    means: Float[np.ndarray, "time point"],
    variances: Float[np.ndarray, "time point"],
    *,
    times: Float[np.ndarray, " time"],
    bin_width: float = 0.5,
    n_draws: int = 50,
    seed: int = 0,
) -> MeanMatchedFano:
    r"""Return the Fano factor at each time over points whose mean counts are distributed alike at all times.

    A point is one unit in one condition: mean and variance of its counts over trials. Counts that are not Poisson have
    a Fano factor that depends on the rate, so that a change of rates alone looks like a change of variability. The mean
    counts are therefore cut into bins of `bin_width`, and at each time points are left out at random until each bin
    holds as many as at the time where it holds the fewest. Then

    $$ F(t) = \frac{\sum_p s^2_p(t)}{\sum_p \bar n_p(t)} $$

    which is the slope through the origin of variance on mean, weighted by the mean as Poisson errors ask.

    Args:
        means: mean counts over trials. Shape `(time, point)`.
        variances: of the counts over trials, with Bessel's correction. Shape `(time, point)`.
        times: ms. Shape `(time,)`.
        bin_width: of the mean counts.
        n_draws: random choices that are averaged.
        seed: of the choices.

    Raises:
        ValueError: if no bin of means is filled at all times.

    Example:
        >>> import numpy as np
        >>> from neurornn.statistics import mean_matched_fano
        >>> counts = np.random.default_rng(0).poisson(np.linspace(1, 6, 200), size=(400, 3, 200))
        >>> found = mean_matched_fano(counts.mean(axis=0), counts.var(axis=0, ddof=1), times=np.arange(3.0))
        >>> found.table["fano"].round(1).tolist()
        [1.0, 1.0, 1.0]

    References:
        Churchland et al. (2010), Nat. Neurosci. 13:369, doi:10.1038/nn.2501.
    """
    owner = "mean_matched_fano"
    _check.positive(owner, "bin_width", bin_width)
    _check.count(owner, "n_draws", n_draws)
    place = np.where(np.isfinite(means) & (means > 0), means / bin_width, -1).astype(np.int64)
    known = np.isfinite(means) & (means > 0) & np.isfinite(variances)
    n_bins = int(place.max(initial=0)) + 1
    full = np.stack([np.bincount(row[ok], minlength=n_bins) for row, ok in zip(place, known, strict=True)])
    common = full.min(axis=0)
    if not common.any():
        fix = "Take wider bins, or times at which rates are more alike."
        _check.fail(owner, "means", "so that some bin of mean counts is filled at all times", "none", fix)
    rng = np.random.default_rng(seed)
    rows = []
    for t, time in enumerate(times):
        members = [np.flatnonzero(known[t] & (place[t] == b)) for b in range(n_bins)]
        draws, matched = [], []
        for _ in range(n_draws):
            kept = np.concatenate([rng.choice(m, n, replace=False) for m, n in zip(members, common, strict=True)])
            draws.append(variances[t, kept].sum() / means[t, kept].sum())
            matched.append(means[t, kept].mean())
        rows.append(
            {
                "time": float(time),
                "fano": float(np.mean(draws)),
                "error": float(np.std(draws)),
                "raw": float(variances[t, known[t]].sum() / means[t, known[t]].sum()),
                "mean": float(means[t, known[t]].mean()),
                "mean_matched": float(np.mean(matched)),
                "n_matched": int(common.sum()),
            }
        )
    methods = (
        f"Fano factor over units and conditions (summed variances over summed means), means matched over "
        f"{len(times)} times in bins of {bin_width:g} spikes, {int(common.sum())} points at each, mean of {n_draws} "
        "draws."
    )
    return MeanMatchedFano(pd.DataFrame(rows), methods)
