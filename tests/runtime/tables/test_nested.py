"""Objects in the cells of JSON lines: held against tables that are flat already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import TableError
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.kinds import kinds_of
from tests.runtime.tables.reading import table_file

if TYPE_CHECKING:
    from pathlib import Path


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def values(path: Path, *names: str) -> list[list[float]]:
    found: list[list[float]] = np.concatenate([batch.values for batch in open_table(path).batches(names)]).tolist()
    return found


def leaves(record: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in record.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found


NESTED = st.recursive(
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda inside: st.dictionaries(st.sampled_from("abc"), inside, max_size=3),
    max_leaves=6,
)


@given(record=st.dictionaries(st.sampled_from("xyz"), NESTED, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_path_reads_what_a_flat_table_holds(record: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    expected = leaves(record)
    path = table_file(tmp_path_factory.mktemp("t"), lines(record, record), "t.jsonl")
    table = open_table(path)
    assert table.names == (*record, *(name for name in expected if "." in name))
    assert values(path, *expected) == [list(expected.values())] * 2


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    path = table_file(
        tmp_path, lines({"s": {"a": {"b": 1}}}, {"s": {"a": None}}, {"s": None}, {}, {"s": {}}), "t.jsonl"
    )
    found = values(path, "s.a.b")
    assert found[0] == [1.0]
    assert np.isnan(found[1:]).all()


def test_a_path_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    path = table_file(tmp_path, lines({"s": {"a": 1}}, {"s": 5}), "t.jsonl")
    with pytest.raises(TableError, match=r't.jsonl line 2: "s.a" leads through "5"'):
        values(path, "s.a")


def test_a_key_with_a_dot_goes_first(tmp_path: Path) -> None:
    path = table_file(tmp_path, lines({"s.a": 7, "s": {"a": 1, "b": 2}}), "t.jsonl")
    assert open_table(path).names == ("s.a", "s", "s.b")
    assert values(path, "s.a", "s.b") == [[7, 2]]


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("kind", ["numbers", "categories"])
def test_an_object_names_its_paths(kind: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, lines({"s": {"a": 1, "b": {"c": 2}}, "y": 3}), "t.jsonl")
    wanted = (["s"], []) if kind == "numbers" else ([], ["s"])
    with pytest.raises(TableError, match=r'line 1, column "s": .* is an object\. .* --features s\.a,s\.b\.c$'):
        list(open_table(path).batches(*wanted))


@pytest.mark.parametrize("kind", ["numbers", "categories"])
def test_an_array_is_refused_by_its_name(kind: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, lines({"s": {"a": [1, 2, 3]}, "y": 3}), "t.jsonl")
    wanted = (["s.a"], []) if kind == "numbers" else ([], ["s.a"])
    with pytest.raises(TableError, match=r'line 1, column "s\.a": "\[1, 2, 3\]" is an array of 3'):
        list(open_table(path).batches(*wanted))


def test_paths_are_no_features_by_themselves_and_may_be_renamed(tmp_path: Path) -> None:
    said: list[str] = []
    path = table_file(tmp_path, lines({"s": {"a": 1, "t": "x"}, "y": 3}), "t.jsonl")
    table = open_table(path, TableOptions(renames=(("temp", "s.a"),)), warn=said.append)
    assert (table.names, table.indexes) == (("s", "y", "temp", "s.t"), ("temp", "s.t"))
    assert kinds_of(table, ["temp", "s.t"]).of == {"temp": "number", "s.t": "category"}
    list(table.batches(["y"]))
    assert not said


def test_kept_objects_are_json(tmp_path: Path) -> None:
    path = table_file(tmp_path, lines({"s": {"a": 1}, "y": 3}), "t.jsonl")
    (batch,) = open_table(path).batches(["s.a"], [], ["s"])
    assert json.dumps(batch.kept[0]) == '[{"a": 1}]'
