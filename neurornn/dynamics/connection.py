"""Where the unstable directions of saddles lead: the graph of memories and the borders between them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.dynamics.fixed import FixedPoints


@dataclass(frozen=True, eq=False)
class Connections:
    """From each saddle with one unstable direction, where the two ways down it end.

    Args:
        saddles: which point. Shape `(saddle,)`.
        ends: at which stable points; -1 where it came to none. Shape `(saddle, 2)`.
        paths: the states on the way. Shape `(saddle, 2, time, state)`.
        methods: how this was made.
    """

    saddles: Int[np.ndarray, " saddle"]
    ends: Int[np.ndarray, "saddle 2"]
    paths: Float[np.ndarray, "saddle 2 time state"]
    methods: str

    @property
    def joining(self) -> np.ndarray:
        """Which saddles stand between two different stable points."""
        return (self.ends >= 0).all(axis=1) & (self.ends[:, 0] != self.ends[:, 1])

    def frame(self) -> pd.DataFrame:
        """Return one row a saddle: `saddle`, `one`, `other`, `joins`."""
        return pd.DataFrame(
            {"saddle": self.saddles, "one": self.ends[:, 0], "other": self.ends[:, 1], "joins": self.joining}
        )


def connections(points: FixedPoints, *, condition: int = 0, n_steps: int = 1000, kick: float = 1e-3) -> Connections:
    """Follow the unstable direction of each saddle that has just one, both ways, until it comes to rest.

    In a memory, such saddles stand on the borders between the basins of two memories.

    Args:
        points: fixed points.
        condition: of which held input.
        n_steps: at most.
        kick: how far from the saddle to start, over the spread of visited states.

    Raises:
        ValueError: if there is no such condition.

    Example:
        >>> import torch
        >>> from neurornn import Map, fixed_points
        >>> from neurornn.dynamics import connections
        >>> bistable = Map(lambda x: torch.tanh(2 * x), 1, bounded=True)
        >>> found = fixed_points(bistable, torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None])
        >>> connections(found).joining.tolist()
        [True]
    """
    if _check.count("connections", "condition", condition, least=0) >= len(points.inputs):
        _check.fail("connections", "condition", f"below {len(points.inputs)}", condition)
    _check.count("connections", "n_steps", n_steps)
    step = points.system
    here = points.conditions == condition
    held = torch.as_tensor(points.inputs[condition : condition + 1]) if step.n_in else None
    saddles = np.flatnonzero(here & (points.index == 1))
    stable = np.flatnonzero(here & points.stable)
    starts = torch.empty(2 * len(saddles), step.n_state, dtype=torch.float64)
    for i, saddle in enumerate(saddles):
        x = torch.as_tensor(points.states[saddle : saddle + 1])
        values, right = torch.linalg.eig(step.jacobian(x, held)[0])
        way = right[:, values.abs().argmax()].real
        offset = _check.positive("connections", "kick", kick) * points.scale * way / way.norm()
        starts[2 * i], starts[2 * i + 1] = x[0] + offset, x[0] - offset
    with torch.no_grad():
        paths = step.trajectory(starts, n_steps, held).numpy() if len(saddles) else np.empty((0, n_steps, step.n_state))
    ends = np.full(len(starts), -1)
    if len(stable) and len(saddles):
        apart = np.linalg.norm(paths[:, -1, None] - points.states[stable], axis=-1)
        nearest = apart.argmin(axis=1)
        arrived = apart[np.arange(len(starts)), nearest] < 0.01 * points.scale
        ends = np.where(arrived, stable[nearest], -1)
    methods = (
        f"Each saddle of index 1 left both ways along its unstable mode by {kick:g} of the spread of visited states, "
        f"and followed for {n_steps} steps; arrived within 0.01 of the spread."
    )
    shape = (len(saddles), 2)
    return Connections(saddles, ends.reshape(shape), paths.reshape(*shape, n_steps, step.n_state), methods)
