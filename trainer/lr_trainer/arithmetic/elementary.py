"""Logarithms and exponentials: the libraries', or inside of `fixed_order()` our own, of the same bits everywhere.

Of arrays they are short series in double-double, off by less than 2^-65 of the exact value before they are rounded; of
single numbers they come from integers, those of `decimal`.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import Extended, two_sum
from lr_trainer.arithmetic.fixed_order import in_fixed_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array

_DECIMAL = Context(prec=40)
_LN2 = Fraction(_DECIMAL.ln(Decimal(2)))
_LARGEST = 800.0
"""Exponentials beyond are 0 or infinite in float64."""


def ln(value: float) -> float:
    """Return the natural logarithm of a positive number."""
    return float(_DECIMAL.ln(Decimal(value))) if in_fixed_order() else math.log(value)


def log10(value: float) -> float:
    """Return the decimal logarithm of a positive number."""
    return float(_DECIMAL.log10(Decimal(value))) if in_fixed_order() else math.log10(value)


def geometric(last: float, count: int) -> Array:
    """Return float64 (count,), positive numbers from 1 to the last, each the same multiple of that before it."""
    if not in_fixed_order():
        return np.geomspace(1.0, last, count)
    steps = (_DECIMAL.divide(Decimal(place), Decimal(count - 1)) for place in range(count))
    return np.array([float(_DECIMAL.power(Decimal(last), each)) for each in steps])


def whole_power(x: Array, power: int) -> Array:
    """Return x^power of an array, for a power of 0 or more."""
    return np.prod([np.ones_like(x)] + [x] * power, axis=0) if in_fixed_order() else np.asarray(x**power)


def log(x: Array) -> Array:
    """Return the natural logarithms of an array; what is not positive has none that is finite."""
    return _among(x, (x > 0) & (x < np.inf), np.log, lambda x: _logs(x).rounded())


def log1p(x: Array) -> Array:
    """Return the natural logarithms of 1 + x, of which small x keep their digits."""
    return _among(x, (x > -1) & (x < np.inf), np.log1p, _logs_beside_one)


def exp(x: Array) -> Array:
    """Return the exponentials of an array."""
    return _among(x, np.abs(x) < _LARGEST, np.exp, _exponentials)


def _among(
    x: Array, inside: NDArray[np.bool_], usual: Callable[[Array], Array], ours: Callable[[Array], Array]
) -> Array:
    """Return our values inside of a range, the usual ones outside, where they are infinite, 0 or not a number."""
    return (
        np.where(inside, ours(np.where(inside, x, 1.0)), usual(np.where(inside, 1.0, x)))
        if in_fixed_order()
        else usual(x)
    )


def _logs(x: Array) -> Extended[Array]:
    """Return log x = e ln 2 + 2 (s + s^3 / 3 + ...) of x = 2^e m, s = (m - 1) / (m + 1), sqrt(1/2) <= m < sqrt(2)."""
    mantissa, exponent = np.frexp(x)
    doubling = mantissa < math.sqrt(0.5)
    mantissa, exponent = np.ldexp(mantissa, 1 * doubling), exponent - doubling
    ratio = Extended.of(mantissa - 1.0) / Extended(*two_sum(mantissa, np.ones_like(x)))
    series = _series(ratio * ratio, (Fraction(2, each) for each in range(1, 29, 2)))
    return Extended.of(exponent * np.ones_like(x)) * _pair(_LN2) + ratio * series


def _logs_beside_one(x: Array) -> Array:
    """Return log(1 + x) = log s + log(1 + r), with s + t = 1 + x exactly, r = t / s."""
    total, rest = two_sum(np.ones_like(x), x)
    ratio = Extended.of(rest) / Extended.of(np.minimum(total, 2.0**100))  # of larger sums it is nothing
    return (_logs(total) + (ratio - Extended.of(ratio.high**2 / 2))).rounded()


def _exponentials(x: Array) -> Array:
    """Return exp x = 2^k exp(r / 16)^16, |r| <= ln 2 / 2."""
    count = np.rint(x / float(_LN2))
    rest = Extended.of(x) - Extended.of(count) * _pair(_LN2)
    found = _series(rest.scaled(1 / 16), (Fraction(1, math.factorial(each)) for each in range(12)))
    for _ in range(4):
        found = found * found
    return np.ldexp(found.rounded(), count.astype(np.intc))


def _series(x: Extended[Array], coefficients: Iterable[Fraction]) -> Extended[Array]:
    total = Extended.of(np.zeros_like(x.high))
    for each in reversed([*coefficients]):
        total = total * x + _pair(each)
    return total


def _pair(value: Fraction) -> Extended[Array]:
    high = float(value)
    return Extended(np.array(high), np.array(float(value - Fraction(high))))
