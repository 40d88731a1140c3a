"""The cluster study: whether slow modes of a clustered network outlive its pruning."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from neurornn.cell import LeakyRate
from neurornn.network import Network
from neurornn.pruning import NoisePruning, prune
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.wiring import Dense

SCORES = ("noise", "weight", "uniform")


@dataclass(frozen=True, eq=False)
class SlowModes:
    """The slowest modes of a network before and after pruning.

    Args:
        table: one row a score, density, draw and mode: `score`, `density` (reached), `asked`, `draw`, `mode` (from 0),
            `dense` and `sparse` (eigenvalues, per time constant).
        weights: of the dense network. Shape `(unit, unit)`.
        kept: how often each connection was kept at the lowest density, by score. Shapes `(unit, unit)`.
        clusters: which each unit belongs to. Shape `(unit,)`.
    """

    table: pd.DataFrame
    weights: Float[np.ndarray, "unit unit"]
    kept: dict[str, Float[np.ndarray, "unit unit"]]
    clusters: Int[np.ndarray, " unit"]

    @property
    def methods(self) -> str:
        """What was done, in a few sentences."""
        draws = self.table["draw"].nunique()
        return (
            f"A linear network of {len(self.clusters)} units in {len(set(self.clusters.tolist()))} clusters, pruned "
            f"{draws} times at each density by each score; synapses that stay are scaled up by what they were kept "
            "with. The error of a mode is that of its eigenvalue, over the dense network's."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a score, density, draw and mode."""
        return self.table

    def error(self, score: str, asked: float) -> float:
        r"""Return the mean over draws and modes of $|\lambda_{sparse}/\lambda_{dense} - 1|$."""
        column = {name: self.table[name].to_numpy() for name in ("score", "asked", "sparse", "dense")}
        mine = (column["score"] == score) & (column["asked"] == asked)
        return float(np.abs(column["sparse"][mine] / column["dense"][mine] - 1).mean())


@dataclass(frozen=True)
class ClusterStudy(AbstractStudy):
    r"""Prune a linear network of clusters with few bridges between them, and hold its slow modes beside those before.

    The network is symmetric and diagonally dominant, $\dot x = (W - D)\,x$ with $D_i = \sum_j W_{ij} + s$. Its slow
    modes are differences between clusters and rest on the bridges: single synapses no stronger than the others, which
    noise finds (the two units that a bridge joins do not covary) and their weight does not.

    Args:
        sizes: units of each cluster.
        inside: part of the pairs in a cluster that are joined, by weights even in (0, 1).
        bridges: part of the pairs between clusters that are.
        slack: $s$.
        densities: that are asked for.
        modes: how many of the slowest modes are held beside each other.
        draws: of each pruning.

    References:
        Moore & Chaudhuri (2020), doi:10.48550/arXiv.2011.07334.
    """

    sizes: tuple[int, ...] = (400, 100, 100)
    inside: float = 0.6
    bridges: float = 0.01
    slack: float = 0.1
    densities: tuple[float, ...] = (0.5, 0.3, 0.1)
    modes: int = 5
    draws: int = 2

    def run(self, plan: Plan) -> Findings:
        network, clusters = self.network(plan.seed)
        weights = network.cell.weights()[1].detach().numpy()
        before = _slowest(weights, self.modes)
        rows, kept = [], {}
        for score in SCORES:
            method = NoisePruning(score=score, rescale="full", diagonal="matched")
            for asked in self.densities:
                plan.say(f"pruning by {score} to {100 * asked:.0f} %")
                masks = []
                for draw in range(self.draws):
                    pruned = prune(network, method, density=asked, seed=1000 * plan.seed + draw)
                    after = _slowest(pruned.network.cell.weights()[1].detach().numpy(), self.modes)
                    masks.append(pruned.mask)
                    rows += [
                        (score, pruned.density, asked, draw, mode, one, other)
                        for mode, (one, other) in enumerate(zip(before, after, strict=True))
                    ]
                kept[score] = np.mean(masks, axis=0)
        columns = ["score", "density", "asked", "draw", "mode", "dense", "sparse"]
        found = SlowModes(pd.DataFrame(rows, columns=columns), weights, kept, clusters)
        quantities = {
            f"error_{score}_{100 * asked:.0f}": found.error(score, asked)
            for score in SCORES
            for asked in self.densities
        }
        for asked in self.densities:
            word = f"{100 * asked:.0f}"
            for score in SCORES[1:]:
                quantities[f"{score}_over_noise_{word}"] = quantities[f"error_{score}_{word}"] / max(
                    quantities[f"error_noise_{word}"], 1e-12
                )
        bridge = clusters[:, None] != clusters[None, :]
        there = (weights != 0) & bridge
        quantities |= {f"bridges_kept_{score}": float(kept[score][there].mean()) for score in SCORES}
        headline = pd.DataFrame(
            [[found.error(score, asked) for asked in self.densities] for score in SCORES],
            index=list(SCORES),
            columns=[f"{100 * asked:.0f} % kept" for asked in self.densities],
        )
        return Findings(quantities, None, headline.round(3), {"modes": found}, plan.notes, plan.title)

    def network(self, seed: int) -> tuple[Network, np.ndarray]:
        """Return the linear network, whose time constant is its unit of time, and the cluster of each unit."""
        rng = np.random.default_rng(seed)
        clusters = np.repeat(np.arange(len(self.sizes)), self.sizes)
        n, same = len(clusters), clusters[:, None] == clusters[None, :]
        joined = rng.random((n, n)) < np.where(same, self.inside, self.bridges)
        weights = np.triu(np.where(joined, rng.uniform(size=(n, n)), 0.0), 1)
        weights = weights + weights.T
        leak = weights.sum(axis=1) + self.slack
        wiring = Dense(n)
        cell = LeakyRate(1, n, tau=100.0, dt=1.0, nonlinearity="identity", wiring=wiring).double()
        with torch.no_grad():
            wiring.weight.copy_(torch.as_tensor(weights + np.diag(1 - leak)))  # the unit's own leak is 1
        return Network(cell, 1).double(), clusters


def _slowest(weights: np.ndarray, n: int) -> np.ndarray:
    """Return the eigenvalues nearest to 0 of a symmetric linear network, from the slowest on."""
    return np.linalg.eigvalsh(weights - np.eye(len(weights)))[::-1][:n]
