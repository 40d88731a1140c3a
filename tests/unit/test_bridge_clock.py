"""Spikes that cannot have been timed on a clock are refused; every plausible train passes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurornn.bridge.clock import same_clock
from neurornn.errors import RecordingError


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(0.5, 300.0), seconds=st.floats(10.0, 600.0), seed=st.integers(0, 999))
def test_plausible_trains_pass_and_the_same_in_seconds_do_not(rate: float, seconds: float, seed: int) -> None:
    n_spikes = int(rate * seconds) + 20
    train = np.sort(np.random.default_rng(seed).uniform(0.0, seconds * 1000.0, n_spikes))
    same_clock("here", [train], 0.0, seconds * 1000.0)
    with pytest.raises(RecordingError, match=r"here: `spikes` must be (slower than 2000 Hz|spread over the session)"):
        same_clock("here", [train / 1000.0], 0.0, seconds * 1000.0)


def test_nothing_is_refused_by_name() -> None:
    with pytest.raises(RecordingError, match="here: `units` must be one or more; got 0"):
        same_clock("here", [], 0.0, 9.0)
    with pytest.raises(RecordingError, match="got '0 spikes in 2 units'"):
        same_clock("here", [np.array([])] * 2, 0.0, 9.0)
    same_clock("here", [np.array([]), np.array([3.0])], 0.0, 9.0)
