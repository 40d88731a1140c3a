"""The card of a claim: every gate with the number of every seed, and what it was run with."""

import json
import math
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurornn.fit.checkpoint import write_whole
from neurornn.recipe import Gate


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
                "values": [plain(value) for value in verdict.values],
                "median": plain(verdict.median),
                "pass": verdict.holds,
            }
            for verdict in self.verdicts
        ]
        quantities = [{name: plain(value) for name, value in seed.items()} for seed in self.quantities]
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


def card_path(recipe: Path, size: str = "small") -> Path:
    """Return where a recipe's card goes: beside it, or in `./fits` where that folder cannot be written.

    Sizes other than "small" have cards of their own (`NAME/card_full.json`).
    """
    beside = recipe.parent if os.access(recipe.parent, os.W_OK) and recipe.parent.name == "fits" else Path("fits")
    return beside / recipe.stem / ("card.json" if size == "small" else f"card_{size}.json")


def card_of(recipe: Path, size: str, digest: str) -> Mapping[str, Any] | None:
    """Return the card beside a recipe as plain data, where there is one that was made by this very recipe."""
    path = recipe.parent / recipe.stem / card_path(recipe, size).name
    card = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return card if card.get("recipe") == digest else None


def write_card(card: Card, recipe: Path, target: Path | None = None) -> Path:
    """Write a card to `target`, or to where the recipe's card goes, whole or not at all."""
    path = target if target is not None else card_path(recipe, card.size)
    write_whole(path, card.to_json().encode())
    return path


def plain(value: float) -> float | str:
    """Return a number as JSON takes it: as text where it is not finite, which `float` reads."""
    value = float(value)
    return value if value == value and abs(value) != float("inf") else str(value)
