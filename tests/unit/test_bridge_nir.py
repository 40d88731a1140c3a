"""NIR: physical units, no time step of its own, and units that differ from each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neurornn import (
    LIF,
    AdaptiveLIF,
    Dale,
    Dense,
    Gamma,
    Instant,
    LeakyIntegrator,
    LeakyRate,
    LogNormal,
    Network,
    ShortTerm,
    SpikeCount,
    Uniform,
    generator,
)
from neurornn.bridge import from_nir, to_nir

nir = pytest.importorskip("nir")


def network(**settings: Any) -> Network:
    cell = LIF(
        2,
        12,
        **{
            "tau": Gamma(20.0, 0.5, least=2.0),
            "tau_syn": LogNormal(6.0, 0.4, least=1.0),
            "resistance": 80.0,
            "v_rest": -70.0,
            "v_reset": -66.0,
            "reset": "hard",
            "bias": Uniform(0.0, 100.0),
            "seed": 4,
            **settings,
        },
    )
    return Network(cell, 3, readout=LeakyIntegrator(25.0), seed=2)


def spikes(one: Network, seconds: float = 0.3) -> torch.Tensor:
    n_steps = round(1000 * seconds / one.dt)
    x = 2 * torch.randn(3, 1, 2, generator=generator(1)).expand(3, n_steps, 2)
    return one.double()(x.double()).activity


def test_times_are_seconds_and_everything_else_si() -> None:
    one = network(tau=20.0, tau_syn=5.0)
    graph = to_nir(one)
    units = graph.nodes["units"]
    np.testing.assert_allclose(units.tau, 0.020)  # not 1e-5, a thousand times too small and more
    np.testing.assert_allclose(units.r, 80e6)
    np.testing.assert_allclose(units.v_threshold, -50e-3)
    np.testing.assert_allclose(units.v_leak, -70e-3, rtol=1e-6)
    np.testing.assert_allclose(graph.nodes["synapses"].tau, 0.005)
    w_in, w_rec, _, *_ = (w.detach().numpy() for w in one.cell.weights())
    np.testing.assert_allclose(graph.nodes["afferents"].weight, w_in * 1e-12, rtol=1e-6)
    # The charge of a spike moves the potential by its weight: w Theta, with C = tau / R.
    capacitance = 0.020 / 80e6
    moved = graph.nodes["recurrent_0"].weight / capacitance
    np.testing.assert_allclose(moved, one.cell.wiring().detach().numpy() * 20e-3, rtol=1e-5)
    np.testing.assert_allclose(w_rec * 1e-12 * 0.005 / capacitance, moved, rtol=1e-5)


SETTINGS: dict[str, dict[str, Any]] = {
    "filtered": {},
    "bare": {"tau_syn": None},
    "delayed": {"delay": [[float((i + j) % 3) for j in range(12)] for i in range(12)]},
    "dale": {"wiring": Dale(Dense(12, seed=3)), "delay": {"excitatory": 2.0, "inhibitory": 1.0}},
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_what_goes_out_comes_back_spike_for_spike(kind: str, tmp_path: Path) -> None:
    one = network(**SETTINGS[kind])
    to_nir(one, tmp_path / "net.nir")
    again = from_nir(tmp_path / "net.nir", dt=one.dt)
    for name in one.cell._own:
        torch.testing.assert_close(getattr(again.cell, name)(), getattr(one.cell, name)(), rtol=1e-5, atol=1e-5)
    for mine, other in zip(one.cell.weights(), again.cell.weights(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-4)
    fired = spikes(one)
    assert 10 < int(fired.sum())
    assert torch.equal(fired, spikes(again))
    x = torch.ones(2, 50, 2)
    torch.testing.assert_close(one.float()(x).outputs, again.float()(x).outputs, rtol=1e-4, atol=1e-5)


def cuba(**settings: Any) -> Network:
    return network(**{"spike_inputs": True, "bias": False, **settings})


def spikes_in(one: Network, seconds: float = 0.3) -> torch.Tensor:
    x = (torch.rand(3, round(1000 * seconds / one.dt), 2, generator=generator(1)) < 0.08 * one.dt).double()
    return one.double()(12 * x).activity


@pytest.mark.parametrize("delay", [0.0, 2.0])
def test_units_with_spikes_for_inputs_are_cuba_lif_and_come_back(delay: float, tmp_path: Path) -> None:
    one = cuba(delay=delay)
    graph = to_nir(one, tmp_path / "cuba.nir")
    units = graph.nodes["units"]
    assert isinstance(units, nir.CubaLIF) and "synapses" not in graph.nodes
    np.testing.assert_allclose(units.tau_syn, one.cell.tau_syn().numpy() * 1e-3, rtol=1e-6)
    np.testing.assert_allclose(units.tau_mem, one.cell.tau().numpy() * 1e-3, rtol=1e-6)
    again = from_nir(tmp_path / "cuba.nir", dt=one.dt)
    assert again.cell.spike_inputs and again.cell.bias is None
    for mine, other in zip(one.cell.weights(), again.cell.weights(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-4)
    fired = spikes_in(one)
    assert 10 < int(fired.sum())
    assert torch.equal(fired, spikes_in(again))


def cuba_graph(tau_syn: np.ndarray, tau_mem: np.ndarray, w_in: float, **afferents: Any) -> Any:
    """Two uncoupled units, 1 GOhm, 15 mV to threshold, each with a spike train of its own."""
    two = np.ones(2)
    node = nir.CubaLIF(tau_syn, tau_mem, 1e9 * two, -0.07 * two, -0.055 * two, -0.07 * two, w_in)
    weight = afferents.pop("weight", 9e-14 * np.eye(2))
    between = nir.Affine(weight, **afferents) if afferents else nir.Linear(weight)
    nodes = {"i": nir.Input(np.array([2])), "w": between, "u": node, "o": nir.Output(np.array([2]))}
    return nir.NIRGraph(nodes, [("i", "w"), ("w", "u"), ("u", "o")])


@pytest.mark.parametrize("w_in", [1.0, 0.5])
def test_cuba_lif_follows_its_equation_whatever_the_time_step(w_in: float) -> None:
    """tau_syn I' = -I + w_in S and tau_mem v' = v_leak - v + r I, in SI units and tiny Euler steps, by hand."""
    tau_syn, tau_mem, pulses = np.array([0.004, 0.010]), np.array([0.020, 0.045]), np.arange(5, 200, 4)  # ms
    graph = cuba_graph(tau_syn, tau_mem, w_in, weight=9e-14 / w_in * np.eye(2))
    h, current, v = 5e-6, np.zeros(2), np.full(2, -0.07)
    fired: list[list[float]] = [[], []]
    for k in range(40_000):
        if k % 200 == 0 and k // 200 in pulses:
            current = current + w_in * 9e-14 / w_in / tau_syn
        v = v + h * (-0.07 - v + 1e9 * current) / tau_mem
        current = current - h * current / tau_syn
        for unit in np.flatnonzero(v > -0.055):
            fired[unit].append(k * h * 1000)
            v[unit] = -0.07
    assert min(map(len, fired)) >= 3
    for dt in (1.0, 0.125):
        x = torch.zeros(1, round(200 / dt), 2)
        x[0, np.rint(pulses / dt).astype(int)] = 1.0
        one = from_nir(graph, dt=dt)
        sent = one.double()(x.double()).activity[0].detach().numpy()
        for unit, train in enumerate(fired):
            ours = np.flatnonzero(sent[:, unit]) * dt
            # A spike waits for the end of its step, and every reset hands its delay on to the next.
            assert len(ours) == len(train)
            assert np.all(np.abs(ours - train) <= 2 * dt * np.arange(1, len(train) + 1))


def test_defects_of_other_exporters_are_caught_in_cuba_lif_too() -> None:
    """A thousand times too short, which others write; and a bias, which a filter would delay."""
    short = cuba_graph(np.array([4e-6, 4e-6]), np.array([0.02, 0.03]), 1.0)
    with pytest.raises(ValueError, match=r"LIF: `tau_syn` must be at least half of `dt`, 0.5 ms, everywhere"):
        from_nir(short, dt=1.0)
    unequal = from_nir(cuba_graph(np.array([0.004, 0.010]), np.array([0.02, 0.03]), 1.0), dt=1.0)
    assert unequal.cell.tau().tolist() == [20.0, 30.0] and unequal.cell.tau_syn().tolist() == [4.0, 10.0]
    biased = cuba_graph(np.full(2, 0.004), np.full(2, 0.02), 1.0, bias=np.ones(2))
    with pytest.raises(Exception, match=r"from_nir: `graph.nodes\['u'\]` must be reached without a bias"):
        from_nir(biased, dt=1.0)
    graph = to_nir(network(tau=20.0))
    graph.nodes["units"] = to_nir(cuba(tau=20.0)).nodes["units"]
    with pytest.raises(Exception, match=r"from_nir: `graph.nodes\['synapses'\]` must be no filter before a CubaLIF"):
        from_nir(graph, dt=1.0)


def test_unequal_time_constants_come_back() -> None:
    one = network()
    assert float(one.cell.tau().std()) > 1
    torch.testing.assert_close(from_nir(to_nir(one), dt=1.0).cell.tau(), one.cell.tau(), rtol=1e-5, atol=0)


def test_the_reader_chooses_the_time_step() -> None:
    graph = to_nir(network(dt=1.0, wiring=Dense(12, gain=0.0)))
    coarse, fine = (from_nir(graph, dt=dt) for dt in (1.0, 0.125))
    assert (coarse.dt, fine.dt) == (1.0, 0.125)
    rates = [float(spikes(one, 1.0).detach().sum((0, 1)).mean()) for one in (coarse, fine)]
    assert rates[0] > 1
    assert rates[0] == pytest.approx(rates[1], rel=0.2)
    cell = [LIF(1, 1, inject=True, reset="hard", dt=dt).double() for dt in (1.0, 0.125)]
    graphs = [to_nir(Network(one, 1)) for one in cell]
    np.testing.assert_array_equal(graphs[0].nodes["units"].tau, graphs[1].nodes["units"].tau)


def test_single_numbers_stand_for_all_units() -> None:
    graph = to_nir(network(tau=20.0))
    for name in ("tau", "r", "v_leak", "v_reset", "v_threshold"):
        setattr(graph.nodes["units"], name, np.asarray(getattr(graph.nodes["units"], name)[0]))
    again = from_nir(graph, dt=1.0)
    assert again.n_units == 12
    torch.testing.assert_close(again.cell.tau(), torch.full((12,), 20.0))


def test_an_instant_readout_and_injected_currents() -> None:
    one = Network(LIF(1, 4, reset="hard", inject=True), 2, readout=Instant(), seed=5)
    graph = to_nir(one)
    again = from_nir(graph, dt=1.0)
    torch.testing.assert_close(again.readout, one.readout)
    bare = nir.NIRGraph(
        {"i": nir.Input(np.array([4])), "u": graph.nodes["units"], "o": nir.Output(np.array([4]))},
        [("i", "u"), ("u", "o")],
    )
    plain = from_nir(bare, dt=1.0)
    assert plain.cell.injected and plain.n_out == 4
    torch.testing.assert_close(plain.readout.detach(), torch.eye(4))


def linear(readout: Any) -> Network:
    cell = LeakyRate(2, 5, tau=Gamma(100.0, 0.4, least=30.0), nonlinearity="identity", bias=Uniform(-1.0, 1.0), seed=3)
    return Network(cell, 3, readout=readout, seed=2)


@pytest.mark.parametrize("readout", [Instant(), LeakyIntegrator(60.0)])
def test_linear_rate_units_go_out_and_come_back(readout: Any, tmp_path: Path) -> None:
    one = linear(readout)
    to_nir(one, tmp_path / "rates.nir")
    again = from_nir(tmp_path / "rates.nir", dt=one.dt)
    assert isinstance(again.cell, LeakyRate)
    torch.testing.assert_close(again.cell.tau(), one.cell.tau(), rtol=1e-5, atol=0)
    x = torch.randn(2, 30, 2, generator=generator(1))
    torch.testing.assert_close(again(x).outputs, one(x).outputs, rtol=1e-4, atol=1e-5)


def test_the_rates_of_a_graph_follow_its_equation() -> None:
    """One unit, r = 2, v_leak = 0.5, recurrent weight 0.2: tau v' = 0.5 - v + 2 (0.2 v + 3 x), solved by hand."""
    one, none = np.ones(1), np.zeros((1, 1))
    graph = nir.NIRGraph(
        {
            "i": nir.Input(np.array([1])),
            "w": nir.Linear(weight=none + 3.0),
            "u": nir.LI(tau=0.1 * one, r=2 * one, v_leak=0.5 * one),
            "back": nir.Linear(weight=none + 0.2),
            "o": nir.Output(np.array([1])),
        },
        [("i", "w"), ("w", "u"), ("u", "back"), ("back", "u"), ("u", "o")],
    )
    outputs = from_nir(graph, dt=0.1)(torch.ones(1, 2000, 1)).outputs
    steady, rate = 6.5 / 0.6, 0.6 / 100.0  # per ms
    expected = steady * (1 - np.exp(-rate * 0.1 * np.arange(1, 2001)))
    np.testing.assert_allclose(outputs[0, :, 0].detach(), expected, rtol=2e-3, atol=1e-3)


