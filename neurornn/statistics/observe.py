"""What an electrode would have seen of a network: Poisson spikes at chosen mean rates."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording
from neurornn.statistics.nonnegative import AbstractNonNegative, Rectify


def observe(
    recording: Recording,
    *,
    rates: float | Float[np.ndarray, " unit"],
    seed: int,
    rule: AbstractNonNegative | None = None,
) -> Recording:
    r"""Return an in-silico recording: each unit's activity becomes the rate of a Poisson process, scaled to `rates`.

    $$ \lambda_u(t) = \bar r_u\, \frac{a_u(t)}{\langle a_u \rangle} $$

    Do this before any comparison of Fano factors, correlations, dimensions or decoding between a rate network and
    spikes: observation noise changes all of them. Spikes fall anywhere within a sample; where the activity is NaN the
    unit counts as not recorded (`observed`). A unit that is never active stays silent, whatever its rate.

    Args:
        recording: with sampled activity.
        rates: mean rate of each unit over the time it was recorded (one number for all of them is allowed), Hz. Give
            the rates of the animal's units.
        seed: of the Poisson processes.
        rule: what is done with activity below 0; `Rectify()` where absent.

    Returns:
        A recording of spikes on the same clock with the same trials, epochs and behaviour.

    Raises:
        RecordingError: if there is no sampled activity.
        ValueError: if a rate is negative, or there is another number of rates than units.

    Example:
        >>> import numpy as np
        >>> from neurornn import Recording
        >>> from neurornn.statistics import observe
        >>> steady = Recording(0.0, 100_000.0, activity=np.ones((1000, 2)), dt=100.0)
        >>> seen = observe(steady, rates=np.array([5.0, 20.0]), seed=0)
        >>> bool(abs(seen.rates()[1] - 20.0) < 2.0)
        True
    """
    owner = "observe"
    if recording.activity is None or recording.dt is None:
        _check.fail(owner, "recording", "of sampled activity", "spikes", "It needs no observing.", error=RecordingError)
    wanted = _check.finite(owner, "rates", np.broadcast_to(rates, np.shape(rates) or (recording.n_units,)))
    if len(wanted) != recording.n_units:
        must = f"one for each of {recording.n_units} units"
        _check.fail(owner, "rates", must, f"{len(wanted)} rates", "Draw units or rates until the numbers match.")
    if np.any(wanted < 0):
        _check.fail(owner, "rates", "0 or above", float(wanted.min()), "They are in Hz.")
    rule = Rectify() if rule is None else rule
    rng = np.random.default_rng(seed)
    activity = rule(np.asarray(recording.activity, dtype=np.float64))
    known = np.isfinite(activity)
    n_known = known.sum(axis=0)
    mean = np.divide(np.where(known, activity, 0.0).sum(axis=0), n_known, out=np.zeros(len(wanted)), where=n_known > 0)
    gain = np.divide(wanted, mean, out=np.zeros(len(wanted)), where=mean > 0)
    counts = rng.poisson(np.where(known, activity, 0.0) * gain * recording.dt / 1000.0)
    spikes = [_placed(column, recording, rng) for column in counts.T]
    pieces = {unit: _pieces(known[:, i], recording) for i, unit in enumerate(recording.units.index)}
    observed = {
        unit: piece for unit, piece in pieces.items() if not known[:, recording.units.index.get_loc(unit)].all()
    }
    source: dict[str, object] = {
        **recording.source,
        "observed": f"Poisson, activity {rule.text}",
        "observed_seed": seed,
    }
    return Recording(
        recording.t_start,
        recording.t_stop,
        spikes=spikes,
        units=pd.DataFrame(recording.units),
        trials=recording.trials,
        epochs=recording.epochs,
        behaviour=recording.behaviour,
        observed={**recording.observed, **observed},
        source=source,
    )


def _placed(counts: np.ndarray, recording: Recording, rng: np.random.Generator) -> np.ndarray:
    """Return sorted spike times, uniform within their sample."""
    assert recording.dt is not None
    sample = np.repeat(np.arange(len(counts)), counts)
    times = recording.t_start + (sample + rng.random(len(sample))) * recording.dt
    return np.minimum(np.sort(times), recording.t_stop)


def _pieces(known: np.ndarray, recording: Recording) -> np.ndarray:
    """Return the stretches (ms) in which a unit's activity is known."""
    edges = np.diff(np.concatenate([[0], known.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    pieces = recording.t_start + np.stack([starts, stops], axis=1) * float(recording.dt or 0.0)
    return np.minimum(pieces, recording.t_stop)
