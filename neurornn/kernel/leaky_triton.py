"""Leaky rate units over a whole sequence by two Triton kernels, one a pass: float32 on a GPU, up to 1024 units.

`gpu` says how units are dealt out to programs. What does not depend on the step before, the drives of the inputs and
the gradients of the weights, is a few large products of torch's; sums over trials and steps are kept by the programs.
"""

import torch
from torch import Tensor

from neurornn.kernel import gpu, leaky_device, leaky_torch
from neurornn.kernel.leaky import Arguments, Kept, NoiseIn, Place, Recurrence

WHOLE: bool = False


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
    plan = gpu.layout(n_trials, n_units, drives.device)
    kept = Kept(
        sent=gpu.unsent(drives, plan),
        last=torch.empty_like(given.start),
        state=torch.empty_like(drives) if keep and current else None,
        rate=torch.empty_like(drives) if keep and above else None,
        open=None,
        fed=torch.empty_like(drives) if keep else None,
    )
    arguments = (
        *(drives, given.noise, given.scale, given.start, recurrent, given.keep, given.gain),
        *(kept.sent, kept.fed, kept.last, kept.state, kept.rate, kept.sent.view(torch.int32)),
        *(n_steps, n_units, 1),
    )
    outside = above and which.noise is NoiseIn.STATE
    fixed = {"PLACE": int(which.place), "GATE": int(which.gate), "OUTSIDE": outside}
    gpu.launch(leaky_device.forward, arguments, plan, n_trials, **fixed)
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
    if kept.fed is None:
        return leaky_torch.backward(which, given, kept, grad_sent, grad_last, grad_out, wanted)
    given = _contiguous(given)
    n_trials, n_steps, n_in = given.x.shape
    n_units = given.start.shape[-1]
    recurrent, afferent, _ = given.weights.split([n_units, n_in, 1])
    back = recurrent.mT.contiguous()
    plan = gpu.layout(n_trials, n_units, kept.sent.device)
    drives = gpu.unsent(kept.sent, plan)
    above = which.place is Place.RATE
    asked = dict(zip(Arguments._fields, wanted, strict=True))
    states = torch.empty_like(drives) if above and asked["noise"] else None
    carry = torch.empty_like(given.start)
    parts = drives.new_empty(-(-n_trials // plan["ROWS"]), 3 * n_units)
    arguments = (
        kept.rate if above else kept.sent,
        kept.state if which.place is Place.CURRENT else kept.fed,
        *(one.contiguous() if one is not None else None for one in (grad_sent, grad_last)),
        *(back, given.keep, given.gain, drives, states, carry, parts, drives.view(torch.int32)),
        *(n_steps, n_units, 1),
    )
    gpu.launch(leaky_device.backward, arguments, plan, n_trials, PLACE=int(which.place), GATE=int(which.gate))
    # The weights' gradient, and under it those of what each unit has one of: bias, keep, gain.
    rows = drives.new_empty(n_units + n_in + 3, n_units)
    torch.sum(parts, 0, out=rows[-3:].view(-1))
    if asked["weights"]:
        flat = drives.flatten(0, 1)
        torch.mm(kept.fed.flatten(0, 1).mT, flat, out=rows[:n_units])
        torch.mm(given.x.flatten(0, 1).mT, flat, out=rows[n_units:-3])
    found: dict[str, Tensor | None] = dict.fromkeys(Arguments._fields)
    found |= {"weights": rows[:-2], "keep": rows[-2], "gain": rows[-1]}
    if asked["x"]:
        found["x"] = drives @ afferent.mT
    if asked["start"]:
        through = drives[:, 0] @ back
        if which.place is Place.CURRENT:
            through = through * leaky_torch._slope(which.gate, leaky_torch._activity(which.gate, given.start))
        found["start"] = carry + through
    if asked["noise"]:
        found["noise"] = drives if states is None else states
        if which.noise is NoiseIn.DRIVE and given.scale is not None:
            found["noise"] = drives * given.scale
    if asked["scale"] and given.noise is not None:
        found["scale"] = (drives * given.noise).sum((0, 1))
    return tuple(one if asked[name] else None for name, one in found.items())


def fits(given: Arguments) -> bool:
    """Tell whether the kernels take this: full weights of not too many units, and something to compute."""
    return given.squeeze is None and gpu.fits(given.start.shape[-1], given.x)


def _contiguous(given: Arguments) -> Arguments:
    return Arguments(*(one.contiguous() if one is not None else None for one in given))  # type: ignore[arg-type]
