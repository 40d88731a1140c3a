"""Task variables read from a population trial by trial, and whether what is learnt in one context holds in another."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics.folds import blocked_folds

FINE = 10.0
"""Bins that a window is made of, ms: a window's ends lie within half of one of what is asked."""


@dataclass(frozen=True, eq=False)
class ConditionDecoding:
    """How often a linear decoder tells a task variable, at matched numbers of units and trials.

    Args:
        table: one row a draw of units and trials: `accuracy` (balanced over classes), `chance` (labels exchanged among
            trials), and `generalisation` (learnt in some contexts and tested in the others; NaN without contexts).
        variable: the column of the trials.
        n_units: units in each draw.
        n_trials: trials of each class (and context) in each draw.
        methods: how this was made.
        across: the context; none where empty.
        references: DOIs.
    """

    table: pd.DataFrame
    variable: str
    n_units: int
    n_trials: int
    methods: str
    across: str = ""
    references: tuple[str, ...] = ("10.1016/j.cell.2020.09.031",)

    def frame(self) -> pd.DataFrame:
        """Return one row a draw."""
        return self.table

    @property
    def accuracy(self) -> float:
        """Mean balanced accuracy on held-out trials."""
        return float(np.mean(self.table["accuracy"].to_numpy(float)))

    @property
    def generalisation(self) -> float:
        """Mean accuracy in contexts that were not learnt from; NaN without contexts."""
        return float(np.mean(self.table["generalisation"].to_numpy(float)))

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        known = {
            "nulls": f"Of decoding {self.variable}: labels exchanged among trials.",
            "matched": f"Decoding {self.variable}: {self.n_units} units, {self.n_trials} trials of each class, a draw.",
        }
        if self.across:
            known["generalisation"] = (
                f"Decoding {self.variable}: learnt in all {self.across} but one and tested in it, balanced accuracy "
                f"{self.generalisation:.2f} ({self.accuracy:.2f} within, {self.table['chance'].mean():.2f} by chance)."
            )
        return known


def decode_conditions(
    recording: Recording,
    variable: str,
    *,
    across: str = "",
    window: tuple[float, float] | None = None,
    n_units: int = 0,
    n_trials: int = 0,
    n_draws: int = 10,
    n_folds: int = 4,
    penalty: float = 1.0,
    seed: int = 0,
) -> ConditionDecoding:
    """Decode a task variable from each trial's mean activity, and ask whether the decoder holds across contexts.

    Logistic regression on standardised activity, tested on contiguous blocks of trials. Accuracy grows with the number
    of units, of trials and of spikes: give networks and animals the same `n_units` and `n_trials`, and record networks
    in silico first (`in_silico`). Cross-condition generalisation learns in all contexts of `across` but one and tests
    in that one: high where a variable is laid out in the same direction in every context, at chance where contexts are
    mixed with it, however well each can be decoded by itself.

    Args:
        recording: with trials that have the columns `variable` (two classes or more) and `across`.
        variable: what is decoded.
        across: the context; none where empty.
        window: start and stop since the start of the trial, ms; all of it where absent.
        n_units: units in each draw; all where 0.
        n_trials: trials of each class (within each context) in each draw; as many as the rarest has where 0.
        n_draws: draws of units and trials.
        n_folds: blocks of trials.
        penalty: of the weights, the inverse of scikit-learn's `C`.
        seed: of the draws.

    Raises:
        RecordingError: if a column is missing, or there are too few units or trials.

    Example:
        >>> import numpy as np, pandas as pd
        >>> from neurornn import Recording
        >>> from neurornn.statistics import decode_conditions
        >>> side = np.arange(40) % 2
        >>> trials = pd.DataFrame({"start": 100.0 * np.arange(40), "stop": 100.0 * np.arange(1, 41), "side": side})
        >>> activity = np.repeat(side, 10)[:, None] + np.random.default_rng(0).normal(size=(400, 5))
        >>> decode_conditions(Recording(0.0, 4000.0, activity=activity, dt=10.0, trials=trials), "side").accuracy > 0.9
        True

    References:
        Bernardi et al. (2020), Cell 183:954, doi:10.1016/j.cell.2020.09.031.
    """
    owner = "decode_conditions"
    for name, value in (("n_units", n_units), ("n_trials", n_trials)):
        _check.count(owner, name, value, least=0)
    _check.count(owner, "n_draws", n_draws)
    _check.positive(owner, "penalty", penalty)
    for name, column in (("variable", variable), ("across", across)):
        if column not in recording.trials.columns and (name == "variable" or column):
            fix = _check.near(column, recording.trials.columns)
            _check.fail(owner, name, "a column of the trials", column, fix, error=RecordingError)
    values, kept = _means(recording, window)
    label, classes = pd.factorize(recording.trials[variable].to_numpy()[kept], sort=True)
    context = pd.factorize(recording.trials[across].to_numpy()[kept], sort=True)[0] if across else np.zeros(len(kept))
    group = label + len(classes) * context.astype(np.int64)
    sizes = np.bincount(group, minlength=len(classes) * (int(context.max()) + 1))
    n_trials = n_trials or int(sizes.min())
    if len(classes) < 2 or n_trials < n_folds or sizes.min() < n_trials:
        must = f"of two classes with {max(n_trials, n_folds)} trials or more each, in every context"
        _check.fail(owner, "recording", must, sizes.tolist(), "Group classes or contexts.", error=RecordingError)
    n_units = n_units or values.shape[1]
    if values.shape[1] < n_units:
        got = f"{values.shape[1]} units that vary"
        _check.fail(owner, "n_units", f"at most {values.shape[1]}", n_units, f"There are {got}.", error=RecordingError)
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n_draws):
        units = rng.choice(values.shape[1], n_units, replace=False)
        drawn = [rng.choice(np.flatnonzero(group == g), n_trials, replace=False) for g in range(len(sizes))]
        trials = np.sort(np.concatenate(drawn))
        x, y, c = values[trials][:, units], label[trials], context[trials]
        mixed = rng.permutation(y)
        rows.append(
            {
                "accuracy": _held_out(x, y, n_folds, penalty),
                "chance": _held_out(x, mixed, n_folds, penalty),
                "generalisation": _across(x, y, c, penalty) if across else float("nan"),
            }
        )
    span = "whole trials" if window is None else f"{window[0]:g} to {window[1]:g} ms of each trial"
    methods = (
        f"Logistic regression of {variable} ({len(classes)} classes) from mean activity over {span}: {n_units} units "
        f"and {n_trials} trials of each class{f' and {across}' if across else ''}, {n_draws} draws, {n_folds} "
        f"contiguous blocks of trials; balanced accuracy. Chance: labels exchanged among trials."
        + (f" Generalisation: learnt in all {across} but one, tested in it." if across else "")
    )
    return ConditionDecoding(pd.DataFrame(rows), variable, n_units, n_trials, methods, across)


