"""What a network did, as a recording: its trials laid end to end, or each where an animal's trial lay."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.errors import FitError
from neurornn.network import Perturbs
from neurornn.perturb.base import AbstractPerturbation, Stack
from neurornn.perturb.windows import windows
from neurornn.recording import Recording, Signal, ticks
from neurornn.trials import Trials


def end_to_end(
    activity: Float[Tensor, "trial time unit"],
    trials: Trials,
    source: dict[str, object],
    *,
    spikes: Float[Tensor, "trial time unit"] | None = None,
    voltages: Float[Tensor, "trial time unit"] | None = None,
) -> Recording:
    """Return what units did in trials laid end to end, from 0 ms, without their padding.

    Behaviour lies at the middle of each step, where the sample of the activity does. Conditions go into the table of
    trials, epochs into that of epochs.
    """
    lengths = _lengths(trials)
    dt = trials.dt
    stops = np.cumsum(lengths) * dt
    starts = stops - lengths * dt
    # An animal's trials keep where they lay on its own clock; here they lie elsewhere.
    conditions = trials.conditions.drop(columns=["start", "stop"], errors="ignore").reset_index(drop=True)
    table = pd.concat([pd.DataFrame({"start": starts, "stop": stops}), conditions], axis=1)
    times = (np.arange(int(lengths.sum())) + 0.5) * dt
    return Recording(
        t_start=0.0,
        t_stop=float(stops[-1]),
        **_units(activity, voltages, dt, lambda values: _flat(values, lengths), _trains(spikes, dt, lengths, starts)),
        # A state starts anew with each trial: no interval between spikes runs from one into the next.
        observed=_observed(spikes, starts, stops),
        trials=table,
        epochs=_epochs(trials, starts, lengths),
        behaviour={name: Signal(times, _flat(values, lengths)) for name, values in trials.behaviour.items()},
        source=source,
    )


def on_clock(
    activity: Float[Tensor, "trial time unit"],
    trials: Trials,
    brain: Recording,
    source: dict[str, object],
    *,
    spikes: Float[Tensor, "trial time unit"] | None = None,
    voltages: Float[Tensor, "trial time unit"] | None = None,
) -> Recording:
    """Return what units did on the clock of `brain`: sampled every `trials.dt` ms, NaN between its trials.

    Spikes come with the stretches in which they were observed: the trials. Each sample takes the step in which its
    middle lies, so that bins of `dt` ms hold exactly the steps of the trial. Trials,
    epochs and behaviour are those of the animal.

    Raises:
        FitError: if `trials` are not one for each trial of `brain`.
    """
    if trials.n_trials != len(brain.trials):
        must = f"one trial for each of the {len(brain.trials)} of the recording"
        _check.fail("Fit.record", "task.follow", must, trials.n_trials, error=FitError)
    dt, lengths = trials.dt, _lengths(trials)
    n_samples = max(round(brain.duration / dt), 1)
    middles = ticks(brain.t_start + (np.arange(n_samples) + 0.5) * dt)
    starts, stops = ticks(brain.trials["start"].to_numpy(float)), ticks(brain.trials["stop"].to_numpy(float))
    width = int(ticks(dt))

    def laid(values: Tensor) -> np.ndarray:
        array = np.asarray(values.detach().cpu(), dtype=np.float64)
        whole = np.full((n_samples, array.shape[2]), np.nan)
        for trial, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            first, last = np.searchsorted(middles, [start, stop])
            step = (middles[first:last] - start) // width
            inside = step < lengths[trial]
            whole[first:last][inside] = array[trial, step[inside]]
        return whole

    begun, ended = (brain.trials[edge].to_numpy(float) for edge in ("start", "stop"))
    ended = np.minimum(ended, begun + lengths * dt)
    return Recording(
        t_start=brain.t_start,
        # Whole samples reach as far as the clock, to within half of one.
        t_stop=brain.t_stop,
        **_units(activity, voltages, dt, laid, _trains(spikes, dt, lengths, begun, ended)),
        trials=brain.trials,
        epochs=brain.epochs,
        behaviour=brain.behaviour,
        observed=_observed(spikes, begun, ended),
        source=source,
    )


def placed(perturb: Sequence[Perturbs], trials: Trials) -> list[Perturbs]:
    """Return perturbations with the epochs that they name looked up in `trials`."""
    return [one.during(trials) if isinstance(one, AbstractPerturbation | Stack) else one for one in perturb]


def stimulated(record: Recording, perturb: Sequence[Perturbs], trials: Trials) -> Recording:
    """Return a network's recording with the intervals in which perturbations held among its epochs."""
    held = windows(perturb, trials.n_trials, trials.n_steps, trials.dt)
    if held.empty:
        return record
    of = held["trial"].to_numpy(dtype=int)
    starts, stops = (record.trials[edge].to_numpy(float)[of] for edge in ("start", "stop"))
    begins = starts + held["start"].to_numpy(float)
    table = pd.DataFrame({"name": held["name"], "start": begins, "stop": starts + held["stop"].to_numpy(float)})
    table["stop"] = np.minimum(table["stop"].to_numpy(float), stops)  # padding belongs to no trial
    table = table[table["stop"] > table["start"]]
    both = pd.concat([record.epochs, table]) if len(record.epochs) else table
    return replace(record, epochs=both.sort_values("start", kind="stable", ignore_index=True))


