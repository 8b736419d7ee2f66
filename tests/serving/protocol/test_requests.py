"""Requests in JSON: what the protocol's text allows is taken, anything else refused in one line that says what came."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.serving.protocol.client import Tensor, infer
from tests.serving.protocol.served import MOST_ROWS

if TYPE_CHECKING:
    from lr_runtime.serving.models import Models
    from tests.serving.protocol.client import Answer, Ask

TEN = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
X = {"name": "x", "shape": [1, 10], "datatype": "FP32", "data": TEN}
SITE = {
    "a": ("FP32", [1.0]),
    "site": ("BYTES", ["q"]),
    "b": ("FP64", [100.5]),
    "c": ("INT8", [1]),
    "d": ("BYTES", ["v"]),
}


def asked(ask: Ask, model: str, body: object, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask("POST", f"/v2/models/{model}/infer", headers, raw)


def with_x(**changed: object) -> dict[str, object]:
    """Return a request of one row, its input changed; None takes a key away."""
    return {"inputs": [{key: value for key, value in {**X, **changed}.items() if value is not None}]}


def by_name(**changed: tuple[str, list[object]]) -> list[Tensor]:
    columns = {**SITE, **changed}
    return [Tensor(name, kind, (len(values),), values, is_raw=False) for name, (kind, values) in columns.items()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        with_x(),
        with_x(data=[TEN]),
        with_x(datatype="FP64"),
        with_x(datatype="INT8", data=[[*range(1, 11)]]),
        with_x(data=[*range(1, 11)]),  # numbers without a fraction
        {**with_x(parameters=None), "parameters": None, "outputs": None, "id": None},
        {**with_x(parameters={"content_type": "np"}), "model_name": "ten", "parameters": {"priority": 1, "own": "z"}},
        {**with_x(note={"of": ["another", "version"]}), "outputs": []},
        json.dumps(with_x(), indent=3).encode(),
        b'{"inputs":[{"data": [ [1,2,3,4,5,6,7,8,9,1e1] ],"datatype":"FP16","shape":[1,10],"name":"\\u0078"}]}',
    ],
)
def test_one_row_in_every_spelling_has_the_same_prediction(loaded: Models, ask: Ask, body: object) -> None:
    expected = loaded.named("ten").predictor.predict([TEN]).values.tolist()[0]
    for kind in ("", "application/json; charset=utf-8", "application/x-www-form-urlencoded"):  # the last is of curl -d
        (output,) = asked(ask, "ten", body, **({"content-type": kind} if kind else {})).tensors.values()
        assert [*output.values] == expected


REFUSED: list[tuple[object, str]] = [
    (b"", "Input data was truncated"),
    (b"{", "Input data was truncated"),
    (b"[]", "Expected `object`, got `array`"),
    (b"\xff\xfe", "is not the JSON that is expected"),
    (b'{"inputs":' + b"[" * 100_000, "got `array`"),
    (b'{"inputs":[{"data":' + b"[" * 100_000, "nested too deeply"),
    ({}, "missing required field `inputs`"),
    ({"inputs": []}, "Expected `array` of length >= 1"),
    ({"inputs": X}, "Expected `array`, got `object`"),
    ({**with_x(), "id": 5}, "Expected `str | null`, got `int` - at `$.id`"),
    ({**with_x(), "parameters": []}, "`$.parameters`"),
    (with_x(name=None), "missing required field `name`"),
    (with_x(shape=None), "missing required field `shape`"),
    (with_x(datatype=None), "missing required field `datatype`"),
    (with_x(data=None), 'the input "x" is to have data, or binary_data_size'),
    (with_x(data=5), "Expected `array`, got `int`"),
    (with_x(data={}), "Expected `array`, got `object`"),
    (with_x(parameters={"binary_data_size": 40}), 'the input "x" is to have data, or binary_data_size'),
    (with_x(parameters={"binary_data_size": -1}), "Expected `int` >= 0"),
    (with_x(datatype="BF16"), '"BF16"; expected one of BOOL, UINT8'),
    (with_x(datatype="fp32"), '"fp32"; expected one of BOOL, UINT8'),
    (with_x(shape=[]), "Expected `array` of length >= 1"),
    (with_x(shape=[1, 1, 10]), "Expected `array` of length <= 2"),
    (with_x(shape=[-1, -10]), "Expected `int` >= 0 - at `$.inputs[0].shape[0]`"),
    (with_x(shape=[1.0, 10]), "Expected `int`, got `float`"),
    (with_x(shape=["1", 10]), "Expected `int`, got `str`"),
    (with_x(shape=[1, 9]), "has shape [1, 9], but 10 values"),
    (with_x(shape=[2**40, 2**40]), f"has shape [{2**40}, {2**40}], but 10 values"),
    (with_x(shape=[2, 2**63 + 5]), "but 10 values"),  # 10 modulo 2^64
    (with_x(shape=[1, 2**70]), "but 10 values"),
    (with_x(shape=[0, 10]), "has shape [0, 10], but 10 values"),
    (with_x(shape=[0, 2**63], data=[]), f"FP32 of shape [0, {2**63}]: Maximum allowed dimension exceeded"),
    (with_x(shape=[0, 2**62], data=[]), f"FP32 of shape [0, {2**62}]: array is too big"),
    (with_x(shape=[10]), "x has shape (10,); the model takes (rows, 10)"),
    (with_x(shape=[10, 1]), "x has shape (10, 1); the model takes (rows, 10)"),
    (with_x(shape=[1, 9], data=TEN[1:]), 'x has shape (1, 9); the model takes (rows, 10), the columns "x1", "x2"'),
    (with_x(shape=[2, 5], data=[TEN]), "nested in another way"),
    (with_x(shape=[10], data=[[x] for x in TEN]), "nested in another way"),
    (with_x(shape=[2, 5], data=[TEN[:6], TEN[6:]]), "nested in another way"),
    (with_x(data=[[[x] for x in TEN]]), "Expected `float | null`, got `array`"),
    (with_x(data=[1.0, [2.0]]), "Expected `float | null`, got `array`"),
    (with_x(data=["1", *TEN[1:]]), "Expected `float | null`, got `str` - at `$[0]`"),
    (with_x(data=[True, *TEN[1:]]), "Expected `float | null`, got `bool`"),
    (with_x(datatype="INT8", data=[300] * 10), "does not hold INT8 of shape [1, 10]: Expected `int` <= 127"),
    (with_x(datatype="UINT8", data=[-1] * 10), "does not hold UINT8 of shape [1, 10]: Expected `int` >= 0"),
    (with_x(datatype="UINT64", data=[2**64] * 10), "does not hold UINT64"),
    (with_x(datatype="INT64", data=[2**63] * 10), "does not hold INT64"),
    (with_x(datatype="INT32", data=TEN), "Expected `int`, got `float`"),
    (with_x(datatype="INT32", data=[None] * 10), "Expected `int`, got `null`"),
    (with_x(datatype="BOOL", data=[1] * 10), "Expected `bool`, got `int`"),
    (with_x(datatype="BYTES", data=["1"] * 10), 'the input "x" holds BYTES, not numbers'),
    (with_x(datatype="BYTES"), "Expected `str | null`, got `float`"),
    (with_x(data=[None, *TEN[1:]]), 'row 1: column "x1": the value is missing'),
    (with_x(data=[*TEN[1:], 1e300]), 'row 1: column "x10": 1e+300 is beyond the range of float32'),
    (with_x(name="input-0"), 'the input "input-0" is no column of the model. Expected "x" alone, of shape [rows, 10]'),
    (
        {"inputs": [{**X, "name": "x1", "shape": [10]}, X]},
        'the input "x" is no column of the model. Expected "x" alone',
    ),
    (with_x(name="x1", shape=[1], data=[1.0]), 'the input has no columns "x2", "x3"'),
    ({"inputs": [X, X]}, 'the input "x" stands twice'),
    ({**with_x(), "outputs": [{"name": "z"}]}, 'no output "z"; it has "y"'),
    ({**with_x(), "outputs": [{"name": "y"}] * 2}, 'the output "y" is asked for twice'),
    ({**with_x(), "outputs": [{"name": "y", "parameters": {"classification": 1}}]}, "classification"),
    ({**with_x(), "outputs": [{"name": "y", "parameters": {"shared_memory_region": "r"}}]}, "shared memory"),
    ({**with_x(), "outputs": [{"name": "y", "parameters": {"binary_data": "yes"}}]}, "Expected `bool | null`"),
    *(
        (json.dumps(with_x()).encode().replace(b"1.0,", number + b","), "")
        for number in (b"NaN", b"-Infinity", b"1e999")
    ),
]


@pytest.mark.parametrize(("body", "line"), REFUSED, ids=[f"{n} {line[:30]}" for n, (_, line) in enumerate(REFUSED)])
def test_what_the_protocol_does_not_say_is_refused_in_one_line(ask: Ask, body: object, line: str) -> None:
    answer = asked(ask, "ten", body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert line in answer.error


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"site": ("BYTES", ["s"])},
            'row 1: column "site": the category "s" is unknown. The model knows "p", "q", "r"',
        ),
        ({"site": ("BYTES", ["nan"])}, 'row 1: column "site": the category "nan" is unknown'),
        ({"site": ("INT64", [1])}, 'row 1: column "site": the category "1" is unknown'),
        ({"d": ("BYTES", [None])}, 'row 1: column "d": the value is missing'),
        ({"c": ("BYTES", ["much"])}, 'row 1: column "c": "much" is not a number'),
        ({"c": ("INT64", [2**53 + 1])}, 'row 1: column "c": 9007199254740993 is an integer that float32 does not hold'),
        ({"c": ("FP32", [1.0, 2.0])}, "the columns have different lengths"),
        ({"e": ("FP32", [1.0])}, 'the input "e" is no column of the model'),
    ],
)
def test_a_column_that_does_not_fit_is_refused_by_its_name(
    ask: Ask, changed: dict[str, tuple[str, list[object]]], line: str
) -> None:
    answer = infer(ask, "every term", by_name(**changed))
    assert answer.status == 400
    assert line in answer.error


def test_columns_may_be_missing_where_they_have_a_policy_and_names_may_be_decomposed(loaded: Models, ask: Ask) -> None:
    answer = infer(ask, "every term", by_name(a=("FP32", [None]), site=("BYTES", [None]), b=("FP64", [None])))
    given = {"a": [None], "site": [None], "b": [None], "c": [1], "d": ["v"]}
    expected = loaded.named("every term").predictor.predict(given).values
    assert np.array(answer.tensors["y"].values, "f4").tobytes() == expected.tobytes()
    a = Tensor("a", "FP32", (1,), [1.0], is_raw=False)
    twice = infer(ask, "every term", [Tensor("ä", "FP32", (1,), [1.0]), Tensor("a\u0308", "FP32", (1,), [1.0]), a])
    assert twice.error == 'the input "ä" stands twice'


def test_no_rows_are_rows_and_too_many_are_too_many(ask: Ask) -> None:
    none = asked(ask, "ten", with_x(shape=[0, 10], data=[]))
    assert (none.tensors["y"].shape, [*none.tensors["y"].values]) == ((0, 1), [])
    most = asked(ask, "ten", with_x(shape=[MOST_ROWS, 10], data=TEN * MOST_ROWS))
    assert most.tensors["y"].shape == (MOST_ROWS, 1)
    beyond = asked(ask, "ten", with_x(shape=[MOST_ROWS + 1, 10], data=TEN * (MOST_ROWS + 1)))
    assert beyond.status == 413
    assert beyond.error == f'the input "x" has {MOST_ROWS + 1} rows; at most {MOST_ROWS} are taken'


def test_values_beyond_the_most_rows_of_all_columns_are_not_even_decoded(ask: Ask) -> None:
    for shape in ([1, 10], [MOST_ROWS, 11], [1, MOST_ROWS * 11]):
        answer = asked(ask, "ten", with_x(shape=shape, data=[0] * (MOST_ROWS * 11)))
        assert answer.status == 413
        assert f"more values than {MOST_ROWS} rows of 10 columns" in answer.error


@pytest.mark.parametrize("kind", ["text/csv", "multipart/form-data", "text/plain", "application/jsonl"])
def test_a_body_of_another_type_is_refused(ask: Ask, kind: str) -> None:
    answer = asked(ask, "ten", with_x(), **{"content-type": kind})
    assert answer.status == 415
    assert "application/json" in answer.error
