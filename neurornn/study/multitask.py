"""The multitask study: a network of many tasks, its clusters of units, and which task needs which."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn._types import generator
from neurornn.errors import RecipeError
from neurornn.fit import Fit
from neurornn.perturb.clusters import VarianceClusters, task_variance, variance_clusters
from neurornn.perturb.matrix import lesion_matrix
from neurornn.perturb.matrix_table import LesionMatrix
from neurornn.study.base import AbstractStudy, Findings, Plan, place_of, taught
from neurornn.task import Multitask


@dataclass(frozen=True)
class MultitaskStudy(AbstractStudy):
    """Train a network on many tasks, cluster its units by task variance, and lesion each cluster in every task.

    Controls are other units, matched to those of the cluster; of a cluster with more than half of the units, random
    sets of as many from the whole network.

    Args:
        controls: matched random groups for each cluster.
        trials: of the lesions, over all tasks.
        tested: trials that say how well each task is done, over all tasks.
        most: the largest number of clusters that is tried.
        folder: where the state of training is kept, so that it goes on after an interruption; nowhere where empty.

    References:
        Yang et al. (2019), doi:10.1038/s41593-018-0310-2.
    """

    controls: int = 999
    trials: int = 128
    tested: int = 1600
    most: int = 12
    folder: str = ""

    def run(self, plan: Plan) -> Findings:
        task = plan.task()
        if not isinstance(task, Multitask) or len(task.rules) < 2:
            fix = 'Set [task] type = "Multitask" with two rules or more.'
            _check.fail("MultitaskStudy", "task", "many tasks", type(task).__name__, fix, error=RecipeError)
        plan.say("training")
        with place_of(self.folder, plan) as folder:
            fit = taught(plan, task, folder / "network.pt")
        done = performance(fit, self.tested, seed=plan.seed + 7_000_003)
        plan.say("clusters")
        seen = task.sample(self.tested, generator=generator(plan.seed + 7_000_033))
        variance, names = task_variance(fit.network, seen)
        clusters = variance_clusters(variance, names, most=self.most, seed=plan.seed)
        plan.say(f"lesions of {clusters.n_clusters} clusters")
        matrix = lesion_matrix(
            fit,
            clusters.groups,
            controls=self.controls,
            overlap=True,
            trials=self.trials,
            seed=plan.seed + 7_000_037,
        )
        quantities = _quantities(done, clusters, matrix)
        parts = {"matrix": matrix, "clusters": clusters, "training": fit}
        headline = pd.DataFrame({"task": done.index, "done right": [f"{value:.3f}" for value in done]})
        return Findings(quantities, fit, headline, parts, plan.notes, plan.title)


def performance(fit: Fit, n_trials: int, *, seed: int) -> pd.Series:
    """Return the mean score of each rule over new trials, in the order of the task's rules."""
    trials = fit.task.sample(n_trials, generator=generator(seed))
    scores = fit.score(n_trials, seed=seed).to_numpy()
    means = pd.Series(scores).groupby(trials.conditions["rule"].to_numpy()).mean()
    return means.reindex(list(fit.task.rules))  # type: ignore[attr-defined]


def _quantities(done: pd.Series, clusters: VarianceClusters, matrix: LesionMatrix) -> dict[str, float]:
    """Return every number that a gate may ask for."""
    quantities = {f"right_{rule}": float(value) for rule, value in done.items()}
    quantities |= {
        "worst": float(done.min()),
        "mean": float(done.mean()),
        "clusters": float(clusters.n_clusters),
        "silhouette": max(clusters.silhouettes.values()),
        "active_units": float((clusters.labels >= 0).sum()),
    }
    double = matrix.double()
    return quantities | {
        "lesioned_clusters": float(len(matrix.groups)),
        "largest_cluster": max(len(units) for units in matrix.groups.values()) / matrix.n_units,
        "interaction_p": matrix.interaction_p,
        "double_dissociations": float(len(double)),
        "largest_interaction": float(double["interaction"].to_numpy(dtype=float).max()) if len(double) else 0.0,
        "largest_harm": float(matrix.harm.max()),
        "largest_harm_over_controls": float((matrix.harm - matrix.control_harm).max()),
        "mean_selectivity": float(matrix.selectivity.mean()),
        "controls": float(min(len(one) for one in matrix.control_scores)),
        "largest_gap": max(
            float(np.abs(one.frame()["gap"].to_numpy(dtype=float)).max(initial=0.0)) for one in matrix.controls
        ),
    }
