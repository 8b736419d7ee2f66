"""Tables come in here, for training and for prediction alike: a row has one way in.

    opening.py  opens any table, by its first bytes;  frames.py  any frame
    saving.py, writing.py, partitioning.py  the way out
    files/      packed files, several as one table, files that are no tables
    text/       CSV, JSON lines, sheets of workbooks;  arrow/  Parquet and Arrow
    pieces.py   a table as several, for processes that work side by side
    table.py    what every reader is;  batch.py  what it gives;  notices.py  what it says beside
    kinds.py    what each column is, from a sample.py of first rows
    cells/      what one cell says

Numbers are float64 throughout; a missing value is NaN until somebody's policy has seen it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.system.lazy import lazily

if TYPE_CHECKING:
    from lr_runtime.tables.batch import Batch, ColumnKind, place_of
    from lr_runtime.tables.cells.options import TableOptions, format_of, has_table_suffix, names_table
    from lr_runtime.tables.opening import open_followed, open_table
    from lr_runtime.tables.table import FileTable, Table

__all__ = [
    "Batch",
    "ColumnKind",
    "FileTable",
    "Table",
    "TableOptions",
    "format_of",
    "has_table_suffix",
    "names_table",
    "open_followed",
    "open_table",
    "place_of",
]

# A prediction for values on the command line reads no table.
__getattr__ = lazily(
    __name__,
    {
        "batch": "Batch ColumnKind place_of",
        "cells.options": "TableOptions format_of has_table_suffix names_table",
        "opening": "open_followed open_table",
        "table": "FileTable Table",
    },
)
