"""Neighbouring places of an artefact's design matrix: what the export stage asks of a kind of term.

Exact values are of u = (x - origin) / scale, with the value that stands in for a missing one filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.exact.dyadic import Dyadic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lr_export.program.program import Builder, Value
    from lr_runtime.contract.contract import Dtype
    from lr_runtime.contract.terms.term import Term

    Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rows:
    """Rows that the model takes: `x` (rows, columns) with NaN for a missing value, and `u` (rows, columns) exactly."""

    x: Floats
    u: Dyadic


@dataclass(frozen=True)
class Box:
    """A box of rows.

    Attributes:
        low: (columns,) u at the lower corner.
        high: (columns,) u at the upper corner.
        fill: (columns,) u at a missing value.
        may_miss: bool (columns,), whether values may be missing.
    """

    low: Dyadic
    high: Dyadic
    fill: Dyadic
    may_miss: NDArray[np.bool_]

    @property
    def reach(self) -> Dyadic:
        """The largest |u| (columns,) of values that are not missing."""
        return abs(self.low).maximum(abs(self.high))

    @property
    def symmetric(self) -> Box:
        """The box from -reach to reach."""
        return replace(self, low=-self.reach, high=self.reach)


@dataclass(frozen=True)
class Range:
    """Between which numbers the values of a block's places lie over a box, (places,) each.

    Attributes:
        low: while their columns have a value.
        high: while their columns have a value.
        missing: what they are where their columns are missing.
    """

    low: Dyadic
    high: Dyadic
    missing: Dyadic

    def __abs__(self) -> Range:
        largest = abs(self.low).maximum(abs(self.high))
        return Range(-largest, largest, abs(self.missing))


@dataclass(frozen=True)
class Share:
    """What a block adds to outputs over a box, (outputs, shares) each; every share belongs to a column.

    Attributes:
        columns: the columns; -1 for a share of several columns, whose ends hold for missing values too.
        low: the least while the column has a value.
        high: the most while the column has a value.
        missing: what is added where the column is missing.
    """

    columns: list[int]
    low: Dyadic
    high: Dyadic
    missing: Dyadic


@dataclass(frozen=True, eq=False)
class Steps:
    """Where a block appends its steps.

    Attributes:
        build: the program.
        u: the numeric columns on origin and scale, missing values filled in; None where no column is numeric.
        missing: which of the numeric columns' values are missing; None where none may be.
        place_of: the place of each numeric column in `u` and `missing`.
        compute: the dtype of the values.
        made: the values of the blocks before.
    """

    build: Builder
    u: Value | None
    missing: Value | None
    place_of: Mapping[int, int]
    compute: Dtype
    made: dict[Block, Value]

    def columns(self, value: Value | None, columns: list[int]) -> Value:
        """Append the selection of some columns of `u` or `missing`, by their number among the input columns."""
        assert value is not None
        return self.build.select(value, [self.place_of[column] for column in columns])


@dataclass(frozen=True, eq=False)
class Block:
    """Some places of the design matrix of one kind, each kind a subclass.

    Attributes:
        terms: that belong there, whether a model has them or not.
    """

    terms: tuple[Term, ...]

    @property
    def degree(self) -> int:
        """The number of factors u that a value is the product of; 0 of an indicator, which is 0 or 1 exactly."""
        return 0

    @property
    def marks(self) -> tuple[int, ...]:
        """The places that are NaN where a column's value is one that the model does not take."""
        return ()

    @property
    def columns(self) -> list[int]:
        """The column of each place; -1 where there are several."""
        return [term.columns[0] if len(term.columns) == 1 else -1 for term in self.terms]

    def append(self, steps: Steps) -> Value:
        """Append the steps of the values (rows, places)."""
        raise NotImplementedError

    def exact(self, rows: Rows) -> Dyadic:
        """Return the values (rows, places)."""
        raise NotImplementedError

    def takes(self, x: Floats) -> NDArray[np.bool_]:
        """Return, for each row of x (rows, columns), whether its values are among those that the model knows."""
        return np.ones(len(x), dtype=np.bool_)

    def range(self, box: Box) -> Range:
        """Return the range of each place over a box."""
        raise NotImplementedError

    def moved(self, reach: Dyadic, by: Dyadic) -> Dyadic:
        """Return the most (places,) that a value moves where u, at most `reach` (columns,), moves `by` (columns,)."""
        return zeros(len(self.terms))

    def polynomial(self, place: int, column: int, u: NDArray[np.float64]) -> list[float]:
        """Return the value at a place as a polynomial in one column's u, lowest power first; the others as in `u`."""
        return [0.0]

    def roundings(self, factor: int) -> int:
        """Return how often a value may be rounded on the way, where each factor u is rounded `factor` times."""
        return self.degree * factor + max(self.degree - 1, 0)

    def share(self, weight: Dyadic, over: Range) -> Share:
        """Return what the block adds to outputs with weights (outputs, places), its values in the range `over`."""
        ends = weight * over.low, weight * over.high
        return Share(self.columns, ends[0].minimum(ends[1]), ends[0].maximum(ends[1]), weight * over.missing)

    def supremum(self, sizes: Dyadic, box: Box, center: Dyadic | None) -> Dyadic:
        """Return (outputs,) that sizes (outputs, places) times |values - center| do not exceed over a box.

        Args:
            sizes: 0 or more.
            box: of the rows.
            center: (places,); None for 0.
        """
        over = abs(self.range(box))
        total = (sizes * self.largest(over, box)).sum()
        return total if center is None else total + (sizes * abs(center)).sum()

    def largest(self, over: Range, box: Box) -> Dyadic:
        """Return the largest (places,) of `over`, missing values among them where there may be any."""
        return over.high.replaced(np.append(box.may_miss, False)[self.columns], over.high.maximum(over.missing))


def zeros(*shape: int) -> Dyadic:
    """Return zeros."""
    return Dyadic(np.zeros(shape, dtype=object), 0)
