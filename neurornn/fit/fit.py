"""A fit: a trained network, with everything that is needed to tell how it came about and to use it."""

import copy
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from neurornn import _check
from neurornn._types import generator
from neurornn.cell.base import Intervention
from neurornn.errors import FitError, RecipeError
from neurornn.fit.account import account_of_training
from neurornn.fit.build import build
from neurornn.fit.checkpoint import write_whole
from neurornn.fit.objective import Objective
from neurornn.fit.record import end_to_end, on_clock, placed, stimulated
from neurornn.network import Network, Perturbs, Run
from neurornn.recording import Recording
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials

FORMAT = 1
ADVICE = "Put back a copy, or train it again."
WEIGHTS, TABLE = "weights.safetensors", "fit.json"


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained network and where it comes from. Made by `train`, or read back by `Fit.load`.

    Args:
        network: the trained network.
        task: what it was trained to do.
        objective: what was minimised.
        recipe: network, task, objective and training as plain data.
        history: one row a step: `step` (from 1), `stage`, `loss`, each weighted term by its name, `gradient` (the norm
            before clipping) and `score` (NaN where there was no validation).
        seed: of the training.
        versions: of Python and the packages that the numbers depend on.
        git: `commit` and `dirty` of the folder it was run in; `None` outside a git tree.
    """

    network: Network
    task: AbstractTask
    objective: Objective
    recipe: Mapping[str, Any]
    history: pd.DataFrame
    seed: int
    versions: Mapping[str, str]
    git: Mapping[str, str | bool] | None = None

    def __repr__(self) -> str:
        trained = f"{len(self.history)} steps, seed {self.seed}" if len(self.history) else "untrained"
        cell = f"{self.network.n_units} {type(self.network.cell).__name__} units"
        return f"Fit({cell} on {type(self.task).__name__}: {trained})"

    @property
    def methods(self) -> str:
        """How it was trained, in a few sentences."""
        return account_of_training(self.recipe, len(self.history), self.task.score_name, seed=self.seed)

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        return {"seeds": f"1 trained network, seed {self.seed}."}

    def frame(self) -> pd.DataFrame:
        """Return the history: one row a step."""
        return self.history

    def record(
        self,
        brain: Recording | None = None,
        *,
        n_trials: int = 64,
        seed: int = 0,
        perturb: Sequence[Perturbs] | Intervention = (),
        voltages: bool = False,
    ) -> Recording:
        """Return what the units do in new trials, or in the very trials of an animal.

        Args:
            brain: the recording of an animal. The network is driven through the animal's behaviour (`task.follow`), and
                its activity comes back on the animal's clock, NaN between trials, with the same trials, epochs and
                behaviour. Without it, new trials are drawn and laid end to end from 0 ms.
            n_trials: how many trials to draw; all of the animal's are taken with `brain`.
            seed: of the trials and the noise.
            perturb: what is done to the network meanwhile; nothing stacked. Named epochs are looked up in the trials.
                When it held is written into the recording's epochs, by the name of the perturbation's class, and comes
                out as such in neo and NWB.
            voltages: whether the activity of spiking units is their membrane potential, mV; without it they have spikes
                alone.

        Returns:
            Activity every `network.dt` ms, or of a spiking network the spikes, at the middle of their steps; a unit
            that never fired has an empty train. The units are numbered from 0.

        Raises:
            ValueError: if the task cannot follow an animal, or perturbations are stacked.
            FitError: if the trials that follow the animal are not one for each of its own.
        """
        stream = generator(seed)
        if brain is None:
            trials = self.task.sample(_check.count("Fit.record", "n_trials", n_trials), generator=stream)
        else:
            trials = self.task.follow(brain)
        acts = perturb if isinstance(perturb, Intervention) else placed(perturb, trials)
        run = self._run(trials, seed, acts, voltages=voltages)
        if run.activity.ndim != 3:
            _check.fail("Fit.record", "perturb", "one perturbation at a time", "a stack", "Record them one by one.")
        source: dict[str, object] = {
            "name": f"{type(self.network.cell).__name__} on {type(self.task).__name__}",
            "seed": seed,
            "training_seed": self.seed,
            "steps": len(self.history),
        }
        if brain is None:
            record = end_to_end(run.activity, trials, source, spikes=run.spikes, voltages=run.voltages)
        else:
            source["follows"] = str(brain.source.get("name", "unnamed"))
            record = on_clock(run.activity, trials, brain, source, spikes=run.spikes, voltages=run.voltages)
        return record if isinstance(acts, Intervention) else stimulated(record, acts, trials)

    def score(self, n_trials: int = 256, *, seed: int = 0) -> pd.Series:
        """Return the task's score of each of `n_trials` new trials, named as the task names it.

        Example:
            >>> def mean_score(fit):
            ...     return fit.score(1000, seed=1).mean()
        """
        trials = self.task.sample(_check.count("Fit.score", "n_trials", n_trials), generator=generator(seed))
        with torch.no_grad():
            outputs = self._run(trials, seed, ()).outputs
            scores = self.task.score(trials, outputs.to(trials.targets.device))
        return pd.Series(scores.cpu().numpy(), name=self.task.score_name).rename_axis("trial")

    def untrained(self, seed: int) -> "Fit":
        """Return the same with fresh initial weights and no history: the null of every comparison."""
        return replace(self, network=self.network.untrained(seed), history=self.history.iloc[:0], seed=seed)

    @torch.no_grad()
    def _run(
        self, trials: Trials, seed: int, perturb: Sequence[Perturbs] | Intervention, *, voltages: bool = False
    ) -> Run:
        """Return the run; the noise is drawn from a stream of its own."""
        network = self.network
        stream = generator(seed + 1_000_003)
        scatter = network.draw_scatter(trials.n_trials, stream)
        noise = network.draw_noise(trials.n_trials, trials.n_steps, stream)
        start = None if trials.start is None else trials.start.to(network.readout)
        inputs = trials.inputs.to(network.readout)
        return network(inputs, start=start, noise=noise, scatter=scatter, perturb=perturb, voltages=voltages)

    def save(self, folder: str | Path) -> Path:
        """Write the fit to `folder`, as weights.safetensors and fit.json, each in one move.

        Nothing in it is code. Returns the folder.
        """
        folder = Path(folder)
        weights = save({name: t.detach().cpu().contiguous() for name, t in self.network.state_dict().items()})
        rows = [[None if math.isnan(v) else v for v in row] for row in self.history.to_numpy(dtype=float).tolist()]
        table = {
            "format": FORMAT,
            "recipe": dict(self.recipe),
            "history": {"columns": list(self.history.columns), "rows": rows},
            "seed": self.seed,
            "versions": dict(self.versions),
            "git": None if self.git is None else dict(self.git),
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
        }
        text = json.dumps(table | {"sha256": _checksum(table)}, indent=1)
        write_whole(folder / WEIGHTS, weights)
        write_whole(folder / TABLE, text.encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path, *, network: Network | None = None, task: AbstractTask | None = None) -> "Fit":
        """Read a fit back.

        Args:
            folder: where it was saved.
            network: a network of the same build, where a file cannot hold it (a nonlinearity that is a function). It is
                copied.
            task: the task, where it is a class of your own.

        Raises:
            FitError: if a file is missing, truncated, was changed, or does not fit the network; the message names it.
        """
        folder = Path(folder)
        table = _read_table(folder / TABLE)
        content = _read(folder / WEIGHTS)
        if hashlib.sha256(content).hexdigest() != table["weights_sha256"]:
            raise FitError(
                f"{folder / WEIGHTS}: truncated or changed: its checksum is not the one in {TABLE}. {ADVICE}"
            )
        try:
            weights = load(content)
        except SafetensorError as error:
            raise FitError(f"{folder / WEIGHTS}: no safetensors file ({error}). {ADVICE}") from error
        recipe = table["recipe"]
        filled: Network = copy.deepcopy(network) if network is not None else _built(recipe, "network", folder)
        _fill(filled, weights, folder / WEIGHTS)
        columns, rows = table["history"]["columns"], table["history"]["rows"]
        history = pd.DataFrame(rows, columns=columns, dtype=float).astype({"step": int, "stage": int})
        return cls(
            network=filled,
            task=task if task is not None else _built(recipe, "task", folder),
            objective=_built(recipe, "objective", folder),
            recipe=recipe,
            history=history,
            seed=table["seed"],
            versions=table["versions"],
            git=table["git"],
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FitError(f"{path}: missing. A fit is a folder that holds {WEIGHTS} and {TABLE}.") from error


def _read_table(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(_read(path))
    except ValueError as error:
        raise FitError(f"{path}: truncated or no JSON ({error}). {ADVICE}") from error
    if not isinstance(table, dict) or table.pop("sha256", None) != _checksum(table):
        raise FitError(f"{path}: its content does not match its checksum, so it was changed or damaged. {ADVICE}")
    if table["format"] != FORMAT:
        fix = "Use the version of neurornn that wrote it."
        raise FitError(f"{path}: written in format {table['format']}, which this version does not read. {fix}")
    return table


def _checksum(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def _built(recipe: Mapping[str, Any], part: str, folder: Path) -> Any:
    try:
        return build(recipe[part])
    except RecipeError as error:
        fix = f"Pass it: Fit.load(folder, {part}=...)." if part != "objective" else ""
        raise FitError(f"{folder / TABLE}: the {part} cannot be built: {error} {fix}".rstrip()) from error


def _fill(network: Network, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    needed = network.state_dict()
    for name in sorted(needed.keys() | weights.keys()):
        if name not in weights:
            raise FitError(f"{path}: the weight `{name}` of the network is missing.")
        if name not in needed:
            raise FitError(f"{path}: holds a weight `{name}` that the network has not.")
        if weights[name].shape != needed[name].shape:
            shapes = f"{tuple(weights[name].shape)}, the network's {tuple(needed[name].shape)}"
            raise FitError(f"{path}: the weight `{name}` is of shape {shapes}.")
        if name.endswith("wiring.signs") and not torch.equal(weights[name], needed[name].to(weights[name])):
            raise FitError(f"{path}: `{name}` breaks Dale's law: its signs are not those of the network. {ADVICE}")
    network.to(weights["readout"].dtype).load_state_dict(dict(weights))
