"""Records to a batch, cell by cell: the rule for what a row of a text table says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lr_runtime.errors import escaped
from lr_runtime.tables.batch import Batch, coded
from lr_runtime.tables.cells.options import NotANumberError
from lr_runtime.tables.text.syntax import LineError, Syntax, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


_T = TypeVar("_T", float, "str | None")
"""What a cell is read as: a number, or a category's value."""


class StrictRows:
    """The rows of some records: where the table's columns stand, by name, how their cells are written, which of them
    are wanted, and whether bad records stand among them (`marks`).
    """

    def __init__(self, place: Mapping[str, int], syntax: Syntax, wanted: Wanted, *, marks: bool) -> None:
        self._place, self._syntax, self._wanted, self._marks = place, syntax, wanted, marks
        self._lines: list[int] = []
        self._numbers: list[list[float]] = []
        self._texts: list[list[str | None]] = []
        self._kept: list[list[object]] = []
        self._faults: dict[int, str] = {}
        self._bad: dict[tuple[int, str], str] = {}

    def add(self, line: int, cells: Sequence[object] | LineError) -> str | None:
        """Add a record, unless something is wrong with it that is not marked; return what is."""
        wanted, place, bad = self._wanted, self._place, dict[str, str]()
        texts: list[str | None]
        if isinstance(cells, LineError):
            fault: str | None = str(cells)
            numbers, texts = [math.nan] * len(wanted.numbers), [None] * len(wanted.texts)
            kept: list[object] = [None] * len(wanted.kept)
        else:
            numbers = self._read(cells, wanted.numbers, self._syntax.number, math.nan, bad)
            texts = self._read(cells, wanted.texts, self._syntax.text, None, bad)
            kept = [cells[place[name]] for name in wanted.kept]
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

    def _read(
        self,
        cells: Sequence[object],
        names: Sequence[str],
        read: Callable[[object], _T],
        otherwise: _T,
        bad: dict[str, str],
    ) -> list[_T]:
        values = []
        for name in names:
            cell = cells[self._place[name]]
            try:
                values.append(read(cell))
            except NotANumberError as error:
                bad[name] = f"column {escaped(name)}: {escaped(str(cell))} {error}"
                values.append(otherwise)
        return values

    def batch(self, size: int, skipped: int) -> Batch:
        """Return what was added."""
        lines, wanted = self._lines, self._wanted
        return Batch(
            values=np.array(self._numbers, dtype=np.float64).reshape(len(lines), len(wanted.numbers)),
            where=lambda row: f"line {lines[row]}",
            size=size,
            categories=tuple(coded(row[index] for row in self._texts) for index in range(len(wanted.texts))),
            skipped=skipped,
            kept=tuple([row[index] for row in self._kept] for index in range(len(wanted.kept))),
            faults=self._faults,
            bad=self._bad,
        )
