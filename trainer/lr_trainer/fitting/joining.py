"""More rows for a fitted model, and models fitted separately: moments merge, no row is read again."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.equation import fitted_name
from lr_runtime.contract.fit_report import RowCounts
from lr_runtime.errors import FitError, escaped, listed
from lr_runtime.tables.timed import timed
from lr_trainer.arithmetic.exact_sums import ExactSums
from lr_trainer.arithmetic.fixed_order import fixed_order
from lr_trainer.choices import Device, FitOptions
from lr_trainer.errors import CollinearError, IllConditionedError
from lr_trainer.fitting.disclosure import check_rows
from lr_trainer.fitting.levels import Levels, check_levels_apart, design_with, levels_of, on_levels, union, with_levels
from lr_trainer.formula.specification import Target
from lr_trainer.model.design import Design
from lr_trainer.moments.exact import moments_of
from lr_trainer.moments.moments import Moments, joined, stacked
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
from lr_trainer.solvers.strategy import Solved, solve, without_origins
from lr_trainer.statistics.assembly import checkpoint_of, report_of
from lr_trainer.statistics.cautions import cautions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike

    from lr_runtime.contract.columns import Column, Kind
    from lr_runtime.contract.fit_report import FitReport
    from lr_runtime.tables import TableOptions
    from lr_trainer.model.checkpoint import Checkpoint

_TOGETHER = 1 << 13
"""Numbers of the Gram matrices that are joined at once: some MiB with all that is made of them."""

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
    data = data_of(checkpoint)
    levels = union(levels_of(columns), rows.levels()) if roles.coded else {}
    more = data if levels == levels_of(columns) else _on(data, levels)
    raw = {term.raw_column for term in more.design.terms}
    is_hidden = any(column.kind == "number" and place not in raw for place, column in enumerate(columns))
    seen = survey_of(rows, levels) if is_hidden else None
    is_exact = data.moments.exact is not None
    place = device_named("cpu" if is_exact else device)
    with fixed_order(is_exact):
        new = take_moments(Prepared(rows, place, data.intercept, levels, more.design, exact_sums=is_exact))
    ranges = training_box(more.design, new.minimum, new.maximum, seen)
    data = together([data, replace(more, moments=new, columns=_in_ranges(more.columns, ranges))])
    if is_exact:
        return _exactly_joined(checkpoint, data, _counts([report.rows, rows.counts]))
    return _joined(checkpoint, data, rows.counts, *outliers.caution(rows.outliers), *_usual(_robust(checkpoint)))


def merge(first: Checkpoint, *others: Checkpoint, min_rows: int | None = None) -> Checkpoint:
    """Return the fit of all the checkpoints' rows together, from their moments; see `update` for its digits.

    With `min_rows` a checkpoint that tells something of fewer rows is refused: see `lr_trainer.fitting.disclosure`.

    Raises:
        FitError: the checkpoints differ in columns, units, powers, origins or policies (the difference is shown), one
            is penalised or has too few rows, or fewer than 6 digits of the weights would be left.

    Example:
        >>> from lr_trainer import fit
        >>> monday = fit({"x": [1.0, 2.0, 3.0], "y": [2.0, 4.1, 5.9]}, target="y")
        >>> tuesday = fit({"x": [4.0, 5.0, 6.0], "y": [8.2, 9.9, 12.1]}, target="y")
        >>> merge(monday, tuesday).contract.rows
        6
    """
    return join(((f"checkpoint {number}", each) for number, each in enumerate((first, *others), 1)), min_rows)


def join(parts: Iterable[tuple[str, Checkpoint]], min_rows: int | None = None) -> Checkpoint:
    """Return `merge` of one checkpoint or more, each with its name for messages; few are in memory at a time."""
    remaining = iter(parts)
    named, first = next(remaining)
    shared, counts, robust = _facts(first), list[RowCounts](), set[str]()

    def checked() -> Iterator[TrainingData]:
        for name, part in chain([(named, first)], remaining):
            _check_plain(part, f"{name}: ")
            if difference := _difference(shared, part):
                raise FitError(
                    f"{name} does not match {named}: {difference}. Fit both with the same options, or, where the "
                    "origins are those of each fit, add the rows with --update"
                )
            check_rows(part, min_rows, f"{name}: ")
            counts.append(part.report.rows)
            robust.update(_robust(part))
            yield data_of(part)

    data = joined_in_tree(checked())
    if data.moments.exact is not None:
        return _exactly_joined(first, data, _counts(counts))
    known = _counts(counts)._replace(rows_read=data.moments.rows, rows_dropped=0, rows_skipped=0, passes=0)
    return _joined(first, data, known, *_usual(robust))


def data_of(checkpoint: Checkpoint) -> TrainingData:
    """Return the moments of a checkpoint, on a design without origins."""
    contract, moments = checkpoint.contract, Moments.from_arrays(checkpoint.moments)
    design = without_origins(Design.of(checkpoint))
    functions = tuple(output.function for output in contract.outputs)
    targets, intercept = contract.output_names, checkpoint.report.intercept
    return TrainingData(moments, design, contract.columns, targets, intercept, functions)


def joined_in_tree(parts: Iterable[TrainingData]) -> TrainingData:
    """Return the data of all parts together, one or more, which are taken one at a time.

    A tree, whose shape depends on their number and width alone, keeps few of them in memory, and rounding grows with
    its height.
    """
    waiting: list[list[TrainingData]] = []
    for part in parts:
        height, node = 0, part
        while True:
            waiting += [[]] * (height == len(waiting))
            waiting[height] = [*waiting[height], node]
            if len(waiting[height]) < max(2, _TOGETHER // len(part.moments.mean) ** 2):
                break
            node, waiting[height] = together(waiting[height]), []
            height += 1
    last: list[TrainingData] = []
    for nodes in waiting:
        last = [together([*nodes, *last])] if nodes else last
    return last[0]


def together(parts: Sequence[TrainingData]) -> TrainingData:
    """Return the data of the rows of all parts, which share what `_facts` says, on the levels of all.

    Of exact sums the moments are those of the first part, with the sums of all, for `_exactly_joined`.

    Raises:
        FitError: levels differ of a category in a product, or there are too many.
    """
    first, levels = parts[0], [levels_of(each.columns) for each in parts]
    whole = first if all(each == levels[0] for each in levels) else _on(first, union(*levels))
    for part in parts:
        check_levels_apart(part.design, part.columns, whole.columns)
    if all(each.design.terms == whole.design.terms for each in parts) and whole is first:
        found, matrix = [each.moments for each in parts], None
    else:
        found, matrix = on_levels(parts, whole.design, whole.columns)
    if exact := [each.exact for each in found if each.exact is not None]:
        moments = replace(found[0], exact=reduce(ExactSums.merge, exact))
    else:
        terms = len(whole.design.terms)
        moments = joined(stacked(found, terms), terms, matrix, intercept=first.intercept)
    ends = np.array([[(column.minimum, column.maximum) for column in each.columns] for each in parts])
    ranges = enumerate(zip(ends[..., 0].min(axis=0).tolist(), ends[..., 1].max(axis=0).tolist(), strict=True))
    numbers = {place: each for place, each in ranges if whole.columns[place].kind == "number"}
    return replace(whole, moments=moments, columns=_in_ranges(whole.columns, numbers))


def _on(data: TrainingData, levels: Levels) -> TrainingData:
    """Return the data with the columns and the design, not the moments, of these levels, which include its own."""
    columns = with_levels(data.columns, levels)
    check_levels_apart(data.design, data.columns, columns)
    return replace(data, design=design_with(data.design, columns), columns=columns)


def _in_ranges(columns: tuple[Column, ...], ranges: Mapping[int, tuple[float, float]]) -> tuple[Column, ...]:
    """Return the columns with these ranges, and the others as they are."""
    ends = [ranges.get(place, (column.minimum, column.maximum)) for place, column in enumerate(columns)]
    return tuple(column._replace(minimum=low, maximum=high) for column, (low, high) in zip(columns, ends, strict=True))


@one_thread()
@fixed_order()
def _exactly_joined(checkpoint: Checkpoint, data: TrainingData, counts: RowCounts) -> Checkpoint:
    """Return the fit of exact sums, with the bytes of a fit of all rows."""
    assert data.moments.exact is not None
    data = replace(data, moments=moments_of(data.moments.exact, data.design, intercept=data.intercept))
    check_values(data)
    solved = solve(data.moments, data.design, data.names, _aim(checkpoint), intercept=data.intercept)
    report = report_of_joined(data, solved, counts)
    report = report._replace(collinear=(), bounds=checkpoint.report.bounds)
    return checkpoint_of(data, solved, report).with_units(_units(checkpoint))


def _counts(counted: Sequence[RowCounts]) -> RowCounts:
    """Return the counts of all rows, as those of a fit of all of them are."""
    return RowCounts(
        rows_read=sum(each.rows_read for each in counted),
        rows_dropped=sum(each.rows_dropped for each in counted),
        rows_skipped=sum(each.rows_skipped for each in counted),
        drops_missing=any(each.drops_missing for each in counted),
        drops_missing_targets=any(each.drops_missing_targets for each in counted),
        passes=max(each.passes for each in counted),
        weight=counted[0].weight,
    )


@one_thread()
def _joined(checkpoint: Checkpoint, data: TrainingData, counts: RowCounts, *more: str) -> Checkpoint:
    check_values(data)
    try:
        solved = solve(data.moments, data.design, data.names, _aim(checkpoint), intercept=data.intercept)
    except CollinearError:
        raise IllConditionedError(0.0) from None
    report = report_of_joined(data, solved, counts, *more)
    report = report._replace(collinear=(), bounds=checkpoint.report.bounds)
    return checkpoint_of(data, solved, report).with_units(_units(checkpoint))


def report_of_joined(data: TrainingData, solved: Solved, counts: RowCounts, *more: str) -> FitReport:
    """Return the report of a solution from joined moments, with the digits that are left of it, `more` cautions last.

    Raises:
        IllConditionedError: fewer than 6 digits of the weights are left.
    """
    report, rounding = report_of(data, solved, counts), solved.solution.rounding
    if data.moments.exact is not None:  # nothing was rounded that is not in a fit of all rows
        return report._replace(cautions=(*cautions(data, solved.design), *report.cautions, *more))
    held = digits(rounding.unit, 1.0)
    if held < FEWEST_DIGITS:
        raise IllConditionedError(held)
    sums = map(digits, rounding.residual.tolist(), solved.solution.ssr.tolist())
    lost = [f"{line}. Fit all rows at once" for line in report.cautions]
    return report._replace(
        digits=min([held, *(each for each in sums if each >= FEWEST_DIGITS)]),
        cautions=(*cautions(data, solved.design), *lost, *more),
    )


def _aim(checkpoint: Checkpoint) -> Bounded | LeastSquares:
    return Bounded(bounds) if (bounds := checkpoint.report.bounds) else LeastSquares()


def _units(checkpoint: Checkpoint) -> dict[str, str]:
    return {output.name: output.unit for output in checkpoint.contract.outputs if output.unit}


def _robust(checkpoint: Checkpoint) -> set[str]:
    """Return the kind of a checkpoint's robust errors; nothing of one without."""
    return set() if checkpoint.report.errors is None else {checkpoint.report.errors.kind}


