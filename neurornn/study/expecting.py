"""What a network expects: its internal drive as a prediction, surprise at the very same image, units of both kinds."""

import copy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy.stats import norm
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.cell import LeakyRate
from neurornn.energy import drives
from neurornn.fit import Fit
from neurornn.network import Network, Perturbs
from neurornn.task import ImageSequences
from neurornn.trials import Trials

REFERENCE = "10.1016/j.patter.2022.100639"
KINDS = ("prediction", "error", "both", "neither")

CRUMB = 0.1
"""Parts of the mean drive below which more activity is no error signal."""


@dataclass(frozen=True, eq=False)
class UnitKinds:
    """Which units predict, which report an error, and how much their own pixel varies.

    Args:
        predicts: whether a unit's drive is reliably away from 0 when a class is shown. Shape `(unit, class)`.
        errs: whether it sends more when the same image of a class is unexpected. Shape `(unit, class)`.
        variance: of the pixel that drives it, over images; NaN for units without one. Shape `(unit,)`.
        methods: how this was made.
        references: DOIs.
    """

    predicts: Bool[np.ndarray, "unit class"]
    errs: Bool[np.ndarray, "unit class"]
    variance: Float[np.ndarray, " unit"]
    methods: str
    references: tuple[str, ...] = (REFERENCE,)

    @property
    def prediction(self) -> np.ndarray:
        """The units that predict after any class."""
        return np.flatnonzero(self.predicts.any(axis=1))

    @property
    def kinds(self) -> np.ndarray:
        """The kind of each unit: one of `KINDS`."""
        predicts, errs = self.predicts.any(axis=1), self.errs.any(axis=1)
        return np.array(KINDS)[np.select([predicts & ~errs, errs & ~predicts, predicts & errs], [0, 1, 2], 3)]

    def variance_of(self, kind: str) -> float:
        """Return the median variance of the pixels of one kind of units; NaN where there is none."""
        mine = self.variance[self.kinds == kind]
        return float(np.median(mine)) if len(mine) else float("nan")

    def frame(self) -> pd.DataFrame:
        """Return one row a unit: its kind, for how many classes, whether both kinds meet in one class, its pixel."""
        together = (self.predicts & self.errs).any(axis=1)
        columns = {
            "kind": self.kinds,
            "predicts": self.predicts.sum(axis=1),
            "errs": self.errs.sum(axis=1),
            "within": together,
            "pixel_variance": self.variance,
        }
        return pd.DataFrame(columns).rename_axis("unit")

    def summary(self) -> pd.DataFrame:
        """Return one row a kind: how many units, for one class or several, within a class, median pixel variance."""
        rows, kinds = [], self.kinds
        several = np.maximum(self.predicts.sum(axis=1), self.errs.sum(axis=1)) > 1
        together: np.ndarray = np.any(self.predicts & self.errs, axis=1)
        for kind in KINDS:
            mine = np.flatnonzero(kinds == kind)
            rows.append(
                {
                    "kind": kind,
                    "units": len(mine),
                    "for several classes": int(several[mine].sum()),
                    "both in one class": int(together[mine].sum()),
                    "median pixel variance": self.variance_of(kind),
                }
            )
        return pd.DataFrame(rows)


def anticipating(fit: Fit) -> Fit:
    r"""Return the fit with a readout that says what the recurrent weights are about to take away: $y = -W r$.

    What a network trained on its drive does not cancel of the next input is its energy there, so that the error of this
    readout, the mean of $|x_{t+1} - y_t|$, *is* the energy of the next step. A lesion experiment on it needs no other
    score.

    Args:
        fit: of units without leak or bias, each driven by its own pixel.

    Raises:
        ValueError: if the energy of the next step is another than that.
    """
    network = copy.deepcopy(fit.network)
    cell = network.cell
    alone = isinstance(cell, LeakyRate) and cell.settings["one_to_one"] and cell.bias is None and cell.bias_in is None
    if not alone or network.readout_bias is not None or network.n_out != network.n_in:
        must = "of LeakyRate units with one_to_one = true, without bias in units and readout"
        _check.fail("anticipating", "fit.network", must, type(cell).__name__, "Set bias = false, readout_bias = false.")
    with torch.no_grad():
        network.readout.copy_(-cell.weights()[1][: network.n_out])
    return replace(fit, network=network)


