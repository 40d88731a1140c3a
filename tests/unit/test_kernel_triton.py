"""Triton's kernels of leaky rate units, by Triton's interpreter on the CPU: the plain loop's numbers.

The interpreter has to be asked for before Triton is loaded, so it runs in a process of its own: this file, run as a
program, prints how far the kernels are from the loop.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from neurornn import Dense, Form, LeakyRate, LowRank, NoiseAt, generator
from neurornn.kernel import backend, choice, engine, leaky_torch, lif_torch, spiking_engine
from tests.house.source import ROOT
from tests.tolerances import FLOAT32
from tests.unit.test_kernel_leaky import answer, clear, setting

installed = find_spec("triton") is not None
needs_triton = pytest.mark.skipif(not installed, reason="triton is not installed here")
SIZES = [(3, 5, 7), (1, 4, 20), (5, 1, 16), (2, 3, 33), (5, 3, 130)]  # trials, steps, units
VARIABLES = ("NEURORNN_BACKEND", "TRITON_INTERPRET")
KINDS = [(form, gate, noise) for form in Form for gate in ("relu", "tanh") for noise in (None, *NoiseAt)]
CASES = [(SIZES[i % len(SIZES)], *kind) for i, kind in enumerate(KINDS)]
CASES += [(SIZES[-1], form, gate, NoiseAt.STATE) for form, gate in zip(Form, ("tanh", "relu", "tanh"), strict=True)]


def name(case: tuple) -> str:
    (trials, steps, n), form, gate, noise = case
    return f"{trials}x{steps}x{n} {form.value} {gate} {noise.value if noise else 'no'} noise"


def furthest(got: list[torch.Tensor], wanted: list[torch.Tensor]) -> float:
    """The largest difference in any output or gradient, relative to that one's largest value."""
    assert [one.shape for one in got] == [one.shape for one in wanted]
    pairs = [(a.detach(), b.detach()) for a, b in zip(got, wanted, strict=True)]
    return max(float((a - b).abs().max()) / max(float(b.abs().max()), 1e-3) for a, b in pairs)


def distance(case: tuple, device: str = "cpu") -> float:
    """How far a rollout by the kernels is from the loop on that device, in the worst of outputs and gradients."""
    (trials, steps, n), form, gate, noise = case
    kind = {"form": form, "nonlinearity": gate, "noise_at": noise or NoiseAt.STATE, "train_tau": True}
    taus = [30.0 + 7.0 * (i % 11) for i in range(n)]
    cell = LeakyRate(3, n, tau=taus, dt=20.0, wiring=Dense(n, gain=0.9, seed=1), **kind)
    seeds = (setting(cell, trials, steps, noisy=noise is not None, seed=seed) for seed in range(99))
    given_ = next(one for one in seeds if clear(cell, one))
    given_ = [one.detach().to(device).requires_grad_(one.requires_grad) for one in given_]
    cell = cell.to(device)
    return furthest(answer(cell, given_, loop=False), answer(cell, given_, loop=True))


