"""The normal equations in double-double, and the sweep that solves them a column at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import Extended

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.moments.moments import Moments

    Array = NDArray[np.float64]


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
        lengths: float64 (terms + outputs,), that to whose share sums of products are right: of columns of numbers
            their lengths; of powers, whose own values are rounded, those about 0.
    """

    gram: Extended[Array]
    mean: Extended[Array]
    largest: Array
    varies: NDArray[np.bool_]
    rows: int
    weight: float
    loose_weight: float
    intercept: bool
    lengths: Array

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
            lengths=np.sqrt(np.maximum(np.diag(gram.high), 0.0)),  # rounding may leave a constant column below 0
        )

    def with_lengths(self, lengths: Array) -> Normal:
        """Return them with lengths no less than these, float64 (terms,)."""
        rest = np.zeros(len(self.lengths) - len(lengths))
        return replace(self, lengths=np.maximum(self.lengths, np.concatenate([lengths, rest])))

    def with_rounded(self, columns: NDArray[np.bool_]) -> Normal:
        """Return them with the lengths about 0 of the columns, bool (terms + outputs,), whose values are rounded."""
        about_zero = np.sqrt(self.lengths**2 + self.weight * self.mean.high**2)
        return replace(self, lengths=np.where(columns, about_zero, self.lengths))


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


def power_of_two(normal: Normal) -> Array:
    """Return float64 (terms + outputs,), powers of two near the columns' lengths."""
    lengths = np.sqrt(np.maximum(np.diag(normal.gram.high), 0.0))
    return np.where(lengths > 0, np.ldexp(1.0, np.frexp(lengths)[1] - 1), 1.0)
