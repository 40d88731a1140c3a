"""A table of regional activity: what is in it, and what a damaged one says."""

from pathlib import Path

import numpy as np
import pytest

import neurornn as nr
from neurornn.bridge import read_regions
from neurornn.errors import RecordingError


def test_the_shipped_brain_at_rest_has_its_regions_and_samples() -> None:
    brain = nr.load_recording("resting_bold")
    assert brain.activity is not None
    assert brain.activity.shape == (250, 28) and brain.dt == 1890.0 and brain.t_stop == 250 * 1890.0
    assert list(brain.units["region"])[:2] == ["LCau", "LPut"] and "WM" not in brain.units.index
    np.testing.assert_allclose(brain.activity.mean(axis=0), 0.0, atol=0.05 * brain.activity.std())
    assert brain.source["licence"] == "BSD-3-Clause"


def read(folder: Path, text: str, left_out: tuple[str, ...] = ()) -> nr.Recording:
    (folder / "t.csv").write_text(text)
    return read_regions({"t.csv": folder / "t.csv"}, table="t.csv", dt=10.0, unit="%", left_out=left_out)


def test_columns_are_regions_but_for_those_left_out(tmp_path: Path) -> None:
    brain = read(tmp_path, "a,noise,b\n1,9,2\n3,9,4\n", ("noise",))
    assert brain.activity is not None
    assert brain.activity.tolist() == [[1.0, 2.0], [3.0, 4.0]] and list(brain.units.index) == ["a", "b"]


DAMAGED = {
    "empty": ("", "read_regions: `t.csv` must be a table of numbers; got No columns to parse"),
    "only names": ("a,b\n", "read_regions: `t.csv` must be rows of numbers; got '0 rows, or text among them'"),
    "text": ("a,b\n1,x\n", "read_regions: `t.csv` must be rows of numbers; got '1 rows, or text among them'"),
    "a gap": ("a,b\n1,2\n3,\n", "read_regions: `t.csv` must be finite everywhere; got '1 of 4 values NaN or infinite'"),
    "ragged": ("a,b\n1,2\n1,2,3,4\n", "read_regions: `t.csv` must be a table of numbers; got Error tokenizing"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_table_is_refused(tmp_path: Path, case: str) -> None:
    text, message = DAMAGED[case]
    with pytest.raises(RecordingError, match=message):
        read(tmp_path, text)


def test_a_column_that_is_not_there_cannot_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"read_regions: `left_out` must be columns of t.csv; got 'nois'. Did you"):
        read(tmp_path, "a,noise\n1,2\n", ("nois",))
