"""Runs whose weights or constants are changed, in pieces of which each has weights of its own: for the kernels."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from neurornn._types import State
from neurornn.cell.alteration import Schedule
from neurornn.cell.base import AbstractCell
from neurornn.cell.intervention import Intervention
from neurornn.kernel import Noise, Read, numbers


def in_pieces(
    cell: AbstractCell,
    x: Tensor,
    state: State,
    noise: Tensor | Noise | None,
    act: Intervention,
    read: Read | None,
    weights: tuple[Tensor, ...] | None,
) -> tuple[Tensor | None, Tensor, State] | None:
    """Run a cell member by member, stretch by stretch, each with its own weights.

    Args:
        cell: one that has a kernel.
        x: inputs, shared by all members. Shape `(trial, time, in)`.
        state: the state before the first step.
        noise: of each step; none where absent.
        act: what is done.
        read: the readout; nothing is read out where absent.
        weights: what the weights are before; the cell's own where absent.

    Returns:
        As `AbstractCell._sequence`; `None` where the loop must do it: what is live, and schedules that fall into as
        many pieces as there are steps.
    """
    n_stack, n_trials, n_steps = act.n_stack, *x.shape[:2]
    looping = any(one.watch is not None for member in act.each_member for one in member.own_alterations)
    if x.ndim != 3 or act.live or looping or not n_steps or any(s.ndim != 2 + (n_stack > 0) for s in state):
        return None
    if isinstance(noise, Tensor) and noise.ndim != 3:
        return None
    runs = []
    for place, member in enumerate(act.each_member):
        schedule = Schedule(cell, member, weights, n_trials, n_steps)
        stretches = schedule.stretches()
        if len(stretches) > 1 and sum(len(schedule.at(first)) for first, _ in stretches) > n_steps:
            return None
        own = tuple(part[place] for part in state) if n_stack else state
        alone = member.without_weights()
        if len(stretches) == 1 and len(schedule.at(0)) == 1:
            outputs, sent, after = cell._sequence(x, own, noise, alone, read, schedule.at(0)[0][1])
        else:
            outputs, (sent, after) = (
                None,
                _stretch_by_stretch(cell, x, own, numbers(noise, x), alone, schedule, stretches),
            )
        if read is not None and outputs is None:
            outputs = functional.linear(sent, read.weights, read.shift)
        runs.append((outputs, sent[:0] if read is not None and read.alone else sent, after))
    if not n_stack:
        return runs[0]
    outputs = None if read is None else torch.stack([one[0] for one in runs])
    states = tuple(torch.stack(parts) for parts in zip(*(after for *_, after in runs), strict=True))
    return outputs, torch.stack([sent for _, sent, _ in runs]), states


def _stretch_by_stretch(
    cell: AbstractCell,
    x: Tensor,
    state: State,
    noise: Tensor | None,
    act: Intervention | None,
    schedule: Schedule,
    stretches: list[tuple[int, int]],
) -> tuple[Tensor, State]:
    kept: list[Tensor] = []
    for first, stop in stretches:
        groups = schedule.at(first)
        done = []
        for rows, weights in groups:
            part = _part(act, rows, first, stop, kept[-1][:, -1] if kept else None)
            loud = None if noise is None else noise[rows, first:stop]
            own = tuple(one[rows] for one in state)
            done.append(cell._sequence(x[rows, first:stop], own, loud, part, None, weights)[1:])
        back = torch.argsort(torch.cat([rows for rows, _ in groups]))
        kept.append(torch.cat([sent for sent, _ in done])[back])
        state = tuple(torch.cat(parts)[back] for parts in zip(*(after for _, after in done), strict=True))
    return torch.cat(kept, dim=1), state


def _part(act: Intervention | None, rows: Tensor, first: int, stop: int, last: Tensor | None) -> Intervention | None:
    """Return what is done to some trials in some steps; it begins from what was sent last, if it is not the start."""
    if act is None:
        return None

    def cut(whole: Tensor | None) -> Tensor | None:
        if whole is None:
            return None
        whole = whole if whole.shape[-3] == 1 else whole[rows.to(whole.device)]
        return whole if whole.shape[-2] == 1 else whole[:, first:stop]

    def at_rest(whole: Tensor | None) -> Tensor | None:
        return whole if whole is None or len(whole) == 1 else whole[rows.to(whole.device)]

    part = replace(act, gain=cut(act.gain), offset=cut(act.offset), current=cut(act.current))
    if last is None:
        return replace(part, resting_gain=at_rest(act.resting_gain), resting_offset=at_rest(act.resting_offset))
    if act.gain is None and act.offset is None:
        return part
    return replace(part, resting_gain=torch.zeros_like(last[rows]), resting_offset=last[rows])
