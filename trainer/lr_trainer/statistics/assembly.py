"""From a solution to a checkpoint: the contract, the model's numbers, the report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime import __version__
from lr_runtime.contract.columns import Column
from lr_runtime.contract.contract import Contract, Output
from lr_trainer.model.checkpoint import Checkpoint
from lr_trainer.statistics.certainty import Certainty
from lr_trainer.statistics.statistics import coefficient, quality, raw_estimates, raw_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.columns import Kind
    from lr_runtime.contract.columns import Missing as MissingPolicy
    from lr_trainer.model.design import Design
    from lr_trainer.moments.moments import Moments
    from lr_trainer.moments.passes import Passes
    from lr_trainer.rows.roles import Missing
    from lr_trainer.rows.survey import Survey
    from lr_trainer.solvers.strategy import Solved
    from lr_trainer.statistics.statistics import Figures, Pair

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """What the report says of the rows beside their moments."""

    targets: tuple[str, ...]
    weight: str | None
    passes: int
    rows_read: int
    rows_dropped: int
    rows_skipped: int
    missing: Missing


def describe(moments: Moments, solved: Solved, columns: tuple[Column, ...], source: Source) -> Checkpoint:
    """Return the checkpoint of a solution; its cautions say which figures are left out for want of digits."""
    weights = solved.weights()
    biases = solved.biases(weights)
    found, sds = zip(*(quality(moments, solved, output) for output in range(len(weights))), strict=True)
    figures = [each.values for each in found]
    outputs = zip(source.targets, figures, strict=True)
    estimates = [raw_estimates(solved.design, *output) for output in zip(weights, biases, strict=True)]
    coefficients = _coefficients(solved, estimates, sds)
    names = ["intercept", *term_names(solved.design, columns)][0 if solved.normal.intercept else 1 :]
    certainty = Certainty(solved.solution, source.targets, found, names, coefficients)
    return Checkpoint(
        contract=Contract(
            columns=columns,
            outputs=tuple(Output(name, figure["r2"], figure["residual_sd"]) for name, figure in outputs),
            rows=moments.rows,
            linedge=__version__,
        ),
        weight=solved.solution.weight.rounded(),
        bias=np.array([float(bias) for bias in biases]),
        origin=solved.design.origin,
        scale=solved.design.scale,
        fill=np.nan_to_num(solved.design.fill, nan=0.0),
        terms=solved.design.terms,
        moments=moments.arrays(),
        leverage=solved.leverage(),
        fit={
            **_rows_report(moments, columns, source),
            **_solution_report(solved, columns),
            **_figures_report(figures),
            "coefficients": [
                {"target": target, "term": name, **each.values}
                for target, row in zip(source.targets, coefficients, strict=True)
                for name, each in zip(names, row, strict=True)
            ],
            **({} if certainty.coefficient_digits is None else {"coefficient_digits": certainty.coefficient_digits}),
            "cautions": list(certainty.lines()),
        },
    )


def columns_of(
    names: Sequence[str],
    levels: Mapping[str, tuple[str, ...]],
    design: Design,
    ranges: Mapping[int, tuple[float, float]],
) -> tuple[Column, ...]:
    """Describe the input columns; `ranges` are those of the numeric ones."""
    indicated = {column for term in design.terms if term.is_of_missing for column in term.columns}
    columns = []
    for index, name in enumerate(names):
        policy: MissingPolicy = "indicator" if index in indicated else "mean"
        if np.isnan(design.fill[index]):
            policy = "error"
        found = levels.get(name)
        kind: Kind = "number" if found is None else "category"
        low, high = ranges[index] if found is None else (0.0, float(max(len(found) - 1, 0)))
        columns.append(Column(name, low, high, None, kind, policy, found or ()))
    return tuple(columns)


def columns_of_passes(passes: Passes, moments: Moments) -> tuple[Column, ...]:
    """Describe the input columns of a fit after its passes."""
    ranges = ranges_of(passes.design, moments, passes.seen)
    return columns_of(passes.roles.features, passes.levels, passes.design, ranges)


def ranges_of(design: Design, moments: Moments, seen: Survey | None = None) -> dict[int, tuple[float, float]]:
    """Return the smallest and the largest value of each numeric column; a missing value counts as its fill.

    From the look at the columns where there was one. From the moments where the terms are the values themselves; those
    of powers are rounded, so that the range is widened by that rounding: no row of the fit lies outside.
    """
    ranges = {}
    for place, term in enumerate(design.terms):
        if (column := term.raw_column) is None:
            continue
        if seen is not None:
            fill = design.fill[column]
            ranges[column] = float(np.fmin(seen.minimum[column], fill)), float(np.fmax(seen.maximum[column], fill))
        elif design.origin[column] == 0 and design.scale[column] == 1:
            ranges[column] = float(moments.minimum[place]) + 0.0, float(moments.maximum[place]) + 0.0  # no -0.0
        else:
            basis = design.origin[column], design.scale[column]
            low, high = _unrounded(moments.minimum[place], *basis), _unrounded(moments.maximum[place], *basis)
            ranges[column] = _rounded_down(low[0]), 0.0 - _rounded_down(-high[1])
    return ranges


def _unrounded(term: float, origin: float, scale: float) -> tuple[Fraction, Fraction]:
    """Return between which x lies where fl(x - origin) / scale is `term`."""
    deviation = Fraction(term) * Fraction(scale)
    rounding = abs(deviation) / 2**53 if origin else Fraction(0)
    return Fraction(origin) + deviation - rounding, Fraction(origin) + deviation + rounding


def _rounded_down(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) <= value else math.nextafter(near, -math.inf)


def term_names(design: Design, columns: tuple[Column, ...]) -> list[str]:
    """Return how reports call the terms."""
    return [term.name(columns) for term in design.terms]


def _rows_report(moments: Moments, columns: tuple[Column, ...], source: Source) -> dict[str, Any]:
    return {
        "rows": moments.rows,
        "rows_read": source.rows_read,
        "rows_dropped": source.rows_dropped,
        "rows_skipped": source.rows_skipped,
        "drops_missing": source.missing.drops,
        **({"drops_missing_targets": True} if source.missing.drops_targets else {}),
        "passes": source.passes,
        "columns": [column.name for column in columns],
        "ranges": {column.name: [column.minimum, column.maximum] for column in columns if column.kind == "number"},
        "target": source.targets[0] if len(source.targets) == 1 else list(source.targets),
        "weight": source.weight,
    }


def _solution_report(solved: Solved, columns: tuple[Column, ...]) -> dict[str, Any]:
    solution, names = solved.solution, term_names(solved.design, columns)
    constant = [name for name, gone in zip(names, solution.constant, strict=True) if gone]
    left_out = [name for name, keep in zip(names, solution.support, strict=True) if not keep]
    return {
        "solver": "exact",
        "arithmetic": "double-double" if solved.is_extended else "float64",
        "intercept": solved.normal.intercept,
        "degrees_of_freedom": solution.df_resid,
        "condition_number": solution.condition_number if math.isfinite(solution.condition_number) else None,
        "constant": constant,
        "collinear": [name for name in left_out if name not in constant],
    }


def _figures_report(figures: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """Return the figures of a single target as they are, those of several as lists."""
    single = len(figures) == 1
    return {key: figures[0][key] if single else [figure[key] for figure in figures] for key in figures[0]}


def _coefficients(solved: Solved, estimates: Sequence[Sequence[Fraction]], sds: Sequence[Pair]) -> list[list[Figures]]:
    """Return the rows of each target."""
    units, first = raw_units(solved), 0 if solved.normal.intercept else 1
    rounding, degrees = solved.solution.rounding, solved.solution.df_resid
    reach = [Fraction(rounding.unit) * Fraction(each) for each in rounding.reach.tolist()]
    return [
        [
            coefficient(value, length * unit.spread, unit, sd, degrees)
            for value, unit in zip(row[first:], units[first:], strict=True)
        ]
        for length, row, sd in zip(reach, estimates, sds, strict=True)
    ]
