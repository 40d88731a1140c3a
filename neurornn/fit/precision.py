"""In which numbers a training computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import torch


class Precision(Enum):
    """In which numbers a training computes. Weights, states and losses are kept in float32 whichever is chosen.

    - `FLOAT32`: everything in float32.
    - `TF32`: matrix products on the tensor cores of a GPU, with 10 bits of mantissa.
    - `BF16`: matrix products in bfloat16, with 7 bits of mantissa, on GPU or CPU.
    """

    FLOAT32 = "float32"
    TF32 = "tf32"
    BF16 = "bf16"

    @contextmanager
    def products(self) -> Iterator[None]:
        """Let matrix products be this coarse inside the `with` block, and leave torch as it was found."""
        before = torch.get_float32_matmul_precision()
        if self is Precision.TF32:
            torch.set_float32_matmul_precision("high")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)

    def cast(self, device: torch.device) -> torch.autocast:
        """Return the context in which a network runs forward."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self is Precision.BF16)
