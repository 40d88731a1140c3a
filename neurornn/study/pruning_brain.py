"""Whether what pruning leaves of a network tells a brain better or worse than the whole network does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.cell import LeakyRate
from neurornn.comparison import Comparison, Moving, Nulls, RidgePredictivity, compare
from neurornn.errors import Diverged
from neurornn.fit import AbstractConstraint, ConstrainedFit, Descent, Fit, RateTrials, fit_rates
from neurornn.fit.constrained_fit import score_trials
from neurornn.fit.train import train
from neurornn.network import Network
from neurornn.pruning import (
    AbstractPruning,
    ActivityPruning,
    LyapunovNoisePruning,
    MagnitudePruning,
    RandomPruning,
    prune,
)
from neurornn.recording import Recording
from neurornn.study.base import AbstractStudy, Findings, Plan, needs_recording
from neurornn.study.constrained import ConstrainedStudy, from_inputs, roles
from neurornn.study.pruned_beside import STAGES, PrunedBeside
from neurornn.study.track import TrackStudy
from neurornn.study.tracking import track_animal

METRIC = RidgePredictivity(penalties=tuple(float(a) for a in np.logspace(-3, 3, 8)), ratios=(0.1, 1.0, 10.0), n_inner=3)
"""Enough penalties to choose from where a hundred networks are compared."""
DETERMINISTIC = (MagnitudePruning, ActivityPruning)
"""Ways of pruning that draw nothing: one draw is all."""


UNBOUNDED = 1e6
"""Activity from here on is that of a network that has blown up; NaN and infinity are, too."""


class Case(NamedTuple):
    """One pruned network that is asked for: how, how much is left, and which draw."""

    method: str
    asked: float
    draw: int


@dataclass(frozen=True)
class BrainPruningStudy(AbstractStudy):
    """Prune a trained navigation network and a network fitted to neurons, and ask what the rest tells of the neurons.

    1. A network learns to track position from self-motion as an animal moves (see `TrackStudy`). It never sees a
       neuron. It is pruned in several ways to several densities, and each of those is also trained some more, the dense
       network as long. All are driven through the animal's own runs, and its units are predicted from theirs by ridge
       regression on held-out runs, in the same folds, beside all nulls.
    2. A network each of whose units is a neuron is fitted to laps (see `ConstrainedStudy`), pruned alike, and runs by
       itself through held-out laps; each is also fitted some more.

    What counts is the difference from the dense network, and from random pruning at the same density. A network that
    leaves the finite numbers, by itself or in training, has no score: it counts as one that predicts nothing.

    Activity pruning drops units of the first network and synapses of the second, whose units all stand for neurons;
    Lyapunov noise pruning drops no units there either.

    Args:
        methods: ways of pruning, by name; "random" must be among them. "activity" is added.
        densities: parts of the recurrent connections that are left.
        draws: of each way of pruning that draws.
        retrain: steps of training after pruning, with the settings of the training before.
        constraints: how the second network is fitted; the last, a `Descent`, fits what pruning leaves again.
        position: name of the position signal.
        min_speed: slower bins are left out of the comparison, position units/s.
        dt: bin width of the comparison, ms.
        untrained: untrained networks in the comparison.
        shifts: circular shifts in it.
        shown: trials that activity pruning looks at.

    References:
        Moore & Chaudhuri (2020), doi:10.48550/arXiv.2011.07334; Yamins et al. (2014), doi:10.1073/pnas.1403112111;
        Perich et al. (2020), doi:10.1101/2020.12.18.423348.
    """

    methods: dict[str, AbstractPruning] = field(default_factory=lambda: {"random": RandomPruning()})
    densities: tuple[float, ...] = (0.5, 0.2, 0.05)
    draws: int = 2
    retrain: int = 60
    constraints: dict[str, AbstractConstraint] = field(default_factory=lambda: {"descent": Descent()})
    position: str = "linear"
    min_speed: float = 20.0
    dt: float = 250.0
    untrained: int = 3
    shifts: int = 100
    shown: int = 32

    def __post_init__(self) -> None:
        owner = "BrainPruningStudy"
        if "random" not in self.methods:
            fix = 'Add [study.methods.random] type = "RandomPruning": it is what the others are held against.'
            _check.fail(owner, "methods", "ways of pruning with a random one", list(self.methods), fix)
        if "activity" in self.methods or "dense" in self.methods:
            fix = "The study adds both by itself."
            _check.fail(owner, "methods", "none called activity or dense", list(self.methods), fix)
        if not self.constraints or not isinstance(list(self.constraints.values())[-1], Descent):
            fix = "Recursive least squares would bring back what was cut."
            _check.fail(owner, "constraints", "methods of which the last is a Descent", list(self.constraints), fix)
        if not self.densities:
            _check.fail(owner, "densities", "one or more", self.densities)
        for density in self.densities:
            _check.fraction(owner, "densities", density)
        if len({round(100 * density) for density in self.densities}) < len(self.densities):
            _check.fail(owner, "densities", "whole per cents, each once", self.densities)
        for name in ("draws", "retrain", "untrained", "shown"):
            _check.count(owner, name, getattr(self, name))

    def run(self, plan: Plan) -> Findings:
        session = needs_recording("BrainPruningStudy", plan)
        tracks = TrackStudy(position=self.position, min_speed=self.min_speed, dt=self.dt)
        runs, held_out = tracks.runs(session)
        laps = ConstrainedStudy(self.constraints, position=self.position)
        trials = laps.trials(session)
        fit = tracks.trained(plan, runs, held_out)
        rows, whole, shown = self._track(plan, fit, runs, held_out)
        teach, judge, held = roles(trials)
        fitted = list(laps.fitted(plan, trials, teach, judge).values())[-1]
        plan.say("pruning the network of the neurons")
        rows += self._neurons(plan, fitted, trials, held)
        nulls = {
            "track": {name: whole.of(name, "r").median() for name in ("untrained", "behaviour", "time", "shifted")},
            "neurons": self._neuron_nulls(fitted, trials, np.concatenate([teach, judge]), held),
        }
        table = pd.DataFrame(rows).assign(seed=plan.seed)
        found = PrunedBeside(table, nulls, self._methods(plan, whole, len(held)))
        quantities = found.quantities() | {
            "complete": float(whole.complete),
            "n_units": float(whole.n_units),
            "neurons": float(trials.n_units),
            "diverged": float(np.isnan(table["score"].to_numpy(float)).sum()),
            "tracking_standing_still": shown,
            "dense_over_untrained": found.of("track", "cut", "dense", 1.0)[0] - nulls["track"]["untrained"],
            "dense_over_shifted": found.of("track", "cut", "dense", 1.0)[0] - nulls["track"]["shifted"],
            "dense_over_behaviour": found.of("track", "cut", "dense", 1.0)[0] - nulls["track"]["behaviour"],
        }
        note = "The first network saw no neuron; neurons are predicted on held-out runs. There is one animal."
        parts = {"pruned": found, "compare": whole, "training": fit}
        return Findings(quantities, fit, _headline(found), parts, (*plan.notes, note), plan.title)

    def _track(
        self, plan: Plan, fit: Fit, runs: Recording, held_out: np.ndarray
    ) -> tuple[list[dict[str, Any]], Comparison, float]:
        """Return a row for each network of the track, the dense one's comparison, and the error of standing still."""
        seen = fit.task.sample(self.shown, generator=generator(plan.seed + 2_000))
        activity = ActivityPruning(seen.inputs, seen.start)
        more = {**plan.train, "steps": self.retrain, "seed": plan.seed + 1, "progress": False}
        rows: list[dict[str, Any]] = []
        recorded: dict[str, list[Recording]] = {}
        standing = float("nan")
        for case, network in self._pruned(plan, fit.network, {**self.methods, "activity": activity}):
            plan.say(f"training what {case.method} leaves at {case.asked:.0%}")
            for stage, one in zip(STAGES, (replace(fit, network=network), _again(network, fit, more)), strict=True):
                row = {"kind": "track", "stage": stage, **case._asdict(), "tracking": np.nan, "score": np.nan}
                rows.append(row | {"ceiling": np.nan})
                record = None if one is None else _recorded(one, runs, plan.seed)
                if one is None or record is None:
                    continue
                tracked = track_animal(one, runs, held_out, seed=plan.seed).summary().loc["held out"]
                standing = float(tracked["standing_still"])
                rows[-1]["tracking"] = float(tracked["network"])
                several = recorded.setdefault(_source(row), [])
                rows[-1]["place"] = len(several)
                several.append(record)
        plan.say("comparing the networks with the neurons, beside the nulls")
        told: dict[str, Any] = {
            "dt": self.dt,
            "behaviour": (self.position,),
            "where": Moving(self.min_speed, self.position),
            "nulls": Nulls(n_shifts=self.shifts),
            "n_untrained": self.untrained,
            "seed": plan.seed,
            "memory": {},
        }
        whole = compare(fit, runs, METRIC, **told)
        all_of_them = compare(fit, runs, METRIC, beside=recorded, **told)
        for row in [row for row in rows if "place" in row]:
            source = f"{_source(row)} {row.pop('place')}"
            row["score"] = float(all_of_them.of(source, "r").median())
            row["ceiling"] = float(all_of_them.of(source, "map_r2_of_ceiling").median())
        return rows, whole, standing

    def _neurons(self, plan: Plan, fit: ConstrainedFit, trials: RateTrials, held: np.ndarray) -> list[dict[str, Any]]:
        """Return a row for each network of the neurons."""
        inputs = torch.from_numpy(trials.inputs[fit.train][:, 1:]).to(fit.network.readout)
        methods = {name: _keeps_units(method) for name, method in self.methods.items()}
        methods["activity"] = ActivityPruning(inputs, drop="synapses")
        how = list(self.constraints.values())[-1]
        told = {"train": fit.train, "validation": fit.validation, "seed": plan.seed + 1, "progress": False}
        rows: list[dict[str, Any]] = []
        for case, network in self._pruned(plan, fit.network, methods):
            assert isinstance(network.cell, LeakyRate)
            try:
                again = fit_rates(network.cell, trials, how, **told).score(held).pvar
            except Diverged:
                again = float("nan")
            scores = (fit.score(held, network=network).pvar, again)
            for stage, score in zip(STAGES, scores, strict=True):
                rows.append({"kind": "neurons", "stage": stage, **case._asdict(), "score": score})
        return rows

    def _pruned(
        self, plan: Plan, network: Network, methods: dict[str, AbstractPruning]
    ) -> Iterator[tuple[Case, Network]]:
        """Give the dense network, and each pruned one."""
        yield Case("dense", 1.0, 0), network
        for name, method in methods.items():
            for asked in self.densities:
                for draw in range(1 if isinstance(method, DETERMINISTIC) else self.draws):
                    made = prune(network, method, density=asked, seed=1000 * plan.seed + draw)
                    yield Case(name, asked, draw), made.network

    def _neuron_nulls(
        self, fit: ConstrainedFit, trials: RateTrials, known: np.ndarray, held: np.ndarray
    ) -> dict[str, float]:
        """Return what simpler predictions explain of the same laps."""
        seen = trials.select(held)
        alone = score_trials(seen.rates, from_inputs(trials, known, held), fit.null, trials.units).pvar
        return {"inputs alone": alone} | {name: score.pvar for name, score in fit.baselines(held).items()}

    def _methods(self, plan: Plan, whole: Comparison, n_held: int) -> str:
        names = ", ".join([*self.methods, "activity"])
        return (
            f"Pruned by {names}, {self.draws} times each where anything is drawn; retrained: {self.retrain} further "
            f"steps of training, the dense network alike. Track: {whole.methods} Neurons: explained variance of "
            f"{n_held} held-out laps in which the network runs by itself; fitted once more by the last of its methods."
        )


