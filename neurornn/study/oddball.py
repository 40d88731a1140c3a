"""An oddball heard by networks that save energy: mismatch, adaptation to the standard, and the tone left out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.energy import drives
from neurornn.errors import RecipeError
from neurornn.fit import DrivePenalty, Objective, train
from neurornn.fit.record import end_to_end
from neurornn.network import Network, Run
from neurornn.recording import Recording
from neurornn.statistics import Mismatch, mismatch
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.task import Oddball, Role
from neurornn.trials import Trials

REFERENCES = ("10.1038/nn1032", "10.1038/s41467-017-02038-6", "10.1016/j.patter.2022.100639")
ROLES = ("standard", "deviant", "control", "omission")


@dataclass(frozen=True, eq=False)
class Deviance:
    """What tones cost and what they evoke, by their role.

    Args:
        roles: one row a network, measure (`rate`, `drive`) and role: the mean response of the units with an input.
        repetitions: mean rate at each position of an oddball sequence, rare tones and those after them left out, by
            network.
        distances: mean rate to deviants, by how many tones they lie from the standard, by network.
        units: mismatch of each unit's rate, by network.
        costs: mismatch of what each unit's drive comes to, by network.
        omissions: cosine of the angle between the drive where a tone is left out, turned round, and the input that it
            would have brought, by network.
        methods: how this was made.
        references: DOIs.
    """

    roles: pd.DataFrame
    repetitions: pd.DataFrame
    distances: pd.DataFrame
    units: Mapping[str, Mismatch]
    costs: Mapping[str, Mismatch]
    omissions: Mapping[str, float]
    methods: str
    references: tuple[str, ...] = REFERENCES

    def frame(self) -> pd.DataFrame:
        """Return one row a network, measure and role."""
        return self.roles

    def response(self, network: str, measure: str, role: str) -> float:
        """Return the mean response of a network to tones in a role."""
        asked = {"network": network, "measure": measure, "role": role}
        rows = np.logical_and.reduce([(self.roles[name] == value).to_numpy() for name, value in asked.items()])
        return float(self.roles["response"].to_numpy(dtype=float)[rows][0])

    def summary(self) -> pd.DataFrame:
        """Return the indices of the population, one row a network and measure."""
        rows = []
        for measure, found in (("rate", self.units), ("drive", self.costs)):
            for name, one in found.items():
                rows.append({"network": name, "measure": measure, **one.population()})
        return pd.DataFrame(rows)


@dataclass(frozen=True)
class OddballStudy(AbstractStudy):
    """Train a network to spend little on sequences of tones, and give it the oddball with its controls.

    Beside it stand an untrained network and one that was trained on many standards alone, where nothing is regular.
    Omissions are new to all of them.

    Args:
        sequences: test sequences.
        length: tones of each.
        omission: probability of a tone left out in them.
        many: share of sequences with many standards among them.
        n_shuffles: of roles, for each unit's null.

    References:
        N. Ulanovsky, L. Las and I. Nelken (2003), doi:10.1038/nn1032; G. G. Parras et al. (2017),
        doi:10.1038/s41467-017-02038-6; A. Ali et al. (2022), doi:10.1016/j.patter.2022.100639.
    """

    sequences: int = 300
    length: int = 30
    omission: float = 0.05
    many: float = 0.4
    n_shuffles: int = 199

    def run(self, plan: Plan) -> Findings:
        task = plan.task()
        if not isinstance(task, Oddball):
            fix = "Use Oddball."
            _check.fail("OddballStudy", "task", "of tones", type(task).__name__, fix, error=RecipeError)
        start = plan.network(task, plan.seed)
        start.readout.requires_grad_(False)
        settings = {"objective": Objective({"drive": DrivePenalty()}), **plan.train}
        fits = {}
        for name, learnt in (("energy", task), ("irregular", replace(task, many=1.0))):
            plan.say(f"training, {name}")
            fits[name] = train(start, learnt, seed=plan.seed, progress=plan.progress, **settings)
        plan.say("the oddball")
        heard = replace(task, length=self.length, omission=self.omission, many=self.many)
        trials = heard.sample(self.sequences, generator=generator(plan.seed + 7_000_003))
        networks = {name: fit.network for name, fit in fits.items()} | {"untrained": start}
        deviance = self._deviance(networks, heard, trials, plan.seed)
        quantities = _quantities(deviance)
        note = (
            f"{task.n_in} channels, {start.n_units} units; a tone lasts {task.tone:g} ms, one comes every "
            f"{task.pace:g} ms, a step is {task.dt:g} ms."
        )
        parts = {"deviance": deviance}
        return Findings(quantities, fits["energy"], _headline(quantities), parts, (*plan.notes, note), plan.title)

    def _deviance(self, networks: Mapping[str, Network], task: Oddball, trials: Trials, seed: int) -> Deviance:
        roles, repetitions, distances, omissions = [], {}, {}, {}
        units, costs = {}, {}
        for name, network in networks.items():
            rates, spent = heard_by(network, task, trials)
            told = {"control": "control", "stimulus": "tone", "window": (0.0, task.tone), "seed": seed}
            units[name] = mismatch(rates, n_shuffles=self.n_shuffles, **told)
            costs[name] = mismatch(spent, n_shuffles=0, **told)
            for measure, one in (("rate", rates), ("drive", spent)):
                response = _responses(one, task)
                by_role = _means(response, one.trials["role"].to_numpy())
                roles += [
                    {"network": name, "measure": measure, "role": role, "response": by_role.get(role, np.nan)}
                    for role in ROLES
                ]
                if measure == "rate":
                    repetitions[name], distances[name] = _courses(response, one.trials, trials, task)
            omissions[name] = omission_match(network, task, trials)
        methods = (
            f"{self.sequences} sequences of {self.length} tones, {self.many:g} of them of many standards; the units "
            f"with an input. {units['energy'].methods} Omissions: the drive in the step in which a tone was due, "
            f"turned round, against the input of that tone."
        )
        return Deviance(
            pd.DataFrame(roles),
            pd.DataFrame(repetitions).sort_index().rename_axis("position"),
            pd.DataFrame(distances).sort_index().rename_axis("distance"),
            units,
            costs,
            omissions,
            methods,
        )


@torch.no_grad()
def heard_by(network: Network, task: Oddball, trials: Trials) -> tuple[Recording, Recording]:
    """Return what the units with an input send, and the size of their drive: two recordings, one trial a tone."""
    run = network(trials.inputs.to(network.readout))
    u = drives(network, run.activity, trials).abs()
    found = []
    for what, values in (("rate", run.activity), ("drive", u)):
        seen = Run(run.outputs, values[..., : network.n_in], run.state, run.dt, run.heads)
        found.append(task.tones(end_to_end(seen, trials, {"name": f"{what} of a network on Oddball"})))
    return found[0], found[1]


@torch.no_grad()
def omission_match(network: Network, task: Oddball, trials: Trials) -> float:
    """Return the cosine between the drive where a tone is left out, turned round, and what the tone would have been.

    1: what is missing is taken away just where it should have come. It is the mean over omissions; NaN without any.
    """
    k = round(task.pace / task.dt)
    run = network(trials.inputs.to(network.readout))
    u = drives(network, run.activity, trials)[:, ::k, : network.n_in]
    left_out = trials.behaviour["role"][:, ::k, 0] == Role.OMISSION
    due = task.tuning()[trials.behaviour["tone"][:, ::k, 0].long()].to(u)
    return float(torch.cosine_similarity(-u[left_out], due[left_out], dim=-1).mean())


def _responses(recording: Recording, task: Oddball) -> np.ndarray:
    """Return the mean response over units to each tone."""
    onsets = recording.trials["start"].to_numpy(float)
    windows = pd.DataFrame({"start": onsets, "stop": onsets + task.tone})
    return recording.with_trials(windows).binned(task.tone).rates.mean(axis=1)


def _means(response: np.ndarray, groups: np.ndarray) -> dict[Any, float]:
    """Return the mean response of each group, by its value in order."""
    return {value: float(response[groups == value].mean()) for value in np.unique(groups).tolist()}


def _courses(
    response: np.ndarray, tones: pd.DataFrame, trials: Trials, task: Oddball
) -> tuple[dict[Any, float], dict[Any, float]]:
    """Return mean responses by position in oddball sequences, and to deviants by their distance from the standard."""
    role, position, tone = (tones[name].to_numpy() for name in ("role", "position", "tone"))
    sequence = np.repeat(np.arange(trials.n_trials), task.length)
    many = trials.conditions["many"].to_numpy(dtype=bool)[sequence]
    lead = (role == "other") & (position <= task.lead)
    plain = ((role == "standard") | lead) & ~many
    rare = role == "deviant"
    far = np.abs(trials.conditions["standard"].to_numpy()[sequence] - tone)
    return _means(response[plain], position[plain]), _means(response[rare], far[rare])


def _quantities(deviance: Deviance) -> dict[str, float]:
    """Return every number that a gate may ask for."""
    named: dict[str, float] = {}
    for name in deviance.units:
        suffix = "" if name == "energy" else f"_{name}"
        for measure, found in (("", deviance.units), ("_drive", deviance.costs)):
            for index, value in found[name].population().items():
                named[f"{index}{measure}{suffix}"] = float(value)
        p, index = (deviance.units[name].frame()[column].to_numpy(dtype=float) for column in ("p", "index"))
        named[f"units_above_chance{suffix}"] = float(np.mean((p < 0.05) & (index > 0)))
        course = deviance.repetitions[name].to_numpy(dtype=float)
        named[f"repetition{suffix}"] = float(course[2:6].mean() / course[0])
        named[f"omission_match{suffix}"] = deviance.omissions[name]
        reach = deviance.distances[name].to_numpy(dtype=float)
        named[f"near_over_far{suffix}"] = float(reach[0] / np.nanmean(reach[len(reach) // 2 :]))
    return named


def _headline(quantities: Mapping[str, Any]) -> pd.DataFrame:
    """Return what a reader wants to know first."""
    rows = {
        "index of adaptation, (deviant - standard) / (deviant + standard)": "index",
        "of it, prediction error: deviant beside the same tone among many": "prediction_error",
        "of it, repetition suppression": "repetition_suppression",
        "what a left-out tone evokes, beside what it would have brought (cosine)": "omission_match",
    }
    columns = {"energy": "", "irregular": "_irregular", "untrained": "_untrained"}
    shown = {name: [f"{quantities[key + suffix]:.3g}" for key in rows.values()] for name, suffix in columns.items()}
    return pd.DataFrame(shown, index=list(rows))
