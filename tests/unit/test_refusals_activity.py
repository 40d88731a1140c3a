"""What the statistics of activity refuse: decays of the autocorrelation, and counts of components."""

import numpy as np
import pytest

from neurornn.statistics import decays, n_components

NOISE = np.random.default_rng(0).normal(size=(1, 40, 2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dt": 0.0}, "decays: `dt` must be a finite number above 0; got 0.0"),
        ({"n_lags": 4}, "decays: `n_lags` must be a whole number, 5 or above; got 4"),
        ({"n_lags": 40}, "decays: `n_lags` must be below the number of steps, 40; got 40"),
        (
            {"values": np.where(NOISE > 1, np.nan, NOISE)},
            r"decays: `values` must be finite everywhere; got '\d+ of 80 values NaN or infinite'. Cut the stretches",
        ),
    ],
)
def test_decays_that_cannot_be_fitted(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decays(**{"values": NOISE, "dt": 1.0, **settings})


def test_a_share_of_variance_is_a_fraction() -> None:
    with pytest.raises(ValueError, match=r"n_components: `share` must be a number in \[0, 1\]; got 90.0"):
        n_components(NOISE[0], share=90.0)
