"""A training step of rate and of spiking units on a GPU, in every way there is: `python -m benchmarks --gpu`.

First it is checked that the kernels give the numbers of the plain loop in double precision, outputs and gradients.
Then the steps take turns; one training step in a CUDA graph stands beside each that the processor has to launch.
"""

import json
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks import lif
from benchmarks.rate import Other, Ours, Shape, step_of
from benchmarks.timing import Step
from neurornn import Form, LeakyRate, Network, NoiseAt, generator
from neurornn.kernel import gpu, lif_torch, lif_triton
from neurornn.wiring import Dense

CASES = (  # trials, steps, units
    *((3, 5, 7), (1, 4, 20), (5, 1, 16), (2, 30, 33), (130, 9, 64), (7, 40, 128)),
    *((5, 30, 130), (64, 60, 256), (1, 50, 200), (300, 7, 150), (32, 100, 512), (3, 20, 700), (70, 6, 1000)),
)
KEYS = ("ROWS", "COLUMNS", "SIDE", "num_warps")
ALTERNATIVES: dict[int, tuple[tuple[int, ...], ...]] = {  # by units, padded: values of the keys
    64: ((1, 64, 4, 2), (1, 64, 2, 2), (1, 64, 8, 2), (1, 64, 4, 1), (1, 64, 4, 4)),
    128: ((1, 128, 4, 4), (1, 128, 2, 4), (1, 128, 8, 4), (1, 128, 4, 8)),
    256: ((1, 256, 4, 8), (1, 256, 2, 8), (1, 256, 8, 8), (1, 128, 4, 8), (2, 64, 2, 8), (4, 32, 2, 4)),
    512: (
        *((2, 64, 2, 8), (2, 64, 4, 8), (2, 64, 1, 8), (4, 64, 2, 8)),
        *((1, 128, 4, 8), (1, 128, 2, 8), (4, 32, 2, 4), (2, 32, 2, 4)),
    ),
}


def furthest(case: tuple[int, int, int], form: Form, noise: NoiseAt | None) -> float:
    """Return how far the kernels are from the plain loop in double precision: the worst of outputs and gradients."""
    trials, steps, n = case
    kind: dict[str, Any] = {"form": form, "nonlinearity": "tanh", "noise_at": noise or NoiseAt.STATE, "train_tau": True}
    cell = LeakyRate(3, n, tau=[30.0 + 7.0 * (i % 11) for i in range(n)], dt=20.0, wiring=Dense(n, gain=0.9), **kind)
    stream = generator(0)
    shapes = [(trials, steps, 3), (trials, n), (trials, steps, n)]
    drawn = [torch.randn(shape, generator=stream) for shape in (*shapes, *shapes[1:])]
    answers = []
    for dtype in (torch.float32, torch.float64):
        own = LeakyRate(**cell.settings).to("cuda", dtype)
        own.load_state_dict(cell.state_dict())
        x, start, loud, on_last, on_all = (one.to("cuda", dtype) for one in drawn)
        leaves = [one.requires_grad_() for one in (x, start, 0.3 * loud)[: 3 if noise else 2]] + list(own.parameters())
        way = own.rollout if dtype == torch.float32 else own.loop
        activity, (last,) = way(leaves[0], (leaves[1],), leaves[2] if noise else None)
        loss = ((activity * on_all).sum() + (last * on_last).sum() + activity.square().sum()) / trials
        answers.append([activity, last, *torch.autograd.grad(loss, leaves)])
    pairs = zip(*answers, strict=True)
    pairs = [(a.detach().double(), b.detach()) for a, b in pairs]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-3)) for a, b in pairs)


def check(most_units: int) -> dict[str, float | str]:
    """Return the distances of all cases of up to so many units, by name."""
    found: dict[str, float | str] = {}
    places = [(form, noise) for form in Form for noise in (None, *NoiseAt)]
    for i, case in enumerate(CASES):
        if case[2] > most_units:
            continue
        form, noise = places[(4 * i) % len(places)]
        name = f"{case} {form.value} {noise.value if noise else 'no'} noise"
        try:
            found[name] = furthest(case, form, noise)
        except Exception as reason:  # one case that fails must not hide the others
            found[name] = f"{type(reason).__name__}: {str(reason)[:300]}"
    return found


