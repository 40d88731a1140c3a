"""Score tables as files: CSV for eyes, JSON with what was kept and how it was made, Parquet for other programs."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check

ABSENT = "not written: pyarrow is not installed"


def save_scores(
    table: pd.DataFrame, folder: str | Path, name: str = "scores", *, methods: str = "", parquet: bool = False
) -> list[Path]:
    """Write a table of one row a unit as `NAME.csv`, `NAME.json` and, where pyarrow is installed, `NAME.parquet`.

    The JSON says how many units were kept of how many, the medians over those, how the scores were made, every row
    (NaN as null), and whether Parquet was written.

    Args:
        table: one row a unit (or one a model and unit); a column `kept`, where there is one, says which count.
        folder: made where it is missing.
        name: of the files.
        methods: how the scores were made.
        parquet: whether Parquet is asked for: then a missing pyarrow is refused, and before anything is written.

    Returns:
        The files.

    Raises:
        ValueError: if Parquet is asked for without pyarrow.

    Example:
        >>> import json, tempfile
        >>> import pandas as pd
        >>> from neurornn.statistics import save_scores
        >>> table = pd.DataFrame({"cc": [0.5, 0.1], "kept": [True, False]}, index=pd.Index(["a", "b"], name="unit"))
        >>> told = json.loads(save_scores(table, tempfile.mkdtemp())[1].read_text())
        >>> told["kept"], told["total"], told["medians"]
        (1, 2, {'cc': 0.5})
    """
    able = find_spec("pyarrow") is not None
    if parquet and not able:
        fix = "Install it: pip install neurornn[parquet]; CSV and JSON need nothing."
        _check.fail("save_scores", "parquet", "False without pyarrow", parquet, fix)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{name}.csv", folder / f"{name}.json"]
    table.to_csv(written[0])
    kept = table["kept"].to_numpy(dtype=bool) if "kept" in table else np.ones(len(table), dtype=bool)
    numbers = [column for column in table.select_dtypes("number").columns if column != "kept"]
    told = {
        "kept": int(kept.sum()),
        "total": len(table),
        "methods": methods,
        "medians": {column: _median(table.loc[kept, column]) for column in numbers},
        "units": [
            {str(key): _plain(value) for key, value in row.items()} for row in table.reset_index().to_dict("records")
        ],
        "parquet": f"{name}.parquet" if able else ABSENT,
    }
    written[1].write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if able:
        written.append(folder / f"{name}.parquet")
        table.to_parquet(written[-1])
    return written


def _median(values: pd.Series) -> float | None:
    known = values.to_numpy(dtype=float)
    return _plain(float(np.nanmedian(known))) if np.isfinite(known).any() else None


def _plain(value: Any) -> Any:
    """Return a value as JSON takes it: NaN as null, numpy's numbers as Python's own."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
