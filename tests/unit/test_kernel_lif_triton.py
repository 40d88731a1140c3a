"""Triton's kernels of integrate-and-fire units, by Triton's interpreter on the CPU: the contract's numbers.

As those of rate units they run in a process of their own: this file, run as a program, prints how far the kernels are
from the plain steps of the contract.
"""

import json
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn import LIF, AdaptiveLIF, generator
from neurornn.kernel import Noise, Surrogate, spiking_engine
from tests.unit.test_kernel_lif import ALL, WEIGHTS, answer, every, kinds, lif_sequence, plain, problem
from tests.unit.test_kernel_triton import in_a_process, needs_triton, several_programs

CLOSE = 1e-5
sizes = st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 40), st.integers(1, 6))
LARGE = [
    ((5, 3, 130, 4), {"adaptive": True, "noisy": True, "refractory": 2, "hard": True, "direct": True, "sparse": False}),
    (
        (3, 4, 300, 4),
        {"adaptive": True, "noisy": False, "refractory": 2, "hard": False, "direct": False, "sparse": False},
    ),
]


def furthest(got: list[torch.Tensor], wanted: list[torch.Tensor]) -> float:
    """The largest difference in any output or gradient, relative to that one's largest value.

    Of what cancels to next to nothing, it is held against a hundredth: gradients here are about 1.
    """
    pairs = [(a.detach().cpu().double(), b.detach().cpu().double()) for a, b in zip(got, wanted, strict=True)]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-2)) for a, b in pairs)


def coarse(size: tuple, kind: dict) -> dict:
    """A problem of numbers that float32 holds exactly, so that no spike can flip by rounding."""
    given_ = every(problem(*size, **kind), lambda one: (one * 64).round() / 64)
    for name in ("synapse", "membrane", "drive"):
        given_[name] = torch.full((size[2],), 0.5, dtype=torch.float64)
    if kind["adaptive"]:
        given_["adaptation"] = (torch.full((size[2],), 0.5).double(), torch.full((size[2],), 0.125).double())
    return given_ | {"x": given_["x"].round()}


def distance(size: tuple, kind: dict, surrogate: Surrogate, names: tuple[str, ...], device: str = "cpu") -> float:
    """How far kernels in float32 are from the plain steps in float64: the worst of outputs and gradients."""
    given_ = coarse(size, kind)
    which = {"surrogate": surrogate, "slope": 2.0}
    wanted = answer(plain, None, given_, names, on_last=names is ALL, **which)
    single = every(given_, lambda one: one.detach().to(device, torch.float32))
    engine = spiking_engine(single["x"])
    assert engine is not None and engine.__name__.endswith("lif_triton")  # type: ignore[attr-defined]
    got = answer(lif_sequence, engine, single, names, on_last=names is ALL, **which)
    assert torch.equal(got[0].cpu().double(), wanted[0]), "other spikes"
    return furthest(got, wanted)


def cells(device: str = "cpu") -> float:
    """How far whole cells are from their loop, where rounding flips no spike."""
    worst = 0.0
    for make in (
        lambda: LIF(4, 24, reset="hard", refractory=2.0, train=("tau", "tau_syn")),
        lambda: AdaptiveLIF(4, 24, reset="soft"),
        lambda: LIF(4, 24, reset="none", tau_syn=None),
    ):
        cell = make().to(device)
        x = (8 * torch.rand(3, 25, 4, generator=generator(0))).to(device)
        noise = Noise(key=3, sd=0.5, n_trials=3, n_steps=25, n_units=24).tensor(x)
        answers = []
        for way in (cell.rollout, cell.loop):
            spikes, state = way(x, cell.initial(3), noise)
            weight = torch.linspace(-1, 1, spikes.numel(), device=device).reshape(spikes.shape).cos()
            grads = torch.autograd.grad((spikes * weight).sum() + state[0].sum(), list(cell.parameters()))
            answers.append([spikes, *state, *grads])
        assert 0.01 < float(answers[1][0].mean().detach()) < 0.6
        worst = max(worst, furthest(*answers))
    return worst