def graphed(step: Step, drawn_from: torch.Generator | None = None) -> Step:
    """Return the same step as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    if drawn_from is not None:
        graph.register_generator_state(drawn_from)
    with torch.cuda.graph(graph):
        step()

    def replay(kept: Step = step) -> None:  # the graph writes to the memory of the step's weights: keep them
        graph.replay()

    return replay


def with_graphs(makers: dict[str, Callable[[], Step]], drawn_from: torch.Generator) -> dict[str, Step]:
    """Return the step of each way, and behind them the same in graphs."""
    steps = {way: make() for way, make in makers.items()}
    for way, make in makers.items():
        try:
            steps[f"{way}, graph"] = graphed(make(), drawn_from if "noise" in way else None)
        except Exception as reason:  # not every way can be captured everywhere
            print(f"  no graph of {way}: {str(reason)[:150]}")
            torch.cuda.synchronize()
    return steps


def contestants(shape: Shape) -> dict[str, Step]:
    """Return a training step of rate units for each way to compute it; those in a graph last."""
    stream = generator(0)
    inputs = torch.randn(shape.trials, shape.steps, shape.inputs, generator=stream).cuda()
    targets = torch.randn(shape.trials, shape.steps, shape.outputs, generator=stream).cuda()
    drawn_from = generator(1, "cuda")

    def step(model: nn.Module, backend: str) -> Step:
        return step_of(model.cuda(), inputs, targets, backend)

    def ours(noise: float = 0.0) -> nn.Module:
        cell = LeakyRate(shape.inputs, shape.units, tau=100.0, dt=20.0, nonlinearity="tanh", train_tau=True)
        return Ours(Network(cell, shape.outputs, noise=noise), drawn_from if noise else None)

    def rnn() -> nn.Module:
        return Other(nn.RNN(shape.inputs, shape.units, batch_first=True), shape.outputs)

    ways = {"plain loop": "loop", "torch function": "torch", "triton": "triton"}
    makers: dict[str, Callable[[], Step]] = {
        **{way: lambda backend=backend: step(ours(), backend) for way, backend in ways.items()},
        "triton, noise": lambda: step(ours(0.1), "triton"),
        "nn.RNN (cuDNN)": lambda: step(rnn(), "loop"),
        "nn.RNN, no TF32": lambda: without_tf32(step(rnn(), "loop")),
    }
    return with_graphs(makers, drawn_from)


def spiking_contestants(shape: Shape, gain: float) -> dict[str, Step]:
    """Return a training step of spiking units for each way to compute it; those in a graph last."""
    stream = generator(0)
    inputs = (torch.rand(shape.trials, shape.steps, shape.inputs, generator=stream) < 0.1).float().cuda()
    targets = torch.randn(shape.trials, shape.steps, shape.outputs, generator=stream).cuda()
    ways = {"plain loop": None, "torch function": lif_torch, "triton": lif_triton}
    makers = {
        way: lambda engine=engine: lif.step_of(lif.Ours(shape, engine, gain).cuda(), inputs, targets)
        for way, engine in ways.items()
    }
    return with_graphs(makers, stream)


def without_tf32(step: Step) -> Step:
    """Return the step with cuDNN's products in full single precision, as ours are."""

    def exact() -> None:
        torch.backends.cudnn.allow_tf32 = False
        step()
        torch.backends.cudnn.allow_tf32 = True

    return exact


def milliseconds(step: Callable[[], object]) -> float:
    """Return how long a step takes on the GPU, launches included."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    step()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def in_turns(steps: dict[str, Step], rounds: int) -> dict[str, float]:
    """Return each step's median, ms."""
    for step in steps.values():
        step()
        step()
    taken: dict[str, list[float]] = {way: [] for way in steps}
    for _ in range(rounds):
        for way, step in steps.items():
            taken[way].append(milliseconds(step))
    return {way: statistics.median(times) for way, times in taken.items()}


def peak() -> float:
    """Return the best GFLOP/s of a large product in single precision, without TF32."""
    a = torch.randn(8192, 8192, device="cuda")
    torch.mm(a, a)
    return 2 * 8192**3 / min(milliseconds(lambda: torch.mm(a, a)) for _ in range(5)) / 1e6


