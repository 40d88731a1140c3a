"""A NIR graph asked what leads where, with the graphs that stand in it as nodes taken apart."""

from typing import Any

import numpy as np

from neurornn import _check
from neurornn.errors import SourceError

INSTEAD = {
    "CubaLI": "Write it as two LI, one after the other.",
    "IF": "Units here leak: take a LIF with a tau many times the length of a trial.",
    "I": "Units here leak: take an LI with a tau many times the length of a trial.",
    "Threshold": "A unit that fires is a LIF here.",
    "Scale": "Multiply it into the weights before or after it.",
}
"""What to do about nodes that cannot be read, by their kind."""


class Walk:
    """A graph, asked what leads where."""

    def __init__(self, nir: Any, graph: Any) -> None:
        self.nir = nir
        self.nodes, self.edges = flattened(nir, graph)
        known = (nir.Input, nir.Output, nir.Affine, nir.Linear, nir.LIF, nir.CubaLIF, nir.LI, nir.Delay)
        for name, node in self.nodes.items():
            if not isinstance(node, known):
                fix = INSTEAD.get(type(node).__name__, "")
                self.fail(name, f"one of {', '.join(kind.__name__ for kind in known)}", fix)

    def fail(self, name: str, must: str, fix: str = "") -> Any:
        got = type(self.nodes[name]).__name__ if name in self.nodes else name
        _check.fail("from_nir", f"graph.nodes[{name!r}]", must, got, fix, error=SourceError)

    def only(self, kinds: tuple[type, ...], must: str) -> str:
        found = [name for name, node in self.nodes.items() if isinstance(node, kinds)]
        if len(found) != 1:
            _check.fail("from_nir", "graph", f"one with exactly {must}", f"{len(found)} of them", error=SourceError)
        return found[0]

    def n_in(self) -> int:
        """Return how many channels the input has."""
        node = self.nodes[self.only((self.nir.Input,), "one Input node")]
        return int(np.prod(node.input_type["input"]))

    def into(self, name: str) -> list[str]:
        return [start for start, end in self.edges if end == name]

    def out_of(self, name: str) -> list[str]:
        return [end for start, end in self.edges if start == name]

    def rates(self) -> str | None:
        """Return the `LI` that inputs lead to through one Affine or Linear; `None` where there is none."""
        for name, node in self.nodes.items():
            if isinstance(node, self.nir.LI):
                before = [
                    one for one in self.into(name) if isinstance(self.nodes[one], self.nir.Affine | self.nir.Linear)
                ]
                if any(isinstance(self.nodes[far], self.nir.Input) for one in before for far in self.into(one)):
                    return name
        return None

    def width(self, units: str) -> int:
        """Return the number of units where the node itself does not say, from the weights that lead there."""
        for name in self.into(units):
            if isinstance(self.nodes[name], self.nir.Affine | self.nir.Linear):
                return len(self.nodes[name].weight)
        return int(np.size(self.nodes[units].r))

    def linear(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        node = self.nodes[name]
        if not isinstance(node, self.nir.Affine | self.nir.Linear):
            self.fail(name, "an Affine or a Linear")
        return np.asarray(node.weight, dtype=float), np.asarray(getattr(node, "bias", 0.0), dtype=float)

    def afferent(self, units: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the weights of the inputs, A, and the bias; `None` where inputs are currents."""
        for name in self.into(units):
            node = self.nodes[name]
            if isinstance(node, self.nir.Input):
                return None
            if any(isinstance(self.nodes[one], self.nir.Input) for one in self.into(name)):
                return self.linear(name)
        self.fail(units, "reached from the input by one Affine or Linear")
        return None

    def recurrent(self, units: str, n_units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the charge of each synapse, A s, its delay, s, and the synaptic time constants, s."""
        charge, delay = np.zeros((n_units, n_units)), np.zeros((n_units, n_units))
        tau_syn, target = None, units
        for name in self.into(units):
            if isinstance(self.nodes[name], self.nir.LI):
                if isinstance(self.nodes[units], self.nir.CubaLIF):
                    self.fail(name, "no filter before a CubaLIF, which has its own")
                node, target = self.nodes[name], name
                tau_syn = each(node.tau, n_units)
                if np.any(each(node.v_leak, n_units) != 0):
                    self.fail(name, "a synapse that rests at 0")
                gain = each(node.r, n_units)
        for name in self.into(target):
            starts = self.into(name)
            through = [one for one in starts if isinstance(self.nodes[one], self.nir.Delay)]
            if name == units or not (units in starts or any(units in self.into(one) for one in through)):
                continue
            weight, bias = self.linear(name)
            if np.any(bias != 0):
                self.fail(name, "without a bias")
            there = weight != 0
            if np.any(there & (charge != 0)):
                self.fail(name, "the only way between two units", "One synapse with two delays cannot be read.")
            charge += weight
            for one in through:
                delay[there] = np.broadcast_to(each(self.nodes[one].delay, n_units), weight.shape)[there]
        if tau_syn is not None:
            charge *= gain[:, None]
        return charge, delay, tau_syn

    def readout(self, units: str) -> tuple[np.ndarray, np.ndarray, float | None]:
        """Return readout weights and bias, and the time constant of a leaky readout, s."""
        output = self.only((self.nir.Output,), "one Output node")
        (last,) = self.into(output) or (units,)
        if last == units:
            n_units = self.width(units)
            return np.eye(n_units), np.zeros(n_units), None
        node = self.nodes[last]
        if not isinstance(node, self.nir.LI):
            return *self.linear(last), None
        (before,) = self.into(last)
        weight, bias = self.linear(before)
        taus, gain = each(node.tau, len(weight)), each(node.r, len(weight))
        if not np.allclose(taus, taus[0]):
            self.fail(last, "an LI with one time constant")
        if np.any(bias != 0):
            self.fail(before, "without a bias before an LI")
        return weight * (gain / taus)[:, None], each(node.v_leak, len(weight)), float(taus[0])


def each(values: Any, n: int) -> np.ndarray:
    """Return one value a unit, of arrays as of numbers that stand for all."""
    flat = np.asarray(values, dtype=float).reshape(-1)
    return np.full(n, flat[0]) if flat.size == 1 else flat


def needed(owner: str) -> Any:
    """Return the package nir, or say how to get it."""
    try:
        import nir
    except ImportError as error:
        raise SourceError(
            f"{owner}: needs the package nir, which is not installed. pip install neurornn[nir]"
        ) from error
    return nir


def flattened(nir: Any, graph: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the nodes and edges of a graph without graphs in it: what is inside of `name` is called `name.node`.

    Other programs write a recurrent layer as a graph of its own, with an Input and an Output that are no node here.
    """
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    enters: dict[str, list[str]] = {}
    leaves: dict[str, list[str]] = {}
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.NIRGraph):
            nodes[name], enters[name], leaves[name] = node, [name], [name]
            continue
        inner, between = flattened(nir, node)
        doors = {one for one, kind in inner.items() if isinstance(kind, nir.Input | nir.Output)}
        nodes |= {f"{name}.{one}": kind for one, kind in inner.items() if one not in doors}
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in between if not {a, b} & doors]
        enters[name] = [f"{name}.{b}" for a, b in between if isinstance(inner[a], nir.Input)]
        leaves[name] = [f"{name}.{a}" for a, b in between if isinstance(inner[b], nir.Output)]
    edges += [(out, into) for a, b in graph.edges for out in leaves[a] for into in enters[b]]
    return nodes, edges
