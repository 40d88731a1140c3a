"""A lesion experiment: the effect of a lesion, paired on the same trials and noise, against matched random controls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurornn import _check
from neurornn._types import generator
from neurornn.kernel import Noise
from neurornn.network import Network, Perturbs
from neurornn.perturb.base import AbstractPerturbation, Stack, Units, unit_tuple, within
from neurornn.perturb.lesion import Silence
from neurornn.perturb.matching import Controls, check_controls, matched_controls, unit_features
from neurornn.perturb.schedule import Always
from neurornn.perturb.table import LesionTable
from neurornn.task.base import AbstractTask
from neurornn.trials import Trials

DOSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0)
"""Fractions of the units that are lesioned at random for the dose-response curve."""

MEMORY = 400e6
"""Bytes that the tensors of one batched rollout may take together."""

CACHE = 2.5e5
"""Bytes of one step of a batched rollout that still stay in a processor's cache; beyond, steps wait for memory."""

TOGETHER = 32
"""Lesions in one call of a kernel: more are hardly faster (benchmarks/lesions.py)."""


@runtime_checkable
class Fitted(Protocol):
    """A network with the task that it was trained on."""

    @property
    def network(self) -> Network:
        """The network."""
        ...

    @property
    def task(self) -> AbstractTask:
        """The task."""
        ...


def lesion(
    fit: Fitted,
    units: Units,
    *,
    perturbation: Callable[[Sequence[int]], AbstractPerturbation] = Silence,
    controls: int = 999,
    matched_on: Sequence[str] = ("n", "rate", "out_norm"),
    overlap: bool = False,
    doses: Sequence[float] = DOSES,
    draws: int = 20,
    trials: int | Trials = 256,
    seed: int = 0,
    chunk: int | None = None,
) -> LesionTable:
    r"""Lesion units and weigh the effect against lesions of as many other units that look like them.

    Intact run, lesion, controls and doses all see the same trials and the same noise numbers. The effect is the mean
    over trials of the paired difference of the score. With $R$ control sets and `harm` the effect turned so that worse
    is larger,

    $$p = \frac{1 + \#\{\text{harm}_{control} \ge \text{harm}_{lesion}\}}{R + 1}, \qquad
      z = \frac{\text{harm}_{lesion} - \overline{\text{harm}}_{control}}{\text{sd}(\text{harm}_{control})}$$

    A small effect does not say that units take no part: redundant networks compensate. The replicate of a claim about a
    kind of network is the trained network; repeat this over seeds.

    Args:
        fit: a network with its task; the network is not changed.
        units: the units to lesion.
        perturbation: what is done to them: makes a perturbation from units, such as `Silence`, `Cut`, or
            `lambda units: Silence(units, when=Epoch("delay"))`. Epochs are looked up in the trials.
        controls: how many control sets; 0 for none (then there is no p), or 199 and above.
        matched_on: what the controls match the lesioned units in: "n" (their number, always), "rate", "variance",
            "out_norm", "in_norm", "sign". See `matched_controls` and `unit_features`.
        overlap: whether a lesion of more than half of the units is held against random ones of the whole network.
        doses: fractions of all units that are lesioned at random, each in [0, 1], rounded to whole units; none for no
            dose-response curve.
        draws: how many random sets for each dose (one for none and for all of the units).
        trials: how many trials to draw, or the very trials.
        seed: of trials, noise, controls, doses and the bootstrap.
        chunk: how many lesions run in one batched rollout; as many as is fastest in bounded memory where absent.

    Returns:
        The table of effects.

    Raises:
        ValueError: if units are unknown, no controls can be drawn, or a score is not finite.

    References:
        Yang et al. (2019), doi:10.1038/s41593-018-0310-2; Phipson & Smyth (2010), doi:10.2202/1544-6115.1585.
    """
    chosen = tuple(sorted(unit_tuple("lesion", units)))
    within("lesion", chosen, fit.network.n_units)
    _check_sizes(controls, doses, draws, chunk)
    network, task = fit.network, fit.task
    given = (
        trials
        if isinstance(trials, Trials)
        else task.sample(_check.count("lesion", "trials", trials), generator=generator(seed))
    )
    with torch.no_grad():
        given = given.to(network.device)
        noise = shared_noise(network, given, seed + 1)
        features = None
        if controls and chosen:
            intact = network(given.inputs.to(network.readout), start=like_network(given.start, network), noise=noise)
            features = unit_features(network, intact, given.mask.cpu().numpy())

    def scored(members: Sequence[AbstractPerturbation]) -> np.ndarray:
        timed = [one.during(given) for one in members]
        return paired_scores(network, task, given, timed, noise=noise, chunk=chunk)

    told = {"score_name": task.score_name, "higher_is_better": task.higher_is_better}
    asked = {"controls": controls, "matched_on": matched_on, "overlap": overlap, "doses": doses, "draws": draws}
    return weigh(scored, chosen, network.n_units, features, perturbation=perturbation, seed=seed, **told, **asked)


