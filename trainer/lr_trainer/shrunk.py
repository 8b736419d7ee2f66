"""Solutions that are not the least-squares one: under a penalty, or of all best fits the one with the smallest weights.

Where float64 moments have lost digits they come from double-double products: a pivoted factorisation there tells
dependent columns from nearly dependent ones, which eigenvalues of float64 moments cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

from lr_trainer.errors import WeakPenaltyError
from lr_trainer.extended import Extended, sum_of
from lr_trainer.least_squares import CONSTANT, Floor, Solution, condition_number, power_of_two

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_trainer.least_squares import Normal

    Array = NDArray[np.float64]

LOST = 1e6
"""Where float64 moments magnify rounding more than this, double-double products take over: nine digits are left."""


def shrunk(normal: Normal, weight: Extended[Array]) -> Solution:
    """Return the solution with given weights (outputs, terms) that are not the least-squares ones.

    The residual sum comes from the weights, in double-double: near the least one it hardly depends on their rounding.
    """
    terms = weight.high.shape[1]
    scale = power_of_two(normal)
    gram, at = _scaled(normal, scale), weight.scaled(scale[:terms]).scaled(1 / scale[terms:, None])
    about, cross = gram[:terms, :terms], gram[terms:, :terms]
    residual = np.diag(gram.high)[terms:].copy()
    for output in range(len(residual)):
        own = terms + output, terms + output
        slope = cross[output].scaled(2.0) - sum_of(about * at[output][None, :])
        residual[output] = (gram[own] - sum_of(at[output] * slope)).rounded()
    plain, varies = normal.gram.high[:terms, :terms], _varies(normal, terms)
    return Solution(
        weight=weight,
        inverse=Extended.of(np.zeros_like(plain)),
        factor=np.zeros_like(plain),
        kept=(weight.high != 0).any(axis=0),
        constant=np.asarray(~varies & normal.intercept),
        residual_sum=np.maximum(residual * scale[terms:] ** 2, 0.0),
        total_sum=np.diag(normal.gram.high)[terms:].copy(),
        degrees=0,
        condition=condition_number(plain[np.ix_(varies, varies)]),
        is_unbiased=False,
    )


def _varies(normal: Normal, terms: int) -> NDArray[np.bool_]:
    spread, largest = normal.spread[:terms], normal.largest[:terms]
    return np.asarray(spread > CONSTANT * largest if normal.intercept else largest > 0)


def _scaled(normal: Normal, scale: Array) -> Extended[Array]:
    return normal.gram.scaled(1 / scale[:, None]).scaled(1 / scale[None, :])


@dataclass(frozen=True)
class _Factor:
    """A symmetric matrix as L D L', pivot by pivot, without the rows and columns of what depends on the pivots.

    Attributes:
        pivots: which columns, in their order.
        lower: double-double (columns, pivots), L: of all columns, with ones at the pivots.
    """

    pivots: list[int]
    lower: Extended[Array]

    @staticmethod
    def of(matrix: Extended[Array], candidates: Sequence[int], floor: Floor | None = None) -> _Factor:
        """Factorise, the largest pivot first; without those of the candidates that are no more than the floor.

        Column by column (Higham 2002, "Accuracy and stability of numerical algorithms", section 10.3), so that its cost
        grows with the square of the rank.
        """
        size, left, pivots = len(matrix.high), list(candidates), list[int]()
        products: Extended[Array] = Extended.of(np.zeros((size, len(left))))
        lower: Extended[Array] = Extended.of(np.zeros((size, len(left))))
        rest = matrix[np.arange(size), np.arange(size)]
        while left:
            pivot = left.pop(int(np.argmax(rest.high[left])))
            count = len(pivots)
            if floor is not None and rest.high[pivot] <= floor.under(
                _relation(lower.high[:, :count], pivots, pivot), pivots, pivot
            ):
                continue
            column = matrix[:, pivot]
            if count:
                column = column - sum_of(products[:, :count] * lower[pivot, :count][None, :])
            ratio = column / column[pivot]
            rest = rest - column * ratio
            for whole, part in ((products, column), (lower, ratio)):
                whole.high[:, count], whole.low[:, count] = part.high, part.low
            pivots.append(pivot)
        return _Factor(pivots, lower[:, : len(pivots)])

    def explained(self, columns: Sequence[int]) -> Extended[Array]:
        """Return double-double (pivots, columns), the weights on the pivots that come nearest to these columns."""
        left = Extended(self.lower.high[list(columns)].T.copy(), self.lower.low[list(columns)].T.copy())
        inside = self.lower[self.pivots]
        for row in range(len(self.pivots) - 1, 0, -1):
            above, share, value = left[:row], inside[row, :row], left[row]
            above = above - share[:, None] * value[None, :]
            left.high[:row], left.low[:row] = above.high, above.low
        return left


def _relation(lower: Array, pivots: list[int], column: int) -> Array:
    """Return float64 (pivots,), the weights on the pivots that come nearest to a column."""
    inside = lower[pivots]
    return np.asarray(linalg.solve_triangular(inside.T, lower[column], unit_diagonal=True)) if pivots else np.zeros(0)


def minimum_norm(normal: Normal, terms: int, rounding: Array | None = None) -> Solution:
    """Fit with the smallest sum of squared weights on the columns at unit standard deviation, of all the best fits.

    With B independent columns and D = B C the others, every best fit has w_B + C w_D = b, b the best on B alone; the
    smallest solution of that is w = N M' (M N M')^-1 b, M = [I C], N the inverses of the columns' variances.

    Args:
        normal: the normal equations, in double-double.
        terms: how many of the columns are terms.
        rounding: as for `lr_trainer.least_squares.solve`.
    """
    scale = power_of_two(normal)
    gram = _scaled(normal, scale)
    candidates = np.flatnonzero(_varies(normal, terms) & (np.diag(gram.high)[:terms] > 0)).tolist()
    factor = _Factor.of(gram, candidates, Floor.of(normal, scale[:terms], rounding))
    inside, outside = factor.pivots, sorted(set(candidates) - set(factor.pivots))
    targets = list(range(terms, len(scale)))
    best = factor.explained(targets)
    weight: Extended[Array] = Extended.of(np.zeros((len(targets), terms)))
    sizes, parts = 1 / np.diag(gram.high), [(inside, best)]
    if inside and outside:
        values = _smallest(best, factor.explained(outside), sizes[inside], sizes[outside])
        parts = list(zip((inside, outside), values, strict=True))
    for places, part in parts:
        weight.high[:, places], weight.low[:, places] = part.high.T, part.low.T
    return shrunk(normal, weight.scaled(scale[terms:, None]).scaled(1 / scale[:terms]))


def _smallest(
    best: Extended[Array], share: Extended[Array], inside: Array, outside: Array
) -> tuple[Extended[Array], Extended[Array]]:
    """Return w_B (pivots, outputs) and w_D (others, outputs) of `minimum_norm` from b, C and the diagonal of N."""
    count, outputs = best.high.shape
    square = Extended.of(np.diag(inside))
    for column, size in enumerate(outside.tolist()):
        one = share[:, column]
        square = square + (one * Extended.of(np.full(count, size)))[:, None] * one[None, :]
    # Symmetric, with the targets below and beside; what is in their corner is not looked at.
    system: Extended[Array] = Extended.of(np.zeros((count + outputs, count + outputs)))
    for whole, inner, beside in ((system.high, square.high, best.high), (system.low, square.low, best.low)):
        whole[:count, :count], whole[:count, count:], whole[count:, :count] = inner, beside, beside.T
    factor = _Factor.of(system, range(count))
    solved = factor.explained(range(count, count + outputs))[np.argsort(factor.pivots)]
    mixed: Extended[Array] = Extended.of(np.zeros((len(outside), outputs)))
    for row in range(count):
        mixed = mixed + share[row][:, None] * solved[row][None, :]
    weighted = [Extended.of(np.repeat(size[:, None], outputs, axis=1)) for size in (inside, outside)]
    return solved * weighted[0], mixed * weighted[1]


def ridge(normal: Normal, l2: Sequence[float]) -> Solution:
    """Fit with l2 / 2 on the squared weights of the columns at unit standard deviation; see `lr_trainer.penalised`.

    Args:
        normal: the normal equations, in double-double.
        l2: per target.

    Raises:
        WeakPenaltyError: a penalty is lost in the rounding of double-double products too.
    """
    terms, scale = len(normal.largest) - len(l2), power_of_two(normal)
    weight: Extended[Array] = Extended.of(np.zeros((len(l2), terms)))
    candidates = np.flatnonzero(_varies(normal, terms) & (np.diag(normal.gram.high)[:terms] > 0)).tolist()
    diagonal = np.arange(terms), np.arange(terms)
    # The penalty stands on no rounded values: they may be dependent.
    floor = Floor.of(normal, scale[:terms], np.zeros((1, terms)))
    for output, penalty in enumerate(l2):
        gram = _scaled(normal, scale)
        more = gram[diagonal] + gram[diagonal] * Extended.of(np.full(terms, penalty))
        gram.high[diagonal], gram.low[diagonal] = more.high, more.low
        factor = _Factor.of(gram, candidates, floor)
        if len(factor.pivots) < len(candidates):
            raise WeakPenaltyError(penalty, floor.least_penalty)
        found = factor.explained([terms + output])
        weight.high[output, factor.pivots], weight.low[output, factor.pivots] = found.high[:, 0], found.low[:, 0]
    return shrunk(normal, weight.scaled(scale[terms:, None]).scaled(1 / scale[:terms]))
