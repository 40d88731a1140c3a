"""Gradients forward in time, against backpropagation and against the equations of e-prop written out."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from neurornn import (
    GRU,
    LIF,
    RTRL,
    AbstractCell,
    AdaptiveLIF,
    AdEx,
    Dale,
    Dense,
    Diagonal,
    EProp,
    EvidenceAccumulation,
    Form,
    Izhikevich,
    LeakyIntegrator,
    LeakyRate,
    Membrane,
    Network,
    Objective,
    RatePenalty,
    ShortTerm,
    SquaredError,
    SuperSpike,
    Trials,
    VoltagePenalty,
    WeightPenalty,
    generator,
    train,
)
from neurornn.fit.online import AbstractGradient
from tests.tolerances import FLOAT64

N_IN, N_UNITS, N_TRIALS, N_STEPS = 2, 6, 3, 40
OBJECTIVE = Objective({"error": SquaredError(), "weights": WeightPenalty()}, {"weights": 1e-9})


def problem(cell: AbstractCell) -> tuple[Network, Trials, Tensor]:
    network = Network(cell, n_out=2, readout=LeakyIntegrator(15.0), seed=3).double()
    stream = generator(1)
    x = 3 * torch.randn(N_TRIALS, N_STEPS, N_IN, generator=stream).double()
    x = x + 4 * x.sign()  # strong, so that units fire
    targets = torch.randn(N_TRIALS, N_STEPS, 2, generator=stream).double()
    noise = 0.1 * network.cell.span * torch.randn(N_TRIALS, N_STEPS, N_UNITS, generator=stream).double()
    return network, Trials(x, targets, torch.ones(N_TRIALS, N_STEPS).double(), dt=cell.dt), noise


def gradients(network: Network) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    return found


def forward(network: Network, trials: Trials, noise: Tensor, way: AbstractGradient) -> dict[str, Tensor]:
    way.check(network, needs_voltages=False, processes=1)
    with torch.no_grad():
        run = network(trials.inputs, noise=noise)
    seen = way.opened(run, network)
    OBJECTIVE(seen, trials, network)[0].backward()
    way.backward(network, seen, trials.inputs, noise, None)
    return gradients(network)


def through_time(network: Network, trials: Trials, noise: Tensor, *, given: bool) -> dict[str, Tensor]:
    """Backpropagation; with `given`, what units send to others is taken as given."""
    cell, state = network.cell, network.cell.initial(N_TRIALS)
    weights, kept = cell.weights(), []
    for t in range(N_STEPS):
        sent = cell.activity(state)
        sent, state = cell.step(
            trials.inputs[:, t], state, noise[:, t], sent=sent.detach() if given else sent, weights=weights
        )
        if given:
            state = tuple(
                p.detach() if name.startswith("sent") else p for p, name in zip(state, cell.parts, strict=True)
            )
        kept.append(sent)
    activity = torch.stack(kept, 1)
    assert 0.005 < float((activity != 0).double().mean())
    run = network(trials.inputs, noise=noise)
    seen = replace(run, activity=activity, outputs=network.read(activity))
    OBJECTIVE(seen, trials, network)[0].backward()
    return gradients(network)


def same(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert got.keys() == wanted.keys()
    for name, one in wanted.items():
        assert bool((one != 0).any()), name
        torch.testing.assert_close(got[name], one, **FLOAT64, msg=lambda text, name=name: f"{name}: {text}")


SLOW = {"surrogate": SuperSpike(0.2), "dt": 1.0, "seed": 1}
SPIKING: dict[str, Callable[..., AbstractCell]] = {
    "LIF": lambda **s: LIF(N_IN, N_UNITS, **{**SLOW, **s}),
    "LIF bare": lambda **s: LIF(N_IN, N_UNITS, tau_syn=None, **{**SLOW, **s}),
    "LIF hard, refractory": lambda **s: LIF(N_IN, N_UNITS, reset="hard", refractory=2.0, **{**SLOW, **s}),
    "LIF bare, refractory": lambda **s: LIF(N_IN, N_UNITS, tau_syn=None, refractory=3.0, **{**SLOW, **s}),
    "LIF attached": lambda **s: LIF(N_IN, N_UNITS, detach_reset=False, **{**SLOW, **s}),
    "LIF, trained constants": lambda **s: LIF(N_IN, N_UNITS, train=("tau", "tau_syn", "v_threshold"), **{**SLOW, **s}),
    "AdaptiveLIF": lambda **s: AdaptiveLIF(N_IN, N_UNITS, tau_adapt=60.0, train=("tau_adapt", "jump"), **{**SLOW, **s}),
    "AdEx": lambda **s: AdEx(N_IN, N_UNITS, **{**SLOW, **s}),
    "Izhikevich": lambda **s: Izhikevich(N_IN, N_UNITS, capacitance=30.0, **{**SLOW, **s}),
}


@pytest.mark.parametrize("kind", SPIKING)
def test_eprop_is_backpropagation_that_takes_the_spikes_of_others_as_given(kind: str) -> None:
    for settings in ({}, {"delay": [[float((i + j) % 3) for j in range(N_UNITS)] for i in range(N_UNITS)]}):
        network, trials, noise = problem(SPIKING[kind](**settings))
        same(forward(network, trials, noise, EProp()), through_time(network, trials, noise, given=True))


@pytest.mark.parametrize("kind", SPIKING)
def test_without_recurrent_credit_eprop_is_backpropagation(kind: str) -> None:
    network, trials, noise = problem(SPIKING[kind](wiring=Dense(N_UNITS, gain=0.0)))
    got = forward(network, trials, noise, EProp())
    wanted = through_time(network, trials, noise, given=False)
    for name in ("cell.wiring.weight", "cell.tau_syn.theta"):  # where weights are 0 these have credit through others
        got.pop(name, None), wanted.pop(name, None)
    same(got, wanted)


def test_eprop_with_a_wiring_of_its_own() -> None:
    network, trials, noise = problem(SPIKING["LIF"](wiring=Dale(Dense(N_UNITS, seed=2))))
    same(forward(network, trials, noise, EProp()), through_time(network, trials, noise, given=True))


def test_eprop_is_what_its_paper_writes() -> None:
    """The traces of an adaptive unit without a synaptic filter, and a leaky readout, equation by equation."""
    network, trials, noise = problem(AdaptiveLIF(N_IN, N_UNITS, tau_syn=None, tau_adapt=60.0, **SLOW))
    got = forward(network, trials, noise, EProp())
    cell = network.cell
    beta, rho = torch.exp(-1.0 / cell.tau()), torch.exp(-1.0 / cell.tau_adapt())
    with torch.no_grad():
        run = network(trials.inputs, noise=noise)
        taken = list(cell.steps(trials.inputs, cell.initial(N_TRIALS), noise))
    # How far each potential was above its threshold, before the reset.
    spikes = run.activity
    above = []
    adaptation = torch.zeros(N_TRIALS, N_UNITS).double()
    for t, (_, state) in enumerate(taken):
        reached = state[0] + spikes[:, t] * (cell.v_threshold() - cell.v_reset())
        adaptation = rho * adaptation
        above.append(reached - cell.v_threshold() - adaptation)
        adaptation = adaptation + cell.jump() * spikes[:, t]
    psi = torch.stack([1 / (1 + 0.2 * one.abs()) ** 2 / cell.span for one in above], 1)
    error = 2 * (run.outputs - trials.targets) / trials.targets.numel()
    decay = math.exp(-1.0 / 15.0)
    signal = torch.zeros(N_TRIALS, N_STEPS, N_UNITS).double()
    for t in range(N_STEPS):  # the leaky readout hears a spike until the end
        for later in range(t, N_STEPS):
            signal[:, t] += decay ** (later - t) * error[:, later] @ network.readout
    grad = torch.zeros(N_UNITS, N_UNITS).double()
    for b in range(N_TRIALS):
        trace = torch.zeros(N_UNITS, N_UNITS).double()
        slow = torch.zeros(N_UNITS, N_UNITS).double()
        sent = torch.zeros(N_UNITS).double()
        for t in range(N_STEPS):
            trace = beta[:, None] * (trace + sent)
            slow = rho[:, None] * slow
            eligibility = psi[b, t][:, None] * (trace - slow)
            grad += signal[b, t][:, None] * eligibility
            slow = slow + cell.jump()[:, None] * eligibility
            sent = spikes[b, t]
    grad = grad * cell.unit_rec[:, None]
    grad += 1e-9 * 2 * cell.weights()[1].detach() * cell.unit_rec[:, None]
    torch.testing.assert_close(got["cell.wiring.weight"], grad, **FLOAT64)


RATES = {
    f"LeakyRate {form.value} {noise_at} {f}": lambda form=form, noise_at=noise_at, f=f: LeakyRate(
        N_IN,
        N_UNITS,
        tau=50.0,
        dt=10.0,
        form=form,
        noise_at=noise_at,
        nonlinearity=f,
        train_tau=True,
        wiring=Diagonal(N_UNITS, seed=4),
    )
    for form in Form
    for noise_at in ("state", "drive")
    for f in ("tanh", "softplus")
}


@pytest.mark.parametrize("kind", [*RATES, *SPIKING])
def test_rtrl_of_an_element_wise_recurrence_is_backpropagation(kind: str) -> None:
    cell = RATES[kind]() if kind in RATES else SPIKING[kind](wiring=Diagonal(N_UNITS, seed=4))
    network, trials, noise = problem(cell)
    same(forward(network, trials, noise, RTRL()), through_time(network, trials, noise, given=False))


def test_training_with_eprop_learns() -> None:
    task = EvidenceAccumulation(
        dt=5.0,
        coherences=(0.512,),
        noise=0.5,
        fixation=(20.0, 20.0),
        stimulus=(100.0, 100.0),
        delay=(0.0, 0.0),
        response=50.0,
    )
    network = Network(LIF(3, 20, dt=5.0, wiring=Dense(20, gain=0.3)), 3, readout=LeakyIntegrator(30.0))
    fit = train(network, task, steps=40, batch=4, learning_rate=1e-2, gradient=EProp(), progress=False)
    assert fit.recipe["training"]["gradient"] == {"type": "EProp"}
    assert float(fit.history["loss"][-10:].mean()) < 0.7 * float(fit.history["loss"][:5].mean())


REFUSALS: list[tuple[AbstractGradient, Callable[[], Network], dict[str, object], str]] = [
    (
        EProp(),
        lambda: Network(LeakyRate(3, 4), 3),
        {},
        r"EProp: `network` must be of spiking units; got 'LeakyRate'",
    ),
    (RTRL(), lambda: Network(GRU(3, 4), 3), {}, r"RTRL: `network` must be of LeakyRate or spiking units; got 'GRU'"),
    (RTRL(), lambda: Network(LIF(3, 4), 3), {}, r"RTRL: `network` must be one whose units drive only themselves"),
    (
        RTRL(),
        lambda: Network(LIF(3, 4, wiring=Diagonal(4), delay=1.0), 3),
        {},
        r"RTRL: `network` must be without delays; got 'delayed synapses'",
    ),
    (
        EProp(),
        lambda: Network(LIF(3, 4, spike_inputs=True), 3),
        {},
        r"EProp: `network` must be one whose inputs are currents",
    ),
    (EProp(), lambda: Network(LIF(3, 4), 3, n_start=2), {}, r"EProp: `network` must be without an encoder"),
    (
        EProp(),
        lambda: Network(LIF(3, 4), 3, readout=Membrane()),
        {},
        r"EProp: `objective` must be one of what",
    ),
    (EProp(), lambda: Network(LIF(3, 4), 3), {"needs_voltages": True}, r"EProp: `objective` must be one of what units"),
    (EProp(), lambda: Network(LIF(3, 4), 3), {"processes": 2}, r"EProp: `train` must be run in one process"),
    (
        EProp(),
        lambda: Network(LIF(3, 4, short_term=ShortTerm(0.5, 100.0)), 3),
        {},
        r"EProp: `network` must be without short-term plasticity",
    ),
]


@pytest.mark.parametrize(("way", "build", "settings", "message"), REFUSALS)
def test_what_a_way_cannot_do_it_refuses(way: AbstractGradient, build: Callable, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        way.check(build(), **{"needs_voltages": False, "processes": 1, **settings})


def test_rates_and_potentials_have_terms_of_their_own() -> None:
    network, trials, noise = problem(SPIKING["LIF"]())
    run = network(trials.inputs, noise=noise, voltages=True)
    rates = run.activity.mean((0, 1)) * 1000
    wanted = ((rates - 30).clamp(min=0) ** 2 + (5 - rates).clamp(min=0) ** 2).mean()
    torch.testing.assert_close(RatePenalty(5.0, 30.0)(run, trials, network), wanted, **FLOAT64)
    assert run.voltages is not None
    outside = (run.voltages + 55).clamp(min=0) ** 2 + (-64 - run.voltages).clamp(min=0) ** 2
    torch.testing.assert_close(VoltagePenalty(-64.0, -55.0)(run, trials, network), outside.mean(), **FLOAT64)
    rate = Network(LeakyRate(2, 4), 1)
    with pytest.raises(ValueError, match=r"RatePenalty: `network` must be of spiking units; got 'LeakyRate'"):
        RatePenalty()(rate(torch.zeros(1, 3, 2)), trials, rate)
    with pytest.raises(ValueError, match=r"VoltagePenalty: `run` must be one that kept its potentials"):
        VoltagePenalty()(network(trials.inputs), trials, network)
    with pytest.raises(ValueError, match=r"RatePenalty: `high` must be a finite rate, at least `low`"):
        RatePenalty(5.0, 2.0)
    with pytest.raises(ValueError, match=r"VoltagePenalty: `high` must be above `low`"):
        VoltagePenalty(-50.0, -60.0)
