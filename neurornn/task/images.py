"""Sets of images with classes: scikit-learn's digits, or any arrays of your own."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurornn import _check
from neurornn._types import recorded


class Pictures(NamedTuple):
    """Images as one table.

    Args:
        pixels: the images, from 0 to `top`. Shape `(image, pixel)`.
        labels: the class of each, counted from 0. Shape `(image,)`.
        top: what stands for 1 in `pixels` (255 for bytes).
        order: the images sorted by class. Shape `(image,)`.
        counts: how many there are of each class. Shape `(class,)`.
    """

    pixels: Tensor
    labels: Tensor
    top: float
    order: Tensor
    counts: Tensor

    @classmethod
    def of(cls, pixels: np.ndarray, labels: np.ndarray, top: float) -> "Pictures":
        """Return pixels and labels as a table."""
        numbers = torch.as_tensor(np.asarray(labels, dtype=np.int64))
        return cls(torch.as_tensor(np.asarray(pixels)), numbers, top, numbers.argsort(stable=True), numbers.bincount())


class AbstractImages(ABC):
    """A set of images in classes, split into a part to train on and a part held out."""

    @property
    @abstractmethod
    def pictures(self) -> Pictures:
        """The images of this part."""

    @property
    @abstractmethod
    def held_out(self) -> "AbstractImages":
        """The same set, its part that training never sees."""

    @property
    def n_pixels(self) -> int:
        """Number of pixels of an image, all colours together."""
        return self.pictures.pixels.shape[1]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.pictures.counts)

    def shown(self, index: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape pixel"]:
        """Return the images at `index`, from 0 to 1."""
        return self.pictures.pixels[index].to(torch.get_default_dtype()) / self.pictures.top

    def exemplars(self, classes: Int[Tensor, "*shape"], *, generator: torch.Generator) -> Int[Tensor, "*shape"]:
        """Return the index of a random image of each class, drawn with replacement."""
        counts = self.pictures.counts
        first = counts.cumsum(0) - counts
        drawn = torch.rand(classes.shape, generator=generator)
        within = torch.minimum((drawn * counts[classes]).long(), counts[classes] - 1)
        return self.pictures.order[first[classes] + within]

    def median(self) -> Float[np.ndarray, " pixel"]:
        """Return the median of each pixel over all images: what a guess that knows nothing costs least with."""
        return np.median(self.pictures.pixels.numpy(), axis=0) / self.pictures.top

    def class_medians(self) -> Float[np.ndarray, "class pixel"]:
        """Return the median of each pixel over the images of each class: the best guess of who knows the class."""
        pixels, labels = self.pictures.pixels.numpy(), self.pictures.labels.numpy()
        each = [np.median(pixels[labels == c], axis=0) for c in range(self.n_classes)]
        return np.stack(each) / self.pictures.top

    def variance(self) -> Float[np.ndarray, " pixel"]:
        """Return the variance of each pixel over all images."""
        return self.pictures.pixels.numpy().var(axis=0, dtype=np.float64) / self.pictures.top**2


@dataclass(frozen=True)
class Digits(AbstractImages):
    """Handwritten digits of 8 x 8 pixels, as scikit-learn ships them: 1797 images of 10 classes.

    Padding makes pixels that are always silent, as the border of MNIST is: units there are free to predict.

    Args:
        pad: empty pixels around the image.
        test: whether this is the part that is held out.
        fraction: of each class that is held out.
        seed: of the split.

    Example:
        >>> from neurornn.task import Digits
        >>> Digits().n_pixels, len(Digits().pictures.labels), len(Digits().held_out.pictures.labels)
        (144, 1257, 540)

    References:
        E. Alpaydin and C. Kaynak (1998), Optical recognition of handwritten digits, doi:10.24432/C50P49.
    """

    pad: int = 2
    test: bool = False
    fraction: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        _check.count("Digits", "pad", self.pad, least=0)
        _check.count("Digits", "seed", self.seed, least=0)
        if not 0 < _check.fraction("Digits", "fraction", self.fraction) < 1:
            _check.fail("Digits", "fraction", "such that both parts hold images", self.fraction, "Try 0.3.")

    @property
    def pictures(self) -> Pictures:
        return _digits(self.pad, self.test, self.fraction, self.seed)

    @property
    def held_out(self) -> "Digits":
        return replace(self, test=True)


@lru_cache(maxsize=8)
def _digits(pad: int, test: bool, fraction: float, seed: int) -> Pictures:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    at = train_test_split(np.arange(len(labels)), test_size=fraction, random_state=seed, stratify=labels)[int(test)]
    square = np.pad(pixels.reshape(-1, 8, 8), ((0, 0), (pad, pad), (pad, pad)))
    return Pictures.of(square.reshape(len(labels), -1)[at].astype(np.uint8), np.asarray(labels)[at], 16.0)


class Images(AbstractImages):
    """Images of your own, or from files (`load_images`): arrays for training, and arrays that are held out.

    Args:
        train: pixels, `(image, pixel)`, and labels, `(image,)`, counted from 0.
        test: the same of other images.
        top: what stands for 1 in the pixels; 255 for bytes.
        name: what the set is called.
        part: which of the two this is: "train" or "test".

    Raises:
        ValueError: if pixels and labels differ in number, the parts differ in pixels or classes, or a value lies
            outside 0 to `top`.

    Example:
        >>> import numpy as np
        >>> from neurornn.task import Images
        >>> pixels, labels = np.eye(4, dtype=np.uint8)[[0, 1, 2, 3, 0, 1]], np.array([0, 1, 0, 1, 0, 1])
        >>> Images((pixels, labels), (pixels[:2], labels[:2]), top=1.0).n_classes
        2
    """

    @recorded
    def __init__(
        self,
        train: tuple[np.ndarray, np.ndarray],
        test: tuple[np.ndarray, np.ndarray],
        *,
        top: float = 255.0,
        name: str = "images",
        part: str = "train",
    ) -> None:
        _check.positive("Images", "top", top)
        if part not in ("train", "test"):
            _check.fail("Images", "part", "train or test", part)
        self._arrays = (train, test)
        self.settings: dict[str, Any] = {"name": name, "part": part}  # what a fit is told of it: never the pixels
        tables = {"train": _pictures("train", *train, top), "test": _pictures("test", *test, top)}
        for what, sizes in {
            "as many pixels in both parts": [table.pixels.shape[1] for table in tables.values()],
            "as many classes in both parts": [len(table.counts) for table in tables.values()],
        }.items():
            if sizes[0] != sizes[1]:
                _check.fail("Images", "test", what, f"{sizes[0]} in train and {sizes[1]} in test")
        self._pictures = tables[part]
        self._top = top

    @property
    def pictures(self) -> Pictures:
        return self._pictures

    @property
    def held_out(self) -> "Images":
        train, test = self._arrays
        return Images(train, test, top=self._top, name=self.settings["name"], part="test")


def _pictures(part: str, pixels: np.ndarray, labels: np.ndarray, top: float) -> Pictures:
    if np.ndim(pixels) != 2 or len(pixels) != len(labels) or not len(labels):
        must = f"pixels (image, pixel) with a label for each of {len(labels)} images"
        _check.fail("Images", part, must, np.asarray(pixels))
    low, high = np.min(pixels), np.max(pixels)
    if not (low >= 0 and high <= top):
        _check.fail("Images", part, f"from 0 to {top:g}", f"{low} to {high}", "Set `top` to what stands for 1.")
    if set(np.unique(labels).tolist()) != set(range(int(np.max(labels)) + 1)):
        got = np.unique(labels).tolist()
        _check.fail("Images", part, "labelled 0, 1, ... without a gap", got, "Number the classes from 0.")
    return Pictures.of(pixels, labels, top)
