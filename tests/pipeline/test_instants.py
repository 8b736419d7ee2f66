"""Instants from the table to the prediction: every form of them gives the same bits, in training and afterwards."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from lr_export import export
from lr_export.cli import main as lr_export
from lr_runtime import Contract, Predictor
from lr_runtime.commands.infer import main as lr_infer
from lr_runtime.commands.inspect import main as lr_inspect
from lr_runtime.errors import FitError, LinedgeError
from lr_runtime.tables import TableOptions
from lr_trainer import fit, look, merge, update
from lr_trainer.sklearn import LinearModelRegressor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.pipeline.conftest import Train

EAST = timezone(timedelta(hours=14))
MOMENTS: Any = [
    datetime(2024, 5, 1, 12, tzinfo=EAST),
    datetime(1931, 2, 3, 4, 5, 6, 789012, tzinfo=EAST),
    datetime(2024, 12, 31, 23, 59, 59, tzinfo=EAST),
    datetime(2101, 1, 1, tzinfo=EAST),
]
NAIVE: Any = [moment.astimezone(UTC).replace(tzinfo=None) for moment in MOMENTS]
TEXT = [moment.isoformat() for moment in MOMENTS]
Y = [1.0, 2.0, 3.5, 4.0]
EXACT = [
    float(Fraction((moment - datetime(2024, 1, 1)) // timedelta(microseconds=1), 3600 * 10**6)) for moment in NAIVE
]
CLOCK = {"t": "hours since 2024-01-01"}

FORMS: dict[str, Any] = {
    "datetime": MOMENTS,
    "datetime without an offset": NAIVE,
    "text": TEXT,
    "text with blanks": [str(moment) for moment in MOMENTS],
    "text in UTC": [f"{moment.isoformat()}Z" for moment in NAIVE],
    "numpy": np.array(NAIVE, "M8[us]"),
    "a series of pandas": pd.Series(MOMENTS),
    "a series of pandas in nanoseconds": pd.Series(np.array(NAIVE, "M8[ns]")),
    "Timestamps of pandas": [pd.Timestamp(moment) for moment in MOMENTS],
    "categories of pandas": pd.Series(TEXT).astype("category"),
    "a series of polars": pl.Series(MOMENTS),
    "a series of polars without an offset": pl.Series(NAIVE),
    "Arrow": pa.array(NAIVE, pa.timestamp("us", "America/New_York")),
    "views of Arrow": pa.array(TEXT, pa.string_view()),
    "a dictionary of Arrow": pa.array(TEXT).dictionary_encode(),
    "a mixture": [MOMENTS[0], NAIVE[1], TEXT[2], pd.Timestamp(MOMENTS[3])],
}
FRAMES: list[Callable[[dict[str, Any]], Any]] = [dict, pd.DataFrame, pl.DataFrame, pa.table]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Load a model of the numbers themselves, taken as instants."""
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    export(fit({"t": MOMENTS, "y": Y}, target="y", time=CLOCK), path)
    return Predictor.load(path)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_fitted_and_predicted_alike(form: str, predictor: Predictor) -> None:
    plain = fit({"t": EXACT, "y": Y}, target="y")
    expected = predictor.predict([[hours] for hours in EXACT]).values
    for frame in FRAMES:
        try:
            table = frame({"t": FORMS[form], "y": Y})
        except (TypeError, ValueError, pa.ArrowException, pl.exceptions.PolarsError):
            continue  # that package has no such column
        found = fit(table, target="y", time=CLOCK)
        assert found.weight.tobytes() == plain.weight.tobytes()
        assert found.contract.columns[0][1:3] == plain.contract.columns[0][1:3]
        np.testing.assert_array_equal(predictor.predict(table).values, expected)


