r"""Networks to and from NIR, the intermediate representation of spiking networks, in SI units.

| part of the network | nodes of the graph | unit |
| --- | --- | --- |
| inputs | `Input`, `Affine`: $W_{in}$, bias | A |
| units | `LIF`: tau, r, v_leak, v_threshold, v_reset | s, Ohm, V |
| recurrent weights | `Linear`, one a delay: the charge of a spike | A s |
| delays | `Delay`, before its `Linear` | s |
| synaptic filter | `LI` with $r = 1$: $\tau_s \dot i = -i + W\,\delta$ | s |
| units whose inputs are spikes, too | `CubaLIF` with $w_{in} = 1$, which filters all that arrives | s, Ohm, V |
| readout | `Linear`, `LI` (leaky integrator) or `Affine` (instant), `Output` | |

A network of linear rate units (`LeakyRate` with the nonlinearity "identity") is `Input`, `Affine`, `LI` with $r = 1$
and its recurrent `Linear`, and the readout: $\tau \dot r = -r + W r + W_{in} x + b$, in plain numbers.

Spikes are Dirac pulses there, as everywhere in continuous time, so that no weight depends on a time step. Times are
seconds there and ms here. A time step is no part of NIR: whoever reads a graph says at which one to compute.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurornn import _check
from neurornn.bridge.nir_graph import Walk, each, needed
from neurornn.cell import LIF, AbstractCell, LeakyRate, Reset
from neurornn.errors import SourceError
from neurornn.network import Network
from neurornn.readout import Instant, LeakyIntegrator
from neurornn.wiring import Dense

MILLI, PICO, MEGA = 1e-3, 1e-12, 1e6


def to_nir(network: Network, path: str | Path | None = None) -> Any:
    """Return a network of `LIF` or of linear rate units as a NIR graph, and write it to a file where one is named.

    Needs the package `nir` (`pip install neurornn[nir]`). What NIR has no node for is refused rather than left out:
    soft resets, refractory periods, adaptation, short-term plasticity, encoders and nonlinear rates. Wirings become
    plain weights. Units whose inputs are spikes (`LIF(spike_inputs=True, bias=False)`) become a `CubaLIF`; inputs that
    are currents go past the synapses, and the filter is an `LI` of its own.

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
    nir = needed("to_nir")
    nodes, edges = (_rates if isinstance(network.cell, LeakyRate) else _spiking)(nir, network)
    edges += _readout_nodes(nir, network, nodes)
    graph = nir.NIRGraph(nodes, edges, metadata={"made_by": "neurornn", "units": "SI"})
    if path is not None:
        nir.write(str(path), graph)
    return graph


def _rates(nir: Any, network: Network) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the nodes and edges of linear rate units."""
    cell = network.cell
    assert isinstance(cell, LeakyRate)
    _no_encoder(network)
    if cell.nonlinearity != "identity":
        fix = "NIR's only rate unit is the leaky integrator LI."
        _check.fail("to_nir", "network.cell.nonlinearity", "identity", cell.nonlinearity, fix)
    w_in, w_rec, bias, _ = (one.detach().double().cpu().numpy() for one in cell.weights())
    tau = cell.tau().detach().double().cpu().numpy() * MILLI
    nodes = {
        "input": nir.Input(input_type=np.array([cell.n_in])),
        "afferents": nir.Affine(weight=w_in, bias=bias),
        "units": nir.LI(tau=tau, r=np.ones_like(tau), v_leak=np.zeros_like(tau)),
        "recurrent": nir.Linear(weight=w_rec),
    }
    edges = [("input", "afferents"), ("afferents", "units"), ("units", "recurrent"), ("recurrent", "units")]
    return nodes, edges


def _spiking(nir: Any, network: Network) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the nodes and edges of LIF units."""
    cell = _exportable(network)
    w_in, w_rec, bias, *_ = (one.detach().double().cpu().numpy() for one in cell.weights())
    own = {name: cell.get_submodule(name)().detach().double().cpu().numpy() for name in cell._own}
    membrane = {
        "r": own["resistance"] * MEGA,
        "v_leak": own["v_rest"] * MILLI,
        "v_threshold": own["v_threshold"] * MILLI,
        "v_reset": own["v_reset"] * MILLI,
    }
    nodes: dict[str, Any] = {"input": nir.Input(input_type=np.array([cell.n_in]))}
    edges = [("input", "afferents"), ("afferents", "units")]
    filtered = "tau_syn" in own and not cell.spike_inputs
    if "tau_syn" in own:
        tau = own["tau_syn"] * MILLI
        charge = w_rec * PICO * tau[:, None]
    else:
        charge = w_rec * MILLI * (own["tau"] * MILLI / membrane["r"])[:, None]
    if cell.spike_inputs:
        nodes["afferents"] = nir.Linear(weight=w_in * PICO * tau[:, None])
        nodes["units"] = nir.CubaLIF(tau_syn=tau, tau_mem=own["tau"] * MILLI, **membrane)
    else:
        nodes["afferents"] = nir.Affine(weight=w_in * PICO, bias=bias * PICO)
        nodes["units"] = nir.LIF(tau=own["tau"] * MILLI, **membrane)
    if filtered:
        nodes["synapses"] = nir.LI(tau=tau, r=np.ones_like(tau), v_leak=np.zeros_like(tau))
        edges.append(("synapses", "units"))
    target = "synapses" if filtered else "units"
    steps = np.zeros_like(charge) if cell.delays is None else cell.delays.cpu().numpy()
    for lag in np.unique(steps):
        source, name = "units", f"recurrent_{int(lag)}"
        if lag:
            nodes[f"delay_{int(lag)}"] = nir.Delay(delay=np.full(cell.n_units, lag * cell.dt * MILLI))
            edges.append(("units", f"delay_{int(lag)}"))
            source = f"delay_{int(lag)}"
        nodes[name] = nir.Linear(weight=np.where(steps == lag, charge, 0.0))
        edges += [(source, name), (name, target)]
    return nodes, edges


