"""Integrate-and-fire units over a whole sequence by torch's own operations: any device, any floating dtype."""

import math

import torch
from torch import Tensor

from neurornn.kernel.lif import CONSTANTS, Firing, Spiked, Spiking, Surrogate

WHOLE: bool = False


def forward(which: Firing, given: Spiking, keep: bool, keep_all: bool) -> Spiked:
    """Run the sequence."""
    n_units = len(given.threshold)
    recurrent, afferent, bias = given.weights.split([n_units, given.x.shape[2], 1])
    entering = given.x @ afferent + bias  # (trial, time, unit)
    if given.noise is not None:
        entering += given.noise
    spikes = torch.empty_like(entering)
    above = torch.empty_like(entering) if keep else None
    currents, voltages, adaptations = (torch.empty_like(entering) if keep_all else None for _ in range(3))
    i, v, z, a, wait = given.current, given.voltage, given.spikes, given.adapted, given.waiting
    for t in range(entering.shape[1]):
        q = entering[:, t]
        if which.direct:
            i = (z @ recurrent).addcmul_(given.synapse, i)
            reached = torch.addcmul(q, given.membrane, v).addcmul_(given.drive, i)
        else:
            i = q.addmm_(z, recurrent).addcmul_(given.synapse, i)
            reached = torch.addcmul(given.drive * i, given.membrane, v)
        s = reached - given.threshold
        if given.adapt is not None and given.jump is not None and a is not None:
            a = torch.addcmul(z, given.adapt, a)
            s = s.addcmul_(given.jump, a, value=-1)
        if wait is not None:
            frozen = wait > 0
            reached = torch.where(frozen, v, reached)
            s = s.masked_fill_(frozen, -math.inf)
        z = spikes[:, t]
        torch.gt(s, 0, out=z)
        v = torch.where(z > 0, given.reset, reached) if which.hard else reached.addcmul_(given.reset, z, value=-1)
        if wait is not None:
            wait = (wait - 1).clamp_(min=0).masked_fill_(z > 0, float(which.refractory))
        for whole, now in ((above, s), (currents, i), (voltages, v), (adaptations, a)):
            if whole is not None and now is not None:
                whole[:, t] = now
    adapted, waiting = (None if one is None else one.clone() for one in (a, wait))
    adaptations = adaptations if a is not None else None
    return Spiked(spikes, i.clone(), v.clone(), adapted, waiting, None, above, None, currents, voltages, adaptations)


def surrogate_slope(which: Surrogate, slope: float, s: Tensor) -> Tensor:
    """Return what stands for the derivative of a spike by its distance above threshold."""
    if which is Surrogate.SUPERSPIKE:
        return (s.abs() * slope + 1).pow_(-2)
    if which is Surrogate.TRIANGLE:
        return (1 - slope * s.abs()).clamp_(min=0)
    return (1 + (slope * s).square()).reciprocal_()


