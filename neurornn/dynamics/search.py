"""The search for states that a step leaves where they are: descent from many seeds, then Newton's method."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from neurornn._types import generator
from neurornn.dynamics.system import Map

MEMORY = 2.5e8
"""Bytes of Jacobians at a time."""


@dataclass(frozen=True)
class Search:
    """How fixed points are looked for.

    Args:
        n_seeds: seeds for each held input: a third visited states, a third such states with noise, a third midpoints
            between two of them (which finds saddles).
        noise: standard deviation of the noise, over the standard deviation of each state variable.
        adam_steps: of descent on the sum of $q$.
        learning_rate: of the descent, over the spread of the visited states.
        newton_steps: at most.
        tolerance: of $q$, over the squared spread of the visited states.
        apart: how far two points must lie from each other to count as two, over that spread.
        seed: of the seeds.
    """

    n_seeds: int = 384
    noise: float = 0.5
    adam_steps: int = 1500
    learning_rate: float = 0.02
    newton_steps: int = 100
    tolerance: float = 1e-24
    apart: float = 1e-4
    seed: int = 0


def speed(step: Map, x: Tensor, u: Tensor | None) -> Float[Tensor, " point"]:
    r"""Return $q = \frac12 \lVert F(x) - x \rVert^2$ of each state."""
    return 0.5 * (step(x, u) - x).square().sum(-1)


def seeds(visited: Float[Tensor, "sample state"], how: Search) -> Float[Tensor, "point state"]:
    """Return where to search from: visited states, such with noise, midpoints, and the mean and the origin."""
    stream = generator(how.seed)
    third = max(1, how.n_seeds // 3)

    def some() -> Tensor:
        return visited[torch.randint(len(visited), (third,), generator=stream).to(visited.device)]

    spread = visited.std(dim=0, correction=0)
    jitter = torch.randn(third, visited.shape[1], generator=stream, dtype=torch.float64).to(visited.device)
    middle = visited.mean(dim=0, keepdim=True)
    return torch.cat([some(), some() + how.noise * spread * jitter, (some() + some()) / 2, middle, 0 * middle])


def descend(step: Map, x: Tensor, u: Tensor | None, how: Search, scale: float, *, progress: bool) -> Tensor:
    """Return the states after Adam on the sum of q: on the sum, so that no seed slows another.

    Seeds whose q is small enough for Newton's method leave the batch.
    """
    x = x.clone()
    live = torch.arange(len(x), device=x.device)
    near = 1e-12 * scale**2
    free = x.clone().requires_grad_()
    optimiser = torch.optim.Adam([free], lr=how.learning_rate * scale)
    bar = tqdm(range(how.adam_steps), desc="fixed points", disable=not progress, delay=5.0, mininterval=1.0)
    for i in bar:
        for group in optimiser.param_groups:
            group["lr"] = how.learning_rate * scale * (1 - i / how.adam_steps)
        q = speed(step, free, None if u is None else u[live])
        (free.grad,) = torch.autograd.grad(q.sum(), [free])
        optimiser.step()
        if i % 50 == 49:
            far = q.detach() > near
            if not bool(far.all()):
                x[live[~far]] = free.detach()[~far]
                live = live[far]
                if not len(live):
                    break
                free, optimiser = _kept(free, optimiser, far)
    else:
        x[live] = free.detach()
    return x


def _kept(free: Tensor, optimiser: torch.optim.Adam, rows: Tensor) -> tuple[Tensor, torch.optim.Adam]:
    """Return some rows of what is optimised, with an optimiser that remembers them."""
    state = optimiser.state[free]
    fewer = free.detach()[rows].clone().requires_grad_()
    again = torch.optim.Adam([fewer], lr=optimiser.param_groups[0]["lr"])
    again.state[fewer] = {k: v[rows] if v.ndim else v for k, v in state.items()}
    return fewer, again


@torch.no_grad()
def newton(step: Map, x: Tensor, u: Tensor | None, how: Search, scale: float) -> tuple[Tensor, Tensor]:
    r"""Return the states after a damped Newton's method, and their q.

    $(J - I)\,d = x - F(x)$; a step is no longer than the spread of visited states and is halved until q falls.
    """
    x = x.clone()
    q = speed(step, x, u)
    live = torch.arange(len(x), device=x.device)[q > _floor(x)]
    size = max(1, int(MEMORY / (8 * step.n_state**2)))
    for _ in range(how.newton_steps):
        if not len(live):
            break
        going = [_stepped(step, x, u, q, part, scale) for part in live.split(size)]
        moved = torch.cat(going)
        live = live[moved & (q[live] > _floor(x[live]))]
    return x, q


def _floor(x: Tensor) -> Tensor:
    """Return the q that rounding errors make."""
    return 1e-32 * (1 + x.square().sum(-1))


def _stepped(step: Map, x: Tensor, u: Tensor | None, q: Tensor, rows: Tensor, scale: float) -> Tensor:
    """Take one Newton step for some rows of `x` and `q` in place; return which of them moved."""
    here, held = x[rows], None if u is None else u[rows]
    system = step.jacobian(here, held) - torch.eye(step.n_state, dtype=x.dtype, device=x.device)
    wanted = here - step(here, held)
    direction, info = torch.linalg.solve_ex(system, wanted[..., None])
    direction = direction[..., 0]
    bad = (info != 0) | ~torch.isfinite(direction).all(-1) | (direction.norm(dim=-1) > 100 * scale)
    if bool(bad.any()):  # (nearly) singular: along a continuum of fixed points, the shortest step does
        inverse = torch.linalg.pinv(system[bad], rtol=1e-9)
        direction[bad] = (inverse @ wanted[bad][..., None])[..., 0]
    direction *= (scale / direction.norm(dim=-1, keepdim=True).clamp(min=1e-300)).clamp(max=1.0)
    left = torch.ones(len(rows), dtype=torch.bool, device=x.device)
    for halving in range(12):
        tried = here + 0.5**halving * direction
        after = speed(step, tried, held)
        better = left & (after < q[rows])
        x[rows[better]], q[rows[better]] = tried[better], after[better]
        left &= ~better
        if not bool(left.any()):
            break
    return ~left


def distinct(x: Float[Tensor, "point state"], q: Float[Tensor, " point"], apart: float) -> Int[np.ndarray, " kept"]:
    """Return which points to keep of those that lie closer together than `apart`: the one of lowest q."""
    order = torch.argsort(q)
    taken = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    kept = []
    for i in order.tolist():
        if taken[i]:
            continue
        kept.append(i)
        taken |= (x - x[i]).norm(dim=-1) < apart
    return np.array(kept, dtype=int)
