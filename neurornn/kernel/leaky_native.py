"""Leaky rate units over a whole sequence by the native library: float32 on the CPU."""

import torch
from torch import Tensor

from neurornn.kernel import library
from neurornn.kernel.leaky import Act, Arguments, Gate, Kept, Place, Recurrence
from neurornn.kernel.noise import write

WHOLE: bool = True


def forward(which: Recurrence, given: Arguments, keep: bool, act: Act | None = None, sent: bool = True) -> Kept:
    """Run the sequence, with what is done to the units meanwhile; without `sent` only what is read out is written."""
    given = _contiguous(given)
    n_steps, (n_trials, n_units) = given.x.shape[1], given.start.shape
    above, current = which.place is Place.RATE, which.place is Place.CURRENT
    whole = (n_trials, n_steps, n_units)
    kept = Kept(
        sent=given.x.new_empty(whole if sent else 0),
        last=torch.empty_like(given.start),
        state=given.x.new_empty(whole) if keep and current else None,
        rate=given.x.new_empty(whole) if keep and above and which.gate is Gate.TANH else None,
        open=torch.empty(n_trials, n_steps, -(-n_units // 16), dtype=torch.int16)
        if keep and above and which.gate is not Gate.TANH
        else None,
        out=None if given.readout is None else given.x.new_empty(n_trials, n_steps, len(given.readout)),
    )
    table = _table(which, given, kept if sent else kept._replace(sent=None))  # type: ignore[arg-type]
    parts = {} if act is None else _acts(act, whole, table)
    library.pointers(table, tuple(parts), tuple(parts.values()))
    library.call("neurornn_leaky_forward", table)
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
    """Return the gradients."""
    given = _contiguous(given)
    ends = [None if end is None else end.contiguous() for end in (grad_sent, grad_last, grad_out)]
    grads = Arguments(
        *(torch.empty_like(one) if want and one is not None else None for one, want in zip(given, wanted, strict=True))  # type: ignore[arg-type]
    )
    table = _table(which, given, kept)
    if grad_out is None:
        table.outputs = 0
        grads = grads._replace(readout=None, shift=None)
    elif grads.shift is not None:
        grads = grads._replace(shift=grad_out.sum((0, 1)))
    library.pointers(table, ("grad_sent", "grad_last", "grad_out"), ends)
    names = [name for name in Arguments._fields if name != "shift"]
    library.pointers(table, [f"grad_{name}" for name in names], [getattr(grads, name) for name in names])
    library.call("neurornn_leaky_backward", table)
    return tuple(grads._replace(squeeze=None if grads.squeeze is None else grads.squeeze.mT))


def _table(which: Recurrence, given: Arguments, kept: Kept) -> library.Leaky:
    table = library.Leaky()
    table.x_trials, table.steps, table.inputs = given.x.shape
    table.trials, table.units = given.start.shape
    table.inner = table.trials
    table.noise_trials = table.trials if given.noise is None else len(given.noise)
    table.rank = 0 if given.squeeze is None else len(given.squeeze)
    table.outputs = 0 if given.readout is None else len(given.readout)
    table.form, table.gate = which.place, which.gate
    table.noise_at = which.noise
    table.threads = torch.get_num_threads()
    if which.drawn is not None:
        write(which.drawn, table)
        table.noise_trials = which.drawn.n_trials
    library.pointers(table, Arguments._fields, given)
    library.pointers(table, Kept._fields, kept)
    return table


def _acts(act: Act, whole: tuple[int, int, int], table: library.Leaky) -> dict[str, Tensor | None]:
    """Return the parts of an intervention by their names in the table, and write there how far apart their rows lie."""
    table.inner = table.x_trials
    parts: dict[str, Tensor | None] = {"first": act.first.contiguous()}
    for name, one in (("gain", act.gain), ("offset", act.offset), ("current", act.current)):
        if one is None:
            continue
        one = one.expand(*one.shape[:-1], whole[-1]).contiguous()
        steps = [0 if size == 1 else stride for size, stride in zip(one.shape[:-1], one.stride(), strict=False)]
        setattr(table, f"by_{name}", (library.ctypes.c_int64 * 3)(*steps))
        parts[f"act_{name}"] = one
    return parts


def _contiguous(given: Arguments) -> Arguments:
    """Return the arguments as the library reads them; the weights of low rank turned."""
    if given.squeeze is not None:
        given = given._replace(squeeze=given.squeeze.mT)
    return Arguments(*(one.contiguous() if one is not None else None for one in given))  # type: ignore[arg-type]
