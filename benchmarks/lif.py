"""A training step of recurrent integrate-and-fire units with a synaptic current, in every way there is."""

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.rate import Shape
from benchmarks.timing import Step
from neurornn import generator
from neurornn.kernel import Read, Surrogate, library, lif_native, lif_sequence, lif_torch

SHAPES = (Shape(64, 100, 256, 64, 10), Shape(8, 200, 64, 64, 10), Shape(128, 200, 64, 64, 10))
SLOPE = 10.0


class SuperSpike(torch.autograd.Function):
    """A step forward, a fast sigmoid's slope backward."""

    @staticmethod
    def forward(ctx: Any, s: Tensor) -> Tensor:
        ctx.save_for_backward(s)
        return (s > 0).to(s.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        return grad / (1 + SLOPE * ctx.saved_tensors[0].abs()) ** 2


class Ours(nn.Module):
    """Recurrent units by one of our engines, or step by step, with a readout of the spikes."""

    def __init__(self, shape: Shape, engine: Any, gain: float) -> None:
        super().__init__()
        stream, n = generator(0), shape.units
        self.w_in = nn.Parameter(gain * torch.randn(n, shape.inputs, generator=stream) / shape.inputs**0.5)
        self.w_rec = nn.Parameter(0.5 * torch.randn(n, n, generator=stream) / n**0.5)
        self.bias = nn.Parameter(torch.zeros(n))
        self.readout = nn.Linear(n, shape.outputs)
        self.engine = engine
        constants = {"synapse": 0.8, "membrane": 0.9, "drive": 0.5, "threshold": 1.0, "reset": 1.0}
        for name, value in constants.items():
            self.register_buffer(name, torch.full((n,), value))
        self.names = tuple(constants)

    @property
    def constants(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self.names}

    def forward(self, inputs: Tensor) -> Tensor:
        rest = (inputs.new_zeros(len(inputs), len(self.bias)),) * 3
        if self.engine is None:
            return self.readout(self.steps(inputs, rest))
        weights = {"w_in": self.w_in, "w_rec": self.w_rec, "bias": self.bias}
        which = {"surrogate": Surrogate.SUPERSPIKE, "slope": SLOPE}
        read = Read(self.readout.weight, self.readout.bias)
        return lif_sequence(self.engine, inputs, rest, None, **weights, **self.constants, **which, read=read)[2]  # type: ignore[arg-type]

    def steps(self, inputs: Tensor, start: tuple[Tensor, ...]) -> Tensor:
        i, v, z = start
        c, run = self.constants, []
        for x in inputs.unbind(1):
            i = c["synapse"] * i + z @ self.w_rec.mT + x @ self.w_in.mT + self.bias
            v = c["membrane"] * v + c["drive"] * i
            z = SuperSpike.apply(v - c["threshold"])
            v = v - c["reset"] * z.detach()
            run.append(z)
        return torch.stack(run, 1)


class Norse(nn.Module):
    """norse's LIFRecurrent, a synaptic current and a membrane as ours; its own reset and surrogate."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        import norse.torch as norse  # type: ignore[import-not-found]

        self.cell = norse.LIFRecurrent(shape.inputs, shape.units)
        self.readout = nn.Linear(shape.units, shape.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.readout(self.cell(inputs.transpose(0, 1))[0]).transpose(0, 1)


class Sinabs(nn.Module):
    """sinabs' LIFRecurrent with a synaptic current."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        import sinabs.layers as sinabs  # type: ignore[import-not-found]

        self.afferent = nn.Linear(shape.inputs, shape.units)
        recurrent = nn.Linear(shape.units, shape.units)
        self.cell = sinabs.LIFRecurrent(tau_mem=10.0, tau_syn=5.0, rec_connect=recurrent)
        self.readout = nn.Linear(shape.units, shape.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        self.cell.reset_states()
        return self.readout(self.cell(self.afferent(inputs)))


class SpikingJelly(nn.Module):
    """spikingjelly's LIFNode with its recurrent container: no synaptic current."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        from spikingjelly.activation_based import functional, layer, neuron  # type: ignore[import-not-found]

        self.clean = functional.reset_net
        self.afferent = nn.Linear(shape.inputs, shape.units)
        unit = neuron.LIFNode(tau=10.0, detach_reset=True)
        n = shape.units
        self.cell = layer.LinearRecurrentContainer(unit, in_features=n, out_features=n, step_mode="m")
        self.readout = nn.Linear(shape.units, shape.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        self.clean(self)
        return self.readout(self.cell(self.afferent(inputs.transpose(0, 1)))).transpose(0, 1)


class SnnTorch(nn.Module):
    """snntorch's RSynaptic, stepped as its documentation does."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        import snntorch  # type: ignore[import-not-found]

        self.afferent = nn.Linear(shape.inputs, shape.units)
        self.cell = snntorch.RSynaptic(alpha=0.8, beta=0.9, linear_features=shape.units)
        self.readout = nn.Linear(shape.units, shape.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        spikes, current, voltage = self.cell.init_rsynaptic()
        run = []
        for x in inputs.unbind(1):
            spikes, current, voltage = self.cell(self.afferent(x), spikes, current, voltage)
            run.append(spikes)
        return self.readout(torch.stack(run, 1))


def step_of(model: nn.Module, inputs: Tensor, targets: Tensor) -> Step:
    """Return one training step of `model` as a call without arguments; on a GPU one that can be captured."""
    there = inputs.is_cuda
    # So slow that the rate stays what it is.
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-6, capturable=there, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        (model(inputs) - targets).square().mean().backward()
        optimiser.step()

    return step


def contestants(shape: Shape, *, gain: float) -> tuple[dict[str, Step], float]:
    """Return a training step for each way to compute it, and the part of units that spikes at a step of ours."""
    stream = generator(0)
    inputs = (torch.rand(shape.trials, shape.steps, shape.inputs, generator=stream) < 0.1).float()
    targets = torch.randn(shape.trials, shape.steps, shape.outputs, generator=stream)
    ways = {"plain loop": None, "torch function": lif_torch, "native": lif_native}
    if library.level() < 0:
        del ways["native"]
    ours = {way: Ours(shape, engine, gain) for way, engine in ways.items()}
    with torch.no_grad():
        rate = ours["plain loop"].steps(inputs, (torch.zeros(shape.trials, shape.units),) * 3).mean().item()
    models: dict[str, nn.Module] = dict(ours)
    others = {
        "norse": ("norse LIFRecurrent", Norse),
        "snntorch": ("snntorch RSynaptic", SnnTorch),
        "sinabs": ("sinabs LIFRecurrent", Sinabs),
        "spikingjelly": ("spikingjelly LIFNode", SpikingJelly),
    }
    for package, (way, build) in others.items():
        if importlib.util.find_spec(package):
            models[way] = build(shape)
    return {way: step_of(model, inputs, targets) for way, model in models.items()}, rate
