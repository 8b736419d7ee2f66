"""Tables in the Arrow format, by their record batches; those of Parquet and Arrow files."""

from __future__ import annotations

import io
import json
import os
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, chain
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from lr_runtime.errors import LinedgeError, TableError, escaped
from lr_runtime.system.parallel import made_ahead
from lr_runtime.system.signatures import ARROW, PARQUET
from lr_runtime.tables.arrow.memory import _coded, stacked
from lr_runtime.tables.batch import (
    READ_ERRORS,
    ArrowColumn,
    Batch,
    Coded,
    ColumnKind,
    faults_of,
    indexes_among,
    numbers_in,
    renamed,
)
from lr_runtime.tables.cells.options import DATE, TableOptions
from lr_runtime.tables.table import Cut, positions, without_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from lr_runtime.tables.notices import Notices
    from lr_runtime.tables.sample import Sample

_MOST_ROWS = 1 << 16
_FEWEST_ROWS = 1 << 10
_BATCH_NUMBERS = 1 << 20
_READ_BYTES = 1 << 16
_REQUEST_BYTES, _REQUESTED_BYTES = 4 << 20, 64 << 20
"""Of a column of an object in a store, and of all of them: a request takes as long as the first of them comes in."""

Read: TypeAlias = "tuple[pa.Schema, int | None, Iterator[pa.RecordBatch]]"
"""The types of all columns, the number of rows where it is known, and the rows, with the columns asked for or more."""
Records: TypeAlias = "Callable[[Sequence[str]], AbstractContextManager[Read]]"


