"""Images whose classes follow one another in order: a world that can be predicted, if only by its classes."""

from dataclasses import dataclass, field, replace

import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from neurornn import _check
from neurornn.task.foresee import AbstractForeseen, coming
from neurornn.task.images import AbstractImages, Digits
from neurornn.trials import Trials


@dataclass(frozen=True)
class ImageSequences(AbstractForeseen):
    """See one image after another; their classes ascend by one, and after the last comes the first again.

    Which image of a class is shown is drawn anew every time, so that the class that comes next is certain and the
    pixels are not. The first class of a sequence is drawn evenly. The answer is the input of the next step: what a
    network that predicts would say. Networks that are trained on their own energy get no such target, and are scored
    with it all the same.

    Args:
        images: the set of images.
        length: images of a sequence.
        ordered: whether classes ascend; else each is drawn anew, the control in which nothing can be predicted.
        hold: how long an image is shown, ms.
        gain: input of a fully lit pixel: 1 for rate units, pA for spiking ones into which it is injected.
        dt: time step, ms. With the default of 1 ms an image lasts one step.

    Raises:
        ValueError: if a sequence has fewer than 2 images, or an image is no whole number of steps.

    Example:
        >>> from neurornn import generator
        >>> from neurornn.task import ImageSequences
        >>> trials = ImageSequences(length=4).sample(1, generator=generator(0))
        >>> trials.behaviour["class"][0, :, 0].diff().remainder(10).tolist()
        [1.0, 1.0, 1.0]

    References:
        A. Ali, N. Ahmad, E. de Groot, M. A. J. van Gerven and T. C. Kietzmann (2022), Predictive coding is a
        consequence of energy efficiency in recurrent neural networks, doi:10.1016/j.patter.2022.100639.
    """

    images: AbstractImages = field(default_factory=Digits)
    length: int = 10
    ordered: bool = True
    hold: float = 1.0
    dt: float = 1.0
    gain: float = 1.0

    def __post_init__(self) -> None:
        _check.positive("ImageSequences", "dt", self.dt)
        _check.positive("ImageSequences", "gain", self.gain)
        _check.count("ImageSequences", "length", self.length, "One image has no next one.", least=2)
        if not 0 < self.hold < float("inf") or abs(self.hold / self.dt - self.steps_an_image) > 1e-6:
            _check.fail("ImageSequences", "hold", f"a whole number of steps of {self.dt:g} ms", self.hold)

    @property
    def steps_an_image(self) -> int:
        """How many steps an image is shown for."""
        return max(round(self.hold / self.dt), 1)

    @property
    def n_in(self) -> int:
        return self.images.n_pixels

    @property
    def held_out(self) -> "ImageSequences":
        """The same task on the images that training never sees."""
        return replace(self, images=self.images.held_out)

    def classes(
        self, n_trials: int, *, generator: torch.Generator, first: int | None = None
    ) -> Int[Tensor, "trial image"]:
        """Draw the classes of sequences, all of them from `first` on where it is given."""
        n_classes = self.images.n_classes
        if not self.ordered:
            return torch.randint(n_classes, (n_trials, self.length), generator=generator)
        start = torch.randint(n_classes, (n_trials, 1), generator=generator)
        if first is not None:
            start = torch.full_like(start, first)
        return (start + torch.arange(self.length)) % n_classes

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        _check.count("ImageSequences.sample", "n_trials", n_trials)
        classes = self.classes(n_trials, generator=generator)
        return self.trials(self.images.exemplars(classes, generator=generator))

    def trials(self, index: Int[Tensor, "trial image"]) -> Trials:
        """Return the trials that show these very images, by their index in the set."""
        k, (n_trials, n_images) = self.steps_an_image, index.shape
        classes = self.images.pictures.labels[index]
        inputs = self.gain * self.images.shown(index).repeat_interleave(k, dim=1)
        targets, mask = coming(inputs)
        edges = torch.tensor([[i * k, (i + 1) * k] for i in range(n_images)])
        return Trials(
            inputs=inputs,
            targets=targets,
            mask=mask,
            dt=self.dt,
            epochs={f"image_{i + 1}": edges[i].expand(n_trials, 2) for i in range(n_images)},
            conditions=pd.DataFrame({"first": classes[:, 0].numpy(), "last": classes[:, -1].numpy()}),
            behaviour={"class": classes.repeat_interleave(k, dim=1)[..., None].to(inputs)},
        )