def weigh(
    scored: Callable[[Sequence[AbstractPerturbation]], np.ndarray],
    units: Units,
    n_units: int,
    features: pd.DataFrame | None = None,
    *,
    perturbation: Callable[[Sequence[int]], AbstractPerturbation] = Silence,
    controls: int = 999,
    matched_on: Sequence[str] = ("n", "rate", "out_norm"),
    overlap: bool = False,
    doses: Sequence[float] = (),
    draws: int = 20,
    score_name: str = "score",
    higher_is_better: bool = True,
    seed: int = 0,
) -> LesionTable:
    """Weigh a lesion of anything that can be scored under a perturbation, as `lesion` does for a network and its task.

    Args:
        scored: takes perturbations and returns scores `(perturbation, part)`, of the same trials or blocks of held-out
            data for each; the score is the mean over parts.
        units: the units to lesion.
        n_units: how many units there are.
        features: one row a unit, what controls are matched in; they match in number alone where absent.
        perturbation: what is done to the units, made from them.
        controls: how many control sets; 0 for none, or 199 and above.
        matched_on: columns of `features`.
        overlap: whether a lesion of more than half of the units is held against random ones of all units.
        doses: fractions of all units that are lesioned at random.
        draws: how many random sets for each dose.
        score_name: what the score measures, with its unit.
        higher_is_better: whether a larger score is better.
        seed: of controls, doses and the bootstrap.

    Example:
        >>> import numpy as np
        >>> from neurornn.perturb import weigh
        >>> worth = np.array([1.0, *np.zeros(29)])
        >>> def scored(members):
        ...     return np.array([[1 - worth[list(one.units)].sum()] for one in members])
        >>> weigh(scored, [0], 30).effect
        -1.0
    """
    chosen = tuple(sorted(unit_tuple("weigh", units)))
    within("weigh", chosen, n_units)
    _check_sizes(controls, doses, draws, None)
    matched, known = Controls.none(chosen), features if features is not None else pd.DataFrame(index=range(n_units))
    if controls and chosen:
        names = matched_on if features is not None else ("n",)
        matched = matched_controls(known, chosen, n_sets=controls, matched_on=names, overlap=overlap, seed=seed)
    dosed = dose_sets(n_units, doses, draws, seed)
    sets: list[Sequence[int]] = [(), chosen, *matched.sets.tolist(), *dosed["units"]]
    place = {one: k for k, one in enumerate(dict.fromkeys(tuple(one) for one in sets))}
    # The same units are run once: rows of one batched product may round apart in their last bit.
    each = scored([perturbation(one) for one in place])
    scores = each[[place[tuple(one)] for one in sets]]
    n_controls = len(matched.sets)
    return LesionTable(
        score_name=score_name,
        higher_is_better=higher_is_better,
        perturbation=named(perturbation(chosen)),
        units=chosen,
        n_units=n_units,
        intact=scores[0],
        lesion=scores[1],
        controls=matched,
        control_scores=scores[2 : 2 + n_controls].mean(axis=1),
        doses=dosed.assign(score=scores[2 + n_controls :].mean(axis=1)),
        seed=seed,
    )


def paired_scores(
    network: Network,
    task: AbstractTask,
    trials: Trials,
    members: Sequence[Perturbs],
    *,
    noise: Tensor | Noise | None = None,
    chunk: int | None = None,
) -> np.ndarray:
    """Return the score of every trial under each perturbation, on the same trials and the same noise.

    Args:
        network: the network, which is not changed.
        task: what scores the outputs.
        trials: the trials.
        members: the perturbations.
        noise: the very noise numbers, from `shared_noise`; none where absent.
        chunk: how many run in one batched rollout.

    Returns:
        Scores. Shape `(perturbation, trial)`.
    """
    measures = {"score": lambda task, trials, outputs: task.score(trials, outputs)}
    whole = paired_measures(network, task, trials, members, measures, noise=noise, chunk=chunk)["score"]
    bad = int(np.count_nonzero(~np.isfinite(whole)))
    if bad:
        fix = "The network may have diverged under the lesion, or a trial has nothing to score."
        _check.fail("lesion", "score", "finite for every trial", f"{bad} of {whole.size} scores NaN or infinite", fix)
    return whole


