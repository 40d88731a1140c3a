"""A simulated retina whose truth is known: which models find its subunits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge import RetinaSession, SimulatedRetina
from neurornn.encoding import AbstractEncodingModel, contiguous_split
from neurornn.encoding.score import EncodingScores
from neurornn.fit import EncodingFit, fit_encoding
from neurornn.network import rebuilt
from neurornn.statistics.scores import known_correlation
from neurornn.statistics.tables import save_scores
from neurornn.study.answers import answers
from neurornn.study.base import AbstractStudy, Findings, Plan

REFERENCES = ("10.48550/arXiv.1702.01825", "10.1016/j.neuron.2023.06.007", "10.3389/fncom.2016.00010")


@dataclass(frozen=True, eq=False)
class RetinaFits:
    """Models of one retina: scores on a stimulus that was shown again and again.

    Args:
        fits: by name of the model.
        scores: on the repeated stimulus, by name.
        truth: true rates of the repeated stimulus, in the bins that were scored; `None` for a real retina. Shape
            `(bin, unit)`, Hz.
    """

    fits: Mapping[str, EncodingFit]
    scores: Mapping[str, EncodingScores]
    truth: np.ndarray | None
    references: tuple[str, ...] = REFERENCES

    @property
    def methods(self) -> str:
        """How this was made."""
        first = next(iter(self.scores.values()))
        split = next(iter(self.fits.values())).split
        told = "" if self.truth is None else " `truth_cc` is the correlation with the true rate."
        return f"{split.methods if split is not None else ''} {first.methods}{told}".strip()

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        return answers(self.fits, self.scores)

    def frame(self) -> pd.DataFrame:
        """Return one row a model and unit, with the correlation with the true rate where it is known."""
        tables = []
        for name, scores in self.scores.items():
            table = scores.frame().assign(model=name)
            if self.truth is not None:
                table["truth_cc"] = known_correlation(self.truth, scores.rates)
            tables.append(table)
        return pd.concat(tables).reset_index().set_index(["model", "unit"])

    def write_tables(self, folder: str | Path, name: str) -> list[Path]:
        """Write the table of the units as CSV, JSON and Parquet: see `save_scores`."""
        return save_scores(self.frame(), folder, name, methods=self.methods)

    def summary(self) -> pd.DataFrame:
        """Return the medians over the units that count, one row a model."""
        frame = self.frame()
        kept = frame[frame["kept"]].groupby("model", sort=False)
        names = ["bits_per_spike", "cc", "cc_norm", "cc_max", "feve", "explainable"]
        names += ["truth_cc"] if self.truth is not None else []
        return kept[names].median().assign(kept=kept.size().astype(str) + f" of {len(frame) // len(self.scores)}")


def tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings from a recipe with their lists as tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def fit_retina(
    session: RetinaSession,
    models: Mapping[str, AbstractEncodingModel],
    plan: Plan,
    *,
    fit: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
    min_explainable: float,
) -> RetinaFits:
    """Fit every model to the long stimulus, and score it on the repeated one.

    Args:
        session: the recording.
        models: by name.
        plan: seed, progress and where stages are told.
        fit: arguments of `fit_encoding`.
        own: further ones of single models, by name.
        min_explainable: units with a smaller explainable share are set aside.
    """
    reach = max(model.lags + model.past for model in models.values())
    split = contiguous_split(session.train, validation=0.1, test=0.0, gap=reach)
    fits, scores = {}, {}
    rows = np.arange(session.test.n_bins)
    for name, model in models.items():
        plan.say(f"fitting {name}")
        settings = {**fit, **own.get(name, {})}
        made = rebuilt(model, plan.seed)
        fits[name] = fit_encoding(made, session.train, split, seed=plan.seed, progress=plan.progress, **settings)
        scores[name] = fits[name].score(session.test, rows, min_explainable=min_explainable)
    truth = session.test_truth
    if truth is not None:
        truth = truth[len(truth) - len(next(iter(scores.values())).rates) :]
    return RetinaFits(fits, scores, truth)


@dataclass(frozen=True)
class SubunitStudy(AbstractStudy):
    """Two simulated retinas, of half-wave and of full-wave subunits: what a linear-nonlinear model and a network find.

    Args:
        models: by name; `ln` and `cnn` are what gates ask for.
        retina: settings of `SimulatedRetina`, but for `full_wave`.
        session: settings of `SimulatedRetina.session`.
        fit: arguments of `fit_encoding`.
        own: further ones of single models, by name.
        min_explainable: units with a smaller explainable share are set aside.

    References:
        McIntosh et al. (2016), doi:10.48550/arXiv.1702.01825; Schoppe et al. (2016), doi:10.3389/fncom.2016.00010.
    """

    models: dict[str, AbstractEncodingModel] = field(default_factory=dict)
    retina: dict[str, Any] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    own: dict[str, dict[str, Any]] = field(default_factory=dict)
    min_explainable: float = 0.05

    def __post_init__(self) -> None:
        if not self.models:
            _check.fail("SubunitStudy", "models", "at least one model", self.models, "Add [study.models.ln].")

    def run(self, plan: Plan) -> Findings:
        quantities: dict[str, float] = {}
        parts: dict[str, Any] = {}
        headlines = {}
        shown: EncodingFit | None = None
        for name, full in (("half", False), ("full", True)):
            plan.say(f"a retina of {name}-wave subunits")
            retina = SimulatedRetina(**tuples(self.retina), full_wave=full, seed=plan.seed)
            session = retina.session(**tuples(self.session), seed=plan.seed)
            found = fit_retina(
                session, self.models, plan, fit=self.fit, own=self.own, min_explainable=self.min_explainable
            )
            parts[f"{name}-wave"] = found
            summary = found.summary()
            headlines[f"{name}-wave"] = summary[["cc_norm", "cc", "cc_max", "bits_per_spike", "kept"]]
            for quantity in ("cc_norm", "cc", "bits_per_spike", "truth_cc", "cc_max"):
                for model, value in summary[quantity].to_dict().items():
                    quantities[f"{name}_{model}_{quantity}"] = float(value)
            # A model without any correlation has a normalised one about 0; both signs are far from it.
            shown = list(found.fits.values())[-1] if shown is None else shown
        assert shown is not None
        for model in self.models:
            quantities[f"full_{model}_cc_size"] = abs(quantities[f"full_{model}_cc"])
        note = "SIMULATED DATA: the retinas were drawn by `SimulatedRetina`, so that their true rates are known."
        headline = pd.concat(headlines)
        return Findings(quantities, shown, headline, parts, (*plan.notes, note), plan.title)
