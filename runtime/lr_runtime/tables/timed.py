"""Tables with columns of instants, which come as the numbers that a model takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import TableError, escaped
from lr_runtime.instants import Clock, numbers_of
from lr_runtime.tables.batch import Batch, Kept, faults_of
from lr_runtime.tables.pieces import pieces_of, rows_of
from lr_runtime.tables.table import Cut, Table, without_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray


class TimedTable:
    """A table in which the columns of `clocks` are instants; see `Table`.

    They are dates, timestamps or text. A number among them is refused, for nothing tells what it counts.
    """

    def __init__(self, table: Table, clocks: Mapping[str, Clock]) -> None:
        self.name, self.names, self.indexes, self.size = table.name, table.names, table.indexes, table.size
        self.options, self.notices, self.fill = table.options, table.notices, table.fill
        self._table, self._clocks = table, clocks

    def count(self) -> int | None:
        """See `CutTable.count`."""
        return rows_of(self._table)

    def pieces(self, cut: Cut) -> list[TimedTable]:
        """See `CutTable.pieces`."""
        return [TimedTable(piece, self._clocks) for piece in pieces_of(self._table, cut)]

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `Table.batches`."""
        numbers = [name for name in columns if name not in self._clocks]
        instants = [name for name in columns if name in self._clocks]
        for batch in self._table.batches(numbers, categories, [*instants, *kept]):
            bad = dict(batch.bad)
            more = {name: self._numbers(name, cells, bad) for name, cells in zip(instants, batch.kept, strict=False)}
            faults, left = {**faults_of(bad), **batch.faults}, batch.kept[len(instants) :]
            timed = replace(batch.with_numbers(columns, more), kept=left, faults=faults, bad=bad)
            yield timed if self.options.marks else without_faults(self, timed, columns)

    def _numbers(self, name: str, cells: Kept, bad: dict[tuple[int, str], str]) -> NDArray[np.float64]:
        held: Sequence[object] | NDArray[np.generic] = cells
        if not isinstance(cells, list | np.ndarray):
            from lr_runtime.tables.arrow.memory import as_moments

            held = np.asanyarray(as_moments(cells, self.options.tokens))
        if isinstance(held, np.ndarray) and held.dtype.kind not in "MO":
            raise TableError(f"{self.name}, column {escaped(name)}: holds numbers. Expected timestamps, dates or text")
        values, why = numbers_of(held, self._clocks[name], self.options.tokens)
        bad |= {(row, name): f"column {escaped(name)}: {escaped(str(held[row]))} {what}" for row, what in why.items()}
        return values


def timed(table: Table, clocks: Mapping[str, Clock | None]) -> Table:
    """Return a table whose columns with a clock are instants."""
    given = {name: clock for name, clock in clocks.items() if clock is not None}
    return TimedTable(table, given) if given else table
