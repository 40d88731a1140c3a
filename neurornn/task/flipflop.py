"""Flip-flop: remember which way each of some bits was last set."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials

SECOND = 1000.0
"""ms."""


@dataclass(frozen=True)
class FlipFlop(AbstractTask):
    r"""Hold, for each of some bits, the sign of its last pulse.

    Each input channel is 0 but for pulses of one step, +1 or -1 alike, that come at random; the output of the same
    number holds the sign of the last one until the next. Every bit is set by a pulse at the first step.

    $$y_i(t) = u_i(\max\{t' \le t : u_i(t') \ne 0\})$$

    A network that has learnt it has a stable state for each pattern of bits: it is the case on which searches for fixed
    points are tried.

    Conditions: `pulses` (over all bits), and `bit_0`, `bit_1` ... at the end of the trial.

    Args:
        n_bits: number of bits.
        dt: time step, ms.
        duration: of a trial, ms.
        rate: pulses a second, of each bit.
        settle: steps after a pulse in which the answer does not count, ms.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import FlipFlop
        >>> FlipFlop().sample(8, generator=generator(0))
        Trials(8 trials, 64 steps of 20 ms, 3 in, 3 out)

    References:
        D. Sussillo and O. Barak (2013), Opening the black box: low-dimensional dynamics in high-dimensional recurrent
        neural networks, doi:10.1162/NECO_a_00409.
    """

    n_bits: int = 3
    dt: float = 20.0
    duration: float = 1280.0
    rate: float = 5.0
    settle: float = 0.0

    score_name: ClassVar[str] = "fraction of bits that are right"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check.count("FlipFlop", "n_bits", self.n_bits)
        _check.positive("FlipFlop", "dt", self.dt)
        _check.positive("FlipFlop", "rate", self.rate)
        _check.not_negative("FlipFlop", "settle", self.settle)
        if self.rate * self.dt / SECOND > 1:
            must = f"at most one pulse a step, {SECOND / self.dt:g} Hz"
            _check.fail("FlipFlop", "rate", must, self.rate, "Take a smaller `dt`, or fewer pulses.")
        if not self.dt <= self.duration < float("inf"):
            _check.fail("FlipFlop", "duration", f"at least one step of {self.dt:g} ms", self.duration)

    @property
    def n_in(self) -> int:
        return self.n_bits

    @property
    def n_out(self) -> int:
        return self.n_bits

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("FlipFlop.sample", "n_trials", n_trials)
        shape = (n_trials, int(self.duration / self.dt + 1e-9), self.n_bits)
        comes = torch.rand(shape, generator=generator) < self.rate * self.dt / SECOND
        comes[:, 0] = True
        sign = 2.0 * torch.randint(2, shape, generator=generator) - 1
        steps = torch.arange(shape[1])[:, None]
        last = torch.where(comes, steps, 0).cummax(dim=1).values
        since = (steps - last).amin(dim=-1)
        held = sign.gather(1, last)
        return Trials(
            inputs=comes * sign,
            targets=held,
            mask=(since >= self.settle / self.dt).float(),
            dt=self.dt,
            conditions=pd.DataFrame(
                {
                    "pulses": comes.sum(dim=(1, 2)).numpy(),
                    **{f"bit_{i}": held[:, -1, i].long().numpy() for i in range(self.n_bits)},
                }
            ),
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return the fraction of bits, over the steps that count, whose output has the right sign."""
        right = (outputs.sign() == trials.targets.to(outputs)).to(outputs).mean(-1)
        mask = trials.mask.to(outputs)
        return (right * mask).sum(-1) / mask.sum(-1)
