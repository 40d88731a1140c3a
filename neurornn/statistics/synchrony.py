"""How much units fire together: correlations of their counts, pair by pair, beside what chance gives."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording


@dataclass(frozen=True, eq=False)
class Correlations:
    """Correlations of spike counts between all pairs of units, and those of units shifted against each other.

    Args:
        values: one a pair. Shape `(pair,)`.
        shifted: the same pairs, each unit's counts moved in time by itself. Shape `(pair,)`.
        synchrony: variance of the summed count over the sum of the variances; 1 for units that know nothing of each
            other.
        synchrony_shifted: the same of the shifted units.
        methods: how this was made.
        references: DOIs.
    """

    values: Float[np.ndarray, " pair"]
    shifted: Float[np.ndarray, " pair"]
    synchrony: float
    synchrony_shifted: float
    methods: str
    references: tuple[str, ...] = ("10.1038/nn.2842",)

    def frame(self) -> pd.DataFrame:
        """Return mean and spread of the correlations, and the synchrony, beside the shifted units'."""
        rows = [
            ("mean correlation", float(self.values.mean()), float(self.shifted.mean())),
            ("standard deviation of correlations", float(self.values.std()), float(self.shifted.std())),
            ("synchrony", self.synchrony, self.synchrony_shifted),
        ]
        return pd.DataFrame(rows, columns=["quantity", "value", "shifted in time"])


def correlations(recording: Recording, *, dt: float = 50.0, seed: int = 0) -> Correlations:
    r"""Return the correlation of spike counts in bins of `dt` ms, for every pair of units that fired.

    $$ \rho_{ij} = \frac{\mathrm{cov}(n_i, n_j)}{\sqrt{\mathrm{var}(n_i)\,\mathrm{var}(n_j)}}, \qquad
       S = \frac{\mathrm{var}(\sum_i n_i)}{\sum_i \mathrm{var}(n_i)} $$

    Counts grow more correlated with wider bins, up to the longest time over which units share their inputs, so the
    width belongs to the number. Common slow changes of rate count as correlation. Bins in which a unit was not recorded
    are left out for all.

    Args:
        recording: of spikes.
        dt: bin width, ms.
        seed: of the shifts of the null.

    Raises:
        RecordingError: if there are no spikes, or fewer than two units with a spike or three bins.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.statistics import correlations
        >>> train = np.array([5.0, 25.0, 26.0, 55.0])
        >>> twins = Recording(0.0, 60.0, spikes=[train, train])
        >>> correlations(twins, dt=10.0).values.round(6)
        array([1.])

    References:
        Cohen & Kohn (2011), Nat. Neurosci. 14:811, doi:10.1038/nn.2842.
    """
    owner = "correlations"
    if recording.spikes is None:
        fix = "Turn activity into spikes with neurornn.statistics.observe."
        _check.fail(owner, "recording", "of spikes", "sampled activity", fix, error=RecordingError)
    counts = recording.binned(dt).values
    counts = counts[np.isfinite(counts).all(axis=1)]
    active = counts[:, counts.std(axis=0) > 0] if len(counts) else counts
    if len(active) < 3 or active.shape[1] < 2:
        got = f"{active.shape[1]} in {len(active)} bins"
        fix = "Take a longer recording, or narrower bins."
        _check.fail(owner, "recording", "of two units that fired, in three bins", got, fix, error=RecordingError)
    draw = np.random.default_rng(_check.count(owner, "seed", seed, least=0))
    rows = (np.arange(len(active))[:, None] + draw.integers(1, len(active), active.shape[1])) % len(active)
    shifted = np.take_along_axis(active, rows, axis=0)
    silent = recording.n_units - active.shape[1]
    methods = (
        f"Pearson correlation of counts in {dt:g} ms bins, all pairs of {active.shape[1]} units whose count varied "
        f"({silent} left out); null: each unit's counts rotated in time by itself."
    )
    return Correlations(_pairs(active), _pairs(shifted), _together(active), _together(shifted), methods)


def _pairs(counts: np.ndarray) -> np.ndarray:
    return np.corrcoef(counts.T)[np.triu_indices(counts.shape[1], 1)]


def _together(counts: np.ndarray) -> float:
    return float(counts.sum(axis=1).var() / counts.var(axis=0).sum())
