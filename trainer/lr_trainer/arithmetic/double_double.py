"""Double-double arithmetic: each number an unevaluated sum of two float64, 106 bits in all; NumPy arrays or tensors.

Error-free transformations: Knuth (TAOCP 2, 4.2.2) for the sum, Dekker (1971) for the product; the operations on pairs
follow Hida, Li and Bailey (2001). Relative errors stay below a few units of 2^-104.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

import numpy as np

from lr_trainer.arithmetic.arrays import A

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Index: TypeAlias = Any  # what NumPy and torch take between brackets

_SPLITTER = 2.0**27 + 1


def two_sum(a: A, b: A) -> tuple[A, A]:
    """Return s + t = a + b exactly, s the rounded sum."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: A, b: A) -> tuple[A, A]:
    """Return p + t = a * b exactly, p the rounded product, where nothing overflows or underflows."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def sum_of(values: Extended[NDArray[np.float64]]) -> Extended[NDArray[np.float64]]:
    """Return the sums along the last axis, added in pairs."""
    while (count := values.high.shape[-1]) > 1:
        half, odd = count // 2, values[..., 2 * (count // 2) :]
        pairs = values[..., :half] + values[..., half : 2 * half]
        parts = [(pairs.high, odd.high), (pairs.low, odd.low)]
        values = Extended(*(np.concatenate(part, axis=-1) for part in parts))
    return Extended(values.high.sum(axis=-1), values.low.sum(axis=-1))


def _split(a: A) -> tuple[A, A]:
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


@dataclass(frozen=True)
class Extended(Generic[A]):
    """An array of numbers `high + low`, |low| at most half a unit in the last place of high.

    >>> third = Extended.of(np.array(1.0)) / Extended.of(np.array(3.0))
    >>> float(third.high), float(third.low)
    (0.3333333333333333, 1.850371707708594e-17)
    """

    high: A
    low: A

    @staticmethod
    def of(values: A) -> Extended[A]:
        """Return float64 numbers exactly."""
        return Extended(values, values * 0.0)

    def __add__(self, other: Extended[A]) -> Extended[A]:
        high, error = two_sum(self.high, other.high)
        low, low_error = two_sum(self.low, other.low)
        high, error = two_sum(high, error + low)
        return Extended(*two_sum(high, error + low_error))

    def __neg__(self) -> Extended[A]:
        return Extended(-self.high, -self.low)

    def __sub__(self, other: Extended[A]) -> Extended[A]:
        return self + -other

    def __mul__(self, other: Extended[A] | A) -> Extended[A]:
        if not isinstance(other, Extended):
            other = Extended.of(1.0 * other)
        high, error = two_product(self.high, other.high)
        return Extended(*two_sum(high, error + (self.high * other.low + self.low * other.high)))

    def __truediv__(self, other: Extended[A]) -> Extended[A]:
        first = self.high / other.high
        rest = self - Extended.of(first) * other
        second = rest.high / other.high
        rest = rest - Extended.of(second) * other
        return Extended(*two_sum(first, second)) + Extended.of(rest.high / other.high)

    def sqrt(self) -> Extended[A]:
        """Return the square root: one step of Newton's on that of the high part (Karp and Markstein 1997)."""
        root = self.high**0.5
        rest = self - Extended.of(root) * Extended.of(root)
        return Extended(*two_sum(root, rest.high / (root + root)))

    def __getitem__(self, index: _Index) -> Extended[A]:
        return Extended(self.high[index], self.low[index])

    def __setitem__(self, index: _Index, values: Extended[A]) -> None:
        self.high[index], self.low[index] = values.high, values.low

    def scaled(self, factor: float | A) -> Extended[A]:
        """Return the product with powers of two, which rounds nothing."""
        return Extended(self.high * factor, self.low * factor)

    def rounded(self) -> A:
        """Return the nearest float64 numbers."""
        return self.high + self.low

    def fraction(self, *index: int) -> Fraction:
        """Return one number exactly."""
        high, low = float(self.high[index]), float(self.low[index])
        return Fraction(high) + Fraction(low) if low else Fraction(high)
