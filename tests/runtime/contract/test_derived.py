"""Derived variables and products of terms in the contract: names, values, JSON, and what is refused."""

from __future__ import annotations

import math

import pytest

from lr_runtime.contract.columns import Column
from lr_runtime.contract.contract import Contract, Equation, Output
from lr_runtime.contract.derived import FUNCTIONS, Derived
from lr_runtime.contract.equation import equation_lines
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.product import Product
from lr_runtime.contract.terms.term import read_term
from lr_runtime.errors import ModelFileError

R, SITE = Column("r", 1.0, 100.0), Column("site of it", 0.0, 1.0, kind="category", categories=("A", "B"))
CONTRACT = Contract(
    columns=(R, SITE),
    outputs=(Output("t", 0.9, 1.0, function="reciprocal"),),
    rows=3,
    linedge="0.0.0",
    derived=(Derived(0, "log"), Derived(0, "hinge", 25.0)),
    equation=Equation(
        terms=(Power(2), Power(2, 3), Product([Power(2), Level(1, 1)])),
        weight=((1.0, 2.0, 3.0),),
        bias=(0.5,),
        origin=(0.0, 0.0, 2.0, 0.0),
        scale=(1.0, 1.0, 1.0, 1.0),
        fill=(0.0, 0.0, 0.0, 0.0),
    ),
)


def test_a_contract_with_derived_variables_is_read_as_it_was_written() -> None:
    assert Contract.from_json(CONTRACT.to_json()) == CONTRACT
    assert [variable.name for variable in CONTRACT.variables] == ["r", "site of it", "log(r)", "hinge(r, 25)"]
    assert (CONTRACT.variables[2].minimum, CONTRACT.variables[2].maximum) == (0.0, math.log(100.0))


def test_the_equation_names_functions_products_and_the_function_of_the_output() -> None:
    lines = equation_lines(CONTRACT)
    assert lines[0] == '1/t = 0.5 + 1 u(log(r)) + 2 u(log(r))^3 + 3 ["site of it" is B] * u(log(r))'
    assert "u(log(r)) = (log(r) - 2)" in lines


@pytest.mark.parametrize(
    ("function", "outside"),
    [("log", 0.0), ("log", -1.0), ("log1p", -1.0), ("sqrt", -1e-300), ("reciprocal", 0.0), ("log", math.nan)],
)
def test_the_domain_of_a_function(function: str, outside: float) -> None:
    derived = Derived(0, function)  # type: ignore[arg-type]
    assert not derived.holds(outside)
    assert derived.holds(0.5)
    assert math.isfinite(derived.value(0.5))


def test_values_are_those_of_the_standard_library() -> None:
    expected = {
        "log": math.log(0.7),
        "log1p": math.log1p(0.7),
        "exp": math.exp(0.7),
        "sqrt": math.sqrt(0.7),
        "reciprocal": 1 / 0.7,
        "hinge": 0.7 - 0.5,
    }
    for function in FUNCTIONS:
        assert Derived(0, function, 0.5 if function == "hinge" else None).value(0.7) == expected[function]
    assert Derived(0, "exp").value(1e9) == Derived(0, "reciprocal").value(5e-324) == math.inf


@pytest.mark.parametrize(
    "derived",
    [
        {"column": 2, "function": "log"},
        {"column": True, "function": "log"},
        {"column": 1, "function": "log"},
        {"column": 0, "function": "sin"},
        {"column": 0, "function": "hinge"},
        {"column": 0, "function": "hinge", "knot": math.inf},
        {"column": 0, "function": "log", "knot": 1.0},
    ],
)
def test_a_damaged_function_is_refused(derived: dict[str, object]) -> None:
    damaged = CONTRACT._replace(derived=(Derived(**derived),), equation=None)  # type: ignore[arg-type]
    text = damaged.to_json() if derived.get("knot") != math.inf else CONTRACT.to_json().replace("25.0", "Infinity")
    with pytest.raises(ModelFileError, match="damaged"):
        Contract.from_json(text)


def test_a_column_that_leaves_the_domain_is_refused() -> None:
    for column, function in ((R._replace(minimum=0.0), "log"), (R._replace(minimum=-1.0), "reciprocal")):
        damaged = CONTRACT._replace(columns=(column, SITE), derived=(Derived(0, function),), equation=None)  # type: ignore[arg-type]
        text = CONTRACT._replace(equation=None).to_json().replace('"minimum":1.0', f'"minimum":{column.minimum}')
        text = text.replace('"function":"log"', f'"function":"{function}"')
        assert damaged.columns[0].minimum == column.minimum
        with pytest.raises(ModelFileError, match="damaged"):
            Contract.from_json(text)


def test_products_are_equal_in_any_order_and_read_from_their_json() -> None:
    factors = [Power(2, 3), Level(1, 1), MissingIndicator(0)]
    product, reversed_ = Product(factors), Product(factors[::-1])
    assert product == reversed_
    assert hash(product) == hash(reversed_)
    assert read_term(product.to_json(), CONTRACT.variables) == product
    assert product.name(CONTRACT.variables) == "r missing:site of it=B:log(r)^3"
    assert product.value([math.nan, 1.0, 9.0], [0.0, 0.0, 2.0]) == 8.0
    assert not product.is_indicator
    assert Product(factors[1:]).is_indicator


@pytest.mark.parametrize(
    "factors", [[Power(0)], [Power(0), Power(0, 2)], [Power(0), Product([Power(1), Power(2)])], [Power(0), Power(9)]]
)
def test_a_damaged_product_is_refused(factors: list[Power]) -> None:
    with pytest.raises(ValueError, match=r"product|none of its columns"):
        read_term(Product(factors).to_json(), CONTRACT.variables)
