"""What else the native kernels do: noise made where it is used, weights of low rank, stacked perturbations."""

import os

import torch

from benchmarks.rate import SHAPES, Ours, Shape, step_of
from benchmarks.timing import Step, in_turns
from neurornn import Intervention, LeakyRate, LowRank, Network, generator

Row = dict[str, object]
STACK, LESIONED = 16, Shape(64, 100, 256, 3, 3)


def step(shape: Shape, backend: str, *, rank: int = 0, noise: float = 0.0) -> Step:
    """Return a training step of a network of this size."""
    stream = generator(0)
    inputs = torch.randn(shape.trials, shape.steps, shape.inputs, generator=stream)
    targets = torch.randn(shape.trials, shape.steps, shape.outputs, generator=stream)
    wiring = LowRank(shape.units, rank=rank) if rank else None
    cell = LeakyRate(shape.inputs, shape.units, tau=100.0, dt=20.0, wiring=wiring, train_tau=True)
    network = Network(cell, shape.outputs, noise=noise)
    return step_of(Ours(network, generator(1) if noise else None), inputs, targets, backend)


def lesions(backend: str) -> Step:
    """Return a run of a stack of single-unit lesions on the same trials."""
    network = Network(LeakyRate(LESIONED.inputs, LESIONED.units, tau=100.0, dt=20.0), LESIONED.outputs)
    inputs = torch.randn(LESIONED.trials, LESIONED.steps, LESIONED.inputs, generator=generator(0))
    gain = torch.ones(STACK, 1, 1, LESIONED.units)
    gain[range(STACK), 0, 0, range(STACK)] = 0.0
    act = Intervention(gain=gain, resting_gain=gain[:, :, 0], n_stack=STACK)

    def run() -> None:
        os.environ["NEURORNN_BACKEND"] = backend
        with torch.no_grad():
            network(inputs, perturb=act)

    return run


def table(rounds: int) -> list[Row]:
    """Print and return how much faster, or dearer, each is."""
    wide = SHAPES[3]
    pairs: dict[str, tuple[Step, Step]] = {
        f"rank 2 of {wide}: dense plain loop / native": (step(wide, "loop"), step(wide, "native", rank=2)),
        f"rank 2 of {wide}: dense native / native": (step(wide, "native"), step(wide, "native", rank=2)),
        f"{STACK} lesions at {LESIONED}: plain loop / native": (lesions("loop"), lesions("native")),
        **{
            f"noise at {shape}: with / without": (step(shape, "native", noise=0.1), step(shape, "native"))
            for shape in SHAPES
        },
    }
    rows: list[Row] = []
    for name, (one, other) in pairs.items():
        taken = in_turns({"one": one, "other": other}, rounds=rounds, cpu_time=False)
        print(f"{name}: {taken['one']:.2f} / {taken['other']:.2f} ms = {taken['one'] / taken['other']:.2f}", flush=True)
        rows.append({"what": name, "ms": [taken["one"], taken["other"]], "ratio": taken["one"] / taken["other"]})
    return rows
