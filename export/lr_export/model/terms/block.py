"""Neighbouring places of an artefact's design matrix: what the export stage asks of a kind of term.

Exact values are of u = (x - origin) / scale, with the value that stands in for a missing one filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import mul
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.term import Term, factors_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lr_export.program.program import Builder, Value
    from lr_runtime.contract.contract import Dtype

    Floats = NDArray[np.floating]


class Rows(NamedTuple):
    """Rows that the model takes: `u` (rows, variables) exactly, and `x`, which has a derived one's column in its place.

    NaN in `x` is a missing value.
    """

    x: Floats
    u: Dyadic


@dataclass(frozen=True)
class Box:
    """A box of rows: u (variables,) at its corners and at a missing value, and bool where there may be one."""

    low: Dyadic
    high: Dyadic
    fill: Dyadic
    may_miss: NDArray[np.bool_]

    @property
    def reach(self) -> Dyadic:
        """The largest |u| (variables,) of values that are not missing."""
        return abs(self.low).maximum(abs(self.high))

    @property
    def filled_reach(self) -> Dyadic:
        """The largest |u| (variables,) of all values, what stands in for missing ones among them."""
        return self.reach.replaced(self.may_miss, self.reach.maximum(abs(self.fill)))

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
        u: the numeric variables on origin and scale, missing values filled in; None where no column is numeric.
        missing: which values of the numeric columns are missing; None where none may be.
        place_of: the place of each numeric variable in `u`.
        base_of: the place of its column in `missing`.
        compute: the dtype of the values.
        made: the values of the blocks before.
    """

    build: Builder
    u: Value | None
    missing: Value | None
    place_of: Mapping[int, int]
    base_of: Mapping[int, int]
    compute: Dtype
    made: dict[Block, Value]

    def variables(self, numbers: Sequence[int]) -> Value:
        """Append the selection of some variables of `u`, by their numbers."""
        assert self.u is not None
        return self.build.select(self.u, [self.place_of[number] for number in numbers])

    def are_missing(self, numbers: Sequence[int]) -> Value:
        """Append whether some variables are missing."""
        assert self.missing is not None
        return self.build.select(self.missing, [self.base_of[number] for number in numbers])

    @cached_property
    def factors(self) -> tuple[Value, Mapping[Term, int]]:
        """The blocks of single factors side by side, which come before those of products, and the place of each."""
        places = [term for block in self.made for term in block.terms]
        return self.build.concatenate(*self.made.values()), {term: place for place, term in enumerate(places)}


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
        """The variable of each place; -1 where there are several."""
        return [term.columns[0] if len(term.columns) == 1 else -1 for term in self.terms]

    @cached_property
    def variables(self) -> list[list[int]]:
        """The variables of the factors u, (degree, places): twice that of a square."""
        powers = [[factor for factor in factors_of(term) if isinstance(factor, Power)] for term in self.terms]
        each = [[number for factor in own for number in factor.columns * factor.power] for own in powers]
        return [list(numbers) for numbers in zip(*each, strict=True)]

    def monomial(self, u: Dyadic) -> Dyadic:
        """Return the product of the factors u (..., places), without indicators, for u (..., variables)."""
        ones = Dyadic(zeros(len(self.terms)).integers + 1, 0)
        return reduce(mul, (u.columns(numbers) for numbers in self.variables), ones)

    def append(self, steps: Steps) -> Value:
        """Append the steps of the values (rows, places)."""
        raise NotImplementedError

    def exact(self, rows: Rows) -> Dyadic:
        """Return the values (rows, places)."""
        raise NotImplementedError

    def takes(self, x: Floats) -> NDArray[np.bool_]:
        """Return, for each row of x (rows, variables), whether its values are among those that the model knows."""
        return np.ones(len(x), dtype=np.bool_)

    def values(self, box: Box) -> Extremes:
        """Return the extremes (places,) of the values over a box; of several columns, missing values among them."""
        raise NotImplementedError

    def span(self, box: Box) -> Extremes:
        """Return extremes that keep the sign of powers and products, where `values` are symmetric about 0."""
        return self.values(box)

    def moved(self, reach: Dyadic, by: Dyadic) -> Dyadic:
        """Return the most (..., places) that a value moves where |u|, at most `reach` (..., variables), moves `by`."""
        return self.monomial(reach + by) - self.monomial(reach)

    def lost(self, reach: Dyadic) -> Dyadic:
        """Return how many eta (..., places) a value loses to underflow, beyond what `bounds.forward` says of powers."""
        return zeros(len(self.terms))

    def roundings(self, factor: int) -> int:
        """Return how often a value may be rounded on the way, where each factor u is rounded `factor` times."""
        return self.degree * factor + max(self.degree - 1, 0)

    def shares(self, weight: Dyadic, values: Extremes) -> tuple[list[int], Extremes]:
        """Return what weights (outputs, places) times values between `values` add to outputs.

        A share is of one variable: its number, or -1 for several, and the extremes (outputs, shares).
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
