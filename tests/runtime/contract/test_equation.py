"""The equation in words, read back and evaluated: it is the model of the checkpoint."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.contract.columns import Column
from lr_runtime.contract.contract import Contract, Equation, Output
from lr_runtime.contract.equation import equation_lines, number
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from tests.conftest import checkpoint_of

NUMBER = r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?"
SUMMAND = re.compile(rf"(?: ([-+]) )?({NUMBER})(?: ((?:u\(\w+\)|[a-z]\w*)(?:\^\d+)?|\[[^]]*\]))?")


def evaluated(lines: list[str], values: dict[str, Fraction]) -> Fraction:
    """Compute the first line, from the float64 numbers written, at the values of names, `u(...)` and brackets."""
    right, total = lines[0].partition(" = ")[2], Fraction(0)
    end = 0
    for found in SUMMAND.finditer(right):
        assert found.start() == end, right
        end = found.end()
        factor = Fraction(1)
        if found[3]:
            name, _, power = found[3].partition("^")
            factor = values[name] ** int(power or 1)
        total += (-1 if found[1] == "-" else 1) * Fraction(float(found[2])) * factor
    assert end == len(right), right
    return total


def lines_of(equation: Equation, *columns: Column) -> list[str]:
    contract = Contract(columns, (Output("y", None, None),), 5, "0.1.0", equation=equation)
    return equation_lines(contract)


finite = st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), columns=st.integers(1, 4))
def test_numeric_columns_are_taken_raw(data: st.DataObject, columns: int) -> None:
    def many(values: st.SearchStrategy[float]) -> tuple[float, ...]:
        return tuple(data.draw(st.lists(values, min_size=columns, max_size=columns)))

    scales = st.integers(-20, 20).map(lambda exponent: 2.0**exponent)
    weight, origin, scale, x = many(finite), many(finite), many(scales), many(finite)
    bias = data.draw(finite)
    terms = tuple(Power(index) for index in range(columns))
    equation = Equation(terms, (weight,), (bias,), origin, scale, (0.0,) * columns)
    lines = lines_of(equation, *(Column(f"x{index}", -1.0, 1.0) for index in range(columns)))
    assert len(lines) == 1
    slopes = [Fraction(w) / Fraction(s) for w, s in zip(weight, scale, strict=True)]
    exact = Fraction(bias) + sum(
        (slope * (Fraction(a) - Fraction(b)) for slope, a, b in zip(slopes, x, origin, strict=True)), Fraction(0)
    )
    intercept = exact - sum((slope * Fraction(a) for slope, a in zip(slopes, x, strict=True)), Fraction(0))
    # Each number is rounded once, to a float64.
    spread = abs(intercept) + sum((abs(slope * Fraction(a)) for slope, a in zip(slopes, x, strict=True)), Fraction(0))
    got = evaluated(lines, {f"x{index}": Fraction(value) for index, value in enumerate(x)})
    assert abs(got - exact) <= spread / 2**53 + Fraction(2) ** -1074


def test_powers_categories_and_missing_values() -> None:
    terms = (Power(0), Power(0, 2), Level(1, 1), Level(1, 2), Power(2), MissingIndicator(2))
    weight = (1.5, -2.0, 3.0, -4.0, 8.0, 0.5)
    equation = Equation(terms, (weight,), (10.0,), (6.0, 0.0, 1.0), (4.0, 1.0, 2.0), (0.0, 0.0, 2.5))
    lines = lines_of(
        equation,
        Column("x", 0.0, 10.0),
        Column("site", 0.0, 2.0, kind="category", categories=("A", "B", "two words")),
        Column("r", 0.0, 5.0, missing="indicator"),
    )
    assert lines == [
        'y = 6 + 1.5 u(x) - 2 u(x)^2 + 3 [site is B] - 4 [site is "two words"] + 4 r + 0.5 [r is missing]',
        "[...] is 1 where that holds, and 0 elsewhere",
        "u(x) = (x - 6) / 4",
        "where r is missing, 2.5 stands in for it",
    ]
    x, r = Fraction(7), Fraction(3)
    values = {"u(x)": (x - 6) / 4, "[site is B]": Fraction(1), '[site is "two words"]': Fraction(0), "r": r}
    values["[r is missing]"] = Fraction(0)
    u = (x - 6) / 4
    assert evaluated(lines, values) == 10 + Fraction(3, 2) * u - 2 * u**2 + 3 + 8 * (r - 1) / 2


SCALED = {
    (0.0, 1.0): ["y = 1 + 2 x^2"],
    (3.0, 1.0): ["y = 1 + 2 u(x)^2", "u(x) = (x - 3)"],
    (0.0, 4.0): ["y = 1 + 2 u(x)^2", "u(x) = x / 4"],
    (-3.0, 0.5): ["y = 1 + 2 u(x)^2", "u(x) = (x + 3) / 0.5"],
}


@pytest.mark.parametrize(("origin", "scale"), SCALED)
def test_a_power_keeps_its_origin_and_scale(origin: float, scale: float) -> None:
    equation = Equation((Power(0, 2),), ((2.0,),), (1.0,), (origin,), (scale,), (0.0,))
    assert lines_of(equation, Column("x", 0.0, 1.0)) == SCALED[origin, scale]


def test_a_line_for_each_output_and_none_for_a_weight_of_zero() -> None:
    checkpoint = checkpoint_of([[1.0, 0.0], [0.0, -0.5]], [0.0, -1.0])
    contract = checkpoint.contract._replace(equation=checkpoint.equation)
    assert equation_lines(contract) == ["y1 = 0 + 1 x1", "y2 = -1 - 0.5 x2"]
    assert equation_lines(checkpoint.contract) == []


NAMED = {
    "größe": "größe",
    "a b": '"a b"',
    "2": '"2"',
    "x\x1b[31m": '"x\\x1b[31m"',
    "": '""',
    "u" * 61: f'"{"u" * 59}…"',
}


@pytest.mark.parametrize("name", NAMED)
def test_names_that_could_be_misread_are_in_quotes(name: str) -> None:
    equation = Equation((Power(0),), ((2.0,),), (1.0,), (0.0,), (1.0,), (0.0,))
    assert lines_of(equation, Column(name, 0.0, 1.0)) == [f"y = 1 + 2 {NAMED[name]}"]


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 1e300, 5e-324, 0.1, 123456789.0])
def test_a_number_is_written_in_digits_that_give_it_back(value: float) -> None:
    assert float(number(value)) == value
    assert number(Fraction(value)) == number(value)


def test_a_slope_beyond_the_range_of_float64_is_written_all_the_same() -> None:
    slope = Fraction(3) * Fraction(2) ** 1100
    assert abs(Fraction(number(slope)) / slope - 1) < Fraction(1, 10**16)
    equation = Equation((Power(0),), ((2.0,),), (1.0,), (0.0,), (2.0**-1060,), (0.0,))
    assert np.isinf(float(lines_of(equation, Column("x", 0.0, 1.0))[0].split()[4]))
