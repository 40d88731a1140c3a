"""Leaky rate units over a whole sequence by two Triton kernels, one a pass: float32 on a GPU, up to 256 units.

Trials never meet, so each program takes a few of them and walks through all steps by itself: one launch a pass, no
waiting for others, the state in registers. Up to 128 units the recurrent weights stay in registers, too; beyond, they
come in blocks from the cache at every step. The products are float32 throughout. What does not depend on the step
before (inputs, gradients of the weights) is a few large products of torch's, shared with the torch engine.

So far this has run in Triton's interpreter on the CPU alone, where it gives the plain loop's numbers, and has been
compiled for NVIDIA GPUs: it has not run on a GPU, and how fast it is there has not been measured.
"""

from importlib import import_module
from typing import Any, no_type_check

import torch
from torch import Tensor

from neurornn.kernel import leaky_torch
from neurornn.kernel.leaky import Arguments, Gate, Kept, NoiseIn, Place, Recurrence

# By name, so that type checkers need no Triton, which exists for few platforms.
triton: Any = import_module("triton")
tl: Any = import_module("triton.language")

MOST_UNITS = 256
RATE, CURRENT, UPDATE = (tl.constexpr(int(place)) for place in Place)
RELU = tl.constexpr(int(Gate.RELU))


def forward(which: Recurrence, given: Arguments, keep: bool) -> Kept:
    """Run the sequence; what does not fit, by torch's operations."""
    if not fits(given):
        return leaky_torch.forward(which, given, keep)
    given = _contiguous(given)
    n_trials, n_steps, n_in = given.x.shape
    n_units = given.start.shape[-1]
    recurrent, afferent, bias = given.weights.split([n_units, n_in, 1])
    drives = torch.addmm(bias, given.x.flatten(0, 1), afferent).view(n_trials, n_steps, n_units)
    above, current = which.place is Place.RATE, which.place is Place.CURRENT
    first = leaky_torch._activity(which.gate, given.start) if current else given.start
    kept = Kept(
        sent=torch.empty_like(drives),
        last=torch.empty_like(given.start),
        state=torch.empty_like(drives) if keep and current else None,
        rate=torch.empty_like(drives) if keep and above else None,  # not in place: other warps may still read there
        open=None,
    )
    grid, layout = _layout(n_trials, n_units)
    with torch.cuda.device_of(drives):
        _forward[grid](
            *(drives, given.noise, given.scale, given.start, first @ recurrent, recurrent, given.keep, given.gain),
            *kept[:4],
            *(n_trials, n_steps, n_units),
            PLACE=int(which.place),
            GATE=int(which.gate),
            OUTSIDE=above and which.noise is NoiseIn.STATE,
            **layout,
        )
    return kept


