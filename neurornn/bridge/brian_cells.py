"""What each cell is in brian2's words: equations, threshold, reset, and constants with their units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from neurornn import _check
from neurornn.cell import (
    LIF,
    AbstractCell,
    AbstractSpiking,
    AdaptiveLIF,
    AdEx,
    ExpIF,
    Form,
    Izhikevich,
    LeakyRate,
    Reset,
    ShortTerm,
)

UNITS = {
    "tau": "ms",
    "tau_syn": "ms",
    "tau_adapt": "ms",
    "resistance": "Mohm",
    "capacitance": "pF",
    "k": "nS/mV",
    "v_rest": "mV",
    "v_threshold": "mV",
    "v_peak": "mV",
    "v_reset": "mV",
    "sharpness": "mV",
    "voltage": "mV",
    "current": "pA",
}
"""The unit of each constant and state, where it is the same in every cell."""

SI = {
    "ms": "second",
    "Mohm": "ohm",
    "pF": "farad",
    "nS": "siemens",
    "nS/mV": "siemens/volt",
    "mV": "volt",
    "pA": "amp",
    "": "1",
}
"""The dimension, as brian2 writes it in equations, of each of those units."""


@dataclass(frozen=True)
class BrianCell:
    """A cell in brian2's words.

    Args:
        equations: differential equations; the constants are parameters of each neuron.
        method: brian2's name of the scheme: the one by which the cell itself steps.
        constants: unit of each constant, by name.
        states: unit of each state, by the name that it has in the equations.
        threshold: the condition for a spike; "" for rate units.
        reset: what a spike does; "" where nothing.
        arrives: what a spike that arrives raises: "current", or "arrived" where there is no synaptic filter.
        before: statements at the start of each step; `{refractory}` in them is the refractory period in steps, and
            `{parts}` how many steps make one of the cell's own.
        after: statements at its end, before what is sent is summed.
    """

    equations: str
    method: str
    constants: Mapping[str, str]
    states: Mapping[str, str]
    threshold: str = ""
    reset: str = ""
    arrives: str = ""
    before: str = ""
    after: str = ""


def brian_cell(cell: AbstractCell) -> BrianCell:
    """Return a cell in brian2's words.

    Raises:
        ValueError: if brian2 has no equations for it.
    """
    for kind, told in {LeakyRate: _rate, AbstractSpiking: _spiking}.items():
        if isinstance(cell, kind):
            return told(cell)
    fix = "A network of gated units has no differential equation: keep it in torch."
    must = f"one of {', '.join(kind.__name__ for kind in (*_MEMBRANES, LeakyRate))}"
    _check.fail("to_brian2", "cell", must, type(cell).__name__, fix)


_LEAK = "dv/dt = (v_rest - v + resistance*({input}))/tau : volt (unless refractory)"
_UPSTROKE = (
    "dv/dt = (v_rest - v + sharpness*exp((v - int(v > v_peak)*(v - v_peak) - v_threshold)/sharpness)"
    " + resistance*({input}))/tau : volt (unless refractory)"
)
_QUADRATIC = "dv/dt = (k*(v - v_rest)*(v - v_threshold) + {input})/capacitance : volt (unless refractory)"
_RECOVERY = "dadaptation/dt = (coupling*(v - v_rest) - adaptation)/tau_adapt : amp"
_RISE = "dadaptation/dt = -adaptation/tau_adapt : volt"
_MEMBRANE = ("tau", "resistance", "v_rest", "v_threshold", "v_reset")


@dataclass(frozen=True)
class _Membrane:
    """How a kind of spiking cell differs from the rest."""

    equation: str
    adaptation: str
    method: str
    spike: str
    constants: tuple[str, ...]
    unit: str = ""  # of adaptation and jump


_MEMBRANES: dict[type[AbstractSpiking], _Membrane] = {
    LIF: _Membrane(_LEAK, "", "exact", "v > v_threshold", _MEMBRANE),
    AdaptiveLIF: _Membrane(
        _LEAK, _RISE, "exact", "v > v_threshold + adaptation", (*_MEMBRANE, "tau_adapt", "jump"), "mV"
    ),
    ExpIF: _Membrane(_UPSTROKE, "", "euler", "v > v_peak", (*_MEMBRANE, "sharpness", "v_peak")),
    AdEx: _Membrane(
        _UPSTROKE,
        _RECOVERY,
        "euler",
        "v > v_peak",
        (*_MEMBRANE, "sharpness", "v_peak", "tau_adapt", "coupling", "jump"),
        "pA",
    ),
    Izhikevich: _Membrane(
        _QUADRATIC,
        _RECOVERY,
        "euler",
        "v > v_peak",
        ("capacitance", "k", "v_rest", "v_threshold", "v_peak", "v_reset", "tau_adapt", "coupling", "jump"),
        "pA",
    ),
}


def _spiking(cell: AbstractSpiking) -> BrianCell:
    kind = _MEMBRANES.get(type(cell))
    if kind is None:
        must = f"one of {', '.join(one.__name__ for one in _MEMBRANES)}"
        _check.fail("to_brian2", "cell", must, type(cell).__name__)
    filtered = "current" in cell.parts
    parts = (["current"] if filtered else []) + ["drive"]
    parts += ["-adaptation"] if kind.adaptation == _RECOVERY else []
    constants = {name: UNITS.get(name, kind.unit) for name in kind.constants}
    if "coupling" in constants:
        constants["coupling"] = "nS"
    lines = [kind.equation.format(input=" + ".join(parts).replace("+ -", "- "))]
    states = {"v": "mV"}
    before, statements = "", {Reset.HARD: ["v = v_reset"], Reset.SOFT: ["v -= v_threshold - v_reset"]}
    reset = list(statements.get(cell.reset, []))
    if not cell.refractory_steps:
        lines[0] = lines[0].removesuffix(" (unless refractory)")
    if filtered:
        lines.append("dcurrent/dt = -current/tau_syn : amp")
        constants["tau_syn"], states["current"] = "ms", "pA"
    else:
        lines.append("arrived : volt")
        before = "v += arrived\narrived = 0*volt"
        if cell.refractory_steps:
            # brian2 would not let a neuron in its last refractory step take what is for the next one: we say who may.
            lines[0] = lines[0].replace("dv/dt = ", "dv/dt = free*").removesuffix(" (unless refractory)")
            lines.append("free : 1")
            before = "free = int(timestep(t - lastspike, dt) > {refractory})\nv += arrived*free\narrived = 0*volt"
    if cell.spike_inputs:
        before = "current += injected(t, i)*int(timestep(t, dt) % {parts} == 0)"
        constants["offset"] = "pA"
    if kind.adaptation:
        lines.append(kind.adaptation)
        states["adaptation"] = kind.unit
        reset.append("adaptation += jump")
    if cell.short_term is not None:
        own, needed, kept, then = _short_term(cell.short_term)
        lines, constants, states, reset = lines + own, constants | needed, states | kept, reset + then
    lines.append(f"drive = {'offset' if cell.spike_inputs else 'injected(t, i)'} : amp")
    lines += [f"{name} : {SI[unit]} (constant)" for name, unit in constants.items()]
    arrives = "current" if filtered else "arrived"
    return BrianCell("\n".join(lines), kind.method, constants, states, kind.spike, "\n".join(reset), arrives, before)


def _short_term(plasticity: ShortTerm) -> tuple[list[str], dict[str, str], dict[str, str], list[str]]:
    """Return equations, constants, states and what a spike does, which releases what is read where it arrives."""
    lines = ["dresources/dt = (1 - resources)/tau_recovery : 1", "released : 1"]
    constants, states, used = {"use": "", "tau_recovery": "ms"}, {"resources": ""}, "use"
    reset = []
    if plasticity.tau_facilitation:
        lines.append("dutilisation/dt = -utilisation/tau_facilitation : 1")
        constants["tau_facilitation"], states["utilisation"], used = "ms", "", "utilisation"
        reset.append("utilisation += use*(1 - utilisation)")
    return lines, constants, states, [*reset, f"released = {used}*resources", "resources -= released"]


_FUNCTIONS = {
    "relu": "{u}*int({u} > 0)",
    "leaky_relu": "{u}*(0.01 + 0.99*int({u} > 0))",
    "tanh": "tanh({u})",
    "softplus": "log(1 + exp({u}))",
    "sigmoid": "1/(1 + exp(-({u})))",
    "identity": "{u}",
}


def _rate(cell: LeakyRate) -> BrianCell:
    name = cell.nonlinearity
    if name not in _FUNCTIONS:
        fix = f"There are: {', '.join(_FUNCTIONS)}."
        _check.fail("to_brian2", "nonlinearity", "one that is named", name, fix)
    function: Callable[..., str] = _FUNCTIONS[str(name)].format
    target = function(u="(recurrent + drive)") if cell.form is Form.RATE else "recurrent + drive"
    sent = function(u="h") if cell.form is Form.CURRENT else "h"
    lines = [
        f"dh/dt = ({target} - h)/tau : 1",
        f"r = {sent} : 1",
        "recurrent : 1",
        "drive = injected(t, i) : 1",
        "tau : second (constant)",
    ]
    after = f"h = {function(u='h')}" if cell.form is Form.UPDATE else ""
    return BrianCell("\n".join(lines), "euler", {"tau": "ms"}, {"h": ""}, after=after)


def constants_of(cell: AbstractCell, told: BrianCell) -> dict[str, torch.Tensor]:
    """Return the constants that the equations name, one a unit, each in its unit. Shapes `(unit,)`."""
    short_term = getattr(cell, "short_term", None)
    found = {}
    for name in told.constants:
        if short_term is not None and hasattr(short_term, name):
            found[name] = torch.full((cell.n_units,), float(getattr(short_term, name)), dtype=torch.float64)
        elif name == "offset":  # where inputs are spikes, the bias is all that is injected
            found[name] = cell.weights()[2].detach().double()
        else:
            found[name] = getattr(cell, name)().detach().double()
    return found
