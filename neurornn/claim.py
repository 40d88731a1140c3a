"""Claims: a fit recipe run over seeds, its gates judged, and the card that says what came out."""

import json
import math
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, is_dataclass
from inspect import signature
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from neurornn import _check
from neurornn.errors import RecipeError, SourceMissing
from neurornn.fit import train
from neurornn.fit.build import build, describe
from neurornn.fit.provenance import versions
from neurornn.library import find
from neurornn.network import Network, rebuilt
from neurornn.recipe import FitRecipe, Gate, load_fit_recipe
from neurornn.recording import Recording
from neurornn.source import load_recording
from neurornn.study import STUDIES, AbstractStudy, Findings, Plan
from neurornn.study.base import Say, quiet
from neurornn.task.base import AbstractTask


@dataclass(frozen=True, eq=False)
class Verdict:
    """What came out of one gate.

    Args:
        gate: what was asked for.
        values: what each seed gave.
    """

    gate: Gate
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median over seeds, of those that gave a number; NaN where most did not."""
        known = [value for value in self.values if not math.isnan(value)]
        return statistics.median(known) if 2 * len(known) > len(self.values) else math.nan

    @property
    def holds(self) -> bool:
        """Whether the median over seeds meets the bound, however small or large what a seed did not give would be."""
        return all(
            self.gate.holds(statistics.median(worst if math.isnan(value) else value for value in self.values))
            for worst in (-math.inf, math.inf)
        )


@dataclass(frozen=True, eq=False)
class Card:
    """What came out of a claim: every gate with every seed's number, and what it was run with.

    Args:
        name: of the recipe.
        size: "small", "full", or another that the recipe describes.
        seeds: that were run.
        verdicts: one a gate.
        quantities: every number of every seed, gated or not.
        minutes: wall time of each seed.
        digest: hash of the recipe as it was run.
        versions: of what computed it.
    """

    name: str
    size: str
    seeds: tuple[int, ...]
    verdicts: tuple[Verdict, ...]
    quantities: tuple[Mapping[str, float], ...]
    minutes: tuple[float, ...]
    digest: str
    versions: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether every gate holds. A claim without gates claims nothing and does not hold."""
        return bool(self.verdicts) and all(verdict.holds for verdict in self.verdicts)

    def frame(self) -> pd.DataFrame:
        """Return one row a gate: what was needed, what each seed gave, their median, and whether it holds."""
        rows = []
        for verdict in self.verdicts:
            per_seed = {f"seed {seed}": value for seed, value in zip(self.seeds, verdict.values, strict=True)}
            rows.append(
                {
                    "gate": verdict.gate.quantity,
                    "needed": verdict.gate.needed(),
                    **per_seed,
                    "median": verdict.median,
                    "pass": verdict.holds,
                    "because": verdict.gate.because,
                }
            )
        return pd.DataFrame(rows)

    def to_json(self) -> str:
        """Return the card as JSON; numbers that are not finite are written as text, so that any reader takes it."""
        gates = [
            {
                "quantity": verdict.gate.quantity,
                "needed": verdict.gate.needed(),
                "because": verdict.gate.because,
                "values": [_plain(value) for value in verdict.values],
                "median": _plain(verdict.median),
                "pass": verdict.holds,
            }
            for verdict in self.verdicts
        ]
        quantities = [{name: _plain(value) for name, value in seed.items()} for seed in self.quantities]
        card = {
            "claim": self.name,
            "size": self.size,
            "pass": self.holds,
            "seeds": list(self.seeds),
            "gates": gates,
            "quantities": quantities,
            "minutes": [round(minutes, 2) for minutes in self.minutes],
            "recipe": self.digest,
            "versions": dict(self.versions),
        }
        return json.dumps(card, indent=2, allow_nan=False) + "\n"


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
        network=lambda task, seed: _network(recipe.network, task, seed),
        task=lambda **known: _task(recipe.task, known),
        train=_training(recipe.train) | ({"minutes": minutes} if minutes else {}),
        recording=recording,
        seed=recipe.seed if seed is None else seed,
        name=Path(name).stem,
        progress=progress,
        say=say,
        notes=notes,
        title=recipe.about.title,
    )
    return study.run(plan)


