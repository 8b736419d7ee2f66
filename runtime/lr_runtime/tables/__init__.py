"""Tables come in here, for training and for prediction alike: a row has one way in.

    options.py   how a cell is written, and what counts as missing
    text.py      CSV and JSON lines with the standard library: the rule for what a table says
    arrow.py     the same through pyarrow, faster, and Parquet and Arrow files (extra "tables")
    encoding.py  other encodings and line ends, to UTF-8 with line feeds
    streams.py   files, pipes and what is packed, from their start as often as needed
    several.py   files, folders and patterns as one table
    notices.py   what is said beside the rows: those skipped, integers that float64 rounds
    reading.py   opens any of them by first bytes

Numbers are float64 throughout; a missing value is NaN until somebody's policy has seen it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.lazy import lazily

if TYPE_CHECKING:
    from lr_runtime.tables.batch import Batch, ColumnKind, Table, place_of
    from lr_runtime.tables.options import TableOptions, has_table_suffix
    from lr_runtime.tables.reading import open_table

__all__ = [
    "Batch",
    "ColumnKind",
    "Table",
    "TableOptions",
    "has_table_suffix",
    "open_table",
    "place_of",
]

# A prediction for values on the command line reads no table.
__getattr__ = lazily(
    __name__,
    {
        "Batch": "batch",
        "ColumnKind": "batch",
        "Table": "batch",
        "TableOptions": "options",
        "has_table_suffix": "options",
        "open_table": "reading",
        "place_of": "batch",
    },
)
