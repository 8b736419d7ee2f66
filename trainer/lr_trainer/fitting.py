"""From a table to a checkpoint: read, take moments, solve, describe."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime import __version__
from lr_runtime.contract import Column, Contract, Output
from lr_runtime.errors import MissingColumnError, OptionError, TableError, escaped, listed
from lr_runtime.tables import TableOptions, numbers_only, open_table
from lr_trainer.checkpoint import Checkpoint
from lr_trainer.device import device_named
from lr_trainer.least_squares import LeastSquares, solve
from lr_trainer.moments import Moments, accumulate, in_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables import Table
    from lr_trainer.choices import Device

_FAR = 1000
"""A column whose mean lies this many standard deviations from 0 gets an origin."""


def fit(
    source: str | Path | Table,
    *,
    target: str | None,
    features: Sequence[str] | None = None,
    options: TableOptions | None = None,
    device: Device = "cpu",
    advance: Callable[[int], None] = lambda _: None,
) -> Checkpoint:
    """Fit a linear model with an intercept by ordinary least squares, in one pass and bounded memory.

    Args:
        source: a CSV, JSON lines, Parquet or Arrow file, "-" for standard input, or a table that is open.
        target: the column to predict.
        features: the columns to predict it from; None for all others.
        options: how the cells of a text table are written.
        device: where the blocks' moments are computed.
        advance: called with the size of each batch that was read, in the unit of `Table.size`.

    Raises:
        TableError: the table cannot be read; the message has the file, the line and the column.
        MissingColumnError: a column that was asked for is not in the table.
        FitError: the rows do not determine the model.
    """
    table = open_table(source, options) if isinstance(source, str | Path) else source
    names = _features(table, target, features)
    target = str(target)

    def batches() -> Iterator[NDArray[np.float64]]:
        for batch in numbers_only(table, [*names, target]):
            yield batch.values
            advance(batch.size)

    moments = accumulate(in_blocks(batches(), len(names) + 1), device_named(device), threads=os.cpu_count() or 1)
    if moments is None:
        raise TableError(f"{table.name} has no rows. A table has a row of names and rows of numbers")
    return _checkpoint(moments, solve(moments, names, outputs=1), names, target)


def _features(table: Table, target: str | None, features: Sequence[str] | None) -> list[str]:
    if target is None:
        raise OptionError(f"which column is to be predicted? Add --target NAME; the table has {listed(table.names)}")
    if target not in table.names:
        raise MissingColumnError(table.name, [target], table.names)
    names = [name for name in table.names if name != target] if features is None else list(features)
    if target in names:
        raise OptionError(f"the target {escaped(target)} is among the features. Name it once")
    if len(set(names)) < len(names):
        raise OptionError(f"a column stands twice among the features {listed(names)}. Name it once")
    if not names:
        raise OptionError(f"{table.name} has no column beside the target {escaped(target)} to predict it from")
    return names


def _checkpoint(moments: Moments, solution: LeastSquares, names: Sequence[str], target: str) -> Checkpoint:
    origin = _origins(moments, solution)
    bias = [
        mean - sum(Fraction(w) * (x - Fraction(o)) for w, x, o in zip(weights, _means(moments), origin, strict=False))
        for weights, mean in zip(solution.weight, _means(moments)[len(names) :], strict=True)
    ]
    intercept = [
        float(b - sum(Fraction(w) * Fraction(o) for w, o in zip(weights, origin, strict=True)))
        for weights, b in zip(solution.weight, bias, strict=True)
    ]
    residual_sd = None if solution.residual_sd is None else float(solution.residual_sd[0])
    r2 = None if np.isnan(solution.r2[0]) else float(solution.r2[0])
    ranges = zip(names, moments.minimum.tolist(), moments.maximum.tolist(), strict=False)
    return Checkpoint(
        contract=Contract(
            columns=tuple(Column(name, low, high) for name, low, high in ranges),
            outputs=(Output(target, r2, residual_sd),),
            rows=moments.rows,
            linedge=__version__,
        ),
        weight=solution.weight,
        bias=np.array([float(b) for b in bias]),
        origin=origin,
        scale=np.ones(len(names)),
        moments=moments.arrays(),
        fit={
            "solver": "exact",
            "passes": 1,
            "rows": moments.rows,
            "columns": list(names),
            "target": target,
            "coefficients": _coefficients(moments, solution, names, target, intercept[0]),
            "r2": r2,
            "residual_sd": residual_sd,
            "degrees_of_freedom": solution.degrees,
            "condition_number": solution.condition,
            "dropped": [name for name, keep in zip(names, solution.kept, strict=True) if not keep],
        },
    )


def _means(moments: Moments) -> list[Fraction]:
    parts = zip(moments.mean.tolist(), moments.mean_low.tolist(), strict=True)
    return [Fraction(high) + Fraction(low) for high, low in parts]


def _origins(moments: Moments, solution: LeastSquares) -> NDArray[np.float64]:
    """Return float64 (columns,): 0, or the float32 nearest to the mean of a column far from 0.

    A float32 origin is exact in every precision of export, and x - origin rounds nothing for x within a factor of 2 of
    it (Sterbenz 1974).
    """
    terms = len(solution.kept)
    mean = moments.mean[:terms]
    sd = np.sqrt(np.diag(moments.comoment)[:terms] / moments.rows)
    with np.errstate(over="ignore"):
        near = mean.astype(np.float32).astype(np.float64)
    near = np.where(np.isfinite(near), near, mean)
    return np.where(solution.kept & (np.abs(mean) > _FAR * sd), near, 0.0)


def _coefficients(
    moments: Moments, solution: LeastSquares, names: Sequence[str], target: str, intercept: float
) -> list[dict[str, Any]]:
    mean = moments.mean[: len(names)]
    intercept_error, weight_error = solution.intercept_error(mean, moments.rows), solution.weight_error
    estimates = [intercept, *solution.weight[0].tolist()]
    errors = (
        [None] * len(estimates)
        if intercept_error is None or weight_error is None
        else [float(intercept_error[0]), *weight_error[0].tolist()]
    )
    return [
        {"target": target, "term": term, "estimate": estimate, "standard_error": error}
        for term, estimate, error in zip(["intercept", *names], estimates, errors, strict=True)
    ]
