"""The native library: found beside this file where the installation could build it, called through plain pointers."""

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch
from torch import Tensor

from neurornn import _check

LEVELS = ("portable", "AVX2", "AVX-512", "AMX")
"""The builds of the kernels that the library holds, by its own numbers. AMX is the matrix unit of recent Intel ones."""

POINTER = ctypes.c_void_p
KINDS = (torch.float32, torch.int16)  # values, and bits of gates


class Leaky(ctypes.Structure):
    """The table of `native/leaky.h`, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("trials", "steps", "units", "inputs", "rank", "outputs")),
        *((name, ctypes.c_int64) for name in ("x_trials", "noise_trials", "inner")),
        *((name, ctypes.c_int64 * 3) for name in ("by_gain", "by_offset", "by_current")),
        ("key", ctypes.c_uint64),
        *((name, ctypes.c_int64) for name in ("first_trial", "first_step")),
        ("sd", ctypes.c_double),
        *((name, ctypes.c_int32) for name in ("form", "gate", "noise_at", "threads")),
        *((name, POINTER) for name in ("x", "noise", "start", "weights", "keep", "gain", "scale")),
        *((name, POINTER) for name in ("squeeze", "readout", "shift", "first")),
        *((name, POINTER) for name in ("act_gain", "act_offset", "act_current")),
        *((name, POINTER) for name in ("sent", "state", "last", "rate", "open", "out")),
        *((name, POINTER) for name in ("grad_sent", "grad_last", "grad_out")),
        *((f"grad_{name}", POINTER) for name in ("x", "noise", "start", "weights", "keep", "gain", "scale")),
        *((f"grad_{name}", POINTER) for name in ("squeeze", "readout")),
    ]


class Lif(ctypes.Structure):
    """The table of `native/lif.h`, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("trials", "steps", "units", "inputs", "outputs", "refractory")),
        ("key", ctypes.c_uint64),
        *((name, ctypes.c_int64) for name in ("first_trial", "first_step")),
        *((name, ctypes.c_double) for name in ("sd", "slope")),
        *((name, ctypes.c_int32) for name in ("surrogate", "threads", "hard", "direct")),
        *((name, POINTER) for name in ("x", "noise", "weights", "synapse", "membrane", "drive", "threshold", "reset")),
        *((name, POINTER) for name in ("adapt", "jump", "current", "voltage", "spikes", "adapted", "waiting")),
        *((name, POINTER) for name in ("readout", "shift", "sent", "above", "spiked", "out")),
        *((f"last_{name}", POINTER) for name in ("current", "voltage", "adapted", "waiting")),
        *((f"grad_{name}", POINTER) for name in ("sent", "out", "x", "noise", "weights", "readout")),
    ]


class Drawn(ctypes.Structure):
    """The table of `native/drawn.h`, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("trials", "steps", "units", "first_trial", "first_step")),
        ("key", ctypes.c_uint64),
        ("sd", ctypes.c_double),
        ("threads", ctypes.c_int64),
        ("to", POINTER),
    ]


@cache
def library() -> ctypes.CDLL | None:
    """Return the native library, or `None` where it was not built."""
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_native{suffix}")
        if path.is_file():
            found = ctypes.CDLL(str(path))
            sizes = [ctypes.sizeof(table) for table in (Drawn, Leaky, Lif)]
            if found.neurornn_layout() == 1000000 * sizes[0] + 1000 * sizes[1] + sizes[2]:
                found.neurornn_team(team())
                return found
    return None


def team() -> ctypes.c_void_p | None:
    """Return where torch's own threads are set to work (OpenMP's entry), or `None` where torch has no such threads."""
    try:
        torchs = ctypes.CDLL(torch._C.__file__)  # loaded already; a name is looked up in what it was linked with, too
        return ctypes.cast(torchs.GOMP_parallel, ctypes.c_void_p)
    except (AttributeError, OSError):
        return None


@cache
def level() -> int:
    """Return the best build of the kernels that this machine can run."""
    found = library()
    return -1 if found is None else int(found.neurornn_best())


FEWEST_UNITS = 96
"""From how many units on the matrix unit takes less time than vectors, as measured: it works on 32 at a time."""


def call(name: str, table: Leaky | Lif | Drawn) -> None:
    """Call a kernel of the library."""
    found, best = library(), level()
    if table.units < FEWEST_UNITS:
        best = min(best, LEVELS.index("AVX-512"))
    if found is None or getattr(found, name)(ctypes.byref(table), best):
        raise MemoryError(f"neurornn.kernel: no memory for the work space of {name}.")


def pointers(table: ctypes.Structure, names: Sequence[str], tensors: Sequence[Tensor | None]) -> None:
    """Write where the tensors lie into the fields of a table; the caller keeps the tensors alive.

    Raises:
        TypeError: if the library would read a tensor as what it is not.
    """
    for name, tensor in zip(names, tensors, strict=True):
        if tensor is None:
            setattr(table, name, None)
            continue
        if tensor.dtype not in KINDS or tensor.device.type != "cpu" or not tensor.is_contiguous():
            must, got = "a contiguous float32 tensor on the CPU", f"{tensor.dtype} on {tensor.device}"
            _check.fail("kernel.library", name, must, got, error=TypeError)
        setattr(table, name, tensor.data_ptr())
