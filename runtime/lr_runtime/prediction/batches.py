"""Batches of rows to batches of predictions, for files, streams and any caller that has batches.

The model is loaded once, predictions are in the order of the rows, and one batch is in memory at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from lr_runtime.choices import ON_ERROR, OnError
from lr_runtime.errors import LinedgeError, RowError
from lr_runtime.options import OneOf, check_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from lr_runtime.prediction.predictor import Predictor
    from lr_runtime.prediction.result import Prediction

T = TypeVar("T")


@dataclass(frozen=True)
class Predicted(Generic[T]):
    """A batch and its predictions.

    Attributes:
        batch: the batch, unchanged.
        prediction: the predictions of all its rows; under "skip", without bad rows.
        rows: int (predictions,), the rows of the batch that have predictions; None for all of them.
        empty: bool (predictions,), under "null" the predictions of bad rows; None without bad rows.
        faults: the error of each bad row, in order.
    """

    batch: T
    prediction: Prediction
    rows: NDArray[np.intp] | None = None
    empty: NDArray[np.bool_] | None = None
    faults: tuple[LinedgeError, ...] = ()


def predict_batches(
    predictor: Predictor,
    batches: Iterable[T],
    *,
    on_error: OnError = "stop",
    rows: Callable[[T], object] = lambda batch: batch,
    fault: Callable[[T, RowError], LinedgeError] = lambda _, error: error,
) -> Iterator[Predicted[T]]:
    """Predict batch by batch; each batch is read when the predictions of the last one were consumed.

    Args:
        predictor: the model.
        batches: the batches, in any form that `Predictor.predict` or `rows` takes.
        on_error: the effect of a bad row.
        rows: returns a batch in a form that `Predictor.predict` takes.
        fault: returns the error to raise or report for a bad row, such as one with its place in a file.

    Yields:
        The predictions of each batch, in order.

    Raises:
        InputError: a batch has no form of rows; under "stop", the error of `fault` for the first bad row is raised.

    Example:
        >>> from lr_export import export
        >>> from lr_runtime import Predictor
        >>> from lr_trainer import fit
        >>> _ = export(fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]}, target="y"), "line.onnx")
        >>> batches = ([[float(row)] for row in range(first, first + 2)] for first in (0, 2))
        >>> predictor = Predictor.load("line.onnx")
        >>> [each.prediction.values[:, 0].tolist() for each in predict_batches(predictor, batches, on_error="stop")]
        [[1.0, 3.0], [5.0, 7.0]]
    """
    check_value("--on-error", OneOf(ON_ERROR), on_error)
    for batch in batches:
        prediction, faults = predictor.predict_each(rows(batch))
        if not faults:
            yield Predicted(batch, prediction)
            continue
        if on_error == "stop":
            # No variable may hold it: this frame, with the batches, would stay until Python looks for garbage, perhaps
            # while it starts a thread, where the threads that read ahead cannot be waited for.
            raise fault(batch, RowError(row := min(faults), faults[row]))
        errors = tuple(fault(batch, RowError(row, faults[row])) for row in sorted(faults))
        bad = np.zeros(len(prediction.values), dtype=np.bool_)
        bad[list(faults)] = True
        if on_error == "null":
            yield Predicted(batch, prediction, empty=bad, faults=errors)
        else:
            kept = np.flatnonzero(~bad)
            yield Predicted(batch, prediction.part(kept), rows=kept, faults=errors)
