"""How memory grows under two curricula: one head at a time, or all heads together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.curriculum import MultiHead, SingleHead
from neurornn.errors import RecipeError
from neurornn.network import Network
from neurornn.statistics import decays, n_components
from neurornn.study.base import AbstractStudy, Findings, Plan, place_of
from neurornn.study.growth import STATISTICS, Growth, grow, grow_all
from neurornn.study.memory import (
    Curricula,
    Memories,
    Tolerance,
    headline,
    memory_quantities,
    recall_quantities,
    tolerance_quantities,
)
from neurornn.study.robustness import (
    TAU_NOISE,
    WEIGHT_NOISE,
    Probe,
    ablation,
    noise_curve,
    noisy_taus,
    noisy_weights,
    retraining,
)
from neurornn.task.bits import AbstractBits


@dataclass(frozen=True)
class TimescaleStudy(AbstractStudy):
    """Train one network with a single head, one with many heads, and compare how they came to their memory.

    Both start from the same recurrent weights. An epoch is `validate_every` training steps, after which the curriculum
    judges; the smallest N is that of the task.

    **What does not hold at small N.** How far time constants spread does not set the curricula apart while the single
    head still learns with ease: in the checkpoints that the authors ship for N = 11 it is 0.98 of the spread with many
    heads, and so it is here at their size. It grows where the single head struggles, and with how long it does.

    Args:
        single_last: the largest N of the single-head curriculum.
        multi_last: the largest N of the multi-head curriculum.
        single_epochs: after which single-head training stops at the latest.
        multi_epochs: after which multi-head training stops at the latest.
        compared_at: the N at which both are compared and perturbed.
        streams: long streams on which accuracies are measured.
        bits: of each that count, after 100 more.
        lesioned: units with the shortest, and with the longest time constants that are silenced one by one.
        repeats: draws of the noise on weights and on time constants.
        memory_streams: streams for the autocorrelation.
        memory_bits: of each, after 500 more.
        retrained: larger N that both are trained on from `compared_at`; none where empty.
        retrained_epochs: epochs of each.
        folder: where checkpoints are kept, so that a training that was cut short goes on; a temporary one where empty.
        workers: trainings side by side, each in a process of its own: 2 for both.

    References:
        Khajehabdollahi et al. (2024), doi:10.48550/arXiv.2309.12927.
    """

    single_last: int = 11
    multi_last: int = 12
    single_epochs: int = 100
    multi_epochs: int = 40
    compared_at: int = 9
    streams: int = 10
    bits: int = 500
    lesioned: int = 10
    repeats: int = 3
    memory_streams: int = 5
    memory_bits: int = 2000
    retrained: tuple[int, ...] = ()
    retrained_epochs: int = 2
    folder: str = ""
    workers: int = 1

    def __post_init__(self) -> None:
        _check.count("TimescaleStudy", "workers", self.workers)
        last = min(self.single_last, self.multi_last)
        if self.compared_at > last:
            fix = "Both curricula must ask for it."
            _check.fail("TimescaleStudy", "compared_at", f"at most {last}, where one ends", self.compared_at, fix)

    def run(self, plan: Plan) -> Findings:
        task, epoch, settings = bits_and_epoch(plan, "TimescaleStudy")
        with place_of(self.folder, plan) as folder:
            trainings = {
                name: self._training(plan, name, task, epoch, settings, folder / name) for name in ("single", "multi")
            }
            growths = grow_all(trainings, workers=self.workers)
        plan.say("asking both about every N")
        curricula = Curricula(growths, self._recall(growths, task, plan.seed), self._methods(epoch))
        worst = _worst_head(growths["multi"], task, plan.seed)
        parts: dict[str, Any] = {"curricula": curricula}
        quantities = self._growth_quantities(growths, task) | recall_quantities(curricula, worst)
        if all(self.compared_at in one.networks for one in growths.values()):
            plan.say("silencing units, noise on weights and time constants")
            parts["tolerance"] = self._tolerance(growths, task, epoch, settings, plan.seed)
            quantities |= tolerance_quantities(parts["tolerance"])
        plan.say("timescales from autocorrelations")
        parts["memories"] = self._memories(growths, task, plan.seed)
        quantities |= memory_quantities(parts["memories"])
        note = (
            f"Trained for {growths['single'].epochs:.0f} (single-head) and {growths['multi'].epochs:.0f} (multi-head) "
            f"epochs of {epoch} batches; networks of {growths['multi'].fit.network.n_units} units."
        )
        first = headline(growths, quantities, self.compared_at)
        return Findings(quantities, growths["multi"].fit, first, parts, (*plan.notes, note), plan.title)

    def _training(
        self, plan: Plan, name: str, task: AbstractBits, epoch: int, settings: Mapping[str, Any], folder: Path
    ) -> "partial[Growth]":
        if name == "single":
            curriculum, whole, epochs = SingleHead(task, self.single_last), task, self.single_epochs
        else:
            curriculum, epochs = MultiHead(task, self.multi_last), self.multi_epochs
            whole = replace(task, ns=tuple(range(min(task.ns), self.multi_last + 1)))
        plan.say(f"training {name}-head on {type(task).__name__}, up to {epochs} epochs of {epoch} batches")
        return partial(
            grow,
            plan.network(whole, plan.seed),
            curriculum,
            name=name,
            task=whole,
            epochs=epochs,
            epoch=epoch,
            folder=folder,
            settings=settings,
            seed=plan.seed,
            progress=plan.progress and self.workers == 1,
        )

    def _probe(self, growth: Growth, task: AbstractBits, trained: int, asked: int, seed: int) -> Probe:
        """Return a probe of the network as it was when it passed `trained`, asked about `asked`."""
        heads, ns = growth.heads[trained], growth.ns[trained]
        answers = heads[ns.index(asked)] if asked in ns else heads[-1]
        return Probe(
            growth.networks[trained], _fair(task), asked, answers, self.streams, self.bits, seed=generator_seed(seed)
        )

    def _recall(self, growths: Mapping[str, Growth], task: AbstractBits, seed: int) -> pd.DataFrame:
        rows = []
        for name, growth in growths.items():
            for n in range(min(task.ns), growth.solved + 1):
                probe = self._probe(growth, task, growth.solved, n, seed)
                rows.append({"curriculum": name, "n": n, "accuracy": float(probe.accuracy())})
        return pd.DataFrame(rows, columns=["curriculum", "n", "accuracy"])

    def _tolerance(
        self, growths: Mapping[str, Growth], task: AbstractBits, epoch: int, settings: Mapping[str, Any], seed: int
    ) -> Tolerance:
        ablated, noise, again = [], [], [pd.DataFrame(columns=["n", "accuracy", "curriculum"])]
        for name, growth in growths.items():
            probe = self._probe(growth, task, self.compared_at, self.compared_at, seed)
            ablated.append(ablation(probe, self.lesioned).assign(curriculum=name))
            for on, change, sizes in (
                ("weights", noisy_weights, WEIGHT_NOISE),
                ("time constants", noisy_taus, TAU_NOISE),
            ):
                noise.append(noise_curve(probe, change, sizes, self.repeats).assign(curriculum=name, on=on))
            if self.retrained:
                told = {"epochs": self.retrained_epochs, "epoch": epoch, "settings": dict(settings)}
                again.append(retraining(probe, growth.task, self.retrained, **told).assign(curriculum=name))
        methods = (
            f"Accuracy at every step of {self.streams} streams of {self.bits} fair bits after 100 more, asked about "
            f"N = {self.compared_at}; relative: above chance, over that of the intact network. The {self.lesioned} "
            f"units with the shortest and the longest time constants, silenced one by one for the other units and the "
            f"readout alike. Noise: {self.repeats} draws a size, in parts of the norm; on time constants it only adds."
        )
        every = pd.concat(again, ignore_index=True) if len(again) > 1 else again[0]
        return Tolerance(
            self.compared_at, pd.concat(ablated, ignore_index=True), pd.concat(noise, ignore_index=True), every, methods
        )

    def _memories(self, growths: Mapping[str, Growth], task: AbstractBits, seed: int) -> Memories:
        networks = {"untrained": growths["single"].untrained}
        networks |= {name: one.networks[one.solved] for name, one in growths.items() if one.solved}
        found, dimensions = {}, {}
        for name, network in networks.items():
            activity = _driven(network, task, self.memory_streams, self.memory_bits, seed)
            found[name] = decays(activity, dt=network.dt)
            dimensions[name] = float(np.mean([n_components(stream) for stream in activity]))
        methods = (
            f"Driven by {self.memory_streams} streams of {self.memory_bits} bits as in training, after 500 more. "
            + found["untrained"].methods
            + " Dimensionality: principal components that hold 90 % of the variance of a stream."
        )
        return Memories(found, dimensions, {name: growths[name].solved for name in found if name in growths}, methods)

    def _methods(self, epoch: int) -> str:
        return (
            f"Both networks start from the same recurrent weights. An epoch is {epoch} batches; a stage is passed when "
            f"the fraction of right answers on fresh trials is above 98 % in the mean and at the largest N. Spectral "
            f"radii: of the recurrent weights, and of the linear part of one step."
        )

    def _growth_quantities(self, growths: Mapping[str, Growth], task: AbstractBits) -> dict[str, float]:
        single, multi = growths["single"], growths["multi"]
        start, first = float(multi.table["tau_mean"].iloc[0]), min(task.ns)
        named = {"untrained_tau_mean": start}
        for name, one, last in (("single", single, self.single_last), ("multi", multi, self.multi_last)):
            named |= {f"{name}_solved": float(one.solved), f"{name}_epochs": one.epochs}
            named |= {f"{name}_{column}_end": float(one.table[column].iloc[-1]) for column in STATISTICS}
            for n in range(first, last + 1):
                named[f"{name}_epoch_{n}"] = one.at(n, "epoch")
                for column in ("tau_mean", "tau_sd", "tau_max", "weight_mean", "radius", "step_radius"):
                    named[f"{name}_{column}_{n}"] = one.at(n, column)
                named[f"{name}_tau_fall_{n}"] = start - one.at(n, "tau_mean")
        # Where single-head never comes to the N, the epochs it tried for are a lower bound.
        tried = min(single.at(self.compared_at, "epoch"), single.epochs)
        named["slowdown"] = tried / multi.at(self.compared_at, "epoch")
        named["tau_sd_ratio"] = named["single_tau_sd_end"] / named["multi_tau_sd_end"]
        weights = [one.at(self.compared_at, "weight_mean") for one in (single, multi)]
        named["weight_excess"] = weights[0] - 2 * weights[1]
        named["multi_epochs_a_stage"] = float(multi.table["epochs"].iloc[1:-1].max())
        return named


def generator_seed(seed: int) -> int:
    """Return the seed of the streams on which networks are probed: other bits than those of training."""
    return seed + 7_000_003


def bits_and_epoch(plan: Plan, owner: str) -> tuple[AbstractBits, int, dict[str, Any]]:
    """Return task, steps of an epoch and the other settings of training; or refuse them in the study's name."""
    task = plan.task()
    if not isinstance(task, AbstractBits):
        fix = "Use Parity or BitMatch."
        _check.fail(owner, "task", "on a stream of bits", type(task).__name__, fix, error=RecipeError)
    settings = dict(plan.train)
    for key in ("steps", "curriculum"):
        if key in settings:
            must, fix = "left to the study", "Set epochs in [study]."
            _check.fail(owner, f"train.{key}", must, settings[key], fix, error=RecipeError)
    if not settings.get("validate_every"):
        must, fix = "the training steps of one epoch", "Add [train] validate_every = 200."
        _check.fail(owner, "train.validate_every", must, None, fix, error=RecipeError)
    return task, settings.pop("validate_every"), settings


