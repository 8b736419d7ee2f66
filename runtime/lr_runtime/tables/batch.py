"""What every reader gives: consecutive rows of a table as float64, and where in the file each of them stands."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lr_runtime.errors import MissingColumnError, TableError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract import Kind

READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading a file can raise; the last two where it is compressed."""


@dataclass(frozen=True)
class Coded:
    """A column of text, each value written once.

    Attributes:
        codes: int64 (rows,), positions in `values`; -1 where a value is missing.
        values: the distinct values of these rows.
    """

    codes: NDArray[np.int64]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a table.

    Attributes:
        values: float64 (rows, columns), in the order that the columns were asked for; NaN where a value is missing.
        where: the place of a row (counted from 0 in this batch) in the file, such as "line 12".
        size: how far this batch moves a reader through the table, in the unit of `Table.size`.
        categories: the columns asked for as text, in that order.
    """

    values: NDArray[np.float64]
    where: Callable[[int], str]
    size: int
    categories: tuple[Coded, ...] = ()


class Table(Protocol):
    """A table that is open: its columns' names, and its rows as often as it can be read."""

    name: str
    names: tuple[str, ...]
    size: int | None

    def kinds(self, columns: Sequence[str]) -> dict[str, Kind]:
        """Tell each column by its first value that is not missing: a category where that is no number."""
        ...

    def batches(self, columns: Sequence[str], categories: Sequence[str] = ()) -> Iterator[Batch]:
        """Read the rows of the numeric `columns` and of the `categories`, in that order, in bounded memory.

        Raises:
            TableError: a row is ragged or a cell is no number; the message has the file, the line and the column.
        """
        ...


def positions(table: Table, columns: Sequence[str]) -> list[int]:
    """Return where `columns` stand in the table.

    Raises:
        MissingColumnError: some of them are not there.
    """
    missing = [name for name in columns if name not in table.names]
    if missing:
        raise MissingColumnError(table.name, missing, table.names)
    return [table.names.index(name) for name in columns]


def check_names(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the header as it is, or refuse one that does not tell the columns apart.

    Raises:
        TableError: a name is empty or stands twice.
    """
    if empty := [index + 1 for index, column in enumerate(names) if not column.strip()]:
        raise TableError(f"{name} line 1: column {empty[0]} has no name. Give every column a name")
    if twice := sorted({column for column in names if names.count(column) > 1}):
        raise TableError(f"{name} line 1: the name {escaped(twice[0])} stands twice. Rename one of the columns")
    return tuple(names)


def numbers_only(table: Table, columns: Sequence[str]) -> Iterator[Batch]:
    """Read batches under the policy "error" for missing values: every number in them is finite.

    Raises:
        TableError: a value is missing or infinite; the message has its place.
    """
    for batch in table.batches(columns):
        if not np.isfinite(batch.values).all():
            row, column = (int(index) for index in np.argwhere(~np.isfinite(batch.values))[0])
            missing = np.isnan(batch.values[row, column])
            what = "the value is missing. Fill it in or leave the row out" if missing else "the value is not finite"
            raise TableError(f"{table.name} {batch.where(row)}, column {escaped(columns[column])}: {what}")
        yield batch


def coded(cells: Iterable[str | None]) -> Coded:
    """Write each distinct value once, in order of appearance; None is a missing value."""
    places: dict[str, int] = {}
    codes = [-1 if cell is None else places.setdefault(cell, len(places)) for cell in cells]
    return Coded(np.array(codes, dtype=np.int64), tuple(places))
