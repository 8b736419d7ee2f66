"""How far the steps of a program in float64 can be from exact arithmetic, over whole intervals of arguments.

This is running error analysis (Higham 2002, 3.3). Every value is an interval that the exact value lies in, and a bound
on what the computed one is from it, to which an operation adds u times the power of two next below its result: half a
unit in the last place. Nothing here is subnormal. The analysis is in float64 itself: all that it gives is widened by a
share of 2^-40, far above its own rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lr_export.program.program import Program

WIDER, DIGITS = 2.0**-40, 53


@dataclass(frozen=True)
class Enclosed:
    """Exact values from `low` to `high`, and computed ones within `error` of them, one for each interval."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def most(self) -> NDArray[np.float64]:
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def least(self) -> NDArray[np.float64]:
        """The least size of an exact value, 0 where the sign changes."""
        return np.where(self.low * self.high > 0, np.minimum(np.abs(self.low), np.abs(self.high)), 0)

    @property
    def is_point(self) -> NDArray[np.bool_]:
        return np.asarray((self.low == self.high) & (self.error == 0))

    @staticmethod
    def of(low: Any, high: Any = None, error: Any = 0.0) -> Enclosed:
        return Enclosed(*np.broadcast_arrays(*map(np.float64, (low, low if high is None else high, error))))


def enclosed(program: Program, x: Enclosed, errors: Mapping[str, float]) -> Enclosed:
    """Return y of a program; `errors` says how far constants are from what they stand for."""
    constants = {
        name: Enclosed.of(array.astype(np.float64), error=errors.get(name, 0.0))
        for name, array in program.constants.items()
    }
    operations: Any = {
        "add": partial(_sum, 1.0),
        "subtract": partial(_sum, -1.0),
        "multiply": _product,
        "divide": _quotient,
        "select": lambda a, columns: Enclosed(*(each[:, list(columns)] for each in (a.low, a.high, a.error))),
    }
    return program.run(x, constants, operations)["y"]


def _sum(sign: float, a: Enclosed, b: Enclosed) -> Enclosed:
    low, high = sorted_ends(sign * b.low, sign * b.high)
    is_exact = (a.is_point & (a.low == 0)) | (b.is_point & (b.low == 0))
    return _rounded(a.low + low, a.high + high, a.error + b.error, is_exact)


def _product(a: Enclosed, b: Enclosed) -> Enclosed:
    low, high = sorted_ends(a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)
    is_exact = a.is_point & b.is_point & (_digits(a.low) + _digits(b.low) <= DIGITS)
    return _rounded(low, high, a.most * b.error + b.most * a.error + a.error * b.error, is_exact)


def _quotient(a: Enclosed, b: Enclosed) -> Enclosed:
    low, high = sorted_ends(a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high)
    most = np.maximum(np.abs(low), np.abs(high))
    return _rounded(low, high, (a.error + most * b.error) / (b.least - b.error), np.False_)


def sorted_ends(*products: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.minimum.reduce(np.broadcast_arrays(*products)), np.maximum.reduce(np.broadcast_arrays(*products))


def _rounded(low: Any, high: Any, error: Any, is_exact: Any) -> Enclosed:
    """Return an operation's interval and error with its own rounding, where it has one."""
    most = np.maximum(np.abs(low), np.abs(high)) + error
    ufp = np.where(most == 0, 0, 2.0 ** (np.frexp(most * (1 + WIDER))[1] - 1))
    error = np.where(is_exact, error, (error + 2.0**-DIGITS * ufp) * (1 + WIDER))
    wider = np.where(is_exact, 0, WIDER)
    return Enclosed(low - np.abs(low) * wider, high + np.abs(high) * wider, error)


def _digits(number: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many significant binary digits numbers have."""
    whole = np.ldexp(np.frexp(number)[0], 53).astype(np.int64)
    return np.where(whole == 0, 0, 54 - np.frexp((whole & -whole).astype(np.float64))[1])
