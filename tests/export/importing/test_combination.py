"""Features against the same arithmetic in fractions, and against floating point within their bound."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import dot, evaluated, number, term, total
from lr_export.importing.folding import DOUBLE
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.product import Product

if TYPE_CHECKING:
    from lr_export.importing.combination import Feature
    from lr_runtime.contract.terms.term import Term

    N = TypeVar("N", float, Fraction)

FLOATS = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


def at(x: float) -> dict[Term, Fraction]:
    return {Power(0, n): Fraction(x) ** n for n in range(1, 7)}


def computed(x: N, kind: type[N], mean: float, sd: float, weights: list[float]) -> N:
    """A standard scaler, powers of what it gives, a dot product."""
    scaled = (x - kind(mean)) / kind(sd)
    result, power = kind(0.5), scaled
    for weight in weights:
        result += kind(weight) * power
        power *= scaled
    return result


def folded(mean: float, sd: float, weights: list[float]) -> Feature:
    scaled = term(Power(0)).plus(number(-mean)).divided(sd)
    powers = [scaled]
    while len(powers) < len(weights):
        powers.append(powers[-1].times(scaled))
    return dot(weights, powers, 0.5)


@given(FLOATS, FLOATS, FLOATS.filter(bool), st.lists(FLOATS, min_size=1, max_size=5))
def test_a_chain_is_folded_exactly_and_floats_stay_within_its_bound(
    x: float, mean: float, sd: float, weights: list[float]
) -> None:
    feature = folded(mean, sd, weights)
    exact = evaluated(feature.value, at(x).__getitem__)
    assert exact == computed(Fraction(x), Fraction, mean, sd, weights)
    error = abs(Fraction(computed(x, float, mean, sd, weights)) - exact)
    assert error <= feature.error(DOUBLE, at(x).__getitem__)


def test_levels_of_one_category_exclude_each_other() -> None:
    first, second = term(Level(0, 0)), term(Level(0, 1))
    assert first.times(first).value == first.value
    assert not first.times(second).value


def test_a_missing_value_has_no_power_until_it_is_filled() -> None:
    filled = total([term(Power(0)), term(MissingIndicator(0)).times(number(3.0))])
    squared = filled.times(filled)
    assert squared.value == squared.size == {Power(0, 2): 1, MissingIndicator(0): 9}


@pytest.mark.parametrize("other", [Power(1, 2), Level(1, 0), MissingIndicator(1)], ids=repr)
def test_a_product_of_two_columns_is_a_term_of_ours(other: Term) -> None:
    product = term(Power(0)).times(term(other))
    assert product.value == {Product([Power(0), other]): 1}
    # Powers of one column become one, indicators stay, and what excludes each other is 0.
    again = Power(1, 4) if isinstance(other, Power) else other
    assert product.times(term(other)).value == {Product([Power(0), again]): 1}
    if isinstance(other, Level):
        assert product.times(term(Level(1, 1))).value == {}


def test_the_codes_of_a_category_are_not_multiplied_by_its_indicators() -> None:
    with pytest.raises(UnsupportedModelError, match="the codes of a category"):
        term(Power(0)).times(term(Level(0, 0)))


def test_columns_are_counted_anew() -> None:
    feature = total([term(Power(3, 2)), term(Level(5, 1)), term(MissingIndicator(3)), number(2.0)])
    assert feature.moved([3, 5]).value.keys() == {Power(0, 2), Level(1, 1), MissingIndicator(0), None}
