"""A table as a page shows it: a few formatted rows to read, and all of the numbers to download."""

import base64
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

MOST_ROWS = 40
"""Rows that a page shows; the file holds all."""

FEW_ROWS = 20
"""A table of so few rows stands open."""


@dataclass(frozen=True)
class Table:
    """Some rows of a table, each cell as it is read.

    Args:
        head: a name a column; empty above an index without a name.
        rows: one tuple of cells a row.
        n_rows: rows of the whole table.
        words: whether a column holds words, which stand to the left and may break.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_rows: int
    words: tuple[bool, ...]

    @property
    def is_short(self) -> bool:
        """Whether it stands open on the page."""
        return 0 < self.n_rows <= FEW_ROWS

    @property
    def rest(self) -> str:
        """What is not shown, in words; nothing where all is."""
        return f"the first {len(self.rows)} of {self.n_rows:,} rows" if len(self.rows) < self.n_rows else ""


def table(frame: pd.DataFrame, *, most: int = MOST_ROWS) -> Table:
    """Return the first rows of a frame as a page shows them: three significant digits, nothing for NaN.

    A column in which no row holds a number is left out.

    Example:
        >>> table(pd.DataFrame({"score": [0.12345, float("nan")]}, index=["rat", "network"])).rows
        (('rat', '0.123'), ('network', ''))
    """
    numbered = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    known = frame if frame.empty else frame.loc[:, frame.notna().any(axis=0).to_numpy()]
    whole = known if numbered else known.reset_index(names=_index_names(frame))
    head = tuple(heading(name) for name in whole.columns)
    columns = [whole.iloc[:most, k].tolist() for k in range(whole.shape[1])]
    words = tuple(any(isinstance(value, str) and " " in value for value in column) for column in columns)
    return Table(head, tuple(tuple(map(cell, row)) for row in zip(*columns, strict=True)), len(frame), words)


def file_link(text: str, kind: str = "text/csv") -> str:
    """Return a link that holds a whole file, so that it can be saved from a page on disk."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def _index_names(frame: pd.DataFrame) -> Any:
    names = ["" if name is None else name for name in frame.index.names]
    return names if len(names) > 1 else names[0]


def heading(name: Hashable) -> str:
    """Return the name of a column as a page shows it."""
    parts: Sequence[Any] = name if isinstance(name, tuple) else (name,)
    return " ".join(str(part).replace("_", " ") for part in parts if str(part))


def cell(value: Any) -> str:
    """Return a value as a page shows it."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.3g}"
    if isinstance(value, tuple | list | np.ndarray):
        shown = ", ".join(cell(one) for one in list(value)[:12])
        return shown + (f" ... ({len(value)})" if len(value) > 12 else "")
    return "" if value is None or value is pd.NaT else str(value)
