"""The indicators of missing values of numeric variables; those of categories are among their levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_export.model.terms.block import Block, Box, Extremes, Rows, Steps, zeros
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.term import Term, factors_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_export.program.program import Value
    from lr_runtime.contract.columns import Column


class Flags(Block):
    """The numeric variables whose missing values have an indicator."""

    def append(self, steps: Steps) -> Value:
        return steps.build.cast(steps.are_missing(self.columns), steps.compute)

    def exact(self, rows: Rows) -> Dyadic:
        return Dyadic(np.isnan(rows.x[:, self.columns]).astype(object), 0)

    def values(self, box: Box) -> Extremes:
        none = zeros(len(self.terms))
        return Extremes(none, none, Dyadic(none.integers + 1, 0))


def blocks_of(columns: Sequence[Column], terms: Sequence[Term]) -> Iterator[Block]:
    """Yield the block, if a numeric variable has an indicator."""
    may_miss = [place for place, column in enumerate(columns) if column.kind == "number" and column.missing != "error"]
    factors = {factor for term in terms for factor in factors_of(term)}
    if flagged := tuple(term for term in map(MissingIndicator, may_miss) if term in factors):
        yield Flags(flagged)
