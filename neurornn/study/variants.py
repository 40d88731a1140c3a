"""How memory grows with other units and other curricula than the paper's main pair."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from neurornn import _check
from neurornn.cell import GRU, LSTM, Form, LeakyRate
from neurornn.curriculum import Combined, Mixed, MultiHead, Naive, SingleHead, Sliding
from neurornn.errors import RecipeError
from neurornn.fit import Adam
from neurornn.network import Network
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.study.memory import PAPER
from neurornn.study.race import Variant, Variants, race, race_headline, race_quantities, with_cell
from neurornn.study.timescales import bits_and_epoch
from neurornn.task.bits import AbstractBits

EXECUTE = "10.48550/arXiv.1410.4615"


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
        told = {"epochs": self.epochs, "epoch": epoch, "folder": self.folder, "workers": self.workers}
        growths = race(racers, plan, settings=settings, **told)
        methods = (
            f"Up to {self.epochs} epochs of {epoch} batches for each, up to N = {self.last}; networks of "
            f"{network.n_units} units from the same initial weights. A stage is passed above 98 % right on fresh "
            f"trials. Gated units: Adam at 0.001; all others as the recipe says."
        )
        variants = Variants(growths, self._groups(racers), self.last, methods, (PAPER, EXECUTE))
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


def _like(cell: LeakyRate, **changes: Any) -> LeakyRate:
    """Return a cell of the same build, and the same weights where nothing is changed."""
    return LeakyRate(**{**copy.deepcopy(cell.settings), **changes})
