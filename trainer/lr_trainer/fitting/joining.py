"""More rows for a fitted model, and models fitted separately: moments merge, no row is read again."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.equation import fitted_name
from lr_runtime.errors import FitError, escaped, listed
from lr_runtime.tables.timed import timed
from lr_trainer.choices import Device, FitOptions
from lr_trainer.errors import CollinearError, IllConditionedError
from lr_trainer.fitting.levels import Levels, check_levels_apart, design_with, levels_of, relevelled, union, with_levels
from lr_trainer.formula.specification import Target
from lr_trainer.model.design import Design
from lr_trainer.moments.exact import moments_of
from lr_trainer.moments.exact_rows import ExactRows
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.passes import take_moments
from lr_trainer.moments.prepared import Prepared, survey_of
from lr_trainer.moments.training_data import TrainingData, check_values, training_box
from lr_trainer.rows import outliers
from lr_trainer.rows.blocks import one_thread
from lr_trainer.rows.device import device_named
from lr_trainer.rows.reading import Rows
from lr_trainer.rows.roles import Missing, roles_of
from lr_trainer.rows.sources import Source, opened, paired
from lr_trainer.solvers.aim import Bounded, LeastSquares
from lr_trainer.solvers.digits import FEWEST_DIGITS, digits
from lr_trainer.solvers.strategy import solve, without_origins
from lr_trainer.statistics.assembly import checkpoint_of, report_of
from lr_trainer.statistics.cautions import cautions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike

    from lr_runtime.contract.columns import Kind
    from lr_runtime.contract.fit_report import RowCounts
    from lr_runtime.tables import TableOptions
    from lr_trainer.model.checkpoint import Checkpoint

_KINDS: dict[Kind, str] = {"number": "numbers", "category": "categories"}
_NUMBERS = ("origin", "scale", "fill")


def update(
    checkpoint: Checkpoint,
    source: Source | ArrayLike,
    y: Source | ArrayLike | None = None,
    *,
    options: TableOptions | None = None,
    device: Device = "cpu",
    advance: Callable[[int], None] = lambda _: None,
    warn: Callable[[str], None] = warnings.warn,
) -> Checkpoint:
    """Return the fit of a checkpoint's rows and those of `source` together, from the moments of both.

    Columns, powers, fills and policies are the checkpoint's, categories those of both. The weights, as one vector, and
    the figures of the residuals equal those of a fit of all rows at once within the digits that the report states,
    `digits`. Residuals so small that fewer than 6 of their digits would be left have no figures and give no standard
    errors, and a caution says so. Categories take one more pass over the rows. `source`, `y`, `options`, `device`,
    `advance` and `warn` are those of `lr_trainer.fit`.

    Raises:
        TableError: the table cannot be read.
        MissingColumnError: the table lacks a column of the model.
        FitError: the checkpoint cannot be updated, or fewer than 6 digits of the weights would be left.

    Example:
        >>> from lr_trainer import fit
        >>> monday = fit({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.1, 5.9]}, target="y")
        >>> week = update(monday, {"x": [4.0, 5.0], "y": [8.2, 9.9]})
        >>> week.contract.rows, week.weight.round(6).tolist()
        (5, [[1.99]])
    """
    _check_plain(checkpoint)
    report, contract = checkpoint.report, checkpoint.contract
    columns = contract.columns
    table = opened(source if y is None else paired(source, y)[0], options, warn)
    categories = [column.name for column in columns if column.kind == "category"]
    targets, features = contract.output_names, contract.column_names
    times = {column.name: column.time.words for column in columns if column.time is not None}
    roles = roles_of(table, FitOptions(targets, features, category=categories, weight=report.rows.weight, time=times))
    fitted = tuple(Target(output.name, output.function) for output in contract.outputs)
    roles = replace(roles, specification=roles.specification._replace(targets=fitted), derived=contract.derived)
    strangers = sorted(roles.categories.difference(categories))
    if strangers:
        raise FitError(f"{table.name}: the column {escaped(strangers[0])} holds text; in the checkpoint it is a number")
    filled = frozenset(column.name for column in contract.variables if column.missing != "error")
    # Further rows share the policy for missing values of the checkpoint's.
    missing = Missing(filled, report.rows.drops_missing, report.rows.drops_missing_targets)
    rows = Rows(timed(table, {column.name: column.time for column in columns}), roles, missing, advance)
    data = _data_of(checkpoint)
    if roles.coded:
        levels = union(levels_of(columns), rows.levels())
        data = data if levels == levels_of(columns) else _on(data, levels)
    levels, raw = levels_of(data.columns), {term.raw_column for term in data.design.terms}
    is_hidden = any(column.kind == "number" and place not in raw for place, column in enumerate(columns))
    seen = survey_of(rows, levels) if is_hidden else None
    is_exact = data.moments.exact is not None
    place = device_named("cpu" if is_exact else device)
    new = take_moments(Prepared(rows, place, data.intercept, levels, data.design, exact_sums=is_exact))
    ranges = training_box(data.design, new.minimum, new.maximum, seen)
    if is_exact:
        more = _widened(replace(data, moments=new), ranges)
        return _exactly_joined(checkpoint, [data, more], [report.rows, rows.counts])
    data = _with_rows(data, new, ranges)
    return _joined(checkpoint, data, rows.counts, *outliers.caution(rows.outliers), *_usual(checkpoint))


def merge(first: Checkpoint, *others: Checkpoint) -> Checkpoint:
    """Return the fit of all the checkpoints' rows together, from their moments; see `update` for its digits.

    Raises:
        FitError: the checkpoints differ in columns, powers, origins or policies (the difference is shown), one is
            penalised, or fewer than 6 digits of the weights would be left.

    Example:
        >>> from lr_trainer import fit
        >>> monday = fit({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.1, 5.9]}, target="y")
        >>> tuesday = fit({"x": [4.0, 5.0, 6.0], "y": [8.2, 9.9, 12.1]}, target="y")
        >>> merge(monday, tuesday).contract.rows
        6
    """
    _check_plain(first)
    for number, other in enumerate(others, 2):
        _check_plain(other)
        if difference := _difference(first, other):
            raise FitError(
                f"checkpoint {number} does not match the first: {difference}. Fit both with the same options, or, "
                "where the origins are those of each fit, add the rows with --update"
            )
    parts = [_data_of(each) for each in (first, *others)]
    levels = union(*(levels_of(each.columns) for each in parts))
    if any(levels != levels_of(each.columns) for each in parts):
        parts = [_on(each, levels) for each in parts]  # all of them, so that their terms have one order
    data = parts[0]
    if data.moments.exact is not None:
        return _exactly_joined(first, parts, [each.report.rows for each in (first, *others)])
    for more in parts[1:]:
        ranges = {place: (column.minimum, column.maximum) for place, column in enumerate(more.columns)}
        data = _with_rows(data, more.moments, ranges)
    counts = first.report.rows._replace(rows_read=data.moments.rows, rows_dropped=0, rows_skipped=0, passes=0)
    return _joined(first, data, counts, *_usual(first, *others))


def _data_of(checkpoint: Checkpoint) -> TrainingData:
    """Return the moments of a checkpoint, on a design without origins."""
    contract, moments = checkpoint.contract, Moments.from_arrays(checkpoint.moments)
    design = without_origins(Design.of(checkpoint))
    functions = tuple(output.function for output in contract.outputs)
    targets, intercept = contract.output_names, checkpoint.report.intercept
    return TrainingData(moments, design, contract.columns, targets, intercept, functions)


def _on(data: TrainingData, levels: Levels) -> TrainingData:
    """Return the data on these levels, which include its own."""
    columns = with_levels(data.columns, levels)
    check_levels_apart(data.design, data.columns, columns)
    design = design_with(data.design, columns)
    if (columns, design.terms) == (data.columns, data.design.terms):
        return data
    moments = relevelled(data.moments, data.columns, data.design, columns)
    return replace(data, moments=moments, design=design, columns=columns)


def _with_rows(data: TrainingData, new: Moments, ranges: Mapping[int, tuple[float, float]]) -> TrainingData:
    """Return the data with further rows, from their moments and the ranges of their columns."""
    moments = data.moments.joined(new, len(data.design.terms), intercept=data.intercept)
    return _widened(replace(data, moments=moments), ranges)


def _widened(data: TrainingData, ranges: Mapping[int, tuple[float, float]]) -> TrainingData:
    """Return the data with columns that reach over further ranges, by the columns' places."""
    ends = [ranges.get(place, (column.minimum, column.maximum)) for place, column in enumerate(data.columns)]
    columns = tuple(
        column._replace(minimum=min(column.minimum, low), maximum=max(column.maximum, high))
        for column, (low, high) in zip(data.columns, ends, strict=True)
    )
    return replace(data, columns=columns)


