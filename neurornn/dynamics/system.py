"""A step of anything with a state, as one function of a flat vector: what all dynamics are asked of."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp, vmap

from neurornn import _check
from neurornn._types import State
from neurornn.cell import GRU, LSTM, AbstractCell, LeakyRate
from neurornn.cell.intervention import Intervention, Mix, at_step
from neurornn.cell.spiking import AbstractSpiking
from neurornn.network import Network, Perturbs, combine


@dataclass(frozen=True, eq=False)
class Map:
    r"""One step of a deterministic system, $x_{t+1} = F(x_t, u_t)$, for many states at once.

    Everything in `neurornn.dynamics` takes a network, a cell, or a map of your own. Derivatives are taken by forward
    differentiation through the step (`torch.func.jvp`), so that no parameter's gradient is touched and no Jacobian is
    formed where only its products are needed.

    Args:
        step: takes states `(point, state)`, and inputs `(point, in)` where `n_in` is not 0, and returns the states
            after one step. Torch operations on the last axis.
        n_state: how many numbers make a state.
        n_in: number of inputs.
        dt: the time that a step stands for, ms.
        name: what results call it.
        bounded: whether the step carries some bounded convex set into itself, as networks with a saturating
            nonlinearity do. Then indices of fixed points sum to 1, and a search can be checked for missing ones.
        tangent: what the derivative of a step is: "exact", or which smooth function stands in for a jump.
        refusal: why a fixed point of this step means nothing; empty where it does.
        read: outputs `(point, out)` of states, where there is a readout.
        sends: activity `(point, unit)` of states; the state itself where absent.

    Raises:
        ValueError: if a size is not possible.

    Example:
        >>> import torch
        >>> from neurornn import Map
        >>> halved = Map(lambda x: x / 2, n_state=3)
        >>> halved(torch.ones(1, 3)).tolist()
        [[0.5, 0.5, 0.5]]
        >>> halved.jacobian(torch.zeros(1, 3))[0].diag().tolist()
        [0.5, 0.5, 0.5]
    """

    step: Callable[..., Tensor]
    n_state: int
    n_in: int = 0
    dt: float = 1.0
    name: str = "map"
    bounded: bool = False
    tangent: str = "exact"
    refusal: str = ""
    read: Callable[[Tensor], Tensor] | None = None
    sends: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        _check.count("Map", "n_state", self.n_state)
        _check.count("Map", "n_in", self.n_in, least=0)
        _check.positive("Map", "dt", self.dt)

    def __call__(
        self, x: Float[Tensor, "point state"], u: Float[Tensor, "#point in"] | None = None
    ) -> Float[Tensor, "point state"]:
        """Return the states after one step; inputs are 0 where absent."""
        if not self.n_in:
            return self.step(x)
        given = x.new_zeros(1, self.n_in) if u is None else u
        return self.step(x, given.expand(len(x), self.n_in))

    def pushed(
        self,
        x: Float[Tensor, "point state"],
        vectors: Float[Tensor, "vector point state"],
        u: Float[Tensor, "#point in"] | None = None,
    ) -> tuple[Float[Tensor, "point state"], Float[Tensor, "vector point state"]]:
        """Return the states after one step, and tangent vectors at `x` carried along, $J v$: one product for all."""

        def along(vector: Tensor) -> tuple[Tensor, Tensor]:
            after, carried, *_ = jvp(lambda state: self(state, u), (x,), (vector,))
            return after, carried

        with torch.set_grad_enabled(self.tangent != "exact"):  # surrogates stand in where gradients are asked for
            after, carried = vmap(along)(vectors)
        return after[0].detach(), carried.detach()

    def jacobian(
        self, x: Float[Tensor, "point state"], u: Float[Tensor, "#point in"] | None = None
    ) -> Float[Tensor, "point state state"]:
        r"""Return the derivative of a step at each state: entry `[point, i, j]` is $\partial F_i / \partial x_j$."""
        basis = torch.eye(self.n_state, dtype=x.dtype, device=x.device)
        return self.pushed(x, basis[:, None, :].expand(-1, len(x), -1), u)[1].permute(1, 2, 0)

    def input_jacobian(
        self, x: Float[Tensor, "point state"], u: Float[Tensor, "#point in"] | None = None
    ) -> Float[Tensor, "point state in"]:
        """Return the derivative of a step by its inputs."""
        given = x.new_zeros(len(x), self.n_in) if u is None else u.expand(len(x), self.n_in)
        basis = torch.eye(self.n_in, dtype=x.dtype, device=x.device)[:, None, :].expand(-1, len(x), -1)
        return vmap(lambda v: jvp(lambda one: self(x, one), (given,), (v,))[1])(basis).permute(1, 2, 0)

    def trajectory(
        self, x: Float[Tensor, "point state"], n_steps: int, u: Float[Tensor, "#point in"] | None = None
    ) -> Float[Tensor, "point time state"]:
        """Return the states after 1, 2 ... `n_steps` steps with the inputs held."""
        kept = []
        for _ in range(_check.count("Map.trajectory", "n_steps", n_steps)):
            x = self(x, u)
            kept.append(x)
        return torch.stack(kept, dim=1)


def flow_map(
    field: Callable[[Tensor], Tensor], n_state: int, *, dt: float, name: str = "flow", bounded: bool = False
) -> Map:
    """Return the map that follows a differential equation for `dt`, by one classical Runge-Kutta step.

    Args:
        field: takes states `(point, state)` and returns their rates of change, per unit of `dt`.
        n_state: how many numbers make a state.
        dt: step.
        name: what results call it.
        bounded: see `Map`.

    Example:
        >>> import torch
        >>> from neurornn import flow_map
        >>> decay = flow_map(lambda x: -x, 1, dt=0.1)
        >>> round(float(decay(torch.ones(1, 1, dtype=torch.float64))), 6)
        0.904837
    """

    def step(x: Tensor) -> Tensor:
        a = field(x)
        b = field(x + dt / 2 * a)
        c = field(x + dt / 2 * b)
        d = field(x + dt * c)
        return x + dt / 6 * (a + 2 * b + 2 * c + d)

    return Map(step, n_state, dt=_check.positive("flow_map", "dt", dt), name=name, bounded=bounded)


def as_map(system: "Network | AbstractCell | Map", *, surrogate: bool = False, perturb: Sequence[Perturbs] = ()) -> Map:
    """Return the step of a network or cell as a map in float64, on its device; a map as it is.

    The state is flat: the parts of the cell's state end to end. Without noise, so that the step is a function. The
    network is copied: training it further changes nothing here.

    The step of a spiking cell has two derivatives. Exactly, a spike does not depend on the potential (but at threshold,
    where it jumps). With the cell's surrogate, which training follows, it does, and how much depends on the surrogate's
    slope.

    Args:
        system: what to take the step of.
        surrogate: whether derivatives go through the surrogate of spiking cells.
        perturb: what is done to a network all the while, such as `Silence(units)`: the dynamics after a lesion. Nothing
            that depends on time, trial or noise.
    """
    if isinstance(system, Map):
        return system
    if not isinstance(system, Network | AbstractCell):
        fix = "Wrap a function: Map(step, n_state=...)."
        _check.fail("as_map", "system", "a network, a cell or a map", type(system).__name__, fix)
    whole = copy.deepcopy(system).double().requires_grad_(False)
    cell = whole.cell if isinstance(whole, Network) else whole
    act = _steady(whole, perturb)
    with torch.no_grad():
        weights = cell.altered(act)
    mixing = [one.begin() for one in act.live]
    current = at_step(act.current, 0)
    n_parts = len(cell.initial(1))
    spiking = isinstance(cell, AbstractSpiking)

    def step(x: Tensor, u: Tensor) -> Tensor:
        state = x.chunk(n_parts, dim=-1)
        return torch.cat(cell.step(u, state, sent=sends(x), current=current, weights=weights)[1], dim=-1)

    def sends(x: Tensor) -> Tensor:
        sent = act.sent(cell.activity(x.chunk(n_parts, dim=-1)), 0)
        for one in mixing:
            sent = one.sent(sent, 0)
        return sent

    return Map(
        step,
        n_parts * cell.n_units,
        cell.n_in,
        cell.dt,
        type(cell).__name__,
        bounded=_bounded(cell) and act.empty,
        tangent=f"surrogate {cell.surrogate!r}" if spiking and surrogate else "exact",
        refusal="Its resets jump. Search its rates instead: rate_map(cell)." if spiking else "",
        read=(lambda x: whole.read(sends(x)[:, None])[:, 0]) if isinstance(whole, Network) else None,
        sends=sends,
    )


def _steady(system: "Network | AbstractCell", perturb: Sequence[Perturbs]) -> Intervention:
    """Return perturbations as one intervention that is the same at every step, or refuse."""
    if not perturb:
        return Intervention()
    if not isinstance(system, Network):
        _check.fail("as_map", "perturb", "absent for a cell", "perturbations", "Hand over the network.")
    act = combine(perturb, system, 2, 2) or Intervention()
    timed = (part for part in (act.gain, act.offset, act.current) if part is not None)
    once = all(part.shape[-2] == 1 and part.shape[0] == 1 for part in timed)
    mixed = all(isinstance(one, Mix) and one.strength.numel() == 1 for one in act.live)
    if not (once and mixed) or act.n_stack or act.edits or act.alterations:
        must, fix = "the same in every trial and at every step", "Use Always(), without noise, input edits or stacks."
        _check.fail("as_map", "perturb", must, "one that changes", fix)
    return act


def flat(state: State) -> Float[Tensor, "trial state"]:
    """Return a cell's state as one vector a trial, in float64: what maps call a state."""
    return torch.cat([part.detach().double() for part in state], dim=-1)


def parted(x: Float[Tensor, "trial state"], like: Sequence[Tensor]) -> State:
    """Return flat states as a cell's state, in the precision of `like`."""
    return tuple(part.to(one) for part, one in zip(x.chunk(len(like), dim=-1), like, strict=True))


def _bounded(cell: AbstractCell) -> bool:
    """Tell whether the step carries a bounded convex set into itself: every unit saturates or forgets."""
    return isinstance(cell, GRU | LSTM) or (isinstance(cell, LeakyRate) and cell.f in (torch.tanh, torch.sigmoid))
