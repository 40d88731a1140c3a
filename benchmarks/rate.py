"""A training step of leaky rate units: forward, backward, Adam, of one batch, in every way there is."""

import importlib.util
import os
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks import jax_scan
from benchmarks.timing import Step
from neurornn import LeakyRate, Network, generator
from neurornn.kernel import library


@dataclass(frozen=True)
class Shape:
    """The size of one batch."""

    trials: int
    steps: int
    units: int
    inputs: int
    outputs: int

    def __str__(self) -> str:
        return f"({self.trials}, {self.steps}, {self.units}; {self.inputs} in, {self.outputs} out)"

    @property
    def gflop(self) -> float:
        """Products with the recurrent weights alone: forward, backward and weight gradient."""
        return 3 * 2 * self.trials * self.steps * self.units**2 / 1e9


SHAPES = (
    Shape(64, 100, 256, 3, 3),
    Shape(64, 500, 128, 3, 3),
    Shape(128, 200, 64, 3, 3),
    Shape(32, 1000, 512, 10, 10),
    Shape(32, 2000, 50, 3, 3),
)


class Ours(nn.Module):
    """A network of this package, with or without noise."""

    def __init__(self, network: Network, noise_from: torch.Generator | None) -> None:
        super().__init__()
        self.network, self.noise_from = network, noise_from

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs, generator=self.noise_from).outputs


class Other(nn.Module):
    """One of torch's recurrent networks, with a readout."""

    def __init__(self, recurrent: nn.RNNBase, n_out: int) -> None:
        super().__init__()
        self.recurrent, self.readout = recurrent, nn.Linear(recurrent.hidden_size, n_out)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.readout(self.recurrent(inputs)[0])


class TimeFirst(nn.Module):
    """A CTRNN of nn4n, which wants time on the first axis."""

    def __init__(self, shape: Shape, name: str) -> None:
        super().__init__()
        from nn4n.model import CTRNN  # type: ignore[import-not-found]

        dims = [shape.inputs, shape.units, shape.outputs]
        self.model = CTRNN(dims=dims, activation=name, tau=100, dt=20, preact_noise=0, postact_noise=0)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(inputs.transpose(0, 1))[0].transpose(0, 1)


def step_of(model: nn.Module, inputs: Tensor, targets: Tensor, backend: str) -> Step:
    """Return one training step of `model` as a call without arguments; on a GPU one that can be captured."""
    there = inputs.is_cuda
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, capturable=there, fused=True)

    def step() -> None:
        os.environ["NEURORNN_BACKEND"] = backend
        optimiser.zero_grad()
        (model(inputs) - targets).square().mean().backward()
        optimiser.step()

    return step


def limited(step: Step, level: int) -> Step:
    """Return the same step by an older build of the native library."""

    def run() -> None:
        best = library.level
        library.level = lambda: level  # type: ignore[assignment]
        try:
            step()
        finally:
            library.level = best

    return run


def contestants(shape: Shape, *, tanh: bool, noise: float) -> dict[str, Step]:
    """Return a training step for each way to compute it: ours first, then torch's, then other packages'."""
    stream = generator(0)
    inputs = torch.randn(shape.trials, shape.steps, shape.inputs, generator=stream)
    targets = torch.randn(shape.trials, shape.steps, shape.outputs, generator=stream)
    name = "tanh" if tanh else "relu"
    ways = {"plain loop": "loop", "torch function": "torch", "native": "native"}
    if library.level() < 0:
        del ways["native"]
    steps = {}
    for way, backend in ways.items():
        cell = LeakyRate(shape.inputs, shape.units, tau=100.0, dt=20.0, nonlinearity=name, train_tau=True)
        network = Ours(Network(cell, shape.outputs, noise=noise), generator(1) if noise else None)
        steps[way] = step_of(network, inputs, targets, backend)
        for older in ("AVX2", "AVX-512"):
            level = library.LEVELS.index(older)
            if way == "native" and library.level() > level and not noise:
                steps[f"native, {older} only"] = limited(steps[way], level)
    if noise:
        return steps
    sizes = (shape.inputs, shape.units)
    others = {
        "torch.nn.RNN": Other(nn.RNN(*sizes, nonlinearity=name, batch_first=True), shape.outputs),
        "torch.nn.GRU": Other(nn.GRU(*sizes, batch_first=True), shape.outputs),
    }
    if importlib.util.find_spec("nn4n"):
        others["nn4n CTRNN"] = TimeFirst(shape, name)
    steps |= {way: step_of(model, inputs, targets, "loop") for way, model in others.items()}
    if importlib.util.find_spec("jax"):
        whole = (shape.trials, shape.steps, shape.units, shape.inputs, shape.outputs)
        steps["jax scan, jit"] = jax_scan.contestant(whole, tanh=tanh)
    return steps
