"""Lesions of classes of synapses: of a pathway, a sign, a distance, a strength, or a random fraction of them."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float

from neurornn import _check
from neurornn._types import generator
from neurornn.cell.base import Intervention
from neurornn.cell.member import member
from neurornn.network import Network
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.held import held
from neurornn.perturb.schedule import AbstractWhen, Always, check_when


class Sign(Enum):
    """The sign of a synapse's weight."""

    ANY = "any"
    EXCITATORY = "excitatory"
    INHIBITORY = "inhibitory"


@dataclass(frozen=True, eq=False)
class AblateSynapses(AbstractPerturbation):
    r"""Cut the recurrent synapses of a class: those that meet every condition that is named.

    The effective weight decides, after masks and Dale's law. Where gates have weights of their own, a synapse is that
    from one unit to another in all gates, and its weight that of the last of them. What is left has another spectral
    radius, with which the dynamics change however many synapses were cut; `frame` gives both, and `keep_radius` scales
    what is left so that the radius stays.

    Args:
        pre: units that send; all where absent.
        post: units that receive; all where absent.
        sign: of the weights.
        magnitude: from which to which quantile of the absolute weights of the class so far, such as (0.9, 1.0) for the
            strongest tenth.
        distance: from which to which distance between two units, with `positions`, in their unit.
        positions: of the units. Shape `(unit, axis)`.
        fraction: of the class, drawn at random, that is cut.
        seed: of that draw.
        keep_radius: whether the weights that are left are scaled back to the spectral radius of the intact ones.
        when: when it holds; halfway up a ramp half of each weight is left.

    Raises:
        ValueError: if a condition is not possible for the network.

    Example:
        >>> from neurornn import LeakyRate, Network
        >>> from neurornn.perturb import AblateSynapses
        >>> cut = AblateSynapses(sign="inhibitory", fraction=0.5)
        >>> cut.frame(Network(LeakyRate(1, 20), 1)).columns.tolist()
        ['synapses', 'cut', 'radius', 'radius_cut', 'scaled_by']
    """

    pre: Units | None = None
    post: Units | None = None
    sign: Sign | str = Sign.ANY
    magnitude: tuple[float, float] = (0.0, 1.0)
    distance: tuple[float, float] = (0.0, float("inf"))
    positions: Float[np.ndarray, "unit axis"] | None = None
    fraction: float = 1.0
    seed: int = 0
    keep_radius: bool = False
    when: AbstractWhen = field(default_factory=Always)

    def __post_init__(self) -> None:
        check_when("AblateSynapses", self.when)
        for name in ("pre", "post"):
            side = getattr(self, name)
            object.__setattr__(self, name, None if side is None else unit_tuple("AblateSynapses", side, name))
        object.__setattr__(self, "sign", member("AblateSynapses", "sign", Sign, self.sign))
        low, high = self.magnitude
        if not 0 <= low <= high <= 1:
            _check.fail("AblateSynapses", "magnitude", "two quantiles in [0, 1], the lower first", self.magnitude)
        near, far = self.distance
        if not 0 <= near <= far:
            _check.fail("AblateSynapses", "distance", "two distances, 0 or above, the nearer first", self.distance)
        if (near > 0 or far < float("inf")) and self.positions is None:
            _check.fail("AblateSynapses", "positions", "given with a distance", None)
        _check.fraction("AblateSynapses", "fraction", self.fraction)

    def chosen(self, network: Network) -> Bool[np.ndarray, "unit unit"]:
        """Return which synapses of a network are cut, rows post-synaptic."""
        n = network.n_units
        weights = _weights(network)
        meets = weights != 0
        for name, axis in (("pre", 1), ("post", 0)):
            side = getattr(self, name)
            if side is not None:
                within("AblateSynapses", side, n, name)
                meets &= np.expand_dims(np.isin(np.arange(n), side), 1 - axis)
        if self.sign is not Sign.ANY:
            meets &= weights > 0 if self.sign is Sign.EXCITATORY else weights < 0
        if self.positions is not None:
            if len(self.positions) != n:
                must = f"one row for each of the {n} units of the network"
                _check.fail("AblateSynapses", "positions", must, self.positions)
            apart = np.linalg.norm(self.positions[:, None] - self.positions[None], axis=2)
            meets &= (apart >= self.distance[0]) & (apart <= self.distance[1])
        if self.magnitude != (0.0, 1.0) and meets.any():
            low, high = np.quantile(np.abs(weights[meets]), self.magnitude)
            meets &= (np.abs(weights) >= low) & (np.abs(weights) <= high)
        if self.fraction < 1:
            places = np.flatnonzero(meets)
            order = torch.randperm(len(places), generator=generator(self.seed)).numpy()
            meets = np.zeros_like(meets)
            meets.flat[places[order[: round(self.fraction * len(places))]]] = True
        return meets

    def intervention(self, network: Network, n_trials: int, n_steps: int) -> Intervention:
        away = self.chosen(network)
        if not away.any():
            return Intervention()
        kept = torch.as_tensor(~away).to(network.readout)
        left = kept * self._factor(network, away) if self.keep_radius else kept
        return held(self.when, network, n_trials, n_steps, synapses=left)

    def frame(self, network: Network) -> pd.DataFrame:
        """Return what the lesion does to a network, in one row.

        Columns: `synapses` (how many there are), `cut`, `radius` and `radius_cut` (spectral radius before and after,
        without scaling) and `scaled_by` (what the rest is multiplied with). Radii are NaN where gates have weights of
        their own.
        """
        away, weights = self.chosen(network), _weights(network)
        gated = _gates(network) > 1
        row = {
            "synapses": int((weights != 0).sum()),
            "cut": int(away.sum()),
            "radius": np.nan if gated else _radius(weights),
            "radius_cut": np.nan if gated else _radius(weights * ~away),
            "scaled_by": self._factor(network, away) if self.keep_radius and away.any() else 1.0,
        }
        return pd.DataFrame([row])

    def _factor(self, network: Network, away: np.ndarray) -> float:
        if _gates(network) > 1:
            fix = "A gated cell has one radius a gate; leave it out."
            _check.fail("AblateSynapses", "keep_radius", "False for gated cells", True, fix)
        weights = _weights(network)
        left = _radius(weights * ~away)
        if left < 1e-9:
            fix = "Cut fewer synapses, or leave `keep_radius` out."
            _check.fail("AblateSynapses", "keep_radius", "False where no loop is left", True, fix)
        return _radius(weights) / left


def _gates(network: Network) -> int:
    return network.cell.weights()[1].shape[0] // network.n_units


def _weights(network: Network) -> np.ndarray:
    """Return the recurrent weights, of a gated cell those of its last gate. Shape `(unit, unit)`."""
    return network.cell.weights()[1].detach().cpu().double().numpy()[-network.n_units :]


def _radius(weights: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(weights)).max(initial=0.0))