def from_nir(graph: Any, *, dt: float) -> Network:
    """Return a NIR graph of one recurrent population as a network.

    The graph must be laid out as `to_nir` does it, by whatever names: inputs through an `Affine` or a `Linear` (or
    straight, as injected currents) into a `LIF`; from there, perhaps through `Delay`, a `Linear` and an `LI`, back into
    it; and through a `Linear` or an `Affine`, perhaps an `LI`, to the output. Or with a `CubaLIF` in the place of the
    `LIF` and its `LI`: then inputs are spikes, which its synapses filter. Or with an `LI` there: linear rate units. A
    graph that stands in it as a node, as some programs write a recurrent layer, is taken apart. Numbers that stand for
    all units are spread out over them, and no two units need be alike.

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
    nir = needed("from_nir")
    _check.positive("from_nir", "dt", dt)
    if isinstance(graph, str | Path):
        if not Path(graph).is_file():
            _check.fail("from_nir", "graph", "a graph or the path of a file", str(graph), error=SourceError)
        graph = nir.read(str(graph))
    walk = Walk(nir, graph)
    spiking = any(isinstance(node, nir.LIF | nir.CubaLIF) for node in walk.nodes.values())
    if not spiking and (rates := walk.rates()) is not None:
        return _rate_network(walk, rates, dt)
    units = walk.only((nir.LIF, nir.CubaLIF), "one LIF or CubaLIF node")
    return _read(walk, units, _spiking_units(walk, units, dt))


def _spiking_units(walk: Walk, units: str, dt: float) -> LIF:
    """Return spiking units with their weights."""
    node = walk.nodes[units]
    cuba = isinstance(node, walk.nir.CubaLIF)
    n_units = int(np.size(node.v_threshold)) if np.size(node.v_threshold) > 1 else walk.width(units)
    own = {
        "tau": each(node.tau_mem if cuba else node.tau, n_units) / MILLI,
        "resistance": each(node.r, n_units) / MEGA,
        "v_rest": each(node.v_leak, n_units) / MILLI,
        "v_threshold": each(node.v_threshold, n_units) / MILLI,
        "v_reset": each(node.v_reset, n_units) / MILLI,
    }
    afferent = walk.afferent(units)
    charge, delay, tau_syn = walk.recurrent(units, n_units)
    if cuba:
        tau_syn, gain = each(node.tau_syn, n_units), each(node.w_in, n_units)
        charge = gain[:, None] * charge
        afferent = _pulses(walk, units, afferent, gain / tau_syn)
    wiring = Dense(n_units)
    cell = LIF(
        walk.n_in(),
        n_units,
        wiring=wiring,
        **{name: values.tolist() for name, values in own.items()},
        tau_syn=None if tau_syn is None else (tau_syn / MILLI).tolist(),
        reset=Reset.HARD,
        dt=dt,
        delay=(delay / MILLI).round(9).tolist() if delay.any() else 0.0,
        bias=not cuba,
        inject=afferent is None,
        spike_inputs=cuba,
    )
    capacity = MILLI * own["tau"] / (MEGA * own["resistance"]) if tau_syn is None else tau_syn
    with torch.no_grad():
        physical = charge / capacity[:, None] / (MILLI if tau_syn is None else PICO)
        wiring.weight.copy_(torch.as_tensor(physical) / cell.unit_rec.double()[:, None])
        if afferent is not None:
            weight, bias = afferent
            unit = (cell.unit_rec if cuba else cell.unit_in).double()
            cell.w_in.copy_(torch.as_tensor(weight / PICO) / unit[:, None])
            if cell.bias is not None:
                cell.bias.copy_(torch.as_tensor(each(bias, n_units) / PICO) / unit)
    return cell


def _pulses(
    walk: Walk, units: str, afferent: tuple[np.ndarray, np.ndarray] | None, gain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much a spike of each input moves the synaptic current, A, and a bias of 0."""
    weight, bias = (np.eye(len(gain)), np.zeros(1)) if afferent is None else afferent
    if np.any(bias != 0):
        fix = "A constant that goes through a synapse begins at 0: take a Linear, and add r w_in times it to v_leak."
        walk.fail(units, "reached without a bias, as it filters what comes", fix)
    return gain[:, None] * weight, np.zeros(1)


