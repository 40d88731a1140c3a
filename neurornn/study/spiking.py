"""Spiking networks that learn a task: how well, at which rates, and whether unequal time constants help."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.cell import AbstractLaw
from neurornn.errors import RecipeError
from neurornn.fit import Fit, train
from neurornn.network import Network
from neurornn.recording import Recording
from neurornn.statistics import spike_trains
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.task import AbstractTask, EvidenceAccumulation

NAMES = ("heterogeneous", "homogeneous", "untrained")


@dataclass(frozen=True, eq=False)
class Firing:
    """How the units of a spiking network fire while it does its task.

    Args:
        recording: new trials, end to end.
        table: one row a unit, as `spike_trains` gives it.
        outputs: what the network answered in the first of the trials. Shape `(time, out)`.
        targets: what it should have answered. Shape as `outputs`.
    """

    recording: Recording
    table: pd.DataFrame
    outputs: np.ndarray
    targets: np.ndarray

    methods = (
        "Spikes of new trials with the noise that the network was trained with. Rate: spikes of a unit over the whole "
        "time of the trials. CV: of inter-spike intervals, units with 3 spikes or more."
    )

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers over the conditions of the trials, of the network, its homogeneous twin and an untrained one.

    Args:
        table: one row a network and condition: `network`, `value` (of the condition), `answer` (fraction) and `n`.
        condition: what was varied.
        answer: what was counted.
        histories: of the trainings, by network.
    """

    table: pd.DataFrame
    condition: str
    answer: str
    histories: Mapping[str, pd.DataFrame]

    methods = (
        "New trials, the same for all networks. The homogeneous network has the same weights at the start, the same "
        "trials and the same training; each of its time constants is the mean of the law that those of the "
        "heterogeneous one are drawn from."
    )
    references = ("10.1038/s41467-021-26022-3",)

    def frame(self) -> pd.DataFrame:
        """Return one row a network and condition."""
        return self.table


@dataclass(frozen=True)
class SpikingStudy(AbstractStudy):
    """Train a spiking network and its homogeneous twin on a task, and look at answers and at firing.

    The twin is the same network with each law of a time constant replaced by its mean; a recipe without laws trains one
    network.

    Args:
        trials: new trials that the answers are counted in.
        recorded: new trials whose spikes are analysed.
        asked: strengths of evidence at which answers are counted, also ones that were not trained
            (`EvidenceAccumulation`); those of the task where empty.
        enough: fraction of correct answers; at which validation a network first reaches it is reported.

    Example:
        >>> from neurornn.study.spiking import SpikingStudy
        >>> SpikingStudy(trials=100).enough
        0.95

    References:
        Perez-Nieves, Leung, Dragotti & Goodman (2021), doi:10.1038/s41467-021-26022-3.
    """

    trials: int = 1000
    recorded: int = 64
    asked: tuple[float, ...] = ()
    enough: float = 0.95

    def run(self, plan: Plan) -> Findings:
        _check.count("SpikingStudy", "trials", self.trials)
        _check.count("SpikingStudy", "recorded", self.recorded)
        task = plan.task()
        network = plan.network(task, plan.seed)
        if not network.spiking:
            fix = 'Take type = "LIF" or another spiking cell.'
            _check.fail("SpikingStudy", "network.cell", "spiking", type(network.cell).__name__, fix, error=RecipeError)
        settings = {"seed": plan.seed, "progress": plan.progress, **plan.train}
        plan.say("training")
        fits = {"heterogeneous": train(network, task, **settings)}
        twin = homogeneous(network)
        if twin is not None:
            plan.say("training the twin with equal time constants")
            fits["homogeneous"] = train(twin, task, **settings)
        fit = fits["heterogeneous"]
        fits["untrained"] = fit.untrained(plan.seed)
        plan.say("counting answers and spikes")
        firing = _firing(fit, self.recorded, plan.seed + 1)
        answers = self._answers(fits, task, plan.seed + 2)
        quantities = self._quantities(fits, firing, plan.seed + 2)
        return Findings(
            quantities,
            fit,
            _headline(quantities),
            {"answers": answers, "firing": firing, "fit": fit},
            plan.notes,
            plan.title,
        )

    def _quantities(self, fits: Mapping[str, Fit], firing: Firing, seed: int) -> dict[str, float]:
        found = {
            f"accuracy_{name}": 100 * float(one.score(self.trials, seed=seed).mean()) for name, one in fits.items()
        }
        rates = firing.table["rate"].to_numpy(float)
        irregular = firing.table["cv"].to_numpy(float)
        found |= {
            "rate": float(rates.mean()),
            "rate_median": float(np.median(rates)),
            "rate_highest": float(rates.max()),
            "silent": 100 * float((rates == 0).mean()),
            "in_band": 100 * float(((rates >= 2) & (rates <= 30)).mean()),
            "cv": float(np.nanmedian(irregular)) if np.isfinite(irregular).any() else float("nan"),
        }
        for name, one in fits.items():
            if name != "untrained":
                scored = one.history.dropna(subset=["score"])
                there = scored.loc[scored["score"] >= self.enough, "step"]
                found[f"steps_{name}"] = float(there.iloc[0]) if len(there) else float("nan")
        return found

    def _answers(self, fits: Mapping[str, Fit], task: AbstractTask, seed: int) -> Answers:
        asked = replace(task, coherences=self.asked) if self.asked and isinstance(task, EvidenceAccumulation) else task
        trials = asked.sample(self.trials, generator=generator(seed))
        rows = []
        for name, one in fits.items():
            with torch.no_grad():
                outputs = one.network(trials.inputs, generator=generator(seed)).outputs
            if isinstance(asked, EvidenceAccumulation):
                values = trials.conditions["signed_coherence"].to_numpy(float)
                answer = (asked.evidence(trials, outputs) > 0).double().numpy()
            else:
                values = _binned(trials.conditions["delay_ms"].to_numpy(float))
                answer = asked.score(trials, outputs).double().numpy()
            counted = pd.DataFrame({"value": values, "answer": answer}).groupby("value")["answer"].agg(["mean", "size"])
            counted = counted.reset_index().rename(columns={"mean": "answer", "size": "n"})
            rows.append(counted.assign(network=name))
        told = ("signed coherence", "fraction of choices to the right")
        if not isinstance(asked, EvidenceAccumulation):
            told = ("delay (ms)", asked.score_name)
        histories = {name: one.history for name, one in fits.items() if len(one.history)}
        return Answers(pd.concat(rows, ignore_index=True), *told, histories)


