"""Solutions that are not the least-squares one: under a penalty, or of all best fits the one with the smallest weights.

Where float64 moments have lost digits they come from double-double products: a pivoted factorisation there tells
dependent columns from nearly dependent ones, which eigenvalues of float64 moments cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.errors import WeakPenaltyError
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.condition import condition_number, correlation, sensitivity
from lr_trainer.solvers.digits import DOUBLE_DOUBLE, Rounding
from lr_trainer.solvers.least_squares import Solution, without_residuals
from lr_trainer.solvers.normal_equations import power_of_two

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_trainer.solvers.normal_equations import Normal

    Array = NDArray[np.float64]

LOST = 1e6
"""Where float64 moments magnify rounding more than this, double-double products take over: nine digits are left."""

_MISSED = 1e-12
"""By this share of its bound the optimality condition of a weight of 0 may be missed."""

_STEPS = 20
"""The most steps of an active-set method, beside two a column."""


def shrunk(
    normal: Normal,
    weight: Extended[Array],
    unit: float = DOUBLE_DOUBLE,
    *,
    ridge: float | None = None,
    loose: float | None = None,
) -> Solution:
    """Return the solution with given weights (outputs, terms) that are not the least-squares ones.

    The sums come from the weights, in double-double: near the least one they hardly depend on their rounding.

    Args:
        normal: the normal equations.
        weight: double-double (outputs, terms).
        unit: of their arithmetic.
        ridge: the least ridge penalty of the targets; None where no penalty holds the weights off the best fit.
        loose: the norm of the inverse of the matrix that they solve, of columns at unit length; None to take it from
            float64, which does not tell a condition number of 1e7 from a larger one.
    """
    terms = weight.high.shape[1]
    residual, explained, slope = _sums(normal, weight)
    plain, varies, kept = normal.gram.high[:terms, :terms], normal.varies[:terms], (weight.high != 0).any(axis=0)
    if loose is None:
        loose = sensitivity(correlation(plain[np.ix_(kept, kept)]), ridge or 0.0)
    return Solution(
        weight=weight,
        inverse=Extended.of(np.zeros_like(plain)),
        factor=np.zeros_like(plain),
        kept=kept,
        constant=np.asarray(~varies & normal.intercept),
        residual_sum=np.maximum(residual, 0.0),
        explained_sum=explained,
        total_sum=np.diag(normal.gram.high)[terms:].copy(),
        degrees=0,
        condition=condition_number(plain[np.ix_(varies, varies)]),
        rounding=Rounding.of_shrunk(normal, weight.high, slope * (ridge is not None), loose, unit),
        is_unbiased=False,
    )


def _sums(normal: Normal, weight: Extended[Array]) -> tuple[Array, Array, Array]:
    """Return the residual and the explained sums (outputs,), and the products X' (y - X w) (outputs, terms)."""
    terms, scale = weight.high.shape[1], power_of_two(normal)
    gram, at = _scaled(normal, scale), weight.scaled(scale[:terms]).scaled(1 / scale[terms:, None])
    about, cross = gram[:terms, :terms], gram[terms:, :terms]
    sums, slope = np.zeros((2, len(at.high))), np.zeros_like(at.high)
    for output in range(len(slope)):
        own = terms + output, terms + output
        fitted = sum_of(about * at[output][None, :])
        part = sum_of(at[output] * (cross[output].scaled(2.0) - fitted))
        sums[:, output] = (gram[own] - part).rounded(), part.rounded()
        slope[output] = (cross[output] - fitted).rounded()
    residual, explained = sums * scale[terms:] ** 2
    return residual, explained, slope * scale[terms:, None] * scale[:terms]


def _candidates(normal: Normal, gram: Extended[Array], terms: int) -> list[int]:
    return np.flatnonzero(normal.varies[:terms] & (np.diag(gram.high)[:terms] > 0)).tolist()


def _scaled(normal: Normal, scale: Array) -> Extended[Array]:
    return normal.gram.scaled(1 / scale[:, None]).scaled(1 / scale[None, :])


