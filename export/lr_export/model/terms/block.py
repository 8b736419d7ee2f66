"""Neighbouring places of an artefact's design matrix: what the export stage asks of a kind of term.

Exact values are of u = (x - origin) / scale, with the value that stands in for a missing one filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from lr_export.exact.dyadic import Dyadic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lr_export.program.program import Builder, Value
    from lr_runtime.contract.contract import Dtype
    from lr_runtime.contract.terms.term import Term

    Floats = NDArray[np.floating]


class Rows(NamedTuple):
    """Rows that the model takes: `x` (rows, columns) with NaN for a missing value, and `u` (rows, columns) exactly."""

    x: Floats
    u: Dyadic


@dataclass(frozen=True)
class Box:
    """A box of rows: u (columns,) at its corners and at a missing value, and bool (columns,) where there may be one."""

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


class Extremes(NamedTuple):
    """The least and the largest of some numbers while a column has a value, and what they are where it is missing."""

    low: Dyadic
    high: Dyadic
    missing: Dyadic

    def __abs__(self) -> Extremes:
        largest = abs(self.low).maximum(abs(self.high))
        return Extremes(-largest, largest, abs(self.missing))


@dataclass(frozen=True, eq=False)
class Steps:
    """Where a block appends its steps.

    Attributes:
        build: the program.
        u: the numeric columns on origin and scale, missing values filled in; None where no column is numeric.
        missing: which of their values are missing; None where none may be.
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

    def columns(self, value: Value | None, columns: Sequence[int]) -> Value:
        """Append the selection of some columns of `u` or `missing`, by their number among the input columns."""
        assert value is not None
        return self.build.select(value, [self.place_of[column] for column in columns])


@dataclass(frozen=True, eq=False)
class Block:
    """Some places of the design matrix of one kind, each kind a subclass.

    Attributes:
        terms: that belong there, whether a model has them or not.
        degree: how many factors u a value is the product of; 0 of an indicator, which is 0 or 1 exactly.
    """

    terms: tuple[Term, ...]
    degree: int = 0
    marks: ClassVar[tuple[int, ...]] = ()
    """The places that are NaN where a column's value is one that the model does not take."""

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

    def values(self, box: Box) -> Extremes:
        """Return the extremes (places,) of the values over a box; of several columns, missing values among them."""
        raise NotImplementedError

    def moved(self, reach: Dyadic, by: Dyadic) -> Dyadic:
        """Return the most (places,) that a value moves where u, at most `reach` (columns,), moves `by` (columns,)."""
        return zeros(len(self.terms))

    def roundings(self, factor: int) -> int:
        """Return how often a value may be rounded on the way, where each factor u is rounded `factor` times."""
        return self.degree * factor + max(self.degree - 1, 0)

    def shares(self, weight: Dyadic, values: Extremes) -> tuple[list[int], Extremes]:
        """Return what weights (outputs, places) times values between `values` add to outputs.

        A share is of one column: its number, or -1 for several, and the extremes (outputs, shares).
        """
        ends = weight * values.low, weight * values.high
        return self.columns, Extremes(ends[0].minimum(ends[1]), ends[0].maximum(ends[1]), weight * values.missing)

    def supremum(self, sizes: Dyadic, box: Box, center: Dyadic | None) -> Dyadic:
        """Return what sizes (outputs, places), 0 or more, times |values - center| add up to at most over a box."""
        total = (sizes * self.largest(abs(self.values(box)), box)).sum()
        return total if center is None else total + (sizes * abs(center)).sum()

    def largest(self, values: Extremes, box: Box) -> Dyadic:
        """Return the largest (places,), missing values among them where there may be any."""
        may_miss = np.append(box.may_miss, False)[self.columns]
        return values.high.replaced(may_miss, values.high.maximum(values.missing))


def zeros(*shape: int) -> Dyadic:
    """Return zeros."""
    return Dyadic(np.zeros(shape, dtype=object), 0)
