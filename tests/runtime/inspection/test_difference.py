"""The largest difference between two models, against fractions, dense rows and mpmath."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lr_runtime import Column, Contract, Output
from lr_runtime.contract.columns import MISSING
from lr_runtime.contract.contract import Equation
from lr_runtime.contract.derived import FUNCTIONS, Derived
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.product import Product
from lr_runtime.errors import OptionError
from lr_runtime.inspection.difference import Model, compare, largest, largest_difference
from lr_runtime.instants import Clock
from tests.optional import optional

if TYPE_CHECKING:
    import mpmath

    from lr_runtime.contract.contract import TargetFunction
    from lr_runtime.contract.derived import FunctionName
    from lr_runtime.contract.terms.term import Term
else:
    mpmath = optional("mpmath")

WEIGHTS = st.floats(-100, 100)
NINE_DIGITS = Fraction(1, 10**9)
Row = dict[str, float | str | None]


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Draw a model of a number, a category and, mostly, one more number, in any order."""
    low, width = draw(st.floats(-1000, 1000)), draw(st.floats(0, 100))
    missing = draw(st.sampled_from(MISSING))
    levels = draw(st.permutations(["north", "south", "east", "west"]))[: draw(st.integers(2, 4))]
    columns = [
        Column("t", low, low + width, missing=missing),
        Column(
            "site",
            0.0,
            len(levels) - 1.0,
            None,
            "category",
            draw(st.sampled_from(["error", "indicator"])),
            tuple(levels),
        ),
        *([Column("p", -1.0, 1.0)] if draw(st.booleans()) else []),
    ]
    columns = draw(st.permutations(columns))
    terms = [term for place, column in enumerate(columns) for term in _terms(place, column, draw(st.integers(1, 4)))]
    weight = tuple(draw(st.lists(WEIGHTS, min_size=len(terms), max_size=len(terms))))
    origin = tuple(low + draw(st.floats(-1, 2)) * width if column.name == "t" else 0.0 for column in columns)
    scale = tuple(draw(st.sampled_from([0.25, 1.0, 64.0])) if column.name == "t" else 1.0 for column in columns)
    fill = tuple(low + width / 3 if column.name == "t" else 0.0 for column in columns)
    equation = Equation(tuple(terms), (weight,), (draw(WEIGHTS),), origin, scale, fill)
    return Model({column.name: column for column in columns}, equation, 0)


def _terms(place: int, column: Column, degree: int) -> list[Term]:
    indicator: list[Term] = [MissingIndicator(place)] if column.missing == "indicator" else []
    if column.kind == "category":
        return [*(Level(place, level) for level in range(1, len(column.categories))), *indicator]
    return [*(Power(place, power) for power in range(1, degree + 1)), *indicator]


def exact(model: Model, row: Row) -> Fraction:
    """Evaluate a model by the formula of `lr_runtime.contract.checkpoint`, term by term."""
    equation, total = model.equation, Fraction(model.equation.bias[0])
    columns = list(model.columns.values())
    for term, weight in zip(equation.terms, equation.weight[0], strict=True):
        (place,) = term.columns
        value = row[columns[place].name]
        match term:
            case Power():
                filled = equation.fill[place] if value is None else value
                u = (Fraction(filled) - Fraction(equation.origin[place])) / Fraction(equation.scale[place])
                total += Fraction(weight) * u**term.power
            case Level():
                total += Fraction(weight) * (value == columns[place].categories[term.category])
            case MissingIndicator():
                total += Fraction(weight) * (value is None)
    return total


def takes(column: Column, value: float | str | None) -> bool:
    """Whether a model takes a value, inside of its training range or not."""
    if value is None:
        return column.missing != "error"
    return value in column.categories if column.kind == "category" else isinstance(value, float)


def dense(first: Model, second: Model, steps: int = 40) -> list[Row]:
    """Return rows of a grid over all that both models take, numbers from the least to the greatest of either."""
    choices: list[list[float | str | None]] = []
    names = list({**first.columns, **second.columns})
    for name in names:
        columns = [model.columns[name] for model in (first, second) if name in model.columns]
        if columns[0].kind == "category":
            known = [set(each.categories) for each in columns]
            values: list[float | str | None] = [*known[0].intersection(*known)]
        else:
            low, high = min(each.minimum for each in columns), max(each.maximum for each in columns)
            count = steps if name == "t" else 2
            values = [min(high, low + (high - low) * step / count) for step in range(count + 1)]
        choices.append(values + [None] * all(each.missing != "error" for each in columns))
    return [dict(zip(names, row, strict=True)) for row in product(*choices)]


