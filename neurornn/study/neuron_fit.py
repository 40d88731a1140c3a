"""Two ways to the constants of a neuron: along the surrogate gradient, and by a search without one."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurornn import _check
from neurornn.cell import AbstractSpiking
from neurornn.study.clamp import Clamp
from neurornn.study.neuron_kinds import RANGES, Values, candidates, constants, population
from neurornn.study.neuron_loss import loss


@dataclass(frozen=True, eq=False)
class Found:
    """The best candidate of an optimiser.

    Args:
        values: its constants.
        loss: on the sweeps that were fitted.
        history: the least loss so far, at each round.
        runs: how many candidates were run in all.
        seconds: wall time.
    """

    values: dict[str, float]
    loss: float
    history: tuple[float, ...]
    runs: int
    seconds: float

    def cell(self, kind: type[AbstractSpiking], *, dt: float, refractory: float) -> AbstractSpiking:
        """Return the candidate as a cell of one unit under an injected current."""
        return population(
            kind, {name: np.array([value]) for name, value in self.values.items()}, dt=dt, refractory=refractory
        )


@dataclass(frozen=True)
class Gradient:
    """Adam along the surrogate gradient, from many starts at once: each start is a unit of one population.

    Every start keeps the constants of its least loss. The gradient of a start whose loss is not finite is 0.

    Args:
        starts: how many, spread evenly over the ranges.
        steps: of Adam.
        learning_rate: of Adam, on logarithms of positive constants and on tens of mV.
    """

    starts: int = 32
    steps: int = 40
    learning_rate: float = 0.1

    def find(self, kind: type[AbstractSpiking], clamp: Clamp, *, refractory: float, seed: int) -> Found:
        """Return the best start after its last step."""
        begun = time.perf_counter()
        values = candidates(kind, _spread(kind, self.starts, seed))
        cell = population(kind, values, dt=clamp.dt, refractory=refractory, trained=True)
        moved = [one for one in cell.parameters() if one.requires_grad]
        adam = torch.optim.Adam(moved, lr=self.learning_rate)
        best, kept, history = np.full(self.starts, np.inf), constants(cell, kind), []
        for _ in range(_check.count("Gradient", "steps", self.steps)):
            adam.zero_grad()
            losses = loss(cell, clamp)
            now, here = losses.detach().numpy(), constants(cell, kind)
            better = (now < best) & _possible(here)
            best = np.where(better, now, best)
            kept = {name: np.where(better, here[name], kept[name]) for name in kept}
            history.append(float(best.min()))
            torch.nan_to_num(losses, nan=0.0, posinf=0.0).sum().backward()
            _clip(moved)
            adam.step()
        at = int(best.argmin())
        found = {name: float(value[at]) for name, value in kept.items()}
        return Found(found, float(best[at]), tuple(history), self.starts * self.steps, time.perf_counter() - begun)


@dataclass(frozen=True)
class Evolution:
    """Differential evolution (scipy) over the same ranges and the same loss; a generation is one population.

    Args:
        size: candidates of a generation.
        generations: after the first.
    """

    size: int = 64
    generations: int = 60

    def find(self, kind: type[AbstractSpiking], clamp: Clamp, *, refractory: float, seed: int) -> Found:
        """Return the best candidate of the last generation."""
        from scipy.optimize import differential_evolution

        begun, history = time.perf_counter(), []
        _check.count("Evolution", "generations", self.generations)

        def measure(shares: np.ndarray) -> np.ndarray:
            values = candidates(kind, shares.reshape(len(RANGES[kind]), -1))
            with torch.no_grad():
                found = loss(population(kind, values, dt=clamp.dt, refractory=refractory), clamp).numpy()
            found = np.where(np.isfinite(found), found, 1e6)
            history.append(min([float(found.min()), *history[-1:]]))
            return found

        first: Any = _spread(kind, self.size, seed).T  # scipy's own types know only the names of its ways to draw
        result = differential_evolution(
            measure,
            [(0.0, 1.0)] * len(RANGES[kind]),
            init=first,
            maxiter=self.generations,
            vectorized=True,
            updating="deferred",
            polish=False,
            tol=0.0,
            rng=np.random.default_rng(seed),
        )
        values = candidates(kind, np.asarray(result.x)[:, None])
        found = {name: float(value[0]) for name, value in values.items()}
        runs = self.size * len(history)
        return Found(found, float(result.fun), tuple(history), runs, time.perf_counter() - begun)


def _spread(kind: type[AbstractSpiking], n: int, seed: int) -> np.ndarray:
    """Return shares of the ranges, spread evenly (Sobol). Shape `(number, candidate)`."""
    from scipy.stats import qmc

    if n < 5 or n & (n - 1):
        _check.fail("fit_neuron", "starts, size", "a power of 2, 8 or above", n, "Sobol points are even only so.")
    return qmc.Sobol(len(RANGES[kind]), rng=np.random.default_rng(seed)).random(n).T


def _possible(values: Values) -> np.ndarray:
    """Return which candidates a cell would take: a training can move one to where it fires at rest."""
    possible = (values["v_threshold"] > values["v_rest"]) & (values["v_reset"] < values["v_threshold"])
    if "v_peak" in values:
        possible &= (values["v_peak"] > values["v_threshold"]) & (values["v_peak"] > values["v_reset"])
    return possible


def _clip(moved: list[torch.nn.Parameter]) -> None:
    """Scale the gradient of each candidate to a length of at most 1; candidates do not know of each other."""
    for one in moved:
        if one.grad is not None:
            one.grad = torch.nan_to_num(one.grad, nan=0.0, posinf=0.0, neginf=0.0)
    grads = [one.grad for one in moved if one.grad is not None]
    length = torch.stack(grads).norm(dim=0).clamp(min=1.0)
    for grad in grads:
        grad /= length
