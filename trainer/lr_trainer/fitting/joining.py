"""More rows for a fitted model, and models fitted separately: moments merge, no row is read again."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import FitError, escaped, listed
from lr_trainer.fitting.levels import Levels, design_with, levels_of, relevelled, union, with_levels
from lr_trainer.model.design import Design
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.passes import Prepared, take_moments
from lr_trainer.moments.training_data import TrainingData, check_squares, training_box
from lr_trainer.rows import outliers
from lr_trainer.rows.blocks import one_thread
from lr_trainer.rows.device import device_named
from lr_trainer.rows.roles import Missing, Rows, roles_of
from lr_trainer.rows.sources import opened, paired
from lr_trainer.solvers.digits import FEWEST_DIGITS, digits
from lr_trainer.solvers.solver import LeastSquares
from lr_trainer.solvers.strategy import solve, without_origins
from lr_trainer.statistics.assembly import checkpoint_of, report_of
from lr_trainer.statistics.cautions import cautions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike

    from lr_runtime.contract.columns import Column, Kind
    from lr_runtime.contract.fit_report import RowCounts
    from lr_runtime.tables import TableOptions
    from lr_trainer.choices import Device
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.rows.sources import Source

_KINDS: dict[Kind, str] = {"number": "numbers", "category": "categories"}


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
    report, columns = checkpoint.report, checkpoint.contract.columns
    table = opened(source if y is None else paired(source, y)[0], options, warn)
    roles = roles_of(
        table,
        targets=checkpoint.contract.output_names,
        features=checkpoint.contract.column_names,
        weight=report.rows.weight,
        category=[column.name for column in columns if column.kind == "category"],
    )
    strangers = sorted(roles.categories - {column.name for column in columns if column.kind == "category"})
    if strangers:
        raise FitError(f"{table.name}: the column {escaped(strangers[0])} holds text; in the checkpoint it is a number")
    filled = frozenset(column.name for column in columns if column.missing != "error")
    rows = Rows(table, roles, replace(_missing_of(checkpoint), filled=filled), advance)
    part = _Part.of(checkpoint)
    if roles.coded:
        part = part.on(union(levels_of(columns), rows.levels()))
    prepared = Prepared(rows, device_named(device), report.intercept, levels_of(part.columns), part.design)
    new = take_moments(prepared)
    columns = _widened(part.columns, training_box(part.design, new.minimum, new.maximum))
    moments = part.moments.joined(new, len(part.design.terms), intercept=report.intercept)
    part = replace(part, moments=moments, columns=columns)
    return _joined(checkpoint, part, rows.counts, *outliers.caution(rows.outliers))


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
                f"checkpoint {number} does not match the first: {difference}. Fit both with the same options"
            )
    levels = union(*(levels_of(each.contract.columns) for each in (first, *others)))
    part = reduce(
        partial(_Part.with_rows_of, intercept=first.report.intercept),
        (_Part.of(each).on(levels) for each in (first, *others)),
    )
    counts = first.report.rows._replace(rows_read=part.moments.rows, rows_dropped=0, rows_skipped=0, passes=0)
    return _joined(first, part, counts)


@dataclass(frozen=True)
class _Part:
    """The moments of a checkpoint, with the records that merging them needs.

    Attributes:
        moments: the moments of the terms of `design`, and of the targets.
        columns: the columns, with the levels and ranges of the checkpoint's rows.
        design: the design of the moments, without origins.
    """

    moments: Moments
    columns: tuple[Column, ...]
    design: Design

    @staticmethod
    def of(checkpoint: Checkpoint) -> _Part:
        design = without_origins(Design.of(checkpoint))
        moments = Moments.from_arrays(checkpoint.moments)
        return _Part(moments, checkpoint.contract.columns, design)

    def on(self, levels: Levels) -> _Part:
        """Return the part on these levels, which include its own."""
        if levels == levels_of(self.columns):
            return self
        columns = with_levels(self.columns, levels)
        moments = relevelled(self.moments, self.columns, self.design, columns)
        return _Part(moments, columns, design_with(self.design, columns))

    def with_rows_of(self, other: _Part, *, intercept: bool) -> _Part:
        """Return the part with the rows of another part on the same levels."""
        ranges = {place: (column.minimum, column.maximum) for place, column in enumerate(other.columns)}
        moments = self.moments.joined(other.moments, len(self.design.terms), intercept=intercept)
        return _Part(moments, _widened(self.columns, ranges), self.design)


def _widened(columns: tuple[Column, ...], ranges: Mapping[int, tuple[float, float]]) -> tuple[Column, ...]:
    """Return the columns with their ranges widened to those of more rows."""
    return tuple(
        column._replace(minimum=min(column.minimum, ranges[place][0]), maximum=max(column.maximum, ranges[place][1]))
        if place in ranges
        else column
        for place, column in enumerate(columns)
    )


@one_thread()
def _joined(checkpoint: Checkpoint, part: _Part, counts: RowCounts, *more: str) -> Checkpoint:
    intercept, targets = checkpoint.report.intercept, checkpoint.contract.output_names
    data = TrainingData(part.moments, part.design, part.columns, targets, intercept)
    check_squares(data)
    solved = solve(data.moments, data.design, data.names, LeastSquares(), intercept=intercept)
    report, rounding = report_of(data, solved, counts), solved.solution.rounding
    sums = map(digits, rounding.residual.tolist(), solved.solution.ssr.tolist())
    held = digits(rounding.unit, 1.0)
    lost = [f"{line}. Fit all rows at once" for line in report.cautions]
    report = report._replace(
        digits=min([held, *(each for each in sums if each >= FEWEST_DIGITS)]),
        cautions=(*cautions(data, solved.design), *lost, *more),
    )
    units = {output.name: output.unit for output in checkpoint.contract.outputs if output.unit}
    return checkpoint_of(data, solved, report).with_units(units)


def _missing_of(checkpoint: Checkpoint) -> Missing:
    """Return the policy for missing values of the checkpoint's rows, which further rows share."""
    counts = checkpoint.report.rows
    return Missing(drops=counts.drops_missing, drops_targets=counts.drops_missing_targets)


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
    pairs: list[tuple[str, object, object]] = [
        ("the targets", list(first.contract.output_names), list(other.contract.output_names)),
        ("the columns", list(first.contract.column_names), list(other.contract.column_names)),
        ("the weight column", first.report.rows.weight, other.report.rows.weight),
        ("the intercept", first.report.intercept, other.report.intercept),
    ]
    for a, b in zip(first.contract.columns, other.contract.columns, strict=False):
        pairs += [
            (f"the values of {escaped(a.name)}", _KINDS[a.kind], _KINDS[b.kind]),
            (f"the missing-value policy of {escaped(a.name)}", a.missing, b.missing),
        ]
    designs = [without_origins(Design.of(checkpoint)) for checkpoint in (first, other)]
    names = [
        [term.name(columns) for term in checkpoint.terms if term.level(columns) is None]
        for checkpoint in (first, other)
        for columns in (checkpoint.contract.columns,)
    ]
    pairs.append(("the terms", names[0], names[1]))
    for label in ("origin", "scale", "fill"):
        values = [np.nan_to_num(getattr(design, label)).tolist() for design in designs]
        pairs.append((f"the {label}s", values[0], values[1]))
    return next((f"{what} are {a} in the first, {b} here" for what, a, b in pairs if a != b), None)