def backward(
    which: Recurrence,
    given: Arguments,
    kept: Kept,
    grad_sent: Tensor | None,
    grad_last: Tensor | None,
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Return the gradients: one reverse sweep for the adjoint of the drive, then one product for all weights."""
    if not fits(given):
        return leaky_torch.backward(which, given, kept, grad_sent, grad_last, wanted)
    given = _contiguous(given)
    n_trials, n_steps, n_in = given.x.shape
    n_units = given.start.shape[-1]
    recurrent, afferent, _ = given.weights.split([n_units, n_in, 1])
    drives = torch.empty_like(kept.sent)
    above = which.place is Place.RATE
    asked = dict(zip(Arguments._fields, wanted, strict=True))
    states = torch.empty_like(drives) if above and (asked["noise"] or asked["keep"] or asked["gain"]) else None
    carry, through = torch.empty_like(given.start), torch.empty_like(given.start)
    grid, layout = _layout(n_trials, n_units)
    with torch.cuda.device_of(drives):
        _backward[grid](
            kept.rate if above else kept.sent,
            grad_sent.contiguous() if grad_sent is not None else None,
            grad_last.contiguous() if grad_last is not None else None,
            *(recurrent.mT.contiguous(), given.keep, given.gain, drives, states, carry, through),
            *(n_trials, n_steps, n_units),
            PLACE=int(which.place),
            GATE=int(which.gate),
            **layout,
        )
    of_state = drives if states is None else states
    return leaky_torch._collect(which, given, kept, drives, of_state, carry, through, afferent, wanted)


def fits(given: Arguments) -> bool:
    """Tell whether the kernels take this: full weights of not too many units, and something to compute."""
    small = given.start.shape[-1] <= MOST_UNITS and given.squeeze is None
    return small and given.x.dtype == torch.float32 and given.x.shape[0] * given.x.shape[1] > 0


def _layout(n_trials: int, n_units: int) -> tuple[tuple[int], dict[str, int]]:
    """Return the number of programs, and what each takes: trials, units, a block of weights, warps."""
    units = max(16, triton.next_power_of_2(n_units))
    whole = units <= 128
    # A thread holds 32 weights or fewer: 128 x 128 of them are half of a multiprocessor's registers.
    rows, block = (1, units) if whole else (4, 16)
    warps = max(1, min(16, units * block // 1024)) if whole else 8
    # Loads are fetched a step ahead by hand; the compiler's own way could read a step before it is written.
    layout = {"ROWS": rows, "UNITS": units, "BLOCK": block, "num_warps": warps, "num_stages": 1}
    return (-(-n_trials // rows),), layout


def _contiguous(given: Arguments) -> Arguments:
    return Arguments(*(one.contiguous() if one is not None else None for one in given))  # type: ignore[arg-type]


@triton.jit
@no_type_check
def _forward(
    drives,  # (trial, time, unit), without noise
    noise,
    scale,
    start,
    fed,  # what the initial state feeds back
    weights,
    keep,
    gain,
    sent,
    last,
    state,
    rate,
    n_trials,
    n_steps,
    n_units,
    PLACE: tl.constexpr,
    GATE: tl.constexpr,
    OUTSIDE: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    units = tl.arange(0, UNITS)
    runs = rows.to(tl.int64) * n_steps * n_units  # where each trial begins
    inside = (rows < n_trials)[:, None] & (units < n_units)[None, :]  # (row, unit)
    ends = rows[:, None] * n_units + units[None, :]
    at = runs[:, None] + units[None, :]
    held = _tile(weights, 0, n_units, UNITS, BLOCK)
    kept = tl.load(keep + units, mask=units < n_units, other=0.0)[None, :]
    h = tl.load(start + ends, mask=inside, other=0.0)
    back = tl.load(fed + ends, mask=inside, other=0.0)
    drive = tl.load(drives + at, mask=inside, other=0.0)
    xi = drive
    scaled = kept
    gained = kept
    if noise is not None:
        xi = tl.load(noise + at, mask=inside, other=0.0)
    if scale is not None:
        scaled = tl.load(scale + units, mask=units < n_units, other=0.0)[None, :]
    if gain is not None:
        gained = tl.load(gain + units, mask=units < n_units, other=0.0)[None, :]
    for t in range(n_steps):
        u = drive + back
        added = xi
        following = inside & (t + 1 < n_steps)
        drive = tl.load(drives + at + n_units, mask=following, other=0.0)
        if noise is not None:
            xi = tl.load(noise + at + n_units, mask=following, other=0.0)
            if scale is not None:
                added *= scaled
            if not OUTSIDE:
                u += added
        if PLACE == RATE:
            u = _value(u, GATE)
            if rate is not None:
                tl.store(rate + at, u, mask=inside)
            if gain is not None:
                u *= gained
        h = kept * h + u
        if noise is not None:
            if OUTSIDE:
                h += added
        if PLACE == UPDATE:
            h = _value(h, GATE)
        r = h
        if PLACE == CURRENT:
            r = _value(h, GATE)
            if state is not None:
                tl.store(state + at, h, mask=inside)
        tl.store(sent + at, r, mask=inside)
        back = _product(r, held, weights, sent + runs + t * n_units, rows < n_trials, n_units, ROWS, UNITS, BLOCK)
        at += n_units
    tl.store(last + ends, h, mask=inside)


@triton.jit
@no_type_check
def _backward(
    value,  # (trial, time, unit): the nonlinearity's own
    grad_sent,
    grad_last,
    weights,  # the transposed ones
    keep,
    gain,
    drives,
    states,
    carry_out,
    through_out,
    n_trials,
    n_steps,
    n_units,
    PLACE: tl.constexpr,
    GATE: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    units = tl.arange(0, UNITS)
    runs = rows.to(tl.int64) * n_steps * n_units
    inside = (rows < n_trials)[:, None] & (units < n_units)[None, :]
    ends = rows[:, None] * n_units + units[None, :]
    at = runs[:, None] + units[None, :] + (n_steps - 1) * n_units
    held = _tile(weights, 0, n_units, UNITS, BLOCK)
    kept = tl.load(keep + units, mask=units < n_units, other=0.0)[None, :]
    gained = kept
    if gain is not None:
        gained = tl.load(gain + units, mask=units < n_units, other=0.0)[None, :]
    back = tl.zeros([ROWS, UNITS], tl.float32)
    carry = back
    if grad_last is not None:
        carry = tl.load(grad_last + ends, mask=inside, other=0.0)
    f = tl.load(value + at, mask=inside, other=0.0)
    given = back
    if grad_sent is not None:
        given = tl.load(grad_sent + at, mask=inside, other=0.0)
    for step in range(n_steps):
        t = n_steps - 1 - step
        slope = _slope(f, GATE)
        through = back + given
        preceding = inside & (t > 0)
        f = tl.load(value + at - n_units, mask=preceding, other=0.0)
        if grad_sent is not None:
            given = tl.load(grad_sent + at - n_units, mask=preceding, other=0.0)
        if PLACE == CURRENT:
            d = carry + slope * through
            carry = d * kept
        else:
            s = through + carry
            d = slope * s
            if PLACE == RATE:
                if gain is not None:
                    d *= gained
                if states is not None:
                    tl.store(states + at, s, mask=inside)
                carry = s * kept
            else:
                carry = d * kept
        tl.store(drives + at, d, mask=inside)
        back = _product(d, held, weights, drives + runs + t * n_units, rows < n_trials, n_units, ROWS, UNITS, BLOCK)
        at -= n_units
    tl.store(carry_out + ends, carry, mask=inside)
    tl.store(through_out + ends, back, mask=inside)


@triton.jit
@no_type_check
def _product(sent, held, weights, written, real, n_units, ROWS: tl.constexpr, UNITS: tl.constexpr, BLOCK: tl.constexpr):
    """Return `sent` times the weights; beyond one block, `sent` is read again from where it was just written."""
    if BLOCK == UNITS:
        total = tl.sum(sent[:, :, None] * held[None, :, :], axis=1)
    else:
        tl.debug_barrier()  # every thread's part of the step is in memory before any thread reads it
        total = tl.zeros([ROWS, UNITS], tl.float32)
        for first in range(0, n_units, BLOCK):
            some = first + tl.arange(0, BLOCK)
            part = tl.load(
                written[:, None] + some[None, :], mask=real[:, None] & (some < n_units)[None, :], other=0.0
            )  # (row, block)
            tile = _tile(weights, first, n_units, UNITS, BLOCK)
            total += tl.sum(part[:, :, None] * tile[None, :, :], axis=1)
    return total


@triton.jit
@no_type_check
def _tile(weights, first, n_units, UNITS: tl.constexpr, BLOCK: tl.constexpr):
    """Return the weights from `BLOCK` units to all."""
    some, units = first + tl.arange(0, BLOCK), tl.arange(0, UNITS)
    real = (some < n_units)[:, None] & (units < n_units)[None, :]
    return tl.load(weights + some[:, None] * n_units + units[None, :], mask=real, other=0.0)


@triton.jit
@no_type_check
def _value(u, GATE: tl.constexpr):
    """Return the nonlinearity; what is not a number stays so."""
    if GATE == RELU:
        f = tl.where(u < 0, 0.0, u)
    else:
        # Near 0, where the quotient would lose digits, a polynomial fitted to (tanh(u) / u - 1) / u^2 up to 0.6.
        z = u * u
        p = -0.33333345 + z * (0.13333552 + z * (-0.05394162 + z * (0.02137082 - 0.00659778 * z)))
        e = tl.exp(-2.0 * tl.abs(u))
        far = (1.0 - e) / (1.0 + e)
        f = tl.where(tl.abs(u) < 0.6, u + u * z * p, tl.where(u < 0, -far, far))
    return f


@triton.jit
@no_type_check
def _slope(f, GATE: tl.constexpr):
    """Return the slope of the nonlinearity where its value is `f`."""
    if GATE == RELU:
        s = tl.where(f > 0, 1.0, 0.0)
    else:
        s = 1.0 - f * f
    return s
