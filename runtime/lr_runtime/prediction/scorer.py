"""Arrow in, Arrow out: what an engine of many workers calls with each of its batches."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeAlias

from lr_runtime.errors import InputError, OptionError, RowError, escaped
from lr_runtime.prediction.predictor import Predictor
from lr_runtime.prediction.table import Scoring
from lr_runtime.system.lazy import needs_extra
from lr_runtime.tables.cells.options import TableOptions
from lr_runtime.tables.notices import Notices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from lr_runtime.choices import OnError
    from lr_runtime.prediction.batches import Predicted
    from lr_runtime.tables.arrow.table import Read
    from lr_runtime.tables.batch import Batch

_Items: TypeAlias = "tuple[tuple[str, object], ...]"

_MOST_MODELS = 16
"""That a process keeps ready for the next task; each is some kilobytes and a session."""


class Scorer:
    """A function from a batch of Arrow to the same rows with their predictions, as lr-infer writes them of a file.

    It remembers nothing from one batch to the next, so that an engine may call it on any worker, in any order, and
    again for a task that failed. It is pickled with the bytes of the model's file, which a worker reads and checks
    once: all workers have the model that the driver read, whatever becomes of the file meanwhile.

    Args:
        model: the model, such as `Predictor.load("model.onnx")`.
        keep: the names of the columns that come back before the predictions, or "all". A prediction that is called as
            one of these, such as the target, is called `NAME_predicted`.
        on_error: the effect of a bad row: "stop" raises its error, "skip" leaves it out, "null" gives it no results.
        reasons: the name of a column of text that says what is wrong with each bad row, under "null".

    Raises:
        OptionError: `model` is none, or `reasons` is asked for of rows that do not stay.

    Example:
        >>> import pyarrow as pa
        >>> from lr_export import export
        >>> from lr_runtime import Predictor, Scorer
        >>> from lr_trainer import fit
        >>> _ = export(fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]}, target="y"), "line.onnx")
        >>> scorer = Scorer(Predictor.load("line.onnx"), on_error="null", reasons="why")
        >>> scorer(pa.table({"id": [7, 8], "x": [0.5, None]})).to_pylist()
        [{'id': 7, 'x': 0.5, 'y': 2.0, 'why': None},
         {'id': 8, 'x': None, 'y': None, 'why': 'column "x": the value is missing. Fill it in or leave the row out'}]
    """

    def __init__(
        self,
        model: Predictor,
        *,
        keep: str | Sequence[str] = "all",
        on_error: OnError = "stop",
        reasons: str | None = None,
    ) -> None:
        if not isinstance(model, Predictor):
            raise OptionError(
                f"a scorer is made of a Predictor, not of {type(model).__name__}: workers that each read a file could "
                "read two models. Predictor.load reads it once, for all of them"
            )
        if reasons is not None and on_error != "null":
            raise OptionError('reasons are of bad rows that stay: on_error="null". Leave reasons out')
        self.model = model
        self._keep = [keep] if isinstance(keep, str) else [*keep]
        self._on_error: OnError = on_error
        self._reasons = reasons

    def __reduce__(self) -> tuple[Callable[..., Scorer], tuple[object, ...]]:
        """Pickle as the bytes of the model's file and the options."""
        load, (content,) = self.model.__reduce__()
        options = {"keep": tuple(self._keep), "on_error": self._on_error, "reasons": self._reasons}
        return _ready, (type(self), content, tuple(load.keywords.items()), tuple(options.items()))

    def __call__(self, batch: object) -> pa.Table | pa.RecordBatch:
        """Return the rows with their predictions: a record batch of a record batch, a table of all else.

        Args:
            batch: a table or a record batch of pyarrow, or a frame that offers its columns as a stream of Arrow.

        Raises:
            InputError: it is none of these.
            MissingColumnError: the batch lacks a column of the model or of `keep`.
            OptionError: a column to be kept has the name of a result.
            RowError: under "stop", a bad row, counted from 1 in this batch.
            TableError: a column holds neither numbers nor text.
        """
        with needs_extra("tables"):
            import pyarrow as pa

            from lr_runtime.tables.arrow.table import rows_at_once
        if not hasattr(batch, "__arrow_c_stream__"):
            raise InputError(f'expected a batch of Arrow, not {type(batch).__name__}. In Ray: batch_format="pyarrow"')
        table = pa.table(batch)
        batches = table.to_batches(rows_at_once(table.column_names)) or [pa.RecordBatch.from_pylist([], table.schema)]
        scored = [*self._scored(table.schema, batches)]
        if not isinstance(batch, pa.RecordBatch):
            return pa.Table.from_batches(scored)
        return scored[0] if len(scored) == 1 else pa.Table.from_batches(scored).combine_chunks().to_batches()[0]

    def schema(self, given: pa.Schema) -> pa.Schema:
        """Return the columns and types of what comes of batches that have these."""
        return self(given.empty_table()).schema

    def _scored(self, schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from lr_runtime.tables.arrow.table import ArrowTable

        notices = Notices(None, for_fit=False)
        table = ArrowTable(partial(_records, schema, batches), "the batch", TableOptions(marks=True), notices, ())
        scoring = Scoring(self.model, table, keep=self._keep, on_error=self._on_error)
        predicted = scoring.predicted(lambda _, error: RowError(scoring.tally.rows + error.row, error.what))
        return (self._output(scoring, done) for done in predicted)

    def _output(self, scoring: Scoring, done: Predicted[Batch]) -> pa.RecordBatch:
        import pyarrow as pa

        from lr_runtime.tables.arrow.memory import as_arrow

        rows = scoring.output(done)
        columns = {**rows.kept, **{name: as_arrow(values, rows.empty) for name, values in rows.results.items()}}
        if self._reasons is None:
            return pa.record_batch(columns)
        if self._reasons in columns:
            raise OptionError(f"reasons: {escaped(self._reasons)} is a column already. Give another name")
        return pa.record_batch({**columns, self._reasons: pa.array(_said(done), pa.string())})


def _said(done: Predicted[Batch]) -> list[str | None]:
    """Return what is wrong with each row, None of good ones."""
    bad = [] if done.empty is None else done.empty.nonzero()[0].tolist()
    said = {row: error.what for row, error in zip(bad, done.faults, strict=True) if isinstance(error, RowError)}
    return [said.get(row) for row in range(len(done.prediction.values))]


@contextmanager
def _records(schema: pa.Schema, batches: Sequence[pa.RecordBatch], _: Sequence[str]) -> Iterator[Read]:
    yield schema, sum(map(len, batches)), iter(batches)


@lru_cache(_MOST_MODELS)
def _ready(kind: Callable[..., Scorer], content: bytes, loading: _Items, options: _Items) -> Scorer:
    load: Callable[..., Predictor] = Predictor.load
    return kind(load(content, **dict(loading)), **dict(options))
