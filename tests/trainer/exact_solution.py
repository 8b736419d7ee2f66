"""The least-squares solution of float64 rows in 60 digits and more, for millions of rows, and digits held against it.

The sums of products are exact: each number is an integer on the grid of its column, cut into slices so short that a
float64 product of many rows of them rounds nothing (Ozaki, Ogita, Oishi and Rump 2012, Numer. Algorithms 59, 95-118).
The normal equations are then solved in integers, and their inverse is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from mpmath import mp, mpf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_trainer import Checkpoint

    Array = NDArray[np.float64]
    Integers = NDArray[np.object_]  # Python's, of any length

_SLICE_BITS = 18
_ROWS = 1 << 13
"""A slice is at most 2^17, so a sum of 2^13 products at most 2^47: whole, in whatever order it is added up."""

_BITS = 640
_CERTAIN_BITS = 400
"""Of the inverse after the point, and how many of them must be right: a condition number of 1e12 costs 80."""

_DPS = 120
MOST_DIGITS = 16.0
"""The nearest float64 is half a unit in its last place away: more digits than this are luck."""


class Exact(NamedTuple):
    """The exact solution of one target: the intercept, where one is fitted, the coefficients, their standard errors."""

    estimates: tuple[Any, ...]
    errors: tuple[Any, ...]


class Digits(NamedTuple):
    """The fewest correct digits of any coefficient, and of any standard error; None where one was left out.

    A coefficient's digits count against the larger of itself and its standard error.
    """

    coefficients: float | None
    errors: float | None


def on_grid(x: Array) -> Array:
    """Round the columns of x, float64 (rows, columns), to 53 bits below their largest values, in place; return x."""
    unit = _units(x)
    for block in _blocks(x):
        np.multiply(np.rint(block / unit), unit, out=block)
    return x


def exact_solutions(x: Array, y: Array, *, intercept: bool = True) -> list[Exact]:
    """Return the solution of each target.

    Args:
        x: float64 (rows, columns), on the grid of `on_grid`.
        y: float64 (rows, targets), likewise.
        intercept: whether one is fitted.
    """
    parts = [*([np.ones((len(x), 1))] if intercept else []), x, y]
    gram, units = exact_gram(parts), np.concatenate([_units(part) for part in parts])
    terms = gram.shape[1] - y.shape[1]
    inverse = _inverse(gram[:terms, :terms])
    return [
        _solution(inverse, gram[:terms, place], gram[place, place], units[:terms] / units[place], len(x) - terms)
        for place in range(terms, len(gram))
    ]


def solution_of(gram: Integers, parts: Sequence[Array]) -> tuple[Any, ...]:
    """Return the weights of sums of products in the units of the parts' columns, the last of which is the target."""
    units, terms = np.concatenate([_units(part) for part in parts]), len(gram) - 1
    inverse, products = _inverse(gram[:terms, :terms]), gram[:terms, terms]
    return _solution(inverse, products, gram[terms, terms], units[:terms] / units[terms], 1).estimates


def exact_gram(parts: Sequence[Array]) -> Integers:
    """Return the sums of products of the columns of all parts, (columns, columns), in their units."""
    units, width = [_units(part) for part in parts], sum(part.shape[1] for part in parts)
    sums = np.zeros((3 * width, 3 * width), dtype=np.int64)
    for blocks in zip(*map(_blocks, parts), strict=True):
        integers = np.concatenate([block / unit for block, unit in zip(blocks, units, strict=True)], axis=1)
        sliced = np.concatenate(list(_slices(integers)), axis=1)
        sums += (sliced.T @ sliced).astype(np.int64)
    by_slice = sums.astype(object).reshape(3, width, 3, width)
    gram = np.zeros((width, width), dtype=object)
    for i, j in np.ndindex(3, 3):
        gram += by_slice[i, :, j] << _SLICE_BITS * (i + j)
    return gram


def digits_of(estimates: Sequence[float | None], errors: Sequence[float | None], exact: Exact) -> Digits:
    """Return the fewest digits of numbers in the order of the exact ones."""
    sizes = [max(abs(b), s) for b, s in zip(exact.estimates, exact.errors, strict=True)]
    return Digits(_fewest(estimates, exact.estimates, sizes), _fewest(errors, exact.errors, exact.errors))


