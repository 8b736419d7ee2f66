"""Fits from arrays: the same options as for files, the same checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from lr_runtime.errors import MissingColumnError, TableError
from lr_runtime.tables import TableOptions
from lr_trainer import fit

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(200, 2))
SITES = RANDOM.choice(["north", "south", "none"], size=200)
Y = X @ [2.0, -1.0] + (SITES == "south") + RANDOM.normal(size=200) / 10
X[3, 0], X[90, 1], Y[120] = -999, np.inf, -np.inf

CASES: dict[str, tuple[TableOptions, dict[str, Any]]] = {
    "bad rows left out": (TableOptions(skips=True), {"category": ["s"]}),
    "a number for missing": (TableOptions(skips=True, missing=("-999",)), {"missing": "drop", "ignore": ["s"]}),
    "a word for missing": (TableOptions(skips=True, missing=("none",)), {"missing": "indicator"}),
    "other names": (TableOptions(skips=True, renames=(("x2", "x1"), ("x1", "x2"))), {"ignore": ["x2", "s"]}),
    "all as it stands": (TableOptions(skips=True, renames=(("y", "z"), ("z", "y"))), {"target": "z", "ignore": ["s"]}),
}


@pytest.mark.parametrize("case", CASES)
def test_arrays_take_the_options_of_files(case: str, tmp_path: Path) -> None:
    options, asked = CASES[case]
    last = "z" if case == "all as it stands" else "w"
    columns = {"x1": X[:, 0], "x2": X[:, 1], "s": SITES.astype(object), "y": Y, last: X[:, 0] * 2}
    pa.parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    asked = {"target": "y", "drop_collinear": True, **asked}
    lines: dict[str, list[str]] = {"file": [], "arrays": []}
    expected = fit(tmp_path / "t.parquet", options=options, warn=lines["file"].append, **asked)
    found = fit(columns, options=options, warn=lines["arrays"].append, **asked)
    assert found.to_bytes() == expected.to_bytes()
    assert expected.fit["rows_skipped"] >= 1
    assert lines["arrays"] == [line.replace(str(tmp_path / "t.parquet"), "the table") for line in lines["file"]]
    assert lines["file"]


def test_renamed_arrays_side_by_side_are_taken_where_they_stand() -> None:
    x = RANDOM.normal(size=(50, 2))
    options = TableOptions(renames=(("x2", "x1"), ("x1", "x2")))
    found = fit({"x": x, "y": x @ [1.0, 10.0]}, target="y", options=options)
    assert found.contract.column_names == ("x2", "x1")
    np.testing.assert_allclose(found.weight, [[1.0, 10.0]])


def test_an_infinite_number_is_named() -> None:
    with pytest.raises(TableError, match='row 91, column "x2": the value is not finite'):
        fit({"x": X, "y": Y}, target="y")


def test_a_name_to_be_replaced_must_be_there() -> None:
    with pytest.raises(MissingColumnError, match='no column "t"'):
        fit({"x": X, "y": Y}, target="y", options=TableOptions(renames=(("temp", "t"),)))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_that_float64_rounds_are_warned_about(dtype: type[np.integer[Any]]) -> None:
    identifiers = np.arange(2**53 + 1, 2**53 + 41, 2).astype(dtype)
    columns = {"id": identifiers, "a": X[:20, 1], "y": Y[:20]}
    with pytest.warns(UserWarning, match=f'row 1, column "id": "{2**53 + 1}" is beyond 2.53, .* identifiers?'):
        fit(columns, target="y")
    fit({**columns, "id": identifiers.astype(np.float64)}, target="y")  # whole numbers that nobody wrote as integers


def test_a_file_warns_too_and_rows_that_are_left_out_move_no_line(tmp_path: Path) -> None:
    rows = [f"{2**53 + 1 if row == 7 else row},{row % 5},{row % 3}" for row in range(20)]
    rows.insert(4, "1,no number,2")
    (tmp_path / "t.csv").write_text("\n".join(["id,a,y", *rows]))
    said: list[str] = []
    fit(tmp_path / "t.csv", target="y", options=TableOptions(skips=True), warn=said.append)
    skipped, warned = said
    assert skipped.startswith(f"skipped: {tmp_path / 't.csv'} line 6")
    assert f'line 10, column "id": "{2**53 + 1}" is beyond 2^53' in warned


def test_numbers_are_numbers_in_whatever_array_they_come() -> None:
    x, y = X[:80, 1], Y[:80]
    expected = fit({"x": x, "y": y}, target="y").to_bytes()
    masked, holed = np.ma.array(np.append(x, 5.0), mask=np.arange(81) == 80), np.append(y, 1.0)
    mixed = np.array([*x, None], dtype=object)
    record = np.array([(0, *row) for row in zip(x, y, strict=True)], dtype=[("n", "u1"), ("x", "f8"), ("y", "f8")])
    backwards = {"x": x[::-1].copy()[::-1], "y": y[::-1].copy()[::-1]}
    for arrays in (backwards, {"x": x.astype(object), "y": y}, {"x": record["x"], "y": record["y"]}):
        assert fit(arrays, target="y").to_bytes() == expected
    for arrays in ({"x": masked, "y": holed}, {"x": mixed, "y": holed}):
        found = fit(arrays, target="y", missing="drop")
        assert found.fit["rows_dropped"] == 1
        np.testing.assert_array_equal(found.weight, fit({"x": x, "y": y}, target="y").weight)


BAD_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "a target of text": ({"x": [1.0, 2.0], "y": ["p", "q"]}, 'row 1, column "y": "p" is not a number'),
    "text among numbers": ({"x": [1.0, "p"], "y": [1.0, 2.0]}, 'row 2, column "x": "p" is not a number'),
    "no columns": ({"x": np.empty((2, 0)), "y": [1.0, 2.0]}, "not columns of numbers"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_are_no_table(case: str) -> None:
    arrays, said = BAD_ARRAYS[case]
    dtype = object if case == "text among numbers" else None
    named = {name: np.array(values, dtype=dtype) for name, values in arrays.items()}
    with pytest.raises(TableError, match=said):
        fit(named, target="y")


HOLED: dict[str, Any] = {
    "a list with NaN": ["a", "b", float("nan")] * 20,
    "a list with None": ["a", "b", None] * 20,
    "an array of objects": np.array(["a", "b", float("nan")] * 20, dtype=object),
    "an array that numpy made text of": np.array(["a", "b", float("nan")] * 20),
    "None that numpy made text of": np.array(["a", "b", None] * 20).astype(str),
    "a masked array": np.ma.array(["a", "b", "c"] * 20, mask=[False, False, True] * 20),
    "pyarrow's": pa.array(["a", "b", None] * 20),
}


@pytest.mark.parametrize("case", HOLED)
def test_what_stands_for_no_value_among_text_is_a_missing_value(case: str) -> None:
    columns: dict[str, Any] = {"q": HOLED[case], "y": np.arange(60.0) % 7}
    with pytest.raises(TableError, match='row 3, column "q": the value is missing'):
        fit(columns, target="y")
    assert fit(columns, target="y", missing="indicator").contract.columns[0].categories == ("a", "b")


def test_a_list_of_numbers_and_text_is_no_category() -> None:
    columns: dict[str, Any] = {"q": ["x", *map(float, range(59))], "y": np.arange(60.0) % 7}
    with pytest.raises(TableError, match=r'row 1, column "q": "x" is not a number; of the first 60 cells 59 are num'):
        fit(columns, target="y")


def test_numbers_as_text_are_numbers_and_said_to_be(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"q": [str(row / 4) for row in range(60)], "y": np.arange(60.0) % 7}
    with pytest.warns(UserWarning, match='the column "q" is text and holds numbers'):
        found = fit(columns, target="y")
    as_numbers = fit({**columns, "q": np.arange(60) / 4}, target="y")
    assert found.to_bytes() == as_numbers.to_bytes()


@pytest.mark.parametrize("values", [["1", "2"], [1, 2]])
def test_a_type_that_lists_its_values_is_a_category(values: list[Any]) -> None:
    column = pa.array(values * 30).dictionary_encode()
    found = fit({"q": column, "y": np.arange(60.0) % 7}, target="y")
    assert found.contract.columns[0].categories == ("1", "2")


def test_several_files_are_one_table(tmp_path: Path) -> None:
    for name, rows in {"a": "x,y\n1,2\n2,3\n", "b": "x,y\n3,5\n4,6\n"}.items():
        (tmp_path / f"{name}.csv").write_text(rows)
    found = fit([tmp_path / "a.csv", tmp_path / "b.csv"], target="y")
    assert found.to_bytes() == fit(tmp_path, target="y").to_bytes()
    assert found.fit["rows"] == 4


@pytest.mark.parametrize("width", [1, 3, 40])
def test_columns_apart_have_the_bits_of_one_matrix(width: int) -> None:
    x = RANDOM.normal(size=(70_001, width)) + 5
    y = x.sum(axis=1) + RANDOM.normal(size=len(x))
    apart = {f"x{place}": x[:, place - 1].copy() for place in range(1, width + 1)}
    expected = fit({"x": x, "y": y}, target="y").to_bytes()
    assert fit({**apart, "y": y}, target="y").to_bytes() == expected
    assert (
        fit({**{name: column[::-1][::-1] for name, column in apart.items()}, "y": y}, target="y").to_bytes() == expected
    )