@one_thread()
def _exactly_joined(checkpoint: Checkpoint, parts: Sequence[TrainingData], counted: Sequence[RowCounts]) -> Checkpoint:
    """Return the fit of the exact sums of all parts, with the bytes of a fit of all rows."""
    data, rows = parts[0], reduce(ExactRows.merge, [each.moments.exact for each in parts if each.moments.exact])
    for more in parts[1:]:
        data = _widened(data, {place: (each.minimum, each.maximum) for place, each in enumerate(more.columns)})
    data = replace(data, moments=moments_of(rows, data.design, intercept=data.intercept))
    check_values(data)
    solved = solve(data.moments, data.design, data.names, _aim(checkpoint), intercept=data.intercept)
    report = report_of(data, solved, _counts(counted))
    lines = (*cautions(data, solved.design), *report.cautions)
    report = report._replace(cautions=lines, bounds=checkpoint.report.bounds)
    return checkpoint_of(data, solved, report).with_units(_units(checkpoint))


def _counts(counted: Sequence[RowCounts]) -> RowCounts:
    """Return the counts of all rows, as those of a fit of all of them are."""
    names = ("rows_read", "rows_dropped", "rows_skipped")
    sums = {name: sum(getattr(each, name) for each in counted) for name in names}
    return counted[0]._replace(**sums, passes=max(each.passes for each in counted))


