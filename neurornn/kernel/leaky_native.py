"""Leaky rate units over a whole sequence by the native library: float32 on the CPU."""

import torch
from torch import Tensor

from neurornn.kernel import leaky_torch, library
from neurornn.kernel.leaky import Arguments, Gate, Kept, Place, Recurrence

FIELDS = tuple(name for name in Arguments._fields if name != "squeeze")


def forward(which: Recurrence, given: Arguments, keep: bool) -> Kept:
    """Run the sequence; weights of low rank by torch's operations, which are few then."""
    if given.squeeze is not None:
        return leaky_torch.forward(which, given, keep)
    given = _contiguous(given)
    n_trials, n_steps, _ = given.x.shape
    n_units = given.start.shape[-1]
    above, current = which.place is Place.RATE, which.place is Place.CURRENT
    whole = (n_trials, n_steps, n_units)
    kept = Kept(
        sent=given.x.new_empty(whole),
        last=torch.empty_like(given.start),
        state=given.x.new_empty(whole) if keep and current else None,
        rate=given.x.new_empty(whole) if keep and above and which.gate is Gate.TANH else None,
        open=torch.empty(n_trials, n_steps, -(-n_units // 16), dtype=torch.int16)
        if keep and above and which.gate is not Gate.TANH
        else None,
    )
    library.call("neurornn_leaky_forward", _table(which, given, kept))
    return kept


def backward(
    which: Recurrence,
    given: Arguments,
    kept: Kept,
    grad_sent: Tensor | None,
    grad_last: Tensor | None,
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Return the gradients."""
    if given.squeeze is not None:
        return leaky_torch.backward(which, given, kept, grad_sent, grad_last, wanted)
    given = _contiguous(given)
    grads = Arguments(
        *(torch.empty_like(one) if want and one is not None else None for one, want in zip(given, wanted, strict=True))  # type: ignore[arg-type]
    )
    grad_sent = grad_sent.contiguous() if grad_sent is not None else None
    grad_last = grad_last.contiguous() if grad_last is not None else None
    table = _table(which, given, kept)
    library.pointers(table, ("grad_sent", "grad_last"), (grad_sent, grad_last))
    library.pointers(table, [f"grad_{name}" for name in FIELDS], grads[: len(FIELDS)])
    library.call("neurornn_leaky_backward", table)
    return tuple(grads)


def _table(which: Recurrence, given: Arguments, kept: Kept) -> library.Leaky:
    table = library.Leaky()
    table.trials, table.steps, table.inputs = given.x.shape
    table.units = given.start.shape[-1]
    table.form, table.gate = which.place, which.gate
    table.noise_at = which.noise
    table.threads = torch.get_num_threads()
    library.pointers(table, FIELDS, given[: len(FIELDS)])
    library.pointers(table, Kept._fields, kept)
    return table


def _contiguous(given: Arguments) -> Arguments:
    return Arguments(*(one.contiguous() if one is not None else None for one in given))  # type: ignore[arg-type]
