"""Fixed-point topology: whether two networks rest at as many places, of the same kinds, joined in the same way."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance
from torch import Tensor

from neurornn import _check
from neurornn.cell import AbstractCell
from neurornn.dynamics import FixedPoints, Map, Search, connections, fixed_points, visited_states
from neurornn.dynamics.fixed import MARGINAL, time_constants
from neurornn.network import Network
from neurornn.recording import Recording
from neurornn.trials import Trials

WAYS = 1000
"""Steps for which a saddle's two ways down are followed."""


@dataclass(frozen=True, eq=False)
class Topology:
    """The fixed points of one system, what joins them, and the trajectories that its frame is read from.

    Args:
        points: the fixed points.
        edges: from a saddle (first) to the stable point (second) to which one of its two ways leads, as rows of
            `points`. Shape `(edge, 2)`.
        visited: states on trajectories, flat, to which the frames of two systems are turned. Shape `(sample, state)`.
        inputs: of the trials that these are from; no values where they are not from trials. Shape `(trial time in)`.
    """

    points: FixedPoints
    edges: Int[np.ndarray, "edge 2"]
    visited: Float[np.ndarray, "sample state"] = field(repr=False)
    inputs: np.ndarray = field(repr=False)

    @property
    def kinds(self) -> tuple[tuple[int, int], ...]:
        """Of each point, under which held input it is and how many of its modes grow."""
        return tuple(zip(self.points.conditions.tolist(), self.points.index.tolist(), strict=True))

    @property
    def placed(self) -> Float[np.ndarray, "point state"]:
        """Where the points are, from the mean of the visited states and over their spread."""
        return (self.points.states - self.visited.mean(axis=0)) / self._spread

    @property
    def frame(self) -> Float[np.ndarray, "sample state"]:
        """The visited states, from their mean and over their spread."""
        return (self.visited - self.visited.mean(axis=0)) / self._spread

    @property
    def _spread(self) -> float:
        return float(np.sqrt(self.visited.var(axis=0).sum())) or 1.0

    @property
    def slowest(self) -> Float[np.ndarray, " point"]:
        """Time constant of the mode of largest modulus at each point, ms; of 50 steps where it is longer."""
        if not len(self.points.states):
            return np.empty(0)
        dt = self.points.system.dt
        return np.minimum(time_constants(self.points.eigenvalues[:, 0], dt), dt / MARGINAL)

    def neighbourhoods(self, rounds: int) -> Counter[Any]:
        """Return how often each kind of point occurs, then each kind with its neighbours' kinds, and so on."""
        labels: list[Any] = list(self.kinds)
        found = Counter((0, label) for label in labels)
        for k in range(1, rounds + 1):
            down: list[list[Any]] = [[] for _ in labels]
            up: list[list[Any]] = [[] for _ in labels]
            for saddle, rest in self.edges.tolist():
                down[saddle].append(labels[rest])
                up[rest].append(labels[saddle])
            labels = [(label, tuple(sorted(a)), tuple(sorted(b))) for label, a, b in zip(labels, down, up, strict=True)]
            found.update((k, label) for label in labels)
        return found


