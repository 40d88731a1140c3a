"""What every cell promises, run over all of them: a new cell is tested by being listed here."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from neurornn import (
    GRU,
    LIF,
    LSTM,
    AbstractCell,
    AbstractSpiking,
    AbstractSurrogate,
    AdaptiveLIF,
    AdEx,
    ArcTan,
    Dale,
    Dense,
    ExpIF,
    Form,
    GaussianNoise,
    Intervention,
    Izhikevich,
    LeakyRate,
    LowRank,
    Network,
    NoAutapses,
    NoiseAt,
    ShortTerm,
    SigmoidDerivative,
    Sparse,
    SuperSpike,
    UniformNoise,
    generator,
)
from neurornn.network import rebuilt
from tests.tolerances import EXACT, FLOAT32, FLOAT64

N_IN, N_UNITS, N_TRIALS, N_STEPS = 2, 10, 3, 6
WIRINGS: dict[str, Callable[[], object]] = {
    "dense": lambda: Dense(N_UNITS, seed=3),
    "low-rank": lambda: LowRank(N_UNITS, rank=2, seed=3),
    "sparse": lambda: Sparse(Dense(N_UNITS, seed=3), density=0.5),
    "dale": lambda: Dale(Dense(N_UNITS, seed=3)),
    "no autapses": lambda: NoAutapses(Dense(N_UNITS, seed=3)),
    "all": lambda: Dale(NoAutapses(Sparse(Dense(N_UNITS, seed=3), density=0.5))),
}


def leaky(**settings: object) -> AbstractCell:
    return LeakyRate(N_IN, N_UNITS, dt=10.0, tau=[20.0 + 7 * i for i in range(N_UNITS)], **settings)  # type: ignore[arg-type]


CELLS: dict[str, Callable[[], AbstractCell]] = {
    "GRU": lambda: GRU(N_IN, N_UNITS, seed=1),
    "LSTM": lambda: LSTM(N_IN, N_UNITS, seed=1),
}
for form, noise_at, f in itertools.product(Form, NoiseAt, ("tanh", "softplus", "relu")):
    CELLS[f"LeakyRate {form.value} {noise_at.value} {f}"] = lambda form=form, noise_at=noise_at, f=f: leaky(
        form=form, noise_at=noise_at, nonlinearity=f, train_tau=True
    )
for name, wiring in WIRINGS.items():
    CELLS[f"LeakyRate {name}"] = lambda wiring=wiring: leaky(wiring=wiring(), nonlinearity="tanh")
for clamp in (False, True):
    told = {"train_tau": True, "clamp_tau": clamp, "one_to_one": clamp, "form": Form.CURRENT}
    CELLS[f"LeakyRate clamp={clamp}"] = lambda told=told: leaky(**told)
for f in ("leaky_relu", "sigmoid", "identity", torch.sin):
    CELLS[f"LeakyRate {f if isinstance(f, str) else 'callable'}"] = lambda f=f: leaky(nonlinearity=f, bias=False)


def spiking(kind: Callable[..., AbstractCell], **settings: object) -> AbstractCell:
    taus = [8.0 + 3 * i for i in range(N_UNITS)]
    own = {"capacitance": 20.0} if kind is Izhikevich else {"tau": taus}
    return kind(N_IN, N_UNITS, **{"dt": 1.0, "seed": 1, **own, **settings})


EVERY = {
    LIF: ("tau", "tau_syn", "resistance", "v_rest", "v_threshold", "v_reset"),
    AdaptiveLIF: ("tau", "tau_syn", "tau_adapt", "jump"),
    ExpIF: ("tau", "sharpness", "v_rest", "v_reset", "v_threshold"),
    AdEx: ("tau", "tau_adapt", "coupling", "jump"),
    Izhikevich: ("capacitance", "k", "tau_adapt", "coupling", "jump", "v_rest", "v_threshold", "v_reset"),
}
DELAYS = [[float((3 * i + j) % 4) for j in range(N_UNITS)] for i in range(N_UNITS)]
for kind in (LIF, AdaptiveLIF, ExpIF, AdEx, Izhikevich):
    for tau_syn in (None, 4.0):
        filtered = "bare" if tau_syn is None else "filtered"
        CELLS[f"{kind.__name__} {filtered}"] = lambda kind=kind, tau_syn=tau_syn: spiking(kind, tau_syn=tau_syn)
        CELLS[f"{kind.__name__} {filtered} refractory, delayed"] = lambda kind=kind, tau_syn=tau_syn: spiking(
            kind, tau_syn=tau_syn, refractory=2.0, delay=DELAYS
        )
    CELLS[f"{kind.__name__} trained, attached"] = lambda kind=kind: spiking(
        kind, train=EVERY[kind], detach_reset=False, short_term=ShortTerm(0.4, 60.0, 30.0)
    )
for reset in ("hard", "soft", "none"):
    for surrogate in (SuperSpike(0.1), ArcTan(0.1), SigmoidDerivative(0.1)):
        CELLS[f"LIF {reset} {type(surrogate).__name__}"] = lambda reset=reset, surrogate=surrogate: spiking(
            LIF, reset=reset, surrogate=surrogate, detach_reset=False
        )
for name, wiring in WIRINGS.items():
    CELLS[f"LIF {name}"] = lambda wiring=wiring: spiking(LIF, wiring=wiring())
CELLS["LIF of spikes"] = lambda: spiking(LIF, spike_inputs=True, refractory=2.0)
CELLS["LIF by class"] = lambda: spiking(
    LIF, wiring=Dale(Dense(N_UNITS, seed=3)), delay={"excitatory": 2.0, "inhibitory": 1.0}
)


@pytest.fixture(params=CELLS, ids=str)
def cell(request: pytest.FixtureRequest) -> AbstractCell:
    return CELLS[request.param]().double()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed)).double()


def somewhere(cell: AbstractCell, seed: int = 5) -> tuple[Tensor, ...]:
    """A state away from rest, and away from the kinks of rectifiers."""
    first, *rest = cell.initial(N_TRIALS)
    away = [drawn(*first.shape, seed=seed + i) + 0.05 for i in range(1 + len(rest))]
    return (first + cell.span * away[0], *away[1:])


def parts(cell: AbstractCell | None = None) -> tuple[Tensor, Tensor]:
    """Inputs, and noise in the unit of the cell's state."""
    noise = 0.1 * drawn(N_TRIALS, N_STEPS, N_UNITS, seed=2)
    return drawn(N_TRIALS, N_STEPS, N_IN, seed=1), noise if cell is None or cell.span == 1 else 4 * cell.span * noise


