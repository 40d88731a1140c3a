"""Integrate-and-fire units over a whole sequence by torch's own operations: any device, any floating dtype."""

import torch
from torch import Tensor

from neurornn.kernel.lif import Spiked, Spiking, Surrogate


def forward(given: Spiking, keep: bool, keep_all: bool) -> Spiked:
    """Run the sequence."""
    n_units = len(given.threshold)
    recurrent, afferent, bias = given.weights.split([n_units, given.x.shape[2], 1])
    drives = given.x @ afferent + bias  # (trial, time, unit); becomes the currents
    if given.noise is not None:
        drives += given.noise
    spikes = torch.empty_like(drives)
    above = torch.empty_like(drives) if keep else None
    adapting = given.adapt is not None and given.jump is not None
    adaptations = torch.empty_like(drives) if keep_all and adapting else None
    i, v, z, a = given.current, given.voltage, given.spikes, given.adapted
    for t in range(drives.shape[1]):
        i = drives[:, t].addmm_(z, recurrent).addcmul_(given.synapse, i)
        v = torch.addcmul(given.drive * i, given.membrane, v).addcmul_(given.threshold, z, value=-1)
        s = v - given.threshold
        if given.adapt is not None and given.jump is not None and a is not None:
            a = torch.addcmul(z, given.adapt, a)
            s = s.addcmul_(given.jump, a, value=-1)
            if adaptations is not None:
                adaptations[:, t] = a
        if above is not None:
            above[:, t] = s
        z = spikes[:, t]
        torch.gt(s, 0, out=z)
    last = (i.clone(), v.clone(), a.clone() if a is not None else None)
    return Spiked(spikes, *last, above, drives if keep_all else None, adaptations)


def surrogate_slope(which: Surrogate, slope: float, s: Tensor) -> Tensor:
    """Return what stands for the derivative of a spike by its distance above threshold."""
    if which is Surrogate.SUPERSPIKE:
        return (s.abs() * slope + 1).pow_(-2)
    if which is Surrogate.TRIANGLE:
        return (1 - slope * s.abs()).clamp_(min=0)
    return (1 + (slope * s).square()).reciprocal_()


def backward(
    which: tuple[Surrogate, float], given: Spiking, left: Spiked, grads: Spiked, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, ...]:
    """Return the gradients: one reverse sweep, then one product for all weights."""
    if left.above is None:
        raise RuntimeError("kernel.lif: the forward pass kept nothing for a backward pass.")
    n_units, n_steps = len(given.threshold), left.above.shape[1]
    recurrent, afferent, _ = given.weights.split([n_units, given.x.shape[2], 1])
    back = recurrent.mT.contiguous()
    zero = torch.zeros_like(given.voltage)
    of_i, of_v, of_a = (zero if one is None else one for one in (grads.current, grads.voltage, grads.adapted))
    of_spike = surrogate_slope(*which, left.above)  # becomes delta s
    of_current = torch.empty_like(of_spike)
    of_voltage = torch.empty_like(of_spike) if any(wanted[3:9]) else None
    of_adapted = torch.empty_like(of_spike) if any(wanted[7:9]) else None
    of_z = zero if grads.spikes is None or not n_steps else grads.spikes[:, -1]
    adapting = given.adapt is not None and given.jump is not None
    for t in range(n_steps - 1, -1, -1):
        of_s = of_spike[:, t].mul_(of_z)
        of_v = of_v + of_s
        if given.adapt is not None and given.jump is not None:
            of_a = torch.addcmul(of_a, given.jump, of_s, value=-1)
        di = torch.addcmul(of_i, given.drive, of_v, out=of_current[:, t])
        if of_voltage is not None:
            of_voltage[:, t] = of_v
        if of_adapted is not None:
            of_adapted[:, t] = of_a
        arriving = None if grads.spikes is None or t == 0 else grads.spikes[:, t - 1]
        of_z = di @ back if arriving is None else torch.addmm(arriving, di, back)
        if adapting:
            of_z = of_z + of_a
            of_a = of_a * given.adapt if given.adapt is not None else of_a
        of_i, of_v = di * given.synapse, of_v * given.membrane
    constants = _constants(given, left, of_spike, of_current, of_voltage, of_adapted, wanted)
    return (
        of_current @ afferent.mT if wanted[0] else None,
        of_current if wanted[1] else None,
        _weights(given, left.spikes, of_current) if wanted[2] else None,
        *constants,
        of_i if wanted[9] else None,
        of_v if wanted[10] else None,
        of_z if wanted[11] else None,
        of_a if wanted[12] else None,
    )


def _constants(
    given: Spiking,
    left: Spiked,
    of_spike: Tensor,
    of_current: Tensor,
    of_voltage: Tensor | None,
    of_adapted: Tensor | None,
    wanted: tuple[bool, ...],
) -> list[Tensor | None]:
    """Return the gradients of the six constants, each a sum over trials and steps."""
    if of_voltage is None or left.above is None or left.currents is None:
        return [None] * 6
    voltages = left.above + given.threshold
    if left.adaptations is not None and given.jump is not None:
        voltages = voltages + given.jump * left.adaptations
    pairs = [
        (of_current, _before(given.current, left.currents)),
        (of_voltage, _before(given.voltage, voltages)),
        (of_voltage, left.currents),
    ]
    found: list[Tensor | None] = [(a * b).sum((0, 1)) for a, b in pairs]
    found.append(-of_spike.sum((0, 1)) - (of_voltage * _before(given.spikes, left.spikes)).sum((0, 1)))
    if of_adapted is not None and left.adaptations is not None and given.adapted is not None:
        found.append((of_adapted * _before(given.adapted, left.adaptations)).sum((0, 1)))
        found.append(-(of_spike * left.adaptations).sum((0, 1)))
    else:
        found += [None, None]
    return [one if want else None for one, want in zip(found, wanted[3:9], strict=True)]


def _before(start: Tensor, run: Tensor) -> Tensor:
    """Return what a state was before each step."""
    return torch.cat((start[:, None], run[:, :-1]), 1) if run.shape[1] else run


def _weights(given: Spiking, spikes: Tensor, of_current: Tensor) -> Tensor:
    before = _before(given.spikes, spikes).flatten(0, 1)
    flat = of_current.flatten(0, 1)
    return torch.cat((before.mT @ flat, given.x.flatten(0, 1).mT @ flat, flat.sum(0, keepdim=True)))
