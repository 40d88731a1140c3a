r"""Integrate-and-fire cells in the form of the kernels.

The kernels know

$$i_t = \alpha i_{t-1} + \hat W z_{t-1}, \qquad y^-_t = \beta y_{t-1} + i_t + \hat q_t, \qquad
  z_t = [y^-_t > \hat\theta + \hat\kappa a_t]$$

and what a spike does to $y$: take $\hat r$ off it, or take it there. A cell has that form exactly, in the potential
$y = (v - v_{rest})/\Theta$, where $\Theta$ is the mean span from rest to threshold: $\hat\theta = (v_{th} -
v_{rest})/\Theta$, $\hat r = (v_{th} - v_r)/\Theta$ for a soft reset and $(v_r - v_{rest})/\Theta$ for a hard one,
$i_t = \gamma R\,g_t/\Theta$, and what is injected, $\hat q_t = R(1-\beta)I_t/\Theta + \xi_t/\Theta$.
"""

from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from neurornn import kernel
from neurornn._types import State
from neurornn.cell.base import Intervention
from neurornn.cell.flat import flattened, whole
from neurornn.cell.pieces import in_pieces
from neurornn.cell.spiking import PICO, AbstractSpiking, Reset, synaptic_gain


class AbstractIntegrateAndFire(AbstractSpiking):
    """A spiking cell that the kernels know: whole sequences in one call wherever they have an engine for it."""

    known: ClassVar[type | None] = None
    """The very class that the kernels compute; a subclass of it may do anything, and takes the loop."""

    def _sequence(
        self,
        x: Tensor,
        state: State,
        noise: Tensor | kernel.Noise | None,
        act: Intervention | None,
        read: kernel.Read | None,
        weights: tuple[Tensor, ...] | None = None,
    ) -> tuple[Tensor | None, Tensor, State]:
        acts = act is not None and act != Intervention()
        alike = act is None or not acts or act.without_weights() is None  # what is done to units takes the loop
        if not alike or type(self) is not self.known or not fits_kernel(self, x, state, noise, read):
            return super()._sequence(x, state, noise, act, read, weights)
        if act is not None and acts:
            found = in_pieces(self, x, state, noise, act, read, weights)
            return super()._sequence(x, state, noise, act, read, weights) if found is None else found
        return whole_sequence(self, x, state, noise, read, weights)


Cell = TypeVar("Cell", bound=type[AbstractIntegrateAndFire])


def in_kernels(cell: Cell) -> Cell:
    """Mark a class as one whose equations are those of the kernels."""
    cell.known = cell
    return cell


def fits_kernel(
    cell: AbstractSpiking,
    x: Tensor,
    state: State,
    noise: Tensor | kernel.Noise | None,
    read: kernel.Read | None = None,
) -> bool:
    """Tell whether the kernels know what this cell does, and have an engine for these tensors."""
    return (
        (cell.detach_reset or cell.reset is Reset.NONE)
        and cell.delays is None
        and cell.short_term is None
        and not cell.spike_inputs
        and cell.surrogate.kind is not None
        and x.shape[-2] > 0
        and whole(cell.n_in, cell.n_units, x, state, noise)
        and kernel.spiking_engine(*_tensors(cell.weights(), x, state, noise, read)) is not None
    )


def _tensors(weights: tuple[Tensor, ...], *others: Any) -> list[Tensor]:
    """Return all tensors that a call gets."""
    flat = [part for one in others for part in (one if isinstance(one, tuple) else (one,))]
    return [*weights, *(one for one in flat if isinstance(one, Tensor))]


def whole_sequence(
    cell: AbstractSpiking,
    x: Tensor,
    state: State,
    noise: Tensor | kernel.Noise | None,
    read: kernel.Read | None = None,
    weights: tuple[Tensor, ...] | None = None,
) -> tuple[Tensor | None, Tensor, State]:
    """Run a cell that `fits_kernel` through the kernels; outputs if there is something to `read`, then as `loop`.

    `weights` stand for the cell's own, as `weights()` gives them.
    """
    weights = cell.weights() if weights is None else weights
    w_in, w_rec, bias, *own = weights
    engine = kernel.spiking_engine(*_tensors(weights, x, state, noise, read))
    assert engine is not None and cell.surrogate.kind is not None, "asked for only where `fits_kernel`"
    own = dict(zip(cell._own, own, strict=True))
    alone = isinstance(noise, kernel.Noise) and x.ndim == 3 and all(part.ndim == 2 for part in state)
    flat = flattened(x, state, None if alone else kernel.numbers(noise, x))
    now = dict(zip(cell.parts, flat.state, strict=True))
    span, resistance, rest = cell.span, PICO * own["resistance"], own["v_rest"]
    filtered = "current" in now
    if filtered:
        kept, kept_current, gain = synaptic_gain(cell.dt, own["tau"], own["tau_syn"])
        gain = resistance * gain / span  # of a synaptic current
    else:
        kept = torch.exp(-cell.dt / own["tau"])
        kept_current, gain = torch.zeros_like(kept), kept / span
    injected = resistance * (1 - kept) / span
    start = (
        gain * now["current"] / kept_current if filtered else torch.zeros_like(now["voltage"]),
        (now["voltage"] - rest) / span,
        now["spikes"],
    )
    adaptation = None
    if "adaptation" in now:
        decay, jump = torch.exp(-cell.dt / own["tau_adapt"]), own["jump"]
        adaptation = decay, decay * jump / span
        start = (*start, (now["adaptation"] / jump - now["spikes"]) / decay)
    if alone:
        assert isinstance(noise, kernel.Noise)
        xi = replace(noise, sd=noise.sd / span)
    else:
        xi = None if flat.noise is None else flat.noise / span
    run, last, outputs = kernel.lif_sequence(
        engine,
        flat.x,
        start,
        xi,
        w_in=injected[:, None] * w_in,
        w_rec=gain[:, None] * w_rec,
        bias=injected * bias,
        synapse=kept_current,
        membrane=kept,
        drive=torch.ones_like(kept),
        threshold=(own["v_threshold"] - rest) / span,
        reset=_reset(cell.reset, own) / span,
        adaptation=adaptation,
        waiting=now.get("refractory"),
        refractory=cell.refractory_steps,
        hard=cell.reset is Reset.HARD,
        direct=True,
        surrogate=cell.surrogate.kind,
        slope=cell.surrogate.slope * span,
        read=read,
    )
    left = dict(zip(("current", "voltage", "spikes", *("adapted",) * (adaptation is not None)), last, strict=False))
    after = {"voltage": span * left["voltage"] + rest, "spikes": run[:, -1]}
    if filtered:
        after["current"] = kept_current * left["current"] / gain
    if adaptation is not None:
        after["adaptation"] = own["jump"] * (adaptation[0] * left["adapted"] + run[:, -1])
    if cell.refractory_steps:
        after["refractory"] = last[-1]
    outputs = None if outputs is None else flat.back(outputs)
    return outputs, flat.back(run), tuple(flat.back(after[name]) for name in cell.parts)


def _reset(kind: Reset, own: dict[str, Tensor]) -> Tensor:
    """Return what a spike takes off the potential, mV; or where it takes it, above rest."""
    if kind is Reset.HARD:
        return own["v_reset"] - own["v_rest"]
    if kind is Reset.SOFT:
        return own["v_threshold"] - own["v_reset"]
    return torch.zeros_like(own["v_threshold"])
