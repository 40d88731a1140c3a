"""Clusters of units by the variance that each task drives in them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.network import Network
from neurornn.trials import Trials

ACTIVE = 1e-3
"""Variance over all tasks above which a unit counts as active (Yang et al. 2019)."""

STARTS = 20
"""Starts of k-means (Yang et al. 2019)."""


@dataclass(frozen=True, eq=False)
class VarianceClusters:
    """Units in clusters.

    Args:
        variance: task variance of every unit. Shape `(unit, task)`.
        tasks: their names.
        labels: cluster of each unit, from 0, -1 for those that are not active. Clusters are ordered by the task in
            which they vary most, so that numbers do not depend on the start of the algorithm.
        silhouettes: the mean silhouette of each number of clusters tried.
    """

    variance: Float[np.ndarray, "unit task"]
    tasks: tuple[str, ...]
    labels: Int[np.ndarray, " unit"]
    silhouettes: dict[int, float]

    @property
    def n_clusters(self) -> int:
        """How many clusters there are."""
        return int(self.labels.max()) + 1

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """The units of each cluster, by its name: `cluster 1` and so on."""
        names = range(self.n_clusters)
        return {f"cluster {k + 1}": tuple(int(u) for u in np.flatnonzero(self.labels == k)) for k in names}

    @property
    def normalised(self) -> Float[np.ndarray, "unit task"]:
        """Task variance over the largest one of each unit; 0 for units that are not active."""
        return _normalised(self.variance)

    @property
    def methods(self) -> str:
        """What was done, in a few sentences."""
        active = int((self.labels >= 0).sum())
        tried = f"{min(self.silhouettes)} to {max(self.silhouettes)}"
        return (
            f"Task variance is the variance of a unit over trials of a task, averaged over time. {active} of "
            f"{len(self.labels)} units with more than {ACTIVE:g} of it in all tasks together were grouped by it, over "
            f"the largest of each unit, by k-means ({STARTS} starts; {tried} clusters tried, {self.n_clusters} kept)."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row a unit: `unit`, `cluster` (-1 for none) and the normalised variance in each task."""
        table = pd.DataFrame(self.normalised, columns=list(self.tasks))
        table.insert(0, "cluster", self.labels)
        return table.rename_axis("unit").reset_index()


def task_variance(
    network: Network, trials: Trials, *, by: str = "rule"
) -> tuple[Float[np.ndarray, "unit task"], tuple[str, ...]]:
    r"""Return how much each unit varies between the trials of each task.

    $$V_{ik} = \Bigl\langle \mathrm{Var}_{s}\, r_i(s, t) \Bigr\rangle_t$$

    over the trials $s$ of task $k$ that are under way at time $t$, averaged over the steps at which two or more are.
    Without noise. Trials of one task that differ in their times differ in activity for that reason, too.

    Args:
        network: the network.
        trials: trials of all tasks.
        by: the column of their conditions that names the task.

    Returns:
        Variances, and the names of the tasks in the order in which they first come in sorted.

    References:
        Yang et al. (2019), doi:10.1038/s41593-018-0310-2.
    """
    names = task_column("task_variance", trials, by)
    tasks = tuple(sorted(set(names.tolist())))
    start = None if trials.start is None else trials.start.to(network.readout)
    with torch.no_grad():
        sent = network(trials.inputs.to(network.readout), start=start).activity.double().cpu().numpy()
    assert trials.valid is not None
    there = trials.valid.cpu().numpy()
    columns = []
    for task in tasks:
        rows = names == task
        count = there[rows].sum(axis=0)[:, None]  # (time, 1)
        shown = sent[rows] * there[rows][..., None]
        mean = shown.sum(axis=0) / np.maximum(count, 1)
        squares = (((sent[rows] - mean) * there[rows][..., None]) ** 2).sum(axis=0) / np.maximum(count, 1)
        columns.append(squares[count[:, 0] > 1].mean(axis=0))
    return np.stack(columns, axis=1), tasks


def variance_clusters(
    variance: Float[np.ndarray, "unit task"],
    tasks: tuple[str, ...],
    *,
    most: int = 29,
    n_clusters: int = 0,
    seed: int = 0,
) -> VarianceClusters:
    """Group units by their normalised task variance: k-means, with the number of clusters of the best silhouette.

    Args:
        variance: from `task_variance`.
        tasks: their names.
        most: the largest number of clusters that is tried, from 2 on; never more than half of the active units.
        n_clusters: how many clusters there shall be, up to `most`, whatever the silhouette; the best where 0.
        seed: of the starts of k-means.

    Raises:
        ValueError: if fewer than 6 units are active.

    References:
        Yang et al. (2019), doi:10.1038/s41593-018-0310-2.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    active = np.flatnonzero(variance.sum(axis=1) > ACTIVE)
    if len(active) < 6:
        fix = "Train the network first; units that do not vary have no task."
        _check.fail("variance_clusters", "variance", f"above {ACTIVE:g} in 6 units", f"{len(active)} such units", fix)
    points = _normalised(variance[active])
    found, silhouettes = {}, {}
    for k in range(2, min(_check.count("variance_clusters", "most", most, least=2), len(active) // 2) + 1):
        found[k] = KMeans(k, n_init=STARTS, random_state=seed).fit_predict(points)  # type: ignore[arg-type]
        silhouettes[k] = float(silhouette_score(points, found[k]))
    if n_clusters and n_clusters not in found:
        _check.fail("variance_clusters", "n_clusters", f"0, or from 2 to {max(found)}", n_clusters)
    best = n_clusters or max(silhouettes, key=lambda k: silhouettes[k])
    centres = np.stack([points[found[best] == k].mean(axis=0) for k in range(best)])
    order = np.lexsort((-centres.max(axis=1), centres.argmax(axis=1)))
    rank = np.empty(best, dtype=int)
    rank[order] = np.arange(best)
    labels = np.full(len(variance), -1)
    labels[active] = rank[found[best]]
    return VarianceClusters(variance, tasks, labels, silhouettes)


def task_column(owner: str, trials: Trials, by: str) -> np.ndarray:
    """Return the name of the task of each trial, or refuse."""
    if by not in trials.conditions:
        columns = [str(name) for name in trials.conditions.columns]
        _check.fail(owner, "by", "a column of the trials' conditions", by, _check.near(by, columns))
    return trials.conditions[by].astype(str).to_numpy()


def _normalised(variance: np.ndarray) -> np.ndarray:
    most = variance.max(axis=1, keepdims=True)
    return np.where(variance.sum(axis=1, keepdims=True) > ACTIVE, variance / np.where(most > 0, most, 1.0), 0.0)
