"""Units at the border to brian2: which unit a physical quantity is told in, and times as ms."""

from typing import Any

import numpy as np

from neurornn import _check
from neurornn.errors import RecordingError

TOLD = {"volt": "mV", "amp": "pA", "siemens": "nS", "farad": "pF", "ohm": "Mohm", "hertz": "Hz", "second": "ms"}
"""The unit in which electrophysiologists tell each quantity; any other is told in SI base units."""


def magnitudes(quantity: Any) -> tuple[np.ndarray, str]:
    """Return a brian2 quantity, or a view of a variable, as plain numbers and the name of their unit ("" for none)."""
    import brian2

    quantity = quantity[:]  # a view of a variable becomes a quantity
    if not isinstance(quantity, brian2.Quantity) or brian2.is_dimensionless(quantity):
        return np.asarray(quantity, dtype=float), ""
    for base, name in TOLD.items():
        if brian2.have_same_dimensions(quantity, getattr(brian2, base)):
            return np.asarray(quantity / getattr(brian2, name), dtype=float), name
    return np.asarray(quantity, dtype=float), str(quantity.dim)


def milliseconds(owner: str, name: str, value: Any) -> float:
    """Return a time as ms: a plain number is ms already, a brian2 quantity is converted.

    Raises:
        RecordingError: if the quantity is not a time.
    """
    import brian2

    if isinstance(value, brian2.Quantity):
        if not brian2.have_same_dimensions(value, brian2.second):
            fix = "Give it as in 500*brian2.ms, or as a plain number of ms."
            _check.fail(owner, name, "a time", str(value), fix, error=RecordingError)
        return float(value / brian2.ms)
    return float(value)
