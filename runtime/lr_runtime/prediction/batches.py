"""Batches of rows to batches of predictions: what every file and stream goes through, and any engine that has batches.

The model is loaded once, the order kept, and one batch is in memory at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from lr_runtime.choices import ON_ERROR
from lr_runtime.errors import LinedgeError, RowError
from lr_runtime.options import OneOf, check_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from lr_runtime.choices import OnError
    from lr_runtime.prediction.predictor import Predictor
    from lr_runtime.prediction.result import Prediction

T = TypeVar("T")


@dataclass(frozen=True)
class Predicted(Generic[T]):
    """A batch and its predictions.

    Attributes:
        batch: as it came.
        prediction: of its rows; of those that are not bad, under "skip".
        rows: int (predictions,), the rows of the batch that the predictions are of; None where they are all.
        empty: bool (predictions,), those without results, under "null"; None where there are none.
        faults: what is wrong with each bad row, in order.
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
    """Predict batch by batch; the next is taken when the predictions of the last were.

    Args:
        predictor: the model.
        batches: in any form that `Predictor.predict` takes, or that `rows` makes one of.
        on_error: what a bad row does.
        rows: makes of a batch what `Predictor.predict` takes.
        fault: makes of a bad row's error the one that is raised, or reported: with its place in a file, say.

    Yields:
        The predictions of each batch, in order.

    Raises:
        InputError: a batch that holds no such rows at all; or what `fault` made of the first bad row, under "stop".

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
        errors = tuple(fault(batch, RowError(row, faults[row])) for row in sorted(faults))
        if on_error == "stop":
            raise errors[0]
        bad = np.zeros(len(prediction.values), dtype=np.bool_)
        bad[list(faults)] = True
        if on_error == "null":
            yield Predicted(batch, prediction, empty=bad, faults=errors)
        else:
            kept = np.flatnonzero(~bad)
            yield Predicted(batch, prediction.part(kept), rows=kept, faults=errors)
