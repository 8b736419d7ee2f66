"""Least squares from the normal equations, in float64 where the data are well-conditioned, in double-double elsewhere.

The columns are scaled by powers of two first, which rounds nothing. A column is a combination of those before it where
what they leave of it is no larger than the rounding of its values and theirs would leave, in either precision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.errors import CollinearError, TooFewRowsError
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.condition import condition_number
from lr_trainer.solvers.digits import DOUBLE_DOUBLE, FEWEST_DIGITS, FLOAT64, Rounding, digits
from lr_trainer.solvers.normal_equations import Normal, power_of_two, sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_LOST, _LOST_OF_MANY, _MANY = 1e3, 1e6, 256
"""Where float64 normal equations magnify rounding more than this, the double-double ones take over; where there are
many columns they take a second at 256 and a minute at 1,000, and float64 is left its last eight digits."""

_NEGLIGIBLE = 1e-9
"""A column whose share in a combination is below this part of the largest is rounding."""


@dataclass(frozen=True)
class Solution:
    """The least-squares fit.

    Attributes:
        weight: double-double (outputs, terms); 0 for columns that were left out.
        inverse: double-double (terms, terms), the inverse of the Gram matrix of the kept columns; 0 elsewhere.
        factor: float64 (terms, terms), upper triangular: factor @ factor.T is that inverse. Rounded once.
        kept: bool (terms,).
        constant: bool (terms,), left out because they do not vary.
        residual_sum: float64 (outputs,), the (weighted) sum of squared residuals.
        explained_sum: float64 (outputs,), what it is below the total sum, without that difference.
        total_sum: float64 (outputs,), the (weighted) sum of squares about the mean, or about 0 without intercept.
        degrees: the degrees of freedom of the residuals.
        condition: the 2-norm condition number of the kept columns, centred and scaled to unit length.
        rounding: how far rounding may have moved all this.
        is_unbiased: whether this is the least-squares solution itself, with standard errors; a penalised or
            minimum-norm one has none.
    """

    weight: Extended[Array]
    inverse: Extended[Array]
    factor: Array
    kept: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    residual_sum: Array
    explained_sum: Array
    total_sum: Array
    degrees: int
    condition: float
    rounding: Rounding
    is_unbiased: bool = True

    @property
    def magnification(self) -> float:
        """How many times float64 normal equations magnify rounding, in the weights or the residual sum."""
        return max(self.condition**2, self.residual_magnification)

    @property
    def residual_magnification(self) -> float:
        """How many times they magnify it in the residual sum alone."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(self.total_sum > 0, self.total_sum / self.residual_sum, 1.0)
        return float(np.nanmax(ratio))

    @property
    def lost_digits(self) -> bool:
        """Whether double-double normal equations are worth another pass."""
        most = _LOST if len(self.kept) <= _MANY else _LOST_OF_MANY
        return not (self.magnification <= most and self.is_certain)

    @property
    def is_certain(self) -> bool:
        """Whether rounding leaves six digits of the figures that are made of the sums, the weights and the inverse."""
        rounding, kept = self.rounding, self.kept
        residual = _share(rounding.residual, self.residual_sum)
        explained = _share(rounding.explained, self.explained_sum) * (self.explained_sum < self.residual_sum)
        moved = [residual + explained]
        if self.is_unbiased and self.degrees > 0:
            spread = rounding.spread[kept]
            variance = _share(rounding.unit * spread**2, np.diag(self.inverse.high)[kept])
            weight = _share(rounding.unit * np.outer(rounding.reach, spread), self.weight.high[:, kept])
            moved.append(weight + (residual[:, None] + variance) / 2)
        return all(digits(float(each.max(initial=0.0)), 1.0) >= FEWEST_DIGITS for each in moved)


def _share(noise: Array, value: Array) -> Array:
    """Return what part of each value its noise is; 0 of no noise."""
    with np.errstate(divide="ignore"):
        return np.divide(noise, np.abs(value), out=np.zeros_like(noise), where=noise > 0)


def solve(
    normal: Normal, names: Sequence[str], rounding: Array | None = None, *, drop_collinear: bool = False
) -> Solution:
    """Fit the columns of `normal` that follow those called `names` to them, in double-double.

    Args:
        normal: the normal equations.
        names: of the terms.
        rounding: float64 (sources, terms), how far what the values of each source were rounded by moves each term; None
            where the terms are columns of values themselves.
        drop_collinear: leave out columns that are combinations of those before them.

    Raises:
        TooFewRowsError: there are fewer rows than coefficients.
        CollinearError: a column is a combination of those before it, and is not to be dropped.
    """
    terms = len(names)
    constant = _checked(normal, terms, drop_collinear=drop_collinear)
    scale = power_of_two(normal)
    swept = gram = normal.gram.scaled(1 / scale[:, None]).scaled(1 / scale[None, :])
    floor = Floor.of(normal, scale[:terms], rounding)
    kept, factor = ~constant, np.zeros((terms, terms))
    for term in np.flatnonzero(kept).tolist():
        relation = np.where(kept[:term], swept.high[:term, term], 0.0)
        if swept.high[term, term] <= floor.under(relation, slice(term), term):
            if not drop_collinear:
                relation[np.abs(relation) <= _NEGLIGIBLE * np.abs(relation).max(initial=0.0)] = 0.0
                shares = relation * (scale[term] / scale[:term])
                raise CollinearError(names[term], dict(zip(names[:term], shares.tolist(), strict=True)))
            kept[term] = False
        else:
            factor[:, term] = _factor_column(swept[:terms, :terms], term, kept)
            swept = sweep(swept, term)
    gone = ~kept
    weight, inverse, cross = swept[:terms, terms:], swept[:terms, :terms], gram[terms:, :terms]
    for part in (weight.high, weight.low):
        part[gone] = 0.0
    for part in (inverse.high, inverse.low):
        part[gone, :] = part[:, gone] = 0.0
    weight = Extended(weight.high.T, weight.low.T)
    return _solution(
        normal,
        DOUBLE_DOUBLE,
        weight=weight.scaled(scale[terms:, None]).scaled(1 / scale[None, :terms]),
        inverse=inverse.scaled(1 / scale[:terms, None]).scaled(1 / scale[None, :terms]),
        factor=factor / scale[:terms, None],
        residual_sum=np.diag(swept.high)[terms:] * scale[terms:] ** 2,
        explained_sum=sum_of(weight * cross).rounded() * scale[terms:] ** 2,
        kept=kept,
        constant=constant,
    )


