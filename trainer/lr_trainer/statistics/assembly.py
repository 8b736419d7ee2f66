"""From a solution to a checkpoint: the contract, the model's numbers, the report."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime import __version__
from lr_runtime.contract.contract import Contract, Output
from lr_runtime.contract.fit_report import Coefficient, FitReport, Quality
from lr_trainer.model.checkpoint import Checkpoint
from lr_trainer.statistics.certainty import Certainty
from lr_trainer.statistics.statistics import coefficient, quality, raw_estimates, raw_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.fit_report import RowCounts
    from lr_trainer.moments.training_data import TrainingData
    from lr_trainer.solvers.strategy import Solved
    from lr_trainer.statistics.statistics import Figures, Pair

    Array = NDArray[np.float64]


def report_of(data: TrainingData, solved: Solved, rows: RowCounts) -> FitReport:
    """Return the report of a solution; its cautions say which figures are left out for want of digits."""
    solution, terms, targets = solved.solution, data.names, data.targets
    found, sds = zip(*(quality(data.moments, solved, output) for output in range(len(targets))), strict=True)
    estimates = [raw_estimates(solved.design, *each) for each in zip(solved.weights, solved.biases, strict=True)]
    coefficients = _coefficients(solved, estimates, sds)
    names = ["intercept", *terms] if solved.normal.intercept else terms
    certainty = Certainty(solution, targets, found, names, coefficients)
    constant = [name for name, gone in zip(terms, solution.constant, strict=True) if gone]
    left_out = [name for name, keep in zip(terms, solution.support, strict=True) if not keep]
    return FitReport(
        rows=rows,
        solver="exact",
        arithmetic="double-double" if solved.normal.was_extended else "float64",
        intercept=solved.normal.intercept,
        df_resid=solution.df_resid,
        condition_number=solution.condition_number,
        constant=tuple(constant),
        collinear=tuple(name for name in left_out if name not in constant),
        quality=tuple(Quality(**each.values) for each in found),
        coefficients=tuple(
            Coefficient(target, name, **each.values, digits=each.digits, at_bound=each.at_bound)
            for target, row in zip(targets, coefficients, strict=True)
            for name, each in zip(names, row, strict=True)
        ),
        cautions=tuple(certainty.lines()),
        coefficient_digits=certainty.coefficient_digits,
    )


def checkpoint_of(data: TrainingData, solved: Solved, report: FitReport) -> Checkpoint:
    """Return the checkpoint of a solution and its report."""
    outputs = zip(data.targets, report.quality, strict=True)
    contract = Contract(
        columns=data.columns,
        outputs=tuple(Output(name, each.r2, each.residual_sd) for name, each in outputs),
        rows=data.moments.rows,
        linedge=__version__,
    )
    return Checkpoint(
        contract=contract,
        weight=solved.solution.weight.rounded(),
        bias=np.array([float(bias) for bias in solved.biases]),
        origin=solved.design.origin,
        scale=solved.design.scale,
        fill=np.nan_to_num(solved.design.fill, nan=0.0),
        terms=solved.design.terms,
        moments=data.moments.arrays(),
        leverage=solved.leverage(),
        fit=report.to_json(contract),
    )


def _coefficients(solved: Solved, estimates: Sequence[Sequence[Fraction]], sds: Sequence[Pair]) -> list[list[Figures]]:
    """Return the figures of each target's coefficients."""
    units, first = raw_units(solved), 0 if solved.normal.intercept else 1
    rounding, degrees = solved.solution.rounding, solved.solution.df_resid
    held: list[list[bool | None]] = [[None] * len(units)] * len(sds)
    if solved.solution.held is not None:
        held = np.pad(solved.solution.held, [(0, 0), (1, 0)]).tolist()
    reach = [Fraction(rounding.unit) * Fraction(each) for each in rounding.reach.tolist()]
    return [
        [
            replace(coefficient(value, length * unit.spread * (not held), unit, sd, degrees), at_bound=held)
            for value, unit, held in zip(row[first:], units[first:], ends[first:], strict=True)
        ]
        for length, row, sd, ends in zip(reach, estimates, sds, held, strict=True)
    ]
