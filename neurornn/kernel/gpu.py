"""How the units of a recurrence are dealt out to the programs of a Triton kernel, and how those tell each other.

Trials never meet, so a few of them are walked through all steps in one launch a pass. Up to 256 units a program holds
all recurrent weights in registers and works alone. Beyond, several programs share the same trials: each holds the
weights onto some of the units, and reads at every step what the others have just sent. The products are float32
throughout.

Nobody signals that a step is done: the memory is filled beforehand with a number that no arithmetic gives (a NaN of
its own), and a program reads again until none is left. So all programs of a launch must run at once, which the launch
asks for, and larger batches are taken in several launches.
"""

from functools import cache
from importlib import import_module
from typing import Any, no_type_check

import torch
from torch import Tensor

# By name, so that type checkers need no Triton, which exists for few platforms.
triton: Any = import_module("triton")
tl: Any = import_module("triton.language")

MOST_UNITS = 1024
ALONE = 256
"""Up to so many units one program holds all weights: 256 x 256 of them fill a multiprocessor's registers."""
COLUMNS = 32
"""The fewest units of a program that does not work alone."""
UNSENT = 0x7FFFBEEF  # as a float a NaN, but not the one that a GPU's arithmetic gives


def fits(n_units: int, x: Tensor) -> bool:
    """Tell whether the kernels take so many units and this input: float32, and something to compute."""
    small = n_units <= MOST_UNITS
    if small and n_units > ALONE and x.device.type != "cpu":
        small = triton.next_power_of_2(n_units) // COLUMNS <= multiprocessors(x.device)
    return small and x.dtype == torch.float32 and x.shape[0] * x.shape[1] > 0


