"""Tasks without a response: something is seen, and the right answer is what will be seen at the next step."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurornn.task.base import AbstractTask
from neurornn.trials import Trials


class AbstractForeseen(AbstractTask):
    """Watch a world; the answer is the input of the next step, channel by channel.

    A network that is trained on what it spends gets no such target, and can be scored with it all the same.
    """

    score_name: ClassVar[str] = "mean absolute error of the next input"
    higher_is_better: ClassVar[bool] = False

    @property
    def n_out(self) -> int:
        return self.n_in

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return the mean absolute error over channels and over the steps that count."""
        mask = trials.mask.to(outputs)
        error = (outputs - trials.targets.to(outputs)).abs().mean(-1)
        return (mask * error).sum(-1) / mask.sum(-1)


def coming(
    inputs: Float[Tensor, "trial time in"],
) -> tuple[Float[Tensor, "trial time in"], Float[Tensor, "trial time"]]:
    """Return the input of the next step as the target of each, and a mask: nothing is known after the last one."""
    mask = torch.ones(inputs.shape[:2])
    mask[:, -1] = 0.0
    return torch.cat([inputs[:, 1:], torch.zeros_like(inputs[:, :1])], dim=1), mask