class ArrowTable:
    """Record batches; see `Table`. Its `size` and its batches' are counted in rows.

    Args:
        records: starts a pass over some of the columns.
        name: what messages call the table.
        options: what the columns are called, and whether bad rows are skipped.
        notices: who hears of those, and of integers that float64 rounds.
        indexes: the columns of a frame that are an index, of which nobody needs to hear; None of a file.
    """

    def __init__(
        self, records: Records, name: str, options: TableOptions, notices: Notices, indexes: Sequence[str] | None = None
    ) -> None:
        self.name = name
        self._records = records
        self.options = options
        self.notices = notices
        self._before = 0
        with records([]) as (schema, size, _):
            self.size: int | None = size
        self._rows = self.size
        self._columns = renamed(name, schema.names, options.renames)
        self.names = tuple(filter(None, self._columns))
        self._keys = dict(zip(self._columns, schema.names, strict=True))
        self._types = dict(zip(self._columns, map(_plain_type, schema.types), strict=True))
        self._is_file = indexes is None
        said = {*_pandas_indexes(schema), *(indexes or ())}
        self.indexes = indexes_among(self.names, [name for name, key in self._keys.items() if key in said])

    def fill(self, sample: Sample) -> None:
        """See `Table.fill`; the file's own types tell, but for columns of plain text."""
        positions(self, names := list(sample.cells))
        texts = [name for name in names if _is_plain_text(self._types[name])]
        for name in names:
            if name not in texts and not pa.types.is_null(self._types[name]):
                sample.cells[name].typed.add(_kind(self._types[name]))
        if not texts:
            sample.rows += min(self.size or 0, sample.left)
            return
        with self._records([self._keys[name] for name in texts]) as (_, _, batches):
            first = self._before
            for name in texts:
                sample.cells[name].is_typed_text = True
            for batch in batches:
                coded = {name: self._coded(self._column(batch, name)) for name in texts}
                sample.add_rows(batch.num_rows, {}, coded, self.options.number, partial(self._place, first))
                first += batch.num_rows
                if not sample.left:
                    return

    def _place(self, first: int, row: int) -> str:
        return f"{self.name} {_row(first, row)}"

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `Table.batches`."""
        batches = self._batches(columns, categories, kept)
        # A thread costs as much as 5,000 rows, and is worth it where a second batch is made beside the first.
        is_one = self.size is not None and self.size <= rows_at_once([*columns, *categories, *kept])
        return batches if is_one else made_ahead(batches)

    def _batches(self, columns: Sequence[str], categories: Sequence[str], kept: Sequence[str]) -> Iterator[Batch]:
        positions(self, wanted := [*columns, *categories, *kept])
        self.notices.passed_over(self, self._columns, self.indexes if self._is_file else (), wanted)
        for column in columns:
            self._check_type(column)
        for category in categories:
            self._check_category(category)
        first = self._before
        with self._records([self._keys[name] for name in dict.fromkeys(wanted)]) as (_, _, batches):
            for batch in batches:
                yield self._batch(batch, first, columns, categories, kept)
                first += batch.num_rows

    def count(self) -> int | None:
        """See `CutTable.count`."""
        return self._rows

    def pieces(self, cut: Cut) -> list[ArrowTable]:
        """See `CutTable.pieces`."""
        records = self._records
        groups = records.groups_of(cut.rows) if isinstance(records, FileRecords) else []
        before = accumulate((each.rows for each in groups), initial=self._before)
        return list(map(self._piece, groups, before)) or [self]

    def _piece(self, groups: Groups, before: int) -> ArrowTable:
        piece = copy(self)
        piece._records, piece._before, piece._rows = (
            replace(cast("FileRecords", self._records), groups=groups),
            before,
            groups.rows,
        )
        piece.size = None if self.size is None else groups.rows
        return piece

    def _batch(self, batch: pa.RecordBatch, first: int, *wanted: Sequence[str]) -> Batch:
        columns, categories, kept = wanted
        cells, bad = [self._column(batch, name) for name in columns], dict[tuple[int, str], str]()
        values = stacked([None if _is_plain_text(column.type) else column for column in cells], batch.num_rows)
        for number in self.options.missing_numbers:
            values[values == number] = np.nan
        for index, column in enumerate(cells):
            if _is_plain_text(column.type):
                values[:, index] = numbers_in(_coded(column), columns[index], self.options, bad)
        texts = tuple(self._coded(self._column(batch, name)) for name in categories)
        among = [index for index, name in enumerate(columns) if _may_be_integer(self._types[name])]
        integers = self._integers(batch, columns) if among else None  # which keeps what pyarrow has read in memory
        read = Batch(
            values, partial(_row, first), batch.num_rows, texts, faults=faults_of(bad), bad=bad, integer=integers
        )
        read = replace(read, kept=tuple(_kept(self._column(batch, name)) for name in kept))
        self.notices.large_integers(self, read, columns, among)
        if self.options.marks:
            return read
        return without_faults(self, read, columns)

    def _column(self, batch: pa.RecordBatch, name: str) -> ArrowColumn:
        return _plain(batch.column(self._keys[name]))

    def _integers(self, batch: object, columns: Sequence[str]) -> Callable[[int, int], int | None]:
        def integer(row: int, column: int) -> int | None:
            name = columns[column]
            cell = self._column(batch, name)[row].as_py() if _may_be_integer(self._types[name]) else None
            return self.options.integer(cell) if isinstance(cell, str) else cell

        return integer

    def _coded(self, column: ArrowColumn) -> Coded:
        """Return a column of text; empty text is a missing value, as in every other format."""
        coded = _coded(column)
        return coded.without({code for code, value in enumerate(coded.values) if value in {"", *self.options.missing}})

    def _check_type(self, column: str) -> None:
        kind = self._types[column]
        types = pa.types
        if types.is_temporal(kind):
            raise TableError(f"{self.name}, column {escaped(column)}: holds {kind}: it {DATE[0]}. {DATE[1]}")
        if not (_is_number(kind) or types.is_null(kind) or _is_plain_text(kind)):
            raise TableError(
                f"{self.name}, column {escaped(column)}: holds {kind}, not numbers. {_way(kind)} to numbers"
            )

    def _check_category(self, column: str) -> None:
        kind = self._types[column]
        if not (is_text(kind) or _is_number(kind) or pa.types.is_temporal(kind) or pa.types.is_null(kind)):
            raise TableError(
                f"{self.name}, column {escaped(column)}: holds {kind}, neither text nor numbers. {_way(kind)}"
            )


class Groups(NamedTuple):
    """Consecutive row groups of Parquet, or record batches of Arrow, from `first` to before `end`, and their rows."""

    first: int
    end: int
    rows: int


@dataclass(frozen=True)
class FileRecords:
    """Starts passes over a file, or some groups of it; see `Records`."""

    open_stream: Callable[[], IO[bytes]]
    name: str
    groups: Groups | None = None

    def __call__(self, columns: Sequence[str]) -> AbstractContextManager[Read]:
        """Start a pass."""
        return of_file(self.open_stream, self.name, columns, self.groups)

    def groups_of(self, rows: int) -> list[Groups]:
        """Return all groups, consecutive ones as one until they have so many rows; none where they are not told."""
        with self.open_stream() as stream:
            return _joined(_counts(stream), rows)


def _counts(stream: IO[bytes]) -> list[int]:
    """Return the rows of each group of a file that was opened before."""
    head, path = stream.read(len(ARROW)), _path_of(stream)
    if head.startswith(PARQUET):
        return _rows_of_groups(pyarrow.parquet.ParquetFile(_native(stream)).metadata)
    if head != ARROW or path is None:
        return []  # a stream of Arrow has no list of its batches
    # Mapped, and of one column: then only what describes a batch is read, and not the batch.
    one = pa.ipc.IpcReadOptions(included_fields=[0], use_threads=False)
    reader = pa.ipc.open_file(pa.memory_map(path), options=one)
    return [reader.get_batch(index).num_rows for index in range(reader.num_record_batches)]


def _rows_of_groups(metadata: pyarrow.parquet.FileMetaData) -> list[int]:
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def _joined(counts: Sequence[int], rows: int) -> list[Groups]:
    """Join consecutive groups until they have so many rows."""
    joined, first, held = list[Groups](), 0, 0
    for end, count in enumerate(counts, 1):
        held += count
        if held >= rows or end == len(counts):
            joined.append(Groups(first, end, held))
            first, held = end, 0
    return joined


@contextmanager
def of_file(
    open_stream: Callable[[], IO[bytes]], name: str, columns: Sequence[str], groups: Groups | None = None
) -> Iterator[Read]:
    """Start a pass over some columns of a file, which `open_stream` gives at its start, or of some groups of it."""
    with open_stream() as stream:
        head = stream.read(6)
        stream.seek(0)
        try:
            schema, size, batches = _opened(stream, head, columns, groups)
        except (pa.ArrowException, *READ_ERRORS) as error:
            raise TableError(f"{name}: not a Parquet or Arrow file ({_first_line(error)})") from error
        yield schema, size, told(batches, f"{name}: damaged")


def _opened(stream: IO[bytes], head: bytes, columns: Sequence[str], groups: Groups | None) -> Read:
    if head.startswith(PARQUET):
        # Buffered reads: without, pages of the whole file stay in memory behind the reader.
        file = pyarrow.parquet.ParquetFile(
            _native(stream), pre_buffer=False, buffer_size=_buffer_bytes(stream, columns)
        )
        counts = _rows_of_groups(file.metadata)
        first, end, size = groups or Groups(0, len(counts), file.metadata.num_rows)
        runs = (range(first + run.first, first + run.end) for run in _joined(counts[first:end], Cut().rows))
        read = partial(file.iter_batches, batch_size=rows_at_once(columns), columns=list(columns))
        return file.schema_arrow, size, chain.from_iterable(read(row_groups=run) for run in runs)
    if head == ARROW:
        reader = pa.ipc.open_file(stream)
        first, end, _ = groups or Groups(0, reader.num_record_batches, 0)
        return reader.schema, None, (reader.get_batch(index) for index in range(first, end))
    reader = pa.ipc.open_stream(stream)
    return reader.schema, None, iter(reader)


def _buffer_bytes(stream: IO[bytes], columns: Sequence[str]) -> int:
    """Return how much of each column is read at once: of an object in a store more, for each read is a request."""
    is_file = not isinstance(getattr(stream, "raw", None), pa.NativeFile)
    return _READ_BYTES if is_file else max(_READ_BYTES, min(_REQUEST_BYTES, _REQUESTED_BYTES // max(len(columns), 1)))


def rows_at_once(columns: Sequence[str]) -> int:
    """Return how many rows of so many columns stay in the processor's cache while they are turned to rows."""
    return max(_FEWEST_ROWS, min(_MOST_ROWS, _BATCH_NUMBERS // max(len(columns), 1)))


def told(batches: Iterator[pa.RecordBatch], what: str) -> Generator[pa.RecordBatch, None, None]:
    """Yield batches; what keeps them from being read is raised as TableError."""
    try:
        yield from batches
    except LinedgeError:
        raise
    except Exception as error:  # frames of other packages may raise anything
        raise TableError(f"{what} ({_first_line(error)})") from error


def _native(stream: IO[bytes]) -> object:
    """Return pyarrow's reader of a plain file; with Python's, its threads would wait for one another at each read."""
    path, raw = _path_of(stream), getattr(stream, "raw", None)
    if isinstance(raw, pa.NativeFile):
        return raw
    return stream if path is None else pa.OSFile(path)


def _path_of(stream: IO[bytes]) -> bytes | None:
    """Return the path of a plain file; bytes, as a name may be no text."""
    raw: object = getattr(stream, "raw", None)
    return os.fsencode(raw.name) if isinstance(raw, io.FileIO) and isinstance(raw.name, str | PurePath) else None


def _pandas_indexes(schema: pa.Schema) -> set[str]:
    """Return the columns that pandas wrote for an index; one of counted rows (a range) has none."""
    try:
        indexes = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
        return {index for index in indexes if isinstance(index, str)}
    except (KeyError, TypeError, ValueError, RecursionError):
        return set()


def _kind(kind: object) -> ColumnKind:
    types = pa.types
    if types.is_date(kind) or types.is_timestamp(kind) or types.is_time(kind):
        return "date"
    return "category" if is_text(kind) else "number"


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of a column that writes each once, unless these are text."""
    is_packed = pa.types.is_run_end_encoded(kind) or (pa.types.is_dictionary(kind) and not is_text(kind))
    return _plain_type(kind.value_type) if is_packed else kind


def _plain(column: ArrowColumn) -> ArrowColumn:
    if pa.types.is_run_end_encoded(column.type):
        from pyarrow.compute import run_end_decode

        return _plain(run_end_decode(column))
    return column if _plain_type(column.type) == column.type else column.dictionary_decode()


def _way(kind: object) -> str:
    return "Take it apart (pyarrow: Table.flatten), and convert it" if pa.types.is_struct(kind) else "Convert it"


def _is_number(kind: object) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind))


def _may_be_integer(kind: object) -> bool:
    return bool(pa.types.is_integer(kind) or _is_plain_text(kind))


def _kept(column: ArrowColumn) -> ArrowColumn:
    """Return a column of a type that rows can be taken from: pyarrow (26) cannot of views of text."""
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is text, or lists the text that its values are."""
    return _is_plain_text(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _is_plain_text(kind: pa.DataType) -> bool:
    """Whether a type is text without a list of its values."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _row(first: int, row: int) -> str:
    return f"row {first + row + 1}"


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
