"""A phase portrait: the flow in the plane of the first principal components, with paths and fixed points."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.cell import AbstractCell
from neurornn.dynamics.fixed import FixedPoints
from neurornn.dynamics.system import Map, as_map
from neurornn.network import Network


@dataclass(frozen=True, eq=False)
class Portrait:
    """The flow of a network in a plane, with its input held.

    Args:
        places: where the flow was taken, in the plane. Shape `(place, 2)`.
        flow: velocity there, in the plane, per second. Shape `(place, 2)`.
        speed: of the whole state there, per second. Shape `(place,)`.
        paths: visited states in the plane. Shape `(path, time, 2)`.
        points: fixed points in the plane. Shape `(point, 2)`.
        index: unstable directions of each. Shape `(point,)`.
        axes: the two directions, in rows. Shape `(2, state)`.
        middle: the mean of the visited states. Shape `(state,)`.
        share: part of the variance of the visited states in each direction. Shape `(2,)`.
        methods: how this was made.
    """

    places: Float[np.ndarray, "place 2"]
    flow: Float[np.ndarray, "place 2"]
    speed: Float[np.ndarray, " place"]
    paths: Float[np.ndarray, "path time 2"]
    points: Float[np.ndarray, "point 2"]
    index: Int[np.ndarray, " point"]
    axes: Float[np.ndarray, "2 state"]
    middle: Float[np.ndarray, " state"]
    share: Float[np.ndarray, " 2"]
    methods: str

    def frame(self) -> pd.DataFrame:
        """Return one row a place: `x`, `y`, `flow_x`, `flow_y`, `speed` (per second)."""
        names = ("x", "y", "flow_x", "flow_y")
        table = pd.DataFrame(np.hstack([self.places, self.flow]), columns=list(names))
        return table.assign(speed=self.speed)


def portrait(
    system: Network | AbstractCell | Map,
    visited: Float[Tensor, "path time state"],
    inputs: Float[Tensor, " in"] | None = None,
    *,
    points: FixedPoints | None = None,
    n_places: int = 20,
    margin: float = 0.15,
) -> Portrait:
    """Return the flow in the plane of the first two principal components of the visited states.

    At each place of a grid in the plane the state takes the nearest visited state's values in all other directions, so
    that the flow is that of states like those that occur, not of states that never do.

    Args:
        system: a network or cell, without its noise, or a map.
        visited: states on trajectories, flat.
        inputs: what is held; 0 where absent.
        points: fixed points to be shown too; those of the first condition.
        n_places: along each axis.
        margin: how far the grid reaches beyond what was visited, over its extent.

    Raises:
        ValueError: if sizes do not fit.
    """
    step = as_map(system)
    if visited.ndim != 3 or visited.shape[2] != step.n_state or step.n_state < 2:
        _check.fail("portrait", "visited", f"of shape (path, time, {step.n_state}), two states or more", visited)
    _check.count("portrait", "n_places", n_places, least=2)
    _check.not_negative("portrait", "margin", margin)
    held = None if inputs is None else inputs.detach().double()[None]
    states = visited.detach().double().flatten(0, 1)
    middle = states.mean(dim=0)
    _, values, rows = torch.linalg.svd(states - middle, full_matrices=False)
    axes = rows[:2]
    share = values.square() / values.square().sum()
    plane = (states - middle) @ axes.T
    low, high = plane.amin(0), plane.amax(0)
    room = margin * (high - low)
    lines = [torch.linspace(float(a), float(b), n_places) for a, b in zip(low - room, high + room, strict=True)]
    places = torch.stack(torch.meshgrid(*lines, indexing="xy"), dim=-1).flatten(0, 1).to(states)
    nearest = torch.cdist(places, plane).argmin(dim=1)
    here = states[nearest] + (places - plane[nearest]) @ axes
    with torch.no_grad():
        velocity = (step(here, held) - here) / step.dt * 1e3
    shown = np.empty((0, 2)), np.empty(0, dtype=int)
    if points is not None:
        first = points.conditions == 0
        flat_points = (torch.as_tensor(points.states[first]).to(states) - middle) @ axes.T
        shown = flat_points.cpu().numpy(), points.index[first]
    methods = (
        f"Plane of the first two principal components of {len(states)} visited states "
        f"({100 * float(share[:2].sum()):.0f} % of their variance); off the plane, each place is as the nearest "
        f"visited state; velocities per second."
    )
    return Portrait(
        places.cpu().numpy(),
        (velocity @ axes.T).cpu().numpy(),
        velocity.norm(dim=1).cpu().numpy(),
        plane.reshape(*visited.shape[:2], 2).cpu().numpy(),
        *shown,
        axes.cpu().numpy(),
        middle.cpu().numpy(),
        share[:2].cpu().numpy(),
        methods,
    )
