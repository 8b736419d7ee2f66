"""Tables go out through pyarrow: Parquet and Arrow files, and CSV faster than Python formats numbers."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import IO, TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from lr_runtime.errors import TableError, escaped
from lr_runtime.tables.arrow.memory import as_arrow
from lr_runtime.tables.writing import CsvText, OutputRows, TableWriter, cell_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables.batch import Kept

    _Writer: TypeAlias = "pyarrow.parquet.ParquetWriter | pa.RecordBatchFileWriter | pa.RecordBatchStreamWriter"


class ArrowCsvText(CsvText):
    """CSV, faster; the same numbers in another notation (8 for 8.0)."""

    def __call__(self, rows: OutputRows) -> bytes:
        """See `TableWriter.prepared`."""
        if rows.empty is not None and len(rows.kept) + len(rows.results) == 1:
            return super().__call__(rows)  # pyarrow writes a blank line, which is no row
        kept = {name: _kept(column) for name, column in rows.kept.items()}
        results = {name: as_arrow(_as_read(values), rows.empty) for name, values in rows.results.items()}
        table = pa.table([*kept.values(), *results.values()], names=[*kept, *results])
        # pyarrow puts all text in quotes, unless none may be; then it refuses text that needs them.
        try:
            return self._quoted(table, "none")
        except pa.ArrowInvalid:
            try:
                return self._quoted(table, "needed")
            except pa.ArrowException as error:
                raise TableError(f"a column kept cannot be written as CSV ({error}). Try: --to parquet") from error

    def _quoted(self, table: object, quoting: str) -> bytes:
        text = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=False, delimiter=self._delimiter, quoting_style=quoting)
        pyarrow.csv.write_csv(table, text, options)
        return text.getvalue()


def _as_read(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return numbers as a reader of text takes them: the shortest digits of a float32 are another float64."""
    return values.astype(np.float64, copy=False) if values.dtype.kind == "f" else values


def _kept(column: Kept) -> pa.Array:
    if isinstance(column, list):
        return pa.array([None if cell is None else cell_text(cell) for cell in column], pa.string())
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def record_batch(rows: OutputRows) -> pa.RecordBatch:
    """Return rows as a batch, each column of its own type."""
    arrays = {name: _whole(_kept(column)) for name, column in rows.kept.items()}
    arrays |= {name: as_arrow(values, rows.empty) for name, values in rows.results.items()}
    return pa.record_batch([*arrays.values()], names=[*arrays])


class _Typed(TableWriter):
    """A format that has types: those of the first rows hold for all."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink, self.prepared = sink, record_batch
        self._schema: pa.Schema | None = None
        self._writer: _Writer | None = None

    def put(self, prepared: pa.RecordBatch) -> None:
        """See `TableWriter.put`."""
        if self._writer is None or self._schema is None:
            self._schema = prepared.schema
            self._writer = self._opened(self._schema)
        columns = [_cast(*each) for each in zip(self._schema, prepared.columns, strict=True)]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    @abstractmethod
    def _opened(self, schema: pa.Schema) -> _Writer:
        """Return pyarrow's writer."""

    def close(self) -> None:
        """See `TableWriter.close`."""
        if self._writer is not None:
            self._writer.close()


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _cast(field: pa.Field, column: pa.Array) -> pa.Array:
    try:
        return column if column.type == field.type else column.cast(field.type)
    except pa.ArrowException as error:
        held = f"column {escaped(field.name)} holds {column.type} here, {field.type} before"
        raise TableError(f"{held}. Make one of it") from error


def end_to_end(name: str, columns: Sequence[Kept]) -> pa.Array | pa.ChunkedArray:
    """Return columns of the same name, one behind the other, of the first one's type."""
    arrays = [_kept(column) for column in columns]
    return pa.chunked_array([_cast(pa.field(name, arrays[0].type), array) for array in arrays]).combine_chunks()


class ParquetFile(_Typed):
    """A Parquet file, a row group for each batch."""

    def _opened(self, schema: pa.Schema) -> _Writer:
        # Measurements hardly repeat: a dictionary of them is built and thrown away for every group of rows.
        repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
        return pyarrow.parquet.ParquetWriter(self._sink, schema, use_dictionary=repeating)


class ArrowFile(_Typed):
    """An Arrow file; where the sink cannot seek, its stream format."""

    def __init__(self, sink: IO[bytes], *, seeks: bool) -> None:
        super().__init__(sink)
        self._seeks = seeks

    def _opened(self, schema: pa.Schema) -> _Writer:
        return pa.ipc.new_file(self._sink, schema) if self._seeks else pa.ipc.new_stream(self._sink, schema)
