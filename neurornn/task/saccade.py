"""Rules of one item: look at it, or away from it, at once, on a signal, or from memory."""

import math
from dataclasses import dataclass
from enum import Enum

import torch

from neurornn.task.rule import AbstractRule, Shown, evenly, in_all, in_one_modality, laid_out, one_of, shown_in


class Go(Enum):
    """When the response to an item is due.

    - `SIGNAL`: when the fixation input ends, the item being on since before.
    - `ONSET`: as soon as the item comes on; the fixation input stays.
    - `MEMORY`: when the fixation input ends, a delay after the item went off.
    """

    SIGNAL = "signal"
    ONSET = "onset"
    MEMORY = "memory"


@dataclass(frozen=True)
class Saccade(AbstractRule):
    """Respond in the direction of an item, shown in either modality, or away from it.

    With `Go.SIGNAL` these are Go and Anti, with `Go.ONSET` reaction-time Go and Anti, with `Go.MEMORY` delayed Go and
    Anti of Yang et al. (2019), with the times of their code.

    Args:
        go: when the response is due.
        anti: whether it is away from the item.
    """

    go: Go = Go.SIGNAL
    anti: bool = False

    def draw(self, n_trials: int, *, generator: torch.Generator) -> Shown:
        stays = ("stimulus", "response")
        if self.go is Go.SIGNAL:
            before, item = evenly(300.0, 700.0, n_trials, generator), evenly(500.0, 1500.0, n_trials, generator)
            lengths, on = laid_out(n_trials, fixation=before, stimulus=item), shown_in(n_trials, stays)
        elif self.go is Go.ONSET:
            lengths = laid_out(n_trials, fixation=evenly(500.0, 2500.0, n_trials, generator))
            on = shown_in(n_trials, stays[1:])
        else:
            before = one_of((300.0, 500.0, 700.0), n_trials, generator)
            item, delay = (
                one_of((200.0, 400.0, 600.0), n_trials, generator),
                one_of((200.0, 400.0, 800.0, 1600.0), n_trials, generator),
            )
            lengths, on = laid_out(n_trials, fixation=before, stimulus=item, delay=delay), shown_in(n_trials, stays[:1])
        angle = evenly(-math.pi, math.pi, n_trials, generator)
        modality = torch.randint(2, (n_trials, 1), generator=generator).expand(-1, 2)
        return Shown(
            lengths=lengths,
            angles=torch.stack([angle, angle], dim=1),
            strengths=in_one_modality(modality, torch.tensor([1.0, 0.0]).expand(n_trials, 2)),
            on=on,
            direction=angle + math.pi * self.anti,
            answers=in_all(n_trials, True),
            released=in_all(n_trials, self.go is not Go.ONSET),
            evidence=torch.zeros(n_trials),
        )
