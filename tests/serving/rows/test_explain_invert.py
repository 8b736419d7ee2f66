"""POST /explain and /invert: what lr-infer --explain and --invert say, and what they do not take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from lr_runtime import LinedgeError, Predictor
from lr_runtime.commands.infer import main as lr_infer
from lr_runtime.serving import create_app
from tests.serving.asgi import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def said(*arguments: object) -> Any:
    return json.loads(CliRunner().invoke(lr_infer, [*map(str, arguments), "--json"]).stdout)


def test_an_explanation_is_that_of_lr_infer(client: Client, models: Path) -> None:
    expected = said(models / "site.onnx", "a=2.5", "site=q", "--explain")
    for body in ({"a": 2.5, "site": "q"}, [{"a": 2.5, "site": "q"}], [[2.5, "q"]], [[2.5, 1]]):
        answer = client.post("/explain?model=site", body)
        assert (answer.status, answer.json) == (200, expected)


def test_an_inverse_is_that_of_lr_infer(client: Client, models: Path) -> None:
    for reading in (3.5, 7.0, 12.5):
        answer = client.post("/invert?model=site", {"reading": {"y": reading}, "at": {"site": "p"}})
        assert (answer.status, answer.json) == (200, said(models / "site.onnx", "site=p", "--invert", f"y={reading}"))
    assert client.post("/invert?model=line", b'{"reading":{"y":9}}').json["inverse"] == {"x": 4.0}


@pytest.mark.parametrize(
    ("reading", "at"),
    [
        ({"y": 700.0}, {"site": "p"}),
        ({"z": 7.0}, {"site": "p"}),
        ({}, {"site": "p"}),
        ({"y": 7.0}, {}),
        ({"y": 7.0}, {"a": 1.0, "site": "p"}),
        ({"y": 7.0}, {"a": 1.0}),
        ({"y": 7.0}, {"site": "z"}),
        ({"y": 7.0}, {"site": None}),
        ({"y": 7.0}, {"site": 1}),
        ({"y": 7.0}, {"site": True}),
        ({"y": 7.0}, {"a": 2**53 + 1}),
        ({"y": 7.0}, {"sight": "p"}),
    ],
)
def test_a_reading_that_has_no_inverse_is_422_with_the_words_of_python(
    reading: dict[str, float], at: dict[str, object], client: Client, predictor: Callable[[str], Predictor]
) -> None:
    answer = client.post("/invert?model=site", {"reading": reading, "at": at})
    with pytest.raises(LinedgeError) as error:
        predictor("site").invert(reading, at=at)
    assert (answer.status, answer.error) == (422, str(error.value))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"at": {}}',
        b'{"reading": 7.0}',
        b'{"reading": {"y": "7"}}',
        b'{"reading": {"y": 1e999}}',
        b'{"reading": {"y": NaN}}',
        b'{"reading": {"y": 7, "y": 8}}',
        b'{"reading": {"y": 7}, "reading": {"y": 7}}',
        b'{"reading": {"y": 7}, "at": {"site": ["p"]}}',
        b'{"reading": {"y": 7}, "ad": {"site": "p"}}',
    ],
)
def test_another_form_of_a_reading_is_400(body: bytes, client: Client) -> None:
    assert client.post("/invert?model=site", body).status == 400


def test_one_row_is_explained(client: Client) -> None:
    for rows, count in (([], 0), ([[1.0], [2.0]], 2)):
        answer = client.post("/explain?model=line", rows)
        assert (answer.status, answer.error) == (422, f"an explanation is of one row, not of {count}")


def test_names_of_a_reading_are_compared_as_those_of_rows_are(tmp_path: Path) -> None:
    import lr_export
    import lr_trainer

    table = {"x": [1.0, 2.0, 3.0, 4.0, 5.0], "ö": [1.0, 0.0, 2.0, 1.0, 5.0], "at": [3.0, 5.1, 7.0, 8.9, 11.0]}
    lr_export.export(lr_trainer.fit(table, target="at"), tmp_path / "m.onnx", without_eager=True)
    client = Client(create_app(tmp_path))
    one, other = (client.post("/invert", {"reading": {"at": 7.0}, "at": {name: 1.5}}) for name in ("ö", "o\u0308"))
    assert (one.status, one.json) == (200, other.json)
    twice = client.post("/invert", {"reading": {"at": 7.0}, "at": {"ö": 1.5, "o\u0308": 2.5}})
    assert twice.error.startswith("a name stands twice")
    hidden = client.post("/invert", b'{"reading": {"at": 7.0, "at": 8.0}, "at": {}}')
    assert (hidden.status, hidden.error[-18:]) == (400, "a key stands twice")
    assert client.post("/invert", b'{"reading": {"at": 7.0, "at": 8.0}}').status == 400


def test_an_inverse_says_that_it_is_one(tmp_path: Path) -> None:
    import lr_export
    import lr_trainer

    x = [1.0, 2.0, 3.0, 4.0, 5.0]
    checkpoint = lr_trainer.fit({"x": x, "y": [3.0, 5.1, 7.0, 8.9, 11.0]}, target="y")
    lr_export.export(checkpoint, tmp_path / "inverse.onnx", inverse="x", interval=0.95, without_eager=True)
    client = Client(create_app(tmp_path))
    answer = client.post("/invert", {"reading": {"x": 2.0}})
    assert (answer.status, answer.error) == (
        422,
        '"inverse" takes a reading back already. Send it to /predict as its column',
    )
    assert "has no terms to explain" in client.post("/explain", [[7.0]]).error
    found = client.post("/predict", {"y": 7.0}).json["predictions"][0]
    assert found["x_lower"] < found["x"] < found["x_upper"]
    assert client.get("/openapi.json").status == 200
