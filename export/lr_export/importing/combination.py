"""A number that another library's model computes, as an exact combination of terms, and how far its rounding may be.

A preprocessing step makes features of features by sums and products, so each of them is

    f(x) = sum_t c_t term_t(x)

with rational c_t, and terms that are powers of a raw column, indicators, or products of these. The library computes it
in floating point of unit roundoff u: after k roundings on the longest path, what it computes is within

    gamma_k s(x),    gamma_k = k u / (1 - k u)

of the exact f(x), underflow aside, where s is the same sum with the size of each part (Higham 2002, Accuracy and
Stability of Numerical Algorithms, 3.1).
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lr_export.errors import UnsupportedModelError
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.product import Product
from lr_runtime.contract.terms.term import Term, factors_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


Combination: TypeAlias = "dict[Term | None, Fraction]"
"""The factor of each term; that of None is the constant."""


class Feature(NamedTuple):
    """What a model computes of a row, before its last sum and after.

    Attributes:
        value: the exact number.
        size: the sum of the sizes of its parts.
        roundings: how many there are on the longest path from a raw column.

    Example:
        >>> from lr_runtime.contract.terms.power import Power
        >>> celsius = term(Power(0)).plus(number(-32)).divided(1.8)
        >>> float(celsius.value[None]), celsius.roundings
        (-17.77777777777778, 3)
    """

    value: Combination
    size: Combination
    roundings: int = 0

    def plus(self, other: Feature) -> Feature:
        """Return the sum, rounded once."""
        return total([self, other])

    def times(self, other: Feature) -> Feature:
        """Return the product, rounded once.
        Raises UnsupportedModelError where it computes with the codes of a category, as with a number.
        """
        value, size = product(self.value, other.value), product(self.size, other.size)
        return Feature(value, size, self.roundings + other.roundings + 1)

    def divided(self, by: float) -> Feature:
        """Return the quotient by a number, rounded twice: some take the reciprocal first."""
        return self.times(exactly({None: 1 / Fraction(by)})._replace(roundings=1))

    def substituted(self, by: Callable[[Term], Feature]) -> Feature:
        """Return the same with an exact feature in the place of each term."""
        parts = [(each, number(1.0) if each is None else by(each)) for each in self.value]
        value = _sum(product(new.value, {None: self.value[each]}) for each, new in parts)
        return Feature(value, _sum(product(new.size, {None: self.size[each]}) for each, new in parts), self.roundings)

    def moved(self, columns: Sequence[int]) -> Feature:
        """Return the same of some of the columns alone, counted anew."""
        new = {column: place for place, column in enumerate(columns)}
        return self.substituted(lambda each: term(_moved(each, new)))

    def error(self, unit: Fraction, value_of: Callable[[Term], Fraction]) -> Fraction:
        """Return how far what is computed may be from the exact number, for the unit roundoff of its arithmetic."""
        share = self.roundings * unit
        return share / (1 - share) * evaluated(self.size, lambda each: abs(value_of(each)))


def exactly(value: Combination) -> Feature:
    """Return a combination that nothing rounds."""
    return Feature(value, {each: abs(factor) for each, factor in value.items()})


def term(given: Term) -> Feature:
    """Return a column, its power or an indicator, as it comes."""
    return exactly({given: Fraction(1)})


def number(given: float) -> Feature:
    """Return a constant. Raises UnsupportedModelError where it is not finite."""
    if not isfinite(given):
        raise UnsupportedModelError("the model has learned a number that is not finite")
    return exactly({None: Fraction(given)})


def total(parts: Sequence[Feature]) -> Feature:
    """Return the sum of features, in whatever order it is taken."""
    roundings = max(part.roundings for part in parts) + len(parts) - 1
    return Feature(_sum(part.value for part in parts), _sum(part.size for part in parts), roundings)


def dot(weights: Sequence[float], features: Sequence[Feature], intercept: float) -> Feature:
    """Return the sum of weight times feature, and the intercept."""
    products = [feature.times(number(weight)) for weight, feature in zip(weights, features, strict=True)]
    return total([*products, number(intercept)])


def columns_of(*features: Feature) -> set[int]:
    """Return the columns that features depend on."""
    return {column for feature in features for each in feature.value if each is not None for column in each.columns}


def evaluated(combination: Combination, value_of: Callable[[Term], Fraction]) -> Fraction:
    """Return the number of a combination, given that of each of its terms."""
    return sum((c if each is None else c * value_of(each) for each, c in combination.items() if c), Fraction(0))


def _sum(parts: Iterable[Combination]) -> Combination:
    found: defaultdict[Term | None, Fraction] = defaultdict(Fraction)
    for part in parts:
        for each, factor in part.items():
            found[each] += factor
    return dict(found)


def product(left: Combination, right: Combination) -> Combination:
    """Return the product; that of two levels of one category is 0, and so is a missing value's power."""
    found: defaultdict[Term | None, Fraction] = defaultdict(Fraction)
    for a, factor in left.items():
        for b, other in right.items():
            for each in _of_both(a, b):
                found[each] += factor * other
    return dict(found)


def _of_both(a: Term | None, b: Term | None) -> tuple[Term | None, ...]:
    """Return the term that the product of two is, or none where it is 0."""
    if a is None or b is None:
        return (b if a is None else a,)
    found: dict[int, Term] = {}
    for each in (*factors_of(a), *factors_of(b)):
        (column,) = each.columns
        joined = _of_one_column(found[column], each) if column in found else each
        if joined is None:
            return ()
        found[column] = joined
    (one, *more) = found.values()
    return (Product([one, *more]) if more else one,)


def _of_one_column(a: Term, b: Term) -> Term | None:
    """Return the term that the product of two of one column is; None where it is 0."""
    if isinstance(a, Power) and isinstance(b, Power):
        return Power(a.columns[0], a.power + b.power)
    if {type(a), type(b)} == {Power, Level}:
        raise UnsupportedModelError("the model multiplies the codes of a category by one of its indicators")
    # A power of a missing value counts as 0 until it is filled.
    return a if a == b else None


def _moved(given: Term, new: Mapping[int, int]) -> Term:
    """Return the same term of other columns."""
    match given:
        case Product():
            return Product([_moved(each, new) for each in given.factors])
        case Power():
            return Power(new[given.columns[0]], given.power)
        case Level():
            return Level(new[given.columns[0]], given.category)
    return MissingIndicator(new[given.columns[0]])
