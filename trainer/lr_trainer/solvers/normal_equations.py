"""The normal equations, in float64 and in double-double, and the sweep that solves them a column at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.arithmetic.gram import powers_of_two

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.moments import Moments
    from lr_trainer.moments.preconditioned import Preconditioned


@dataclass(frozen=True)
class NormalEquations:
    """The normal equations of terms X and targets Y, about their means or, without an intercept, about 0.

    Attributes:
        gram: float64 (terms + outputs, terms + outputs), [X'X X'Y; Y'X Y'Y].
        terms: the number of columns of X.
        mean: double-double (terms + outputs,), 0 without an intercept.
        largest: float64 (terms + outputs,), the largest absolute value of each column.
        varies: bool (terms + outputs,), `Moments.varies`.
        rows: the number of rows.
        weight: the sum of their weights.
        loose_weight: an upper bound of the weight that squared deviations from the mean carry: `weight`, or twice the
            weight of all rows but the heaviest.
        intercept: whether one is fitted.
        lengths: float64 (terms + outputs,), of which products are right to a share: the roots of the sums of squares;
            of powers, whose own values are rounded, of those about 0.
        rounding: float64 (sources, terms), how far the rounding of the values of each source moves each term; None
            where each term is a column of values.
        fine: the same on the transform that keeps the digits of float64; None where nobody solves it.
    """

    gram: Array
    terms: int
    mean: Extended[Array]
    largest: Array
    varies: NDArray[np.bool_]
    rows: int
    weight: float
    loose_weight: float
    intercept: bool
    lengths: Array
    rounding: Array | None = None
    fine: Preconditioned | None = None

    @staticmethod
    def of_moments(moments: Moments, terms: int, *, intercept: bool) -> NormalEquations:
        """Return the normal equations of the first `terms` columns and the targets after them."""
        gram = moments.gram(intercept=intercept)
        mean: Extended[Array] = Extended(moments.mean, moments.mean_low)
        return NormalEquations(
            gram=gram,
            terms=terms,
            mean=mean if intercept else mean.scaled(0.0),
            largest=moments.largest,
            varies=moments.varies(intercept=intercept),
            rows=moments.rows,
            weight=float(moments.weight),
            # Deviations e about their weighted mean: with v the other rows' weight, sum w e^2 <= 2 v max e^2.
            loose_weight=min(float(moments.weight), 2 * float(moments.others)),
            intercept=intercept,
            lengths=_lengths(gram),
            fine=moments.preconditioned(terms, intercept=intercept),
        )

    def with_rounded(self, columns: NDArray[np.bool_]) -> NormalEquations:
        """Return the normal equations with lengths about 0 of the terms, bool (terms,), whose values are rounded."""
        about_zero = np.sqrt(self.lengths**2 + self.weight * self.mean.high**2)
        rounded = np.concatenate([columns, np.zeros(len(self.lengths) - len(columns), dtype=np.bool_)])
        return replace(self, lengths=np.where(rounded, about_zero, self.lengths))

    @property
    def preconditioned(self) -> Preconditioned:
        """The same on the transform that keeps the digits of float64."""
        assert self.fine is not None
        return self.fine

    @property
    def was_extended(self) -> bool:
        """Whether the residuals that the products are of were formed in double-double."""
        return self.fine is not None and bool(self.fine.extended)

    @property
    def columns(self) -> Array:
        """Float64 (terms, terms), the Gram matrix of the terms, rounded."""
        return self.gram[: self.terms, : self.terms]

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Bool (terms,), the terms that do not vary; none with a single row, which makes all look constant."""
        return np.asarray(~self.varies[: self.terms] & (self.rows > 1))

    @property
    def tss(self) -> Array:
        """Float64 (outputs,), the total sums of squares of the targets."""
        return np.diag(self.gram)[self.terms :].copy()

    @property
    def informative(self) -> NDArray[np.bool_]:
        """Bool (terms,), the terms that vary and of which rounding leaves a sum of squares above 0."""
        return np.asarray(self.varies[: self.terms] & (np.diag(self.columns) > 0))

    @property
    def scale(self) -> Array:
        """Float64 (terms + outputs,), powers of two near the lengths: dividing by them rounds nothing."""
        return powers_of_two(_lengths(self.gram))

    @cached_property
    def scaled(self) -> Extended[Array]:
        """Double-double (terms + outputs, terms + outputs), the Gram matrix of the columns divided by `scale`."""
        inverse = 1 / self.scale
        return self.preconditioned.gram(self.scale).scaled(inverse[:, None]).scaled(inverse[None, :])

    def among(self, support: NDArray[np.bool_]) -> NormalEquations:
        """Return the same with the preconditioned columns of the terms of the support, bool (terms,), alone."""
        if support.all():
            return self
        inside = np.concatenate([support, np.ones(len(self.gram) - self.terms, dtype=np.bool_)])
        return replace(self, fine=self.preconditioned.among(inside, self.terms, self.scale))


def _lengths(gram: Array) -> Array:
    return np.sqrt(np.maximum(np.diag(gram), 0.0))  # rounding may leave a constant column below 0


def sweep(matrix: Extended[Array], index: int) -> Extended[Array]:
    """Return the matrix swept on one diagonal element (Goodnight 1979, The American Statistician 33).

    Swept on every column of X, [X'X X'Y; Y'X Y'Y] becomes [(X'X)^-1 B; -B' R]: inverse, weights, residual products.
    """
    pivot, column = matrix[index, index], matrix[:, index]
    row = matrix[index, :] / pivot
    swept = matrix - column[:, None] * row[None, :]
    swept[index, :], swept[:, index] = row, -(column / pivot)
    swept[index, index] = Extended.of(np.ones(())) / pivot
    return swept
