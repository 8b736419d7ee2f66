"""What a caller names a table by, made one: files, and arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.errors import TableError, escaped
from lr_runtime.inputs import as_numbers, is_missing, unmasked
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.batch import Batch, Coded, coded, positions, renamed, without_infinite
from lr_runtime.tables.notices import Notices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from lr_runtime.contract import Kind
    from lr_runtime.tables import Table

_BATCH_ROWS = 1 << 16


def opened(
    source: str | Path | Sequence[str | Path] | Table | Mapping[str, ArrayLike],
    options: TableOptions | None,
    warn: Callable[[str], None],
) -> Table:
    """Return an open table for whatever a caller names one by."""
    if isinstance(source, Mapping):
        return ArrayTable(source, options, Notices(warn))
    return open_table(source, options, warn=warn) if isinstance(source, str | Path | Sequence) else source


class ArrayTable:
    """Arrays by name, all with the same number of rows; see `lr_runtime.tables.Table`.

    A one-dimensional array is a column; a two-dimensional one stands for its columns, called x1, x2, ... for a name x.

    Args:
        arrays: numbers or text.
        options: what the columns are called, what else means a missing value, whether rows with an infinite number are
            left out.
        notices: who hears of those, and of integers that float64 rounds.

    Raises:
        TableError: numbers of rows differ, or an array holds neither numbers nor text.
        MissingColumnError: a name to be replaced is not there.
    """

    def __init__(
        self, arrays: Mapping[str, ArrayLike], options: TableOptions | None = None, notices: Notices | None = None
    ) -> None:
        self.name = name = "the table"
        self._options = options or TableOptions()
        self._notices = notices or Notices(None)
        given_names: list[str] = []
        tables: list[NDArray[Any]] = []
        for key, given in arrays.items():
            array = self._typed(unmasked(np.asanyarray(given)), key)
            if array.ndim not in {1, 2} or 0 in array.shape[1:] or array.dtype.kind not in "biufUO":
                raise TableError(
                    f"{name}, {escaped(key)}: holds {array.dtype} {array.shape}, not columns of numbers or text"
                )
            tables.append(array[:, None] if array.ndim == 1 else array)
            given_names += [key] if array.ndim == 1 else [f"{key}{index + 1}" for index in range(array.shape[1])]
        self.names = renamed(name, given_names, self._options.renames)
        names = iter(self.names)
        self._groups = {tuple(islice(names, table.shape[1])): table for table in tables}
        self._columns = {
            name: column for group, table in self._groups.items() for name, column in zip(group, table.T, strict=True)
        }
        lengths = {len(column) for column in self._columns.values()}
        if len(lengths) > 1:
            raise TableError(f"{name}: the arrays have different numbers of rows: {sorted(lengths)}")
        self.size: int | None = lengths.pop() if lengths else 0

    def views(self, columns: Sequence[str], rows: int) -> Iterator[tuple[NDArray[np.float64], ...]] | None:
        """Give the columns side by side without a copy, `rows` rows at a time; None where they are not float64."""
        positions(self, columns)
        parts, start = [], 0
        while start < len(columns):
            names = next((n for n in self._groups if tuple(columns[start : start + len(n)]) == n), (columns[start],))
            parts.append(self._groups[names] if names in self._groups else self._columns[columns[start]][:, None])
            start += len(names)
        if any(part.dtype != np.float64 for part in parts) or self._options.missing_numbers:
            return None
        size = self.size or 0
        return (tuple(part[at : min(at + rows, size)] for part in parts) for at in range(0, size, rows))

    def kinds(self, columns: Sequence[str]) -> dict[str, Kind]:
        """See `lr_runtime.tables.Table.kinds`."""
        positions(self, columns)
        return {name: "category" if self._columns[name].dtype.kind in "UO" else "number" for name in columns}

    def batches(self, columns: Sequence[str], categories: Sequence[str] = ()) -> Iterator[Batch]:
        """See `lr_runtime.tables.Table.batches`."""
        positions(self, [*columns, *categories])
        for name in columns:
            self._check_numbers(name)
        for start in range(0, self.size or 0, _BATCH_ROWS):
            stop = min(start + _BATCH_ROWS, self.size or 0)
            values = np.empty((stop - start, len(columns)))
            for index, name in enumerate(columns):
                values[:, index] = self._columns[name][start:stop]
            for number in self._options.missing_numbers:
                values[values == number] = np.nan
            texts = tuple(self._coded(self._columns[name][start:stop]) for name in categories)
            integer = partial(self._integer, columns, start)
            batch = Batch(values, partial(_row, start), stop - start, texts, integer=integer)
            among = [index for index, name in enumerate(columns) if self._columns[name].dtype.kind in "iu"]
            self._notices.large_integers(self, batch, columns, among)
            yield without_infinite(self, batch, columns, skipped=self._notices.skipped if self._options.skips else None)

    def _check_numbers(self, name: str) -> None:
        column = self._columns[name]
        if column.dtype.kind in "UO" and len(column):
            place = next((at for at, cell in enumerate(column.tolist()) if not is_missing(cell)), 0)
            said = f"{escaped(str(column[place]))} is not a number"
            raise TableError(f"{self.name} {_row(0, place)}, column {escaped(name)}: {said}")

    def _typed(self, array: NDArray[Any], name: str) -> NDArray[Any]:
        """Return an array of objects whose first one is a number as float64, another as it is."""
        first = next((cell for cell in array.flat if not is_missing(cell)), None) if array.dtype.kind == "O" else None
        if not isinstance(first, Number):
            return array
        faults: dict[int, str] = {}
        values = as_numbers(array.ravel(), name, faults)
        for cell, fault in faults.items():
            raise TableError(f"{self.name} {_row(0, cell * len(array) // array.size)}, {fault}")
        return values.reshape(array.shape)

    def _integer(self, columns: Sequence[str], start: int, row: int, column: int) -> int | None:
        value = self._columns[columns[column]][start + row]
        return int(value) if isinstance(value, np.integer) else None

    def _coded(self, values: NDArray[Any]) -> Coded:
        absent = {"", *self._options.missing}
        texts = (None if is_missing(value) else str(value) for value in values.tolist())
        return coded(None if text in absent else text for text in texts)


def _row(start: int, row: int) -> str:
    return f"row {start + row + 1}"
