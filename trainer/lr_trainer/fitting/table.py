"""From a table to a checkpoint: look, take moments, solve, and where float64 loses digits, again in double-double."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Literal

import numpy as np

from lr_runtime.errors import OptionError, escaped, listed
from lr_runtime.system.text import composed
from lr_trainer.choices import FitOptions
from lr_trainer.descent.resume import Forgetful
from lr_trainer.descent.table import check, descend
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.passes import Passes
from lr_trainer.rows import outliers
from lr_trainer.rows.blocks import one_thread
from lr_trainer.rows.device import device_named
from lr_trainer.rows.holdout import Parts
from lr_trainer.rows.roles import Missing, Rows, roles_of
from lr_trainer.rows.sources import opened
from lr_trainer.solvers.digits import FEWEST_DIGITS, digits
from lr_trainer.solvers.elastic_net import choose
from lr_trainer.solvers.solver import LeastSquares, MinimumNorm, Penalty
from lr_trainer.solvers.strategy import Solved, solve
from lr_trainer.statistics.assembly import Source, columns_of_passes, describe, term_names
from lr_trainer.statistics.cautions import cautions, check_not_the_target, check_squares, shortfalls
from lr_trainer.statistics.conformal import conformal_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from lr_runtime.tables import Table, TableOptions
    from lr_trainer.choices import Device, MissingPolicy, MissingTarget
    from lr_trainer.descent.cycle import Epoch, Memory
    from lr_trainer.descent.options import Descent
    from lr_trainer.model.checkpoint import Checkpoint

_FOLDS = 5
_HELD_OUT = 0.1
"""The share of rows that a descent leaves to its conformal interval."""


def fit(
    source: str | Path | Sequence[str | Path] | Table | Mapping[str, ArrayLike],
    *,
    target: str | Sequence[str] | None,
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    category: Sequence[str] = (),
    weight: str | None = None,
    missing: MissingPolicy = "error",
    missing_target: MissingTarget = "error",
    degree: int = 1,
    intercept: bool = True,
    drop_collinear: bool = False,
    minimum_norm: bool = False,
    l1: float = 0.0,
    l2: float = 0.0,
    penalty: Literal["auto"] | None = None,
    l1_ratio: float | None = None,
    interval: float | None = None,
    units: Mapping[str, str] | None = None,
    options: TableOptions | None = None,
    device: Device = "cpu",
    advance: Callable[[int], None] = lambda _: None,
    warn: Callable[[str], None] = warnings.warn,
    descent: Descent | None = None,
    memory: Memory | None = None,
    report: Callable[[Epoch], None] = lambda _: None,
) -> Checkpoint:
    """Fit a linear model by least squares, or by the descent that is asked for, in bounded memory.

    An ordinary numeric fit takes one pass over the table. Categories, powers and fills take one or two more before it;
    data that would cost float64 normal equations over three digits, or leave a penalised or minimum-norm fit fewer than
    nine, one more behind it, in double-double.

    Args:
        source: a CSV, JSON lines, Parquet or Arrow file, a folder or pattern of them, "-" for standard input, several
            of these, an open table, or arrays by name, one-dimensional or (rows, columns).
        target: the column to predict, or several, each fitted for itself.
        features: the columns to predict from; None for all others.
        ignore: columns to leave out.
        category: columns to take as categories though their values are numbers.
        weight: a column of positive weights, the inverse variances of the rows up to a factor.
        missing: what a missing feature does: an error; `drop` its row; the column's `mean` in its place; or that and
            an `indicator` term.
        missing_target: what a row without a target does: an error, or `drop` it, counted in the report's
            `rows_dropped`; of several targets, any.
        degree: the highest power of numeric columns.
        intercept: whether to fit one.
        drop_collinear: leave out columns that are combinations of those before them, in place of an error.
        minimum_norm: of all best fits to collinear columns, take the one with the smallest weights.
        l1: the lasso penalty on the weights of the columns at unit standard deviation
            (`lr_trainer.solvers.elastic_net`).
        l2: the ridge penalty on them.
        penalty: `auto` chooses the penalties by 5-fold cross-validation.
        l1_ratio: the share of l1 in a penalty chosen so: 0, the default, is ridge, 1 the lasso.
        interval: for a penalised fit or a descent, the level of a split-conformal interval, from a tenth of the rows
            held out; a least-squares fit needs none, its interval comes from the moments.
        units: of columns and targets, by name, for those who read the model.
        options: what columns are called, what a missing value is, whether bad rows are left out; of text tables, how
            their cells are written.
        device: where the blocks are computed.
        advance: called with the size of each batch that was read, in the unit of `Table.size`.
        warn: takes a line for each of the first bad rows that are left out, and for columns of integers beyond 2^53,
            which float64 rounds; an open table has its own.
        descent: the loss, the optimizer and the rest of a descent, in place of the exact solution.
        memory: where its state is kept, `lr_trainer.descent.resume.Resume`; None for nowhere.
        report: called after each of its epochs.

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
    shape = FitOptions(
        target=target,
        features=features,
        ignore=ignore,
        category=category,
        weight=weight,
        units=units,
        missing=missing,
        missing_target=missing_target,
        degree=degree,
        intercept=intercept,
        drop_collinear=drop_collinear,
        minimum_norm=minimum_norm,
        l1=l1,
        l2=l2,
        penalty=penalty,
        l1_ratio=l1_ratio,
        interval=interval,
        device=device,
    )
    if descent is not None:
        check(descent, shape)
    table = opened(source, options, warn)
    targets = [] if target is None else [target] if isinstance(target, str) else list(target)
    roles = roles_of(table, targets=targets, features=features, ignore=ignore, weight=weight, category=category)
    units = {composed(name): unit for name, unit in (units or {}).items()}
    if strangers := [name for name in units if name not in (known := (*roles.features, *roles.targets))]:
        raise OptionError(f"--unit {escaped(strangers[0])} is none of the model's columns {listed(known)}")
    passes = Passes(
        Rows(table, roles, Missing.under(missing, roles, missing_target), advance),
        device_named(device),
        intercept=intercept,
    )
    with one_thread():
        passes.look(degree, missing)
        if descent is None:
            checkpoint = _shrunk(passes, shape) if shape.shrinks else _exact(passes, shape)
    if descent is not None:
        checkpoint = _descended(passes, shape, descent, memory or Forgetful(), report)
    return checkpoint.with_units(units)


