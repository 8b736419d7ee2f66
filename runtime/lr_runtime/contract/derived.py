"""Derived variables: functions of one input column, such as log(r), from which terms are made as from a column.

Behind the input columns they are further numeric variables, each missing where its column is; a value of the column
that is outside the domain of the function is an error, in training as in prediction. Standard library only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, get_args

from lr_runtime.contract.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FunctionName = Literal["log", "log1p", "exp", "sqrt", "reciprocal", "hinge"]
FUNCTIONS: tuple[FunctionName, ...] = get_args(FunctionName)

N = TypeVar("N", bound=Any)
"""A number, or an array of them."""


class Domain(NamedTuple):
    """Where a function is defined: `holds` says it of numbers or arrays, False at NaN; `words` says it to people."""

    holds: Callable[[N], N]
    words: str


DOMAINS: Mapping[FunctionName, Domain] = {
    "log": Domain(lambda x: x > 0, "above 0"),
    "log1p": Domain(lambda x: x > -1, "above -1"),
    "sqrt": Domain(lambda x: x >= 0, "0 or more"),
    "reciprocal": Domain(lambda x: (x < 0) | (x > 0), "other than 0"),
}
"""Of the functions that are not defined everywhere."""


class Derived(NamedTuple):
    """A function of the input column number `column`; a hinge is max(x - knot, 0).

    Example:
        >>> column = Column("r", 1.0, 100.0)
        >>> Derived(0, "log").name([column]), Derived(0, "hinge", 25.0).name([column])
        ('log(r)', 'hinge(r, 25)')
        >>> Derived(0, "sqrt").value(9.0)
        3.0
    """

    column: int
    function: FunctionName
    knot: float | None = None

    def name(self, columns: Sequence[Column]) -> str:
        """Return the name in reports and formulas."""
        return self.named(columns[self.column].name)

    def named(self, column: str) -> str:
        """Return the name where the column is called so."""
        if self.function == "reciprocal":
            return f"(1/{column})"
        return f"{self.function}({column}{'' if self.knot is None else f', {self.knot:.17g}'})"

    def holds(self, x: N) -> N | bool:
        """Return whether x, a number or an array, is in the domain."""
        return DOMAINS[self.function].holds(x) if self.function in DOMAINS else True

    def value(self, x: float) -> float:
        """Return the function of a number in the domain, infinite beyond the range of float64."""
        match self.function:
            case "hinge":
                return max(x - self.of_hinge, 0.0)
            case "reciprocal":
                return math.copysign(math.inf, x) if abs(x) < 2.0**-1024 else 1 / x
            case "exp":
                return math.exp(x) if x < 709.782712893384 else math.inf
            case _:
                return float(getattr(math, self.function)(x))

    @property
    def of_hinge(self) -> float:
        """The knot of a hinge."""
        assert self.knot is not None
        return self.knot

    def variable(self, columns: Sequence[Column]) -> Column:
        """Return the variable as a column, with the range that the column's range gives."""
        given = columns[self.column]
        low, high = sorted(map(self.value, (given.minimum, given.maximum)))
        return Column(self.name(columns), low, high, missing=given.missing)

    def check(self, columns: Sequence[Column]) -> None:
        """Raise ValueError where it is a function of none of these columns, or its column leaves the domain."""
        if type(self.column) is not int or not 0 <= self.column < len(columns) or self.function not in FUNCTIONS:
            raise ValueError("a derived variable is no known function of a column")
        if (self.function == "hinge") != (type(self.knot) is float and math.isfinite(self.knot)):
            raise ValueError("a hinge has a knot, and no other function has one")
        given = columns[self.column]
        if given.kind != "number" or not (self.holds(given.minimum) and self.holds(given.maximum)):
            raise ValueError("a column leaves the domain of a function of it")
        if self.function == "reciprocal" and given.minimum < 0 < given.maximum:
            raise ValueError("a column with a reciprocal has values on both sides of 0")


def with_derived(row: Sequence[float], derived: Sequence[Derived]) -> list[float]:
    """Return the variables of a row: its columns, and the functions of them; of a missing value NaN.

    >>> with_derived([4.0, math.nan], [Derived(0, "sqrt"), Derived(1, "exp")])
    [4.0, nan, 2.0, nan]
    """
    given = [(each, row[each.column]) for each in derived]
    return [*row, *(math.nan if math.isnan(x) else each.value(x) for each, x in given)]
