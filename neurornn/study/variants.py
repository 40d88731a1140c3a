"""How memory grows with other units and other curricula than the paper's main pair: one plain race over epochs."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.cell import GRU, LSTM, AbstractCell, Form, LeakyRate
from neurornn.curriculum import Combined, Mixed, MultiHead, Naive, SingleHead, Sliding
from neurornn.curriculum.growing import AbstractGrowing
from neurornn.errors import RecipeError
from neurornn.fit import Adam
from neurornn.network import Network
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.study.growth import Growth, grow, grow_all
from neurornn.study.timescales import bits_and_epoch, place_of
from neurornn.task.bits import AbstractBits

PAPER = "10.48550/arXiv.2309.12927"
EXECUTE = "10.48550/arXiv.1410.4615"


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
    references: tuple[str, ...] = (PAPER, EXECUTE)

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


@dataclass(frozen=True)
class VariantStudy(AbstractStudy):
    """Train the recipe's network, and variants of it, for the same number of epochs; see which N each comes to.

    All start from the same weights, where they have the same. The variants:

    - `multi` and `single`: the recipe's network with a head for every N, and with one head.
    - `multi, tau = 3` and so on: time constants that are not trained, for each of `fixed`.
    - `multi, mod`, `single, mod`: the nonlinearity around the drive alone, so that the leak passes it by.
    - `sliding`, `sliding, own heads`: a window of N, its heads bound to its places or to their N.
    - `naive`, `mixed`, `combined`: the strategies of "Learning to Execute", with a head for every N.
    - `multi, GRU`, `multi, LSTM`: gated units, as many, trained with Adam at a rate of 0.001 as in the paper.
    - `multi, continuous`: each bit is shown for several steps, to units of the `mod` form.

    Args:
        last: the largest N of every curriculum.
        epochs: after which each training stops.
        fixed: time constants that are not trained, ms.
        window: N of the sliding window.
        step: by which it slides.
        mixing: whether to train the strategies of "Learning to Execute".
        gated: whether to train gated units.
        continuous: steps of a bit in the continuous variant; 0 leaves it out.
        folder: where checkpoints are kept, so that a study that was cut short goes on; a temporary one where empty.
        workers: trainings side by side, each in a process of its own.

    References:
        Khajehabdollahi et al. (2024), doi:10.48550/arXiv.2309.12927; Zaremba & Sutskever (2014),
        doi:10.48550/arXiv.1410.4615.
    """

    last: int = 8
    epochs: int = 12
    fixed: tuple[float, ...] = (1.0, 2.0, 3.0, 5.0)
    window: int = 3
    step: int = 2
    mixing: bool = True
    gated: bool = True
    continuous: int = 4
    folder: str = ""
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("last", "epochs", "workers"):
            _check.count("VariantStudy", name, getattr(self, name))
        _check.count("VariantStudy", "continuous", self.continuous, least=0)

    def run(self, plan: Plan) -> Findings:
        task, epoch, settings = bits_and_epoch(plan, "VariantStudy")
        whole = replace(task, ns=tuple(range(min(task.ns), self.last + 1)))
        network = plan.network(whole, plan.seed)
        if not isinstance(network.cell, LeakyRate):
            fix = "The study itself puts gated units in their place."
            kind = type(network.cell).__name__
            _check.fail("VariantStudy", "network.cell", "LeakyRate", kind, fix, error=RecipeError)
        racers = dict(self._racers(network, task, whole))
        plan.say(f"training {len(racers)} variants for up to {self.epochs} epochs of {epoch} batches")
        with place_of(self.folder, plan) as folder:
            trainings = {
                name: partial(
                    grow,
                    one.network,
                    one.curriculum,
                    name=name,
                    task=one.task,
                    epochs=self.epochs,
                    epoch=epoch,
                    folder=folder / slug(name),
                    settings={**settings, **one.settings},
                    seed=plan.seed,
                    progress=plan.progress and self.workers == 1,
                )
                for name, one in racers.items()
            }
            growths = grow_all(trainings, workers=self.workers)
        methods = (
            f"Up to {self.epochs} epochs of {epoch} batches for each, up to N = {self.last}; networks of "
            f"{network.n_units} units from the same initial weights. A stage is passed above 98 % right on fresh "
            f"trials. Gated units: Adam at 0.001; all others as the recipe says."
        )
        variants = Variants(growths, self._groups(racers), self.last, methods)
        found = race_quantities(variants, first=min(task.ns))
        return Findings(
            found, growths["multi"].fit, race_headline(variants), {"variants": variants}, plan.notes, plan.title
        )

    def _racers(self, network: Network, task: AbstractBits, whole: AbstractBits) -> Iterator[tuple[str, Variant]]:
        pair = {"multi": MultiHead(task, self.last), "single": SingleHead(task, self.last)}
        cell = network.cell
        assert isinstance(cell, LeakyRate), "which `run` made sure of"
        for name, curriculum in pair.items():
            yield name, Variant(network, curriculum, whole)
        for name, curriculum in pair.items():
            for tau in self.fixed:
                fixed = with_cell(network, _like(cell, tau=tau, train_tau=False))
                yield f"{name}, tau = {tau:g}", Variant(fixed, curriculum, whole)
            yield f"{name}, mod", Variant(with_cell(network, _like(cell, form=Form.RATE)), curriculum, whole)
        for name, own in (("sliding", False), ("sliding, own heads", True)):
            sliding = Sliding(task, self.last, window=self.window, step=self.step, own_heads=own)
            yield name, Variant(network, sliding, whole)
        if self.mixing:
            for kind in (Naive, Mixed, Combined):
                yield kind.__name__.lower(), Variant(network, kind(task, self.last), whole)
        if self.gated:
            for gates in (GRU, LSTM):
                units = gates(cell.n_in, cell.n_units, dt=cell.dt, seed=cell.settings["seed"])
                told = {"optimiser": Adam(), "learning_rate": 1e-3}
                yield f"multi, {gates.__name__}", Variant(with_cell(network, units), pair["multi"], whole, told)
        if self.continuous:
            dt = task.hold / self.continuous
            fine = _like(cell, form=Form.RATE, dt=dt)
            slow = MultiHead(replace(task, dt=dt), self.last)
            yield "multi, continuous", Variant(with_cell(network, fine), slow, replace(whole, dt=dt))

    def _groups(self, racers: Mapping[str, Variant]) -> dict[str, tuple[str, ...]]:
        def those(*names: str) -> tuple[str, ...]:
            return tuple(name for name in racers if name in names)

        fixed = [f"tau = {tau:g}" for tau in self.fixed]
        found = {
            "Many heads": those("multi", *(f"multi, {one}" for one in (*fixed, "mod", "continuous"))),
            "One head": those("single", *(f"single, {one}" for one in (*fixed, "mod"))),
            "Curricula": those("multi", "single", "sliding", "sliding, own heads", "naive", "mixed", "combined"),
            "Units": those("multi", "multi, GRU", "multi, LSTM"),
        }
        return {title: names for title, names in found.items() if len(names) > 1}


def with_cell(network: Network, cell: AbstractCell) -> Network:
    """Return a network with the same encoder and readout around another cell of as many units."""
    settings = {**network.settings, "cell": cell}
    return type(network)(**settings)


def _like(cell: LeakyRate, **changes: Any) -> LeakyRate:
    """Return a cell of the same build, and the same weights where nothing is changed."""
    return LeakyRate(**{**copy.deepcopy(cell.settings), **changes})


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
