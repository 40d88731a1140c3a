"""What training refuses before it starts, and where it stops when numbers are not finite."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from hold_pulse import HoldPulse
from torch import Tensor

from neurornn import LeakyRate, Network, Trials
from neurornn.curriculum import Stage, Stages
from neurornn.errors import Diverged, FitError
from neurornn.fit import ActivityPenalty, Cosine, Fit, Objective, SquaredError, train
from neurornn.fit.checkpoint import read_checkpoint
from neurornn.fit.watch import Watch
from neurornn.fit.workers import Workers

TASK = HoldPulse()
BOTH = Objective({"error": SquaredError(), "rates": ActivityPenalty()})


def a_network() -> Network:
    return Network(LeakyRate(2, 12, tau=60.0, dt=20.0), 1, noise=0.1)


def taught(network: Network | None = None, **settings) -> Fit:
    settings = {"steps": 2, "batch": 2, "n_validation": 4, "progress": False} | settings
    return train(network if network is not None else a_network(), TASK, **settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"steps": 0}, "train: `steps` must be a whole number, 1 or above; got 0"),
        ({"batch": 0}, "train: `batch` must be a whole number, 1 or above"),
        ({"seed": -1}, "train: `seed` must be a whole number, 0 or above"),
        ({"learning_rate": 0.0}, "train: `learning_rate` must be a finite number above 0"),
        ({"clip": -1.0}, "train: `clip` must be a finite number, 0 or above"),
        ({"checkpoint_every": 0}, "train: `checkpoint_every` must be a whole number, 1 or above"),
        ({"patience": 3}, "train: `validate_every` must be above 0 with `patience`; got 0"),
        (
            {"curriculum": Stages((Stage(TASK, until=0.5), Stage(TASK)))},
            "train: `validate_every` must be above 0 with a curriculum that waits for scores",
        ),
        ({"network": Network(LeakyRate(3, 4), 1)}, "HoldPulse: `n_in` must be 3, as the network has; got 2"),
        ({"network": Network(LeakyRate(2, 4), 2)}, "HoldPulse: `n_out` must be 2, as the network has; got 1"),
        (
            {"network": Network(LeakyRate(2, 4), 1, n_start=3)},
            "HoldPulse: `n_start` must be 3, as the network has; got 0",
        ),
        (
            {"network": Network(LeakyRate(2, 4, dt=10.0), 1)},
            "HoldPulse: `dt` must be 10 ms, as the network's; got 20.0",
        ),
        (
            {"network": Network(LeakyRate(2, 4), 1).requires_grad_(False)},
            "train: `network` must be one with a parameter to train",
        ),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict, says: str):
    with pytest.raises(ValueError, match=says):
        taught(**settings)


def test_a_weight_of_no_term_is_refused():
    with pytest.raises(ValueError, match=r"Objective: `weights` must be named as the terms are; got 'eror'. Did you"):
        Objective({"error": SquaredError()}, {"eror": 1.0})


def test_a_warmup_is_a_fraction():
    with pytest.raises(ValueError, match=r"Cosine: `warmup` must be a number in \[0, 1\]; got 1.5"):
        Cosine(warmup=1.5)


def test_processes_that_do_not_see_one_checkpoint_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Workers, "agree", lambda self, value, device: value + 1.0)  # the first process is a step ahead
    with pytest.raises(FitError, match=r"train: `checkpoint` must be a file that all processes see; got '.*run'"):
        taught(checkpoint=tmp_path / "run")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(
        ValueError, match=r"train: `device` must be a device of this machine; got 'cuda'. Use device='auto'."
    ):
        taught(device="cuda")


def test_a_batch_smaller_than_the_processes_is_refused():
    parts = [Workers(rank, 3).part(7) for rank in range(3)]
    assert [i for part in parts for i in range(7)[part]] == list(range(7))
    with pytest.raises(ValueError, match="train: `batch` must be at least one trial for each of 3 processes; got 2"):
        Workers(0, 3).part(2)


@dataclass(frozen=True)
class Breaks(HoldPulse):
    """Inputs become infinite with a chance, at a step that the seed decides."""

    chance: float = 0.1
    bad_score: bool = False

    def sample(self, n_trials: int, *, generator: torch.Generator) -> Trials:
        trials = super().sample(n_trials, generator=generator)
        if bool(torch.rand((), generator=generator) < self.chance):
            trials = replace(trials, inputs=trials.inputs + torch.inf)
        return trials

    def score(self, trials: Trials, outputs: Tensor) -> Tensor:
        return super().score(trials, outputs) * (torch.nan if self.bad_score else 1.0)


def test_a_loss_that_is_not_finite_stops_with_step_term_and_gradients(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    settings = {"steps": 100, "batch": 4, "progress": False, "checkpoint": path, "checkpoint_every": 1}
    with pytest.raises(
        Diverged, match=r"loss term error = \w+, rates = \w+ is not finite at step (\d+); largest gradients: "
    ) as caught:
        train(a_network(), Breaks(), objective=BOTH, seed=2, **settings)
    assert f"{path} holds the last good state." in str(caught.value)
    step = int(str(caught.value).split("at step ")[1].split(";")[0])
    tensors, metadata = read_checkpoint(path)
    kept = torch.cat([t.flatten() for name, t in tensors.items() if name.startswith("network/")])
    assert metadata["step"] == step - 1 and bool(torch.isfinite(kept).all())


def test_diverging_before_the_first_checkpoint_says_so(tmp_path: Path):
    with pytest.raises(Diverged, match=r"at step 1; .* No checkpoint was written yet"):
        train(a_network(), Breaks(chance=1.0), steps=3, batch=2, progress=False, checkpoint=tmp_path / "run")


def test_a_gradient_that_is_not_finite_is_named():
    watch = Watch(("error",), ("cell.w_in", "readout"), every=2)
    assert not watch.note(1, torch.tensor([1.0]), torch.tensor([0.5, 0.1]))
    assert watch.note(2, torch.tensor([1.0]), torch.tensor([0.5, torch.nan]))
    with pytest.raises(
        Diverged, match=r"the gradient is not finite at step 2; largest gradients: readout \(nan\), cell.w_in"
    ):
        watch.look()


def test_a_score_that_is_not_finite_stops():
    with pytest.raises(
        Diverged, match=r"the validation score \(Breaks.score\) is nan\. Check the outputs, or the task's mask"
    ):
        train(a_network(), Breaks(chance=0.0, bad_score=True), steps=2, batch=2, validate_every=1, progress=False)