def program() -> None:
    found: dict[str, float] = {}

    def note(name: str, far: float) -> None:
        found[name] = max(found.get(name, 0.0), far)

    @settings(max_examples=30, deadline=None, derandomize=True, database=None)
    @given(size=sizes, kind=kinds, surrogate=st.sampled_from(Surrogate), names=st.sampled_from([WEIGHTS, ALL]))
    def drawn(size: tuple, kind: dict, surrogate: Surrogate, names: tuple[str, ...]) -> None:
        note(surrogate.name, distance(size, kind, surrogate, names))

    drawn()
    for size, kind in LARGE:
        note("large", distance(size, kind, Surrogate.SUPERSPIKE, ALL))
    with several_programs(3):  # five trials: three of the second four are not there
        for _, kind in LARGE:
            note("several programs", distance((5, 3, 40, 4), kind, Surrogate.SUPERSPIKE, ALL))
    note("cells", cells())
    print(json.dumps(found))


def compiled() -> None:
    """Compile both kernels for an NVIDIA GPU, which takes none; print how many bytes of machine code each has."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from neurornn.kernel import gpu, lif_device

    code = {}
    gpu.multiprocessors = lambda device: 132  # an H100's
    for n in (64, 256, 512):
        plan = gpu.layout(64, n, torch.device("cuda", 0))
        options = {"num_warps": plan["num_warps"], "num_stages": 1, "launch_cooperative_grid": bool(plan["SPIN"])}
        for kernel in (lif_device.forward, lif_device.backward):
            fixed = {**plan, "HARD": True, "DIRECT": True, "REST": 2, "SHAPE": 0, "grad_adapted": None}
            fixed = {key: value for key, value in fixed.items() if key in kernel.arg_names}
            kinds_ = {key: "i32" if key.startswith("n_") else "*fp32" for key in kernel.arg_names}
            kinds_ |= {"slope": "fp32", "seen": "*i32"} if "slope" in kinds_ else {"seen": "*i32"}
            kinds_.update(dict.fromkeys(fixed, "constexpr"))
            made = compile(
                ASTSource(fn=kernel, signature=kinds_, constexprs=fixed),
                target=GPUTarget("cuda", 90, 32),
                options=options,
            )
            code[f"{kernel.__name__} {n}"] = len(made.asm["cubin"])
    print(json.dumps(code))


@pytest.fixture(scope="module")
def interpreted() -> dict[str, object]:
    return in_a_process(__name__, "interpreted", TRITON_INTERPRET="1", NEURORNN_BACKEND="triton")


@pytest.mark.parametrize("what", [*(one.name for one in Surrogate), "large", "several programs", "cells"])
def test_spikes_are_the_contracts_and_gradients_to_rounding(what: str, interpreted: dict[str, object]) -> None:
    assert float(interpreted[what]) <= CLOSE  # type: ignore[arg-type]


def test_the_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    code = in_a_process(__name__, "compiled", TRITON_CACHE_DIR=str(tmp_path))
    assert len(code) == 6 and all(int(size) > 1000 for size in code.values())  # type: ignore[call-overload]


@needs_triton
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("surrogate", Surrogate, ids=lambda one: one.name)
@pytest.mark.parametrize("size", [(3, 9, 20, 4), (70, 11, 130, 4), (40, 20, 256, 8), (33, 12, 300, 4), (9, 8, 1000, 4)])
def test_on_a_gpu_spikes_are_the_contracts(size: tuple, surrogate: Surrogate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORNN_BACKEND", "triton")
    for _, kind in LARGE:
        assert distance(size, kind, surrogate, ALL, "cuda") <= CLOSE


if __name__ == "__main__":
    {"interpreted": program, "compiled": compiled}[sys.argv[1]]()
