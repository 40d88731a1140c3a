"""Integrate-and-fire units over a whole sequence by the native library: float32 on the CPU, constants held fixed."""

import torch
from torch import Tensor

from neurornn.kernel import library, lif_torch
from neurornn.kernel.lif import Spiked, Spiking, Surrogate


def forward(given: Spiking, keep: bool, keep_all: bool) -> Spiked:
    """Run the sequence; where a constant is trained, by torch's operations, which keep what that needs."""
    if keep_all:
        return lif_torch.forward(given, keep, keep_all)
    given = _contiguous(given)
    shape = (*given.x.shape[:2], len(given.threshold))
    left = Spiked(
        spikes=given.x.new_empty(shape),
        current=torch.empty_like(given.current),
        voltage=torch.empty_like(given.voltage),
        adapted=torch.empty_like(given.adapted) if given.adapted is not None else None,
        above=given.x.new_empty(shape) if keep else None,
        currents=None,
        adaptations=None,
    )
    table = _table(given, left)
    library.pointers(table, ("last_current", "last_voltage", "last_adapted"), left[1:4])
    library.call("neurornn_lif_forward", table)
    return left


def backward(
    which: tuple[Surrogate, float], given: Spiking, left: Spiked, grads: Spiked, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """Return the gradients; those of constants and states, and through the last state, by torch's operations."""
    rare = any(wanted[3:]) or any(one is not None for one in grads[1:4])
    if rare or grads.spikes is None:
        return lif_torch.backward(which, given, left, grads, wanted)
    given = _contiguous(given)
    arriving = grads.spikes.contiguous()
    x = torch.empty_like(given.x) if wanted[0] else None
    noise = torch.empty_like(left.spikes) if wanted[1] else None
    weights = torch.empty_like(given.weights) if wanted[2] else None
    table = _table(given, left)
    table.surrogate, table.slope = which
    library.pointers(table, ("grad_sent", "grad_x", "grad_noise", "grad_weights"), (arriving, x, noise, weights))
    library.call("neurornn_lif_backward", table)
    return (x, noise, weights, *(None,) * 10)


def _table(given: Spiking, left: Spiked) -> library.Lif:
    table = library.Lif()
    table.trials, table.steps, table.inputs = given.x.shape
    table.units = len(given.threshold)
    table.threads = torch.get_num_threads()
    library.pointers(table, Spiking._fields, given)
    library.pointers(table, ("sent", "above"), (left.spikes, left.above))
    return table


def _contiguous(given: Spiking) -> Spiking:
    return Spiking(*(one.contiguous() if one is not None else None for one in given))  # type: ignore[arg-type]
