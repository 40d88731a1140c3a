"""Trials in which an animal was stimulated, as the test of models that were fitted to all the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.comparison.ridge import ridge_weights
from neurornn.fit import ConstrainedFit, Fit, RateTrials
from neurornn.fit.lesioned import run_features
from neurornn.perturb.base import AbstractPerturbation, Units, unit_tuple, within
from neurornn.perturb.matching import matched_controls
from neurornn.perturb.schedule import AbstractWhen, Intervals, OnTrials
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

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        others = [str(one) for one in self.table["condition"] if one != "perturbed"]
        return {
            "split": "Trials with stimulation, none of which was seen in the fit.",
            "generalisation": "Stimulated trials are foreseen from a fit to the others.",
            "nulls": f"Of stimulated trials: the network {', '.join(others)}.",
            "interval": f"bootstrap of stimulated trials ({RESAMPLES} samples), of one network.",
        }

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
        stimulated: name of that column, or of epochs: a trial with such an epoch is a stimulated one. To perturb the
            network in these very windows, take `Intervals.from_recording(brain, stimulated)` as its schedule.
        bin: width of the bins, ms.
        seed: of noise, the untrained network, folds and bootstrap.

    Raises:
        ValueError: if no trial or every trial was stimulated, or a perturbation has no schedule.
    """
    hit = _hit(brain, stimulated)
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


def stimulated_rates(
    fit: ConstrainedFit,
    trials: RateTrials,
    when: Intervals,
    units: Units,
    perturbation: Callable[[Sequence[int], AbstractWhen], AbstractPerturbation],
    *,
    controls: int = 199,
    matched_on: Sequence[str] = ("n", "rate", "variance", "out_norm"),
    seed: int = 0,
) -> StimulationTest:
    """Predict trials with stimulation by a network that was fitted to rates in trials without it.

    The network runs by itself from the recorded rates of the first bin, and is perturbed in the windows in which the
    animal was. Beside it stand the same network without the perturbation, with as many other units perturbed (matched
    sets), and an untrained one.

    Args:
        fit: a data-constrained network, fitted to none of the stimulated trials.
        trials: all trials, or the stimulated ones, as `RateTrials.from_recording` makes them.
        when: when the stimulation held in them, such as `Intervals.from_recording(brain, "light")`.
        units: the units that were stimulated.
        perturbation: the like of the stimulation, made from units and a schedule: `lambda units, when: Current(units,
            2.0, when)`.
        controls: how many matched sets of other units; 0 for none.
        matched_on: what they are matched in; see `matched_controls`.
        seed: of controls, the untrained network and the bootstrap.

    Raises:
        ValueError: if no trial was stimulated, or `when` is of other trials.

    References:
        After the tests of fitted networks on optogenetic trials that no fit has seen.
    """
    if when.n_trials != trials.n_trials:
        _check.fail("stimulated_rates", "when", f"of the {trials.n_trials} trials", f"{when.n_trials} trials")
    if not len(when.held):
        _check.fail("stimulated_rates", "when", "with a window in some trial", "none")
    chosen = tuple(sorted(unit_tuple("stimulated_rates", units)))
    within("stimulated_rates", chosen, fit.network.n_units)
    lit = trials.select(when.held)
    held = when.select(when.held).later(-trials.dt)  # the first bin is told, the first step makes the second
    sets = [chosen]
    if controls:
        features = run_features(fit, lit)
        sets += matched_controls(features, chosen, n_sets=controls, matched_on=matched_on, seed=seed).sets.tolist()
    fresh = replace(fit, network=fit.untrained(seed))
    said = {
        "perturbed": [fit.predict(lit, perturb=[perturbation(chosen, held)])],
        "not perturbed": [fit.predict(lit)],
        "other units perturbed": [fit.predict(lit, perturb=[perturbation(one, held)]) for one in sets[1:]],
        "untrained, perturbed": [fresh.predict(lit, perturb=[perturbation(chosen, held)])],
    }
    seen, known = lit.rates[:, 1:], np.isfinite(lit.rates[:, 1:])

    def left(one: np.ndarray) -> np.ndarray:
        return np.where(known, (seen - one) ** 2, 0.0).sum(axis=1)  # (trial, unit)

    whole = left(np.broadcast_to(fit.null, seen.shape))
    errors = {name: np.mean([left(one[:, 1:]) for one in each], axis=0) for name, each in said.items() if each}
    quiet = fit.score(fit.held_out) if fit.trials is not None and len(fit.held_out) else None
    rng = np.random.default_rng(seed)
    picked = rng.integers(lit.n_trials, size=(RESAMPLES, lit.n_trials))
    rows = []
    for name, error in errors.items():
        gain = (errors["not perturbed"] - error).sum(axis=1)
        low, high = np.quantile(gain[picked].sum(axis=1) / whole.sum(axis=1)[picked].sum(axis=1), [0.025, 0.975])
        without = np.nan if quiet is None or name.startswith("untrained") else quiet.pvar
        explained = float(1 - error.sum() / whole.sum())
        rows.append({"condition": name, "explained": explained, "without": without, "low": low, "high": high})
    neurons = {name: 1 - error.sum(axis=0) / whole.sum(axis=0) for name, error in errors.items()}
    methods = (
        f"{fit.methods} Scored on {lit.n_trials} stimulated trials, free-running from their first bin, as 1 - residual "
        f"/ variance about the training mean, over all neurons; perturbation of {len(chosen)} units in the windows of "
        f"the recording; other units: mean over {len(sets) - 1} matched sets; interval: bootstrap of stimulated trials "
        f"({RESAMPLES} samples) of the gain over the network that is not perturbed."
    )
    return StimulationTest(pd.DataFrame(rows), pd.DataFrame(neurons, index=fit.units), methods)


def _hit(brain: Recording, stimulated: str) -> np.ndarray:
    """Return which trials were stimulated, by a column of the trials or by named epochs."""
    if stimulated in brain.trials:
        return brain.trials[stimulated].to_numpy(dtype=bool)
    epochs = sorted(set(brain.epochs["name"].astype(str))) if len(brain.epochs) else []
    if stimulated not in epochs:
        fix = _check.near(stimulated, [*(str(name) for name in brain.trials.columns), *epochs])
        must = "a column of the recording's trials, or the name of epochs"
        _check.fail("stimulation_test", "stimulated", must, stimulated, fix)
    hit = np.zeros(len(brain.trials), dtype=bool)
    hit[Intervals.from_recording(brain, stimulated).held] = True
    return hit


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
