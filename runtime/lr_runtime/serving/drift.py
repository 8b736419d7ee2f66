"""How far the rows that a model is given have drifted from its training rows, where its file tells of them.

Of each column the mean and the standard deviation of the last rows, of which one that is HALF_LIFE rows old counts
half: weights that shrink from row to row (West 1979, Updating mean and variance estimates), a block of rows merged at
once (Chan, Golub and LeVeque 1983, Algorithms for computing the sample variance). A category's are its indicator's.

A column's drift is the 2-Wasserstein distance between normal distributions (Dowson and Landau 1982) from the training
rows, sqrt((m - m0)^2 + (s - s0)^2), in units of s0: of a mean that has moved it is Cohen's d, a doubled spread is 1, a
sensor that is stuck 1 or more. A category's is |m - m0| / s0. The model's is the largest. Cohen (1988) calls 0.2 small,
0.5 medium, 0.8 large; chance alone makes 0.2 of 300 independent rows of ten columns once in a hundred times.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract

HALF_LIFE = 1000
"""In rows. Prometheus averages what remembers less (avg_over_time); it cannot sharpen what remembers more."""
ENOUGH = 300
"""Rows, before which a model's drift is not told."""
_BLOCK = 256
"""Rows that are kept until they are merged: one at a time, that would take longer than a prediction."""
_LEFT = 0.5 ** (np.arange(_BLOCK, -1.0, -1.0) / HALF_LIFE)
_LABELS = ["model", "column", "category"]
GAUGES = (
    ("input_mean", "Of a column's last rows, or the share of a category.", _LABELS),
    ("input_sd", "The standard deviation of a column's last rows.", _LABELS),
    ("training_mean", "Of a column's training rows, or the share of a category.", _LABELS),
    ("training_sd", "The standard deviation of a column's training rows.", _LABELS),
    ("input_drift", "How far a column's last rows are from its training rows, in their sd.", _LABELS),
    ("drift", f"The largest drift of a column, after {ENOUGH} rows: 0.2 is small, 0.8 large.", ["model"]),
)


class Drift:
    """The last rows of a model, and the training rows of its contract's `distributions`."""

    def __init__(self, contract: Contract) -> None:
        columns = enumerate(zip(contract.columns, contract.distributions, strict=True))
        features = [(place, *each) for place, (column, of) in columns for each in _features(column, of)]
        self._labels = [labels for _, labels, *_ in features]
        numbers = np.array([(place, *figures) for place, _, *figures in features]).reshape(-1, 4).T
        self._places, (self._levels, self._mean0, self._sd0) = numbers[0].astype(np.intp), numbers[1:]
        self._is_number = np.isnan(self._levels)
        # What the input type rounds of a column that was constant is no drift.
        self._least = np.finfo(contract.input_dtype).eps * np.abs(self._mean0) + 1e-30
        fill = np.zeros(len(contract.columns)) if contract.equation is None else np.array(contract.equation.fill)
        self._fill = fill[self._places]
        self._block, self._filled, self._lock = np.empty((_BLOCK, len(contract.columns))), 0, Lock()
        self._rows, self._weight = 0, 0.0
        self._mean, self._squares = np.zeros((2, len(features)))

    def add(self, x: NDArray[np.generic]) -> None:
        """Take in rows (rows, columns) as the model took them."""
        with self._lock:
            while len(x):
                end = min(self._filled + len(x), _BLOCK)
                self._block[self._filled : end], x = x[: end - self._filled], x[end - self._filled :]
                self._filled = end
                if end == _BLOCK:
                    self._merge()

    def _merge(self) -> None:
        x, left, weights = self._block[: self._filled], _LEFT[-1 - self._filled], _LEFT[_BLOCK - self._filled + 1 :]
        x = np.clip(x[:, self._places], -1e100, 1e100)  # the square of one beyond would be infinite, for ever
        values = np.where(self._is_number, np.where(np.isnan(x), self._fill, x), x == self._levels)
        kept, total = left * self._weight, weights.sum()
        mean = weights @ values / (total or 1.0)
        away, share = mean - self._mean, total / (kept + total or 1.0)
        self._squares = left * self._squares + weights @ (values - mean) ** 2 + kept * share * away**2
        self._mean, self._weight = self._mean + share * away, kept + total
        self._rows, self._filled = self._rows + self._filled, 0

    def figures(self) -> Iterator[Iterable[tuple[tuple[str, ...], float]]]:
        """Yield the values of each of GAUGES, with their labels behind the model."""
        with self._lock:
            self._merge()
            mean, sd, rows = self._mean, np.sqrt(self._squares / (self._weight or 1.0)), self._rows
        spread = np.where(self._is_number, sd - self._sd0, 0.0)
        drift = np.hypot(mean - self._mean0, spread) / np.maximum(self._sd0, self._least)
        for values in (mean, sd, self._mean0, self._sd0, drift):
            yield zip(self._labels, values.tolist(), strict=True) if rows else ()
        yield [((), drift.max().item())] if rows >= ENOUGH and len(drift) else ()


def _features(column: Column, of: Sequence[float]) -> Iterator[tuple[tuple[str, str], float, float, float]]:
    """Yield what is watched of a column: its labels, the category or NaN for the number, the training mean and sd."""
    if not column.categories and of:
        yield ((column.name, ""), np.nan, of[0], of[1])
    for level, (category, share) in enumerate(zip(column.categories, of, strict=False)):
        yield ((column.name, category), level, share, max(share * (1 - share), 0.0) ** 0.5)
