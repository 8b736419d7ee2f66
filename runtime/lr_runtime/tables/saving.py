"""Opens what writes a table: in which format, and through pyarrow where that is worth its import."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from lr_runtime.system.lazy import needs_extra
from lr_runtime.tables.text import fast
from lr_runtime.tables.writing import CsvText, OutputRows, TableWriter, TextWriter, json_lines

if TYPE_CHECKING:
    from lr_runtime.choices import Format


_MANY = 2_000
"""Rows in a first batch from which on pyarrow is worth its import."""


def table_writer(
    sink: IO[bytes],
    format: Format,  # noqa: A002 - the word that users know
    first: OutputRows,
    *,
    delimiter: str = ",",
    seeks: bool,
) -> TableWriter:
    """Return what writes a table.

    Args:
        sink: takes its bytes.
        format: what it is.
        first: the rows that will come first, which tell the columns and whether speed matters.
        delimiter: between the cells of CSV.
        seeks: whether the sink is a file; standard output takes the stream format of Arrow.

    Raises:
        MissingExtraError: Parquet and Arrow need pyarrow.
    """
    if format in {"parquet", "arrow"}:
        with needs_extra("tables"):
            from lr_runtime.tables.arrow.writing import ArrowFile, ParquetFile
        return ParquetFile(sink) if format == "parquet" else ArrowFile(sink, seeks=seeks)
    if format == "jsonl":
        return TextWriter(sink, json_lines)
    is_arrow = any(not isinstance(column, list) for column in first.kept.values())
    if fast.available() and (is_arrow or len(first) >= _MANY):
        from lr_runtime.tables.arrow.writing import ArrowCsvText

        text: CsvText = ArrowCsvText(delimiter)
    else:
        text = CsvText(delimiter)
    return TextWriter(sink, text, text.header([*first.kept, *first.results]))