@settings(max_examples=50, deadline=None)
@given(models(), models())
def test_no_row_passes_the_bound_and_one_reaches_it(first: Model, second: Model) -> None:
    rows = dense(first, second)
    if not rows:  # no level in common
        with pytest.raises(OptionError, match='no value of the column "site" in common'):
            largest_difference(first, second)
        return
    most = largest_difference(first, second)
    for model in (first, second):
        assert all(takes(column, most.row[name]) for name, column in model.columns.items())
    assert most.values == (exact(first, dict(most.row)), exact(second, dict(most.row)))
    assert most.found <= most.bound <= most.found + NINE_DIGITS * max(most.bound, Fraction(1, 10**6))
    assert max(abs(exact(first, row) - exact(second, row)) for row in rows) <= most.bound
    assert largest_difference(second, first).bound == most.bound


def test_the_same_polynomial_on_another_origin_and_scale_is_equal_and_its_last_bit_is_not() -> None:
    x, p = Column("x", -3.0, 41.0), Column("p", 0.0, 1.0)
    # 2 u + u^2 - 0.5 p + 1 with u = (x - 16) / 4 is x^2 / 16 - 1.5 x - 0.5 p + 9.
    first = Equation(
        (Power(0), Power(0, 2), Power(1)), ((2.0, 1.0, -0.5),), (1.0,), (16.0, 0.0), (4.0, 1.0), (0.0, 0.0)
    )
    second = Equation(
        (Power(0), Power(1, 2), Power(1)), ((-0.5, 0.0625, -1.5),), (9.0,), (0.0,) * 2, (1.0,) * 2, (0.0,) * 2
    )
    old, new = Model({"x": x, "p": p}, first, 0), Model({"p": p, "x": x}, second, 0)
    assert largest_difference(old, new).bound == 0
    moved = new._replace(equation=second._replace(bias=(9.0 + 2.0**-49,)))
    most = largest_difference(old, moved)
    assert (most.bound, most.found) == (Fraction(1, 2**49), Fraction(1, 2**49))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=6))
@example([0, 2, 0, -44, 3, -43])
def test_the_largest_value_of_a_polynomial_is_found_by_its_derivative(coefficients: list[int]) -> None:
    with mpmath.workdps(40):
        slope = [k * c for k, c in enumerate(coefficients)][:0:-1]
        while slope and not slope[0]:
            slope = slope[1:]
        roots = mpmath.polyroots(slope, maxsteps=500, extraprec=200) if len(slope) > 1 else []
        places = [0, 1, *(mpmath.re(root) for root in roots if abs(mpmath.im(root)) < 1e-9 and 0 < mpmath.re(root) < 1)]
        top = max(mpmath.polyval(coefficients[::-1], place) for place in places)
        bound, place = largest(list(map(Fraction, coefficients)))
        reached = sum(c * place**k for k, c in enumerate(coefficients))
        slack = mpmath.mpf(10) ** -15 * (1 + max(map(abs, coefficients)))
        near = slack + mpmath.mpf(2) ** -39 * sum(map(abs, coefficients))  # 2^-40 of a spread of at most twice the sum
        assert top - slack <= mpmath.mpf(bound.numerator) / bound.denominator <= top + near
        assert mpmath.mpf(reached.numerator) / reached.denominator <= top + slack


def test_a_model_of_another_form_is_refused() -> None:
    columns, output = (Column("a", 0.0, 1.0), Column("b", 0.0, 1.0)), (Output("y", None, None),)
    product = Product([Power(0), Power(1)])
    equation = Equation((product,), ((1.0,),), (0.0,), (0.0,) * 2, (1.0,) * 2, (0.0,) * 2)
    plain = Contract(columns, output, 1, "0.1.0", equation=equation._replace(terms=(Power(0),)))
    assert compare(plain, plain)["y"].bound == 0
    of_both = plain._replace(equation=equation)
    for other, why in (
        (plain._replace(equation=None), "carry an equation"),
        (of_both, 'of one column each, not "a:b"'),
    ):
        with pytest.raises(OptionError, match=why):
            compare(plain, other)