@contextmanager
def laid_out(change: dict[str, int]) -> Iterator[None]:
    """Let Triton's programs take other sizes for a while."""
    before = gpu.layout

    def other(n_trials: int, n_units: int, device: torch.device) -> dict[str, Any]:
        sizes = {"UNITS": before(n_trials, n_units, device)["UNITS"], **change}
        waits = sizes["COLUMNS"] < sizes["UNITS"]
        at_once = gpu.multiprocessors(device) * sizes["COLUMNS"] // sizes["UNITS"] if waits else n_trials
        return gpu.threads(sizes, wait=waits) | {"groups": min(at_once, -(-n_trials // sizes["ROWS"]))}

    gpu.layout = other
    try:
        yield
    finally:
        gpu.layout = before


def passes(cell: LeakyRate, x: Tensor) -> str:
    """Return how long the two kernels take, ms."""

    def step() -> None:
        for _ in range(3):
            cell.rollout(x, cell.initial(len(x)))[0].sum().backward()

    step()
    taken = kernels(step)
    return " + ".join(f"{sum(t for name, _, t in taken if name == which) / 3:.3f}" for which in ("forward", "backward"))


def alternatives(shape: Shape) -> dict[str, str]:
    """Return how long the two passes take with other sizes of program, ms."""
    cell = LeakyRate(shape.inputs, shape.units, tau=100.0, dt=20.0, nonlinearity="tanh", train_tau=True).cuda()
    x = torch.randn(shape.trials, shape.steps, shape.inputs, generator=generator(0)).cuda()
    found: dict[str, str] = {}
    for values in ALTERNATIVES[max(64, 1 << (shape.units - 1).bit_length())]:
        name = " ".join(map(str, values))
        try:
            with laid_out(dict(zip(KEYS, values, strict=True))):
                found[name] = passes(cell, x)
        except Exception as reason:  # one that does not fit must not hide the others
            found[name] = f"{type(reason).__name__}: {str(reason)[:80]}"
    return found


def kernels(step: Step) -> list[tuple[str, int, float]]:
    """Return name, number and milliseconds of the kernels of one step, the longest first."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        step()
        torch.cuda.synchronize()
    events = sorted(seen.key_averages(), key=lambda event: -event.device_time_total)
    return [(event.key, event.count, event.device_time_total / 1e3) for event in events]


def show(name: str, steps: dict[str, Step], rounds: int, gflop: float, best: float) -> list[dict[str, object]]:
    """Time the steps, print their table, and return its rows."""
    medians = in_turns(steps, rounds)
    print(f"\n{name}: ms, x plain loop and x nn.RNN (eager or graph, alike), x eager loop, share of float32 peak")
    rows: list[dict[str, object]] = []
    for way, taken in medians.items():
        alike = ", graph" if way.endswith("graph") else ""
        rivals = [medians.get(one + alike, float("nan")) / taken for one in ("plain loop", "nn.RNN (cuDNN)")]
        share = gflop / taken * 1e3 / best
        print(f"{way:24s}{taken:9.3f}{rivals[0]:8.1f}{rivals[1]:7.2f}{medians['plain loop'] / taken:8.1f}{share:7.1%}")
        rows.append({"shape": name, "way": way, "ms": taken, "of_peak": share})
    return rows


def main(
    path: Path, rounds: int, shapes: list[Shape], spiking: list[Shape], search: bool, *, check_first: bool = True
) -> None:
    """Check, time, print and write."""
    os.environ["NEURORNN_BACKEND"] = "triton"
    name = torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}", flush=True)
    alone = bool(shapes) and all(shape.units <= gpu.ALONE for shape in shapes)
    distances = check(gpu.ALONE if alone else gpu.MOST_UNITS) if check_first else {}
    worst = max((one for one in distances.values() if isinstance(one, float)), default=float("nan"))
    print(f"furthest from the loop in double precision: {worst:.2e} of {len(distances)} cases")
    for case, far in distances.items():
        if isinstance(far, str) or not far <= 1e-5:
            print(f"  {case}: {far}", flush=True)
    best = peak()
    print(f"float32 product without TF32: {best / 1e3:.1f} TFLOP/s")
    rows: list[dict[str, object]] = []
    for shape in shapes:
        steps = contestants(shape)
        rows += show(f"rate {shape}", steps, rounds, shape.gflop, best)
        os.environ["NEURORNN_BACKEND"] = "triton"
        if search:
            taken = kernels(steps["triton"])
            print(f"  {sum(n for _, n, _ in taken)} kernels, {sum(ms for *_, ms in taken):.3f} ms: ", end="")
            print("; ".join(f"{key[:40]} {n}x {ms:.3f}" for key, n, ms in taken[:7]))
            print("  forward + backward: " + "; ".join(f"{k}: {v}" for k, v in alternatives(shape).items()), flush=True)
    for shape in spiking:
        steps = spiking_contestants(shape, 0.35)
        rows += show(f"spiking {shape}", steps, rounds, shape.gflop, best)
        if search:
            print("  " + "; ".join(f"{key[:40]} {n}x {ms:.3f}" for key, n, ms in kernels(steps["triton"])[:5]))
    told = {"device": name, "torch": torch.__version__, "peak_gflops": best, "rows": rows, "distances": distances}
    path.write_text(json.dumps(told, indent=1) + "\n")
