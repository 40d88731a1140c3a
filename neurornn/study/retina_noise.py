"""Where variability comes from: noise before the rectifiers gives less than Poisson, noise on the output does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.bridge import SimulatedRetina
from neurornn.encoding import AbstractEncodingModel
from neurornn.statistics.repeats import Variability, variability
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.study.retina import REFERENCES, fit_retina, tuples


@dataclass(frozen=True, eq=False)
class NoiseProbe:
    """Variance against mean over repeats, for several sources of variability.

    Args:
        sources: by name: `latent` (the model's graded response, latent noise alone), `clocked` (spikes fired by a clock
            that its rate drives), `poisson` (Poisson spikes of its mean rate), `retina` (what was recorded).
        window: of the counts, ms.
        n_passes: repeats of the model.
    """

    sources: Mapping[str, Variability]
    window: float
    n_passes: int
    references: tuple[str, ...] = REFERENCES

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            f"Counts in windows of {self.window:g} ms over {self.n_passes} passes with fresh latent noise; "
            "slope of variance on mean over windows through the origin, with its standard error. `latent` takes the "
            "expected count itself; `clocked` fires a spike each time the running sum of the rate passes a whole "
            "number, from a random phase; `poisson` draws counts from the mean rate."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a source and unit: slope, its error, Fano factor."""
        tables = []
        for name, each in self.sources.items():
            table = pd.DataFrame({"slope": each.slope, "error": each.error, "fano": each.fano})
            tables.append(table.rename_axis("unit").assign(source=name).reset_index())
        return pd.concat(tables).set_index(["source", "unit"])

    def summary(self) -> pd.DataFrame:
        """Return the median over units of each source."""
        return self.frame().groupby("source", sort=False).median()


@dataclass(frozen=True)
class NoiseStudy(AbstractStudy):
    """Fit a network with latent noise to a simulated retina, and let it see one stimulus again and again.

    Args:
        models: by name; the first is probed.
        retina: settings of `SimulatedRetina`.
        session: settings of `SimulatedRetina.session`.
        passes: of the repeated stimulus.
        window: of the counts, bins.
        fit: arguments of `fit_encoding`.
        min_explainable: units with a smaller explainable share are set aside in the scores.

    References:
        Maheswaranathan et al. (2023), doi:10.1016/j.neuron.2023.06.007.
    """

    models: dict[str, AbstractEncodingModel] = field(default_factory=dict)
    retina: dict[str, Any] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)
    passes: int = 100
    window: int = 5
    fit: dict[str, Any] = field(default_factory=dict)
    min_explainable: float = 0.05

    def __post_init__(self) -> None:
        if not self.models:
            _check.fail("NoiseStudy", "models", "at least one model", self.models, "Add [study.models.cnn].")
        _check.count("NoiseStudy", "passes", self.passes, least=3)

    def run(self, plan: Plan) -> Findings:
        retina = SimulatedRetina(**tuples(self.retina), seed=plan.seed)
        plan.say("a noisy retina")
        session = retina.session(**tuples(self.session), seed=plan.seed)
        found = fit_retina(session, self.models, plan, fit=self.fit, own={}, min_explainable=self.min_explainable)
        fit = next(iter(found.fits.values()))
        plan.say(f"{self.passes} passes with latent noise")
        seconds = session.test.dt / 1000.0
        rows = np.arange(session.test.n_bins)
        noisy = [fit.predict(session.test, rows, noise=plan.seed * 1000 + k)[0] for k in range(self.passes)]
        expected = np.stack(noisy)[:, fit.model.lags :] * seconds
        rng = np.random.default_rng(plan.seed)
        counts = {
            "latent": expected,
            "clocked": clocked(expected, rng),
            "poisson": rng.poisson(np.broadcast_to(expected.mean(axis=0), expected.shape)).astype(float),
            "retina": session.test.counts[:, fit.model.lags :],
        }
        sources = {name: variability(each, bins=self.window) for name, each in counts.items()}
        probe = NoiseProbe(sources, self.window * session.test.dt, self.passes)
        quantities = {}
        for quantity in ("slope", "error", "fano"):
            for name, value in probe.summary()[quantity].to_dict().items():
                quantities[f"{name}_{quantity}"] = float(value)
        poisson = sources["poisson"]
        quantities["poisson_errors_from_one"] = float(np.median(np.abs(poisson.slope - 1.0) / poisson.error))
        quantities["cc_norm"] = next(iter(found.scores.values())).median("cc_norm")
        note = "SIMULATED DATA: the retina was drawn by `SimulatedRetina`, so that its noise is known."
        parts = {"variability": probe, "retina": found}
        return Findings(quantities, fit, probe.summary(), parts, (*plan.notes, note), plan.title)


def clocked(expected: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return spikes of a clock: one each time the running sum of the expected counts passes a whole number.

    Each repeat and unit starts at a random phase. At a constant rate the count in a window varies by less than one.

    Args:
        expected: expected counts. Shape `(repeat, bin, unit)`.
        rng: of the phases.
    """
    phase = rng.uniform(0.0, 1.0, (expected.shape[0], 1, expected.shape[2]))
    passed = np.floor(np.cumsum(expected, axis=1) + phase)
    return np.diff(passed, axis=1, prepend=0.0)
