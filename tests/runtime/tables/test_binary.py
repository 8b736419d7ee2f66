"""Parquet and Arrow files."""

from __future__ import annotations

import datetime
import decimal
import gzip
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import (
    MissingColumnError,
    MissingExtraError,
    TableError,
    UnusableFileError,
)
from lr_runtime.tables import open_table
from lr_runtime.tables.cells.options import has_table_suffix
from lr_runtime.tables.kinds import kinds_of
from tests.optional import needs
from tests.runtime.tables.reading import ROWS, _Standard, arrow, pa, parquet, read, refusal, table_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

BINARY: dict[str, Callable[[], bytes]] = {
    "Parquet": lambda: parquet(ROWS),
    "Arrow file": lambda: arrow(ROWS),
    "Arrow stream": lambda: arrow(ROWS, pa.ipc.new_stream),
    "Parquet in gzip": lambda: gzip.compress(parquet(ROWS)),
}


@pytest.mark.parametrize("case", BINARY)
def test_binary_tables(case: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, BINARY[case](), "t.any")
    assert open_table(path).names == ("a", "b", "note")
    assert read(path, columns=["b", "a"]).tolist() == [[2, 1], [4, 3]]
    with pytest.raises(MissingColumnError, match='"a", "b", "note"'):
        read(path, columns=["c"])


NUMBER_TYPES: dict[str, Any] = {
    "float16": pa.array(np.array([1, 0.5], np.float16)),
    "float32": pa.array([0.1, 2.0], pa.float32()),
    "uint64": pa.array([2**64 - 1, 2**53 + 1], pa.uint64()),
    "int64": pa.array([-(2**63), 2**53 + 1], pa.int64()),
    "bool": pa.array([True, False]),
    "decimal": pa.array([decimal.Decimal("1.10"), decimal.Decimal("-3.25")]),
}


@pytest.mark.parametrize("case", NUMBER_TYPES)
def test_number_types_become_float64(case: str, tmp_path: Path) -> None:
    column = NUMBER_TYPES[case]
    path = table_file(tmp_path, arrow(pa.table({"a": column})), "t.arrow")
    assert read(path).ravel().tolist() == [float(value) for value in column.to_pylist()]


@needs(pa)
@pytest.mark.parametrize("form", ["file", "stream", "Parquet"])
@pytest.mark.parametrize("kind", ["int8", "uint16", "int64", "float32", "float64", "bool", "decimal"])
def test_numbers_that_are_written_once_each(kind: str, form: str, tmp_path: Path) -> None:
    values = [None if value is None else decimal.Decimal(value) for value in (1, 0, None, 1, 1, 0, 1)]
    of_kind = pa.decimal128(6, 2) if kind == "decimal" else pa.type_for_alias(kind)
    plain = pa.array(values) if kind == "decimal" else pa.array([None if v is None else int(v) for v in values])
    column = plain.cast(of_kind)
    packed = pa.table({"a": column.dictionary_encode(), "b": pa.array(range(7))})
    if form != "Parquet" and "decimal" not in kind:
        packed = packed.append_column("r", pa.RunEndEncodedArray.from_arrays([2, 3, 7], pa.array([1.5, None, -2.0])))
    write = {"file": arrow, "stream": lambda table: arrow(table, pa.ipc.new_stream), "Parquet": parquet}[form]
    path = table_file(tmp_path, write(packed), "t.any")
    table = open_table(path)
    assert set(kinds_of(table, table.names).of.values()) == {"number"}
    expected = [[math.nan if value is None else float(value)] for value in values]
    assert np.array_equal(read(path, columns=["a"]), expected, equal_nan=True)
    if "r" in table.names:
        assert np.array_equal(read(path, columns=["r"]).ravel(), [1.5, 1.5, np.nan, *[-2.0] * 4], equal_nan=True)
    (batch,) = table.batches([], ["a"])
    assert [code < 0 for code in batch.categories[0].codes] == [value is None for value in values]
    (batch,) = table.batches([], [], ["a"])
    kept: Any = batch.kept[0]
    assert kept.type == of_kind  # as the writers take it


OTHER_TYPES: dict[str, Any] = {
    "a date": pa.array([datetime.date(2020, 1, 1)]),
    "a list": pa.array([[1.0]]),
    "a category": pa.array(["a"]).dictionary_encode(),
}


@pytest.mark.parametrize("case", OTHER_TYPES)
def test_other_types_are_refused(case: str, tmp_path: Path) -> None:
    table = pa.table({"a": [1.0], "b": OTHER_TYPES[case]})
    for content in (parquet(table), arrow(table)):
        path = table_file(tmp_path, content, "t.any")
        assert 't.any, column "b": holds' in refusal(path)
        assert read(path, columns=["a"]).tolist() == [[1.0]]


