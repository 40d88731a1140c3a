"""What units contribute over all combinations of lesions, where single lesions miss what is redundant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.experiment import Fitted, paired_scores, shared_noise
from neurornn.perturb.lesion import Silence
from neurornn.statistics.shapley import Shapley, shapley_values
from neurornn.trials import Trials


@dataclass(frozen=True, eq=False)
class Contributions:
    """What groups of units contribute to the score.

    Args:
        groups: the units of each group.
        shapley: their contributions, turned so that a useful group has a positive one.
        score_name: what the score measures.
        methods: how this was made.
        references: DOIs.
    """

    groups: Mapping[str, tuple[int, ...]]
    shapley: Shapley
    score_name: str
    methods: str
    references: tuple[str, ...] = ("10.1016/j.cor.2008.04.004",)

    def frame(self) -> pd.DataFrame:
        """Return one row a group.

        Columns: `group`, `n_units`, `contribution` (Shapley value), `error`, `single_lesion` (what its lesion alone
        costs), `alone` (what it is worth alone) and `hidden` (contribution less single lesion: what redundancy hides).
        """
        found = self.shapley
        return pd.DataFrame(
            {
                "group": list(self.groups),
                "n_units": [len(units) for units in self.groups.values()],
                "contribution": found.values,
                "error": found.errors,
                "single_lesion": found.last,
                "alone": found.alone,
                "hidden": found.values - found.last,
            }
        )


def contributions(
    fit: Fitted,
    groups: Mapping[str, Units],
    *,
    perturbation: Callable[[Sequence[int]], AbstractPerturbation] = Silence,
    orders: int = 200,
    trials: int | Trials = 256,
    seed: int = 0,
    chunk: int | None = None,
) -> Contributions:
    """Lesion combinations of groups of units and share the score out among them fairly.

    A single lesion of one of two redundant groups costs nothing, and so says that neither takes part; over all
    combinations each gets its half. Groups must not overlap; units of no group stay intact throughout.

    Args:
        fit: a network with its task.
        groups: the units of each group, by its name.
        perturbation: what is done to the units, made from them.
        orders: how many orders of lesions are drawn where there are more than 10 groups; see `shapley_values`.
        trials: how many trials to draw, or the very trials, the same for every combination, and with the same noise.
        seed: of trials, noise and orders.
        chunk: how many combinations run in one batched rollout.

    Raises:
        ValueError: if groups overlap or a unit does not exist.

    References:
        Castro, Gómez & Tejada (2009), doi:10.1016/j.cor.2008.04.004.
    """
    chosen = {name: unit_tuple("contributions", units) for name, units in groups.items()}
    if not chosen:
        _check.fail("contributions", "groups", "one or more", "none")
    together = [unit for units in chosen.values() for unit in units]
    within("contributions", together, fit.network.n_units)
    if len(set(together)) < len(together):
        twice = next(unit for place, unit in enumerate(together) if unit in together[:place])
        _check.fail("contributions", "groups", "without units in common", f"unit {twice} in two of them")
    given = trials if isinstance(trials, Trials) else fit.task.sample(trials, generator=generator(seed))
    with torch.no_grad():
        given = given.to(fit.network.device)
        noise = shared_noise(fit.network, given, seed + 1)
    sides = list(chosen.values())

    def worth(coalitions: np.ndarray) -> np.ndarray:
        lost = [
            sorted(unit for one, there in zip(sides, row, strict=True) if not there for unit in one)
            for row in coalitions
        ]
        members = [perturbation(units).during(given) for units in lost]
        scores = paired_scores(fit.network, fit.task, given, members, noise=noise, chunk=chunk).mean(axis=1)
        return scores if fit.task.higher_is_better else -scores

    found = shapley_values(worth, len(sides), orders=orders, seed=seed)
    how = "every combination" if not found.errors.any() else f"{orders} random orders, each also backwards"
    methods = (
        f"Contribution to the {fit.task.score_name} of {len(sides)} groups of units: Shapley value over {how} "
        f"({found.coalitions} combinations of lesions, {given.n_trials} trials, the same trials and noise)."
    )
    return Contributions(chosen, found, fit.task.score_name, methods)