@torch.no_grad()
def next_class(
    network: Network, trials: Trials, medians: Float[np.ndarray, "class pixel"], perturb: tuple[Perturbs, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return how well the class of the next image is told from the internal drive after 1, 2 ... images.

    The drive at the end of an image, turned round, is held against the median image of each class; the nearest
    (Euclidean) is the answer.

    Returns:
        The fraction of right answers, and the correlation of the mean drive with the median image of the class that
        comes, its mean over classes. Shapes `(image - 1,)`.
    """
    last = _last_steps(trials)
    run = network(trials.inputs.to(network.readout), perturb=perturb)
    recurrent = network.cell.weights()[1][: network.n_in]
    expected = -(run.activity[:, last[:-1]] @ recurrent.mT).double().numpy()  # (trial, image, pixel)
    coming = trials.behaviour["class"][:, last[1:], 0].long().numpy()
    distance = ((expected[:, :, None] - medians) ** 2).sum(-1)
    right = (distance.argmin(-1) == coming).mean(axis=0)
    agree = np.zeros(expected.shape[1])
    for k in range(expected.shape[1]):
        means = [expected[coming[:, k] == c, k].mean(axis=0) for c in range(len(medians)) if (coming[:, k] == c).any()]
        shown = [medians[c] for c in range(len(medians)) if (coming[:, k] == c).any()]
        agree[k] = np.mean([_correlation(a, b) for a, b in zip(means, shown, strict=True)])
    return right, agree


def matched(task: ImageSequences, n_trials: int, at: int, *, seed: int) -> tuple[Trials, Trials]:
    """Return trials whose image number `at` is expected, and trials that show the very same image out of turn.

    Both are sequences in order up to that image; in the second, the images before it are those that announce another
    class. So whatever differs at that image is due to what came before, not to what is shown.
    """
    stream = generator(seed)
    n_classes = task.images.n_classes
    ordered = replace(task, ordered=True, length=at)
    classes = ordered.classes(n_trials, generator=stream)
    index = task.images.exemplars(classes, generator=stream)
    shift = torch.randint(1, n_classes, (n_trials, 1), generator=stream)
    elsewhere = task.images.exemplars((classes + shift) % n_classes, generator=stream)
    elsewhere[:, -1] = index[:, -1]
    return task.trials(index), task.trials(elsewhere)


@torch.no_grad()
def unit_kinds(network: Network, task: ImageSequences, *, n_trials: int, z: float, seed: int) -> UnitKinds:
    """Tell units that predict from units that report an error.

    A unit **predicts** after a class if the median of its drive there is more than `z` robust standard deviations away
    from 0 (1.4826 times the median absolute deviation): a drive that is paid for every time. The rule alone is not
    specific (any unit with a steady drive passes), so count on what lesions do, not on how many there are. A unit
    **errs** for a class if it sends more to the same image when it is unexpected: paired over trials, z above that of
    p = 0.01 after Bonferroni's correction for units and classes, and by at least a tenth of what a unit spends in the
    mean. Without the last, pixels that are never lit count as well: with many trials the test finds crumbs of 0.001.

    Args:
        network: of `LeakyRate` units.
        task: with the images to test on.
        n_trials: sequences a class.
        z: of the first rule.
        seed: of the sequences.
    """
    n_classes, stream = task.images.n_classes, generator(seed)
    predicts = np.zeros((network.n_units, n_classes), dtype=bool)
    for c in range(n_classes):
        classes = task.classes(n_trials, generator=stream, first=(c - task.length + 1) % n_classes)
        trials = task.trials(task.images.exemplars(classes, generator=stream))
        run = network(trials.inputs.to(network.readout))
        u = drives(network, run.activity, trials)[:, -1].double().numpy()
        middle = np.median(u, axis=0)
        spread = 1.4826 * np.median(np.abs(u - middle), axis=0)
        predicts[:, c] = np.abs(middle) > z * spread
    at = task.length - 1
    pair = matched(task, n_trials * n_classes, at, seed=seed + 1)
    expected, unexpected = (network(one.inputs.to(network.readout)).activity for one in pair)
    least = CRUMB * float(drives(network, expected, pair[0])[:, -1].abs().mean())
    more, shown = (unexpected - expected)[:, -1].double().numpy(), pair[0].conditions["last"].to_numpy()
    errs = np.zeros_like(predicts)
    level = float(norm.isf(0.01 / errs.size))
    for c in range(n_classes):
        mine = more[shown == c]
        error = mine.std(axis=0, ddof=1) / len(mine) ** 0.5
        errs[:, c] = mine.mean(axis=0) > np.maximum(level * error, least)
    variance = np.full(network.n_units, np.nan)
    variance[: task.images.n_pixels] = task.images.variance()
    methods = (
        f"Prediction: median drive at the last of {task.length} images of a class beyond {z:g} robust standard "
        f"deviations, {n_trials} sequences a class. Error: more activity to the same image number {at} out of turn "
        f"than in turn, paired, z above {level:.2f} and by {CRUMB:g} of the mean drive at least. No number of units is "
        f"a finding; what lesions do is."
    )
    return UnitKinds(predicts, errs, variance, methods)


def _last_steps(trials: Trials) -> Tensor:
    """Return the last step of each image."""
    return torch.stack([edges[0, 1] for name, edges in trials.epochs.items() if name.startswith("image_")]) - 1


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else float("nan")