def _descended(
    passes: Passes, shape: FitOptions, descent: Descent, memory: Memory, report: Callable[[Epoch], None]
) -> Checkpoint:
    if shape.interval is None:
        return _descent_on(passes, shape, descent, memory, report)
    # By a seed of its own, apart from the rows of a validation.
    kept, held_out = passes.split(_HELD_OUT, [descent.seed, 1])
    beside = held_out.moments()
    conformal_quantile(np.zeros(beside.rows), shape.interval)  # raises before the descent if they are too few
    checkpoint = _descent_on(kept, shape, descent, memory, report, beside=beside)
    checkpoint = _conformal(checkpoint, shape.interval, *held_out.residuals(checkpoint))
    return checkpoint.reported(passes=checkpoint.fit["passes"] + held_out.count)


def _descent_on(
    passes: Passes,
    shape: FitOptions,
    descent: Descent,
    memory: Memory,
    report: Callable[[Epoch], None],
    *,
    beside: Moments | None = None,
) -> Checkpoint:
    """Descend on the rows of `passes`; `beside` are the moments of rows held out, which widen the ranges."""
    setting, found = descend(passes, descent, shape, memory, report)
    source = _source(setting.passes)
    if setting.validation is not None:
        source = replace(source, passes=source.passes + setting.validation.count)
    columns = setting.columns if beside is None else columns_of_passes(passes, setting.moments.merge(beside))
    described = describe(setting.moments, found.solved, columns, source)
    checkpoint = _cautioned(described, setting.moments, found.solved, setting.passes).reported(**found.report)
    return checkpoint.reported(cautions=[*checkpoint.fit["cautions"], *shortfalls(checkpoint.fit)])


