"""Lesion experiments over several trained networks, at several difficulties, by several measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from neurornn import _check
from neurornn._types import generator
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.experiment import Fitted, dose_sets, like_network, named, paired_measures, shared_noise
from neurornn.perturb.lesion import Silence
from neurornn.perturb.matching import check_controls, matched_controls, unit_features
from neurornn.perturb.replicates_table import LesionResults
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials

Measure = Callable[[AbstractTask, Trials, Tensor], Tensor]
"""What is read from a run: takes the task, the trials and the outputs `(*stack, trial, time, out)`, and returns one
number a trial, `(*stack, trial)`, NaN where a trial has none."""


def _score(task: AbstractTask, trials: Trials, outputs: Tensor) -> Tensor:
    return task.score(trials, outputs)


def reaction_time(task: AbstractTask, trials: Trials, outputs: Tensor) -> Tensor:
    """Return the reaction time of each trial, ms, of a task that tells it (such as `Multitask`).

    Raises:
        ValueError: if the task does not.
    """
    told = getattr(task, "reaction_time", None)
    if told is None:
        fix = "Give the task a method reaction_time(trials, outputs), as Multitask has."
        _check.fail("reaction_time", "task", "one that tells reaction times", type(task).__name__, fix)
    return told(trials, outputs)


@dataclass(frozen=True, eq=False)
class LesionExperiment:
    """Lesions of several trained networks: the replicate is the network.

    For each network and difficulty, the intact run, all lesions, their matched controls and random doses see the same
    trials and the same noise. `run()` returns every number, and inference with the network as the replicate.

    Args:
        models: trained networks with their tasks, one a seed.
        lesions: which units each lesion hits in a network: a function of it, or the same units in all.
        perturbation: what is done to the units, made from them; epochs are looked up in the trials.
        measures: what is read from runs beside the task's own score, by name, such as `reaction_time`.
        difficulties: tasks in which the networks are tested, made from their own, by name. At a ceiling or floor of
            the score a lesion seems harmless: take several, and see `LesionResults.saturated`. Their own task where
            empty.
        controls: matched random sets for each lesion and network; 0 for none, or 199 and above.
        matched_on: what they are matched in; see `matched_controls`.
        doses: fractions of the units that are lesioned at random.
        draws: random sets for each dose.
        trials: for each network and difficulty.
        seed: of trials, noise, controls, doses and the bootstrap.

    Example:
        >>> from neurornn.perturb import LesionExperiment
        >>> def most_active(fit):
        ...     return fit.record(n_trials=8).activity.mean(axis=0).argsort()[-6:]
        >>> def weighed(fits):
        ...     return LesionExperiment(fits, {"most active": most_active}).run().across()

    References:
        Saravanan, Berman & Sober (2020), Application of the hierarchical bootstrap to multi-level data in neuroscience,
        doi:10.51628/001c.13927.
    """

    models: Sequence[Fitted]
    lesions: Mapping[str, Units | Callable[[Fitted], Units]]
    perturbation: Callable[[Sequence[int]], AbstractPerturbation] = Silence
    measures: Mapping[str, Measure] = field(default_factory=dict)
    difficulties: Mapping[str, Callable[[AbstractTask], AbstractTask]] = field(default_factory=dict)
    controls: int = 999
    matched_on: Sequence[str] = ("n", "rate", "variance", "out_norm")
    doses: Sequence[float] = ()
    draws: int = 20
    trials: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.models:
            _check.fail("LesionExperiment", "models", "one network or more", "none")
        if not self.lesions:
            _check.fail("LesionExperiment", "lesions", "one or more", "none")
        if "score" in self.measures:
            _check.fail("LesionExperiment", "measures", "named otherwise than the task's own", "score")
        check_controls("LesionExperiment", self.controls)
        for dose in self.doses:
            _check.fraction("LesionExperiment", "doses", dose, "A dose is a fraction of the units.")
        for name in ("draws", "trials"):
            _check.count("LesionExperiment", name, getattr(self, name))

    def run(self, *, chunk: int | None = None, progress: bool = True) -> LesionResults:
        """Run all of it.

        Args:
            chunk: how many lesions run in one batched rollout; as many as is fastest in bounded memory where absent.
            progress: whether to show a bar.
        """
        tasks = dict(self.difficulties) or {"own": lambda task: task}
        frames, differences = [], {}
        work = [(place, name) for place in range(len(self.models)) for name in tasks]
        for place, difficulty in tqdm(work, desc="lesions", unit="network", disable=not progress):
            fit = self.models[place]
            table, trial_by_trial = self._one(fit, tasks[difficulty](fit.task), place, chunk)
            frames.append(table.assign(model=place, difficulty=difficulty))
            for (lesion, measure), pair in trial_by_trial.items():
                differences.setdefault((difficulty, lesion, measure), []).append(pair)
        task = self.models[0].task
        whole = pd.concat(frames, ignore_index=True)
        first = next(iter(self.lesions.values()))
        name = named(self.perturbation(self._units(first, self.models[0])))
        return LesionResults(whole, differences, name, task.score_name, task.higher_is_better, self.seed)

    def _units(self, lesion: Units | Callable[[Fitted], Units], fit: Fitted) -> tuple[int, ...]:
        units = unit_tuple("LesionExperiment", lesion(fit) if callable(lesion) else lesion)
        within("LesionExperiment", units, fit.network.n_units)
        return tuple(sorted(units))

    def _one(
        self, fit: Fitted, task: AbstractTask, place: int, chunk: int | None
    ) -> tuple[pd.DataFrame, dict[tuple[str, str], np.ndarray]]:
        """Return one row a run and measure, and intact and lesioned values `(2, trial)` by lesion and measure."""
        network, seed = fit.network, self.seed + 7919 * place
        with torch.no_grad():
            given = task.sample(self.trials, generator=generator(seed)).to(network.device)
            noise = shared_noise(network, given, seed + 1)
            start = like_network(given.start, network)
            intact = network(given.inputs.to(network.readout), start=start, noise=noise)
            features = unit_features(network, intact, given.mask.cpu().numpy())
        rows: list[tuple[str, str, int, tuple[int, ...]]] = [("intact", "", 0, ())]
        for name, lesion in self.lesions.items():
            units = self._units(lesion, fit)
            rows.append(("lesion", name, 0, units))
            if self.controls and units:
                drawn = matched_controls(features, units, n_sets=self.controls, matched_on=self.matched_on, seed=seed)
                rows += [("control", name, k, tuple(one)) for k, one in enumerate(drawn.sets.tolist())]
        doses = dose_sets(network.n_units, self.doses, self.draws, seed)
        rows += [("dose", "", d, u) for d, u in zip(doses["draw"].tolist(), doses["units"].tolist(), strict=True)]
        distinct = {units: k for k, units in enumerate(dict.fromkeys(units for *_, units in rows))}
        members = [self.perturbation(units).during(given) for units in distinct]
        measures = {"score": _score, **self.measures}
        found = paired_measures(network, task, given, members, measures, noise=noise, chunk=chunk)
        at = [distinct[units] for *_, units in rows]
        tables, pairs = [], {}
        for measure, each in found.items():
            known = ~np.isnan(each)
            means = np.where(known, each, 0.0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)
            # A trial that has no number under one of the two lesions (no response) is no pair.
            shift = [_paired(each[0], each[k]) for k in at]
            table = pd.DataFrame(rows, columns=["kind", "lesion", "draw", "units"])
            table["dose"] = [len(units) / network.n_units for *_, units in rows]
            tables.append(table.assign(measure=measure, value=means[at], effect=shift))
            for kind, name, _, units in rows:
                if kind == "lesion":
                    pairs[name, measure] = each[[0, distinct[units]]]
        return pd.concat(tables, ignore_index=True), pairs


def _paired(before: np.ndarray, after: np.ndarray) -> float:
    both = ~(np.isnan(before) | np.isnan(after))
    return float((after[both] - before[both]).mean()) if both.any() else float("nan")
