"""Lines and rings on which a network rests anywhere, nearly: where they are, how they drift, what moves along them."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.cell import AbstractCell
from neurornn.dynamics.fixed import time_constants
from neurornn.dynamics.system import Map, as_map
from neurornn.network import Network

GAP = math.pi / 3
"""The widest gap that a ring may have, rad."""
HOLLOW = 0.5
"""How close to its middle a ring may come, over its mean radius."""


@dataclass(frozen=True, eq=False)
class Continuum:
    r"""A one-dimensional manifold of slow states, sampled along its length.

    A line attractor, or a ring, is a family of states that nearly stand still: along it one mode lasts far longer than
    a trial, across it all modes are short. What an input deposits along it is $l_1^\top \partial F/\partial u$, with
    the left eigenvector $l_1$ of the slow mode: the direction of integration.

    Args:
        kind: "ring" or "line".
        position: along the manifold, in order: an angle in rad for a ring, a length in state units for a line. Shape
            `(sample,)`.
        states: on the manifold. Shape `(sample, state)`.
        drift: how fast `position` changes with the input held, per second. Shape `(sample,)`.
        eigenvalues: of the Jacobian at each sample, the `n_modes` of largest modulus. Shape `(sample, mode)`.
        tangent: the direction of the manifold, of unit length. Shape `(sample, state)`.
        slow: the right eigenvector of the slowest mode, towards larger positions, of unit length. Shape
            `(sample, state)`.
        integration: the left eigenvector, scaled so that it has 1 with `slow`. Shape `(sample, state)`.
        deposits: how far a unit of each input, given for one step, moves `position` in the end. Shape `(sample, in)`.
        stretch: how far apart in the state two places are, over their distance in `position`. Shape `(sample,)`.
        middle: of all settled states. Shape `(state,)`.
        axes: the plane in which they were put in order, in rows. Shape `(2, state)`.
        share: part of the variance of the settled states in each principal component. Shape `(component,)`.
        dt: of a step, ms.
        methods: how this was made.
        references: DOIs.
    """

    kind: str
    position: Float[np.ndarray, " sample"]
    states: Float[np.ndarray, "sample state"]
    drift: Float[np.ndarray, " sample"]
    eigenvalues: np.ndarray
    tangent: Float[np.ndarray, "sample state"]
    slow: Float[np.ndarray, "sample state"]
    integration: Float[np.ndarray, "sample state"]
    deposits: Float[np.ndarray, "sample in"]
    stretch: Float[np.ndarray, " sample"]
    middle: Float[np.ndarray, " state"]
    axes: Float[np.ndarray, "2 state"]
    share: Float[np.ndarray, " component"]
    dt: float
    methods: str
    references: tuple[str, ...] = ("10.48550/arXiv.1906.10720",)

    @property
    def time_constants(self) -> Float[np.ndarray, "sample mode"]:
        """Of the slowest modes at each sample, ms."""
        return time_constants(self.eigenvalues, self.dt)

    @property
    def along(self) -> Float[np.ndarray, " sample"]:
        """The overlap of the slow mode with the tangent, from 0 to 1."""
        return np.abs(np.sum(self.slow * self.tangent, axis=1))

    def moved(
        self, before: Float[np.ndarray, "sample state"], after: Float[np.ndarray, "sample state"]
    ) -> Float[np.ndarray, " sample"]:
        """Return how far states have moved along the manifold: rad on a ring, the short way; a length on a line."""
        here, there = (torch.as_tensor((states - self.middle) @ self.axes.T) for states in (before, after))
        return _along(here, there, self.kind).numpy()

    @property
    def rests(self) -> int:
        """How many stable resting places there are along it: where the drift falls through 0.

        None where nothing drifts but by rounding: there it rests anywhere.
        """
        drift = np.append(self.drift, self.drift[:1]) if self.kind == "ring" else self.drift
        if np.abs(drift).max() < 1e-9 * np.ptp(self.position):
            return 0
        return int(np.sum((drift[:-1] > 0) & (drift[1:] <= 0)))

    def frame(self) -> pd.DataFrame:
        """Return one row a sample: `position`, `drift`, the two longest time constants (ms), `along`, and inputs."""
        taus = self.time_constants
        table = pd.DataFrame(
            {
                "position": self.position,
                "drift": self.drift,
                "modulus": np.abs(self.eigenvalues[:, 0]),
                "time_constant": taus[:, 0],
                "next_time_constant": taus[:, 1] if taus.shape[1] > 1 else np.nan,
                "along": self.along,
            }
        )
        for i, column in enumerate(self.deposits.T):
            table[f"in_{i}"] = column
        return table


def continuum(
    system: Network | AbstractCell | Map,
    visited: Float[Tensor, "sample state"],
    inputs: Float[Tensor, " in"] | None = None,
    *,
    settle: float,
    n_samples: int = 100,
    n_modes: int = 4,
    over: float = 0.0,
) -> Continuum:
    r"""Return the line or ring of slow states that a network settles on while its input is held.

    Visited states settle for a while, which brings them onto whatever is slow. They form a ring if they go all round
    their middle in the plane of the first two components and leave a hole, else a line along the first component. At
    samples evenly along it the step is linearised, and the drift is measured by going on.

    What comes out is a line or ring whatever went in: look at `along` (near 1), the drift (slow against a trial), the
    gap between the two slowest time constants, and `share` before believing it.

    Args:
        system: a network or cell, without its noise, or a map.
        visited: states on trajectories, flat, that cover what is to be found.
        inputs: what is held; 0 where absent.
        settle: how long visited states settle, ms: several times the short time constants, less than the long one.
        n_samples: along the manifold.
        n_modes: modes whose eigenvalues are kept.
        over: time over which the drift is measured, ms; 0 for as long as `settle`.

    Raises:
        ValueError: if sizes do not fit, or the states all settle in one place.

    References:
        Maheswaranathan, Williams, Golub, Ganguli & Sussillo (2019), doi:10.48550/arXiv.1906.10720.

    Example:
        >>> import torch
        >>> from neurornn import Map
        >>> from neurornn.dynamics import continuum
        >>> line = Map(lambda x: x * torch.tensor([1.0, 0.5]).double(), 2)
        >>> starts = torch.stack([torch.linspace(-1, 1, 200), torch.ones(200)], -1).double()
        >>> found = continuum(line, starts, settle=40.0)
        >>> found.kind, round(float(found.along.min()), 3), bool(abs(found.drift).max() < 1e-9)
        ('line', 1.0, True)
    """
    step = as_map(system)
    if step.refusal:
        _check.fail("continuum", "system", "a step without jumps", step.name, step.refusal)
    if visited.ndim != 2 or visited.shape[1] != step.n_state or len(visited) < 10:
        _check.fail("continuum", "visited", f"of shape (sample, {step.n_state}), ten or more", visited)
    n_settle = max(1, round(_check.positive("continuum", "settle", settle) / step.dt))
    n_over = max(1, round(_check.not_negative("continuum", "over", over) / step.dt)) if over else n_settle
    held = None if inputs is None else inputs.detach().double()[None]
    if held is not None and held.shape[1] != step.n_in:
        _check.fail("continuum", "inputs", f"of shape ({step.n_in},)", inputs)
    with torch.no_grad():
        states = _after(step, visited.detach().double(), held, n_settle)
        spread = states.std(dim=0, correction=0).norm()
        before = visited.double().std(dim=0, correction=0).norm()
        if float(spread) < 1e-6 * max(float(before), 1e-12):
            fix = "Use a shorter `settle`, or look for fixed points."
            _check.fail("continuum", "settle", "so short that states stay apart", settle, fix)
        middle, components, share = _components(states)
        kind, position = _ordered((states - middle) @ components.T)
        chosen = _even(position, kind, min(_check.count("continuum", "n_samples", n_samples, least=3), len(states)))
        here = states[chosen]
        later = _after(step, here, held, n_over)
        drift = _along((here - middle) @ components.T, (later - middle) @ components.T, kind) / (n_over * step.dt)
    at = position[chosen].cpu().numpy()
    values, slow, left, deposits = _linear(step, here, held, min(n_modes, step.n_state))
    course = _course(states.cpu().numpy(), position.cpu().numpy(), at, kind)
    stretch = np.maximum(np.linalg.norm(course, axis=1), 1e-300)
    tangent = course / stretch[:, None]
    sign = np.where(np.sum(slow * tangent, axis=1) < 0, -1.0, 1.0)[:, None]
    methods = (
        f"{len(visited)} visited states of {step.name} settled for {n_settle * step.dt:g} ms with the input held; "
        f"{len(here)} of them, evenly along the {kind}; drift over the next {n_over * step.dt:g} ms."
    )
    return Continuum(
        kind=kind,
        position=at,
        states=here.cpu().numpy(),
        drift=1e3 * drift.cpu().numpy(),
        eigenvalues=values,
        tangent=tangent,
        slow=sign * slow,
        integration=sign * left,
        deposits=sign * deposits / stretch[:, None],
        stretch=stretch,
        middle=middle.cpu().numpy(),
        axes=components.cpu().numpy(),
        share=share.cpu().numpy(),
        dt=step.dt,
        methods=methods,
    )


def _after(step: Map, x: Tensor, u: Tensor | None, n_steps: int) -> Tensor:
    for _ in range(n_steps):
        x = step(x, u)
    return x


def _components(states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the middle, the first two principal components in rows, and each one's share of the variance."""
    middle = states.mean(dim=0)
    _, values, rows = torch.linalg.svd(states - middle, full_matrices=False)
    power = values.square()
    components = rows[:2]
    if len(components) < 2:
        components = torch.cat([components, torch.zeros_like(components)])
    return middle, components, power / power.sum()