def test_a_layer_that_is_a_graph_of_its_own_is_taken_apart() -> None:
    one = network(tau=20.0, tau_syn=None)
    graph = to_nir(one)
    layer = nir.NIRGraph(
        {"in": nir.Input(np.array([12])), "out": nir.Output(np.array([12]))}
        | {name: graph.nodes[name] for name in ("units", "recurrent_0")},
        [("in", "units"), ("units", "recurrent_0"), ("recurrent_0", "units"), ("units", "out")],
    )
    rest = {name: node for name, node in graph.nodes.items() if name not in layer.nodes}
    edges = [("input", "afferents"), ("afferents", "layer"), ("layer", "readout")]
    nested = nir.NIRGraph(
        {**rest, "layer": layer}, [*edges, ("readout", "integrator"), ("integrator", "output")], type_check=False
    )
    assert torch.equal(spikes(from_nir(nested, dt=1.0)), spikes(from_nir(graph, dt=1.0)))


OUT: list[tuple[Callable[[], Network], str]] = [
    (
        lambda: Network(AdaptiveLIF(1, 3), 1),
        r"to_nir: `network.cell` must be of LIF or of linear rate units; got 'AdaptiveLIF'",
    ),
    (
        lambda: Network(LIF(1, 3), 1),
        r"to_nir: `network.cell.reset` must be hard; got 'soft'. NIR knows hard",
    ),
    (lambda: Network(LeakyRate(1, 3), 1), r"to_nir: `network.cell.nonlinearity` must be identity; got 'relu'"),
    (lambda: cuba(bias=Uniform(5.0, 9.0)), r"to_nir: `network.cell.bias` must be 0 where inputs are spikes"),
    (lambda: network(refractory=2.0), r"to_nir: `network.cell.refractory` must be absent; got 2.0"),
    (lambda: network(short_term=ShortTerm(0.5, 100.0)), r"to_nir: `network.cell.short_term` must be absent"),
    (lambda: Network(LIF(1, 3, reset="hard"), 1, n_start=2), r"to_nir: `network.n_start` must be 0; got 2"),
    (
        lambda: Network(LIF(1, 3, reset="hard"), 1, readout=SpikeCount()),
        r"to_nir: `network.readout` must be one that",
    ),
]


