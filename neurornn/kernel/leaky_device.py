"""The Triton kernels of leaky rate units, one a pass: all steps of a few trials, for all units or some."""

from typing import no_type_check

from neurornn.kernel.gpu import earlier, later, mine, onto, others, over_trials, product, tl, triton
from neurornn.kernel.leaky import Gate, Place

RATE, CURRENT, UPDATE = (tl.constexpr(int(place)) for place in Place)
RELU = tl.constexpr(int(Gate.RELU))


@triton.jit(do_not_specialize=["n_one", "n_trials", "n_steps", "n_before"])
@no_type_check
def forward(
    drives,  # (trial, time, unit), without noise
    noise,
    scale,
    start,
    weights,
    keep,
    gain,
    sent,
    fed,  # what was sent a step before
    last,
    state,  # that before each step
    rate,
    seen,  # what is sent, as whole numbers
    n_steps,
    n_units,
    n_one,  # see `onto`
    n_trials,
    n_before,  # trials of earlier launches
    PLACE: tl.constexpr,
    GATE: tl.constexpr,
    OUTSIDE: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SIDE: tl.constexpr,
    LANES: tl.constexpr,
    WARPS: tl.constexpr,
    FROM_LANES: tl.constexpr,
    FROM_WARPS: tl.constexpr,
    SPIN: tl.constexpr,
    WAIT: tl.constexpr,
    READS: tl.constexpr,
):
    """Take all steps."""
    rows, units = mine(n_before, ROWS, UNITS, COLUMNS)
    runs = rows.to(tl.int64) * n_steps * n_units  # where each trial begins
    inside = (rows < n_trials)[:, None] & (units < n_units)[None, :]  # (row, unit)
    ends = rows[:, None] * n_units + units[None, :]
    at = runs[:, None] + units[None, :]
    held = onto(weights, n_units, n_one, UNITS, COLUMNS, SIDE, LANES, WARPS, FROM_LANES, FROM_WARPS)
    kept = tl.load(keep + units, mask=units < n_units, other=0.0)[None, :]
    h = tl.load(start + ends, mask=inside, other=0.0)
    drive = later(drives, at, 0, n_units, n_steps, inside)
    drive_1 = later(drives, at, 1, n_units, n_steps, inside)
    drive_2 = later(drives, at, 2, n_units, n_steps, inside)
    every = tl.arange(0, UNITS)
    known = (rows < n_trials)[:, None] & (every < n_units)[None, :]
    fresh = tl.load(start + rows[:, None] * n_units + every[None, :], mask=known, other=0.0)
    r = h
    if PLACE == CURRENT:
        fresh = _value(fresh, GATE)
        r = _value(h, GATE)
    xi = drive
    xi_1 = drive
    xi_2 = drive
    scaled = kept
    gained = kept
    if noise is not None:
        xi = later(noise, at, 0, n_units, n_steps, inside)
        xi_1 = later(noise, at, 1, n_units, n_steps, inside)
        xi_2 = later(noise, at, 2, n_units, n_steps, inside)
    if scale is not None:
        scaled = tl.load(scale + units, mask=units < n_units, other=0.0)[None, :]
    if gain is not None:
        gained = tl.load(gain + units, mask=units < n_units, other=0.0)[None, :]
    for t in range(n_steps):
        u = drive + product(fresh, held, ROWS, COLUMNS)
        added = xi
        # Memory takes longer than a step or two.
        drive = drive_1
        drive_1 = drive_2
        drive_2 = later(drives, at, 3, n_units, n_steps - t, inside)
        if noise is not None:
            xi = xi_1
            xi_1 = xi_2
            xi_2 = later(noise, at, 3, n_units, n_steps - t, inside)
            if scale is not None:
                added *= scaled
            if not OUTSIDE:
                u += added
        before = r
        was = h
        if PLACE == RATE:
            u = _value(u, GATE)
            f = u
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
        tl.store(sent + at, r, mask=inside)
        # What nobody waits for comes after.
        if fed is not None:
            tl.store(fed + at, before, mask=inside)
        if PLACE == RATE:
            if rate is not None:
                tl.store(rate + at, f, mask=inside)
        if PLACE == CURRENT:
            if state is not None:
                tl.store(state + at, was, mask=inside)
        fresh = r
        if COLUMNS < UNITS:
            fresh = others(seen, t, rows, n_trials, n_steps, n_units, UNITS, SPIN, WAIT, READS)
        at += n_units
    tl.store(last + ends, h, mask=inside)


