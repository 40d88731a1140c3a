"""A training step of leaky rate units on a GPU, in every way there is: `python -m benchmarks --gpu`.

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

from benchmarks.rate import Other, Ours, Shape, step_of
from benchmarks.timing import Step
from neurornn import Form, LeakyRate, Network, NoiseAt, generator
from neurornn.kernel import leaky_triton
from neurornn.wiring import Dense

CASES = (  # trials, steps, units
    *((3, 5, 7), (1, 4, 20), (5, 1, 16), (2, 30, 33), (130, 9, 64), (7, 40, 128)),
    *((5, 30, 130), (64, 60, 256), (1, 50, 200), (300, 7, 150), (32, 100, 512), (3, 20, 700), (70, 6, 1000)),
)
ALTERNATIVES: dict[int, tuple[dict[str, int], ...]] = {  # by units, padded
    64: ({"num_warps": 1}, {"num_warps": 2}, {"num_warps": 4}, {"num_warps": 8}),
    128: ({"num_warps": 4}, {"num_warps": 8}, {"num_warps": 16}),
    256: tuple(
        {"ROWS": rows, "COLUMNS": columns, "num_warps": warps}
        for rows, columns, warps in (
            *((4, 32, 4), (4, 32, 8), (4, 32, 16), (2, 16, 4), (2, 16, 8)),
            *((8, 64, 8), (8, 64, 16), (16, 128, 16), (8, 32, 8)),
        )
    ),
    512: tuple(
        {"ROWS": rows, "COLUMNS": columns, "num_warps": warps}
        for rows, columns, warps in ((4, 32, 8), (4, 32, 16), (8, 64, 16), (2, 16, 8), (2, 16, 16), (8, 32, 16))
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


def graphed(step: Step) -> Step:
    """Return the same step as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(kept: Step = step) -> None:  # the graph writes to the memory of the step's weights: keep them
        graph.replay()

    return replay


def contestants(shape: Shape) -> dict[str, Step]:
    """Return a training step for each way to compute it; those in a graph last."""
    stream = generator(0)
    inputs = torch.randn(shape.trials, shape.steps, shape.inputs, generator=stream).cuda()
    targets = torch.randn(shape.trials, shape.steps, shape.outputs, generator=stream).cuda()

    def step(model: nn.Module, backend: str) -> Step:
        return step_of(model.cuda(), inputs, targets, backend, capturable=True)

    def ours() -> nn.Module:
        cell = LeakyRate(shape.inputs, shape.units, tau=100.0, dt=20.0, nonlinearity="tanh", train_tau=True)
        return Ours(Network(cell, shape.outputs), None)

    def rnn() -> nn.Module:
        return Other(nn.RNN(shape.inputs, shape.units, batch_first=True), shape.outputs)

    ways = {"plain loop": "loop", "torch function": "torch", "triton": "triton"}
    makers: dict[str, Callable[[], Step]] = {
        **{way: lambda backend=backend: step(ours(), backend) for way, backend in ways.items()},
        "nn.RNN (cuDNN)": lambda: step(rnn(), "loop"),
        "nn.RNN, no TF32": lambda: without_tf32(step(rnn(), "loop")),
    }
    steps = {way: make() for way, make in makers.items()}
    for way, make in makers.items():
        try:
            steps[f"{way}, graph"] = graphed(make())
        except Exception as reason:  # not every way can be captured everywhere
            print(f"  no graph of {way}: {str(reason)[:150]}")
            torch.cuda.synchronize()
    return steps


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
    before = leaky_triton._layout

    def other(n_trials: int, n_units: int, device: torch.device) -> dict[str, int]:
        layout = before(n_trials, n_units, device) | change
        if layout["SHARED"]:
            at_once = leaky_triton._multiprocessors(device) * layout["COLUMNS"] // layout["UNITS"]
            layout["groups"] = min(at_once, -(-n_trials // layout["ROWS"]))
        return layout

    leaky_triton._layout = other
    try:
        yield
    finally:
        leaky_triton._layout = before


def passes(cell: LeakyRate, x: Tensor) -> str:
    """Return how long the two kernels take, ms."""

    def step() -> None:
        for _ in range(5):
            cell.rollout(x, cell.initial(len(x)))[0].sum().backward()

    step()
    taken = kernels(step)
    return " + ".join(
        f"{sum(t for name, _, t in taken if name == which) / 5:.3f}" for which in ("_forward", "_backward")
    )


def alternatives(shape: Shape) -> dict[str, str]:
    """Return how long the two passes take with other sizes of program, ms."""
    cell = LeakyRate(shape.inputs, shape.units, tau=100.0, dt=20.0, nonlinearity="tanh", train_tau=True).cuda()
    x = torch.randn(shape.trials, shape.steps, shape.inputs, generator=generator(0)).cuda()
    found: dict[str, str] = {}
    for change in ALTERNATIVES[max(64, 1 << (shape.units - 1).bit_length())]:
        name = " ".join(f"{key.lower().removeprefix('num_')} {value}" for key, value in change.items())
        try:
            with laid_out(change):
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


def main(path: Path, rounds: int, shapes: list[Shape], search: bool) -> None:
    """Check, time, print and write."""
    os.environ["NEURORNN_BACKEND"] = "triton"
    name = torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}", flush=True)
    alone = all(shape.units <= leaky_triton.ALONE for shape in shapes)
    distances = check(leaky_triton.ALONE if alone else leaky_triton.MOST_UNITS)
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
        medians = in_turns(steps, rounds)
        print(f"\n{shape}: ms, x eager loop, x nn.RNN (alike, eager or graph), share of float32 peak")
        for way, taken in medians.items():
            rival = medians.get("nn.RNN (cuDNN)" + (", graph" if way.endswith("graph") else ""), float("nan"))
            share = shape.gflop / taken * 1e3 / best
            print(f"{way:24s}{taken:9.3f}{medians['plain loop'] / taken:8.1f}{rival / taken:7.2f}{share:7.1%}")
            rows.append({"shape": f"rate {shape}", "way": way, "ms": taken, "of_peak": share})
        os.environ["NEURORNN_BACKEND"] = "triton"
        if search:
            print("  " + "; ".join(f"{key[:40]} {n}x {ms:.3f} ms" for key, n, ms in kernels(steps["triton"])[:6]))
            print("  forward + backward: " + "; ".join(f"{k}: {v}" for k, v in alternatives(shape).items()))
    path.write_text(json.dumps({"device": name, "torch": torch.__version__, "peak_gflops": best, "rows": rows,
                                "distances": distances}, indent=1) + "\n")  # fmt: skip
