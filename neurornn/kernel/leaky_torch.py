"""Leaky rate units over a whole sequence by torch's own operations: any device, any floating dtype.

Inside, time is the first axis: all of a step lies side by side in memory, and so do the steps that a product takes.
"""

import threading

import torch
from torch import Tensor
from torch.nn import functional

from neurornn.kernel.leaky import SLOPE, Arguments, Gate, Kept, NoiseIn, Place, Recurrence

WHOLE: bool = False


def forward(which: Recurrence, given: Arguments, keep: bool) -> Kept:
    """Run the sequence: as few operations a step as there are, into memory that is reserved once."""
    n_steps, (n_trials, n_units) = given.x.shape[1], given.start.shape
    recurrent, afferent, bias = _split(given)
    x = given.x.transpose(0, 1)
    drives = torch.empty(n_steps, n_trials, n_units, dtype=given.x.dtype, device=given.x.device)
    torch.addmm(bias, x.flatten(0, 1), afferent, out=drives.flatten(0, 1))
    noise = None if given.noise is None else given.noise.transpose(0, 1)
    inside = noise is not None and (which.noise is NoiseIn.DRIVE or which.place is not Place.RATE)
    if noise is not None and inside:
        drives = drives.addcmul_(noise, given.scale) if given.scale is not None else drives.add_(noise)
    sent = torch.empty_like(drives)
    current, above = which.place is Place.CURRENT, which.place is Place.RATE
    states = torch.empty_like(drives) if current else sent
    h = given.start
    r = _activity(which.gate, h) if current else h
    for t, (u, state, sent_now) in enumerate(zip(drives.unbind(), states.unbind(), sent.unbind(), strict=True)):
        u.addmm_(r if given.squeeze is None else r @ given.squeeze, recurrent)
        if above:
            f = _activity_(which.gate, u)
            h = torch.addcmul(f if given.gain is None else f * given.gain, given.keep, h, out=state)
            if noise is not None and not inside:
                h += noise[t]
        else:
            h = torch.addcmul(u, given.keep, h, out=state)
        if which.place is Place.UPDATE:
            h = _activity_(which.gate, h)
        r = _activity(which.gate, h, sent_now) if current else h
    gates = keep and above and which.gate is not Gate.TANH
    return Kept(
        sent=sent.transpose(0, 1),
        last=h.clone(),
        state=states.transpose(0, 1) if keep and current else None,
        rate=drives.transpose(0, 1) if keep and above and which.gate is Gate.TANH else None,
        open=_slope(which.gate, drives, drives).transpose(0, 1) if gates else None,
    )


