"""The native library: found beside this file where the installation could build it, called through plain pointers."""

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch
from torch import Tensor

from neurornn import _check

LEVELS = ("portable", "AVX2", "AVX-512")
"""The builds of the kernels that the library holds, by its own numbers."""

POINTER = ctypes.c_void_p
KINDS = (torch.float32, torch.int16)  # values, and bits of gates


class Leaky(ctypes.Structure):
    """The table of `native/leaky.h`, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("trials", "steps", "units", "inputs")),
        *((name, ctypes.c_int32) for name in ("form", "gate", "noise_at", "threads")),
        *((name, POINTER) for name in ("x", "noise", "start", "weights", "keep", "gain", "scale")),
        *((name, POINTER) for name in ("sent", "state", "last", "rate", "open", "grad_sent", "grad_last")),
        *((f"grad_{name}", POINTER) for name in ("x", "noise", "start", "weights", "keep", "gain", "scale")),
    ]


class Lif(ctypes.Structure):
    """The table of `native/lif.h`, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("trials", "steps", "units", "inputs")),
        ("surrogate", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("slope", ctypes.c_double),
        *((name, POINTER) for name in ("x", "noise", "weights", "synapse", "membrane", "drive", "threshold", "adapt")),
        *((name, POINTER) for name in ("jump", "current", "voltage", "spikes", "adapted")),
        *((name, POINTER) for name in ("sent", "above", "last_current", "last_voltage", "last_adapted")),
        *((name, POINTER) for name in ("grad_sent", "grad_x", "grad_noise", "grad_weights")),
    ]


@cache
def library() -> ctypes.CDLL | None:
    """Return the native library, or `None` where it was not built."""
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_native{suffix}")
        if path.is_file():
            found = ctypes.CDLL(str(path))
            if found.neurornn_layout() == 1000 * ctypes.sizeof(Leaky) + ctypes.sizeof(Lif):
                return found
    return None


@cache
def level() -> int:
    """Return the best build of the kernels that this machine can run."""
    found = library()
    return -1 if found is None else int(found.neurornn_best())


def call(name: str, table: ctypes.Structure) -> None:
    """Call a kernel of the library."""
    found = library()
    if found is None or getattr(found, name)(ctypes.byref(table), level()):
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
