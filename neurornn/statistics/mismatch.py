"""How much more units answer to what is rare: mismatch, and what of it is prediction error, what repetition."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording


@dataclass(frozen=True, eq=False)
class Mismatch:
    r"""Responses of each unit to stimuli in their roles, and the indices made of them.

    With the mean responses $D$ to deviants, $S$ to standards and $C$ to controls, each the mean over stimuli, and
    $N = \sqrt{D^2 + S^2 + C^2}$:

    - `index` $= (D - S) / (D + S)$: the common index of stimulus-specific adaptation where every stimulus takes both
      roles; NaN where both are 0 or their sum is negative;
    - `prediction_error` $= (D - C) / N$ and `repetition_suppression` $= (C - S) / N$, whose sum is `mismatch`; NaN
      without controls.

    Args:
        table: one row a unit: `deviant`, `standard`, `control` (Hz, or the unit of the activity), the indices, and
            `p` and `p_error`, two-sided, of the index and of the prediction error under shuffled roles.
        null: `index` of every unit under shuffled roles. Shape `(shuffle, unit)`.
        numbers: how many trials each role has.
        methods: how this was made.
        references: DOIs.
    """

    table: pd.DataFrame
    null: Float[np.ndarray, "shuffle unit"]
    numbers: Mapping[str, int]
    methods: str
    references: tuple[str, ...] = ("10.1038/nn1032", "10.1038/s41467-017-02038-6", "10.2202/1544-6115.1585")

    def frame(self) -> pd.DataFrame:
        """Return one row a unit."""
        return self.table

    def population(self) -> pd.Series:
        """Return the indices of the summed response of all units that were recorded throughout."""
        sums = self.table[["deviant", "standard", "control"]].dropna(how="all", axis=1).dropna().sum()
        d, s, c = (np.array([sums.get(name, np.nan)]) for name in ("deviant", "standard", "control"))
        return pd.Series({name: float(value[0]) for name, value in _indices(d, s, c).items()})


def mismatch(
    recording: Recording,
    role: str = "role",
    *,
    deviant: object = "deviant",
    standard: object = "standard",
    control: object | None = None,
    stimulus: str = "",
    event: str = "",
    window: tuple[float, float] | None = None,
    baseline: tuple[float, float] | None = None,
    n_shuffles: int = 999,
    seed: int = 0,
) -> Mismatch:
    """Return how much more each unit of a recording answers to deviants than to standards.

    Args:
        recording: with one trial a stimulus and a column that says what it was.
        role: that column.
        deviant: its value for what is rare. Any two roles can be compared: left against right, say.
        standard: its value for what is common.
        control: its value for the same stimuli among many that are as rare; none where absent.
        stimulus: the column that tells stimuli apart. Responses are then averaged within each stimulus first, over
            those that have every role, and roles are shuffled within them: what units prefer does not enter.
        event: the column that says when the stimulus came, ms on the clock; the start of the trial where empty.
        window: what counts as response, ms after the event; up to the end of the shortest trial where absent.
        baseline: what is taken off the response of the same trial, ms after the event (negative before it).
        n_shuffles: shuffles of the roles for the null.
        seed: of the shuffles.

    Returns:
        Responses and indices. A unit that was not recorded in a window has no response to that trial.

    Raises:
        RecordingError: if a column is missing, or a role has no trial.

    Example:
        >>> import numpy as np, pandas as pd
        >>> from neurornn import Recording, mismatch
        >>> rows = {"start": [0.0, 100.0, 200.0, 300.0], "stop": [100.0, 200.0, 300.0, 400.0]}
        >>> rows["role"] = ["standard", "deviant", "standard", "standard"]
        >>> spikes = [np.array([10.0, 110.0, 120.0, 130.0, 210.0, 310.0])]
        >>> one = Recording(0.0, 400.0, spikes=spikes, trials=pd.DataFrame(rows))
        >>> mismatch(one, n_shuffles=0).frame()["index"].tolist()
        [0.5]

    References:
        N. Ulanovsky, L. Las and I. Nelken (2003), doi:10.1038/nn1032; G. G. Parras et al. (2017),
        doi:10.1038/s41467-017-02038-6. Null: Phipson & Smyth (2010), doi:10.2202/1544-6115.1585.
    """
    _check.count("mismatch", "n_shuffles", n_shuffles, least=0)
    trials = recording.trials
    for name in (role, stimulus, event):
        if name and name not in trials:
            fix = _check.near(name, [str(column) for column in trials.columns])
            _check.fail(
                "mismatch", name, "a column of the trials", f"columns {list(trials.columns)}", fix, error=RecordingError
            )
    asked = {"deviant": deviant, "standard": standard} | ({} if control is None else {"control": control})
    values = trials[role].to_numpy()
    kinds = [str(trials[stimulus].iloc[i]) if stimulus else "" for i in range(len(trials))]
    groups = pd.factorize(np.array(kinds))[0]
    masks = {name: values == value for name, value in asked.items()}
    common = [g for g in np.unique(groups) if all((masks[name] & (groups == g)).any() for name in masks)]
    if not common:
        counts = {name: int(mask.sum()) for name, mask in masks.items()}
        told = f"{counts} trials" + (f", no `{stimulus}` in every role" if stimulus and all(counts.values()) else "")
        fix = f"The column holds {sorted(set(map(str, values)))[:8]}."
        _check.fail(
            "mismatch", role, f"with trials of every role in {list(asked.values())}", told, fix, error=RecordingError
        )
    used = np.isin(groups, common) & np.logical_or.reduce(list(masks.values()))
    answers = _responses(recording, event, window, baseline)[used]
    groups = groups[used]
    codes = np.select([masks[name][used] for name in asked], list(range(len(asked))))
    found = _indices(*_means(answers, codes, groups, len(asked)))
    rng = np.random.default_rng(seed)
    nulls = [_indices(*_means(answers, _shuffled(codes, groups, rng), groups, len(asked))) for _ in range(n_shuffles)]
    columns = dict(zip(("deviant", "standard", "control"), _means(answers, codes, groups, len(asked)), strict=True))
    columns |= found
    for name, p in (("index", "p"), ("prediction_error", "p_error")):
        columns[p] = _p(found[name], np.array([one[name] for one in nulls]))
    table = pd.DataFrame(columns, index=recording.units.index)
    null = np.array([one["index"] for one in nulls]).reshape(n_shuffles, recording.n_units)
    numbers = {name: int((codes == code).sum()) for code, name in enumerate(asked)}
    where = "the whole trial" if window is None else f"{window[0]:g} to {window[1]:g} ms after `{event or 'start'}`"
    methods = (
        f"Mean response in {where}{', less its baseline' if baseline else ''}; {numbers} trials. "
        f"{f'Mean over {len(common)} stimuli that have every role. ' if stimulus else ''}"
        f"p: two-sided, {n_shuffles} shuffles of the roles{' within each stimulus' if stimulus else ''}."
    )
    return Mismatch(table, null, numbers, methods)


def _responses(
    recording: Recording, event: str, window: tuple[float, float] | None, baseline: tuple[float, float] | None
) -> Float[np.ndarray, "trial unit"]:
    """Return the mean response of each unit to each trial, NaN where it was not recorded."""
    trials = recording.trials
    times = trials[event or "start"].to_numpy(float)
    shortest = float((trials["stop"].to_numpy(float) - times).min())
    answers = _in(recording, times, window if window is not None else (0.0, shortest), "window")
    return answers - _in(recording, times, baseline, "baseline") if baseline is not None else answers


def _in(recording: Recording, times: np.ndarray, window: tuple[float, float], name: str) -> np.ndarray:
    start, stop = window
    if not stop > start:
        _check.fail("mismatch", name, "(start, stop) in ms, in this order", window)
    order = np.argsort(times, kind="stable")
    table = pd.DataFrame({"start": times[order] + start, "stop": times[order] + stop})
    binned = recording.with_trials(table).binned(stop - start)
    answers = np.full((len(times), recording.n_units), np.nan)
    answers[order[binned.trial]] = binned.rates
    return answers


def _means(
    answers: np.ndarray, codes: np.ndarray, groups: np.ndarray, n_roles: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the response to each role: the mean over trials within each stimulus, then over stimuli."""
    known = np.isfinite(answers)
    kinds = np.unique(groups)
    cells = np.searchsorted(kinds, groups) * n_roles + codes
    member = (cells == np.arange(len(kinds) * n_roles)[:, None]).astype(float)  # (stimulus and role, trial)
    number = member @ known
    sums = member @ np.where(known, answers, 0.0)
    each = np.divide(sums, number, out=np.full_like(sums, np.nan), where=number > 0).reshape(len(kinds), n_roles, -1)
    whole = each.mean(axis=0)
    d, s = whole[:2]
    return d, s, whole[2] if n_roles == 3 else np.full_like(d, np.nan)