def check(
    name: str | Path,
    *,
    size: str = "small",
    seeds: int = 1,
    workers: int = 1,
    minutes: float = 0.0,
    progress: bool = True,
    say: Say = quiet,
) -> Card:
    """Run a claim over fresh seeds and judge its gates by the median.

    Args:
        name: of the recipe, or a path.
        size: "small", "full", or another that the recipe describes.
        seeds: how many, counted up from the recipe's own.
        workers: how many seeds run side by side, each in a process of its own; these tell nothing meanwhile.
        minutes: wall time after which each training stops where it is and is judged so; 0 for no such end.
        progress: whether to show progress bars.
        say: where stages are told.

    Raises:
        RecipeError: if a gate asks for a quantity that the study does not give; known before the card is written.
    """
    _check.count("check", "seeds", seeds)
    recipe = load_fit_recipe(name).sized(size)
    chosen = tuple(range(recipe.seed, recipe.seed + seeds))
    quantities: list[Mapping[str, float]] = []
    lasted: list[float] = []
    workers = _check.count("check", "workers", workers)
    for found, took in _seed_by_seed(name, size, chosen, workers, minutes, progress, say):
        quantities.append(found)
        lasted.append(took)
        for gate in recipe.gate:
            if gate.quantity not in quantities[-1]:
                fix = _check.near(gate.quantity, quantities[-1])
                _check.fail("gate", "quantity", "one that the study gives", gate.quantity, fix, error=RecipeError)
    verdicts = tuple(Verdict(gate, tuple(each[gate.quantity] for each in quantities)) for gate in recipe.gate)
    return Card(
        find("fits", name).stem,
        size,
        chosen,
        verdicts,
        tuple(quantities),
        tuple(lasted),
        recipe.digest(),
        versions(),
    )


def write_card(card: Card, recipe: Path, target: Path | None = None) -> Path:
    """Write a card beside its recipe (`NAME/card.json`), or in `./fits` where that folder cannot be written.

    Sizes other than "small" have cards of their own (`NAME/card_full.json`). The file is replaced whole or not at all.
    """
    beside = recipe.parent if os.access(recipe.parent, os.W_OK) and recipe.parent.name == "fits" else Path("fits")
    file = "card.json" if card.size == "small" else f"card_{card.size}.json"
    path = target if target is not None else beside / recipe.stem / file
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    half.write_text(card.to_json(), encoding="utf-8")
    os.replace(half, path)
    return path


def _seed_by_seed(
    name: str | Path, size: str, seeds: tuple[int, ...], workers: int, minutes: float, progress: bool, say: Say
) -> Iterator[tuple[Mapping[str, float], float]]:
    """Give the quantities of each seed in order, and the minutes it took."""
    if workers == 1:
        for seed in seeds:
            say(f"seed {seed}")
            yield _run(name, size, seed, minutes, progress, say)
        return
    say(f"seeds {', '.join(map(str, seeds))}, {workers} at a time")
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_run, *zip(*((name, size, seed, minutes, False, quiet) for seed in seeds), strict=True))


def _run(
    name: str | Path, size: str, seed: int, minutes: float, progress: bool, say: Say
) -> tuple[Mapping[str, float], float]:
    begun = time.monotonic()
    findings = run_recipe(name, size=size, seed=seed, stand_in=False, minutes=minutes, progress=progress, say=say)
    return findings.quantities, (time.monotonic() - begun) / 60


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


def _network(table: Mapping[str, Any], task: AbstractTask, seed: int) -> Network:
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


def _task(table: Mapping[str, Any], known: Mapping[str, Any]) -> AbstractTask:
    described = {name: describe(value) if is_dataclass(value) else value for name, value in known.items()}
    task = build({**described, **table})
    if not isinstance(task, AbstractTask):
        _check.fail("recipe", "task.type", "a task", type(task).__name__, error=RecipeError)
    return task


def _training(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of `train` that a recipe may set, their nested tables built."""
    ours = {"network", "task", "seed", "progress", "checkpoint", "snapshots", "minutes"}
    known = set(signature(train).parameters) - ours
    for key in table:
        if key not in known:
            fix = _check.near(key, known)
            _check.fail("recipe", f"train.{key}", "a parameter of train", key, fix, error=RecipeError)
    return {name: build(value) if isinstance(value, Mapping) else value for name, value in table.items()}


def _plain(value: float) -> float | str:
    value = float(value)
    return value if value == value and abs(value) != float("inf") else str(value)
