"""The model's equation as text, on the raw columns wherever that is exact.

A column that enters only as itself needs no origin and scale: weight / scale and the intercept that they leave are
computed as fractions and rounded once. A column with powers keeps (x - origin) / scale, because its powers on the raw
column would lose digits. Standard library only.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

from lr_runtime.contract.terms.term import columns_on_basis, free_columns
from lr_runtime.errors import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_runtime.contract.contract import Contract, Equation, Output

_PLAIN = re.compile(r"(?!\d)\w{1,60}")


def equation_lines(contract: Contract) -> list[str]:
    """Return one line per output, `y = 1.5 + 2 x`, then explanations of the notation in these lines."""
    equation = contract.equation
    if equation is None:
        return []
    lines = [_output(contract, equation, number) for number in range(len(contract.outputs))]
    return [*lines, *_explanations(contract, equation)]


def plain_name(name: str) -> str:
    """Return a name of letters, digits and underscores as it is, any other name escaped and in quotes."""
    return name if _PLAIN.fullmatch(name) else escaped(name)


def number(value: float | Fraction) -> str:
    """Return a number in the fewest digits that give its float64 back, without the `.0` of whole ones."""
    try:
        return repr(value.numerator / value.denominator if isinstance(value, Fraction) else value).removesuffix(".0")
    except OverflowError:
        assert isinstance(value, Fraction)
        with localcontext(prec=17):
            return str(Decimal(value.numerator) / Decimal(value.denominator))


def rounded_up(value: Fraction) -> float:
    """Return a float64 that is not below `value`, which is within its range."""
    near = value.numerator / value.denominator
    return near if Fraction(near) >= value else math.nextafter(near, math.inf)


def _output(contract: Contract, equation: Equation, output: int) -> str:
    scaled, constant = _scaled(equation), Fraction(equation.bias[output])
    names = [f"u({name})" if place in scaled else name for place, name in enumerate(_plain_names(contract))]
    summands = []
    for term, column, stored in zip(equation.terms, free_columns(equation.terms), equation.weight[output], strict=True):
        weight = Fraction(stored)
        if column is not None:
            weight /= Fraction(equation.scale[column])
            constant -= weight * Fraction(equation.origin[column])
        summands.append((weight, term.words(names, contract.variables)))
    words = "".join(
        f" {'-' if weight < 0 else '+'} {number(abs(weight))} {name}" for weight, name in summands if weight
    )
    return f"{fitted_name(contract.outputs[output])} = {number(constant)}{words}"


def fitted_name(output: Output) -> str:
    """Return the name of what was fitted: y, or log(y), sqrt(y), 1/y."""
    name = plain_name(output.name)
    return {None: name, "reciprocal": f"1/{name}"}.get(output.function, f"{output.function}({name})")


def _plain_names(contract: Contract) -> list[str]:
    """Return the names of the variables as the equation writes them: log(r), and log("r of 1")."""
    columns = [column._replace(name=plain_name(column.name)) for column in contract.columns]
    return [*(column.name for column in columns), *(each.name(columns) for each in contract.derived)]


def _scaled(equation: Equation) -> set[int]:
    """Return the columns that the equation has as (x - origin) / scale."""
    fixed = columns_on_basis(equation.terms)
    return {column for column in fixed if (equation.origin[column], equation.scale[column]) != (0.0, 1.0)}


def _explanations(contract: Contract, equation: Equation) -> Iterator[str]:
    scaled = _scaled(equation)
    if any(term.is_indicator for term in equation.terms):
        yield "[...] is 1 where that holds, and 0 elsewhere"
    for index, (column, name) in enumerate(zip(contract.variables, _plain_names(contract), strict=True)):
        if index in scaled:
            yield f"u({name}) = {scaled_name(name, equation.origin[index], equation.scale[index])}"
        if column.time is not None:
            yield f"{name} in {column.time.words}"
        if column.missing != "error" and column.kind == "number":
            yield f"where {name} is missing, {number(equation.fill[index])} stands in for it"


def scaled_name(name: str, origin: float, scale: float) -> str:
    """Return the text of a column on an origin and scale: `(t - 16) / 4`."""
    moved = f"({name} {'-' if origin > 0 else '+'} {number(abs(origin))})" if origin else name
    return moved if scale == 1.0 else f"{moved} / {number(scale)}"
