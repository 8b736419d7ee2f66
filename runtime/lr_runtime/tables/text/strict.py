"""Records to a batch, cell by cell: the rule for what a row of a text table says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from lr_runtime.errors import escaped
from lr_runtime.tables.batch import Batch, coded
from lr_runtime.tables.cells.options import NotANumberError
from lr_runtime.tables.text.syntax import LineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lr_runtime.tables.text.syntax import Syntax

_T = TypeVar("_T", float, "str | None")
"""What a cell is read as: a number, or a category's value."""


class Places(NamedTuple):
    """Where the columns that were asked for stand in a table: numbers, categories, and those kept as they are."""

    numbers: Sequence[int]
    texts: Sequence[int]
    kept: Sequence[int] = ()


class StrictRows:
    """The rows of some records.

    Args:
        names: the table's columns.
        syntax: how their cells are written.
        places: which of them are wanted.
        marks: whether bad records stand among them.
    """

    def __init__(self, names: Sequence[str], syntax: Syntax, places: Places, *, marks: bool) -> None:
        self._names, self._syntax, self._places, self._marks = names, syntax, places, marks
        self._lines: list[int] = []
        self._numbers: list[list[float]] = []
        self._texts: list[list[str | None]] = []
        self._kept: list[list[object]] = []
        self._faults: dict[int, str] = {}
        self._bad: dict[tuple[int, str], str] = {}

    def add(self, line: int, cells: Sequence[object] | LineError) -> str | None:
        """Add a record, unless something is wrong with it that is not marked; return what is."""
        bad: dict[str, str] = {}
        texts: list[str | None]
        if isinstance(cells, LineError):
            fault: str | None = str(cells)
            numbers, texts = [math.nan] * len(self._places.numbers), [None] * len(self._places.texts)
            kept: list[object] = [None] * len(self._places.kept)
        else:
            numbers = [self._cell(cells, index, self._syntax.number, math.nan, bad) for index in self._places.numbers]
            texts = [self._cell(cells, index, self._syntax.text, None, bad) for index in self._places.texts]
            kept = [cells[index] for index in self._places.kept]
            fault = next(iter(bad.values()), None)
        if fault is not None and not self._marks:
            return fault
        row = len(self._lines)
        if fault is not None:
            self._faults[row] = fault
            self._bad |= {(row, name): said for name, said in bad.items()}
        self._lines.append(line)
        self._numbers.append(numbers)
        self._texts.append(texts)
        self._kept.append(kept)
        return fault

    def _cell(
        self, cells: Sequence[object], index: int, read: Callable[[object], _T], otherwise: _T, bad: dict[str, str]
    ) -> _T:
        try:
            return read(cells[index])
        except NotANumberError as error:
            name = self._names[index]
            bad[name] = f"column {escaped(name)}: {escaped(str(cells[index]))} {error}"
            return otherwise

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
