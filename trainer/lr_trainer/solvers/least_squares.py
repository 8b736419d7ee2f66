"""Least squares from the normal equations, in float64 where the data are well-conditioned, in double-double elsewhere.

The columns are scaled by powers of two first, which rounds nothing. A column is a combination of those before it where
what they leave of it is no larger than the rounding of its values and theirs would leave, in either precision.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.arithmetic.gram import powers_of_two
from lr_trainer.arithmetic.rounding import rounding_of
from lr_trainer.errors import CollinearError, TooFewRowsError
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.digits import DOUBLE_DOUBLE, digits
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

_SURELY = 4.0
"""Double-double decides about columns of which less than so many times the rounding of values is left."""


class PreconditionedCholesky(Solver):
    """Least squares in float64 on preconditioned columns; dependent columns are left to those who name or drop them."""

    aim = LeastSquares

    def can_solve(self, problem: Problem) -> bool:
        """Return whether nothing but the least-squares solution is asked for."""
        return problem.aim == LeastSquares()

    def compute(self, problem: Problem) -> Solution | None:
        """Return the solution; None where columns are combinations of others but for the rounding of their values."""
        normal = problem.normal
        _check_rows(normal)
        terms, support = normal.terms, ~normal.constant
        inside, gram = np.flatnonzero(support), normal.preconditioned.comoment
        scale = powers_of_two(np.sqrt(np.maximum(np.diag(gram), 0.0)))
        scaled, own = gram / scale / scale[:, None], scale[:terms, None]
        weight, inverse = np.zeros((terms, len(gram) - terms)), np.zeros((terms, terms))
        if len(inside):
            root, failed = lapack.dpotrf(scaled[np.ix_(inside, inside)], clean=1)
            if failed or _are_rounding(normal, inside, np.diag(root) * scale[inside]):
                return None
            weight[inside] = linalg.cho_solve((root, False), scaled[inside, terms:], check_finite=False)
            inverse[np.ix_(inside, inside)] = lapack.dtrtri(root)[0]
        left = np.diag(scaled)[terms:] - np.einsum("to,to->o", weight, scaled[:terms, terms:])
        return Solution.of_preconditioned(
            normal, support, weight / own * scale[terms:], inverse / own, left * scale[terms:] ** 2
        )

    def digits(self, problem: Problem, solution: Solution) -> float:  # noqa: ARG002 - as of any solver
        """Return how many digits of the weights are certain; of other figures the report says it."""
        return digits(solution.rounding.unit, 1.0)


def _are_rounding(normal: NormalEquations, inside: NDArray[np.intp], left: Array) -> bool:
    """Return whether what is left of a term (terms inside,) may be the rounding of the values that it is made of."""
    values = np.diag(rounding_of(normal.largest[: normal.terms])) if normal.rounding is None else normal.rounding
    noise = np.linalg.norm(values[:, inside] @ normal.preconditioned.transform[np.ix_(inside, inside)], axis=0)
    return bool((left <= _SURELY * math.sqrt(normal.loose_weight) * noise).any())


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


def _check_rows(normal: NormalEquations) -> None:
    coefficients = int(normal.intercept) + int(np.count_nonzero(~normal.constant))
    if normal.rows < coefficients:
        raise TooFewRowsError(normal.rows, coefficients, intercept=normal.intercept)
