"""A place cell by Poisson regression: coefficients that a textbook prints, and a neuron without a place beside it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.encoding import GLM, Evoked, Regression, contiguous_split, poisson_glm
from neurornn.errors import RecordingError
from neurornn.fit import EncodingFit, fit_encoding
from neurornn.recording import Recording
from neurornn.source import load_recording
from neurornn.statistics import bits_per_spike, blocked_folds
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording

MODELS = ("position", "position squared", "direction")
"""Each adds one regressor to the one before."""


@dataclass(frozen=True, eq=False)
class PlaceRegressions:
    """Poisson regressions of one neuron on an animal's position, each with a regressor more.

    Args:
        fits: by name of the last regressor.
        bits: held-out gain of each over the training mean, bits/spike.
        position: position of each bin, cm.
        counts: spikes of each bin.
        dt: bin width, ms.
        n_folds: contiguous folds of the held-out gain.
    """

    fits: dict[str, Regression]
    bits: dict[str, float]
    position: np.ndarray
    counts: np.ndarray
    dt: float
    n_folds: int

    @property
    def methods(self) -> str:
        """How this was made."""
        return (
            f"Poisson regression with a log link in bins of {self.dt:g} ms, without a penalty; held-out gain over the "
            f"training mean in {self.n_folds} contiguous folds."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a coefficient of each model, with its standard error and z."""
        return pd.concat({name: fit.frame() for name, fit in self.fits.items()}, names=["model"])

    def summary(self) -> pd.DataFrame:
        """Return AIC and held-out gain of each model."""
        rows = {name: {"AIC": fit.aic, "bits_per_spike": self.bits[name]} for name, fit in self.fits.items()}
        return pd.DataFrame(rows).T.rename_axis("with")


@dataclass(frozen=True)
class PlaceCellStudy(AbstractStudy):
    r"""Regress a neuron's spikes on position, its square, and the direction of running; and another neuron's.

    A Gaussian field is a parabola in the log of the rate: centre $-b_1 / 2 b_2$ and width $\sqrt{-1 / 2 b_2}$.

    Args:
        position: name of the position signal.
        control: a recording of a neuron that is not tuned.
        n_folds: contiguous folds of the held-out gain.

    References:
        Truccolo et al. (2005), doi:10.1152/jn.00697.2004.
    """

    position: str = "linear"
    control: str = "rat_place_cell_untuned"
    n_folds: int = 5

    def run(self, plan: Plan) -> Findings:
        recording = needs_recording("PlaceCellStudy", plan)
        plan.say(f"{recording}")
        tuned, untuned = self.regressions(recording), self.regressions(load_recording(self.control))
        quantities = {}
        position, squared, direction = (tuned.fits[name] for name in MODELS)
        quantities["intercept"], quantities["position_weight"] = position.coefficients
        quantities["aic_squared"] = position.aic - squared.aic
        quantities["aic_direction"] = squared.aic - direction.aic
        _, slope, curve = squared.coefficients
        quantities["field_centre"] = -slope / (2 * curve)
        quantities["field_width"] = float(np.sqrt(-0.5 / curve))
        centre = np.array([[quantities["field_centre"], quantities["field_centre"] ** 2]])
        quantities["field_peak"] = float(squared.expected(centre)[0] * 1000.0 / tuned.dt)
        for name in MODELS:
            key = name.replace(" ", "_")
            quantities[f"bits_{key}"], quantities[f"control_bits_{key}"] = tuned.bits[name], untuned.bits[name]
        quantities["control_bits"] = max(untuned.bits.values())
        plan.say("the same neuron by a model with a window of positions")
        fit = self._windowed(recording, plan)
        quantities["windowed_bits"] = fit.score().median("bits_per_spike")
        table = {"place cell": tuned.summary(), "without a place": untuned.summary()}
        headline = pd.concat(table, axis=1)
        parts = {"place cell": tuned, "without a place": untuned}
        return Findings(quantities, fit, headline, parts, plan.notes, plan.title)

    def regressions(self, recording: Recording) -> PlaceRegressions:
        """Return the three regressions, spikes in the bins that start at the samples of the position."""
        if recording.spikes is None or self.position not in recording.behaviour:
            fix = _check.near(self.position, recording.behaviour)
            must = f"of spikes, with a signal {self.position}"
            _check.fail("PlaceCellStudy", "recording", must, recording, fix, error=RecordingError)
        signal = recording.behaviour[self.position]
        dt = float(np.median(np.diff(signal.times)))
        place = signal.values[:, 0]
        edges = np.append(signal.times, signal.times[-1] + dt)
        counts = np.histogram(recording.spikes[0], edges)[0].astype(float)
        forward = np.append(0.0, np.diff(place) > 0)
        columns = np.stack([place, place**2, forward], axis=1)
        fits, bits = {}, {}
        folds = blocked_folds(signal.times, self.n_folds)
        for k, name in enumerate(MODELS, start=1):
            x = columns[:, :k]
            fits[name] = poisson_glm(x, counts, names=MODELS[:k])
            rates, null = np.empty((2, len(counts), 1))
            for train, test in folds:
                rates[test, 0] = poisson_glm(x[train], counts[train]).expected(x[test])
                null[test, 0] = counts[train].mean()
            gain = bits_per_spike(counts[:, None], rates / dt * 1000, null / dt * 1000, dt=dt, floor=1e-6)
            bits[name] = gain.pooled
        return PlaceRegressions(fits, bits, place, counts, dt, self.n_folds)

    def _windowed(self, recording: Recording, plan: Plan) -> EncodingFit:
        evoked = Evoked.from_recording(recording, self.position, dt=20.0)
        squared = Evoked(
            np.concatenate([evoked.stimulus, evoked.stimulus**2], axis=1), evoked.counts, evoked.dt, units=evoked.units
        )
        split = contiguous_split(squared, gap=10)
        return fit_encoding(GLM(1, (2,), lags=5, delay=0, past=5), squared, split, seed=plan.seed, progress=False)
