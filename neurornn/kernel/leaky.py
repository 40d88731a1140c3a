"""Leaky rate units over a whole sequence, with their gradients, in one call.

What `LeakyRate` computes step by step is here one `torch.autograd.Function`, so that torch records one node instead of
a dozen a step and nothing is kept but what the backward pass needs. The leak is folded into the weights beforehand.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from neurornn import _check


class Place(IntEnum):
    r"""Where the nonlinearity sits; the numbers are those of the native library.

    With drive $u_t = W r_{t-1} + W_{in} x_t + b$ (the leak folded in): `RATE` $h_t = k h_{t-1} + g f(u_t)$, $r = h$;
    `CURRENT` $h_t = k h_{t-1} + u_t$, $r = f(h)$; `UPDATE` $h_t = f(k h_{t-1} + u_t)$, $r = h$.
    """

    RATE = 0
    CURRENT = 1
    UPDATE = 2


class Gate(IntEnum):
    """The nonlinearities that have a kernel."""

    RELU = 0
    TANH = 1
    LEAKY = 2


SLOPE = 0.01
"""What a leaky ReLU lets through below 0, as torch's default does."""


class NoiseIn(IntEnum):
    """Where the noise enters: nowhere, scaled into the drive, or added to the state."""

    NOWHERE = 0
    DRIVE = 1
    STATE = 2


class Arguments(NamedTuple):
    """The tensors of one call. `weights` stacks the recurrent weights (rows pre-synaptic), input weights and bias.

    With `squeeze`, the recurrent weights are of low rank: what is fed back is `r @ squeeze`, and `weights` has a row
    for each of its columns in place of the units.
    """

    x: Tensor  # (trial, time, in)
    start: Tensor  # (trial, unit)
    noise: Tensor | None  # (trial, time, unit)
    weights: Tensor  # (unit or rank + in + 1, unit)
    keep: Tensor  # (unit,)
    gain: Tensor | None  # (unit,)
    scale: Tensor | None  # (unit,)
    squeeze: Tensor | None  # (unit, rank)


class Kept(NamedTuple):
    """What a forward pass leaves for the backward pass, besides its arguments."""

    sent: Tensor  # (trial, time, unit)
    last: Tensor  # (trial, unit)
    state: Tensor | None  # (trial, time, unit), for CURRENT
    rate: Tensor | None  # (trial, time, unit), for RATE with TANH
    open: Tensor | None  # where the units are above threshold, for RATE with RELU or LEAKY


@dataclass(frozen=True)
class Recurrence:
    """Which recurrence is meant."""

    place: Place
    gate: Gate
    noise: NoiseIn


