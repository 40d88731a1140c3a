r"""A whole trial at once: all steps solved together by Newton's method, instead of one after the other.

The steps $s_t = F(s_{t-1}, x_t)$ are equations for all $s_t$. Linearised about a guess $s^{(k)}$ they are a linear
recurrence, which a scan of $\log_2 T$ levels solves:

$$s_t = A_t\,(s_{t-1} - s^{(k)}_{t-1}) + F(s^{(k)}_{t-1}, x_t), \qquad A_t = \partial F/\partial s$$

A contracting network needs a few sweeps; a chaotic one needs as many as there are steps.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp, vmap

from neurornn import _check
from neurornn._types import State, generator
from neurornn.cell.base import AbstractCell
from neurornn.cell.spiking import AbstractSpiking
from neurornn.errors import NotConverged

LOOKED_AT = 300
"""Steps of one trial on which the largest exponent is estimated before anything else is done."""


@dataclass(frozen=True)
class Newton:
    r"""How the steps of a trial are solved together.

    Args:
        diagonal: whether only the part of $A$ by which a unit keeps its own state (its leak, its gate) is used. A sweep
            then costs about two steps of all units instead of $N$, and memory $T N$ instead of $T N^2$; but more sweeps
            are needed, the more the weights matter.
        damping: $k$ in [0, 1]: $A$ is multiplied by $1 - k$, which keeps sweeps from running away. 1 copies states from
            one step to the next (Picard).
        tolerance: the largest change of a state in the last sweep, absolute and over the state's size.
        sweeps: at most.
        look: whether the largest exponent of one trial is estimated first, step by step, which takes about as long as
            running that trial; without it a chaotic network is known by its sweeps, that do not come to rest. Switch it
            off in training.
        strict: whether to refuse where the steps do not converge, or the network is chaotic. Otherwise they are taken
            one by one, as always.

    Raises:
        ValueError: if a setting is not possible.

    References:
        Lim et al. (2024), doi:10.48550/arXiv.2309.12252; on quasi-Newton and damping, Gonzalez et al. (2024),
        doi:10.48550/arXiv.2407.19115.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Newton
        >>> from neurornn.cell import in_parallel
        >>> cell = LeakyRate(1, 4, tau=50.0, dt=10.0, nonlinearity="tanh")
        >>> x = torch.ones(2, 100, 1)
        >>> found = in_parallel(cell, x, cell.initial(2), how=Newton())
        >>> found.converged, bool(torch.allclose(found.activity, cell.rollout(x, cell.initial(2))[0], atol=1e-4))
        (True, True)
    """

    diagonal: bool = False
    damping: float = 0.0
    tolerance: float = 1e-5
    sweeps: int = 100
    look: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        _check.fraction("Newton", "damping", self.damping)
        _check.positive("Newton", "tolerance", self.tolerance)
        _check.count("Newton", "sweeps", self.sweeps)


@dataclass(frozen=True, eq=False)
class Solved:
    """A rollout whose steps were solved together.

    Args:
        activity: what the units sent. Shape `(trial, time, unit)`.
        state: after the last step.
        converged: whether sweeps came to the tolerance; the steps were taken one by one where not.
        sweeps: how many were made.
        largest: estimate of the largest Lyapunov exponent, per step, from one trial; NaN where it was not looked at.
    """

    activity: Float[Tensor, "trial time unit"]
    state: State
    converged: bool
    sweeps: int
    largest: float


def in_parallel(
    cell: AbstractCell,
    x: Float[Tensor, "trial time in"],
    state: State,
    noise: Float[Tensor, "trial time unit"] | None = None,
    *,
    how: Newton,
) -> Solved:
    """Return the rollout of `cell`, its steps solved together; one by one where that does not converge.

    Gradients are those of the steps one by one: the adjoint equations are linear, and solved by the same scan.

    Args:
        cell: any cell without jumps.
        x: input of each step.
        state: before the first step.
        noise: of each step.
        how: the method.

    Raises:
        NotConverged: with `how.strict`, where it does not converge or the network is chaotic.
        ValueError: if the cell jumps.
    """
    if isinstance(cell, AbstractSpiking):
        fix = "Leave `parallel` out."
        _check.fail("in_parallel", "cell", "one whose step has a derivative", type(cell).__name__, fix)
    weights = cell.weights()
    frozen = tuple(part.detach() for part in weights)
    step = _Steps(cell, x, noise, len(state))
    first = torch.cat([part.expand(len(x), -1) for part in state], dim=-1)
    largest = _exponent(step, first.detach(), frozen) if how.look else float("nan")
    with torch.no_grad():
        guess = first.detach()[:, None].expand(-1, x.shape[1], -1)
        found, n, done = _swept(step, guess, first.detach(), frozen, how) if not largest > 0 else (guess, 0, False)
    if not done:
        if how.strict:
            why = f"the largest exponent is {largest:.3g} a step" if largest > 0 else f"{n} sweeps were not enough"
            raise NotConverged(f"in_parallel: the steps were not solved together: {why}. Take them one by one.")
        return Solved(*cell.rollout(x, state, noise), False, n, largest)
    if torch.is_grad_enabled():
        before = torch.cat([first[:, None], found[:, :-1]], dim=1)
        # One step from what was found has its value, and hands gradients to parameters, inputs and the first state.
        after = step(before, weights)
        found = _Adjoint.apply(after, step, before.detach(), frozen, how)
    parts = found.chunk(len(state), dim=-1)
    return Solved(cell.activity(parts), tuple(part[:, -1] for part in parts), True, n, largest)


class _Steps:
    """All steps of all trials as one function of the states before them, `(trial, time, state)`."""

    def __init__(self, cell: AbstractCell, x: Tensor, noise: Tensor | None, n_parts: int) -> None:
        self.cell, self.x, self.noise, self.n_parts = cell, x, noise, n_parts

    def __call__(self, before: Tensor, weights: tuple[Tensor, ...], sent: Tensor | None = None) -> Tensor:
        """Return the states after one step from each of `before`; `sent` holds what units send fixed."""
        parts = before.chunk(self.n_parts, dim=-1)
        return torch.cat(self.cell.step(self.x, parts, self.noise, sent=sent, weights=weights)[1], dim=-1)

    def jacobians(self, before: Tensor, weights: tuple[Tensor, ...]) -> Float[Tensor, "trial time state state"]:
        basis = torch.eye(before.shape[-1], dtype=before.dtype, device=before.device)

        def along(vector: Tensor) -> Tensor:
            return jvp(lambda s: self(s, weights), (before,), (vector.expand(before.shape).contiguous(),))[1]

        return vmap(along, out_dims=-1)(basis)

    def kept(self, before: Tensor, weights: tuple[Tensor, ...]) -> Float[Tensor, "trial time state"]:
        """Return by how much each state variable keeps itself, what units send held fixed."""
        sent = self.cell.activity(before.chunk(self.n_parts, dim=-1))
        n = before.shape[-1] // self.n_parts
        found = []
        for k in range(self.n_parts):
            ones = torch.zeros_like(before)
            ones[..., k * n : (k + 1) * n] = 1.0
            along = jvp(lambda s: self(s, weights, sent), (before,), (ones,))[1]
            found.append(along[..., k * n : (k + 1) * n])
        return torch.cat(found, dim=-1)

    def slopes(self, before: Tensor, weights: tuple[Tensor, ...], how: Newton) -> Tensor:
        """Return $A$ of the method, damped."""
        slopes = self.kept(before, weights) if how.diagonal else self.jacobians(before, weights)
        return (1 - how.damping) * slopes


def _swept(
    step: _Steps, guess: Tensor, first: Tensor, weights: tuple[Tensor, ...], how: Newton
) -> tuple[Tensor, int, bool]:
    """Return the states, the number of sweeps, and whether they came to rest."""
    for n in range(1, how.sweeps + 1):
        before = torch.cat([first[:, None], guess[:, :-1]], dim=1)
        slopes = step.slopes(before, weights, how)
        offset = step(before, weights) - _times(slopes, before)
        offset[:, 0] += _times(slopes[:, 0], first)
        new = scan(slopes, offset)
        if not bool(torch.isfinite(new).all()):
            return guess, n, False
        change = (new - guess).abs() - how.tolerance * new.abs()
        guess = new
        if float(change.max()) <= how.tolerance:
            return guess, n, True
    return guess, how.sweeps, False


class _Adjoint(torch.autograd.Function):
    """The identity, whose backward pass solves the adjoint equations of all steps together."""

    @staticmethod
    def forward(
        ctx: Any, after: Tensor, step: _Steps, before: Tensor, weights: tuple[Tensor, ...], how: Newton
    ) -> Tensor:
        ctx.given = step, weights, how
        ctx.save_for_backward(before)
        return after.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        step, weights, how = ctx.given
        (before,) = ctx.saved_tensors
        (given,) = grads
        if not how.diagonal:
            slopes = step.jacobians(before, weights)
            return _backward_scan(slopes.mT, given), None, None, None, None
        # lambda_t = g_t + J_{t+1}^T lambda_{t+1}, by the same quasi-Newton sweeps; each is exact one step farther.
        _, pull = torch.func.vjp(lambda s: step(s, weights), before)
        slopes = step.slopes(before, weights, how)
        found = given
        for _ in range(max(how.sweeps, given.shape[1])):
            ahead = torch.cat([found[:, 1:], torch.zeros_like(found[:, :1])], dim=1)
            pulled = torch.cat([pull(found)[0][:, 1:], torch.zeros_like(found[:, :1])], dim=1)
            own = torch.cat([slopes[:, 1:], torch.zeros_like(slopes[:, :1])], dim=1)
            new = _backward_scan(slopes, given + pulled - own * ahead)
            change = float((new - found).abs().max())
            found = new
            if change <= how.tolerance * float(new.abs().max()):
                break
        return found, None, None, None, None


def _backward_scan(slopes: Tensor, given: Tensor) -> Tensor:
    r"""Solve $\lambda_t = g_t + A_{t+1} \lambda_{t+1}$ from the last step back."""
    ahead = torch.cat([slopes[:, 1:], torch.zeros_like(slopes[:, :1])], dim=1)
    return scan(ahead.flip(1), given.flip(1)).flip(1)


def scan(slopes: Tensor, offset: Float[Tensor, "trial time state"]) -> Float[Tensor, "trial time state"]:
    r"""Solve $s_t = A_t s_{t-1} + b_t$ with $s_0 = b_0$, in $\log_2 T$ levels of whole-array products.

    Args:
        slopes: $A$: `(trial, time, state, state)`, or `(trial, time, state)` for a diagonal one. The first is not used.
        offset: $b$. Shape `(trial, time, state)`.
    """
    n_steps = offset.shape[1]
    if n_steps == 1:
        return offset
    # Pairs of steps become one; half as many are solved, and the ones between follow from them.
    even = n_steps - n_steps % 2
    a, b = slopes[:, :even], offset[:, :even]
    joined = a[:, 1::2] @ a[:, ::2] if slopes.ndim == 4 else a[:, 1::2] * a[:, ::2]
    late = scan(joined, _times(a[:, 1::2], b[:, ::2]) + b[:, 1::2])
    between = b[:, ::2].clone()
    between[:, 1:] += _times(a[:, 2::2], late[:, :-1])
    whole = torch.stack([between, late], dim=2).flatten(1, 2)
    if even < n_steps:
        last = _times(slopes[:, even], late[:, -1]) + offset[:, even]
        whole = torch.cat([whole, last[:, None]], dim=1)
    return whole


def _times(slopes: Tensor, x: Tensor) -> Tensor:
    return (slopes @ x[..., None])[..., 0] if slopes.ndim == x.ndim + 1 else slopes * x


@torch.no_grad()
def _exponent(step: _Steps, first: Tensor, weights: tuple[Tensor, ...]) -> float:
    """Return the mean growth a step, natural logarithm, of a random tangent vector along the first trial."""
    n_steps = min(step.x.shape[1], LOOKED_AT)
    s = first[:1]
    vector = torch.randn(s.shape, generator=generator(0), dtype=torch.float64).to(s)
    grown = []
    for t in range(n_steps):
        one = _Steps(step.cell, step.x[:1, t], None if step.noise is None else step.noise[:1, t], step.n_parts)
        s, vector = jvp(lambda state, one=one: one(state, weights), (s,), (vector,))[:2]
        size = vector.norm().clamp(min=1e-30)
        vector = vector / size
        grown.append(size.log())
    return float(torch.stack(grown)[n_steps // 4 :].mean())
