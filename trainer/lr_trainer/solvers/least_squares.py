"""Least squares from the normal equations of preconditioned columns; which columns are independent.

The columns are scaled by powers of two first, which rounds nothing. A column is a combination of those before it where
what they leave of it is no larger than the rounding of its values and theirs would leave.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.gram import powers_of_two
from lr_trainer.arithmetic.linear_algebra import cholesky, cholesky_solve, dots, times, triangular_inverse
from lr_trainer.arithmetic.rounding import rounding_of
from lr_trainer.errors import CollinearError, IllConditionedError, TooFewRowsError
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.digits import FEWEST_DIGITS, digits
from lr_trainer.solvers.normal_equations import NormalEquations, sweep
from lr_trainer.solvers.solution import Solution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array

_NEGLIGIBLE = 1e-9
"""A column whose share in a combination is below this part of the largest is rounding."""

_SURELY = 4.0
"""Double-double decides about columns of which less than so many times the rounding of values is left."""


def least_squares(normal: NormalEquations, names: Sequence[str], *, drop_collinear: bool = False) -> Solution:
    """Return the solution; a term that is a combination of those before it is an error, unless it is dropped."""
    if not drop_collinear:
        _check_rows(normal)
    found = None if drop_collinear else solved_alone(normal)
    if found is None:
        support = independent(normal, names, ~normal.constant, drop_collinear=drop_collinear)
        found = _solved(normal.among(support), support)
    if found is None:
        raise IllConditionedError(0.0)
    return found


def solved_alone(normal: NormalEquations) -> Solution | None:
    """Return the solution on all columns that vary; None where rounding hides whether one is dependent."""
    found = _solved(normal, ~normal.constant, least=_SURELY)
    return found if found is not None and digits(found.rounding.unit, 1.0) >= FEWEST_DIGITS else None


def _solved(normal: NormalEquations, support: NDArray[np.bool_], least: float = 0.0) -> Solution | None:
    """Return the solution on the columns of the support, bool (terms,).

    None where they are dependent, or no more is left of one than `least` times the rounding of values.
    """
    terms, inside, gram = normal.terms, np.flatnonzero(support), normal.preconditioned.comoment
    scale = powers_of_two(np.sqrt(np.maximum(np.diag(gram), 0.0)))
    scaled, own = gram / scale / scale[:, None], scale[:terms, None]
    weight, inverse = np.zeros((terms, len(gram) - terms)), np.zeros((terms, terms))
    if len(inside):
        root = cholesky(scaled[np.ix_(inside, inside)])
        if root is None or (np.diag(root) * scale[inside] <= least * _rounding_left(normal, inside)).any():
            return None
        weight[inside] = cholesky_solve(root, scaled[inside, terms:])
        inverse[np.ix_(inside, inside)] = triangular_inverse(root)
    left = np.diag(scaled)[terms:] - dots(weight, scaled[:terms, terms:], axis=0)
    return Solution.of_preconditioned(
        normal, support, weight / own * scale[terms:], inverse / own, left * scale[terms:] ** 2
    )


def _rounding_left(normal: NormalEquations, inside: NDArray[np.intp]) -> Array:
    """Return float64 (inside,), what may be left of a preconditioned term by the rounding of values alone."""
    transform = normal.preconditioned.transform[np.ix_(inside, inside)]
    if normal.rounding is None:
        moved = rounding_of(normal.largest[inside])[:, None] * transform
    else:
        moved = times(normal.rounding[:, inside], transform)
    noise = np.linalg.norm(moved, axis=0)
    return np.asarray(math.sqrt(normal.loose_weight) * noise)


def independent(
    normal: NormalEquations, names: Sequence[str], among: NDArray[np.bool_], *, drop_collinear: bool = False
) -> NDArray[np.bool_]:
    """Return bool (terms,), those of the terms `among` that are no combinations of those before them, by elimination.

    Others are an error, unless they are to be dropped.
    """
    scale, swept, floor = normal.scale, normal.scaled, Floor.of(normal)
    support = among.copy()
    for term in np.flatnonzero(support).tolist():
        relation = np.where(support[:term], swept.high[:term, term], 0.0)
        if swept.high[term, term] > floor.under(relation, slice(term), term):
            swept = sweep(swept, term)
        elif drop_collinear:
            support[term] = False
        else:
            relation[np.abs(relation) <= _NEGLIGIBLE * np.abs(relation).max(initial=0.0)] = 0.0
            shares = relation * (scale[term] / scale[:term])
            raise CollinearError(names[term], dict(zip(names[:term], shares.tolist(), strict=True)))
    return support


def _check_rows(normal: NormalEquations) -> None:
    coefficients = int(normal.intercept) + int(np.count_nonzero(~normal.constant))
    if normal.rows < coefficients:
        raise TooFewRowsError(normal.rows, coefficients, intercept=normal.intercept)
