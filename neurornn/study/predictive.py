"""Predictive coding from energy efficiency: networks that only save energy, on sequences that can be foreseen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import RecipeError
from neurornn.fit import ActivityPenalty, DrivePenalty, Fit, Objective, WeightPenalty, train
from neurornn.network import Network
from neurornn.perturb import LesionTable, Silence, Stack, lesion
from neurornn.source import load_images
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.study.economy import Economy, guesses, priced, surprise
from neurornn.study.expecting import REFERENCE, UnitKinds, anticipating, matched, next_class, unit_kinds
from neurornn.task import ImageSequences
from neurornn.trials import Trials

SHOWN = 20
"""Control lesions whose mean is drawn image by image."""

LESIONED = 256
"""Sequences in a lesion experiment."""


@dataclass(frozen=True, eq=False)
class Foresight:
    """What the network knows of the next image, and what surprise costs.

    Args:
        table: one row a number of images seen: the fraction of next classes told right from the internal drive, intact
            and with the prediction units silenced, and the correlation of the mean drive with the median image.
        surprises: drive at the same image out of turn over in turn, by condition.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    surprises: Mapping[str, float]
    methods: str
    references: tuple[str, ...] = (REFERENCE,)

    def frame(self) -> pd.DataFrame:
        """Return one row a number of images seen."""
        return self.table


