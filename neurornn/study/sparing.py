"""Spikes as the energy: a spiking network that spares them, on sequences that can be foreseen."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import RecipeError
from neurornn.fit import train
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.study.economy import priced, surprise
from neurornn.study.expecting import matched
from neurornn.task import ImageSequences

HERTZ = 1000.0
"""Spikes a ms as spikes a second."""


@dataclass(frozen=True, eq=False)
class Sparing:
    """Spikes over the images of a sequence, and what surprise adds to them, by network.

    Args:
        table: one row a network and image: `network`, `image`, `rate` (Hz, the mean over units with an input) and
            `synapses` (what reaches a unit through recurrent synapses, whatever its sign, pA times Hz).
        surprises: spikes at the very same image out of turn over in turn, by network.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    surprises: dict[str, float]
    methods: str
    references: tuple[str, ...] = ("10.1016/j.patter.2022.100639",)

    def frame(self) -> pd.DataFrame:
        """Return one row a network and image."""
        return self.table

    def curve(self, network: str, what: str = "rate") -> np.ndarray:
        """Return a column of one network over the images."""
        return self.table[what].to_numpy(dtype=float)[(self.table["network"] == network).to_numpy()]


@dataclass(frozen=True)
class SparingStudy(AbstractStudy):
    """Train a spiking network on the recipe's objective, in order and out of order, and see when it spikes.

    Each image is injected into the units, pixel by pixel, for the time that the task holds it. Whether the network
    foresees is asked by showing the very same image in turn and out of turn, as for rate units.

    Args:
        sequences: held-out sequences.

    References:
        A. Ali, N. Ahmad, E. de Groot, M. A. J. van Gerven and T. C. Kietzmann (2022), Predictive coding is a
        consequence of energy efficiency in recurrent neural networks, doi:10.1016/j.patter.2022.100639.
    """

    sequences: int = 600

    def run(self, plan: Plan) -> Findings:
        task = plan.task()
        if not isinstance(task, ImageSequences) or not task.ordered:
            fix = "Use ImageSequences; the study makes the shuffled one itself."
            _check.fail("SparingStudy", "task", "of images in order", task, fix, error=RecipeError)
        start = plan.network(task, plan.seed)
        if not start.spiking:
            fix = 'Use LIF with inject = true; for rate units there is type = "PredictiveStudy".'
            _check.fail("SparingStudy", "network.cell", "spiking", type(start.cell).__name__, fix, error=RecipeError)
        start.readout.requires_grad_(False)
        settings: dict[str, Any] = dict(plan.train)
        fits = {}
        for name, learnt in (("in order", task), ("shuffled", replace(task, ordered=False))):
            plan.say(f"training, {name}")
            fits[name] = train(start, learnt, seed=plan.seed, progress=plan.progress, **settings)
        networks = {name: fit.network for name, fit in fits.items()} | {"untrained": start}
        plan.say("spikes and surprise")
        test = task.held_out
        trials = test.sample(self.sequences, generator=generator(plan.seed + 7_000_003))
        pair = matched(test, self.sequences, task.length - 1, seed=plan.seed + 7_000_033)
        tables, surprises = [], {}
        for name, network in networks.items():
            found = priced(network, task, trials, condition=name)
            rate, synapses = (found[what].to_numpy(dtype=float) * HERTZ / task.dt for what in ("action", "synapses"))
            rows = {"network": name, "image": found["image"], "rate": rate, "synapses": synapses}
            tables.append(pd.DataFrame(rows))
            surprises[name] = surprise(network, pair, task.steps_an_image, paid="action")
        methods = (
            f"{self.sequences} held-out sequences of {task.length} images of {task.hold:g} ms. Surprise: spikes at the "
            f"very same image number {task.length - 1} out of turn over in turn."
        )
        sparing = Sparing(pd.concat(tables, ignore_index=True), surprises, methods)
        quantities = _quantities(sparing)
        note = f"{start.n_units} {type(start.cell).__name__} units, {task.n_in} pixels; rates in Hz a unit."
        shown = {name: [f"{sparing.curve(name)[-1]:.3g}", f"{surprises[name]:.3g}"] for name in networks}
        first = pd.DataFrame(shown, index=["rate at the last image (Hz)", "spikes out of turn over in turn"])
        parts = {"sparing": sparing}
        return Findings(quantities, fits["in order"], first, parts, (*plan.notes, note), plan.title)


def _quantities(sparing: Sparing) -> dict[str, float]:
    """Return every number that a gate may ask for."""
    named: dict[str, float] = {}
    for name, suffix in (("in order", ""), ("shuffled", "_shuffled"), ("untrained", "_untrained")):
        rate, synapses = sparing.curve(name), sparing.curve(name, "synapses")
        named |= {f"rate_{i + 1}{suffix}": float(value) for i, value in enumerate(rate)}
        named[f"fall{suffix}"] = float(rate[-1] / rate[0])
        named[f"synapses{suffix}"] = float(synapses[-1])
        named[f"surprise{suffix}"] = sparing.surprises[name]
    for other in ("untrained", "shuffled"):
        named[f"rate_over_{other}"] = float(sparing.curve("in order")[-1] / sparing.curve(other)[-1])
    return named
