"""The variables behind the input columns: their exact values, over a box, and how far an engine's may be from them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact import functions
from lr_export.exact.dyadic import DIGITS, SMALLEST, Dyadic
from lr_export.program.functions import roundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Contract, Dtype
    from lr_runtime.contract.derived import Derived

    Floats = NDArray[np.floating]

_SLACK_BITS = 64
"""Bits beyond those of a dtype: so far are the exact values of functions, of 190 bits, off at most, and less."""

_COUNTS = 180
"""An absolute error of 2^-180 of the largest number is none beside any dtype's."""


def exact_variables(derived: Sequence[Derived], x: Floats) -> Dyadic:
    """Return the variables (rows, variables) at x (rows, variables), which has a derived one's column in its place."""
    columns = x.shape[1] - len(derived)
    parts = [exact(each, x[:, columns + place]).reshaped(-1, 1) for place, each in enumerate(derived)]
    return Dyadic.beside([Dyadic.of(x[:, :columns]), *parts]) if parts else Dyadic.of(x)


def exact(each: Derived, x: Floats) -> Dyadic:
    """Return the function of numbers in its domain (rows,), to 190 bits."""
    return functions.exact(each.function, Dyadic.of(x), np.array(each.knot))


def off(contract: Contract, compute: Dtype, values: Dyadic) -> Dyadic:
    """Return how far an engine's variables may be from `values` (..., variables): c u |f| + eta; columns are exact.

    In place of eta stands the smallest share of the largest |f| that counts, where that is more: integers stay short.
    """
    bits, none = DIGITS[compute] + _SLACK_BITS, [Fraction(0)] * len(contract.columns)
    counts = [roundings(each.function, compute) for each in contract.derived]
    largest = [max(abs(each.minimum), abs(each.maximum)) for each in contract.variables[len(contract.columns) :]]
    # Rounded up, with one more for the exact value's own error.
    relative = [Fraction(math.ceil(count * 2**_SLACK_BITS) + 1, 2**bits) for count in counts]
    smallest = [Fraction(2) ** max(math.frexp(size)[1] - _COUNTS, SMALLEST[compute]) for size in largest]
    return Dyadic.of_fractions([*none, *relative]) * abs(values) + Dyadic.of_fractions([*none, *smallest])


def moved_by_float32(each: Derived, low: float, high: float) -> Dyadic:
    """Return the most that a variable moves where its column, between `low` and `high`, is rounded to float32.

    A number x moves by h = 2^-24 |x| at most, or 2^-150. The distance of f(x + h) from f(x) is largest at an end of the
    range, near -1 for exp, or at the knot of a hinge, but for less than a 2^-20 of it.
    """
    between = {"exp": -1.0, "hinge": each.knot}.get(each.function)
    places = [low, high, *([between] if between is not None and low < between < high else [])]
    moved = []
    for x in places:
        h = max(2.0**-24 * abs(x), 2.0**-150)
        sides = math.nextafter(x - h, -math.inf), math.nextafter(x + h, math.inf)
        values = exact(each, np.array([x, *(side if each.holds(side) else x for side in sides)]))
        moved += [abs(values.columns([side]) - values.columns([0])) for side in (1, 2)]
    return Dyadic.beside(moved).largest() * Dyadic.of(np.array(1 + 2.0**-20))


def are_held(contract: Contract, x: Floats, compute: Dtype) -> NDArray[np.bool_]:
    """Return, for rows (rows, columns), whether each column is missing or in the domains of the functions of it.

    And whether these are at most twice as large as in training, and so within the range of the computing dtype: a row
    of zeros, which is an edge case for a column, would be one beyond every range for its reciprocal.
    """
    held = np.ones(len(x), dtype=np.bool_)
    for each, variable in zip(contract.derived, contract.variables[len(contract.columns) :], strict=True):
        most = 2 * max(abs(variable.minimum), abs(variable.maximum))
        held &= [math.isnan(value) or _is_held(each, value, most, compute) for value in x[:, each.column].tolist()]
    return held


def _is_held(each: Derived, value: float, most: float, compute: Dtype) -> bool:
    return bool(each.holds(value)) and abs(size := each.value(value)) <= most and is_within(size, compute)


def is_within(value: float, dtype: Dtype) -> bool:
    """Return whether a number is within the range of a dtype, with room for a function's rounding."""
    return abs(value) <= float(np.finfo(dtype).max) * (1 - 2.0**-20)
