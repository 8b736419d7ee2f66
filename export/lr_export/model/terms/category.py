"""The indicators of a category column, one a level and one for a missing value where that has a policy.

A category enters as its index. Its indicators are divided by their sum: that is 1 where the index is one of them, and 0
where it is anything else, which makes every indicator 0 / 0, NaN, and with them every result. The reference level has a
place, too, so that the indicators add up to 1 where the index is one of the levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_export.model.terms.block import Block, Box, Extremes, Rows, Steps, zeros
from lr_export.program.program import Constant, Value
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lr_export.model.terms.block import Floats
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import Term


class Category(Block):
    """The levels of a column in order, and then a missing value where that has a policy: one of them is 1 at a time."""

    marks = (0,)

    def append(self, steps: Steps) -> Value:
        build, levels = steps.build, self._levels
        index = build.select(build.x, self.columns[:1])
        flags = [build.equal(index, Constant(f"levels{levels}", np.arange(levels, dtype=build.x.dtype)))]
        flags += [build.is_nan(index)] if levels < len(self.terms) else []
        indicators = build.cast(build.concatenate(*flags), steps.compute)
        return build.divide(indicators, build.count(indicators))

    def exact(self, rows: Rows) -> Dyadic:
        return Dyadic(self._indicators(rows.x).astype(object), 0)

    def takes(self, x: Floats) -> NDArray[np.bool_]:
        return np.asarray(self._indicators(x).any(axis=1))

    def values(self, box: Box) -> Extremes:
        of_missing = np.array([term.is_of_missing for term in self.terms], dtype=object)
        return Extremes(zeros(len(self.terms)), Dyadic(1 - of_missing, 0), Dyadic(of_missing, 0))

    def shares(self, weight: Dyadic, values: Extremes) -> tuple[list[int], Extremes]:
        levels = weight.columns(slice(self._levels))
        each = -(-levels).largest(), levels.largest(), (weight * values.missing).sum()
        return self.columns[:1], Extremes(*(share.reshaped(-1, 1) for share in each))

    def supremum(self, sizes: Dyadic, box: Box, center: Dyadic | None) -> Dyadic:
        total = sizes.largest()
        return total if center is None else total + (sizes * abs(center)).sum()

    @property
    def _levels(self) -> int:
        return len(self.terms) - int(self.terms[-1].is_of_missing)

    def _indicators(self, x: Floats) -> NDArray[np.bool_]:
        given = x[:, self.columns[:1]]
        indicators = [given == np.arange(self._levels), np.isnan(given)]
        return np.concatenate(indicators, axis=1)[:, : len(self.terms)]


def blocks_of(columns: Sequence[Column], terms: Sequence[Term]) -> Iterator[Block]:
    """Yield the block of each category column."""
    for place, column in enumerate(columns):
        if column.kind == "category":
            missing = [] if column.missing == "error" else [MissingIndicator(place)]
            yield Category((*(Level(place, level) for level in range(len(column.categories))), *missing))
