"""The result of a descent: the solution, and how far it is from the optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.fit_report import DescentReport, Validation
from lr_trainer.arithmetic.condition import condition_number
from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.descent.first_order import FirstOrder
from lr_trainer.descent.losses import Loss
from lr_trainer.descent.objective import Objective
from lr_trainer.descent.options import MEDIAN, Descent
from lr_trainer.descent.quasi_newton import QuasiNewton
from lr_trainer.solvers.digits import Rounding
from lr_trainer.solvers.normal_equations import NormalEquations
from lr_trainer.solvers.solution import Solution
from lr_trainer.solvers.strategy import Solved, with_origins

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.descent.cycle import Cycle
    from lr_trainer.descent.problem import Setting

_CONVERGED = 1e-9
"""The gradient norm below which a smooth objective has converged: nine digits of the weights."""

_CONVERGED_GAP = 1e-6
"""The duality gap, as a share of the objective, below which any objective has converged: six digits of it."""


@dataclass(frozen=True)
class Descended:
    """The solution that a descent came to, and the figures of the report that say how near the optimum it is."""

    solved: Solved
    report: DescentReport


def descended(setting: Setting, descent: Descent, cycle: Cycle, objective: Objective, delta: Array | None) -> Descended:
    """Return the result of a cycle that is over; `delta` (outputs,) is Huber's, in the targets' units."""
    at, coordinates = cycle.at, objective.coordinates
    offsets = coordinates.offsets(at)
    moments, intercept = setting.data.moments, setting.data.intercept
    normal = NormalEquations.of_moments(moments, len(setting.kept), intercept=intercept)
    solution = _solution(setting, objective, at, normal, offsets)
    design = with_origins(setting.data.design, moments, intercept=intercept)
    solved = Solved(design, normal, solution, tuple(offsets.tolist()))
    return Descended(solved, _report(setting, descent, cycle, objective, delta))


def _solution(setting: Setting, objective: Objective, at: Array, normal: NormalEquations, offsets: Array) -> Solution:
    coordinates, terms = objective.coordinates, len(setting.kept)
    gram, weight = normal.gram, coordinates.weights(at)
    slope = 2 * gram[terms:, :terms] - weight @ gram[:terms, :terms]
    squared = Loss.named("squared", coordinates.outputs)
    squares = 2 * Objective(objective.store, coordinates, squared, objective.penalties).mean_loss(at)
    residual_sum = squares * coordinates.scale**2 * normal.weight
    return Solution(
        weight=Extended.of(weight),
        factor=np.zeros((terms, terms)),
        support=setting.kept,
        constant=setting.constant,
        ssr=residual_sum,
        ess=np.einsum("ot,ot->o", weight, slope) - normal.weight * offsets**2,
        tss=normal.tss,
        df_resid=0,
        condition_number=condition_number(normal.columns[np.ix_(setting.kept, setting.kept)]),
        rounding=Rounding.of_rows(normal, weight, residual_sum),
        is_unbiased=False,
    )


def _report(
    setting: Setting, descent: Descent, cycle: Cycle, objective: Objective, delta: Array | None
) -> DescentReport:
    at, stepper = cycle.at, cycle.stepper
    rate = stepper.rate if isinstance(stepper, FirstOrder) else None
    gap, gradient = _distances(cycle, objective)
    smooth, exact = not objective.has_corners, setting.exact if descent.loss == "squared" else None
    return DescentReport(
        loss=descent.loss,
        optimizer=descent.stepper,
        epochs=cycle.number,
        batch_size=descent.batch_size,
        objective=tuple((objective.value(at) * objective.unit).tolist()),
        gradient_norm=gradient,
        gap=gap,
        converged=bool(gap <= _CONVERGED_GAP or (smooth and gradient <= _CONVERGED * objective.loss.steepest)),
        distance=None if exact is None else _distance(objective, at, exact),
        delta=() if delta is None else tuple(delta.tolist()),
        quantile=(descent.quantile or MEDIAN) if descent.loss == "quantile" else None,
        lr=None if rate is None else rate.start,
        schedule=None if rate is None else rate.schedule,
        validation=_validation(cycle),
    )


def _validation(cycle: Cycle) -> Validation | None:
    if cycle.best is None or cycle.validation is None:
        return None
    return Validation(cycle.validation.store.rows, cycle.best_loss, cycle.best_number, cycle.stopped_early)


def _distances(cycle: Cycle, objective: Objective) -> tuple[float, float]:
    """Return the duality gap, as a share of the objective, and the norm of the smallest subgradient."""
    at, stepper = cycle.at, cycle.stepper
    if isinstance(stepper, QuasiNewton):
        softness, unrounded = stepper.softness, stepper.unrounded
        gap = min(_gap(objective, at, softness), objective.gap(at, softness, elsewhere=unrounded))
        slopes = objective.gradient(unrounded if cycle.best is None else at, softness)
    else:
        gap, slopes = _gap(objective, at, 0.0), objective.optimality(at, objective.gradient(at, 0.0))
    return gap, float(np.linalg.norm(slopes))


def _gap(objective: Objective, at: Array, softness: float) -> float:
    """Return the duality gap; without a smoothing parameter, the smallest gap of several: in a corner, slopes vary."""
    if softness or not objective.loss.has_corner:
        return objective.gap(at, softness)
    return min(objective.gap(at, each) for each in (1e-1, 1e-2, 1e-3, 1e-4))


def _distance(objective: Objective, at: Array, exact: Solved) -> float:
    """Return the distance of the weights from the exact ones, as a share of these, on columns at unit deviation."""
    coordinates = objective.coordinates
    zeros = np.zeros(coordinates.outputs)
    best = coordinates.unit(coordinates.place(exact.solution.weight.rounded(), zeros))
    lengths = np.linalg.norm(best, axis=1)
    away = np.linalg.norm(coordinates.unit(at) - best, axis=1)
    return float(np.divide(away, lengths, out=away.copy(), where=lengths > 0).max())