def _ordered(plane: Tensor) -> tuple[str, Tensor]:
    """Return whether points in the plane form a ring or a line, and where on it each lies."""
    angle = torch.atan2(plane[:, 1], plane[:, 0])
    ordered = angle.sort().values
    gaps = torch.diff(torch.cat([ordered, ordered[:1] + math.tau]))
    radius = plane.norm(dim=1)
    hollow = float(radius.quantile(0.02)) > HOLLOW * float(radius.mean())
    if float(gaps.max()) < GAP and hollow:
        return "ring", angle
    return "line", plane[:, 0]


def _even(position: Tensor, kind: str, n: int) -> Tensor:
    """Return the samples nearest to `n` places evenly along, each once, in order."""
    low, high = (-math.pi, math.pi) if kind == "ring" else (float(position.min()), float(position.max()))
    places = low + (high - low) * (torch.arange(n, dtype=position.dtype, device=position.device) + 0.5) / n
    nearest = (position[None] - places[:, None]).abs().argmin(dim=1).unique()
    return nearest[position[nearest].argsort()]


def _along(before: Tensor, after: Tensor, kind: str) -> Tensor:
    if kind == "line":
        return after[:, 0] - before[:, 0]
    turned = torch.atan2(after[:, 1], after[:, 0]) - torch.atan2(before[:, 1], before[:, 0])
    return torch.remainder(turned + math.pi, math.tau) - math.pi


