"""Images by rows: which pixel is shown when, and what counts as right."""

import numpy as np
import pytest
import torch

import neurornn as nr
from neurornn.task import Digits, ImageRows, Images

TWO = (np.arange(24).reshape(2, 12), np.array([1, 0]))
COLOURED = Images(TWO, TWO, top=24.0)


def test_rows_come_from_the_top_and_then_the_answer_is_asked_for() -> None:
    task = ImageRows(hold=4.0, response=6.0)
    trials = task.trials(torch.tensor([5]))
    picture = task.images.shown(torch.tensor(5)).reshape(8, 8)
    assert trials.n_steps == 8 * 2 + 3
    torch.testing.assert_close(trials.inputs[0, 0:16:2], picture)
    torch.testing.assert_close(trials.inputs[0, 1:16:2], picture)
    assert not trials.inputs[0, 16:].any() and trials.mask[0].tolist() == [0.0] * 16 + [1.0] * 3
    label = int(task.images.pictures.labels[5])
    assert trials.targets[0].argmax(-1).unique().tolist() == [label] == trials.conditions["class"].tolist()


def test_a_row_of_a_coloured_image_holds_all_of_its_colours() -> None:
    task = ImageRows(COLOURED, colours=3, hold=2.0, response=2.0)
    inputs = task.trials(torch.tensor([0])).inputs[0] * 24
    assert (task.side, task.n_in) == (2, 6)
    # Planes of 2 x 2 pixels: 0-3 red, 4-7 green, 8-11 blue.
    torch.testing.assert_close(inputs[0], torch.tensor([0.0, 1.0, 4.0, 5.0, 8.0, 9.0]))
    torch.testing.assert_close(inputs[1], torch.tensor([2.0, 3.0, 6.0, 7.0, 10.0, 11.0]))


def test_the_answer_is_the_largest_output_on_average_over_the_response() -> None:
    task = ImageRows(COLOURED, colours=3, hold=2.0, response=4.0)
    trials = task.trials(torch.tensor([0, 0]))  # of class 1
    outputs = torch.zeros(2, 4, 2)
    outputs[0, 2:, 1] = torch.tensor([-1.0, 3.0])
    outputs[1, 2:, 1] = torch.tensor([-3.0, 1.0])
    outputs[1, :2, 1] = 100.0  # before it is asked for
    assert task.score(trials, outputs).tolist() == [1.0, 0.0]


def test_the_images_held_out_are_others() -> None:
    task = ImageRows()
    assert isinstance(task.held_out.images, Digits) and task.held_out.images.test and task.held_out.n_in == 8
    n = len(task.held_out.images.pictures.labels)
    assert n == 540 and int(task.held_out.sample(500, generator=nr.generator(0)).conditions["image"].max()) < n


def test_times_and_planes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="ImageRows: `hold` must be a whole number of steps of 2 ms, 1 or more; got 5"):
        ImageRows(hold=5.0)
    with pytest.raises(ValueError, match="ImageRows: `response` must be a whole number of steps of 2 ms"):
        ImageRows(response=0.0)
    with pytest.raises(
        ValueError, match=r"ImageRows: `colours` must be such that 64 pixels make as many squares; got 3"
    ):
        ImageRows(colours=3)
    with pytest.raises(ValueError, match="ImageRows: `colours` must be a whole number, 1 or above; got 0"):
        ImageRows(colours=0)
    with pytest.raises(ValueError, match=r"ImageRows: `gain` must be a finite number above 0; got 0.0"):
        ImageRows(gain=0.0)
    with pytest.raises(ValueError, match=r"ImageRows.sample: `n_trials` must be a whole number, 1 or above; got 0"):
        ImageRows().sample(0, generator=nr.generator(0))
