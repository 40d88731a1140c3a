r"""Leaky integrate-and-fire units over a whole sequence, with surrogate gradients, in one call.

The contract, for every unit and step (all constants may differ from unit to unit):

$$p_t = W z_{t-1}, \qquad q_t = W_{in} x_t + b + \xi_t, \qquad i_t = \alpha i_{t-1} + p_t + q_t, \qquad
  a_t = \rho a_{t-1} + z_{t-1}$$
$$v^-_t = \beta v_{t-1} + \gamma i_t, \qquad s_t = v^-_t - \theta - \kappa a_t, \qquad z_t = [s_t > 0]$$
$$v_t = v^-_t - r z_t\ \text{(soft)}, \qquad v_t = v^-_t + (r - v^-_t) z_t\ \text{(hard)}$$

with synaptic current $i$, adaptation $a$ (left out where there is none), membrane potential $v$, spikes $z$ and reset
$r$. Where inputs are `direct` they miss the synapse: $i_t = \alpha i_{t-1} + p_t$ and $v^-_t = \beta v_{t-1} + \gamma
i_t + q_t$. In each of the `refractory` steps after a spike $v_t = v_{t-1}$ and $z_t = 0$, while current and adaptation
go on.

Backward, $\partial z_t / \partial s_t$ is replaced by the surrogate $\sigma'(s_t)$, and the reset is taken as given: no
gradient flows through it into the spike (into $r$ it does). With $\delta$ the gradient of the loss, outside refractory
steps,

$$\delta z_t = g_t + W^\top \delta i_{t+1} + \delta a_{t+1}, \quad \delta s_t = \sigma'(s_t)\,\delta z_t, \quad
  \delta v^-_t = \delta s_t + \delta v_t\ (1 - z_t\ \text{where hard})$$
$$\delta v_{t-1} = \beta\,\delta v^-_t, \quad \delta a_t = \rho\,\delta a_{t+1} - \kappa\,\delta s_t, \quad
  \delta i_t = \alpha\,\delta i_{t+1} + \gamma\,\delta v^-_t$$

and $\delta q_t$ is $\delta i_t$, or $\delta v^-_t$ where inputs are direct; in refractory steps $\delta s_t = 0$ and
$\delta v$ passes unchanged, to nothing but the step before.

References:
    Neftci, Mostafa & Zenke (2019), doi:10.1109/MSP.2019.2931595; Zenke & Ganguli (2018), doi:10.1162/neco_a_01086;
    Bellec et al. (2018), doi:10.48550/arXiv.1803.09574.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from neurornn import _check
from neurornn.kernel.leaky import Read
from neurornn.kernel.noise import Noise


class Surrogate(IntEnum):
    r"""What replaces the derivative of the step, at slope $k$; the numbers are those of the native library.

    `SUPERSPIKE` $1/(1 + k|s|)^2$; `TRIANGLE` $\max(0, 1 - k|s|)$; `ARCTAN` $1/(1 + (k s)^2)$.
    """

    SUPERSPIKE = 0
    TRIANGLE = 1
    ARCTAN = 2


@dataclass(frozen=True)
class Firing:
    """Which units are meant, and the noise that whoever computes them makes by itself."""

    surrogate: Surrogate
    slope: float
    hard: bool = False
    direct: bool = False
    refractory: int = 0
    drawn: Noise | None = None


class Spiking(NamedTuple):
    """The tensors of one call. `weights` stacks the recurrent weights (rows pre-synaptic), input weights and bias."""

    x: Tensor  # (trial, time, in)
    noise: Tensor | None  # (trial, time, unit)
    weights: Tensor  # (unit + in + 1, unit)
    synapse: Tensor  # (unit,), alpha
    membrane: Tensor  # (unit,), beta
    drive: Tensor  # (unit,), gamma
    threshold: Tensor  # (unit,), theta
    reset: Tensor  # (unit,), r
    adapt: Tensor | None  # (unit,), rho
    jump: Tensor | None  # (unit,), kappa
    current: Tensor  # (trial, unit), before the first step, as all but the last two
    voltage: Tensor  # (trial, unit)
    spikes: Tensor  # (trial, unit)
    adapted: Tensor | None  # (trial, unit)
    waiting: Tensor | None  # (trial, unit), refractory steps left
    readout: Tensor | None  # (out, unit)
    shift: Tensor | None  # (out,)


CONSTANTS = slice(3, 10)
"""Where the constants of the units lie in `Spiking`."""


class Spiked(NamedTuple):
    """What a forward pass leaves: the run, the states after it, and what the backward pass needs."""

    spikes: Tensor  # (trial, time, unit)
    current: Tensor  # (trial, unit), after the last step, as the next three
    voltage: Tensor  # (trial, unit)
    adapted: Tensor | None  # (trial, unit)
    waiting: Tensor | None  # (trial, unit)
    out: Tensor | None  # (trial, time, out)
    above: Tensor | None  # (trial, time, unit), s; -infinity in refractory steps
    spiked: Tensor | None = None  # the spikes in bits, where the native library made them
    currents: Tensor | None = None  # (trial, time, unit), where a constant is trained, as the next two
    voltages: Tensor | None = None
    adaptations: Tensor | None = None
    fed: Tensor | None = None  # (trial, time, unit), the spikes a step before, where they are laid out so


@runtime_checkable
class SpikingEngine(Protocol):
    """Something that computes the two passes.

    One that is `whole` takes readouts and makes noise by itself; the others are handed none, and the noise as numbers.
    """

    WHOLE: bool

    def forward(self, which: Firing, given: Spiking, keep: bool, keep_all: bool) -> Spiked:
        """Run the sequence; `keep` what the backward pass needs, `keep_all` what the constants' gradients need."""
        ...

    def backward(
        self, which: Firing, given: Spiking, left: Spiked, grads: Spiked, wanted: tuple[bool, ...]
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of the arguments that are `wanted`, in their order."""
        ...


N_SHOWN = 6
"""How many fields of `Spiked` the caller sees; the rest are for the backward pass."""


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, engine: SpikingEngine, which: Firing, keep: bool, *tensors: Tensor | None) -> tuple:
        given = Spiking(*tensors)  # type: ignore[arg-type]
        keep_all = keep and any(ctx.needs_input_grad[3:][CONSTANTS])
        left = engine.forward(which, given, keep, keep_all)
        ctx.engine, ctx.which = engine, which
        ctx.set_materialize_grads(False)
        if left.waiting is not None:
            ctx.mark_non_differentiable(left.waiting)
        if keep:
            ctx.save_for_backward(*given._replace(noise=None), *left._replace(out=None))
        return left[:N_SHOWN]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        n = len(Spiking._fields)
        saved = ctx.saved_tensors  # read once: torch.utils.checkpoint allows no second time
        given, left = Spiking(*saved[:n]), Spiked(*saved[n:])
        given_grads = Spiked(*grads, None)  # type: ignore[arg-type]
        wanted = tuple(ctx.needs_input_grad[-n:])
        return (None, None, None, *ctx.engine.backward(ctx.which, given, left, given_grads, wanted))


def lif_sequence(
    engine: SpikingEngine,
    x: Float[Tensor, "trial time in"],
    start: tuple[Tensor, ...],
    noise: Float[Tensor, "trial time unit"] | Noise | None,
    *,
    w_in: Float[Tensor, "unit in"],
    w_rec: Float[Tensor, "unit unit"],
    bias: Float[Tensor, " unit"],
    synapse: Float[Tensor, " unit"],
    membrane: Float[Tensor, " unit"],
    drive: Float[Tensor, " unit"],
    threshold: Float[Tensor, " unit"],
    reset: Float[Tensor, " unit"],
    adaptation: tuple[Tensor, Tensor] | None = None,
    waiting: Float[Tensor, "trial unit"] | None = None,
    refractory: int = 0,
    hard: bool = False,
    direct: bool = False,
    surrogate: Surrogate = Surrogate.SUPERSPIKE,
    slope: float = 10.0,
    read: Read | None = None,
) -> tuple[Float[Tensor, "trial time unit"], tuple[Tensor, ...], Float[Tensor, "trial time out"] | None]:
    r"""Return the spikes of every step, 0 or 1, the state after the last one, and what is read out of the spikes.

    Args:
        engine: what computes it.
        x: input of each step.
        start: current, voltage and spikes before the first step, and with adaptation that too; each `(trial, unit)`.
        noise: noise of each step, added to the inputs' part; none where absent.
        w_in: input weights.
        w_rec: recurrent weights, rows post-synaptic.
        bias: bias of each unit.
        synapse: what is left of the current after a step, $\alpha$.
        membrane: what is left of the potential after a step, $\beta$.
        drive: how far the current moves the potential in a step, $\gamma$.
        threshold: $\theta$.
        reset: $r$, what a spike takes off the potential, or with `hard` takes it to.
        adaptation: what is left of the adaptation after a step, $\rho$, and how far it raises the threshold, $\kappa$.
        waiting: refractory steps left before the first step, where there are any.
        refractory: steps in which a unit rests after a spike.
        hard: whether a spike takes the potential to `reset`.
        direct: whether inputs miss the synapse.
        surrogate: what stands for the derivative of a spike.
        slope: how steep it is, $k$.
        read: the readout; nothing is read out where absent.

    Raises:
        ValueError: if the sizes contradict each other.
    """
    (n_trials, n_steps, n_in), n_units = x.shape, len(threshold)
    _check.positive("kernel.lif_sequence", "slope", slope)
    adapt, jump = adaptation if adaptation is not None else (None, None)
    if len(start) != (3 if adaptation is None else 4):
        must = "current, voltage, spikes, and adaptation where there is one"
        _check.fail("kernel.lif_sequence", "start", must, f"{len(start)} tensors")
    if (waiting is None) != (refractory == 0):
        must = "given where `refractory` is above 0, and only there"
        _check.fail("kernel.lif_sequence", "waiting", must, waiting)
    shapes: dict[str, tuple[Tensor | Noise | None, tuple[int, ...]]] = {
        "w_in": (w_in, (n_units, n_in)),
        "w_rec": (w_rec, (n_units, n_units)),
        "noise": (noise, (n_trials, n_steps, n_units)),
        **{f"start[{i}]": (one, (n_trials, n_units)) for i, one in enumerate(start)},
        "waiting": (waiting, (n_trials, n_units)),
        "bias": (bias, (n_units,)),
        "synapse": (synapse, (n_units,)),
        "membrane": (membrane, (n_units,)),
        "drive": (drive, (n_units,)),
        "reset": (reset, (n_units,)),
        "adaptation[0]": (adapt, (n_units,)),
        "adaptation[1]": (jump, (n_units,)),
        "read.weights": (None if read is None else read.weights, (*(read.weights.shape[:1] if read else ()), n_units)),
    }
    for name, (tensor, shape) in shapes.items():
        if tensor is not None and tensor.shape != shape:
            _check.fail("kernel.lif_sequence", name, f"of shape {shape}", tensor)
    drawn = None
    if isinstance(noise, Noise):
        drawn, noise = (noise, None) if engine.WHOLE else (None, noise.tensor(x))
    inside = read if engine.WHOLE else None
    readout, shift = (None, None) if inside is None else (inside.weights, inside.shift)
    if readout is not None and shift is None:
        shift = readout.new_zeros(len(readout))
    weights = torch.cat((w_rec.mT, w_in.mT, bias[None]))
    adapted = start[3] if adaptation is not None else None
    i, v, z = start[:3]
    before = (i, v, z, adapted, waiting)
    constants = (synapse, membrane, drive, threshold, reset, adapt, jump)
    given = Spiking(*(x, noise, weights), *constants, *before, *(readout, shift))
    which = Firing(surrogate, slope, hard, direct, refractory, drawn)
    keep = torch.is_grad_enabled() and any(one is not None and one.requires_grad for one in given)
    spikes, current, voltage, adapted, left, out = _Sequence.apply(engine, which, keep, *given)
    if read is not None and inside is None:
        out = functional.linear(spikes, read.weights, read.shift)
    last = (spikes[:, -1] if n_steps else start[2]).detach()
    return spikes, tuple(one for one in (current, voltage, last, adapted, left) if one is not None), out
