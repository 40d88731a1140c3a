"""Leaky rate units over a whole sequence by two Triton kernels, one a pass: float32 on a GPU, up to 1024 units.

Trials never meet, so a few of them are walked through all steps in one launch a pass. Up to 128 units a program holds
all recurrent weights in registers and works alone. Beyond, several programs share the same trials: each holds the
weights onto some of the units, and reads at every step what the others have just sent. The products are float32
throughout. What does not depend on the step before (inputs, gradients of the weights) is a few large products of
torch's, shared with the torch engine.

Nobody signals that a step is done: the memory is filled beforehand with a number that no arithmetic gives (a NaN of
its own), and a program reads again until none is left. So all programs of a launch must run at once, which the launch
asks for, and larger batches are taken in several launches.
"""

from functools import cache
from importlib import import_module
from typing import Any, no_type_check

import torch
from torch import Tensor

from neurornn.kernel import leaky_torch
from neurornn.kernel.leaky import Arguments, Gate, Kept, NoiseIn, Place, Recurrence

# By name, so that type checkers need no Triton, which exists for few platforms.
triton: Any = import_module("triton")
tl: Any = import_module("triton.language")

WHOLE: bool = False
MOST_UNITS = 1024
ALONE = 128
"""Up to so many units one program holds all weights: 128 x 128 of them are half of a multiprocessor's registers."""
COLUMNS = 32
"""Units of a program that does not work alone."""
RATE, CURRENT, UPDATE = (tl.constexpr(int(place)) for place in Place)
RELU = tl.constexpr(int(Gate.RELU))
UNSENT = 0x7FFFBEEF  # as a float a NaN, but not the one that a GPU's arithmetic gives
NOT_YET = tl.constexpr(UNSENT)


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
    layout = _layout(n_trials, n_units, drives.device)
    kept = Kept(
        sent=_unsent(drives) if layout["SHARED"] else torch.empty_like(drives),
        last=torch.empty_like(given.start),
        state=torch.empty_like(drives) if keep and current else None,
        rate=torch.empty_like(drives) if keep and above else None,
        open=None,
    )
    arguments = (
        *(drives, given.noise, given.scale, given.start, first @ recurrent, recurrent, given.keep, given.gain),
        *(*kept[:4], kept.sent.view(torch.int32)),
        *(n_trials, n_steps, n_units),
    )
    outside = above and which.noise is NoiseIn.STATE
    _launch(_forward, arguments, layout, PLACE=int(which.place), GATE=int(which.gate), OUTSIDE=outside)
    return kept


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
    if not fits(given):
        return leaky_torch.backward(which, given, kept, grad_sent, grad_last, grad_out, wanted)
    given = _contiguous(given)
    n_trials, n_steps, n_in = given.x.shape
    n_units = given.start.shape[-1]
    recurrent, afferent, _ = given.weights.split([n_units, n_in, 1])
    back = recurrent.mT.contiguous()
    layout = _layout(n_trials, n_units, kept.sent.device)
    drives = _unsent(kept.sent) if layout["SHARED"] else torch.empty_like(kept.sent)
    above = which.place is Place.RATE
    asked = dict(zip(Arguments._fields, wanted, strict=True))
    states = torch.empty_like(drives) if above and (asked["noise"] or asked["keep"] or asked["gain"]) else None
    carry = torch.empty_like(given.start)
    arguments = (
        kept.rate if above else kept.sent,
        grad_sent.contiguous() if grad_sent is not None else None,
        grad_last.contiguous() if grad_last is not None else None,
        *(back, given.keep, given.gain, drives, states, carry, drives.view(torch.int32)),
        *(n_trials, n_steps, n_units),
    )
    _launch(_backward, arguments, layout, PLACE=int(which.place), GATE=int(which.gate))
    of_state = drives if states is None else states
    through = drives[:, 0] @ back if asked["start"] else carry
    return leaky_torch._collect(which, given, kept, drives, of_state, carry, through, afferent, wanted)


def fits(given: Arguments) -> bool:
    """Tell whether the kernels take this: full weights of not too many units, and something to compute."""
    n_units, device = given.start.shape[-1], given.x.device
    small = n_units <= MOST_UNITS and given.squeeze is None
    if small and n_units > ALONE and device.type != "cpu":
        small = triton.next_power_of_2(n_units) // COLUMNS <= _multiprocessors(device)
    return small and given.x.dtype == torch.float32 and given.x.shape[0] * given.x.shape[1] > 0


