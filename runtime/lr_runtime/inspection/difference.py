"""The largest difference between two models over all rows that both take: in fractions, without any rounding.

It is a sum of one function for each column: a polynomial of a number, a value for each category, one more where the
column is missing. So it is largest where each of them is. A derived variable is taken for a column of its own, over the
range that its column's range gives: no difference is above the bound then, and all may be below it.

In the Bernstein basis of degree n, C(n, j) v^j (1 - v)^(n - j), a polynomial is nowhere on [0, 1] above the largest of
its coefficients, and the first and the last are its values at the ends. Each halving of the interval brings that bound
four times as near to the largest value (Farouki 2012, The Bernstein polynomial basis: a centennial retrospective).
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from itertools import pairwise
from math import comb
from operator import itemgetter, mul
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from numpy.polynomial import Polynomial

from lr_runtime.contract.equation import fitted_name, number, rounded_up
from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract, Equation
    from lr_runtime.contract.derived import Derived

Value = float | str | None
"""Of a column: a number, a category, or None where it is missing."""
Span = tuple[float, float] | str | None
"""The same with a range of numbers."""

_CLOSE = Fraction(1, 1 << 40)
"""How near the bound comes to a value, as a share of how far the coefficients spread: nine digits up to degree ten."""


class Model(NamedTuple):
    """One output of a model whose terms are of one variable each; `derived` has the column and the function of some."""

    columns: Mapping[str, Column]
    equation: Equation
    output: int
    derived: Mapping[str, tuple[str, Derived]] = MappingProxyType({})

    @staticmethod
    def of(contract: Contract, output: str) -> Model:
        """Return an output by its name."""
        columns, equation = {variable.name: variable for variable in contract.variables}, contract.equation
        if contract.inverse is not None:
            raise OptionError("--against takes no file of lr-export --inverse. Compare the models that they invert")
        if equation is None:
            raise OptionError("--against takes models that carry an equation. Export them again")
        if products := [term.name(contract.variables) for term in equation.terms if len(term.columns) > 1]:
            raise OptionError(f"--against takes models whose terms are of one column each, not {escaped(products[0])}")
        functions = zip([*columns][len(contract.columns) :], contract.derived, strict=True)
        derived = {name: (contract.columns[each.column].name, each) for name, each in functions}
        return Model(columns, equation, contract.output_names.index(output), derived)

    def at(self, row: Mapping[str, Value]) -> Fraction:
        """Return the output at a row of columns; functions of them are rounded to float64."""
        given = ((name, each, row[column]) for name, (column, each) in self.derived.items())
        row = {**row, **{name: each.value(x) if isinstance(x, float) else None for name, each, x in given}}
        shares = (self.share(name, row[name]).coef[0] for name in self.columns)
        return sum(shares, Fraction(self.equation.bias[self.output]))

    def share(self, name: str, value: Value | Span) -> Polynomial:
        """Return what a column adds to the output, from the low end of a range at 0 to the high one at 1."""
        total, equation = Polynomial([Fraction(0)]), self.equation
        if name not in self.columns:
            return total
        place = [*self.columns].index(name)
        given = float(self.columns[name].categories.index(value)) if isinstance(value, str) else value
        x = equation.fill[place] if given is None else given
        ends = x if isinstance(x, tuple) else (x, x)
        origin, scale = Fraction(equation.origin[place]), Fraction(equation.scale[place])
        low, high = ((Fraction(end) - origin) / scale for end in ends)
        columns = [math.nan if given is None else ends[0]] * (place + 1), [Polynomial([low, high - low])] * (place + 1)
        for term, weight in zip(equation.terms, equation.weight[self.output], strict=True):
            if term.columns == (place,) and (factor := term.value(*columns)):
                total += Fraction(weight) * factor
        return total


class Difference(NamedTuple):
    """The largest difference between two models.

    Attributes:
        bound: proven: no difference is above it.
        row: where the largest was found: the bound to nine digits, where ranges are no few steps of float64 wide.
        values: of both models there.
    """

    bound: Fraction
    row: Mapping[str, Value]
    values: tuple[Fraction, Fraction]

    @property
    def found(self) -> Fraction:
        """The difference at `row`."""
        return abs(self.values[0] - self.values[1])

    def __str__(self) -> str:
        found, bound = number(self.found), number(rounded_up(self.bound))
        return found if self.found == self.bound else f"between {found} and {bound}"

    def to_json(self) -> dict[str, object]:
        """Return JSON values."""
        values = [float(value) for value in self.values]
        return {"found": float(self.found), "bound": rounded_up(self.bound), "values": values, "row": self.row}


def compare(first: Contract, second: Contract) -> dict[str, Difference]:
    """Return the largest difference of each output that two models have, by its name, such as log(y) of a function.

    A number may be anywhere in its training range of either, a category any that both know.

    Raises:
        OptionError: there is nothing to compare: no output, column or value in common, no equation, or no float64; or
            the models fit different functions of an output, or count the instants of a column differently.
    """
    names = [name for name in first.output_names if name in second.output_names]
    if not names or not set(first.column_names) & set(second.column_names):
        raise OptionError("the files have no output, or no column, of the same name, so there is nothing to compare")
    clocks = [{column.name: column.time for column in each.columns} for each in (first, second)]
    if moved := [name for name in clocks[0] if clocks[0][name] != clocks[1].get(name, clocks[0][name])]:
        raise OptionError(f"the models count the instants of {escaped(moved[0])} differently, and are not compared")
    found = {}
    for name in names:
        outputs = [each.outputs[each.output_names.index(name)] for each in (first, second)]
        fitted, other = map(fitted_name, outputs)
        if fitted != other:
            raise OptionError(f"one model is of {escaped(fitted)} and the other of {escaped(other)}: not compared")
        found[fitted if outputs[0].function else name] = largest_difference(
            Model.of(first, name), Model.of(second, name)
        )
    return found


def largest_difference(first: Model, second: Model) -> Difference:
    """Return the largest difference; see `compare`."""
    bound, row = max(_furthest(first, second), _furthest(second, first), key=itemgetter(0))
    found = Difference(bound, row, (first.at(row), second.at(row)))
    if max(bound, *map(abs, found.values)) > sys.float_info.max:
        raise OptionError("the models give numbers beyond the range of float64, which are not compared")
    return found


def _furthest(upper: Model, lower: Model) -> tuple[Fraction, dict[str, Value]]:
    """Return a number that `upper` is nowhere more above `lower`, and a row where it is nearly that."""
    total = Fraction(upper.equation.bias[upper.output]) - Fraction(lower.equation.bias[lower.output])
    row: dict[str, Value] = {}
    for name in {**upper.columns, **lower.columns}:
        spans = _spans_of(name, upper, lower)
        bound, row[name] = max((_peak(upper, lower, name, span) for span in spans), key=itemgetter(0))
        total += bound
    return total, _of_columns(row, upper, lower)


def _of_columns(row: Mapping[str, Value], upper: Model, lower: Model) -> dict[str, Value]:
    """Return a row of columns alone: one with functions is where it, or one of these, is as in `row`."""
    derived = {**upper.derived, **lower.derived}
    best = {name: value for name, value in row.items() if name not in derived}
    for name, (column, each) in derived.items():
        span = next(span for span in _spans_of(column, upper, lower) if isinstance(span, tuple))
        other = {**best, column: _argument(each, row[name], span)}
        best = max(best, other, key=lambda given: upper.at(given) - lower.at(given))
    return best


def _argument(each: Derived, value: Value, span: tuple[float, float]) -> Value:
    """Return the number at which a function has a value, by halving the range; None where that is missing."""
    if not isinstance(value, float):
        return None
    low, high = span
    for _ in range(64):
        middle = low / 2 + high / 2
        is_above = (each.value(middle) < value) == (each.value(low) <= each.value(high))
        low, high = (middle, high) if is_above else (low, middle)
    return high


def _spans_of(name: str, upper: Model, lower: Model) -> list[Span]:
    """Return what a variable may be for both models."""
    column, each = {**upper.derived, **lower.derived}.get(name, (name, None))
    spans = _spans([model.columns[column] for model in (upper, lower) if column in model.columns])
    return spans if each is None else [_image(name, each, span) for span in spans]


def _image(name: str, each: Derived, span: Span) -> Span:
    """Return the range of a function over one of its column; outward by more than a library's rounding."""
    if not isinstance(span, tuple):
        return span
    ends = sorted(each.value(end) if each.holds(end) else math.nan for end in span)
    if not all(map(math.isfinite, ends)) or (each.function == "reciprocal" and span[0] < 0 < span[1]):
        raise OptionError(f"{escaped(name)} is not defined in all of the training ranges, which are not compared")
    return ends[0] - 4 * math.ulp(ends[0]), ends[1] + 4 * math.ulp(ends[1])


