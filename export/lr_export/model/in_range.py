"""Whether a row lies within what the model was trained on: limits for numbers, known levels for categories.

    s = sum over columns of sqrt(x - low) + sqrt(high - x) and of a category's indicator,    in_range = (s == s)

A difference of two floating-point numbers has the right sign (IEEE 754, gradual underflow), the root of a negative
number is NaN, and so is an indicator of an unknown category; a sum with NaN in it is NaN, which nothing equals. No sum
of roots becomes NaN by itself: they are 0 or more. This takes 30 bytes less of an ONNX file than comparisons do, which
have to be counted, there being no operator for all of several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.program.program import Builder, Constant, Value
from lr_runtime.prediction.coercion import outward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lr_export.model.build import ModelValues
    from lr_export.model.exact import Floats
    from lr_export.model.layout import Layout
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype


@dataclass(frozen=True)
class Limits:
    """The training ranges in the dtype of x, rounded outward: every training row, rounded to it, is in range.

    A number beyond its limits, an index that is none of the categories, a missing value that has no policy and an
    infinite value are out of range.

    Attributes:
        layout: of the model.
        low: (numeric columns,).
        high: (numeric columns,).
        dtype: of x.
    """

    layout: Layout
    low: Floats
    high: Floats
    dtype: Dtype

    @staticmethod
    def of(checkpoint: Checkpoint, layout: Layout, dtype: Dtype) -> Limits:
        """Return the limits of a checkpoint's training ranges."""
        columns = [checkpoint.contract.columns[index] for index in layout.given]
        return Limits(
            layout,
            outward([column.minimum for column in columns], dtype, -np.inf),
            outward([column.maximum for column in columns], dtype, np.inf),
            dtype,
        )

    def append(self, build: Builder, model: ModelValues) -> Value:
        """Append the steps of in_range (rows, 1), bool."""
        marks = build.concatenate(*self._marks(build, model))
        mark = build.count(marks) if marks.width > 1 else marks
        return build.equal(mark, mark)

    def _marks(self, build: Builder, model: ModelValues) -> Iterator[Value]:
        """Append, for each column, a number of the dtype of x that is NaN where its value is out of range."""
        layout, low, high = self.layout, Constant("low", self.low), Constant("high", self.high)
        if layout.given:
            given, filled = build.select(build.x, layout.given), layout.filled[: len(layout.given)]
            if any(filled):
                missing = build.is_nan(given)
                if not all(filled):
                    missing = build.both(missing, Constant("filled", np.array(filled)))
                given = build.where(missing, low, given)
            yield build.add(build.sqrt(build.subtract(given, low)), build.sqrt(build.subtract(high, given)))
        if layout.marks:
            yield build.cast(build.select(model.design, layout.marks), self.dtype)

    def hold(self, x: Floats) -> NDArray[np.bool_]:
        """Return what in_range (rows, 1) is at rows (rows, columns): comparisons round nothing."""
        layout = self.layout
        given, filled = x[:, list(layout.given)], np.array(layout.filled[: len(layout.given)], dtype=np.bool_)
        inside = (self.low <= given) & (given <= self.high) | np.isnan(given) & filled
        known = [block.takes(x) for block in layout.blocks]
        return np.asarray(np.column_stack([inside, *known]).all(axis=1, keepdims=True), dtype=np.bool_)

    def rows(self, inside: Floats) -> Floats:
        """Return rows (4 a numeric column, columns) that are `inside` but for one number: a limit, or the next beyond.

        A number whose limit is the largest of the dtype has none beyond.
        """
        found = []
        for place, column in enumerate(self.layout.given):
            for limits, direction in ((self.low, -np.inf), (self.high, np.inf)):
                with np.errstate(over="ignore"):
                    beyond = np.nextafter(limits[place], limits.dtype.type(direction))
                for value in (limits[place], beyond):
                    found.append(inside.copy())
                    found[-1][column] = value
        rows = np.array(found, dtype=inside.dtype).reshape(-1, len(inside))
        return rows[~np.isinf(rows).any(axis=1)]
