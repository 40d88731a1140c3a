"""Rates that a network is to reproduce, trial by trial, and what drives it meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording


@dataclass(frozen=True, eq=False)
class RateTrials:
    """Recorded rates of many units in some trials, with the inputs that a model of them is given.

    Args:
        rates: NaN where a unit was not recorded, and after the end of a trial that is shorter than the longest. The
            first bin of every trial is known: models start there. Shape `(trial, bin, unit)`, Hz.
        dt: bin width, ms.
        inputs: what reaches the network in each bin; none where absent. Shape `(trial, bin, channel)`.
        units: ids of the units; numbered where absent.
        names: of the input channels.
        source: where this comes from. Plain values only.

    Raises:
        RecordingError: if a rate is below 0, a first bin is unknown, or inputs and rates do not lie on one clock.

    Example:
        >>> import numpy as np
        >>> from neurornn import RateTrials
        >>> RateTrials(np.ones((4, 50, 3)), dt=20.0)
        RateTrials(4 trials of at most 50 bins of 20 ms, 3 units, 0 inputs)
    """

    rates: Float[np.ndarray, "trial bin unit"]
    dt: float
    inputs: Float[np.ndarray, "_trial _bin channel"] = field(default_factory=lambda: np.zeros((0, 0, 0)))
    units: pd.Index = field(default_factory=lambda: pd.Index([]))
    names: tuple[str, ...] = ()
    source: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        owner = "RateTrials"
        _check.positive(owner, "dt", self.dt)
        n_trials, n_bins, n_units = self.rates.shape
        if min(self.rates.shape) < 1 or n_bins < 2:
            must = "of one trial, two bins and one unit or more"
            _check.fail(owner, "rates", must, self.rates, error=RecordingError)
        if np.nanmin(self.rates, initial=0.0) < 0:
            fix = "Smooth counts; z-scores are no rates."
            _check.fail(owner, "rates", "0 or above", float(np.nanmin(self.rates)), fix, error=RecordingError)
        lost = ~np.isfinite(self.rates[:, 0])
        if lost.any():
            trial, unit = np.argwhere(lost)[0]
            fix = "Cut the trials to where all units were recorded: a model starts at their first bin."
            got = f"unit {unit} unknown in trial {trial}"
            _check.fail(owner, "rates", "known in the first bin of every trial", got, fix, error=RecordingError)
        inputs = self.inputs if self.inputs.size else np.zeros((n_trials, n_bins, 0))
        if inputs.shape[:2] != (n_trials, n_bins):
            must = f"of {n_trials} trials of {n_bins} bins, as the rates"
            _check.fail(owner, "inputs", must, inputs, "Bring both onto one clock first.", error=RecordingError)
        inside = np.isfinite(self.rates).any(axis=2)
        gaps = int(np.sum(~np.isfinite(inputs).all(axis=2) & inside))
        if gaps:
            fix = "Fill the gaps, or cut the trials there."
            got = f"{gaps} bins with a NaN"
            _check.fail(owner, "inputs", "known wherever rates are", got, fix, error=RecordingError)
        units = self.units if len(self.units) else pd.RangeIndex(n_units)
        if len(units) != n_units:
            _check.fail(owner, "units", f"one id for each of {n_units} units", len(units), error=RecordingError)
        object.__setattr__(self, "inputs", np.where(np.isfinite(inputs), inputs, 0.0))
        object.__setattr__(self, "units", pd.Index(units))

    def __repr__(self) -> str:
        n_trials, n_bins, n_units = self.rates.shape
        size = f"{n_trials} trials of at most {n_bins} bins of {self.dt:g} ms"
        return f"RateTrials({size}, {n_units} units, {self.inputs.shape[2]} inputs)"

    @property
    def n_trials(self) -> int:
        """How many trials there are."""
        return len(self.rates)

    @property
    def n_units(self) -> int:
        """How many units were recorded."""
        return self.rates.shape[2]

    @property
    def n_inputs(self) -> int:
        """How many input channels there are."""
        return self.inputs.shape[2]

    def select(self, trials: Int[np.ndarray, " some"] | Sequence[int]) -> "RateTrials":
        """Return only these trials."""
        some = np.asarray(trials, dtype=np.int64)
        return RateTrials(self.rates[some], self.dt, self.inputs[some], self.units, self.names, dict(self.source))

    @classmethod
    def from_recording(
        cls, recording: Recording, *, dt: float, smoothing: float, inputs: Sequence[str] = ()
    ) -> "RateTrials":
        """Return the smoothed rates of a recording in its trials, with some of its signals as inputs.

        Counts are smoothed within each trial by a Gaussian that is renormalised at the trial's edges; sampled activity
        is smoothed alike. Units without a spike in the trials are left in; `fit_rates` names them.

        Args:
            recording: its `trials` are the trials: whole stretches, of any length.
            dt: bin width, ms.
            smoothing: standard deviation of the Gaussian, ms; 0 for none.
            inputs: names of signals; each dimension is a channel.

        Raises:
            RecordingError: if a signal does not exist or a trial is shorter than two bins.
        """
        owner = "RateTrials.from_recording"
        smoothing = _check.not_negative(owner, "smoothing", smoothing, "It is in ms.")
        for name in inputs:
            if name not in recording.behaviour:
                fix = _check.near(name, recording.behaviour) if recording.behaviour else "It has no behaviour."
                _check.fail(owner, "inputs", "signals of the recording", name, fix, error=RecordingError)
        binned = recording.binned(dt)
        parts = [np.flatnonzero(binned.trial == trial) for trial in np.unique(binned.trial)]
        if min(map(len, parts), default=0) < 2:
            fix = "Take a smaller `dt`, or leave short trials out."
            got = f"{min(map(len, parts), default=0)} bins in the shortest"
            _check.fail(owner, "recording", "of trials with two bins or more", got, fix, error=RecordingError)
        signals = [recording.behaviour[name].at(binned.times) for name in inputs]
        drive = np.concatenate(signals, axis=1) if signals else np.zeros((len(binned.times), 0))
        longest = max(map(len, parts))
        rates = np.full((len(parts), longest, recording.n_units), np.nan)
        given = np.zeros((len(parts), longest, drive.shape[1]))
        seen = binned.values if recording.spikes is None else binned.values / (dt / 1000.0)
        for k, rows in enumerate(parts):
            rates[k, : len(rows)] = _smoothed(seen[rows], smoothing / dt)
            given[k, : len(rows)] = drive[rows]
        names = tuple(
            f"{name} {k}" if recording.behaviour[name].values.shape[1] > 1 else name
            for name in inputs
            for k in range(recording.behaviour[name].values.shape[1])
        )
        source: dict[str, object] = {"name": str(recording.source.get("name", "unnamed"))}
        return cls(rates, dt, given, recording.units.index, names, source)


def _smoothed(values: np.ndarray, width: float) -> np.ndarray:
    """Smooth along time over what is known; NaN stays NaN."""
    if width == 0:
        return values
    known = np.isfinite(values)
    total = gaussian_filter1d(np.where(known, values, 0.0), width, axis=0, mode="constant")
    weight = gaussian_filter1d(known.astype(float), width, axis=0, mode="constant")
    return np.where(known, total / np.maximum(weight, 1e-12), np.nan)
