"""Least squares and its prediction interval in exact fractions, from the rows: what no rounding can hide."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from tests.export.oracle import fractions, roots

if TYPE_CHECKING:
    from tests.export.oracle import Exact, Floats


def powers(x: Floats, degree: int, *, intercept: bool) -> Exact:
    """Return the design matrix of the powers of every column, after a column of ones."""
    exact = fractions(x)
    ones = [np.full((len(x), 1), Fraction(1), dtype=object)] if intercept else []
    columns = [exact[:, [column]] ** power for column in range(x.shape[1]) for power in range(1, degree + 1)]
    return np.hstack([*ones, *columns])


@dataclass(frozen=True)
class ExactFit:
    """The fit of y (rows,) to a design matrix (rows, coefficients) of fractions, with weights."""

    inverse: Exact
    weight: Exact
    variance: Fraction
    degrees: int

    @staticmethod
    def of(design: Exact, y: Floats, weights: Floats | None = None) -> ExactFit:
        each = fractions(np.ones(len(y)) if weights is None else weights)[:, None]
        target = fractions(y)
        inverse = inverted(design.T @ (each * design))
        weight = inverse @ (design.T @ (each[:, 0] * target))
        squares = each[:, 0] * (target - design @ weight) ** 2
        degrees = len(y) - design.shape[1]
        return ExactFit(inverse, weight, squares.sum() / degrees, degrees)

    def leverage(self, design: Exact) -> Exact:
        """Return h (rows,) at rows of the design matrix."""
        found: Exact = ((design @ self.inverse) * design).sum(axis=1)
        return found

    def half(self, design: Exact, quantile: float) -> Exact:
        """Return half the length of the interval (rows,), for the quantile of Student's t."""
        found: Exact = roots(self.variance * (1 + self.leverage(design))) * Fraction(quantile)
        return found


def inverted(matrix: Exact) -> Exact:
    """Return the inverse, by elimination without pivoting: the matrix is positive definite."""
    size = len(matrix)
    both = np.hstack([matrix, fractions(np.eye(size))])
    for pivot in range(size):
        both[pivot] = both[pivot] / both[pivot, pivot]
        for row in range(size):
            if row != pivot:
                both[row] = both[row] - both[row, pivot] * both[pivot]
    return both[:, size:]
