"""Tables go out here: CSV and JSON lines with the standard library, more and faster with pyarrow (extra "tables").

A number is written with the fewest digits that read back as the same number, in float64.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from lr_runtime.tables.batch import Kept


@dataclass(frozen=True)
class OutputRows:
    """What is written at once.

    Attributes:
        kept: columns of the input, by name.
        results: columns of results by name, floats or bool (rows,).
        empty: bool (rows,), the rows without results; None where there are none.
    """

    kept: Mapping[str, Kept]
    results: Mapping[str, NDArray[np.generic]]
    empty: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.results.values())))

    def lists(self) -> list[list[object]]:
        """Return the columns as lists of what JSON has; None where there is no value."""
        kept = [column if isinstance(column, list) else column.to_pylist() for column in self.kept.values()]
        results = [column.tolist() for column in self.results.values()]
        if self.empty is not None:
            for row in self.empty.nonzero()[0].tolist():
                for column in results:
                    column[row] = None
        return [*kept, *results]


Prepared: TypeAlias = "bytes | pa.RecordBatch"
"""Rows as they are written wherever they stand among others."""


class TableWriter(Protocol):
    """Writes rows of the same columns, in order.

    Attributes:
        prepared: prepares rows; it may be pickled, so that another process does.
    """

    prepared: Callable[[OutputRows], Prepared]

    def put(self, prepared: Prepared) -> None:
        """Write prepared rows behind those that were written."""
        ...

    def write(self, rows: OutputRows) -> None:
        """Write rows behind those that were written."""
        self.put(self.prepared(rows))

    def close(self) -> None:
        """Write what ends the table, if anything does; the sink stays open."""
        return


class CsvText:
    """Rows as CSV (RFC 4180, with line feeds); an empty cell where there is no value."""

    def __init__(self, delimiter: str = ",") -> None:
        self._delimiter = delimiter

    def header(self, names: Sequence[str]) -> bytes:
        """Return the line of the names."""
        return self._joined([names])

    def __call__(self, rows: OutputRows) -> bytes:
        """See `TableWriter.prepared`."""
        columns = rows.lists()
        if len(columns) == 1 and rows.empty is None and columns[0] and isinstance(columns[0][0], float):
            return ("\n".join(map(repr, columns[0])) + "\n").encode()
        return self._joined(zip(*(map(cell_text, column) for column in columns), strict=True))

    def _joined(self, records: Iterable[Iterable[str]]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerows(records)
        return text.getvalue().encode()


def cell_text(value: object) -> str:
    """Return a value as the text of a cell; a number with the digits that read back as it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)


class TextWriter(TableWriter):
    """Text, a `head` before all rows."""

    def __init__(self, sink: IO[bytes], prepared: Callable[[OutputRows], bytes], head: bytes = b"") -> None:
        self._sink, self.prepared = sink, prepared
        sink.write(head)

    def put(self, prepared: bytes) -> None:
        """See `TableWriter.put`."""
        self._sink.write(prepared)


def json_lines(rows: OutputRows) -> bytes:
    """Return one object a line; null where there is no value."""
    return "".join(f"{one}\n" for one in _objects(rows)).encode()


def _listed(rows: OutputRows) -> bytes:
    return ", ".join(_objects(rows)).encode()


class JsonDocumentWriter(TableWriter):
    """One JSON document with an array of objects in it; `head` stands before them, and `tail` gives what follows."""

    def __init__(self, sink: IO[bytes], head: str, tail: Callable[[], str]) -> None:
        self._sink, self.prepared = sink, _listed
        self._next = head
        self._tail = tail

    def put(self, prepared: bytes) -> None:
        """See `TableWriter.put`."""
        self._sink.write(self._next.encode() + prepared)
        self._next = ", " if prepared else ""

    def close(self) -> None:
        """See `TableWriter.close`."""
        self._sink.write(self._tail().encode())


def _objects(rows: OutputRows) -> Iterator[str]:
    names = [*rows.kept, *rows.results]
    return (json_object(dict(zip(names, row, strict=True))) for row in zip(*rows.lists(), strict=True))


def json_object(row: Mapping[str, object]) -> str:
    """Return an object in one line; null for what JSON has not."""
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:  # a NaN or an infinity among the kept columns
        return json.dumps(_finite(row), ensure_ascii=False, allow_nan=False, default=str)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value
