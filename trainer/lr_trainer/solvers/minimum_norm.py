"""Of all best fits to dependent columns, the one with the smallest weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.digits import DOUBLE_DOUBLE
from lr_trainer.solvers.least_squares import solved_alone
from lr_trainer.solvers.pivoted import Factor, solution_of
from lr_trainer.solvers.solution import Solution

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.solvers.normal_equations import NormalEquations


def minimum_norm(normal: NormalEquations) -> Solution:
    """Return the minimum norm of columns of any rank: of independent ones, the only best fit is least squares.

    With B independent columns and D = B C the others, every best fit has w_B + C w_D = b, b the best on B alone; the
    smallest solution of that is w = N M' (M N M')^-1 b, M = [I C], N the inverses of the columns' variances.
    """
    # A best fit of as many coefficients as rows has no residuals.
    is_best = normal.rows > normal.terms + int(normal.intercept)
    if is_best and (best := solved_alone(normal)) is not None:
        return best.biased()
    terms, scale, gram = normal.terms, normal.scale, normal.scaled
    candidates, targets = np.flatnonzero(normal.informative).tolist(), list(range(terms, len(scale)))
    factor = Factor.of(gram, candidates, Floor.of(normal))
    inside, outside = factor.pivots, sorted(set(candidates) - set(factor.pivots))
    squares, parts = np.diag(gram.high), [(inside, factor.explained(targets))]
    if inside and outside:
        values = _smallest(parts[0][1], factor.explained(outside), 1 / squares[inside], 1 / squares[outside])
        parts = list(zip((inside, outside), values, strict=True))
    weight: Extended[Array] = Extended.of(np.zeros((len(targets), terms)))
    for places, part in parts:
        weight[:, places] = Extended(part.high.T, part.low.T)
    weight = weight.scaled(scale[terms:, None]).scaled(1 / scale[:terms])
    found = Solution.of_weights(normal, weight, DOUBLE_DOUBLE, pivots=np.isin(np.arange(terms), inside))
    return found.without_residuals() if len(inside) >= normal.rows - int(normal.intercept) else found


def _smallest(
    best: Extended[Array], share: Extended[Array], inside: Array, outside: Array
) -> tuple[Extended[Array], Extended[Array]]:
    """Return w_B (pivots, outputs) and w_D (others, outputs) of the best fits from b, C and the diagonal of N."""
    count, outputs = best.high.shape
    square = Extended.of(np.diag(inside))
    for column, size in enumerate(outside.tolist()):
        one = share[:, column]
        square = square + (one * Extended.of(np.full(count, size)))[:, None] * one[None, :]
    solved, _ = solution_of(square, best, range(count))
    mixed: Extended[Array] = Extended.of(np.zeros((len(outside), outputs)))
    for row in range(count):
        mixed = mixed + share[row][:, None] * solved[row][None, :]
    weighted = [Extended.of(np.repeat(size[:, None], outputs, axis=1)) for size in (inside, outside)]
    return solved * weighted[0], mixed * weighted[1]