@one_thread()
def _joined(checkpoint: Checkpoint, data: TrainingData, counts: RowCounts, *more: str) -> Checkpoint:
    check_values(data)
    try:
        solved = solve(data.moments, data.design, data.names, _aim(checkpoint), intercept=data.intercept)
    except CollinearError:
        raise IllConditionedError(0.0) from None
    held = digits(solved.solution.rounding.unit, 1.0)
    if held < FEWEST_DIGITS:
        raise IllConditionedError(held)
    report, rounding = report_of(data, solved, counts), solved.solution.rounding
    sums = map(digits, rounding.residual.tolist(), solved.solution.ssr.tolist())
    lost = [f"{line}. Fit all rows at once" for line in report.cautions]
    report = report._replace(
        digits=min([held, *(each for each in sums if each >= FEWEST_DIGITS)]),
        cautions=(*cautions(data, solved.design), *lost, *more),
        collinear=(),
        bounds=checkpoint.report.bounds,
    )
    return checkpoint_of(data, solved, report).with_units(_units(checkpoint))


def _aim(checkpoint: Checkpoint) -> Bounded | LeastSquares:
    return Bounded(bounds) if (bounds := checkpoint.report.bounds) else LeastSquares()


def _units(checkpoint: Checkpoint) -> dict[str, str]:
    return {output.name: output.unit for output in checkpoint.contract.outputs if output.unit}


def _usual(*checkpoints: Checkpoint) -> Iterator[str]:
    """Yield that robust errors, which take all rows, became the usual ones."""
    for kind in sorted({each.report.errors.kind for each in checkpoints if each.report.errors is not None}):
        yield f"the coefficients have the usual errors in place of robust ones ({kind}), for which fit all rows at once"


def _check_plain(checkpoint: Checkpoint) -> None:
    report = checkpoint.report
    if report.imported is not None:
        raise FitError(
            f"the checkpoint comes from {report.imported.model}, which keeps no moments. Fit all rows at once"
        )
    if report.solver != "exact":
        raise FitError("only exact fits can be joined: this checkpoint comes from a descent. Fit all rows at once")
    if report.penalty is not None or report.conformal is not None or not checkpoint.moments:
        raise FitError("a penalised or conformal checkpoint depends on more than its moments. Fit all rows at once")
    if report.collinear:
        raise FitError(f"the terms {listed(report.collinear)} were left out as collinear. Fit all rows at once")


def _difference(first: Checkpoint, other: Checkpoint) -> str | None:
    """Return the first difference that keeps two checkpoints from being joined; None without one."""
    here = _facts(other)
    differences = ((what, fact) for what, fact in _facts(first).items() if fact != here[what])
    return next((f"{what} are {fact} in the first, {here[what]} here" for what, fact in differences), None)


def _facts(checkpoint: Checkpoint) -> dict[str, object]:
    """Return what two checkpoints must share; those of the columns come after the columns' names."""
    contract, report, design = checkpoint.contract, checkpoint.report, without_origins(Design.of(checkpoint))
    facts: dict[str, object] = {
        "the targets": list(contract.output_names),
        "the columns": list(contract.column_names),
        "what is fitted": list(map(fitted_name, contract.outputs)),
        "the functions": [each.name(contract.columns) for each in contract.derived],
        "the weight column": report.rows.weight,
        "the intercept": report.intercept,
        "the sums": "exact" if "exact.exponent" in checkpoint.moments else "rounded",
        "the bounds": sorted(f"{term} from {low:g} to {high:g}" for term, low, high in report.bounds) or "none",
    }
    for column in contract.columns:
        facts[f"the values of {escaped(column.name)}"] = _KINDS[column.kind]
        facts[f"the instants of {escaped(column.name)}"] = column.time and column.time.words
        facts[f"the missing-value policy of {escaped(column.name)}"] = column.missing
    plain = [term for term in checkpoint.terms if term.level(contract.columns) is None]
    facts["the terms"] = [term.name(contract.variables) for term in plain]
    return facts | {f"the {name}s": np.nan_to_num(getattr(design, name)).tolist() for name in _NUMBERS}