@runtime_checkable
class Engine(Protocol):
    """Something that computes the two passes."""

    def forward(self, which: Recurrence, given: Arguments, keep: bool) -> Kept:
        """Run the sequence; what only the backward pass needs is left out unless `keep`."""
        ...

    def backward(
        self,
        which: Recurrence,
        given: Arguments,
        kept: Kept,
        grad_sent: Tensor | None,
        grad_last: Tensor | None,
        wanted: tuple[bool, ...],
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of the arguments that are `wanted`, in their order."""
        ...


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, engine: Engine, which: Recurrence, keep: bool, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        given = Arguments(*tensors)  # type: ignore[arg-type]
        kept = engine.forward(which, given, keep)
        ctx.engine, ctx.which = engine, which
        ctx.set_materialize_grads(False)
        if keep:
            needs = dict(zip(Arguments._fields, ctx.needs_input_grad[3:], strict=True))
            wants_noise = needs["noise"] or needs["scale"]
            ctx.had_noise = given.noise is not None
            ctx.save_for_backward(*given._replace(noise=given.noise if wants_noise else None), *kept)
        return kept.sent, kept.last

    @staticmethod
    def backward(ctx: Any, grad_sent: Tensor | None, grad_last: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        n = len(Arguments._fields)
        saved = ctx.saved_tensors  # read once: torch.utils.checkpoint allows no second time
        given, kept = Arguments(*saved[:n]), Kept(*saved[n:])
        wanted = tuple(ctx.needs_input_grad[-n:])
        if grad_sent is None and grad_last is None:
            return (None,) * (3 + n)
        if torch.is_grad_enabled():  # the caller wants the gradient's own gradient
            grads = _twice(ctx.which, given, ctx.had_noise, (grad_sent, grad_last), wanted)
            return (None, None, None, *grads)
        return (None, None, None, *ctx.engine.backward(ctx.which, given, kept, grad_sent, grad_last, wanted))


def leaky_sequence(
    engine: Engine,
    x: Float[Tensor, "trial time in"],
    start: Float[Tensor, "trial unit"],
    noise: Float[Tensor, "trial time unit"] | None,
    *,
    w_in: Float[Tensor, "unit in"],
    w_rec: Float[Tensor, "unit unit"] | tuple[Float[Tensor, "unit rank"], Float[Tensor, "unit rank"]],
    bias: Float[Tensor, " unit"],
    leak: Float[Tensor, " unit"],
    place: Place,
    gate: Gate,
    noise_in_drive: bool,
) -> tuple[Float[Tensor, "trial time unit"], Float[Tensor, "trial unit"]]:
    """Return what leaky rate units send at each step, and their state after the last one.

    Args:
        engine: what computes it.
        x: input of each step.
        start: state before the first step.
        noise: noise of each step; none where absent.
        w_in: input weights.
        w_rec: recurrent weights, rows post-synaptic; or m and n of weights m n^T, which are then never formed.
        bias: bias of each unit.
        leak: dt / tau of each unit, in (0, 1].
        place: where the nonlinearity sits.
        gate: the nonlinearity.
        noise_in_drive: whether the noise enters the drive, rather than the state.

    Raises:
        ValueError: if the sizes contradict each other.
    """
    (n_trials, n_steps, n_in), n_units = x.shape, len(leak)
    feeds, squeeze = w_rec if isinstance(w_rec, tuple) else (w_rec, None)
    shapes = {
        "start": (start, (n_trials, n_units)),
        "noise": (noise, (n_trials, n_steps, n_units)),
        "w_in": (w_in, (n_units, n_in)),
        "w_rec": (feeds, (n_units, n_units if squeeze is None else squeeze.shape[-1])),
        "w_rec[1]": (squeeze, (n_units, feeds.shape[-1])),
        "bias": (bias, (n_units,)),
    }
    for name, (tensor, shape) in shapes.items():
        if tensor is not None and tensor.shape != shape:
            _check.fail("kernel.leaky_sequence", name, f"of shape {shape}", tensor)
    weights = torch.cat((feeds.mT, w_in.mT, bias[None]))
    whole = place is Place.RATE and gate is Gate.TANH  # a tanh lets no factor through; ReLUs do, as the leak is > 0
    if not whole:
        weights = weights * leak
    scale = None
    where = NoiseIn.NOWHERE if noise is None else NoiseIn.DRIVE if noise_in_drive else NoiseIn.STATE
    if where is NoiseIn.DRIVE:
        scale = torch.ones_like(leak) if whole else leak
    given = Arguments(x, start, noise, weights, 1 - leak, leak if whole else None, scale, squeeze)
    keep = torch.is_grad_enabled() and any(one is not None and one.requires_grad for one in given)
    return _Sequence.apply(engine, Recurrence(place, gate, where), keep, *given)


def _activity(gate: Gate, h: Tensor) -> Tensor:
    if gate is Gate.LEAKY:
        return functional.leaky_relu(h, SLOPE)
    return torch.relu(h) if gate is Gate.RELU else torch.tanh(h)


def _twice(
    which: Recurrence,
    given: Arguments,
    had_noise: bool,
    grads: tuple[Tensor | None, Tensor | None],
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Return the gradients as something that can itself be differentiated: the steps anew, recorded by torch."""
    if had_noise and given.noise is None:
        fix = "Compute them by `cell.loop`, or set NEURORNN_BACKEND=loop."
        raise RuntimeError(f"LeakyRate.rollout: second derivatives of a run with noise have no kernel. {fix}")
    h, sent, n_fed = given.start, [], len(given.weights) - given.x.shape[2] - 1
    r = _activity(which.gate, h) if which.place is Place.CURRENT else h
    inputs = given.x @ given.weights[n_fed:-1] + given.weights[-1]
    if given.noise is not None and given.scale is not None:
        inputs = inputs + given.scale * given.noise
    added = given.noise.unbind(1) if given.noise is not None and which.noise is NoiseIn.STATE else None
    for t, drive in enumerate(inputs.unbind(1)):
        u = drive + (r if given.squeeze is None else r @ given.squeeze) @ given.weights[:n_fed]
        if which.place is Place.RATE:
            u = _activity(which.gate, u)
        h = given.keep * h + (u if given.gain is None else given.gain * u)
        if added is not None:
            h = h + added[t]
        if which.place is Place.UPDATE:
            h = _activity(which.gate, h)
        r = _activity(which.gate, h) if which.place is Place.CURRENT else h
        sent.append(r)
    ends = [(torch.stack(sent, 1) if sent else given.x.new_zeros(()), grads[0]), (h, grads[1])]
    ends = [(end, grad) for end, grad in ends if grad is not None and end.requires_grad]
    asked = [one for one, want in zip(given, wanted, strict=True) if want and one is not None]
    outputs, weighted = [end for end, _ in ends], [grad for _, grad in ends]
    found = iter(torch.autograd.grad(outputs, asked, weighted, create_graph=True, allow_unused=True))
    return tuple(next(found) if want and one is not None else None for one, want in zip(given, wanted, strict=True))
