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
from neurornn.kernel.noise import Noise


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
    for each of its columns in place of the units. With `readout`, what is read out of the activity is made as well.
    """

    x: Tensor  # (trial, time, in)
    start: Tensor  # (trial, unit)
    noise: Tensor | None  # (trial, time, unit)
    weights: Tensor  # (unit or rank + in + 1, unit)
    keep: Tensor  # (unit,)
    gain: Tensor | None  # (unit,)
    scale: Tensor | None  # (unit,)
    squeeze: Tensor | None  # (unit, rank)
    readout: Tensor | None  # (out, unit)
    shift: Tensor | None  # (out,)


class Kept(NamedTuple):
    """What a forward pass leaves for the backward pass, besides its arguments."""

    sent: Tensor  # (trial, time, unit); empty where nobody asked for it
    last: Tensor  # (trial, unit)
    state: Tensor | None  # (trial, time, unit), for CURRENT
    rate: Tensor | None  # (trial, time, unit), for RATE with TANH
    open: Tensor | None  # where the units are above threshold, for RATE with RELU or LEAKY
    out: Tensor | None = None  # (trial, time, out)
    fed: Tensor | None = None  # (trial, time, unit), what was sent a step before, where it is laid out so


@dataclass(frozen=True)
class Recurrence:
    """Which recurrence is meant, and the noise that whoever computes it makes by itself."""

    place: Place
    gate: Gate
    noise: NoiseIn
    drawn: Noise | None = None


class Act(NamedTuple):
    """What is done to units meanwhile: they send `gain * r + offset`, and their drive has `current` added to it.

    All but `first` are of `(perturbation, trial, time, unit)`, where an axis of size 1 stands for all of its places.
    """

    gain: Tensor | None
    offset: Tensor | None
    current: Tensor | None
    first: Tensor  # (perturbation * trial, unit): what was sent before the first step


@runtime_checkable
class Engine(Protocol):
    """Something that computes the two passes.

    One that is `whole` takes readouts and makes noise by itself; the others are handed none, and the noise as numbers.
    """

    WHOLE: bool

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
        grad_out: Tensor | None,
        wanted: tuple[bool, ...],
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of the arguments that are `wanted`, in their order."""
        ...


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, engine: Engine, which: Recurrence, keep: bool, *tensors: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        given = Arguments(*tensors)  # type: ignore[arg-type]
        kept = engine.forward(which, given, keep)
        ctx.engine, ctx.which = engine, which
        ctx.set_materialize_grads(False)
        if keep:
            needs = dict(zip(Arguments._fields, ctx.needs_input_grad[3:], strict=True))
            wants_noise = needs["noise"] or needs["scale"]
            ctx.had_noise = given.noise is not None
            ctx.save_for_backward(*given._replace(noise=given.noise if wants_noise else None), *kept._replace(out=None))
        return kept.sent, kept.last, kept.out

    @staticmethod
    def backward(ctx: Any, *ends: Tensor | None) -> tuple[Tensor | None, ...]:
        n = len(Arguments._fields)
        saved = ctx.saved_tensors  # read once: torch.utils.checkpoint allows no second time
        given, kept = Arguments(*saved[:n]), Kept(*saved[n:])
        wanted = tuple(ctx.needs_input_grad[-n:])
        if all(end is None for end in ends):
            return (None,) * (3 + n)
        if torch.is_grad_enabled():  # the caller wants the gradient's own gradient
            return (None, None, None, *_twice(ctx.which, given, ctx.had_noise, ends, wanted))
        return (None, None, None, *ctx.engine.backward(ctx.which, given, kept, *ends, wanted))


class Read(NamedTuple):
    """What a readout takes: weights of `(out, unit)`, and what is added. `alone`: what units sent need not be kept."""

    weights: Tensor
    shift: Tensor | None
    alone: bool = False


