"""The only module that imports pyarrow: Parquet and Arrow files, and the fast parser of CSV blocks."""

from __future__ import annotations

import re
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from lr_runtime.errors import TableError, escaped
from lr_runtime.tables.batch import READ_ERRORS, Batch, check_names, positions
from lr_runtime.tables.options import MISSING_TOKENS
from lr_runtime.tables.text import BOM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables.options import TableOptions

_BATCH_ROWS = 1 << 16


def csv_block(
    block: bytes, names: Sequence[str], columns: Sequence[str], options: TableOptions
) -> NDArray[np.float64] | None:
    """Parse whole CSV records as float64 (rows, columns); None where the strict reader must look."""
    if not _same_cells(block, options.delimiter):
        return None
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(block),
            read_options=pyarrow.csv.ReadOptions(column_names=list(names)),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=options.delimiter, newlines_in_values=b'"' in block, ignore_empty_lines=True
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.float64()),
                include_columns=list(columns),
                null_values=list(MISSING_TOKENS),
                decimal_point=options.decimal,
            ),
        )
    except pa.ArrowInvalid:
        return None
    values = _stacked(table.columns, table.num_rows)
    # pyarrow takes inf, 1e400 and -nan(x) for numbers; the strict reader says which line that is.
    declined = np.isinf(values).any() or np.isnan(values).sum() != sum(column.null_count for column in table.columns)
    return None if declined else values


def _same_cells(block: bytes, delimiter: str) -> bool:
    """Whether pyarrow splits `block` as the strict reader does: it ends lines at a lone CR, reads "1"2 as 12, and drops
    a byte order mark from any block.
    """
    if block.startswith(BOM) or b"\0" in block or block.count(b"\r") != block.count(b"\r\n") or not delimiter.isascii():
        return False
    if b'"' not in block:
        return True
    mark = re.escape(delimiter.encode())
    quoted_cell = rb'(?<![^\n%b])"(?:[^"]|"")*"(?=[\r\n%b]|\Z)' % (mark, mark)
    return b'"' not in re.sub(quoted_cell, b"", block)


def _stacked(columns: Sequence[Any], rows: int) -> NDArray[np.float64]:
    values = np.empty((rows, len(columns)))
    for index, column in enumerate(columns):
        values[:, index] = column.to_numpy(zero_copy_only=False) if rows else 0.0
    return values


class ArrowTable:
    """A Parquet or Arrow file, read in batches; see `Table`. Its `size` and its batches' are counted in rows."""

    def __init__(self, open_stream: Callable[[], IO[bytes]], name: str) -> None:
        self.name = name
        self._open_stream = open_stream
        with open_stream() as stream:
            schema, self.size, _ = self._opened(stream, None)
        self._types = dict(zip(schema.names, schema.types, strict=False))
        self.names = check_names(name, schema.names)

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """See `Table.batches`."""
        positions(self, columns)
        for column in columns:
            self._check_type(column)
        first = 0
        with self._open_stream() as stream:
            _, _, batches = self._opened(stream, list(columns))
            for batch in self._unless_damaged(batches):
                values = _stacked([_as_float64(batch.column(name)) for name in columns], batch.num_rows)
                yield Batch(values, partial(_row, first), batch.num_rows)
                first += batch.num_rows

    def _opened(self, stream: IO[bytes], columns: list[str] | None) -> tuple[Any, int | None, Iterator[Any]]:
        """Return the schema, the number of rows where the file states it, and the batches."""
        head = stream.read(6)
        stream.seek(0)
        try:
            if head[:4] == b"PAR1":
                file = pyarrow.parquet.ParquetFile(stream)
                rows = file.iter_batches(batch_size=_BATCH_ROWS, columns=columns)
                return file.schema_arrow, file.metadata.num_rows, rows
            if head == b"ARROW1":
                reader = pa.ipc.open_file(stream)
                return reader.schema, None, (reader.get_batch(index) for index in range(reader.num_record_batches))
            reader = pa.ipc.open_stream(stream)
            return reader.schema, None, iter(reader)
        except (pa.ArrowException, *READ_ERRORS) as error:
            raise TableError(f"{self.name}: not a Parquet or Arrow file ({_first_line(error)})") from error

    def _unless_damaged(self, batches: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from batches
        except (pa.ArrowException, *READ_ERRORS) as error:
            raise TableError(f"{self.name}: damaged ({_first_line(error)})") from error

    def _check_type(self, column: str) -> None:
        kind = self._types[column]
        types = pa.types
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
            raise TableError(f"{self.name}, column {escaped(column)}: holds {kind}, not numbers. Convert it to numbers")


def _as_float64(column: Any) -> Any:
    return pc.cast(column, pa.float64(), safe=False)


def _row(first: int, row: int) -> str:
    return f"row {first + row + 1}"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
