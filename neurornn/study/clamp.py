"""Current clamp as a fit needs it: sweeps side by side around their step, and what each did there."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording

OWNER = "clamp_sweeps"


@dataclass(frozen=True, eq=False)
class Clamp:
    """Sweeps of one neuron under current clamp, on one grid that starts shortly before the step.

    Args:
        current: injected. Shape `(sweep, time)`, pA.
        potential: of the membrane. Shape `(sweep, time)`, mV.
        spikes: times of each sweep's spikes, from the start of the grid, ms.
        steps: level of each step, pA.
        onset: of the step on the grid, ms.
        offset: of the step on the grid, ms.
        dt: step of the grid, ms.
    """

    current: Float[np.ndarray, "sweep time"]
    potential: Float[np.ndarray, "sweep time"]
    spikes: tuple[np.ndarray, ...]
    steps: Float[np.ndarray, " sweep"]
    onset: float
    offset: float
    dt: float

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def duration(self) -> float:
        """Length of the grid, ms."""
        return self.current.shape[1] * self.dt

    def rates(self) -> Float[np.ndarray, " sweep"]:
        """Return the rate of each sweep during its step, Hz."""
        inside = [np.sum((train >= self.onset) & (train < self.offset)) for train in self.spikes]
        return np.array(inside, dtype=float) * 1000.0 / (self.offset - self.onset)

    def only(self, sweeps: np.ndarray) -> "Clamp":
        """Return these sweeps, by place."""
        return replace(
            self,
            current=self.current[sweeps],
            potential=self.potential[sweeps],
            spikes=tuple(self.spikes[i] for i in sweeps),
            steps=self.steps[sweeps],
        )

    def halves(self) -> tuple["Clamp", "Clamp"]:
        """Return the sweeps to fit, every second in order of their current with both ends, and those held out."""
        order = np.argsort(self.steps, kind="stable")
        return self.only(order[::2]), self.only(order[1::2])


def clamp_sweeps(recording: Recording, *, dt: float = 0.1, before: float = 20.0, after: float = 30.0) -> Clamp:
    """Return the sweeps of a current-clamp recording around their step, averaged into steps of `dt`.

    Args:
        recording: of one neuron in mV, with the behaviour `current` (pA) and trials that have the columns `step`,
            `step_start` and `step_stop`, as `load_recording("current_clamp_regular")` gives.
        dt: step of the grid, ms: a multiple of the sampling step.
        before: what is kept before the step, ms.
        after: what is kept after it, ms.

    Raises:
        RecordingError: if it is not such a recording; the message says what is missing.
    """
    if recording.activity is None or recording.unit != "mV" or recording.spikes is None or recording.n_units != 1:
        _check.fail(OWNER, "recording", "of one neuron's potential in mV, with spikes", recording, error=RecordingError)
    missing = {"step", "step_start", "step_stop"} - set(recording.trials.columns)
    if missing or "current" not in recording.behaviour:
        got = f"no {', '.join(sorted(missing) or ['current'])}"
        fix = "Read it with the reader 'current_clamp'."
        _check.fail(OWNER, "recording", "with a current and its steps as trials", got, fix, error=RecordingError)
    assert recording.dt is not None
    fold = dt / recording.dt
    if round(fold) < 1 or abs(fold - round(fold)) > 1e-6:
        must = f"a multiple of the sampling step, {recording.dt:g} ms"
        _check.fail(OWNER, "dt", must, dt, error=RecordingError)
    columns = [recording.trials[name].to_numpy(float) for name in ("start", "stop", "step_start", "step_stop", "step")]
    sweeps = [sweep for sweep in np.stack(columns, axis=1) if np.isfinite(sweep[-1])]
    if len(sweeps) < 4:
        _check.fail(OWNER, "trials", "four sweeps with a step, or more", len(sweeps), error=RecordingError)
    cuts = [_cut(recording, sweep, round(fold), before, after) for sweep in sweeps]
    length = float(sweeps[0][3] - sweeps[0][2])
    currents, potentials, spikes = zip(*cuts, strict=True)
    n = min(len(one) for one in currents)
    return Clamp(
        np.stack([one[:n] for one in currents]),
        np.stack([one[:n] for one in potentials]),
        spikes,
        np.array([sweep[-1] for sweep in sweeps]),
        before,
        before + length,
        dt,
    )


def _cut(
    recording: Recording, sweep: np.ndarray, fold: int, before: float, after: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return current, potential and spikes of one sweep, from `before` its step to `after` it."""
    assert recording.activity is not None and recording.spikes is not None and recording.dt is not None
    begins, ends, onset, offset, _ = sweep
    start, stop = onset - before, offset + after
    if start < begins or stop > ends:
        got = f"{start:g} to {stop:g} ms of a sweep from {begins:g} to {ends:g} ms"
        _check.fail(OWNER, "before, after", "inside the sweep", got, error=RecordingError)
    first = round((start - recording.t_start) / recording.dt)
    n = round((stop - start) / recording.dt) // fold
    samples = slice(first, first + n * fold)
    potential = np.asarray(recording.activity[samples, 0], dtype=float).reshape(n, fold).mean(axis=1)
    times = recording.t_start + (np.arange(first, first + n * fold) + 0.5) * recording.dt
    signal = recording.behaviour["current"]
    at = np.clip(
        np.searchsorted(signal.times, times, side="right") - 1, 0, None
    )  # the command holds from its sample on
    current = signal.values[at, 0].reshape(n, fold).mean(axis=1)
    train = recording.spikes[0]
    return current, potential, train[(train >= start) & (train < stop)] - start
