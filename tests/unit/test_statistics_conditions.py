"""Decoding of task variables: matched numbers, chance, and what holds across contexts."""

import numpy as np
import pandas as pd
import pytest

from neurornn import Recording
from neurornn.errors import RecordingError
from neurornn.statistics import decode_conditions

N = 80


def session(*, mixed: bool, n_units: int = 12, noise: float = 1.0) -> Recording:
    """Choices in two contexts: laid out alike in both, or the other way round in the second."""
    rng = np.random.default_rng(0)
    side, context = rng.permutation(np.arange(N) % 2), rng.permutation(np.repeat([0, 1], N // 2))
    starts = 200.0 * np.arange(N)
    trials = pd.DataFrame({"start": starts, "stop": starts + 200.0, "side": side, "context": context})
    axis = np.sqrt(n_units) * np.linalg.qr(rng.normal(size=(n_units, 2)))[0].T
    sign = (2 * side - 1) * (np.where(context == 1, -1, 1) if mixed else 1)
    means = sign[:, None] * axis[0] + (2 * context - 1)[:, None] * axis[1]
    values = np.repeat(means, 10, axis=0) + noise * rng.normal(size=(10 * N, n_units))
    return Recording(0.0, 200.0 * N, activity=values, dt=20.0, trials=trials)


def test_a_variable_that_lies_alike_in_both_contexts_generalises_and_a_mixed_one_does_not() -> None:
    alike, mixed = (decode_conditions(session(mixed=m), "side", across="context", n_draws=4) for m in (False, True))
    assert alike.accuracy > 0.95 and alike.generalisation > 0.95
    assert mixed.generalisation < 0.1  # learnt the wrong way round
    assert abs(alike.table["chance"].mean() - 0.5) < 0.15
    assert "learnt in all context but one" in alike.methods and alike.references


def test_more_units_decode_better_so_numbers_are_matched() -> None:
    noisy = session(mixed=False, n_units=40, noise=20.0)
    few, many = (decode_conditions(noisy, "side", n_units=n, n_draws=12) for n in (3, 40))
    assert few.accuracy < many.accuracy - 0.1 and (few.n_units, many.n_units) == (3, 40)
    assert few.frame()["generalisation"].isna().all() and few.n_trials == N // 2
    assert decode_conditions(noisy, "side", n_trials=10, window=(0.0, 100.0), n_draws=2).n_trials == 10


def test_the_same_seed_gives_the_same_draws() -> None:
    once, again = (decode_conditions(session(mixed=False), "side", n_units=4, n_draws=3, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(once.frame(), again.frame())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variable": "sied"}, r"decode_conditions: `variable` must be a column of the trials; .*Did you mean 'side'"),
        ({"across": "contxt"}, r"decode_conditions: `across` must be a column of the trials; .*Did you mean 'context'"),
        ({"n_trials": 1000}, r"decode_conditions: `recording` must be of two classes with 1000 trials or more each"),
        ({"n_units": 100}, r"decode_conditions: `n_units` must be at most 12"),
        ({"n_units": -1}, r"decode_conditions: `n_units` must be a whole number, 0 or above"),
        ({"n_draws": 0}, r"decode_conditions: `n_draws` must be a whole number"),
        ({"penalty": 0.0}, r"decode_conditions: `penalty` must be a finite number above 0"),
        ({"window": (0.0, 500.0)}, r"decode_conditions: `window` must be \(start, stop\) in ms, within the shortest"),
    ],
)
def test_what_is_refused(settings: dict, message: str) -> None:
    with pytest.raises((ValueError, RecordingError), match=message):
        decode_conditions(session(mixed=False), **({"variable": "side"} | settings))
