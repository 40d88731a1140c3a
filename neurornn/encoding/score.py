"""The score of every unit: what a model predicts against what was recorded, beside its null and its ceiling."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from neurornn.statistics.likelihood import bits_per_spike
from neurornn.statistics.reliability import Ceiling, ceiling
from neurornn.statistics.repeats import Responses, cc_norm, feve, mean_response, variability
from neurornn.statistics.rescaling import rescaled
from neurornn.statistics.scores import deviance_r2, known_correlation, mcfadden_r2, psth_r2
from neurornn.statistics.tables import save_scores

FLOOR = 1e-3
"""The least rate in a likelihood, Hz: low enough not to touch what a fitted model says of silence."""


@dataclass(frozen=True, eq=False)
class EncodingScores:
    """One row a unit: scores, ceiling, and whether the unit was reliable enough to count.

    Args:
        table: see `frame`.
        ceiling: from the repeats; NaN, and a sentence, for one repeat.
        psth: mean response. Shape `(bin, unit)`, Hz.
        rates: mean prediction. Shape `(bin, unit)`, Hz.
        counts: what was recorded. Shape `(repeat, bin, unit)`.
        dt: bin width, ms.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    ceiling: Ceiling
    psth: Float[np.ndarray, "bin unit"]
    rates: Float[np.ndarray, "bin unit"]
    counts: Responses
    dt: float
    methods: str
    references: tuple[str, ...] = ("10.3389/fncom.2016.00010", "10.1371/journal.pcbi.1006897")

    def frame(self) -> pd.DataFrame:
        """Return one row a unit.

        `n_spikes`, `kept`; `bits_per_spike`, `mcfadden_r2`, `deviance_r2` against the training mean; `cc`, `psth_r2`
        with the mean response; `cc_norm`, `cc_max` with its interval, `oracle`, `feve`, `feve_clipped`, `explainable`,
        `fano`, `slope` from the repeats (NaN for one); `ks`, the distance of time-rescaled intervals from what they are
        if the rates are right (see `rescaled`); `free_bits_per_spike`, `free_cc` of the model's own spikes where
        it has a history and was let run.
        """
        return self.table

    @property
    def kept(self) -> Bool[np.ndarray, " unit"]:
        """Which units count."""
        return self.table["kept"].to_numpy(dtype=bool)

    @property
    def kept_text(self) -> str:
        """How many units count, of how many."""
        return f"{int(self.kept.sum())} of {len(self.table)} units kept"

    def median(self, column: str) -> float:
        """Return the median of a column over the units that count; NaN where none does."""
        values = self.table.loc[self.kept, column].to_numpy(dtype=float)
        return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")

    def summary(self) -> pd.DataFrame:
        """Return the median over the units that count, and how many there are."""
        columns = [name for name in self.table.columns if name != "kept"]
        found = {name: self.median(name) for name in columns}
        return pd.DataFrame({"median": found}).rename_axis(f"{self.kept_text}")

    def save(self, folder: str | Path, name: str = "scores", *, parquet: bool = False) -> list[Path]:
        """Write the table as CSV, JSON and Parquet: see `save_scores`."""
        return save_scores(self.table, folder, name, methods=self.methods, parquet=parquet)


def score_rates(
    counts: Responses,
    rates: Float[np.ndarray, "prediction bin unit"],
    null: Float[np.ndarray, " unit"],
    *,
    dt: float,
    units: pd.Index | None = None,
    free: Float[np.ndarray, "bin unit"] | None = None,
    history: bool = False,
    min_spikes: int = 20,
    min_explainable: float = 0.15,
) -> EncodingScores:
    """Score predicted rates against recorded counts.

    Args:
        counts: held-out counts; NaN where not shown. Shape `(repeat, bin, unit)`.
        rates: predictions, one for all repeats or one for each. Shape `(1 or repeat, bin, unit)`, Hz.
        null: each unit's mean rate in the training bins. Shape `(unit,)`, Hz.
        dt: bin width, ms.
        units: ids of the units.
        free: mean rate of a free-running simulation. Shape `(bin, unit)`, Hz.
        history: whether `rates` were given the recorded spikes, which must be told.
        min_spikes: units with fewer spikes in these bins are set aside.
        min_explainable: units with a smaller explainable share are set aside, where there are repeats.

    Example:
        >>> import numpy as np
        >>> from neurornn.encoding import score_rates
        >>> rng = np.random.default_rng(0)
        >>> rate = rng.gamma(1.0, 30.0, size=(500, 1))
        >>> counts = rng.poisson(rate / 100, size=(20, 500, 1)).astype(float)
        >>> told = score_rates(counts, rate[None], rate.mean(axis=0), dt=10.0)
        >>> bool(0.95 < told.median("cc_norm") < 1.05), told.kept_text
        (True, '1 of 1 units kept')
    """
    n_units = counts.shape[2]
    seconds = dt / 1000.0
    each = np.broadcast_to(rates, counts.shape)
    flat, told = counts.reshape(-1, n_units), each.reshape(-1, n_units)
    kind = {"dt": dt, "floor": FLOOR}
    bits = bits_per_spike(flat, told, null, min_spikes=1, **kind)
    psth, mean = mean_response(counts) / seconds, each.mean(axis=0)
    best, explained, spread = ceiling(counts), feve(counts, mean * seconds), variability(counts)
    reliable = bits.n_spikes >= min_spikes
    if len(counts) > 1:
        reliable &= np.nan_to_num(explained.explainable, nan=-1.0) >= min_explainable
    table = pd.DataFrame(
        {
            "n_spikes": bits.n_spikes,
            "kept": reliable,
            "bits_per_spike": bits.units,
            "mcfadden_r2": mcfadden_r2(flat, told, null, **kind),
            "deviance_r2": deviance_r2(flat, told, null, **kind),
            "cc": known_correlation(psth, mean),
            "psth_r2": psth_r2(psth, mean),
            "cc_norm": cc_norm(counts, mean),
            **{name: column.to_numpy() for name, column in best.frame().items()},
            "feve": explained.feve,
            "feve_clipped": explained.clipped,
            "explainable": explained.explainable,
            "fano": spread.fano,
            "slope": spread.slope,
            "ks": rescaled(counts, rates, dt=dt).distance,
        },
        index=pd.Index(units if units is not None else range(n_units), name="unit"),
    )
    if free is not None:
        repeated = np.broadcast_to(free, counts.shape).reshape(-1, n_units)
        table["free_bits_per_spike"] = bits_per_spike(flat, repeated, null, min_spikes=1, **kind).units
        table["free_cc"] = known_correlation(psth, free)
    given = "Predictions were given the recorded spikes of earlier bins (teacher-forced). " if history else ""
    own = "Columns `free_` score the mean rate of the model running on its own spikes. " if free is not None else ""
    filtered = f"{min_spikes} spikes" + (f" and an explainable share of {min_explainable:g}" if len(counts) > 1 else "")
    shown = "1 repeat" if len(counts) == 1 else f"{len(counts)} repeats"
    methods = (
        f"{given}{own}Held-out bins of {dt:g} ms, {shown}. bits/spike, McFadden's and the deviance R2 "
        f"are against each unit's mean rate in the training bins (rates of at least {FLOOR:g} Hz). Units with fewer "
        f"than {filtered} are set aside: {int(reliable.sum())} of {n_units} kept. {best.note}"
    ).strip()
    return EncodingScores(table, best, psth, mean, counts, dt, methods)