def test_same_input_state_and_noise_give_the_same_answer(cell: AbstractCell) -> None:
    x, noise = parts(cell)
    state = somewhere(cell)
    first, after = cell.rollout(x, state, noise)
    second, again = cell.rollout(x, state, noise)
    torch.testing.assert_close(first, second, **EXACT)
    for one, other in zip(after, again, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


def test_shapes_and_the_structure_of_the_state_are_kept(cell: AbstractCell) -> None:
    x, noise = parts(cell)
    state = cell.initial(N_TRIALS)
    activity, after = cell.rollout(x, state, noise)
    assert activity.shape == (N_TRIALS, N_STEPS, N_UNITS)
    assert [part.shape for part in after] == [part.shape for part in state]
    assert [part.dtype for part in after] == [part.dtype for part in state]
    assert cell.activity(state).shape == (N_TRIALS, N_UNITS)
    torch.testing.assert_close(activity[:, -1], cell.activity(after), **EXACT)


def test_noise_matters_and_its_absence_is_zero_noise(cell: AbstractCell) -> None:
    x, noise = parts(cell)
    state = somewhere(cell)
    silent = cell.rollout(x, state)[0]
    torch.testing.assert_close(silent, cell.rollout(x, state, torch.zeros_like(noise))[0], **EXACT)
    assert not torch.allclose(silent, cell.rollout(x, state, noise)[0])


def test_step_by_step_is_the_rollout(cell: AbstractCell) -> None:
    x, noise = parts(cell)
    state = somewhere(cell)
    whole, last = cell.rollout(x, state, noise)
    for t in range(N_STEPS):
        activity, state = cell.step(x[:, t], state, noise[:, t])
        torch.testing.assert_close(activity, whole[:, t], **FLOAT64)
    for one, other in zip(state, last, strict=True):
        torch.testing.assert_close(one, other, **FLOAT64)


def test_the_plain_loop_is_the_rollout(cell: AbstractCell) -> None:
    x, noise = parts(cell)
    state = somewhere(cell)
    torch.testing.assert_close(cell.loop(x, state, noise)[0], cell.rollout(x, state, noise)[0], **FLOAT64)


def test_a_rollout_in_two_parts_is_one_rollout(cell: AbstractCell) -> None:
    x, noise = parts(cell)
    state = somewhere(cell)
    first, middle = cell.rollout(x[:, :2], state, noise[:, :2])
    second, _ = cell.rollout(x[:, 2:], middle, noise[:, 2:])
    torch.testing.assert_close(torch.cat([first, second], 1), cell.rollout(x, state, noise)[0], **FLOAT64)


def test_trials_do_not_see_each_other(cell: AbstractCell) -> None:
    x, noise = parts(cell)
    state = somewhere(cell)
    alone = cell.rollout(x[1:2], tuple(part[1:2] for part in state), noise[1:2])[0]
    torch.testing.assert_close(alone, cell.rollout(x, state, noise)[0][1:2], **FLOAT64)


def test_the_empty_intervention_changes_no_bit(cell: AbstractCell) -> None:
    x, noise = parts(cell)
    state = somewhere(cell)
    plain = cell.rollout(x, state, noise)[0]
    torch.testing.assert_close(cell.rollout(x, state, noise, intervention=Intervention())[0], plain, **EXACT)
    ones = Intervention(gain=torch.ones(1, 1, N_UNITS).double(), resting_gain=torch.ones(1, N_UNITS).double())
    torch.testing.assert_close(cell.rollout(x, state, noise, intervention=ones)[0], plain, **FLOAT64)


def test_a_stack_is_as_many_separate_runs(cell: AbstractCell) -> None:
    network = Network(cell, n_out=2).double()
    x, noise = parts(cell)
    state = somewhere(cell)
    gain = torch.ones(N_UNITS, 1, 1, N_UNITS).double()
    for k in range(N_UNITS):
        gain[k, ..., k] = 0.0
    current = drawn(N_UNITS, 1, N_STEPS, N_UNITS, seed=8)
    synapses = (drawn(N_UNITS, N_UNITS, N_UNITS, seed=9) > 0).double()
    afferents = (drawn(N_UNITS, N_UNITS, N_IN, seed=10) > 0).double()
    whole = Intervention(gain, gain - 1, current, synapses, afferents, n_stack=N_UNITS)
    together = network(x, state=state, noise=noise, perturb=whole)
    assert together.outputs.shape == (N_UNITS, N_TRIALS, N_STEPS, 2)
    for k in range(0, N_UNITS, 3):
        one = Intervention(gain[k], gain[k] - 1, current[k], synapses[k], afferents[k])
        alone = network(x, state=state, noise=noise, perturb=one)
        torch.testing.assert_close(together.activity[k], alone.activity, **FLOAT64)
        torch.testing.assert_close(together.outputs[k], alone.outputs, **FLOAT64)


def without(cell: AbstractCell, gone: int) -> tuple[Tensor, ...]:
    """The weights of the network in which unit `gone` was never born."""
    keep = torch.arange(N_UNITS) != gone
    cut = []
    for weight in cell.weights():
        gates = weight.shape[0] // N_UNITS
        weight = weight[keep.repeat(gates)]
        recurrent = weight.ndim == 2 and weight.shape[1] == N_UNITS
        cut.append(weight[:, keep] if recurrent else weight)
    return tuple(cut)


@pytest.mark.parametrize("gone", [0, N_UNITS - 1])
def test_a_silenced_unit_is_a_removed_one_for_the_others(cell: AbstractCell, gone: int) -> None:
    x, noise = parts(cell)
    keep = torch.arange(N_UNITS) != gone
    state = somewhere(cell)
    # What is on its way down an axon was sent before: of the silenced unit that is nothing here.
    line = [name.startswith("sent") for name in getattr(cell, "parts", [""] * len(state))]
    state = tuple(part * keep if under_way else part for part, under_way in zip(state, line, strict=True))
    kept = keep.double()
    silence = Intervention(gain=kept.expand(1, 1, -1), resting_gain=kept.expand(1, -1))
    silenced = cell.rollout(x, state, noise, intervention=silence)[0]
    assert bool((silenced[..., gone] == 0).all())
    weights, left = without(cell, gone), tuple(part[:, keep] for part in state)
    for t in range(N_STEPS):
        activity, left = cell.step(x[:, t], left, noise[:, t][:, keep], weights=weights)
        torch.testing.assert_close(silenced[:, t][:, keep], activity, **FLOAT64)


def test_every_trainable_parameter_has_a_gradient(cell: AbstractCell) -> None:
    network = Network(cell, n_out=2, n_start=3, seed=2).double()
    x, noise = parts(cell)
    run = network(x, start=drawn(N_TRIALS, 3, seed=4) + 1, noise=noise)
    (run.outputs - 1).square().sum().backward()  # also where nobody has fired yet
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name
            assert bool((parameter.grad != 0).any()), name
        else:
            assert parameter.grad is None, name


def softly(above: Tensor, near: Tensor, surrogate: AbstractSurrogate, span: float) -> Tensor:
    """A spike whose derivative is the surrogate: what a spiking unit is taken for backward."""
    if near is above:
        return surrogate.integral(above) / span
    return (surrogate.integral(near.clamp(max=0)) + near.clamp(min=0)) / span


def test_the_gradient_of_a_step_is_its_derivative(cell: AbstractCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a spiking unit, with the spike replaced by the integral of its surrogate, and nothing taken as given."""
    if isinstance(cell, AbstractSpiking):
        monkeypatch.setattr("neurornn.cell.spiking.spike", softly)
        for kind in ("exponential", "izhikevich"):
            monkeypatch.setattr(f"neurornn.cell.{kind}.backward_as", lambda exact, along: exact)
        cell.detach_reset = False
    x, noise = parts(cell)
    given = (x[:, 0], *somewhere(cell), noise[:, 0], *(w.detach() for w in cell.weights()))
    given = tuple(part[:1] if i < len(given) - len(cell.weights()) else part for i, part in enumerate(given))
    leaves = tuple(part.clone().requires_grad_() for part in given)
    n_state = len(cell.initial(1))

    def step(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        state, noise, weights = rest[:n_state], rest[n_state], rest[n_state + 1 :]
        activity, after = cell.step(x, state, noise, weights=weights)
        return activity, *after

    assert torch.autograd.gradcheck(step, leaves, fast_mode=True)


def test_settings_rebuild_the_same_cell(cell: AbstractCell) -> None:
    network = Network(cell, {"place": 2, "speed": 1}, n_start=2, noise=UniformNoise(0.1))
    again = rebuilt(network, -1)  # a shift of 0
    fresh = Network(cell, {"place": 2, "speed": 1}, n_start=2, noise=UniformNoise(0.1))
    assert again.heads == fresh.heads
    assert again.noise == fresh.noise
    for (name, one), (_, other) in zip(fresh.state_dict().items(), again.state_dict().items(), strict=True):
        torch.testing.assert_close(one.float(), other, **FLOAT32, msg=name)


def test_untrained_is_another_network_of_the_same_build_and_always_the_same_one(cell: AbstractCell) -> None:
    network = Network(cell, n_out=2, noise=GaussianNoise(0.1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    one, same, other = network.untrained(0), network.untrained(0), network.untrained(1)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, same.state_dict()[name], **EXACT)
    weight = one.cell.weights()[1]
    assert not torch.allclose(weight, network.cell.weights()[1].float())
    assert not torch.allclose(weight, other.cell.weights()[1])
    assert not cell.w_in.requires_grad or not torch.allclose(one.cell.weights()[0], other.cell.weights()[0])
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], **EXACT)


def test_forms_and_noise_follow_their_equations() -> None:
    x, noise = parts()
    x_t, xi = x[:, 0], noise[:, 0]
    for form, noise_at in itertools.product(Form, NoiseAt):
        cell = leaky(form=form, noise_at=noise_at, nonlinearity="tanh").double()
        (h,) = somewhere(cell)
        w_in, w, b, a = cell.weights()
        inner, outer = (xi, 0.0) if noise_at is NoiseAt.DRIVE else (0.0, xi)
        r = torch.tanh(h) if form is Form.CURRENT else h
        u = r @ w.T + x_t @ w_in.T + b + inner
        if form is Form.RATE:
            h_next = (1 - a) * h + a * torch.tanh(u) + outer
        elif form is Form.CURRENT:
            h_next = (1 - a) * h + a * u + outer
        else:
            h_next = torch.tanh((1 - a) * h + a * u + outer)
        sent, (after,) = cell.step(x_t, (h,), xi)
        torch.testing.assert_close(after, h_next, **FLOAT64)
        torch.testing.assert_close(sent, torch.tanh(h_next) if form is Form.CURRENT else h_next, **FLOAT64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_in": 0}, r"LeakyRate: `n_in` must be a whole number, 1 or above; got 0"),
        ({"n_units": -2}, r"LeakyRate: `n_units` must be a whole number"),
        ({"dt": 0.0}, r"LeakyRate: `dt` must be a finite number above 0; got 0"),
        ({"tau": 5.0}, r"LeakyRate: `tau` must be at least `dt` = 20 ms everywhere"),
        ({"tau": [50.0, 60.0]}, r"LeakyRate: `tau` must be one number or 4 of them"),
        ({"nonlinearity": "rely"}, r"LeakyRate: `nonlinearity` must be a known name.*'rely'.*Did you mean 'relu'\?"),
        ({"form": "rates"}, r"LeakyRate: `form` must be a member of Form.*Did you mean 'rate'\?"),
        ({"noise_at": "stat"}, r"LeakyRate: `noise_at` must be a member of NoiseAt.*Did you mean 'state'\?"),
        ({"wiring": Dense(3)}, r"LeakyRate: `wiring` must be for 4 units; got 'one for 3'"),
    ],
)
def test_leaky_rate_refuses(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LeakyRate(**{"n_in": 1, "n_units": 4, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [GRU, LSTM])
@pytest.mark.parametrize("name", ["n_in", "n_units", "dt"])
def test_gated_cells_refuse(kind: type, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}: `{name}` must be .*; got 0"):
        kind(**{"n_in": 1, "n_units": 4, name: 0.0 if name == "dt" else 0})


def test_the_time_constant_of_a_gru_is_a_step_or_more() -> None:
    with pytest.raises(ValueError, match=r"GRU: `tau` must be a finite number above 0; got 0.0"):
        GRU(1, 4, tau=0.0)
    with pytest.raises(ValueError, match=r"GRU: `tau` must be at least `dt` = 20 ms; got 5.0. Take a smaller `dt`"):
        GRU(1, 4, dt=20.0, tau=5.0)


def test_noise_refuses_and_keeps_its_moments() -> None:
    with pytest.raises(ValueError, match="GaussianNoise: `sd` must be a finite number, 0 or above; got -1"):
        GaussianNoise(-1.0)
    with pytest.raises(ValueError, match="UniformNoise: `width` must be a finite number, 0 or above; got -1"):
        UniformNoise(-1.0)
    shape, stream = (40_000,), generator(3)
    gauss = GaussianNoise(0.5, per_sqrt_ms=True).draw(shape, dt=4.0, generator=stream)
    assert abs(float(gauss.std()) - 1.0) < 0.02 and abs(float(gauss.mean())) < 0.02
    flat = UniformNoise(0.6).scaled(2.0).draw(shape, dt=4.0, generator=stream)
    assert abs(float(flat.mean()) - 0.6) < 0.01 and abs(float(flat.var()) - 1.2**2 / 12) < 0.01
