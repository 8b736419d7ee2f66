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
from scipy.sparse.linalg import eigsh

from lr_trainer.errors import CollinearError, TooFewRowsError
from lr_trainer.extended import Extended
from lr_trainer.floor import Floor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_trainer.moments import Moments

    Array = NDArray[np.float64]

_LOST, _LOST_OF_MANY, _MANY = 1e3, 1e6, 256
"""Where float64 normal equations magnify rounding more than this, the double-double ones take over; where there are
many columns they take a second at 256 and a minute at 1,000, and float64 is left its last eight digits."""

_NEGLIGIBLE = 1e-9
"""A column whose share in a combination is below this part of the largest is rounding."""

_FEW_COLUMNS = 256
"""All eigenvalues of a matrix up to this size are found faster than the one that counts."""


@dataclass(frozen=True)
class Normal:
    """The normal equations of `terms` columns and `outputs` targets, about the means or, without intercept, about 0.

    Attributes:
        gram: double-double (terms + outputs, terms + outputs), sums of products of the columns, targets last.
        mean: double-double (terms + outputs,), 0 without an intercept.
        largest: float64 (terms + outputs,), the largest absolute value of each column.
        varies: bool (terms + outputs,), `Moments.varies`.
        rows: the number of rows.
        weight: the sum of their weights.
        loose_weight: what of it can lie off the mean, which a row that outweighs all others is on.
        intercept: whether one is fitted.
    """

    gram: Extended[Array]
    mean: Extended[Array]
    largest: Array
    varies: NDArray[np.bool_]
    rows: int
    weight: float
    loose_weight: float
    intercept: bool

    @staticmethod
    def of_moments(moments: Moments, *, intercept: bool) -> Normal:
        """Return the normal equations in float64."""
        mean: Extended[Array] = Extended(moments.mean, moments.mean_low)
        # About zero in place of the mean: only positive sums are added, so nothing cancels.
        about_zero = moments.comoment + moments.weight * np.outer(moments.mean, moments.mean)
        gram = moments.comoment if intercept else about_zero
        return Normal._described(Extended.of(gram), mean if intercept else mean.scaled(0.0), moments, intercept)

    @staticmethod
    def of_gram(
        gram: Extended[Array], moments: Moments, shift: Array, heaviest: float = 0.0, *, intercept: bool
    ) -> Normal:
        """Return them in double-double, from the products of the columns, a column of ones first with an intercept.

        Args:
            gram: double-double, of the columns less `shift`.
            moments: of the columns.
            shift: float64 (terms + outputs,), taken from every row before the products; 0 without an intercept.
            heaviest: the largest weight of a row; 0 says nothing.
            intercept: whether one is fitted.
        """
        if not intercept:
            return Normal._described(gram, gram[0].scaled(0.0), moments, intercept)
        swept = sweep(gram, 0)
        normal = Normal._described(swept[1:, 1:], swept[0, 1:] + Extended.of(shift), moments, intercept)
        # Deviations e about their weighted mean: with v the other rows' weight, sum w e^2 <= 2 v max e^2.
        others = float((gram[0, 0] - Extended.of(np.array(heaviest))).rounded())
        return replace(normal, loose_weight=min(normal.weight, 2 * others))

    @staticmethod
    def _described(gram: Extended[Array], mean: Extended[Array], moments: Moments, intercept: bool) -> Normal:
        return Normal(
            gram=gram,
            mean=mean,
            largest=moments.largest,
            varies=moments.varies(intercept=intercept),
            rows=moments.rows,
            weight=float(moments.weight),
            loose_weight=float(moments.weight),
            intercept=intercept,
        )


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
        total_sum: float64 (outputs,), the (weighted) sum of squares about the mean, or about 0 without intercept.
        degrees: the degrees of freedom of the residuals.
        condition: the 2-norm condition number of the kept columns, centred and scaled to unit length.
        is_unbiased: whether this is the least-squares solution itself, with standard errors; a penalised or
            minimum-norm one has none.
    """

    weight: Extended[Array]
    inverse: Extended[Array]
    factor: Array
    kept: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    residual_sum: Array
    total_sum: Array
    degrees: int
    condition: float
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
        return not self.magnification <= (_LOST if len(self.kept) <= _MANY else _LOST_OF_MANY)


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
    swept = normal.gram.scaled(1 / scale[:, None]).scaled(1 / scale[None, :])
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
    weight, inverse = swept[:terms, terms:], swept[:terms, :terms]
    for part in (weight.high, weight.low):
        part[gone] = 0.0
    for part in (inverse.high, inverse.low):
        part[gone, :] = part[:, gone] = 0.0
    weight = weight.scaled(scale[None, terms:]).scaled(1 / scale[:terms, None])
    return _solution(
        normal,
        weight=Extended(weight.high.T, weight.low.T),
        inverse=inverse.scaled(1 / scale[:terms, None]).scaled(1 / scale[None, :terms]),
        factor=factor / scale[:terms, None],
        residual_sum=np.diag(swept.high)[terms:] * scale[terms:] ** 2,
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
        weight=Extended.of(weight),
        inverse=Extended.of(inverse),
        factor=factor / scale[:terms, None],
        residual_sum=(np.diag(scaled)[terms:] - explained) * scale[terms:] ** 2,
        kept=kept,
        constant=constant,
    )


def _times_its_transpose(upper: Array) -> Array:
    """Return U @ U.T of an upper triangular matrix, in a third of the work of the product."""
    half, _ = lapack.dlauum(upper)
    return np.asarray(np.triu(half) + np.triu(half, 1).T)


def _solution(
    normal: Normal,
    *,
    weight: Extended[Array],
    inverse: Extended[Array],
    factor: Array,
    residual_sum: Array,
    kept: NDArray[np.bool_],
    constant: NDArray[np.bool_],
) -> Solution:
    terms = len(kept)
    return Solution(
        weight=weight,
        inverse=inverse,
        factor=factor,
        kept=kept,
        constant=constant,
        residual_sum=np.maximum(residual_sum, 0.0),
        total_sum=np.diag(normal.gram.high)[terms:].copy(),
        degrees=normal.rows - int(normal.intercept) - int(np.count_nonzero(kept)),
        condition=condition_number(
            normal.gram.high[:terms, :terms][np.ix_(kept, kept)], inverse.high[np.ix_(kept, kept)]
        ),
    )


def condition_number(gram: Array, inverse: Array | None = None) -> float:
    """Return the 2-norm condition number of columns with this Gram matrix, at unit length; infinite if dependent.

    Args:
        gram: float64 (columns, columns).
        inverse: its inverse, where it is known: the smallest eigenvalue of a matrix is lost in the rounding of the
            largest, but is the largest of the inverse.
    """
    if not len(gram):
        return 1.0
    unit = 1.0 / np.sqrt(np.diag(gram))
    correlation = gram * unit[:, None] * unit[None, :]
    if inverse is not None:
        return float(np.sqrt(_largest_eigenvalue(correlation) * _largest_eigenvalue(inverse / np.outer(unit, unit))))
    values = np.linalg.eigvalsh(correlation)
    return float(np.sqrt(values[-1] / values[0])) if values[0] > 0 else float("inf")


def _largest_eigenvalue(matrix: Array) -> float:
    """Return it by Lanczos iterations (Lehoucq, Sorensen and Yang 1998), to 6 digits or more, where that is faster."""
    if len(matrix) <= _FEW_COLUMNS:
        return float(np.linalg.eigvalsh(matrix)[-1])
    start = np.random.default_rng(len(matrix)).normal(size=len(matrix))
    return float(eigsh(matrix, k=1, which="LA", v0=start, tol=1e-6, return_eigenvectors=False)[0])


def sweep(matrix: Extended[Array], index: int) -> Extended[Array]:
    """Return the matrix swept on one diagonal element (Goodnight 1979, The American Statistician 33).

    Swept on every column of X, [X'X X'Y; Y'X Y'Y] becomes [(X'X)^-1 B; -B' R]: inverse, weights, residual products.
    """
    pivot, column = matrix[index, index], matrix[:, index]
    row = matrix[index, :] / pivot
    swept = matrix - Extended(column.high[:, None], column.low[:, None]) * row[None, :]
    below = -(column / pivot)
    corner = Extended.of(np.ones(())) / pivot
    for part, above, under, at in (
        (swept.high, row.high, below.high, corner.high),
        (swept.low, row.low, below.low, corner.low),
    ):
        part[index, :], part[:, index], part[index, index] = above, under, at
    return swept


def _checked(normal: Normal, terms: int, *, drop_collinear: bool) -> NDArray[np.bool_]:
    """Return which columns are constant beside an intercept (or 0 without), once there are rows enough."""
    # One row makes every column look constant, so it is refused before those are left out.
    constant = ~normal.varies[:terms] if normal.rows > 1 else np.zeros(terms, dtype=np.bool_)
    coefficients = int(normal.intercept) + int(np.count_nonzero(~constant))
    if normal.rows < coefficients and not drop_collinear:
        raise TooFewRowsError(normal.rows, coefficients, intercept=normal.intercept)
    return np.asarray(constant)


def power_of_two(normal: Normal) -> Array:
    """Return float64 (terms + outputs,), powers of two near the columns' lengths."""
    lengths = np.sqrt(np.maximum(np.diag(normal.gram.high), 0.0))  # rounding may leave a constant column below 0
    return np.where(lengths > 0, np.ldexp(1.0, np.frexp(lengths)[1] - 1), 1.0)
