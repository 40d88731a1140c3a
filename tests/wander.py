"""A small task of the tests' own: say what a wandering input is."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurornn._types import generator
from neurornn.recording import Recording
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials


@dataclass(frozen=True)
class Wander(AbstractTask):
    """Say what a wandering input is; an animal's trials are followed by their number, which draws the input."""

    dt: float = 10.0
    n_steps: int = 30
    score_name: str = "mean squared distance"
    higher_is_better: bool = False

    @property
    def n_in(self) -> int:
        return 2

    @property
    def n_out(self) -> int:
        return 1

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        inputs = torch.randn(n_trials, self.n_steps, 2, generator=generator).cumsum(1) / 3
        edges = {"early": torch.tensor([[0, 10]]), "late": torch.tensor([[10, self.n_steps]])}
        epochs = {name: edge.expand(n_trials, 2) for name, edge in edges.items()}
        return Trials(inputs, inputs[..., :1], torch.ones(n_trials, self.n_steps), dt=self.dt, epochs=epochs)

    def score(self, trials: Trials, outputs: Tensor) -> Tensor:
        return (outputs - trials.targets).square().mean((-2, -1))

    def follow(self, recording: Recording) -> Trials:
        return self.sample(len(recording.trials), generator=generator(5))