@cache
def layout(n_trials: int, n_units: int, device: torch.device) -> dict[str, Any]:
    """Return what each program takes, what its threads do, and how many groups of programs a launch has.

    A program has `ROWS` trials and `COLUMNS` units of `UNITS`.
    """
    units = max(16, triton.next_power_of_2(n_units))
    interpreted = device.type == "cpu"  # one program after the other, so that none may wait for another
    shared = units > ALONE
    if not shared or interpreted:
        warps, rows, columns, side = max(1, units // 32), 4 if shared and units <= 512 else 1, units, 4
    else:
        # On an H100 the fastest of a dozen: 128 weights a thread, and as few programs that wait for each other.
        columns, side = COLUMNS if units > 512 else 2 * COLUMNS, 2
        warps = units * columns // 4096
        groups = multiprocessors(device) * columns // units
        rows = min(4, triton.next_power_of_2(-(-n_trials // groups)))
    most = multiprocessors(device) * columns // units if shared and not interpreted else n_trials
    sizes = {"ROWS": rows, "UNITS": units, "COLUMNS": columns, "SIDE": side, "num_warps": warps}
    return threads(sizes, wait=shared and not interpreted) | {"groups": max(1, min(most, -(-n_trials // rows)))}


def threads(sizes: dict[str, int], *, wait: bool) -> dict[str, Any]:
    """Return the plan of a program of these sizes with what follows from them: what its threads do.

    A thread has `SIDE` of the program's units, and all of those that feed them but for what its warp's other lanes
    have. In a program that does not work alone, the warps share what feeds a unit, too. Whoever shares trials reads
    `SPIN` numbers a thread until all were sent.
    """
    side, warps, columns, units = (sizes[name] for name in ("SIDE", "num_warps", "COLUMNS", "UNITS"))
    across = 1 if columns < units else warps  # among so many warps its units are dealt out
    lanes = min(32, columns // (side * across))
    dealt = {"LANES": lanes, "WARPS": across, "FROM_LANES": 32 // lanes, "FROM_WARPS": 1}
    if columns < units:
        dealt |= {"FROM_LANES": 1, "FROM_WARPS": min(units, 32 // lanes * warps)}
    spin = sizes["ROWS"] * units // (32 * warps) if wait else 0
    wait_, reads = _waiting(spin) if wait else ("", "")
    return {**sizes, **dealt, "SPIN": spin, "WAIT": wait_, "READS": reads}


@cache
def multiprocessors(device: torch.device) -> int:
    """Return how many programs run at once."""
    return torch.cuda.get_device_properties(device).multi_processor_count


def launch(kernel: Any, arguments: tuple[Any, ...], plan: dict[str, Any], n_trials: int, **fixed: Any) -> None:
    """Run a kernel on all trials, as many at a time as there are programs that run at once."""
    options = {name: value for name, value in plan.items() if name != "groups"}
    # Loads are fetched a step ahead by hand; the compiler's own way could read a step before it is written.
    options["num_stages"] = 1
    if plan["SPIN"]:
        options["launch_cooperative_grid"] = True  # all at once or not at all
    if arguments[0].device.type != "cpu":  # else the compiler may take fewer, and keep the weights elsewhere
        options["maxnreg"] = min(255, 65536 // (32 * plan["num_warps"]))
    grid = (plan["groups"] * plan["UNITS"] // plan["COLUMNS"],)
    with torch.cuda.device_of(arguments[0]):
        for first in range(0, n_trials, plan["groups"] * plan["ROWS"]):
            kernel[grid](*arguments, n_trials, first, **fixed, **options)


def _waiting(n: int) -> tuple[str, str]:
    """Return PTX that reads `n` numbers again until all of them have been sent, and what it takes and gives."""
    again = "".join(f"ld.relaxed.gpu.global.b32 ${i}, [${2 * n + i}];\n" for i in range(n))
    given = "".join(f"mov.b32 ${i}, ${n + i};\n" for i in range(n))
    missing = f"setp.eq.b32 p, $0, {UNSENT};\n"
    missing += "".join(f"setp.eq.or.b32 p, ${i}, {UNSENT}, p;\n" for i in range(1, n))
    code = f"{{\n.reg .pred p;\n{given}{missing}@!p bra DONE;\nAGAIN:\n{again}{missing}@p bra AGAIN;\nDONE:\n}}"
    return code, ",".join(["=&r"] * n + ["r"] * n + ["l"] * n)


def unsent(like: Tensor, plan: dict[str, Any]) -> Tensor:
    """Return memory of that size in which, where programs wait for each other, nothing has been sent yet."""
    if not plan["SPIN"]:
        return torch.empty_like(like)
    return torch.full_like(like, UNSENT, dtype=torch.int32).view(torch.float32)


@triton.jit
@no_type_check
def mine(n_before, ROWS: tl.constexpr, UNITS: tl.constexpr, COLUMNS: tl.constexpr):
    """Return the trials and the units of this program."""
    programs: tl.constexpr = UNITS // COLUMNS
    rows = n_before + (tl.program_id(0) // programs) * ROWS + tl.arange(0, ROWS)
    units = (tl.program_id(0) % programs) * COLUMNS + tl.arange(0, COLUMNS)
    return rows, units


@triton.jit
@no_type_check
def onto(
    weights,
    n_units,
    n_one,
    UNITS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SIDE: tl.constexpr,
    LANES: tl.constexpr,
    WARPS: tl.constexpr,
    FROM_LANES: tl.constexpr,
    FROM_WARPS: tl.constexpr,
):
    """Return the weights from all units onto this program's. Shape (inner, side, warp, from warp, from lane, lane).

    `n_one` is 1, which the compiler must not know: it would load the weights in another order, and sort them after.
    """
    inner: tl.constexpr = UNITS // (FROM_LANES * FROM_WARPS)
    from_lane = tl.arange(0, FROM_LANES)[None, None, None, None, :, None]
    from_warp = tl.arange(0, FROM_WARPS)[None, None, None, :, None, None]
    every = (from_warp * FROM_LANES + from_lane) * inner + tl.arange(0, inner)[:, None, None, None, None, None]
    lane = tl.arange(0, LANES)[None, None, None, None, None, :]
    side = tl.arange(0, SIDE)[None, :, None, None, None, None]
    some = (tl.arange(0, WARPS)[None, None, :, None, None, None] * SIDE + side) * LANES + lane
    some += (tl.program_id(0) % (UNITS // COLUMNS)) * COLUMNS
    # The compiler deals out the axes to lanes and warps in the order of these numbers, and a product from the last.
    at = tl.max_contiguous(weights + every * n_units + some * n_one, [1, 1, 2, 4, 4, 8])
    return tl.load(at, mask=(every < n_units) & (some < n_units), other=0.0)


@triton.jit
@no_type_check
def product(sent, held, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Return what all units have sent, (row, all), times the weights onto some, as `onto` gives them: (row, some)."""
    inner: tl.constexpr = held.shape[0]
    side: tl.constexpr = held.shape[1]
    warps: tl.constexpr = held.shape[2]
    from_warps: tl.constexpr = held.shape[3]
    from_lanes: tl.constexpr = held.shape[4]
    lanes: tl.constexpr = held.shape[5]
    apart = tl.permute(tl.reshape(sent, [ROWS, from_warps, from_lanes, inner]), [0, 3, 1, 2])
    sums = tl.sum(apart[:, :, None, None, :, :, None] * held[None, :, :, :, :, :, :], axis=1)
    # Lanes add up among themselves; warps have to meet.
    if from_lanes > 1:
        sums = tl.sum(sums, axis=4)
    sums = tl.reshape(sums, [ROWS, side, warps, from_warps, lanes])
    if from_warps > 1:
        sums = tl.sum(sums, axis=3)
    sums = tl.reshape(sums, [ROWS, side, warps, lanes])
    return tl.reshape(tl.permute(sums, [0, 2, 1, 3]), [ROWS, COLUMNS])


@triton.jit
@no_type_check
def later(run, at, steps: tl.constexpr, n_units, n_left, inside):
    """Return what a run, (trial, time, unit), holds some steps after the one `at`, which is one of `n_left`."""
    return tl.load(run + at + steps * n_units, mask=inside & (steps < n_left), other=0.0)


@triton.jit
@no_type_check
def earlier(run, at, steps: tl.constexpr, n_units, n_left, inside):
    """Return what a run, (trial, time, unit), holds some steps before the one `at`, which is one of `n_left`."""
    return tl.load(run + at - steps * n_units, mask=inside & (steps < n_left), other=0.0)


@triton.jit
@no_type_check
def over_trials(values, inside):
    """Return the sum over the trials of a program, (row, some), that are there: a row beyond the last is none."""
    return tl.sum(tl.where(inside, values, 0.0), axis=0)


@triton.jit
@no_type_check
def others(
    seen,
    t,
    rows,
    n_trials,
    n_steps,
    n_units,
    UNITS: tl.constexpr,
    SPIN: tl.constexpr,
    WAIT: tl.constexpr,
    READS: tl.constexpr,
):
    """Return what all units have sent at a step, as soon as all of it is there. Shape (row, all).

    Rows and units beyond the last are read as if they were the last.
    """
    every = tl.minimum(tl.arange(0, UNITS), n_units - 1)
    at = tl.minimum(rows, n_trials - 1).to(tl.int64) * n_steps + t
    where = seen + at[:, None] * n_units + every[None, :]
    found = tl.load(where, volatile=True)
    if SPIN > 0:
        found = tl.inline_asm_elementwise(WAIT, READS, [found, where], dtype=tl.int32, is_pure=False, pack=SPIN)
    return found.to(tl.float32, bitcast=True)
