"""Minimum norm and ridge of fewer rows than coefficients, from the products of the rows with each other.

With A the columns that vary, about their means and at unit deviation, each row times the root of its share of the
weights, c the target likewise, K = A A' and the objective of `lr_trainer.solvers.elastic_net`, the weights are

    b = A' a,    (K + l2 I) a = c    (Saunders, Gammerman and Vovk 1998, "Ridge regression learning algorithm in dual
                                      variables", ICML 15)

and at l2 = 0 those of the smallest norm. With an intercept K leaves out one direction, that of the roots s of the
shares, and so do c and a: K + t s s' with t the mean of its eigenvalues has the same solution.

K and what solves it are right to u |K| in norm, so that a is off by up to u (1 + kappa) |a|, kappa the condition number
of K + l2 I. A column of A has length 1, so each b is off by no more. The residuals are l2 a, without a difference.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg

from lr_runtime.contract.fit_report import Penalty
from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.solvers.digits import Rounding, digits
from lr_trainer.solvers.normal_equations import NormalEquations
from lr_trainer.solvers.solution import Solution

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.few_rows import MarginalMoments
    from lr_trainer.solvers.aim import MinimumNorm

_DIGITS = 8
"""As many as `lr_trainer.solvers.strategy` asks of ridges in float64."""

_UNIT = 4 * 2.0**-53
"""u: the error was below a twentieth of the bounds with it in 240 fits, held against double-double."""


def solve_dual(
    moments: MarginalMoments, columns: Array, weights: Array, aim: MinimumNorm | Penalty, *, intercept: bool
) -> tuple[NormalEquations, Solution] | None:
    """Return the solution, and the normal equations without their products; None where float64 has too few digits.

    `columns` is float64 (rows, terms + targets), fewer rows than coefficients; of penalties, `aim` is a ridge.
    """
    normal, outputs = _without_products(moments, intercept=intercept), moments.comoment.shape[1]
    inside = normal.varies & (normal.lengths > 0)
    terms = np.flatnonzero(inside[: normal.terms])
    share = np.sqrt(weights / normal.weight)
    rows = np.where(inside, (columns - normal.mean.high) - normal.mean.low, 0.0) * share[:, None]
    deviation = normal.lengths[terms] / math.sqrt(normal.weight)
    unit, targets = rows[:, terms] / deviation, rows[:, normal.terms :]
    gram = unit @ unit.T
    if intercept:
        gram += np.trace(gram) / len(gram) * np.outer(share, share)
    ridge = np.array(aim.l2 if isinstance(aim, Penalty) else (0.0,) * outputs)
    solved = [_solved(gram, target, l2) for target, l2 in zip(targets.T, ridge.tolist(), strict=True)]
    dual, condition = np.array([each for each, _ in solved]), max(each for _, each in solved)
    if intercept:
        dual -= np.outer(dual @ share, share)
    if digits(_UNIT * (1 + condition), 1.0) < _DIGITS:
        return None  # whoever asks takes the moments
    weight = np.zeros((outputs, normal.terms))
    weight[:, terms] = dual @ unit / deviation
    residual = normal.weight * ridge**2 * np.sum(dual**2, axis=1)
    solution = _solution(normal, weight, residual, np.linalg.norm(dual, axis=1), condition)
    return (normal, solution) if solution.is_certain else None


def _solved(gram: Array, target: Array, l2: float) -> tuple[Array, float]:
    """Return a (rows,) and the condition number of K + l2 I in the 1-norm, infinite where it is singular."""
    matrix = gram + l2 * np.eye(len(gram))
    factor, failed = linalg.lapack.dpotrf(matrix)
    inverse_condition = 0.0 if failed else linalg.lapack.dpocon(factor, np.abs(matrix).sum(axis=0).max())[0]
    if not inverse_condition:
        return target, math.inf
    # An estimate, whose last bits depend on where the arrays lie in memory: a report has the same bytes each time.
    return linalg.lapack.dpotrs(factor, target)[0], float(f"{1 / inverse_condition:.3g}")


def _without_products(moments: MarginalMoments, *, intercept: bool) -> NormalEquations:
    """Return what reports ask of normal equations; their matrix would be larger than the rows."""
    mean: Extended[Array] = Extended(moments.mean, moments.mean_low)
    return NormalEquations(
        gram=np.zeros((0, 0)),
        terms=len(moments.mean) - moments.comoment.shape[1],
        mean=mean if intercept else mean.scaled(0.0),
        largest=moments.largest,
        varies=moments.varies(intercept=intercept),
        rows=moments.rows,
        weight=float(moments.weight),
        loose_weight=float(moments.weight),
        intercept=intercept,
        lengths=np.sqrt(np.maximum(moments.squares(intercept=intercept), 0.0)),
    )


def _solution(normal: NormalEquations, weight: Array, residual: Array, size: Array, condition: float) -> Solution:
    """Return the solution with weights (outputs, terms), residual sums (outputs,) and |a| (outputs,)."""
    lengths, target = normal.lengths[: normal.terms], normal.lengths[normal.terms :]
    tss, nothing, support = target**2, np.zeros((0, 0)), (weight != 0).any(axis=0)
    off = 2 * _UNIT * (1 + condition) * residual
    spread = np.divide(1 + condition, lengths, out=np.zeros_like(lengths), where=support)
    reach = np.maximum(size * math.sqrt(normal.weight), target)
    return Solution(
        weight=Extended.of(weight),
        factor=nothing,
        support=support,
        constant=normal.constant & normal.intercept,
        ssr=residual,
        ess=np.maximum(tss - residual, 0.0),
        tss=tss,
        df_resid=0,
        condition_number=math.inf,  # more columns than rows are dependent
        rounding=Rounding(_UNIT, lengths, reach, off, _UNIT * tss + off, spread),
        is_unbiased=False,
    )