def _means(recording: Recording, window: tuple[float, float] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return each trial's mean rate or activity in the window, of units that vary; and the trials that have one."""
    length = (recording.trials["stop"] - recording.trials["start"]).to_numpy(float)
    low, high = (0.0, float(length.min())) if window is None else window
    if not 0.0 <= low < high <= length.min() + 1e-9:
        must = f"(start, stop) in ms, within the shortest trial, {length.min():g} ms"
        _check.fail("decode_conditions", "window", must, window)
    step = 0.0 if recording.spikes is not None else float(recording.dt or 0.0)
    binned = recording.binned(min(max(FINE, step), high - low))
    since = binned.times - recording.trials["start"].to_numpy(float)[binned.trial]
    inside = (since >= low) & (since < high) & np.isfinite(binned.values).all(axis=1)
    kept, place = np.unique(binned.trial[inside], return_inverse=True)
    total = np.zeros((len(kept), binned.values.shape[1]))
    np.add.at(total, place, binned.rates[inside])
    means = total / np.bincount(place)[:, None]
    return means[:, means.std(axis=0) > 0], kept


def _held_out(x: Float[np.ndarray, "trial unit"], y: Int[np.ndarray, " trial"], n_folds: int, penalty: float) -> float:
    said = np.empty_like(y)
    for train, test in blocked_folds(np.arange(len(y), dtype=float), n_folds):
        said[test] = _said(x[train], y[train], x[test], penalty)
    return _balanced(y, said)


def _across(x: np.ndarray, y: np.ndarray, context: np.ndarray, penalty: float) -> float:
    found = [
        _balanced(y[context == c], _said(x[context != c], y[context != c], x[context == c], penalty))
        for c in np.unique(context)
    ]
    return float(np.mean(found)) if len(found) > 1 else float("nan")


def _said(x: np.ndarray, y: np.ndarray, new: np.ndarray, penalty: float) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    middle, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    if len(np.unique(y)) < 2:
        return np.full(len(new), y[0])
    model = LogisticRegression(C=1.0 / penalty, class_weight="balanced", max_iter=2000)
    return model.fit((x - middle) / spread, y).predict((new - middle) / spread)


def _balanced(y: np.ndarray, said: np.ndarray) -> float:
    return float(np.mean([np.mean(said[y == k] == k) for k in np.unique(y)]))
