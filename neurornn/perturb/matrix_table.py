"""What lesions of several groups in several tasks leave: a matrix of harm, and tests of its interaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import false_discovery_control

from neurornn.perturb.matching import Controls


@dataclass(frozen=True, eq=False)
class LesionMatrix:
    r"""Harm of each group's lesion in each task, beside that of matched random groups.

    Harm $H_{gk}$ is the change of the mean score of task $k$ under the lesion of group $g$, turned so that worse is
    larger. Groups and tasks *interact* where $H$ is not the sum of an effect of the group and one of the task. The
    statistic is the sum of squares of the doubly centred matrix, and its null the same of the matrices that one control
    of each group gives. A *double dissociation* of groups $a, b$ and tasks $i, j$ is $H_{ai} > H_{aj}$ with
    $H_{bi} < H_{bj}$, tested as one interaction,

    $$D = (H_{ai} - H_{aj}) - (H_{bi} - H_{bj}),$$

    against that of their controls, two-sided, and not as two effects of which one is significant and the other is not.
    All pairs are tested, and held to a false discovery rate (Benjamini & Hochberg).

    Args:
        score_name: what the score measures.
        higher_is_better: whether a larger score is better.
        perturbation: what was done to the units.
        groups: the units of each group.
        tasks: names of the tasks.
        trials: how many trials each task had.
        intact: mean score of each task without a lesion. Shape `(task,)`.
        scores: with each lesion. Shape `(group, task)`.
        controls: the control groups of each group, and how well they match.
        control_scores: their scores, one array a group. Shapes `(control, task)`.
        n_units: how many units the network has.
    """

    score_name: str
    higher_is_better: bool
    perturbation: str
    groups: Mapping[str, tuple[int, ...]]
    tasks: tuple[str, ...]
    trials: tuple[int, ...]
    intact: Float[np.ndarray, " task"]
    scores: Float[np.ndarray, "group task"]
    controls: tuple[Controls, ...]
    control_scores: tuple[Float[np.ndarray, "_control task"], ...]
    n_units: int

    @property
    def harm(self) -> Float[np.ndarray, "group task"]:
        """How much worse each task is under each lesion, in the unit of the score."""
        return self._worse(self.scores)

    @property
    def control_harm(self) -> Float[np.ndarray, "group task"]:
        """The mean harm of the controls of each group."""
        return np.stack([self._worse(one).mean(axis=0) for one in self.control_scores])

    @property
    def p(self) -> Float[np.ndarray, "group task"]:
        """One-sided p of each harm: how often a control of the group does as much, the lesion itself counted."""
        pairs = zip(self.harm, self.control_scores, strict=True)
        return np.stack([(1 + (self._worse(one) >= own).sum(axis=0)) / (1 + len(one)) for own, one in pairs])

    @property
    def selectivity(self) -> Float[np.ndarray, " group"]:
        """Harm in the task that suffers most, minus the mean of the others."""
        most = self.harm.max(axis=1)
        return most - (self.harm.sum(axis=1) - most) / (len(self.tasks) - 1)

    @property
    def interaction_p(self) -> float:
        """How often the matrix of one control of each group interacts as much; the lesions themselves counted."""
        null = _interaction(self._worse(self._paired()))
        return float((1 + (null >= _interaction(self.harm)).sum()) / (1 + len(null)))

    def dissociations(self) -> pd.DataFrame:
        """Return one row for each two groups and two tasks, the surest first.

        Columns: `group_a`, `group_b`, `task_i`, `task_j`, `harm_ai`, `harm_aj`, `harm_bi`, `harm_bj`, `interaction` (D,
        above 0: the task that a is needed for is named first), `p`, `q` (false discovery rate), `crossed` (whether each
        group harms its own task more) and `p_own` (the larger p of the two groups' harm in their own tasks, against
        their controls).
        """
        harm, null, alone = self.harm, self._worse(self._paired()), self.p
        names, rows = list(self.groups), []
        for a, b in combinations(range(len(names)), 2):
            for i, j in combinations(range(len(self.tasks)), 2):
                found = (harm[a, i] - harm[a, j]) - (harm[b, i] - harm[b, j])
                drawn = (null[:, a, i] - null[:, a, j]) - (null[:, b, i] - null[:, b, j])
                p = (1 + (np.abs(drawn) >= abs(found)).sum()) / (1 + len(drawn))
                i, j = (i, j) if found >= 0 else (j, i)
                four = harm[a, i], harm[a, j], harm[b, i], harm[b, j]
                crossed = bool(four[0] > four[1] and four[3] > four[2])
                own = max(alone[a, i], alone[b, j])
                rows.append((names[a], names[b], self.tasks[i], self.tasks[j], *four, abs(found), p, crossed, own))
        columns = ["group_a", "group_b", "task_i", "task_j", "harm_ai", "harm_aj", "harm_bi", "harm_bj"]
        table = pd.DataFrame(rows, columns=[*columns, "interaction", "p", "crossed", "p_own"])
        table.insert(10, "q", false_discovery_control(table["p"].to_numpy(dtype=float)))
        return table.sort_values(["q", "p", "interaction"], ascending=[True, True, False], ignore_index=True)

    def double(self, rate: float = 0.05) -> pd.DataFrame:
        """Return the double dissociations among `dissociations()`: interactions at a false discovery rate that cross.

        Each of the two groups also harms its own task more than its controls do (`p_own` at or below `rate`).
        """
        table = self.dissociations()
        sure = (table["q"].to_numpy(dtype=float) <= rate) & (table["p_own"].to_numpy(dtype=float) <= rate)
        return table.loc[table["crossed"].to_numpy(dtype=bool) & sure].reset_index(drop=True)

    @property
    def methods(self) -> str:
        """What was done, in a few sentences."""
        sizes = ", ".join(str(len(units)) for units in self.groups.values())
        least = min(len(one) for one in self.control_scores)
        worst = max(float(np.abs(c.frame()["gap"].to_numpy(dtype=float)).max(initial=0.0)) for c in self.controls)
        whole = [name for name, one in zip(self.groups, self.controls, strict=True) if one.overlap]
        matched = max((["number", *one.features.columns] for one in self.controls), key=len)
        beside = f" Of {' and '.join(whole)}, with more than half of the units, from all units." if whole else ""
        return (
            f"{self.perturbation} of {len(self.groups)} groups ({sizes} of {self.n_units} units) in {len(self.tasks)} "
            f"tasks, {min(self.trials)} trials a task or more, the same trials and noise in every run. Score: "
            f"{self.score_name}. Null: {least} random groups or more for each, matched on "
            f"{', '.join(matched)} (largest standardised gap {worst:.2f}).{beside} "
            f"Interaction: sum of squares of the doubly centred matrix of harm. Dissociations: (H_ai - H_aj) - (H_bi - "
            f"H_bj), two-sided, Benjamini-Hochberg over all pairs; double where the effects cross and each group harms "
            f"its own task more than its controls do."
        )

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of the methods."""
        return ("10.1038/s41593-018-0310-2", "10.2202/1544-6115.1585", "10.1111/j.2517-6161.1995.tb02031.x")

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        least = min(len(one) for one in self.control_scores)
        return {
            "nulls": f"{least} matched random groups for each of {len(self.groups)} groups, same trials and noise.",
            "generalisation": f"{self.perturbation}, {len(self.tasks)} tasks: interaction p {self.interaction_p:.2g}.",
        }

    def frame(self) -> pd.DataFrame:
        """Return one row a group and task: `group`, `n_units`, `task`, `intact`, `score`, `harm`, its controls, `p`."""
        harm, control, p = self.harm, self.control_harm, self.p
        rows = [
            (group, len(units), task, self.intact[k], self.scores[g, k], harm[g, k], control[g, k], p[g, k])
            for g, (group, units) in enumerate(self.groups.items())
            for k, task in enumerate(self.tasks)
        ]
        return pd.DataFrame(rows, columns=["group", "n_units", "task", "intact", "score", "harm", "control_harm", "p"])

    def summary(self) -> pd.DataFrame:
        """Return the numbers of the matrix: `quantity` and `value`."""
        values = {
            "groups": float(len(self.groups)),
            "tasks": float(len(self.tasks)),
            "interaction, p": self.interaction_p,
            "double dissociations": float(len(self.double())),
            "largest harm": float(self.harm.max()),
            "mean selectivity": float(self.selectivity.mean()),
        }
        return pd.DataFrame({"quantity": list(values), "value": list(values.values())})

    def _worse(self, scores: np.ndarray) -> np.ndarray:
        return (self.intact - scores) if self.higher_is_better else (scores - self.intact)

    def _paired(self) -> np.ndarray:
        """Return scores of one control of each group, as often as all groups have one. Shape `(draw, group, task)`."""
        least = min(len(one) for one in self.control_scores)
        return np.stack([one[:least] for one in self.control_scores], axis=1)


def _interaction(harm: np.ndarray) -> np.ndarray:
    """Return the sum of squares of doubly centred matrices. Shape `(...,)`."""
    centred = harm - harm.mean(axis=-1, keepdims=True)
    centred = centred - centred.mean(axis=-2, keepdims=True)
    return np.asarray(np.square(centred).sum(axis=(-2, -1)))