@dataclass(frozen=True)
class FixedPointTopology:
    r"""How alike the fixed points of two networks are: how many of which kind, how joined, where, and how slow.

    * `topology`: points are the nodes of a graph, labelled with their held input and index (how many modes grow); each
      saddle of index 1 is joined to the stable points to which its two ways down lead. Each node is then told by its
      label, by its label and its neighbours', and so on (`rounds`), and $\sum_l \min(n_l, m_l) / \sum_l \max(n_l, m_l)$
      compares how often each such neighbourhood $l$ occurs. 1 for the same graph, 0 where no kind of point is shared.
      Nothing that a smooth change of coordinates does is seen: units may be permuted, mixed or bent.
    * `arrangement`: 1 less the optimal sub-pattern assignment distance of the two sets of points, in spreads of the
      visited states, cut at `cutoff`, which is also what a point without a partner of its kind costs. Before, one state
      space is turned onto the other by what both do on the *same* trials, so that the points themselves are held out.
      NaN where the trials are not the same.
    * `time_constants`: $e^{-W}$ of the Wasserstein distance $W$ between the logarithms of the slowest time constants of
      points of the same kind, averaged over the kinds that both have: 1/2 where those of one are twice as long.

    One less the first is a distance: symmetric, 0 for one network with itself, and never longer than by way of a third
    (different graphs may still be at distance 0). A search that missed points says so in `FixedPoints.notes`.

    It needs two networks: a recording has no fixed points. Fit a network to it (`fit_rates`), and take that.

    Args:
        rounds: how far a node looks in the graph.
        cutoff: where the distance of two points is cut, in spreads of the visited states.
        search: how fixed points are looked for.

    Example:
        >>> import torch
        >>> from neurornn import Map
        >>> from neurornn.comparison import FixedPointTopology
        >>> visited = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
        >>> metric = FixedPointTopology()
        >>> one, other = (metric.fit(Map(lambda x, g=g: torch.tanh(g * x), 1), visited) for g in (2.0, 0.5))
        >>> metric.score(one, one)["topology"], round(metric.score(one, other)["topology"], 2)
        (1.0, 0.09)

    References:
        Maheswaranathan et al. (2019), doi:10.48550/arXiv.1907.08549; Sussillo & Barak (2013), doi:10.1162/NECO_a_00409;
        Shervashidze et al. (2011), J. Mach. Learn. Res. 12:2539 (the neighbourhoods); Schuhmacher et al. (2008),
        doi:10.1109/TSP.2008.920469.
    """

    family: ClassVar[str] = "dynamics"
    measures: ClassVar[tuple[str, ...]] = ("topology", "arrangement", "time_constants")
    references: ClassVar[tuple[str, ...]] = (
        "10.48550/arXiv.1907.08549",
        "10.1162/NECO_a_00409",
        "10.1109/TSP.2008.920469",
    )

    rounds: int = 2
    cutoff: float = 1.0
    search: Search = field(default_factory=Search)

    def __post_init__(self) -> None:
        _check.count("FixedPointTopology", "rounds", self.rounds, least=0)
        _check.positive("FixedPointTopology", "cutoff", self.cutoff)

    def fit(
        self,
        system: Network | AbstractCell | Map | Recording,
        visited: Trials | Float[Tensor, "sample state"],
        inputs: Float[Tensor, "condition in"] | None = None,
        *,
        progress: bool = False,
    ) -> Topology:
        """Return the fixed points of a system under held inputs, and what joins them (see `fixed_points`).

        Args:
            system: a network or cell, without its noise, or a map.
            visited: trials, or states on trajectories, flat.
            inputs: what is held; 0 where absent.
            progress: whether to show a bar, where it takes more than some seconds.

        Raises:
            ValueError: if it is a recording, sizes do not fit, or the system jumps, as spiking cells do.
        """
        if isinstance(system, Recording):
            fix = "A recording has no fixed points: fit a network to it (fit_rates), and take its `network`."
            _check.fail("FixedPointTopology", "system", "a network, a cell or a map", "a recording", fix)
        points = fixed_points(system, visited, inputs, search=self.search, progress=progress)
        ways = [connections(points, condition=c, n_steps=WAYS) for c in range(len(points.inputs))]
        edges = [
            (int(saddle), int(end))
            for way in ways
            for saddle, ends in zip(way.saddles, way.ends, strict=True)
            for end in ends
            if end >= 0
        ]
        if isinstance(visited, Trials) and isinstance(system, Network):
            states, given = visited_states(system, visited).flatten(0, 1).cpu().numpy(), visited.inputs.cpu().numpy()
        else:
            states, given = torch.as_tensor(visited).double().cpu().numpy(), np.empty((0, 0, 0))
        return Topology(points, np.array(edges, dtype=np.int64).reshape(-1, 2), states, given)

    def score(self, one: Topology, other: Topology) -> Mapping[str, float]:
        """Return each of `measures`, of two systems under as many held inputs.

        Raises:
            ValueError: if the numbers of held inputs differ.
        """
        if len(one.points.inputs) != len(other.points.inputs):
            must = f"under as many held inputs as the first, {len(one.points.inputs)}"
            _check.fail("FixedPointTopology", "other", must, len(other.points.inputs), "Hold the same in both.")
        here, there = (side.neighbourhoods(self.rounds) for side in (one, other))
        union = (here | there).total()
        return {
            "topology": (here & there).total() / union if union else 1.0,
            "arrangement": self._arranged(one, other),
            "time_constants": _paced(one, other),
        }

    def _arranged(self, one: Topology, other: Topology) -> float:
        a, b = one.placed, other.placed
        most = max(len(a), len(b))
        if len(one.visited) != len(other.visited) or not np.array_equal(one.inputs, other.inputs):
            return float("nan")
        if min(len(a), len(b)) == 0:
            return 1.0 if most == 0 else 0.0
        width = max(a.shape[1], b.shape[1])
        x, y, a, b = (_wide(part, width) for part in (one.frame, other.frame, a, b))
        turn, _ = orthogonal_procrustes(x, y)
        far = np.minimum(np.linalg.norm((a @ turn)[:, None] - b, axis=-1), self.cutoff)
        same = np.array([[k == m for m in other.kinds] for k in one.kinds])
        cost = np.where(same, far, self.cutoff)
        rows, columns = linear_sum_assignment(cost)
        total = cost[rows, columns].sum() + self.cutoff * (most - len(rows))
        return float(1.0 - total / (self.cutoff * most))

    def sentence(self) -> str:
        """Return how it scores, in two sentences for a methods section."""
        return (
            "Fixed points of each network, labelled with held input and index, and joined by the ways down from "
            f"saddles of index 1: weighted overlap of the kinds of neighbourhoods within {self.rounds} steps "
            "of the graph. Arrangement: 1 less the optimal sub-pattern assignment distance between points of the same "
            f"kind, in spreads of the visited states, cut at {self.cutoff:g}, after a rotation learnt from "
            "trajectories alone."
        )


def _wide(values: np.ndarray, width: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def _paced(one: Topology, other: Topology) -> float:
    """Return how alike the slowest time constants are, kind by kind."""
    kinds = [np.array(side.kinds).reshape(-1, 2) for side in (one, other)]
    found = []
    for kind in sorted(set(one.kinds) & set(other.kinds)):
        a, b = (np.log(side.slowest[(k == kind).all(axis=1)]) for side, k in zip((one, other), kinds, strict=True))
        found.append(float(np.exp(-wasserstein_distance(a, b))))
    return float(np.mean(found)) if found else float("nan")
