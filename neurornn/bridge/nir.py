r"""Networks to and from NIR, the intermediate representation of spiking networks, in SI units.

| part of the network | nodes of the graph | unit |
| --- | --- | --- |
| inputs | `Input`, `Affine`: $W_{in}$, bias | A |
| units | `LIF`: tau, r, v_leak, v_threshold, v_reset | s, Ohm, V |
| recurrent weights | `Linear`, one a delay: the charge of a spike | A s |
| delays | `Delay`, before its `Linear` | s |
| synaptic filter | `LI` with $r = 1$: $\tau_s \dot i = -i + W\,\delta$ | s |
| readout | `Linear`, `LI` (leaky integrator) or `Affine` (instant), `Output` | |

Spikes are Dirac pulses there, as everywhere in continuous time, so that no weight depends on a time step. Times are
seconds there and ms here. A time step is no part of NIR: whoever reads a graph says at which one to compute.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurornn import _check
from neurornn.cell import LIF, Reset
from neurornn.errors import SourceError
from neurornn.network import Network
from neurornn.readout import Instant, LeakyIntegrator

MILLI, PICO, MEGA = 1e-3, 1e-12, 1e6


def to_nir(network: Network, path: str | Path | None = None) -> Any:
    """Return a network of `LIF` units as a NIR graph, and write it to a file where one is named.

    Needs the package `nir` (`pip install neurornn[nir]`). What NIR has no node for is refused rather than left out:
    soft resets, refractory periods, adaptation, short-term plasticity and encoders. Wirings become plain weights.

    Args:
        network: the network, with a hard reset.
        path: the file to write (HDF5); none where absent.

    Returns:
        A `nir.NIRGraph`.

    Raises:
        ValueError: if NIR cannot hold a part of the network; the message names it.

    Example:
        >>> from neurornn import LIF, Network
        >>> from neurornn.bridge import to_nir
        >>> graph = to_nir(Network(LIF(2, 5, tau=20.0, reset="hard"), n_out=1))
        >>> graph.nodes["units"].tau.tolist()
        [0.02, 0.02, 0.02, 0.02, 0.02]

    References:
        Pedersen et al. (2024), doi:10.1038/s41467-024-52259-9.
    """
    nir = _nir("to_nir")
    cell = _exportable(network)
    w_in, w_rec, bias, *_ = (one.detach().double().cpu().numpy() for one in cell.weights())
    own = {name: getattr(cell, name)().detach().double().cpu().numpy() for name in cell._own}
    nodes: dict[str, Any] = {
        "input": nir.Input(input_type=np.array([cell.n_in])),
        "afferents": nir.Affine(weight=w_in * PICO, bias=bias * PICO),
        "units": nir.LIF(
            tau=own["tau"] * MILLI,
            r=own["resistance"] * MEGA,
            v_leak=own["v_rest"] * MILLI,
            v_threshold=own["v_threshold"] * MILLI,
            v_reset=own["v_reset"] * MILLI,
        ),
    }
    edges = [("input", "afferents"), ("afferents", "units")]
    if "tau_syn" in own:
        charge = w_rec * PICO * own["tau_syn"][:, None] * MILLI
        tau = own["tau_syn"] * MILLI
        nodes["synapses"] = nir.LI(tau=tau, r=np.ones_like(tau), v_leak=np.zeros_like(tau))
        edges.append(("synapses", "units"))
    else:
        charge = w_rec * MILLI * (own["tau"] * MILLI / (own["resistance"] * MEGA))[:, None]
    target = "synapses" if "tau_syn" in own else "units"
    steps = np.zeros_like(charge) if cell.delays is None else cell.delays.cpu().numpy()
    for lag in np.unique(steps):
        source, name = "units", f"recurrent_{int(lag)}"
        if lag:
            nodes[f"delay_{int(lag)}"] = nir.Delay(delay=np.full(cell.n_units, lag * cell.dt * MILLI))
            edges.append(("units", f"delay_{int(lag)}"))
            source = f"delay_{int(lag)}"
        nodes[name] = nir.Linear(weight=np.where(steps == lag, charge, 0.0))
        edges += [(source, name), (name, target)]
    edges += _readout_nodes(nir, network, nodes)
    graph = nir.NIRGraph(nodes, edges, metadata={"made_by": "neurornn", "units": "SI"})
    if path is not None:
        nir.write(str(path), graph)
    return graph


def from_nir(graph: Any, *, dt: float) -> Network:
    """Return a NIR graph of one recurrent population as a network.

    The graph must be laid out as `to_nir` does it, by whatever names: inputs through an `Affine` or a `Linear` (or
    straight, as injected currents) into a `LIF`; from there, perhaps through `Delay`, a `Linear` and an `LI`, back into
    it; and through a `Linear` or an `Affine`, perhaps an `LI`, to the output. Numbers that stand for all units are
    spread out over them, and no two units need be alike.

    Args:
        graph: a `nir.NIRGraph`, or the path of a file.
        dt: time step to compute at, ms: a graph has none.

    Raises:
        SourceError: if the graph holds something else; the message names the node.
        ValueError: if a time constant is far below `dt` (some exporters write them a thousand times too small).

    Example:
        >>> from neurornn import LIF, Gamma, Network
        >>> from neurornn.bridge import from_nir, to_nir
        >>> network = Network(LIF(2, 5, tau=Gamma(20.0, 0.5, least=1.0), reset="hard"), n_out=1)
        >>> again = from_nir(to_nir(network), dt=0.5)
        >>> bool((again.cell.tau() - network.cell.tau()).abs().max() < 1e-4)
        True
    """
    nir = _nir("from_nir")
    _check.positive("from_nir", "dt", dt)
    if isinstance(graph, str | Path):
        if not Path(graph).is_file():
            _check.fail("from_nir", "graph", "a graph or the path of a file", str(graph), error=SourceError)
        graph = nir.read(str(graph))
    walk = _Walk(nir, graph)
    units = walk.only((nir.LIF,), "one LIF node")
    node = graph.nodes[units]
    n_units = int(np.size(node.v_threshold)) if np.size(node.v_threshold) > 1 else walk.width(units)
    own = {
        "tau": _each(node.tau, n_units) / MILLI,
        "resistance": _each(node.r, n_units) / MEGA,
        "v_rest": _each(node.v_leak, n_units) / MILLI,
        "v_threshold": _each(node.v_threshold, n_units) / MILLI,
        "v_reset": _each(node.v_reset, n_units) / MILLI,
    }
    afferent = walk.afferent(units)
    charge, delay, tau_syn = walk.recurrent(units, n_units)
    n_in = int(np.prod(next(iter(graph.inputs.values())).input_type["input"]))
    cell = LIF(
        n_in,
        n_units,
        **{name: values.tolist() for name, values in own.items()},
        tau_syn=None if tau_syn is None else (tau_syn / MILLI).tolist(),
        reset=Reset.HARD,
        dt=dt,
        delay=(delay / MILLI).round(9).tolist() if delay.any() else 0.0,
        inject=afferent is None,
    )
    capacity = MILLI * own["tau"] / (MEGA * own["resistance"]) if tau_syn is None else tau_syn
    with torch.no_grad():
        physical = charge / capacity[:, None] / (MILLI if tau_syn is None else PICO)
        cell.wiring.weight.copy_(torch.as_tensor(physical) / cell.unit_rec.double()[:, None])
        if afferent is not None:
            weight, bias = afferent
            assert cell.bias is not None
            cell.w_in.copy_(torch.as_tensor(weight / PICO) / cell.unit_in.double()[:, None])
            cell.bias.copy_(torch.as_tensor(_each(bias, n_units) / PICO) / cell.unit_in.double())
    weight, bias, tau = walk.readout(units)
    readout = Instant() if tau is None else LeakyIntegrator(tau / MILLI)
    network = Network(cell, len(weight), readout=readout)
    with torch.no_grad():
        network.readout.copy_(torch.as_tensor(weight))
        assert network.readout_bias is not None
        network.readout_bias.copy_(torch.as_tensor(_each(bias, len(weight))))
    return network


def _exportable(network: Network) -> LIF:
    cell = network.cell
    if not isinstance(cell, LIF):
        fix = "NIR has no adaptation, upstroke or rate unit."
        _check.fail("to_nir", "network.cell", "of LIF units", type(cell).__name__, fix)
    if cell.reset is not Reset.HARD:
        fix = "NIR knows hard resets alone: train with reset='hard'."
        _check.fail("to_nir", "network.cell.reset", "hard", cell.reset.value, fix)
    for name, there in (("refractory", cell.refractory_steps > 0), ("short_term", cell.short_term is not None)):
        if there:
            _check.fail("to_nir", f"network.cell.{name}", "absent", cell.settings[name], "NIR has no node for it.")
    if network.n_start:
        _check.fail("to_nir", "network.n_start", "0", network.n_start, "NIR has no node for an encoder.")
    if not isinstance(network.reading, Instant | LeakyIntegrator):
        fix = "Take LeakyIntegrator() or Instant()."
        _check.fail("to_nir", "network.readout", "one that NIR has a node for", type(network.reading).__name__, fix)
    return cell


def _readout_nodes(nir: Any, network: Network, nodes: dict[str, Any]) -> list[tuple[str, str]]:
    """Add the readout to the nodes and return its edges."""
    weight = network.readout.detach().double().cpu().numpy()
    bias = np.zeros(len(weight))
    if network.readout_bias is not None:
        bias = network.readout_bias.detach().double().cpu().numpy()
    nodes["output"] = nir.Output(output_type=np.array([len(weight)]))
    if isinstance(network.reading, LeakyIntegrator):
        tau = np.full(len(weight), network.reading.tau * MILLI)
        nodes["readout"] = nir.Linear(weight=weight)
        # A pulse moves an LI by r/tau times its weight; ours by its weight. It rests at, and starts from, the bias.
        nodes["integrator"] = nir.LI(tau=tau, r=tau, v_leak=bias)
        return [("units", "readout"), ("readout", "integrator"), ("integrator", "output")]
    nodes["readout"] = nir.Affine(weight=weight, bias=bias)
    return [("units", "readout"), ("readout", "output")]


class _Walk:
    """A graph, asked what leads where."""

    def __init__(self, nir: Any, graph: Any) -> None:
        self.nir = nir
        self.nodes = graph.nodes
        self.edges = list(graph.edges)
        known = (nir.Input, nir.Output, nir.Affine, nir.Linear, nir.LIF, nir.LI, nir.Delay)
        for name, node in self.nodes.items():
            if not isinstance(node, known):
                fix = (
                    "A CubaLIF filters its inputs, too: write it as LI and LIF."
                    if "Cuba" in type(node).__name__
                    else ""
                )
                self._fail(name, f"one of {', '.join(kind.__name__ for kind in known)}", fix)

    def _fail(self, name: str, must: str, fix: str = "") -> Any:
        got = type(self.nodes[name]).__name__ if name in self.nodes else name
        _check.fail("from_nir", f"graph.nodes[{name!r}]", must, got, fix, error=SourceError)

    def only(self, kinds: tuple[type, ...], must: str) -> str:
        found = [name for name, node in self.nodes.items() if isinstance(node, kinds)]
        if len(found) != 1:
            _check.fail("from_nir", "graph", f"one with exactly {must}", f"{len(found)} of them", error=SourceError)
        return found[0]

    def into(self, name: str) -> list[str]:
        return [start for start, end in self.edges if end == name]

    def out_of(self, name: str) -> list[str]:
        return [end for start, end in self.edges if start == name]

    def width(self, units: str) -> int:
        """Return the number of units where the node itself does not say, from the weights that lead there."""
        for name in self.into(units):
            if isinstance(self.nodes[name], self.nir.Affine | self.nir.Linear):
                return len(self.nodes[name].weight)
        return int(np.size(self.nodes[units].v_threshold))

    def linear(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        node = self.nodes[name]
        if not isinstance(node, self.nir.Affine | self.nir.Linear):
            self._fail(name, "an Affine or a Linear")
        return np.asarray(node.weight, dtype=float), np.asarray(getattr(node, "bias", 0.0), dtype=float)

    def afferent(self, units: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the weights of the inputs, A, and the bias; `None` where inputs are currents."""
        for name in self.into(units):
            node = self.nodes[name]
            if isinstance(node, self.nir.Input):
                return None
            if any(isinstance(self.nodes[one], self.nir.Input) for one in self.into(name)):
                return self.linear(name)
        self._fail(units, "reached from the input by one Affine or Linear")
        return None

    def recurrent(self, units: str, n_units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the charge of each synapse, A s, its delay, s, and the synaptic time constants, s."""
        charge, delay = np.zeros((n_units, n_units)), np.zeros((n_units, n_units))
        tau_syn, target = None, units
        for name in self.into(units):
            if isinstance(self.nodes[name], self.nir.LI):
                node, target = self.nodes[name], name
                tau_syn = _each(node.tau, n_units)
                if np.any(_each(node.v_leak, n_units) != 0):
                    self._fail(name, "a synapse that rests at 0")
                gain = _each(node.r, n_units)
        for name in self.into(target):
            starts = self.into(name)
            through = [one for one in starts if isinstance(self.nodes[one], self.nir.Delay)]
            if name == units or not (units in starts or any(units in self.into(one) for one in through)):
                continue
            weight, bias = self.linear(name)
            if np.any(bias != 0):
                self._fail(name, "without a bias")
            there = weight != 0
            if np.any(there & (charge != 0)):
                self._fail(name, "the only way between two units", "One synapse with two delays cannot be read.")
            charge += weight
            for one in through:
                delay[there] = np.broadcast_to(_each(self.nodes[one].delay, n_units), weight.shape)[there]
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
        taus, gain = _each(node.tau, len(weight)), _each(node.r, len(weight))
        if not np.allclose(taus, taus[0]):
            self._fail(last, "an LI with one time constant")
        if np.any(bias != 0):
            self._fail(before, "without a bias before an LI")
        return weight * (gain / taus)[:, None], _each(node.v_leak, len(weight)), float(taus[0])


def _each(values: Any, n: int) -> np.ndarray:
    """Return one value a unit, of arrays as of numbers that stand for all."""
    flat = np.asarray(values, dtype=float).reshape(-1)
    return np.full(n, flat[0]) if flat.size == 1 else flat


def _nir(owner: str) -> Any:
    try:
        import nir
    except ImportError as error:
        raise SourceError(
            f"{owner}: needs the package nir, which is not installed. pip install neurornn[nir]"
        ) from error
    return nir