def _course(states: np.ndarray, position: np.ndarray, at: np.ndarray, kind: str) -> np.ndarray:
    """Return by how much states change with position about each place, by regression over the nearest ones."""
    n_near = max(5, len(states) // 20)
    found = np.empty((len(at), states.shape[1]))
    for i, place in enumerate(at):
        apart = position - place
        if kind == "ring":
            apart = (apart + math.pi) % math.tau - math.pi
        near = np.argsort(np.abs(apart))[:n_near]
        x, s = states[near] - states[near].mean(axis=0), apart[near] - apart[near].mean()
        found[i] = s @ x / max(float(s @ s), 1e-300)
    return found


def _linear(step: Map, x: Tensor, u: Tensor | None, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the leading eigenvalues, the slow mode's right and left vectors, and what inputs deposit along it."""
    values, slow, left, deposits = [], [], [], []
    for one in x.split(1):
        jacobian = step.jacobian(one, u)[0].cpu().numpy()
        found, right = np.linalg.eig(jacobian)
        order = np.argsort(-np.abs(found), kind="stable")
        inverse = np.linalg.pinv(right)
        vector, row = right[:, order[0]].real, inverse[order[0]].real
        size = max(float(np.linalg.norm(vector)), 1e-300)
        values.append(found[order[:n]])
        slow.append(vector / size)
        left.append(row * size)
        by_input = step.input_jacobian(one, u)[0].cpu().numpy() if step.n_in else np.empty((step.n_state, 0))
        deposits.append(row * size @ by_input)
    return tuple(np.array(part) for part in (values, slow, left, deposits))  # type: ignore[return-value]