@pytest.mark.parametrize("other", [None, "sqrt", "reciprocal"])
def test_functions_of_a_target_are_compared_with_the_same_function_alone(other: TargetFunction | None) -> None:
    model = of_functions([Derived(0, "log")], 1.0, 2.0, [0.0, 1.0])
    of_log = model._replace(outputs=(model.outputs[0]._replace(function="log"),))
    assert list(compare(of_log, of_log)) == ["log(y)"]
    of_other = model._replace(outputs=(model.outputs[0]._replace(function=other),))
    with pytest.raises(OptionError, match=r"one model is of .log\(y\). and the other of "):
        compare(of_log, of_other)


def test_instants_are_compared_in_the_same_count_alone() -> None:
    column = Column("t", 0.0, 1.0, time=Clock("days"))
    equation = Equation((Power(0),), ((1.0,),), (0.0,), (0.0,), (1.0,), (0.0,))
    days = Contract((column,), (Output("y", None, None),), 1, "0.1.0", equation=equation)
    assert compare(days, days)["y"].bound == 0
    for other in (Clock("hours"), Clock("days", "2024-01-01"), None):
        with pytest.raises(OptionError, match=r"count the instants of .t. differently"):
            compare(days, days._replace(columns=(column._replace(time=other),)))


def of_functions(derived: list[Derived], low: float, high: float, weight: list[float], power: int = 1) -> Contract:
    """Return a model of the column r and its functions, of which one may be raised to a power."""
    columns, output = (Column("r", low, high, missing="mean"),), (Output("y", None, None),)
    count = 1 + len(derived)
    terms = (*map(Power, range(count)), Power(count - 1, power)) if power > 1 else tuple(map(Power, range(count)))
    weights = (*weight, *(1.0 for _ in terms[len(weight) :]))
    equation = Equation(terms, (weights,), (0.5,), (0.0,) * count, (1.0,) * count, (2.0,) * count)
    return Contract(columns, output, 1, "0.1.0", equation=equation, derived=tuple(derived))


@settings(deadline=None, max_examples=40)
@given(
    names=st.lists(st.sampled_from(FUNCTIONS), min_size=1, max_size=2, unique=True),
    low=st.floats(0.1, 20),
    width=st.floats(0, 20),
    weights=st.lists(WEIGHTS, min_size=6, max_size=6),
    power=st.integers(1, 3),
)
def test_no_difference_of_functions_is_above_the_bound(
    names: list[FunctionName], low: float, width: float, weights: list[float], power: int
) -> None:
    derived = [Derived(0, name, 3.5 if name == "hinge" else None) for name in names]
    first = of_functions(derived, low, low + width, weights[: len(names) + 1], power)
    second = of_functions(derived[:1], low, low + width + 1, weights[3:5])
    most = compare(first, second)["y"]
    models = [Model.of(each, "y") for each in (first, second)]
    rows: list[Row] = [
        {"r": None},
        *[Row(r=min(low + (width + 1) * step / 200, low + width + 1)) for step in range(201)],
    ]
    assert max(abs(models[0].at(row) - models[1].at(row)) for row in rows) <= most.bound
    assert most.found <= most.bound
    assert [*most.row] == ["r"]
    assert abs(models[0].at(most.row) - models[1].at(most.row)) == most.found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_bound_of_one_function_is_reached(name: FunctionName) -> None:
    derived = [Derived(0, name, 2.5 if name == "hinge" else None)]
    first, second = (of_functions(derived, 1.0, 5.0, [1.0, weight]) for weight in (3.0, -2.0))
    most = compare(first, second)["y"]
    assert most.found <= most.bound <= most.found * (1 + NINE_DIGITS)


def test_functions_that_a_range_leaves_are_not_compared() -> None:
    first = of_functions([Derived(0, "log")], 1.0, 5.0, [1.0, 1.0])
    with pytest.raises(OptionError, match=r'"log\(r\)" is not defined in all of the training ranges'):
        compare(first, of_functions([], -1.0, 5.0, [1.0]))


def test_a_high_power_over_a_narrow_range_far_from_0_ends() -> None:
    column = Column("t", 1.7e9 - 3600, 1.7e9 + 3600)
    terms = tuple(Power(0, power) for power in range(1, 11))
    equation = Equation(terms, ((1.0, -2.0) * 5,), (0.0,), (1.7e9,), (4096.0,), (0.0,))
    moved = equation._replace(weight=((1.0, -2.5) * 5,))
    most = largest_difference(Model({"t": column}, equation, 0), Model({"t": column}, moved, 0))
    assert most.found <= most.bound <= most.found * (1 + NINE_DIGITS)