def _observed(spikes: Tensor | None, starts: np.ndarray, stops: np.ndarray) -> dict[object, np.ndarray]:
    """Return the stretches in which each spiking unit was seen: the trials."""
    seen = np.stack([starts, stops], axis=1)
    return {} if spikes is None else dict.fromkeys(range(spikes.shape[2]), seen)


def _units(
    activity: Tensor,
    voltages: Tensor | None,
    dt: float,
    laid: Callable[[Tensor], np.ndarray],
    trains: list[np.ndarray] | None,
) -> dict[str, Any]:
    """Return what a recording holds of the units: activity, or spikes and perhaps potentials."""
    if trains is None:
        return {"activity": laid(activity), "dt": dt}
    if voltages is None:
        return {"spikes": trains}
    return {"spikes": trains, "activity": laid(voltages), "dt": dt, "unit": "mV"}


def _trains(
    spikes: Tensor | None, dt: float, lengths: np.ndarray, starts: np.ndarray, stops: np.ndarray | None = None
) -> list[np.ndarray] | None:
    """Return the spike times of each unit, at the middle of their steps; `None` of rate units."""
    if spikes is None:
        return None
    fired = (spikes.detach().cpu() != 0).numpy() & (np.arange(spikes.shape[1]) < lengths[:, None])[..., None]
    unit, trial, step = np.nonzero(np.moveaxis(fired, 2, 0))
    times = starts[trial] + (step + 0.5) * dt
    if stops is not None:
        kept = times < stops[trial]
        unit, times = unit[kept], times[kept]
    return np.split(times, np.searchsorted(unit, np.arange(1, fired.shape[2])))


def _lengths(trials: Trials) -> np.ndarray:
    """Return the steps of each trial, without padding."""
    assert trials.valid is not None
    valid = trials.valid.cpu().numpy()
    lengths = valid.sum(axis=1)
    if not np.array_equal(valid, np.arange(trials.n_steps) < lengths[:, None]):
        _check.fail(
            "Fit.record", "trials.valid", "padding only at the end of trials", "padding before steps", error=FitError
        )
    return lengths


def _flat(values: Tensor, lengths: np.ndarray) -> np.ndarray:
    array = np.asarray(values.detach().cpu(), dtype=np.float64)
    return np.concatenate([trial[:length] for trial, length in zip(array, lengths, strict=True)])


def _epochs(trials: Trials, starts: np.ndarray, lengths: np.ndarray) -> pd.DataFrame:
    rows = []
    for name, steps in trials.epochs.items():
        edges = np.minimum(steps.cpu().numpy(), lengths[:, None]) * trials.dt + starts[:, None]
        rows.append(pd.DataFrame({"name": name, "start": edges[:, 0], "stop": edges[:, 1]}))
    return pd.concat(rows).sort_values("start", kind="stable") if rows else pd.DataFrame()