@needs(pa)
@pytest.mark.parametrize("build", [parquet, arrow], ids=["Parquet", "Arrow"])
def test_infinite_values_name_their_row(
    build: Callable[[Any], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lr_runtime.tables.arrow.table._MOST_ROWS", 2)
    monkeypatch.setattr("lr_runtime.tables.arrow.table._FEWEST_ROWS", 1)
    path = table_file(tmp_path, build(pa.table({"b": pa.array([1.0, math.nan, 3.0, -math.inf])})), "t.any")
    with pytest.raises(TableError, match=r't\.any row 4, column "b": the value is not finite'):
        list(open_table(path).batches(["b"]))


def test_names_of_binary_tables_are_checked_too(tmp_path: Path) -> None:
    twice = pa.table([pa.array([1.0]), pa.array([2.0])], names=["a", "a"])
    assert '"a" stands twice' in refusal(table_file(tmp_path, arrow(twice), "t.arrow"))


@pytest.mark.parametrize("name", ["a.b", "a b", "größe", "a/b", "list.element"])
def test_any_name_in_parquet(name: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, parquet(pa.table({name: [1.0, 2.0], "a": [3.0, 4.0]})), "t.parquet")
    assert read(path, columns=["a", name]).tolist() == [[3, 1], [4, 2]]


def test_no_rows(tmp_path: Path) -> None:
    for content in (parquet(ROWS.slice(0, 0)), arrow(ROWS.slice(0, 0))):
        assert read(table_file(tmp_path, content, "t.any"), columns=["a", "b"]).shape == (0, 2)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_binary_tables_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from([arrow(ROWS), arrow(ROWS, pa.ipc.new_stream)])))
    del content[data.draw(st.integers(8, len(content))) :]
    path = table_file(tmp_path_factory.getbasetemp(), bytes(content), "t.any")
    try:
        values = read(path, columns=["b", "a"])
    except TableError:
        return
    assert values.tolist() in ([], [[2, 1], [4, 3]])


@needs(pa)
def test_without_pyarrow_the_message_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lr_runtime.tables.arrow.table")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'linedge\[tables\]'"):
        open_table(table_file(tmp_path, parquet(ROWS)))


SUFFIXES = {
    "a.csv": True,
    "A.CSV.GZ": True,
    "b.parquet": True,
    "c.jsonl": True,
    "-4.0": False,
    "1.5": False,
    "x": False,
}


@pytest.mark.parametrize("name", SUFFIXES)
def test_suffixes_of_tables(name: str) -> None:
    assert has_table_suffix(name) == SUFFIXES[name]


@needs(pa)
def test_decimals_are_rounded_as_text_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    texts = [f"{rng.integers(-99, 99)}.{rng.integers(0, 10**8):08d}" for _ in range(500)]
    column = pa.array([*map(decimal.Decimal, [*texts, "0.3", "-0.07"]), None], pa.decimal128(20, 8))
    for content in (parquet(pa.table({"a": column})), arrow(pa.table({"a": column}))):
        values = read(table_file(tmp_path, content, "t.any")).ravel()
        assert values[:-1].tolist() == [float(text) for text in [*texts, "0.3", "-0.07"]]
        assert np.isnan(values[-1])


@needs(pa)
def test_a_column_of_nulls_is_missing(tmp_path: Path) -> None:
    for content in (parquet(pa.table({"a": pa.array([None, None])})), arrow(pa.table({"a": pa.array([None, None])}))):
        assert np.isnan(read(table_file(tmp_path, content, "t.any"))).all()


@needs(pa)
@pytest.mark.parametrize("values", [[[1.0]], [{"a": 1}], [b"\xff"]], ids=["a list", "a struct", "bytes"])
def test_what_is_neither_text_nor_number_is_no_category(values: list[object], tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, parquet(pa.table({"a": pa.array(values)})), "t.parquet"))
    with pytest.raises(TableError, match=r'column "a": holds .*, neither text nor numbers'):
        list(table.batches([], ["a"]))


def test_a_gzip_file_that_is_cut_off_is_said_wherever_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(("a,b\n" + "1,2\n" * 40_000).encode("utf-16"), 0)
    for cut in (20, 2_000, 70_000, 100_000):
        with pytest.raises(UnusableFileError, match="cannot be read"):
            read(table_file(tmp_path, whole[:cut], "t.csv.gz"))
    monkeypatch.setattr("sys.stdin", _Standard(gzip.compress(b"PAR1" + b"x" * 10_000)[:-9]))
    with pytest.raises(UnusableFileError, match="standard input: cannot be read"):
        open_table("-")


def test_half_a_surrogate_pair_is_no_json(tmp_path: Path) -> None:
    path = table_file(tmp_path, '{"a":1,"b":"\\ud83d\\ude00"}\n{"a":2,"b":"\\ud83d"}\n', "t.jsonl")
    assert "line 2: not a JSON object" in refusal(path, columns=["a"])
