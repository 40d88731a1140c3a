"""Trials in which an animal was stimulated, as the test of a model that was fitted to all the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.comparison.ridge import ridge_weights
from neurornn.fit import Fit
from neurornn.perturb.base import AbstractPerturbation
from neurornn.perturb.schedule import AbstractWhen, OnTrials
from neurornn.recording import Recording

PENALTIES = tuple(10.0**power for power in range(-3, 6))
"""Of the ridge regression, among which held-out trials choose."""

FOLDS = 4
"""Of the trials without stimulation, by which the penalty is chosen."""

RESAMPLES = 1000
"""Bootstrap samples of the stimulated trials."""


@dataclass(frozen=True, eq=False)
class StimulationTest:
    """How well neurons in stimulated trials are predicted from what was fitted to the others.

    Args:
        table: one row a condition: `condition`, `explained` (share of the neurons' variance about their training mean
            that is explained in stimulated trials, over all neurons), `without` (the same in held-out trials without
            stimulation), `low` and `high` (95 % of a bootstrap of stimulated trials, of `explained` less that of the
            network without the perturbation).
        neurons: explained variance of each neuron in stimulated trials, by condition.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    neurons: pd.DataFrame
    methods: str
    references: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Return one row a condition."""
        return self.table

    def explained(self, condition: str) -> float:
        """Return the share of variance that is explained under `condition` in stimulated trials."""
        known = dict(zip(self.table["condition"].tolist(), self.table["explained"].tolist(), strict=True))
        if condition not in known:
            _check.fail("StimulationTest", "condition", "of the test", condition, _check.near(condition, known))
        return float(known[condition])


def stimulation_test(
    fit: Fit,
    brain: Recording,
    perturb: Sequence[AbstractPerturbation],
    *,
    stimulated: str = "stimulated",
    bin: float = 50.0,
    seed: int = 0,
) -> StimulationTest:
    """Fit a network's units to neurons in trials without stimulation, and predict those with it.

    The network is driven through the animal's own trials, and perturbed in those in which the animal was. A ridge
    regression from its units to the neurons knows only the other trials. Beside it stand the same network without the
    perturbation (all that is predicted without a model of the stimulation) and an untrained one with it. A network that
    is right for the right reasons predicts what the stimulation does, which no trial of its fit has shown.

    Args:
        fit: a network whose task can follow the animal (`task.follow`).
        brain: the recording, with a column of its trials that says which were stimulated.
        perturb: the like of the stimulation in the network, such as `Current(units, 2.0, Epoch("delay"))`.
        stimulated: name of that column.
        bin: width of the bins, ms.
        seed: of noise, the untrained network, folds and bootstrap.

    Raises:
        ValueError: if no trial or every trial was stimulated, or a perturbation has no schedule.
    """
    if stimulated not in brain.trials:
        fix = _check.near(stimulated, [str(name) for name in brain.trials.columns])
        _check.fail("stimulation_test", "stimulated", "a column of the recording's trials", stimulated, fix)
    hit = brain.trials[stimulated].to_numpy(dtype=bool)
    if hit.all() or (~hit).sum() < FOLDS:
        must = f"such that {FOLDS} trials or more are without it"
        _check.fail("stimulation_test", "stimulated", must, f"{int((~hit).sum())} of {len(hit)} without")
    if not hit.any():
        _check.fail("stimulation_test", "stimulated", "true in some trials", "none of them")
    acts = [_only(one, np.flatnonzero(hit)) for one in perturb]
    target = brain.binned(bin)
    fresh = fit.untrained(seed)
    models = {
        "perturbed": fit.record(brain, seed=seed, perturb=acts),
        "not perturbed": fit.record(brain, seed=seed),
        "untrained, perturbed": fresh.record(brain, seed=seed, perturb=acts),
    }
    sources = {name: model.binned(bin).values for name, model in models.items()}
    known = np.isfinite(target.values).all(axis=1)
    for source in sources.values():
        known &= np.isfinite(source).all(axis=1)
    rows = known & ~hit[target.trial], known & hit[target.trial]
    rng = np.random.default_rng(seed)
    trials = np.flatnonzero(hit)
    errors, table, neurons = {}, [], {}
    y, mean = target.values, target.values[rows[0]].mean(axis=0)
    total = ((y - mean) ** 2).sum(axis=1)
    for name, x in sources.items():
        spread = x[rows[0]].std(axis=0)
        scaled = x / np.where(spread > 0, spread, 1.0)
        penalty, without = _chosen(scaled[rows[0]], y[rows[0]], target.trial[rows[0]], seed)
        weights, shift = ridge_weights(scaled[rows[0]], y[rows[0]], penalty)
        left = (y - scaled @ weights - shift) ** 2
        errors[name] = left.sum(axis=1)
        neurons[name] = 1 - left[rows[1]].sum(axis=0) / ((y - mean) ** 2)[rows[1]].sum(axis=0)
        table.append({"condition": name, "explained": _explained(errors[name], total, rows[1]), "without": without})
    per_trial = {
        name: np.array([one[rows[1] & (target.trial == k)].sum() for k in trials]) for name, one in errors.items()
    }
    whole = np.array([total[rows[1] & (target.trial == k)].sum() for k in trials])
    picked = rng.integers(len(trials), size=(RESAMPLES, len(trials)))
    for row in table:
        gain = per_trial["not perturbed"] - per_trial[row["condition"]]
        row["low"], row["high"] = np.quantile(gain[picked].sum(axis=1) / whole[picked].sum(axis=1), [0.025, 0.975])
    methods = (
        f"Ridge regression from {fit.network.n_units} units to {y.shape[1]} neurons in bins of {bin:g} ms of "
        f"{int((~hit).sum())} trials without stimulation (penalty by {FOLDS} folds of these trials); scored on "
        f"{int(hit.sum())} stimulated trials as 1 - residual / variance about the training mean, over all neurons; "
        f"interval: bootstrap of stimulated trials ({RESAMPLES} samples)."
    )
    ids = brain.units.index if len(brain.units.index) == y.shape[1] else range(y.shape[1])
    return StimulationTest(pd.DataFrame(table), pd.DataFrame(neurons, index=ids), methods)


def _only(one: AbstractPerturbation, trials: np.ndarray) -> AbstractPerturbation:
    """Return a perturbation that holds in these trials only."""
    when = getattr(one, "when", None)
    if not isinstance(when, AbstractWhen):
        fix = "Take one that can hold in some trials alone: Silence, Current, Cut, Retune or the like."
        _check.fail("stimulation_test", "perturb", "of perturbations with a schedule", type(one).__name__, fix)
    return replace(one, when=OnTrials(trials.tolist(), when))  # type: ignore[call-arg, type-var]


def _explained(errors: np.ndarray, total: np.ndarray, rows: np.ndarray) -> float:
    return float(1 - errors[rows].sum() / total[rows].sum())


def _chosen(x: np.ndarray, y: np.ndarray, trial: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the penalty that predicts left-out trials best, and how much it explains there."""
    trials = np.random.default_rng(seed).permutation(np.unique(trial))
    fold = {one: k % FOLDS for k, one in enumerate(trials.tolist())}
    of = np.array([fold[one] for one in trial.tolist()])
    best = (PENALTIES[0], -np.inf)
    for penalty in PENALTIES:
        left, whole = 0.0, 0.0
        for k in range(FOLDS):
            weights, shift = ridge_weights(x[of != k], y[of != k], penalty)
            left += float(((y[of == k] - x[of == k] @ weights - shift) ** 2).sum())
            whole += float(((y[of == k] - y[of != k].mean(axis=0)) ** 2).sum())
        if 1 - left / whole > best[1]:
            best = (penalty, 1 - left / whole)
    return best
