"""Sets of images and their sequences: the split, the draws, the order, and what is refused."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from neurornn import Digits, Images, ImageSequences, generator
from tests.tolerances import EXACT


def a_set(n: int = 6, n_pixels: int = 4, n_classes: int = 3, **settings: object) -> Images:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % n_classes
    pixels = rng.integers(0, 256, (n, n_pixels), dtype=np.uint8)
    return Images((pixels, labels), (pixels[::-1].copy(), labels[::-1].copy()), **settings)  # type: ignore[arg-type]


def test_digits_are_scikit_learns_padded_and_split_by_class() -> None:
    pixels, labels = load_digits(return_X_y=True)
    train, test = Digits(), Digits().held_out
    assert len(train.pictures.labels) + len(test.pictures.labels) == len(labels)
    shares = test.pictures.counts / (test.pictures.counts + train.pictures.counts)
    assert bool(((shares - 0.3).abs() < 0.01).all())
    whole = train.shown(torch.arange(len(train.pictures.labels)))
    assert float(whole.max()) == 1.0 and whole.shape[1] == 144
    square = whole.reshape(-1, 12, 12)
    assert float(square[:, :2].sum() + square[:, -2:].sum() + square[..., :2].sum() + square[..., -2:].sum()) == 0.0
    both = torch.cat([whole, test.shown(torch.arange(len(test.pictures.labels)))]).sum()
    assert float(both) == pytest.approx(pixels.sum() / 16, rel=1e-6)
    seen = {tuple(row) for row in train.pictures.pixels.tolist()}
    assert sum(tuple(row) in seen for row in test.pictures.pixels.tolist()) < 3  # two people may write alike
    assert Digits(pad=0).n_pixels == 64 and Digits().n_classes == 10


def test_exemplars_are_of_their_class_and_every_image_has_its_turn() -> None:
    images = a_set(30)
    classes = torch.randint(3, (400, 5), generator=generator(0))
    index = images.exemplars(classes, generator=generator(1))
    torch.testing.assert_close(images.pictures.labels[index], classes, **EXACT)
    assert len(index.unique()) == 30


def test_medians_are_numpys() -> None:
    images = a_set(31)
    pixels = images.pictures.pixels.numpy() / 255
    labels = images.pictures.labels.numpy()
    np.testing.assert_allclose(images.median(), np.median(pixels, axis=0))
    np.testing.assert_allclose(images.class_medians()[1], np.median(pixels[labels == 1], axis=0))
    np.testing.assert_allclose(images.variance(), pixels.var(axis=0))


def test_classes_ascend_and_wrap_or_are_drawn_anew() -> None:
    task = ImageSequences(length=12)
    classes = task.classes(500, generator=generator(0))
    assert bool((classes.diff(dim=1).remainder(10) == 1).all())
    assert (classes[:, 0].bincount(minlength=10) > 20).all()
    assert bool((task.classes(3, generator=generator(0), first=4)[:, 0] == 4).all())
    free = ImageSequences(length=12, ordered=False).classes(2000, generator=generator(0))
    follows = (free.diff(dim=1).remainder(10) == 1).float().mean()
    assert abs(float(follows) - 0.1) < 3 * (0.09 / (2000 * 11)) ** 0.5 * 1.5


def test_an_image_is_held_and_its_answer_is_the_next_input() -> None:
    task = ImageSequences(length=3, hold=4.0, dt=2.0)
    trials = task.sample(5, generator=generator(0))
    assert trials.n_steps == 6
    torch.testing.assert_close(trials.inputs[:, 0], trials.inputs[:, 1], **EXACT)
    torch.testing.assert_close(trials.targets[:, :-1], trials.inputs[:, 1:], **EXACT)
    assert trials.epochs["image_2"].tolist()[0] == [2, 4]
    held = task.held_out
    assert held.images == Digits(test=True) and held.length == 3
    same = task.trials(torch.tensor([[0, 1, 2]]))
    torch.testing.assert_close(same.inputs[0, ::2], task.images.shown(torch.tensor([0, 1, 2])), **EXACT)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"length": 1},
            "ImageSequences: `length` must be a whole number, 2 or above; got 1. One image has no next one",
        ),
        ({"hold": 1.5}, "ImageSequences: `hold` must be a whole number of steps of 1 ms; got 1.5"),
        ({"gain": -1.0}, "ImageSequences: `gain` must be a finite number above 0"),
        ({"dt": 0.0}, "ImageSequences: `dt` must be a finite number above 0"),
    ],
)
def test_impossible_sequences_are_refused(settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ImageSequences(**settings)


def test_no_sequences_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"ImageSequences.sample: `n_trials` must be a whole number, 1 or above; got 0"
    ):
        ImageSequences().sample(0, generator=generator(0))


def test_impossible_digits_are_refused() -> None:
    with pytest.raises(ValueError, match="Digits: `pad` must be a whole number, 0 or above; got -1"):
        Digits(pad=-1)
    with pytest.raises(ValueError, match="Digits: `seed` must be a whole number"):
        Digits(seed=-1)
    with pytest.raises(ValueError, match=r"Digits: `fraction` must be such that both parts hold images; got 1.0"):
        Digits(fraction=1.0)
    with pytest.raises(ValueError, match=r"Digits: `fraction` must be a number in \[0, 1\]; got 2.0"):
        Digits(fraction=2.0)


def test_impossible_images_are_refused() -> None:
    pixels, labels = np.zeros((4, 3), dtype=np.uint8), np.array([0, 1, 0, 1])
    good = (pixels, labels)
    with pytest.raises(ValueError, match=r"Images: `train` must be pixels \(image, pixel\) with a label for each of 3"):
        Images((pixels, labels[:3]), good)
    with pytest.raises(ValueError, match=r"Images: `test` must be from 0 to 1; got '7 to 7'. Set `top`"):
        Images(good, (pixels + np.uint8(7), labels), top=1.0)
    with pytest.raises(ValueError, match=r"Images: `train` must be labelled 0, 1, ... without a gap; got \[0, 2\]"):
        Images((pixels, 2 * labels), good)
    with pytest.raises(ValueError, match="Images: `test` must be as many pixels in both parts; got '3 in train and 2"):
        Images(good, (pixels[:, :2], labels))
    with pytest.raises(ValueError, match="Images: `test` must be as many classes in both parts; got '2 in train and 1"):
        Images(good, (pixels, 0 * labels))
    with pytest.raises(ValueError, match="Images: `part` must be train or test; got 'all'"):
        Images(good, good, part="all")
    with pytest.raises(ValueError, match="Images: `top` must be a finite number above 0"):
        Images(good, good, top=0.0)