def _again(network: Network, fit: Fit, more: dict[str, Any]) -> Fit | None:
    """Return what some more training makes of a network; nothing where that diverges."""
    try:
        return train(network, fit.task, **more)
    except Diverged:
        return None


def _recorded(fit: Fit, runs: Recording, seed: int) -> Recording | None:
    """Return what a network does in an animal's runs; nothing where its activity grows beyond all bounds."""
    trials = fit.task.follow(runs)
    with torch.no_grad():
        activity = fit.network(trials.inputs, start=trials.start).activity
    return fit.record(runs, seed=seed) if bool((activity.abs() < UNBOUNDED).all()) else None


def _source(row: dict[str, Any]) -> str:
    """Return what networks of one stage, method and density are called in a comparison."""
    return f"{row['stage']} {row['method']} at {row['asked']:.0%}"


def _keeps_units(method: AbstractPruning) -> AbstractPruning:
    """Return a way of pruning that drops no unit: each of them is a neuron."""
    return replace(method, units=0.0) if isinstance(method, LyapunovNoisePruning) else method


def _headline(found: PrunedBeside) -> pd.DataFrame:
    """Return scores by method and density, as cut and retrained."""
    titles: dict[str, Callable[[float], str]] = {
        "track": lambda asked: f"r, {asked:.0%} left",
        "neurons": lambda asked: f"explained variance, {asked:.0%} left",
    }
    columns: dict[str, dict[str, str]] = {}
    for kind, title in titles.items():
        for asked in found.densities:
            columns[title(asked)] = {
                name: " / ".join(_said(found.of(kind, stage, name, asked)[0]) for stage in STAGES)
                for name in ("dense", *found.pruned)
            }
    return pd.DataFrame(columns)


def _said(score: float) -> str:
    return f"{score:.2f}" if np.isfinite(score) else "diverged"