def _layout(n_trials: int, n_units: int, device: torch.device) -> dict[str, int]:
    """Return what each program takes: trials and units of so many, warps; and the programs of one launch."""
    units = max(16, triton.next_power_of_2(n_units))
    # As few warps as the weights allow were the fastest on an H100: less to sum over them at every step.
    if units <= ALONE:
        warps, rows, columns = max(1, units // 32), 1, units
    elif device.type == "cpu":  # the interpreter runs one program after the other
        warps, rows, columns = 8, 4, units
    else:
        warps, columns = units // 64, COLUMNS
        groups = _multiprocessors(device) * columns // units
        rows = min(8, triton.next_power_of_2(-(-n_trials // groups)))
    shared = units > ALONE
    most = _multiprocessors(device) * columns // units if shared and device.type != "cpu" else n_trials
    return {
        **{"ROWS": rows, "UNITS": units, "COLUMNS": columns, "SHARED": shared, "num_warps": warps},
        "groups": max(1, min(most, -(-n_trials // rows))),
    }


@cache
def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count


def _launch(kernel: Any, arguments: tuple[Any, ...], layout: dict[str, int], **fixed: Any) -> None:
    """Run a kernel on all trials, as many at a time as there are programs that run at once."""
    options = {name: value for name, value in layout.items() if name != "groups"}
    # Loads are fetched a step ahead by hand; the compiler's own way could read a step before it is written.
    options["num_stages"] = 1
    device = arguments[0].device
    if layout["SHARED"] and device.type != "cpu":
        options["launch_cooperative_grid"] = True  # all at once or not at all
    grid = (layout["groups"] * layout["UNITS"] // layout["COLUMNS"],)
    n_trials = arguments[-3]
    with torch.cuda.device_of(arguments[0]):
        for first in range(0, n_trials, layout["groups"] * layout["ROWS"]):
            kernel[grid](*arguments, first, **fixed, **options)


def _unsent(like: Tensor) -> Tensor:
    """Return memory in which nothing has been sent yet."""
    return torch.full_like(like, UNSENT, dtype=torch.int32).view(torch.float32)


def _contiguous(given: Arguments) -> Arguments:
    return Arguments(*(one.contiguous() if one is not None else None for one in given))  # type: ignore[arg-type]


@triton.jit(do_not_specialize=["n_trials", "n_steps", "n_before"])
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
    seen,  # what is sent, as whole numbers
    n_trials,
    n_steps,
    n_units,
    n_before,  # trials of earlier launches
    PLACE: tl.constexpr,
    GATE: tl.constexpr,
    OUTSIDE: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SHARED: tl.constexpr,
):
    rows, units = _mine(n_before, ROWS, UNITS, COLUMNS)
    runs = rows.to(tl.int64) * n_steps * n_units  # where each trial begins
    inside = (rows < n_trials)[:, None] & (units < n_units)[None, :]  # (row, unit)
    ends = rows[:, None] * n_units + units[None, :]
    at = runs[:, None] + units[None, :]
    held = _onto(weights, units, n_units, UNITS)
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
        goes_on = t + 1 < n_steps
        drive = tl.load(drives + at + n_units, mask=inside & goes_on, other=0.0)
        if noise is not None:
            xi = tl.load(noise + at + n_units, mask=inside & goes_on, other=0.0)
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
        if SHARED:
            r = _others(seen + runs + t * n_units, (rows < n_trials) & goes_on, n_units, UNITS)
        back = tl.sum(r[:, :, None] * held[None, :, :], axis=1)
        at += n_units
    tl.store(last + ends, h, mask=inside)


@triton.jit(do_not_specialize=["n_trials", "n_steps", "n_before"])
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
    seen,  # the drives' adjoint, as whole numbers
    n_trials,
    n_steps,
    n_units,
    n_before,
    PLACE: tl.constexpr,
    GATE: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SHARED: tl.constexpr,
):
    rows, units = _mine(n_before, ROWS, UNITS, COLUMNS)
    runs = rows.to(tl.int64) * n_steps * n_units
    inside = (rows < n_trials)[:, None] & (units < n_units)[None, :]
    ends = rows[:, None] * n_units + units[None, :]
    at = runs[:, None] + units[None, :] + (n_steps - 1) * n_units
    held = _onto(weights, units, n_units, UNITS)
    kept = tl.load(keep + units, mask=units < n_units, other=0.0)[None, :]
    gained = kept
    if gain is not None:
        gained = tl.load(gain + units, mask=units < n_units, other=0.0)[None, :]
    back = tl.zeros([ROWS, COLUMNS], tl.float32)
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
        f = tl.load(value + at - n_units, mask=inside & (t > 0), other=0.0)
        if grad_sent is not None:
            given = tl.load(grad_sent + at - n_units, mask=inside & (t > 0), other=0.0)
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
        if SHARED:
            d = _others(seen + runs + t * n_units, (rows < n_trials) & (t > 0), n_units, UNITS)
        back = tl.sum(d[:, :, None] * held[None, :, :], axis=1)
        at -= n_units
    tl.store(carry_out + ends, carry, mask=inside)


@triton.jit
@no_type_check
def _mine(n_before, ROWS: tl.constexpr, UNITS: tl.constexpr, COLUMNS: tl.constexpr):
    """Return the trials and the units of this program."""
    parts: tl.constexpr = UNITS // COLUMNS
    rows = n_before + (tl.program_id(0) // parts) * ROWS + tl.arange(0, ROWS)
    units = (tl.program_id(0) % parts) * COLUMNS + tl.arange(0, COLUMNS)
    return rows, units


@triton.jit
@no_type_check
def _onto(weights, units, n_units, UNITS: tl.constexpr):
    """Return the weights from all units onto some. Shape (all, some)."""
    every = tl.arange(0, UNITS)
    real = (every < n_units)[:, None] & (units < n_units)[None, :]
    return tl.load(weights + every[:, None] * n_units + units[None, :], mask=real, other=0.0)


@triton.jit
@no_type_check
def _others(seen, real, n_units, UNITS: tl.constexpr):
    """Return what all units have sent at a step, as soon as all of it is there. Shape (row, all)."""
    every = tl.arange(0, UNITS)
    at = seen[:, None] + every[None, :]
    due = real[:, None] & (every < n_units)[None, :]
    found = tl.load(at, mask=due, other=0, volatile=True)
    while tl.max(tl.max((found == NOT_YET).to(tl.int32), axis=1), axis=0) > 0:
        found = tl.load(at, mask=due, other=0, volatile=True)
    return found.to(tl.float32, bitcast=True)


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
