"""Whole-sequence kernels of integrate-and-fire units against the plain steps of their contract."""

import inspect
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neurornn import generator
from neurornn.kernel import Surrogate, library, lif_native, lif_sequence, lif_torch
from neurornn.kernel.leaky import Read
from neurornn.kernel.lif import Firing, Spiking

LEVELS = range(library.level() + 1)
native = pytest.mark.skipif(not LEVELS, reason="the native library was not built here")
QUICK = settings(max_examples=25, deadline=None, derandomize=True)


class Spike(torch.autograd.Function):
    """A step forward, a surrogate backward: what every package of spiking networks is built on."""

    @staticmethod
    def forward(ctx, s: Tensor, surrogate: Surrogate, slope: float) -> Tensor:
        ctx.save_for_backward(s)
        ctx.which = surrogate, slope
        return (s > 0).to(s.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        (s,), (surrogate, k) = ctx.saved_tensors, ctx.which
        slopes = {
            Surrogate.SUPERSPIKE: 1 / (1 + k * s.abs()) ** 2,
            Surrogate.TRIANGLE: torch.relu(1 - k * s.abs()),
            Surrogate.ARCTAN: 1 / (1 + (k * s) ** 2),
        }
        return grad * slopes[surrogate], None, None


def plain(
    engine,
    x,
    start,
    noise,
    *,
    w_in,
    w_rec,
    bias,
    synapse,
    membrane,
    drive,
    threshold,
    reset,
    adaptation,
    waiting,
    refractory,
    hard,
    direct,
    read,
    surrogate,
    slope,
):
    """The contract, line by line."""
    i, v, z, *rest = start
    a = rest[0] if rest else torch.zeros_like(v)
    rho, kappa = adaptation if adaptation is not None else (torch.zeros_like(threshold),) * 2
    wait = torch.zeros_like(v) if waiting is None else waiting
    run = []
    for t in range(x.shape[1]):
        q = x[:, t] @ w_in.mT + bias + (0 if noise is None else noise[:, t])
        i = synapse * i + z @ w_rec.mT + (0 if direct else q)
        a = rho * a + z
        reached = torch.where(wait > 0, v, membrane * v + drive * i + (q if direct else 0))
        z = torch.where(wait > 0, 0.0, Spike.apply(reached - threshold - kappa * a, surrogate, slope))
        fired = z.detach()
        v = reached + fired * (reset - reached) if hard else reached - reset * fired
        wait = torch.where(fired > 0, float(refractory), (wait - 1).clamp(min=0))
        run.append(z)
    spikes = torch.stack(run, 1)
    state = (i, v, z.detach(), *((a,) if adaptation is not None else ()), *((wait,) if refractory else ()))
    return spikes, state, spikes @ read.weights.mT + read.shift


def problem(
    trials: int,
    steps: int,
    n: int,
    n_in: int,
    *,
    adaptive: bool,
    noisy: bool,
    seed: int = 0,
    refractory: int = 0,
    hard: bool = False,
    direct: bool = False,
    sparse: bool = False,
) -> dict:
    stream = generator(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=stream, dtype=torch.float64)

    spikes = (torch.rand(trials, n, generator=stream) < 0.2).double()
    start = [0.3 * normal(trials, n), 0.5 * normal(trials, n), spikes]
    if adaptive:
        start.append(normal(trials, n).abs())
    x = normal(trials, steps, n_in)
    return {
        "x": x * (torch.rand(x.shape, generator=stream) < 0.1) if sparse else x,
        "start": tuple(start),
        "noise": 0.1 * normal(trials, steps, n) if noisy else None,
        "w_in": normal(n, n_in) / n_in**0.5,
        "w_rec": normal(n, n) / n**0.5,
        "bias": 0.1 * normal(n),
        "synapse": 0.8 + 0.02 * normal(n),
        "membrane": 0.9 + 0.02 * normal(n),
        "drive": 0.5 + 0.02 * normal(n),
        "threshold": 1.0 + 0.05 * normal(n),
        "reset": (0.1 if hard else 0.9) + 0.05 * normal(n),
        "adaptation": (0.95 + 0.01 * normal(n), 0.1 + 0.01 * normal(n)) if adaptive else None,
        "waiting": (2 * torch.rand(trials, n, generator=stream)).floor().double() if refractory else None,
        "read": Read(normal(5, n), normal(5)),
        "refractory": refractory,
        "hard": hard,
        "direct": direct,
    }


def every(given_: dict, change) -> dict:
    """The same problem with `change` made to every tensor."""
    found = {}
    for name, value in given_.items():
        if isinstance(value, Read):
            found[name] = Read(change(value.weights), change(value.shift))
        elif isinstance(value, tuple):
            found[name] = tuple(change(one) for one in value)
        else:
            found[name] = change(value) if isinstance(value, Tensor) else value
    return found


def leaves(given_: dict, names: tuple[str, ...]) -> list[Tensor]:
    found = []
    for name in names:
        value = given_[name]
        found += [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, torch.Tensor)]
    return found


