"""The work of a comparison: every source of regressors through one metric, one set of folds and one set of targets."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn.comparison.alignment import Aligned
from neurornn.comparison.ceiling import Reliability, correlation, of_ceiling, split_half
from neurornn.comparison.metric import AbstractMetric, AbstractPredictivity, HeldOut
from neurornn.comparison.null import Nulls, shifted_scores
from neurornn.comparison.repeat import other_trials
from neurornn.comparison.result import BOTH, TO_BRAIN, TO_MODEL
from neurornn.statistics.folds import Folds
from neurornn.statistics.repeats import cc_norm

LEAST_RELIABLE = 0.3
"""Units whose maps are less reliable get no score relative to the ceiling: the quotient is all noise."""

Memory = dict[tuple[str, str], list[pd.DataFrame]]
"""Scores of sources that are the same whichever model they stand beside, by source and direction."""

Progress = Callable[[str, int, int], None]
"""Called with what is computed, how many parts are done, and how many there are."""


@dataclass(eq=False)
class Job:
    """All sources through one metric, and what comes of it."""

    metric: AbstractMetric
    data: Aligned
    folds: Folds
    shifts: np.ndarray
    reliability: Reliability | None
    nulls: Nulls
    seed: int
    progress: Progress | None
    memory: Memory
    steady: set[str] = field(default_factory=set)
    scores: list[pd.DataFrame] = field(default_factory=list)
    shifted: list[pd.DataFrame] = field(default_factory=list)

    @property
    def backward(self) -> bool:
        """Whether the model's units are predicted too."""
        return not self.metric.symmetric and (self.data.model_counts or not self.metric.counts_only)

    def run(self, networks: dict[str, np.ndarray], animals: dict[str, np.ndarray]) -> None:
        """Score every source in every direction.

        Args:
            networks: activity in the analysed bins of networks beside the model, by name. Shapes `(bin, unit)`.
            animals: the same of other animals, which nothing is predicted of.
        """
        again = self._again()
        forward = self._forward(networks | animals | again)
        self.steady = {*networks, *animals, *again, "behaviour", "time"}
        backward = self._backward(networks) if self.backward else []
        moved = [forward[0], *backward[:1]] if self.metric.paired else []
        n_parts = len(forward) + len(backward) + len(moved)
        for k, part in enumerate([*forward, *backward]):
            self._say(f"{part.source}, {part.direction}", k, n_parts)
            self._score(part)
        for k, part in enumerate(moved):
            self._say(f"shifted, {part.direction}", len(forward) + len(backward) + k, n_parts)
            self._shift(part)
        self._say("done", n_parts, n_parts)

    def _forward(self, networks: dict[str, np.ndarray]) -> list["Part"]:
        data = self.data
        ids = data.units.index[data.units["kept"].to_numpy(bool)]
        to = (data.brain, ids, BOTH if self.metric.symmetric else TO_BRAIN, data.dt if data.counts else None)
        sources = {"model": data.model} | networks | self._plain()
        sources |= self.nulls.surrogates(self.metric, data.model, data.trial, seed=self.seed)
        parts = [Part(name, x, *to) for name, x in sources.items()]
        if data.space is not None and self.metric.columnwise and not self.metric.of_units:
            x = np.concatenate([data.space, data.model], axis=1)
            parts.append(Part("behaviour+model", x, *to, bands=(data.space.shape[1], data.model.shape[1])))
        return parts

    def _again(self) -> dict[str, np.ndarray]:
        """Return the same animal's units in other trials of the same condition, where there are repeats."""
        if self.reliability is None:
            return {}
        data, n = self.data, self.nulls.n_surrogates
        drawn = [other_trials(data.labels, data.trial, seed=self.seed + 104_729 * (k + 1)) for k in range(n)]
        return {f"repeat {k}": data.brain[rows] for k, rows in enumerate(drawn)}

    def _backward(self, networks: dict[str, np.ndarray]) -> list["Part"]:
        data = self.data
        dt = data.dt if data.model_counts else None
        to = (data.model, data.model_units, TO_MODEL, dt)
        parts = [Part("model", data.brain, *to)]
        for name, y in networks.items():
            alive = np.flatnonzero(y.std(axis=0) > 0)
            parts.append(Part(name, data.brain, y[:, alive], pd.Index(alive), TO_MODEL, dt))
        return parts + [Part(name, x, *to) for name, x in self._plain().items()]

    def _plain(self) -> dict[str, np.ndarray]:
        if self.metric.of_units:
            return {}
        behaviour = {} if self.data.space is None else {"behaviour": self.data.space}
        return behaviour | {"time": self.data.clock}

    @property
    def names(self) -> list[str]:
        """Every source that was scored, once."""
        return list(dict.fromkeys(name for table in self.scores for name in table["source"]))

    def shift_table(self) -> pd.DataFrame:
        """Return the median over units at each shift; empty for a metric that is not paired."""
        columns = ["shift", "direction", "measure", "score"]
        return pd.concat(self.shifted, ignore_index=True) if self.shifted else pd.DataFrame(columns=columns)

    def _say(self, what: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(what, done, total)

    def _score(self, part: "Part") -> None:
        place = (part.source, part.direction)
        if part.source not in self.steady or (part.direction == TO_MODEL and part.source in ("behaviour", "time")):
            self.scores += self._scored(part)
            return
        if place not in self.memory:
            self.memory[place] = self._scored(part)
        self.scores += self.memory[place]

    def _scored(self, part: "Part") -> list[pd.DataFrame]:
        if isinstance(self.metric, AbstractPredictivity):
            told = self.metric.predicted(part.x, part.y, self.folds, dt=part.dt, bands=part.bands)
            scores = self.metric.scores(told, part.dt)
            if part.direction == TO_BRAIN and self.reliability is not None:
                scores |= map_scores(told, self.data, self.reliability)
        else:
            told = {"dt": part.dt, "bands": part.bands, "labels": self.data.labels}
            scores = dict(self.metric.held_out(part.x, part.y, self.folds, **told))
        return [self._table(part, part.source, measure, values) for measure, values in scores.items()]

    def _shift(self, part: "Part") -> None:
        told = {"dt": part.dt, "labels": self.data.labels}
        found = shifted_scores(self.metric, part.x, part.y, self.folds, self.shifts, **told)
        for measure, values in found.items():
            known = np.isfinite(values)
            total = np.where(known, values, 0.0).sum(axis=0)
            mean = np.divide(total, known.sum(axis=0), out=np.full(len(total), np.nan), where=known.any(axis=0))
            self.scores.append(self._table(part, "shifted", measure, mean))
            middle = [float(np.median(row[np.isfinite(row)])) if np.isfinite(row).any() else np.nan for row in values]
            tidy = {"shift": self.shifts * self.data.dt, "direction": part.direction, "measure": measure}
            self.shifted.append(pd.DataFrame(tidy | {"score": middle}))

    def _table(self, part: "Part", source: str, measure: str, values: np.ndarray) -> pd.DataFrame:
        unit = part.units if self.metric.columnwise else pd.Index(["all"])
        tidy = {"unit": unit, "source": source, "direction": part.direction, "measure": measure, "score": values}
        return pd.DataFrame(tidy)


@dataclass(frozen=True, eq=False)
class Part:
    """One source against one set of targets.

    Args:
        source: its name.
        x: regressors. Shape `(bin, source)`.
        y: targets. Shape `(bin, target)`.
        units: ids of the targets.
        direction: which way.
        dt: bin width where the targets are spike counts, ms.
        bands: sizes of the kinds of regressors, where there are several.
    """

    source: str
    x: Float[np.ndarray, "bin source"]
    y: Float[np.ndarray, "bin target"]
    units: pd.Index
    direction: str
    dt: float | None
    bands: tuple[int, ...] = ()


def lap_reliability(data: Aligned, *, seed: int) -> Reliability | None:
    """Return how reliable each unit's mean over the labels is, with trials as repeats; `None` without repeats."""
    if len(np.unique(data.trial)) < 4 or np.any(data.labels < 0):
        return None
    return split_half(*_repeats(data), seed=seed)


def _repeats(data: Aligned) -> tuple[np.ndarray, np.ndarray]:
    """Return the summed activity of each trial at each label, `(trial, label, unit)`, and over how many bins."""
    trials, trial = np.unique(data.trial, return_inverse=True)
    sums = np.zeros((len(trials), int(data.labels.max()) + 1, data.brain.shape[1]))
    occupancy = np.zeros(sums.shape[:2])
    np.add.at(sums, (trial, data.labels), data.brain)
    np.add.at(occupancy, (trial, data.labels), 1.0)
    return sums, occupancy


def map_scores(told: HeldOut, data: Aligned, reliability: Reliability) -> dict[str, np.ndarray]:
    """Return how well the held-out predicted map of each unit agrees with the measured one, and of the ceiling.

    Both maps are means over all trials, by label. `map_cc_norm` takes the signal's power from the trials themselves
    (see `cc_norm`), where `map_r2_of_ceiling` takes the reliability from halves of them.
    """
    seen, place = np.unique(data.labels[told.index], return_inverse=True)
    n_bins = np.bincount(place)[:, None]
    maps = []
    for values in (told.predicted, told.y):
        total = np.zeros((len(seen), values.shape[1]))
        np.add.at(total, place, values)
        maps.append(total / n_bins)
    r = correlation(*maps)
    enough = reliability.value >= LEAST_RELIABLE
    sums, occupancy = (part[:, seen] for part in _repeats(data))
    shown = occupancy[:, :, None] > 0
    responses = np.divide(sums, occupancy[:, :, None], out=np.full(sums.shape, np.nan), where=shown)
    return {
        "map_r2": r * abs(r),
        "map_r2_of_ceiling": np.asarray(of_ceiling(r, np.where(enough, reliability.value, np.nan))),
        "map_cc_norm": np.where(enough, cc_norm(responses, maps[0]), np.nan),
    }