@dataclass(frozen=True)
class _Factor:
    """A symmetric matrix as L D L', pivot by pivot, without the rows and columns of what depends on the pivots.

    Attributes:
        pivots: which columns, in their order.
        lower: double-double (columns, pivots), L: of all columns, with ones at the pivots.
        diagonal: float64 (pivots,), D.
    """

    pivots: list[int]
    lower: Extended[Array]
    diagonal: Array

    @staticmethod
    def of(matrix: Extended[Array], candidates: Sequence[int], floor: Floor | None = None) -> _Factor:
        """Factorise, the largest pivot first; without those of the candidates that are no more than the floor.

        Column by column (Higham 2002, "Accuracy and stability of numerical algorithms", section 10.3), so that its cost
        grows with the square of the rank.
        """
        size, left, pivots, diagonal = len(matrix.high), list(candidates), list[int](), list[float]()
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
            diagonal.append(float(column.high[pivot]))
        return _Factor(pivots, lower[:, : len(pivots)], np.array(diagonal))

    def sensitivity(self, lengths: Array) -> float:
        """Return the norm of the inverse on the pivots, of columns of these lengths (columns,) taken to unit length."""
        if not self.pivots:
            return 1.0
        inside = self.lower.high[self.pivots]
        roots = linalg.solve_triangular(inside, np.diag(lengths[self.pivots]), lower=True, unit_diagonal=True)
        return float(np.linalg.norm(roots / np.sqrt(self.diagonal)[:, None], 2) ** 2)

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
        rounding: as for `lr_trainer.solvers.least_squares.solve`.
    """
    scale = power_of_two(normal)
    gram = _scaled(normal, scale)
    candidates = _candidates(normal, gram, terms)
    factor = _Factor.of(gram, candidates, Floor.of(normal, scale[:terms], rounding))
    inside, outside = factor.pivots, sorted(set(candidates) - set(factor.pivots))
    targets = list(range(terms, len(scale)))
    best = factor.explained(targets)
    weight: Extended[Array] = Extended.of(np.zeros((len(targets), terms)))
    squares, parts = np.diag(gram.high), [(inside, best)]
    if inside and outside:
        values = _smallest(best, factor.explained(outside), 1 / squares[inside], 1 / squares[outside])
        parts = list(zip((inside, outside), values, strict=True))
    for places, part in parts:
        weight.high[:, places], weight.low[:, places] = part.high.T, part.low.T
    weight = weight.scaled(scale[terms:, None]).scaled(1 / scale[:terms])
    found = shrunk(normal, weight, loose=factor.sensitivity(np.sqrt(squares)))
    return without_residuals(found) if len(inside) >= normal.rows - int(normal.intercept) else found


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


def penalised(normal: Normal, l1: Sequence[float], l2: Sequence[float], start: Array) -> Solution:
    """Fit under the penalties of `lr_trainer.solvers.elastic_net`, in double-double.

    Args:
        normal: the normal equations, in double-double.
        l1: per target, in the target's unit.
        l2: per target.
        start: float64 (outputs, terms), weights near the optimum, from which a lasso starts.

    Raises:
        WeakPenaltyError: a ridge penalty is lost in the rounding of double-double products too.
    """
    terms, scale = len(normal.largest) - len(l2), power_of_two(normal)
    gram = _scaled(normal, scale)
    inside = _candidates(normal, gram, terms)
    count = len(inside)
    begin = start * scale[:terms] / scale[terms:, None]
    weight: Extended[Array] = Extended.of(begin)
    diagonal = gram[inside, inside]
    size = (diagonal * Extended.of(np.full(count, normal.weight))).sqrt()
    # A penalty stands on no rounded values: under it columns may be dependent.
    floor = Floor(np.zeros((1, count)), np.sqrt(diagonal.high))
    for output, (lasso, ridge) in enumerate(zip(l1, l2, strict=True)):
        matrix, more = gram[np.ix_(inside, inside)], diagonal + diagonal * Extended.of(np.full(count, ridge))
        np.fill_diagonal(matrix.high, more.high)
        np.fill_diagonal(matrix.low, more.low)
        bound = size * Extended.of(np.full(count, lasso / scale[terms + output]))
        equations = _Equations(matrix, gram[inside, terms + output], bound, floor)
        if lasso:
            found = equations.lasso(begin[output, inside])
        else:
            found, independent = equations.solved(range(count), equations.cross)
            if len(independent) < count:
                raise WeakPenaltyError(ridge, floor.least_penalty)
        weight.high[output, inside], weight.low[output, inside] = found.high, found.low
    return shrunk(normal, weight.scaled(scale[terms:, None]).scaled(1 / scale[:terms]), ridge=min(l2))


@dataclass(frozen=True)
class _Equations:
    """What holds at the optimum for one target: matrix b = cross - bound sign(b), less than bound away where b is 0.

    Attributes:
        matrix: double-double (terms, terms), of the columns over powers of two, with the ridge penalty.
        cross: double-double (terms,).
        bound: double-double (terms,), what the lasso penalty allows.
        floor: of its pivots.
    """

    matrix: Extended[Array]
    cross: Extended[Array]
    bound: Extended[Array]
    floor: Floor

    def solved(self, support: Sequence[int], right: Extended[Array]) -> tuple[Extended[Array], list[int]]:
        """Return b (terms,), 0 outside the support, with matrix b = right inside, and what of that is independent."""
        terms = len(right.high)
        system: Extended[Array] = Extended.of(np.zeros((terms + 1, terms + 1)))
        b: Extended[Array] = Extended.of(np.zeros(terms))
        for whole, inner, beside in (
            (system.high, self.matrix.high, right.high),
            (system.low, self.matrix.low, right.low),
        ):
            whole[:terms, :terms], whole[:terms, terms], whole[terms, :terms] = inner, beside, beside
        factor = _Factor.of(system, support, self.floor)
        found = factor.explained([terms])[:, 0]
        b.high[factor.pivots], b.low[factor.pivots] = found.high, found.low
        return b, factor.pivots

    def lasso(self, start: Array) -> Extended[Array]:
        """Return the optimum (terms,) by an active-set method from weights near it; those if it does not get there.

        With the signs fixed the objective is quadratic: towards its minimum until a weight reaches 0, which leaves the
        support; at the minimum, the column whose condition is missed most enters it. Of dependent columns in the
        support the minimum has some at 0, so that they leave it.
        """
        b, signs = Extended.of(start.copy()), np.sign(start)
        for _ in range(_STEPS + 2 * len(start)):
            support = np.flatnonzero(signs)
            end, _ = self.solved(support.tolist(), self.cross - self.bound.scaled(signs))
            turned = support[np.sign(end.high[support]) != signs[support]]
            if len(turned):
                left, way = b.high[turned], (b - end).high[turned]
                shares = np.divide(left, way, out=np.zeros_like(left), where=way != 0)
                first = int(np.argmin(shares))
                b = b + (end - b) * Extended.of(np.full(len(start), shares[first]))
                b.high[turned[first]] = b.low[turned[first]] = signs[turned[first]] = 0.0
                continue
            b = end
            slope = self.cross - sum_of(self.matrix * b[None, :])
            missed = np.where(signs == 0, np.abs(slope.high) - self.bound.high * (1 + _MISSED), -np.inf)
            worst = int(np.argmax(missed))
            if missed[worst] <= 0:
                return b
            signs[worst] = np.sign(slope.high[worst])
        return Extended.of(start)
