"""Rows held out of a table by chance: two tables, each a part of the rows, in the table's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.tables import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables import ColumnKind, Table

_RUN = 1 << 12


class Part:
    """The rows of a table that are, or are not, among the share that is held out; see `lr_runtime.tables.Table`.

    Which they are depends on the seed and on a row's number alone, so every pass, of either part, agrees.
    """

    def __init__(self, table: Table, share: float, seed: Sequence[int], *, held_out: bool) -> None:
        self.name = table.name
        self.names = table.names
        self.size = table.size
        self._table = table
        self._share = share
        self._seed = seed
        self._held_out = held_out

    def kinds(self, columns: Sequence[str]) -> Mapping[str, ColumnKind]:
        """See `lr_runtime.tables.Table.kinds`."""
        return self._table.kinds(columns)

    def batches(self, columns: Sequence[str], categories: Sequence[str] = ()) -> Iterator[Batch]:
        """See `lr_runtime.tables.Table.batches`."""
        start = 0
        for batch in self._table.batches(columns, categories):
            rows = len(batch.values)
            kept = np.flatnonzero(self._is_held_out(start, rows) == self._held_out)
            start += rows
            yield Batch(
                batch.values[kept],
                lambda row, batch=batch, kept=kept: batch.where(int(kept[row])),  # type: ignore[misc]
                batch.size,
                tuple(coded.rows(kept) for coded in batch.categories),
                batch.skipped,
                batch.file,
            )

    def _is_held_out(self, start: int, rows: int) -> NDArray[np.bool_]:
        first, last = start // _RUN, (start + rows) // _RUN
        drawn = [np.random.default_rng([*self._seed, run]).random(_RUN) for run in range(first, last + 1)]
        inside = start - first * _RUN
        return np.asarray(np.concatenate(drawn)[inside : inside + rows] < self._share)
