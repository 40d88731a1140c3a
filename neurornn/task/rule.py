"""What a rule of a multitask experiment is: what it shows in its trials, and what it asks for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

EPOCHS = ("fixation", "stimulus", "delay", "second", "wait", "response")
"""The epochs of every rule in their order; a rule that lacks one has it with length 0."""

RESPONSE = 500.0
"""How long a response is watched, ms."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What trials of a rule show and ask for. There are two items, each an angle in two modalities.

    Args:
        lengths: of the epochs, ms. Shape `(trial, 6)`.
        angles: of the items, rad. Shape `(trial, 2)`.
        strengths: of the items in each modality. Shape `(trial, 2, 2)`.
        on: in which epochs each item is shown. Shape `(trial, 2, 6)`.
        direction: where to respond, rad. Shape `(trial,)`.
        answers: whether a response is asked for; else fixation is to be held. Shape `(trial,)`.
        released: whether the fixation input ends with the response's beginning, which is then the signal to go.
            Shape `(trial,)`.
        evidence: by how much the stronger item exceeds the mean, signed by which it is; 0 where nothing is compared.
            Shape `(trial,)`.
    """

    lengths: Float[Tensor, "trial 6"]
    angles: Float[Tensor, "trial 2"]
    strengths: Float[Tensor, "trial 2 2"]
    on: Bool[Tensor, "trial 2 6"]
    direction: Float[Tensor, " trial"]
    answers: Bool[Tensor, " trial"]
    released: Bool[Tensor, " trial"]
    evidence: Float[Tensor, " trial"]


class AbstractRule(ABC):
    """One task of many that share inputs and outputs. Rules are frozen dataclasses."""

    @abstractmethod
    def draw(self, n_trials: int, *, generator: torch.Generator) -> Shown:
        """Draw trials of this rule; the same generator state gives the same ones."""


def one_of(values: Sequence[float], n_trials: int, generator: torch.Generator) -> Float[Tensor, " trial"]:
    """Return one of `values` for each trial."""
    return torch.tensor(values)[torch.randint(len(values), (n_trials,), generator=generator)]


def evenly(low: float, high: float, n_trials: int, generator: torch.Generator) -> Float[Tensor, " trial"]:
    """Return a number for each trial, even between `low` and `high`."""
    return low + (high - low) * torch.rand(n_trials, generator=generator)


def laid_out(n_trials: int, **lengths: float | Tensor) -> Float[Tensor, "trial 6"]:
    """Return the lengths of all epochs, 0 for those not named and `RESPONSE` for the response."""
    given = {"response": RESPONSE, **lengths}
    return torch.stack([torch.as_tensor(given.get(name, 0.0)).expand(n_trials) for name in EPOCHS], dim=1)


def in_one_modality(modality: Int[Tensor, "trial 2"], strengths: Float[Tensor, "trial 2"]) -> Tensor:
    """Return strengths of the items where each is seen in one modality alone. Shape `(trial, 2, 2)`."""
    return strengths[..., None] * torch.nn.functional.one_hot(modality, 2)


def shown_in(n_trials: int, first: Sequence[str], second: Sequence[str] = ()) -> Bool[Tensor, "trial 2 6"]:
    """Return in which epochs the two items are shown."""
    return torch.tensor([[name in names for name in EPOCHS] for names in (first, second)]).expand(n_trials, 2, 6)


def in_all(n_trials: int, value: bool) -> Bool[Tensor, " trial"]:
    """Return one answer for all trials."""
    return torch.full((n_trials,), value)
