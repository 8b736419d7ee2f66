"""The specification of a fit's terms, by the names of columns: before a category's levels or any value is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lr_runtime.contract.derived import Derived, FunctionName
from lr_runtime.errors import OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lr_runtime.contract.contract import TargetFunction


class Factor(NamedTuple):
    """A factor of a term: a power of a numeric column or of a function of it, or the indicators of a category.

    Example:
        >>> Factor("r", "log", power=3)
        Factor(column='r', function='log', knot=None, power=3, is_category=False)
    """

    column: str
    function: FunctionName | None = None
    knot: float | None = None
    power: int = 1
    is_category: bool = False


class Target(NamedTuple):
    """A column that is predicted, or the function of it that is."""

    column: str
    function: TargetFunction | None = None


class Specification(NamedTuple):
    """The terms of a fit in order, each a product of factors of different variables.

    Attributes:
        targets: what is predicted.
        terms: the products; a factor that is a category stands for its indicators.
        intercept: whether one is fitted.
        leaves_reference: whether the first level of a category has no term of its own even without an intercept, as
            without a formula.
    """

    targets: tuple[Target, ...]
    terms: tuple[tuple[Factor, ...], ...]
    intercept: bool = True
    leaves_reference: bool = False

    @property
    def factors(self) -> list[Factor]:
        """The factors of all terms."""
        return [factor for term in self.terms for factor in term]

    def with_categories(self, categories: Collection[str]) -> Specification:
        """Return the same, the columns that turned out to be categories as such.

        Raises:
            OptionError: a function or a power is of a category, or a column is one in some terms alone.
        """
        coded = {factor.column for factor in self.factors if factor.is_category}
        for factor in self.factors:
            if factor.column in categories and (factor.function is not None or factor.power > 1):
                raise OptionError(f"{escaped(factor.column)} is a category, and functions are of numbers. Leave it out")
            if factor.column in coded and not factor.is_category:
                raise OptionError(f"{escaped(factor.column)} is a category in some terms alone. Make it one in all")
        terms = (tuple(f._replace(is_category=f.column in categories) for f in term) for term in self.terms)
        return self._replace(terms=tuple(terms))


def functions_in(specification: Specification, features: Sequence[str]) -> tuple[Derived, ...]:
    """Return the functions of features, by their places, that the terms are made of, in the order of the terms."""
    found = ((features.index(f.column), f.function, f.knot) for f in specification.factors if f.function is not None)
    return tuple(Derived(*each) for each in dict.fromkeys(found))
