"""What every reader gives: consecutive rows of a table as float64, and where in the file each of them stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from lr_runtime.errors import MissingColumnError, TableError, escaped
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables.cells.options import TableOptions

ColumnKind = Literal["number", "category", "date"]
"""What a column is (see `kinds.py`); a date is no number, and a category only where one is asked for."""

Cell: TypeAlias = Any
"""A cell as its syntax gives it, and as that syntax alone reads it: text in CSV, a value of JSON in the others."""

ArrowColumn: TypeAlias = Any
"""An array of pyarrow, in one chunk or several; pyarrow has no types."""

Kept: TypeAlias = "list[Cell] | ArrowColumn"
"""A column as it stands in the file: a list of text or of JSON values, or an array of pyarrow."""

LONGEST_NAME = 10_000

_INDEX = re.compile(r"__index_level_[0-9]+__|Unnamed: [0-9]+")
"""What pandas calls an index without a name: in Parquet and Arrow, and in a CSV file that it read and wrote again."""

READ_ERRORS = (OSError, EOFError)
"""What reading a file can raise; the last where it is compressed."""


class Named(Protocol):
    """What messages have a name for: a table, before its rows are known."""

    name: str


@dataclass(frozen=True)
class Coded:
    """A column of text, each value once: `codes` int64 (rows,) are positions in `values`, -1 where one is missing."""

    codes: NDArray[np.int64]
    values: tuple[str, ...]

    def rows(self, kept: NDArray[np.intp]) -> Coded:
        """Return some of the rows, with the values that they have."""
        codes = self.codes[kept]
        return Coded(codes, self.values).without(set(range(len(self.values))) - set(codes.tolist()))

    def without(self, absent: Collection[int]) -> Coded:
        """Return the same rows, the values at these positions missing."""
        if not absent:
            return self
        left = [code for code in range(len(self.values)) if code not in absent]
        places = np.full(len(self.values) + 1, -1)  # the code -1, missing, takes the last of them
        places[left] = np.arange(len(left))
        return Coded(places[self.codes], tuple(self.values[code] for code in left))


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a table.

    Attributes:
        values: float64 (rows, columns), in the order that the columns were asked for; NaN where a value is missing.
        where: the place of a row (counted from 0 in this batch) in the file, such as "line 12".
        size: how far this batch moves a reader through the table, in the unit of `Table.size`.
        categories: the columns asked for as text, in that order.
        skipped: how many bad rows were left out among these.
        file: the file that the rows come from, where the table has several.
        kept: the columns asked for as they stand in the file, in that order.
        faults: what is wrong with bad rows that stand among these, their bad values missing.
        bad: what is wrong with each bad cell of those rows, by row and column; none of a row that is malformed.
        integer: the integer that the value at (row, column) is written as; None where it is another number.
    """

    values: NDArray[np.float64]
    where: Callable[[int], str]
    size: int
    categories: tuple[Coded, ...] = ()
    skipped: int = 0
    file: str | None = None
    kept: tuple[Kept, ...] = ()
    faults: Mapping[int, str] = field(default_factory=dict)
    bad: Mapping[tuple[int, str], str] = field(default_factory=dict)
    integer: Callable[[int, int], int | None] | None = None

    @cached_property
    def square_sum(self) -> float:
        """The sum of the squares of all numbers: one look tells what most batches need no closer look for.

        It is not finite where a number is missing or infinite (or beyond 1e154), and not below 2^106 where one is
        beyond 2^53, for rounding makes no sum of squares smaller than one of them.
        """
        values = self.values.ravel(order="K")
        return float(np.einsum("i,i->", values, values))  # not by BLAS, which would start threads

    @property
    def is_full(self) -> bool:
        """Whether all numbers are there and finite; False of some batches, with huge numbers, where they are."""
        return isfinite(self.square_sum)

    def with_numbers(self, columns: Sequence[str], more: Mapping[str, NDArray[np.float64] | float]) -> Batch:
        """Return the batch with `more` columns of numbers among its own; `columns` are the names of all, in order."""
        values, integer = np.empty((len(columns), len(self.values))).T, self.integer
        own = [place for place, name in enumerate(columns) if name not in more]
        values[:, own] = self.values
        for name, numbers in more.items():
            values[:, columns.index(name)] = numbers

        def integer_at(row: int, column: int) -> int | None:
            return integer(row, own.index(column)) if integer is not None and column in own else None

        return replace(self, values=values, integer=integer_at)

    def rows(self, chosen: NDArray[np.intp]) -> Batch:
        """Return some of the rows of a batch that holds no bad ones."""
        numbers, where, integer = chosen.tolist(), self.where, self.integer
        return Batch(
            values=self.values[chosen],
            where=lambda row: where(numbers[row]),
            size=self.size,
            categories=tuple(text.rows(chosen) for text in self.categories),
            skipped=self.skipped,
            file=self.file,
            kept=tuple(part_of(column, chosen) for column in self.kept),
            integer=None if integer is None else lambda row, column: integer(numbers[row], column),
        )


