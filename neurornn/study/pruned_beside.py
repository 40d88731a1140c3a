"""What pruned networks tell of a brain, beside the dense ones, over one seed or several."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from neurornn import _check
from neurornn.errors import RecipeError

STAGES = ("cut", "retrained")
"""As pruning left them, and after some more training."""
COLUMNS = ("tracking", "score", "ceiling")
"""What networks are measured by; see `PrunedBeside`."""
KINDS = ("track", "neurons")
"""The network trained on the animal's task, and the one each of whose units is a neuron."""
NAME = re.compile(r"(tracking|score|ceiling)_(track|neurons)_(cut|retrained)_(.+)_(\d+)")


def _order(key: tuple[int, str, str, str, int]) -> tuple[object, ...]:
    """Return what rows of a card are sorted by: as a study writes them, the densest first."""
    seed, kind, stage, method, percent = key
    return seed, KINDS.index(kind), STAGES.index(stage), method != "dense", method, -percent


@dataclass(frozen=True, eq=False)
class PrunedBeside:
    """How well pruned networks tell the units of a recording, held out.

    Columns of `table`: `seed`, `kind` ("track": trained on the animal's task; "neurons": fitted to the recording),
    `stage` ("cut" or "retrained"), `method` ("dense" for no pruning), `asked` (density), `draw` and

    | column | what it is |
    | --- | --- |
    | `score` | of "track" the median over the animal's units of the held-out r; of "neurons" the explained variance |
    | `ceiling` | of "track" the same as a part of each unit's ceiling, over place maps |
    | `tracking` | of "track" the median error on held-out runs, % of the track |

    Args:
        table: one row a network.
        nulls: of each kind, what a score must be held against, by name.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    nulls: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    methods: str = ""
    references: tuple[str, ...] = ("10.48550/arXiv.2011.07334", "10.1073/pnas.1403112111")

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        named = "; ".join(f"{kind}: {', '.join(one)}" for kind, one in self.nulls.items())
        return {
            "nulls": f"Random pruning at the same density, and {named}.",
            "matched": "All networks of a density have as many synapses, and retrained ones as many steps.",
        }

    def frame(self) -> pd.DataFrame:
        """Return one row a network."""
        return self.table

    def of(self, kind: str, stage: str, method: str, asked: float, column: str = "score") -> np.ndarray:
        """Return a column, the mean over draws, one number a seed; of "dense" at any density.

        NaN where a draw has none: it diverged.
        """
        t = self.table
        mine = (t["kind"] == kind) & (t["stage"] == stage) & (t["method"] == method)
        if method != "dense":
            mine &= t["asked"] == asked
        if not np.any(mine):
            got = f"{kind}, {stage}, {method}, {asked:g}"
            _check.fail("PrunedBeside.of", "method", "one that was run", got, _check.near(method, set(t["method"])))
        chosen = t[mine].groupby("seed", sort=True)[column]
        return np.array([float(np.mean(draws.to_numpy(float))) for _, draws in chosen])

    @property
    def pruned(self) -> tuple[str, ...]:
        """The ways of pruning."""
        return tuple(name for name in dict.fromkeys(self.table["method"]) if name != "dense")

    @property
    def densities(self) -> tuple[float, ...]:
        """The densities that were asked for, from the largest on."""
        asked = self.table.loc[self.table["method"] != "dense", "asked"]
        return tuple(sorted(set(asked), reverse=True))

    def against(self, other: str) -> pd.DataFrame:
        """Return one row a kind, stage, method and density: its score less that of another method, over seeds.

        Args:
            other: "dense", or "random" at the same density.

        Returns:
            `value`, the mean over seeds, and its 95 % interval `low` and `high` (Student's t; NaN of one seed).
        """
        rows = []
        for kind in dict.fromkeys(self.table["kind"]):
            for stage in STAGES:
                for method in self.pruned:
                    if method == other:
                        continue
                    for asked in self.densities:
                        apart = self.of(kind, stage, method, asked) - self.of(kind, stage, other, asked)
                        n = len(apart)
                        half = stats.t.ppf(0.975, n - 1) * stats.sem(apart) if n > 1 else np.nan
                        middle = float(apart.mean())
                        rows.append((kind, stage, method, asked, middle, middle - half, middle + half))
        return pd.DataFrame(rows, columns=["kind", "stage", "method", "asked", "value", "low", "high"])

    def quantities(self) -> dict[str, float]:
        """Return every number of a table of one seed by name, for gates.

        `score_track_cut_noise_20` is a score at 20 %; `..._over_dense` and `..._over_random` are differences from the
        dense network and from random pruning at the same density.
        """
        found: dict[str, float] = {}
        keys = self.table[["kind", "stage", "method", "asked"]].drop_duplicates()
        for kind, stage, method, asked in keys.itertuples(index=False):
            name = f"{kind}_{stage}_{method}_{100 * asked:.0f}"
            for column in COLUMNS:
                value = float(self.of(kind, stage, method, asked, column)[0])
                if np.isfinite(value):
                    found[f"{column}_{name}"] = value
        for other in ("dense", "random"):
            for row in self.against(other).to_dict("records"):
                name = f"{row['kind']}_{row['stage']}_{row['method']}_{100 * row['asked']:.0f}"
                found[f"{name}_over_{other}"] = float(row["value"])
        return found | {
            f"null_{kind}_{name.replace(' ', '_')}": value
            for kind, one in self.nulls.items()
            for name, value in one.items()
        }

    @classmethod
    def from_card(cls, path: str | Path) -> "PrunedBeside":
        """Return the table of all seeds from the card of a claim, `fits/NAME/card.json`; nulls are medians over seeds.

        Raises:
            RecipeError: if it is the card of another kind of claim.
        """
        card = json.loads(Path(path).read_text(encoding="utf-8"))
        rows: dict[tuple[int, str, str, str, int], dict[str, float]] = {}
        nulls: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS}
        for seed, numbers in zip(card["seeds"], card["quantities"], strict=True):
            for name, value in numbers.items():
                if match := NAME.fullmatch(name):
                    column, kind, stage, method, percent = match.groups()
                    rows.setdefault((seed, kind, stage, method, int(percent)), {})[column] = float(value)
                elif name.startswith("null_"):
                    _, kind, null = name.split("_", 2)
                    nulls[kind].setdefault(null.replace("_", " "), []).append(float(value))
        if not rows:
            must = "that of a claim about pruned networks beside a brain"
            _check.fail("PrunedBeside.from_card", "path", must, card.get("claim"), error=RecipeError)
        known = {key[1:] for key in rows}
        ways = {(method, percent) for _, _, method, percent in known}
        for seed in card["seeds"]:  # what diverged in a seed has no number there
            for kind, stage in {(kind, stage) for kind, stage, _, _ in known}:
                for method, percent in ways:
                    rows.setdefault((seed, kind, stage, method, percent), {})
        table = [
            {"seed": seed, "kind": kind, "stage": stage, "method": method, "asked": percent / 100, "draw": 0}
            | {column: numbers.get(column, float("nan")) for column in COLUMNS}
            for (seed, kind, stage, method, percent), numbers in sorted(rows.items(), key=lambda row: _order(row[0]))
        ]
        middle = {kind: {name: float(np.median(v)) for name, v in one.items()} for kind, one in nulls.items() if one}
        return cls(pd.DataFrame(table), middle)