@pytest.mark.parametrize(("build", "message"), OUT)
def test_what_nir_cannot_hold_is_refused(build: Callable[[], Network], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_nir(build())


def changed(**nodes: Any) -> Any:
    graph = to_nir(network(tau=20.0))
    graph.nodes.update(nodes)
    return graph


def broken(how: str) -> Any:
    graph, twelve = changed(), np.ones(12)
    if how == "filtered rates":
        graph = to_nir(linear(LeakyIntegrator(25.0)))
        graph.nodes["delay"] = nir.Delay(delay=np.full(5, 0.02))
        graph.edges.remove(("units", "recurrent"))
        graph.edges += [("units", "delay"), ("delay", "recurrent")]
    if how == "tau":
        graph.nodes["units"].tau = graph.nodes["units"].tau / 1000
    elif how == "kind":
        graph.nodes["integrator"] = nir.CubaLI(tau_syn=twelve[:3], tau_mem=twelve[:3], r=twelve[:3], v_leak=twelve[:3])
    elif how in INSTEAD:
        others = {"IF": {"r": twelve, "v_threshold": twelve}, "I": {"r": twelve}, "Scale": {"scale": twelve}}
        others |= {"Threshold": {"threshold": twelve}}
        graph.nodes["units"] = getattr(nir, how)(**others[how])
    elif how == "two":
        graph.nodes["more"] = graph.nodes["units"]
    elif how == "afferents":
        graph.nodes["afferents"] = nir.LI(tau=twelve, r=twelve, v_leak=0 * twelve)
    elif how == "leak":
        graph.nodes["synapses"].v_leak = twelve
    elif how == "bias":
        graph.nodes["recurrent_0"] = nir.Affine(weight=np.ones((12, 12)), bias=twelve)
    elif how == "twice":
        graph.nodes["again"] = graph.nodes["recurrent_0"]
        graph.edges += [("units", "again"), ("again", "synapses")]
    elif how == "taus":
        graph.nodes["integrator"].tau = np.array([0.01, 0.02, 0.03])
    elif how == "readout":
        graph.nodes["readout"] = nir.Affine(weight=np.ones((3, 12)), bias=np.ones(3))
    elif how == "cut":
        graph.edges.remove(("input", "afferents"))
    return graph


INSTEAD = ("IF", "I", "Threshold", "Scale")
IN = {
    "IF": r"must be one of Input, .*; got 'IF'. Units here leak: take a LIF with a tau many times the length",
    "I": r"must be one of Input, .*; got 'I'. Units here leak: take an LI",
    "Threshold": r"must be one of Input, .*; got 'Threshold'. A unit that fires is a LIF",
    "Scale": r"must be one of Input, .*; got 'Scale'. Multiply it into the weights",
    "filtered rates": r"from_nir: `graph.nodes\['units'\]` must be without a delay or a filter on its way",
    "tau": r"LIF: `tau` must be at least half of `dt`, 0.5 ms, everywhere; got '0.02 ms'",
    "kind": r"from_nir: `graph.nodes\['integrator'\]` must be one of .*; got 'CubaLI'. Write it as two LI, one after",
    "two": r"from_nir: `graph` must be one with exactly one LIF or CubaLIF node; got '2 of them'",
    "afferents": r"from_nir: `graph.nodes\['afferents'\]` must be an Affine or a Linear; got 'LI'",
    "leak": r"from_nir: `graph.nodes\['synapses'\]` must be a synapse that rests at 0",
    "bias": r"from_nir: `graph.nodes\['recurrent_0'\]` must be without a bias",
    "twice": r"from_nir: `graph.nodes\['again'\]` must be the only way between two units",
    "taus": r"from_nir: `graph.nodes\['integrator'\]` must be an LI with one time constant",
    "readout": r"from_nir: `graph.nodes\['readout'\]` must be without a bias before an LI",
    "cut": r"from_nir: `graph.nodes\['units'\]` must be reached from the input by one Affine or Linear",
}


@pytest.mark.parametrize("how", IN)
def test_what_is_no_recurrent_population_is_refused(how: str) -> None:
    with pytest.raises(Exception, match=IN[how]):
        from_nir(broken(how), dt=1.0)


def test_a_delay_must_fit_the_time_step_and_a_file_must_be_there(tmp_path: Path) -> None:
    graph = to_nir(network(delay=1.5, dt=0.5))
    with pytest.raises(ValueError, match=r"LIF: `delay` must be a multiple of `dt` = 1 ms; got 1.5"):
        from_nir(graph, dt=1.0)
    with pytest.raises(Exception, match=r"from_nir: `graph` must be a graph or the path of a file"):
        from_nir(tmp_path / "none.nir", dt=1.0)
    with pytest.raises(ValueError, match=r"from_nir: `dt` must be a finite number above 0"):
        from_nir(graph, dt=0.0)


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    with pytest.raises(Exception, match=r"to_nir: needs the package nir.*pip install neurornn\[nir\]"):
        to_nir(network())