def test_one_row_is_one_of_any_form(predictor: Predictor) -> None:
    days = (
        date(2024, 5, 1),
        np.datetime64("2024-05-01"),
        "2024-05-01",
        pd.Timestamp("2024-05-01"),
        121 * 24,
        121 * 24.0,
    )
    rows = [x for day in days for x in ({"t": day}, [[day]], [{"t": day}])]
    assert len({predictor.predict(x).values.tobytes() for x in rows}) == 1
    held = {"t": pa.array([date(2024, 5, 1), None], pa.date64())}
    with pytest.raises(LinedgeError, match='row 2: column "t": the value is missing'):
        predictor.predict(held)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "date32", "date64"])
def test_tables_are_read_alike_and_updated(kind: str, train: Train, tmp_path: Path) -> None:
    days = [date(2024, 5, day) for day in range(1, 9)]
    name = f"t.{kind if kind in {'csv', 'jsonl'} else 'parquet'}"
    y = [day.day**2 for day in days]
    if kind == "csv":
        (tmp_path / name).write_text("t,y\n" + "".join(f"{t},{each}\n" for t, each in zip(days, y, strict=True)))
    elif kind == "jsonl":
        (tmp_path / name).write_text("".join(f'{{"t": "{t}", "y": {each}}}\n' for t, each in zip(days, y, strict=True)))
    else:
        types = {"date32": pa.date32(), "date64": pa.date64()}
        pyarrow.parquet.write_table(
            pa.table({"t": pa.array(days).cast(types.get(kind, pa.timestamp("ms"))), "y": y}), name
        )
    assert train(name, "--target", "y", "--time", "t=days since 2024-05-01", "--degree", 2).exit_code == 0
    assert train(name, "--update", "model.safetensors").exit_code == 0
    assert CliRunner().invoke(lr_export, []).exit_code == 0
    told = json.loads(CliRunner().invoke(lr_inspect, ["model.onnx", "--json"]).stdout)
    assert told["columns"][0]["time"] == {"unit": "days", "origin": "2024-05-01"}
    assert told["input_dtype"] == "float64"
    assert told["rows"] == 2 * len(days)
    assert "t in days since 2024-05-01" in told["equation_text"]
    infer = CliRunner().invoke(lr_infer, ["model.onnx", name, "--keep", "t"]).stdout.splitlines()
    for number, day in enumerate(days):
        row = CliRunner().invoke(lr_infer, ["model.onnx", f"t={day}T02:00:00+02:00"]).stdout.strip()
        assert row == CliRunner().invoke(lr_infer, ["model.onnx", str(number)]).stdout.strip()
        assert float(infer[1 + number].rpartition(",")[2]) == float(row)
        assert str(day) in infer[1 + number]


def test_a_bad_cell_is_a_line_with_its_row_and_column(train: Train, tmp_path: Path) -> None:
    lines = [f"2024-05-{day:02}T00:00:00Z,{day * day % 7}\n" for day in range(1, 9)]
    (tmp_path / "t.csv").write_text("t,y\n" + "".join(lines))
    train("t.csv", "--target", "y", "--time", "t=days")
    CliRunner().invoke(lr_export, [])
    for bad in ("2024-02-30", "2016-12-31T23:59:60Z", "24-05-01", "1714521600", ""):
        (tmp_path / "bad.csv").write_text("t,y\n" + "".join([*lines[:3], f"{bad},3\n", *lines[3:]]))
        told = train("bad.csv", "--target", "y", "--time", "t=days")
        for said in (told.stderr, CliRunner().invoke(lr_infer, ["model.onnx", "bad.csv"]).stderr):
            assert 'bad.csv line 5, column "t": ' in said
            assert bad in said
            assert said.count("\n") == 1
        skipped = train("bad.csv", "--target", "y", "--time", "t=days", "--on-error", "skip", "--missing", "drop")
        assert skipped.stdout.startswith("8 rows")