def part_of(column: Kept, rows: NDArray[np.intp]) -> Kept:
    """Return some of the rows of a column as it stands in the file."""
    return [column[row] for row in rows.tolist()] if isinstance(column, list) else column.take(rows)


def check_names(place: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the header in composed characters (NFC), or refuse one that does not tell the columns apart.

    A column without a name (a delimiter at the end of each row, the index that pandas or R wrote, an empty column of a
    spreadsheet) stands as "": nothing can ask for it.

    Raises:
        TableError: no column has a name, or one is longer than LONGEST_NAME, or stands twice.
    """
    if not any(map(str.strip, names)):
        raise TableError(f"{place}: no column has a name. Give those that are to be read names")
    for index, name in enumerate(names, 1):
        if len(name) > LONGEST_NAME:
            raise TableError(
                f"{place}: the name of column {index} has {len(name):,} characters; expected {LONGEST_NAME:,} at most. "
                "Is a quote left open?"
            )
    found = tuple(composed(name) if name.strip() else "" for name in names)
    given = list(filter(None, found))
    if len(set(given)) < len(given):
        twice = next(name for index, name in enumerate(given) if name in given[:index])
        raise TableError(
            f"{place}: the name {escaped(twice)} stands twice (in columns {_where_it_stands(twice, found)}). "
            "Rename one of the columns"
        )
    return found


def indexes_among(names: Sequence[str], said: Collection[str] = ()) -> tuple[str, ...]:
    """Return the columns that a file says are an index of its rows, or that are called as pandas calls such."""
    return tuple(name for name in names if name in said or _INDEX.fullmatch(name))


def _where_it_stands(name: str, names: Sequence[str]) -> str:
    return " and ".join(str(index) for index, other in enumerate(names, 1) if other == name)


def renamed(place: str, names: Sequence[str], renames: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the checked names of a header, the pairs (new, old) applied; "" for a column without one.

    A file that has `new` already and lacks `old` is left alone: of several files, some may need no renaming.

    Raises:
        TableError: see `check_names`.
        MissingColumnError: a name to be replaced is not there.
    """
    found = check_names(place, names)
    to = {composed(old): composed(new) for new, old in renames}
    if missing := [old for old, new in to.items() if old not in found and new not in found]:
        raise MissingColumnError(place, missing, found)
    return check_names(place, [to.get(name, name) for name in found]) if to else found


def faults_of(bad: Mapping[tuple[int, str], str]) -> dict[int, str]:
    """Return what is wrong with each row of some bad cells: with the first of them."""
    faults: dict[int, str] = {}
    for (row, _), fault in bad.items():
        faults.setdefault(row, fault)
    return faults


def numbers_in(column: Coded, name: str, options: TableOptions, bad: dict[tuple[int, str], str]) -> NDArray[np.float64]:
    """Return a column of text as numbers (rows,), NaN where one is missing or, in `bad` then, no number."""
    read = np.full(len(column.values) + 1, np.nan)  # the code -1, missing, takes the last of them
    for code, cell in enumerate(column.values):
        try:
            read[code] = options.number(cell)
        except ValueError as error:
            for row in np.flatnonzero(column.codes == code).tolist():
                bad[row, name] = f"column {escaped(name)}: {escaped(cell)} {error}"
    return read[column.codes]


def coded(cells: Iterable[str | None]) -> Coded:
    """Write each distinct value once, in order of appearance; None is a missing value."""
    places: dict[str, int] = {}
    codes = [-1 if cell is None else places.setdefault(cell, len(places)) for cell in cells]
    return Coded(np.array(codes, dtype=np.int64), tuple(places))


def place_of(table: Named, batch: Batch, row: int) -> str:
    """Return the file and the line of a row of a batch."""
    return f"{batch.file or table.name} {batch.where(row)}"
