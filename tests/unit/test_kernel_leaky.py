"""Whole-sequence kernels of leaky rate units: the plain loop's numbers, in every backend."""

import inspect

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from neurornn import (
    Dale,
    Dense,
    Form,
    Intervention,
    LeakyRate,
    LowRank,
    Network,
    NoAutapses,
    NoiseAt,
    Sparse,
    generator,
)
from neurornn.kernel import Gate, Place, leaky_sequence, leaky_torch, library
from neurornn.wiring import AbstractWiring

LEVELS = range(library.level() + 1)
native = pytest.mark.skipif(not LEVELS, reason="the native library was not built here")
QUICK = settings(max_examples=25, deadline=None, derandomize=True)


def setting(cell: LeakyRate, trials: int, steps: int, *, noisy: bool, seed: int = 0) -> list[Tensor]:
    """Input, initial state, noise and the loss's weights, in the cell's dtype."""
    stream, dtype = generator(seed), cell.w_in.dtype
    shapes = [(trials, steps, cell.n_in), (trials, cell.n_units), (trials, steps, cell.n_units)]
    x, start, noise, *weights = [
        torch.randn(shape, generator=stream, dtype=torch.float64).to(dtype) for shape in [*shapes, *shapes[1:]]
    ]
    drawn = [x, start, 0.3 * noise] if noisy else [x, start]
    return [*(one.requires_grad_() for one in drawn), *(one / trials for one in weights)]


def answer(cell: LeakyRate, given_: list[Tensor], *, loop: bool) -> list[Tensor]:
    """Activity, last state and every gradient of a loss on both, with a penalty on all activity."""
    *inputs, on_last, on_all = given_
    leaves = [*inputs, *(one for one in cell.parameters() if one.requires_grad)]
    for leaf in leaves:
        leaf.grad = None
    x, start = inputs[:2]
    noise = inputs[2] if len(inputs) == 3 else None
    activity, (last,) = (cell.loop if loop else cell.rollout)(x, (start,), noise)
    loss = (activity * on_all).sum() + (last * on_last).sum() + 0.1 * (activity**2).sum() / len(x)
    loss.backward()
    return [activity.detach(), last.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def same(got: list[Tensor], wanted: list[Tensor], tolerance: float) -> None:
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) <= tolerance * max(float(b.abs().max()), 1e-3)


def wired(n: int, kind: str) -> AbstractWiring:
    dense = Dense(n, gain=0.9, seed=1)
    if kind == "dense" or n < 4:
        return dense
    return Dale(dense) if kind == "dale" else NoAutapses(Sparse(dense, density=0.5))


def clear(cell: LeakyRate, given_: list[Tensor]) -> bool:
    """Whether no unit comes so near the corner of a ReLU that rounding could put it on the other side."""
    if cell.f is torch.tanh:
        return True
    nearest: list[float] = []
    watched = LeakyRate(
        **{**cell.settings, "nonlinearity": lambda u: (nearest.append(float(u.abs().min())), cell.f(u))[1]}
    )
    watched.load_state_dict(cell.state_dict())
    with torch.no_grad():
        watched.loop(given_[0], (given_[1],), given_[2] if len(given_) == 5 else None)
    return min(nearest) > 1e-5


GATES = ["relu", "tanh", "leaky_relu"]

kinds = st.fixed_dictionaries(
    {
        "form": st.sampled_from(Form),
        "nonlinearity": st.sampled_from(GATES),
        "noise_at": st.sampled_from(NoiseAt),
        "train_tau": st.booleans(),
        "bias": st.booleans(),
    }
)
sizes = st.tuples(st.integers(1, 19), st.integers(1, 12), st.integers(1, 70), st.integers(1, 35))


@native
@pytest.mark.parametrize("level", LEVELS)
@QUICK
@given(size=sizes, kind=kinds, wiring=st.sampled_from(["dense", "dale", "sparse"]), noisy=st.booleans())
def test_native_is_the_loop(level: int, size: tuple, kind: dict, wiring: str, noisy: bool) -> None:
    trials, steps, n, n_in = size
    taus = [30.0 + 7.0 * (i % 11) for i in range(n)]
    cell = LeakyRate(n_in, n, tau=taus, dt=20.0, wiring=wired(n, wiring), **kind)
    given_ = setting(cell, trials, steps, noisy=noisy)
    assume(clear(cell, given_))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURORNN_BACKEND", "native")
        patch.setattr(library, "level", lambda: level)
        patch.setattr(library, "FEWEST_UNITS", 1)
        same(answer(cell, given_, loop=False), answer(cell, given_, loop=True), 1e-5)