def answer(way, engine, given_: dict, names: tuple[str, ...], *, on_last: bool, **which) -> list[Tensor]:
    for one in leaves(given_, names):
        one.requires_grad_()
        one.grad = None
    rest = {name: value for name, value in given_.items() if name not in ("x", "start", "noise")}
    spikes, state, out = way(engine, given_["x"], given_["start"], given_["noise"], **rest, **which)
    assert out is not None
    weight = torch.linspace(-1, 1, spikes.numel(), dtype=spikes.dtype).to(spikes.device).reshape(spikes.shape).cos()
    loss = (spikes * weight).sum() + 0.1 * spikes.mean() ** 2 + (out * weight[..., :1]).sum()
    if on_last:
        moving = 4 if given_["adaptation"] is not None else 3
        loss = loss + sum((one * one).sum() for one in (*state[:2], *state[3:moving]))
    loss.backward()
    grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in leaves(given_, names)]
    return [spikes.detach(), out.detach(), *(one.detach() for one in state), *grads]


CONSTANTS = ("synapse", "membrane", "drive", "threshold", "reset", "adaptation")
WEIGHTS = ("x", "noise", "w_in", "w_rec", "bias", "read")
ALL = (*WEIGHTS, "start", *CONSTANTS)
kinds = st.fixed_dictionaries(
    {
        "adaptive": st.booleans(),
        "noisy": st.booleans(),
        "refractory": st.sampled_from([0, 0, 2]),
        "hard": st.booleans(),
        "direct": st.booleans(),
        "sparse": st.booleans(),
    }
)
sizes = st.tuples(st.integers(1, 19), st.integers(1, 12), st.integers(1, 70), st.integers(1, 35))


@pytest.mark.parametrize("surrogate", Surrogate)
@QUICK
@given(size=sizes, kind=kinds, on_last=st.booleans())
def test_torch_is_the_contract(surrogate: Surrogate, size: tuple, kind: dict, on_last: bool) -> None:
    given_ = problem(*size, **kind)
    ways = [
        answer(way, lif_torch, given_, ALL, on_last=on_last, surrogate=surrogate, slope=3.0)
        for way in (lif_sequence, plain)
    ]
    for got, wanted in zip(*ways, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-10)


@native
@pytest.mark.parametrize("level", LEVELS)
@QUICK
@given(
    size=sizes,
    kind=kinds,
    surrogate=st.sampled_from(Surrogate),
    gain=st.sampled_from([-2.0, 0.0, 2.0]),
)
def test_native_is_the_contract(level: int, size: tuple, kind: dict, surrogate: Surrogate, gain: float) -> None:
    """On numbers that float32 holds exactly, so that no spike can flip by rounding; few spikes, and many."""
    given_ = problem(*size, **kind)

    coarse = every(given_, lambda one: (one * 64).round() / 64)
    n = size[2]
    for name, exact in (("synapse", 0.5), ("membrane", 0.5), ("drive", 0.5)):
        coarse[name] = torch.full((n,), exact, dtype=torch.float64)
    coarse["bias"] = coarse["bias"] + gain * 0.25
    if kind["adaptive"]:
        coarse["adaptation"] = (torch.full((n,), 0.5).double(), torch.full((n,), 0.125).double())
    coarse["x"] = coarse["x"].round()
    which = {"surrogate": surrogate, "slope": 2.0}
    wanted = answer(plain, None, coarse, WEIGHTS, on_last=False, **which)
    single = every(coarse, lambda one: one.detach().float())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "level", lambda: level)
        patch.setattr(library, "FEWEST_UNITS", 1)
        got = answer(lif_sequence, lif_native, single, WEIGHTS, on_last=False, **which)
    assert torch.equal(got[0].double(), wanted[0])
    for a, b in zip(got, wanted, strict=True):
        assert float((a - b).abs().max()) <= 1e-5 * max(float(b.abs().max()), 1e-3)


