"""The result of a comparison: scores beside their nulls, and all that a reader needs to judge them."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.comparison.bootstrap import bootstrap_median, paired_p, rank_p, unpaired_p
from neurornn.comparison.ceiling import Reliability
from neurornn.comparison.checklist import CHECKLIST
from neurornn.comparison.metric import AbstractMetric
from neurornn.statistics.folds import Folds
from neurornn.statistics.tables import save_scores

TO_BRAIN = "model to brain"
TO_MODEL = "brain to model"
BOTH = "both"
CEILINGS = ("animal", "repeat")
"""Kinds of source that are no null: what another animal, or the same one in other trials, tells of these units."""


def kind(source: str) -> str:
    """Return what a source is: all of `untrained 0`, `untrained 1` ... are `untrained`."""
    return re.sub(r" \d+$", "", source)


@dataclass(frozen=True, eq=False)
class Comparison:
    """How well a model tells a recording, with every null beside it.

    Args:
        scores: tidy, one row for each `unit`, `source`, `direction` and `measure`, with its `score`. Sources are
            `model`, `untrained 0` ..., `behaviour`, `time`, `behaviour+model` and `shifted` (mean over the shifts).
        shifts: one row for each `shift` (ms), `direction` and `measure`: the median over units, `score`.
        units: one row for each unit of the brain: whether it was kept, why not, `n_spikes` in the analysed bins,
            `n_effective`, `reliability` with `low` and `high`.
        folds: what was held out when.
        gap: training bins this near to a test bin were left out, ms.
        dt: bin width, ms.
        n_bins: bins that were analysed.
        min_spikes: units with fewer spikes were set aside.
        n_model_units: units of the model that took part.
        reliability: of the lap-averaged maps; `None` where there are no repeats.
        ceiling: what the ceiling is, or why there is none, in a sentence.
        missing: nulls that could not be computed, each with its reason.
        seed: of the shifts, the untrained networks and the bootstrap.
        metric: what was scored, with its settings.
        split: what was held out, and how the gap was chosen, in a sentence.
        across: columns of the trials whose values were held out whole.
        in_silico: whether the networks were taken as they would have been recorded.
        methods: what was done, in plain sentences.
        references: DOIs.
    """

    scores: pd.DataFrame
    shifts: pd.DataFrame
    units: pd.DataFrame
    folds: Folds
    gap: float
    dt: float
    n_bins: int
    min_spikes: int
    n_model_units: int
    reliability: Reliability | None
    ceiling: str
    missing: tuple[str, ...]
    seed: int
    metric: AbstractMetric
    split: str
    across: tuple[str, ...]
    in_silico: bool
    methods: str
    references: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every null was computed. A page draws no comparison that is not complete."""
        return not self.missing

    @property
    def n_units(self) -> int:
        """Units of the brain that were kept."""
        return int(np.count_nonzero(self.units["kept"]))

    @property
    def n_units_total(self) -> int:
        """Units of the brain."""
        return len(self.units)

    @property
    def n_effective(self) -> float:
        """Median effective number of bins over the units kept."""
        return float(self.units.loc[self.units["kept"], "n_effective"].median())

    @property
    def family(self) -> str:
        """What kind of question was asked: one of `FAMILIES`."""
        return self.metric.family

    @property
    def n_untrained(self) -> int:
        """Untrained networks that stand beside the model."""
        return int(sum(kind(source) == "untrained" for source in self.scores["source"].unique()))

    @property
    def checklist(self) -> dict[str, str]:
        """What this comparison answers of the reviewer's checklist, by the keys of `CHECKLIST`.

        A key that is missing is a line that is not filled: one comparison asks one family of questions, holds a
        generalisation only where contexts were held out (`across`), and does not know what code was run.
        """
        chosen = len(np.unique(self.shifts["shift"].to_numpy(float)))
        sources = dict.fromkeys(map(kind, self.scores["source"]))
        nulls = [name for name in sources if name not in ("model", "shifted", *CEILINGS)]
        known = {
            "split": self.split,
            "choices": self.metric.choices(),
            "units": f"{self.n_units} of {self.n_units_total} units; threshold: {self.threshold} in the analysed bins.",
            "effective": f"A median of {self.n_effective:.0f} independent bins of {self.n_bins} (Bartlett).",
            "seeds": f"1 network and {self.n_untrained} untrained ones; seed {self.seed}.",
            "interval": f"95 % bootstrap over the {self.n_units} units of one recording: no replication over animals.",
        }
        animals = sum(kind(name) == "animal" for name in self.scores["source"].unique())
        herd = f"From animal to animal: {animals} others, by the same metric and folds." if animals else ""
        if self.reliability is not None or animals:
            known["ceiling"] = " ".join(filter(None, [self.ceiling if self.reliability is not None else "", herd]))
        if self.across:
            where = " x ".join(self.across)
            known["generalisation"] = (
                f"Maps were learnt in all values of {where} but one and tested in that one ({len(self.folds)} values): "
                f"{self.metric.headline} {self.of('model', self.metric.headline).median():.2f}."
            )
        if self.complete:
            known["nulls"] = f"{', '.join(nulls)}; {chosen} circular shifts." if chosen else f"{', '.join(nulls)}."
        sizes = (
            f"{self.n_bins} bins of {self.dt:g} ms on both sides; {self.n_model_units} model units for {self.n_units}"
        )
        if self.family == "mapping":
            known["matched"] = f"{sizes} (each null network has as many as the model)."
        elif self.in_silico and self.n_model_units == self.n_units:
            rates = " and their rates, through spikes" if "n_spikes" in self.units else ""
            known["matched"] = f"{sizes}{rates}."
        return {key: known[key] for key in CHECKLIST if key in known}

    @property
    def threshold(self) -> str:
        """What a unit had to do to be kept."""
        return f"at least {self.min_spikes} spikes" if "n_spikes" in self.units else "that it varies"

    def frame(self) -> pd.DataFrame:
        """Return `scores`."""
        return self.scores

    def of(self, source: str, measure: str, *, direction: str = TO_BRAIN) -> pd.Series:
        """Return the scores of one source, by unit; those of `untrained` are means over the initialisations."""
        mine = (self.scores["measure"] == measure) & (self.scores["direction"] == direction)
        mine &= self.scores["source"].isin([source]) | self.scores["source"].map(kind).isin([source])
        if not np.any(mine):
            fix = _check.near(source, {kind(name) for name in self.scores["source"]})
            got = f"{source}, {measure}, {direction}"
            _check.fail("Comparison.of", "source", "a source with this measure and direction", got, fix, error=KeyError)
        rows = self.scores.loc[mine, ["unit", "score"]]
        return rows.set_index("unit").groupby(level=0, sort=False).mean()["score"]

    def unit_table(self) -> pd.DataFrame:
        """Return one row for each unit of the brain: whether it was kept, why not, and its score from every source.

        Columns are those of `units`, then `SOURCE MEASURE` for every source and measure towards the brain; those of
        `untrained` are means over the initialisations. NaN where the unit was set aside.
        """
        table, mine = self.units.copy(), self.scores[self.scores["direction"] == TO_BRAIN]
        for measure in dict.fromkeys(mine["measure"]):
            for source in dict.fromkeys(map(kind, mine.loc[mine["measure"] == measure, "source"])):
                table[f"{source} {measure}"] = self.of(source, measure).reindex(table.index)
        return table.rename_axis("unit")

    def write_tables(self, folder: str | Path, name: str) -> list[Path]:
        """Write every score as `NAME.csv`, and the table of the units as `NAME_units` (see `save_scores`)."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.scores.to_csv(Path(folder) / f"{name}.csv")
        return save_scores(self.unit_table(), folder, f"{name}_units", methods=self.methods)

    def summary(self) -> pd.DataFrame:
        """Return one row for each `direction`, `measure` and `source`: median over units, interval, and p.

        `low` and `high` are a 95 % bootstrap over units; for `shifted`, the middle 95 % of the shifts. `p` is that of
        the claim *the model is above this null*: Wilcoxon signed-rank over units, or the rank of the model's median
        among the shifts. In the row `behaviour+model` it is of the claim *the model adds to behaviour*. Units of one
        animal are not independent, so p over units speaks of this recording only.
        """
        rows = []
        asked = self.scores[["direction", "measure"]].drop_duplicates()
        for direction, measure in asked.itertuples(index=False):
            rows_of = (self.scores["direction"] == direction) & (self.scores["measure"] == measure)
            kinds = dict.fromkeys(kind(source) for source in self.scores.loc[rows_of, "source"])
            by = {name: self.of(name, measure, direction=direction) for name in kinds}
            rows += [self._row(direction, measure, name, by) for name in kinds]
        return pd.DataFrame(rows)

    def _row(self, direction: str, measure: str, source: str, by: dict[str, pd.Series]) -> dict[str, object]:
        row: dict[str, object] = {"direction": direction, "measure": measure, "source": source}
        known = by[source].to_numpy(float)
        interval = bootstrap_median(known, seed=self.seed)
        row |= {"median": interval.median, "low": interval.low, "high": interval.high, "n_units": interval.n}
        model = by["model"]
        if source == "shifted":
            mine = (self.shifts["direction"] == direction) & (self.shifts["measure"] == measure)
            medians = self.shifts.loc[mine, "score"].to_numpy(float)
            known = medians[np.isfinite(medians)]
            low, middle, high = np.quantile(known, [0.025, 0.5, 0.975]) if len(known) else [np.nan] * 3
            row |= {"median": float(middle), "low": float(low), "high": float(high)}
            row["p"] = rank_p(float(np.nanmedian(model)) if model.notna().any() else float("nan"), medians)
        elif source in CEILINGS:
            row["p"] = float("nan")
        elif source == "behaviour+model":
            alone = by["behaviour"].reindex(by[source].index)
            row["p"] = paired_p(known, alone.to_numpy(float))
        elif source == "untrained" and direction == TO_MODEL:  # other units: nothing to pair
            row["p"] = unpaired_p(model.to_numpy(float), self._draws(measure))
        else:
            paired = len(known) > 1 and source != "model"
            row["p"] = paired_p(model.reindex(by[source].index).to_numpy(float), known) if paired else float("nan")
        return row

    def _draws(self, measure: str) -> np.ndarray:
        mine = (self.scores["measure"] == measure) & (self.scores["direction"] == TO_MODEL)
        mine &= self.scores["source"].map(kind).isin(["untrained"])
        return self.scores.loc[mine, "score"].to_numpy(float)

    def __repr__(self) -> str:
        state = "complete" if self.complete else f"incomplete ({'; '.join(self.missing)})"
        return f"Comparison({self.n_units} of {self.n_units_total} units, {self.n_bins} bins, {state})"

    def __str__(self) -> str:
        table = self.summary().round(3).to_string(index=False)
        return f"{self!r}\n{table}\n{self.methods}"
