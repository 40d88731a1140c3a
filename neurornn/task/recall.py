"""What came in some time ago: a second task on the inputs of another one."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn.recording import Recording
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials


@dataclass(frozen=True)
class Recall(AbstractTask):
    """Give back what came in some time ago: another task on the very inputs, starts and movements of `inner`.

    Args:
        inner: the task whose inputs are given back.
        lag: how long ago, ms.

    Example:
        >>> from neurornn import Recall, TrackIntegration, generator
        >>> task = Recall(TrackIntegration(), lag=500.0)
        >>> trials = task.sample(2, generator=generator(0))
        >>> bool((trials.targets[:, 10:] == trials.inputs[:, :-10]).all())  # steps of 50 ms
        True
    """

    inner: AbstractTask
    lag: float = 500.0

    score_name: ClassVar[str] = "mean squared error"
    higher_is_better: ClassVar[bool] = False

    @property
    def dt(self) -> float:  # type: ignore[override]
        """Time step, ms: that of `inner`."""
        return self.inner.dt

    @property
    def n_in(self) -> int:
        return self.inner.n_in

    @property
    def n_out(self) -> int:
        return self.inner.n_in

    @property
    def n_start(self) -> int:
        return self.inner.n_start

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        return self._asked(self.inner.sample(n_trials, generator=generator))

    def follow(self, recording: Recording) -> Trials:
        return self._asked(self.inner.follow(recording))

    def _asked(self, trials: Trials) -> Trials:
        steps = round(self.lag / self.dt)
        targets = torch.zeros_like(trials.inputs)
        targets[:, steps:] = trials.inputs[:, : trials.n_steps - steps]
        mask = trials.mask.clone()
        mask[:, :steps] = 0.0
        return replace(trials, targets=targets, mask=mask)

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        error = ((outputs - trials.targets) ** 2).mean(-1)
        return (error * trials.mask).sum(-1) / trials.mask.sum(-1)
