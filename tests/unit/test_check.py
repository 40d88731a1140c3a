"""One sentence for every bad value, and nothing repaired in silence."""

import math

import numpy as np
import pytest

from neurornn import _check
from neurornn.errors import RecordingError


def test_the_sentence_names_owner_value_and_fix() -> None:
    with pytest.raises(ValueError, match=r"^Cell: `tau` must be above 0; got -1. Take a longer one.$"):
        _check.fail("Cell", "tau", "above 0", -1, "Take a longer one.")
    with pytest.raises(RecordingError, match=r"^Recording: `dt` must be given; got None.$"):
        _check.fail("Recording", "dt", "given", None, error=RecordingError)


def test_large_values_are_shown_short() -> None:
    assert _check.shown(np.zeros((3, 2))) == "an array of shape (3, 2)"
    assert _check.shown(np.float64(2.0)) == "2.0" and _check.shown(np.int64(3)) == "3"
    assert len(_check.shown("x" * 500)) == 120 and _check.shown("x" * 500).endswith("...")


def test_the_near_name_is_suggested() -> None:
    assert _check.near("taus", ["tau", "dt"]) == "Did you mean 'tau'?"
    assert _check.near("qqq", ["tau", "dt"]) == "There are: dt, tau."


GOOD = [
    (_check.positive, 0.5, 0.5),
    (_check.positive, np.float32(2.0), 2.0),
    (_check.not_negative, 0, 0.0),
    (_check.fraction, 1, 1.0),
    (_check.fraction, 0.0, 0.0),
    (_check.count, 3, 3),
    (_check.count, np.int64(4), 4),
]


@pytest.mark.parametrize(("check", "value", "returned"), GOOD)
def test_good_values_come_back_as_plain_numbers(check, value, returned) -> None:  # type: ignore[no-untyped-def]
    got = check("Owner", "name", value)
    assert got == returned and type(got) in (int, float)


BAD = [
    (_check.positive, (0, -1.0, math.nan, math.inf, True, "1", None), "a finite number above 0"),
    (_check.not_negative, (-1e-9, math.nan, math.inf, False, "1", None), "a finite number, 0 or above"),
    (_check.fraction, (-0.1, 1.1, math.nan, True, "x", None), r"a number in \[0, 1\]"),
    (_check.count, (0, -2, 1.0, True, "3", None), "a whole number, 1 or above"),
]


@pytest.mark.parametrize(("check", "value", "must"), [(c, v, must) for c, values, must in BAD for v in values])
def test_bad_values_are_refused(check, value, must) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=rf"^Owner: `name` must be {must}; got .*\. Look\.$"):
        check("Owner", "name", value, "Look.")


def test_a_count_may_start_elsewhere() -> None:
    assert _check.count("Owner", "name", 0, least=0) == 0
    with pytest.raises(ValueError, match="`name` must be a whole number, 2 or above; got 1"):
        _check.count("Owner", "name", 1, least=2)


def test_arrays_are_finite_everywhere_or_refused_with_their_count() -> None:
    assert _check.finite("Owner", "name", [1, 2]).dtype == np.float64
    with pytest.raises(
        ValueError, match="Owner: `name` must be finite everywhere; got '2 of 3 values NaN or infinite'"
    ):
        _check.finite("Owner", "name", [1.0, np.nan, np.inf])
