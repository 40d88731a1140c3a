"""The result of comparing several networks with several recordings: one tidy table, and what replicates."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.comparison.bootstrap import rank_p
from neurornn.comparison.checklist import CHECKLIST, ENOUGH_FAMILIES
from neurornn.comparison.hierarchy import hierarchical_bootstrap, holm_within, regrouping_p, sign_flip_p
from neurornn.comparison.result import CEILINGS, TO_MODEL, Comparison, kind

ALONE = ("behaviour", "time", *CEILINGS)
"""Kinds of source that no network takes part in."""

OF_MODEL = ("shifted", "phase-randomised", "trial-shuffled", "random features", "scrambled", "behaviour+model")
"""Kinds of source that are made of each network of the claim."""


def tidy(found: Comparison, brain: str, claim: str, network: int) -> pd.DataFrame:
    """Return the scores of one comparison in the columns of `Comparisons.scores`.

    Args:
        found: of one network of the claim.
        brain: name of the recording.
        claim: name of the kind of the network.
        network: which of them.
    """
    here = found.scores["direction"].to_numpy(str) != TO_MODEL
    source = found.scores["source"].to_numpy(str)[here]
    kinds = np.array([kind(name) for name in source])
    number = [int(name.split()[-1]) if name != what else 0 for name, what in zip(source, kinds, strict=True)]
    place = np.where(np.isin(kinds, (*OF_MODEL, "model")), network, number)
    return pd.DataFrame(
        {
            "metric": found.metric.name,
            "family": found.family,
            "measure": found.scores["measure"].to_numpy(str)[here],
            "brain": brain,
            "kind": np.where(kinds == "model", claim, kinds),
            "network": place,
            "unit": found.scores["unit"].to_numpy()[here],
            "score": found.scores["score"].to_numpy(float)[here],
        }
    )


@dataclass(frozen=True, eq=False)
class Comparisons:
    """How several networks agree with several recordings, beside every null.

    Args:
        scores: tidy, one row for each `metric`, `measure`, `brain`, `kind` (of network or null), `network` and `unit`,
            with its `score`. Surrogates of a network are means over their draws.
        each: the comparison of every network of the claim, by brain, metric and network.
        claim: the kind that is held against all others.
        seed: of the bootstrap.
    """

    scores: pd.DataFrame
    each: Mapping[tuple[str, str, int], Comparison]
    claim: str
    seed: int

    @property
    def complete(self) -> bool:
        """Whether every comparison has every null. What is not complete is not drawn."""
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """Nulls that could not be computed, each with its reason."""
        return tuple(dict.fromkeys(reason for one in self.each.values() for reason in one.missing))

    @property
    def families(self) -> tuple[str, ...]:
        """Families of the metrics."""
        return tuple(dict.fromkeys(self.scores["family"]))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, in the order they were asked for."""
        return tuple(dict.fromkeys(self.scores["metric"]))

    @property
    def brains(self) -> tuple[str, ...]:
        """Names of the recordings."""
        return tuple(dict.fromkeys(self.scores["brain"]))

    @property
    def n_networks(self) -> int:
        """Networks of the claim."""
        return len({network for _, _, network in self.each})

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of everything that was used."""
        own = ("10.48550/arXiv.2407.07059", "10.48550/arXiv.2007.07797")
        return tuple(dict.fromkeys([*(doi for one in self.each.values() for doi in one.references), *own]))

    def frame(self) -> pd.DataFrame:
        """Return `scores`."""
        return self.scores

    def headline(self, metric: str) -> str:
        """Return the measure by which a metric is summed up and drawn."""
        return next(one.metric.headline for (_, name, _), one in self.each.items() if name == metric)

    def tables(self, kind: str, measure: str) -> dict[str, np.ndarray]:
        """Return networks x units of one kind, by brain.

        Raises:
            KeyError: if there is no such kind or measure.
        """
        mine = self.scores.loc[(self.scores["kind"] == kind) & (self.scores["measure"] == measure)]
        if len(mine) == 0:
            fix = _check.near(kind, set(self.scores["kind"]))
            _check.fail("Comparisons", "kind", "one with this measure", f"{kind}, {measure}", fix, error=KeyError)
        found = {}
        for brain, rows in mine.groupby("brain", sort=False):
            wide = pd.DataFrame(rows).pivot_table(
                index="network", columns="unit", values="score", sort=False, dropna=False
            )
            found[str(brain)] = wide.to_numpy(float)
        return found

    def by_network(self, kind: str, measure: str) -> np.ndarray:
        """Return one score a network: the mean over brains of the median over units."""
        tables = [table[:, np.isfinite(table).all(axis=0)] for table in self.tables(kind, measure).values()]
        medians = [np.median(table, axis=1) for table in tables if table.size]
        return np.mean(medians, axis=0) if medians else np.array([np.nan])

    def value(self, kind: str, measure: str) -> float:
        """Return the mean over networks and brains of the median over units."""
        return float(np.mean(self.by_network(kind, measure)))

    def summary(self) -> pd.DataFrame:
        """Return one row for each metric's headline measure and kind: value, interval, p, and p corrected.

        `low` and `high`: hierarchical bootstrap over animals, networks and units. `p`: that of *the networks of the
        claim are above this kind*: regrouping of networks; of nulls without networks, or made of each network, changes
        of sign; of shifts, the rank of the networks' mean among those of the shifts; none for ceilings (other
        animals, repeats). Every null must be beaten, which needs no correction (the greatest p counts); but each metric
        is another chance to beat it, so that `p_holm` corrects each null for the number of metrics. With three networks
        no p falls below 0.05: take five or more. `level` says what was resampled.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = []
        for metric in self.metrics:
            measure = self.headline(metric)
            mine = (self.scores["metric"] == metric) & (self.scores["measure"] == measure)
            family = str(self.scores.loc[mine, "family"].to_numpy()[0])
            for name in dict.fromkeys([self.claim, *self.scores.loc[mine, "kind"]]):
                tables = self.tables(name, measure)
                found = hierarchical_bootstrap(list(tables.values()), seed=self.seed)
                rows.append(
                    {
                        "metric": metric,
                        "family": family,
                        "measure": measure,
                        "kind": name,
                        "value": found.median,
                        "low": found.low,
                        "high": found.high,
                        "n_networks": 0 if name in ALONE else len(next(iter(tables.values()))),
                        "n_brains": len(tables),
                        "p": self._p(metric, name, measure),
                    }
                )
        table = pd.DataFrame(rows)
        return table.assign(p_holm=holm_within(table["kind"].to_numpy(str), table["p"].to_numpy(float)))

    def _p(self, metric: str, name: str, measure: str) -> float:
        if name in (self.claim, *CEILINGS):
            return float("nan")
        ours, theirs = self.by_network(self.claim, measure), self.by_network(name, measure)
        if name == "shifted":
            return self._p_shifted(metric, measure, float(ours.mean()))
        if name == "behaviour+model":  # what the networks add to behaviour
            return sign_flip_p(theirs - self.by_network("behaviour", measure), seed=self.seed)
        if name in OF_MODEL:
            return sign_flip_p(ours - theirs, seed=self.seed)
        if name in ALONE:
            return sign_flip_p(ours - theirs.mean(), seed=self.seed)
        return regrouping_p(ours, theirs, seed=self.seed)

    def _p_shifted(self, metric: str, measure: str, ours: float) -> float:
        """Return the rank of the mean over networks and brains among the same means at each shift."""
        columns = []
        for (_, name, _), one in self.each.items():
            if name == metric:
                mine = (one.shifts["measure"] == measure) & (one.shifts["direction"] != TO_MODEL)
                columns.append(one.shifts.loc[mine, "score"].to_numpy(float))
        n = min(map(len, columns))
        return rank_p(ours, np.mean([column[:n] for column in columns], axis=0))

    @property
    def level(self) -> str:
        """What an interval is over."""
        levels = [f"{self.n_networks} networks"] if self.n_networks > 1 else []
        levels += [f"{len(self.brains)} animals"] if len(self.brains) > 1 else []
        columns = any(one.metric.columnwise for one in self.each.values())
        levels += ["the units of each recording (mappings)"] if columns else []
        return f"{', '.join(levels) or 'nothing'}; {'one animal' if len(self.brains) == 1 else 'animals resampled'}"

    @property
    def methods(self) -> str:
        """What was done, in plain sentences."""
        kinds = {name: self.scores.loc[self.scores["kind"] == name, "network"].nunique() for name in self._kinds()}
        counts = ", ".join(f"{n} of the kind {name}" for name, n in kinds.items())
        first = {metric: next(one for (_, m, _), one in self.each.items() if m == metric) for metric in self.metrics}
        sentences = " ".join(f"{metric}: {one.methods}" for metric, one in first.items())
        return (
            f"Networks: {counts}. Recordings: {', '.join(self.brains)}. Values are means over networks and recordings "
            f"of medians over units; intervals: 95 % hierarchical bootstrap over {self.level}; p: regrouping of "
            f"networks (sign changes where a null has no networks of its own, rank among shifts), corrected for "
            f"the number of metrics by Holm. {sentences}"
        )

    def _kinds(self) -> list[str]:
        return [name for name in dict.fromkeys(self.scores["kind"]) if name not in (*ALONE, *OF_MODEL)]

    @property
    def checklist(self) -> dict[str, str]:
        """What these comparisons answer of the reviewer's checklist, by the keys of `CHECKLIST`."""
        first = {metric: next(one for (_, m, _), one in self.each.items() if m == metric) for metric in self.metrics}
        lines: dict[str, str] = {}
        for key in CHECKLIST:
            answers = {metric: one.checklist.get(key) for metric, one in first.items()}
            if all(answers.values()):
                same = len(set(answers.values())) == 1
                text = next(iter(answers.values())) if same else " ".join(f"{m}: {a}" for m, a in answers.items())
                lines[key] = str(text)
        lines["seeds"] = f"{self.n_networks} networks of the claim; " + ", ".join(
            f"{self.scores.loc[self.scores['kind'] == name, 'network'].nunique()} {name}"
            for name in self._kinds()
            if name != self.claim
        )
        lines["interval"] = (
            f"95 % hierarchical bootstrap over {self.level}; p corrected for the number of metrics by Holm."
        )
        if set(ENOUGH_FAMILIES) <= set(self.families):
            lines["families"] = ", ".join(f"{m} ({one.family})" for m, one in first.items()) + "."
        return {key: lines[key] for key in CHECKLIST if key in lines}

    def __repr__(self) -> str:
        state = "complete" if self.complete else f"incomplete ({'; '.join(self.missing)})"
        sizes = f"{self.n_networks} networks, {len(self.brains)} recordings"
        return f"Comparisons({sizes}, {', '.join(self.metrics)}, {state})"
