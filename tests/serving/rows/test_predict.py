"""POST /predict: rows in every format to the bits that Python gives, in that format or the one that is asked for."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lr_runtime import LinedgeError, Predictor
from lr_runtime.serving import formats
from lr_runtime.serving.http import JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.serving.asgi import Answer, Client

COLUMNS = {"line": ["x"], "plane": ["a", "b"], "site": ["a", "site"]}
ONCE = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = st.floats(-1e6, 1e6, width=32) | st.integers(-(2**24), 2**24) | st.sampled_from([0.1, -0.0, 1e-300, 5e-324])


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    name = draw(st.sampled_from([*COLUMNS]))
    cells = {each: st.sampled_from("pqr") if each == "site" else numbers for each in COLUMNS[name]}
    return name, draw(st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=5))


def as_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    columns = by_name(rows)
    lines = [[*columns], *([str(cell) for cell in row] for row in zip(*columns.values(), strict=True))]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def as_lines(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_arrow(table: pa.Table, *, is_file: bool = False, **options: object) -> bytes:
    sink = io.BytesIO()
    new = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.table(
        {
            name: [float(cell) if isinstance(cell, int) else cell for cell in cells]
            for name, cells in by_name(rows).items()
        }
    )


def by_name(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


WAYS: dict[str, Callable[[Sequence[dict[str, Any]]], bytes]] = {
    JSON: lambda rows: json.dumps(rows).encode(),
    formats.CSV: as_csv,
    formats.JSON_LINES: as_lines,
    formats.NDJSON: as_lines,
    formats.ARROW_STREAM: lambda rows: as_arrow(arrow_of(rows)),
    formats.ARROW_FILE: lambda rows: as_arrow(arrow_of(rows), is_file=True),
}


def read(answer: Answer) -> list[dict[str, Any]]:
    """Return the rows of an answer as JSON has them."""
    kind = answer.headers["content-type"]
    if kind == JSON:
        found: list[dict[str, Any]] = answer.json["predictions"]
        return found
    if kind in {formats.JSON_LINES, formats.NDJSON}:
        return [json.loads(line) for line in answer.body.splitlines()]
    if kind == formats.CSV:
        names, *lines = (line.split(",") for line in answer.body.decode().splitlines())
        return [dict(zip(names, map(json.loads, line), strict=True)) for line in lines]
    opened = pa.ipc.open_stream if kind == formats.ARROW_STREAM else pa.ipc.open_file
    rows: list[dict[str, Any]] = opened(answer.body).read_all().to_pylist()
    return rows


@pytest.mark.parametrize("kind", WAYS)
@ONCE
@given(table=tables())
def test_a_row_has_the_bits_of_python_in_every_format(
    table: tuple[str, list[dict[str, Any]]], kind: str, client: Client, predictor: Callable[[str], Predictor]
) -> None:
    name, rows = table
    answer = client.post(f"/predict?model={name}", WAYS[kind](rows), kind)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == kind
    assert read(answer) == predictor(name).predict(rows).rows()


@pytest.mark.parametrize("kind", WAYS)
@pytest.mark.parametrize("wanted", WAYS)
def test_the_answer_comes_in_the_format_that_accept_names(
    kind: str, wanted: str, client: Client, predictor: Callable[[str], Predictor]
) -> None:
    rows = [{"a": 1.5, "site": "q"}, {"a": 2.5, "site": "p"}]
    answer = client.post("/predict?model=site", WAYS[kind](rows), kind, accept=f"text/html, {wanted};q=0.5, */*;q=0.1")
    assert (answer.status, answer.headers["content-type"]) == (200, wanted)
    assert read(answer) == predictor("site").predict(rows).rows()


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a": 1, "site": "q"}]',
        b'{"a": 1, "site": "q"}',
        b'{"a": [1], "site": ["q"]}',
        b'[[1.0, "q"]]',
        b'[["1.0", 1]]',
        b"[[true, 1]]",
        b'{"site": "q", "a": "1", "time": "12:00:00"}',
    ],
)
def test_json_has_the_forms_that_python_has(body: bytes, client: Client) -> None:
    expected = client.post("/predict?model=site", [{"a": 1.0, "site": "q"}]).json
    for kind in ("application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded", None):
        assert client.post("/predict?model=site", body, kind).json == expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is not the JSON that is expected"),
        (b"[[NaN]]", "invalid character"),
        (b"[[Infinity]]", "invalid character"),
        (b"[[-Infinity]]", "invalid character"),
        (b"[[1e999]]", "out of range"),
        (b"[[" + b"9" * 400 + b".0]]", "out of range"),
        (b"4.0", "Expected"),
        (b'"x"', "Expected"),
        (b"null", "Expected"),
        (b"[[4.0]", "truncated"),
        (b"[[4.0]]]", "trailing"),
        (b"[[4.0,]]", "malformed"),
        (b"{'x': 4}", "malformed"),
        (b"[" * 5000, "nested too deeply"),
        (b'{"x":' * 5000, "nested too deeply"),
        (b"\xff\xfe[\x00", "malformed"),
        (b'{"\xff": 1}', "the body"),
        (b'{"x": 1, "x": 1}', "a key stands twice"),
        (b'[{"x": 1, "x" : 1}]', "a key stands twice"),
        (b'[[4.0], {"x": 1, "x": 1}]', "a key stands twice"),
        (b'{"x": 1, "t": "12:00", "t": "12:00"}', "a key stands twice"),
        (b'[{"x": 1, "t": "\\":"}, {"x": 1, "\\u0078": 2}]', "a key stands twice"),
    ],
)
def test_what_is_no_json_is_400(body: bytes, said: str, client: Client) -> None:
    answer = client.post("/predict?model=line", body)
    assert answer.status == 400
    assert said in answer.error


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, 2.0]],
        [[]],
        [4.0],
        [[[4.0]]],
        [[1.0], [1.0, 2.0]],
        [{"y": 1}],
        [{"x": "cold"}],
        [{"x": None}],
        [{"x": {"a": 1}}],
        [{"x": [1]}],
        {"x": {}},
        {"x": [[1]]},
        [[1e39]],
        [[2**53 + 1]],
        [[2**70 + 1]],
        [[None]],
        [["inf"]],
        [["0x10"], ["1_000"]],
    ],
)
def test_rows_that_the_model_does_not_take_are_422_with_the_words_of_python(
    rows: Any, client: Client, predictor: Callable[[str], Predictor]
) -> None:
    answer = client.post("/predict?model=line", rows)
    with pytest.raises(LinedgeError) as error:
        predictor("line").predict(rows)
    assert (answer.status, answer.error) == (422, str(error.value))


def test_no_rows_have_no_predictions(client: Client) -> None:
    for kind, body in {
        JSON: b"[]",
        formats.CSV: b"x\n",
        formats.ARROW_STREAM: as_arrow(pa.table({"x": [1.0]})[:0]),
    }.items():
        answer = client.post("/predict?model=line", body, kind)
        assert (answer.status, read(answer)) == (200, []), kind


@pytest.mark.parametrize("kind", WAYS)
def test_a_bad_row_stops_or_is_left_out_or_is_null(
    kind: str, client: Client, predictor: Callable[[str], Predictor]
) -> None:
    rows = [{"a": 1.0, "site": "q"}, {"a": 1.0, "site": "z"}, {"a": 2.0, "site": "p"}]
    good = predictor("site").predict([rows[0], rows[2]]).rows()
    body, answers = WAYS[kind](rows), {}
    for way in ("stop", "skip", "null"):
        answers[way] = client.post(f"/predict?model=site&on_error={way}", body, kind, accept=JSON)
    assert answers["stop"].status == 422
    assert 'column "site": the category "z" is unknown' in answers["stop"].error
    assert read(answers["skip"]) == good
    assert read(answers["null"]) == [good[0], dict.fromkeys(good[0]), good[1]]
    for way in ("skip", "null"):
        assert answers[way].headers["x-bad-rows"] == "1"
        assert answers[way].json["errors"] == [answers["stop"].error]
    assert (
        "errors" not in client.post("/predict?model=site&on_error=null", WAYS[kind](rows[:1]), kind, accept=JSON).json
    )


def test_columns_of_a_table_are_kept(client: Client) -> None:
    body = b"id,a,site,note\n7,1,q,ja\n8,2,p,nein\n"
    answer = client.post("/predict?model=plane&keep=id,%20note", b"id,a,b,note\n7,1,2,ja\n", "text/csv")
    assert answer.body.splitlines()[0] == b"id,note,y"
    for query in ("%C3%B6", "ö", "o\u0308"):  # curl encodes none
        kept = client.post(f"/predict?model=line&keep={query}", "ö,x\n7,1\n".encode(), "text/csv", accept=JSON)
        assert kept.json["predictions"] == [{"ö": "7", "y": 3.0}]
    assert client.post("/predict?model=site&keep=all", body, "text/csv").body.startswith(b"id,a,site,note,y,")
    answer = client.post("/predict?model=site&keep=nix", body, "text/csv")
    assert (answer.status, answer.error[:35]) == (422, 'the body has no column "nix"; it ha')


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("&on_err=skip", 'the query has "on_err"; it may have "model", "on_error", '),
        ("&on_error=skip&on_error=skip", 'the query names "on_error" 2 times'),
        ("&model=line", 'the query names "model" 2 times'),
        ("&keep=all", "keep is of tables"),
        ("&delimiter=;", "delimiter is of tables"),
        ("&=1", 'the query has ""'),
    ],
)
def test_a_query_that_says_something_else_is_400(query: str, said: str, client: Client) -> None:
    answer = client.post("/predict?model=line" + query, [[4.0]])
    assert answer.status == 400
    assert said in answer.error


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("on_error=ignore", 'on_error takes one of stop, skip, null, not "ignore"'),
        ("delimiter=%3B%3B", 'takes one character, or whitespace, not ";;"'),
        ("decimal=x", 'takes one of ., ,, not "x"'),
    ],
)
def test_a_query_whose_value_is_not_taken_is_422(query: str, said: str, client: Client) -> None:
    answer = client.post("/predict?model=line&" + query, b"x\n1\n", "text/csv")
    assert (answer.status, said in answer.error) == (422, True), answer.error


def test_of_several_models_one_is_named(client: Client) -> None:
    assert client.post("/predict", [[4.0]]).status == 404
    assert client.post("/predict?model=nix", [[4.0]]).status == 404


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "multipart/form-data", "csv", "*/*"])
def test_another_content_type_is_told_which_there_are(kind: str, client: Client) -> None:
    answer = client.post("/predict?model=line", b"[[4.0]]", kind)
    assert answer.status == 415
    assert all(each in answer.error for each in formats.TAKEN)
    assert client.post("/explain?model=line", b"x\n1\n", "text/csv").status == 415


def test_more_rows_than_are_taken_are_413_with_both_counts(models: Any) -> None:
    from lr_runtime.serving import create_app
    from lr_runtime.serving.options import Limits
    from tests.serving.asgi import Client

    client = Client(create_app(models, limits=Limits(max_rows=3)))
    row = {"x": 1.0}
    for kind, way in WAYS.items():
        assert client.post("/predict?model=line", way([row] * 3), kind).status == 200
        answer = client.post("/predict?model=line", way([row] * 4), kind)
        assert (answer.status, answer.error) == (413, "the body has 4 rows; at most 3 are taken"), kind
    assert client.post("/predict?model=line", {"x": [1.0] * 4}).status == 413
    assert client.post("/explain?model=line", {"x": [1.0] * 4}).status == 413
    assert client.post("/predict?model=line", b"x\n\n1\n2\n\n\n3\n\n", "text/csv").status == 200


def test_infinite_limits_are_null_in_json(client: Client) -> None:
    assert np.isfinite(read(client.post("/predict?model=line", [[1e38]]))[0]["y"])
    answer = client.post("/predict?model=line", [[3e38]])
    assert (answer.status, answer.error) == (422, 'row 1: "y" is beyond the range of float32 there')
