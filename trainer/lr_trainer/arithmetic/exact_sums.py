"""Sums of products of float64 columns, exactly: integers that no order of the rows and no processor changes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lr_runtime.errors import CheckpointError
from lr_trainer.arithmetic.elementary import log
from lr_trainer.arithmetic.slices import ROWS, Sums, Tile, sums_of_products

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array

_Integers: TypeAlias = "NDArray[np.object_]"  # Python's, of any size

_DIGIT, _MANTISSA = 52, 53
"""Bits of a digit as a checkpoint stores it, and of a float64."""

_REACH = 4000
"""No exponent of a product of three float64 numbers is farther from 0."""

_ENDS = (0, np.min), (1, np.max)

_MOST_WAITING = 8
"""Sums in int64 that wait for others alike, each as large as a few matrices of products."""


@dataclass(frozen=True, eq=False)
class Exact:
    """Exact numbers: `integers`, of any shape, divided by `divisor`, times 2^exponent.

    >>> half = Exact(np.array([1], dtype=object), -1)
    >>> (half + half).fraction(0), Exact(half.integers, 0, 3).rounded().tolist()
    (Fraction(1, 1), [0.3333333333333333])
    """

    integers: _Integers
    exponent: int = 0
    divisor: int = 1

    @staticmethod
    def zeros(count: int) -> Exact:
        """Return so many zeros."""
        return Exact(np.zeros(count, dtype=object))

    def __add__(self, other: Exact) -> Exact:
        """Return the sums of numbers without divisors."""
        low = min(self.exponent, other.exponent)
        return Exact(sum(each.integers << (each.exponent - low) for each in (self, other)), low)

    def fraction(self, *index: int) -> Fraction:
        """Return one number."""
        return Fraction(self.integers[index], self.divisor) * Fraction(2) ** self.exponent

    def rounded(self) -> Array:
        """Return the nearest float64 numbers, infinite where float64 ends."""
        by, to = self.divisor << max(-self.exponent, 0), max(self.exponent, 0)
        numbers = [_quotient(each << to, by) for each in self.integers.ravel().tolist()]
        return np.array(numbers).reshape(self.integers.shape)

    def rest(self, near: Array) -> Array:
        """Return the nearest float64 numbers to what the numbers `near`, float64 (numbers,), leave of these."""
        exact = map(self.fraction, range(len(near)))
        return np.array([float(each - Fraction(part)) for each, part in zip(exact, near.tolist(), strict=True)])

    def congruent(self, matrix: Array) -> Array:
        """Return matrix' N matrix, each number rounded once, of these numbers N (columns, columns)."""
        shares, exponents = np.frexp(matrix)
        low = int(exponents.min())
        columns = np.ldexp(shares, _MANTISSA).astype(np.int64).astype(object) << (exponents - low).astype(object)
        products = columns.T.dot(self.integers.dot(columns))
        return Exact(products, self.exponent + 2 * (low - _MANTISSA), self.divisor).rounded()

    def arrays(self) -> dict[str, Array]:
        """Return numbers (numbers,) without a divisor as float64 arrays, the same ones for equal numbers.

        Each is 2^`exponent` (numbers,) times an odd integer, or 0, of which `digits` (digits, numbers) has the digits
        at base 2^52, the last one first, and the first with the sign.
        """
        zeros = np.array([max((each & -each).bit_length() - 1, 0) for each in self.integers], dtype=object)
        digits: list[Array] = []
        rest = self.integers >> zeros
        while any(not -(1 << _DIGIT) <= each < 1 << _DIGIT for each in rest):
            digits.append((rest & ((1 << _DIGIT) - 1)).astype(np.float64))
            rest = rest >> _DIGIT
        exponents = np.where(self.integers == 0, 0, zeros + self.exponent)
        return {"exponent": exponents.astype(np.float64), "digits": np.array([*digits, rest.astype(np.float64)])}

    @staticmethod
    def from_arrays(exponent: Array, digits: Array) -> Exact:
        """Return the numbers of `arrays`.

        Raises:
            CheckpointError: they are no such arrays.
        """
        is_whole = all((np.trunc(each) == each).all() for each in (exponent, digits))
        if (
            not is_whole
            or digits.shape[1:] != exponent.shape
            or abs(exponent).max() > _REACH
            or abs(digits).max() > 2**_DIGIT
        ):
            raise CheckpointError("its exact sums are damaged. Train the model again")
        integers = np.zeros(len(exponent), dtype=object)
        for digit in digits[::-1].astype(np.int64):
            integers = (integers << _DIGIT) + digit.astype(object)
        low = int(exponent.min())
        return Exact(integers << (exponent - low).astype(np.int64).astype(object), low)


def _quotient(dividend: int, divisor: int) -> float:
    try:
        return dividend / divisor  # Python rounds the quotient of integers correctly
    except OverflowError:
        return math.inf if dividend > 0 else -math.inf


