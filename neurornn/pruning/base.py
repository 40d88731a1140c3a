"""What pruning is: a method chooses synapses and units, and `prune` makes a new network of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int

from neurornn import _check
from neurornn._types import generator
from neurornn.cell import LeakyRate
from neurornn.cell.spiking import AbstractSpiking
from neurornn.network import Network
from neurornn.pruning.rebuild import remade

Steps = Sequence[tuple[str, str, float]]
"""What was done: which step, what about it, and a number."""


@dataclass(frozen=True, eq=False)
class Connected:
    """The connections of a network as they are before pruning, in the wiring's own unit.

    Args:
        weights: entry `[post, pre]`. Shape `(unit, unit)`.
        between: which of them join two different units. Shape `(unit, unit)`.
        places: where these are, flat.
    """

    weights: Float[np.ndarray, "unit unit"]
    between: Bool[np.ndarray, "unit unit"]
    places: Int[np.ndarray, " connection"]

    @classmethod
    def of(cls, network: Network) -> "Connected":
        """Return those of `network`.

        Raises:
            ValueError: if it is of units with several recurrent weights each, or no two units are connected.
        """
        cell = network.cell
        if not isinstance(cell, LeakyRate | AbstractSpiking):
            fix = "Those have one recurrent weight for each pair."
            _check.fail("prune", "network", "of LeakyRate or spiking units", type(cell).__name__, fix)
        weights = cell.wiring().detach().double().cpu().numpy()
        between = (weights != 0) & ~np.eye(len(weights), dtype=bool)
        if not between.any():
            fix = "Give its wiring a gain above 0."
            _check.fail("prune", "network", "one with recurrent weights between units", "none", fix)
        return cls(weights, between, np.flatnonzero(between))

    def only(self, chosen: Int[np.ndarray, " chosen"]) -> Bool[np.ndarray, "unit unit"]:
        """Return the mask that keeps some of `places`, and what units send to themselves."""
        mask = (self.weights != 0) & np.eye(len(self.weights), dtype=bool)
        mask.flat[self.places[chosen]] = True
        return mask


@dataclass(frozen=True, eq=False)
class Choice:
    """What a method chose. Everything is numbered as in the network before.

    Args:
        weights: recurrent weights as they shall be, in the wiring's own unit. Shape `(unit, unit)`.
        mask: which are kept. Shape `(unit, unit)`.
        units: which units are kept; all where absent.
        keep: probability with which each was kept; nothing where nothing was drawn. Shape `(unit, unit)`.
        taus: time constants of the kept units, ms, where they change. Shape `(kept,)`.
        steps: what was done.
    """

    weights: Float[np.ndarray, "unit unit"]
    mask: Bool[np.ndarray, "unit unit"]
    units: Int[np.ndarray, " kept"] | None = None
    keep: Float[np.ndarray, "unit unit"] | None = None
    taus: Float[np.ndarray, " kept"] | None = None
    steps: Steps = ()


class AbstractPruning(ABC):
    """A way to choose what is kept. Methods are frozen dataclasses: their fields are their settings."""

    @abstractmethod
    def choose(self, network: Network, density: float, generator: torch.Generator) -> Choice:
        """Return which synapses and units are kept, and with what weights.

        Args:
            network: the network before; it is only read.
            density: the part of the connections between units that shall be left, in (0, 1].
            generator: where everything is drawn from.

        Raises:
            ValueError: if the method cannot serve this network.
        """


@dataclass(frozen=True, eq=False)
class Pruned:
    """A pruned network, and how it came about.

    Units are numbered as in the network before; only `network` itself numbers those that were kept, in their order.

    Args:
        network: a new network of the kept units, whose wiring is `Masked`: what was cut stays cut in training.
        method: how it was pruned.
        mask: the recurrent connections that were kept, rows post-synaptic. Shape `(unit, unit)`.
        units: the kept units.
        keep: probability with which each connection was kept; `None` for methods that do not draw. Shape
            `(unit, unit)`.
        counts: one row a kind of synapse ("recurrent": between units; "self", "input", "encoder", "readout", "all"):
            `dense`, `kept` and `density`.
        steps: what was done: `step`, `quantity`, `value`.
        seed: of the draw.
    """

    network: Network
    method: AbstractPruning
    mask: Bool[np.ndarray, "unit unit"]
    units: Int[np.ndarray, " kept"]
    keep: Float[np.ndarray, "unit unit"] | None
    counts: pd.DataFrame
    steps: pd.DataFrame
    seed: int

    @property
    def density(self) -> float:
        """The part of the connections between units that is left."""
        return self._density("recurrent")

    @property
    def density_whole(self) -> float:
        """The same of all synapses: with those of units onto themselves, inputs, encoder and readout."""
        return self._density("all")

    @property
    def methods(self) -> str:
        """What was done, in a sentence."""
        return (
            f"Pruned by {self.method!r}, seed {self.seed}: {self.density:.1%} of the connections between units and "
            f"{len(self.units)} of {len(self.mask)} units are left."
        )

    def frame(self) -> pd.DataFrame:
        """Return how many synapses of each kind there were and are: `synapses`, `dense`, `kept`, `density`."""
        return self.counts

    def _density(self, kind: str) -> float:
        return float(self.counts.set_index("synapses").loc[kind, "density"])


def prune(network: Network, method: AbstractPruning, *, density: float = 0.1, seed: int = 0) -> Pruned:
    """Return a new network of a part of the synapses (and units) of another, which is not changed.

    Args:
        network: of rate or spiking units with one recurrent weight for each pair.
        method: which are kept: `RandomPruning`, `MagnitudePruning`, `NoisePruning`, `LyapunovNoisePruning`,
            `ActivityPruning`.
        density: the part of the connections between different units that shall be left, in (0, 1]; those of units onto
            themselves do not count. Methods that draw reach it on average; methods with a measure of their own
            (`NoisePruning(epsilon=...)`) do not use it.
        seed: of everything that is drawn.

    Returns:
        The new network, masked for good, and what was done. Weights that units need not share (biases, inputs,
        readout) are as they were.

    Raises:
        ValueError: if the density is not in (0, 1], the network has no recurrent weights, or the method cannot serve
            its wiring.

    Example:
        >>> from neurornn import LIF, Network, RandomPruning, prune
        >>> pruned = prune(Network(LIF(2, 40), 3), RandomPruning(), density=0.25, seed=1)
        >>> pruned.network.n_units, pruned.frame()["kept"].tolist()
        (40, [390, 40, 80, 0, 120, 630])
    """
    if isinstance(density, bool) or not isinstance(density, int | float) or not 0 < density <= 1:
        _check.fail("prune", "density", "in (0, 1]", density, "It is the part that is kept.")
    dense = Connected.of(network)
    choice = method.choose(network, float(density), generator(seed))
    units = np.arange(network.n_units) if choice.units is None else np.asarray(choice.units)
    new = remade(network, units, choice.weights, choice.mask, choice.taus)
    mask = np.zeros_like(choice.mask)
    mask[np.ix_(units, units)] = choice.mask[np.ix_(units, units)]
    steps = pd.DataFrame(list(choice.steps), columns=["step", "quantity", "value"])
    return Pruned(new, method, mask, units, choice.keep, _counts(network, new, dense, mask), steps, seed)


def count_of(owner: str, density: float, n_connections: int) -> int:
    """Return how many connections a density leaves, or refuse one that leaves none."""
    n_kept = round(density * n_connections)
    if n_kept == 0:
        fix = f"Use at least {1 / n_connections:.2g}."
        _check.fail(owner, "density", "large enough for one connection", density, fix)
    return n_kept


def _counts(before: Network, after: Network, dense: Connected, mask: np.ndarray) -> pd.DataFrame:
    itself = np.eye(len(mask), dtype=bool)

    def others(network: Network) -> list[int]:
        parts = (network.cell.weights()[0], network.encoder, network.readout)
        return [0 if part is None else int((part != 0).sum()) for part in parts]

    with torch.no_grad():
        were = [int(dense.between.sum()), int((dense.weights[itself] != 0).sum()), *others(before)]
        are = [int((mask & ~itself).sum()), int((mask & itself).sum()), *others(after)]
    names = ["recurrent", "self", "input", "encoder", "readout", "all"]
    table = pd.DataFrame({"synapses": names, "dense": [*were, sum(were)], "kept": [*are, sum(are)]})
    return table.assign(density=table["kept"] / table["dense"].where(table["dense"] > 0))
