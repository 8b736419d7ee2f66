"""Random assignment of rows to folds and held-out sets, by row number and seed alone, so that every pass agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables import Batch, Table
    from lr_runtime.tables.sample import Sample

_RUN = 1 << 12
"""Random numbers per generator, so that those of a row are drawn without those of all rows before it."""
_EVERY = 10
_SEED, _OF_FOLDS, _OF_GROUPS = 1, 2, 3


@dataclass(frozen=True)
class Parts:
    """The assignment of rows to cross-validation folds, and of a tenth to the held-out set of a conformal interval.

    One random row of every ten is held out: rows in an order, such as time, are sampled evenly, and no period in them
    coincides with the sampling. In the same way each fold gets one random row of as many others as there are folds; or
    as many of the `groups` as any other fold, by the seed.
    """

    folds: int
    holds_out: bool
    seed: int = 0
    groups: int | None = None

    @property
    def held_out(self) -> int:
        """The label of the rows held out."""
        return self.folds

    def labels(self, start: int, rows: int, groups: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
        """Return the labels of the parts, int64 (rows,), of rows from number `start` on, or of their groups (rows,)."""
        numbers = np.arange(start, start + rows)
        if not self.holds_out:
            return self._folds_of(numbers, groups)
        tens, place = np.divmod(numbers, _EVERY)
        first = int(tens[0]) if rows else 0
        chosen = (_drawn([_SEED], first, len(np.unique(tens))) * _EVERY).astype(np.int64)[tens - first]
        left = tens * (_EVERY - 1) + place - (place > chosen)
        return np.where(place == chosen, self.held_out, self._folds_of(left, groups))

    def _folds_of(self, numbers: NDArray[np.int64], groups: NDArray[np.float64] | None) -> NDArray[np.int64]:
        if self.folds == 1 or not len(numbers):
            return np.zeros_like(numbers)
        if groups is not None and self.groups is not None:
            order = _drawn([_OF_GROUPS, self.seed], 0, self.groups).argsort()
            return np.asarray(order.argsort()[groups.astype(np.intp)] % self.folds)
        run, place = np.divmod(numbers, self.folds)
        first, runs = int(run[0]), int(run[-1] - run[0]) + 1
        drawn = _drawn([_OF_FOLDS, self.seed], first * self.folds, runs * self.folds)
        return np.asarray(drawn.reshape(runs, self.folds).argsort(axis=1)[run - first, place])


def _drawn(seed: Sequence[int], start: int, count: int) -> NDArray[np.float64]:
    """Return `count` random numbers in [0, 1), from number `start` on of the sequence of a seed."""
    first, last = start // _RUN, (start + count) // _RUN
    runs = [np.random.default_rng([*seed, run]).random(_RUN) for run in range(first, last + 1)]
    inside = start - first * _RUN
    return np.concatenate(runs)[inside : inside + count]


class Part:
    """The held-out rows of a table, or all its other rows; see `lr_runtime.tables.Table`.

    Whether a row is held out depends on the seed and on the row's number alone, so every pass of either part agrees.
    Before the first row there are `before` rows that another worker reads.
    """

    def __init__(self, table: Table, share: float, seed: Sequence[int], *, held_out: bool, before: int = 0) -> None:
        self.name = table.name
        self.names, self.indexes = table.names, table.indexes
        self.size = table.size
        self.options = table.options
        self.notices = table.notices
        self._table = table
        self._share = share
        self._seed = seed
        self._held_out = held_out
        self._before = before

    def fill(self, sample: Sample) -> None:
        """See `lr_runtime.tables.Table.fill`."""
        self._table.fill(sample)

    def row_of(self, row: int) -> int:
        """Return the number in the whole table of a row of this part, both counted from 0."""
        places, drawn = np.empty(0, dtype=np.intp), _RUN
        while len(places) <= row:
            places = np.flatnonzero((_drawn(self._seed, 0, drawn) < self._share) == self._held_out)
            drawn *= 2
        place = int(places[row])
        return self._table.row_of(place) if isinstance(self._table, Part) else place

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `lr_runtime.tables.Table.batches`."""
        start = self._before
        for batch in self._table.batches(columns, categories, kept):
            rows = len(batch.values)
            is_held_out = _drawn(self._seed, start, rows) < self._share
            start += rows
            yield batch.rows(np.flatnonzero(is_held_out == self._held_out))
