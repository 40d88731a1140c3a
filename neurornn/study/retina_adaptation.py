"""Contrast adaptation: whether a model of a retina adapts as the retina does, which its correlation does not tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.bridge import SimulatedRetina
from neurornn.encoding import AbstractEncodingModel, Evoked
from neurornn.errors import RecordingError
from neurornn.fit import EncodingFit
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.study.retina import REFERENCES, fit_retina, tuples


@dataclass(frozen=True, eq=False)
class Adaptation:
    """Mean rates over many cycles of low and high contrast, of a retina and of models of it.

    Args:
        times: from the step to high contrast, ms; before it the contrast is low. Shape `(bin,)`.
        rates: mean over cycles and units, by source; `teacher` is the retina. Shapes `(bin,)`, Hz.
        index: (early - late) / (early + late) after the step to high contrast, by source and unit.
        early: the stretch after the step that is early, ms.
        late: the stretch that is late, ms.
        n_cycles: cycles.
    """

    times: Float[np.ndarray, " bin"]
    rates: Mapping[str, Float[np.ndarray, " bin"]]
    index: Mapping[str, Float[np.ndarray, " unit"]]
    early: tuple[float, float]
    late: tuple[float, float]
    n_cycles: int
    references: tuple[str, ...] = REFERENCES

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            f"{self.n_cycles} cycles of low and high contrast, fresh noise in each; index (early - late) / (early + "
            f"late) of the mean rate {self.early[0]:g} to {self.early[1]:g} ms and {self.late[0]:g} to "
            f"{self.late[1]:g} ms after the step to high contrast; `share` is of the teacher's."
        )

    def share(self, source: str) -> float:
        """Return the mean index of a source over that of the retina."""
        return float(np.mean(self.index[source]) / np.mean(self.index["teacher"]))

    def frame(self) -> pd.DataFrame:
        """Return one row a source and unit."""
        rows = [
            {"source": source, "unit": unit, "index": value}
            for source, values in self.index.items()
            for unit, value in enumerate(values)
        ]
        return pd.DataFrame(rows).set_index(["source", "unit"])

    def summary(self) -> pd.DataFrame:
        """Return the mean index of each source, and its share of the retina's."""
        rows = {name: {"index": float(np.mean(v)), "share": self.share(name)} for name, v in self.index.items()}
        return pd.DataFrame(rows).T.rename_axis("source")


@dataclass(frozen=True)
class AdaptationStudy(AbstractStudy):
    """Train models on a retina that adapts to contrast, and probe them with steps of contrast.

    A high correlation does not imply adaptation: the index of each model is scored against that of the retina, beside
    its correlation with the responses.

    Args:
        models: by name; `lateral` and `feedforward` are what gates ask for.
        retina: settings of `SimulatedRetina`.
        session: settings of `SimulatedRetina.session`; its `contrasts` are those of the probe, too.
        probe: low and high contrast of one cycle last this long each, ms.
        cycles: cycles of the probe.
        early: stretch after the step that is early, ms.
        late: stretch that is late, ms.
        fit: arguments of `fit_encoding`.
        own: further ones of single models, by name.
        min_explainable: units with a smaller explainable share are set aside in the scores.

    References:
        Maheswaranathan et al. (2023), doi:10.1016/j.neuron.2023.06.007.
    """

    models: dict[str, AbstractEncodingModel] = field(default_factory=dict)
    retina: dict[str, Any] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)
    probe: float = 6000.0
    cycles: int = 40
    early: tuple[float, float] = (0.0, 500.0)
    late: tuple[float, float] = (4000.0, 6000.0)
    fit: dict[str, Any] = field(default_factory=dict)
    own: dict[str, dict[str, Any]] = field(default_factory=dict)
    min_explainable: float = 0.0

    def __post_init__(self) -> None:
        if not self.models:
            fix = "Add [study.models.lateral]."
            _check.fail("AdaptationStudy", "models", "at least one model", self.models, fix)
        if len(self.session.get("contrasts", ())) != 2:
            got = self.session.get("contrasts")
            _check.fail("AdaptationStudy", "session.contrasts", "a low and a high one", got, error=RecordingError)

    def run(self, plan: Plan) -> Findings:
        retina = SimulatedRetina(**tuples(self.retina), seed=plan.seed)
        plan.say("a retina that adapts to contrast")
        session = retina.session(**tuples(self.session), seed=plan.seed)
        found = fit_retina(session, self.models, plan, fit=self.fit, own=self.own, min_explainable=self.min_explainable)
        adaptation = self.adaptation(retina, found.fits, plan.seed)
        quantities = {"teacher_index": float(np.mean(adaptation.index["teacher"]))}
        for name, scores in found.scores.items():
            quantities[f"{name}_index"] = float(np.mean(adaptation.index[name]))
            quantities[f"{name}_share"] = adaptation.share(name)
            quantities[f"{name}_cc_norm"] = scores.median("cc_norm")
        headline = adaptation.summary().join(found.summary()[["cc_norm", "bits_per_spike"]])
        note = "SIMULATED DATA: the retina was drawn by `SimulatedRetina`, so that its adaptation is known."
        parts = {"adaptation": adaptation, "retina": found}
        shown = next(iter(found.fits.values()))
        return Findings(quantities, shown, headline, parts, (*plan.notes, note), plan.title)

    def adaptation(self, retina: SimulatedRetina, fits: Mapping[str, EncodingFit], seed: int) -> Adaptation:
        """Return mean rates and indices of the retina and of every model over cycles of the probe."""
        contrasts = tuple(self.session["contrasts"])
        draw = np.random.default_rng(seed + 99)
        movie = retina.movie(draw, (self.cycles + 1) * 2 * self.probe, contrasts, self.probe)
        shown = Evoked(movie, np.zeros((1, len(movie), retina.n_units)), retina.dt)
        all_rates = {"teacher": retina.rates(movie)[0]}
        for name, fit in fits.items():
            all_rates[name] = fit.predict(shown, np.arange(shown.n_bins), length=2000)[0]
        half = round(self.probe / retina.dt)
        rates, index = {}, {}
        for name, each in all_rates.items():
            cycle = np.nanmean(each.reshape(self.cycles + 1, 2 * half, -1)[1:], axis=0)  # the first one warms up
            high = cycle[half:]
            early, late = (
                high[slice(*(round(t / retina.dt) for t in part))].mean(axis=0) for part in (self.early, self.late)
            )
            index[name] = (early - late) / (early + late)
            mean = cycle.mean(axis=1)
            rates[name] = mean / mean.mean() * retina.rate
        times = (np.arange(2 * half) + 0.5 - half) * retina.dt
        return Adaptation(times, rates, index, self.early, self.late, self.cycles)
