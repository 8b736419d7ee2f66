"""The model's equation in words: what the numbers of a checkpoint say, on the raw columns wherever that is exact.

A column that enters only as itself needs no origin and scale: weight / scale and the intercept that they leave are
computed as fractions and rounded once. A column with powers keeps (x - origin) / scale, because its powers on the raw
column would lose digits. Standard library only.
"""

from __future__ import annotations

import re
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

from lr_runtime.errors import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lr_runtime.contract.contract import Contract, Equation
    from lr_runtime.contract.terms import Term

_PLAIN = re.compile(r"(?!\d)\w{1,60}")


def equation_lines(contract: Contract) -> list[str]:
    """Return one line an output, `y = 1.5 + 2 x`, and then what stands in them that needs an explanation."""
    equation = contract.equation
    if equation is None:
        return []
    lines = [_output(contract, equation, number) for number in range(len(contract.outputs))]
    return [*lines, *_explanations(contract, equation)]


def plain_name(name: str) -> str:
    """Return a name as it is where nobody could misread it, else escaped and in quotes."""
    return name if _PLAIN.fullmatch(name) else escaped(name)


def number(value: float | Fraction) -> str:
    """Return a number in the fewest digits that give its float64 back, without the `.0` of whole ones."""
    try:
        return repr(value.numerator / value.denominator if isinstance(value, Fraction) else value).removesuffix(".0")
    except OverflowError:
        assert isinstance(value, Fraction)
        with localcontext(prec=17):
            return str(Decimal(value.numerator) / Decimal(value.denominator))


def _output(contract: Contract, equation: Equation, output: int) -> str:
    powered = _powered(equation)
    constant = Fraction(equation.bias[output])
    summands = []
    for term, stored in zip(equation.terms, equation.weight[output], strict=True):
        weight = Fraction(stored)
        if term.is_power and term.column not in powered:
            weight /= Fraction(equation.scale[term.column])
            constant -= weight * Fraction(equation.origin[term.column])
        summands.append((weight, _term(contract, term, scaled=_is_scaled(equation, term.column, powered))))
    words = "".join(
        f" {'-' if weight < 0 else '+'} {number(abs(weight))} {name}" for weight, name in summands if weight
    )
    return f"{plain_name(contract.outputs[output].name)} = {number(constant)}{words}"


def _powered(equation: Equation) -> set[int]:
    return {term.column for term in equation.terms if term.is_power and term.power > 1}


def _is_scaled(equation: Equation, column: int, powered: set[int]) -> bool:
    return column in powered and (equation.origin[column], equation.scale[column]) != (0.0, 1.0)


def _term(contract: Contract, term: Term, *, scaled: bool) -> str:
    column = contract.columns[term.column]
    name = plain_name(column.name)
    if term.category is not None:
        return f"[{name} is {plain_name(column.categories[term.category])}]"
    if term.missing:
        return f"[{name} is missing]"
    return (f"u({name})" if scaled else name) + (f"^{term.power}" if term.power > 1 else "")


def _explanations(contract: Contract, equation: Equation) -> Iterator[str]:
    powered = _powered(equation)
    if not all(term.is_power for term in equation.terms):
        yield "[...] is 1 where that holds, and 0 elsewhere"
    for index, column in enumerate(contract.columns):
        name = plain_name(column.name)
        if _is_scaled(equation, index, powered):
            yield f"u({name}) = {scaled_name(name, equation.origin[index], equation.scale[index])}"
        if column.missing != "error" and column.kind == "number":
            yield f"where {name} is missing, {number(equation.fill[index])} stands in for it"


def scaled_name(name: str, origin: float, scale: float) -> str:
    """Return how a column on an origin and scale is written: `(t - 16) / 4`."""
    moved = f"({name} {'-' if origin > 0 else '+'} {number(abs(origin))})" if origin else name
    return moved if scale == 1.0 else f"{moved} / {number(scale)}"
