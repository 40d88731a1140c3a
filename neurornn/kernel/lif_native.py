"""Integrate-and-fire units over a whole sequence by the native library: float32 on the CPU, constants held fixed."""

import torch
from torch import Tensor
from torch.nn import functional

from neurornn.kernel import library, lif_torch
from neurornn.kernel.lif import CONSTANTS, Firing, Spiked, Spiking
from neurornn.kernel.noise import write

WHOLE: bool = True


def forward(which: Firing, given: Spiking, keep: bool, keep_all: bool) -> Spiked:
    """Run the sequence; where a constant is trained, by torch's operations, which keep what that needs."""
    if keep_all:
        if which.drawn is not None:
            given = given._replace(noise=which.drawn.tensor(given.x))
        left = lif_torch.forward(which, given, keep, keep_all)
        read = None if given.readout is None else functional.linear(left.spikes, given.readout, given.shift)
        return left._replace(out=read)
    given = _contiguous(given)
    n_trials, n_steps, n_units = shape = (*given.x.shape[:2], len(given.threshold))
    left = Spiked(
        spikes=given.x.new_empty(shape),
        current=torch.empty_like(given.current),
        voltage=torch.empty_like(given.voltage),
        adapted=None if given.adapted is None else torch.empty_like(given.adapted),
        waiting=None if given.waiting is None else torch.empty_like(given.waiting),
        out=None if given.readout is None else given.x.new_empty(n_trials, n_steps, len(given.readout)),
        above=given.x.new_empty(shape) if keep else None,
        spiked=torch.empty(n_trials, n_steps, -(-n_units // 16), dtype=torch.int16) if keep else None,
    )
    table = _table(which, given, left)
    names = ("current", "voltage", "adapted", "waiting")
    library.pointers(table, [f"last_{name}" for name in names], [getattr(left, name) for name in names])
    library.pointers(table, ("out",), (left.out,))
    library.call("neurornn_lif_forward", table)
    return left


def backward(
    which: Firing, given: Spiking, left: Spiked, grads: Spiked, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """Return the gradients; those of constants and states, and through the last state, by torch's operations."""
    wants = Spiking(*wanted)  # type: ignore[arg-type]
    states = (wants.current, wants.voltage, wants.spikes, wants.adapted)
    rare = any(wanted[CONSTANTS]) or any(states) or any(one is not None for one in grads[1:4])
    if rare or left.spiked is None:
        return lif_torch.backward(which, given, left, grads, wanted)
    if grads.spikes is None and grads.out is None:
        return (None,) * len(Spiking._fields)
    given = _contiguous(given)
    arriving = None if grads.spikes is None else grads.spikes.contiguous()
    of_out = None if grads.out is None else grads.out.contiguous()
    found: dict[str, Tensor | None] = dict.fromkeys(Spiking._fields)
    if wants.x:
        found["x"] = torch.empty_like(given.x)
    if wants.noise:
        found["noise"] = torch.empty_like(left.spikes)
    if wants.weights:
        found["weights"] = torch.empty_like(given.weights)
    if of_out is not None and given.readout is not None and wants.readout:
        found["readout"] = torch.empty_like(given.readout)
    if of_out is not None and wants.shift:
        found["shift"] = of_out.sum((0, 1))
    table = _table(which, given, left)
    table.outputs = table.outputs if of_out is not None else 0
    library.pointers(table, ("grad_sent", "grad_out"), (arriving, of_out))
    names = ("x", "noise", "weights", "readout")
    library.pointers(table, [f"grad_{name}" for name in names], [found[name] for name in names])
    library.call("neurornn_lif_backward", table)
    return tuple(found.values())


def _table(which: Firing, given: Spiking, left: Spiked) -> library.Lif:
    table = library.Lif()
    table.trials, table.steps, table.inputs = given.x.shape
    table.units = len(given.threshold)
    table.outputs = 0 if given.readout is None else len(given.readout)
    table.refractory, table.hard, table.direct = which.refractory, which.hard, which.direct
    table.surrogate, table.slope = which.surrogate, which.slope
    table.threads = torch.get_num_threads()
    if which.drawn is not None:
        write(which.drawn, table)
    library.pointers(table, Spiking._fields, given)
    library.pointers(table, ("sent", "above", "spiked"), (left.spikes, left.above, left.spiked))
    return table


def _contiguous(given: Spiking) -> Spiking:
    return Spiking(*(one.contiguous() if one is not None else None for one in given))  # type: ignore[arg-type]
