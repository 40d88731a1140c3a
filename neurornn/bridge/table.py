"""Tables as plain columns: numbers as they are, everything else as JSON text. What every file format can hold."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.errors import RecordingError


def text(owner: str, value: Any) -> str:
    """Return `value` as JSON, numpy numbers included.

    Raises:
        RecordingError: if it is not made of plain values.
    """
    try:
        return json.dumps(value, default=_plain, allow_nan=True)
    except (TypeError, ValueError) as error:
        message = (
            f"{owner}: `value` must be text, numbers, lists or tables of them; got {_check.shown(value)} ({error})."
        )
        raise RecordingError(message) from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if value is pd.NA:
        return None
    raise TypeError(f"{type(value).__name__} is not a plain value")


def to_columns(owner: str, table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns of a table as arrays of numbers, truth values or JSON texts (bytes), by name.

    Raises:
        RecordingError: if a column is not named by text or holds values that are not plain.
    """
    columns = {}
    for name, column in table.items():
        if not isinstance(name, str) or not name or "/" in name:
            _check.fail(owner, "columns", "named by text without '/'", name, error=RecordingError)
        kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else "O"
        columns[name] = column.to_numpy() if kind in "iufb" else texts(owner, list(column))
    return columns


def texts(owner: str, values: list[Any]) -> np.ndarray:
    """Return values as an array of JSON texts in UTF-8."""
    encoded = [text(owner, value).encode() for value in values]
    return np.array(encoded, dtype=f"S{max([1, *map(len, encoded)])}")


def from_texts(values: np.ndarray) -> list[Any]:
    """Return the values of an array of JSON texts."""
    return [json.loads(value) for value in values.tolist()]


def dtypes(table: pd.DataFrame) -> dict[str, str]:
    """Return the data type of each column, to be given back to `from_columns`."""
    return {str(name): str(column.dtype) for name, column in table.items()}


def from_columns(columns: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return the table that `to_columns` took apart; `kinds` are its `dtypes`, in its order of columns."""
    parts = {}
    for name, kind in kinds.items():
        values = columns[name]
        parts[name] = pd.Series(from_texts(values) if values.dtype.kind == "S" else values, dtype=kind)
    return pd.DataFrame(parts)
