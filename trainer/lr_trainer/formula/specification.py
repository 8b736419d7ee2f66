"""The specification of a fit's terms, by the names of columns: before a category's levels or any value is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lr_runtime.contract.derived import Derived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.contract import TargetFunction
    from lr_runtime.contract.derived import FunctionName


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


def functions_in(specification: Specification, features: Sequence[str]) -> tuple[Derived, ...]:
    """Return the functions of features, by their places, that the terms are made of, in the order of the terms."""
    factors = [factor for term in specification.terms for factor in term]
    found = ((features.index(each.column), each.function, each.knot) for each in factors if each.function is not None)
    return tuple(Derived(*each) for each in dict.fromkeys(found))
