"""Spiking networks: the kernels against the loop, readouts, recordings, training, perturbations, the study."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from neurornn import (
    LIF,
    AdaptiveLIF,
    Clamp,
    DelayedCopy,
    EvidenceAccumulation,
    Fit,
    Gamma,
    GaussianNoise,
    LeakyIntegrator,
    LeakyRate,
    Membrane,
    Network,
    Objective,
    RatePenalty,
    Recording,
    Silence,
    SpikeCount,
    SquaredError,
    SuperSpike,
    Triangle,
    Uniform,
    VoltagePenalty,
    build,
    describe,
    generator,
    lesion,
    train,
)
from neurornn.cell import AbstractSurrogate, ArcTan, SigmoidDerivative
from neurornn.kernel import lif_torch
from neurornn.plot import figures
from neurornn.statistics import spike_trains
from neurornn.study import Plan
from neurornn.study.spiking import SpikingStudy, homogeneous
from tests.tolerances import FLOAT64

TASK = EvidenceAccumulation(
    dt=2.0,
    coherences=(0.512,),
    noise=0.5,
    fixation=(20.0, 40.0),
    stimulus=(60.0, 80.0),
    delay=(0.0, 20.0),
    response=40.0,
)


def network(**settings: object) -> Network:
    cell = LIF(
        3, 20, **{"tau": Gamma(20.0, 0.5, least=2.0), "dt": 2.0, "seed": 1, "bias": Uniform(80.0, 220.0), **settings}
    )  # type: ignore[arg-type]
    return Network(cell, 3, readout=LeakyIntegrator(30.0), noise=GaussianNoise(0.3, per_sqrt_ms=True), seed=1)


@pytest.fixture(scope="module")
def fit() -> Fit:
    with pytest.MonkeyPatch.context():
        return train(network(), TASK, steps=3, batch=8, progress=False)


KERNELS = {
    "LIF": lambda: LIF(3, 12, tau=Gamma(20.0, 0.5, least=2.0), v_reset=-58.0, train=("tau", "tau_syn", "v_threshold")),
    "LIF bare": lambda: LIF(
        3, 12, tau_syn=None, v_rest=-70.0, resistance=Gamma(80.0, 0.3), train=("tau", "resistance")
    ),
    "AdaptiveLIF": lambda: AdaptiveLIF(3, 12, tau_adapt=Gamma(80.0, 0.4, least=5.0), train=("tau_adapt", "jump")),
    "AdaptiveLIF bare": lambda: AdaptiveLIF(3, 12, tau_syn=None, jump=4.0, v_rest=-68.0),
    "LIF textbook": lambda: LIF(3, 12, reset="hard", refractory=2.0, v_reset=-60.0, train=("v_reset", "v_threshold")),
    "LIF bare textbook": lambda: LIF(3, 12, tau_syn=None, reset="hard", refractory=1.0, v_rest=-63.0),
    "LIF refractory": lambda: LIF(3, 12, refractory=3.0, v_reset=-58.0, train=("tau", "v_rest", "v_reset")),
    "LIF without a reset": lambda: LIF(3, 12, reset="none", refractory=4.0, detach_reset=False),
    "AdaptiveLIF textbook": lambda: AdaptiveLIF(3, 12, reset="hard", refractory=2.0, train=("v_threshold", "jump")),
}


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("surrogate", [SuperSpike(0.3), Triangle(0.05), ArcTan(0.3)])
def test_the_kernels_are_the_loop_forward_and_back(
    kind: str, surrogate: AbstractSurrogate, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = KERNELS[kind]().double()
    cell.surrogate = surrogate
    stream = generator(3)
    x = 5 * torch.randn(4, 30, 3, generator=stream).double()
    x = (x + 5 * x.sign()).requires_grad_()  # strong, so that units fire
    noise = torch.randn(4, 30, 12, generator=stream).double().requires_grad_()
    away = 5 * torch.randn(4, 12, generator=stream).double()
    state = tuple(part.clone() for part in cell.initial(4))
    state = (state[0] + away, (away > 3).double(), *(part + away.abs() for part in state[2:]))
    if cell.refractory_steps:  # whole steps, and none for most
        state = (*state[:-1], (away.abs() - 6).clamp(min=0).ceil())
    calls = []
    real = lif_torch.forward
    monkeypatch.setattr(lif_torch, "forward", lambda *given: calls.append(1) or real(*given))

    def answer(way) -> list[Tensor]:
        leaves = [x, noise, *(p for p in cell.parameters() if p.requires_grad)]
        spikes, last = way(x, state, noise)
        weight = torch.linspace(-1, 1, spikes.numel()).double().reshape(spikes.shape).cos()
        loss = (spikes * weight).sum() + sum((0.01 * part * part).sum() for part in last)
        return [spikes.detach(), *(p.detach() for p in last), *torch.autograd.grad(loss, leaves)]

    got, wanted = answer(cell.rollout), answer(cell.loop)
    assert calls, "the rollout did not take the kernel"
    assert 0.01 < float(wanted[0].mean()) < 0.5
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


def test_the_compiled_kernel_fires_the_same_spikes() -> None:
    """In float32, where no potential comes so near to threshold that rounding could decide."""
    cell = network().cell
    x = 3 * torch.randn(4, 60, 3, generator=generator(2))
    with torch.no_grad():
        got = cell.rollout(x, cell.initial(4))[0]
        wide = LIF(**cell.settings).double()
        wanted, potentials = zip(
            *((sent, state[0]) for sent, state in wide.steps(x.double(), wide.initial(4))), strict=True
        )
    fired = torch.stack(wanted, 1)
    above = torch.stack(potentials, 1) + 15.0 * fired + 50.0
    assert float(above.abs().min()) > 1e-4, "choose another seed: a potential lies at the threshold"
    assert float(fired.mean()) > 0.01
    torch.testing.assert_close(got.double(), fired, rtol=0, atol=0)


@pytest.mark.parametrize("surrogate", [SuperSpike(0.7), Triangle(0.7), ArcTan(0.7), SigmoidDerivative(0.7)])
def test_a_surrogate_is_the_slope_of_its_integral_and_what_the_kernels_take(surrogate: AbstractSurrogate) -> None:
    above = torch.linspace(-8, 8, 400).double().requires_grad_()
    (slope,) = torch.autograd.grad(surrogate.integral(above).sum(), above)
    torch.testing.assert_close(slope, surrogate.bump(above.detach()), **FLOAT64)
    assert float(surrogate.bump(torch.zeros(1).double())) == 1.0
    if surrogate.kind is not None:
        kernel = lif_torch.surrogate_slope(surrogate.kind, surrogate.slope, above.detach())
        torch.testing.assert_close(surrogate.bump(above.detach()), kernel, **FLOAT64)
    with pytest.raises(ValueError, match=rf"{type(surrogate).__name__}: `slope` must be a finite number above 0"):
        replace(surrogate, slope=0.0)


def test_readouts_are_their_equations() -> None:
    spikes = (torch.rand(2, 50, 5, generator=generator(0)) < 0.2).double()
    weights = torch.randn(3, 5, generator=generator(1)).double()
    kept, y, wanted = math.exp(-2.0 / 30.0), torch.zeros(2, 3).double(), []
    for t in range(50):
        y = kept * y + spikes[:, t] @ weights.T
        wanted.append(y)
    got = LeakyIntegrator(30.0).read(spikes, weights, 2.0)
    torch.testing.assert_close(got, torch.stack(wanted, 1), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(SpikeCount().read(spikes, weights, 2.0)[:, -1], spikes.sum(1) @ weights.T, **FLOAT64)
    one = Network(LIF(3, 20, dt=2.0), 2, readout=Membrane())
    x = torch.ones(2, 10, 3)
    run = one(x)
    assert run.voltages is not None
    torch.testing.assert_close(run.outputs, ((run.voltages + 65) / 15) @ one.readout.T)
    with pytest.raises(ValueError, match=r"Network.read: `voltages` must be given for a readout of membrane"):
        one.read(run.activity)
    with pytest.raises(ValueError, match=r"Network: `readout` must be one that reads what units send, for rate units"):
        Network(LeakyRate(1, 4), 1, readout=Membrane())
    with pytest.raises(ValueError, match=r"Network: `voltages` must be asked of spiking units; got 'LeakyRate'"):
        Network(LeakyRate(1, 4), 1)(torch.zeros(1, 2, 1), voltages=True)
    with pytest.raises(ValueError, match=r"LeakyIntegrator: `tau` must be a finite number above 0"):
        LeakyIntegrator(0.0)


def test_a_recording_of_a_spiking_network_has_every_spike_and_every_silent_unit(fit: Fit) -> None:
    recording = fit.record(n_trials=5)
    assert recording.spikes is not None and recording.activity is None
    assert recording.n_units == 20
    trials = TASK.sample(5, generator=generator(0))
    assert trials.valid is not None
    with torch.no_grad():
        run = fit._run(trials, 0, ())
    fired = (run.activity * trials.valid[..., None]).sum((0, 1)).numpy()
    np.testing.assert_array_equal([len(train) for train in recording.spikes], fired)
    assert fired.sum() > 5
    binned = recording.binned(2.0)
    assert np.nansum(binned.values) == fired.sum() and not binned.leftover.any()
    first = run.activity[0, : int(trials.valid[0].sum())].numpy()
    np.testing.assert_array_equal(binned.values[: len(first)], first)
    table = spike_trains(recording, window=20.0).frame()
    assert list(table["n_spikes"]) == fired.tolist()
    loud = fit.record(n_trials=5, voltages=True)
    assert loud.unit == "mV" and loud.activity is not None and loud.spikes is not None
    assert -120 < loud.activity.min() and loud.activity.max() < 0
    for one, other in zip(loud.spikes, recording.spikes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_silent_and_clamped_units_in_a_recording(fit: Fit) -> None:
    busiest = int(np.argmax([len(train) for train in fit.record(n_trials=4).spikes or ()]))
    quiet = fit.record(n_trials=4, perturb=[Silence([busiest])])
    assert quiet.spikes is not None and len(quiet.spikes[busiest]) == 0
    held = fit.record(n_trials=4, perturb=[Clamp([busiest], 0.05)])
    assert held.spikes is None and held.activity is not None
    assert set(held.activity[:, busiest]) == {float(np.float32(0.05))}


def test_lesions_work_unchanged(fit: Fit) -> None:
    table = lesion(fit, units=[0, 1], controls=0, trials=8)
    assert len(table.frame()) > 0


def test_training_is_chunked_saved_and_read_back(fit: Fit, tmp_path) -> None:
    objective = Objective(
        {"error": SquaredError(), "rates": RatePenalty(), "potentials": VoltagePenalty()},
        {"rates": 1e-3, "potentials": 1e-4},
    )
    one, other = (
        train(
            network(reset="hard", refractory=2.0),
            TASK,
            steps=2,
            batch=4,
            chunk=chunk,
            objective=objective,
            progress=False,
        )
        for chunk in (0, 17)
    )
    torch.testing.assert_close(one.network.readout, other.network.readout, rtol=1e-4, atol=1e-5)
    again = Fit.load(one.save(tmp_path / "fit"))
    torch.testing.assert_close(again.network.cell.weights()[1], one.network.cell.weights()[1])
    assert again.score(20).tolist() == one.score(20).tolist()


def test_recipes_hold_spiking_networks() -> None:
    for one in (
        network(),
        network(surrogate=Triangle(0.2), delay=2.0),
    ):
        again = build(describe(one))
        for mine, other in zip(one.cell.weights(), again.cell.weights(), strict=True):
            torch.testing.assert_close(mine, other)
        assert again.cell.surrogate == one.cell.surrogate and again.reading == one.reading


def test_the_twin_has_the_mean_time_constants_and_the_same_weights() -> None:
    one = network()
    twin = homogeneous(one)
    assert twin is not None
    assert float(twin.cell.tau().std()) == 0.0
    assert float(twin.cell.tau()[0]) == pytest.approx(Gamma(20.0, 0.5, least=2.0).mean)
    torch.testing.assert_close(twin.cell.wiring(), one.cell.wiring())
    torch.testing.assert_close(twin.readout, one.readout)
    assert homogeneous(Network(LIF(1, 4), 1)) is None


@pytest.mark.parametrize("task", [TASK, DelayedCopy(dt=2.0, item=20.0, delay=(10.0, 60.0), fixation=(0.0, 0.0))])
def test_the_study_counts_answers_and_draws_them(task) -> None:
    asked = (0.0, 0.5) if isinstance(task, EvidenceAccumulation) else ()
    cell = {"tau": Gamma(20.0, 0.5, least=2.0), "dt": 2.0, "bias": True}
    plan = Plan(
        network=lambda task, seed: Network(LIF(task.n_in, 12, **cell), task.n_out, readout=LeakyIntegrator()),
        task=lambda **known: task,
        train={"steps": 2, "batch": 4, "validate_every": 1, "n_validation": 8},
    )
    found = SpikingStudy(trials=40, recorded=4, asked=asked).run(plan)
    assert {"accuracy_heterogeneous", "accuracy_homogeneous", "accuracy_untrained", "rate", "in_band"} <= set(
        found.quantities
    )
    for part in found.parts.values():
        assert figures(part)
    assert isinstance(found.parts["firing"].recording, Recording)
    assert found.parts["answers"].frame()["n"].sum() == 3 * 40
    rates = replace(plan, network=lambda task, seed: Network(LeakyRate(task.n_in, 4, dt=2.0), task.n_out))
    with pytest.raises(Exception, match=r"SpikingStudy: `network.cell` must be spiking; got 'LeakyRate'"):
        SpikingStudy().run(rates)
    with pytest.raises(ValueError, match=r"SpikingStudy: `trials` must be a whole number, 1 or above"):
        SpikingStudy(trials=0).run(plan)
    with pytest.raises(ValueError, match=r"SpikingStudy: `recorded` must be a whole number, 1 or above"):
        SpikingStudy(recorded=0).run(plan)


def test_a_copy_is_scored_by_its_slots() -> None:
    task = DelayedCopy(dt=10.0, n_items=3, length=2, item=50.0)
    trials = task.sample(30, generator=generator(0))
    assert (task.score(trials, trials.targets) == 1).all()
    # Both items given back in the wrong order.
    swapped = trials.targets.clone()
    first, last = trials.epochs["response"].unbind(1)
    for k in range(30):
        middle = int(first[k]) + 5
        swapped[k, int(first[k]) : int(last[k])] = torch.cat(
            [trials.targets[k, middle : int(last[k])], trials.targets[k, int(first[k]) : middle]]
        )
    same = (trials.conditions["item_1"] == trials.conditions["item_2"]).to_numpy()
    np.testing.assert_array_equal(task.score(trials, swapped).numpy(), same.astype(float))
