"""A pivoted factorisation in double-double: it tells dependent columns from nearly dependent ones.

Eigenvalues of float64 moments cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.arithmetic.linear_algebra import solve_triangular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.solvers.collinearity import Floor


@dataclass(frozen=True)
class Factor:
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
    def of(matrix: Extended[Array], candidates: Sequence[int], floor: Floor | None = None) -> Factor:
        """Return the factorisation, the largest pivot first, without candidates that are no larger than the floor.

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
            products[:, count], lower[:, count] = column, ratio
            pivots.append(pivot)
            diagonal.append(float(column.high[pivot]))
        return Factor(pivots, lower[:, : len(pivots)], np.array(diagonal))

    def explained(self, columns: Sequence[int]) -> Extended[Array]:
        """Return double-double (pivots, columns), the weights on the pivots that come nearest to these columns."""
        left = Extended(self.lower.high[list(columns)].T.copy(), self.lower.low[list(columns)].T.copy())
        inside = self.lower[self.pivots]
        for row in range(len(self.pivots) - 1, 0, -1):
            above, share, value = left[:row], inside[row, :row], left[row]
            left[:row] = above - share[:, None] * value[None, :]
        return left


def _relation(lower: Array, pivots: list[int], column: int) -> Array:
    """Return float64 (pivots,), the weights on the pivots that come nearest to a column."""
    inside = lower[pivots]
    return solve_triangular(inside.T, lower[column], has_unit_diagonal=True) if pivots else np.zeros(0)


def solution_of(
    matrix: Extended[Array], right: Extended[Array], candidates: Sequence[int], floor: Floor | None = None
) -> tuple[Extended[Array], list[int]]:
    """Return X (columns, outputs) with matrix X = right on the pivots and 0 elsewhere, and the pivots.

    The matrix is positive semidefinite, and the floor leaves out dependent columns; None where there are none.
    """
    count, outputs = right.high.shape
    # The targets are further rows and columns; nothing reads the corner where they meet.
    system: Extended[Array] = Extended.of(np.zeros((count + outputs, count + outputs)))
    system[:count, :count], system[:count, count:] = matrix, right
    system[count:, :count] = Extended(right.high.T, right.low.T)
    factor = Factor.of(system, candidates, floor)
    found: Extended[Array] = Extended.of(np.zeros((count, outputs)))
    found[factor.pivots] = factor.explained(range(count, count + outputs))
    return found, factor.pivots
