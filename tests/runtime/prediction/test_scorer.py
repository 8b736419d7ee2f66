"""What engines call with each batch of Arrow: the rows with their predictions, whoever calls it, and how often."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from lr_runtime import Predictor, Scorer
from lr_runtime.errors import InputError, LinedgeError, MissingColumnError, MissingExtraError, OptionError, RowError
from lr_runtime.ray import Scorer as OfRay
from lr_runtime.spark import scorer as of_spark
from tests.optional import needs, optional
from tests.runtime import sensor

pa, pl = optional("pyarrow"), optional("polars")

ROWS = [(18.0, "south", 3.0), (None, "north", 0.0), (8.0, None, 1.0), (24.0, "east", -2.0)]
RESULTS = ["ozone", "ozone_lower", "ozone_upper", "in_range", "leverage"]


@pytest.fixture
def model() -> Predictor:
    return Predictor(sensor.model())


def table(rows: Any = ROWS) -> Any:
    t, site, p = zip(*rows, strict=True)
    return pa.table({"id": list(range(len(rows))), "t": t, "site": site, "p": p})


def expected(rows: Any = ROWS) -> list[dict[str, Any]]:
    return [dict(zip(("id", "t", "site", "p"), (i, *row), strict=True)) | named(*row) for i, row in enumerate(rows)]


def named(t: float | None, site: str | None, p: float) -> dict[str, Any]:
    found = sensor.expected(t, site, p)
    return {name: found[name] for name in RESULTS}


@needs(pa)
def test_all_columns_come_back_before_the_results(model: Predictor) -> None:
    assert Scorer(model)(table()).to_pylist() == expected()
    assert Scorer(model, keep=["p", "id"])(table()).column_names == ["p", "id", *RESULTS]
    assert Scorer(model, keep=[])(table()).column_names == RESULTS
    kept = table().append_column("ozone", pa.array([1, 2, 3, 4]))
    assert Scorer(model)(kept).column_names == [*kept.column_names, "ozone_predicted", *RESULTS[1:]]
    assert Scorer(model)(kept)["ozone"].to_pylist() == [1, 2, 3, 4]


@needs(pa)
@needs(pl)
def test_a_batch_comes_back_as_a_batch_and_a_frame_as_a_table(model: Predictor) -> None:
    (batch,) = table().to_batches()
    scorer = Scorer(model)
    assert isinstance(scorer(batch), pa.RecordBatch)
    assert scorer(batch).to_pylist() == expected()
    assert scorer(batch.slice(0, 0)).schema == scorer.schema(batch.schema) == scorer(batch).schema
    many = pa.concat_batches(50_000 * [batch])
    assert scorer(many).slice(199_996).to_pylist() == expected()
    assert scorer(pl.DataFrame(table())).to_pylist() == expected()


@needs(pa)
def test_types_of_columns_kept_are_left_as_they_are(model: Predictor) -> None:
    more = {
        "list": pa.array([[1], None, [], [2, 3]]),
        "struct": pa.array([{"a": 1}, None, {"a": None}, {"a": 2}]),
        "dictionary": pa.array(["u", None, "v", "u"]).dictionary_encode(),
        "time": pa.array([1, None, 2, 3], pa.timestamp("us", "Europe/Paris")),
        "nothing": pa.nulls(4),
    }
    given = table()
    for name, column in more.items():
        given = given.append_column(name, column)
    assert Scorer(model)(given).select(given.column_names) == given
    bad = given.set_column(3, "p", pa.array([3.0, None, 1.0, -2.0]))
    assert Scorer(model, on_error="skip")(bad).select(bad.column_names) == bad.take([0, 2, 3])


@needs(pa)
def test_a_bad_row_stops_is_left_out_or_is_told(model: Predictor) -> None:
    rows = [*ROWS, (1.0, "west", 0.0), (1.0, "east", None)]
    parts = pa.concat_tables([table(), table(rows)])
    with pytest.raises(RowError, match=r'^row 9: column "site": the category "west" is unknown'):
        Scorer(model)(parts)
    assert Scorer(model, on_error="skip")(table(rows)).to_pylist() == expected()
    told = Scorer(model, keep=[], on_error="null", reasons="why")(table(rows)).to_pylist()
    assert told[:4] == [{**named(*row), "why": None} for row in ROWS]
    assert [{**row, "why": row["why"].partition(":")[0]} for row in told[4:]] == [
        {**dict.fromkeys(RESULTS), "why": f'column "{name}"'} for name in ("site", "p")
    ]
    assert 'unknown="missing"' in told[4]["why"]  # in the words of Python
    assert Scorer(model, on_error="null", reasons="why")(table()).column("why").to_pylist() == 4 * [None]


def sent(scorer: Scorer) -> Scorer:
    received: Scorer = pickle.loads(pickle.dumps(scorer))  # noqa: S301 - our own
    return received


@needs(pa)
def test_a_worker_reads_the_model_once_and_has_the_bytes_of_the_driver() -> None:
    model = Predictor.load(sensor.model(), only_y=True, unknown="missing")
    scorer = Scorer(model, keep=["id"], on_error="null", reasons="why")
    received = sent(scorer)
    assert received is sent(scorer) is sent(received) is not scorer
    assert received.model.sha256 == model.sha256
    rows = table([*ROWS, (1.0, "west", 0.0), (1.0, "east", None)])
    assert received(rows) == scorer(rows)
    assert received(rows).column_names == ["id", "ozone", "why"]
    assert [said is None for said in received(rows)["why"].to_pylist()] == [*5 * [True], False]
    assert sent(Scorer(model, keep=["id"])) is not received
    assert type(sent(Other(model))) is Other


class Other(OfRay):
    """As somebody extends it."""


@needs(pa)
def test_a_partition_of_spark_is_predicted_batch_by_batch(model: Predictor) -> None:
    taken = []

    def batches() -> Any:
        for batch in 3 * table().to_batches():
            taken.append(batch)
            yield batch

    found = of_spark(model, keep="id")(batches())
    assert next(found).to_pylist() == [{"id": row["id"], **{name: row[name] for name in RESULTS}} for row in expected()]
    assert len(taken) == 1
    assert len(list(found)) == 2
    assert list(of_spark(model)(iter([]))) == []


@needs(pa)
@pytest.mark.parametrize(
    ("options", "given", "error", "said"),
    [
        ({}, lambda: {"t": [1.0]}, InputError, 'expected a batch of Arrow, not dict. In Ray: batch_format="pyarrow"'),
        ({}, lambda: table().drop_columns("p"), MissingColumnError, 'the batch has no column "p"'),
        ({"keep": "x"}, table, MissingColumnError, 'the batch has no column "x"'),
        ({"reasons": "t", "on_error": "null"}, table, OptionError, 'reasons: "t" is a column already'),
        ({}, lambda: table().append_column("in_range", pa.nulls(4)), OptionError, 'the column "in_range" to be kept'),
        ({}, lambda: table().set_column(3, "p", pa.array(4 * [[1.0]])), LinedgeError, "holds list<"),
        ({"on_error": "drop"}, table, OptionError, "on_error"),
    ],
)
def test_what_does_not_fit_gets_one_line(
    model: Predictor, options: Any, given: Any, error: type[LinedgeError], said: str
) -> None:
    with pytest.raises(error) as raised:
        Scorer(model, **options)(given())
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_scorer_is_made_of_a_model_that_was_read(model: Predictor) -> None:
    path: Any = "model.onnx"
    for kind in (Scorer, of_spark):
        with pytest.raises(OptionError, match=r"made of a Predictor, not of str.*Predictor\.load"):
            kind(path)
    with pytest.raises(OptionError, match='on_error="null"'):
        Scorer(model, reasons="why", on_error="skip")


def test_pyarrow_is_named_where_it_is_not_there(model: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"linedge\[tables\]"):
        Scorer(model)({})
