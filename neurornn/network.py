"""A network: an encoder that sets its first state, a cell, and readout heads. And what a run of it leaves."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurornn import _check
from neurornn._types import State, generator, recorded
from neurornn.cell.base import AbstractCell, Intervention
from neurornn.cell.intervention import then
from neurornn.cell.law import Uniform
from neurornn.cell.noise import AbstractNoise, GaussianNoise
from neurornn.cell.parallel import Newton, Solved, in_parallel
from neurornn.cell.spiking import AbstractSpiking
from neurornn.kernel import Noise, numbers
from neurornn.readout import AbstractReadout, Instant


@runtime_checkable
class Perturbs(Protocol):
    """Anything that says, as data, what is done to a network during a run."""

    def intervention(self, network: "Network", n_trials: int, n_steps: int) -> Intervention:
        """Return what is done to `network` in a run of this size."""
        ...


@dataclass(frozen=True, eq=False)
class Run:
    """What a network did in a batch of trials.

    Args:
        outputs: readout. Shape `(*stack, trial, time, out)`.
        activity: what the units sent. Shape `(*stack, trial, time, unit)`.
        state: the state after the last step.
        dt: time step, ms.
        heads: which columns of `outputs` each readout head owns.
        spikes: `activity` of spiking cells, where no intervention clamps it to values that are no spikes.
        voltages: membrane potentials after each step, mV, where they were asked for. Shape as `activity`.
        solved: how the steps were solved together, and whether that converged, where it was asked for.
    """

    outputs: Float[Tensor, "*stack trial time out"]
    activity: Float[Tensor, "*stack trial time unit"]
    state: State
    dt: float
    heads: Mapping[str, slice]
    spikes: Float[Tensor, "*stack trial time unit"] | None = None
    voltages: Float[Tensor, "*stack trial time unit"] | None = None
    solved: Solved | None = None

    def frame(self) -> pd.DataFrame:
        """Return the outputs as a table: one row a trial and step, one column an output."""
        flat = self.outputs.detach().cpu().flatten(0, -2)
        n_steps = self.outputs.shape[-2]
        table = pd.DataFrame(flat.numpy(), columns=[f"out_{i}" for i in range(flat.shape[1])])
        table.insert(0, "time", [self.dt * (i % n_steps + 1) for i in range(len(table))])
        table.insert(0, "trial", [i // n_steps for i in range(len(table))])
        return table


class Network(nn.Module):
    r"""An encoder, a cell and readout heads.

    $$h_0 = h_{rest} + S\,(E s + e) + \zeta, \qquad r_t = \mathrm{cell}(x_t, h_{t-1}, \xi_t), \qquad y_t = R\, r_t + c$$

    where $R$ may act through a membrane (`readout`) and $S$ is the cell's `span`: 1, or of spiking cells the mV from
    rest to threshold.

    Args:
        cell: the recurrent units.
        n_out: number of outputs; or the size of each head, by name.
        n_start: size of what the network is told about the start of a trial, $s$; 0 for none, so that it starts at
            rest.
        noise: of the recurrent units: a standard deviation (Gaussian), or a noise object.
        scatter: the law of $\zeta$, which is added to the first state of every unit in every trial; its mean is added
            where nothing is drawn. Nothing where absent.
        readout: what lies between the units and $R$: `LeakyIntegrator`, `SpikeCount` or `Membrane` for spiking cells;
            `Instant` where absent.
        readout_bias: whether the heads have a bias $c$.
        encoder_bias: whether the encoder has a bias $e$.
        seed: of the encoder's and the readout's initial weights.

    Raises:
        ValueError: if inputs, start or state do not fit; the message says which and how.

    Example:
        >>> import torch
        >>> from neurornn import LeakyRate, Network, generator
        >>> network = Network(LeakyRate(2, 16, tau=50.0, dt=10.0), n_out=3, noise=0.1)
        >>> network(torch.zeros(4, 20, 2), generator=generator(0)).outputs.shape
        torch.Size([4, 20, 3])
    """

    settings: dict[str, Any]

    @recorded
    def __init__(
        self,
        cell: AbstractCell,
        n_out: int | Mapping[str, int],
        *,
        n_start: int = 0,
        noise: float | AbstractNoise = 0.0,
        scatter: Uniform | None = None,
        readout: AbstractReadout | None = None,
        readout_bias: bool = True,
        encoder_bias: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.cell = cell
        sizes = dict(n_out) if isinstance(n_out, Mapping) else {"out": n_out}
        self.heads: dict[str, slice] = {}
        for name, size in sizes.items():
            at = self.n_out
            self.heads[name] = slice(at, at + _check.count("Network", f"n_out[{name!r}]", size))
        self.n_start = _check.count("Network", "n_start", n_start, least=0)
        self.noise = noise if isinstance(noise, AbstractNoise) else GaussianNoise(noise)
        self.scatter = scatter
        self.reading = readout if readout is not None else Instant()
        if self.reading.needs_voltages and not self.spiking:
            fix = "Take LeakyIntegrator(), or leave it out."
            _check.fail("Network", "readout", "one that reads what units send, for rate units", readout, fix)
        stream = generator(seed)
        bound = 1 / math.sqrt(cell.n_units)
        self.readout = nn.Parameter(bound * (2 * torch.rand(self.n_out, cell.n_units, generator=stream) - 1))
        self.readout_bias = nn.Parameter(torch.zeros(self.n_out)) if readout_bias else None
        self.encoder: nn.Parameter | None = None
        self.encoder_bias: nn.Parameter | None = None
        if self.n_start:
            bound = 1 / math.sqrt(self.n_start)
            drawn = torch.rand(cell.n_units, self.n_start, generator=stream)
            self.encoder = nn.Parameter(bound * (2 * drawn - 1))
            self.encoder_bias = nn.Parameter(torch.zeros(cell.n_units)) if encoder_bias else None

    @property
    def n_in(self) -> int:
        """Number of input channels."""
        return self.cell.n_in

    @property
    def n_out(self) -> int:
        """Number of outputs over all heads."""
        return max((head.stop for head in self.heads.values()), default=0)

    @property
    def n_units(self) -> int:
        """Number of recurrent units."""
        return self.cell.n_units

    @property
    def dt(self) -> float:
        """Time step, ms."""
        return self.cell.dt

    @property
    def spiking(self) -> bool:
        """Whether the units send spikes."""
        return isinstance(self.cell, AbstractSpiking)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.readout.device

    def initial(
        self,
        n_trials: int,
        start: Float[Tensor, "*stack trial start"] | None = None,
        *,
        scatter: Float[Tensor, "trial unit"] | None = None,
    ) -> State:
        """Return the first state: at rest, or where the encoder puts it, and scattered about there.

        Args:
            n_trials: how many trials.
            start: what the encoder is told.
            scatter: what `draw_scatter` gave; the mean of its law where absent.
        """
        first, *rest = self._placed(n_trials, start)
        if scatter is not None:
            first = first + scatter
        elif self.scatter is not None:
            first = first + self.scatter.mean
        return (first, *rest)

    def draw_scatter(self, n_trials: int, generator: torch.Generator) -> Float[Tensor, "trial unit"] | None:
        """Draw what is added to the first state of each unit; `None`, and nothing drawn, for a network without it."""
        if self.scatter is None:
            return None
        return self.scatter.draw((n_trials, self.n_units), generator=generator).to(self.readout)

    def _placed(self, n_trials: int, start: Tensor | None) -> State:
        rest = self.cell.initial(n_trials)
        if self.encoder is None:
            return rest
        if start is None or start.shape[-1] != self.n_start:
            fix = "Pass `trials.start`, or build the network with n_start=0."
            _check.fail("Network", "start", f"given, with {self.n_start} columns", start, fix)
        away = start @ self.encoder.mT
        away = away if self.encoder_bias is None else away + self.encoder_bias
        return (rest[0] + self.cell.span * away, *rest[1:])

    def forward(
        self,
        inputs: Float[Tensor, "trial time in"],
        *,
        start: Float[Tensor, "trial start"] | None = None,
        state: State | None = None,
        generator: torch.Generator | None = None,
        perturb: Sequence[Perturbs] | Intervention = (),
        noise: AbstractNoise | Float[Tensor, "trial time unit"] | Noise | None = None,
        scatter: Float[Tensor, "trial unit"] | None = None,
        voltages: bool = False,
        parallel: Newton | None = None,
    ) -> Run:
        """Run a batch of trials.

        Args:
            inputs: what the network sees.
            start: what the encoder is told; needed where the network has one and no `state` is given.
            state: the state before the first step, instead of the encoder's.
            generator: where scatter and noise are drawn from. Without it the run is deterministic: no noise.
            perturb: what is done to the network meanwhile. It is data; the network is not changed, and the empty
                perturbation changes no bit of the run.
            noise: another noise than the network's own, or the very numbers to add (so that two runs can share them).
            scatter: the very numbers to add to the first state. Without them and without `generator` it is their mean.
            voltages: whether to keep the membrane potentials of spiking units, which takes the plain loop.
            parallel: how to solve all steps together instead of one by one, without perturbations; `Run.solved` then
                says whether that converged. It pays for few units and long trials, on a GPU.

        Returns:
            The run. With stacked perturbations every tensor has a leading `stack` axis, and all of the stack share
            inputs and noise: differences are paired.
        """
        if inputs.ndim != 3 or inputs.shape[2] != self.n_in:
            _check.fail("Network", "inputs", f"of shape (trial, time, {self.n_in})", inputs)
        n_trials, n_steps = inputs.shape[:2]
        if state is None:
            drawn_first = None if generator is None else self.draw_scatter(n_trials, generator)
            state = self.initial(n_trials, start, scatter=drawn_first if scatter is None else scatter)
        act = perturb if isinstance(perturb, Intervention) else combine(perturb, self, n_trials, n_steps)
        if act is not None and act.empty:
            act = None
        inputs = inputs if act is None else act.seen(inputs)
        drawn = self._noise(noise, (n_trials, n_steps, self.n_units), generator)
        if act is not None and act.n_stack:
            state = tuple(part.expand(act.n_stack, *part.shape) for part in state)
        potentials, solved, outputs = None, None, None
        if parallel is not None and (act is not None or voltages or self.reading.needs_voltages):
            _check.fail("Network", "parallel", "absent with perturbations or voltages", parallel)
        if voltages and not self.spiking:
            _check.fail("Network", "voltages", "asked of spiking units", type(self.cell).__name__)
        if voltages or self.reading.needs_voltages:
            taken = list(self.cell.steps(inputs, state, numbers(drawn, inputs), intervention=act))
            activity, state = torch.stack([sent for sent, _ in taken], dim=-2), taken[-1][1]
            potentials = torch.stack([after[0] for _, after in taken], dim=-2)
        elif parallel is not None:
            solved = in_parallel(self.cell, inputs, state, numbers(drawn, inputs), how=parallel)
            activity, state = solved.activity, solved.state
        else:
            at_once = isinstance(self.reading, Instant)
            read = {"readout": self.readout, "shift": self.readout_bias if at_once else None}
            outputs, activity, state = self.cell.read_out(inputs, state, drawn, intervention=act, **read)
            if not at_once:
                outputs = self._shifted(self.reading.follow(outputs, self.dt))
        outputs = self.read(activity, potentials) if outputs is None else outputs
        # A clamped unit sends a value and no spikes.
        spikes = activity if self.spiking and (act is None or (act.offset is None and not act.live)) else None
        return Run(outputs, activity, state, self.dt, self.heads, spikes, potentials, solved)

    def answers(
        self,
        inputs: Float[Tensor, "trial time in"],
        *,
        start: Float[Tensor, "trial start"] | None = None,
        perturb: Sequence[Perturbs] | Intervention = (),
        noise: Float[Tensor, "trial time unit"] | Noise | None = None,
    ) -> Float[Tensor, "*stack trial time out"]:
        """Return the outputs of `forward` and nothing else: for thousands of lesions, whose activity nobody keeps.

        Args:
            inputs: what the network sees.
            start: what the encoder is told.
            perturb: what is done to the network meanwhile.
            noise: the very numbers to add; none where absent.
        """
        act = perturb if isinstance(perturb, Intervention) else combine(perturb, self, *inputs.shape[:2])
        if not isinstance(self.reading, Instant) or self.scatter is not None or act is None or act.empty:
            return self(inputs, start=start, noise=noise, perturb=perturb).outputs
        state = self.initial(len(inputs), start)
        if act.n_stack:
            state = tuple(part.expand(act.n_stack, *part.shape) for part in state)
        read = {"readout": self.readout, "shift": self.readout_bias}
        return self.cell.answers(act.seen(inputs), state, noise, intervention=act, **read)

    def draw_noise(self, n_trials: int, n_steps: int, generator: torch.Generator) -> Tensor | Noise | None:
        """Return the network's own noise for a whole batch, `(trial, time, unit)`; `None` where it has none."""
        return self._noise(None, (n_trials, n_steps, self.n_units), generator)

    def read(
        self,
        activity: Float[Tensor, "*stack trial time unit"],
        voltages: Float[Tensor, "*stack trial time unit"] | None = None,
    ) -> Float[Tensor, "*stack trial time out"]:
        """Return what the readout makes of `activity` (or of `voltages`) from the start of a trial on."""
        seen = activity
        if self.reading.needs_voltages:
            if voltages is None:
                fix = "Run the network with voltages=True."
                _check.fail("Network.read", "voltages", "given for a readout of membrane potentials", None, fix)
            seen = (voltages - self.cell.initial(1)[0]) / self.cell.span
        return self._shifted(self.reading.read(seen, self.readout, self.dt))

    def _shifted(self, outputs: Tensor) -> Tensor:
        return outputs if self.readout_bias is None else outputs + self.readout_bias

    def untrained(self, seed: int) -> "Network":
        """Return a new network of the same build with fresh initial weights: the null of every comparison."""
        return rebuilt(self, seed)

    def _noise(
        self,
        noise: AbstractNoise | Tensor | Noise | None,
        shape: tuple[int, int, int],
        generator: torch.Generator | None,
    ) -> Tensor | Noise | None:
        if isinstance(noise, Tensor | Noise):
            return noise
        source = noise if noise is not None else self.noise
        if generator is None or source == source.scaled(0.0):
            return None
        made = source.on_demand(shape, dt=self.dt, generator=generator)
        return made if isinstance(made, Noise) else made.to(self.readout)


def combine(perturb: Sequence[Perturbs], network: Network, n_trials: int, n_steps: int) -> Intervention | None:
    """Return several perturbations as one intervention, applied in their order; `None` for none."""
    whole: Intervention | None = None
    for one in perturb:
        this = one.intervention(network, n_trials, n_steps)
        whole = this if whole is None else then(whole, this)
    return whole


def rebuilt(module: Any, seed: int) -> Any:
    """Return a new object of the same class and settings, with every `seed` in it moved by `seed`."""
    settings = {}
    for name, value in module.settings.items():
        if name == "seed":
            value = value + 7919 * (seed + 1)
        elif hasattr(value, "settings"):
            value = rebuilt(value, seed)
        else:
            value = copy.deepcopy(value)
        settings[name] = value
    return type(module)(**settings).to(getattr(module, "device", "cpu"))
