"""Which task needs which units: lesions of groups of units, scored task by task, against matched random groups."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from neurornn import _check
from neurornn._types import generator
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.clusters import task_column
from neurornn.perturb.experiment import Fitted, like_network, named, paired_scores, shared_noise
from neurornn.perturb.lesion import Silence
from neurornn.perturb.matching import LEAST, matched_controls, unit_features
from neurornn.perturb.matrix_table import LesionMatrix
from neurornn.trials import Trials


def lesion_matrix(
    fit: Fitted,
    groups: Mapping[str, Units],
    *,
    by: str = "rule",
    perturbation: Callable[[Sequence[int]], AbstractPerturbation] = Silence,
    controls: int = 999,
    matched_on: Sequence[str] = ("n", "rate", "variance", "out_norm"),
    overlap: bool = False,
    trials: int | Trials = 256,
    seed: int = 0,
    chunk: int | None = None,
) -> LesionMatrix:
    """Lesion each group of units, and as many matched random groups, and score every task under each lesion.

    All runs see the same trials and the same noise. `LesionMatrix` says how a dissociation is tested.

    Args:
        fit: a network with its task.
        groups: the units of each group, by its name: two groups or more.
        by: the column of the trials' conditions that names the task of a trial.
        perturbation: what is done to the units, made from them.
        controls: how many matched groups for each, 199 and above.
        matched_on: what they are matched in; see `matched_controls`.
        overlap: whether a group of more than half of the units is held against random groups of the whole network.
        trials: how many trials to draw over all tasks, or the very trials.
        seed: of trials, noise and controls.
        chunk: how many lesions run in one batched rollout.

    Returns:
        Scores of each group and control in each task.

    Raises:
        ValueError: if there are fewer than two groups or tasks, or a group has more than half of the units without
            `overlap`.

    Example:
        >>> def who_needs_what(fit, clusters):
        ...     return lesion_matrix(fit, clusters.groups, trials=128).dissociations()

    References:
        Yang et al. (2019), doi:10.1038/s41593-018-0310-2.
    """
    network, task = fit.network, fit.task
    chosen = {name: tuple(sorted(unit_tuple("lesion_matrix", units))) for name, units in groups.items()}
    if len(chosen) < 2:
        _check.fail(
            "lesion_matrix", "groups", "two or more", f"{len(chosen)} group", "For one group there is `lesion`."
        )
    for name, units in chosen.items():
        within("lesion_matrix", units, network.n_units)
        if not units:
            _check.fail("lesion_matrix", f"groups[{name!r}]", "one unit or more", "none")
    _check.count("lesion_matrix", "controls", controls, f"With {LEAST}, the smallest p is 0.005.", least=LEAST)
    given = trials if isinstance(trials, Trials) else task.sample(trials, generator=generator(seed))
    names = task_column("lesion_matrix", given, by)
    tasks = tuple(dict.fromkeys(sorted(names.tolist())))
    if len(tasks) < 2:
        _check.fail("lesion_matrix", "by", "a column with two tasks or more", f"{len(tasks)} task in {by!r}")
    with torch.no_grad():
        given = given.to(network.device)
        noise = shared_noise(network, given, seed + 1)
        start = like_network(given.start, network)
        intact = network(given.inputs.to(network.readout), start=start, noise=noise)
        features = unit_features(network, intact, given.mask.cpu().numpy())
    matched = {
        name: matched_controls(
            features, units, n_sets=controls, matched_on=matched_on, overlap=overlap, seed=seed + place
        )
        for place, (name, units) in enumerate(chosen.items())
    }
    sets: list[tuple[int, ...]] = [(), *chosen.values()]
    sets += [tuple(one) for each in matched.values() for one in each.sets.tolist()]
    distinct = {one: k for k, one in enumerate(dict.fromkeys(sets))}
    members = [perturbation(one).during(given) for one in distinct]
    each = paired_scores(network, task, given, members, noise=noise, chunk=chunk)
    rows = [names == one for one in tasks]
    means = np.stack([each[:, row].mean(axis=1) for row in rows], axis=1)[[distinct[one] for one in sets]]
    own, rest = 1 + len(chosen), [len(each.sets) for each in matched.values()]
    by_group = np.split(means[own:], np.cumsum(rest)[:-1])
    return LesionMatrix(
        score_name=task.score_name,
        higher_is_better=task.higher_is_better,
        perturbation=named(perturbation(next(iter(chosen.values())))),
        groups=chosen,
        tasks=tasks,
        trials=tuple(int(row.sum()) for row in rows),
        intact=means[0],
        scores=means[1:own],
        controls=tuple(matched.values()),
        control_scores=tuple(by_group),
        n_units=network.n_units,
    )
