"""What the passes hand on to a solver: the moments, and the columns with their training box, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.columns import Column, Kind
from lr_runtime.contract.columns import Missing as MissingPolicy
from lr_runtime.errors import FitError, escaped
from lr_trainer.moments.prepared import Prepared, equal_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.contract import TargetFunction
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.model.design import Design
    from lr_trainer.moments.moments import Moments
    from lr_trainer.rows.survey import Survey

PROPORTIONAL = 0.9999999
"""A column and a target of a larger correlation are nearly proportional."""

_ROUNDING = 1e-9
"""Moments of equal columns differ by less, whatever their origin and scale."""


@dataclass(frozen=True)
class TrainingData:
    """What is solved.

    Attributes:
        moments: of the terms and targets of the rows that train.
        design: what is made of the columns.
        columns: of the contract, with the training box; behind them `design.derived`.
        targets: their names.
        intercept: whether one is fitted.
        functions: of each target, that was fitted in its place; None for the target itself.
    """

    moments: Moments
    design: Design
    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    intercept: bool
    functions: tuple[TargetFunction | None, ...]

    @property
    def variables(self) -> tuple[Column, ...]:
        """The columns, and behind them the derived variables."""
        return (*self.columns, *(each.variable(self.columns) for each in self.design.derived))

    @property
    def names(self) -> list[str]:
        """The terms as reports call them."""
        variables = self.variables
        return [term.name(variables) for term in self.design.terms]


def training_data(prepared: Prepared, moments: Moments, held_out: Moments | None = None) -> TrainingData:
    """Return the checked moments of the rows that train with their columns.

    `held_out` are the moments of rows that speak for an interval: the model is not beyond its data there.

    Raises:
        FitError: float64 does not hold the squares of a column, or a column is a target itself.
    """
    data = described(prepared, moments, held_out)
    check_values(data)
    check_not_the_target(data, prepared)
    return data


def described(prepared: Prepared, moments: Moments, held_out: Moments | None = None) -> TrainingData:
    """Return moments with their columns, of which nothing is checked."""
    design, roles = prepared.design, prepared.roles
    low, high = zip(*((each.minimum, each.maximum) for each in (moments, held_out) if each is not None), strict=True)
    box = training_box(design, np.minimum.reduce(low), np.maximum.reduce(high), prepared.seen)
    columns = columns_of(roles.features, prepared.levels, design, box)
    functions = tuple(target.function for target in roles.specification.targets)
    return TrainingData(moments, design, columns, roles.targets, prepared.intercept, functions)


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


def training_box(design: Design, low: Array, high: Array, seen: Survey | None = None) -> dict[int, tuple[float, float]]:
    """Return the smallest and the largest value of each numeric column; a missing value counts as its fill.

    From the look at the columns where there was one. From the terms' `low` and `high`, float64 (terms + targets,),
    where they are the values themselves; those of powers are rounded, so that the range is widened by that rounding: no
    row of the fit lies outside.
    """
    if seen is not None:
        columns = np.flatnonzero(design.levels[: len(design.levels) - len(design.derived)] == 0).tolist()
        least, most = (each[columns] for each in (seen.minimum, seen.maximum))
        fill = design.fill[columns]
        ends = zip(np.fmin(least, fill).tolist(), np.fmax(most, fill).tolist(), strict=True)
        return dict(zip(columns, ends, strict=True))
    ranges = {}
    for place, term in enumerate(design.terms):
        if (column := term.raw_column) is None:
            continue
        if design.origin[column] == 0 and design.scale[column] == 1:
            ranges[column] = float(low[place]) + 0.0, float(high[place]) + 0.0  # no -0.0
        else:
            basis = design.origin[column], design.scale[column]
            below, above = _unrounded(low[place], *basis)[0], _unrounded(high[place], *basis)[1]
            ranges[column] = _rounded_down(below), 0.0 - _rounded_down(-above)
    return ranges


def _unrounded(term: float, origin: float, scale: float) -> tuple[Fraction, Fraction]:
    """Return between which x lies where fl(x - origin) / scale is `term`."""
    deviation = Fraction(term) * Fraction(scale)
    rounding = abs(deviation) / 2**53 if origin else Fraction(0)
    return Fraction(origin) + deviation - rounding, Fraction(origin) + deviation + rounding


def _rounded_down(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) <= value else math.nextafter(near, -math.inf)


def check_values(data: TrainingData) -> None:
    """Raise FitError where float64 does not hold the squares of values to all digits, or 1/x is of x of both signs."""
    given = [data.columns[each.column] for each in data.design.derived if each.function == "reciprocal"]
    both = [column.name for column in given if column.minimum < 0 < column.maximum]
    ends = zip(*(each[-len(data.targets) :] for each in (data.moments.minimum, data.moments.maximum)), strict=True)
    of_targets = zip(data.targets, data.functions, ends, strict=True)
    both += [name for name, function, (low, high) in of_targets if function == "reciprocal" and low < 0 < high]
    if both:
        raise FitError(
            f"the column {escaped(both[0])} has values on both sides of 0, and a reciprocal is of one side. "
            "Fit each side by itself"
        )
    moments, columns = data.moments, data.variables
    with np.errstate(over="ignore", under="ignore"):
        squares = moments.squares(intercept=data.intercept)
    held = ~moments.varies(intercept=data.intercept) | _is_held(squares)
    sizes = list(zip([*data.names, *data.targets], moments.largest.tolist(), held, strict=True))
    # Powers are of values divided by their scale, so their squares are near 1, but that division must be held, too.
    reach = [max(abs(column.minimum), abs(column.maximum)) for column in columns]
    sizes += list(zip((column.name for column in columns), reach, _is_held(data.design.scale), strict=True))
    for name, largest, is_held in sizes:
        if not is_held:
            raise FitError(
                f"the values of the column {escaped(name)} reach {largest:.3g}, and float64 does not hold their "
                "squares. Choose a unit in which they lie between 1e-130 and 1e130"
            )


def _is_held(values: Array) -> NDArray[np.bool_]:
    # The low parts of double-double products lie 106 bits below.
    return np.asarray((values >= 2.0**-900) & (values <= 2.0**900))


def check_not_the_target(data: TrainingData, prepared: Prepared) -> None:
    """Raise FitError where a column holds the values of a target, bit for bit.

    Their moments are alike then, but values that differ in their last digits have such moments, too: one more pass
    compares the rows, where there is a column to be compared.
    """
    terms, features = data.design.terms, prepared.roles.variables
    pairs = [
        (term.raw_column, output)
        for place, term in enumerate(terms)
        if term.raw_column is not None
        for output in range(len(data.targets))
        if _alike(data.moments, place, len(terms) + output, float(data.design.scale[term.raw_column]))
    ]
    if not pairs:
        return
    for (column, output), same in zip(pairs, equal_pairs(prepared, pairs), strict=True):
        if same:
            name, target = features[column], data.targets[output]
            raise FitError(
                f"the column {escaped(name)} holds the same values as the target {escaped(target)}. "
                f"Leave it out: --ignore {name}"
            )


def _alike(moments: Moments, term: int, target: int, scale: float) -> bool:
    if moments.correlation(term, target) <= PROPORTIONAL:
        return False
    slope = math.sqrt(moments.own[target]) / math.sqrt(moments.own[term]) / scale
    return abs(slope - 1) < _ROUNDING
