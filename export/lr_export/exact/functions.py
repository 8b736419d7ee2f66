"""Logarithm, exponential function, roots, reciprocals and hinges of exact numbers, to 190 binary digits or more."""

from __future__ import annotations

import math
from decimal import MAX_PREC, Context, Decimal
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import Dyadic

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lr_runtime.contract.derived import FunctionName

_BITS = 200
_ROUNDED, _UNROUNDED = Context(prec=60), Context(prec=MAX_PREC)
"""60 digits of decimal's ln and exp, which are correctly rounded: 197 binary ones."""


def exact(function: FunctionName, values: Dyadic, knots: NDArray[np.float64] | None = None) -> Dyadic:
    """Return the function of numbers of any shape, within 2^-190 of each result; a hinge, at knots (width,), exactly.

    Raises:
        ArithmeticError, ValueError: a value is outside the domain, or of exp above a million.

    >>> exact("sqrt", Dyadic.of(np.array([2.0]))).rounded("float64", "nearest")
    array([1.41421356])
    """
    if function == "hinge":
        assert knots is not None
        return (values - Dyadic.of(knots)).maximum(Dyadic.of(np.zeros(())))
    if function == "log1p":
        function, values = "log", values + Dyadic.of(np.ones(()))
    found = [_FUNCTIONS[function](integer, values.exponent) for integer in values.integers.ravel()]
    exponent = min((each for _, each in found), default=0)
    integers = np.array([integer << (each - exponent) for integer, each in found], dtype=object)
    return Dyadic(integers.reshape(values.integers.shape), exponent)


def _rounded(numerator: int, denominator: int) -> tuple[int, int]:
    """Return an integer of about 200 bits, and e: the quotient is within 2^-199 of it times 2^e."""
    bits = _BITS + denominator.bit_length() - numerator.bit_length()
    return (numerator << max(bits, 0)) // (denominator << max(-bits, 0)), -bits


def _decimal(function: Callable[[Decimal], Decimal], integer: int, exponent: int) -> tuple[int, int]:
    """Return a function of integer * 2^exponent, which as a decimal number has all its digits."""
    zeros = max((integer & -integer).bit_length() - 1, 0)
    integer, exponent = integer >> zeros, exponent + zeros
    number = Decimal(integer * 5 ** max(-exponent, 0) << max(exponent, 0)).scaleb(min(exponent, 0), _UNROUNDED)
    return _rounded(*function(number).as_integer_ratio())


def _reciprocal(integer: int, exponent: int) -> tuple[int, int]:
    quotient, e = _rounded((integer > 0) - (integer < 0), abs(integer))
    return quotient, e - exponent


def _root(integer: int, exponent: int) -> tuple[int, int]:
    bits = max(2 * _BITS - integer.bit_length(), 0)
    bits += (exponent - bits) % 2
    return math.isqrt(integer << bits), (exponent - bits) // 2


_FUNCTIONS: dict[FunctionName, Callable[[int, int], tuple[int, int]]] = {
    "log": partial(_decimal, _ROUNDED.ln),
    "exp": partial(_decimal, _ROUNDED.exp),
    "sqrt": _root,
    "reciprocal": _reciprocal,
}
