"""Least squares from the normal equations, in float64 where the data are well-conditioned, in double-double elsewhere.

The columns are scaled by powers of two first, which rounds nothing. A column is a combination of those before it where
what they leave of it is no larger than the rounding of its values and theirs would leave, in either precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.errors import CollinearError, TooFewRowsError
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.digits import DOUBLE_DOUBLE, FLOAT64, weight_digits
from lr_trainer.solvers.normal_equations import sweep
from lr_trainer.solvers.solution import Solution
from lr_trainer.solvers.solver import LeastSquares, Solver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_trainer.solvers.normal_equations import NormalEquations
    from lr_trainer.solvers.solver import Problem

    Array = NDArray[np.float64]

_NEGLIGIBLE = 1e-9
"""A column whose share in a combination is below this part of the largest is rounding."""


class Cholesky(Solver):
    """Least squares in float64, of columns that need not be named or dropped; powers are left to double-double."""

    aim = LeastSquares

    def can_solve(self, problem: Problem) -> bool:
        """Return whether nothing but the least-squares solution of plain columns is asked for."""
        return problem.aim == LeastSquares() and not problem.has_rounded and problem.extended is not None

    def compute(self, problem: Problem) -> Solution | None:
        """Return the solution; None where the columns are too nearly dependent."""
        normal = problem.normal
        _check_rows(normal)
        terms, scaled, support = normal.terms, normal.scaled.high, ~normal.constant
        inside = np.flatnonzero(support)
        gram, cross = scaled[np.ix_(inside, inside)], scaled[:terms, terms:][inside]
        weight, (factor, inverse) = np.zeros((len(scaled) - terms, terms)), np.zeros((2, terms, terms))
        ess = np.zeros(len(weight))
        if len(inside):
            try:
                root = linalg.cholesky(gram, check_finite=False)
            except linalg.LinAlgError:
                return None
            solved = linalg.cho_solve((root, False), cross, check_finite=False)
            weight[:, inside], ess = solved.T, np.einsum("to,to->o", solved, cross)
            root_inverse, _ = lapack.dtrtri(root)
            factor[np.ix_(inside, inside)] = root_inverse
            inverse[np.ix_(inside, inside)] = _times_its_transpose(root_inverse)
        sums = np.diag(scaled)[terms:] - ess, ess
        return Solution.of_least_squares(
            normal, support, Extended.of(weight), inverse=Extended.of(inverse), factor=factor, sums=sums, unit=FLOAT64
        )


class CholeskyOfMoments(Cholesky):
    """Least squares in float64 from moments whose rows are gone, those of powers among them."""

    def can_solve(self, problem: Problem) -> bool:
        """Return whether the rows are gone."""
        return problem.extended is None

    def digits(self, problem: Problem, solution: Solution) -> float:
        """Return how many digits of the weights are certain; of other figures the report says it."""
        return weight_digits(solution.condition_number, problem.magnified)


class Sweep(Solver):
    """Least squares in double-double; dependent columns are named, or dropped."""

    aim, passes = LeastSquares, 1

    def compute(self, problem: Problem) -> Solution:
        """Return the solution; a column that is a combination of those before it is an error, unless it is dropped."""
        normal, terms, drops = problem.normal, problem.normal.terms, problem.aim == LeastSquares(drop_collinear=True)
        if not drops:
            _check_rows(normal)
        swept, support, factor = _eliminated(normal, problem.names, drop_collinear=drops)
        gone, nothing = np.flatnonzero(~support), Extended.of(np.zeros(()))
        swept[gone] = swept[:, gone] = nothing
        weight = Extended(swept.high[:terms, terms:].T, swept.low[:terms, terms:].T)
        sums = np.diag(swept.high)[terms:], sum_of(weight * normal.scaled[terms:, :terms]).rounded()
        return Solution.of_least_squares(
            normal, support, weight, inverse=swept[:terms, :terms], factor=factor, sums=sums, unit=DOUBLE_DOUBLE
        )


def _eliminated(
    normal: NormalEquations, names: Sequence[str], *, drop_collinear: bool
) -> tuple[Extended[Array], NDArray[np.bool_], Array]:
    """Return the scaled Gram matrix swept on the columns that vary, on which of them, and the factor of the inverse.

    Those that are combinations of columns before them are left out, or an error.
    """
    terms, scale, swept, floor = normal.terms, normal.scale, normal.scaled, Floor.of(normal)
    support, factor = ~normal.constant, np.zeros((terms, terms))
    for term in np.flatnonzero(support).tolist():
        relation = np.where(support[:term], swept.high[:term, term], 0.0)
        if swept.high[term, term] > floor.under(relation, slice(term), term):
            factor[:, term] = _factor_column(swept[:terms, :terms], term, support)
            swept = sweep(swept, term)
        elif drop_collinear:
            support[term] = False
        else:
            relation[np.abs(relation) <= _NEGLIGIBLE * np.abs(relation).max(initial=0.0)] = 0.0
            shares = relation * (scale[term] / scale[:term])
            raise CollinearError(names[term], dict(zip(names[:term], shares.tolist(), strict=True)))
    return swept, support, factor


def _factor_column(swept: Extended[Array], term: int, support: NDArray[np.bool_]) -> Array:
    """Return a column of the factor of the inverse, from the matrix swept on the columns of the support before `term`.

    What those columns do not explain of this one, x_k - sum b_i x_i, at unit length: such columns are orthonormal, so
    with B their coefficients B' G B = 1, and the inverse of G is B B'.
    """
    length = swept[term, term].sqrt()
    column = np.where(support, (-(swept[:, term] / length)).rounded(), 0.0)
    column[term], column[term + 1 :] = (Extended.of(np.ones(())) / length).rounded(), 0.0
    return column


def _times_its_transpose(upper: Array) -> Array:
    """Return U @ U.T of an upper triangular matrix, in a third of the work of the product."""
    half, _ = lapack.dlauum(upper)
    return np.asarray(np.triu(half) + np.triu(half, 1).T)


def _check_rows(normal: NormalEquations) -> None:
    coefficients = int(normal.intercept) + int(np.count_nonzero(~normal.constant))
    if normal.rows < coefficients:
        raise TooFewRowsError(normal.rows, coefficients, intercept=normal.intercept)