@contextmanager
def several_programs(n_steps: int) -> Iterator[None]:
    """Let four programs share four trials, as beyond 256 units.

    They cannot wait for each other here, where one runs after the other. But each time that all have run, one more step
    of what the others sent is as it should be.
    """
    from neurornn.kernel import gpu

    with pytest.MonkeyPatch.context() as patch:
        run = gpu.launch
        sizes = {"ROWS": 4, "UNITS": 64, "COLUMNS": 16, "SIDE": 2, "num_warps": 4}
        plan = gpu.threads(sizes, wait=False)
        assert plan["FROM_WARPS"] > 1
        patch.setattr(gpu, "layout", lambda n_trials, *_: plan | {"groups": -(-n_trials // 4)})
        patch.setattr(gpu, "launch", lambda *a, **k: [run(*a, **k) for _ in range(n_steps + 1)])
        yield


def others() -> dict[str, object]:
    """What else the kernels owe: one gradient alone, what they hand on, and states that diverged."""
    found: dict[str, object] = {}
    with several_programs(3):  # five trials: three of the second four are not there
        found["several programs"] = max(distance(((5, 3, 40), form, "tanh", NoiseAt.STATE)) for form in Form)
    cell = LeakyRate(2, 9, tau=50.0, dt=20.0, nonlinearity="tanh")
    x, start = torch.randn(3, 4, 2, generator=generator(0)), cell.initial(3)
    turned = x.permute(2, 1, 0).contiguous().permute(2, 1, 0)  # the same numbers, laid out backwards
    found["layout"] = furthest([cell.rollout(turned, start)[0]], [cell.loop(x, start)[0]])
    alone = [torch.autograd.grad(way(x, start)[1][0].sum(), cell.w_in)[0] for way in (cell.rollout, cell.loop)]
    found["last state alone"] = furthest(alone[:1], alone[1:])
    for n, wiring in [(1030, None), (256, LowRank(256, rank=2))]:
        large = LeakyRate(2, n, tau=50.0, dt=20.0, wiring=wiring)
        grads = []
        for way in (large.rollout, large.loop):
            sent = way(x, large.initial(3))[0]
            grads.append([sent.detach(), *torch.autograd.grad(sent.square().sum(), [large.w_in])])
        found[f"{n} units"] = furthest(*grads)
    faint = LeakyRate(2, 4, tau=50.0, dt=20.0, nonlinearity="tanh")
    small = 1e-4 * torch.randn(14, 30, 2, generator=generator(1))
    ways = [way(small, faint.initial(14))[0].detach() for way in (faint.rollout, faint.loop)]
    found["small activity"] = float(((ways[0] - ways[1]).abs() / ways[1].abs().max()).max())
    shapes = [list(cell.rollout(x[:b, :t], cell.initial(b))[0].shape) for b, t in [(0, 4), (3, 0)]]
    found["empty"] = shapes == [[0, 4, 9], [3, 0, 9]]
    unseen = [LeakyRate(1, 5, tau=50.0, dt=20.0, form=form, nonlinearity=f) for form in Form for f in ("relu", "tanh")]
    lost = torch.full((2, 3, 1), float("nan"))
    found["nan"] = all(bool(one.rollout(lost, one.initial(2))[0].isnan().all()) for one in unseen)
    found["huge"] = all(
        not bool(one.rollout(torch.full((2, 3, 1), 1e30), one.initial(2))[0].isnan().any()) for one in unseen
    )
    return found


def program() -> None:
    assert engine(torch.zeros(1)).__name__.endswith("leaky_triton")  # type: ignore[union-attr]
    print(json.dumps({**{name(case): distance(case) for case in CASES}, **others()}))


def compiled() -> None:
    """Compile both kernels for an NVIDIA GPU, which takes none; print how many bytes of machine code each has."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from neurornn.kernel import gpu, leaky_device

    code = {}
    gpu.multiprocessors = lambda device: 132  # an H100's
    device = torch.device("cuda", 0)
    for n in (128, 256, 512):
        layout = dict(gpu.layout(64, n, device))
        options = {
            "num_warps": layout.pop("num_warps"),
            "num_stages": 1,
            "launch_cooperative_grid": bool(layout["SPIN"]),
        }
        for kernel, absent in ((leaky_device.forward, ("scale", "state")), (leaky_device.backward, ())):
            fixed = {**layout, "PLACE": 0, "GATE": 1, "OUTSIDE": True, **dict.fromkeys(absent)}
            fixed = {key: value for key, value in fixed.items() if key in kernel.arg_names}
            kinds = {key: "i32" if key.startswith("n_") else "*fp32" for key in kernel.arg_names}
            kinds |= {"seen": "*i32", **dict.fromkeys(fixed, "constexpr")}
            source = ASTSource(fn=kernel, signature=kinds, constexprs=fixed)
            made = compile(source, target=GPUTarget("cuda", 90, 32), options=options)
            code[f"{kernel.__name__} {n}"] = len(made.asm["cubin"])
    print(json.dumps(code))


def in_a_process(module: str, what: str, **variables: str) -> dict[str, object]:
    """What a file of tests prints when it is run as a program."""
    if not installed:
        pytest.skip("triton is not installed here")
    unset = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    call = [sys.executable, "-m", f"tests.unit.{module.rsplit('.', 1)[-1]}", what]
    done = subprocess.run(call, cwd=ROOT, env={**unset, **variables}, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def interpreted() -> dict[str, object]:
    return in_a_process(__name__, "interpreted", TRITON_INTERPRET="1", NEURORNN_BACKEND="triton")


@pytest.mark.parametrize("case", CASES, ids=name)
def test_outputs_and_gradients_are_the_loops(case: tuple, interpreted: dict[str, object]) -> None:
    assert float(interpreted[name(case)]) <= FLOAT32["rtol"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "what", ["several programs", "layout", "last state alone", "1030 units", "256 units", "small activity"]
)
def test_other_ways_to_ask_give_the_loops_numbers_too(what: str, interpreted: dict[str, object]) -> None:
    assert float(interpreted[what]) <= FLOAT32["rtol"]  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["empty", "nan", "huge"])
def test_nothing_and_diverged_states_stay_what_they_are(what: str, interpreted: dict[str, object]) -> None:
    assert interpreted[what] is True


def test_the_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    code = in_a_process(__name__, "compiled", TRITON_CACHE_DIR=str(tmp_path))
    assert len(code) == 6 and all(int(size) > 1000 for size in code.values())  # type: ignore[call-overload]


def test_training_on_the_cpu_loads_no_triton() -> None:
    code = (
        "import sys, torch, neurornn\n"
        "network = neurornn.Network(neurornn.LeakyRate(2, 8, tau=50.0, dt=20.0), 1)\n"
        "network(torch.zeros(2, 3, 2)).outputs.sum().backward()\n"
        "assert 'triton' not in sys.modules\n"
        "torch.optim.Adam(network.parameters()).step()\n"  # torch's own optimisers load Triton where it is installed
        "assert 'neurornn.kernel.leaky_triton' not in sys.modules\n"
    )
    unset = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=unset, check=True, timeout=120)


@needs_triton
def test_without_the_interpreter_tensors_on_the_cpu_go_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORNN_BACKEND", "triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert backend().name == "triton"
    assert engine(torch.zeros(1)) is leaky_torch
    assert spiking_engine(torch.zeros(1)) is lif_torch


def test_where_it_is_not_installed_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_has_triton", lambda: False)
    monkeypatch.setenv("NEURORNN_BACKEND", "triton")
    with pytest.raises(ValueError, match="loop, torch or native where Triton is not installed; got 'triton'"):
        backend()


@pytest.mark.parametrize(
    ("forced", "has", "capability", "chosen"),
    [
        ("", True, (9, 0), True),
        ("", False, (9, 0), False),
        ("native", True, (9, 0), False),
        ("triton", True, (9, 0), True),
        ("triton", False, (9, 0), False),
        ("triton", True, (6, 1), False),
        ("torch", True, (9, 0), False),
    ],
)
def test_a_gpu_takes_it_where_it_can_and_nothing_else_is_asked_for(
    forced: str, has: bool, capability: tuple[int, int], chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "_has_triton", lambda: has)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setenv("NEURORNN_BACKEND", forced)
    assert choice._runs_triton(torch.device("cuda", 0), forced or "native") is chosen


@needs_triton
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("case", CASES, ids=name)
def test_on_a_gpu_outputs_and_gradients_are_the_loops(case: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORNN_BACKEND", "triton")
    assert engine(torch.zeros(1, device="cuda")).__name__.endswith("leaky_triton")  # type: ignore[union-attr]
    assert distance(case, "cuda") <= FLOAT32["rtol"]


if __name__ == "__main__":
    {"interpreted": program, "compiled": compiled}[sys.argv[1]]()
