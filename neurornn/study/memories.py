"""The flip-flop study: a network that remembers bits, its fixed points, and what joins them."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn._types import generator
from neurornn.dynamics import Search, chaos, connections, fixed_points, portrait, visited_states
from neurornn.errors import RecipeError
from neurornn.fit import train
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.task import FlipFlop


@dataclass(frozen=True)
class FlipFlopStudy(AbstractStudy):
    """Train a network to remember bits, find all of its fixed points, and follow its saddles down to the memories.

    What must come out is a stable point for each pattern of bits, indices that sum to 1, and saddles between two
    memories each. How many saddles there are is *not* fixed: networks that do the same differ in it.

    Args:
        trials: whose states seed the search.
        seeds: of the search.
        longer: the memory is also tested in trials so many times as long.
        followed: steps for which saddles are followed.

    References:
        Sussillo & Barak (2013), doi:10.1162/NECO_a_00409.
    """

    trials: int = 64
    seeds: int = 768
    longer: int = 10
    followed: int = 2000

    def run(self, plan: Plan) -> Findings:
        task = plan.task()
        if not isinstance(task, FlipFlop):
            fix = 'Set [task] type = "FlipFlop".'
            _check.fail("FlipFlopStudy", "task", "a flip-flop", type(task).__name__, fix, error=RecipeError)
        network = plan.network(task, plan.seed)
        drawn = task.sample(self.trials, generator=generator(plan.seed + 7_000_003))
        before = chaos(network, drawn.inputs, progress=False)
        plan.say(before.summary())
        fit = train(network, task, seed=plan.seed, progress=plan.progress, **plan.train)
        plan.say("searching for fixed points")
        search = Search(n_seeds=self.seeds, seed=plan.seed)
        points = fixed_points(fit.network, drawn, search=search, progress=plan.progress)
        joined = connections(points, n_steps=self.followed)
        view = portrait(fit.network, visited_states(fit.network, drawn), points=points)
        long = replace(fit, task=replace(task, duration=self.longer * task.duration))
        patterns = {tuple(row) for row in np.sign(points.outputs[points.stable]).astype(int).tolist()}
        found, tried = points.found[0]
        lasting = points.frame()["time_constant"].to_numpy()
        quantities = {
            "score": float(fit.score(512, seed=plan.seed + 1).mean()),
            "long_score": float(long.score(64, seed=plan.seed + 2).mean()),
            "points": float(len(points.states)),
            "stable": float(points.stable.sum()),
            "patterns": float(len(patterns)),
            "index_sum": float(points.index_sums[0]),
            "converged": found / tried,
            "slow_points": float(len(points.slow_states)),
            "saddles": float(len(joined.saddles)),
            "saddles_joining": float(joined.joining.mean()) if len(joined.saddles) else float("nan"),
            "slowest_stable_ms": float(np.max(lasting[points.stable], initial=0.0)),
            "untrained_largest": 1e3 * before.spectrum.largest,
        }
        quantities |= {f"index_{i}": float(points.counts.get(i, 0)) for i in range(task.n_bits + 1)}
        headline = pd.DataFrame(
            {
                "index": list(points.counts),
                "fixed points": list(points.counts.values()),
                "a cube has": [_cube(task.n_bits, i) for i in points.counts],
            }
        )
        parts = {"points": points, "connections": joined, "flow": view, "before": before, "training": fit}
        return Findings(quantities, fit, headline, parts, (*plan.notes, *points.notes), plan.title)


def _cube(n_bits: int, index: int) -> int:
    """Return how many faces of dimension `index` a cube has: the fixed points of independent bits."""
    return math.comb(n_bits, index) * 2 ** max(n_bits - index, 0)
