"""The first rows of a table, column by column: what each cell is, and where the first of each sort stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isnan
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lr_runtime.tables.batch import Cell, Coded, ColumnKind
from lr_runtime.tables.cells.dress import are_codes
from lr_runtime.tables.cells.options import NotANumberError

if TYPE_CHECKING:
    from numpy.typing import NDArray


FIRST_ROWS = 10_000
"""So many tell the kinds: enough that a rare fault among them is seen, few enough to be read in milliseconds."""


Read = Callable[[Cell], float]
"""Returns a cell as a number, NaN where it is missing, or raises NotANumberError."""


Sort = Literal["number", "dressed", "date", "text", "missing"]
"""What a cell is; `dressed` is a number in another dress."""


class Example(NamedTuple):
    """A cell, the place of its row in the file, its row counted from 0 in the table, and why it is no number."""

    cell: str
    place: Callable[[], str]
    row: int
    why: NotANumberError | None = None


@dataclass
class Cells:
    """The cells of a column in the first rows of a table.

    Attributes:
        counts: how many there are of each sort.
        first: of each sort.
        last_text: the row of the last cell that is text, -1 where there is none.
        units: what stands behind the numbers that have a unit.
        typed: what typed sources say that the column is.
        is_typed_text: whether the source has other ways to write numbers than as text.
    """

    counts: Counter[Sort] = field(default_factory=Counter)
    first: dict[Sort, Example] = field(default_factory=dict)
    last_text: int = -1
    units: set[str] = field(default_factory=set)
    typed: set[ColumnKind] = field(default_factory=set)
    is_typed_text: bool = False

    def add(self, sort: Sort, example: Example, count: int = 1, last: int | None = None) -> None:
        """Count cells of a sort; `example` is the first of them, `last` the row of the last."""
        self.counts[sort] += count
        self.first.setdefault(sort, example)
        if sort == "text":
            self.last_text = max(self.last_text, example.row if last is None else last)
        if sort == "dressed" and example.why is not None:
            self.units.add(example.why.unit)

    def add_coded(self, column: Coded, read: Read, first: int, where: Callable[[int], str]) -> None:
        """Count the cells of a column of text, each distinct value read once; its rows begin with number `first` of the
        table, and `where` tells the place of one of them, counted from 0.
        """
        counts = np.bincount(column.codes + 1, minlength=len(column.values) + 1)
        self.counts["missing"] += int(counts[0])
        rows = np.arange(len(column.codes))
        firsts, lasts = np.zeros(len(counts), np.int64), np.zeros(len(counts), np.int64)
        firsts[column.codes[::-1] + 1], lasts[column.codes + 1] = rows[::-1], rows
        for code in (np.argsort(firsts[1:], kind="stable") + 1).tolist():
            cell, row = column.values[code - 1], int(firsts[code])
            sort, why = sort_of(cell, read)
            example = Example(cell, partial(where, row), first + row, why)
            self.add(sort, example, int(counts[code]), first + int(lasts[code]))

    @property
    def numbers(self) -> int:
        """How many are numbers."""
        return self.counts["number"]

    @property
    def others(self) -> int:
        """How many are neither numbers nor missing."""
        return self.counts.total() - self.numbers - self.counts["missing"]

    @property
    def is_disguised(self) -> bool:
        """Whether most are numbers in another dress, or dates; codes such as 1A and 2B are none."""
        disguised = self.counts["dressed"] + self.counts["date"]
        return not self.typed and not are_codes(self.units) and disguised > self.numbers + self.counts["text"]


def sort_of(cell: object, read: Read) -> tuple[Sort, NotANumberError | None]:
    """Return what a cell is, and why it is no number."""
    try:
        value = read(cell)
    except NotANumberError as error:
        return error.sort, error
    return "missing" if isnan(value) else "number", None


class Sample:
    """The first rows of a table, by column: `rows` so far."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.cells = {name: Cells() for name in columns}
        self.rows = 0

    @property
    def left(self) -> int:
        """How many rows there is room for."""
        return FIRST_ROWS - self.rows

    def add_rows(
        self,
        rows: int,
        numbers: Mapping[str, NDArray[np.float64]],
        texts: Mapping[str, Coded],
        read: Read,
        where: Callable[[int], str],
    ) -> None:
        """Add the first of some rows, as many as there is room for: columns of numbers alone, NaN where one is missing,
        and columns of text; `where` tells the place of one of the rows, counted from 0.
        """
        taken = min(rows, self.left)
        for name, values in numbers.items():
            there = np.flatnonzero(~np.isnan(values[:taken]))
            self.cells[name].counts["missing"] += taken - len(there)
            if len(there):
                row = int(there[0])
                self.cells[name].add("number", Example("", partial(where, row), self.rows + row), len(there))
        for name, column in texts.items():
            self.cells[name].add_coded(column.rows(np.arange(taken)), read, self.rows, where)
        self.rows += taken

    def add_cells(self, name: str, cells: Sequence[object], read: Read, where: Callable[[int], str]) -> None:
        """Add cells to a column; the caller counts their rows."""
        for row, cell in enumerate(cells):
            sort, why = sort_of(cell, read)
            self.cells[name].add(sort, Example(str(cell), partial(where, row), self.rows + row, why))
