"""What a study is: from a network, a task and perhaps a recording to named numbers and what a page shows."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.fit import ConstrainedFit, EncodingFit, Fit
from neurornn.fit.train import train
from neurornn.latent import LatentFit
from neurornn.network import Network
from neurornn.recording import Recording
from neurornn.task.base import AbstractTask

Say = Callable[[str], None]
"""Where a study tells what it is doing: one short line a stage."""


def quiet(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What a recipe hands to its study.

    Args:
        network: makes the untrained network for a task and a seed.
        task: makes the task; keyword arguments fill what only the study knows (an animal's speeds, say).
        train: keyword arguments of `neurornn.train`.
        recording: the recording that the recipe names, if it names one.
        seed: of everything that is drawn.
        name: of the recipe.
        progress: whether to show progress bars.
        say: where stages are told.
        notes: sentences that a reader must see first, known before the study begins.
        title: of the recipe.
    """

    network: Callable[[AbstractTask, int], Network]
    task: Callable[..., AbstractTask]
    train: Mapping[str, Any]
    recording: Recording | None = None
    seed: int = 0
    name: str = "fit"
    progress: bool = False
    say: Say = quiet
    notes: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, eq=False)
class Findings:
    """What a study found.

    Args:
        quantities: every number that a gate may ask for, by name.
        fit: the trained network, or the fitted model that the page is about; none where there is none.
        headline: what a reader wants to know first, as a small table; nothing where empty.
        parts: the results that a page shows, by name, in reading order.
        notes: sentences that a reader must see first (a simulated recording, units left out ...).
        title: of the page.
    """

    quantities: Mapping[str, float]
    fit: Fit | EncodingFit | LatentFit | ConstrainedFit | None = None
    headline: pd.DataFrame = field(default_factory=pd.DataFrame)
    parts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    title: str = ""

    def frame(self) -> pd.DataFrame:
        """Return the quantities as a table."""
        return pd.DataFrame({"quantity": list(self.quantities), "value": list(self.quantities.values())})


class AbstractStudy(ABC):
    """An analysis that a recipe may name. Studies are frozen dataclasses: their fields are its settings."""

    @abstractmethod
    def run(self, plan: Plan) -> Findings:
        """Train, measure and return what came out.

        Raises:
            RecordingError: before any training, if the recording cannot serve the study.
        """


def needs_recording(owner: str, plan: Plan) -> Recording:
    """Return the plan's recording, or refuse."""
    if plan.recording is None:
        _check.fail(owner, "recording", "named in the recipe", None, 'Add [recording] name = "rat_linear_track".')
    return plan.recording


@contextmanager
def place_of(folder: str, plan: Plan) -> Iterator[Path]:
    """Give the folder in which checkpoints of this recipe and seed are kept: a temporary one where none is named."""
    if folder:
        place = Path(folder) / plan.name / f"seed_{plan.seed}"
        place.mkdir(parents=True, exist_ok=True)
        yield place
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def taught(plan: Plan, task: AbstractTask, checkpoint: Path, *, steps: int = 0) -> Fit:
    """Train the plan's network on a task, from where `checkpoint` left off.

    Args:
        plan: network, settings of the training and seed.
        task: what it learns.
        checkpoint: where its state is kept.
        steps: training steps; the plan's own where 0.
    """
    told = {**plan.train, **({"steps": steps} if steps else {})}
    network = plan.network(task, plan.seed)
    return train(network, task, seed=plan.seed, progress=plan.progress, checkpoint=checkpoint, **told)


def in_epoch(owner: str, recording: Recording, name: str) -> Recording:
    """Return the stretch of a recording that bears this name; all of it where the name is empty.

    Raises:
        RecordingError: if there is no such stretch.
    """
    if not name:
        return recording
    named = [row for row in recording.epochs.to_dict("records") if row["name"] == name]
    if not named:
        known = ", ".join(map(str, recording.epochs["name"].unique())) if len(recording.epochs) else "none"
        _check.fail(owner, "epoch", "one of the recording's", name, f"There are: {known}.", error=RecordingError)
    return recording.between(float(named[0]["start"]), float(named[0]["stop"]))
