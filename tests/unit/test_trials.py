"""A batch of trials: its parts agree, and nothing that is padded counts."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from neurornn import Trials


def batch(**parts: object) -> Trials:
    whole = {
        "inputs": torch.arange(24.0).reshape(4, 6, 1),
        "targets": torch.zeros(4, 6, 2),
        "mask": torch.ones(4, 6),
        "dt": 10.0,
        "start": torch.arange(4.0)[:, None],
        "epochs": {"delay": torch.tensor([[1, 3], [0, 6], [2, 2], [5, 6]])},
        "conditions": pd.DataFrame({"side": list("lrlr")}),
        "behaviour": {"place": torch.zeros(4, 6, 2)},
    }
    return Trials(**{**whole, **parts})  # type: ignore[arg-type]


def test_sizes_and_the_one_line() -> None:
    trials = batch()
    assert (trials.n_trials, trials.n_steps) == (4, 6)
    assert repr(trials) == "Trials(4 trials, 6 steps of 10 ms, 1 in, 2 out)"
    assert trials.valid is not None and trials.valid.dtype == torch.bool and bool(trials.valid.all())


def test_epochs_are_half_open() -> None:
    steps = batch().epoch("delay")
    assert steps.sum(1).tolist() == [2, 6, 0, 1]
    assert steps[0].tolist() == [False, True, True, False, False, False]


@pytest.mark.parametrize("index", [slice(1, 3), np.array([1, 2])])
def test_selection_takes_the_same_rows_of_everything(index: slice | np.ndarray) -> None:
    trials = batch().select(index)
    assert trials.inputs[:, 0, 0].tolist() == [6.0, 12.0]
    assert trials.start is not None and trials.start[:, 0].tolist() == [1.0, 2.0]
    assert trials.epochs["delay"].tolist() == [[0, 6], [2, 2]]
    assert trials.conditions["side"].tolist() == ["r", "l"] and trials.conditions.index.tolist() == [0, 1]
    assert trials.behaviour["place"].shape == (2, 6, 2)
    plain = Trials(torch.zeros(2, 3, 1), torch.zeros(2, 3, 1), torch.ones(2, 3), dt=1.0).select(slice(0, 1))
    assert plain.start is None and plain.n_trials == 1


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_moving_moves_every_tensor(device: str) -> None:
    trials = batch().to(device)
    tensors = [trials.inputs, trials.targets, trials.mask, trials.valid, trials.start]
    tensors += [trials.epochs["delay"], trials.behaviour["place"]]
    assert {part.device.type for part in tensors if part is not None} == {device}
    assert trials.epoch("delay").sum().item() == 9
    assert trials.conditions.equals(batch().conditions)


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: batch(dt=0.0), "Trials: `dt` must be a finite number above 0; got 0"),
    (
        lambda: batch(targets=torch.zeros(4, 5, 2)),
        "Trials: `targets` must be given for 4 trials of 6 steps; got an array of",
    ),
    (lambda: batch(mask=torch.ones(3, 6)), "Trials: `mask` must be given for 4 trials of 6 steps"),
    (lambda: batch(behaviour={"speed": torch.zeros(4, 7, 1)}), "Trials: `speed` must be given for 4 trials of 6 steps"),
    (lambda: batch(start=torch.zeros(3, 1)), "Trials: `start` must be one row for each of 4 trials; got '3 rows'"),
    (
        lambda: batch(conditions=pd.DataFrame({"a": [1]})),
        "Trials: `conditions` must be one row for each of 4 trials; got '1 ",
    ),
    (lambda: batch(epochs={"go": torch.zeros(2, 2).long()}), "Trials: `go` must be one row for each of 4 trials"),
    (
        lambda: batch(valid=torch.zeros(4, 6).bool()),
        "Trials: `mask` must be 0 on padding; got 'padded steps that count'. Mult",
    ),
    (
        lambda: batch().epoch("dely"),
        "Trials.epoch: `name` must be an epoch of this task; got 'dely'. Did you mean 'delay'",
    ),
]


@pytest.mark.parametrize(("build", "message"), REFUSED, ids=range(len(REFUSED)))
def test_trials_that_contradict_themselves_are_refused(
    build: Callable[[], object], message: str, as_users_run: None
) -> None:
    with pytest.raises(ValueError, match=message):
        build()
