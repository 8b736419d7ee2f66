"""From a table to a checkpoint; each room is visited once on the way.

rows        opened, roles_of -> Rows                       the table, row by row, with the role of each column
moments     prepare -> Prepared                            the terms; each later pass is a function of this record
            take_moments, training_data -> TrainingData    moments, training box and names, checked
solvers     solve -> Solved                                the coefficients
descent     setting_of, descend -> Descended               in place of `solve`, on the same data
statistics  report_of, cautions -> FitReport               the figures with enough certain digits, and cautions
model       checkpoint_of -> Checkpoint                    for a conformal interval, one pass over the held-out rows
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from lr_runtime.contract.fit_report import Conformal, FitReport, Penalty
from lr_runtime.errors import FitError, OptionError, escaped, listed
from lr_runtime.options import dashed, options_in
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.text import composed
from lr_runtime.tables.timed import timed
from lr_trainer.arithmetic.fixed_order import fixed_order
from lr_trainer.choices import Device, FitOptions, MissingPolicy, MissingTarget
from lr_trainer.fitting.wide import check_levels, refuse, solve_few
from lr_trainer.moments.exact import MOST_COLUMNS
from lr_trainer.moments.few_rows import few_rows
from lr_trainer.moments.passes import Folded, take_moments, take_moments_of_folds
from lr_trainer.moments.prepared import Prepared, prepare, split
from lr_trainer.moments.residuals import own_scale, residuals
from lr_trainer.moments.training_data import TrainingData, training_data
from lr_trainer.rows import outliers
from lr_trainer.rows.blocks import one_thread
from lr_trainer.rows.device import device_named
from lr_trainer.rows.holdout import Parts
from lr_trainer.rows.reading import Rows
from lr_trainer.rows.roles import Missing, roles_of
from lr_trainer.rows.sources import Source, opened, paired
from lr_trainer.rows.workers import ALONE, Workers, check_same
from lr_trainer.solvers.aim import Aim, LeastSquares, aim_of, shrinking
from lr_trainer.solvers.digits import FEWEST_DIGITS, digits
from lr_trainer.solvers.elastic_net import choose
from lr_trainer.solvers.strategy import Solved, solve
from lr_trainer.statistics.assembly import checkpoint_of, report_of, with_own_scale
from lr_trainer.statistics.by_row import ByRow, taken_by_row
from lr_trainer.statistics.cautions import NEEDLESS, cautions, shortfalls
from lr_trainer.statistics.conformal import conformal_quantile
from lr_trainer.statistics.cross_validation import cross_validated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from lr_runtime.tables import Table, TableOptions
    from lr_trainer.descent.epoch import Epoch
    from lr_trainer.descent.options import Descent
    from lr_trainer.descent.resume import Resume
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.moments.moments import Moments
    from lr_trainer.moments.saved import Saved

_FOLDS = 5
"""The folds of a cross-validated penalty: as a rule 5 or 10 (Hastie, Tibshirani and Friedman 2009, 7.10.1)."""

_HELD_OUT = 0.1
"""The share of rows that a descent leaves to its conformal interval, as for a penalised fit (`Parts`)."""


def fit(
    source: Source | ArrayLike,
    y: Source | ArrayLike | None = None,
    *,
    target: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    category: Sequence[str] = (),
    weight: str | None = None,
    missing: MissingPolicy = "error",
    missing_target: MissingTarget = "error",
    degree: int = 1,
    transforms: Mapping[str, str] | None = None,
    interact: Sequence[str] = (),
    intercept: bool = True,
    drop_collinear: bool = False,
    minimum_norm: bool = False,
    l1: float = 0.0,
    l2: float = 0.0,
    penalty: Literal["auto"] | None = None,
    l1_ratio: float | None = None,
    nonnegative: Sequence[str] = (),
    nonpositive: Sequence[str] = (),
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    interval: float | None = None,
    units: Mapping[str, str] | None = None,
    cv: int | None = None,
    cv_group: str | None = None,
    seed: int | None = None,
    time: Mapping[str, str] | None = None,
    digits: int = FitOptions.digits,
    errors: str | None = None,
    influence: bool = False,
    formula: str | None = None,
    exact_sums: bool = False,
    options: TableOptions | None = None,
    device: Device = "cpu",
    advance: Callable[[int], None] = lambda _: None,
    warn: Callable[[str], None] = warnings.warn,
    descent: Descent | None = None,
    memory: Resume | None = None,
    report: Callable[[Epoch], None] = lambda _: None,
    workers: Workers = ALONE,
    saved: Saved | None = None,
) -> Checkpoint:
    """Fit a linear model by least squares, or by a descent, in bounded memory.

    An ordinary numeric fit takes one pass over the table. Categories, powers and fills take one or two passes before
    this one. Where the first block of the table was a poor guess of the fit, so that fewer than nine digits are to be
    expected, a second pass is taken, seldom a third.

    Args:
        source: a CSV, JSON lines, Parquet or Arrow file, a folder or pattern of them, "-" for standard input, several
            of these, an open table, or arrays by name, one-dimensional or (rows, columns); a frame of pandas, polars
            or any package that offers `__arrow_c_stream__`, a reader of record batches, an iterator of frames. With
            `y`, a frame or an array or tensor (rows, columns) or (rows,), whose columns are x or x1, x2, ...
        y: the columns to predict, where these are apart: a series, a frame, or an array or tensor (rows,) or
            (rows, outputs), whose columns are y or y1, y2, ...
        target: the column of `source` to predict, or several, each fitted separately.
        features: the columns to predict from; None for all others.
        ignore: columns to leave out.
        category: columns to take as categories though their values are numbers.
        weight: a column of positive weights, the inverse variances of the rows up to a factor.
        missing: what a missing feature does: an error; `drop` its row; the column's `mean` in its place; or that and
            an `indicator` term.
        missing_target: what a row without a target does: an error, or `drop` it, counted in the report's
            `rows_dropped`; of several targets, any.
        degree: the highest power of numeric columns.
        transforms: functions in place of numeric columns, by name: `log`, `log1p`, `exp`, `sqrt`, `reciprocal`,
            `hinge:KNOT`, which is max(x - knot, 0), or several with commas, of which `linear` is the column itself;
            of a target `log`, `sqrt` or `reciprocal`, which is fitted, and predictions are of the target itself.
        interact: products of columns of any kind, such as `a:b` and `log(r):site`.
        intercept: whether to fit an intercept.
        drop_collinear: leave out columns that are combinations of those before them, in place of an error.
        minimum_norm: of all best fits to collinear columns, take the one with the smallest weights.
        l1: the lasso penalty on the weights of the columns at unit standard deviation
            (`lr_trainer.solvers.elastic_net`).
        l2: the ridge penalty on the same weights.
        penalty: `auto` chooses the penalties by 5-fold cross-validation.
        l1_ratio: the share of l1 in a cross-validated penalty: 0, the default, is ridge, 1 the lasso.
        nonnegative: terms, as reports call them, whose coefficients on the raw columns are to be 0 or more, for every
            target (`lr_trainer.solvers.bounded`). Powers are those of the columns themselves then, about 0.
        nonpositive: terms whose coefficients are to be 0 or less.
        bounds: the least and the largest coefficient, by term; None for an end that is open.
        interval: for a fit that is penalised or in bounds, or a descent, the level of a split-conformal interval, from
            a tenth of the rows held out; a least-squares fit needs none, its interval comes from the moments.
        units: the units of columns and targets, by name, which the contract states.
        cv: in how many folds to cross-validate the model, from the moments of each; fills of missing values and levels
            of categories are those of all rows.
        cv_group: a column whose groups of rows each lie in one fold, also of a cross-validated penalty; it is a feature
            only if `features` names it.
        seed: of the folds, 0 by default; a descent has its own.
        time: the columns of instants (dates, timestamps, text in ISO 8601), and what each is counted in: `seconds`,
            `minutes`, `hours`, `days` or `weeks`, since 1970 or from an origin, `days since 2024-01-01T06:00`. What has
            no offset is in UTC.
        digits: the certain digits, 1 to 13, that coefficients and standard errors of least squares should have; further
            passes are taken for them where they are to be had. The report says how many each has.
        errors: robust errors of the coefficients of least squares, from one more pass (`lr_trainer.statistics.by_row`):
            `hc0`, `hc1`, `hc2`, `hc3`, or `cluster:COLUMN`, of text or numbers and no feature unless `features` names
            it, whose sums take 8 bytes a cluster, term and target, 256 MiB at most. t has the degrees of freedom of the
            residuals, of clusters one less than there are, as with `use_t=True` of statsmodels.
        influence: whether one more pass, the same, finds for each target the rows of the twenty largest Cook's
            distances and that of the largest leverage.
        formula: the targets and terms in the grammar of R and formulaic, `kg ~ mv * temp + log(r)`, in place of the
            options above that say them; without a left side, `~ mv * temp`, of the target that these or `y` name.
        exact_sums: whether the products of the terms and targets are added exactly, so that the checkpoint has the
            same bytes on any processor, in any order of the rows, and joined from parts in any way; of 256 terms and
            targets at most. The pass takes the processor four to five times as long, and three to four times that with
            weights or powers.
        options: the names of columns, the marks of missing values, whether bad rows are left out, and the format of
            cells in text tables.
        device: where the blocks are computed.
        advance: called with the size of each batch that was read, in the unit of `Table.size`.
        warn: called with a line for each of the first bad rows that are left out, and for columns of integers beyond
            2^53, which float64 rounds; an open table has a function of its own.
        descent: the loss, the optimizer and the other options of a descent, in place of the exact solution.
        memory: the store of the descent's state, `lr_trainer.descent.resume.Resume`; None to store no state.
        report: called after each epoch of the descent.
        workers: of several processes that make the same call, this one, which takes its share of the rows
            (`lr_trainer.torchrun`).
        saved: the file of this worker's moments, from which it goes on where it is started again
            (`lr_trainer.moments.saved`).

    Returns:
        The checkpoint: the model's numbers, its contract, the report of the fit, and the moments of the rows.

    Raises:
        TableError: the table cannot be read; the message has the file, the line and the column.
        MissingColumnError: a column that was asked for is not in the table.
        OptionError: the options contradict each other.
        FitError: the rows do not determine the model, or a descent diverged.

    Example:
        >>> checkpoint = fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [2.1, 3.9, 6.2, 7.8]}, target="y")
        >>> checkpoint.weight.round(6).tolist(), checkpoint.bias.round(6).tolist()
        ([[1.94]], [0.15])
        >>> round(checkpoint.contract.outputs[0].r2, 6)
        0.995661
    """
    if y is not None and target is not None:
        raise OptionError("y holds what is to be predicted, and --target names it. Leave one of them out")
    table, target = (source, target) if y is None else paired(source, y)
    given = locals()  # each option is a parameter of the same name
    asked = FitOptions(**{each.name: given[each.name] for each in options_in(FitOptions)})
    if descent is not None:
        with needs_extra("torch"):
            from lr_trainer.descent.table import check
        check(descent, asked)
    rows = rows_of(opened(table, options, warn), asked, advance, workers)
    # With bounds, origins of 0, so that no coefficient on the raw columns is a sum of several weights.
    shifts, place = not asked.limits, device_named("cpu" if exact_sums else device)
    with fixed_order(exact_sums):
        prepared = prepare(rows, place, missing=missing, shifts=shifts, exact_sums=exact_sums)
        if exact_sums:
            check_exact_sums(prepared)
        check_levels(prepared)
        prepared = replace(prepared, saved=saved)
        if descent is not None:
            checkpoint = _descended(prepared, asked, descent, memory, report)
        else:
            checkpoint = _shrunk(prepared, asked) if asked.shrinks else _exact(prepared, asked)
    return checkpoint.with_units(units_of(asked), asked.clocks)


def check_exact_sums(prepared: Prepared) -> None:
    """Raise FitError where exact sums would be too many, or other sums over rows would be taken beside them."""
    columns = len(prepared.design.terms) + len(prepared.roles.targets)
    if columns > MOST_COLUMNS:
        raise FitError(
            f"--exact-sums is for {MOST_COLUMNS} terms and targets at most, and there are {columns}. Leave it out"
        )
    if any(target.function for target in prepared.roles.specification.targets):
        raise FitError(
            "--exact-sums is for targets as they are: the quality on the scale of a function's target is a sum of "
            "float64 residuals. Put the function's values into the table, or leave it out"
        )


def rows_of(
    table: Table, asked: FitOptions, advance: Callable[[int], None] = lambda _: None, workers: Workers = ALONE
) -> Rows:
    """Return the rows of a table by the part of each column, those of this worker.

    Raises:
        OptionError: columns contradict each other, or a unit is of none of them.
        MissingColumnError: a column is not in the table.
    """
    roles = roles_of(table, asked)
    known = (*roles.features, *roles.targets)
    if strangers := [name for name in units_of(asked) if name not in known]:
        raise OptionError(f"--unit {escaped(strangers[0])} is none of the model's columns {listed(known)}")
    rows = Rows(timed(table, asked.clocks), roles, Missing.under(asked.missing, roles, asked.missing_target), advance)
    if workers is ALONE:
        return rows
    options = {dashed(each.name): getattr(asked, each.name) for each in options_in(FitOptions)}
    seen = {"the columns": table.names, "the size of the table": table.size, "how the table is read": table.options}
    check_same(workers, {**options, **seen})
    return rows.dealt(workers)


def units_of(asked: FitOptions) -> dict[str, str]:
    """Return the units by the names of columns and targets as tables have them (NFC)."""
    return {composed(name): unit for name, unit in (asked.units or {}).items()}


@one_thread()
def _exact(prepared: Prepared, asked: FitOptions) -> Checkpoint:
    if not asked.drop_collinear and (few := few_rows(prepared)) is not None:
        refuse(few)
    if asked.cv is None:
        found = Folded(take_moments(prepared, asked.digits))
    else:
        found = take_moments_of_folds(prepared, _parts(prepared, asked), asked.digits, is_penalised=False)
    data, aim = training_data(prepared, found.whole), LeastSquares(drop_collinear=asked.drop_collinear)
    solved = solve(data.moments, data.design, data.names, aim, intercept=data.intercept)
    by_row = taken_by_row(prepared, solved, asked) if asked.errors or asked.influence else None
    report = _report(data, solved, prepared.rows, *([] if asked.interval is None else [NEEDLESS]), by_row=by_row)
    return _with_own_scale(checkpoint_of(data, solved, _cross_validated(report, found, data, aim, asked)), prepared)


@one_thread()
def _shrunk(prepared: Prepared, asked: FitOptions) -> Checkpoint:
    parts = _parts(prepared, asked)
    found, few = None, None if asked.is_auto or asked.l1 or asked.cv or asked.limits else few_rows(prepared)
    if few is not None:
        found, prepared = solve_few(few, parts, shrinking(asked, len(prepared.roles.targets))), few.prepared
    data, aim, solved, folds = (*found, None) if found else _by_moments(prepared, asked, parts)
    report = _report(data, solved, prepared.rows)._replace(
        penalty=aim if isinstance(aim, Penalty) else "minimum norm" if asked.minimum_norm else None,
        collinear=(),  # a weight that a penalty or a bound made 0 is no sign of a dependent column
        bounds=asked.limits,
    )
    report = _cross_validated(report, folds, data, aim, asked)
    checkpoint = _with_own_scale(checkpoint_of(data, solved, report), prepared, parts)
    if asked.interval is None:
        return checkpoint
    return _with_interval(checkpoint, asked.interval, prepared, parts)


def _parts(prepared: Prepared, asked: FitOptions) -> Parts:
    folds, group = asked.cv or (_FOLDS if asked.is_auto else 1), prepared.roles.group
    groups = None if group is None else len(prepared.levels[group])
    if groups is not None and groups < folds:
        raise FitError(f"{folds} folds need as many groups, and {escaped(str(group))} has {groups}. Take fewer folds")
    return Parts(folds, asked.interval is not None, asked.seed or 0, groups)


def _cross_validated(
    report: FitReport, folds: Folded | None, data: TrainingData, aim: Aim, asked: FitOptions
) -> FitReport:
    if asked.cv is None or folds is None:
        return report
    if len(folds.folds) < asked.cv:
        few = f"of {asked.cv} folds {len(folds.folds)} have any of the {data.moments.rows} rows"
        raise FitError(f"{few}. Take fewer folds")
    found, lines = cross_validated(folds, data, aim, asked.cv_group)
    return report._replace(cross_validation=found, cautions=(*report.cautions, *lines))


def _by_moments(prepared: Prepared, asked: FitOptions, parts: Parts) -> tuple[TrainingData, Aim, Solved, Folded]:
    found = take_moments_of_folds(prepared, parts, is_penalised=not (asked.minimum_norm or asked.limits))
    data = training_data(prepared, found.whole, found.held_out)
    aim = _chosen_penalty(found.folds, data, asked) if asked.is_auto else aim_of(asked, len(data.targets))
    return data, aim, solve(data.moments, data.design, data.names, aim, intercept=data.intercept), found


def _chosen_penalty(folds: Sequence[Moments], data: TrainingData, asked: FitOptions) -> Penalty:
    """Return the penalties of each target that predict every fold best."""
    l1, l2 = choose(folds, len(data.targets), l1_ratio=asked.l1_ratio or 0.0, intercept=data.intercept).chosen
    return Penalty(tuple(l1.tolist()), tuple(l2.tolist()), folds=len(folds))


def _descended(
    prepared: Prepared, asked: FitOptions, descent: Descent, memory: Resume | None, report: Callable[[Epoch], None]
) -> Checkpoint:
    from lr_trainer.descent.problem import setting_of
    from lr_trainer.descent.table import descend

    level, others, held_out = asked.interval, prepared, None
    if level is not None:
        # A seed of its own, so that the held-out rows do not depend on those of a validation.
        prepared, others = split(prepared, _HELD_OUT, [descent.seed, 1])
        held_out = take_moments(others)
        conformal_quantile(np.zeros(held_out.rows), level)  # raises before the descent if they are too few
    setting = setting_of(prepared, descent, asked, held_out)
    found = descend(setting, descent, memory, report)
    described = _report(setting.data, found.solved, setting.prepared.rows, *shortfalls(found.report))
    penalty = setting.penalty if asked.l1 or asked.l2 else None
    # How far a descent is from its optimum is no matter of rounding.
    coefficients = tuple(each._replace(digits=None) for each in described.coefficients)
    described = described._replace(solver="descent", descent=found.report, penalty=penalty, coefficients=coefficients)
    checkpoint = _with_own_scale(checkpoint_of(setting.data, found.solved, described), setting.prepared)
    return checkpoint if level is None else _with_interval(checkpoint, level, others)


def _report(data: TrainingData, solved: Solved, rows: Rows, *more: str, by_row: ByRow | None = None) -> FitReport:
    """Return the report with all its cautions, `more` of them last."""
    report = report_of(data, solved, rows.counts, by_row)
    lines = cautions(data, solved.design)
    first = () if data.moments.exact else outliers.caution(rows.outliers)  # these depend on the order of the rows
    return report._replace(cautions=(*lines, *report.cautions, *first, *more))


def _with_own_scale(checkpoint: Checkpoint, prepared: Prepared, parts: Parts | None = None) -> Checkpoint:
    """Return the checkpoint with the quality on the targets' own scales, in the rows that trained."""
    if not any(output.function for output in checkpoint.contract.outputs):
        return checkpoint
    report = with_own_scale(checkpoint.report, own_scale(prepared, checkpoint, parts))
    return checkpoint.with_report(report._replace(rows=report.rows._replace(passes=prepared.rows.counts.passes)))


def _with_interval(checkpoint: Checkpoint, level: float, held_out: Prepared, parts: Parts | None = None) -> Checkpoint:
    """Return the checkpoint with the conformal interval that its residuals on the rows held out give."""
    report, (sizes, off) = checkpoint.report, residuals(held_out, checkpoint, parts)
    widths = conformal_quantile(sizes, level).tolist()
    known = [digits(noise, width) >= FEWEST_DIGITS for noise, width in zip(off.tolist(), widths, strict=True)]
    half_width = tuple(width if is_known else None for width, is_known in zip(widths, known, strict=True))
    lost = "rounding leaves fewer than 6 digits of the residuals of the rows held out: no interval"
    return checkpoint.with_report(
        report._replace(
            rows=report.rows._replace(passes=held_out.rows.counts.passes),
            conformal=Conformal(level, half_width, len(sizes)),
            cautions=report.cautions if all(known) else (*report.cautions, lost),
        )
    )
