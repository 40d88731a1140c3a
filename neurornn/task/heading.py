"""Head direction: which way one faces, from how one turned."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.task.code import AbstractCode, VonMises
from neurornn.trials import Trials

SECOND = 1000.0
"""ms."""


@dataclass(frozen=True)
class HeadDirection(AbstractTask):
    r"""Keep track of which way the head points, from its turns.

    The network is told where it starts (the code of that angle) and then sees at each step the turn, in rad; it answers
    with the code of the angle at the end of the step. Every turn is drawn afresh:

    $$\theta_{t+1} = \theta_t + \omega_t\,\Delta t, \qquad \omega_t \sim \mathcal N(0, \text{turning}^2)$$

    A biased animal turns by $|\omega_t|$, always counter-clockwise.

    Behaviour: `heading` (at the end of each step, rad in [-pi, pi)), `turn` (rad).

    Args:
        dt: time step, ms.
        duration: of a trial, ms.
        turning: standard deviation of the rotation, rad/s.
        biased: whether all turns go counter-clockwise.
        code: how angles are written as outputs.
        input_noise: standard deviation of the noise on the input, at each step, rad.

    Raises:
        ValueError: if the numbers do not fit; the message says which.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import HeadDirection
        >>> HeadDirection(duration=1000.0).sample(8, generator=generator(0))
        Trials(8 trials, 50 steps of 20 ms, 1 in, 64 out)

    References:
        N. Krishna et al. (2025), Sufficient conditions for offline reactivation in recurrent neural networks,
        doi:10.48550/arXiv.2505.17003.
    """

    dt: float = 20.0
    duration: float = 2000.0
    turning: float = 11.52
    biased: bool = False
    code: AbstractCode = field(default_factory=lambda: VonMises(64))
    input_noise: float = 0.0

    score_name: ClassVar[str] = "root mean square angle error (rad)"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("dt", "duration", "turning"):
            _check.positive("HeadDirection", name, getattr(self, name))
        if self.duration < self.dt:
            _check.fail("HeadDirection", "duration", f"at least one step of {self.dt:g} ms", self.duration)
        _check.not_negative("HeadDirection", "input_noise", self.input_noise)
        if not isinstance(self.code, VonMises):
            fix = "Angles wrap around, and other codes do not."
            _check.fail("HeadDirection", "code", "a code of angles, VonMises", type(self.code).__name__, fix)

    @property
    def n_in(self) -> int:
        return 1

    @property
    def n_out(self) -> int:
        return self.code.n_out

    @property
    def n_start(self) -> int:
        return self.code.n_out

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("HeadDirection.sample", "n_trials", n_trials)
        n_steps = int(self.duration / self.dt + 1e-9)
        start = math.tau * torch.rand(n_trials, 1, 1, generator=generator) - math.pi
        turn = self.turning * self.dt / SECOND * torch.randn(n_trials, n_steps, 1, generator=generator)
        turn = turn.abs() if self.biased else turn
        inputs = turn
        if self.input_noise:
            inputs = turn + self.input_noise * torch.randn(turn.shape, generator=generator)
        heading = torch.remainder(start + turn.cumsum(dim=1) + math.pi, math.tau) - math.pi
        return Trials(
            inputs=inputs,
            targets=self.code.encode(heading),
            mask=torch.ones(n_trials, n_steps),
            dt=self.dt,
            start=self.code.encode(start)[:, 0],
            conditions=pd.DataFrame({"start_heading": start[:, 0, 0].double().numpy()}),
            behaviour={"heading": heading, "turn": turn},
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        apart = self.code.decode(outputs) - trials.behaviour["heading"].to(outputs)
        error = torch.remainder(apart + math.pi, math.tau) - math.pi  # the short way round
        mask = trials.mask.to(outputs)
        return ((error.squeeze(-1).square() * mask).sum(-1) / mask.sum(-1)).sqrt()
