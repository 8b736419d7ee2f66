"""The indicators of a category column, one a level and one for a missing value where that has a policy.

A category enters as its index. Its indicators are divided by their sum: that is 1 where the index is one of them, and 0
where it is anything else, which makes every indicator 0 / 0, NaN, and with them every result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_export.model.terms.block import Block, Range, Share, zeros
from lr_export.program.program import Constant
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lr_export.model.terms.block import Box, Floats, Rows, Steps
    from lr_export.program.program import Value
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.terms.term import Term


@dataclass(frozen=True, eq=False)
class Category(Block):
    """The indices 0 to `levels` - 1 of a column, and NaN where a missing value has a policy.

    The reference level has a place, too, so that the indicators add up to 1 where the index is one of them.
    """

    levels: int

    @property
    def marks(self) -> tuple[int, ...]:
        """The place of the reference level: an unknown index makes all of them NaN."""
        return (0,)

    def append(self, steps: Steps) -> Value:
        """Append the indicators over their sum."""
        build = steps.build
        index = build.select(build.x, self.columns[:1])
        levels = Constant(f"levels{self.levels}", np.arange(self.levels, dtype=build.x.dtype))
        flags = [build.equal(index, levels), *([build.is_nan(index)] if self._may_miss else [])]
        indicators = build.cast(build.concatenate(*flags), steps.compute)
        return build.divide(indicators, build.count(indicators))

    def exact(self, rows: Rows) -> Dyadic:
        return Dyadic(self._indicators(rows.x).astype(object), 0)

    def takes(self, x: Floats) -> NDArray[np.bool_]:
        """Return whether the index is one of the levels, or a missing value that has a policy."""
        return np.asarray(self._indicators(x).any(axis=1))

    def range(self, box: Box) -> Range:
        of_level = np.array([term.is_of_missing for term in self.terms], dtype=object)
        return Range(zeros(len(self.terms)), Dyadic(1 - of_level, 0), Dyadic(of_level, 0))

    def share(self, weight: Dyadic, over: Range) -> Share:
        """Return the share: one of the places is 1 at a time."""
        levels = weight.columns(slice(self.levels))
        return Share(
            self.columns[:1],
            (-(-levels).largest()).reshaped(-1, 1),
            levels.largest().reshaped(-1, 1),
            (weight * over.missing).sum().reshaped(-1, 1),
        )

    def supremum(self, sizes: Dyadic, box: Box, center: Dyadic | None) -> Dyadic:
        """Return it: one of the places is 1 at a time."""
        total = sizes.largest()
        return total if center is None else total + (sizes * abs(center)).sum()

    @property
    def _may_miss(self) -> bool:
        return self.levels < len(self.terms)

    def _indicators(self, x: Floats) -> NDArray[np.bool_]:
        given = x[:, self.columns[:1]]
        missing = [np.isnan(given)] if self._may_miss else []
        return np.concatenate([given == np.arange(self.levels), *missing], axis=1)


def blocks_of(columns: Sequence[Column], terms: Sequence[Term]) -> Iterator[Block]:
    """Yield the block of each category column."""
    for place, column in enumerate(columns):
        if column.kind == "category":
            levels = len(column.categories)
            missing = [] if column.missing == "error" else [MissingIndicator(place)]
            yield Category((*(Level(place, level) for level in range(levels)), *missing), levels)
