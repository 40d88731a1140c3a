"""A claim run over fresh seeds, side by side if wished, and judged; what was done before an interruption is kept."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from neurornn import _check
from neurornn.claim.card import Card, Verdict, plain
from neurornn.claim.run import run_recipe
from neurornn.errors import RecipeError
from neurornn.fit.checkpoint import write_whole
from neurornn.fit.provenance import git_state, versions
from neurornn.library import find
from neurornn.recipe import FitRecipe, load_fit_recipe
from neurornn.study.base import Say, quiet


@dataclass(frozen=True)
class _Outcome:
    """What one seed gave, and how long it took."""

    quantities: Mapping[str, float]
    minutes: float


def check(
    name: str | Path,
    *,
    size: str = "small",
    seeds: int = 1,
    workers: int = 1,
    minutes: float = 0.0,
    unfinished: Path | None = None,
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
        unfinished: a file where seeds that are done are kept until all are. Seeds that it holds are not run again if
            recipe, size, `minutes` and versions are the same; once the card is made the file is gone.
        progress: whether to show progress bars.
        say: where stages are told.

    Raises:
        RecipeError: if a gate asks for a quantity that the study does not give; known when the first seed is done.
    """
    _check.count("check", "seeds", seeds)
    workers = _check.count("check", "workers", workers)
    recipe = load_fit_recipe(name).sized(size)
    chosen = tuple(range(recipe.seed, recipe.seed + seeds))
    shelf = _Shelf(unfinished, {"recipe": recipe.digest(), "size": size, "minutes": minutes, "code": _code()})
    done = {seed: one for seed, one in shelf.read().items() if seed in chosen}
    if done:
        say(f"kept from an interrupted check: seed {', '.join(map(str, sorted(done)))}")
    rest = tuple(seed for seed in chosen if seed not in done)
    for seed, outcome in _each(name, size, rest, workers, minutes, progress, say):
        _gated(recipe, outcome.quantities)
        done[seed] = outcome
        shelf.keep(done)
    verdicts = tuple(
        Verdict(gate, tuple(done[seed].quantities[gate.quantity] for seed in chosen)) for gate in recipe.gate
    )
    card = Card(
        name=find("fits", name).stem,
        size=size,
        seeds=chosen,
        verdicts=verdicts,
        quantities=tuple(done[seed].quantities for seed in chosen),
        minutes=tuple(done[seed].minutes for seed in chosen),
        digest=recipe.digest(),
        versions=versions(),
    )
    shelf.clear()
    return card


@dataclass(frozen=True)
class _Shelf:
    """Where seeds that are done wait for the others: a file, and what they must have in common."""

    file: Path | None
    common: Mapping[str, Any] = field(default_factory=dict)

    def read(self) -> dict[int, _Outcome]:
        """Return the seeds that were kept; none where the file is missing or tells of another run."""
        if self.file is None or not self.file.is_file():
            return {}
        held = json.loads(self.file.read_text(encoding="utf-8"))
        if held.get("common") != self.common:
            return {}
        return {
            int(seed): _Outcome({name: float(value) for name, value in one["quantities"].items()}, one["minutes"])
            for seed, one in held["seeds"].items()
        }

    def keep(self, done: Mapping[int, _Outcome]) -> None:
        """Write the seeds that are done, whole or not at all."""
        if self.file is None:
            return
        seeds = {
            seed: {"quantities": {name: plain(value) for name, value in one.quantities.items()}, "minutes": one.minutes}
            for seed, one in done.items()
        }
        text = json.dumps({"common": self.common, "seeds": seeds}, indent=2, allow_nan=False)
        write_whole(self.file, text.encode())

    def clear(self) -> None:
        """Remove the file: all seeds are done."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


def _code() -> dict[str, Any]:
    """Return what seeds must share to stand on one card: versions, and the commit where there is one."""
    return {**versions(), "commit": (git_state() or {}).get("commit", "")}


def _gated(recipe: FitRecipe, quantities: Mapping[str, float]) -> None:
    for gate in recipe.gate:
        if gate.quantity not in quantities:
            fix = _check.near(gate.quantity, quantities)
            _check.fail("gate", "quantity", "one that the study gives", gate.quantity, fix, error=RecipeError)


def _each(
    name: str | Path, size: str, seeds: tuple[int, ...], workers: int, minutes: float, progress: bool, say: Say
) -> Iterator[tuple[int, _Outcome]]:
    """Give what each seed gave as soon as it is done."""
    if workers == 1 or len(seeds) < 2:
        for seed in seeds:
            say(f"seed {seed}")
            yield seed, _one(name, size, seed, minutes, progress, say)
        return
    say(f"seeds {', '.join(map(str, seeds))}, {workers} at a time")
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(_one, name, size, seed, minutes, False, quiet): seed for seed in seeds}
        for finished in as_completed(running):
            say(f"seed {running[finished]} is done")
            yield running[finished], finished.result()


def _one(name: str | Path, size: str, seed: int, minutes: float, progress: bool, say: Say) -> _Outcome:
    begun = time.monotonic()
    findings = run_recipe(name, size=size, seed=seed, stand_in=False, minutes=minutes, progress=progress, say=say)
    return _Outcome(findings.quantities, (time.monotonic() - begun) / 60)