@dataclass(frozen=True, eq=False)
class ExactSums:
    """What is kept of rows of columns: of equal rows the same, in any order and however they are cut.

    >>> rows = np.array([[0.1], [1e300], [-1e300]])
    >>> found = ExactSums.of([rows[:1]]).merge(ExactSums.of([rows[1:]]))
    >>> float(found.products().fraction(0, 1)), found.products().fraction(1, 1)
    (0.1, Fraction(3, 1))

    Attributes:
        count: the number of rows.
        minimum: float64 (columns,).
        maximum: float64 (columns,).
        heaviest: the largest weight; 1 without weights.
        logs: the sum of the weights' logarithms.
        whole: the weighted sums (pairs,) of products of columns and, behind these, of 1: of each with itself and later
            ones.
        waiting: further sums, which are added to `whole` once there are many rows of them.
    """

    count: int
    minimum: Array
    maximum: Array
    heaviest: float
    logs: Exact
    whole: Exact
    waiting: tuple[Sums, ...] = ()

    @staticmethod
    def of(parts: Sequence[Array], low: Array | None = None, weights: Array | None = None) -> ExactSums:
        """Return what is kept of some rows, at least one; the sums of what is not finite mean nothing.

        Args:
            parts: float64 (rows, columns); the columns of several parts are side by side.
            low: float64 (rows, columns), what the parts round away; None where they are exact.
            weights: float64 (rows,); None without.
        """
        ranges: list[tuple[Array, Array]] = []
        logs, heaviest = Exact.zeros(1), 1.0
        if weights is not None:
            logs, heaviest = ExactSums.of([log(weights)[:, None]]).totals(), float(weights.max())
        sums = list(sums_of_products(_tiles(parts, low, weights, ranges), weighted=weights is not None))
        columns = sum(part.shape[1] for part in parts)
        minimum, maximum = (end([each[place][:columns] for each in ranges], axis=0) for place, end in _ENDS)
        pairs = (columns + 1) * (columns + 2) // 2
        return ExactSums(len(parts[0]), minimum, maximum, heaviest, logs, Exact.zeros(pairs))._with(sums)

    @property
    def is_finite(self) -> bool:
        """Whether all values are."""
        return bool(np.isfinite([self.minimum, self.maximum]).all())

    def _with(self, sums: Iterable[Sums]) -> ExactSums:
        whole, waiting = self.whole, {each.grid: each for each in self.waiting}
        for each in sums:
            there = waiting.pop(each.grid, None)
            both = there and there.added(each)
            if there and not both:
                whole = whole + Exact(*there.whole())
            waiting[each.grid] = both or each
            if len(waiting) > _MOST_WAITING:
                whole = whole + Exact(*waiting.pop(next(iter(waiting))).whole())
        return replace(self, whole=whole, waiting=tuple(waiting.values()))

    def merge(self, other: ExactSums) -> ExactSums:
        """Return what is kept of the rows of both."""
        both = ExactSums(
            self.count + other.count,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
            max(self.heaviest, other.heaviest),
            self.logs + other.logs,
            self.whole + other.whole,
            self.waiting,
        )
        return both._with(other.waiting)

    def _settled(self) -> Exact:
        return reduce(Exact.__add__, (Exact(*each.whole()) for each in self.waiting), self.whole)

    def products(self) -> Exact:
        """Return the sums of products (columns + 1, columns + 1), of 1 in the last row and column."""
        settled, count = self._settled(), len(self.minimum) + 1
        square, (first, second) = np.zeros((count, count), dtype=object), np.triu_indices(count)
        square[first, second] = square[second, first] = settled.integers
        return Exact(square, settled.exponent)

    def totals(self) -> Exact:
        """Return the sums of the columns (columns,)."""
        products = self.products()
        return Exact(products.integers[-1, :-1], products.exponent)

    def mapped(self, matrix: Array, minimum: Array, maximum: Array) -> ExactSums:
        """Return the same of the columns [D, 1] matrix, which has whole numbers, with these ranges, and of 1."""
        products, whole = self.products(), matrix.astype(np.int64).astype(object)
        square = whole.T.dot(products.integers.dot(whole))
        pairs = Exact(square[np.triu_indices(len(square))], products.exponent)
        return ExactSums(self.count, minimum, maximum, self.heaviest, self.logs, pairs)

    def arrays(self) -> dict[str, Array]:
        """Return what moments do not have as float64 arrays, which are the same ones for equal rows."""
        logs = {f"logs.{name}": array for name, array in self.logs.arrays().items()}
        return self._settled().arrays() | logs | {"heaviest": np.array(self.heaviest)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array], count: int, minimum: Array, maximum: Array) -> ExactSums:
        """Return what `arrays` and the moments have."""
        whole, logs = (Exact.from_arrays(arrays[f"{part}exponent"], arrays[f"{part}digits"]) for part in ("", "logs."))
        if len(whole.integers) != (len(minimum) + 1) * (len(minimum) + 2) // 2:
            raise CheckpointError("its exact sums are damaged. Train the model again")
        return ExactSums(count, minimum, maximum, float(arrays["heaviest"]), logs, whole)


def _tiles(
    parts: Sequence[Array], low: Array | None, weights: Array | None, ranges: list[tuple[Array, Array]]
) -> Iterator[Tile]:
    """Yield the columns, 1 and the weights in tiles, and append their ranges; stop where a value is not finite."""
    ones = [np.ones((len(parts[0]), 1)), *([] if weights is None else [weights[:, None]])]
    columns = [*parts, *ones]
    below = None if low is None else [low, *(each * 0.0 for each in ones)]
    room = np.empty((sum(each.shape[1] for each in columns), ROWS))  # new memory costs more than the copy
    for start in range(0, len(parts[0]), ROWS):
        rows = slice(start, start + ROWS)
        high = np.concatenate([each[rows].T for each in columns], out=room[:, : len(ones[0][rows])])
        ranges.append((high.min(axis=1) + 0.0, high.max(axis=1) + 0.0))  # 0.0 for -0.0
        if not np.isfinite(ranges[-1]).all():
            return
        yield Tile(high, None if below is None else np.concatenate([each[rows].T for each in below]))
