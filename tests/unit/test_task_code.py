"""Codes: what is written is read back, on any shape, and against their formulas."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from neurornn import generator
from neurornn.task import AbstractCode, Cartesian, Layout, PlaceCode, VonMises
from tests.tolerances import FLOAT32

BOX = ((0.0, 2.2), (-1.0, 0.5))
CODES: dict[str, tuple[AbstractCode, float]] = {
    "cartesian": (Cartesian(BOX), 1e-5),
    "line": (PlaceCode(32, extent=((-5.0, 5.0),)), 10 / 128),
    "random line": (PlaceCode(32, layout=Layout.RANDOM, seed=3, extent=((0.0, 1.0),)), 1 / 128),
    "square": (PlaceCode(400, 0.1, extent=BOX), 0.12),
    "random box": (PlaceCode(800, 0.1, layout=Layout.RANDOM, extent=BOX), 0.2),
    "circle": (VonMises(64), math.tau / 64),
}


@pytest.mark.parametrize("name", CODES)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_what_is_written_is_read_back(name: str, seed: int) -> None:
    code, slack = CODES[name]
    borders = torch.tensor(getattr(code, "extent", ((-math.pi, math.pi),)))
    drawn = torch.rand(3, 2, 5, len(borders), generator=generator(seed))
    position = borders[:, 0] + drawn * (borders[:, 1] - borders[:, 0])
    outputs = code.encode(position)
    assert outputs.shape == (3, 2, 5, code.n_out)
    difference = code.decode(outputs) - position
    if name == "circle":
        difference = torch.remainder(difference + math.pi, math.tau) - math.pi
    assert difference.norm(dim=-1).max() <= slack
    assert difference.shape == position.shape


def test_place_codes_are_softmax_normalised_bumps() -> None:
    code = PlaceCode(5, 0.2, total=3.0, extent=((0.0, 10.0),))
    expected = 3.0 * softmax(-((4.0 - np.linspace(0, 10, 5)) ** 2) / (2 * 2.0**2))
    np.testing.assert_allclose(code.encode(torch.tensor([4.0])).numpy(), expected, rtol=1e-5)


def test_a_surround_is_subtracted_and_the_rest_sums_to_the_total() -> None:
    code = PlaceCode(50, 0.05, surround=2.0, total=2.0)
    activity = code.encode(torch.tensor([[0.5], [0.1]]))
    torch.testing.assert_close(activity.sum(-1), torch.full((2,), 2.0), **FLOAT32)
    assert activity.amin() == 0.0
    near = (code.centres[:, 0] - 0.5).abs()
    ring = activity[0][(near > 0.08) & (near < 0.15)].mean()
    assert ring < activity[0][near > 0.3].mean()


def test_the_same_seed_gives_the_same_centres() -> None:
    one, two, other = (PlaceCode(64, layout=Layout.RANDOM, seed=seed).centres for seed in (1, 1, 2))
    assert one.equal(two) and not one.equal(other)


def test_a_code_is_laid_over_another_world() -> None:
    code = PlaceCode(32).over(((100.0, 300.0),))
    assert code.centres.min() == 100.0 and code.centres.max() == 300.0
    assert VonMises(16).over(BOX) == VonMises(16)
    assert Cartesian().over(BOX).n_out == 2


def test_decoding_on_a_line_does_not_shrink_towards_the_middle() -> None:
    code = PlaceCode(32, 0.05)
    ends = torch.tensor([[0.0], [1.0]])
    torch.testing.assert_close(code.decode(code.encode(ends)), ends)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PlaceCode(1), "PlaceCode: `n_cells` must be a whole number, 2 or above"),
        (lambda: PlaceCode(width=0.0), "PlaceCode: `width` must be a finite number above 0"),
        (lambda: PlaceCode(total=-1.0), "PlaceCode: `total` must be"),
        (lambda: PlaceCode(surround=-1.0), "PlaceCode: `surround` must be a finite number, 0 or above"),
        (lambda: PlaceCode(surround=0.5), "PlaceCode: `surround` must be above 1 (wider than the centre)"),
        (lambda: PlaceCode(4, top=5), "PlaceCode: `top` must be at most the 4 cells there are"),
        (lambda: PlaceCode(30, extent=BOX), "PlaceCode: `n_cells` must be a whole number to the power of 2; got 30"),
        (lambda: PlaceCode(extent=((1.0, 1.0),)), "PlaceCode: `extent` must be one (low, high) pair an axis"),
        (lambda: Cartesian(()), "Cartesian: `extent` must be one (low, high) pair an axis"),
        (lambda: VonMises(2), "VonMises: `n_cells` must be a whole number, 3 or above"),
        (lambda: VonMises(concentration=0.0), "VonMises: `concentration` must be"),
        (lambda: VonMises(4, top=5), "VonMises: `top` must be at most the 4 cells there are"),
    ],
)
def test_codes_that_cannot_be_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()  # type: ignore[operator]