def _rate_network(walk: Walk, units: str, dt: float) -> Network:
    """Return linear rate units as a network."""
    node, n_units = walk.nodes[units], walk.width(units)
    afferent = walk.afferent(units)
    assert afferent is not None
    weights, delay, filtered = walk.recurrent(units, n_units)
    if delay.any() or filtered is not None:
        walk.fail(units, "without a delay or a filter on its way back to itself")
    gain, wiring = each(node.r, n_units), Dense(n_units)
    tau = (each(node.tau, n_units) / MILLI).tolist()
    cell = LeakyRate(walk.n_in(), n_units, tau=tau, nonlinearity="identity", wiring=wiring, dt=dt)
    wiring.fill(torch.as_tensor(gain[:, None] * weights))
    weight, bias = afferent
    with torch.no_grad():
        assert cell.bias is not None
        cell.w_in.copy_(torch.as_tensor(gain[:, None] * weight))
        cell.bias.copy_(torch.as_tensor(gain * each(bias, n_units) + each(node.v_leak, n_units)))
    return _read(walk, units, cell)


def _read(walk: Walk, units: str, cell: AbstractCell) -> Network:
    """Return the network of a cell and of what reads it in the graph."""
    weight, bias, tau = walk.readout(units)
    readout = Instant() if tau is None else LeakyIntegrator(tau / MILLI)
    network = Network(cell, len(weight), readout=readout)
    with torch.no_grad():
        network.readout.copy_(torch.as_tensor(weight))
        assert network.readout_bias is not None
        network.readout_bias.copy_(torch.as_tensor(each(bias, len(weight))))
    return network


def _exportable(network: Network) -> LIF:
    cell = network.cell
    if not isinstance(cell, LIF):
        fix = "NIR has no adaptation, upstroke or gate."
        _check.fail("to_nir", "network.cell", "of LIF or of linear rate units", type(cell).__name__, fix)
    if cell.reset is not Reset.HARD:
        fix = "NIR knows hard resets alone: train with reset='hard'."
        _check.fail("to_nir", "network.cell.reset", "hard", cell.reset.value, fix)
    for name, there in (("refractory", cell.refractory_steps > 0), ("short_term", cell.short_term is not None)):
        if there:
            _check.fail("to_nir", f"network.cell.{name}", "absent", cell.settings[name], "NIR has no node for it.")
    if cell.spike_inputs and bool((cell.weights()[2] != 0).any()):
        fix = "A CubaLIF filters whatever comes: train with bias=False."
        _check.fail("to_nir", "network.cell.bias", "0 where inputs are spikes", cell.settings["bias"], fix)
    _no_encoder(network)
    return cell


def _no_encoder(network: Network) -> None:
    """Refuse what is before and after the units where NIR has no node for it."""
    if network.n_start:
        _check.fail("to_nir", "network.n_start", "0", network.n_start, "NIR has no node for an encoder.")
    if not isinstance(network.reading, Instant | LeakyIntegrator):
        fix = "Take LeakyIntegrator() or Instant()."
        _check.fail("to_nir", "network.readout", "one that NIR has a node for", type(network.reading).__name__, fix)


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
