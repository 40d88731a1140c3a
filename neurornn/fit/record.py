"""What a network did, as a recording: its trials laid end to end, or each where an animal's trial lay."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from neurornn import _check
from neurornn.errors import FitError
from neurornn.recording import Recording, Signal, ticks
from neurornn.trials import Trials


def end_to_end(activity: Float[Tensor, "trial time unit"], trials: Trials, source: dict[str, object]) -> Recording:
    """Return the activity of trials laid end to end, from 0 ms, without their padding.

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
        activity=_flat(activity, lengths),
        dt=dt,
        trials=table,
        epochs=_epochs(trials, starts, lengths),
        behaviour={name: Signal(times, _flat(values, lengths)) for name, values in trials.behaviour.items()},
        source=source,
    )


def on_clock(
    activity: Float[Tensor, "trial time unit"], trials: Trials, brain: Recording, source: dict[str, object]
) -> Recording:
    """Return the activity on the clock of `brain`, sampled every `trials.dt` ms, NaN between its trials.

    Each sample takes the step in which its middle lies, so that bins of `dt` ms hold exactly the steps of the trial.
    Trials, epochs and behaviour are those of the animal.

    Raises:
        FitError: if `trials` are not one for each trial of `brain`.
    """
    if trials.n_trials != len(brain.trials):
        must = f"one trial for each of the {len(brain.trials)} of the recording"
        _check.fail("Fit.record", "task.follow", must, trials.n_trials, error=FitError)
    dt, lengths = trials.dt, _lengths(trials)
    values = np.asarray(activity.detach().cpu(), dtype=np.float64)
    n_samples = max(round(brain.duration / dt), 1)
    whole = np.full((n_samples, values.shape[2]), np.nan)
    middles = ticks(brain.t_start + (np.arange(n_samples) + 0.5) * dt)
    starts, stops = ticks(brain.trials["start"].to_numpy(float)), ticks(brain.trials["stop"].to_numpy(float))
    width = int(ticks(dt))
    for trial, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        first, last = np.searchsorted(middles, [start, stop])
        step = (middles[first:last] - start) // width
        inside = step < lengths[trial]
        whole[first:last][inside] = values[trial, step[inside]]
    return Recording(
        t_start=brain.t_start,
        # Whole samples reach as far as the clock, to within half of one.
        t_stop=brain.t_stop,
        activity=whole,
        dt=dt,
        trials=brain.trials,
        epochs=brain.epochs,
        behaviour=brain.behaviour,
        source=source,
    )


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
