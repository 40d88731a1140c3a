"""Tracking: how well a network keeps track of where an animal is, on runs of the animal that it never saw."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float

from neurornn._types import generator
from neurornn.fit.fit import Fit
from neurornn.recording import Recording
from neurornn.task.track import TrackIntegration


@dataclass(frozen=True, eq=False)
class Tracking:
    """Where the animal was in each of its runs, and where the network thought it was.

    Args:
        times: time since the start of the run. Shape `(time,)`, ms.
        position: of the animal, NaN where unknown or past the end. Shape `(trial, time)`, in `unit`.
        decoded: read from the network's outputs. Shape `(trial, time)`.
        untrained: read from an untrained network's outputs. Shape `(trial, time)`.
        held_out: runs whose movement was not used for training. Shape `(trial,)`.
        length: of the track, in `unit`.
        unit: unit of measure of the position.
    """

    times: Float[np.ndarray, " time"]
    position: Float[np.ndarray, "trial time"]
    decoded: Float[np.ndarray, "trial time"]
    untrained: Float[np.ndarray, "trial time"]
    held_out: Bool[np.ndarray, " trial"]
    length: float
    unit: str

    methods = (
        "The network saw the animal's velocity and heading from the start of each run and was told its first "
        "position. Error: mean absolute difference between the position its outputs stand for and the animal's, per "
        "run, as a share of the track. Nulls: an untrained network of the same build, and standing still at the start."
    )
    references = ("10.48550/arXiv.1803.07770",)

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        n_held, n_runs = int(self.held_out.sum()), len(self.held_out)
        return {
            "nulls": "Of tracking: an untrained network, and standing still.",
            "generalisation": f"The network tracks the animal on {n_held} of {n_runs} runs that it did not learn from.",
        }

    def errors(self, found: Float[np.ndarray, "trial time"]) -> Float[np.ndarray, " trial"]:
        """Return the mean absolute error of each run, % of the track."""
        return 100 * np.nanmean(np.abs(found - self.position), axis=1) / self.length

    def frame(self) -> pd.DataFrame:
        """Return one row a run: error (% of the track) of the network, untrained, and of standing still."""
        first = self.position[np.arange(len(self.position)), np.isfinite(self.position).argmax(axis=1)]
        still = np.broadcast_to(first[:, None], self.position.shape)
        return pd.DataFrame(
            {
                "held_out": self.held_out,
                "network": self.errors(self.decoded),
                "untrained": self.errors(self.untrained),
                "standing_still": self.errors(still),
                "seconds": np.isfinite(self.position).sum(axis=1) * float(self.times[0]) / 1000,
            }
        ).rename_axis("run")

    def summary(self) -> pd.DataFrame:
        """Return median errors over held-out and over other runs, % of the track."""
        frame, columns = self.frame(), ["network", "untrained", "standing_still"]
        rows = {
            name: [float(np.median(frame[column].to_numpy(dtype=float)[part])) for column in columns]
            for name, part in (("held out", self.held_out), ("others", ~self.held_out))
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def track_animal(fit: Fit, brain: Recording, held_out: Bool[np.ndarray, " trial"], *, seed: int) -> Tracking:
    """Drive a trained and an untrained network through an animal's runs and read where they think it is.

    Args:
        fit: trained on a `TrackIntegration`.
        brain: the animal; its trials are its runs.
        held_out: runs whose movement was not used for training.
        seed: of the noise and of the untrained weights.
    """
    task = fit.task
    assert isinstance(task, TrackIntegration)
    trials = task.follow(brain)
    known = trials.mask.numpy() > 0
    position = np.where(known, trials.behaviour["linear"][..., 0].double().numpy(), np.nan)

    def read(one: Fit) -> np.ndarray:
        with torch.no_grad():
            run = one.network(trials.inputs, start=trials.start, generator=generator(seed))
        return task.code.decode(run.outputs)[..., 0].double().numpy()

    times = task.dt * (np.arange(trials.n_steps) + 1.0)
    return Tracking(times, position, read(fit), read(fit.untrained(seed)), held_out, task.length, task.unit)