@triton.jit(do_not_specialize=["n_one", "n_trials", "n_steps", "n_before"])
@no_type_check
def backward(
    value,  # (trial, time, unit): the nonlinearity's own
    before,  # the state before each step
    grad_sent,
    grad_last,
    weights,  # the transposed ones
    keep,
    gain,
    drives,
    states,
    carry_out,
    sums,  # (group, 3 x unit): of the adjoints of bias, keep and gain
    seen,  # the drives' adjoint, as whole numbers
    n_steps,
    n_units,
    n_one,  # see `onto`
    n_trials,
    n_before,
    PLACE: tl.constexpr,
    GATE: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SIDE: tl.constexpr,
    LANES: tl.constexpr,
    WARPS: tl.constexpr,
    FROM_LANES: tl.constexpr,
    FROM_WARPS: tl.constexpr,
    SPIN: tl.constexpr,
    WAIT: tl.constexpr,
    READS: tl.constexpr,
):
    """Take all steps in reverse, for the adjoints."""
    rows, units = mine(n_before, ROWS, UNITS, COLUMNS)
    runs = rows.to(tl.int64) * n_steps * n_units
    inside = (rows < n_trials)[:, None] & (units < n_units)[None, :]
    ends = rows[:, None] * n_units + units[None, :]
    at = runs[:, None] + units[None, :] + (n_steps - 1) * n_units
    held = onto(weights, n_units, n_one, UNITS, COLUMNS, SIDE, LANES, WARPS, FROM_LANES, FROM_WARPS)
    kept = tl.load(keep + units, mask=units < n_units, other=0.0)[None, :]
    gained = kept
    if gain is not None:
        gained = tl.load(gain + units, mask=units < n_units, other=0.0)[None, :]
    back = tl.zeros([ROWS, COLUMNS], tl.float32)
    carry = back
    of_bias = back
    of_keep = back
    of_gain = back
    if grad_last is not None:
        carry = tl.load(grad_last + ends, mask=inside, other=0.0)
    f = earlier(value, at, 0, n_units, n_steps, inside)
    f_1 = earlier(value, at, 1, n_units, n_steps, inside)
    f_2 = earlier(value, at, 2, n_units, n_steps, inside)
    h = earlier(before, at, 0, n_units, n_steps, inside)
    h_1 = earlier(before, at, 1, n_units, n_steps, inside)
    h_2 = earlier(before, at, 2, n_units, n_steps, inside)
    given = back
    given_1 = back
    given_2 = back
    if grad_sent is not None:
        given = earlier(grad_sent, at, 0, n_units, n_steps, inside)
        given_1 = earlier(grad_sent, at, 1, n_units, n_steps, inside)
        given_2 = earlier(grad_sent, at, 2, n_units, n_steps, inside)
    for step in range(n_steps):
        t = n_steps - 1 - step
        slope = _slope(f, GATE)
        through = back + given
        was = h
        then = f
        # Memory takes longer than a step or two.
        f = f_1
        f_1 = f_2
        f_2 = earlier(value, at, 3, n_units, t + 1, inside)
        h = h_1
        h_1 = h_2
        h_2 = earlier(before, at, 3, n_units, t + 1, inside)
        if grad_sent is not None:
            given = given_1
            given_1 = given_2
            given_2 = earlier(grad_sent, at, 3, n_units, t + 1, inside)
        if PLACE == CURRENT:
            d = carry + slope * through
            s = d
        else:
            s = through + carry
            d = slope * s
            if PLACE == RATE:
                if gain is not None:
                    d *= gained
            else:
                s = d
        tl.store(drives + at, d, mask=inside)
        if states is not None:
            tl.store(states + at, s, mask=inside)
        carry = s * kept
        of_bias += d
        of_keep += s * was
        if gain is not None:
            of_gain += s * then
        fresh = d
        if COLUMNS < UNITS:
            fresh = others(seen, t, rows, n_trials, n_steps, n_units, UNITS, SPIN, WAIT, READS)
        back = product(fresh, held, ROWS, COLUMNS)
        at -= n_units
    tl.store(carry_out + ends, carry, mask=inside)
    group = n_before // ROWS + tl.program_id(0) // (UNITS // COLUMNS)
    own = sums + group * 3 * n_units + units
    tl.store(own, over_trials(of_bias, inside), mask=units < n_units)
    tl.store(own + n_units, over_trials(of_keep, inside), mask=units < n_units)
    tl.store(own + 2 * n_units, over_trials(of_gain, inside), mask=units < n_units)


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
