"""Records to a batch, cell by cell: the rule for what a row of a text table says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from lr_runtime.errors import escaped
from lr_runtime.tables.batch import Batch, coded
from lr_runtime.tables.cells.options import NotANumberError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lr_runtime.tables.text.syntax import LineError, Syntax

_T = TypeVar("_T", float, "str | None")
"""What a cell is read as: a number, or a category's value."""


class Places(NamedTuple):
    """Where the columns that were asked for stand in a table: numbers, categories, and those kept as they are."""

    numbers: Sequence[int]
    texts: Sequence[int]
    kept: Sequence[int] = ()


class CellError(ValueError):
    """A cell is not what its column holds; the message has the column, what was seen and what is wrong with it."""


class StrictRows:
    """The rows of some records.

    Args:
        names: the table's columns.
        syntax: how their cells are written.
        places: which of them are wanted.
    """

    def __init__(self, names: Sequence[str], syntax: Syntax, places: Places) -> None:
        self._names = names
        self._syntax = syntax
        self._places = places
        self._lines: list[int] = []
        self._numbers: list[list[float]] = []
        self._texts: list[list[str | None]] = []
        self._kept: list[list[object]] = []
        self._faults: dict[int, str] = {}
        self._bad: dict[tuple[int, str], str] = {}

    def add(self, line: int, cells: Sequence[object]) -> None:
        """Add a record.

        Raises:
            CellError: a cell is not what its column holds; nothing was added.
        """
        numbers = [self._cell(cells, index, self._syntax.number) for index in self._places.numbers]
        texts = [self._cell(cells, index, self._syntax.text) for index in self._places.texts]
        self._append(line, numbers, texts, [cells[index] for index in self._places.kept])

    def mark(self, line: int, cells: Sequence[object] | LineError, fault: str) -> None:
        """Add a bad record: its bad values missing, and what is wrong with it."""
        places = self._places
        self._faults[len(self._lines)] = fault
        if isinstance(cells, ValueError):
            self._append(line, [math.nan] * len(places.numbers), [None] * len(places.texts), [None] * len(places.kept))
            return
        numbers = [self._or_bad(cells, index, self._syntax.number, math.nan) for index in places.numbers]
        texts = [self._or_bad(cells, index, self._syntax.text, None) for index in places.texts]
        self._append(line, numbers, texts, [cells[index] for index in places.kept])

    def _or_bad(self, cells: Sequence[object], index: int, read: Callable[[object], _T], otherwise: _T) -> _T:
        try:
            return self._cell(cells, index, read)
        except CellError as error:
            self._bad[len(self._lines), self._names[index]] = str(error)
            return otherwise

    def _append(self, line: int, numbers: list[float], texts: list[str | None], kept: list[object]) -> None:
        self._lines.append(line)
        self._numbers.append(numbers)
        self._texts.append(texts)
        self._kept.append(kept)

    def _cell(self, cells: Sequence[object], index: int, read: Callable[[object], _T]) -> _T:
        try:
            return read(cells[index])
        except NotANumberError as error:
            raise CellError(f"column {escaped(self._names[index])}: {escaped(str(cells[index]))} {error}") from error

    def batch(self, size: int, skipped: int) -> Batch:
        """Return what was added."""
        lines, places = self._lines, self._places
        return Batch(
            values=np.array(self._numbers, dtype=np.float64).reshape(len(lines), len(places.numbers)),
            where=lambda row: f"line {lines[row]}",
            size=size,
            categories=tuple(coded(row[index] for row in self._texts) for index in range(len(places.texts))),
            skipped=skipped,
            kept=tuple([row[index] for row in self._kept] for index in range(len(places.kept))),
            faults=self._faults,
            bad=self._bad,
        )
