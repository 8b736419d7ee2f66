"""Exact arithmetic on floating-point numbers: every one of them is an integer over a power of two.

Integers on a common exponent need no greatest common divisors, which makes them several times as fast as fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Dtype

Direction = Literal["down", "nearest", "up"]
DIGITS = {"float32": 24, "float64": 53}
SMALLEST = {"float32": -149, "float64": -1074}


@dataclass(frozen=True)
class Dyadic:
    """An array of exact numbers `integers` * 2**`exponent`; integers is an object array of Python ints of any shape."""

    integers: NDArray[np.object_]
    exponent: int

    @staticmethod
    def of(values: NDArray[np.floating]) -> Dyadic:
        """Return finite floating-point numbers exactly."""
        mantissas, exponents = np.frexp(np.asarray(values, dtype=np.float64))
        whole = np.ldexp(mantissas, 53).astype(np.int64).astype(object)
        used = exponents[mantissas != 0]
        low = int(used.min()) - 53 if used.size else 0
        shifts = np.where(mantissas != 0, exponents - 53 - low, 0).astype(object)
        return Dyadic(np.asarray(whole << shifts, dtype=object), low)

    @staticmethod
    def power_of_two(exponent: int | NDArray[np.integer]) -> Dyadic:
        """Return 2**exponent, element by element."""
        low = int(np.min(exponent))
        return Dyadic(np.asarray(1 << np.asarray(exponent - low, dtype=object), dtype=object), low)

    @staticmethod
    def of_fractions(values: Sequence[Fraction]) -> Dyadic:
        """Return fractions (values,) whose denominators are powers of two."""
        exponent = 1 - max((value.denominator.bit_length() for value in values), default=1)
        whole = [value.numerator * ((1 << -exponent) // value.denominator) for value in values]
        return Dyadic(np.array(whole, dtype=object), exponent)

    @staticmethod
    def beside(parts: Sequence[Dyadic]) -> Dyadic:
        """Return arrays side by side along their last axis."""
        exponent = min(part.exponent for part in parts)
        aligned = [part.integers << (part.exponent - exponent) for part in parts]
        return Dyadic(np.asarray(np.concatenate(aligned, axis=-1), dtype=object), exponent)

    def __add__(self, other: Dyadic) -> Dyadic:
        left, right, exponent = _aligned(self, other)
        return Dyadic(np.asarray(left + right, dtype=object), exponent)

    def __sub__(self, other: Dyadic) -> Dyadic:
        left, right, exponent = _aligned(self, other)
        return Dyadic(np.asarray(left - right, dtype=object), exponent)

    def __mul__(self, other: Dyadic) -> Dyadic:
        return Dyadic(np.asarray(self.integers * other.integers, dtype=object), self.exponent + other.exponent)

    def __matmul__(self, other: Dyadic) -> Dyadic:
        return Dyadic(np.asarray(self.integers @ other.integers, dtype=object), self.exponent + other.exponent)

    def __abs__(self) -> Dyadic:
        return Dyadic(np.asarray(np.abs(self.integers), dtype=object), self.exponent)

    def __le__(self, other: Dyadic) -> NDArray[np.bool_]:
        left, right, _ = _aligned(self, other)
        return np.asarray(left <= right, dtype=np.bool_)

    def __neg__(self) -> Dyadic:
        return Dyadic(np.asarray(-self.integers, dtype=object), self.exponent)

    def maximum(self, other: Dyadic) -> Dyadic:
        """Return the larger of both, element by element."""
        left, right, exponent = _aligned(self, other)
        return Dyadic(np.asarray(np.maximum(left, right), dtype=object), exponent)

    def minimum(self, other: Dyadic) -> Dyadic:
        """Return the smaller of both, element by element."""
        return -(-self).maximum(-other)

    def largest(self) -> Dyadic:
        """Return the largest over the last axis."""
        return Dyadic(np.asarray(self.integers.max(axis=-1), dtype=object), self.exponent)

    def replaced(self, mask: NDArray[np.bool_], other: Dyadic) -> Dyadic:
        """Return `other` where the mask is True."""
        left, right, exponent = _aligned(self, other)
        return Dyadic(np.asarray(np.where(mask, right, left), dtype=object), exponent)

    def added(self, columns: list[int], other: Dyadic) -> Dyadic:
        """Return the sum with `other`, whose columns are added at these; a column may take several."""
        left, right, exponent = _aligned(self, other)
        total = left.copy()
        np.add.at(total.T, np.array(columns), right.T)
        return Dyadic(total, exponent)

    def columns(self, picked: slice | list[int]) -> Dyadic:
        """Return the picked columns."""
        return Dyadic(self.integers[..., picked], self.exponent)

    def with_columns(self, places: list[int], other: Dyadic) -> Dyadic:
        """Return the same with `other` in the place of some columns."""
        left, right, exponent = _aligned(self, other)
        integers = left.copy()
        integers[..., places] = right
        return Dyadic(integers, exponent)

    def above(self, other: Dyadic) -> Dyadic:
        """Return the rows of both, one below the other."""
        left, right, exponent = _aligned(self, other)
        return Dyadic(np.vstack([left, right]), exponent)

    @property
    def T(self) -> Dyadic:  # noqa: N802 - numpy's name
        """The transpose."""
        return Dyadic(self.integers.T, self.exponent)

    def reshaped(self, *shape: int) -> Dyadic:
        """Return the same numbers in another shape."""
        return Dyadic(self.integers.reshape(shape), self.exponent)

    def sum(self) -> Dyadic:
        """Return the sums over the last axis."""
        return Dyadic(np.asarray(self.integers.sum(axis=-1), dtype=object), self.exponent)

    def root(self) -> tuple[Dyadic, Dyadic]:
        """Return the square roots of numbers not below 1, rounded down to 60 digits or more, and a rounding bound."""
        # An even exponent, and 400 bits or more below the root: 200 bits of it, the smallest number being 1.
        exponent = min(self.exponent, -400) // 2 * 2
        shifted = self.integers << (self.exponent - exponent)
        roots = np.array([math.isqrt(value) for value in shifted.ravel()], dtype=object).reshape(shifted.shape)
        return Dyadic(roots, exponent // 2), Dyadic(np.array(1, dtype=object), exponent // 2)

    def rounded(self, dtype: Dtype, direction: Direction) -> NDArray[np.float64]:
        """Return the numbers of the dtype next to these, as float64; infinite beyond its range.

        `down` gives the largest that is not above, `up` the smallest that is not below, `nearest` the nearest, ties to
        even (IEEE 754, 4.3).
        """
        digits, smallest = DIGITS[dtype], SMALLEST[dtype]
        flat = [_rounded(value, self.exponent, digits, smallest, direction) for value in self.integers.ravel().tolist()]
        return np.array(flat, dtype=np.float64).reshape(self.integers.shape)

    def fractions(self) -> list[Fraction]:
        """Return all elements, flat, as fractions."""
        return [Fraction(value) * Fraction(2) ** self.exponent for value in self.integers.ravel()]


def _aligned(a: Dyadic, b: Dyadic) -> tuple[NDArray[np.object_], NDArray[np.object_], int]:
    exponent = min(a.exponent, b.exponent)
    return a.integers << (a.exponent - exponent), b.integers << (b.exponent - exponent), exponent


def _rounded(value: int, exponent: int, digits: int, smallest: int, direction: Direction) -> float:
    shift = max(value.bit_length() - digits, smallest - exponent)
    if shift > 0:
        quotient = value >> shift
        rest = value - (quotient << shift)
        half = 1 << (shift - 1)
        if direction == "up":
            quotient += rest > 0
        elif direction == "nearest":
            quotient += rest > half or (rest == half and bool(quotient & 1))
        value, exponent = quotient, exponent + shift
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)
