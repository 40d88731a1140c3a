"""Fixed points: states that a network stays in while its input is held, what they are like, and what was missed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.cell import AbstractCell
from neurornn.cell.intervention import Intervention
from neurornn.dynamics.search import Search, descend, distinct, newton, seeds, speed
from neurornn.dynamics.system import Map, as_map, flat
from neurornn.kernel import Noise, numbers
from neurornn.network import Network, Perturbs, combine
from neurornn.trials import Trials

MARGINAL = 0.02
"""How close to 1 the modulus of an eigenvalue is called marginal: within a trial it neither grows nor fades."""
UNSTABLE = 1 + 1e-6
"""Above this modulus a mode grows; rounding errors on a continuum of fixed points stay below."""


@dataclass(frozen=True, eq=False)
class FixedPoints:
    r"""Fixed points of a network under held inputs, and apart from them the places where it is only slow.

    Args:
        states: where. Shape `(point, state)`.
        conditions: which of `inputs` each belongs to. Shape `(point,)`.
        q: $\frac12 \lVert F(x) - x \rVert^2$ there. Shape `(point,)`.
        eigenvalues: of the Jacobian, largest modulus first. Shape `(point, mode)`.
        signs: the sign of $\det(I - J)$, the index of the point. Shape `(point,)`.
        distances: from the nearest visited state, over the spread of those. Shape `(point,)`.
        slow_states: where the search ended without a fixed point. Shape `(slow, state)`.
        slow_conditions: as `conditions`.
        slow_q: as `q`.
        slow_speeds: how fast the state moves there, over the median speed at visited states. Shape `(slow,)`.
        inputs: what was held. Shape `(condition, in)`.
        scale: spread of the visited states, to which distances and tolerances are relative.
        found: how many seeds came to a fixed point, and how many there were, for each condition.
        system: the map that was searched.
        methods: how this was made.
        references: DOIs.
    """

    states: Float[np.ndarray, "point state"]
    conditions: Int[np.ndarray, " point"]
    q: Float[np.ndarray, " point"]
    eigenvalues: np.ndarray
    signs: Float[np.ndarray, " point"]
    distances: Float[np.ndarray, " point"]
    slow_states: Float[np.ndarray, "slow state"]
    slow_conditions: Int[np.ndarray, " slow"]
    slow_q: Float[np.ndarray, " slow"]
    slow_speeds: Float[np.ndarray, " slow"]
    inputs: Float[np.ndarray, "condition in"]
    scale: float
    found: tuple[tuple[int, int], ...]
    system: Map = field(repr=False)
    methods: str
    references: tuple[str, ...] = ("10.1162/NECO_a_00409", "10.21105/joss.01003")

    @property
    def index(self) -> Int[np.ndarray, " point"]:
        """How many modes grow at each point: 0 is stable, more is a saddle."""
        return np.sum(np.abs(self.eigenvalues) > UNSTABLE, axis=1)

    @property
    def stable(self) -> np.ndarray:
        """Which points are stable."""
        return self.index == 0

    @property
    def marginal(self) -> Int[np.ndarray, " point"]:
        """How many modes neither grow nor fade within 50 steps."""
        return np.sum(np.abs(np.abs(self.eigenvalues) - 1) < MARGINAL, axis=1)

    @property
    def index_sums(self) -> Float[np.ndarray, " condition"]:
        r"""The sum of the indices $\mathrm{sign} \det(I - J)$ over the points of each condition.

        Where the step carries a bounded convex set into itself it is 1 over *all* fixed points (Lefschetz). Another sum
        means that some were missed, or that some are degenerate, as on a line of them. A sum of 1 does not prove that
        none was. NaN where the step is not known to be bounded.
        """
        if not self.system.bounded:
            return np.full(len(self.inputs), np.nan)
        return np.array([self.signs[self.conditions == c].sum() for c in range(len(self.inputs))])

    @property
    def counts(self) -> dict[int, int]:
        """How many points there are of each index, over all conditions."""
        index, n = np.unique(self.index, return_counts=True)
        return {int(i): int(k) for i, k in zip(index, n, strict=True)}

    @property
    def outputs(self) -> Float[np.ndarray, "point out"]:
        """What the readout says at each point; no columns where there is no readout."""
        if self.system.read is None:
            return np.empty((len(self.states), 0))
        with torch.no_grad():
            return self.system.read(torch.as_tensor(self.states)).cpu().numpy()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before trusting the list."""
        told = []
        for c in range(len(self.inputs)):
            here = self.conditions == c
            where = f"Condition {c}: " if len(self.inputs) > 1 else ""
            if not (self.stable & here).any():
                told.append(
                    f"{where}no stable fixed point. The network may go round a limit cycle or be chaotic, which no "
                    "search for fixed points shows: look at the spectrum (lyapunov), a periodogram or a Poincaré "
                    "section."
                )
            if self.system.bounded and self.index_sums[c] != 1:
                told.append(
                    f"{where}indices sum to {self.index_sums[c]:g} instead of 1: fixed points are missing, or some are "
                    "degenerate (a line or ring). Try more seeds, more noise."
                )
        return tuple(told)

    def frame(self) -> pd.DataFrame:
        """Return one row a point: `condition`, `q`, `index`, `kind`, `marginal`, slowest mode, `distance`, outputs.

        `modulus`, `time_constant` (ms) and `period` (ms; infinite for a real one) are those of the mode of largest
        modulus.
        """
        first = self.eigenvalues[:, 0] if len(self.states) else np.empty(0, dtype=complex)
        kinds = np.where(self.index == 0, "stable", np.where(self.index == self.system.n_state, "source", "saddle"))
        table = pd.DataFrame(
            {
                "condition": self.conditions,
                "q": self.q,
                "index": self.index,
                "kind": kinds,
                "marginal": self.marginal,
                "modulus": np.abs(first),
                "time_constant": time_constants(first, self.system.dt),
                "period": periods(first, self.system.dt),
                "distance": self.distances,
            }
        ).rename_axis("point")
        for i, column in enumerate(self.outputs.T):
            table[f"out_{i}"] = column
        return table

    def slow_frame(self) -> pd.DataFrame:
        """Return one row a slow point: `condition`, `q` and `speed`, over the median speed at visited states."""
        columns = {"condition": self.slow_conditions, "q": self.slow_q, "speed": self.slow_speeds}
        return pd.DataFrame(columns).rename_axis("slow")


