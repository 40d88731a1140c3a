"""The continuum study: networks that hold a quantity on a line or a ring, and what moves it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.dynamics import (
    Continuum,
    Map,
    Search,
    as_map,
    chaos,
    continuum,
    fixed_points,
    linear_error,
    modes,
    portrait,
    visited_states,
)
from neurornn.errors import RecipeError
from neurornn.fit import Fit, train
from neurornn.study.base import AbstractStudy, Findings, Plan
from neurornn.task import EvidenceAccumulation, VonMises
from neurornn.trials import Trials

TESTED = 2048
"""Trials on which a network is scored."""


@dataclass(frozen=True)
class ContinuumStudy(AbstractStudy):
    r"""Train a network that must hold a quantity, and look at the line or ring of slow states that it holds it on.

    - One mode at each place lasts long, along the manifold; all others are short.
    - An input moves the state along by what its slow mode's left eigenvector says, $l_1^\top \partial F/\partial u$:
      random inputs of one step are given, and where the state comes to rest is held against that.
    - Drift with the input held, and the places where it rests.
    - Which part of its motion in trials the linear steps about the manifold miss.

    Args:
        held: the input that is held, one number a channel; 0 everywhere where empty.
        epoch: from which epoch of the trials states are taken; all of them where empty.
        settle: how long they settle, ms.
        long: from which time constant on a mode counts as long, ms.
        trials: whose states are taken.
        samples: places along the manifold.
        tokens: random inputs.
        seeds: of the search for fixed points.
        descent: steps of Adam in it, at most.

    References:
        Maheswaranathan et al. (2019), doi:10.48550/arXiv.1906.10720.
    """

    held: tuple[float, ...] = ()
    epoch: str = ""
    settle: float = 300.0
    long: float = 1000.0
    trials: int = 128
    samples: int = 72
    tokens: int = 400
    seeds: int = 192
    descent: int = 1500

    def run(self, plan: Plan) -> Findings:
        task = plan.task()
        if self.held and len(self.held) != task.n_in:
            must = f"one number for each of {task.n_in} inputs"
            _check.fail("ContinuumStudy", "held", must, self.held, error=RecipeError)
        network = plan.network(task, plan.seed)
        drawn = task.sample(self.trials, generator=generator(plan.seed + 7_000_003))
        before = chaos(network, drawn.inputs, start=drawn.start, progress=False)
        plan.say(before.summary())
        fit = train(network, task, seed=plan.seed, progress=plan.progress, **plan.train)
        plan.say("looking for slow states")
        held = torch.tensor(self.held or (0.0,) * task.n_in, dtype=torch.float64)
        visited = visited_states(fit.network, drawn)
        states = visited[self._counted(drawn)]
        found = continuum(fit.network, states, held, settle=self.settle, n_samples=self.samples)
        search = Search(n_seeds=self.seeds, noise=0.1, adam_steps=self.descent, seed=plan.seed)
        points = fixed_points(fit.network, states, held[None], search=search, progress=plan.progress)
        middle = modes(fit.network, found.states[len(found.states) // 2], held)
        view = portrait(fit.network, visited, held, points=points)
        moved = self._tokens(as_map(fit.network), found, held, self._spread(drawn), plan.seed)
        quantities = self._quantities(fit, found, plan.seed) | {
            "deposit_r": float(np.corrcoef(moved)[0, 1]),
            "fixed_points": float(len(points.states)),
            "stable": float(points.stable.sum()),
            "index_sum": float(points.index_sums[0]),
            "slow_points": float(len(points.slow_states)),
            "untrained_largest": 1e3 * before.spectrum.largest,
            "share_untrained": _share(visited_states(network, drawn)[self._counted(drawn)]),
            "share_trained": _share(states),
            "linear_error": self._linear_error(as_map(fit.network), found, visited, drawn, held),
        }
        names = ("score", "slow_tau", "next_tau", "along", "drift", "deposit_r", "stable")
        headline = pd.DataFrame({"quantity": names, "value": [quantities[name] for name in names]})
        parts = {"manifold": found, "flow": view, "modes": middle, "points": points, "before": before, "training": fit}
        return Findings(quantities, fit, headline, parts, plan.notes, plan.title)

    def _counted(self, trials: Trials) -> Tensor:
        """Return which steps' states are taken."""
        assert trials.valid is not None
        return trials.epoch(self.epoch) & trials.valid if self.epoch else trials.valid

    def _linear_error(self, step: Map, found: Continuum, visited: Tensor, trials: Trials, held: Tensor) -> float:
        """Return the part of the motion in those steps that the linear steps about the manifold miss."""
        counted = self._counted(trials)[:, 1:]
        return linear_error(step, found.states, visited[:, :-1][counted], trials.inputs[:, 1:][counted], held)

    def _spread(self, trials: Trials) -> Tensor:
        """Return the standard deviation of each input in those steps."""
        return trials.inputs[self._counted(trials)].double().std(dim=0)

    def _tokens(self, step: Map, found: Continuum, held: Tensor, spread: Tensor, seed: int) -> np.ndarray:
        """Return what random inputs should deposit along the manifold, and how far they moved it, `(2, token)`."""
        stream = generator(seed + 7_000_004)
        n = len(found.states)
        edge = 0 if found.kind == "ring" else n // 5  # the ends of a line hold what cannot go on
        at = torch.randint(edge, n - edge, (self.tokens,), generator=stream)
        token = spread * torch.randn(self.tokens, len(held), generator=stream, dtype=torch.float64)
        predicted = np.sum(found.deposits[at.numpy()] * token.numpy(), axis=1)
        x = torch.as_tensor(found.states[at.numpy()])
        with torch.no_grad():
            ends = [step(x, held + given) for given in (token, 0 * token)]
            for _ in range(max(1, round(self.settle / step.dt))):
                ends = [step(one, held[None]) for one in ends]
        return np.stack([predicted, found.moved(ends[1].numpy(), ends[0].numpy())])

    def _quantities(self, fit: Fit, found: Continuum, seed: int) -> dict[str, float]:
        taus = found.time_constants
        ring = found.kind == "ring"
        drift = np.degrees(found.drift) if ring else found.drift / np.ptp(found.position)
        quantities = {
            "score": float(fit.score(TESTED, seed=seed + 1).mean()),
            "ring": float(ring),
            "slow_tau": float(np.median(taus[:, 0])),
            "next_tau": float(np.median(taus[:, 1])),
            "tau_ratio": float(np.median(taus[:, 0] / taus[:, 1])),
            "one_long_mode": float(np.mean((taus[:, 0] >= self.long) & (taus[:, 1] < self.long))),
            "along": float(np.median(found.along)),
            "drift": float(np.median(np.abs(drift))),
            "rests": float(found.rests),
            "settled_share_1": float(found.share[0]),
            "settled_share_2": float(found.share[:2].sum()),
        }
        with torch.no_grad():
            sent = as_map(fit.network)
            assert sent.read is not None
            outputs = sent.read(torch.as_tensor(found.states))
        code = getattr(fit.task, "code", None)
        if ring and isinstance(code, VonMises):
            heading = code.decode(outputs)[:, 0].numpy()
            agree = [np.abs(np.mean(np.exp(1j * (found.position - way * heading)))) for way in (1, -1)]
            quantities["position_is_answer"] = float(max(agree))
        elif isinstance(fit.task, EvidenceAccumulation):
            balance = (outputs[:, 2] - outputs[:, 1]).numpy()
            quantities["position_is_answer"] = float(np.abs(np.corrcoef(found.position, balance)[0, 1]))
            quantities["score_of_ideal"] = quantities["score"] / _ideal(fit.task, seed + 1)
        return quantities


def _ideal(task: EvidenceAccumulation, seed: int) -> float:
    """Return the part of the scored trials that who adds up all evidence gets right."""
    trials = task.sample(TESTED, generator=generator(seed))
    seen = ((trials.inputs[..., 2] - trials.inputs[..., 1]) * trials.epoch("stimulus")).sum(1).sign()
    side = torch.tensor(trials.conditions["side"].to_numpy(), dtype=seen.dtype)
    return float((seen == side).double().mean())


def _share(states: Tensor) -> float:
    """Return the part of the variance in the first two principal components."""
    values = torch.linalg.svdvals(states - states.mean(dim=0)).square()
    return float(values[:2].sum() / values.sum())
