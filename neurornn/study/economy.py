"""What sequences of images cost a network, image by image, beside what the best guesses would cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from neurornn import _check
from neurornn.energy import PAID, Energy, spent
from neurornn.network import Network, Perturbs
from neurornn.task import ImageSequences
from neurornn.task.images import AbstractImages
from neurornn.trials import Trials


@dataclass(frozen=True, eq=False)
class Economy:
    """Energy over the images of a sequence, by condition, with what constant guesses would cost.

    Args:
        table: one row a condition and image: `condition`, `image` (from 1), and the energies of `PAID`, means over
            trials and over the units with an input.
        guesses: the mean size of what is left of an image: `input` (of nothing taken away), `dataset median` and
            `category median` taken away. The last is the least that knowing the class alone can cost.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    guesses: Mapping[str, float]
    methods: str
    references: tuple[str, ...] = ("10.1016/j.patter.2022.100639", "10.1371/journal.pcbi.1000840")

    def frame(self) -> pd.DataFrame:
        """Return one row a condition and image."""
        return self.table

    def summary(self) -> pd.DataFrame:
        """Return the drive at each image, one row a condition."""
        return self.table.pivot(index="condition", columns="image", values="drive")

    def curve(self, condition: str, paid: str = "drive") -> Float[np.ndarray, " image"]:
        """Return an energy over the images of a condition."""
        mine = (self.table["condition"] == condition).to_numpy()
        if not mine.any():
            fix = _check.near(condition, set(self.table["condition"]))
            _check.fail("Economy.curve", "condition", "one that was measured", condition, fix)
        return self.table[paid].to_numpy(dtype=float)[mine]


def priced(
    network: Network, task: ImageSequences, trials: Trials, *, perturb: Sequence[Perturbs] = (), condition: str
) -> pd.DataFrame:
    """Return what each image costs, the mean over trials (and over stacked perturbations)."""
    energy: Energy = spent(network, trials, perturb=perturb, n_units=network.n_in)
    steps = energy.frame()
    each = {name: steps[name].to_numpy(dtype=float).reshape(-1, task.steps_an_image).mean(axis=1) for name in PAID}
    return pd.DataFrame({"condition": condition, "image": np.arange(1, len(each["action"]) + 1), **each})


def guesses(images: AbstractImages, trials: Trials) -> dict[str, float]:
    """Return what constant guesses leave of the images in `trials`, their medians those of `images`."""
    seen = trials.inputs.double().numpy()
    classes = trials.behaviour["class"][..., 0].long().numpy()
    medians = images.class_medians()
    return {
        "input": float(np.abs(seen).mean()),
        "dataset median": float(np.abs(seen - images.median()).mean()),
        "category median": float(np.mean([np.abs(seen[classes == c] - medians[c]).sum() for c in np.unique(classes)]))
        * len(np.unique(classes))
        / seen.size,
    }


@torch.no_grad()
def surprise(network: Network, pair: tuple[Trials, Trials], steps: int, *, paid: str = "drive") -> float:
    """Return what is paid at the last image out of turn, over what the same image costs in turn."""
    each = [spent(network, one, n_units=network.n_in).paid(paid)[:, -steps:].double().mean() for one in pair]
    return float(each[1] / each[0])