def time_constants(eigenvalues: np.ndarray, dt: float) -> Float[np.ndarray, "*shape"]:
    r"""Return after how many ms modes have changed e-fold, $\Delta t / |\ln |\lambda||$."""
    with np.errstate(divide="ignore"):
        return dt / np.abs(np.log(np.abs(eigenvalues)))


def periods(eigenvalues: np.ndarray, dt: float) -> Float[np.ndarray, "*shape"]:
    r"""Return the periods of modes, $2\pi \Delta t / |\arg \lambda|$, ms; infinite where they do not turn."""
    with np.errstate(divide="ignore"):
        return 2 * math.pi * dt / np.abs(np.angle(eigenvalues))


def fixed_points(
    system: Network | AbstractCell | Map,
    visited: Trials | Float[Tensor, "sample state"],
    inputs: Float[Tensor, "condition in"] | None = None,
    *,
    search: Search | None = None,
    progress: bool = True,
) -> FixedPoints:
    r"""Return the fixed points $x = F(x, u)$ of a system while its input $u$ is held.

    Seeds are visited states, such states with noise, and midpoints between them. From each, Adam descends on
    $q = \frac12 \lVert F(x) - x \rVert^2$ in float64, and a damped Newton's method goes on to where only rounding is
    left. Points that agree are merged, and classified by the eigenvalues of the Jacobian. Where the search ends without
    a fixed point the state is reported as slow, apart from the others: such a ghost can hold a state for long, but it
    does not stay.

    Limits: cycles and chaotic sets have no fixed points to find. Threshold-linear units have no Jacobian exactly at
    threshold. On a continuum of fixed points (a line or ring), each seed finds its own: see `continuum`.

    Args:
        system: a network or cell, without its noise, or a map.
        visited: states on trajectories, flat (`neurornn.dynamics.flat`); or trials, which are run for them.
        inputs: what is held; several are searched side by side. 0 where absent.
        search: how to search.
        progress: whether to show a bar, where it takes more than some seconds.

    Raises:
        ValueError: if sizes do not fit, or the system jumps, as spiking cells do when they reset.

    References:
        Sussillo & Barak (2013), doi:10.1162/NECO_a_00409; Golub & Sussillo (2018), doi:10.21105/joss.01003.

    Example:
        >>> import torch
        >>> from neurornn import Map, fixed_points
        >>> bistable = Map(lambda x: torch.tanh(2 * x), 1, bounded=True)
        >>> found = fixed_points(bistable, torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None])
        >>> sorted(found.states[:, 0].round(4).tolist()), found.counts, found.index_sums
        ([-0.9575, 0.0, 0.9575], {0: 2, 1: 1}, array([1.]))
    """
    step = as_map(system)
    if step.refusal:
        _check.fail("fixed_points", "system", "a step without jumps", step.name, step.refusal)
    states = _visited(system, step, visited)
    held = _held(step, inputs, states)
    how = search if search is not None else Search()
    spread = float((states - states.mean(dim=0)).square().sum(-1).mean().sqrt())
    scale = spread if spread > 1e-12 else 1.0
    start = seeds(states, how)
    n = len(start)
    x = start.repeat(len(held), 1)
    u = held.repeat_interleave(n, dim=0) if step.n_in else None
    x, q = newton(step, descend(step, x, u, how, scale, progress=progress), u, how, scale)
    with torch.no_grad():
        return _result(step, states, held, x, q, n, scale, how)


