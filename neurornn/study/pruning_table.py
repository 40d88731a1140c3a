"""Pruned networks side by side, over one seed or several: a network is the replicate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from neurornn import _check
from neurornn.errors import RecipeError

MEASURES = (
    "error",
    "score",
    "valid",
    "exponent",
    "off",
    "distance",
    "early_exponent",
    "early_off",
    "early_distance",
    "operations",
    "rate",
    "units",
    "synapses",
    "whole_synapses",
    "density",
    "whole_density",
)
"""What each network is measured by; see `PruningTable`. No name starts with another and an underscore."""

JUDGED = ("error", "valid", "off", "distance", "operations")
"""What two networks are compared by."""

EQUAL = "_homogeneous"
"""How the names of networks with equal time constants end."""


@dataclass(frozen=True, eq=False)
class PruningTable:
    """What came of networks that were pruned in different ways, and of the dense one.

    Columns of `table`: `seed`, `network` (those with equal time constants end in `_homogeneous`) and

    | column | what it is |
    | --- | --- |
    | `error`, `score` | of answers to trials that training never saw |
    | `valid` | mean valid time of free forecasts, Lyapunov times |
    | `exponent` | largest Lyapunov exponent after training, 1/s |
    | `off`, `distance` | how far the largest exponent, and the spectrum (Wasserstein-1), are off the dense one, 1/s |
    | `early_...` | the same before training |
    | `operations`, `rate` | synaptic operations of a trial; spikes of a unit, Hz |
    | `units`, `synapses`, `density` | that are left; synapses are those between different units |
    | `whole_...` | with those of units onto themselves, of inputs and of the readout |

    Args:
        table: one row a seed and network.
        chosen: the network whose claim is tested.
        against: the networks it is held against.
        unit: what `error` is.
        density: what was asked for.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    chosen: str
    against: tuple[str, ...]
    unit: str
    density: float
    methods: str = ""
    references: tuple[str, ...] = ("10.48550/arXiv.2403.03409", "10.48550/arXiv.2011.07334")

    def frame(self) -> pd.DataFrame:
        """Return one row a seed and network."""
        return self.table

    def summary(self) -> pd.DataFrame:
        """Return one row a network: the median of each measure over seeds."""
        return self.table.drop(columns="seed").groupby("network", sort=False).median()

    def of(self, network: str, measure: str) -> Float[np.ndarray, " seed"]:
        """Return a measure of a network, one number a seed."""
        return self.table.loc[self.table["network"] == network, measure].to_numpy(float)

    def paired(self, other: str, measure: str, *, mine: str = "") -> dict[str, float]:
        """Return how the chosen network differs from another of the same seeds.

        Args:
            other: the other network.
            measure: one of `JUDGED`. Of all but `valid` it is the ratio, mine over the other, by the mean of its
                logarithm; of `valid` it is the difference.
            mine: another network than the chosen one.

        Returns:
            `value`, with its 95 % interval `low` and `high` from Student's t over seeds (NaN of fewer than 2), and
            `better`: in how many of the `seeds` mine was the better one.
        """
        wide = self.table.pivot(index="seed", columns="network", values=measure)
        a, b = (wide[name].to_numpy(float) for name in (mine or self.chosen, other))
        with np.errstate(divide="ignore", invalid="ignore"):  # what cannot be compared is no number
            apart = a - b if measure == "valid" else np.log(a) - np.log(b)
        better = (apart > 0) if measure == "valid" else (apart < 0)
        low = high = float("nan")
        known = apart[np.isfinite(apart)]
        if len(known) > 1:
            half = float(stats.t.ppf(0.975, len(known) - 1) * stats.sem(known))
            low, high = float(known.mean()) - half, float(known.mean()) + half
        value = float(known.mean()) if len(known) else float("nan")
        scaled = (lambda x: x) if measure == "valid" else np.exp
        ends = {name: float(scaled(x)) for name, x in {"value": value, "low": low, "high": high}.items()}
        return {**ends, "better": float(better.sum()), "seeds": float(len(known))}

    def claims(self) -> pd.DataFrame:
        """Return one row a comparison: mine against each of the others by each measure, with its interval over seeds.

        The last rows are the chosen network against itself with equal time constants.
        """
        names = set(self.table["network"])
        others = [*self.against, *([self.chosen + EQUAL] if self.chosen + EQUAL in names else [])]
        measures = [one for one in JUDGED if np.isfinite(self.table[one].to_numpy(float)).any()]
        rows = [
            {"mine": self.chosen, "other": other, "measure": measure, **self.paired(other, measure)}
            for other in others
            for measure in measures
            if not (other.endswith(EQUAL) and measure in ("off", "distance"))  # each from a dense one of its own
        ]
        return pd.DataFrame(rows)

    def quantities(self) -> dict[str, float]:
        """Return every number of a table of one seed by name, for gates: `error_random`, `ratio_error_random` ..."""
        found = {
            f"{measure}_{name}": float(self.of(name, measure)[0])
            for name in self.table["network"]
            for measure in MEASURES
        }
        judged = [one for one in JUDGED if np.isfinite(self.table[one].to_numpy(float)).any()]
        for other in [name for name in self.table["network"] if name != self.chosen]:
            for measure in judged:
                if measure in ("off", "distance") and other.removesuffix(EQUAL) in ("dense", "untrained"):
                    continue  # nothing is off itself
                kind = "gain" if measure == "valid" else "ratio"
                found[f"{kind}_{measure}_{other}"] = self.paired(other, measure)["value"]
        return found

    @classmethod
    def from_card(cls, path: str | Path, *, chosen: str = "lyapunov", against: Sequence[str] = ()) -> "PruningTable":
        """Return the table of all seeds from the card of a claim, `fits/NAME/card.json`.

        Args:
            path: of the card.
            chosen: the network whose claim is tested.
            against: the networks it is held against; all pruned ones of the same time constants where empty.

        Raises:
            RecipeError: if it is the card of another kind of claim.
        """
        card = json.loads(Path(path).read_text(encoding="utf-8"))
        tables = [
            from_quantities(numbers, seed) for seed, numbers in zip(card["seeds"], card["quantities"], strict=True)
        ]
        if not tables or not len(tables[0]):
            must = "that of a claim about pruning"
            _check.fail("PruningTable.from_card", "path", must, card.get("claim"), error=RecipeError)
        table = pd.concat(tables, ignore_index=True)
        others = [one for one in dict.fromkeys(table["network"]) if one not in ("dense", "untrained", chosen)]
        against = tuple(against) or tuple(one for one in others if not one.endswith(EQUAL))
        reached = table.loc[table["network"] == chosen, "density"].to_numpy(float)
        return cls(table, chosen, against, "error", round(float(np.median(reached)), 3))


def from_quantities(numbers: Mapping[str, float | str], seed: int) -> pd.DataFrame:
    """Return the rows of one seed from its named numbers."""
    networks = [name.removeprefix("error_") for name in numbers if name.startswith("error_")]
    rows: Sequence[dict[str, float | str]] = [
        {"seed": seed, "network": name, **{one: float(numbers[f"{one}_{name}"]) for one in MEASURES}}
        for name in networks
    ]
    return pd.DataFrame(rows)
