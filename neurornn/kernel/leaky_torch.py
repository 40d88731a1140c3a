"""Leaky rate units over a whole sequence by torch's own operations: any device, any floating dtype."""

import torch
from torch import Tensor
from torch.nn import functional

from neurornn.kernel.leaky import SLOPE, Arguments, Gate, Kept, NoiseIn, Place, Recurrence


def forward(which: Recurrence, given: Arguments, keep: bool) -> Kept:
    """Run the sequence: as few operations a step as there are, into memory that is reserved once."""
    n_steps, n_units = given.x.shape[1], given.start.shape[-1]
    recurrent, afferent, bias = _split(given)
    drives = torch.empty(*given.x.shape[:2], n_units, dtype=given.x.dtype, device=given.x.device)
    torch.addmm(bias, given.x.flatten(0, 1), afferent, out=drives.flatten(0, 1))
    noise = given.noise
    inside = noise is not None and (which.noise is NoiseIn.DRIVE or which.place is not Place.RATE)
    if noise is not None and inside:
        drives = drives.addcmul_(noise, given.scale) if given.scale is not None else drives.add_(noise)
    sent = torch.empty_like(drives)
    current, above = which.place is Place.CURRENT, which.place is Place.RATE
    states = torch.empty_like(drives) if current else sent
    h = given.start
    r = _activity(which.gate, h) if current else h
    for t in range(n_steps):
        u = drives[:, t].addmm_(r if given.squeeze is None else r @ given.squeeze, recurrent)
        if above:
            f = _activity_(which.gate, u)
            h = torch.addcmul(f if given.gain is None else f * given.gain, given.keep, h, out=states[:, t])
            if noise is not None and not inside:
                h += noise[:, t]
        else:
            h = torch.addcmul(u, given.keep, h, out=states[:, t])
        if which.place is Place.UPDATE:
            h = _activity_(which.gate, h)
        r = _activity(which.gate, h, sent[:, t]) if current else h
    return Kept(
        sent=sent,
        last=h.clone(),
        state=states if keep and current else None,
        rate=drives if keep and above and which.gate is Gate.TANH else None,
        open=drives > 0 if keep and above and which.gate is not Gate.TANH else None,
    )


def backward(
    which: Recurrence,
    given: Arguments,
    kept: Kept,
    grad_sent: Tensor | None,
    grad_last: Tensor | None,
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Return the gradients: one reverse sweep for the adjoint of the drive, then one product for all weights."""
    n_steps = given.x.shape[1]
    recurrent, afferent, _ = _split(given)
    back = recurrent.mT.contiguous()
    spread = None if given.squeeze is None else given.squeeze.mT.contiguous()
    slope = _slopes(which, given, kept)  # (trial, time, unit); becomes the adjoint of the drive, step by step
    above, current = which.place is Place.RATE, which.place is Place.CURRENT
    states = torch.empty_like(slope) if above and (wanted[2] or wanted[4] or wanted[5]) else None
    carry = grad_last if grad_last is not None else torch.zeros_like(given.start)
    through = torch.zeros_like(given.start)
    if grad_sent is not None and n_steps:
        through = grad_sent[:, -1]
    for t in range(n_steps - 1, -1, -1):
        drive = slope[:, t]
        if current:
            torch.addcmul(carry, drive, through, out=drive)
            carry = drive * given.keep
        elif above:
            state = torch.add(through, carry, out=states[:, t] if states is not None else None)
            drive.mul_(state)
            carry = state * given.keep
        else:
            drive.mul_(through + carry)
            carry = drive * given.keep
        fed, onto = (drive, back) if spread is None else (drive @ back, spread)
        through = fed @ onto if grad_sent is None or t == 0 else torch.addmm(grad_sent[:, t - 1], fed, onto)
    of_state = slope if states is None else states
    return _collect(which, given, kept, slope, of_state, carry, through, afferent, wanted)


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
    """Turn the adjoints of drive and state (trial, time, unit) into the gradients of the arguments."""
    x, start, noise, _, _, gain, scale, squeeze = wanted
    current = which.place is Place.CURRENT
    first = _activity(which.gate, given.start) if current else given.start
    slope = (_slope(which.gate, first) * through if current else through) if start else through
    in_drive = which.noise is NoiseIn.DRIVE
    grad_noise = None
    if noise:
        grad_noise = drives * given.scale if in_drive and given.scale is not None else of_state
    before = None
    if wanted[4]:
        states = kept.sent if kept.state is None else kept.state
        before = _products(given.start, states, of_state)
    return (
        drives @ afferent.mT if x else None,
        carry + slope if start else None,
        grad_noise,
        _weights(given, first, kept.sent, drives) if wanted[3] else None,
        before,
        (of_state * kept.rate).sum((0, 1)) if gain and kept.rate is not None else None,
        (drives * given.noise).sum((0, 1)) if scale and given.noise is not None else None,
        _pairs(first, kept.sent, drives @ _split(given)[0].mT) if squeeze else None,
    )


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
    return torch.cat((recurrent, given.x.flatten(0, 1).mT @ flat, flat.sum(0, keepdim=True)))


def _pairs(first: Tensor, sent: Tensor, adjoint: Tensor) -> Tensor:
    """Return the sum over trials and steps of what was sent a step before, times the adjoint of a step.

    Laid end to end, the row before a trial's first step is another trial's last: those pairs are taken out again, which
    is cheaper than a copy of all activity without them.
    """
    flat, before = adjoint.flatten(0, 1), sent.flatten(0, 1)
    if not len(flat):
        return first.new_zeros(first.shape[-1], adjoint.shape[-1])
    found = torch.addmm(first.mT @ adjoint[:, 0], sent[:-1, -1].mT, adjoint[1:, 0], alpha=-1)
    return found.addmm_(before[:-1].mT, flat[1:])


def _products(start: Tensor, states: Tensor, adjoint: Tensor) -> Tensor:
    """Return, for each unit, the sum of the state before each step times the adjoint of the state after it."""
    return (states[:, :-1] * adjoint[:, 1:]).sum((0, 1)) + (start[:, None] * adjoint[:, :1]).sum((0, 1))


def _slopes(which: Recurrence, given: Arguments, kept: Kept) -> Tensor:
    """Return df/d(its argument) at every step, times the gain where the form has one. Shape (trial, time, unit)."""
    if kept.open is not None:
        slope = kept.open.to(given.x.dtype)
        return slope if which.gate is Gate.RELU else slope.mul_(1 - SLOPE).add_(SLOPE)
    if kept.rate is not None:
        slope = _slope(which.gate, kept.rate)
        return slope if given.gain is None else slope.mul_(given.gain)
    return _slope(which.gate, kept.sent)


def _slope(gate: Gate, f: Tensor) -> Tensor:
    """Return the slope of the nonlinearity where its value is `f`."""
    if gate is Gate.TANH:
        return torch.addcmul(torch.ones_like(f), f, f, value=-1)
    slope = (f > 0).to(f.dtype)
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
