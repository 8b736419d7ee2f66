"""The contract: what is written comes back, and whatever is no contract is refused in one way."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime import Column, Contract, GoldenRow, Output
from lr_runtime.contract.columns import Kind, Missing
from lr_runtime.contract.contract import CONTRACT_VERSION, OUTPUT_DTYPES, PRECISIONS, RESULTS, Dtype, Equation
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable

finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    names = draw(st.lists(text, min_size=1, max_size=4, unique=True))
    outputs = draw(st.lists(text, min_size=1, max_size=3, unique=True))
    unit, maybe = st.none() | text, st.none() | finite

    def row(size: int) -> tuple[float, ...]:
        return tuple(draw(st.lists(finite, min_size=size, max_size=size)))

    level = draw(st.none() | st.floats(0.01, 0.99))
    equation = Equation(
        terms=(Power(0), Power(0, 2), MissingIndicator(0)),
        weight=tuple(row(3) for _ in outputs),
        bias=row(len(outputs)),
        origin=row(len(names)),
        scale=tuple(2.0 ** draw(st.integers(-1022, 1023)) for _ in names),
        fill=row(len(names)),
    )
    return Contract(
        columns=tuple(
            Column(
                name,
                draw(finite),
                draw(finite),
                draw(unit),
                draw(st.sampled_from(get_args(Kind))),
                draw(st.sampled_from(get_args(Missing))),
            )
            for name in names
        ),
        outputs=tuple(Output(name, draw(maybe), draw(maybe), draw(unit)) for name in outputs),
        rows=draw(st.integers(min_value=0)),
        linedge=draw(text.filter(str.strip)),
        precision=draw(st.sampled_from(PRECISIONS)),
        input_dtype=draw(st.sampled_from(get_args(Dtype))),
        results=draw(st.sampled_from([("y",), ("y", "in_range", "leverage")])) if level is None else RESULTS,
        interval_level=level,
        equation=draw(st.none() | st.just(equation)),
        bound=draw(st.none() | st.just(row(len(outputs)))),
        input_rounding=draw(st.none() | st.just(row(len(outputs)))),
        golden_rows=tuple(GoldenRow(row(len(names)), row(len(outputs))) for _ in range(draw(st.integers(0, 2)))),
    )


ONE = Contract(
    columns=(Column("a", 0.0, 1.0), Column("b", -1.0, 2.0)),
    outputs=(Output("y", 0.5, None),),
    rows=3,
    linedge="0.1.0",
    bound=(0.25,),
    equation=Equation((Power(0), Power(1)), ((1.0, 2.0),), (0.5,), (0.0, 0.0), (1.0, 1.0), (0.0, 0.0)),
    golden_rows=(GoldenRow((0.1, 0.2), (0.3,)),),
)


def as_fields() -> dict[str, Any]:
    return {"contract": CONTRACT_VERSION, **ONE.fields()}


def refusal(written: str) -> str:
    with pytest.raises(ModelFileError) as caught:
        Contract.from_json(written)
    return str(caught.value)


@given(contracts())
@settings(deadline=None)
def test_what_is_written_comes_back(contract: Contract) -> None:
    back = Contract.from_json(contract.to_json())
    assert back == contract
    # Equality does not tell -0.0 from 0.0, and the text does.
    assert back.to_json() == contract.to_json()


@given(contracts())
@settings(deadline=None)
def test_every_field_may_be_written_out(contract: Contract) -> None:
    fields = json.loads(json.dumps(contract.fields()))
    assert list(fields) == list(Contract._fields)
    assert all(list(column) == list(Column._fields) for column in fields["columns"])
    back = Contract.from_json(json.dumps({"contract": CONTRACT_VERSION, **fields}))
    assert back.to_json() == contract.to_json()


def test_what_is_at_its_default_is_not_written() -> None:
    assert json.loads(ONE.to_json()) == {
        "contract": CONTRACT_VERSION,
        "columns": [{"name": "a", "minimum": 0.0, "maximum": 1.0}, {"name": "b", "minimum": -1.0, "maximum": 2.0}],
        "outputs": [{"name": "y", "r2": 0.5, "residual_sd": None}],
        "rows": 3,
        "linedge": "0.1.0",
        "bound": [0.25],
        "equation": {"weight": [[1.0, 2.0]], "bias": [0.5]},
        "golden_rows": [{"x": [0.1, 0.2], "y": [0.3]}],
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("terms", (Power(1), Power(0))), ("origin", (0.0, -0.0)), ("scale", (1.0, 2.0)), ("fill", (1.0, 0.0))],
    ids=lambda value: str(value)[:6],
)
def test_an_equation_of_its_own_comes_back(field: str, value: Any) -> None:
    assert ONE.equation is not None
    contract = ONE._replace(equation=ONE.equation._replace(**{field: value}))
    back = Contract.from_json(contract.to_json())
    assert repr(back) == repr(contract)  # tells -0.0 from 0.0


def test_whole_numbers_are_read_as_floats() -> None:
    column = Contract.from_json(json.dumps(as_fields()).replace("2.0", "2").replace("-1.0", "-1")).columns[1]
    assert repr(column) == repr(ONE.columns[1])


def test_names_stand_in_order() -> None:
    assert ONE.column_names == ("a", "b")
    assert ONE.output_names == ("y",)
    assert ONE.output_dtype == OUTPUT_DTYPES[ONE.precision]


@pytest.mark.parametrize("version", [0, CONTRACT_VERSION + 1, "1", None, [1]], ids=str)
def test_another_version_says_how_to_upgrade(version: object) -> None:
    said = refusal(json.dumps({**as_fields(), "contract": version}))
    assert repr(version) in said
    assert "pip install -U linedge" in said


def _set(path: str, value: object) -> Callable[[dict[str, Any]], object]:
    def edit(written: dict[str, Any]) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        target: Any = written
        for part in parents:
            target = target[part]
        target[last] = value

    return edit


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "no columns": _set("columns", []),
    "no outputs": _set("outputs", []),
    "a column twice": _set("columns.1.name", "a"),
    "an output twice": lambda written: written["outputs"].append(written["outputs"][0]),
    "columns that are text": _set("columns", "ab"),
    "a column that is a list": _set("columns.0", ["a", 0, 1]),
    "a column without a minimum": lambda written: written["columns"][0].pop("minimum"),
    "a column with a field too many": _set("columns.0.color", "red"),
    "a name that is a number": _set("columns.0.name", 5),
    "a name with half a surrogate pair": _set("columns.0.name", "\ud800"),
    "a minimum that is text": _set("columns.0.minimum", "0"),
    "a minimum that is true": _set("columns.0.minimum", True),
    "a minimum that is NaN": _set("columns.0.minimum", float("nan")),
    "a maximum beyond float64": _set("columns.0.maximum", 10**400),
    "a kind that is none": _set("columns.0.kind", "picture"),
    "a policy that is none": _set("columns.0.missing", "guess"),
    "a precision that is none": _set("precision", "float16"),
    "a precision that is a list": _set("precision", ["exact"]),
    "fewer than no rows": _set("rows", -1),
    "half a row": _set("rows", 0.5),
    "a bound of another width": _set("bound", [1.0, 2.0]),
    "a bound that is infinite": _set("bound", [float("inf")]),
    "a golden row that is too short": _set("golden_rows.0.x", [0.1]),
    "a golden row without y": lambda written: written["golden_rows"][0].pop("y"),
    "a missing value in a golden y": _set("golden_rows.0.y.0", None),
    "results without y": _set("results", ["leverage"]),
    "a result twice": _set("results", ["y", "leverage", "leverage"]),
    "a result that is none": _set("results", ["y", "p"]),
    "one end of an interval": _set("results", ["y", "y_lower"]),
    "an interval without a level": _set("results", ["y", "y_lower", "y_upper"]),
    "a level without an interval": _set("interval_level", 0.95),
    "an equation with a weight too few": _set("equation.weight.0", [1.0]),
    "an equation of another width": _set("equation.origin", [0.0]),
    "an equation with a scale that is no power of two": _set("equation.scale.0", 3.0),
    "an equation with a scale of zero": _set("equation.scale.0", 0.0),
    "an equation with a negative scale": _set("equation.scale.0", -2.0),
    "an equation that is a list": _set("equation", [1]),
    "an equation that is a number": _set("equation", 0),
    "an equation with a category that is half a number": _set("equation.terms.1.category", 0.0),
    "an equation without a bias": _set("equation.bias", []),
    "an equation of a column that is not there": _set("equation.terms.1.column", 2),
    "no rows": lambda written: written.pop("rows"),
    "no version": lambda written: written.pop("contract"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(case: str) -> None:
    written = as_fields()
    DAMAGE[case](written)
    assert "its linedge metadata is damaged" in refusal(json.dumps(written))


NOT_AN_OBJECT = {
    "nothing": "",
    "half of it": ONE.to_json()[:-9],
    "null": "null",
    "a list": "[1]",
    "a number": "1",
    "text": '"contract"',
    "deep nesting": "[" * 100_000,
    "a long number": '{"contract":' + "1" * 5000 + "}",
}


@pytest.mark.parametrize("case", NOT_AN_OBJECT)
def test_what_is_no_object_is_damaged(case: str) -> None:
    assert "its linedge metadata is damaged" in refusal(NOT_AN_OBJECT[case])


@pytest.mark.parametrize("depth", range(100, 1000, 100))
def test_nesting_of_any_depth_is_damage(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    refusal(ONE.to_json().replace('"rows":3', f'"rows":{nested}'))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_mutation_of_the_text_raises_anything_else(data: st.DataObject) -> None:
    mutant = list(ONE.to_json())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(mutant)))
        stop = data.draw(st.integers(start, min(len(mutant), start + 8)))
        mutant[start:stop] = data.draw(st.text(max_size=6) | st.sampled_from([*'{}[]",:', "1e999", "NaN", "null"]))
    with suppress(ModelFileError):
        Contract.from_json("".join(mutant))


@given(st.data(), JSON_VALUES)
@settings(max_examples=200, deadline=None)
def test_no_other_value_in_a_field_raises_anything_else(data: st.DataObject, value: object) -> None:
    written = as_fields()
    paths = ["rows", "columns", "outputs", "linedge", "precision", "bound", "golden_rows", "columns.0", "outputs.0"]
    paths += [f"columns.0.{name}" for name in Column._fields]
    paths += [f"outputs.0.{name}" for name in Output._fields]
    paths += ["golden_rows.0", "golden_rows.0.x", "golden_rows.0.y", "golden_rows.0.x.0", "bound.0"]
    _set(data.draw(st.sampled_from(paths)), value)(written)
    with suppress(ModelFileError):
        Contract.from_json(json.dumps(written))


def test_a_missing_value_in_a_golden_row_comes_back_as_one() -> None:
    rows = (GoldenRow((None, 0.2), (0.3,)), GoldenRow((0.1, None), (-0.0,)), GoldenRow((None, None), (1.0,)))
    contract = ONE._replace(golden_rows=rows)
    assert Contract.from_json(contract.to_json()).golden_rows == rows
