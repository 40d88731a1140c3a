"""Which constants of a neuron are fitted, and between what: many candidates as the units of one population."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from neurornn.cell import LIF, AbstractSpiking, AdaptiveLIF, AdEx
from neurornn.wiring import Dense

Values = Mapping[str, Float[np.ndarray, " candidate"]]


@dataclass(frozen=True)
class Range:
    """Between what a number is looked for.

    Args:
        low: the least.
        high: the most.
        log: whether on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    def at(self, share: Float[np.ndarray, " candidate"]) -> Float[np.ndarray, " candidate"]:
        """Return the numbers at these shares of the range, 0 its low end and 1 its high end."""
        if self.log:
            return self.low * (self.high / self.low) ** share
        return self.low + (self.high - self.low) * share


_MEMBRANE = {
    "tau": Range(3.0, 100.0, log=True),
    "resistance": Range(30.0, 1500.0, log=True),
    "v_rest": Range(-75.0, -45.0),
    "span": Range(3.0, 40.0),
    "drop": Range(1.0, 40.0),
}
"""`span` is from rest to threshold and `drop` from threshold to reset: whatever they are, the unit is possible."""

_ADAPTATION = {"tau_adapt": Range(10.0, 600.0, log=True)}

RANGES: Mapping[type[AbstractSpiking], Mapping[str, Range]] = {
    LIF: _MEMBRANE,
    AdaptiveLIF: {**_MEMBRANE, **_ADAPTATION, "jump": Range(0.02, 20.0, log=True)},
    AdEx: {
        **_MEMBRANE,
        **_ADAPTATION,
        "sharpness": Range(0.5, 5.0, log=True),
        "coupling": Range(0.0, 10.0),
        "jump": Range(0.0, 150.0),
    },
}
"""What is fitted of each kind of neuron."""


def candidates(kind: type[AbstractSpiking], shares: Float[np.ndarray, "number candidate"]) -> Values:
    """Return the constants of candidates at these shares of their ranges."""
    found = {name: each.at(share) for (name, each), share in zip(RANGES[kind].items(), shares, strict=True)}
    threshold = found["v_rest"] + found.pop("span")
    found |= {"v_threshold": threshold, "v_reset": threshold - found.pop("drop")}
    if kind is AdEx:
        found["v_peak"] = threshold + 5 * found["sharpness"]
    return found


def population(
    kind: type[AbstractSpiking], values: Values, *, dt: float, refractory: float, trained: bool = False
) -> AbstractSpiking:
    """Return candidates as the units of one cell under one injected current, unconnected, in float64.

    Args:
        kind: of neuron.
        values: constants, one a candidate.
        dt: time step, ms.
        refractory: absolute refractory period, ms.
        trained: whether a gradient moves the constants.
    """
    n = len(values["tau"])
    make: Callable[..., AbstractSpiking] = kind
    own: dict[str, Any] = {} if kind is AdEx else {"reset": "hard"}
    own["train"] = [name for name in values if name != "v_peak"] if trained else []
    constants = {name: np.asarray(value, dtype=float).tolist() for name, value in values.items()}
    cell = make(
        1,
        n,
        **constants,
        **own,
        tau_syn=None,
        refractory=refractory,
        dt=dt,
        inject=True,
        wiring=Dense(n, gain=0.0),
    ).double()
    cell.wiring.requires_grad_(False)
    return cell


def constants(cell: AbstractSpiking, kind: type[AbstractSpiking]) -> dict[str, np.ndarray]:
    """Return the constants of a population as they are now, one a candidate."""
    names = [name for name in RANGES[kind] if name not in ("span", "drop")] + ["v_threshold", "v_reset"]
    names += ["v_peak"] if kind is AdEx else []
    with torch.no_grad():
        return {name: getattr(cell, name)().double().numpy().copy() for name in names}
