r"""Integrate-and-fire cells in the form of the kernels.

The kernels know

$$\hat\imath_t = \alpha\hat\imath_{t-1} + \hat W z_{t-1} + \hat W_{in} \hat x_t + \hat b + \hat\xi_t, \qquad
  y_t = \beta y_{t-1} + \hat\imath_t - \hat\theta z_{t-1}$$

with spikes where $y_t > \hat\theta + \hat\kappa a_t$. A cell with a soft reset of $\Delta$ has that form exactly, in
the potential

$$y = (v - v_{rest} - c)/\Theta,\qquad c = \Theta_i - \beta\Delta,\qquad \hat\theta = \beta\Delta/\Theta$$

(a shift that makes the kernels' one constant both threshold and reset; $\Theta_i$ is the unit's own span, $\Theta$
their mean). With $q = R(1-\beta)/\Theta$ and $o = -(1-\beta)c/\Theta$ the current that the kernels carry is

$$\hat\imath_t = \gamma R\,g_t/\Theta + q I_t + \xi_t/\Theta + o,$$

so that what is injected, which the synaptic filter must not hold on to, comes in as $q(I_t - \alpha I_{t-1})$: the
inputs of this step and of the last one, side by side.
"""

import torch
from torch import Tensor
from torch.nn import functional

from neurornn import kernel
from neurornn._types import State
from neurornn.cell.flat import flattened, whole
from neurornn.cell.spiking import PICO, AbstractSpiking, Reset, synaptic_gain


def fits_kernel(cell: AbstractSpiking, x: Tensor, state: State, noise: Tensor | None) -> bool:
    """Tell whether the kernels know this cell, and have an engine for these tensors."""
    return (
        cell.reset is Reset.SOFT
        and cell.detach_reset
        and cell.refractory_steps == 0
        and cell.delays is None
        and cell.short_term is None
        and cell.surrogate.kind is not None
        and x.shape[-2] > 0
        and whole(cell.n_in, cell.n_units, x, state, noise)
        and kernel.spiking_engine(x, *state, noise, *cell.weights()) is not None
    )


def whole_sequence(cell: AbstractSpiking, x: Tensor, state: State, noise: Tensor | None) -> tuple[Tensor, State]:
    """Run a cell that `fits_kernel` through the kernels; what `loop` returns."""
    w_in, w_rec, bias, *own = weights = cell.weights()
    own = dict(zip(cell._own, own, strict=True))
    flat = flattened(x, state, noise)
    now = dict(zip(cell.parts, flat.state, strict=True))
    span, resistance, rest = cell.span, PICO * own["resistance"], own["v_rest"]
    filtered = "current" in now
    if filtered:
        kept, kept_current, gain = synaptic_gain(cell.dt, own["tau"], own["tau_syn"])
        gain = resistance * gain / span  # of a synaptic current
    else:
        kept = torch.exp(-cell.dt / own["tau"])
        kept_current, gain = torch.zeros_like(kept), kept / span
    reset = own["v_threshold"] - own["v_reset"]
    shift = own["v_threshold"] - rest - kept * reset
    injected = resistance * (1 - kept) / span
    steady = injected * bias - (1 - kept) * shift / span
    spikes = now["spikes"]
    start = (
        gain * now["current"] / kept_current if filtered else torch.zeros_like(spikes),
        (now["voltage"] + reset * spikes.detach() - rest - shift) / span,
        spikes,
    )
    w_in = injected[:, None] * w_in
    inputs, xi = flat.x, None if flat.noise is None else flat.noise / span
    if filtered:
        # What was steady before the first step comes in with it: as a state it would cost the kernel's fast way back.
        w_in = torch.cat((w_in, -kept_current[:, None] * w_in, (kept_current * steady)[:, None]), dim=1)
        first = torch.zeros_like(inputs[..., :1])
        first[:, 0] = 1.0
        inputs = torch.cat((inputs, _before(inputs), first), dim=-1)
        xi = None if xi is None else xi - kept_current * _before(xi)
    adaptation = None
    if "adaptation" in now:
        decay, jump = torch.exp(-cell.dt / own["tau_adapt"]), own["jump"]
        adaptation = decay, decay * jump / span
        start = (*start, (now["adaptation"] / jump - spikes) / decay)
    engine = kernel.spiking_engine(x, *state, noise, *weights)
    assert engine is not None and cell.surrogate.kind is not None, "asked for only where `fits_kernel`"
    run, last = kernel.lif_sequence(
        engine,
        inputs,
        start,
        xi,
        w_in=w_in,
        w_rec=gain[:, None] * w_rec,
        bias=(1 - kept_current) * steady,
        synapse=kept_current,
        membrane=kept,
        drive=torch.ones_like(kept),
        threshold=kept * reset / span,
        adaptation=adaptation,
        surrogate=cell.surrogate.kind,
        slope=cell.surrogate.slope * span,
    )
    after = {"voltage": span * last[1] + rest + shift - reset * run[:, -1].detach(), "spikes": run[:, -1]}
    if filtered:
        own_part = inputs[:, -1, : cell.n_in] @ w_in[:, : cell.n_in].mT + steady
        own_part = own_part if flat.noise is None else own_part + flat.noise[:, -1] / span
        after["current"] = kept_current * (last[0] - own_part) / gain
    if "adaptation" in now:
        after["adaptation"] = own["jump"] * (adaptation[0] * last[3] + run[:, -1])
    return flat.back(run), tuple(flat.back(after[name]) for name in cell.parts)


def _before(run: Tensor) -> Tensor:
    """Return each step's predecessor, 0 before the first. Shape `(trial, time, _)`."""
    return functional.pad(run[:, :-1], (0, 0, 1, 0))
