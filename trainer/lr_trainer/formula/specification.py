"""The specification of a fit's terms, by the names of columns: before a category's levels or any value is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
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
    """

    targets: tuple[Target, ...]
    terms: tuple[tuple[Factor, ...], ...]
    intercept: bool = True
