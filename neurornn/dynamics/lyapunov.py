"""Lyapunov spectra: how fast neighbouring trajectories part, in as many directions as wanted."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from neurornn import _check
from neurornn._types import generator
from neurornn.cell import AbstractCell
from neurornn.dynamics.system import Map, as_map
from neurornn.errors import Diverged
from neurornn.network import Network

SPREAD = math.log(1e6)
"""How far the longest and the shortest tangent vector may grow apart before they are made orthogonal again."""
DEAD = 1e-13
"""Below this, over the longest, a tangent vector is nothing but rounding."""
MOST = 50
"""Steps between two orthogonalisations, at most."""


@dataclass(frozen=True, eq=False)
class Lyapunov:
    r"""A Lyapunov spectrum: natural logarithms per ms, largest first.

    Args:
        exponents: mean over trials. Shape `(exponent,)`, 1/ms.
        error: of each, from the halves of the run: the root mean square of half their difference over the square root
            of the number of trials, or half the difference of their means where that is more (then `align` was too
            short). Shape `(exponent,)`, 1/ms.
        trials: the exponents of each trial. Shape `(trial, exponent)`, 1/ms.
        running: the mean over trials of what had been measured up to each time. Shape `(time, exponent)`, 1/ms.
        times: of `running`, ms since measuring began. Shape `(time,)`.
        dt: of a step, ms.
        n_state: how many exponents there are in all.
        tangent: whether the derivative of a step was exact, or which smooth function stood in for a jump.
        methods: how this was made.
        shares: how much of each direction lies along each number of the state, on average; rows and, where all
            exponents were computed, columns add up to 1. Shape `(state, exponent)`.
        references: DOIs.
    """

    exponents: Float[np.ndarray, " exponent"]
    error: Float[np.ndarray, " exponent"]
    trials: Float[np.ndarray, "trial exponent"]
    running: Float[np.ndarray, "time exponent"]
    times: Float[np.ndarray, " time"]
    dt: float
    n_state: int
    tangent: str
    methods: str
    shares: Float[np.ndarray, "state exponent"]
    references: tuple[str, ...] = ("10.1007/BF02128236", "10.1103/PhysRevResearch.5.043044")

    @property
    def largest(self) -> float:
        """The largest exponent, 1/ms: above 0 is chaos, below 0 the memory of a start fades."""
        return float(self.exponents[0])

    @property
    def per_step(self) -> Float[np.ndarray, " exponent"]:
        """The exponents per step instead of per ms."""
        return self.exponents * self.dt

    @property
    def entropy_rate(self) -> float:
        """The sum of the positive exponents, nats/ms: the rate at which chaos makes information (Pesin)."""
        return float(self.exponents[self.exponents > 0].sum())

    @property
    def dimension(self) -> float:
        r"""The Kaplan-Yorke dimension, $k + \sum_{i \le k} \lambda_i / |\lambda_{k+1}|$.

        $k$ is the last place at which the sum is not negative. 0 where the largest exponent is negative; NaN where
        too few exponents were computed to tell.
        """
        sums = np.cumsum(self.exponents)
        below = np.flatnonzero(sums < 0)
        if not len(below):
            return float(self.n_state) if len(sums) == self.n_state else float("nan")
        k = int(below[0])
        return k + (float(sums[k - 1]) / abs(float(self.exponents[k])) if k else 0.0)

    def frame(self) -> pd.DataFrame:
        """Return one row an exponent: `exponent` and `error` (1/ms), `per_step`, and `time`, ms to change e-fold."""
        with np.errstate(divide="ignore"):
            time = 1 / np.abs(self.exponents)
        columns = {"exponent": self.exponents, "error": self.error, "per_step": self.per_step, "time": time}
        return pd.DataFrame(columns).rename_axis("index")


def lyapunov(
    system: Network | AbstractCell | Map,
    inputs: Float[Tensor, "trial time in"] | None = None,
    *,
    n_exponents: int = 0,
    steps: int = 2000,
    transient: int = 500,
    align: int = 200,
    every: int = 0,
    start: Float[Tensor, "trial state"] | None = None,
    n_trials: int = 1,
    surrogate: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> Lyapunov:
    r"""Return the Lyapunov exponents of a system along its trajectories.

    $$Q_{t+1} R_{t+1} = J_t Q_t, \qquad \lambda_i = \frac{1}{T \Delta t}\sum_t \ln |R^{(t)}_{ii}|$$

    in float64. Jacobians are never formed: all tangent vectors of all trials go through a step in one product. They are
    made orthogonal as seldom as their growth allows.

    The largest exponent says whether a network is chaotic (above 0), at rest or in step with its input (below 0), or on
    a cycle or along a line of rest (0); before training, whether gradients over long trials will explode.

    Args:
        system: a network or cell, without its noise, or a map.
        inputs: what drives it; 0 where absent. One step is held throughout; several are the run, of which the first
            `transient + align` are left out, and `steps` does not count. One trial goes with any number of starts.
        n_exponents: how many, from the largest on; 0 for all. A few cost much less than all.
        steps: that are measured.
        transient: steps before anything is measured, to come to the attractor.
        align: further steps in which tangent vectors turn to where they belong: several times one over the smallest
            gap between exponents that shall be told apart.
        every: steps between two orthogonalisations; 0 to choose it from the growth while they align.
        start: first states, flat (`neurornn.dynamics.flat`); normal with standard deviation 1 where absent.
        n_trials: how many random starts, where neither `start` nor `inputs` say it.
        surrogate: whether spiking cells are differentiated through their surrogate, as training does. Without it their
            spikes are exactly flat: exponents of the potentials are those of the leaks, whatever the weights, and what
            only counts (spikes, refractory steps) has an exponent of minus infinity.
        seed: of starts and tangent vectors.
        progress: whether to show a bar, where it takes more than some seconds.

    Raises:
        ValueError: if sizes do not fit, or nothing is left to measure.
        Diverged: if a trajectory leaves the finite numbers.

    References:
        Benettin, Galgani, Giorgilli & Strelcyn (1980), doi:10.1007/BF02128236; Engelken, Wolf & Abbott (2023),
        doi:10.1103/PhysRevResearch.5.043044.

    Example:
        >>> import torch
        >>> from neurornn import Map, lyapunov
        >>> rates = torch.tensor([0.5, 2.0], dtype=torch.float64)
        >>> lyapunov(Map(lambda x: torch.sin(x) * rates, 2), start=torch.zeros(1, 2)).exponents.round(6)
        array([ 0.693147, -0.693147])
    """
    step = as_map(system, surrogate=surrogate)
    k = _check.count("lyapunov", "n_exponents", n_exponents, least=0) or step.n_state
    if k > step.n_state:
        _check.fail("lyapunov", "n_exponents", f"at most the size of the state, {step.n_state}", n_exponents)
    for name, value in (("transient", transient), ("align", align), ("every", every)):
        _check.count("lyapunov", name, value, least=0)
    drive, n_steps = _drive(step, inputs, steps, transient + align)
    x = _start(step, drive, start, n_trials, seed)
    stream = generator(seed + 1)
    vectors = torch.randn(len(x), step.n_state, k, generator=stream, dtype=torch.float64).to(x.device)
    run = _Run(step, drive, x, torch.linalg.qr(vectors)[0], progress, transient + align + n_steps)
    with torch.no_grad(), run.bar:
        for _ in range(transient):
            run.move()
        grown = [run.stretch(1) for _ in range(align)]
        # At least eight stretches, so that the halves tell of an error.
        gap = every or min(_gap(grown), max(1, n_steps // 8))
        logs, ends = [], []
        shares = torch.zeros_like(run.q[0])
        while run.t < transient + align + n_steps:
            logs.append(run.stretch(min(gap, transient + align + n_steps - run.t)))
            ends.append(run.t - transient - align)
            shares = shares + run.q.square().mean(dim=0)
    lain = (shares / len(ends)).cpu().numpy()
    return _result(step, torch.stack(logs).cpu().numpy(), np.array(ends), lain, gap, (transient, align))


class _Run:
    """A trajectory of every trial with its tangent vectors, and how far it has come."""

    def __init__(self, step: Map, drive: Tensor | None, x: Tensor, q: Tensor, progress: bool, total: int) -> None:
        self.step, self.drive, self.x, self.q, self.t = step, drive, x, q, 0
        self.bar = tqdm(total=total, desc="lyapunov", unit="step", disable=not progress, delay=5.0, mininterval=1.0)

    def _input(self) -> Tensor | None:
        if self.drive is None:
            return None
        return self.drive[:, self.t if self.drive.shape[1] > 1 else 0]

    def _moved(self) -> None:
        self.t += 1
        self.bar.update()

    def move(self) -> None:
        """Take a step without the tangent vectors."""
        self.x = self.step(self.x, self._input())
        self._moved()

    def stretch(self, n_steps: int) -> Tensor:
        """Take some steps with the tangent vectors, and return by how much each grew, `(trial, exponent)`."""
        vectors = self.q.permute(2, 0, 1)
        for _ in range(n_steps):
            self.x, vectors = self.step.pushed(self.x, vectors, self._input())
            self._moved()
        if not bool(torch.isfinite(self.x).all() & torch.isfinite(vectors).all()):
            fix = "Start closer to the attractor, or take a smaller dt."
            raise Diverged(f"lyapunov: the trajectory of {self.step.name} is not finite after {self.t} steps. {fix}")
        self.q, r = torch.linalg.qr(vectors.permute(1, 2, 0))
        grown = r.diagonal(dim1=-2, dim2=-1).abs()
        # What rounding leaves of a vector that died is no growth.
        return torch.where(grown > DEAD * grown.amax(-1, keepdim=True), grown, 0.0).log()


def _drive(step: Map, inputs: Tensor | None, steps: int, left_out: int) -> tuple[Tensor | None, int]:
    """Return the inputs in float64, and how many steps are measured."""
    if inputs is None or not step.n_in:
        return None, _check.count("lyapunov", "steps", steps)
    if inputs.ndim != 3 or inputs.shape[2] != step.n_in:
        _check.fail("lyapunov", "inputs", f"of shape (trial, time, {step.n_in})", inputs)
    inputs = inputs.detach().double()
    if inputs.shape[1] == 1:
        return inputs, _check.count("lyapunov", "steps", steps)
    if inputs.shape[1] <= left_out:
        must = f"longer than `transient` + `align`, {left_out} steps"
        _check.fail("lyapunov", "inputs", must, f"{inputs.shape[1]} steps", "Make them longer, or leave less out.")
    return inputs, inputs.shape[1] - left_out


def _start(step: Map, drive: Tensor | None, start: Tensor | None, n_trials: int, seed: int) -> Tensor:
    given = 1 if drive is None else len(drive)
    if start is None:
        n = given if given > 1 else _check.count("lyapunov", "n_trials", n_trials)
        drawn = torch.randn(n, step.n_state, generator=generator(seed), dtype=torch.float64)
        return drawn if drive is None else drawn.to(drive.device)
    if start.ndim != 2 or start.shape[1] != step.n_state or given not in (1, len(start)):
        _check.fail("lyapunov", "start", f"of shape ({'trial' if given == 1 else given}, {step.n_state})", start)
    return start.detach().double()


def _gap(grown: list[Tensor]) -> int:
    """Return after how many steps tangent vectors must be made orthogonal, from their growth in single steps."""
    if not grown:
        return 1
    last = torch.stack(grown[len(grown) // 2 :])
    lowest = torch.where(last.isfinite(), last, torch.inf).amin(-1)
    spread = torch.nan_to_num(last.amax(-1) - lowest, nan=0.0, neginf=0.0).mean()
    return max(1, min(MOST, int(SPREAD / max(float(spread), 1e-12))))


def _result(
    step: Map, logs: np.ndarray, ends: np.ndarray, shares: np.ndarray, gap: int, before: tuple[int, int]
) -> Lyapunov:
    grown = np.cumsum(logs, axis=0)  # (time, trial, exponent)
    total = float(ends[-1]) * step.dt
    trials = grown[-1] / total
    error = np.full(trials.shape[1], np.nan)
    if len(ends) > 1:
        half = min(int(np.searchsorted(ends, ends[-1] / 2)), len(ends) - 2)
        first = grown[half] / (ends[half] * step.dt)
        with np.errstate(invalid="ignore"):  # minus infinity from minus infinity: no error to tell
            second = (grown[-1] - grown[half]) / ((ends[-1] - ends[half]) * step.dt)
            apart = first - second
        scatter = np.sqrt(np.mean(apart**2, axis=0) / len(trials)) / 2
        # Vectors that have not turned to where they belong err alike in every trial: no average hides that.
        error = np.maximum(scatter, np.abs(np.mean(apart, axis=0)) / 2)
    mean = trials.mean(axis=0)
    order = np.argsort(-mean, kind="stable")
    running = grown.mean(axis=1) / (ends[:, None] * step.dt)
    methods = (
        f"QR method on {step.name} ({step.n_state} states, {step.tangent} tangent), {len(trials)} trajectories of "
        f"{ends[-1]} steps of {step.dt:g} ms after {before[0]} steps of transient and {before[1]} of alignment; "
        f"orthogonalised every {gap} steps; natural logarithms per ms; errors from halves of the run."
    )
    return Lyapunov(
        exponents=mean[order],
        error=error[order],
        trials=trials[:, order],
        running=running[:, order],
        times=ends * step.dt,
        dt=step.dt,
        n_state=step.n_state,
        tangent=step.tangent,
        methods=methods,
        shares=shares[:, order],
    )