@dataclass(frozen=True)
class PredictiveStudy(AbstractStudy):
    """Train networks to spend little on sequences of images, and ask what they foresee.

    The recipe's objective is trained on sequences in order (`energy`), and on images in random order (`shuffled`), the
    control in which there is nothing to foresee; the activity alone instead of the drive (`post`), and with the weights
    (`post, weights`), where these are asked for. All start from the same weights. What is measured is measured on
    images that no training saw.

    Args:
        images: the image set: the name of a data recipe (`mnist`, `cifar10`); that of the task where empty.
        sequences: held-out sequences.
        a_class: sequences a class for the kinds of units.
        z: robust standard deviations beyond which a drive counts as a prediction.
        controls: control lesions.
        shuffled: whether to train on images in random order, too.
        post: whether to train on the activity instead of the drive, too.
        weights: coefficient of the squared weights beside the activity, for sums over units; 0 for no such training.
        folder: where checkpoints are kept, so that a training that was cut short goes on; none are where empty.

    References:
        A. Ali, N. Ahmad, E. de Groot, M. A. J. van Gerven and T. C. Kietzmann (2022), Predictive coding is a
        consequence of energy efficiency in recurrent neural networks, doi:10.1016/j.patter.2022.100639.
    """

    images: str = ""
    sequences: int = 1000
    a_class: int = 300
    z: float = 2.576
    controls: int = 199
    shuffled: bool = True
    post: bool = True
    weights: float = 0.0
    folder: str = ""

    def run(self, plan: Plan) -> Findings:
        task = plan.task(images=load_images(self.images)) if self.images else plan.task()
        if not isinstance(task, ImageSequences) or not task.ordered:
            fix = "Use ImageSequences; the study makes the shuffled one itself."
            _check.fail("PredictiveStudy", "task", "of images in order", task, fix, error=RecipeError)
        start = plan.network(task, plan.seed)
        start.readout.requires_grad_(False)
        fits = {}
        for name, (learnt, objective) in self._conditions(task, plan.train, start.n_units).items():
            plan.say(f"training, {name}")
            settings: dict[str, Any] = {**plan.train, "objective": objective}
            if self.folder:
                place = Path(self.folder) / plan.name / f"seed_{plan.seed}"
                settings["checkpoint"] = place / f"{name.replace(', ', '_')}.safetensors"
            fits[name] = anticipating(train(start, learnt, seed=plan.seed, progress=plan.progress, **settings))
        untrained = anticipating(replace(fits["energy"], network=start))
        networks = {name: fit.network for name, fit in fits.items()} | {"untrained": untrained.network}
        plan.say("looking for units that predict and units that err")
        first, test = fits["energy"], task.held_out
        trials = test.sample(self.sequences, generator=generator(plan.seed + 7_000_003))
        kinds = unit_kinds(first.network, test, n_trials=self.a_class, z=self.z, seed=plan.seed + 7_000_013)
        plan.say("lesions")
        parts: dict[str, Any] = {"kinds": kinds} | self._lesions(first, kinds, trials, plan.seed)
        plan.say("energies and surprise")
        economy = self._economy(networks, task, trials, kinds, parts, plan.seed)
        foresight = self._foresight(networks, task, trials, kinds, plan.seed)
        parts = {"economy": economy, "foresight": foresight} | parts
        quantities = _quantities(economy, foresight, kinds, parts)
        note = f"Images: {type(task.images).__name__}, {task.n_in} pixels; {start.n_units} units; energy a unit."
        return Findings(quantities, first, _headline(quantities), parts, (*plan.notes, note), plan.title)

    def _conditions(
        self, task: ImageSequences, told: Mapping[str, Any], n_units: int
    ) -> dict[str, tuple[ImageSequences, Objective]]:
        drive = told.get("objective", Objective({"drive": DrivePenalty()}))
        found = {"energy": (task, drive)}
        if self.shuffled:
            found["shuffled"] = (replace(task, ordered=False), drive)
        activity = {"activity": ActivityPenalty(1)}
        if self.post:
            found["post"] = (task, Objective(activity))
        if self.weights:
            both = Objective(activity | {"weights": WeightPenalty()}, {"weights": self.weights / n_units})
            found["post, weights"] = (task, both)
        return found

    def _lesions(self, fit: Fit, kinds: UnitKinds, trials: Trials, seed: int) -> dict[str, LesionTable]:
        """Silence the prediction units, beside as many others, and beside others that look like them."""
        if not 0 < len(kinds.prediction) <= fit.network.n_units // 2:
            return {}  # nothing to silence, or too few others: the quantities are NaN
        last = torch.zeros_like(trials.mask)
        last[:, -fit.task.steps_an_image - 1] = 1.0  # type: ignore[attr-defined]
        at_the_end = replace(trials, mask=last).select(slice(0, LESIONED))
        told: dict[str, Any] = {"controls": self.controls, "draws": 5, "trials": at_the_end, "seed": seed}
        return {
            "lesion": lesion(fit, kinds.prediction, matched_on=("n",), **told),
            "matched lesion": lesion(fit, kinds.prediction, **told),
        }

    def _economy(
        self,
        networks: Mapping[str, Network],
        task: ImageSequences,
        trials: Trials,
        kinds: UnitKinds,
        lesions: Mapping[str, Any],
        seed: int,
    ) -> Economy:
        first, test = networks["energy"], task.held_out
        tables = [priced(network, task, trials, condition=name) for name, network in networks.items()]
        disordered = replace(test, ordered=False).sample(self.sequences, generator=generator(seed + 7_000_023))
        tables.append(priced(first, task, disordered, condition="energy, out of order"))
        silent = Silence(kinds.prediction.tolist())
        tables.append(priced(first, task, trials, perturb=[silent], condition="without prediction units"))
        for name, label in (("lesion", "without as many others"), ("matched lesion", "without like others")):
            sets = lesions[name].controls.sets[:SHOWN].tolist() if name in lesions else []
            if sets:
                stack = Stack([Silence(one) for one in sets])
                few = trials.select(slice(0, LESIONED))
                tables.append(priced(first, task, few, perturb=[stack], condition=label))
        methods = (
            f"{self.sequences} held-out sequences; energies are means over the units with an input. Medians of the "
            f"guesses are those of the training images. Lesions silence what units send at every step; controls: the "
            f"mean of {SHOWN} sets. EC = AP / 3 + 2 ST / 3, ST by |W| |r|."
        )
        return Economy(pd.concat(tables, ignore_index=True), guesses(task.images, trials), methods)

    def _foresight(
        self, networks: Mapping[str, Network], task: ImageSequences, trials: Trials, kinds: UnitKinds, seed: int
    ) -> Foresight:
        medians, first = task.images.class_medians(), networks["energy"]
        right, agree = next_class(first, trials, medians)
        hurt, hurt_agree = next_class(first, trials, medians, (Silence(kinds.prediction.tolist()),))
        columns = {"intact": right, "lesioned": hurt, "correlation": agree, "correlation, lesioned": hurt_agree}
        columns |= {name: next_class(networks[name], trials, medians)[0] for name in networks if name != "energy"}
        table = pd.DataFrame({"seen": np.arange(1, len(right) + 1), **columns})
        pair = matched(task.held_out, self.sequences, task.length - 1, seed=seed + 7_000_033)
        surprises = {name: surprise(network, pair, task.steps_an_image) for name, network in networks.items()}
        methods = (
            "The internal drive at the end of an image, turned round, is held against the median training image of "
            f"each class. Surprise: the drive at the very same image number {task.length - 1} out of turn over in turn."
        )
        return Foresight(table, surprises, methods)