def _factor_column(swept: Extended[Array], term: int, kept: NDArray[np.bool_]) -> Array:
    """Return a column of the factor of the inverse, from the matrix swept on the kept columns before `term`.

    What those columns do not explain of this one, x_k - sum b_i x_i, at unit length: such columns are orthonormal, so
    with B their coefficients B' G B = 1, and the inverse of G is B B'.
    """
    length = swept[term, term].sqrt()
    column = np.where(kept, (-(swept[:, term] / length)).rounded(), 0.0)
    column[term], column[term + 1 :] = (Extended.of(np.ones(())) / length).rounded(), 0.0
    return column


def solve_fast(normal: Normal, names: Sequence[str]) -> Solution | None:
    """Fit in float64 by Cholesky factorisation; None where the columns are too nearly dependent for that.

    Raises:
        TooFewRowsError: there are fewer rows than coefficients.
    """
    terms = len(names)
    outputs = len(normal.largest) - terms
    constant = _checked(normal, terms, drop_collinear=False)
    scale = power_of_two(normal)
    scaled = normal.gram.high / np.outer(scale, scale)
    kept = ~constant
    gram, cross = scaled[:terms, :terms][np.ix_(kept, kept)], scaled[:terms, terms:][kept]
    try:
        root = linalg.cholesky(gram, check_finite=False) if kept.any() else gram
    except linalg.LinAlgError:
        return None
    weight, factor = np.zeros((outputs, terms)), np.zeros((terms, terms))
    inverse = np.zeros((terms, terms))
    if kept.any():
        solution = linalg.cho_solve((root, False), cross, check_finite=False)
        weight[:, kept] = (solution * scale[None, terms:] / scale[:terms][kept][:, None]).T
        root_inverse, _ = lapack.dtrtri(root)
        factor[np.ix_(kept, kept)] = root_inverse
        inverse[np.ix_(kept, kept)] = _times_its_transpose(root_inverse)
        explained = np.einsum("to,to->o", solution, cross)
    else:
        explained = np.zeros(outputs)
    inverse /= np.outer(scale[:terms], scale[:terms])
    return _solution(
        normal,
        FLOAT64,
        weight=Extended.of(weight),
        inverse=Extended.of(inverse),
        factor=factor / scale[:terms, None],
        residual_sum=(np.diag(scaled)[terms:] - explained) * scale[terms:] ** 2,
        explained_sum=explained * scale[terms:] ** 2,
        kept=kept,
        constant=constant,
    )


def _times_its_transpose(upper: Array) -> Array:
    """Return U @ U.T of an upper triangular matrix, in a third of the work of the product."""
    half, _ = lapack.dlauum(upper)
    return np.asarray(np.triu(half) + np.triu(half, 1).T)


def _solution(
    normal: Normal,
    unit: float,
    *,
    weight: Extended[Array],
    inverse: Extended[Array],
    factor: Array,
    residual_sum: Array,
    explained_sum: Array,
    kept: NDArray[np.bool_],
    constant: NDArray[np.bool_],
) -> Solution:
    terms = len(kept)
    solution = Solution(
        weight=weight,
        inverse=inverse,
        factor=factor,
        kept=kept,
        constant=constant,
        residual_sum=np.maximum(residual_sum, 0.0),
        explained_sum=np.maximum(explained_sum, 0.0),
        total_sum=np.diag(normal.gram.high)[terms:].copy(),
        degrees=normal.rows - int(normal.intercept) - int(np.count_nonzero(kept)),
        condition=condition_number(
            normal.gram.high[:terms, :terms][np.ix_(kept, kept)], inverse.high[np.ix_(kept, kept)]
        ),
        rounding=Rounding.of_least_squares(normal, weight.high, inverse.high, unit),
    )
    return solution if solution.degrees > 0 else without_residuals(solution)


def without_residuals(solution: Solution) -> Solution:
    """Return a solution of as many coefficients as rows, whose residuals are 0 whatever rounding makes of them."""
    nothing = np.zeros_like(solution.residual_sum)
    return replace(solution, residual_sum=nothing, rounding=replace(solution.rounding, residual=nothing))


def _checked(normal: Normal, terms: int, *, drop_collinear: bool) -> NDArray[np.bool_]:
    """Return which columns are constant beside an intercept (or 0 without), once there are rows enough."""
    # One row makes every column look constant, so it is refused before those are left out.
    constant = ~normal.varies[:terms] if normal.rows > 1 else np.zeros(terms, dtype=np.bool_)
    coefficients = int(normal.intercept) + int(np.count_nonzero(~constant))
    if normal.rows < coefficients and not drop_collinear:
        raise TooFewRowsError(normal.rows, coefficients, intercept=normal.intercept)
    return np.asarray(constant)
