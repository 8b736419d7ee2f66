"""The largest difference between two models over all rows that both take: in fractions, without any rounding.

It is a sum of one function for each column: a polynomial of a number, a value for each category, one more where the
column is missing. So it is largest where each of them is.

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
from typing import TYPE_CHECKING, NamedTuple

from numpy.polynomial import Polynomial

from lr_runtime.contract.equation import number, rounded_up
from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract, Equation

Value = float | str | None
"""Of a column: a number, a category, or None where it is missing."""
Span = tuple[float, float] | str | None
"""The same with a range of numbers."""

_CLOSE = Fraction(1, 1 << 40)
"""How near the bound comes to a value, as a share of how far the coefficients spread: nine digits up to degree ten."""


class Model(NamedTuple):
    """One output of a model whose terms are of one column each."""

    columns: Mapping[str, Column]
    equation: Equation
    output: int

    @staticmethod
    def of(contract: Contract, output: str) -> Model:
        """Return an output by its name."""
        columns, equation = {column.name: column for column in contract.columns}, contract.equation
        if equation is None or any(len(term.columns) > 1 for term in equation.terms):
            raise OptionError(
                "--against takes models that carry an equation, each term of one column. Export them again"
            )
        return Model(columns, equation, contract.output_names.index(output))

    def at(self, row: Mapping[str, Value]) -> Fraction:
        """Return the output at a row."""
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
    """Return the largest difference of each output that two models have, by its name.

    A number may be anywhere in its training range of either, a category any that both know.

    Raises:
        OptionError: there is nothing to compare: no output, column or value in common, no equation, or no float64.
    """
    outputs = [name for name in first.output_names if name in second.output_names]
    if not outputs or not set(first.column_names) & set(second.column_names):
        raise OptionError("the files have no output, or no column, of the same name, so there is nothing to compare")
    return {name: largest_difference(Model.of(first, name), Model.of(second, name)) for name in outputs}


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
        spans = _spans([model.columns[name] for model in (upper, lower) if name in model.columns])
        bound, row[name] = max((_peak(upper, lower, name, span) for span in spans), key=itemgetter(0))
        total += bound
    return total, row


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