@native
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("gain", [0.0, 1.0])
@pytest.mark.parametrize("size", [(40, 50, 130, 5), (250, 3, 300, 5)])
def test_long_and_wide_runs_are_taken_in_parts(
    level: int, gain: float, size: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients are gathered in chunks of steps that fit the cache, trials go in groups: here several of both."""
    given_ = every(problem(*size, adaptive=False, noisy=False), Tensor.float)
    given_["bias"] = given_["bias"] + gain
    monkeypatch.setattr(library, "level", lambda: level)
    monkeypatch.setattr(library, "FEWEST_UNITS", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)  # which 40 trials cannot be dealt out to evenly
    which = {"on_last": False, "surrogate": Surrogate.SUPERSPIKE, "slope": 2.0}
    spikes, *_ = wanted = answer(lif_sequence, lif_native, given_, WEIGHTS, **which)
    # The torch pass over the very same spikes, so that none that rounding has flipped stands between the two.
    engine = SimpleNamespace(WHOLE=True, forward=lif_native.forward, backward=lif_torch.backward)
    got = answer(lif_sequence, engine, given_, WEIGHTS, **which)
    assert torch.equal(got[0], spikes) and 0.01 < float(spikes.mean()) < 0.9
    for a, b in zip(got, wanted, strict=True):
        assert float((a - b).abs().max()) <= 1e-5 * max(float(b.abs().max()), 1e-3)


@native
@pytest.mark.parametrize("refractory", [0, 2])
def test_what_the_native_pass_does_not_cover_it_hands_on(refractory: int) -> None:
    given_ = problem(3, 5, 20, 4, adaptive=True, noisy=False, refractory=refractory)
    single = every(given_, Tensor.float)
    which = {"surrogate": Surrogate.ARCTAN, "slope": 2.0}
    got = answer(lif_sequence, lif_native, single, ALL, on_last=True, **which)
    wanted = answer(lif_sequence, lif_torch, single, ALL, on_last=True, **which)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", [lif_torch, pytest.param(lif_native, marks=native)])
def test_empty_and_contradictory_inputs(engine) -> None:
    for trials, steps in [(0, 4), (3, 0)]:
        given_ = problem(trials, steps, 6, 2, adaptive=False, noisy=False)
        single = every(given_, Tensor.float)
        rest = {name: value for name, value in single.items() if name not in ("x", "start", "noise")}
        spikes, state, _ = lif_sequence(engine, single["x"], single["start"], None, **rest)
        assert spikes.shape == (trials, steps, 6)
        assert len(state) == 3 and state[0].shape == (trials, 6)
    bare = inspect.unwrap(lif_sequence)
    with pytest.raises(ValueError, match=r"kernel\.lif_sequence: `bias` must be of shape"):
        bare(engine, single["x"], single["start"], None, **{**rest, "bias": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"kernel\.lif_sequence: `start` must be current, voltage, spikes"):
        bare(engine, single["x"], single["start"][:2], None, **rest)
    with pytest.raises(
        ValueError, match=r"kernel\.lif_sequence: `waiting` must be given where `refractory` is above 0"
    ):
        bare(engine, single["x"], single["start"], None, **{**rest, "refractory": 2})
    with pytest.raises(ValueError, match=r"kernel\.lif_sequence: `slope` must be a finite number above 0"):
        bare(engine, single["x"], single["start"], None, **rest, slope=0.0)


def test_a_backward_pass_needs_what_the_forward_pass_keeps() -> None:
    nothing = torch.zeros(1, 2)
    given_ = Spiking(nothing[None], None, nothing, *[nothing[0]] * 5, None, None, *[nothing] * 3, *[None] * 4)
    which = Firing(Surrogate.ARCTAN, 1.0)
    left = lif_torch.forward(which, given_._replace(weights=torch.zeros(5, 2)), False, False)
    with pytest.raises(RuntimeError, match=r"kernel\.lif: the forward pass kept nothing for a backward pass"):
        lif_torch.backward(which, given_, left, left, (True,) * 17)


@native
def test_long_runs_are_the_short_ones_side_by_side() -> None:
    # What is larger than caches is written past them, from two million numbers on; units that spike in a fifth of the
    # steps take the dense way to the weights' gradient.
    n_trials, n_steps, n_units, n_in = 40, 500, 128, 5
    stream = generator(0)
    x = 3 * torch.randn(n_trials, n_steps, n_in, generator=stream)
    w_in = torch.randn(n_units, n_in, generator=stream).requires_grad_()
    w_rec = (0.3 * torch.randn(n_units, n_units, generator=stream) / n_units**0.5).requires_grad_()
    readout = torch.randn(3, n_units, generator=stream).requires_grad_()
    constants = {"synapse": 0.8, "membrane": 0.9, "drive": 0.1, "threshold": 1.0, "reset": 1.0}
    given = {name: torch.full((n_units,), value) for name, value in constants.items()}
    assert n_trials * n_steps * n_units > 1 << 21

    def run(part: Tensor) -> tuple[Tensor, ...]:
        start = (torch.zeros(len(part), n_units),) * 3
        bias = torch.zeros(n_units)
        spikes, _, out = lif_sequence(
            lif_native, part, start, None, w_in=w_in, w_rec=w_rec, bias=bias, read=Read(readout, None), **given
        )
        assert out is not None
        return spikes.detach(), *torch.autograd.grad(out.square().sum(), (w_in, w_rec, readout))

    spikes, *grads = run(x)
    assert 0.15 < spikes.mean() < 0.5
    parts = [run(part) for part in x.split(8)]
    assert torch.equal(spikes, torch.cat([part[0] for part in parts]))
    for i, grad in enumerate(grads, 1):
        wanted = sum((part[i] for part in parts), torch.zeros_like(grad))
        assert (grad - wanted).abs().max() < 1e-5 * wanted.abs().max()
