"""A recording: activity on a clock, whoever produced it.

An animal, a rate network, a spiking network or a simulator: what they leave behind has one type, and nothing that
analyses a `Recording` asks which it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.binned import TICKS, averaged, counted, grid, inside, ticks
from neurornn.binned import Binned as Binned
from neurornn.errors import RecordingError


@dataclass(frozen=True, eq=False)
class Signal:
    """Something measured beside the units (position, speed, a stimulus), on its own sampling times.

    Args:
        times: sample times, increasing. Shape `(sample,)`, ms.
        values: the samples; NaN where nothing was measured. Shape `(sample, dimension)`, in `unit`.
        unit: the unit of measure of `values`, as text ("px", "cm", "rad", "Pa").

    Example:
        >>> import numpy as np
        >>> from neurornn import Signal
        >>> Signal(np.arange(3.0), np.arange(3.0)[:, None], unit="cm").at(np.array([0.5])).item()
        0.5
    """

    times: Float[np.ndarray, " sample"]
    values: Float[np.ndarray, "sample dimension"]
    unit: str = ""

    def __post_init__(self) -> None:
        if len(self.times) != len(self.values):
            got = f"{len(self.values)} values at {len(self.times)} times"
            _check.fail("Signal", "values", "one row for each time", got, error=RecordingError)
        if len(self.times) > 1 and np.any(np.diff(self.times) <= 0):
            where = int(np.argmax(np.diff(self.times) <= 0)) + 1
            got = f"a step back at sample {where}"
            _check.fail("Signal", "times", "increasing", got, "Sort the samples first.", error=RecordingError)

    def at(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time dimension"]:
        """Return the values at `times` (ms), linear between samples, NaN outside them and beside NaN samples."""
        if len(self.times) == 0:
            return np.full((len(times), self.values.shape[1]), np.nan)
        columns = [np.interp(times, self.times, column, left=np.nan, right=np.nan) for column in self.values.T]
        return np.stack(columns, axis=1) if columns else np.empty((len(times), 0))

    def between(self, start: float, stop: float) -> "Signal":
        """Return the samples in `[start, stop]`, ms."""
        keep = (self.times >= start) & (self.times <= stop)
        return replace(self, times=self.times[keep], values=self.values[keep])


def _interval(t_start: float, t_stop: float) -> pd.DataFrame:
    return pd.DataFrame({"start": [float(t_start)], "stop": [float(t_stop)]})


@dataclass(frozen=True, eq=False)
class Recording:
    """Activity of units on one clock, with what happened beside it.

    Units carry spikes, or a sampled activity, or both. Trials are stretches of the clock: those of a network are laid
    end to end, those of an animal lie where they happened. **NaN means not recorded; 0 means silent.**

    Args:
        t_start: where the clock starts, ms.
        t_stop: where it stops, ms.
        spikes: sorted spike times of each unit, ms; `None` where the source has no spikes.
        activity: sampled activity, NaN where a unit was not recorded. Shape `(time, unit)`; the sample `k` covers
            `[t_start + k*dt, t_start + (k+1)*dt)`. `None` where the source has only spikes.
        dt: sampling step of `activity`, ms.
        unit: unit of measure of `activity`, as text ("Hz", "mV", "" for a rate network).
        units: one row a unit, indexed by its id, with any columns. `t_start` and `t_stop` (ms) say when the unit was
            recorded and are filled with the clock's own where absent.
        trials: one row a trial, with `start` and `stop` (ms) and any condition columns. One trial, the whole clock,
            where absent.
        epochs: named stretches, with columns `name`, `start` and `stop` (ms).
        behaviour: signals measured beside the units, by name.
        observed: stretches in which a unit was recorded, by unit id, each `(interval, 2)` in ms, for units that were
            recorded in several pieces. A unit that is absent was recorded from its `t_start` to its `t_stop`.
        source: where this comes from: name, DOI, licence, seed ... Plain values only.

    Raises:
        RecordingError: if the parts contradict each other; the message names the unit and the value.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> two = Recording(0.0, 1000.0, spikes=[np.array([10.0, 500.0]), np.array([])])
        >>> two.binned(100.0).values.sum(axis=0)
        array([2., 0.])
    """

    t_start: float
    t_stop: float
    spikes: Sequence[Float[np.ndarray, " _spike"]] | None = None
    activity: Float[np.ndarray, "time unit"] | None = None
    dt: float | None = None
    unit: str = ""
    units: pd.DataFrame = field(default_factory=pd.DataFrame)
    trials: pd.DataFrame = field(default_factory=pd.DataFrame)
    epochs: pd.DataFrame = field(default_factory=pd.DataFrame)
    behaviour: Mapping[str, Signal] = field(default_factory=dict)
    observed: Mapping[object, Float[np.ndarray, "_interval 2"]] = field(default_factory=dict)
    source: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.t_start) and np.isfinite(self.t_stop) and self.t_stop > self.t_start):
            got = f"{self.t_start!r} to {self.t_stop!r} ms"
            _check.fail("Recording", "t_stop", "finite and after `t_start`", got, error=RecordingError)
        if self.spikes is None and self.activity is None:
            _check.fail("Recording", "spikes", "given, or `activity`", None, error=RecordingError)
        if self.activity is not None and np.ndim(self.activity) != 2:
            _check.fail("Recording", "activity", "of shape (time, unit)", self.activity, error=RecordingError)
        self._fill_units()
        self._fill_tables()
        self._check_observed()
        if self.spikes is not None:
            self._check_spikes()
        if self.activity is not None:
            self._check_activity()

    def _fill_units(self) -> None:
        n_units = len(self.spikes) if self.spikes is not None else np.asarray(self.activity).shape[1]
        units = self.units.copy() if len(self.units.index) else pd.DataFrame(index=pd.RangeIndex(n_units))
        if len(units) != n_units:
            got = f"{len(units)} rows for {n_units} units"
            _check.fail("Recording", "units", "one row for each unit", got, error=RecordingError)
        if not units.index.is_unique:
            twice = units.index[units.index.duplicated()].tolist()[0]
            _check.fail("Recording", "units", "indexed by distinct ids", f"{twice!r} twice", error=RecordingError)
        for column, value in (("t_start", self.t_start), ("t_stop", self.t_stop)):
            if column not in units:
                units[column] = float(value)
        object.__setattr__(self, "units", units.rename_axis("unit"))

    def _fill_tables(self) -> None:
        trials = self.trials if len(self.trials.columns) else _interval(self.t_start, self.t_stop)
        epochs = self.epochs if len(self.epochs.columns) else pd.DataFrame({"name": [], "start": [], "stop": []})
        for name, table in (("trials", trials), ("epochs", epochs)):
            missing = {"start", "stop"} - set(table.columns)
            if missing:
                got = f"columns {list(table.columns)}"
                _check.fail("Recording", name, "a table with `start` and `stop` (ms)", got, error=RecordingError)
            forwards = table["stop"].to_numpy(float) >= table["start"].to_numpy(float)
            if not forwards.all():
                got = f"row {int(np.argmin(forwards))} that stops before it starts"
                _check.fail("Recording", name, "stretches of time", got, error=RecordingError)
            object.__setattr__(self, name, table.reset_index(drop=True))

    def _check_observed(self) -> None:
        for unit, pieces in self.observed.items():
            if unit not in self.units.index:
                fix = "Index `units` with the same ids."
                _check.fail("Recording", "observed", "given by unit id", unit, fix, error=RecordingError)
            edges = np.asarray(pieces, dtype=float).reshape(-1)
            if np.ndim(pieces) != 2 or np.shape(pieces)[1] != 2 or not np.all(np.diff(edges) >= 0):
                must = "stretches (start, stop) in order, without overlap"
                got = f"{np.asarray(pieces).tolist()} for unit {unit!r}"
                _check.fail("Recording", "observed", must, got, "Merge them first.", error=RecordingError)

    def _check_spikes(self) -> None:
        assert self.spikes is not None
        spikes = tuple(np.asarray(train, dtype=np.float64) for train in self.spikes)
        for name, train in zip(self.units.index, spikes, strict=True):
            if not np.all(np.isfinite(train)):
                got = f"NaN or infinite times in unit {name!r}"
                _check.fail("Recording", "spikes", "finite", got, "Drop them before.", error=RecordingError)
            if np.any(np.diff(train) < 0):
                got = f"times of unit {name!r} that step back at spike {int(np.argmax(np.diff(train) < 0)) + 1}"
                _check.fail("Recording", "spikes", "sorted", got, "Sort them with numpy.sort.", error=RecordingError)
            if len(train) and (train[0] < self.t_start or train[-1] > self.t_stop):
                outside = int(np.sum((train < self.t_start) | (train > self.t_stop)))
                got = (
                    f"{outside} of {len(train)} spikes of unit {name!r} outside {self.t_start:g} to {self.t_stop:g} ms"
                )
                fix = "Check that spikes and clock share one unit of time and one origin."
                _check.fail("Recording", "spikes", "inside the session", got, fix, error=RecordingError)
        object.__setattr__(self, "spikes", spikes)

    def _check_activity(self) -> None:
        activity = np.asarray(self.activity)
        if self.dt is None:
            _check.fail("Recording", "dt", "given with `activity` (ms)", None, error=RecordingError)
        _check.positive("Recording", "dt", self.dt)
        if activity.shape[1] != self.n_units:
            must = f"of shape (time, {self.n_units})"
            _check.fail("Recording", "activity", must, activity, error=RecordingError)
        covered = len(activity) * self.dt
        if abs(covered - self.duration) > self.dt / 2:
            must = f"as long as the clock, {self.duration:g} ms"
            got = f"{len(activity)} samples of {self.dt:g} ms = {covered:g} ms"
            _check.fail("Recording", "activity", must, got, error=RecordingError)
        object.__setattr__(self, "activity", activity)

    @property
    def n_units(self) -> int:
        """How many units there are."""
        return len(self.units)

    @property
    def duration(self) -> float:
        """Length of the clock, ms."""
        return self.t_stop - self.t_start

    def __repr__(self) -> str:
        what = "spikes" if self.spikes is not None else f"activity every {self.dt:g} ms"
        if self.spikes is not None:
            what = f"{sum(map(len, self.spikes)):,} spikes"
        name = self.source.get("name", "unnamed")
        beside = f", {', '.join(self.behaviour)}" if self.behaviour else ""
        seconds = f"{self.duration / 1000:,.1f} s"
        return f"Recording({name}: {self.n_units} units, {what}, {seconds}, {len(self.trials)} trials{beside})"

    def frame(self) -> pd.DataFrame:
        """Return the unit table with each unit's number of spikes and mean rate (Hz) or mean activity."""
        table = self.units.copy()
        if self.spikes is not None:
            table["n_spikes"] = [len(train) for train in self.spikes]
            table["rate"] = self.rates()
        else:
            table["activity"] = np.nanmean(np.asarray(self.activity), axis=0)
        return table

    def intervals(self, unit: object) -> Float[np.ndarray, "interval 2"]:
        """Return the stretches (ms) in which `unit` was recorded. Shape `(interval, 2)`."""
        if unit in self.observed:
            return np.asarray(self.observed[unit], dtype=float).reshape(-1, 2)
        row = self.units.loc[unit]
        return np.array([[row["t_start"], row["t_stop"]]], dtype=float)

    def rates(self) -> Float[np.ndarray, " unit"]:
        """Return each unit's mean rate over the time it was recorded. Shape `(unit,)`, Hz; NaN if never recorded."""
        if self.spikes is None:
            _check.fail("Recording.rates", "spikes", "recorded", None, "Use `activity`.", error=RecordingError)
        seconds = np.array([np.diff(self.intervals(u), axis=1).sum() for u in self.units.index]) / 1000.0
        counts = np.array([len(train) for train in self.spikes], dtype=float)
        return np.divide(counts, seconds, out=np.full(self.n_units, np.nan), where=seconds > 0)

    def select(self, units: Iterable[object]) -> "Recording":
        """Return the recording of only these unit ids, in this order."""
        units = list(units)
        unknown = [u for u in units if u not in self.units.index]
        if unknown:
            ids = self.units.index.tolist()
            fix = f"The ids run from {ids[0]!r} to {ids[-1]!r}."
            _check.fail("Recording.select", "units", "ids of this recording", unknown[0], fix, error=RecordingError)
        place = self.units.index.get_indexer(pd.Index(units))
        return replace(
            self,
            spikes=None if self.spikes is None else [self.spikes[i] for i in place],
            activity=None if self.activity is None else self.activity[:, place],
            units=self.units.iloc[place],
            observed={u: self.observed[u] for u in units if u in self.observed},
        )

    def between(self, start: float, stop: float) -> "Recording":
        """Return the recording of `[start, stop]` (ms), on the same clock.

        Activity is cut at whole samples. Trials and epochs that reach outside are cut; those outside are dropped.

        Raises:
            RecordingError: if nothing of the recording lies in the stretch (missing is not silent).
        """
        if start >= self.t_stop or stop <= self.t_start or stop <= start:
            must = f"a stretch of {self.t_start:g} to {self.t_stop:g} ms"
            got = f"{start:g} to {stop:g} ms"
            fix = "What was not recorded is not silence, so it is not returned."
            _check.fail("Recording.between", "start, stop", must, got, fix, error=RecordingError)
        start, stop = max(start, self.t_start), min(stop, self.t_stop)
        activity = self.activity
        if activity is not None:
            assert self.dt is not None
            first = min(int(np.rint((start - self.t_start) / self.dt)), len(activity) - 1)
            last = max(first + 1, int(np.rint((stop - self.t_start) / self.dt)))
            activity = activity[first:last]
            start, stop = self.t_start + first * self.dt, self.t_start + last * self.dt
        units = self.units.assign(
            t_start=self.units["t_start"].clip(start, stop), t_stop=self.units["t_stop"].clip(start, stop)
        )
        observed = {}
        for unit, intervals in self.observed.items():
            cut = np.clip(intervals, start, stop)
            observed[unit] = cut[cut[:, 1] > cut[:, 0]]
        spikes = self.spikes
        if spikes is not None:
            spikes = [train[(train >= start) & (train <= stop)] for train in spikes]
        return replace(
            self,
            t_start=start,
            t_stop=stop,
            spikes=spikes,
            activity=activity,
            units=units,
            trials=_cut(self.trials, start, stop),
            epochs=_cut(self.epochs, start, stop),
            behaviour={name: signal.between(start, stop) for name, signal in self.behaviour.items()},
            observed=observed,
        )

    def with_trials(self, trials: pd.DataFrame) -> "Recording":
        """Return the same recording with other trials (`start` and `stop` in ms, and any condition columns)."""
        return replace(self, trials=trials)

    def binned(self, dt: float) -> Binned:
        """Return the recording in bins of `dt` ms that start anew at each trial.

        Edges lie at `start + k*dt`, rounded to whole nanoseconds. Every spike of a trial is counted exactly once or
        reported in `leftover`: counts are conserved for any bin width. Activity is averaged over the samples whose
        centre lies in the bin, so `dt` must be at least the sampling step.

        Args:
            dt: bin width, ms.

        Raises:
            RecordingError: if no whole bin fits into any trial, or `dt` is finer than the sampled activity.
        """
        _check.positive("Recording.binned", "dt", dt)
        starts, stops = self.trials["start"].to_numpy(float), self.trials["stop"].to_numpy(float)
        lower, upper, trial = grid(starts, stops, dt)
        if len(trial) == 0:
            must = f"shorter than a trial ({np.max(stops - starts, initial=0):g} ms)"
            _check.fail("Recording.binned", "dt", must, dt, error=RecordingError)
        if np.any(lower[1:] < upper[:-1]):
            fix = "Cut overlapping trials apart, or bin them one by one."
            got = f"a trial that starts before trial {trial[int(np.argmax(lower[1:] < upper[:-1]))]} stops"
            _check.fail("Recording.binned", "trials", "in order, without overlap", got, fix, error=RecordingError)
        times = (lower + upper) / 2 / TICKS
        if self.spikes is not None:
            values, leftover = counted(self.spikes, lower, upper)
        else:
            values, leftover = self._averaged(lower, upper, dt), np.zeros(self.n_units, dtype=np.int64)
        for i, unit in enumerate(self.units.index):
            outside = ~inside(lower, upper, ticks(self.intervals(unit)))
            if self.spikes is not None:
                leftover[i] += int(values[outside, i].sum())
            values[outside, i] = np.nan
        behaviour = {name: signal.at(times) for name, signal in self.behaviour.items()}
        return Binned(values, times, trial, float(dt), self.spikes is not None, leftover, behaviour)

    def _averaged(self, lower: np.ndarray, upper: np.ndarray, dt: float) -> np.ndarray:
        assert self.activity is not None and self.dt is not None
        if dt < self.dt * (1 - 1e-9):
            must = f"at least the sampling step, {self.dt:g} ms"
            _check.fail("Recording.binned", "dt", must, dt, error=RecordingError)
        centres = ticks(self.t_start + (np.arange(len(self.activity)) + 0.5) * self.dt)
        return averaged(self.activity, centres, lower, upper)


def _cut(table: pd.DataFrame, start: float, stop: float) -> pd.DataFrame:
    keep = (table["stop"] > start) & (table["start"] < stop)
    return table[keep].assign(start=table["start"].clip(start, stop), stop=table["stop"].clip(start, stop))