def _exact(passes: Passes, shape: FitOptions) -> Checkpoint:
    moments = passes.moments()
    columns = columns_of_passes(passes, moments)
    names = term_names(passes.design, columns)
    check_squares(moments, passes.design, columns, passes.roles.targets, intercept=shape.intercept)
    check_not_the_target(passes, moments)
    aim = LeastSquares(drop_collinear=shape.drop_collinear)
    solved = solve(moments, passes.design, names, aim, intercept=shape.intercept, products=passes.gram)
    checkpoint = _cautioned(describe(moments, solved, columns, _source(passes)), moments, solved, passes)
    if shape.interval is None:
        return checkpoint
    needless = "no rows were held out: the interval of a least-squares fit comes from its moments, at any level"
    return checkpoint.reported(cautions=[*checkpoint.fit["cautions"], needless])


def _shrunk(passes: Passes, shape: FitOptions) -> Checkpoint:
    parts = Parts(folds=_FOLDS if shape.is_auto else 1, holds_out=shape.interval is not None)
    *folds, held_out = passes.moments_by_part(parts)
    trained = [fold for fold in folds if fold is not None]
    moments = reduce(Moments.merge, trained)
    # The rows held out speak for the interval, so the model is not beyond its data there.
    columns = columns_of_passes(passes, moments if held_out is None else moments.merge(held_out))
    check_squares(moments, passes.design, columns, passes.roles.targets, intercept=shape.intercept)
    check_not_the_target(passes, moments)
    outputs = len(passes.roles.targets)
    penalty = None if shape.minimum_norm else _penalty(trained, outputs, shape)
    names = term_names(passes.design, columns)
    aim, products = penalty or MinimumNorm(), partial(passes.gram, parts=parts)
    solved = solve(moments, passes.design, names, aim, intercept=shape.intercept, products=products)
    checkpoint = _cautioned(describe(moments, solved, columns, _source(passes)), moments, solved, passes)
    # A weight that a penalty made 0 is no sign of a dependent column.
    checkpoint = checkpoint.reported(penalty="minimum norm" if penalty is None else asdict(penalty), collinear=[])
    if shape.interval is None:
        return checkpoint
    return _conformal(checkpoint, shape.interval, *passes.residuals(checkpoint, parts)).reported(passes=passes.count)


def _conformal(
    checkpoint: Checkpoint, level: float, residuals: NDArray[np.float64], off: NDArray[np.float64]
) -> Checkpoint:
    widths = conformal_quantile(residuals, level).tolist()
    known = [digits(noise, width) >= FEWEST_DIGITS for noise, width in zip(off.tolist(), widths, strict=True)]
    half_width = [width if is_known else None for width, is_known in zip(widths, known, strict=True)]
    if not all(known):
        lost = "rounding leaves fewer than 6 digits of the residuals of the rows held out: no interval"
        checkpoint = checkpoint.reported(cautions=[*checkpoint.fit["cautions"], lost])
    return checkpoint.reported(conformal={"level": level, "half_width": half_width, "rows": len(residuals)})


def _cautioned(checkpoint: Checkpoint, moments: Moments, solved: Solved, passes: Passes) -> Checkpoint:
    contract, intercept = checkpoint.contract, solved.normal.intercept
    lines = cautions(moments, solved.design, contract.columns, contract.output_names, intercept=intercept)
    return checkpoint.reported(cautions=[*lines, *checkpoint.fit["cautions"], *outliers.caution(passes.outliers())])


def _penalty(folds: list[Moments], outputs: int, shape: FitOptions) -> Penalty:
    if not shape.is_auto:
        return Penalty((shape.l1,) * outputs, (shape.l2,) * outputs)
    l1, l2 = choose(folds, outputs, l1_ratio=shape.l1_ratio or 0.0, intercept=shape.intercept).chosen
    return Penalty(tuple(l1.tolist()), tuple(l2.tolist()), folds=len(folds))


def _source(passes: Passes) -> Source:
    rows, roles = passes.rows, passes.roles
    return Source(roles.targets, roles.weight, passes.count, rows.read, rows.dropped, rows.skipped, rows.missing)
