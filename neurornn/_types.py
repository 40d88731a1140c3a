"""The axis words that every shape in this package is written with, and the one source of randomness.

Shapes are jaxtyping strings over these words:

| word | axis |
| --- | --- |
| `trial` | trials of a batch |
| `time` | time steps (of `dt` ms) |
| `in`, `out` | input channels, output channels |
| `unit` | units of a network or a recording |
| `stack` | perturbations run side by side |
| `point`, `state` | states held side by side; the numbers that make a state |
| `start` | what the network is told about the start of a trial |

All times are ms and all rates Hz, everywhere.
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

import torch

State = tuple[torch.Tensor, ...]
"""A cell's state: a tuple of tensors `(*stack, trial, unit)`."""

F = TypeVar("F", bound=Callable[..., None])


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh random stream for `seed`: the only way this package draws a number.

    Args:
        seed: any whole number, 0 or above.
        device: where the numbers will be drawn.

    Example:
        >>> import torch
        >>> from neurornn import generator
        >>> bool(torch.rand(3, generator=generator(1)).equal(torch.rand(3, generator=generator(1))))
        True
    """
    return torch.Generator(device=device).manual_seed(int(seed))


def recorded(init: F) -> F:
    """Keep a constructor's arguments in `self.settings`, so that the object can be written down and rebuilt."""
    form = signature(init)

    @wraps(init)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = form.bind(self, *args, **kwargs)
        bound.apply_defaults()
        settings = dict(list(bound.arguments.items())[1:])
        object.__setattr__(self, "settings", settings)
        init(self, *args, **kwargs)

    return wrapper  # type: ignore[return-value]
