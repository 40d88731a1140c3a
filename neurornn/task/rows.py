"""An image seen row by row, and then told."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurornn import _check
from neurornn.task.base import AbstractTask
from neurornn.task.images import AbstractImages, Digits
from neurornn.trials import Trials


@dataclass(frozen=True)
class ImageRows(AbstractTask):
    """See an image one row after another, from the top, then say what it shows.

    What was in the first rows must be remembered until the answer. Inputs are the pixels of the row, of all colours
    (which in a set lie one after another, as planes); they are dark while the answer is asked for. One output a class,
    and the largest is the answer; targets are one-hot.

    Conditions: `class`, and `image`, its place in the set.

    Args:
        images: the set of images.
        colours: planes of an image, each a square: 1 for grey, 3 for CIFAR.
        hold: how long a row is shown, ms.
        response: how long the answer is asked for, after the last row, ms.
        gain: input of a fully lit pixel.
        dt: time step, ms.

    Raises:
        ValueError: if a time is no whole number of steps, or the pixels make no squares.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import ImageRows
        >>> ImageRows().sample(4, generator=generator(0))
        Trials(4 trials, 50 steps of 2 ms, 8 in, 10 out)

    References:
        Q. V. Le, N. Jaitly and G. E. Hinton (2015), A simple way to initialize recurrent networks of rectified linear
        units, doi:10.48550/arXiv.1504.00941.
    """

    images: AbstractImages = field(default_factory=lambda: Digits(pad=0))
    colours: int = 1
    hold: float = 10.0
    response: float = 20.0
    gain: float = 1.0
    dt: float = 2.0

    score_name: ClassVar[str] = "fraction of images told right"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("dt", "gain"):
            _check.positive("ImageRows", name, getattr(self, name))
        for name in ("hold", "response"):
            value = getattr(self, name)
            steps = value / self.dt
            if not 0 < steps < float("inf") or abs(steps - round(steps)) > 1e-6:
                _check.fail("ImageRows", name, f"a whole number of steps of {self.dt:g} ms, 1 or more", value)
        _check.count("ImageRows", "colours", self.colours)
        if self.side**2 * self.colours != self.images.n_pixels:
            must = f"such that {self.images.n_pixels} pixels make as many squares"
            _check.fail("ImageRows", "colours", must, self.colours, "Try 1 for grey images and 3 for coloured ones.")

    @property
    def side(self) -> int:
        """Pixels of a row, and rows of an image."""
        return round((self.images.n_pixels / self.colours) ** 0.5)

    @property
    def n_in(self) -> int:
        return self.side * self.colours

    @property
    def n_out(self) -> int:
        return self.images.n_classes

    @property
    def held_out(self) -> "ImageRows":
        """The same task on the images that training never sees."""
        return replace(self, images=self.images.held_out)

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("ImageRows.sample", "n_trials", n_trials)
        return self.trials(torch.randint(len(self.images.pictures.labels), (n_trials,), generator=generator))

    def trials(self, index: Int[Tensor, " trial"]) -> Trials:
        """Return the trials that show these very images, by their index in the set."""
        k, n_trials = round(self.hold / self.dt), len(index)
        planes = self.gain * self.images.shown(index).reshape(n_trials, self.colours, self.side, self.side)
        rows = planes.permute(0, 2, 1, 3).reshape(n_trials, self.side, self.n_in).repeat_interleave(k, dim=1)
        n_rows, n_answer = rows.shape[1], round(self.response / self.dt)
        n_steps = n_rows + n_answer
        classes = self.images.pictures.labels[index]
        inputs, targets = rows.new_zeros(n_trials, n_steps, self.n_in), rows.new_zeros(n_trials, n_steps, self.n_out)
        inputs[:, :n_rows] = rows
        targets[torch.arange(n_trials), :, classes] = 1.0
        mask = torch.zeros(n_trials, n_steps)
        mask[:, n_rows:] = 1.0
        edges = {"image": (0, n_rows), "response": (n_rows, n_steps)}
        return Trials(
            inputs=inputs,
            targets=targets,
            mask=mask,
            dt=self.dt,
            epochs={name: torch.tensor([span]).expand(n_trials, 2) for name, span in edges.items()},
            conditions=pd.DataFrame({"class": classes.numpy(), "image": index.numpy()}),
        )

    def score(self, trials: Trials, outputs: Float[Tensor, "*stack trial time out"]) -> Float[Tensor, "*stack trial"]:
        """Return 1 where the output that is largest, on average over the response, is that of the class."""
        mask = trials.mask.to(outputs)[..., None]
        told = (outputs * mask).sum(-2).argmax(-1)
        right = trials.targets.to(outputs)[:, 0].argmax(-1)
        return (told == right).to(outputs)
