"""Encoding models of a recording, side by side: what each predicts, on which neurons, and how variable it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.encoding import AbstractEncodingModel, Evoked, Split, contiguous_split
from neurornn.encoding.score import EncodingScores
from neurornn.fit import EncodingFit, as_recording, fit_encoding
from neurornn.recording import Recording
from neurornn.source import load_recording
from neurornn.statistics import spike_trains
from neurornn.statistics.tables import save_scores
from neurornn.study.answers import answers
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording
from neurornn.study.lags import lag_report


@dataclass(frozen=True, eq=False)
class Decibels:
    r"""The level of an amplitude: $20 \log_{10} \max(x, x_\text{min})$, with the least value a share of the greatest.

    Args:
        least: share of the greatest value below which nothing is told apart.
    """

    least: float = 1e-3

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the level of each value, dB."""
        return 20.0 * np.log10(np.maximum(values, self.least * np.nanmax(values)))


@dataclass(frozen=True, eq=False)
class Encodings:
    """Several models of one recording.

    Args:
        fits: by name of the model.
        scores: of held-out bins, by name.
        trains: firing statistics of the recording and of each model running by itself: `rate`, `cv`, `cv2`, `lv`,
            `fano`. One row a source and unit.
        samples: counts of each model running by itself. Shapes `(repeat, bin, unit)`.
        rows: the held-out bins. Shape `(bin,)`.
        evoked: what was fitted.
        label: of the stimulus.
    """

    fits: Mapping[str, EncodingFit]
    scores: Mapping[str, EncodingScores]
    trains: pd.DataFrame
    samples: Mapping[str, np.ndarray]
    rows: np.ndarray
    evoked: Evoked
    label: str

    @property
    def methods(self) -> str:
        """How this was made."""
        first = next(iter(self.fits.values()))
        split = first.split.methods if first.split is not None else ""
        scores = list(self.scores.values())[-1]
        return f"{split} {scores.methods} Models run by themselves on the held-out stimulus for ISI statistics."

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of the methods."""
        return next(iter(self.scores.values())).references

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        return answers(self.fits, self.scores)

    def frame(self) -> pd.DataFrame:
        """Return one row a model and unit."""
        tables = [scores.frame().assign(model=name) for name, scores in self.scores.items()]
        return pd.concat(tables).reset_index().set_index(["model", "unit"])

    def write_tables(self, folder: str | Path, name: str) -> list[Path]:
        """Write the table of the units as CSV, JSON and Parquet: see `save_scores`."""
        return save_scores(self.frame(), folder, name, methods=self.methods)

    def summary(self) -> pd.DataFrame:
        """Return the medians over the units that count, one row a model, beside the variability of each."""
        names = ["bits_per_spike", "free_bits_per_spike", "deviance_r2", "cc", "cc_norm", "cc_max", "feve"]
        rows = {}
        for name, scores in self.scores.items():
            row = {column: scores.median(column) for column in names if column in scores.frame()}
            rows[name] = row | {"kept": scores.kept_text}
        table = pd.DataFrame(rows).T
        spread = self.trains.groupby("source", sort=False)[["cv", "fano"]].median()
        return table.join(spread.add_suffix(" (own spikes)"))


@dataclass(frozen=True)
class EncodingStudy(AbstractStudy):
    """Fit several encoding models to the same training bins of a recording, and score them on the same held-out bins.

    1. Spikes and a signal of the recording are brought into bins; contiguous parts train, judge and are held out.
    2. Each model is fitted by Poisson likelihood, early stopping restoring its best weights.
    3. Held-out scores of each unit, with history teacher-forced and free-running, and the lag of the stimulus.
    4. Each model runs by itself: intervals and counts beside the recording's, sub-Poisson or not.

    Args:
        models: by name; in the order in which a page shows them.
        signal: name of the recording's signal that is the stimulus.
        dt: bin width, ms.
        decibels: whether the level of the signal is taken.
        more: further recordings that every model is fitted to, anew; their numbers carry `_2`, `_3` ...
        validation: share of the training bins that judges.
        test: share of all bins that is held out, at the end.
        free: repeats of the simulations.
        window: of the Fano factor, ms.
        fit: further arguments of `fit_encoding` (epochs, batch ...).

    References:
        Truccolo et al. (2005), doi:10.1152/jn.00697.2004; Schoppe et al. (2016), doi:10.3389/fncom.2016.00010.
    """

    models: dict[str, AbstractEncodingModel] = field(default_factory=dict)
    signal: str = "envelope"
    dt: float = 1.0
    decibels: bool = False
    more: tuple[str, ...] = ()
    validation: float = 0.1
    test: float = 0.2
    free: int = 50
    window: float = 100.0
    fit: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.models:
            fix = 'Add [study.models.glm] type = "GLM".'
            _check.fail("EncodingStudy", "models", "at least one model", self.models, fix)

    def run(self, plan: Plan) -> Findings:
        quantities: dict[str, float] = {}
        parts: dict[str, Any] = {}
        recordings = [needs_recording("EncodingStudy", plan), *(load_recording(name) for name in self.more)]
        rows = []
        shown: EncodingFit | None = None
        for place, recording in enumerate(recordings):
            mark = f"_{place + 1}" if place else ""
            plan.say(f"{recording}")
            evoked = self.evoked(recording)
            found, lags = self.encodings(evoked, plan), lag_report(evoked, most=int(50 / self.dt))
            parts[f"encoding{mark}"], parts[f"lags{mark}"] = found, lags
            quantities |= {f"{name}{mark}": value for name, value in self._quantities(found, recording).items()}
            quantities[f"lag{mark}"] = lags.best
            shown = shown if shown is not None else list(found.fits.values())[-1]
            for name, scores in found.scores.items():
                rows.append(_row(name, place, recording, found, scores))
        assert shown is not None
        note = (
            f"Held out: the last {self.test:.0%} of each recording. `own spikes`: the model heard its own spikes, not "
            "the recorded ones."
        )
        headline = pd.DataFrame(rows).set_index(["stimulus", "model"])
        return Findings(quantities, shown, headline, parts, (*plan.notes, note), plan.title)

    def evoked(self, recording: Recording) -> Evoked:
        """Return the recording's spikes beside the signal."""
        transform = Decibels() if self.decibels else None
        return Evoked.from_recording(recording, self.signal, dt=self.dt, transform=transform)

    def encodings(self, evoked: Evoked, plan: Plan) -> Encodings:
        """Fit and score every model."""
        reach = max(model.lags + model.past for model in self.models.values())
        split = contiguous_split(evoked, validation=self.validation, test=self.test, gap=reach)
        fits, scores, samples = {}, {}, {}
        for name, model in self.models.items():
            plan.say(f"fitting {name}")
            seeded = _seeded(model, plan.seed)
            fit = fit_encoding(seeded, evoked, split, seed=plan.seed, progress=plan.progress, **self.fit)
            fits[name] = fit
            scores[name] = fit.score(free=self.free, seed=plan.seed)
            samples[name] = fit.simulate(repeats=self.free, seed=plan.seed)
        return Encodings(fits, scores, self._trains(evoked, split, samples), samples, split.test, evoked, self.signal)

    def _trains(self, evoked: Evoked, split: Split, samples: Mapping[str, np.ndarray]) -> pd.DataFrame:
        seen = {"recording": evoked.counts[:, split.test], **samples}
        tables = []
        for source, counts in seen.items():
            told = spike_trains(as_recording(counts, self.dt, units=evoked.units), window=self.window)
            tables.append(told.frame().assign(source=source))
        return pd.concat(tables).reset_index()

    def _quantities(self, found: Encodings, recording: Recording) -> dict[str, float]:
        named = {"n_spikes": float(sum(map(len, recording.spikes or ())))}
        trains = found.trains.groupby("source")[["cv", "fano", "rate"]].median()
        for name in ("cv", "fano", "rate"):
            named[f"recording_{name}"] = float(trains.loc["recording", name])
        for model, scores in found.scores.items():
            named[f"{model}_bits_per_spike"] = scores.median("bits_per_spike")
            if "free_bits_per_spike" in scores.frame():
                named[f"{model}_free_bits_per_spike"] = scores.median("free_bits_per_spike")
            for name in ("cv", "fano", "rate"):
                named[f"{model}_{name}"] = float(trains.loc[model, name])
        *others, last = [scores.median("bits_per_spike") for scores in found.scores.values()]
        named["last_over_best_other"] = last - max(others, default=0.0)
        return named


def _seeded(model: AbstractEncodingModel, seed: int) -> AbstractEncodingModel:
    """Return a model of the same build with initial weights of this seed."""
    from neurornn.network import rebuilt

    return rebuilt(model, seed)


def _row(name: str, place: int, recording: Recording, found: Encodings, scores: EncodingScores) -> dict[str, Any]:
    trains = found.trains.groupby("source")[["cv", "fano"]].median()
    free = scores.median("free_bits_per_spike") if "free_bits_per_spike" in scores.frame() else float("nan")
    return {
        "stimulus": str(recording.source.get("name", place + 1)),
        "model": name,
        "bits/spike": f"{scores.median('bits_per_spike'):.2f}",
        "bits/spike on its own spikes": "" if np.isnan(free) else f"{free:.2f}",
        "ISI CV (recorded)": f"{trains.loc[name, 'cv']:.2f} ({trains.loc['recording', 'cv']:.2f})",
        "Fano (recorded)": f"{trains.loc[name, 'fano']:.2f} ({trains.loc['recording', 'fano']:.2f})",
    }
