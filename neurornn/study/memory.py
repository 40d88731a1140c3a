"""What a study of growing memory found, as results to draw and numbers to gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurornn.statistics import Decays
from neurornn.study.growth import Growth

PAPER = "10.48550/arXiv.2309.12927"


@dataclass(frozen=True, eq=False)
class Curricula:
    """Single-head beside multi-head: how each grew, and what each remembers of the smaller N.

    Args:
        growths: by name, "single" and "multi".
        recall: one row a curriculum and N: `curriculum`, `n`, `accuracy` on fair bits at the end of the last stage that
            was passed; the only head of the single-head network is asked about every N.
        methods: how this was made.
        references: DOIs.
    """

    growths: Mapping[str, Growth]
    recall: pd.DataFrame
    methods: str
    references: tuple[str, ...] = (PAPER,)

    def frame(self) -> pd.DataFrame:
        """Return one row a curriculum and stage that was passed."""
        return pd.concat([one.frame().assign(curriculum=name) for name, one in self.growths.items()], ignore_index=True)


@dataclass(frozen=True, eq=False)
class Tolerance:
    """What the memory of each network withstands, where both solve the same N.

    Args:
        n: what both are asked about.
        ablated: one row a silenced unit: `curriculum`, `group`, `unit`, `tau`, `accuracy`, `relative`.
        noise: one row a draw: `curriculum`, `on` ("weights" or "time constants"), `size`, `accuracy`, `relative`.
        retrained: one row a larger N: `curriculum`, `n`, `accuracy`; empty where none was asked for.
        methods: how this was made.
        references: DOIs.
    """

    n: int
    ablated: pd.DataFrame
    noise: pd.DataFrame
    retrained: pd.DataFrame
    methods: str
    references: tuple[str, ...] = (PAPER,)

    def frame(self) -> pd.DataFrame:
        """Return every accuracy, one a row, with what was done."""
        units = self.ablated.rename(columns={"group": "on"})
        return pd.concat([units, self.noise], ignore_index=True)


@dataclass(frozen=True, eq=False)
class Memories:
    """Time constants of the units beside the timescales that the network gives them.

    Args:
        decays: of each network by the name of its curriculum, and of the untrained one.
        dimensions: principal components that hold 90 % of the variance, the mean over streams, by the same names.
        n: what the networks were trained for when they were looked at, by the same names.
        methods: how this was made.
        references: DOIs.
    """

    decays: Mapping[str, Decays]
    dimensions: Mapping[str, float]
    n: Mapping[str, int]
    methods: str
    references: tuple[str, ...] = (PAPER,)

    def frame(self) -> pd.DataFrame:
        """Return one row a network and unit."""
        tables = [one.frame().reset_index().assign(curriculum=name) for name, one in self.decays.items()]
        return pd.concat(tables, ignore_index=True)


def recall_quantities(curricula: Curricula, worst: float) -> dict[str, float]:
    """Return how well each remembers, and how far from chance single-head is at one of the two N before its last."""
    table, solved = curricula.recall, curricula.growths["single"].solved
    mine = table[table["curriculum"] == "single"]
    single = dict(zip(mine["n"].tolist(), mine["accuracy"].tolist(), strict=True))
    before = [abs(single[n] - 0.5) for n in (solved - 1, solved - 2) if n in single]
    return {
        "multi_worst_head": worst,
        "single_accuracy": single.get(solved, float("nan")),
        "single_left_of_the_past": min(before, default=float("nan")),
    }


def tolerance_quantities(tolerance: Tolerance) -> dict[str, float]:
    """Return how much of the accuracy above chance is left without units of both groups, and under noise."""
    units, noise = tolerance.ablated, tolerance.noise
    named: dict[str, float] = {}
    for name in ("single", "multi"):
        for group in ("short", "long"):
            rows = units[(units["curriculum"] == name) & (units["group"] == group)]
            named[f"{name}_{group}_silenced"] = float(np.mean(np.asarray(rows["relative"])))
        for on, short in (("weights", "weight"), ("time constants", "tau")):
            for size in (0.1, 0.215):
                rows = noise[(noise["curriculum"] == name) & (noise["on"] == on) & (noise["size"] == size)]
                named[f"{name}_{short}_noise_{size:g}"] = float(np.mean(np.asarray(rows["relative"])))
    for row in tolerance.retrained.to_dict("records"):
        named[f"{row['curriculum']}_retrained_{row['n']}"] = float(row["accuracy"])
    return named


def memory_quantities(memories: Memories) -> dict[str, float]:
    """Return timescales of the autocorrelation over units above 1 ms (the paper keeps those), and dimensions."""
    named = {}
    for name, found in memories.decays.items():
        taus = found.table["tau"].to_numpy(dtype=float)
        kept = taus[taus > 1]
        named[f"{name}_network_tau_median"] = float(np.median(kept)) if len(kept) else float("nan")
        named[f"{name}_network_tau_mean"] = float(np.mean(kept)) if len(kept) else float("nan")
        named[f"{name}_network_tau_kept"] = float(np.mean(taus > 1))
        named[f"{name}_dimension"] = memories.dimensions[name]
    return named


def headline(growths: Mapping[str, Growth], found: Mapping[str, float], n: int) -> pd.DataFrame:
    """Return what a reader wants to know first."""

    def row(form: str, names: Sequence[str]) -> dict[str, str]:
        return dict(zip(("single-head", "multi-head"), (form.format(found[name]) for name in names), strict=True))

    def both(form: str, name: str) -> dict[str, str]:
        return row(form, [f"{kind}_{name}" for kind in ("single", "multi")])

    rows = {
        "largest N that was solved": both("{:.0f}", "solved"),
        f"epochs to N = {n}": both("{:.0f}", f"epoch_{n}"),
        f"time constants, mean (ms; untrained {found['untrained_tau_mean']:.2f})": both("{:.2f}", "tau_mean_end"),
        "time constants, standard deviation (ms)": both("{:.2f}", "tau_sd_end"),
        "longest time constant (ms)": both("{:.2f}", "tau_max_end"),
        "mean recurrent weight": both("{:+.4f}", "weight_mean_end"),
        "spectral radius of a step": both("{:.2f}", "step_radius_end"),
    }
    if all(f"{kind}_network_tau_median" in found for kind in growths):
        rows["timescale from the autocorrelation, median (ms)"] = both("{:.1f}", "network_tau_median")
    return pd.DataFrame(rows).T