def _indices(d: np.ndarray, s: np.ndarray, c: np.ndarray) -> dict[str, np.ndarray]:
    nothing = np.full_like(d, np.nan)
    size = np.sqrt(d**2 + s**2 + c**2)
    return {
        "index": np.divide(d - s, d + s, out=nothing.copy(), where=d + s > 0),
        "mismatch": np.divide(d - s, size, out=nothing.copy(), where=size > 0),
        "prediction_error": np.divide(d - c, size, out=nothing.copy(), where=size > 0),
        "repetition_suppression": np.divide(c - s, size, out=nothing.copy(), where=size > 0),
    }


def _shuffled(
    codes: np.ndarray, groups: np.ndarray, rng: np.random.Generator
) -> Bool[np.ndarray, " trial"] | np.ndarray:
    """Return the roles in another order within each stimulus."""
    mixed = rng.permutation(len(codes))
    mixed = mixed[np.argsort(groups[mixed], kind="stable")]
    whole = np.empty_like(codes)
    whole[np.argsort(groups, kind="stable")] = codes[mixed]
    return whole


def _p(found: np.ndarray, null: np.ndarray) -> np.ndarray:
    if not len(null):
        return np.full_like(found, np.nan)
    beyond = (np.abs(null) >= np.abs(found) - 1e-12).sum(axis=0)
    return np.where(np.isfinite(found), (1 + beyond) / (1 + len(null)), np.nan)
