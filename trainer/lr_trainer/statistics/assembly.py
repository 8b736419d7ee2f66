"""From a solution to a checkpoint: the contract, the model's numbers, the report."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime import __version__
from lr_runtime.contract.contract import Contract, Output
from lr_runtime.contract.fit_report import Coefficient, FitReport, InfluentialRow, OwnScale, Quality, RowCounts
from lr_trainer.model.checkpoint import Checkpoint
from lr_trainer.solvers.digits import FEWEST_DIGITS, digits
from lr_trainer.statistics.certainty import Certainty
from lr_trainer.statistics.statistics import Figures, Pair, coefficient, quality, raw_estimates, raw_units, robust_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.training_data import TrainingData
    from lr_trainer.solvers.strategy import Solved
    from lr_trainer.statistics.by_row import ByRow

_LEAST_SQUARES = 2.0**-900
"""Sums of squares below it may have lost parts below the normal numbers of float64."""


def report_of(data: TrainingData, solved: Solved, rows: RowCounts, by_row: ByRow | None = None) -> FitReport:
    """Return the report of a solution; its cautions say which figures are left out for want of digits."""
    solution, terms, targets = solved.solution, data.names, data.targets
    found, sds = zip(*(quality(data.moments, solved, output) for output in range(len(targets))), strict=True)
    estimates = [raw_estimates(solved.design, *each) for each in zip(solved.weights, solved.biases, strict=True)]
    coefficients = _coefficients(solved, estimates, sds, by_row)
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
        errors=by_row and by_row.errors,
        influence=tuple(_influential(targets, found, by_row.worst)) if by_row and by_row.worst else (),
    )


def _influential(targets: Sequence[str], found: Sequence[Figures], worst: Sequence[Array]) -> Iterator[InfluentialRow]:
    """Yield the rows that move each target's fit most; of uncertain residuals that of the largest leverage alone."""
    for target, figures, rows in zip(targets, found, worst, strict=True):
        is_known = figures.values["residual_sd"] is not None
        for distance, number, leverage, residual in rows.T.tolist():
            if is_known or leverage == rows[2].max():
                cook = distance if is_known and distance >= 0 else None
                yield InfluentialRow(target, int(number), leverage, residual, cook)


def with_own_scale(report: FitReport, sums: tuple[Array, Array, Array]) -> FitReport:
    """Return the report of the functions that were fitted with the quality on the targets' own scales.

    From `sums`, of the residuals' squares, of those about the mean, and the most that rounding moves a residual.
    """
    found = []
    for fitted, residual, about, off in zip(report.quality, *(each.tolist() for each in sums), strict=True):
        sd = math.sqrt(residual / max(report.df_resid, 1))
        is_held = _LEAST_SQUARES < about < math.inf
        is_known = is_held and digits(off, sd) >= FEWEST_DIGITS
        r2 = 1 - residual / about if is_held and digits(off * sd, about) >= FEWEST_DIGITS else None
        found.append(OwnScale(r2, sd if is_known and fitted.residual_sd is not None else None))
    return report._replace(own_scale=tuple(found))


def checkpoint_of(data: TrainingData, solved: Solved, report: FitReport) -> Checkpoint:
    """Return the checkpoint of a solution and its report."""
    outputs = zip(data.targets, report.quality, data.functions, strict=True)
    contract = Contract(
        columns=data.columns,
        outputs=tuple(Output(name, each.r2, each.residual_sd, function=of) for name, each, of in outputs),
        rows=data.moments.rows,
        linedge=__version__,
        derived=data.design.derived,
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


def _coefficients(
    solved: Solved, estimates: Sequence[Sequence[Fraction]], sds: Sequence[Pair], by_row: ByRow | None
) -> list[list[Figures]]:
    """Return the figures of each target's coefficients."""
    first, rounding, degrees = 0 if solved.normal.intercept else 1, solved.solution.rounding, solved.solution.df_resid
    reach = [Fraction(rounding.unit) * Fraction(each) for each in rounding.reach.tolist()]
    units = [raw_units(solved)] * len(sds)
    held: list[list[bool | None]] = [[None] * len(units[0])] * len(sds)
    if solved.solution.held is not None:
        held = np.pad(solved.solution.held, [(0, 0), (1, 0)]).tolist()
    if by_row is not None and by_row.errors is not None:
        units = [robust_units(solved, *each) for each in by_row.robust]
        degrees = by_row.errors.df_resid
    return [
        [
            replace(coefficient(value, length * unit.spread * (not held), unit, sd, degrees), at_bound=held)
            for value, unit, held in zip(row[first:], own[first:], ends[first:], strict=True)
        ]
        for length, row, sd, own, ends in zip(reach, estimates, sds, units, held, strict=True)
    ]