def _usual(robust: set[str]) -> Iterator[str]:
    """Yield that robust errors, which take all rows, became the usual ones."""
    for kind in sorted(robust):
        yield f"the coefficients have the usual errors in place of robust ones ({kind}), for which fit all rows at once"


def _check_plain(checkpoint: Checkpoint, name: str = "") -> None:
    """Raise FitError, which begins with `name`, where there is more to a fit than its moments."""
    report, why = checkpoint.report, None
    if report.imported is not None:
        why = f"the checkpoint comes from {report.imported.model}, which keeps no moments"
    elif report.solver != "exact":
        why = "only exact fits can be joined: this checkpoint comes from a descent"
    elif report.penalty is not None or report.conformal is not None or not checkpoint.moments:
        why = "a penalised or conformal checkpoint depends on more than its moments"
    elif report.collinear:
        why = f"the terms {listed(report.collinear)} were left out as collinear"
    if why is not None:
        raise FitError(f"{name}{why}. Fit all rows at once")


def _difference(first: Mapping[str, object], other: Checkpoint) -> str | None:
    """Return the first difference of a checkpoint from the facts of another that it cannot be joined with, or None."""
    here = _facts(other)
    differences = ((what, fact) for what, fact in first.items() if fact != here.get(what))
    return next((f"{what} are {fact} in the first, {here.get(what)} here" for what, fact in differences), None)


def _facts(checkpoint: Checkpoint) -> dict[str, object]:
    """Return what two checkpoints must share; those of the columns come after the columns' names."""
    contract, report, design = checkpoint.contract, checkpoint.report, without_origins(Design.of(checkpoint))
    variables = contract.variables
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
    for output in contract.outputs:
        facts[f"the units of {escaped(output.name)}"] = output.unit
    for column in contract.columns:
        facts[f"the values of {escaped(column.name)}"] = _KINDS[column.kind]
        facts[f"the instants of {escaped(column.name)}"] = column.time and column.time.words
        facts[f"the units of {escaped(column.name)}"] = column.unit
        facts[f"the missing-value policy of {escaped(column.name)}"] = column.missing
    plain = [term for term in checkpoint.terms if term.level(contract.columns) is None]
    facts["the terms"] = [term.name(variables) for term in plain]
    return facts | {f"the {name}s": np.nan_to_num(getattr(design, name)).tolist() for name in _NUMBERS}
