"""The report of a fit as text: what a statistics package prints."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import TYPE_CHECKING

from lr_runtime.contract.equation import fitted_name
from lr_runtime.contract.fit_report import (
    Coefficient,
    CrossValidation,
    DescentReport,
    FitReport,
    OwnScale,
    Penalty,
    Quality,
    RowCounts,
)
from lr_runtime.errors import shown
from lr_runtime.system.text import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.contract.contract import Contract, Output

_HEADS = ("", "estimate", "standard error", "t", "p", "95 % from", "to")
_DIGITS = (12, 12, 6, 4, 9, 9)
_NAME = 40
"""Characters of a name, at most."""
_MOST_FOLDS = 10


def summary(report: FitReport, contract: Contract) -> str:
    """Return the report of a fit as lines of text."""
    return "\n".join(
        [_rows(report.rows, contract.rows)]
        + [
            line
            for output, quality, own in zip_longest(contract.outputs, report.quality, report.own_scale)
            for line in _target(report, output, quality, own)
        ]
    )


def _rows(counts: RowCounts, rows: int | None) -> str:
    dropped = f" ({counts.rows_dropped} of {counts.rows_read} dropped)" if counts.rows_dropped else ""
    weight = f", weighted by {shown(counts.weight, _NAME)}" if counts.weight else ""
    return f"{rows} rows{dropped}{weight}"


def _target(report: FitReport, output: Output, quality: Quality, own: OwnScale | None) -> Iterator[str]:
    name = shown(output.name, _NAME)
    yield f"target {name if output.function is None else fitted_name(output)}"
    yield from _table([row for row in report.coefficients if row.target == output.name])
    about = "" if report.intercept else " about 0, there is no intercept"
    yield f"R2 {_number(quality.r2)}, adjusted {_number(quality.adjr2)}{about}"
    if quality.residual_sd is None:
        yield f"root mean squared residual {_number(quality.rmse)}; {_why_no_errors(report)}"
    else:
        yield f"residual standard deviation {_number(quality.residual_sd)} ({report.df_resid} degrees of freedom)"
    if report.bounds:
        yield "* at a bound; a fit in bounds has no standard errors and no F"
    elif quality.residual_sd is not None:
        yield f"F {_number(quality.f, 6)} (p {_number(quality.f_p, 4)})"
    if output.function is not None and own is not None:
        sd = f"residual standard deviation {_number(own.residual_sd)}"
        yield f"of {name} itself: R2 {_number(own.r2)}, {sd}"
    if quality.loglikelihood is not None:
        likelihood, aic, bic = (_number(each, 9) for each in (quality.loglikelihood, quality.aic, quality.bic))
        yield f"log-likelihood {likelihood}, AIC {aic}, BIC {bic}"
    yield from (line for each in report.cross_validation if each.target == name for line in _folds(each))
    if report.errors is not None:
        kind, degrees, column, clusters = report.errors
        among = "" if column is None else f" of {clusters} values of {shown(column, _NAME)}"
        rest = "F and the intervals of predictions take equal variances"
        yield f"robust errors of the coefficients: {kind}{among}, t with {degrees} degrees of freedom; {rest}"
    yield from _how(report)
    if rows := [row for row in report.influence if row.target == name]:
        lines = [(str(row.row), *(_number(each, 6) for each in row[2:])) for row in rows]
        yield from aligned([("row", "leverage", "residual", "Cook's distance"), *lines], numbers=True)


def _folds(found: CrossValidation) -> Iterator[str]:
    groups = "" if found.group is None else f" of whole groups of {shown(found.group, _NAME)}"
    more = ", ..." if len(found.r2) > _MOST_FOLDS else ""
    yield f"{len(found.r2)} folds{groups}, held out in turn: R2 {_each(found.r2[:_MOST_FOLDS])}{more}"
    yield f"mean R2 of the folds {_number(found.mean_r2)}, pooled R2 {_number(found.pooled_r2)}"
    yield f"cross-validated root mean squared residual {_number(found.rmse)}"


def _how(report: FitReport) -> Iterator[str]:
    columns = "columns centred, at unit length" if report.intercept else "columns at unit length"
    condition = report.condition_number
    yield f"condition number {_number(condition if math.isfinite(condition) else None, 4)} ({columns})"
    yield f"solver {report.solver}, {report.arithmetic}, {_counted(report.rows.passes, 'pass', 'passes')}"
    if report.descent is not None:
        yield from _descent(report.descent)
    if report.digits is not None:
        yield f"at least {report.digits:.1f} digits, from moments alone"
    known = [row.digits for row in report.coefficients if row.digits is not None]
    fewest = min(known, default=report.coefficient_digits)  # before version 0.3 a report had the fewest alone
    if fewest is not None and fewest < _DIGITS[0]:
        yield f"at least {fewest:.1f} digits of each coefficient, beside its standard error"
    if isinstance(report.penalty, Penalty):
        l1, l2, folds = report.penalty
        chosen = f", chosen by {folds}-fold cross-validation" if folds else ""
        yield f"penalty l1 {_each(l1)}, l2 {_each(l2)}{chosen}"
    if report.conformal is not None:
        level, half_width, rows = report.conformal
        yield f"{level:.6g} interval: prediction +- {_each(half_width)}, from {rows} rows held out"


def _descent(found: DescentReport) -> Iterator[str]:
    tuned = f" (delta {_each(found.delta)})" if found.delta else ""
    tuned = tuned if found.quantile is None else f" (quantile {_number(found.quantile, 6)})"
    batches = "" if found.batch_size is None else f" on batches of {found.batch_size}"
    yield f"loss {found.loss}{tuned}, {found.optimizer}{batches}, {_counted(found.epochs, 'epoch', 'epochs')}"
    gap = f", at most {_number(found.gap, 2)} of its value above its least" if math.isfinite(found.gap) else ""
    yield f"objective {_each(found.objective)}{gap}; gradient norm {_number(found.gradient_norm, 2)}"
    if found.distance is not None:
        yield f"distance to the exact solution {_number(found.distance, 2)} of its length"
    if found.validation is not None:
        rows, loss, epoch, _ = found.validation
        held_out = f"{_counted(rows, 'row', 'rows')} held out"
        yield f"validation loss {_number(loss, 6)} on {held_out}, after epoch {epoch}"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _why_no_errors(report: FitReport) -> str:
    if report.penalty is not None:
        return "a penalised fit is biased, so it has no standard errors"
    if report.solver == "descent":
        return "a descent gives no standard errors"
    if report.df_resid > 0:
        return "too few digits of residuals this small are certain for standard errors"
    return "no degrees of freedom are left for standard errors"


def _table(coefficients: Sequence[Coefficient]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [_HEADS]
    for row in coefficients:
        figures = (row.estimate, row.stderror, row.t, row.p, row.lower, row.upper)
        name = "* " * bool(row.at_bound) + shown(row.term, _NAME)
        rows.append((name, *map(_number, figures, (_certain(row), *_DIGITS[1:]))))
    if all(row.stderror is None for row in coefficients):
        rows = [row[:2] for row in rows]
    return aligned(rows, numbers=True)


def _certain(row: Coefficient) -> int:
    """Return how many digits of an estimate are printed: those that are certain of itself, one at least."""
    if row.digits is None or not row.estimate:
        return _DIGITS[0]
    beside = max(abs(row.estimate), row.stderror or 0.0)
    return min(_DIGITS[0], max(1, math.floor(row.digits - math.log10(beside / abs(row.estimate)))))


def _each(values: Sequence[float | None]) -> str:
    return ", ".join(_number(value, 6) for value in values)


def _number(value: float | None, digits: int = 12) -> str:
    return "none" if value is None else f"{value:.{digits}g}"