def _fair(task: AbstractBits) -> AbstractBits:
    """Return the task with fair bits, whose chance level is one half whatever the N."""
    return replace(task, spread=0.0) if hasattr(task, "spread") else task  # type: ignore[call-arg]


@torch.no_grad()
def _worst_head(growth: Growth, task: AbstractBits, seed: int, n_trials: int = 2560) -> float:
    """Return the accuracy of the worst head after the last stage passed, on new trials of the kind trained on."""
    if not growth.solved:
        return float("nan")
    network, heads = growth.networks[growth.solved], growth.heads[growth.solved]
    asked = replace(task, ns=growth.ns[growth.solved])
    stream = generator(generator_seed(seed) + 1)
    trials = asked.sample(n_trials, generator=stream)
    run = network(trials.inputs, scatter=network.draw_scatter(n_trials, stream))
    outputs = torch.cat([run.outputs[..., network.heads[name]] for name in heads], dim=-1)
    return float(asked.right(trials, outputs).double().mean(0).min())


@torch.no_grad()
def _driven(network: Network, task: AbstractBits, streams: int, bits: int, seed: int) -> np.ndarray:
    """Return the activity while long streams of bits come in, `(stream, time, unit)`, without the first 500 bits."""
    stream = generator(generator_seed(seed) + 2)
    drawn = task.draw(streams, 500 + bits, generator=stream).repeat_interleave(task.steps_a_bit, dim=1)
    run = network(drawn[..., None].to(network.readout), scatter=network.draw_scatter(streams, stream))
    return run.activity[:, 500 * task.steps_a_bit :].double().cpu().numpy()
