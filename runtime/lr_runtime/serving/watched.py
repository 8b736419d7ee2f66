"""What is seen of the rows that a model is given: how many, how many outside its training ranges, how far from them."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.prediction.coercion import outward
from lr_runtime.prediction.predictor import Predictor
from lr_runtime.serving.drift import Drift

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Contract
    from lr_runtime.prediction.inputs import Given
    from lr_runtime.prediction.predictor import Faults
    from lr_runtime.prediction.result import Prediction


class Tally:
    """Counts the rows of a model, whether its file flags those out of range or not.

    Attributes:
        rows: how many were predicted.
        out_of_range: how many of them have a number outside its column's training range; an unknown category that
            --unknown lets pass is a missing value, and in range.
        drift: of the rows; None where the file does not tell of the training rows.
    """

    def __init__(self, contract: Contract) -> None:
        self.rows = self.out_of_range = 0
        self.drift = Drift(contract) if contract.distributions else None
        columns, dtype = contract.columns, contract.input_dtype
        self._low = outward([column.minimum for column in columns], dtype, -np.inf)
        self._high = outward([column.maximum for column in columns], dtype, np.inf)
        self._lock = Lock()

    def add(self, x: NDArray[Any]) -> None:
        """Take in rows (rows, columns) as the model took them; NaN, a missing value, is nowhere."""
        outside = int(((x < self._low) | (x > self._high)).any(axis=1).sum())
        with self._lock:
            self.rows += len(x)
            self.out_of_range += outside
        if self.drift is not None:
            self.drift.add(x)


class Watched(Predictor):
    """A predictor whose rows are taken in by a tally."""

    def __init__(self, predictor: Predictor, tally: Tally) -> None:
        vars(self).update(vars(predictor))
        self._tally = tally

    def predict(self, x: object) -> Prediction:
        """See `Predictor.predict`."""
        if self._one is not None and (results := self._one.results(x)) is not None:
            self._tally.add(self._one.taken())
            return self._prediction(results)
        return super().predict(x)

    def _predicted(self, rows: Given, x: NDArray[np.floating], faults: Faults) -> tuple[Prediction, Faults]:
        self._tally.add(np.delete(x, list(faults), axis=0) if faults else x)
        return super()._predicted(rows, x, faults)