def _result(
    step: Map, states: Tensor, held: Tensor, x: Tensor, q: Tensor, n: int, scale: float, how: Search
) -> FixedPoints:
    done = q < how.tolerance * scale**2
    owner = torch.arange(len(held), device=x.device).repeat_interleave(n)
    parts: dict[str, list[Tensor]] = {name: [] for name in ("x", "q", "c", "slow_x", "slow_q", "slow_c", "slow_v")}
    found = []
    for c in range(len(held)):
        here = owner == c
        median = speed(step, states, held[c : c + 1]).median().clamp(min=1e-300)
        for name, rows, apart in (("", here & done, how.apart), ("slow_", here & ~done, 10 * how.apart)):
            kept = torch.as_tensor(distinct(x[rows], q[rows], apart * scale), device=x.device)
            parts[f"{name}x"].append(x[rows][kept])
            parts[f"{name}q"].append(q[rows][kept])
            parts[f"{name}c"].append(torch.full((len(kept),), c))
        parts["slow_v"].append((parts["slow_q"][-1] / median).sqrt())
        found.append((int((here & done).sum()), n))
    whole = {name: torch.cat(part) for name, part in parts.items()}
    eigenvalues, signs = _classified(step, whole["x"], held, whole["c"])
    distances = torch.cdist(whole["x"], states).amin(1) / scale if len(whole["x"]) else whole["q"]
    arrays = {name: part.cpu().numpy() for name, part in whole.items()}
    methods = (
        f"{n} seeds (visited states, such with noise of {how.noise:g} of their spread, midpoints) for each of "
        f"{len(held)} held inputs; up to {how.adam_steps} steps of Adam on the sum of q in float64, then damped Newton "
        f"to q < {how.tolerance:g} of the squared spread; merged within {how.apart:g} of the spread; {step.name}, "
        f"{step.n_state} states."
    )
    return FixedPoints(
        states=arrays["x"],
        conditions=arrays["c"],
        q=arrays["q"],
        eigenvalues=eigenvalues,
        signs=signs,
        distances=distances.cpu().numpy(),
        slow_states=arrays["slow_x"],
        slow_conditions=arrays["slow_c"],
        slow_q=arrays["slow_q"],
        slow_speeds=arrays["slow_v"],
        inputs=held.cpu().numpy(),
        scale=scale,
        found=tuple(found),
        system=step,
        methods=methods,
    )


def _classified(step: Map, x: Tensor, held: Tensor, conditions: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues by falling modulus, `(point, mode)`, and the sign of det(I - J) of each point."""
    values, signs = np.empty((len(x), step.n_state), dtype=complex), np.empty(len(x))
    eye = np.eye(step.n_state)
    for i, c in enumerate(conditions.tolist()):
        jacobian = step.jacobian(x[i : i + 1], held[c : c + 1] if step.n_in else None)[0].cpu().numpy()
        found = np.linalg.eigvals(jacobian)
        values[i] = found[np.argsort(-np.abs(found), kind="stable")]
        signs[i] = np.linalg.slogdet(eye - jacobian)[0]
    return values, signs


def _visited(system: Network | AbstractCell | Map, step: Map, visited: Trials | Tensor) -> Tensor:
    if isinstance(visited, Trials):
        if not isinstance(system, Network):
            fix = "Pass the states that it visits."
            _check.fail("fixed_points", "visited", "states, where the system is no network", visited, fix)
        return visited_states(system, visited).flatten(0, 1)
    if visited.ndim != 2 or visited.shape[1] != step.n_state or len(visited) < 2:
        _check.fail("fixed_points", "visited", f"of shape (sample, {step.n_state}), two or more", visited)
    states = visited.detach().double()
    _check.finite("fixed_points", "visited", states.cpu().numpy())
    return states


def _held(step: Map, inputs: Tensor | None, states: Tensor) -> Tensor:
    if inputs is None:
        return states.new_zeros(1, step.n_in)
    if inputs.ndim != 2 or inputs.shape[1] != step.n_in or not len(inputs):
        _check.fail("fixed_points", "inputs", f"of shape (condition, {step.n_in})", inputs)
    return inputs.to(states)


@torch.no_grad()
def visited_states(
    network: Network,
    trials: Trials,
    *,
    noise: Float[Tensor, "trial time unit"] | Noise | None = None,
    perturb: Sequence[Perturbs] = (),
) -> Float[Tensor, "trial time state"]:
    """Return the flat states of a network at every step of trials, in float64: those of the cell, hidden ones too.

    Args:
        network: the network.
        trials: what drives it.
        noise: of each step; none where absent.
        perturb: what is done to the network meanwhile; nothing stacked.

    Example:
        >>> import torch
        >>> from neurornn import LSTM, Network, Trials
        >>> from neurornn.dynamics import visited_states
        >>> trials = Trials(torch.zeros(2, 5, 1), torch.zeros(2, 5, 1), torch.ones(2, 5), dt=20.0)
        >>> visited_states(Network(LSTM(1, 4), 1), trials).shape
        torch.Size([2, 5, 8])
    """
    start = None if trials.start is None else trials.start.to(network.readout)
    state, inputs = network.initial(trials.n_trials, start), trials.inputs.to(network.readout)
    act = combine(perturb, network, trials.n_trials, trials.n_steps) or Intervention()
    steps = network.cell.steps(act.seen(inputs), state, numbers(noise, inputs), intervention=act)
    return torch.stack([flat(after) for _, after in steps], dim=1)
