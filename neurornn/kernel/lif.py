r"""Leaky integrate-and-fire units over a whole sequence, with surrogate gradients, in one call.

The contract, for every unit and step (all constants may differ from unit to unit):

$$i_t = \alpha i_{t-1} + W z_{t-1} + W_{in} x_t + b + \xi_t, \qquad a_t = \rho a_{t-1} + z_{t-1}$$
$$v_t = \beta v_{t-1} + \gamma i_t - \theta z_{t-1}, \qquad s_t = v_t - \theta - \kappa a_t, \qquad z_t = [s_t > 0]$$

with synaptic current $i$, adaptation $a$ (left out where there is none), membrane potential $v$ and spikes $z$. A spike
takes $\theta$ off the potential one step later.

Backward, $\partial z_t / \partial s_t$ is replaced by the surrogate $\sigma'(s_t)$, and the reset is taken as given: no
gradient flows through $-\theta z_{t-1}$ into the spike (into $\theta$ it does). With $\delta$ the gradient of the loss:

$$\delta z_t = g_t + W^\top \delta i_{t+1} + \delta a_{t+1}, \quad \delta s_t = \sigma'(s_t)\,\delta z_t, \quad
  \delta v_t = \beta\,\delta v_{t+1} + \delta s_t$$
$$\delta a_t = \rho\,\delta a_{t+1} - \kappa\,\delta s_t, \quad
  \delta i_t = \alpha\,\delta i_{t+1} + \gamma\,\delta v_t$$

References:
    Neftci, Mostafa & Zenke (2019), doi:10.1109/MSP.2019.2931595; Zenke & Ganguli (2018), doi:10.1162/neco_a_01086;
    Bellec et al. (2018), doi:10.48550/arXiv.1803.09574.
"""

from enum import IntEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check


class Surrogate(IntEnum):
    r"""What replaces the derivative of the step, at slope $k$; the numbers are those of the native library.

    `SUPERSPIKE` $1/(1 + k|s|)^2$; `TRIANGLE` $\max(0, 1 - k|s|)$; `ARCTAN` $1/(1 + (k s)^2)$.
    """

    SUPERSPIKE = 0
    TRIANGLE = 1
    ARCTAN = 2


class Spiking(NamedTuple):
    """The tensors of one call. `weights` stacks the recurrent weights (rows pre-synaptic), input weights and bias."""

    x: Tensor  # (trial, time, in)
    noise: Tensor | None  # (trial, time, unit)
    weights: Tensor  # (unit + in + 1, unit)
    synapse: Tensor  # (unit,), alpha
    membrane: Tensor  # (unit,), beta
    drive: Tensor  # (unit,), gamma
    threshold: Tensor  # (unit,), theta
    adapt: Tensor | None  # (unit,), rho
    jump: Tensor | None  # (unit,), kappa
    current: Tensor  # (trial, unit), before the first step, as all below
    voltage: Tensor  # (trial, unit)
    spikes: Tensor  # (trial, unit)
    adapted: Tensor | None  # (trial, unit)


class Spiked(NamedTuple):
    """What a forward pass leaves: the run, the states after it, and what the backward pass needs."""

    spikes: Tensor  # (trial, time, unit)
    current: Tensor  # (trial, unit), after the last step, as the next two
    voltage: Tensor  # (trial, unit)
    adapted: Tensor | None  # (trial, unit)
    above: Tensor | None  # (trial, time, unit), s
    currents: Tensor | None  # (trial, time, unit), where a constant is trained
    adaptations: Tensor | None  # (trial, time, unit), where a constant is trained