def paired_measures(
    network: Network,
    task: AbstractTask,
    trials: Trials,
    members: Sequence[Perturbs],
    measures: Mapping[str, Callable[[AbstractTask, Trials, Tensor], Tensor]],
    *,
    noise: Tensor | Noise | None = None,
    chunk: int | None = None,
) -> dict[str, np.ndarray]:
    """Return what several measures read from every trial under each perturbation, on the same trials and noise.

    Args:
        network: the network, which is not changed.
        task: what the measures are handed.
        trials: the trials.
        members: the perturbations.
        measures: by name; see `LesionExperiment`.
        noise: the very noise numbers, from `shared_noise`; none where absent.
        chunk: how many run in one batched rollout.

    Returns:
        One array a measure. Shapes `(perturbation, trial)`.
    """
    inputs, start = trials.inputs.to(network.readout), like_network(trials.start, network)
    size = chunk if chunk is not None else chunk_size(network, trials, members[-1] if members else None)
    found: dict[str, list[np.ndarray]] = {name: [] for name in measures}
    with torch.no_grad():
        for first in range(0, len(members), size):
            stack = Stack(members[first : first + size])
            outputs = network.answers(inputs, start=start, noise=noise, perturb=[stack])
            for name, measure in measures.items():
                found[name].append(measure(task, trials, outputs).double().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def shared_noise(network: Network, trials: Trials, seed: int) -> Tensor | Noise | None:
    """Return noise that several runs of `trials` can share, `None` for a network without noise."""
    return network.draw_noise(trials.n_trials, trials.n_steps, generator(seed))


def chunk_size(network: Network, trials: Trials, member: Perturbs | None = None) -> int:
    """Return how many lesions like `member` to run side by side: as many as is fastest, in bounded memory.

    A kernel takes them trial by trial through all steps and keeps outputs alone, so that many share one packing of the
    weights. The loop takes them step by step, and a step must stay in the cache.
    """
    step = trials.n_trials * network.n_units * network.readout.element_size()
    # Kept steps, their stack, the outputs, and gains that may differ from trial to trial and step to step.
    whole = 4 * step * trials.n_steps + network.readout.element_size() * network.n_units**2
    act = None if member is None else member.intervention(network, trials.n_trials, trials.n_steps)
    if act is not None and not act.live and not act.n_stack and network.cell.runs_whole():
        return max(1, int(min(TOGETHER, 2 * MEMORY / whole)))
    return max(1, int(min(CACHE / step, MEMORY / whole)))


def dose_sets(n_units: int, doses: Sequence[float], draws: int, seed: int) -> pd.DataFrame:
    """Return random sets of units for each dose: columns `dose`, `draw`, `n_units` and `units`.

    Doses are rounded to whole units, and `dose` is the fraction that came out.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for n in sorted({round(dose * n_units) for dose in doses}):
        for draw in range(draws if 0 < n < n_units else 1):
            units = tuple(int(u) for u in np.sort(rng.choice(n_units, size=n, replace=False)))
            rows.append({"dose": n / n_units, "draw": draw, "n_units": n, "units": units})
    return pd.DataFrame(rows, columns=["dose", "draw", "n_units", "units"])


def _check_sizes(controls: int, doses: Sequence[float], draws: int, chunk: int | None) -> None:
    check_controls("lesion", controls)
    for dose in doses:
        _check.fraction("lesion", "doses", dose, "A dose is a fraction of the units.")
    _check.count("lesion", "draws", draws)
    if chunk is not None:
        _check.count("lesion", "chunk", chunk)


def like_network(start: Tensor | None, network: Network) -> Tensor | None:
    """Return where trials start in the numbers of the network."""
    return None if start is None else start.to(network.readout)


def named(one: Perturbs) -> str:
    """Return the name of a perturbation, with what it holds besides its units."""
    when = getattr(one, "when", None)
    return type(one).__name__ if when is None or when == Always() else f"{type(one).__name__}, {when!r}"
