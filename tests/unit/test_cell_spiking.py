"""Spiking cells against closed forms: traces, rates, intervals, adaptation, synapses."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from torch import Tensor

from neurornn import (
    LIF,
    AbstractCell,
    AdaptiveLIF,
    AdEx,
    Dale,
    Dense,
    Diagonal,
    ExpIF,
    Gamma,
    GaussianNoise,
    Izhikevich,
    LogNormal,
    Network,
    ShortTerm,
    Uniform,
    generator,
)
from neurornn.cell.surrogate import SuperSpike, spike
from tests.tolerances import CHANCE, EXACT, FLOAT64, ORDER


def clamp(kind: type, amplitude: float, duration: float, **settings: object) -> tuple[np.ndarray, np.ndarray]:
    """Spike times (steps) and potentials of one unit under a constant current (pA)."""
    cell = kind(1, 1, inject=True, **settings).double()
    x = torch.full((1, round(duration / cell.dt), 1), amplitude, dtype=torch.float64)
    with torch.no_grad():
        taken = list(cell.steps(x, cell.initial(1)))
    spikes = np.array([float(sent) for sent, _ in taken])
    return np.flatnonzero(spikes), np.array([float(state[0]) for _, state in taken])


def test_the_membrane_charges_as_its_equation_says_whatever_the_step() -> None:
    for dt in (0.5, 2.0):
        _, v = clamp(LIF, 100.0, 60.0, tau=15.0, resistance=120.0, dt=dt)  # 12 of 15 mV: no spike
        t = dt * np.arange(1, len(v) + 1)
        np.testing.assert_allclose(v, -65.0 + 12.0 * (1 - np.exp(-t / 15.0)), rtol=1e-12)


@pytest.mark.parametrize("tau_syn", [4.0, 20.0, 20.0 * (1 + 1e-6), 60.0])
def test_a_postsynaptic_potential_is_the_difference_of_two_exponentials(tau_syn: float) -> None:
    cell = LIF(1, 2, tau=20.0, tau_syn=tau_syn, resistance=100.0, dt=0.5, bias=False).double()
    with torch.no_grad():
        cell.wiring.weight.copy_(torch.tensor([[0.0, 0.0], [0.5, 0.0]]))  # unit 0 onto unit 1
    v, z, i = cell.initial(1)
    z = torch.tensor([[1.0, 0.0]]).double()
    potentials = [float(state[0][0, 1].detach()) for _, state in cell.steps(torch.zeros(1, 80, 1).double(), (v, z, i))]
    t = 0.5 * np.arange(1, 81)
    jump = 0.5 * 15.0 * (20.0 / 0.1) / tau_syn  # half the charge to threshold, as a jump of current, pA
    if tau_syn == 20.0:
        psp = 0.1 * jump * t / 20.0 * np.exp(-t / 20.0)
    else:
        psp = 0.1 * jump * tau_syn / (tau_syn - 20.0) * (np.exp(-t / tau_syn) - np.exp(-t / 20.0))
    np.testing.assert_allclose(np.array(potentials) + 65.0, psp, rtol=1e-7)


def test_a_spike_of_an_input_is_a_spike_of_a_unit() -> None:
    """With weights alike, both leave the same current and the same potential; half of one leaves half of it."""
    cell = LIF(1, 2, tau=20.0, tau_syn=4.0, spike_inputs=True, bias=False).double()
    with torch.no_grad():
        cell.wiring.weight.copy_(torch.tensor([[0.0, 0.0], [0.5, 0.0]]))
        cell.w_in.copy_(torch.tensor([[0.0], [0.5]]))
    nothing, from_input = torch.zeros(1, 30, 1).double(), torch.zeros(1, 30, 1).double()
    from_input[0, 0] = 1.0
    v, _, i = cell.initial(1)
    fired = (v, torch.tensor([[1.0, 0.0]]).double(), i)
    one = [state[0][0, 1].detach() + 65.0 for _, state in cell.steps(nothing, fired)]
    other = [state[0][0, 1].detach() + 65.0 for _, state in cell.steps(from_input, cell.initial(1))]
    half = [state[0][0, 1].detach() + 65.0 for _, state in cell.steps(0.5 * from_input, cell.initial(1))]
    torch.testing.assert_close(torch.stack(other), torch.stack(one), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(2 * torch.stack(half), torch.stack(one), rtol=1e-12, atol=1e-12)
    assert float(torch.stack(one).max()) > 1.0


def test_without_a_filter_a_weight_of_one_goes_from_rest_to_threshold() -> None:
    cell = LIF(1, 2, tau_syn=None, bias=False, dt=1.0).double()
    with torch.no_grad():
        cell.wiring.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    state = (cell.initial(1)[0], torch.tensor([[1.0, 0.0]]).double())
    _, (v, _) = cell.step(torch.zeros(1, 1).double(), state)
    assert float(v[0, 1].detach()) == pytest.approx(-65.0 + 15.0 * math.exp(-1 / 20))


@pytest.mark.parametrize("amplitude", [160.0, 200.0, 400.0, 1000.0])
def test_rate_over_current_is_the_analytic_one(amplitude: float) -> None:
    settings = {"tau": 20.0, "resistance": 100.0, "v_reset": -60.0, "refractory": 2.0, "reset": "hard", "dt": 0.1}
    at, _ = clamp(LIF, amplitude, 150.0, **settings)  # type: ignore[arg-type]
    driven = 0.1 * amplitude - 65.0
    period = 2.0 + 20.0 * math.log((driven + 60.0) / (driven + 50.0))
    # Held for the refractory period, then as many whole steps as reach threshold.
    steps = 20 + math.ceil((period - 2.0) / 0.1)
    assert set(np.diff(at)) == {steps}
    assert 1000 / (steps * 0.1) == pytest.approx(1000 / period, rel=0.1 / period)


@pytest.mark.parametrize("kind", [LIF, AdaptiveLIF, ExpIF, AdEx, Izhikevich])
@pytest.mark.parametrize("refractory", [0.0, 3.0])
def test_no_interval_is_shorter_than_the_refractory_period(kind: type, refractory: float) -> None:
    at, v = clamp(kind, 20_000.0, 60.0, refractory=refractory, dt=0.5, **({} if kind is not LIF else {"reset": "hard"}))
    assert len(at) > 5
    assert np.diff(at).min() == refractory / 0.5 + 1
    for first in at[:-1]:  # meanwhile the potential does not move
        assert len(set(v[first : first + round(refractory / 0.5) + 1])) == 1


def test_resets_follow_their_equations() -> None:
    for reset, wanted in (("hard", -62.0), ("soft", -40.0 - (-50.0 + 62.0)), ("none", -40.0)):
        cell = LIF(1, 1, v_reset=-62.0, reset=reset, tau_syn=None, inject=True, dt=1.0).double()
        # A potential that the step takes to exactly -40 mV.
        before = torch.full((1, 1), -65.0 + 25.0 * math.exp(1 / 20.0)).double()
        z, (v, _) = cell.step(torch.zeros(1, 1).double(), (before, torch.zeros(1, 1).double()))
        assert float(z.detach()) == 1.0
        assert float(v.detach()) == pytest.approx(wanted)


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_backward_a_reset_is_taken_as_given_or_not(reset: str, attached: bool) -> None:
    """What a potential of 3 mV below and 2 mV above threshold owes to the one before: the table of `Reset`."""
    cell = LIF(1, 1, reset=reset, v_reset=-60.0, detach_reset=not attached, surrogate=SuperSpike(0.5), bias=False)
    cell = cell.double()
    kept, slope = math.exp(-1.0 / 20.0), 0.5
    for above in (-3.0, 2.0):
        before = torch.tensor([[-65.0 + (15.0 + above) / kept]], dtype=torch.float64, requires_grad=True)
        rest = cell.initial(1)[1:]
        _, after = cell.step(torch.zeros(1, 1).double(), (before, *rest))
        (found,) = torch.autograd.grad(after[0].sum(), before)
        fired, bump = float(above > 0), 1 / (1 + slope * abs(above)) ** 2 / 15.0
        expected = 1.0 - fired if reset == "hard" else 1.0
        if attached:
            expected += (-60.0 + 50.0 - above if reset == "hard" else -10.0) * bump
        assert float(found) == pytest.approx(kept * expected, rel=1e-6)


def test_a_threshold_adapts_to_the_interval_that_solves_its_equations() -> None:
    settings = {"tau": 20.0, "tau_adapt": 100.0, "jump": 3.0, "reset": "hard", "dt": 0.1}
    at, _ = clamp(AdaptiveLIF, 300.0, 800.0, **settings)  # type: ignore[arg-type]

    def gap(period: float) -> float:
        raised = 3.0 * math.exp(-period / 100.0) / (1 - math.exp(-period / 100.0))
        return 30.0 * (1 - math.exp(-period / 20.0)) - 15.0 - raised

    period = brentq(gap, 1.0, 200.0)
    intervals = 0.1 * np.diff(at)
    assert intervals[-1] == pytest.approx(period, abs=0.2)
    assert intervals[0] == pytest.approx(
        brentq(lambda t: 30 * (1 - math.exp(-t / 20)) - 15 - 3 * math.exp(-t / 100), 1, 200), abs=0.1
    )


def adaptation_index(at: np.ndarray) -> float:
    """The mean relative change from one interval to the next."""
    return float(np.mean([(b - a) / (a + b) for a, b in pairwise(np.diff(at))]))


def test_only_adaptive_units_adapt() -> None:
    plain, _ = clamp(LIF, 300.0, 200.0, reset="hard", dt=0.1)
    threshold, _ = clamp(AdaptiveLIF, 400.0, 200.0, reset="hard", dt=0.1)
    current, _ = clamp(AdEx, 1000.0, 200.0)
    sharp, _ = clamp(ExpIF, 300.0, 200.0)
    assert adaptation_index(plain) == adaptation_index(sharp) == 0.0
    assert adaptation_index(threshold) > 0.01
    assert adaptation_index(current) > 0.01


EQUATIONS: dict[type, tuple[float, Callable[[np.ndarray], list[float]], list[float]]] = {
    ExpIF: (120.0, lambda y: [(-(y[0] + 65) + 2 * np.exp((y[0] + 50) / 2) + 12.0) / 20], [-65.0]),
    AdEx: (
        400.0,
        lambda y: [
            (-(y[0] + 70.6) + 2 * np.exp((y[0] + 50.4) / 2) + 0.03333 * (400.0 - y[1])) / 9.367,
            (4.0 * (y[0] + 70.6) - y[1]) / 144.0,
        ],
        [-70.6, 0.0],
    ),
    Izhikevich: (
        40.0,
        lambda y: [
            (0.7 * (y[0] + 60) * (y[0] + 40) - y[1] + 40.0) / 100,
            0.03 * (-2.0 * (y[0] + 60) - y[1]),
        ],
        [-60.0, 0.0],
    ),
}


@pytest.mark.parametrize("kind", EQUATIONS)
def test_eulers_scheme_converges_at_first_order(kind: type) -> None:
    amplitude, slope, start = EQUATIONS[kind]
    exact = solve_ivp(lambda _, y: slope(y), (0, 40), start, rtol=1e-11, atol=1e-11).y[0, -1]
    steps = (0.4, 0.2, 0.1)
    errors = [abs(clamp(kind, amplitude, 40.0, dt=dt)[1][-1] - exact) for dt in steps]
    fitted = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert fitted == pytest.approx(1.0, abs=ORDER)


def test_noise_gives_the_membrane_its_stationary_spread() -> None:
    cell = LIF(1, 100, tau=10.0, v_threshold=1000.0, inject=True, dt=0.5)
    noise = GaussianNoise(0.5, per_sqrt_ms=True).draw((1, 600, 100), dt=0.5, generator=generator(0))
    with torch.no_grad():
        taken = list(cell.steps(torch.zeros(1, 600, 1), cell.initial(1), noise))
    v = torch.stack([state[0] for _, state in taken[200:]])
    kept = math.exp(-0.5 / 10.0)
    variance = 0.25 * 0.5 / (1 - kept**2)  # of the recursion; sigma^2 tau / 2 as dt goes to 0
    independent = v.numel() * 0.5 / 10.0
    assert float(v.var()) == pytest.approx(variance, rel=CHANCE * math.sqrt(2 / independent))
    assert variance == pytest.approx(0.25 * 10.0 / 2, rel=0.06)


def arrivals(cell: AbstractCell, n_steps: int) -> Tensor:
    """Whether the synaptic current rises at each step, by unit, after unit 0 alone fired before the first."""
    state = dict(zip(cell.parts, cell.initial(1), strict=True))
    state["spikes"] = torch.eye(cell.n_units)[:1].double()
    silent = torch.zeros(1, n_steps, cell.n_in).double()
    current = [after[2] for _, after in cell.steps(silent, tuple(state.values()))]
    rises = torch.diff(torch.stack([torch.zeros_like(current[0]), *current]), dim=0) > 0
    return rises[:, 0]


def test_a_spike_arrives_when_its_delay_is_over() -> None:
    delays = [[0.0] * 3, [2.0, 0.0, 0.0], [4.5, 0.0, 0.0]]
    cell = LIF(1, 3, delay=delays, dt=0.5, bias=False).double()
    with torch.no_grad():
        cell.wiring.weight.fill_(0.01)
    when = [int(column.nonzero()[0, 0]) for column in arrivals(cell, 12).T]
    assert when == [0, 4, 9]
    assert cell.parts[-1] == "sent 9"


def test_each_class_has_its_delay() -> None:
    wiring = Dale(Dense(10, seed=1), excitatory=0.8)
    cell = LIF(1, 10, wiring=wiring, delay={"excitatory": 2.0, "inhibitory": 1.0}, dt=1.0)
    assert cell.delays is not None
    assert set(cell.delays[:, :8].flatten().tolist()) == {2.0}
    assert set(cell.delays[:, 8:].flatten().tolist()) == {1.0}
    drawn = LIF(1, 10, delay=Uniform(0.0, 5.0), dt=0.5).delays
    assert drawn is not None and 0 <= float(drawn.min()) and float(drawn.max()) <= 10
    assert LIF(1, 4, delay=0.0).delays is None
    row = LIF(1, 3, delay=[1.0, 2.0, 3.0], dt=1.0).delays
    assert row is not None and row.tolist() == [[1.0, 2.0, 3.0]] * 3


@pytest.mark.parametrize(("use", "recovery", "facilitation"), [(0.5, 800.0, 0.0), (0.1, 100.0, 1000.0)])
def test_short_term_plasticity_settles_where_its_equations_do(use: float, recovery: float, facilitation: float) -> None:
    short = ShortTerm(use, recovery, facilitation)
    u, x, one = torch.zeros(1).double(), torch.ones(1).double(), torch.ones(1).double()
    interval, dt = 50.0, 2.0
    released = []
    for step in range(25 * 120):
        sent = one if step % 25 == 0 else 0 * one
        e, u, x = short.release(sent, u, x, dt)
        if step % 25 == 0:
            released.append(float(e))
    kept_use = math.exp(-interval / facilitation) if facilitation else 0.0
    kept = math.exp(-interval / recovery)
    used = use / (1 - (1 - use) * kept_use)
    assert released[0] == pytest.approx(use)
    assert released[-1] == pytest.approx(used * (1 - kept) / (1 - (1 - used) * kept), rel=1e-6)


def test_laws_have_the_mean_and_spread_that_they_name() -> None:
    for law in (
        Gamma(20.0, 0.5),
        LogNormal(20.0, 0.5),
        Gamma(20.0, 0.577, least=5.0),
        LogNormal(20.0, 0.4, least=12.0),
    ):
        drawn = law.draw((200_000,), generator=generator(0)).double()
        error = float(drawn.std()) / math.sqrt(len(drawn))
        assert float(drawn.mean()) == pytest.approx(law.mean, abs=CHANCE * error)
        assert float(drawn.min()) >= law.least
        if not law.least:
            assert law.mean == pytest.approx(20.0)
            assert float(drawn.std()) == pytest.approx(10.0, rel=0.02)
        torch.testing.assert_close(drawn, law.draw((200_000,), generator=generator(0)).double(), **EXACT)


def test_constants_are_trained_in_a_form_that_keeps_them_possible() -> None:
    names = ("tau", "tau_syn", "resistance", "v_rest", "v_threshold", "v_reset")
    cell = LIF(1, 4, tau=Gamma(20.0, 0.5, least=1.0), train=names, dt=1.0)
    before = {name: getattr(cell, name)().detach().clone() for name in names}
    torch.testing.assert_close(before["tau"], LIF(1, 4, tau=Gamma(20.0, 0.5, least=1.0)).tau(), rtol=1e-5, atol=0)
    with torch.no_grad():
        for name in names:
            getattr(cell, name).theta -= 20.0
    assert bool((cell.tau() >= 0.499).all() and (cell.tau_syn() >= 0.499).all())
    assert bool((cell.resistance() > 0).all())
    torch.testing.assert_close(cell.v_rest(), before["v_rest"] - 200.0)
    assert not [name for name, _ in LIF(1, 4).named_parameters() if "theta" in name]


def test_the_encoder_moves_the_potential_from_rest_in_units_of_the_way_to_threshold() -> None:
    network = Network(LIF(1, 4), n_out=1, n_start=2)
    assert network.encoder is not None
    first = network.initial(1, torch.ones(1, 2))[0]
    torch.testing.assert_close(first, -65.0 + 15.0 * network.encoder.sum(1)[None])


REFUSALS: list[tuple[Callable[[], object], str]] = [
    (lambda: LIF(1, 4, tau=0.4, dt=1.0), r"LIF: `tau` must be at least half of `dt`, 0.5 ms, everywhere; got '0.4 ms'"),
    (lambda: AdaptiveLIF(1, 4, tau_adapt=0.1), r"AdaptiveLIF: `tau_adapt` must be at least half of `dt`, 0.5 ms"),
    (lambda: LIF(1, 4, tau=[1.0, 2.0]), r"LIF: `tau` must be one number or 4 of them"),
    (lambda: LIF(1, 4, tau=float("nan")), r"LIF: `tau` must be finite everywhere; got nan"),
    (lambda: LIF(1, 4, resistance=0.0), r"LIF: `resistance` must be above 0 everywhere; got 0.0"),
    (lambda: LIF(1, 4, v_threshold=-70.0), r"LIF: `v_threshold` must be above `v_rest` = -65 mV; got -70"),
    (lambda: LIF(1, 4, v_reset=-50.0), r"LIF: `v_reset` must be below `v_threshold` = -50 mV; got -50"),
    (lambda: ExpIF(1, 4, v_peak=-55.0), r"ExpIF: `v_peak` must be above `v_threshold` = -50 mV; got -55"),
    (lambda: Izhikevich(1, 4, v_reset=40.0), r"Izhikevich: `v_peak` must be above `v_reset` = 40 mV; got 35"),
    (lambda: AdEx(1, 2, sharpness=[1.0, 2.0]), r"AdEx: `v_peak` must be given where threshold or sharpness differ"),
    (lambda: LIF(1, 4, refractory=2.5), r"LIF: `refractory` must be a multiple of `dt` = 1 ms; got 2.5. Take 2 or 3"),
    (lambda: LIF(1, 4, delay=1.3), r"LIF: `delay` must be a multiple of `dt` = 1 ms; got 1.3. Take 1 or 2, or another"),
    (lambda: LIF(1, 4, delay=-1.0), r"LIF: `delay` must be a finite number, 0 or above; got -1"),
    (lambda: LIF(1, 4, delay=[1.0, 2.0]), r"LIF: `delay` must be one number, 4 of them .* or a table of 4 x 4"),
    (lambda: LIF(1, 4, delay=Uniform(-3.0, -2.0)), r"LIF: `delay` must be a law of values of 0 or above"),
    (
        lambda: LIF(1, 4, delay={"excitatory": 1.0, "inhibitory": 1.0}),
        r"LIF: `delay` must be given by class only where the wiring is Dale; got 'Dense'. Wrap the wiring",
    ),
    (
        lambda: LIF(1, 10, wiring=Dale(Dense(10)), delay={"excitatory": 1.0}),
        r"LIF: `delay` must be given for 'excitatory' and 'inhibitory'",
    ),
    (lambda: LIF(1, 4, wiring=Dense(3)), r"LIF: `wiring` must be for 4 units; got 'one for 3'"),
    (lambda: LIF(1, 4, reset="hard "), r"LIF: `reset` must be a member of Reset; got 'hard '. Did you mean 'hard'\?"),
    (lambda: LIF(1, 4, train=("taus",)), r"LIF: `train` must be names of constants.*'taus'. Did you mean 'tau'\?"),
    (lambda: LIF(2, 4, inject=True), r"LIF: `n_in` must be 1 or 4, one a unit, where inputs are injected; got 2"),
    (
        lambda: LIF(1, 4, tau_syn=None, spike_inputs=True),
        r"LIF: `spike_inputs` must be false where inputs are injected",
    ),
    (lambda: ShortTerm(0.0, 100.0), r"ShortTerm: `use` must be above 0; got 0.0. Nothing would ever be released"),
    (lambda: ShortTerm(0.5, 0.0), r"ShortTerm: `tau_recovery` must be a finite number above 0"),
    (lambda: ShortTerm(0.5, 10.0, -1.0), r"ShortTerm: `tau_facilitation` must be a finite number, 0 or above"),
    (lambda: Gamma(0.0, 0.5), r"Gamma: `centre` must be a finite number above 0"),
    (lambda: Gamma(1.0, 0.0), r"Gamma: `cv` must be a finite number above 0"),
    (lambda: LogNormal(0.0, 1.0), r"LogNormal: `centre` must be a finite number above 0"),
    (lambda: LogNormal(1.0, 0.0), r"LogNormal: `cv` must be a finite number above 0"),
    (lambda: LogNormal(1.0, 0.1, least=100.0), r"LogNormal: `least` must be a bound above which some of the law lies"),
    (lambda: Diagonal(0), r"Diagonal: `n_units` must be a whole number, 1 or above"),
    (lambda: Diagonal(3, gain=-1.0), r"Diagonal: `gain` must be a finite number, 0 or above"),
    (lambda: Gamma(1.0, 0.1, least=100.0), r"Gamma: `least` must be a bound above which some of the law lies"),
]


@pytest.mark.parametrize(("build", "message"), REFUSALS)
def test_what_cannot_be_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_time_constants_of_half_a_step_are_taken() -> None:
    assert LIF(1, 1, tau=0.5, tau_syn=0.5, train=("tau",), dt=1.0).tau().item() == pytest.approx(0.5, rel=1e-3)
    torch.testing.assert_close(LIF(1, 1, tau=0.7).tau(), torch.tensor([0.7]), **FLOAT64)


@pytest.mark.parametrize(("kind", "slope"), [(AdEx, 0.0), (ExpIF, 0.0), (Izhikevich, 0.7 * 20.0 / 100.0)])
def test_backward_an_upstroke_is_the_line_that_touches_it_at_threshold(kind: Any, slope: float) -> None:
    """Far beyond threshold a step multiplies a gradient by little more than 1; forward, it is the upstroke."""
    cell = kind(1, 1, tau_syn=None, inject=True, dt=0.1).double()
    beyond = (cell.v_threshold() + 8.0).detach()[None].requires_grad_()
    first = (beyond, *cell.initial(1)[1:])
    _, (after, *_) = cell.step(torch.zeros(1, 1).double(), tuple(part.double() for part in first))
    (found,) = torch.autograd.grad(after.sum(), beyond)
    assert float(found) == pytest.approx(1 + 0.1 * slope, rel=1e-9)
    with torch.no_grad():
        _, (same, *_) = cell.step(torch.zeros(1, 1).double(), tuple(part.double() for part in first))
    assert torch.equal(after, same)


def test_an_upstroke_counts_once_at_the_spike() -> None:
    near = torch.tensor([-1.0, 2.0, 9.0], dtype=torch.float64, requires_grad=True)
    fired = spike(near - 5.0, near, SuperSpike(1.0), 10.0)
    (found,) = torch.autograd.grad(fired.sum(), near)
    assert fired.tolist() == [0.0, 0.0, 1.0]
    np.testing.assert_allclose(found, [0.25 / 10.0, 0.0, 1.0 / 10.0])
