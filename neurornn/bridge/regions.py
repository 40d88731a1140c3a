"""Activity of regions of a brain as a table of text: one column a region, one row a sample, names in the first line."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurornn import _check
from neurornn.errors import RecordingError
from neurornn.recording import Recording

OWNER = "read_regions"


def read_regions(
    files: Mapping[str, Path], *, table: str, dt: float, unit: str = "", left_out: Sequence[str] = ()
) -> Recording:
    """Read a table of regional activity as a recording whose units are the regions.

    Args:
        files: local files by name.
        table: which of them it is: comma-separated, with a first line of names.
        dt: sampling step, ms.
        unit: unit of measure of the activity.
        left_out: columns that are no regions.

    Returns:
        A recording with activity every `dt` ms and a column `region` in its `units`.

    Raises:
        RecordingError: if the file is damaged, or a column that is left out is not there.
    """
    path = files[table]
    _check.positive(OWNER, "dt", dt)
    try:
        columns = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        text = f"{OWNER}: `{path.name}` must be a table of numbers; got {error}. Delete it and fetch it again."
        raise RecordingError(text) from error
    for name in left_out:
        if name not in columns:
            fix = _check.near(name, map(str, columns))
            _check.fail(OWNER, "left_out", f"columns of {path.name}", name, fix, error=RecordingError)
    kept = columns.drop(columns=list(left_out))
    if not len(kept) or not all(pd.api.types.is_numeric_dtype(kind) for kind in kept.dtypes):
        fix = "Delete it and fetch it again."
        _check.fail(
            OWNER, path.name, "rows of numbers", f"{len(kept)} rows, or text among them", fix, error=RecordingError
        )
    values = _check.finite(OWNER, path.name, kept.to_numpy(float), error=RecordingError)
    regions = [str(name) for name in kept]
    units = pd.DataFrame({"region": regions}, index=regions)
    return Recording(0.0, dt * len(values), activity=values, dt=dt, unit=unit, units=units)
