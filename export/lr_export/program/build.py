"""From the checkpoint's numbers to the program that every format is emitted from.

    x -> [select numeric columns] -> [cast] -> [subtract origin] -> [multiply by 1 / scale] -> [missing values filled]
      -> [powers, left to right] -> [indicators beside them] -> affine -> [cast] -> y

Whatever a model does not need is no step of it: numeric columns with origin 0 take cast, affine, cast.

A category enters as its index. Its indicators, one a level, are divided by their sum: that is 1 where the index is one
of them, and 0 where it is anything else, which makes every indicator 0 / 0, NaN, and with them every result. A missing
value of a category with a policy has an indicator of its own among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.program.program import Builder, Constant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_export.exact.layout import CategoryColumn
    from lr_export.exact.numbers import Numbers
    from lr_export.program.program import Program, Value
    from lr_runtime.contract.contract import Dtype


@dataclass(frozen=True)
class ModelValues:
    """The values of the model in its program, for further results to be made of.

    Attributes:
        x: the input (rows, columns) in its own dtype, categories as their index, missing values as NaN.
        design: (rows, places) in the dtype `numbers.compute`; places as in `numbers.layout`. NaN in a row whose values
            the model does not take.
        y: (rows, outputs) in the dtype `numbers.compute`, before it is rounded to `numbers.output`.
        output: the dtype of the results.
    """

    x: Value
    design: Value
    y: Value
    output: Dtype


def program_of(numbers: Numbers, *extensions: Callable[[Builder, ModelValues], None]) -> Program:
    """Return the program of a model.

    Args:
        numbers: the checkpoint's, at a precision and input dtype: `numbers_at(checkpoint, precision, input_dtype)`.
        extensions: append further results, in order; see `program`.
    """
    build = Builder(numbers.layout.columns, numbers.input, ordered=numbers.ordered)
    design = build.concatenate(*_design(build, numbers))
    y = build.affine(design, Constant("weight", numbers.weight), Constant("bias", numbers.bias))
    build.result("y", build.cast(y, numbers.output))
    for extend in extensions:
        extend(build, ModelValues(build.x, design, y, numbers.output))
    return build.program()


def _design(build: Builder, numbers: Numbers) -> Iterator[Value]:
    layout = numbers.layout
    if layout.numeric:
        given = build.select(build.x, layout.numeric)
        missing = build.is_nan(given) if any(layout.filled) or layout.flagged else None
        yield from _powers(build, numbers, _centred(build, numbers, given, missing))
    for category in layout.categories:
        yield _indicators(build, numbers, category)
    if layout.flagged:
        assert missing is not None
        yield build.cast(build.select(missing, layout.flagged), numbers.compute)


def _centred(build: Builder, numbers: Numbers, given: Value, missing: Value | None) -> Value:
    """Append u = (x - origin) / scale, and what stands in for a missing value."""
    u = build.cast(given, numbers.compute)
    if numbers.origin is not None:
        u = build.subtract(u, Constant("origin", numbers.origin))
    if numbers.inverse_scale is not None:
        u = build.multiply(u, Constant("inverse_scale", numbers.inverse_scale))
    if numbers.fill is not None:
        assert missing is not None
        if not all(numbers.layout.filled):
            missing = build.both(missing, Constant("filled", np.array(numbers.layout.filled)))
        u = build.where(missing, Constant("fill", numbers.fill), u)
    return u


def _powers(build: Builder, numbers: Numbers, u: Value) -> Iterator[Value]:
    """Append u, u * u, (u * u) * u, ...: a power has one rounding a multiplication."""
    power, columns = u, numbers.layout.powers[0]
    yield u
    for raised in numbers.layout.powers[1:]:
        kept = [columns.index(place) for place in raised]
        power = build.multiply(build.select(power, kept), build.select(u, raised))
        columns = raised
        yield power


def _indicators(build: Builder, numbers: Numbers, category: CategoryColumn) -> Value:
    index = build.select(build.x, [category.column])
    levels = Constant(f"levels{category.levels}", np.arange(category.levels, dtype=numbers.input))
    flags = [build.equal(index, levels), *([build.is_nan(index)] if category.missing else [])]
    indicators = build.cast(build.concatenate(*flags), numbers.compute)
    return build.divide(indicators, build.count(indicators))
