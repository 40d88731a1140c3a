"""How a training is judged meanwhile: one batch of its own for each stage, with the same noise every time."""

import math

import torch

from neurornn.curriculum import Stage
from neurornn.errors import Diverged
from neurornn.fit.precision import Precision
from neurornn.fit.roll import answer
from neurornn.fit.session import stream
from neurornn.network import Network
from neurornn.trials import Trials


class Validation:
    """The task's own score on trials that training never sees.

    Args:
        n_trials: trials of each stage.
        seed: of trials and noise, in streams apart from those of training.
        precision: as in training.
    """

    def __init__(self, n_trials: int, *, seed: int, precision: Precision) -> None:
        self.n_trials = n_trials
        self.seed = seed
        self.precision = precision
        self._trials: dict[int, Trials] = {}

    def score(self, network: Network, stage: Stage, number: int) -> float:
        """Return how good the answers are over all: the mean score of the trials that have one, for most tasks.

        Args:
            network: the network as it is now.
            stage: what is trained now.
            number: the number of the stage.

        Raises:
            Diverged: if the score is not finite.
        """
        if number not in self._trials:
            drawn = stage.task.sample(self.n_trials, generator=stream(self.seed, 3 + number))
            self._trials = {number: drawn.to(network.device)}
        trials = self._trials[number]
        noise = stream(self.seed, 2, network.device)
        with self.precision.cast(torch.device(network.device)):
            run = answer(network, trials, heads=stage.heads, noise=noise)
        score = stage.task.overall(trials, run.outputs)
        if not math.isfinite(score):
            name = f"{type(stage.task).__name__}.score"
            raise Diverged(f"train: the validation score ({name}) is {score}. Check the outputs, or the task's mask.")
        return score
