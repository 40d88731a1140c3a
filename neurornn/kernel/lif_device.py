"""The Triton kernels of integrate-and-fire units, one a pass: all steps of a few trials, for all units or some."""

from typing import no_type_check

from neurornn.kernel.gpu import earlier, later, mine, onto, others, over_trials, product, tl, triton
from neurornn.kernel.lif import Surrogate

SUPERSPIKE, TRIANGLE = tl.constexpr(int(Surrogate.SUPERSPIKE)), tl.constexpr(int(Surrogate.TRIANGLE))
N_SUMS = tl.constexpr(8)
"""The bias and the seven constants: what each unit has one of."""


@triton.jit(do_not_specialize=["n_one", "n_trials", "n_steps", "n_before"])
@no_type_check
def forward(
    entering,  # (trial, time, unit): what inputs, bias and noise add up to
    weights,
    synapse,
    membrane,
    drive,
    threshold,
    reset,
    adapt,
    jump,
    current,  # the state before the first step, (trial, unit)
    voltage,
    spikes,
    adapted,
    waiting,
    sent,  # the run, (trial, time, unit)
    fed,  # what was sent a step before
    above,
    currents,  # those before each step, as the next two
    voltages,
    adaptations,
    last_current,
    last_voltage,
    last_adapted,
    last_waiting,
    seen,  # what is sent, as whole numbers
    n_steps,
    n_units,
    n_one,  # see `onto`
    n_trials,
    n_before,  # trials of earlier launches
    HARD: tl.constexpr,
    DIRECT: tl.constexpr,
    REST: tl.constexpr,
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
    inside = (rows < n_trials)[:, None] & (units < n_units)[None, :]  # (row, unit)
    ends = rows[:, None] * n_units + units[None, :]
    at = (rows.to(tl.int64) * n_steps * n_units)[:, None] + units[None, :]
    held = onto(weights, n_units, n_one, UNITS, COLUMNS, SIDE, LANES, WARPS, FROM_LANES, FROM_WARPS)
    alpha = _own(synapse, units, n_units)
    beta = _own(membrane, units, n_units)
    gamma = _own(drive, units, n_units)
    theta = _own(threshold, units, n_units)
    back_to = _own(reset, units, n_units)
    i = tl.load(current + ends, mask=inside, other=0.0)
    v = tl.load(voltage + ends, mask=inside, other=0.0)
    z = tl.load(spikes + ends, mask=inside, other=0.0)
    every = tl.arange(0, UNITS)
    known = (rows < n_trials)[:, None] & (every < n_units)[None, :]
    fresh = tl.load(spikes + rows[:, None] * n_units + every[None, :], mask=known, other=0.0)
    a = i
    wait = i
    rho = alpha
    kappa = alpha
    if adapt is not None:
        a = tl.load(adapted + ends, mask=inside, other=0.0)
        rho = _own(adapt, units, n_units)
        kappa = _own(jump, units, n_units)
    if REST > 0:
        wait = tl.load(waiting + ends, mask=inside, other=0.0)
    q = later(entering, at, 0, n_units, n_steps, inside)
    q_1 = later(entering, at, 1, n_units, n_steps, inside)
    q_2 = later(entering, at, 2, n_units, n_steps, inside)
    for t in range(n_steps):
        now = q
        # Memory takes longer than a step or two.
        q = q_1
        q_1 = q_2
        q_2 = later(entering, at, 3, n_units, n_steps - t, inside)
        before = z
        i_before = i
        v_before = v
        a_before = a
        i = alpha * i + product(fresh, held, ROWS, COLUMNS)
        if not DIRECT:
            i += now
        reached = beta * v + gamma * i
        if DIRECT:
            reached += now
        s = reached - theta
        if adapt is not None:
            a = rho * a + z
            s -= kappa * a
        if REST > 0:
            frozen = wait > 0
            reached = tl.where(frozen, v, reached)
            s = tl.where(frozen, -float("inf"), s)
        fired = s > 0
        z = tl.where(fired, 1.0, 0.0)
        tl.store(sent + at, z, mask=inside)
        # What nobody waits for comes after.
        if HARD:
            v = tl.where(fired, back_to, reached)
        else:
            v = reached - back_to * z
        if REST > 0:
            wait = tl.where(fired, REST * 1.0, tl.maximum(wait - 1.0, 0.0))
        if fed is not None:
            tl.store(fed + at, before, mask=inside)
            tl.store(above + at, s, mask=inside)
        if currents is not None:
            tl.store(currents + at, i_before, mask=inside)
            tl.store(voltages + at, v_before, mask=inside)
            if adapt is not None:
                tl.store(adaptations + at, a_before, mask=inside)
        fresh = z
        if COLUMNS < UNITS:
            fresh = others(seen, t, rows, n_trials, n_steps, n_units, UNITS, SPIN, WAIT, READS)
        at += n_units
    tl.store(last_current + ends, i, mask=inside)
    tl.store(last_voltage + ends, v, mask=inside)
    if adapt is not None:
        tl.store(last_adapted + ends, a, mask=inside)
    if REST > 0:
        tl.store(last_waiting + ends, wait, mask=inside)


@triton.jit(do_not_specialize=["n_one", "n_trials", "n_steps", "n_before"])
@no_type_check
def backward(
    above,  # the run, (trial, time, unit)
    currents,  # those before each step, as the next two
    voltages,
    adaptations,
    last_current,  # the state after the last step, (trial, unit)
    last_adapted,
    grad_sent,
    grad_current,
    grad_voltage,
    grad_adapted,
    weights,  # the transposed ones
    synapse,
    membrane,
    drive,
    threshold,
    reset,
    adapt,
    jump,
    of_currents,
    of_entered,
    of_current,
    of_voltage,
    of_spikes,
    of_adapted,
    sums,  # (group, 8 x unit)
    seen,  # the currents' adjoint, as whole numbers
    slope,
    n_steps,
    n_units,
    n_one,  # see `onto`
    n_trials,
    n_before,
    HARD: tl.constexpr,
    DIRECT: tl.constexpr,
    REST: tl.constexpr,
    SHAPE: tl.constexpr,
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
    inside = (rows < n_trials)[:, None] & (units < n_units)[None, :]
    ends = rows[:, None] * n_units + units[None, :]
    at = (rows.to(tl.int64) * n_steps * n_units)[:, None] + units[None, :] + (n_steps - 1) * n_units
    held = onto(weights, n_units, n_one, UNITS, COLUMNS, SIDE, LANES, WARPS, FROM_LANES, FROM_WARPS)
    alpha = _own(synapse, units, n_units)
    beta = _own(membrane, units, n_units)
    gamma = _own(drive, units, n_units)
    none = tl.zeros([ROWS, COLUMNS], tl.float32)
    di = none  # of the step after, before it is sent back
    of_i = none
    of_v = none
    of_a = none
    rho = alpha
    kappa = alpha
    if grad_current is not None:
        of_i = tl.load(grad_current + ends, mask=inside, other=0.0)
    if grad_voltage is not None:
        of_v = tl.load(grad_voltage + ends, mask=inside, other=0.0)
    if adapt is not None:
        rho = _own(adapt, units, n_units)
        kappa = _own(jump, units, n_units)
        if grad_adapted is not None:
            of_a = tl.load(grad_adapted + ends, mask=inside, other=0.0)
    s = earlier(above, at, 0, n_units, n_steps, inside)
    s_1 = earlier(above, at, 1, n_units, n_steps, inside)
    s_2 = earlier(above, at, 2, n_units, n_steps, inside)
    of_z = none
    given = none
    given_1 = none
    if grad_sent is not None:
        of_z = earlier(grad_sent, at, 0, n_units, n_steps, inside)
        given = earlier(grad_sent, at, 1, n_units, n_steps, inside)
        given_1 = earlier(grad_sent, at, 2, n_units, n_steps, inside)
    by_bias = none
    by_synapse = none
    by_membrane = none
    by_drive = none
    by_threshold = none
    by_reset = none
    by_adapt = none
    by_jump = none
    # Of currents and adaptation that after the step is needed, too; of all, what comes in the next step.
    i = none
    a = none
    i_1 = none
    v_1 = none
    a_1 = none
    if currents is not None:
        i = tl.load(last_current + ends, mask=inside, other=0.0)
        i_1 = earlier(currents, at, 0, n_units, n_steps, inside)
        v_1 = earlier(voltages, at, 0, n_units, n_steps, inside)
        if adapt is not None:
            a = tl.load(last_adapted + ends, mask=inside, other=0.0)
            a_1 = earlier(adaptations, at, 0, n_units, n_steps, inside)
    for step in range(n_steps):
        t = n_steps - 1 - step
        over = s
        # Memory takes longer than a step or two.
        s = s_1
        s_1 = s_2
        s_2 = earlier(above, at, 3, n_units, t + 1, inside)
        arriving = given
        given = given_1
        if grad_sent is not None:
            given_1 = earlier(grad_sent, at, 3, n_units, t + 1, inside)
        ds = of_z * _slope(over, slope, SHAPE)
        fired = over > 0
        reached = of_v + ds
        if HARD:
            reached = tl.where(fired, ds, reached)
        after = of_v
        of_v = beta * reached
        if REST > 0:
            frozen = over == -float("inf")
            of_v = tl.where(frozen, after, of_v)
            reached = tl.where(frozen, 0.0, reached)
        di = of_i + gamma * reached
        tl.store(of_currents + at, di, mask=inside)
        # What nobody waits for comes after.
        entered = di
        if DIRECT:
            entered = reached
            tl.store(of_entered + at, entered, mask=inside)
        of_i = alpha * di
        by_bias += entered
        if adapt is not None:
            of_a -= kappa * ds
        if currents is not None:
            by_synapse += di * i_1
            by_membrane += reached * v_1
            by_drive += reached * i
            by_threshold -= ds
            if HARD:
                by_reset += tl.where(fired, after, 0.0)
            else:
                by_reset -= tl.where(fired, after, 0.0)
            i = i_1
            i_1 = earlier(currents, at, 1, n_units, t + 1, inside)
            v_1 = earlier(voltages, at, 1, n_units, t + 1, inside)
            if adapt is not None:
                by_adapt += of_a * a_1
                by_jump -= ds * a
                a = a_1
                a_1 = earlier(adaptations, at, 1, n_units, t + 1, inside)
        of_z = arriving
        if adapt is not None:
            of_z += of_a
            of_a = rho * of_a
        fresh = di
        if COLUMNS < UNITS:
            fresh = others(seen, t, rows, n_trials, n_steps, n_units, UNITS, SPIN, WAIT, READS)
        of_z += product(fresh, held, ROWS, COLUMNS)
        at -= n_units
    tl.store(of_current + ends, of_i, mask=inside)
    tl.store(of_voltage + ends, of_v, mask=inside)
    tl.store(of_spikes + ends, of_z, mask=inside)
    if adapt is not None:
        tl.store(of_adapted + ends, of_a, mask=inside)
    group = n_before // ROWS + tl.program_id(0) // (UNITS // COLUMNS)
    own = sums + group * N_SUMS * n_units + units
    real = units < n_units
    tl.store(own, over_trials(by_bias, inside), mask=real)
    tl.store(own + n_units, over_trials(by_synapse, inside), mask=real)
    tl.store(own + 2 * n_units, over_trials(by_membrane, inside), mask=real)
    tl.store(own + 3 * n_units, over_trials(by_drive, inside), mask=real)
    tl.store(own + 4 * n_units, over_trials(by_threshold, inside), mask=real)
    tl.store(own + 5 * n_units, over_trials(by_reset, inside), mask=real)
    tl.store(own + 6 * n_units, over_trials(by_adapt, inside), mask=real)
    tl.store(own + 7 * n_units, over_trials(by_jump, inside), mask=real)


@triton.jit
@no_type_check
def _own(constant, units, n_units):
    """Return what each unit has one of. Shape (1, unit)."""
    return tl.load(constant + units, mask=units < n_units, other=0.0)[None, :]


@triton.jit
@no_type_check
def _slope(s, k, SHAPE: tl.constexpr):
    """Return what stands for the derivative of a spike by its distance above threshold."""
    if SHAPE == SUPERSPIKE:
        x = 1.0 + k * tl.abs(s)
        y = 1.0 / (x * x)
    elif SHAPE == TRIANGLE:
        y = tl.maximum(1.0 - k * tl.abs(s), 0.0)
    else:
        y = 1.0 / (1.0 + k * s * (k * s))
    return y
