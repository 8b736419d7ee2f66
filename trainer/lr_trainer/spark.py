"""A fit of a DataFrame of Spark: every partition gives one row of moments, which the driver joins."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from lr_runtime.tables.sample import FIRST_ROWS
from lr_trainer.fitting.parts import Work, fit_parts, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa
    from pyspark.sql import DataFrame

    from lr_runtime.tables import TableOptions
    from lr_trainer.model.checkpoint import Checkpoint


def fit(
    dataframe: DataFrame,
    *,
    options: TableOptions | None = None,
    warn: Callable[[str], None] = warnings.warn,
    **asked: object,
) -> Checkpoint:
    """Return the fit of all rows of a DataFrame, right to the digits that its report states, `digits`.

    Numbers take one job; categories, powers and means for missing values another one before: `cache` rows that are dear
    to make. Each partition answers, to the driver, 24 bytes for each pair of terms and targets. Workers need linedge.

    Args:
        dataframe: of Spark 4 or later.
        options: the names of columns, the marks of missing values, and whether bad rows are left out.
        warn: called with what there is to say of the first 10,000 rows.
        asked: `target` and the other options of `lr_trainer.fit`, but for what takes more than moments: folds,
            penalty="auto", robust errors, influence, conformal intervals, a device, a descent.

    Raises:
        LinedgeError: as `lr_trainer.fit` and `lr_trainer.update` do.
    """
    given = options_of(asked)

    def each(work: Work) -> Iterable[bytes]:
        def answer(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            yield pa.RecordBatch.from_pydict({"part": [work(batches)]})

        return (bytes(row.part) for row in dataframe.mapInArrow(answer, "part binary").collect())

    return fit_parts(dataframe.limit(FIRST_ROWS).toArrow(), each, given, options, warn)
