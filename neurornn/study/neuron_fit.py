"""Three ways to a neuron's constants: along the surrogate gradient, by a search without it, one after the other."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from neurornn import _check
from neurornn.cell import AbstractSpiking
from neurornn.study.clamp import Clamp
from neurornn.study.neuron_kinds import Population, Range, Values, candidates, constants, keep_within, population
from neurornn.study.neuron_loss import loss

Bounds = Mapping[str, Range]

EVERY, FURTHER, LONGEST = 4, 0.15, 20.0
"""How often another refractory period is tried, how much longer or shorter it is, and the longest, ms."""


@dataclass(frozen=True, eq=False)
class Found:
    """The best candidate of an optimiser.

    Args:
        values: its constants.
        loss: on the sweeps that were fitted.
        history: the least loss so far, at each round.
        runs: how many candidates were run in all.
        seconds: wall time.
        last: the constants of all candidates at the end.
    """

    values: dict[str, float]
    loss: float
    history: tuple[float, ...]
    runs: int
    seconds: float
    last: Values

    def cell(self, kind: type[AbstractSpiking], *, dt: float) -> AbstractSpiking:
        """Return the candidate as a cell of one unit under an injected current."""
        return population(kind, self.alone(), dt=dt).cell

    def alone(self) -> dict[str, np.ndarray]:
        """Return its constants as those of a population of one."""
        return {name: np.array([value]) for name, value in self.values.items()}


@dataclass(frozen=True)
class Gradient:
    """Adam along the surrogate gradient, from many starts at once: each start is a unit of one population.

    The starts are the best of many candidates spread evenly over the ranges. Every start keeps the constants of its
    least loss. The gradient of a start whose loss is not finite is 0. The refractory period, whole steps, has none: a
    longer and a shorter one are tried in turn at every fourth step, and kept where they are better.

    Args:
        starts: how many.
        steps: of Adam.
        learning_rate: of Adam, on logarithms of positive constants and on tens of mV; it falls to nothing on a cosine.
        drawn: candidates from which the starts are taken.
    """

    starts: int = 32
    steps: int = 40
    learning_rate: float = 0.05
    drawn: int = 512

    def find(self, kind: type[AbstractSpiking], clamp: Clamp, bounds: Bounds, *, seed: int) -> Found:
        """Return the best start at its best step."""
        begun = time.perf_counter()
        values = candidates(bounds, _spread(bounds, max(self.drawn, self.starts), seed))
        parts = [{k: v[at : at + 256] for k, v in values.items()} for at in range(0, len(values["tau"]), 256)]
        first = _best(values, np.concatenate([_measured(kind, one, clamp) for one in parts]), self.starts)
        found = self.descend(kind, clamp, bounds, first)
        runs, seconds = found.runs + len(values["tau"]), time.perf_counter() - begun
        return Found(found.values, found.loss, found.history, runs, seconds, found.last)

    def descend(self, kind: type[AbstractSpiking], clamp: Clamp, bounds: Bounds, values: Values) -> Found:
        """Return what comes of candidates that follow the gradient and stay between the bounds."""
        begun, n = time.perf_counter(), len(values["tau"])
        start = population(kind, values, dt=clamp.dt, trained=True, longest=LONGEST)
        moved = [one for one in start.cell.parameters() if one.requires_grad]
        adam = torch.optim.Adam(moved, lr=self.learning_rate, betas=(0.9, 0.99))
        steps = _check.count("Gradient", "steps", self.steps)
        falls = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        best, kept, history = np.full(n, np.inf), constants(start, kind), []
        for step in range(steps):
            if step % EVERY == EVERY - 1:
                start = _other_period(start, clamp, longer=step // EVERY % 2 == 0)
            adam.zero_grad()
            losses = loss(start, clamp)
            now, here = losses.detach().numpy(), constants(start, kind)
            better = (now < best) & _possible(here)
            best = np.where(better, now, best)
            kept = {name: np.where(better, here[name], kept[name]) for name in kept}
            history.append(float(best.min()))
            torch.nan_to_num(losses, nan=0.0, posinf=0.0).sum().backward()
            _clip(moved)
            adam.step()
            keep_within(start, bounds)
            falls.step()
        at = int(best.argmin())
        found = {name: float(value[at]) for name, value in kept.items()}
        return Found(found, float(best[at]), tuple(history), n * steps, time.perf_counter() - begun, kept)


@dataclass(frozen=True)
class Evolution:
    """Differential evolution (scipy) over the same ranges and the same loss; a generation is one population.

    Args:
        size: candidates of a generation.
        generations: after the first.
    """

    size: int = 64
    generations: int = 60

    def find(self, kind: type[AbstractSpiking], clamp: Clamp, bounds: Bounds, *, seed: int) -> Found:
        """Return the best candidate of the last generation."""
        from scipy.optimize import differential_evolution

        begun, history = time.perf_counter(), []
        _check.count("Evolution", "generations", self.generations)

        def measure(shares: np.ndarray) -> np.ndarray:
            found = _measured(kind, candidates(bounds, shares.reshape(len(bounds), -1)), clamp)
            history.append(min([float(found.min()), *history[-1:]]))
            return found

        first: Any = _spread(bounds, self.size, seed).T  # scipy's own types know only the names of its ways to draw
        result = differential_evolution(
            measure,
            [(0.0, 1.0)] * len(bounds),
            init=first,
            maxiter=self.generations,
            vectorized=True,
            updating="deferred",
            polish=False,
            tol=0.0,
            rng=np.random.default_rng(seed),
        )
        order = np.argsort(result.population_energies, kind="stable")
        last = candidates(bounds, np.asarray(result.population)[order].T)
        found = {name: float(value[0]) for name, value in candidates(bounds, np.asarray(result.x)[:, None]).items()}
        runs = self.size * len(history)
        return Found(found, float(result.fun), tuple(history), runs, time.perf_counter() - begun, last)


@dataclass(frozen=True)
class Refined:
    """Evolution, and from the best of its last generation on the gradient.

    Args:
        search: what looks first.
        gradient: what goes on from the best candidates.
    """

    search: Evolution = field(default_factory=Evolution)
    gradient: Gradient = field(default_factory=lambda: Gradient(starts=16, steps=12, learning_rate=0.03))

    def find(self, kind: type[AbstractSpiking], clamp: Clamp, bounds: Bounds, *, seed: int) -> Found:
        """Return the best candidate of both."""
        return self.after(self.search.find(kind, clamp, bounds, seed=seed), kind, clamp, bounds)

    def after(self, before: Found, kind: type[AbstractSpiking], clamp: Clamp, bounds: Bounds) -> Found:
        """Return what the gradient makes of what a search found."""
        first = {name: values[: self.gradient.starts] for name, values in before.last.items()}
        found = self.gradient.descend(kind, clamp, bounds, first)
        better = found if found.loss < before.loss else before
        history = (*before.history, *(min(one, before.loss) for one in found.history))
        runs, seconds = before.runs + found.runs, before.seconds + found.seconds
        return Found(better.values, better.loss, history, runs, seconds, found.last)


def _other_period(start: Population, clamp: Clamp, *, longer: bool) -> Population:
    """Return the candidates with another refractory period, each where that lowers its loss."""
    change = (FURTHER * start.dead).round().clamp(min=1.0)
    dead = (start.dead + change if longer else start.dead - change).clamp(1.0, round(LONGEST / start.dt))
    other = replace(start, dead=dead)
    with torch.no_grad():
        better = loss(other, clamp) < loss(start, clamp)
    return replace(start, dead=torch.where(better, dead, start.dead))


def _measured(kind: type[AbstractSpiking], values: Values, clamp: Clamp) -> np.ndarray:
    """Return the loss of each candidate, a large one where it is not finite."""
    with torch.no_grad():
        found = loss(population(kind, values, dt=clamp.dt), clamp).numpy()
    return np.where(np.isfinite(found), found, 1e6)


def _best(values: Values, losses: np.ndarray, n: int) -> Mapping[str, np.ndarray]:
    """Return the candidates of least loss, best first."""
    order = np.argsort(losses, kind="stable")[:n]
    return {name: value[order] for name, value in values.items()}


def _spread(bounds: Bounds, n: int, seed: int) -> np.ndarray:
    """Return shares of the ranges, spread evenly (Sobol). Shape `(number, candidate)`."""
    from scipy.stats import qmc

    if n < 5 or n & (n - 1):
        _check.fail("fit_neuron", "drawn, size", "a power of 2, 8 or above", n, "Sobol points are even only so.")
    return qmc.Sobol(len(bounds), rng=np.random.default_rng(seed)).random(n).T


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
