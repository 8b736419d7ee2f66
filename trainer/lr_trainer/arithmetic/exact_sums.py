"""Sums of products of float64 columns, exactly: integers that no order of the rows and no processor changes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lr_trainer.arithmetic.slices import Grid, Part, sums_of_slices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array

Integers: TypeAlias = "NDArray[np.object_]"
"""Python's integers, of any size."""

_DIGIT = 52
"""Bits of a stored digit, which float64 holds."""

_MANTISSA = 53

_MOST_GRIDS = 8
"""Grids whose sums wait in int64, each as large as a few matrices of products."""


@dataclass(frozen=True, eq=False)
class Dyadic:
    """Exact numbers: `integers`, of any shape, times 2^exponent.

    >>> half = Dyadic(np.array([1], dtype=object), -1)
    >>> (half + half).fraction(0), (half + half).arrays()["digits"].tolist()
    (Fraction(1, 1), [[1.0]])
    """

    integers: Integers
    exponent: int

    @staticmethod
    def zeros(count: int) -> Dyadic:
        """Return so many zeros."""
        return Dyadic(np.zeros(count, dtype=object), 0)

    def __add__(self, other: Dyadic) -> Dyadic:
        low = min(self.exponent, other.exponent)
        return Dyadic(self._at(low) + other._at(low), low)

    def _at(self, exponent: int) -> Integers:
        return self.integers if exponent == self.exponent else self.integers << (self.exponent - exponent)

    def fraction(self, *index: int) -> Fraction:
        """Return one number."""
        return Fraction(self.integers[index]) * Fraction(2) ** self.exponent

    def arrays(self) -> dict[str, Array]:
        """Return the numbers (numbers,) as float64 arrays, the same ones for equal numbers.

        Each number is 2^`exponent` (numbers,) times an odd integer, or 0, of which `digits` (digits, numbers) has the
        digits at base 2^52, the last first and the first with the sign.
        """
        zeros = np.array([max((each & -each).bit_length() - 1, 0) for each in self.integers], dtype=np.int64)
        digits: list[Array] = []
        rest = self.integers >> zeros.astype(object)
        while any(not -(1 << _DIGIT) <= each < 1 << _DIGIT for each in rest):
            digits.append((rest & ((1 << _DIGIT) - 1)).astype(np.float64))
            rest = rest >> _DIGIT
        exponents = np.where(self.integers == 0, 0, zeros + self.exponent)
        return {"exponent": exponents.astype(np.float64), "digits": np.array([*digits, rest.astype(np.float64)])}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> Dyadic:
        """Return the numbers of `arrays`."""
        digits = arrays["digits"].astype(np.int64).astype(object)
        integers = digits[-1]
        for digit in digits[-2::-1]:
            integers = (integers << _DIGIT) + digit
        exponents = arrays["exponent"].astype(np.int64)
        low = int(exponents.min())
        return Dyadic(integers << (exponents - low).astype(object), low)


@dataclass(frozen=True, eq=False)
class Ratio:
    """Exact numbers: `integers`, of any shape, divided by `divisor`, times 2^exponent."""

    integers: Integers
    divisor: int
    exponent: int = 0

    def rounded(self) -> Array:
        """Return the nearest float64 numbers, infinite where float64 ends."""
        by, to = self.divisor << max(-self.exponent, 0), max(self.exponent, 0)
        numbers = [_nearest(each << to, by) for each in self.integers.ravel().tolist()]
        return np.array(numbers).reshape(self.integers.shape)

    def rest(self, near: Array) -> Array:
        """Return the nearest float64 numbers to what some numbers (numbers,) leave."""
        unit = Fraction(2) ** self.exponent / self.divisor
        pairs = zip(self.integers.tolist(), near.tolist(), strict=True)
        return np.array([float(whole * unit - Fraction(part)) for whole, part in pairs])

    def congruent(self, matrix: Array) -> Array:
        """Return matrix' N matrix, rounded once, of these numbers N (columns, columns), equal to N'."""
        changed = np.flatnonzero((matrix != np.eye(len(matrix))).any(axis=0))
        shares, exponents = np.frexp(matrix[:, changed])
        low = int(exponents.min(initial=0)) - _MANTISSA
        shifts = (exponents - _MANTISSA - low).astype(object)
        columns = np.ldexp(shares, _MANTISSA).astype(np.int64).astype(object) << shifts
        across, found = self.integers.dot(columns), self.rounded()
        found[:, changed] = Ratio(across, self.divisor, self.exponent + low).rounded()
        found[changed] = found[:, changed].T
        inside = Ratio(columns.T.dot(across), self.divisor, self.exponent + 2 * low).rounded()
        found[np.ix_(changed, changed)] = inside
        return found