@native
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", [(40, 50, 130), (330, 2, 300)])
def test_long_and_wide_runs_are_taken_in_parts(
    level: int, size: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weight gradients are gathered in chunks of steps that fit the cache, trials go in groups: here several."""
    trials, steps, n = size
    cell = LeakyRate(5, n, tau=60.0, dt=20.0, nonlinearity="tanh", train_tau=True, wiring=Dense(n, gain=0.9))
    given_ = setting(cell, trials, steps, noisy=True)
    monkeypatch.setattr(library, "level", lambda: level)
    monkeypatch.setattr(library, "FEWEST_UNITS", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)  # which 40 trials cannot be dealt out to evenly
    monkeypatch.setenv("NEURORNN_BACKEND", "native")
    same(answer(cell, given_, loop=False), answer(cell, given_, loop=True), 1e-5)


@QUICK
@given(size=sizes, kind=kinds, wiring=st.sampled_from(["dense", "dale", "sparse"]), noisy=st.booleans())
def test_torch_is_the_loop(size: tuple, kind: dict, wiring: str, noisy: bool) -> None:
    trials, steps, n, n_in = size
    cell = LeakyRate(n_in, n, tau=60.0, dt=20.0, wiring=wired(n, wiring), **kind).double()
    given_ = setting(cell, trials, steps, noisy=noisy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURORNN_BACKEND", "torch")
        same(answer(cell, given_, loop=False), answer(cell, given_, loop=True), 1e-10)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("nonlinearity", GATES)
@pytest.mark.parametrize("noise_at", NoiseAt)
def test_gradients_are_those_of_finite_differences(form: Form, nonlinearity: str, noise_at: NoiseAt) -> None:
    cell = LeakyRate(2, 5, tau=50.0, dt=20.0, form=form, nonlinearity=nonlinearity, noise_at=noise_at, train_tau=True)
    cell = cell.double()
    x, start, noise, *_ = setting(cell, 3, 4, noisy=True, seed=3)
    names = list(dict(cell.named_parameters()))

    def run(x: Tensor, start: Tensor, noise: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        out = torch.func.functional_call(cell, dict(zip(names, parameters, strict=True)), (x, start, noise))
        return out

    cell.forward = lambda x, start, noise: (lambda r: (r[0], r[1][0]))(cell.rollout(x, (start,), noise))  # type: ignore[method-assign]
    assert torch.autograd.gradcheck(run, (x, start, noise, *cell.parameters()))


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("nonlinearity", GATES)
def test_weights_of_low_rank_are_never_formed_and_change_nothing(form: Form, nonlinearity: str) -> None:
    kind = {"form": form, "nonlinearity": nonlinearity, "train_tau": True}
    cell = LeakyRate(3, 256, tau=50.0, dt=20.0, wiring=LowRank(256, rank=2), **kind).double()
    given_ = setting(cell, 4, 9, noisy=True)
    same(answer(cell, given_, loop=False), answer(cell, given_, loop=True), 1e-10)
    (grad,) = torch.autograd.grad(
        cell.rollout(*given_[:1], (given_[1],))[0].square().sum(), given_[0], create_graph=True
    )
    (other,) = torch.autograd.grad(cell.loop(*given_[:1], (given_[1],))[0].square().sum(), given_[0], create_graph=True)
    torch.testing.assert_close(grad, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("form", Form)
def test_second_derivatives_are_those_of_the_loop(form: Form) -> None:
    cell = LeakyRate(2, 5, tau=50.0, dt=20.0, form=form, nonlinearity="tanh").double()
    x, start, *_ = setting(cell, 3, 4, noisy=False)

    def norm(step) -> Tensor:
        (grad,) = torch.autograd.grad((step(x, (start,))[0] ** 2).sum(), x, create_graph=True)
        return torch.autograd.grad((grad**2).sum(), cell.w_in)[0]

    torch.testing.assert_close(norm(cell.rollout), norm(cell.loop), rtol=1e-10, atol=1e-12)


def test_second_derivatives_through_noise_that_was_not_kept_are_refused() -> None:
    cell = LeakyRate(2, 5, tau=50.0, dt=20.0)
    activity, _ = cell.rollout(torch.ones(1, 3, 2), cell.initial(1), torch.zeros(1, 3, 5))
    with pytest.raises(RuntimeError, match="second derivatives of a run with noise have no kernel"):
        torch.autograd.grad(activity.sum(), cell.w_in, create_graph=True)


@pytest.mark.parametrize("backend", ["torch", "native"])
def test_awkward_inputs(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend == "native" and not LEVELS:
        pytest.skip("the native library was not built here")
    monkeypatch.setenv("NEURORNN_BACKEND", backend)
    cell = LeakyRate(3, 10, tau=50.0, dt=20.0)
    x, start = torch.randn(4, 6, 3, generator=generator(0)), cell.initial(4)
    wanted = cell.loop(x, start)[0]
    turned = x.permute(2, 1, 0).contiguous().permute(2, 1, 0)  # the same numbers, laid out backwards
    torch.testing.assert_close(cell.rollout(turned, start)[0], wanted)
    shared = cell.initial(1)[0].expand(4, 10)  # one row in memory for four trials
    torch.testing.assert_close(cell.rollout(x, (shared,))[0], wanted)
    stacked, (last,) = cell.rollout(x.expand(2, 4, 6, 3), (start[0].expand(2, 4, 10),), torch.zeros(4, 6, 10))
    torch.testing.assert_close(stacked, wanted.expand(2, 4, 6, 10))
    assert last.shape == (2, 4, 10)
    for trials, steps in [(0, 6), (4, 0), (0, 0)]:
        activity, (last,) = cell.rollout(x[:trials, :steps], cell.initial(trials))
        assert activity.shape == (trials, steps, 10) and last.shape == (trials, 10)
        activity.sum().backward()
    with pytest.raises(RuntimeError, match="dtype"):
        cell.rollout(x.double(), start)
    with pytest.raises(RuntimeError):
        cell.rollout(x[..., :1], start)
    with pytest.raises(RuntimeError):
        cell.rollout(x, (start[0][:, :1],))
    with pytest.raises(RuntimeError):
        cell.rollout(x, cell.initial(3))


@pytest.mark.parametrize("form", Form)
def test_diverged_states_stay_visible(form: Form) -> None:
    for nonlinearity in ("relu", "tanh"):
        cell = LeakyRate(1, 20, tau=50.0, dt=20.0, form=form, nonlinearity=nonlinearity)
        x = torch.full((2, 3, 1), float("nan"))
        assert cell.rollout(x, cell.initial(2))[0].isnan().all()
        x = torch.full((2, 3, 1), 1e30)
        assert not cell.rollout(x, cell.initial(2))[0].isnan().any()


def test_an_intervention_is_obeyed_and_an_empty_one_changes_no_bit() -> None:
    cell = LeakyRate(2, 12, tau=50.0, dt=20.0)
    x, start = torch.randn(3, 7, 2, generator=generator(0)), cell.initial(3)
    plain = cell.rollout(x, start)[0]
    assert torch.equal(cell.rollout(x, start, intervention=Intervention())[0], plain)
    gain = torch.ones(2, 1, 1, 12)
    gain[1, ..., :6] = 0.0
    held = cell.rollout(
        x.expand(2, 3, 7, 2), (start[0].expand(2, 3, 12),), intervention=Intervention(gain=gain, n_stack=2)
    )[0]
    torch.testing.assert_close(held[0], plain)
    assert not held[1, ..., :6].any()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own, on first use
def test_transforms_see_the_loop() -> None:
    cell = LeakyRate(2, 6, tau=50.0, dt=20.0, nonlinearity="tanh")
    x = torch.randn(3, 4, 2, generator=generator(0))

    def last(start: Tensor) -> Tensor:
        return cell.rollout(x, (start,))[1][0]

    jacobian = torch.func.jacrev(last)(cell.initial(3)[0])
    direction = torch.ones(3, 6)
    moved = torch.func.jvp(last, (cell.initial(3)[0],), (direction,))[1]
    torch.testing.assert_close(torch.einsum("buvw,vw->bu", jacobian, direction), moved)


def test_no_graph_keeps_nothing() -> None:
    cell = LeakyRate(3, 8, tau=50.0, dt=20.0)
    with torch.no_grad():
        activity, _ = cell.rollout(torch.zeros(2, 5, 3), cell.initial(2))
    assert not activity.requires_grad


def test_sizes_that_contradict_each_other_are_refused() -> None:
    cell = LeakyRate(3, 8, tau=50.0, dt=20.0)
    w_in, w_rec, bias, leak = cell.weights()
    with pytest.raises(ValueError, match=r"kernel\.leaky_sequence: `bias` must be of shape"):
        inspect.unwrap(leaky_sequence)(  # without the tests' own checks of shapes
            leaky_torch,
            torch.zeros(2, 5, 3),
            torch.zeros(2, 8),
            None,
            w_in=w_in,
            w_rec=w_rec,
            bias=bias[:4],
            leak=leak,
            place=Place.RATE,
            gate=Gate.RELU,
            noise_in_drive=False,
        )


def network_answer(network: Network, x: Tensor, on_activity: float) -> list[Tensor]:
    """Outputs, activity, last state and every gradient of a loss on what is read out, and on activity."""
    network.zero_grad()
    run = network(x)
    (run.outputs.square().mean() + on_activity * run.activity.square().mean()).backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    return [run.outputs.detach(), run.activity.detach(), run.state[0].detach(), *grads]


@native
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(("n", "rank", "outputs"), [(45, 0, 3), (64, 0, 9), (270, 2, 1), (256, 5, 4)])
def test_what_is_read_out_of_full_weights_and_of_low_rank_is_the_loops(
    n: int, rank: int, outputs: int, form: Form, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring = LowRank(n, rank=rank, seed=1) if rank else Dense(n, gain=0.9)
    cell = LeakyRate(3, n, tau=50.0, dt=20.0, wiring=wiring, form=form, nonlinearity="tanh", train_tau=True)
    network = Network(cell, outputs)
    x = torch.randn(11, 14, 3, generator=generator(0))
    monkeypatch.setattr(library, "level", lambda: level)
    monkeypatch.setattr(library, "FEWEST_UNITS", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    found = []
    for backend in ("native", "loop"):
        monkeypatch.setenv("NEURORNN_BACKEND", backend)
        found.append([network_answer(network, x, weight) for weight in (0.0, 0.1)])
    for got, wanted in zip(*found, strict=True):
        same(got, wanted, 1e-5)


@native
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("nonlinearity", GATES)
def test_stacked_perturbations_are_run_by_the_kernel_as_by_the_loop(
    form: Form, nonlinearity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = LeakyRate(2, 21, tau=50.0, dt=20.0, form=form, nonlinearity=nonlinearity)
    network = Network(cell, 2, noise=0.1)
    stream = generator(0)
    x = torch.randn(6, 9, 2, generator=stream)
    gain = torch.rand(4, 1, 1, 21, generator=stream)
    resting = {"resting_gain": gain[:, 0], "resting_offset": torch.full((1, 21), 0.1)}
    acts = [
        Intervention(gain=gain, n_stack=4),
        Intervention(gain=gain, offset=torch.randn(1, 6, 9, 21, generator=stream), n_stack=4, **resting),
        Intervention(current=torch.randn(4, 1, 9, 1, generator=stream), n_stack=4),
        Intervention(current=torch.randn(9, 21, generator=stream), gain=torch.rand(6, 1, 21, generator=stream)),
    ]
    taken: list[str] = []
    call = library.call
    monkeypatch.setattr(library, "call", lambda name, table: (taken.append(name), call(name, table))[1])
    for act in acts:
        found = []
        for backend in ("native", "loop"):
            monkeypatch.setenv("NEURORNN_BACKEND", backend)
            with torch.no_grad():
                run = network(x, generator=generator(5), perturb=act)
            found.append([run.outputs, run.activity, run.state[0]])
        same(found[0], found[1], 1e-5)
    assert taken.count("neurornn_leaky_forward") == len(acts)
    monkeypatch.setenv("NEURORNN_BACKEND", "native")
    cut = Intervention(synapses=torch.zeros(21, 21))
    with torch.no_grad():
        assert network(x, perturb=cut).activity.shape == (6, 9, 21)
    assert taken.count("neurornn_leaky_forward") == len(acts) + 1
    network(x, perturb=acts[0]).outputs.sum().backward()  # one that is trained: by the loop
    assert taken.count("neurornn_leaky_forward") == len(acts) + 1


@native
@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_long_runs_are_the_short_ones_side_by_side(form: Form, nonlinearity: str) -> None:
    # What is larger than caches is written past them, from two million numbers on.
    cell = LeakyRate(2, 128, tau=50.0, dt=20.0, form=form, nonlinearity=nonlinearity)
    x = torch.randn(32, 600, 2, generator=generator(0))
    assert x.shape[0] * x.shape[1] * 128 > 1 << 21

    def run(part: Tensor) -> tuple[Tensor, Tensor]:
        sent, _ = cell.rollout(part, cell.initial(len(part)))
        (grad,) = torch.autograd.grad(sent.square().sum(), cell.w_in)
        return sent.detach(), grad

    sent, grad = run(x)
    parts = [run(part) for part in x.split(8)]
    assert torch.equal(sent, torch.cat([part for part, _ in parts]))
    torch.testing.assert_close(grad, sum((part for _, part in parts), torch.zeros_like(grad)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("form", list(Form))
def test_gradients_outlive_the_next_backward_pass(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORNN_BACKEND", "torch")  # which works in memory that it keeps
    cell = LeakyRate(3, 12, tau=50.0, dt=20.0, form=form, train_tau=True)

    def grads(seed: int) -> tuple[Tensor, ...]:
        x, noise = (torch.randn(4, 9, n, generator=generator(seed + i)).requires_grad_() for i, n in enumerate((3, 12)))
        start = torch.randn(4, 12, generator=generator(seed + 2)).requires_grad_()
        sent, (last,) = cell.rollout(x, (start,), noise)
        return torch.autograd.grad(sent.square().sum() + last.sum(), (x, noise, start, *cell.parameters()))

    first = grads(0)
    copies = [one.clone() for one in first]
    grads(10)
    assert all(torch.equal(one, copy) for one, copy in zip(first, copies, strict=True))