def _quantities(economy: Economy, foresight: Foresight, kinds: UnitKinds, parts: Mapping[str, Any]) -> dict[str, float]:
    """Return every number that a gate may ask for."""
    conditions = set(economy.table["condition"])
    guess, intact = economy.guesses, economy.curve("energy")
    named = {f"guess_{name.replace(' ', '_')}": value for name, value in guess.items()}
    named |= {f"energy_{i + 1}": float(value) for i, value in enumerate(intact)}
    late, end = intact[4:], float(intact[-1])
    settled = float(intact[-3:].mean())
    named["energy_ratio"] = end / intact[0]
    named["below_dataset_median"] = float((1 - late / guess["dataset median"]).min())
    named["above_category_median"] = float((late / guess["category median"]).min())
    named["closure"] = (guess["input"] - settled) / (guess["input"] - guess["category median"])
    named["closure_dataset"] = (guess["dataset median"] - settled) / (
        guess["dataset median"] - guess["category median"]
    )
    named["slow"] = end / intact[1]
    named["fast"] = intact[1] / intact[0]
    named["out_of_order_10"] = float(economy.curve("energy, out of order")[-1])
    for paid in ("action", "synapses", "total"):
        named[paid] = float(economy.curve("energy", paid)[-1])
    hurt = economy.curve("without prediction units")
    named["prediction_units"] = float(len(kinds.prediction))
    named["lesion_ratio"] = float(hurt[-1]) / end
    named["lesion_fast"] = abs(float(hurt[1] / intact[1]) - 1)
    named["lesion_slow"] = float(hurt[-1] / hurt[1])
    for name, short in (("lesion", "control"), ("matched lesion", "matched")):
        table = parts.get(name)
        named |= {f"{short}_ratio": float("nan"), f"{short}_p": float("nan")}
        if table is not None and len(table.control_scores):
            named[f"{short}_ratio"] = float(table.control_scores.mean() / table.intact.mean())
            named[f"{short}_p"] = table.p
    told = foresight.table
    named["decode_1"] = float(told["intact"].iloc[0])
    named["decode_late"] = float(told["intact"].iloc[3:].min())
    named["decode_lesioned"] = float(told["lesioned"].iloc[3:].max())
    named["agreement_late"] = float(told["correlation"].iloc[-1])
    for name, value in foresight.surprises.items():
        named["surprise" if name == "energy" else f"surprise_{name.replace(', ', '_')}"] = value
    for name in conditions & {"untrained", "shuffled", "post", "post, weights"}:
        key = name.replace(", ", "_")
        named[f"{key}_10"] = float(economy.curve(name)[-1])
        named[f"{key}_over_median"] = float(economy.curve(name)[-1]) / guess["dataset median"]
        named[f"{key}_decode_late"] = float(told[name].iloc[3:].min())
        for paid in ("action", "synapses", "total"):
            named[f"{key}_{paid}_ratio"] = float(economy.curve(name, paid)[-1]) / named[paid]
    named |= {f"{kind}_variance": kinds.variance_of(kind) for kind in ("prediction", "error")}
    err = named["error_variance"]
    named["variance_ratio"] = named["prediction_variance"] / err if err > 0 else float("nan")
    named |= {f"units_{kind}": float((kinds.kinds == kind).sum()) for kind in ("prediction", "error", "both")}
    return named


def _headline(quantities: Mapping[str, float]) -> pd.DataFrame:
    """Return what a reader wants to know first."""
    rows = {
        "energy at the last image over the first": quantities["energy_ratio"],
        "share of the way from the input to the category median": quantities["closure"],
        "the same image out of turn over in turn": quantities["surprise"],
        "next class told from the internal drive": quantities["decode_late"],
        "energy without prediction units over intact": quantities["lesion_ratio"],
        "energy without as many other units over intact": quantities["control_ratio"],
    }
    return pd.DataFrame({"value": [f"{value:.3g}" for value in rows.values()]}, index=list(rows))
