"""A fit recipe, run once: its parts built around its task, its study's findings returned."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from neurornn import _check
from neurornn.errors import RecipeError, SourceMissing
from neurornn.fit import train
from neurornn.fit.build import build, describe
from neurornn.network import Network, rebuilt
from neurornn.recipe import FitRecipe, load_fit_recipe
from neurornn.recording import Recording
from neurornn.source import load_recording
from neurornn.study import STUDIES, AbstractStudy, Findings, Plan
from neurornn.study.base import Say, quiet
from neurornn.task.base import AbstractTask


def run_recipe(
    name: str | Path,
    *,
    size: str = "small",
    seed: int | None = None,
    stand_in: bool = True,
    minutes: float = 0.0,
    progress: bool = True,
    say: Say = quiet,
) -> Findings:
    """Run a fit recipe once and return what its study found.

    Args:
        name: of the recipe, or a path.
        size: "small", "full", or another that the recipe describes.
        seed: instead of the recipe's own.
        stand_in: whether the recipe's stand-in may take the place of a recording that can be had nowhere.
        minutes: wall time after which each training stops where it is; 0 for no such end. See `train`.
        progress: whether to show progress bars.
        say: where stages are told.

    Raises:
        RecipeError: if the recipe asks for something that does not exist.
        SourceError: if its recording is damaged, or can be had nowhere and nothing may stand in.
    """
    recipe = load_fit_recipe(name).sized(size)
    study = build(recipe.study, also=STUDIES)
    if not isinstance(study, AbstractStudy):
        fix = f"There are: {', '.join(sorted(STUDIES))}."
        _check.fail("recipe", "study.type", "a study", recipe.study.get("type"), fix, error=RecipeError)
    recording, notes = _recording(recipe, stand_in=stand_in, say=say)
    plan = Plan(
        network=lambda task, seed: network_of(recipe.network, task, seed),
        task=lambda **known: task_of(recipe.task, known),
        train=training_of(recipe.train) | ({"minutes": minutes} if minutes else {}),
        recording=recording,
        seed=recipe.seed if seed is None else seed,
        name=Path(name).stem,
        progress=progress,
        say=say,
        notes=notes,
        title=recipe.about.title,
    )
    return study.run(plan)


def _recording(recipe: FitRecipe, *, stand_in: bool, say: Say) -> tuple[Recording | None, tuple[str, ...]]:
    """Return the recipe's recording, or what stands in for it and the sentence that says so."""
    if recipe.recording is None:
        return None, ()
    named, otherwise = recipe.recording.name, recipe.recording.otherwise
    try:
        return load_recording(named), ()
    except SourceMissing:
        if not (stand_in and otherwise):
            raise
    note = (
        f"SIMULATED DATA: the recording {named} can be had nowhere, so that {otherwise}, with known truth, stands in "
        f"for it. `neurornn data fetch {named}` gets the real one."
    )
    say(note)
    return load_recording(otherwise), (note,)


def network_of(table: Mapping[str, Any], task: AbstractTask, seed: int) -> Network:
    """Build the recipe's network around a task: sizes and time step come from the task and are not written down."""
    if not isinstance(table.get("cell"), Mapping):
        fix = 'Add [network.cell] type = "LeakyRate".'
        _check.fail("recipe", "network.cell", "a table", table.get("cell"), fix, error=RecipeError)
    from_task = {"network": {"n_out", "n_start"} & set(table), "network.cell": {"n_in", "dt"} & set(table["cell"])}
    for place, keys in from_task.items():
        for key in keys:
            _check.fail("recipe", f"{place}.{key}", "left to the task", "a value", "Remove it.", error=RecipeError)
    cell = {"n_in": task.n_in, "dt": task.dt, **table["cell"]}
    sizes = {"n_out": task.heads, "n_start": task.n_start}
    return rebuilt(build({"type": "Network", **sizes, **table, "cell": cell}), seed)


def task_of(table: Mapping[str, Any], known: Mapping[str, Any]) -> AbstractTask:
    """Build the recipe's task, with what a study knows of it (a recording's movement ...) laid under it."""
    described = {name: describe(value) if is_dataclass(value) else value for name, value in known.items()}
    task = build({**described, **table})
    if not isinstance(task, AbstractTask):
        _check.fail("recipe", "task.type", "a task", type(task).__name__, error=RecipeError)
    return task


def training_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of `train` that a recipe may set, their nested tables built."""
    ours = {"network", "task", "seed", "progress", "checkpoint", "snapshots", "minutes"}
    known = set(signature(train).parameters) - ours
    for key in table:
        if key not in known:
            fix = _check.near(key, known)
            _check.fail("recipe", f"train.{key}", "a parameter of train", key, fix, error=RecipeError)
    return {name: build(value) if isinstance(value, Mapping) else value for name, value in table.items()}
