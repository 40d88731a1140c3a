"""Model and brain in the same bins: what is compared, and what had to be left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from neurornn import _check
from neurornn.comparison.onto import Onto
from neurornn.comparison.regressors import Clock, Space
from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics.insilico import seen_counts
from neurornn.statistics.movement import movement

TENTHS = 10
"""Parts into which a trial is cut when conditions are averaged over repeats."""

Where = Callable[[Recording, float], Bool[np.ndarray, " bin"]] | Bool[np.ndarray, " bin"]
"""Which bins to analyse: one value for each bin, or something that says so for a recording and a bin width (ms)."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """Two recordings in the same bins, with what is known of each bin beside them.

    Args:
        model: activity of the model's units. Shape `(bin, source)`.
        brain: activity of the brain's units that were kept; spike counts if `counts`. Shape `(bin, target)`.
        times: bin centres. Shape `(bin,)`, ms.
        trial: trial of each bin. Shape `(bin,)`.
        dt: bin width, ms.
        counts: whether `brain` are spike counts.
        model_counts: whether `model` are.
        units: one row for each unit of the brain: `kept`, and why not.
        model_units: ids of the model's units that are kept (those that vary).
        space: position and direction and speed, and conditions by time in trial, as regressors; `None` where the brain
            has neither. Shape `(bin, regressor)`.
        clock: time as regressors. Shape `(bin, regressor)`.
        signals: what the behaviour's autocorrelation is measured on. Shape `(bin, signal)`.
        labels: the condition of each bin, for maps over repeats; -1 where there is none. Shape `(bin,)`.
        label_text: what the labels are, in words.
        keep: the analysed bins of the whole grid. Shape `(grid,)`.
        onto: the whole grid, and how other recordings are brought into it.
        apart: whether the model ran other trials than the brain, and stands in its bins by conditions.
    """

    model: Float[np.ndarray, "bin source"]
    brain: Float[np.ndarray, "bin target"]
    times: Float[np.ndarray, " bin"]
    trial: Int[np.ndarray, " bin"]
    dt: float
    counts: bool
    model_counts: bool
    units: pd.DataFrame
    model_units: pd.Index
    space: Float[np.ndarray, "bin regressor"] | None
    clock: Float[np.ndarray, "bin clock"]
    signals: Float[np.ndarray, "bin signal"]
    labels: Int[np.ndarray, " bin"]
    label_text: str
    keep: Bool[np.ndarray, " grid"]
    onto: Onto
    apart: bool

    def also(self, other: Recording, name: str) -> Float[np.ndarray, "bin unit"]:
        """Return the activity of another recording in the same bins, on the same clock or by conditions as the model.

        Raises:
            RecordingError: if it has other bins, NaN in those analysed, or sampled activity where the model has spikes.
        """
        whole, counts = self.onto.values(other, name)
        if counts != self.model_counts:
            kinds = {True: "spikes", False: "sampled activity"}
            must, got = f"{kinds[self.model_counts]}, as the model is", kinds[counts]
            _check.fail("compare", name, must, got, error=RecordingError)
        values = whole[self.keep]
        bad = int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
        if bad:
            fix = "It must cover the same trials as the model that it stands beside."
            got = f"NaN in {bad} of {len(values)}"
            _check.fail("compare", name, "recorded in every bin that is analysed", got, fix, error=RecordingError)
        return values

    def animal(self, other: Recording, name: str) -> Float[np.ndarray, "bin unit"]:
        """Return the activity of another animal in the same bins: the units that were recorded throughout and vary.

        Raises:
            RecordingError: if it has other bins, or no such unit.
        """
        values = self.onto.values(other, name)[0][self.keep]
        known = np.isfinite(values).all(axis=0)
        whole = known & (np.where(known, values, 0.0).std(axis=0) > 0)
        if not whole.any():
            must = "with a unit that was recorded throughout and varies"
            _check.fail("compare", name, must, f"{values.shape[1]} without", error=RecordingError)
        return values[:, whole]


def recorded_alike(
    data: Aligned, networks: dict[str, np.ndarray], animals: dict[str, np.ndarray], *, seed: int
) -> tuple[Aligned, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return model and networks as they would have been recorded: as many units as the brain, through as many spikes.

    Where the brain has no spikes, units are drawn and nothing else is done to them.

    Args:
        data: model and brain.
        networks: activity of other networks in the same bins. Shapes `(bin, unit)`.
        animals: activity of other animals: units are drawn from them, too.
        seed: of units, deal and spikes.
    """

    def seen(values: np.ndarray, k: int, counts: bool) -> tuple[np.ndarray, np.ndarray]:
        if data.counts:
            return seen_counts(values, data.brain, seed=seed + k, spikes=counts)
        varies = np.flatnonzero(values.std(axis=0) > 0)
        n = min(data.brain.shape[1], len(varies))
        chosen = np.sort(np.random.default_rng(seed + k).choice(varies, n, replace=False))
        return values[:, chosen], chosen

    model, chosen = seen(data.model, 0, data.model_counts)
    others = {name: seen(values, 1 + k, data.model_counts)[0] for k, (name, values) in enumerate(networks.items())}
    herd = {name: seen(values, 1 + k, data.counts)[0] for k, (name, values) in enumerate(animals.items())}
    counts = data.counts or data.model_counts
    return replace(data, model=model, model_units=data.model_units[chosen], model_counts=counts), others, herd


