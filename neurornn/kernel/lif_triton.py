"""Leaky integrate-and-fire units over a whole sequence by two Triton kernels, one a pass: float32 on a GPU.

`gpu` says how units are dealt out to programs. Everything of the contract is in the kernels: resets, refractory steps,
adaptation, and the gradients of the constants, whose sums over trials and steps the programs keep. What does not
depend on the step before, the drives of the inputs and the gradients of the weights, is a few products of torch's.
"""

import torch
from torch import Tensor

from neurornn.kernel import gpu, lif_device, lif_torch
from neurornn.kernel.lif import CONSTANTS, Firing, Spiked, Spiking

WHOLE: bool = False
N_SUMS = lif_device.N_SUMS.value


def forward(which: Firing, given: Spiking, keep: bool, keep_all: bool) -> Spiked:
    """Run the sequence; what does not fit, by torch's operations."""
    n_units = len(given.threshold)
    if not gpu.fits(n_units, given.x):
        return lif_torch.forward(which, given, keep, keep_all)
    given = _contiguous(given)
    n_trials, n_steps, n_in = given.x.shape
    recurrent, afferent, bias = given.weights.split([n_units, n_in, 1])
    entering = torch.addmm(bias, given.x.flatten(0, 1), afferent).view(n_trials, n_steps, n_units)
    if given.noise is not None:
        entering += given.noise
    plan = gpu.layout(n_trials, n_units, entering.device)
    adapting = given.adapt is not None
    left = Spiked(
        spikes=gpu.unsent(entering, plan),
        current=torch.empty_like(given.current),
        voltage=torch.empty_like(given.voltage),
        adapted=torch.empty_like(given.adapted) if given.adapted is not None else None,
        waiting=torch.empty_like(given.waiting) if given.waiting is not None else None,
        out=None,
        above=torch.empty_like(entering) if keep else None,
        currents=torch.empty_like(entering) if keep_all else None,
        voltages=torch.empty_like(entering) if keep_all else None,
        adaptations=torch.empty_like(entering) if keep_all and adapting else None,
        fed=torch.empty_like(entering) if keep else None,
    )
    starts = given.current, given.voltage, given.spikes, given.adapted, given.waiting
    runs = left.spikes, left.fed, left.above, left.currents, left.voltages, left.adaptations
    ends = left.current, left.voltage, left.adapted, left.waiting
    arguments = (entering, recurrent, *given[CONSTANTS], *starts, *runs, *ends, left.spikes.view(torch.int32))
    kinds = {"HARD": which.hard, "DIRECT": which.direct, "REST": which.refractory}
    gpu.launch(lif_device.forward, (*arguments, n_steps, n_units, 1), plan, n_trials, **kinds)
    return left


def backward(
    which: Firing, given: Spiking, left: Spiked, grads: Spiked, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """Return the gradients: one reverse sweep, then one product for all weights."""
    if left.fed is None or left.above is None:
        return lif_torch.backward(which, given, left, grads, wanted)
    given = _contiguous(given)
    n_trials, n_steps, n_in = given.x.shape
    n_units = len(given.threshold)
    recurrent, afferent, _ = given.weights.split([n_units, n_in, 1])
    back = recurrent.mT.contiguous()
    plan = gpu.layout(n_trials, n_units, given.x.device)
    inside = gpu.unsent(left.above, plan)  # the adjoint of the current
    entered = torch.empty_like(left.above) if which.direct else inside
    of_i, of_v = torch.empty_like(given.current), torch.empty_like(given.voltage)
    of_z, of_a = torch.empty_like(of_i), torch.empty_like(given.adapted) if given.adapted is not None else None
    parts = inside.new_empty(-(-n_trials // plan["ROWS"]), N_SUMS * n_units)
    arriving = [None if one is None else one.contiguous() for one in (grads.spikes, *grads[1:4])]
    runs = left.above, left.currents, left.voltages, left.adaptations
    arguments = (
        *(*runs, left.current, left.adapted, *arriving, back, *given[CONSTANTS]),
        *(inside, entered if which.direct else None, of_i, of_v, of_z, of_a, parts, inside.view(torch.int32)),
    )
    kinds = {"HARD": which.hard, "DIRECT": which.direct, "REST": which.refractory, "SHAPE": int(which.surrogate)}
    gpu.launch(lif_device.backward, (*arguments, which.slope, n_steps, n_units, 1), plan, n_trials, **kinds)
    # The weights' gradient, and under it those of what each unit has one of: bias and constants.
    rows = inside.new_empty(n_units + n_in + N_SUMS, n_units)
    torch.sum(parts, 0, out=rows[n_units + n_in :].view(-1))
    wants = Spiking(*wanted)  # type: ignore[arg-type]
    if wants.weights:
        torch.mm(left.fed.flatten(0, 1).mT, inside.flatten(0, 1), out=rows[:n_units])
        torch.mm(given.x.flatten(0, 1).mT, entered.flatten(0, 1), out=rows[n_units : n_units + n_in])
    found: dict[str, Tensor | None] = dict.fromkeys(Spiking._fields)
    found |= dict(zip(Spiking._fields[CONSTANTS], rows[n_units + n_in + 1 :], strict=True))
    found |= {"weights": rows[: n_units + n_in + 1], "noise": entered, "current": of_i, "voltage": of_v}
    found |= {"spikes": of_z, "adapted": of_a}
    if wants.x:
        found["x"] = entered @ afferent.mT
    return tuple(one if getattr(wants, name) else None for name, one in found.items())


def _contiguous(given: Spiking) -> Spiking:
    return Spiking(*(one.contiguous() if one is not None else None for one in given))  # type: ignore[arg-type]
