"""The sources of a table: files, open tables, and arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.errors import OptionError, TableError, escaped
from lr_runtime.prediction.inputs import as_cells, as_numbers, as_text, number_in, unmasked
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.batch import Batch, Coded, coded, indexes_among, renamed, rows_of
from lr_runtime.tables.notices import Notices
from lr_runtime.tables.table import positions, without_faults
from lr_runtime.wording import worded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from lr_runtime.tables import Table
    from lr_runtime.tables.sample import Sample

_BATCH_ROWS = 1 << 16


def opened(
    source: str | Path | Sequence[str | Path] | Table | Mapping[str, ArrayLike],
    options: TableOptions | None,
    warn: Callable[[str], None],
) -> Table:
    """Return the open table of a source.

    Raises:
        OptionError: the source is none of these.
    """

    def say(line: str) -> None:
        warn(worded(line))

    if isinstance(source, Mapping):
        return ArrayTable(source, options, Notices(say))
    if isinstance(source, str | Path | Sequence):
        return open_table(source, options, warn=say)
    if not hasattr(source, "batches"):
        raise OptionError(f"a table is a path, several, an open table, or arrays by name, not {escaped(str(source))}")
    return source


class ArrayTable:
    """Arrays by name, all with the same number of rows; see `lr_runtime.tables.Table`.

    A one-dimensional array is a column; a two-dimensional one of the name x is the columns x1, x2, ...

    Args:
        arrays: numbers or text.
        options: the names of columns, the marks of missing values, and whether rows with an infinite number are left
            out.
        notices: receives the rows that are left out, and the integers that float64 rounds.

    Raises:
        TableError: numbers of rows differ, or an array holds neither numbers nor text.
        MissingColumnError: a column to be renamed is not among the arrays.
    """

    def __init__(
        self, arrays: Mapping[str, ArrayLike], options: TableOptions | None = None, notices: Notices | None = None
    ) -> None:
        self.name = name = "the table"
        self.options = options or TableOptions()
        self.notices = notices or Notices(None)
        given_names: list[str] = []
        enumerated: list[str] = []
        tables: list[NDArray[Any]] = []
        for key, given in arrays.items():
            array = unmasked(as_cells(given, f"{name}, {escaped(key)}: the values", TableError))
            if array.ndim not in {1, 2} or 0 in array.shape[1:] or array.dtype.kind not in "biufUO":
                raise TableError(
                    f"{name}, {escaped(key)}: holds {array.dtype} {array.shape}, not columns of numbers or text"
                )
            tables.append(array[:, None] if array.ndim == 1 else array)
            names = [key] if array.ndim == 1 else [f"{key}{index + 1}" for index in range(array.shape[1])]
            enumerated += names if _is_enumerated(given) else []
            given_names += names
        columns = renamed(name, given_names, self.options.renames)
        self.names = tuple(filter(None, columns))
        self.indexes = indexes_among(self.names)
        self._enumerated = {new for new, old in zip(columns, given_names, strict=True) if old in enumerated}
        left = iter(columns)
        self._groups = {tuple(islice(left, table.shape[1])): table for table in tables}
        self._columns = {
            name: column for group, table in self._groups.items() for name, column in zip(group, table.T, strict=True)
        }
        lengths = {len(column) for column in self._columns.values()}
        if len(lengths) > 1:
            raise TableError(f"{name}: the arrays have different numbers of rows: {sorted(lengths)}")
        self.size: int | None = lengths.pop() if lengths else 0

    def views(self, columns: Sequence[str], rows: int) -> Iterator[tuple[NDArray[np.float64], ...]] | None:
        """Return views of the columns, `rows` rows at a time; None where they are not float64."""
        positions(self, columns)
        parts, start = [], 0
        while start < len(columns):
            names = next((n for n in self._groups if tuple(columns[start : start + len(n)]) == n), (columns[start],))
            parts.append(self._groups[names] if names in self._groups else self._columns[columns[start]][:, None])
            start += len(names)
        if any(part.dtype != np.float64 for part in parts) or self.options.missing_numbers:
            return None
        size = self.size or 0
        return (tuple(part[at : min(at + rows, size)] for part in parts) for at in range(0, size, rows))

    def fill(self, sample: Sample) -> None:
        """See `lr_runtime.tables.Table.fill`; the kind of a numeric or categorical array is that of its dtype."""
        positions(self, list(sample.cells))
        taken = min(sample.left, self.size or 0)
        for name, cells in sample.cells.items():
            column = self._columns[name]
            if name in self._enumerated:
                cells.typed.add("category")
            elif column.dtype.kind not in "UO":
                cells.typed.add("number")
            else:
                cells.is_typed_text = column.dtype.kind == "U" or any(isinstance(cell, str) for cell in column[:taken])
                sample.add_cells(name, column[:taken].tolist(), self._read, self._place)
        sample.rows += taken

    def _read(self, cell: object) -> float:
        return number_in(cell, self.options)

    def _place(self, row: int) -> str:
        return f"{self.name} {_row(0, row)}"

    def batches(self, columns: Sequence[str], categories: Sequence[str] = ()) -> Iterator[Batch]:
        """See `lr_runtime.tables.Table.batches`."""
        positions(self, [*columns, *categories])
        for start in range(0, self.size or 0, _BATCH_ROWS):
            stop = min(start + _BATCH_ROWS, self.size or 0)
            values, bad = np.empty((stop - start, len(columns))), dict[tuple[int, str], str]()
            for index, name in enumerate(columns):
                cells = self._columns[name][start:stop]
                faults: dict[int, str] = {}
                is_read = cells.dtype.kind not in "UO"
                values[:, index] = cells if is_read else as_numbers(cells, name, faults, self._read)
                bad |= {(row, name): fault for row, fault in faults.items()}
            for number in self.options.missing_numbers:
                values[values == number] = np.nan
            texts = tuple(self._coded(self._columns[name][start:stop]) for name in categories)
            integer = partial(self._integer, columns, start)
            batch = Batch(
                values, partial(_row, start), stop - start, texts, faults=rows_of(bad), bad=bad, integer=integer
            )
            among = [index for index, name in enumerate(columns) if self._columns[name].dtype.kind in "iu"]
            self.notices.large_integers(self, batch, columns, among)
            yield batch if self.options.marks else without_faults(self, batch, columns)

    def _integer(self, columns: Sequence[str], start: int, row: int, column: int) -> int | None:
        value = self._columns[columns[column]][start + row]
        return int(value) if isinstance(value, np.integer) else None

    def _coded(self, values: NDArray[np.generic]) -> Coded:
        absent = {"", *self.options.missing}
        return coded(None if text in absent else text for text in as_text(values))


def _is_enumerated(array: object) -> bool:
    """Return whether a column is of a categorical type of pandas, polars or pyarrow."""
    kind = str(getattr(array, "dtype", None) or getattr(array, "type", ""))
    return kind.lower().startswith(("category", "categorical", "enum", "dictionary"))


def _row(start: int, row: int) -> str:
    return f"row {start + row + 1}"
