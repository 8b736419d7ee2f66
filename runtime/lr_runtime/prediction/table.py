"""Predictions for a table, batch by batch: columns are matched by name, and some are copied to the output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lr_runtime.errors import LinedgeError, MissingColumnError, OptionError, RowError, TableError, escaped
from lr_runtime.prediction.batches import Predicted, predict_batches
from lr_runtime.prediction.inputs import Given
from lr_runtime.system.text import composed
from lr_runtime.tables.batch import Batch, Kept, part_of, place_of
from lr_runtime.tables.timed import timed
from lr_runtime.tables.writing import OutputRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lr_runtime.choices import OnError
    from lr_runtime.prediction.predictor import Predictor
    from lr_runtime.prediction.result import Prediction
    from lr_runtime.tables.table import FileTable


@dataclass
class Tally:
    """The number of rows that were read so far, and of bad rows among them."""

    rows: int = 0
    bad: int = 0


class Scoring:
    """Predictions for the rows of one table.

    Args:
        predictor: the model.
        table: the table, which is read once.
        keep: the names of the table's columns to copy to the output, or "all".
        on_error: the effect of a bad row.

    Attributes:
        table: the table.
        ignored: the table's columns that are neither the model's nor in `keep`.
        called: new names, by output, of predictions whose name a column of `keep` has, such as the target's.
        tally: the count of the rows that `rows` has read.

    Raises:
        MissingColumnError: the table lacks a column of the model or of `keep`.
        OptionError: a column of `keep` has the name of a result.
    """

    def __init__(
        self, predictor: Predictor, table: FileTable, *, keep: Sequence[str] = (), on_error: OnError = "stop"
    ) -> None:
        columns = predictor.contract.columns
        self._predictor = predictor
        self.table, self._table = table, timed(table, {column.name: column.time for column in columns})
        self._on_error = on_error
        self._numbers = [column.name for column in columns if column.kind == "number"]
        self._categories = [column.name for column in columns if column.kind == "category"]
        self._keep = (
            list(table.names) if list(keep) == ["all"] else list(dict.fromkeys(composed(name) for name in keep))
        )
        wanted = (*predictor.contract.column_names, *self._keep)
        if missing := [name for name in dict.fromkeys(wanted) if name not in table.names]:
            raise MissingColumnError(table.name, missing, table.names)
        self.called = {name: f"{name}_predicted" for name in predictor.contract.output_names if name in self._keep}
        self._results = self._named(predictor.predict([]))
        if twice := [name for name in self._keep if name in self._results]:
            raise OptionError(
                f"the column {escaped(twice[0])} to be kept is called as a prediction is. "
                f"Give it another name: --map 'given {twice[0]}={twice[0]}'"
            )
        self.ignored = tuple(name for name in table.names if name not in wanted)
        self.tally = Tally()

    def of(self, table: FileTable) -> Scoring:
        """Return the same of another table, or of a piece of this one."""
        return Scoring(self._predictor, table, keep=self._keep, on_error=self._on_error)

    def rows(
        self, report: Callable[[str], None] = lambda _: None, advance: Callable[[int], None] = lambda _: None
    ) -> Iterator[OutputRows]:
        """Yield the rows to write, in the table's order; one batch without rows for an empty table.

        Args:
            report: called with a line for each bad row, where bad rows are no error.
            advance: called with the size of each batch, in the unit of the table's size.

        Raises:
            TableError: a bad row, with its place in the file, where bad rows are an error; or no table.
        """
        done = None
        for done in self.predicted(self._placed):
            for fault in done.faults:
                report(str(fault))
            yield self.output(done)
            advance(done.batch.size)
        if done is None:
            yield OutputRows({name: [] for name in self._keep}, self._results)

    def predicted(self, fault: Callable[[Batch, RowError], LinedgeError]) -> Iterator[Predicted[Batch]]:
        """Yield the table's batches with their predictions; `fault` as in `predict_batches`."""
        batches = self._table.batches(self._numbers, self._categories, self._keep)
        for done in predict_batches(self._predictor, batches, on_error=self._on_error, rows=self._given, fault=fault):
            self.tally.rows += len(done.batch.values)
            self.tally.bad += len(done.faults)
            yield done

    def output(self, done: Predicted[Batch]) -> OutputRows:
        """Return the rows to write of a batch."""
        return OutputRows(dict(zip(self._keep, _kept(done), strict=True)), self._named(done.prediction), done.empty)

    def _named(self, prediction: Prediction) -> dict[str, NDArray[np.generic]]:
        return {self.called.get(name, name): values for name, values in prediction.columns().items()}

    def _given(self, batch: Batch) -> Given:
        if not self._categories:
            return Given(matrix=batch.values, integer=batch.integer, faults=batch.faults)
        numbers, categories = iter(batch.values.T), iter(batch.categories)
        columns = self._predictor.contract.columns
        return Given(
            columns=tuple(next(numbers) if column.kind == "number" else next(categories) for column in columns),
            integer=None if batch.integer is None else partial(self._integer, batch.integer),
            faults=batch.faults,
        )

    def _integer(self, integer: Callable[[int, int], int | None], row: int, column: int) -> int | None:
        name = self._predictor.contract.column_names[column]
        return integer(row, self._numbers.index(name)) if name in self._numbers else None

    def _placed(self, batch: Batch, error: RowError) -> TableError:
        return TableError(f"{place_of(self._table, batch, error.row)}, {error.what}")


def _kept(done: Predicted[Batch]) -> list[Kept]:
    if done.rows is None:
        return list(done.batch.kept)
    return [part_of(column, done.rows) for column in done.batch.kept]
