"""Checks on values: one sentence form for all.

*Owner: `name` must be X; got Y.* and then the likely fix.
"""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np

from neurornn.errors import BadValue


def fail(owner: str, name: str, must: str, got: Any, fix: str = "", *, error: type[Exception] = BadValue) -> NoReturn:
    """Raise `error` with the one sentence that every refusal of this package uses."""
    raise error(f"{owner}: `{name}` must be {must}; got {shown(got)}.{' ' + fix if fix else ''}")


def shown(value: Any) -> str:
    """Return `value` as a short text: arrays by shape, numbers of numpy as plain ones, long texts cut."""
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape) > 0:
        return f"an array of shape {tuple(shape)}"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 120 else text[:117] + "..."


def near(name: str, options: Iterable[str]) -> str:
    """Return *Did you mean 'x'?*, or the sorted options when nothing is close."""
    options = sorted(options)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(options)}."


def positive(owner: str, name: str, value: Any, fix: str = "") -> float:
    """Return `value` as a float if it is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        fail(owner, name, "a finite number above 0", value, fix)
    return float(value)


def not_negative(owner: str, name: str, value: Any, fix: str = "") -> float:
    """Return `value` as a float if it is a finite number, 0 or above."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        fail(owner, name, "a finite number, 0 or above", value, fix)
    return float(value)


def fraction(owner: str, name: str, value: Any, fix: str = "") -> float:
    """Return `value` as a float if it lies in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        fail(owner, name, "a number in [0, 1]", value, fix)
    return float(value)


def count(owner: str, name: str, value: Any, fix: str = "", *, least: int = 1) -> int:
    """Return `value` as an int if it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        fail(owner, name, f"a whole number, {least} or above", value, fix)
    return int(value)


def finite(owner: str, name: str, value: Any, fix: str = "", *, error: type[Exception] = BadValue) -> np.ndarray:
    """Return `value` as an array if none of its entries is NaN or infinite."""
    array = np.asarray(value, dtype=float)
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        fail(owner, name, "finite everywhere", f"{bad} of {array.size} values NaN or infinite", fix, error=error)
    return array