def aligned(
    model: Recording,
    brain: Recording,
    *,
    dt: float,
    behaviour: tuple[str, ...],
    space: Space,
    clock: Clock,
    where: Where | None,
    min_spikes: int,
    conditions: Sequence[str] = (),
) -> Aligned:
    """Return model and brain in the bins where both, and the behaviour, are known.

    Args:
        model: on the brain's clock, with its trials; or with trials of its own that have the `conditions`.
        brain: the recording.
        dt: bin width, ms.
        behaviour: names of position signals of the brain.
        space: makes regressors of them.
        clock: makes regressors of time.
        where: which bins to analyse; all where absent.
        min_spikes: units with fewer spikes in the analysed bins are set aside.
        conditions: columns of the brain's trials that tell conditions apart; a bin's label is then its condition and
            tenth of its trial. Where there are none: position and direction, if there is one position in one dimension.

    Raises:
        RecordingError: if the clocks differ, a signal is unknown, or no bin or no unit is left.
    """
    there = brain.binned(dt)
    onto = Onto.of(brain, there, conditions)
    here, model_counts = onto.values(model, "model")
    keep = np.isfinite(here).all(axis=1) & _wanted(where, brain, dt, len(there.times))
    moves = []
    for name in behaviour if brain.behaviour else ():
        if name not in brain.behaviour:
            must = "names of signals of the recording"
            _check.fail("compare", "behaviour", must, name, _check.near(name, brain.behaviour), error=RecordingError)
        move = movement(brain, position=name, dt=dt)
        place = np.full((len(there.times), 2, move.position.shape[1]), np.nan)
        place[np.isin(there.times, move.binned.times)] = np.stack([move.position, move.velocity], axis=1)
        keep &= np.isfinite(place).all(axis=(1, 2))
        moves.append(place)
    if not keep.any():
        fix = "Check that the model covers the trials, and `where`."
        _check.fail("compare", "model", "recorded where the brain is", "no bin in common", fix, error=RecordingError)
    units = _unit_table(brain, there.values[keep], there.counts, min_spikes)
    known = [(place[keep, 0], place[keep, 1]) for place in moves]
    since = there.times - brain.trials["start"].to_numpy(float)[there.trial]
    if conditions:
        labels, text = _conditions(onto, keep)
    else:
        labels, text = _places(known, int(keep.sum()), space.n_position), "position and direction"
    regressors = [space(*pair) for pair in known]
    if conditions:
        regressors.append((labels[:, None] == np.unique(labels)).astype(float))
    varies = here[keep].std(axis=0) > 0
    if not varies.any():
        _check.fail("compare", "model", "active", "no unit that varies", error=RecordingError)
    return Aligned(
        model=here[keep][:, varies],
        brain=there.values[keep][:, units["kept"].to_numpy(bool)],
        times=there.times[keep],
        trial=there.trial[keep],
        dt=dt,
        counts=there.counts,
        model_counts=model_counts,
        units=units,
        model_units=model.units.index[varies],
        space=np.concatenate(regressors, axis=1) if regressors else None,
        clock=clock(there.times[keep], since[keep], there.trial[keep]),
        signals=np.concatenate([place for place, _ in known], axis=1) if known else np.empty((int(keep.sum()), 0)),
        labels=labels,
        label_text=text if np.any(labels >= 0) else "",
        keep=keep,
        onto=onto,
        apart=onto.apart(model),
    )


def _wanted(where: Where | None, brain: Recording, dt: float, n_bins: int) -> np.ndarray:
    if where is None:
        return np.ones(n_bins, dtype=bool)
    mask = np.asarray(where(brain, dt) if callable(where) else where, dtype=bool)
    if mask.shape != (n_bins,):
        _check.fail("compare", "where", f"one value for each of {n_bins} bins", mask, "Make it from brain.binned(dt).")
    return mask


def _unit_table(brain: Recording, values: np.ndarray, counts: bool, min_spikes: int) -> pd.DataFrame:
    whole = np.isfinite(values).all(axis=0)
    varies = np.where(whole, np.ptp(np.where(np.isfinite(values), values, 0.0), axis=0) > 0, False)
    total = np.where(whole, np.sum(np.where(whole, values, 0.0), axis=0), np.nan)
    enough = total >= min_spikes if counts else varies
    few = f"fewer than {min_spikes} spikes" if counts else "constant"
    why = np.where(~whole, "not recorded throughout", np.where(enough & varies, "", few))
    if not np.any(why == ""):
        got = ", ".join(f"{n} {reason}" for reason, n in pd.Series(why).value_counts().items())
        fix = "Lower `min_spikes`, or analyse more bins."
        _check.fail("compare", "brain", "a recording with units to compare", got, fix, error=RecordingError)
    table = pd.DataFrame({"kept": why == "", "why_not": why}, index=brain.units.index)
    if counts:
        table["n_spikes"] = total
    return table


def _conditions(onto: Onto, keep: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the condition x tenth of the trial of each bin, and what that is in words."""
    code = onto.trials.groupby(list(onto.conditions), sort=True).ngroup().to_numpy()[onto.trial[keep]]
    tenth = np.clip((TENTHS * onto.share[keep]).astype(np.int64), 0, TENTHS - 1)
    labels = np.where(code >= 0, code * TENTHS + tenth, -1)
    return labels, f"{' x '.join(onto.conditions)} and tenth of the trial"


def _places(known: list[tuple[np.ndarray, np.ndarray]], n_bins: int, n_places: int) -> np.ndarray:
    """Return the position bin x direction of each bin, -1 throughout unless there is one position in one dimension."""
    if len(known) != 1 or known[0][0].shape[1] != 1:
        return np.full(n_bins, -1, dtype=np.int64)
    position, velocity = known[0][0][:, 0], known[0][1][:, 0]
    edges = np.linspace(position.min(), position.max(), n_places + 1)[1:-1]
    return (np.digitize(position, edges) + n_places * (velocity > 0)).astype(np.int64)
