"""Ridge, lasso and elastic net in double-double, where float64 moments have lost digits.

The objective is that of `lr_trainer.solvers.elastic_net`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.errors import WeakPenaltyError
from lr_trainer.solvers.collinearity import Floor
from lr_trainer.solvers.digits import DOUBLE_DOUBLE
from lr_trainer.solvers.elastic_net import descended
from lr_trainer.solvers.pivoted import solution_of
from lr_trainer.solvers.solution import Solution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.fit_report import Penalty
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.solvers.normal_equations import NormalEquations

_MISSED = 1e-12
"""By this share of its bound the optimality condition of a weight of 0 may be missed: float64 has four digits more."""

_ENOUGH = 8.0
"""Digits of the weights that float64 has to keep: a float32 holds seven."""

_STEPS = 20
"""The most steps of an active-set method, and two more a column: from a float64 optimum it takes a few."""


def penalised(normal: NormalEquations, penalty: Penalty) -> Solution:
    """Return ridge, lasso or elastic net: in float64 where that keeps the digits, else in double-double.

    Raises:
        WeakPenaltyError: a ridge penalty is lost in the rounding of double-double, too.
    """
    found, digits = descended(normal, penalty)
    if found is not None and digits >= _ENOUGH:
        return found
    nothing = np.zeros((len(penalty.l2), normal.terms))
    return extended(normal, penalty, nothing if found is None else found.weight.rounded())


def extended(normal: NormalEquations, penalty: Penalty, start: Array) -> Solution:
    """Return the solution in double-double, a lasso by an active-set method from weights (outputs, terms)."""
    terms, scale, gram = normal.terms, normal.scale, normal.scaled
    inside = np.flatnonzero(normal.informative).tolist()
    begin = start * scale[:terms] / scale[terms:, None]
    weight: Extended[Array] = Extended.of(begin)
    diagonal, matrix = gram[inside, inside], gram[np.ix_(inside, inside)]
    size = (diagonal * Extended.of(np.full(len(inside), normal.weight))).sqrt()
    # A penalty allows for dependent columns, so that the rounding of their values does not matter.
    floor = Floor(np.zeros((1, len(inside))), np.sqrt(diagonal.high))
    for output, (l1, l2) in enumerate(zip(penalty.l1, penalty.l2, strict=True)):
        matrix[np.diag_indices(len(inside))] = diagonal + diagonal * Extended.of(np.full(len(inside), l2))
        bound = size * Extended.of(np.full(len(inside), l1 / scale[terms + output]))
        equations = _Equations(matrix, gram[inside, terms + output], bound, floor)
        weight[output, inside] = equations.lasso(begin[output, inside]) if l1 else equations.ridge(l2)
    weight = weight.scaled(scale[terms:, None]).scaled(1 / scale[:terms])
    return Solution.of_weights(normal, weight, DOUBLE_DOUBLE, ridge=min(penalty.l2))


@dataclass(frozen=True)
class _Equations:
    """What holds at the optimum for one target: matrix b = cross - bound sign(b), less than bound away where b is 0.

    Attributes:
        matrix: double-double (terms, terms), of the columns over powers of two, with the ridge penalty.
        cross: double-double (terms,).
        bound: double-double (terms,), what the lasso penalty allows.
        floor: of its pivots.
    """

    matrix: Extended[Array]
    cross: Extended[Array]
    bound: Extended[Array]
    floor: Floor

    def solved(self, support: Sequence[int], signs: Array) -> tuple[Extended[Array], list[int]]:
        """Return b (terms,) that holds for these signs (terms,), 0 outside the support, and its independent columns."""
        right = self.cross - self.bound.scaled(signs)
        found, pivots = solution_of(self.matrix, right[:, None], support, self.floor)
        return found[:, 0], pivots

    def ridge(self, l2: float) -> Extended[Array]:
        """Return b (terms,) without a bound; `l2` is the penalty that is too weak where columns are dependent."""
        count = len(self.cross.high)
        found, independent = self.solved(range(count), np.zeros(count))
        if len(independent) < count:
            raise WeakPenaltyError(l2, self.floor.least_penalty)
        return found

    def lasso(self, start: Array) -> Extended[Array]:
        """Return the optimum (terms,) by an active-set method from weights near it; those if it does not get there.

        With the signs fixed the objective is quadratic. A step goes towards its minimum until a weight reaches 0, which
        leaves the support; at the minimum, the column whose condition is missed most enters it. Of dependent columns in
        the support the minimum has some at 0, so that they leave it.
        """
        b, signs = Extended.of(start.copy()), np.sign(start)
        for _ in range(_STEPS + 2 * len(start)):
            support = np.flatnonzero(signs)
            end, _ = self.solved(support.tolist(), signs)
            turned = support[np.sign(end.high[support]) != signs[support]]
            if len(turned):
                left, way = b.high[turned], (b - end).high[turned]
                shares = np.divide(left, way, out=np.zeros_like(left), where=way != 0)
                first = int(np.argmin(shares))
                b = b + (end - b) * Extended.of(np.full(len(start), shares[first]))
                b.high[turned[first]] = b.low[turned[first]] = signs[turned[first]] = 0.0
                continue
            b = end
            slope = self.cross - sum_of(self.matrix * b[None, :])
            missed = np.where(signs == 0, np.abs(slope.high) - self.bound.high * (1 + _MISSED), -np.inf)
            worst = int(np.argmax(missed))
            if missed[worst] <= 0:
                return b
            signs[worst] = np.sign(slope.high[worst])
        return Extended.of(start)