def leaky_sequence(
    engine: Engine,
    x: Float[Tensor, "trial time in"],
    start: Float[Tensor, "run unit"],
    noise: Float[Tensor, "trial time unit"] | Noise | None,
    *,
    w_in: Float[Tensor, "unit in"],
    w_rec: Float[Tensor, "unit unit"] | tuple[Float[Tensor, "unit rank"], Float[Tensor, "unit rank"]],
    bias: Float[Tensor, " unit"],
    leak: Float[Tensor, " unit"],
    place: Place,
    gate: Gate,
    noise_in_drive: bool,
    read: Read | None = None,
    act: Act | None = None,
) -> tuple[
    Float[Tensor, "run time unit"] | Float[Tensor, "0"],
    Float[Tensor, "run unit"],
    Float[Tensor, "run time out"] | None,
]:
    """Return what leaky rate units send at each step, their state after the last one, and what is read out of them.

    What they send is empty where they are perturbed and read out `alone`.

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
        read: the readout; nothing is read out where absent.
        act: what is done to the units meanwhile, without a backward pass. `x` and `noise` may then hold the trials of
            one perturbation, which all of them share. Only an engine that is whole takes it.

    Raises:
        ValueError: if the sizes contradict each other.
    """
    (n_trials, n_steps, n_in), n_units = x.shape, len(leak)
    feeds, squeeze = w_rec if isinstance(w_rec, tuple) else (w_rec, None)
    shapes = {
        "start": (start, (n_trials if act is None else len(start), n_units)),
        "noise": (noise, (n_trials, n_steps, n_units)),
        "w_in": (w_in, (n_units, n_in)),
        "w_rec": (feeds, (n_units, n_units if squeeze is None else squeeze.shape[-1])),
        "w_rec[1]": (squeeze, (n_units, feeds.shape[-1])),
        "bias": (bias, (n_units,)),
        "read.weights": (None if read is None else read.weights, (*(read.weights.shape[:1] if read else ()), n_units)),
    }
    for name, (tensor, shape) in shapes.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            _check.fail("kernel.leaky_sequence", name, f"of shape {shape}", tensor)
    weights = torch.cat((feeds.mT, w_in.mT, bias[None]))
    whole = place is Place.RATE and gate is Gate.TANH  # a tanh lets no factor through; ReLUs do, as the leak is > 0
    if not whole:
        weights = weights * leak
    scale = None
    where = NoiseIn.NOWHERE if noise is None else NoiseIn.DRIVE if noise_in_drive else NoiseIn.STATE
    if where is NoiseIn.DRIVE:
        scale = torch.ones_like(leak) if whole else leak
    drawn = None
    if isinstance(noise, Noise):
        drawn, noise = (noise, None) if engine.WHOLE else (None, noise.tensor(x))
    inside = read if engine.WHOLE else None
    readout = None if inside is None else inside.weights
    shift = None if inside is None else inside.shift
    if readout is not None and shift is None:
        shift = readout.new_zeros(len(readout))
    given = Arguments(x, start, noise, weights, 1 - leak, leak if whole else None, scale, squeeze, readout, shift)
    which = Recurrence(place, gate, where, drawn)
    if act is not None:
        current = act.current if whole or act.current is None else act.current * leak
        alone = inside is not None and inside.alone
        kept = engine.forward(which, given, False, act._replace(current=current), not alone)  # type: ignore[call-arg]
        return kept.sent, kept.last, kept.out
    keep = torch.is_grad_enabled() and any(one is not None and one.requires_grad for one in given)
    sent, last, out = _Sequence.apply(engine, which, keep, *given)
    if read is not None and inside is None:
        out = functional.linear(sent, read.weights, read.shift)
    return sent, last, out


def _activity(gate: Gate, h: Tensor) -> Tensor:
    if gate is Gate.LEAKY:
        return functional.leaky_relu(h, SLOPE)
    return torch.relu(h) if gate is Gate.RELU else torch.tanh(h)


def _twice(
    which: Recurrence,
    given: Arguments,
    had_noise: bool,
    grads: tuple[Tensor | None, ...],
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Return the gradients as something that can itself be differentiated: the steps anew, recorded by torch."""
    if which.drawn is not None:
        given = given._replace(noise=which.drawn.tensor(given.x))
    elif had_noise and given.noise is None:
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
    run = torch.stack(sent, 1) if sent else given.x.new_zeros(())
    ends = [(run, grads[0]), (h, grads[1])]
    if given.readout is not None and sent:
        ends.append((functional.linear(run, given.readout, given.shift), grads[2]))
    ends = [(end, grad) for end, grad in ends if grad is not None and end.requires_grad]
    asked = [one for one, want in zip(given, wanted, strict=True) if want and one is not None]
    outputs, weighted = [end for end, _ in ends], [grad for _, grad in ends]
    found = iter(torch.autograd.grad(outputs, asked, weighted, create_graph=True, allow_unused=True))
    return tuple(next(found) if want and one is not None else None for one, want in zip(given, wanted, strict=True))
