"""Frames as tables: what offers its columns in the Arrow format, in memory or as a stream, and columns of any type."""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lr_runtime.errors import TableError, escaped
from lr_runtime.system.files import in_temporary_folder
from lr_runtime.system.text import is_missing
from lr_runtime.tables.arrow.memory import as_arrow
from lr_runtime.tables.arrow.table import ArrowTable, Read, is_text, of_file, rows_at_once, told
from lr_runtime.tables.files.streams import spooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lr_runtime.tables.cells.options import TableOptions
    from lr_runtime.tables.notices import Notices


def open_frame(frame: object, name: str, options: TableOptions, notices: Notices) -> ArrowTable:
    """Open what offers a stream of its columns, or a lazy frame of polars, both asked anew for each pass.

    An iterator of frames or record batches is read once, into a temporary file. TableError where that fails.
    """
    if hasattr(frame, "__next__"):
        return ArrowTable(partial(of_file, _kept(frame, name), name), name, options, notices, ())
    return ArrowTable(_Frames(partial(_parts, frame), name), name, options, notices, ())


def open_columns(
    columns: Sequence[tuple[str, Any]], name: str, options: TableOptions, notices: Notices, indexes: Sequence[str]
) -> ArrowTable:
    """Open columns (rows,) of numpy, pandas, polars or pyarrow; TableError for one of which Arrow has no type."""
    arrays = [_array(column, f"{name}, column {escaped(key)}") for key, column in columns]
    table = pa.table(arrays, [key for key, _ in columns])
    return ArrowTable(_Frames(lambda: [table], name), name, options, notices, indexes)


class _Frames:
    """The record batches of frames that together are one, begun anew for each pass."""

    def __init__(self, frames: Callable[[], Iterable[object]], name: str) -> None:
        self._frames, self._name = frames, name
        self._rows: int | None = None

    @contextmanager
    def __call__(self, columns: Sequence[str]) -> Iterator[Read]:
        """Start a pass: of all columns, for they lie in memory or are made together."""
        batches = told(self._batches(rows_at_once(columns)), f"{self._name}: cannot be read")
        with closing(batches):  # DuckDB (2.0) starts no pass while another one is open
            if (first := next(batches, None)) is None:
                raise TableError(f"{self._name} has no rows. A table has one or more")
            yield first.schema, None, chain([first], batches)

    def _batches(self, at_once: int) -> Iterator[pa.RecordBatch]:
        schema, rows = None, 0
        for frame in self._frames():
            with pa.RecordBatchReader.from_stream(frame) as reader:
                for batch in map(_with_names, reader):
                    if batch.schema != (schema := schema or batch.schema):
                        raise TableError(f"{self._name}: its parts differ in their columns or types. Make them alike")
                    yield from (batch.slice(start, at_once) for start in range(0, batch.num_rows, at_once))
                    rows += batch.num_rows
        if self._rows not in {None, rows}:
            raise TableError(f"{self._name}: {self._rows} rows came in one pass, {rows} in the next. Save it first")
        self._rows = rows


def _with_names(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch in which the levels of categories are text, as their type says that they are names."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_dictionary(field.type) and not is_text(field.type):
            column = batch.column(place)
            levels = column.dictionary  # intervals and periods of pandas are written as pandas does
            levels = levels.to_pandas() if isinstance(levels, pa.ExtensionArray) else levels.to_pylist()
            levels = [None if is_missing(level) else str(level) for level in levels]
            named = pa.DictionaryArray.from_arrays(column.indices, pa.array(levels, pa.string()))
            batch = batch.set_column(place, field.name, named)
    return batch


def _parts(frame: Any) -> Iterable[object]:
    """Return frames that together are one; what an iterator gives may be batches, which are no streams."""
    if hasattr(frame, "__arrow_c_stream__") and not hasattr(frame, "__next__"):
        return [frame]
    frames = frame.collect_batches() if hasattr(frame, "collect_batches") else frame
    return (part if hasattr(part, "__arrow_c_stream__") else pa.table(part) for part in frames)


def _kept(frames: object, name: str) -> Callable[[], IO[bytes]]:
    def write(spool: IO[bytes]) -> None:
        with _Frames(partial(_parts, frames), name)([]) as (schema, _, batches), pa.ipc.new_stream(spool, schema) as to:
            for batch in batches:
                with in_temporary_folder("what is read"):
                    to.write_batch(batch)

    return spooled(write)


def _array(column: Any, what: str) -> pa.Array | pa.ChunkedArray:
    kind = getattr(column, "dtype", None)
    try:
        if isinstance(kind, np.dtype):
            if kind.kind in "biuf":
                return as_arrow(np.asarray(column))
            if kind.kind == "O":
                return _of_cells([None if is_missing(cell) else cell for cell in column.tolist()])
            if kind.kind == "M" and np.datetime_data(kind)[0] not in {"D", "s", "ms", "us", "ns"}:
                column = np.asarray(column).astype("M8[s]")
        is_arrow = hasattr(column, "__arrow_c_stream__") and not hasattr(column, "iloc")
        return pa.chunked_array(column) if is_arrow else pa.array(column)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        cells = column.to_list() if hasattr(column, "to_list") else column.tolist()
    try:  # where pyarrow has no such type, or several
        return as_arrow(np.array([np.nan if is_missing(cell) else float(cell) for cell in cells]))
    except (TypeError, ValueError, OverflowError) as error:
        held = next(type(cell).__name__ for cell in cells if not is_missing(cell))
        raise TableError(f"{what}: holds {held}, neither numbers nor text. Convert it, or leave it out") from error


def _of_cells(cells: Sequence[object]) -> pa.Array:
    """Return objects of Python as an array: where one is text, all as text, in which each tells what it is.

    So are moments, for pyarrow (26) makes dates of all where one is a date, and drops the nanoseconds of pandas.
    """
    if not any(isinstance(cell, str) or hasattr(cell, "isoformat") for cell in cells):
        return pa.array(cells)
    text = [b"" if cell is None else str(cell).encode() for cell in cells]  # pyarrow's own way imports pandas
    offsets = np.cumsum([0, *map(len, text)])
    held = np.packbits([cell is not None for cell in cells], bitorder="little")
    buffers = [pa.py_buffer(held), pa.py_buffer(offsets), pa.py_buffer(b"".join(text))]
    return pa.Array.from_buffers(pa.large_string(), len(cells), buffers)