def homogeneous(network: Network) -> Network | None:
    """Return the same network with every law of a time constant replaced by its mean; `None` where there is no law."""
    settings = dict(network.cell.settings)
    laws = [name for name in ("tau", "tau_syn", "tau_adapt") if isinstance(settings.get(name), AbstractLaw)]
    if not laws:
        return None
    settings |= {name: settings[name].mean for name in laws}
    twin = Network(**{**network.settings, "cell": type(network.cell)(**settings)})
    own = network.state_dict()
    kept = {name: own[name] for name, _ in twin.named_parameters() if "theta" not in name}
    twin.load_state_dict(kept, strict=False)
    return twin


def _firing(fit: Fit, n_trials: int, seed: int) -> Firing:
    recording = fit.record(n_trials=n_trials, seed=seed)
    shortest = float((recording.trials["stop"] - recording.trials["start"]).min())
    table = spike_trains(recording, window=min(200.0, shortest / 2)).frame()
    trials = fit.task.sample(n_trials, generator=generator(seed)).select(slice(0, 1))
    with torch.no_grad():
        outputs = fit.network(trials.inputs, generator=generator(seed)).outputs
    length = int(trials.valid.sum()) if trials.valid is not None else trials.n_steps
    return Firing(recording, table, outputs[0, :length].numpy(), trials.targets[0, :length].numpy())


def _binned(values: np.ndarray, n_bins: int = 6) -> np.ndarray:
    """Return the middle of the bin of each value, for conditions that take many values."""
    if len(np.unique(values)) <= n_bins:
        return values
    edges = np.linspace(values.min(), values.max(), n_bins + 1)
    place = np.clip(np.digitize(values, edges) - 1, 0, n_bins - 1)
    return ((edges[:-1] + edges[1:]) / 2)[place]


def _headline(found: Mapping[str, float]) -> pd.DataFrame:
    rows = [[name, f"{found[f'accuracy_{name}']:.1f} %"] for name in NAMES if f"accuracy_{name}" in found]
    table = pd.DataFrame(rows, columns=["network", "correct"])
    rates = [f"{found['rate']:.1f} Hz" if name == "heterogeneous" else "" for name in table["network"]]
    return table.assign(**{"mean rate": rates})