def _nearest(dividend: int, divisor: int) -> float:
    try:
        return dividend / divisor  # Python rounds the quotient of integers correctly
    except OverflowError:
        return math.inf if dividend > 0 else -math.inf


@dataclass(frozen=True, eq=False)
class ExactSums:
    """The exact sums of w d d' over rows d of columns, the last of which is 1; w = 1 without weights.

    >>> rows = np.array([[0.1], [1e300], [-1e300]])
    >>> found = ExactSums.of(rows[:1]).merge(ExactSums.of(rows[1:]))
    >>> float(found.products().fraction(0, 1)), found.products().fraction(1, 1)
    (0.1, Fraction(3, 1))

    Attributes:
        columns: how many columns there are, the last included.
        whole: the sums (pairs,) of the products of each column with itself and later ones.
        parts: further sums, which are added to `whole` once there are many rows of them.
    """

    columns: int
    whole: Dyadic
    parts: Mapping[Grid, Part] = field(default_factory=dict)

    @staticmethod
    def empty(columns: int) -> ExactSums:
        """Return the sums of no rows of so many columns, the last included."""
        return ExactSums(columns, Dyadic.zeros(columns * (columns + 1) // 2))

    @staticmethod
    def of(*parts: Array, low: Array | None = None, weights: Array | None = None) -> ExactSums:
        """Return the sums of some rows.

        Args:
            parts: float64 (rows, columns), finite; the columns of several parts are side by side.
            low: float64 (rows, columns), what the parts round away; None where they are exact.
            weights: float64 (rows,); None without.
        """
        beside = [np.ones((1, len(parts[0]))), *([] if weights is None else [weights[None, :]])]
        high = np.concatenate([*(part.T for part in parts), *beside])
        below = None if low is None else np.concatenate([low.T, *(each * 0.0 for each in beside)])
        total = ExactSums.empty(len(high) - (weights is not None))
        for grid, part in sums_of_slices(high, below, weighted=weights is not None):
            total = total._with(grid, part)
        return total

    def _with(self, grid: Grid, part: Part) -> ExactSums:
        rows, sums = self.parts.get(grid, (0, None))
        others = {each: held for each, held in self.parts.items() if each != grid}
        if sums is not None and rows + part[0] <= grid.most_rows:
            return ExactSums(self.columns, self.whole, {**others, grid: (rows + part[0], sums + part[1])})
        whole = self.whole if sums is None else self.whole + Dyadic(*grid.whole(sums))
        if len(others) == _MOST_GRIDS:
            oldest, (_, held) = next(iter(others.items()))
            whole = whole + Dyadic(*oldest.whole(held))
            del others[oldest]
        return ExactSums(self.columns, whole, {**others, grid: part})

    def merge(self, other: ExactSums) -> ExactSums:
        """Return the sums of the rows of both."""
        found = ExactSums(self.columns, self.whole + other.whole, self.parts)
        for grid, part in other.parts.items():
            found = found._with(grid, part)
        return found

    def settled(self) -> ExactSums:
        """Return the same with all sums in `whole`."""
        whole = self.whole
        for grid, (_, sums) in self.parts.items():
            whole = whole + Dyadic(*grid.whole(sums))
        return ExactSums(self.columns, whole)

    def mapped(self, matrix: Array) -> ExactSums:
        """Return the sums of the columns D matrix, whole numbers (columns, other columns), the last of them 1 again."""
        products, whole = self.products(), matrix.astype(np.int64).astype(object)
        square = whole.T.dot(products.integers.dot(whole))
        pairs = square[np.triu_indices(len(square))]
        return ExactSums(len(square), Dyadic(pairs, products.exponent))

    def products(self) -> Dyadic:
        """Return the sums (columns, columns); the last row has the sums of the columns, and of the weights."""
        whole, square = self.settled().whole, np.zeros((self.columns, self.columns), dtype=object)
        first, second = np.triu_indices(self.columns)
        square[first, second] = square[second, first] = whole.integers
        return Dyadic(square, whole.exponent)

    def totals(self) -> Dyadic:
        """Return the sums (columns - 1,) of the columns before the last."""
        products = self.products()
        return Dyadic(products.integers[-1, :-1], products.exponent)

    def arrays(self) -> dict[str, Array]:
        """Return float64 arrays, the same ones for equal sums, as a checkpoint stores them; see `Dyadic.arrays`."""
        return self.settled().whole.arrays()

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> ExactSums:
        """Return the sums of `arrays`."""
        whole = Dyadic.from_arrays(arrays)
        return ExactSums(int((8 * len(whole.integers) + 1) ** 0.5 - 1) // 2, whole)
