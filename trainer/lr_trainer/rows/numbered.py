"""Rows with their numbers beside them, for passes whose results name rows or add up over clusters of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import TableError, escaped
from lr_runtime.tables.batch import Coded, coded, place_of
from lr_trainer.rows.holdout import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables import Batch, Table

NUMBERS = ("the row's number, counted from 1", "its cluster's, from 0 as they come")


class Numbered(Part):
    """All rows of a table, with `NUMBERS` as its last columns; the texts or numbers of `column` tell clusters apart."""

    def __init__(self, table: Table, column: str | None, before: int = 0) -> None:
        super().__init__(table, 0.0, [], held_out=False, before=before)
        self.column = column
        self.clusters: dict[str, int] = {}

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `lr_runtime.tables.Table.batches`."""
        read, start = columns[: -len(NUMBERS)], 1 + self._before
        texts = [*categories, *([] if self.column is None or self.column in (*read, *categories) else [self.column])]
        for batch in self._table.batches(read, texts, kept):
            values = np.pad(batch.values, ((0, 0), (0, 2)))
            values[:, -2] = np.arange(start, start + len(values))
            if self.column in texts:
                values[:, -1] = self._clusters(batch, self.column, batch.categories[texts.index(self.column)])
            elif self.column is not None:
                numbers = batch.values[:, read.index(self.column)].tolist()
                known = coded(None if np.isnan(number) else repr(number) for number in numbers)
                values[:, -1] = self._clusters(batch, self.column, known)
            yield replace(batch, values=values, categories=batch.categories[: len(categories)])
            start += len(values)

    def _clusters(self, batch: Batch, column: str, known: Coded) -> NDArray[np.int64]:
        if (known.codes < 0).any():
            place = place_of(self, batch, int(known.codes.argmin()))
            raise TableError(f"{place}, column {escaped(column)}: the value is missing; each row needs its cluster")
        return np.array([self.clusters.setdefault(value, len(self.clusters)) for value in known.values])[known.codes]
