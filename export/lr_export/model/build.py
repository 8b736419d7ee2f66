"""From the checkpoint's numbers to the program that every format is emitted from.

    x -> [select numeric columns] -> [cast] -> [functions of columns beside them] -> [subtract origin]
      -> [multiply by 1 / scale] -> [missing values filled] -> [a block of values a kind of term, side by side]
      -> affine -> [inverse of the target's function] -> [cast] -> y

Whatever a model does not need is no step of it: numeric columns with origin 0 take cast, affine, cast. The steps of a
kind of term are in `terms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from lr_export.model.terms.block import Steps
from lr_export.program import functions
from lr_export.program.program import Builder, Constant, Program, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.contract import Dtype


@dataclass(frozen=True)
class ModelValues:
    """The values of the model in its program, for further results to be made of.

    Attributes:
        x: the input (rows, columns) in its own dtype, categories as their index, missing values as NaN.
        design: (rows, places) in the dtype `numbers.compute`; places as in `numbers.layout`. NaN in a row whose values
            the model does not take.
        eta: (rows, outputs) in the dtype `numbers.compute`, what was fitted: y before the inverse of its function, and
            before it is rounded to `numbers.output`.
        output: the dtype of the results.
    """

    x: Value
    design: Value
    eta: Value
    output: Dtype


def program_of(numbers: Numbers, *extensions: Callable[[Builder, ModelValues], None]) -> Program:
    """Return the program of a model from its `numbers_at`; `extensions` append further results, in order."""
    build = Builder(numbers.layout.columns, numbers.input, ordered=numbers.ordered)
    design = build.concatenate(*_design(build, numbers))
    eta = build.affine(design, Constant("weight", numbers.weight), Constant("bias", numbers.bias))
    y = numbers.response.append(build, eta, numbers.correction)
    build.result("y", build.cast(y, numbers.output))
    for extend in extensions:
        extend(build, ModelValues(build.x, design, eta, numbers.output))
    return build.program()


def _design(build: Builder, numbers: Numbers) -> list[Value]:
    layout, u, missing = numbers.layout, None, None
    place_of = {variable: place for place, variable in enumerate(layout.numeric)}
    base_of = {variable: place_of[layout.bases[variable]] for variable in layout.numeric}
    if layout.numeric:
        given = build.select(build.x, layout.given)
        missing = build.is_nan(given) if any(layout.filled) else None
        u = _centred(build, numbers, _variables(build, numbers, given, base_of), missing, base_of)
    steps = Steps(build, u, missing, place_of, base_of, numbers.compute, made={})
    for block in layout.blocks:
        steps.made[block] = block.append(steps)
    return list(steps.made.values())


def _variables(build: Builder, numbers: Numbers, given: Value, base_of: Mapping[int, int]) -> Value:
    """Append the functions of columns behind them, those of one function at once."""
    layout, values = numbers.layout, [build.cast(given, numbers.compute)]
    for function, each in groupby(layout.numeric[len(layout.given) :], lambda number: layout.function(number).function):
        own = list(each)
        knots = np.array([layout.function(number).knot or 0.0 for number in own])
        base = build.select(values[0], [base_of[number] for number in own])
        values.append(functions.append(build, function, base, knots))
    return build.concatenate(*values)


def _centred(build: Builder, numbers: Numbers, u: Value, missing: Value | None, base_of: Mapping[int, int]) -> Value:
    """Append u = (v - origin) / scale of variables v, and what stands in for a missing value."""
    if numbers.origin is not None:
        u = build.subtract(u, Constant("origin", numbers.origin))
    if numbers.inverse_scale is not None:
        u = build.multiply(u, Constant("inverse_scale", numbers.inverse_scale))
    if numbers.fill is not None:
        assert missing is not None
        filled = np.array(numbers.layout.filled[: missing.width])
        if not filled.all():
            missing = build.both(missing, Constant("filled", filled))
        u = build.where(build.select(missing, [*base_of.values()]), Constant("fill", numbers.fill), u)
    return u
