"""Leaky rate units over a whole sequence by torch's own operations: any device, any floating dtype."""

import torch
from torch import Tensor

from neurornn.kernel.leaky import Arguments, Gate, Kept, NoiseIn, Place, Recurrence


def forward(which: Recurrence, given: Arguments, keep: bool) -> Kept:
    """Run the sequence: as few operations a step as there are, into memory that is reserved once."""
    n_steps, n_units = given.x.shape[1], given.start.shape[-1]
    recurrent, afferent, bias = given.weights.split([n_units, given.x.shape[2], 1])
    drives = given.x.transpose(0, 1) @ afferent + bias  # (time, trial, unit); time first, so that a step is contiguous
    noise = given.noise.transpose(0, 1) if given.noise is not None else None
    inside = noise is not None and (which.noise is NoiseIn.DRIVE or which.place is not Place.RATE)
    if noise is not None and inside:
        drives = drives.addcmul_(noise, given.scale) if given.scale is not None else drives.add_(noise)
    sent = torch.empty_like(drives)
    current, above = which.place is Place.CURRENT, which.place is Place.RATE
    states = torch.empty_like(drives) if current else sent
    h = given.start
    r = _activity(which.gate, h) if current else h
    for t in range(n_steps):
        u = drives[t].addmm_(r, recurrent)
        if above:
            f = _activity_(which.gate, u)
            h = torch.addcmul(f if given.gain is None else f * given.gain, given.keep, h, out=states[t])
            if noise is not None and not inside:
                h += noise[t]
        else:
            h = torch.addcmul(u, given.keep, h, out=states[t])
        if which.place is Place.UPDATE:
            h = _activity_(which.gate, h)
        r = _activity(which.gate, h, sent[t]) if current else h
    return Kept(
        sent=sent.transpose(0, 1),
        last=h.clone(),
        state=states.transpose(0, 1) if keep and current else None,
        rate=drives.transpose(0, 1) if keep and above and which.gate is Gate.TANH else None,
        open=(drives > 0).transpose(0, 1) if keep and above and which.gate is Gate.RELU else None,
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
    n_steps, n_units = given.x.shape[1], given.start.shape[-1]
    recurrent, afferent, _ = given.weights.split([n_units, given.x.shape[2], 1])
    back = recurrent.mT.contiguous()
    slope = _slopes(which, given, kept)  # (time, trial, unit); becomes the adjoint of the drive, step by step
    arriving = grad_sent.transpose(0, 1) if grad_sent is not None else None
    above, current = which.place is Place.RATE, which.place is Place.CURRENT
    states = torch.empty_like(slope) if above and (wanted[2] or wanted[4] or wanted[5]) else None
    carry = grad_last if grad_last is not None else torch.zeros_like(given.start)
    through = torch.zeros_like(given.start)
    for t in range(n_steps - 1, -1, -1):
        sent = through if arriving is None else through + arriving[t]
        if current:
            drive = torch.addcmul(carry, slope[t], sent, out=slope[t])
            carry = drive * given.keep
        elif above:
            state = torch.add(sent, carry, out=states[t] if states is not None else sent)
            drive = slope[t].mul_(state)
            carry = state * given.keep
        else:
            drive = slope[t].mul_(sent.add_(carry) if arriving is not None else sent + carry)
            carry = drive * given.keep
        through = drive @ back
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
    """Turn the adjoints of drive and state (time, trial, unit) into the gradients of the arguments."""
    x, start, noise, _, _, gain, scale = wanted
    current = which.place is Place.CURRENT
    first = _activity(which.gate, given.start) if current else given.start
    slope = (_slope(which.gate, first) * through if current else through) if start else through
    in_drive = which.noise is NoiseIn.DRIVE
    grad_noise = None
    if noise:
        grad_noise = (drives * given.scale if in_drive and given.scale is not None else of_state).transpose(0, 1)
    before = None
    if wanted[4]:
        states = kept.sent if kept.state is None else kept.state
        before = _products(given.start, states, of_state)
    return (
        (drives @ afferent.mT).transpose(0, 1) if x else None,
        carry + slope if start else None,
        grad_noise,
        _weights(given, first, kept.sent, drives) if wanted[3] else None,
        before,
        (of_state * kept.rate.transpose(0, 1)).sum((0, 1)) if gain and kept.rate is not None else None,
        (drives * given.noise.transpose(0, 1)).sum((0, 1)) if scale and given.noise is not None else None,
    )


def _weights(given: Arguments, first: Tensor, sent: Tensor, drives: Tensor) -> Tensor:
    """Return the gradient of the stacked weights, without a shifted copy of what was sent."""
    flat = drives.flatten(0, 1)
    rest = sent[:, :-1].transpose(0, 1).flatten(0, 1)
    recurrent = first.mT @ drives[0] if len(drives) else torch.zeros_like(given.weights[: given.start.shape[-1]])
    recurrent = torch.addmm(recurrent, rest.mT, drives[1:].flatten(0, 1))
    afferent = given.x.transpose(0, 1).flatten(0, 1).mT @ flat
    return torch.cat((recurrent, afferent, flat.sum(0, keepdim=True)))


def _products(start: Tensor, states: Tensor, adjoint: Tensor) -> Tensor:
    """Return, for each unit, the sum of the state before each step times the adjoint of the state after it."""
    if not len(adjoint):
        return torch.zeros_like(start[0])
    later = (states[:, :-1].transpose(0, 1) * adjoint[1:]).sum((0, 1))
    return later + (start * adjoint[0]).sum(0)


def _slopes(which: Recurrence, given: Arguments, kept: Kept) -> Tensor:
    """Return df/d(its argument) at every step, times the gain where the form has one. Shape (time, trial, unit)."""
    if kept.open is not None:
        return kept.open.transpose(0, 1).to(given.x.dtype)
    if kept.rate is not None:
        slope = _slope(which.gate, kept.rate.transpose(0, 1))
        return slope if given.gain is None else slope.mul_(given.gain)
    return _slope(which.gate, kept.sent.transpose(0, 1))


def _slope(gate: Gate, f: Tensor) -> Tensor:
    """Return the slope of the nonlinearity where its value is `f`."""
    return (f > 0).to(f.dtype) if gate is Gate.RELU else torch.addcmul(torch.ones_like(f), f, f, value=-1)


def _activity(gate: Gate, h: Tensor, out: Tensor | None = None) -> Tensor:
    if gate is Gate.TANH:
        return torch.tanh(h, out=out)
    return torch.relu(h) if out is None else torch.clamp(h, min=0, out=out)


def _activity_(gate: Gate, h: Tensor) -> Tensor:
    return torch.relu_(h) if gate is Gate.RELU else torch.tanh_(h)
