"""Dealing a table out to several workers, in whole blocks, so that each block is what it is in one process.

Each worker counts some of the pieces that the table is read in; sums of the counts tell where every piece starts among
the rows that are kept. A worker takes consecutive blocks and reads the pieces that hold them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.tables.files.several import SeveralTables
from lr_trainer.rows.workers import Dealt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lr_runtime.tables import Table
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.rows.workers import Workers

_NEAR = 0.25
"""A worker may have so much more or less than its even share, as part of it, where it then begins with a piece: it
reads no rows that another one takes, and what is left of the block that the piece begins in."""


class Counts(NamedTuple):
    """The numbers of rows of a piece.

    Attributes:
        given: those that its reader gives.
        read: those of them that a fit reads.
        dropped: those of these that are dropped for a missing value.
        skipped: those that are skipped for a bad cell, by the reader or behind it.
    """

    given: int
    read: int
    dropped: int
    skipped: int

    @property
    def kept(self) -> int:
        """The number of rows that are left."""
        return self.read - self.dropped


@dataclass(frozen=True)
class Share:
    """The rows of a table that a worker takes.

    Attributes:
        workers: all workers.
        whole: the table.
        first: the number of the first of the rows among those that are kept, from 0 on.
        before: how many rows of the worker's own table come before it.
        rows: how many there are.
        first_given: the number of the first row that its own table gives among those of the whole table, from 0 on.
        counts: of the whole table.
        pieces: those of the table, each with the number of the first row that it gives.
    """

    workers: Workers
    whole: Table
    first: int
    before: int
    rows: int
    first_given: int
    counts: Counts
    pieces: Sequence[tuple[Table, int]]

    def of(self, arrays: Iterator[Array]) -> Iterator[Array]:
        """Yield the worker's rows among those of its table."""
        start, left = self.before, self.rows
        for values in arrays if left else ():
            part = values[start : start + left]
            start, left = max(start - len(values), 0), left - len(part)
            if len(part):
                yield part
            if not left:
                return


def dealt(
    whole: Table, pieces: Sequence[Table], count: Callable[[Table], Counts], block: int, workers: Workers
) -> tuple[Table, Share]:
    """Return the part of a table that a worker reads, and which of its rows the worker takes.

    Args:
        whole: the table.
        pieces: its consecutive parts, one at least.
        count: counts the rows of a piece.
        block: the rows of a block.
        workers: all workers.
    """
    ends = [place * len(pieces) // workers.count for place in range(workers.count + 1)]
    own = pieces[ends[workers.rank] : ends[workers.rank + 1]]
    counts = [each for some in workers.gathered("the rows", lambda: list(map(count, own))) for each in some]
    starts = [*accumulate((each.kept for each in counts), initial=0)]
    cuts = list(pairwise(_cuts(starts, block, workers.count)))
    # The parts of it that are left to chance are dealt out afterwards.
    workers.dealt = workers.dealt or Dealt(len(pieces), [stop - first for first, stop in cuts])
    first, stop = cuts[workers.rank]
    low = bisect_right(starts, first, hi=len(pieces)) - 1
    high = max(low + 1, int(np.searchsorted(starts, stop)))
    total = Counts(*(sum(each) for each in zip(*counts, strict=True)))
    given = [*accumulate((each.given for each in counts[:-1]), initial=0)]
    numbered = list(zip(pieces, given, strict=True))
    share = Share(workers, whole, first, first - starts[low], stop - first, given[low], total, numbered)
    return _together(whole, pieces[low:high]), share


def _cuts(starts: Sequence[int], block: int, workers: int) -> list[int]:
    """Return where the workers' rows begin and the last ends; `starts` are those of the pieces, and the end.

    Where it leaves the shares nearly even, a cut is where a piece begins, or the first block behind that. The first
    worker has the first block, which the pilot is taken from, however few rows there are.
    """
    rows, cuts = starts[-1], [0]
    for worker in range(1, workers):
        even = -(-worker * rows // workers)
        near = min(starts, key=lambda start: abs(start - even))
        cut = near if abs(near - even) <= _NEAR * rows / workers else even
        cuts.append(min(rows, max(cuts[-1], -(-cut // block) * block)))
    return [*cuts, rows]


def _together(whole: Table, pieces: Sequence[Table]) -> Table:
    if len(pieces) == 1:
        return pieces[0]
    table = SeveralTables(pieces)
    table.name = whole.name
    return table
