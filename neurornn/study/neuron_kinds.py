"""Which constants of a neuron are fitted, and between what: many candidates as the units of one population."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from neurornn.cell import LIF, AbstractSpiking, AdaptiveLIF, AdEx, SuperSpike
from neurornn.cell.constant import LogTau, Scaled, Shifted
from neurornn.study.neuron_passive import Passive
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
    "span": Range(1.0, 40.0, log=True),
    "drop": Range(1.0, 40.0),
    "refractory": Range(0.5, 12.0, log=True),
}
"""`span` is from rest to threshold and `drop` from threshold to reset: whatever they are, the unit is possible. Where
spikes tell how low the potential falls after them, `v_reset` itself is looked for instead of `drop`."""

_ADAPTATION = {"tau_adapt": Range(10.0, 600.0, log=True)}

RANGES: Mapping[type[AbstractSpiking], Mapping[str, Range]] = {
    LIF: _MEMBRANE,
    AdaptiveLIF: {**_MEMBRANE, **_ADAPTATION, "jump": Range(0.02, 20.0, log=True)},
    AdEx: {
        **_MEMBRANE,
        **_ADAPTATION,
        "sharpness": Range(0.5, 5.0, log=True),
        "coupling": Range(0.0, 10.0),
        "jump": Range(0.1, 150.0, log=True),
    },
}
"""What is fitted of each kind of neuron."""

LEAST = 1.0
"""How far below the threshold the reset is at least, mV."""

HELD = ("refractory", "v_peak")
"""What no gradient moves: a number of whole steps, and where a spike is cut."""

CONSTANTS: Mapping[type[AbstractSpiking], tuple[str, ...]] = {
    kind: tuple(name for name in found if name not in ("span", "drop", "refractory"))
    + (("v_threshold", "v_reset", "v_peak") if kind is AdEx else ("v_threshold", "v_reset"))
    for kind, found in RANGES.items()
}
"""The constants of each kind of cell."""

SLOPE = 10.0
"""Slope of the surrogate, 1/mV. With it the surrogate gradient of the loss points where finite differences do: of
AdaptiveLIF a cosine of 0.98 in the median over candidates at 1.2 times their size, of AdEx 0.89 at 5 times. With the
slope of 1 they are 0.95 and 4, and 0.88 and 9."""

FACTOR, NEAR = 3.0, 8.0
"""How far from what was measured resistance and time constant may lie (a factor), and rest and reset (mV)."""


def ranges(
    kind: type[AbstractSpiking], measured: Passive | None = None, refractory: float | None = None
) -> dict[str, Range]:
    """Return between what each number is looked for: around what was measured, where something was.

    A reset far below where the potential falls after a spike would make a train slow that adaptation slows: a unit that
    starts each time from -85 mV takes as long to its next spike as one that adapts, and fires as regularly as a clock.
    """
    found = dict(RANGES[kind])
    if measured is not None:
        for name, value in (("tau", measured.tau), ("resistance", measured.resistance)):
            found[name] = Range(value / FACTOR, value * FACTOR, log=True)
        found["v_rest"] = Range(measured.v_rest - NEAR, measured.v_rest + NEAR)
        if np.isfinite(measured.trough):
            found["v_reset"] = Range(measured.trough - NEAR, measured.trough + NEAR)
            del found["drop"]
    if refractory is not None:
        found["refractory"] = Range(refractory, refractory)
    return found


def candidates(bounds: Mapping[str, Range], shares: Float[np.ndarray, "number candidate"]) -> Values:
    """Return the constants of candidates at these shares of their ranges."""
    found = {name: each.at(share) for (name, each), share in zip(bounds.items(), shares, strict=True)}
    threshold = found["v_rest"] + found.pop("span")
    reset = threshold - found.pop("drop") if "drop" in found else np.minimum(found["v_reset"], threshold - LEAST)
    found |= {"v_threshold": threshold, "v_reset": reset}
    if "sharpness" in found:
        found["v_peak"] = threshold + 5 * found["sharpness"]
    return found


@dataclass(frozen=True, eq=False)
class Population:
    """Candidates as the units of one cell under one injected current, unconnected, in float64.

    Args:
        cell: their membranes; its own refractory period is the longest of all.
        dead: refractory period of each unit, whole steps.
    """

    cell: AbstractSpiking
    dead: Float[torch.Tensor, " candidate"]

    @property
    def dt(self) -> float:
        """Time step, ms."""
        return self.cell.dt

    def steps(
        self, current: Float[torch.Tensor, "sweep time"], first: Float[torch.Tensor, " sweep"]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give spikes and potentials (mV) of each step under these currents (pA). Shapes `(sweep, candidate)`."""
        _, *rest = self.cell.initial(len(current))
        state = (first[:, None].expand(-1, self.cell.n_units), *rest)
        weights, place = self.cell.weights(), self.cell.parts.index("refractory")
        for now in current[..., None].unbind(1):
            sent, state = self.cell.step(now, state, weights=weights)
            # Who has just fired has the longest period of all before it: each gets its own.
            left = torch.minimum(state[place], self.dead)
            state = (*state[:place], left, *state[place + 1 :])
            yield sent, state[0]


