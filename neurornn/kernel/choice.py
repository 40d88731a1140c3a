"""Which way whole sequences are computed here, and why."""

import logging
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from neurornn import _check
from neurornn.kernel import leaky_native, leaky_torch, library, lif_native, lif_torch
from neurornn.kernel.leaky import Engine, Gate
from neurornn.kernel.lif import SpikingEngine

NAMES = ("loop", "torch", "native", "triton")
VARIABLE = "NEURORNN_BACKEND"


@dataclass(frozen=True)
class Backend:
    """How whole sequences are computed.

    Args:
        name: "native" (compiled code), "triton" (kernels for GPUs), "torch" (torch's operations, one function a
            sequence) or "loop" (step by step).
        reason: why this one.
    """

    name: str
    reason: str


def backend() -> Backend:
    """Return how whole sequences of float32 on the CPU are computed here, and why.

    The environment variable `NEURORNN_BACKEND` (loop, torch, native or triton) forces one. All give the same numbers
    to rounding. What a kernel does not cover (other nonlinearities, interventions, other cells) is computed step by
    step, float64 by the torch functions. On an NVIDIA GPU, leaky rate units and integrate-and-fire units of float32
    take Triton's kernels where Triton is installed (it comes with torch there), which were the faster ones at every
    size measured, and the torch functions otherwise.

    Raises:
        ValueError: if the variable names no backend, or one that is not installed here.

    Example:
        >>> from neurornn.kernel import backend
        >>> backend().name in ("native", "torch", "loop")
        True
    """
    forced = os.environ.get(VARIABLE, "")
    built = library.level() >= 0
    if forced and forced not in NAMES:
        must = "loop, torch, native or triton"
        _check.fail("neurornn.backend", "NEURORNN_BACKEND", must, forced, _check.near(forced, NAMES))
    if forced == "native" and not built:
        fix = "Install a C compiler and install neurornn again, or unset the variable."
        _check.fail(
            "neurornn.backend", "NEURORNN_BACKEND", "loop or torch where the library was not built", forced, fix
        )
    if forced == "triton" and not _has_triton():
        must, fix = "loop, torch or native where Triton is not installed", "Install triton, or unset the variable."
        _check.fail("neurornn.backend", "NEURORNN_BACKEND", must, forced, fix)
    if forced:
        return Backend(forced, f"{VARIABLE} asks for it")
    if built:
        return Backend(
            "native", f"the library was built, and this machine runs its {library.LEVELS[library.level()]} code"
        )
    return Backend("torch", "the native library was not built: no C compiler when neurornn was installed")


def engine(*tensors: Tensor | None, gate: Gate = Gate.RELU) -> Engine | None:
    """Return what computes a sequence of leaky rate units of these tensors; `None` for the plain loop.

    A leaky ReLU on a GPU is computed by torch's operations: Triton's kernels do not know it.
    """
    name = _name(*tensors)
    if name == "triton" and gate is Gate.LEAKY:
        return leaky_torch
    if name == "triton":
        from neurornn.kernel import leaky_triton  # here, so that nobody loads Triton who has no use for it

        return leaky_triton
    return {"native": leaky_native, "torch": leaky_torch, "loop": None}[name]


def spiking_engine(*tensors: Tensor | None) -> SpikingEngine | None:
    """Return what computes a sequence of integrate-and-fire units of these tensors; `None` for the plain loop."""
    name = _name(*tensors)
    if name == "triton":
        from neurornn.kernel import lif_triton

        return lif_triton
    return {"native": lif_native, "torch": lif_torch, "loop": None}[name]


def _name(*tensors: Tensor | None) -> str:
    given = [one for one in tensors if one is not None]
    dtypes, devices = {one.dtype for one in given}, {one.device for one in given}
    if _transformed() or len(dtypes) != 1 or len(devices) != 1:
        return "loop"
    (dtype,), (device,) = dtypes, devices
    if dtype not in (torch.float32, torch.float64) or any(type(one) not in PLAIN for one in given):
        return "loop"
    chosen = backend().name
    if chosen == "native" and dtype == torch.float32 and device.type == "cpu":
        return "native"
    if dtype == torch.float32 and _runs_triton(device, chosen):
        return "triton"
    if chosen == "torch" and VARIABLE not in os.environ and device.type == "cpu":
        _say_slower()
    return "loop" if chosen == "loop" or device.type == "meta" else "torch"


PLAIN = (Tensor, torch.nn.Parameter)
OLDEST = (7, 5)
"""The oldest NVIDIA GPUs, by compute capability, that Triton's kernels were compiled for."""


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None  # finds it without loading it


def _runs_triton(device: torch.device, chosen: str) -> bool:
    """Tell whether Triton's kernels run there: on a GPU, or on the CPU by Triton's interpreter if that is asked for."""
    if device.type == "cpu":
        return chosen == "triton" and os.environ.get("TRITON_INTERPRET") == "1"
    unasked = VARIABLE not in os.environ or not os.environ[VARIABLE]
    if not (unasked or chosen == "triton") or device.type != "cuda":
        return False
    if torch.version.hip is not None or not _has_triton():
        return False
    return torch.cuda.get_device_capability(device) >= OLDEST


def _transformed() -> bool:
    """Tell whether somebody looks at the operations one by one: vmap, jvp, tracing, compiling, autocast."""
    return (
        torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
        or torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch.is_autocast_enabled("cpu")
        or torch.is_autocast_enabled("cuda")
    )


@cache
def _say_slower() -> None:
    logging.getLogger("neurornn").warning(
        "neurornn runs without its native library: training leaky rate units on the CPU is slower than it could be, by "
        "about half and more for small networks. Install a C compiler (on Debian: apt install gcc; on macOS: "
        "xcode-select --install) and install neurornn again."
    )