def test_rows_that_arrow_skips_take_their_instants_along() -> None:
    times: Any = [datetime(2024, 5, day) for day in (1, 2, 3, 4, 5)]
    y = [1.0, np.inf, 3.0, 4.5, 5.0]
    warned: list[str] = []
    options = TableOptions(skips=True)
    found = fit(pa.table({"t": times, "y": y}), target="y", time={"t": "days"}, options=options, warn=warned.append)
    good = [place for place, value in enumerate(y) if np.isfinite(value)]
    same = fit(
        {"t": [times[place] for place in good], "y": [y[place] for place in good]}, target="y", time={"t": "days"}
    )
    assert found.weight.tobytes() == same.weight.tobytes()


def test_what_goes_wrong_says_what_to_do() -> None:
    table: Any = {"t": MOMENTS, "y": Y}
    parquet = pa.table({"t": NAIVE, "y": Y})
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (table, {}, r'To take all as instants: time=\{"t": "days"\}, as names: category=\["t"\]'),
        (parquet, {}, r'column "t": it is a date, not a number. To take it as instants: time=\{"t": "days"\}'),
        (table, {"time": {"t": "years"}}, "years is none of seconds, minutes, hours, days, weeks"),
        (table, {"time": {"y": "days"}}, '"y" is not among the features that are no categories'),
        (table, {"time": CLOCK, "category": ["t"]}, '"t" is not among the features that are no categories'),
        (table, {"time": CLOCK, "units": {"t": "h"}}, 'says the unit of "t"'),
        ({"t": EXACT, "y": Y}, {"time": CLOCK}, "holds numbers. Expected timestamps, dates or text"),
        (pa.table({"t": [1, 2, 3, 4], "y": Y}), {"time": CLOCK}, "holds numbers. Expected timestamps, dates or text"),
    ]
    for source, options, said in wrong:
        with pytest.raises(LinedgeError, match=said):
            fit(source, target="y", **options)
    assert "(to use them: --time t=days)" in look(parquet).columns[0].line()
    first, other = fit(table, target="y", time=CLOCK), fit(table, target="y", time={"t": "hours"})
    with pytest.raises(FitError, match='the instants of "t" are hours since 2024-01-01 in the first'):
        merge(first, other)


def test_the_contract_has_a_clock_and_other_models_none() -> None:
    timed, plain = fit({"t": MOMENTS, "y": Y}, target="y", time={"t": "weeks"}), fit({"t": EXACT, "y": Y}, target="y")
    assert '"unit":"weeks since 1970-01-01T00:00:00Z","time":{"unit":"weeks"}}' in timed.contract.to_json()
    assert Contract.from_json(timed.contract.to_json()) == timed.contract
    assert "time" not in plain.contract.to_json()
    damaged = timed.contract.to_json().replace('{"unit":"weeks"}', '{"unit":"years"}')
    with pytest.raises(LinedgeError, match="its linedge metadata is damaged"):
        Contract.from_json(damaged)


@pytest.mark.parametrize("precision", ["float32", "portable"])
def test_float32_says_what_it_loses(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit({"t": MOMENTS, "y": Y}, target="y", time=CLOCK).save("model.safetensors")
    said = CliRunner().invoke(lr_export, ["--precision", precision]).stderr
    assert (
        f'the precision {precision} takes float32 inputs: float32 does not tell the instants of column "t" apart'
        in said
    )


def test_the_estimator_of_sklearn_takes_instants() -> None:
    frame = pd.DataFrame({"t": MOMENTS, "x": [1.0, 0.0, 0.5, 2.0]})
    model = LinearModelRegressor(time=CLOCK).fit(frame, Y)
    same = fit(frame.assign(y=Y), target="y", time=CLOCK)
    assert model.coef_.tobytes() == np.array([line.estimate for line in same.report.coefficients[1:]]).tobytes()
    assert model.predict(frame).tolist() == model.predict(frame.assign(t=EXACT)).tolist()
    more = model.partial_fit(frame, Y).checkpoint_
    assert more.contract == update(same, frame.assign(y=Y)).contract