def population(
    kind: type[AbstractSpiking], values: Values, *, dt: float, trained: bool = False, longest: float = 0.0
) -> Population:
    """Return candidates as a population.

    Args:
        kind: of neuron.
        values: constants, one a candidate; `refractory` is rounded to whole steps, one at least.
        dt: time step, ms.
        trained: whether a gradient moves the constants, all but `refractory` and `v_peak`.
        longest: what `dead` may be set to later, ms.
    """
    n = len(values["tau"])
    dead = np.maximum(np.rint(np.asarray(values["refractory"]) / dt), 1)
    make: Callable[..., AbstractSpiking] = kind
    own: dict[str, Any] = {} if kind is AdEx else {"reset": "hard"}
    own["surrogate"] = SuperSpike(SLOPE)
    own["train"] = [name for name in values if name not in HELD] if trained else []
    constants = {
        name: np.asarray(value, dtype=float).tolist() for name, value in values.items() if name in CONSTANTS[kind]
    }
    cell = make(
        1,
        n,
        **constants,
        **own,
        tau_syn=None,
        refractory=max(float(dead.max()), np.rint(longest / dt)) * dt,
        dt=dt,
        inject=True,
        wiring=Dense(n, gain=0.0),
    ).double()
    cell.wiring.requires_grad_(False)
    return Population(cell, torch.as_tensor(dead))


def constants(candidates: Population, kind: type[AbstractSpiking]) -> dict[str, np.ndarray]:
    """Return the constants of a population as they are now, one a candidate."""
    with torch.no_grad():
        found = {name: getattr(candidates.cell, name)().double().numpy().copy() for name in CONSTANTS[kind]}
    return found | {"refractory": candidates.dead.numpy() * candidates.dt}


def keep_within(candidates: Population, bounds: Mapping[str, Range]) -> None:
    """Move constants that a gradient took out of their ranges to the nearest end; those it does not move stay."""
    cell = candidates.cell
    with torch.no_grad():
        now = {name: getattr(cell, name)() for name in cell.constants if name != "bias"}
        for name in now.keys() & bounds.keys():
            now[name] = now[name].clamp(bounds[name].low, bounds[name].high)
        span, drop = bounds["span"], bounds.get("drop", Range(LEAST, float("inf")))
        now["v_threshold"] = now["v_rest"] + (now["v_threshold"] - now["v_rest"]).clamp(span.low, span.high)
        now["v_reset"] = now["v_threshold"] - (now["v_threshold"] - now["v_reset"]).clamp(drop.low, drop.high)
        for name, value in now.items():
            module = getattr(cell, name)
            if isinstance(module, LogTau | Scaled | Shifted):
                module.fill(value)
