"""Tables come in here, for training and for prediction alike: a row has one way in.

    options.py   how a cell is written;  missing.py  and what counts as missing
    kinds.py     what each column is: a number or a category;  dress.py  numbers that are written as none
    rewriting.py lines without cells, cells aligned with blanks;  layout.py  which options a table seems to need
    kinds.py     which columns hold numbers, by the first rows;  dress.py  numbers that are written otherwise
    batch.py     what every reader gives: rows, and where they stand
    text.py      text tables with the standard library: the rule for what a table says
    syntax.py    text to records: csv_syntax.py, json_syntax.py;  strict.py  records to a batch, cell by cell
    acceleration.py  which faster parser of CSV there is: arrow.py, or loadtxt.py, through numpy
    arrow.py     the same through pyarrow, and Parquet and Arrow files (extra "tables")
    excel.py     sheets of workbooks (extra "excel")
    encoding.py  other encodings and line ends, to UTF-8 with line feeds
    streams.py   files and pipes, from their start as often as needed;  compressed.py  what is packed
    other_files.py  what is no table, and what makes one of it
    several.py   files, folders and patterns as one table;  partitions.py  columns in the names of folders
    notices.py   what is said beside the rows: those skipped, integers that float64 rounds
    following.py text tables that are still being written, line by line
    reading.py   opens any of them by first bytes
    writing.py   tables go out: CSV and JSON lines
    arrow_writing.py  the same through pyarrow, and Parquet and Arrow files
    arrow_memory.py   arrays between numpy and pyarrow

Numbers are float64 throughout; a missing value is NaN until somebody's policy has seen it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.system.lazy import lazily

if TYPE_CHECKING:
    from lr_runtime.tables.batch import Batch, ColumnKind
    from lr_runtime.tables.cells.options import TableOptions, format_of, has_table_suffix, names_table
    from lr_runtime.tables.opening import open_followed, open_table
    from lr_runtime.tables.table import FileTable, Table, place_of

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
        "Batch": "batch",
        "ColumnKind": "batch",
        "FileTable": "table",
        "Table": "table",
        "TableOptions": "cells.options",
        "format_of": "cells.options",
        "has_table_suffix": "cells.options",
        "names_table": "cells.options",
        "open_followed": "opening",
        "open_table": "opening",
        "place_of": "table",
    },
)
