"""Data-constrained networks of an animal that runs laps: what they predict of laps that they have not seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.cell import LeakyRate
from neurornn.comparison import RidgePredictivity
from neurornn.errors import RecordingError
from neurornn.fit import FORCE, AbstractConstraint, ConstrainedFit, RateScores, RateTrials, fit_rates
from neurornn.fit.constrained_fit import score_trials
from neurornn.recording import Recording, Signal
from neurornn.statistics import blocked_folds, laps
from neurornn.statistics.tables import save_scores
from neurornn.study.base import AbstractStudy, Findings, Plan, in_epoch, needs_recording


@dataclass(frozen=True, eq=False)
class Constrained:
    """Networks of recorded neurons, each running by itself through trials that it has not seen.

    Args:
        fits: by name of the method.
        scores: of the held-out trials: of each fit, and of each simpler prediction, by name.
        predicted: of each fit and each simpler prediction that has a course, by name. Shapes `(trial, bin, unit)`, Hz.
        recorded: the held-out trials.
        methods: how this was made.
        references: DOIs.
    """

    fits: Mapping[str, ConstrainedFit]
    scores: Mapping[str, RateScores]
    predicted: Mapping[str, np.ndarray]
    recorded: RateTrials
    methods: str
    references: tuple[str, ...] = ("10.1016/j.neuron.2016.02.009", "10.1101/2020.12.18.423348")

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        first = next(iter(self.fits.values()))
        nulls = [name for name in self.scores if name not in self.fits]
        return {
            "split": (
                f"Whole trials: {len(first.train)} to learn from, {len(first.validation)} to choose by, "
                f"{self.recorded.n_trials} to score."
            ),
            "choices": "Weights by the error in the trials that choose, which are not those of the scores.",
            "nulls": f"On the same trials: {', '.join(nulls)}.",
            "matched": f"All predictions of the same {len(self.recorded.units)} neurons in the same held-out trials.",
        }

    def frame(self) -> pd.DataFrame:
        """Return one row a neuron: the explained variance of every prediction."""
        table = {name: score.units for name, score in self.scores.items()}
        return pd.DataFrame(table, index=pd.Index(self.recorded.units, name="unit"))

    def write_tables(self, folder: str | Path, name: str) -> list[Path]:
        """Write the table of the units as CSV, JSON and Parquet: see `save_scores`."""
        return save_scores(self.frame(), folder, name, methods=self.methods)

    def summary(self) -> pd.DataFrame:
        """Return one row a prediction: of all neurons together, and the medians over neurons."""
        rows = {
            name: {
                "pVar, all neurons": score.pvar,
                "pVar, median": float(np.nanmedian(score.units)),
                "correlation, median": float(np.nanmedian(score.correlation))
                if np.isfinite(score.correlation).any()
                else float("nan"),
            }
            for name, score in self.scores.items()
        }
        return pd.DataFrame(rows).T.rename_axis("prediction")


@dataclass(frozen=True)
class ConstrainedStudy(AbstractStudy):
    """Fit networks whose units are the recorded neurons, and let them run by themselves through held-out laps.

    1. The running is cut into laps; of every five, one is held out and one judges.
    2. Each method finds weights, starting from those that the method before it found.
    3. In the held-out laps the network starts at the rates of the first bin and hears where the animal is.
    4. Beside it: the same inputs without a network (ridge regression), and the nulls of `ConstrainedFit.baselines`.

    Args:
        constraints: by name, in this order.
        position: name of the position signal.
        epoch: name of the stretch that is analysed; all of the session where empty.
        dt: bin width, ms.
        smoothing: of the rates, ms.
        bumps: Gaussian place inputs along the track, in each direction.
        tau: time constant of the units, ms.
        nonlinearity: of the units.
        longest: laps that take longer are left out, ms: the animal paused.
        min_spikes: units with fewer spikes in the laps are left out.

    References:
        Rajan, Harvey & Tank (2016), doi:10.1016/j.neuron.2016.02.009; Perich et al. (2020),
        doi:10.1101/2020.12.18.423348.
    """

    constraints: dict[str, AbstractConstraint] = field(default_factory=lambda: {"force": FORCE(passes=3)})
    position: str = "linear"
    epoch: str = "run"
    dt: float = 50.0
    smoothing: float = 100.0
    bumps: int = 10
    tau: float = 100.0
    nonlinearity: str = "tanh"
    longest: float = 15_000.0
    min_spikes: int = 50

    def __post_init__(self) -> None:
        if not self.constraints:
            fix = 'Add [study.constraints.force] type = "FORCE".'
            _check.fail("ConstrainedStudy", "constraints", "at least one method", self.constraints, fix)
        _check.count("ConstrainedStudy", "bumps", self.bumps, least=2)

    def run(self, plan: Plan) -> Findings:
        whole = needs_recording("ConstrainedStudy", plan)
        trials = self.trials(whole)
        plan.say(f"{trials}")
        teach, judge, held = roles(trials)
        seen = trials.select(held)
        fits = self.fitted(plan, trials, teach, judge)
        predicted = {name: fit.predict(held) for name, fit in fits.items()}
        last = list(fits.values())[-1]
        predicted["inputs alone"] = from_inputs(trials, np.concatenate([teach, judge]), held)
        scores = {name: score_trials(seen.rates, one, last.null, trials.units) for name, one in predicted.items()}
        scores |= last.baselines(held)
        result = Constrained(fits, scores, predicted, seen, self._methods(trials, teach, judge, held))
        quantities = {f"{name.replace(' ', '_')}_pvar": score.pvar for name, score in scores.items()}
        network = list(self.constraints)[-1]
        quantities["over_inputs"] = scores[network].pvar - scores["inputs alone"].pvar
        quantities["train_pvar"] = last.score(teach).pvar
        quantities |= {"n_units": float(trials.n_units), "n_held_out": float(len(held))}
        note = f"{trials.n_units} of {whole.n_units} units have {self.min_spikes} spikes in these laps."
        parts = {"constrained": result}
        return Findings(quantities, last, result.summary(), parts, (*plan.notes, note), plan.title)

    def fitted(self, plan: Plan, trials: RateTrials, teach: np.ndarray, judge: np.ndarray) -> dict[str, ConstrainedFit]:
        """Return the fit of each method, by name: each starts from the weights that the one before it found."""
        cell = LeakyRate(
            trials.n_inputs, trials.n_units, tau=self.tau, dt=self.dt, form="current", nonlinearity=self.nonlinearity,
            seed=plan.seed,
        )  # fmt: skip
        told = {"train": teach, "validation": judge, "seed": plan.seed, "progress": plan.progress}
        fits: dict[str, ConstrainedFit] = {}
        for name, how in self.constraints.items():
            plan.say(f"fitting by {name}")
            fits[name] = fit_rates(cell, trials, how, **told)
            made = fits[name].network.cell
            assert isinstance(made, LeakyRate)
            cell = made
        return fits

    def trials(self, recording: Recording) -> RateTrials:
        """Return the laps of a recording: rates, and where the animal is as place inputs of both directions."""
        if recording.spikes is None:
            _check.fail("ConstrainedStudy", "recording", "of spikes", "sampled activity", error=RecordingError)
        recording = in_epoch("ConstrainedStudy", recording, self.epoch)
        every = laps(recording, position=self.position)
        short = (every["stop"] - every["start"]).to_numpy(dtype=float) <= self.longest
        ran = pd.DataFrame({name: every[name].to_numpy()[short] for name in every.columns})
        if len(ran) < 5:
            got, fix = f"{len(ran)} laps", "Take a longer `longest`."
            _check.fail("ConstrainedStudy", "recording", "with five laps or more", got, fix, error=RecordingError)
        edges = ran[["start", "stop"]].to_numpy(dtype=float)
        inside = [int(np.diff(np.searchsorted(train, edges), axis=1).sum()) for train in recording.spikes or ()]
        kept = recording.units.index[np.array(inside) >= self.min_spikes]
        beside = {**recording.behaviour, "place": self._place(recording.behaviour[self.position], ran)}
        cut = replace(recording.select(list(kept)).with_trials(ran), behaviour=beside)
        return RateTrials.from_recording(cut, dt=self.dt, smoothing=self.smoothing, inputs=["place"])

    def _place(self, position: Signal, ran: pd.DataFrame) -> Signal:
        known = np.isfinite(position.values[:, 0])
        times, x = position.times[known], position.values[known, 0]
        low, high = np.percentile(x, [1, 99])
        centres = np.linspace(low, high, self.bumps)
        near = np.exp(-0.5 * ((x[:, None] - centres) / (centres[1] - centres[0])) ** 2)
        way = np.zeros(len(times))
        for start, stop, direction in ran[["start", "stop", "direction"]].to_numpy(dtype=float):
            way[(times >= start) & (times <= stop)] = direction
        return Signal(times, np.concatenate([near * (way > 0)[:, None], near * (way < 0)[:, None]], axis=1))

    def _methods(self, trials: RateTrials, teach: np.ndarray, judge: np.ndarray, held: np.ndarray) -> str:
        return (
            f"Spikes in bins of {self.dt:g} ms, smoothed by a Gaussian of {self.smoothing:g} ms within laps, "
            f"{trials.n_units} neurons, one unit each ({self.nonlinearity}, {self.tau:g} ms). {len(teach)} laps teach, "
            f"{len(judge)} judge, {len(held)} are held out: every fifth. There the network starts at the rates of the "
            f"first bin and is told no more of the neurons; {2 * self.bumps} place inputs say where the animal is. "
            "pVar is 1 less the squared error over that of each neuron's training mean, without first bins. Inputs "
            "alone: ridge regression on the same inputs, from the laps that teach or judge, its penalty chosen within "
            "them."
        )


def roles(trials: RateTrials) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which trials teach, which choose, and which are held out: of every five the last and the third."""
    role = np.arange(trials.n_trials) % 5
    teach, judge, held = (np.flatnonzero(part) for part in ((role != 2) & (role != 4), role == 4, role == 2))
    return teach, judge, held


def from_inputs(trials: RateTrials, known: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return what ridge regression on the inputs of the same bin predicts of the held-out trials."""
    rates, inputs = (part[known].reshape(-1, part.shape[2]) for part in (trials.rates, trials.inputs))
    there = np.isfinite(rates).all(axis=1)
    x, y = inputs[there], rates[there]
    inner = blocked_folds(np.arange(len(x)) * trials.dt, 4, gap=500.0)
    learnt = RidgePredictivity().fit(x, y, inner)
    return learnt.predict(trials.inputs[held].reshape(-1, trials.n_inputs)).reshape(trials.rates[held].shape)
