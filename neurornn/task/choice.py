"""Rules of two items, the stronger of which is chosen: in one modality, by context, over both, or across a delay."""

import math
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from neurornn.task.rule import AbstractRule, Shown, evenly, in_all, laid_out, one_of, shown_in


class Heed(Enum):
    """Which modality counts.

    - `FIRST`, `SECOND`: the one in which the items are shown; nothing is in the other.
    - `FIRST_OF_BOTH`, `SECOND_OF_BOTH`: one of two, whose evidence is independent: the rule is the context.
    - `SUM`: both together.
    """

    FIRST = "first"
    SECOND = "second"
    FIRST_OF_BOTH = "first of both"
    SECOND_OF_BOTH = "second of both"
    SUM = "sum"


@dataclass(frozen=True)
class Choice(AbstractRule):
    r"""Respond to the stronger of two items, at least a right angle apart.

    The strengths are $\gamma \pm c$ with $\gamma$ even in [0.8, 1.2] and $c$ one of `coherences`, in a modality that
    counts as in one that does not. Where both count together, each item's strength is split unevenly over the two, so
    that one modality alone misleads. Shown together they are DM, with `delayed` one after the other (delayed DM), each
    in the five versions of Yang et al. (2019), with the times and strengths of their code.

    Args:
        heed: which modality counts.
        delayed: whether the items are shown one after the other.
        coherences: $c$; those of the published code where empty (0.01 to 0.08 together, 0.08 to 0.32 one after the
            other or where two modalities compete).
    """

    heed: Heed = Heed.FIRST
    delayed: bool = False
    coherences: tuple[float, ...] = ()

    @property
    def steps(self) -> tuple[float, ...]:
        """The coherences that are drawn from."""
        if self.coherences:
            return self.coherences
        alone = self.heed in (Heed.FIRST, Heed.SECOND)
        return (0.01, 0.02, 0.04, 0.08) if alone and not self.delayed else (0.08, 0.16, 0.32)

    def draw(self, n_trials: int, *, generator: torch.Generator) -> Shown:
        if self.delayed:
            before, first, second = (one_of((200.0, 400.0, 600.0), n_trials, generator) for _ in range(3))
            delay, wait = (
                one_of((200.0, 400.0, 800.0, 1600.0), n_trials, generator),
                evenly(100.0, 300.0, n_trials, generator),
            )
            named = {"fixation": before, "stimulus": first, "delay": delay, "second": second, "wait": wait}
            lengths, on = laid_out(n_trials, **named), shown_in(n_trials, ("stimulus",), ("second",))
        else:
            before, item = (
                evenly(100.0, 400.0, n_trials, generator),
                one_of((400.0, 800.0, 1600.0), n_trials, generator),
            )
            lengths, on = (
                laid_out(n_trials, fixation=before, stimulus=item),
                shown_in(n_trials, ("stimulus",), ("stimulus",)),
            )
        angle = evenly(-math.pi, math.pi, n_trials, generator)
        apart = evenly(0.5 * math.pi, 1.5 * math.pi, n_trials, generator)
        strengths, evidence = self._strengths(n_trials, generator)
        angles = torch.stack([angle, angle + apart], dim=1)
        return Shown(
            lengths=lengths,
            angles=angles,
            strengths=strengths,
            on=on,
            direction=torch.where(evidence > 0, angles[:, 0], angles[:, 1]),
            answers=in_all(n_trials, True),
            released=in_all(n_trials, True),
            evidence=evidence,
        )

    def _strengths(self, n_trials: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return strengths `(trial, item, modality)`, and the evidence for the first item."""
        one, two = (self._pair(n_trials, generator) for _ in range(2))
        if self.heed is Heed.SUM:
            drawn = torch.rand(n_trials, 2, generator=generator), torch.randint(2, (n_trials, 2), generator=generator)
            uneven = one[0] * (0.2 + 0.6 * drawn[0]) * (2 * drawn[1] - 1) / 2
            return torch.stack([one[0] + uneven, one[0] - uneven], dim=2), one[1]
        both = self.heed in (Heed.FIRST_OF_BOTH, Heed.SECOND_OF_BOTH)
        second = self.heed in (Heed.SECOND, Heed.SECOND_OF_BOTH)
        other = two[0] if both else torch.zeros_like(two[0])
        return torch.stack([other, one[0]] if second else [one[0], other], dim=2), one[1]

    def _pair(self, n_trials: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the strengths of two items `(trial, item)`, and by how much the first exceeds their mean."""
        mean = evenly(0.8, 1.2, n_trials, generator)
        evidence = one_of(self.steps, n_trials, generator) * one_of((-1.0, 1.0), n_trials, generator)
        return torch.stack([mean + evidence, mean - evidence], dim=1), evidence
