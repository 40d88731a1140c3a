"""A race of networks through curricula of growing memory: who comes how far in the same number of epochs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from neurornn.cell import AbstractCell
from neurornn.curriculum.growing import AbstractGrowing
from neurornn.network import Network
from neurornn.study.base import Plan, place_of
from neurornn.study.growth import Growth, grow, grow_all
from neurornn.study.memory import PAPER
from neurornn.task.bits import AbstractBits


@dataclass(frozen=True, eq=False)
class Variants:
    """How far each variant came in the same number of epochs.

    Args:
        growths: by the name of the variant.
        groups: the variants that belong into one picture, by its title.
        last: the largest N that was there to come to.
        methods: how this was made.
        references: DOIs.
    """

    growths: Mapping[str, Growth]
    groups: Mapping[str, tuple[str, ...]]
    last: int
    methods: str
    references: tuple[str, ...] = (PAPER,)

    def frame(self) -> pd.DataFrame:
        """Return one row a variant: the largest N passed, epochs trained, the last score and the time constants."""
        rows = []
        for name, one in self.growths.items():
            end = one.table.iloc[-1]
            row = {"variant": name, "solved": one.solved, "epochs": one.epochs, "score": float(end["score"])}
            rows.append(row | {column: float(end[column]) for column in ("tau_mean", "tau_sd", "tau_max")})
        return pd.DataFrame(rows)


@dataclass(frozen=True)
class Variant:
    """One racer.

    Args:
        network: where it starts from.
        curriculum: what it is taught by.
        task: of all of its heads.
        settings: keyword arguments of `train` that are its own.
    """

    network: Network
    curriculum: AbstractGrowing
    task: AbstractBits
    settings: Mapping[str, Any] = field(default_factory=dict)


def race(
    racers: Mapping[str, Variant],
    plan: Plan,
    *,
    epochs: int,
    epoch: int,
    settings: Mapping[str, Any],
    folder: str = "",
    workers: int = 1,
) -> dict[str, Growth]:
    """Train every variant for as many epochs, and return how each grew.

    Args:
        racers: the variants by name.
        plan: of the study.
        epochs: after which each training stops.
        epoch: training steps of one.
        settings: further keyword arguments of `train`, under those of each variant.
        folder: where checkpoints are kept; a temporary one where empty.
        workers: trainings side by side.
    """
    plan.say(f"training {len(racers)} networks for up to {epochs} epochs of {epoch} batches")
    with place_of(folder, plan) as place:
        trainings = {
            name: partial(
                grow,
                one.network,
                one.curriculum,
                name=name,
                task=one.task,
                epochs=epochs,
                epoch=epoch,
                folder=place / slug(name),
                settings={**settings, **one.settings},
                seed=plan.seed,
                progress=plan.progress and workers == 1,
            )
            for name, one in racers.items()
        }
        return grow_all(trainings, workers=workers)


def with_cell(network: Network, cell: AbstractCell) -> Network:
    """Return a network with the same encoder and readout around another cell of as many units."""
    settings = {**network.settings, "cell": cell}
    return type(network)(**settings)


def slug(name: str) -> str:
    """Return the name as quantities and folders carry it: `multi, tau = 3` is `multi_tau_3`."""
    return "_".join(name.replace(",", " ").replace("=", " ").replace(".", "p").split())


def race_quantities(variants: Variants, *, first: int) -> dict[str, float]:
    """Return how far each came, when it passed each N, and how far behind the trained time constants it is."""
    named: dict[str, float] = {}
    for name, one in variants.growths.items():
        end = one.table.iloc[-1]
        named[f"{slug(name)}_solved"] = float(one.solved)
        named[f"{slug(name)}_epochs"] = one.epochs
        named[f"{slug(name)}_score_end"] = float(end["score"])
        for column in ("tau_mean", "tau_sd", "tau_max"):
            named[f"{slug(name)}_{column}_end"] = float(end[column])
        for n in range(first, variants.last + 1):
            named[f"{slug(name)}_epoch_{n}"] = one.at(n, "epoch")
        reference = name.partition(",")[0]
        if reference != name and reference in ("multi", "single"):
            named[f"{slug(name)}_behind"] = float(variants.growths[reference].solved - one.solved)
    return named


def race_headline(variants: Variants) -> pd.DataFrame:
    """Return what a reader wants to know first: one row a variant."""
    table = variants.frame().set_index("variant")
    shown = pd.DataFrame(
        {"largest N": table["solved"].map("{:.0f}".format), "epochs": table["epochs"].map("{:.0f}".format)}
    )
    shown["time constants, mean (ms)"] = [f"{tau:.2f}" if np.isfinite(tau) else "" for tau in table["tau_mean"]]
    return shown