def _spans(columns: Sequence[Column]) -> list[Span]:
    """Return what a column may be for every model that has it, numbers in the training range of any."""
    spans: list[Span] = [each for each in columns[0].categories if all(each in column.categories for column in columns)]
    if all(column.kind == "number" for column in columns):
        spans.append((min(column.minimum for column in columns), max(column.maximum for column in columns)))
    if all(column.missing != "error" for column in columns):
        spans.append(None)
    if not spans:
        raise OptionError(f"the models have no value of the column {escaped(columns[0].name)} in common")
    return spans


def _peak(upper: Model, lower: Model, name: str, span: Span) -> tuple[Fraction, Value]:
    """Return a number that a column adds at most to a difference, and where it adds nearly that."""
    bound, place = largest((upper.share(name, span) - lower.share(name, span)).coef.tolist())
    if not isinstance(span, tuple):
        return bound, span
    low, high = map(Fraction, span)
    return bound, float(low + (high - low) * place)


def largest(coefficients: Sequence[Fraction]) -> tuple[Fraction, Fraction]:
    """Return a number that a polynomial is nowhere on [0, 1] above, and where it is nearly that."""
    n = len(coefficients) - 1
    shares = [[Fraction(comb(j, k), comb(n, k)) for k in range(n + 1)] for j in range(n + 1)]
    basis = [sum(map(mul, row, coefficients), Fraction()) for row in shares]
    near, pieces = (max(basis) - min(basis)) * _CLOSE, [(Fraction(0), Fraction(1), basis)]
    found = basis[0], Fraction(0)
    while True:
        found = max(found, *((basis[-1], end) for _, end, basis in pieces))
        pieces = [piece for piece in pieces if max(piece[2]) > found[0]]
        bound = max((max(basis) for _, _, basis in pieces), default=found[0])
        if bound <= found[0] + near:
            return bound, found[1]
        pieces = [half for piece in pieces for half in _halves(*piece)]


def _halves(start: Fraction, end: Fraction, basis: list[Fraction]) -> list[tuple[Fraction, Fraction, list[Fraction]]]:
    """Return both halves of an interval with the coefficients there (de Casteljau 1959)."""
    rows, middle = [basis], (start + end) / 2
    while len(rows[-1]) > 1:
        rows.append([(a + b) / 2 for a, b in pairwise(rows[-1])])
    return [(start, middle, [row[0] for row in rows]), (middle, end, [row[-1] for row in reversed(rows)])]
