"""Growing memory in a network of spiking units with time constants of their own: how far the curricula take it."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.cell import AbstractSpiking
from neurornn.curriculum import MultiHead, SingleHead
from neurornn.errors import RecipeError
from neurornn.network import Network
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.study.growth import Growth, grow, grow_all, time_constants
from neurornn.study.timescales import bits_and_epoch, place_of
from neurornn.study.variants import PAPER, Variant, Variants, race_headline, race_quantities, slug, with_cell
from neurornn.task.bits import AbstractBits


@dataclass(frozen=True)
class SpikingMemoryStudy(AbstractStudy):
    """Train a spiking network through the curricula of growing memory, and controls of its time constants.

    - `multi`, `single`: the recipe's network, membranes trained.
    - `multi, fixed taus`: the same membranes, spread as they are, not trained.
    - `multi, one tau`: all membranes alike, at the mean, not trained.

    Args:
        last: the largest N of every curriculum.
        epochs: after which each training stops.
        folder: where checkpoints are kept; a temporary one where empty.
        workers: trainings side by side, each in a process of its own.

    References:
        Khajehabdollahi et al. (2024), doi:10.48550/arXiv.2309.12927; N. Perez-Nieves et al. (2021), Neural
        heterogeneity promotes robust learning, doi:10.1038/s41467-021-26022-3.
    """

    last: int = 6
    epochs: int = 40
    folder: str = ""
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("last", "epochs", "workers"):
            _check.count("SpikingMemoryStudy", name, getattr(self, name))

    def run(self, plan: Plan) -> Findings:
        task, epoch, settings = bits_and_epoch(plan, "SpikingMemoryStudy")
        whole = replace(task, ns=tuple(range(min(task.ns), self.last + 1)))
        network = plan.network(whole, plan.seed)
        cell = network.cell
        if not isinstance(cell, AbstractSpiking) or "tau" not in cell.settings["train"]:
            fix = 'Use [network.cell] type = "LIF" with train = ["tau"].'
            got = type(cell).__name__
            must = "spiking, with trained membrane time constants"
            _check.fail("SpikingMemoryStudy", "network.cell", must, got, fix, error=RecipeError)
        racers = dict(_racers(network, task, whole, self.last))
        plan.say(f"training {len(racers)} networks for up to {self.epochs} epochs of {epoch} batches")
        with place_of(self.folder, plan) as folder:
            told = {"epochs": self.epochs, "epoch": epoch, "seed": plan.seed, "settings": settings, "task": whole}
            trainings = {
                name: partial(
                    grow,
                    one.network,
                    one.curriculum,
                    name=name,
                    folder=folder / slug(name),
                    progress=plan.progress and self.workers == 1,
                    **told,
                )
                for name, one in racers.items()
            }
            growths = grow_all(trainings, workers=self.workers)
        methods = (
            f"{network.n_units} {type(cell).__name__} units, a bit for {task.hold:g} ms; up to {self.epochs} epochs of "
            f"{epoch} batches. A stage is passed above 98 % right on fresh trials. Controls: the same time constants "
            f"left as drawn, and one time constant for all."
        )
        variants = Variants(growths, {"Spiking units": tuple(growths)}, self.last, methods, (PAPER,))
        found = race_quantities(variants, first=min(task.ns)) | _rates(growths, whole, plan.seed)
        parts = {"variants": variants}
        return Findings(found, growths["multi"].fit, race_headline(variants), parts, plan.notes, plan.title)


def _racers(network: Network, task: AbstractBits, whole: AbstractBits, last: int) -> Iterator[tuple[str, Variant]]:
    yield "multi", Variant(network, MultiHead(task, last), whole)
    yield "single", Variant(network, SingleHead(task, last), whole)
    taus = time_constants(network)
    for name, values in (("fixed taus", taus), ("one tau", np.full(len(taus), taus.mean()))):
        settings = copy.deepcopy(network.cell.settings)
        free = tuple(part for part in settings["train"] if part != "tau")
        cell = type(network.cell)(**{**settings, "tau": values.tolist(), "train": free})
        yield f"multi, {name}", Variant(with_cell(network, cell), MultiHead(task, last), whole)


@torch.no_grad()
def _rates(growths: dict[str, Growth], whole: AbstractBits, seed: int) -> dict[str, float]:
    """Return the mean rate (Hz) of each network after training, and the share of its units that are silent."""
    found = {}
    for name, one in growths.items():
        stream = generator(seed + 7_000_011)
        trials = whole.sample(64, generator=stream)
        spikes = one.fit.network(trials.inputs.to(one.fit.network.readout), generator=stream).activity
        assert trials.valid is not None
        rates = (spikes * trials.valid[..., None]).sum((0, 1)) / trials.valid.sum() * (1000 / one.fit.network.dt)
        found[f"{slug(name)}_rate"] = float(rates.mean())
        found[f"{slug(name)}_silent"] = float((rates == 0).double().mean())
    return found