@runtime_checkable
class SpikingEngine(Protocol):
    """Something that computes the two passes."""

    def forward(self, given: Spiking, keep: bool, keep_all: bool) -> Spiked:
        """Run the sequence; `keep` what the backward pass needs, `keep_all` what the constants' gradients need."""
        ...

    def backward(
        self, which: tuple[Surrogate, float], given: Spiking, left: Spiked, grads: Spiked, wanted: tuple[bool, ...]
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of the arguments that are `wanted`, in their order."""
        ...


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, engine: SpikingEngine, which: tuple, keep: bool, *tensors: Tensor | None) -> tuple:
        given = Spiking(*tensors)  # type: ignore[arg-type]
        keep_all = keep and any(ctx.needs_input_grad[3 + i] for i in range(3, 9))
        left = engine.forward(given, keep, keep_all)
        ctx.engine, ctx.which = engine, which
        ctx.set_materialize_grads(False)
        if keep:
            ctx.save_for_backward(*given._replace(noise=None), *left)
        return left[:4]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        n = len(Spiking._fields)
        saved = ctx.saved_tensors  # read once: torch.utils.checkpoint allows no second time
        given, left = Spiking(*saved[:n]), Spiked(*saved[n:])
        given_grads = Spiked(*grads, None, None, None)  # type: ignore[arg-type]
        wanted = tuple(ctx.needs_input_grad[-n:])
        return (None, None, None, *ctx.engine.backward(ctx.which, given, left, given_grads, wanted))


def lif_sequence(
    engine: SpikingEngine,
    x: Float[Tensor, "trial time in"],
    start: tuple[Tensor, ...],
    noise: Float[Tensor, "trial time unit"] | None,
    *,
    w_in: Float[Tensor, "unit in"],
    w_rec: Float[Tensor, "unit unit"],
    bias: Float[Tensor, " unit"],
    synapse: Float[Tensor, " unit"],
    membrane: Float[Tensor, " unit"],
    drive: Float[Tensor, " unit"],
    threshold: Float[Tensor, " unit"],
    adaptation: tuple[Tensor, Tensor] | None = None,
    surrogate: Surrogate = Surrogate.SUPERSPIKE,
    slope: float = 10.0,
) -> tuple[Float[Tensor, "trial time unit"], tuple[Tensor, ...]]:
    r"""Return the spikes of every step, 0 or 1, and the state after the last one.

    Args:
        engine: what computes it.
        x: input of each step.
        start: current, voltage and spikes before the first step, and with adaptation that too; each `(trial, unit)`.
        noise: noise of each step, added to the current; none where absent.
        w_in: input weights.
        w_rec: recurrent weights, rows post-synaptic.
        bias: constant current of each unit.
        synapse: $\alpha$, what is left of the current after a step.
        membrane: $\beta$, what is left of the potential after a step.
        drive: $\gamma$, by how much a current raises the potential.
        threshold: $\theta$.
        adaptation: $\rho$ and $\kappa$; none where absent.
        surrogate: what replaces the derivative of a spike.
        slope: its $k$.

    Returns:
        The spikes, and the last state, laid out as `start`.

    Raises:
        ValueError: if the sizes contradict each other.
    """
    (n_trials, n_steps, n_in), n_units = x.shape, len(threshold)
    _check.positive("kernel.lif_sequence", "slope", slope)
    adapt, jump = adaptation if adaptation is not None else (None, None)
    if len(start) != (3 if adaptation is None else 4):
        must = "current, voltage, spikes, and adaptation where there is one"
        _check.fail("kernel.lif_sequence", "start", must, f"{len(start)} tensors")
    shapes: dict[str, tuple[Tensor | None, tuple[int, ...]]] = {
        "w_in": (w_in, (n_units, n_in)),
        "w_rec": (w_rec, (n_units, n_units)),
        "noise": (noise, (n_trials, n_steps, n_units)),
        **{f"start[{i}]": (one, (n_trials, n_units)) for i, one in enumerate(start)},
        "bias": (bias, (n_units,)),
        "synapse": (synapse, (n_units,)),
        "membrane": (membrane, (n_units,)),
        "drive": (drive, (n_units,)),
        "adaptation[0]": (adapt, (n_units,)),
        "adaptation[1]": (jump, (n_units,)),
    }
    for name, (tensor, shape) in shapes.items():
        if tensor is not None and tensor.shape != shape:
            _check.fail("kernel.lif_sequence", name, f"of shape {shape}", tensor)
    weights = torch.cat((w_rec.mT, w_in.mT, bias[None]))
    adapted = start[3] if adaptation is not None else None
    i, v, z = start[:3]
    given = Spiking(x, noise, weights, synapse, membrane, drive, threshold, adapt, jump, i, v, z, adapted)
    keep = torch.is_grad_enabled() and any(one is not None and one.requires_grad for one in given)
    spikes, current, voltage, adapted = _Sequence.apply(engine, (surrogate, slope), keep, *given)
    last = spikes[:, -1] if n_steps else start[2]
    state = (current, voltage, last.detach())
    return spikes, state if adapted is None else (*state, adapted)
