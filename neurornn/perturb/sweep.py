"""Every unit lesioned for itself, in one call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.stats import false_discovery_control

from neurornn import _check
from neurornn._types import generator
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.experiment import Fitted, named, paired_scores, shared_noise
from neurornn.perturb.lesion import Silence
from neurornn.trials import Trials


@dataclass(frozen=True, eq=False)
class UnitLesions:
    """Lesions of single units.

    Args:
        units: which were lesioned.
        harm: how much worse each trial is under each lesion, in the unit of the score. Shape `(unit, trial)`.
        p: two-sided p of each unit's mean harm: signs of the trials' differences flipped at random.
        perturbation: what was done.
        score_name: what the score measures.
        flips: how many random flips p rests on.
    """

    units: tuple[int, ...]
    harm: Float[np.ndarray, "unit trial"]
    p: Float[np.ndarray, " unit"]
    perturbation: str
    score_name: str
    flips: int

    @property
    def q(self) -> Float[np.ndarray, " unit"]:
        """False discovery rate across units (Benjamini & Hochberg)."""
        return false_discovery_control(self.p)

    def frame(self) -> pd.DataFrame:
        """Return one row a unit: `unit`, `harm` (mean over trials), `sd`, `p`, `q`, the most harmful first."""
        columns = {"unit": self.units, "harm": self.harm.mean(axis=1), "sd": self.harm.std(axis=1), "p": self.p}
        return pd.DataFrame(columns).assign(q=self.q).sort_values("harm", ascending=False, ignore_index=True)

    @property
    def methods(self) -> str:
        """What was done, in a few sentences."""
        return (
            f"{self.perturbation} of each of {len(self.units)} units for itself, {self.harm.shape[1]} trials, the same "
            f"trials and noise; score: {self.score_name}; p: {self.flips} random flips of the signs of the trials' "
            f"differences, of this network and not over networks; q: Benjamini-Hochberg across units."
        )


def unit_lesions(
    fit: Fitted,
    units: Units | None = None,
    *,
    perturbation: Callable[[Sequence[int]], AbstractPerturbation] = Silence,
    trials: int | Trials = 256,
    flips: int = 999,
    seed: int = 0,
    chunk: int | None = None,
) -> UnitLesions:
    """Lesion every unit for itself, on the same trials and noise, and tell which lesions matter.

    Args:
        fit: a network with its task.
        units: which units; all where absent.
        perturbation: what is done to a unit, made from a list of it alone.
        trials: how many trials to draw, or the very trials.
        flips: how many random flips of signs the p of a unit rests on.
        seed: of trials, noise and flips.
        chunk: how many lesions run in one batched rollout.

    Example:
        >>> def hubs(fit):
        ...     return unit_lesions(fit, trials=64).frame().query("q < 0.05")["unit"]
    """
    network, task = fit.network, fit.task
    chosen = unit_tuple("unit_lesions", range(network.n_units) if units is None else units)
    within("unit_lesions", chosen, network.n_units)
    if not chosen:
        _check.fail("unit_lesions", "units", "one unit or more", "none")
    _check.count("unit_lesions", "flips", flips)
    given = trials if isinstance(trials, Trials) else task.sample(trials, generator=generator(seed))
    with torch.no_grad():
        given = given.to(network.device)
        noise = shared_noise(network, given, seed + 1)
    members = [perturbation([]), *(perturbation([unit]) for unit in chosen)]
    scores = paired_scores(network, task, given, [one.during(given) for one in members], noise=noise, chunk=chunk)
    harm = (scores[0] - scores[1:]) if task.higher_is_better else (scores[1:] - scores[0])
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(flips, harm.shape[1]))
    null = np.abs(signs @ harm.T)  # (flip, unit)
    p = (1 + (null >= np.abs(harm.sum(axis=1)) - 1e-12).sum(axis=0)) / (1 + flips)
    return UnitLesions(chosen, harm, p, named(perturbation(chosen[:1])), task.score_name, flips)