def backward(
    which: Firing, given: Spiking, left: Spiked, grads: Spiked, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """Return the gradients: one reverse sweep, then one product for all weights."""
    if left.above is None:
        raise RuntimeError("kernel.lif: the forward pass kept nothing for a backward pass.")
    n_units, n_steps = len(given.threshold), left.above.shape[1]
    recurrent, afferent, _ = given.weights.split([n_units, given.x.shape[2], 1])
    back = recurrent.mT.contiguous()
    zero = torch.zeros_like(given.voltage)
    of_i, of_v, of_a = (zero if one is None else one for one in (grads.current, grads.voltage, grads.adapted))
    frozen = left.above == -math.inf if which.refractory else None
    of_spike = surrogate_slope(which.surrogate, which.slope, left.above)  # becomes delta s; 0 where refractory
    of_current = torch.empty_like(of_spike)
    of_reached = torch.empty_like(of_spike) if any(wanted[CONSTANTS]) or which.direct else None
    of_after, of_adapted = (torch.empty_like(of_spike) if any(wanted[CONSTANTS]) else None for _ in range(2))
    of_spikes = _with_readout(given, grads, left)
    of_z = zero if of_spikes is None or not n_steps else of_spikes[:, -1]
    adapting = given.adapt is not None and given.jump is not None
    for t in range(n_steps - 1, -1, -1):
        of_s = of_spike[:, t].mul_(of_z)
        if of_after is not None:
            of_after[:, t] = of_v
        reached = of_v * (left.spikes[:, t] <= 0) + of_s if which.hard else of_v + of_s
        moved = reached if frozen is None else reached.masked_fill(frozen[:, t], 0)
        if given.adapt is not None and given.jump is not None:
            of_a = torch.addcmul(of_a, given.jump, of_s, value=-1)
        if of_adapted is not None:
            of_adapted[:, t] = of_a
        di = torch.addcmul(of_i, given.drive, moved, out=of_current[:, t])
        if of_reached is not None:
            of_reached[:, t] = moved
        arriving = None if of_spikes is None or t == 0 else of_spikes[:, t - 1]
        of_z = di @ back if arriving is None else torch.addmm(arriving, di, back)
        if adapting:
            of_z = of_z + of_a
            of_a = of_a * given.adapt if given.adapt is not None else of_a
        of_i = di * given.synapse
        of_v = moved * given.membrane if frozen is None else torch.where(frozen[:, t], of_v, moved * given.membrane)
    entered = of_reached if which.direct and of_reached is not None else of_current
    constants = _constants(which, given, left, (of_spike, of_current, of_reached, of_after, of_adapted), wanted)
    wants = Spiking(*wanted)  # type: ignore[arg-type]
    found: dict[str, Tensor | None] = dict.fromkeys(Spiking._fields)
    found.update(zip(Spiking._fields[CONSTANTS], constants, strict=True))
    if wants.x:
        found["x"] = entered @ afferent.mT
    if wants.weights:
        found["weights"] = _weights(given, left.spikes, of_current, entered)
    if wants.readout and grads.out is not None:
        found["readout"] = grads.out.flatten(0, 1).mT @ left.spikes.flatten(0, 1)
    if wants.shift and grads.out is not None:
        found["shift"] = grads.out.sum((0, 1))
    rest = {"noise": entered, "current": of_i, "voltage": of_v, "spikes": of_z, "adapted": of_a}
    found.update({name: one for name, one in rest.items() if getattr(wants, name)})
    return tuple(found.values())


def _with_readout(given: Spiking, grads: Spiked, left: Spiked) -> Tensor | None:
    """Return the gradient of the spikes, with what came through the readout."""
    if grads.out is None or given.readout is None:
        return grads.spikes
    through = grads.out @ given.readout
    return through if grads.spikes is None else grads.spikes + through


def _constants(
    which: Firing, given: Spiking, left: Spiked, of: tuple[Tensor | None, ...], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """Return the gradients of the seven constants, each a sum over trials and steps."""
    of_spike, of_current, of_reached, of_after, of_adapted = of
    if of_reached is None or of_after is None or left.currents is None or left.voltages is None:
        return [None] * 7
    assert of_spike is not None and of_current is not None
    pairs = [
        (of_current, _before(given.current, left.currents)),
        (of_reached, _before(given.voltage, left.voltages)),
        (of_reached, left.currents),
        (of_spike, -torch.ones_like(of_spike)),
        (of_after, left.spikes if which.hard else -left.spikes),
    ]
    found: list[Tensor | None] = [(a * b).sum((0, 1)) for a, b in pairs]
    if of_adapted is not None and left.adaptations is not None and given.adapted is not None:
        found.append((of_adapted * _before(given.adapted, left.adaptations)).sum((0, 1)))
        found.append(-(of_spike * left.adaptations).sum((0, 1)))
    else:
        found += [None, None]
    return [one if want else None for one, want in zip(found, wanted[CONSTANTS], strict=True)]


def _before(start: Tensor, run: Tensor) -> Tensor:
    """Return what a state was before each step."""
    return torch.cat((start[:, None], run[:, :-1]), 1) if run.shape[1] else run


def _weights(given: Spiking, spikes: Tensor, of_current: Tensor, entered: Tensor) -> Tensor:
    before, inside = _before(given.spikes, spikes).flatten(0, 1), of_current.flatten(0, 1)
    outside = entered.flatten(0, 1)
    parts = (before.mT @ inside, given.x.flatten(0, 1).mT @ outside, outside.sum(0, keepdim=True))
    return torch.cat(parts)
