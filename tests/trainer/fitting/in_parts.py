"""An engine of the tests: it runs the work on every part in this process, as it came off the wire."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lr_trainer.fitting.parts import fit_parts, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lr_runtime.tables import TableOptions
    from lr_trainer import Checkpoint
    from lr_trainer.fitting.parts import Each, Work


def cut(table: pa.Table, cuts: Sequence[int]) -> list[pa.Table]:
    """Return the parts of a table between some rows."""
    ends = [0, *sorted(cuts), table.num_rows]
    return [table.slice(start, stop - start) for start, stop in pairwise(ends)]


def evenly(table: pa.Table, parts: int) -> list[pa.Table]:
    """Return about equal parts; of more parts than rows, some without rows."""
    return cut(table, np.linspace(0, table.num_rows, parts + 1).astype(int)[1:-1].tolist())


def running(parts: Sequence[pa.Table], wire: Callable[[bytes], bytes] = bytes) -> Each:
    """Return the engine; `wire` sees every answer."""

    def each(work: Work) -> Iterable[bytes]:
        sent: Work = pickle.loads(pickle.dumps(work))  # noqa: S301 - of this test
        return [wire(sent(batches(part))) for part in parts]

    return each


def batches(part: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a part, as mapInArrow gives them."""
    yield from part.to_batches(max_chunksize=1000)


def fit_in(parts: Sequence[pa.Table], table: TableOptions | None = None, **asked: object) -> Checkpoint:
    """Return the fit of a table in parts."""
    first = pa.concat_tables(parts).slice(0, 10_000)
    return fit_parts(first, running(parts), options_of(asked), table, lambda _: None)
