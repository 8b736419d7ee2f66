"""A fit of a dataset of Ray: every block gives one row of moments, which are joined where the fit was called."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from lr_runtime.tables.sample import FIRST_ROWS
from lr_trainer.fitting.parts import Work, fit_parts, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa
    from ray.data import Dataset

    from lr_runtime.tables import TableOptions
    from lr_trainer.model.checkpoint import Checkpoint


def fit(
    dataset: Dataset,
    *,
    options: TableOptions | None = None,
    warn: Callable[[str], None] = warnings.warn,
    **asked: object,
) -> Checkpoint:
    """Return the fit of all rows of a dataset of Ray Data, whose blocks are what partitions are to `lr_trainer.spark`.

    Arguments and errors are those of `lr_trainer.spark.fit`; `materialize` rows that are dear to make.
    """
    given = options_of(asked)

    def each(work: Work) -> Iterable[bytes]:
        def answer(block: pa.Table) -> pa.Table:
            import pyarrow as pa

            return pa.table({"part": pa.array([work(iter([block]))], pa.binary())})

        # A batch of no given size is a block as it is, which is not copied.
        answers = dataset.map_batches(answer, batch_size=None, batch_format="pyarrow", zero_copy_batch=True)
        return (row["part"] for row in answers.iter_rows())

    first = dataset.limit(FIRST_ROWS).iter_batches(batch_size=FIRST_ROWS, batch_format="pyarrow")
    return fit_parts(iter(first), each, given, options, warn)
