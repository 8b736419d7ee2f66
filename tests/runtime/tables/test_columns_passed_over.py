"""Columns that nobody asked for: without a name, and indexes that pandas and R write beside the data."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import MissingColumnError, TableError
from lr_runtime.tables import open_table
from tests.optional import needs, optional
from tests.runtime.tables.reading import accelerate, arrow, parquet, table_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pa = optional("pyarrow")


def columns(path: Path, names: Sequence[str], said: Callable[[str], None] | None = None) -> list[list[float]]:
    table = open_table(path, warn=said)
    return [column.tolist() for column in np.concatenate([batch.values for batch in table.batches(names)]).T]


UNNAMED = {
    "a delimiter at the end": ("a,b,\n1,2,\n3,4,\n", "column 3 has no name"),
    "the index of pandas": (",a,b\n0,1,2\n1,3,4\n", "column 1 has no name"),
    "the index of R": ('"","a","b"\n"1",1,2\n"2",3,4\n', "column 1 has no name"),
    "empty columns of a spreadsheet": ("a,,b,,\n1,,2,,\n3,,4,,\n", "columns 2, 4, 5 have no names"),
    "a column of notes": ("a,b,  \n1,2,loose?\n3,4,\n", "column 3 has no name"),
    "an empty key": ('{"a": 1, "": "x", "b": 2}\n{"a": 3, "": null, "b": 4}\n', "column 2 has no name"),
    "names that are numbers beside text": (",1,b,a\n0,7,2,1\n1,8,4,3\n", "column 1 has no name"),
}


@pytest.mark.parametrize("way", ["strict", "fast", "numpy"])
@pytest.mark.parametrize("case", UNNAMED)
def test_columns_without_names_are_passed_over_with_one_line(
    case: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerate(monkeypatch, way)
    content, expected = UNNAMED[case]
    said: list[str] = []
    path = table_file(tmp_path, content)
    assert columns(path, ["a", "b"], said.append) == [[1, 3], [2, 4]]
    assert columns(path, ["b"]) == [[2, 4]]
    assert said == [f"{path}: passed over: {expected}"]
    assert "" not in open_table(path).names


def test_what_has_no_name_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingColumnError, match='it has: "a", "b"'):
        columns(table_file(tmp_path, "a,,b\n1,5,2\n"), [""])


def test_a_row_is_ragged_however_many_columns_have_names(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="line 3: 3 cells where the header has 4 names"):
        columns(table_file(tmp_path, "a,,b,\n1,,2,\n1,2,3\n"), ["a"])


@given(
    names=st.lists(st.sampled_from(["", " ", "p", "q", "r"]), min_size=1, max_size=6).filter(
        lambda names: len([n for n in names if n.strip()]) == len({n for n in names if n.strip()}) > 0
    ),
    rows=st.integers(0, 4),
    way=st.sampled_from(["strict", "fast", "numpy"]),
)
@settings(max_examples=60, deadline=None)
def test_the_other_columns_are_those_of_the_csv_module(
    names: list[str], rows: int, way: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([names, *([row * 10 + place for place in range(len(names))] for row in range(rows))])
    with pytest.MonkeyPatch.context() as patch:
        accelerate(patch, way)
        table = open_table(table_file(tmp_path_factory.mktemp("t"), text.getvalue()))
        wanted = [name for name in names if name.strip()][::-1]
        found = np.concatenate([np.empty((0, len(wanted))), *(batch.values for batch in table.batches(wanted))])
    expected = [[row * 10 + names.index(name) for name in wanted] for row in range(rows)]
    assert found.tolist() == expected


# --- indexes ---


def of_pandas(index: Any) -> Any:
    pd = pytest.importorskip("pandas", reason="pandas is not installed here")
    return pa.Table.from_pandas(pd.DataFrame({"a": [1.0, 3.0], "y": [2.0, 4.0]}, index=index(pd)))


INDEXES: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "a range is not in the file": (lambda pd: pd.RangeIndex(2), []),
    "rows that were chosen": (lambda pd: pd.Index([7, 3]), ["__index_level_0__"]),
    "moments": (lambda pd: pd.to_datetime(["2026-11-27", "2026-11-28"]), ["__index_level_0__"]),
    "with a name": (lambda pd: pd.Index([7, 3], name="serial"), ["serial"]),
    "two levels": (
        lambda pd: pd.MultiIndex.from_tuples([("n", 1), ("s", 2)], names=["site", None]),
        ["site", "__index_level_1__"],
    ),
}


@needs(pa)
@pytest.mark.parametrize("form", [parquet, arrow])
@pytest.mark.parametrize("case", INDEXES)
def test_an_index_of_pandas_is_there_for_those_who_ask(case: str, form: Callable[[Any], bytes], tmp_path: Path) -> None:
    index, expected = INDEXES[case]
    path = table_file(tmp_path, form(of_pandas(index)), "t.parquet")
    said: list[str] = []
    table = open_table(path, warn=said.append)
    assert list(table.indexes) == expected
    assert set(table.names) == {"a", "y", *expected}
    list(table.batches(["a", "y"]))
    assert len(said) == bool(expected)
    assert all(name in said[0] for name in expected)
    if case == "with a name":
        again: list[str] = []
        assert columns(path, ["serial", "a"], again.append) == [[7, 3], [1, 3]]
        assert not again


@pytest.mark.parametrize(
    "metadata", [b"{", b"[]", b'{"index_columns": 3}', b'{"index_columns": [{"kind": "range"}]}', b"[" * 9999]
)
@needs(pa)
def test_metadata_of_pandas_may_be_anything(metadata: bytes, tmp_path: Path) -> None:
    table = pa.table({"a": [1.0]}).replace_schema_metadata({b"pandas": metadata})
    assert open_table(table_file(tmp_path, parquet(table), "t.parquet")).indexes == ()


def test_what_pandas_calls_an_index_that_it_read_again(tmp_path: Path) -> None:
    said: list[str] = []
    path = table_file(tmp_path, "Unnamed: 0,a\n0,1\n1,2\n")
    assert columns(path, ["a"], said.append) == [[1, 2]]
    assert said == [f'{path}: passed over: "Unnamed: 0" is an index that nothing asks for']
    assert columns(path, ["Unnamed: 0"]) == [[0, 1]]


def test_files_may_differ_in_their_indexes(tmp_path: Path) -> None:
    first, second = (
        table_file(tmp_path, "a,b\n1,2\n", "1.csv"),
        table_file(tmp_path, "Unnamed: 0,b,a\n9,4,3\n", "2.csv"),
    )
    for order in ([first, second], [second, first]):
        table = open_table([str(path) for path in order])
        assert (sorted(table.names), table.indexes) == (["a", "b"], ())
        values = np.concatenate([batch.values for batch in table.batches(["a", "b"])])
        assert sorted(values.tolist()) == [[1, 2], [3, 4]]


def test_json_keeps_its_nulls(tmp_path: Path) -> None:
    path = table_file(tmp_path, json.dumps({"a": 1, "": 5}) + "\n" + json.dumps({"a": None}) + "\n", "t.jsonl")
    assert np.isnan(columns(path, ["a"])[0][1])
