"""What a task is: something that draws batches of trials and scores answers to them."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.recording import Recording
from neurornn.trials import Trials


class AbstractTask(ABC):
    """A task that an animal does, and a network can learn.

    Tasks are frozen dataclasses: their fields are the parameters of the experiment.

    Attributes:
        dt: time step, ms.
        n_in: number of input channels.
        n_out: number of outputs.
        heads: the readout heads that answers are read from, with their sizes; one called `out` for most tasks.
        n_start: size of what the network is told about the start of a trial; 0 for none.
        score_name: what `score` measures, with its unit, as a reader should see it.
        higher_is_better: whether a larger score is better.
    """

    dt: float
    score_name: str
    higher_is_better: bool

    @property
    @abstractmethod
    def n_in(self) -> int:
        """Number of input channels."""

    @property
    @abstractmethod
    def n_out(self) -> int:
        """Number of outputs."""

    @property
    def heads(self) -> dict[str, int]:
        """The readout heads that answers are read from, with their sizes."""
        return {"out": self.n_out}

    @property
    def n_start(self) -> int:
        """Size of what the network is told about the start of a trial; 0 for none."""
        return 0

    @abstractmethod
    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        """Draw a batch of trials; the same generator state gives the same batch."""

    @abstractmethod
    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return one number for each trial: how good the answer was. See `score_name`."""

    def overall(self, trials: Trials, outputs: Float[Tensor, "trial time out"]) -> float:
        """Return one number for a whole batch, by which training is judged: the mean over trials that have a score."""
        return float(self.score(trials, outputs).float().nanmean())

    def follow(self, recording: Recording) -> Trials:
        """Return what an animal saw and did in each trial of `recording`, as trials of this task.

        So a network can be driven through the animal's own behaviour and recorded on the animal's clock.

        Raises:
            ValueError: if the task cannot be followed, or the recording lacks the behaviour that it needs.
        """
        fix = "Compare on condition averages instead, or use a task with `follow`, such as TrackIntegration."
        _check.fail(type(self).__name__, "follow", "offered by the task", "a task that is only simulated", fix)
