"""Dead reckoning: every felt step added to the start, and walls ignored."""

from dataclasses import dataclass

import torch

from neurornn.observer.base import AbstractObserver, Located, begun
from neurornn.task.navigation import Navigation
from neurornn.trials import Trials


@dataclass(frozen=True)
class PathIntegration(AbstractObserver):
    r"""Path integration: $\hat x_t = \hat x_0 + \sum_{k \le t} \tilde s_k (\cos\tilde\theta_k, \sin\tilde\theta_k)$.

    Its error grows with the root of time. Give it the true start: begun from the middle of the arena it is soon worse
    than never to leave the middle.

    Args:
        told: whether it is told where the trial begins, even if the network is not.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.observer import PathIntegration
        >>> from neurornn.task import Navigation
        >>> task = Navigation()
        >>> trials = task.sample(100, generator=generator(0))
        >>> error = PathIntegration().locate(task, trials, generator=generator(1)).errors(trials).mean(0)
        >>> bool(error[0] < 0.05 < error[-1])
        True
    """

    told: bool = True

    def locate(self, task: Navigation, trials: Trials, *, generator: torch.Generator) -> Located:
        start = begun(task, trials, task.walls(trials), told=self.told)
        # The first two channels are the felt displacement, over the stride.
        return Located(start[:, None] + (task.motion.stride * trials.inputs[..., :2]).cumsum(dim=1))
