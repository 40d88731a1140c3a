"""Activity pruning: what is silent while the network works is taken away."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.cell.member import member
from neurornn.network import Network
from neurornn.pruning.base import AbstractPruning, Choice, Connected, count_of
from neurornn.pruning.rebuild import needed_units
from neurornn.pruning.rescale import Rescale, rescaling, survivors


class Least(Enum):
    r"""What is dropped.

    - `UNITS`: those of least mean $|r|$ (of least rate), until no more connections are left than asked for.
    - `SYNAPSES`: those that carry least, $|w_{ij}|\,\overline{|r_j|}$, as many as asked for exactly.
    """

    UNITS = "units"
    SYNAPSES = "synapses"


@dataclass(frozen=True, eq=False)
class ActivityPruning(AbstractPruning):
    """Drop the units, or the synapses, that are least active while the network works: usually after training.

    Args:
        inputs: what the network sees meanwhile. Shape `(trial, time, in)`.
        start: what its encoder is told, where it has one. Shape `(trial, start)`.
        drop: "units" (with all of their synapses) or "synapses".
        rescale: what survivors are multiplied by: "none" or "radius".

    Example:
        >>> import torch
        >>> from neurornn import ActivityPruning, LeakyRate, Network, prune
        >>> network = Network(LeakyRate(1, 20, seed=3), 1)
        >>> pruned = prune(network, ActivityPruning(torch.ones(1, 50, 1)), density=0.25)
        >>> pruned.network.n_units, round(pruned.density, 3)
        (10, 0.237)
    """

    inputs: Float[Tensor, "trial time in"] = field(repr=False)
    start: Float[Tensor, "trial start"] | None = field(default=None, repr=False)
    drop: Least | str = Least.UNITS
    rescale: Rescale | str = Rescale.NONE

    def __post_init__(self) -> None:
        object.__setattr__(self, "drop", member("ActivityPruning", "drop", Least, self.drop))
        object.__setattr__(self, "rescale", rescaling("ActivityPruning", self.rescale, (Rescale.NONE, Rescale.RADIUS)))

    def choose(self, network: Network, density: float, generator: torch.Generator) -> Choice:
        dense = Connected.of(network)
        n_kept = count_of("ActivityPruning", density, len(dense.places))
        with torch.no_grad():
            run = network(self.inputs.to(network.readout), start=self.start, generator=generator)
        active = run.activity.abs().mean(dim=(0, 1)).double().cpu().numpy()
        if not active.any():
            _check.fail("ActivityPruning", "inputs", "strong enough to make some unit active", "none that is")
        if self.drop is Least.SYNAPSES:
            carried = (np.abs(dense.weights) * active)[dense.between]
            mask, units = dense.only(np.argsort(-carried, kind="stable")[:n_kept]), np.arange(len(active))
        else:
            units = self._units(network, dense, active, n_kept, generator)
            mask = dense.weights != 0
        left = np.zeros_like(mask)
        left[np.ix_(units, units)] = mask[np.ix_(units, units)]
        weights, factor = survivors(dense.weights, left, None, Rescale(self.rescale))
        steps = [("activity", "least of a unit kept", float(active[units].min()))]
        steps += [("units", "dropped", float(len(active) - len(units))), ("rescale", "factor", factor)]
        return Choice(weights, left, units=units, steps=steps)

    def _units(
        self, network: Network, dense: Connected, active: np.ndarray, n_kept: int, generator: torch.Generator
    ) -> np.ndarray:
        """Return the most active units that have no more than `n_kept` connections among them; ties are drawn."""
        drawn = torch.randperm(len(active), generator=generator).numpy()
        order = np.lexsort((drawn, -active))
        needed = np.isin(order, needed_units(network))
        order = np.concatenate([order[needed], order[~needed]])
        # Connections that each unit adds to those before it.
        ranked = dense.between[np.ix_(order, order)]
        added = np.tril(ranked).sum(axis=1) + np.triu(ranked).sum(axis=0)
        n = int(np.searchsorted(np.cumsum(added), n_kept, side="right"))
        if n < max(2, needed.sum()) or np.cumsum(added)[n - 1] == 0:
            fix = "Keep more, or drop='synapses'."
            _check.fail("ActivityPruning", "density", "enough for two connected units and those needed", n_kept, fix)
        return np.sort(order[:n])
