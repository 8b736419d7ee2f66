"""Cross-validation from the moments of the folds: each is predicted by the fit to the others, and no row is read again.

With w the weights of that fit and G the products of a fold's rows about the means of the others, the sum of the fold's
squared residuals is v' G v, v = (-w, 1): in double-double, from what a pilot left of the columns, so that it keeps its
digits however small the residuals are.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.fit_report import CrossValidation
from lr_runtime.errors import FitError, escaped
from lr_trainer.arithmetic import linear_algebra
from lr_trainer.arithmetic.linear_algebra import inner, times
from lr_trainer.arithmetic.rounding import FLOAT64, rounding_of
from lr_trainer.errors import CollinearError
from lr_trainer.solvers.aim import Aim, LeastSquares
from lr_trainer.solvers.digits import DOUBLE_DOUBLE, FEWEST_DIGITS, digits
from lr_trainer.solvers.normal_equations import NormalEquations
from lr_trainer.solvers.solution import Solution, sums_of
from lr_trainer.solvers.strategy import solve

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.moments import Moments
    from lr_trainer.moments.passes import Folded
    from lr_trainer.moments.training_data import TrainingData


def cross_validated(
    found: Folded, data: TrainingData, aim: Aim, group: str | None
) -> tuple[tuple[CrossValidation, ...], list[str]]:
    """Return the figures of each target, from the moments of two folds or more, and a line on those left out.

    `data` are those of all rows; the aim of the fit is the same in each fold; each group, if any, lies in one.
    """
    folds, why = len(found.folds), list[str]()
    sums = np.full((folds, 3, len(data.targets)), math.nan)
    for place, (fold, train) in enumerate(found.pairs):
        try:
            sums[place] = _sums(fold, train, data, aim)
        except FitError as error:
            of = f" of {escaped(error.name)}" if isinstance(error, CollinearError) else ""
            why = why or [f"the rows outside of fold {place + 1} of {folds} do not determine the weight{of or 's'}"]
    squares, weight = np.where(data.moments.varies(intercept=True), data.moments.own, 0.0), float(data.moments.weight)
    whole = squares[len(data.names) :].tolist()
    records = tuple(
        CrossValidation(target, *_figures(sums[:, :, output], whole[output], weight), group)
        for output, target in enumerate(data.targets)
    )
    if not why and any(figure is None for each in records for figure in (*each.r2, *each[2:5])):
        why = [f"a target varies too little in a fold, or fewer than {FEWEST_DIGITS} digits are certain"]
    return records, [f"some figures of the cross-validation are left out: {line}" for line in why]


def _sums(fold: Moments, train: Moments, data: TrainingData, aim: Aim) -> Array:
    """Return float64 (3, outputs): of a fold's squared residuals, how far they may be off, of squares about its mean.

    Raises:
        FitError: the other rows, `train`, do not determine the fit.
    """
    terms, intercept = len(data.names), data.intercept
    gone = data.moments.varies(intercept=intercept) & ~train.varies(intercept=intercept)
    if aim == LeastSquares() and gone[:terms].any():
        raise CollinearError(data.names[int(np.argmax(gone))], {})
    solution = solve(train, data.design, data.names, aim, intercept=intercept).solution
    own, about = NormalEquations.of_moments(fold, terms, intercept=True), train if intercept else None
    held = replace(own, gram=fold.about(about), fine=fold.fine_about(about, terms))
    squares = np.maximum(sums_of(held, solution.weight)[0], 0.0)
    return np.array([squares, _off(held, solution, squares), np.where(own.varies[terms:], own.tss, 0.0)])


def _off(held: NormalEquations, solution: Solution, squares: Array) -> Array:
    """Return float64 (outputs,), how far rounding may have moved the sums of squared residuals.

    With a the bounds of `lr_trainer.moments.preconditioned` and d the weights less the pilot's, v' E v is at most
    off + 2 |d|' a a_y + (|d|' a)^2; weights that are off move each residual.
    """
    terms, fine, weight, rounding = held.terms, held.preconditioned, solution.weight.high, solution.rounding
    lengths = np.sqrt(np.maximum(np.diag(held.gram), 0.0))
    change = linear_algebra.solve(fine.transform[:terms, :terms], weight.T + fine.transform[:terms, terms:])
    part = times(np.abs(change).T, fine.error[:terms])
    off = fine.off[terms:] + part * (2 * fine.error[terms:] + part)
    off += DOUBLE_DOUBLE * (lengths[terms:] + times(np.abs(weight), lengths[:terms])) ** 2
    reached = worst = float(times(rounding.spread, lengths[:terms]))
    if solution.is_unbiased:  # what is off in one weight is made up for in others
        together = inner(solution.factor, times(held.columns, solution.factor))
        reached = math.sqrt(max(together, 0.0) + FLOAT64 * worst * worst)
    moved = rounding.unit * rounding.reach * reached
    # Residuals as small as the rounding of the target's values describe that rounding alone.
    is_rounding = squares <= held.weight * rounding_of(held.largest[terms:]) ** 2
    return np.asarray(np.where(is_rounding, np.maximum(off, squares), off) + moved * (2 * np.sqrt(squares) + moved))


def _figures(
    sums: Array, whole: float, weight: float
) -> tuple[tuple[float | None, ...], float | None, float | None, float | None]:
    """Return R2 of each fold, their mean, R2 of all and the root of the mean square, from `_sums` (folds, 3)."""
    r2 = tuple(_r2(*each) for each in sums.tolist())
    known = [each for each in r2 if each is not None]
    squares, off, _ = sums.sum(axis=0).tolist()
    return (
        r2,
        math.fsum(known) / len(r2) if len(known) == len(r2) else None,
        _r2(squares, off, whole),
        math.sqrt(squares / weight) if digits(off, squares) >= FEWEST_DIGITS else None,
    )


def _r2(squares: float, off: float, total: float) -> float | None:
    """Return R2; None where the total is 0, or fewer than 6 digits are certain."""
    if not (total > 0 and squares >= 0):
        return None
    r2 = 1 - squares / total
    moved = off / total + FLOAT64 * squares / total + 2.0**-52
    return r2 if digits(moved, abs(r2)) >= FEWEST_DIGITS else None
