"""Rules of an item held against another: respond where they match, or where they do not."""

import math
from dataclasses import dataclass

import torch

from neurornn.task.rule import AbstractRule, Shown, evenly, in_all, in_one_modality, laid_out, one_of, shown_in

CATEGORIES = tuple(0.1 + 0.2 * k for k in range(10))
"""Angles of the items of a category task, in units of pi, from 0: the first five are one category."""


@dataclass(frozen=True)
class Same(AbstractRule):
    """See an item, hold it, and respond to the next as soon as it comes, if it matches; or if it does not.

    A match is the same angle, or an angle of the same half circle (`category`); the items may be of two modalities. If
    no response is asked for, fixation is to be held. The fixation input stays on. These are DMS, DNMS, DMC and DNMC of
    Yang et al. (2019), with the times of their code; non-matching angles are at least 20 degrees apart.

    Args:
        category: whether the category counts, and not the angle.
        differs: whether a response is asked for where they do *not* match.
    """

    category: bool = False
    differs: bool = False

    def draw(self, n_trials: int, *, generator: torch.Generator) -> Shown:
        before, item = (one_of((200.0, 400.0, 600.0), n_trials, generator) for _ in range(2))
        delay = one_of((200.0, 400.0, 800.0, 1600.0), n_trials, generator)
        if self.category:
            first, second = (one_of(CATEGORIES, n_trials, generator) for _ in range(2))
            match = (first < 1) == (second < 1)
            angles = math.pi * torch.stack([first, second], dim=1)
        else:
            match = torch.randint(2, (n_trials,), generator=generator).bool()
            angle = evenly(-math.pi, math.pi, n_trials, generator)
            apart = evenly(math.pi / 9, 17 / 9 * math.pi, n_trials, generator)
            angles = torch.stack([angle, angle + apart * ~match], dim=1)
        modality = torch.randint(2, (n_trials, 2), generator=generator)
        return Shown(
            lengths=laid_out(n_trials, fixation=before, stimulus=item, delay=delay),
            angles=angles,
            strengths=in_one_modality(modality, torch.ones(n_trials, 2)),
            on=shown_in(n_trials, ("stimulus",), ("response",)),
            direction=angles[:, 1],
            answers=match != self.differs,
            released=in_all(n_trials, False),
            evidence=torch.zeros(n_trials),
        )