def digits_of_fit(checkpoint: Checkpoint, exact: Exact) -> Digits:
    """Return the fewest digits of the coefficients in a checkpoint's report."""
    rows = checkpoint.report.coefficients
    return digits_of([row.estimate for row in rows], [row.stderror for row in rows], exact)


def _fewest(found: Sequence[float | None], exact: Iterable[Any], sizes: Iterable[Any]) -> float | None:
    if any(value is None for value in found):
        return None
    off = max(abs(mpf(value) - right) / size for value, right, size in zip(found, exact, sizes, strict=True))
    return MOST_DIGITS if off == 0 else min(MOST_DIGITS, -float(mp.log10(off)))


def _units(x: Array) -> Array:
    """Return (columns,), the power of two of which each column's numbers are less than 2^53."""
    largest = np.maximum(x.max(axis=0), -x.min(axis=0))
    return np.asarray(np.ldexp(1.0, np.frexp(largest)[1] - 53))


def _blocks(x: Array) -> Iterator[Array]:
    return (x[start : start + _ROWS] for start in range(0, len(x), _ROWS))


def _slices(integers: Array) -> Iterator[Array]:
    """Yield integers of at most 2^17, lowest first; their sum, each 2^18 times the one before, is `integers`."""
    high = np.rint(integers * 2.0 ** (-2 * _SLICE_BITS))
    rest = integers - high * 2.0 ** (2 * _SLICE_BITS)
    middle = np.rint(rest * 2.0**-_SLICE_BITS)
    low = rest - middle * 2.0**_SLICE_BITS
    assert (low == np.rint(low)).all(), "the numbers are not on the grid of their columns"
    yield from (low, middle, high)


def _inverse(gram: Integers) -> tuple[Integers, NDArray[np.int64]]:
    """Return the inverse of D G D times 2^_BITS, and the exponents of D, powers of two that bring its diagonal near 1.

    Gauss and Jordan's elimination; of a positive definite matrix no number grows beyond the inverse's own.
    """
    exponents = np.array([(int(square).bit_length() + 1) // 2 for square in np.diag(gram)])
    shifts = _BITS - exponents[:, None] - exponents
    scaled = gram << shifts.astype(object)
    size = len(gram)
    whole = np.concatenate([scaled, np.diag([1 << _BITS] * size).astype(object)], axis=1)
    for place in range(size):
        row = (whole[place] << _BITS) // whole[place, place]
        whole -= np.multiply.outer(whole[:, place], row) >> _BITS
        whole[place] = row
    inverse = whole[:, size:]
    off = (scaled @ inverse >> _BITS) - np.diag([1 << _BITS] * size).astype(object)
    assert int(np.abs(off).max()) < 1 << _BITS - _CERTAIN_BITS, "the columns are too collinear for this many bits"
    return inverse, exponents


def _solution(
    inverse: tuple[Integers, NDArray[np.int64]], products: Integers, square: int, units: Array, df: int
) -> Exact:
    """Return the solution in the columns' units.

    Args:
        inverse: what `_inverse` gives.
        products: integers (terms,), of the terms and the target.
        square: of the target and itself.
        units: the unit of each term by that of the target.
        df: the degrees of freedom of the residuals.
    """
    with mp.workdps(_DPS):
        scale = [mp.ldexp(1, -int(exponent)) for exponent in inverse[1]]
        matrix = [[mp.ldexp(mpf(value), -_BITS) for value in row] for row in inverse[0].tolist()]
        right = [value * factor for value, factor in zip(products.tolist(), scale, strict=True)]
        solved = [mp.fdot(row, right) for row in matrix]
        variance = (square - mp.fdot(solved, right)) / df
        sizes = [factor / mpf(unit) for factor, unit in zip(scale, units.tolist(), strict=True)]
        estimates = tuple(value * size for value, size in zip(solved, sizes, strict=True))
        errors = (mp.sqrt(variance * matrix[k][k]) * size for k, size in enumerate(sizes))
        return Exact(estimates, tuple(errors))