def backward(
    which: Recurrence,
    given: Arguments,
    kept: Kept,
    grad_sent: Tensor | None,
    grad_last: Tensor | None,
    grad_out: Tensor | None,
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Return the gradients: one reverse sweep for the adjoint of the drive, then one product for all weights."""
    n_steps = given.x.shape[1]
    recurrent, afferent, _ = _split(given)
    back = recurrent.mT.contiguous()
    spread = None if given.squeeze is None else given.squeeze.mT.contiguous()
    slopes = _slopes(which, given, kept)  # (time, trial, unit), as all here
    above, current = which.place is Place.RATE, which.place is Place.CURRENT
    drives, adjoints, copied = _room(3, slopes, lasting=wanted[2])  # the gradient of noise is one of them
    states = adjoints if above else drives  # adjoints of h
    arriving: list[Tensor | None] = [None] * n_steps
    if grad_sent is not None:  # a copy, to which the rest is added step by step
        arriving = list(copied.copy_(grad_sent.transpose(0, 1)).unbind())
    last = arriving[-1] if n_steps else None
    through = torch.zeros_like(given.start) if last is None else last
    after, of_after = (torch.zeros_like(given.start), 0.0) if grad_last is None else (grad_last, 1.0)
    factor = torch.full_like(given.keep, of_after)  # what is kept of the step behind
    steps = zip(slopes.unbind(), drives.unbind(), states.unbind(), [None, *arriving[:-1]][:n_steps], strict=True)
    for slope, drive, state, before in reversed(list(steps)):
        if current:
            after = torch.addcmul(through * slope, after, factor, out=state)
        else:
            after = torch.addcmul(through, after, factor, out=state)
            torch.mul(after, slope, out=drive)
            after = after if above else drive
        factor = given.keep
        fed, onto = (drive, back) if spread is None else (drive @ back, spread)
        through = fed @ onto if before is None else before.addmm_(fed, onto)
    return _collect(which, given, kept, drives, states, after * factor, through, afferent, wanted)


class _Spare(threading.local):
    """Memory that a thread keeps from one backward pass to the next: fresh one costs a page fault for each 4 KiB."""

    flat = torch.empty(0)


_spare = _Spare()
MOST_SPARE = 1 << 26
"""Bytes of it that are kept."""


def _room(count: int, like: Tensor, lasting: bool) -> tuple[Tensor, ...]:
    """Return arrays of the shape of `like`; unless they are `lasting`, the thread's next call takes them again."""
    whole = count * like.numel()
    if lasting or like.device.type != "cpu" or whole * like.element_size() > MOST_SPARE:
        return tuple(torch.empty_like(like, memory_format=torch.contiguous_format) for _ in range(count))
    if _spare.flat.numel() < whole or _spare.flat.dtype != like.dtype:
        _spare.flat = like.new_empty(whole)
    return tuple(part.view(like.shape) for part in _spare.flat[:whole].chunk(count)) if whole else (like,) * count


def _collect(
    which: Recurrence,
    given: Arguments,
    kept: Kept,
    drives: Tensor,
    of_state: Tensor,
    carry: Tensor,
    through: Tensor,
    afferent: Tensor,
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Turn the adjoints of drive and state (time, trial, unit) into the gradients of the arguments."""
    x, start, noise, _, _, gain, scale, squeeze, *_ = wanted
    current = which.place is Place.CURRENT
    first = _activity(which.gate, given.start) if current else given.start
    slope = (_slope(which.gate, first) * through if current else through) if start else through
    in_drive = which.noise is NoiseIn.DRIVE
    grad_noise = None
    if noise:
        grad_noise = drives * given.scale if in_drive and given.scale is not None else of_state
        grad_noise = grad_noise.transpose(0, 1)
    sent, rate = kept.sent.transpose(0, 1), None if kept.rate is None else kept.rate.transpose(0, 1)
    found = (
        (drives @ afferent.mT).transpose(0, 1) if x else None,
        carry + slope if start else None,
        grad_noise,
        _weights(given, first, sent, drives) if wanted[3] else None,
        None,
        (of_state * rate).sum((0, 1)) if gain and rate is not None else None,
        (drives * given.noise.transpose(0, 1)).sum((0, 1)) if scale and given.noise is not None else None,
        _pairs(first, sent, drives @ _split(given)[0].mT) if squeeze else None,
        None,
        None,
    )
    if not wanted[4]:
        return found
    states = sent if kept.state is None else kept.state.transpose(0, 1)
    spare = torch.empty_like(drives) if noise else drives  # nobody needs the drives any more
    return (*found[:4], _products(given.start, states, of_state, spare), *found[5:])


def _split(given: Arguments) -> tuple[Tensor, ...]:
    """Return the recurrent weights, the input weights and the bias."""
    n_in = given.x.shape[2]
    return given.weights.split([len(given.weights) - n_in - 1, n_in, 1])


def _weights(given: Arguments, first: Tensor, sent: Tensor, drives: Tensor) -> Tensor:
    """Return the gradient of the stacked weights: each step's adjoint of the drive with what was fed back to it."""
    flat = drives.flatten(0, 1)
    if given.squeeze is not None:
        first, sent = first @ given.squeeze, sent @ given.squeeze
    recurrent = _pairs(first, sent, drives)
    return torch.cat((recurrent, given.x.transpose(0, 1).flatten(0, 1).mT @ flat, flat.sum(0, keepdim=True)))


def _pairs(first: Tensor, sent: Tensor, adjoint: Tensor) -> Tensor:
    """Return the sum over trials and steps of what was sent a step before, times the adjoint of a step."""
    if not len(adjoint):
        return first.new_zeros(first.shape[-1], adjoint.shape[-1])
    return torch.addmm(first.mT @ adjoint[0], sent[:-1].flatten(0, 1).mT, adjoint[1:].flatten(0, 1))


def _products(start: Tensor, states: Tensor, adjoint: Tensor, spare: Tensor) -> Tensor:
    """Return, for each unit, the sum of the state before each step times the adjoint of the state after it."""
    torch.mul(states[:-1], adjoint[1:], out=spare[1:])
    torch.mul(start, adjoint[:1], out=spare[:1])
    return spare.sum((0, 1))


def _slopes(which: Recurrence, given: Arguments, kept: Kept) -> Tensor:
    """Return df/d(its argument) at every step, times the gain where the form has one. Shape (time, trial, unit)."""
    if kept.open is not None:
        return kept.open.transpose(0, 1)
    if kept.rate is not None:
        slope = _slope(which.gate, kept.rate.transpose(0, 1))
        return slope if given.gain is None else slope.mul_(given.gain)
    return _slope(which.gate, kept.sent.transpose(0, 1))


def _slope(gate: Gate, f: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the slope of the nonlinearity where its value is `f`."""
    if gate is Gate.TANH:
        return torch.addcmul(torch.ones_like(f), f, f, value=-1)
    slope = torch.gt(f, 0, out=torch.empty_like(f) if out is None else out)
    return slope if gate is Gate.RELU else slope.mul_(1 - SLOPE).add_(SLOPE)


def _activity(gate: Gate, h: Tensor, out: Tensor | None = None) -> Tensor:
    if gate is Gate.TANH:
        return torch.tanh(h, out=out)
    if gate is Gate.LEAKY:
        return torch.maximum(h, SLOPE * h, out=out)
    return torch.relu(h) if out is None else torch.clamp(h, min=0, out=out)


def _activity_(gate: Gate, h: Tensor) -> Tensor:
    if gate is Gate.LEAKY:
        return functional.leaky_relu_(h, SLOPE)
    return torch.relu_(h) if gate is Gate.RELU else torch.tanh_(h)
