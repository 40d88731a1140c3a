"""Networks that are pruned in different ways and trained alike: how well they do, and how stable they stay."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import RecipeError
from neurornn.fit import Fit, GradualMagnitude
from neurornn.fit.train import train
from neurornn.network import Network
from neurornn.pruning import AbstractPruning, ActivityPruning, LotteryTicket, MagnitudePruning, Pruned, prune
from neurornn.source import load_images, load_recording
from neurornn.study.base import AbstractStudy, Findings, Plan, place_of
from neurornn.study.pruning_measures import Exam, Spectrum, answers, examined, graded
from neurornn.study.pruning_table import EQUAL, MEASURES, PruningTable
from neurornn.study.spiking import homogeneous
from neurornn.task import AbstractTask, Forecasting, Series

TRAINED = ("activity", "activity_within", "magnitude_trained", "gradual", "ticket")
"""Controls that need a training before or while they prune."""


@dataclass(frozen=True)
class PruningStudy(AbstractStudy):
    """Prune one network in many ways, train all with as many steps on the same trials, and compare.

    The dense network and those of `methods`, which are pruned before any training, are trained once. Of the controls
    in `trained`, `activity` and `magnitude_trained` drop the least active units, and the smallest weights, of the
    trained dense network and are trained once more (`activity_within` halves both trainings, so that they are as long
    as the one of the others); `ticket` rewinds the largest weights of that network; `gradual`
    loses its smallest weights during the training. So controls are trained at least as long as what they are held
    against. All start from the same weights.

    Args:
        methods: ways of pruning that need no training, by name; among them the chosen one.
        chosen: the one whose claim is tested.
        against: those it is held against, by name.
        density: the part of the recurrent connections that is left.
        trained: further controls, of `activity`, `activity_within`, `magnitude_trained`, `gradual` and `ticket`.
        equal: which networks are also made with equal time constants, by name; the dense one of those is added.
        trials: new trials in which answers are scored.
        shown: trials that activity pruning looks at.
        spectrum_steps: steps over which Lyapunov spectra are measured; 0 for none.
        early: whether they are measured before training, too.
        images: an image set: the name of a data recipe (`cifar10`); that of the task where empty.
        recording: a recording whose activity is forecast: the name of a data recipe; the task's own series where empty.
        folder: where checkpoints are kept; a temporary one where empty.

    References:
        B. Chakraborty, B. Kang, H. Kumar and S. Mukhopadhyay (2024), Sparse spiking neural network: exploiting
        heterogeneity in timescales for pruning recurrent SNN, doi:10.48550/arXiv.2403.03409.
    """

    methods: dict[str, AbstractPruning] = field(default_factory=dict)
    chosen: str = "lyapunov"
    against: tuple[str, ...] = ("random", "activity")
    density: float = 0.1
    trained: tuple[str, ...] = TRAINED
    equal: tuple[str, ...] = ()
    trials: int = 200
    shown: int = 32
    spectrum_steps: int = 400
    early: bool = True
    images: str = ""
    recording: str = ""
    folder: str = ""

    def __post_init__(self) -> None:
        owner = "PruningStudy"
        _check.fraction(owner, "density", self.density)
        for name in ("trials", "shown"):
            _check.count(owner, name, getattr(self, name))
        _check.count(owner, "spectrum_steps", self.spectrum_steps, least=0)
        for name in self.trained:
            if name not in TRAINED:
                _check.fail(owner, "trained", "controls of this study", name, _check.near(name, TRAINED))
        known = {*self.methods, *self.trained, "dense"}
        for place, names in {"chosen": (self.chosen,), "against": self.against, "equal": self.equal}.items():
            for name in names:
                if name not in known:
                    _check.fail(owner, place, "among the methods", name, _check.near(name, known))

    def run(self, plan: Plan) -> Findings:
        task = self._task(plan)
        exam = Exam.of(task, trials=self.trials, spectrum_steps=self.spectrum_steps, seed=plan.seed + 1_000)
        network = plan.network(task, plan.seed)
        twin = homogeneous(network) if self.equal else None
        if self.equal and twin is None:
            fix = 'Give its `tau` a law, such as type = "Gamma".'
            _check.fail("PruningStudy", "network.cell.tau", "unequal, with `equal`", "equal", fix, error=RecipeError)
        rows: list[dict[str, Any]] = []
        shown: Fit | None = None
        told = ""
        with place_of(self.folder, plan) as place:
            starts = [(network, "", None)] if twin is None else [(network, "", None), (twin, EQUAL, set(self.equal))]
            for start, end, only in starts:
                nursery = _Nursery(start, task, self, plan, place, end)
                dense: dict[str, Spectrum] = {}
                for name, before, fit in nursery.grown(only):
                    plan.say(f"measuring {name}{end}")
                    row = {"seed": plan.seed, "network": name + end, **_counts(fit.network, start)}
                    looked = {**({"early": before} if self.early else {}), "late": fit.network}
                    measured = examined(looked, exam, plan.seed, place / f"{name}{end}.json")
                    row |= measured["answers"]
                    if self.spectrum_steps:
                        mine = {when: Spectrum(**measured[when]) for when in looked}
                        dense = dense or mine
                        row |= _stability(mine, dense)
                        told = told or mine["late"].methods
                    rows.append(row)
                    shown = fit if name + end == self.chosen else shown
                if not end:
                    rows.append({"seed": plan.seed, "network": "untrained", **answers(graded(start, exam))})
        table = pd.DataFrame(rows).reindex(columns=["seed", "network", *MEASURES])
        found = PruningTable(
            table, self.chosen, self.against, _unit(exam.task), self.density, self._methods(plan, exam, told)
        )
        quantities = found.quantities() | _references(exam, found)
        return Findings(quantities, shown, _headline(found), {"pruning": found}, plan.notes, plan.title)

    def _task(self, plan: Plan) -> AbstractTask:
        if self.images:
            return plan.task(images=load_images(self.images))
        if self.recording:
            return plan.task(series=Series.from_recording(load_recording(self.recording)))
        return plan.task()

    def _methods(self, plan: Plan, exam: Exam, told: str) -> str:
        steps = plan.train.get("steps")
        return (
            f"Density {self.density:g} of recurrent connections. Each network: {steps} training steps on the same "
            f"trials from the same weights; activity pruning and the magnitude of trained weights take a trained dense "
            f"network and train it for {steps} more. {self.trials} held-out trials. Spectra: {told or 'none'}"
        )


@dataclass(frozen=True, eq=False)
class _Nursery:
    """Grows the networks of a study from one start."""

    start: Network
    task: AbstractTask
    study: PruningStudy
    plan: Plan
    place: Path
    end: str

    def grown(self, only: set[str] | None) -> Iterator[tuple[str, Network, Fit]]:
        """Give each network's name, the network before its (last) training, and its fit; the dense one first.

        Args:
            only: names that are grown; all where absent.
        """
        study = self.study
        wanted = [name for name in (*study.methods, *study.trained) if only is None or name in only]
        dense = self.taught("dense", self.start)
        yield "dense", self.start, dense
        for name in wanted:
            if name == "gradual":
                rule = GradualMagnitude(study.density)
                yield name, self.start, self.taught(name, self.start, thinning=rule)
                continue
            if name == "activity_within":
                whole = self.plan.train["steps"]
                half = self.taught("dense_half", self.start, steps=whole // 2)
                pruned = self.pruned("activity", half.network).network
                yield name, pruned, self.taught(name, pruned, steps=whole - whole // 2)
                continue
            pruned = self.pruned(name, dense.network).network
            yield name, pruned, self.taught(name, pruned)

    def pruned(self, name: str, trained: Network) -> Pruned:
        """Return a network of the study, pruned before its (last) training."""
        self.plan.say(f"pruning {name}{self.end}")
        told = {"density": self.study.density, "seed": self.plan.seed}
        if name == "ticket":
            return prune(self.start, LotteryTicket(trained), **told)
        if name == "magnitude_trained":
            return prune(trained, MagnitudePruning(), **told)
        if name == "activity":
            seen = self.task.sample(self.study.shown, generator=generator(self.plan.seed + 2_000))
            return prune(trained, ActivityPruning(seen.inputs, seen.start), **told)
        return prune(self.start, self.study.methods[name], **told)

    def taught(self, name: str, network: Network, **more: Any) -> Fit:
        """Train a network of the study, from where its checkpoint left off."""
        self.plan.say(f"training {name}{self.end}")
        told = {"seed": self.plan.seed, "progress": self.plan.progress, **self.plan.train, **more}
        return train(network, self.task, checkpoint=self.place / f"{name}{self.end}.ckpt", **told)


def _counts(network: Network, start: Network) -> dict[str, float]:
    """Return how many units and synapses there are, and which part that is of those there were at the start."""
    (between, whole), (all_between, all_whole) = (_synapses(one) for one in (network, start))
    found = {"units": float(network.n_units), "synapses": float(between), "whole_synapses": float(whole)}
    return found | {"density": between / all_between, "whole_density": whole / all_whole}


def _synapses(network: Network) -> tuple[int, int]:
    """Return the connections between units, and all synapses: with those onto themselves, of inputs and readout."""
    with torch.no_grad():
        w_in, recurrent, *_ = network.cell.weights()
        there = recurrent != 0
        between = int(there.sum() - there.diagonal().sum())
        return between, int(there.sum() + (w_in != 0).sum() + (network.readout != 0).sum())


def _stability(mine: Mapping[str, Spectrum], dense: Mapping[str, Spectrum]) -> dict[str, float]:
    found = {}
    for when, one in mine.items():
        prefix = "early_" if when == "early" else ""
        found[f"{prefix}exponent"] = one.largest
        found[f"{prefix}off"] = abs(one.largest - dense[when].largest)
        found[f"{prefix}distance"] = one.distance(dense[when])
    return found


def _references(exam: Exam, found: PruningTable) -> dict[str, float]:
    """Return the error of who says that all stays as it is, and that of the dense network over it."""
    if not isinstance(exam.task, Forecasting):
        return {}
    persistence = float(exam.task.persistence(exam.trials).mean())
    dense = found.of("dense", "error")[0]
    return {"persistence": persistence, "over_persistence": float(dense) / persistence}


def _unit(task: AbstractTask) -> str:
    return "fraction told wrong" if task.higher_is_better else "error (standard deviations)"


def _headline(found: PruningTable) -> pd.DataFrame:
    columns = ("error", "valid", "off", "distance", "operations", "density")
    shown = {name: found.table[name].to_numpy(float).round(4) for name in columns}
    return pd.DataFrame({"network": found.table["network"], **shown})
