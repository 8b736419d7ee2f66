"""Text tables that are read: headers, delimiters, missing values, blank lines."""

from __future__ import annotations

import gzip
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.cells.missing import MISSING_TOKENS
from lr_runtime.tables.text import table as text
from tests.runtime.tables.reading import SEMICOLONS, assert_same, read, refusal, table_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

READ: dict[str, str | bytes] = {
    "plain": "a,b\n1,2\n3,4\n",
    "no newline at the end": "a,b\n1,2\n3,4",
    "CRLF": "a,b\r\n1,2\r\n3,4\r\n",
    "a byte order mark": b"\xef\xbb\xbfa,b\n1,2\n3,4\n",
    "blank lines": "\na,b\n\n1,2\n\n\n3,4\n\n",
    "blank lines with CR": "\r\na,b\r\n\r\n1,2\r\n3,4\r\n\r\n",
    "spaces around cells": " a , b\n 1,\t2\n3 , 4 \n",
    "quotes": '"a","b"\n"1","2"\n"3",4\n',
    "gzip": gzip.compress(b"a,b\n1,2\n3,4\n"),
    "two gzip members": gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"),
    "UTF-16": "a,b\n1,2\n3,4\n".encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + "a,b\r\n1,2\r\n3,4\r\n".encode("utf-16-be"),
    "UTF-32": "a,b\n1,2\n3,4\n".encode("utf-32"),
    "UTF-16 in gzip": gzip.compress("a,b\n1,2\n3,4\n".encode("utf-16")),
    "carriage returns alone": "a,b\r1,2\r3,4\r",
    "carriage returns and blank lines": "\r\ra,b\r1,2\r\r3,4",
    "carriage returns in UTF-16": "a,b\r1,2\r3,4\r".encode("utf-16"),
    "JSON lines in UTF-16": '{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n'.encode("utf-16"),
    "JSON lines": '{"a": 1, "b": 2}\n{"b": 4.0, "a": 3e0}\n',
    "JSON lines with a byte order mark": b'\xef\xbb\xbf{"a": 1, "b": 2}\n{"a": 3, "b": 4}',
    "JSON lines with blank lines": '\n{"a": 1, "b": 2}\r\n\n {"a": 3, "b": 4}\n\n',
    "JSON lines in gzip": gzip.compress(b'{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n'),
}


@pytest.mark.parametrize("case", READ)
def test_text_tables(case: str, reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, READ[case])
    table = open_table(path)
    assert table.names == ("a", "b")
    assert read(path).tolist() == [[1, 2], [3, 4]]
    assert read(path, columns=["b", "a"]).tolist() == [[2, 1], [4, 3]]
    assert read(path, columns=["b"]).tolist() == [[2], [4]]


def test_a_table_can_be_read_again(reader: str, tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, READ["gzip"]))
    first, second = ([batch.values.tolist() for batch in table.batches(["a"])] for _ in range(2))
    assert first == second == [[[1.0], [3.0]]]


def test_sizes_add_up_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 16)
    content = "a,b\n" + "1,2\n" * 30
    table = open_table(table_file(tmp_path, content))
    assert table.size == len(content)
    assert sum(batch.size for batch in table.batches(["a"])) == len(content) - len("a,b\n")


def test_a_header_over_two_lines(reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, '"a\nunit",b\n1,2\n3,x\n')
    assert open_table(path).names == ("a\nunit", "b")
    assert "line 4" in refusal(path)
    assert read(path, columns=["a\nunit"]).tolist() == [[1], [3]]


def test_a_carriage_return_in_a_name_costs_no_row(reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, '"a\rb",c\n1,2\n3,4\n')
    assert open_table(path).names == ("a\rb", "c")
    assert read(path).tolist() == [[1, 2], [3, 4]]


def test_names_are_kept(tmp_path: Path) -> None:
    path = table_file(tmp_path, '"a b",größe,"u=v","say ""x""",温度\n1,2,3,4,5\n')
    assert open_table(path).names == ("a b", "größe", "u=v", 'say "x"', "温度")


def test_text_in_a_column_that_was_not_asked_for(reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, 'id,a\nx,1\n"y, z\n",2\nÄ,3\n')
    assert read(path, columns=["a"]).tolist() == [[1], [2], [3]]


def test_no_header(reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, "1,2\n3,4\n")
    assert open_table(path, TableOptions(header=False)).names == ("x1", "x2")
    assert read(path, TableOptions(header=False)).tolist() == [[1, 2], [3, 4]]


def test_delimiter_and_decimal(reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, "a;b\n1,5;-2,25e1\n;3\n")
    values = read(path, SEMICOLONS)
    assert_same(values, np.array([[1.5, -22.5], [math.nan, 3.0]]))


@pytest.mark.parametrize("delimiter", ["\t", "|", " ", ":", "."])
def test_any_delimiter(delimiter: str, reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, "a,b\n1,2\n3,4\n".replace(",", delimiter))
    assert read(path, TableOptions(delimiter=delimiter)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("token", MISSING_TOKENS)
def test_missing_tokens(token: str, reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, f'a,b\n1,{token}\n2,"{token}"\n3, {token}\t\n4,5\n')
    assert_same(read(path, columns=["b"]), np.array([[math.nan]] * 3 + [[5.0]]))


def test_missing_values_of_json_lines(tmp_path: Path) -> None:
    path = table_file(tmp_path, '{"a": 1, "b": 2}\n{"b": 3}\n{"a": null, "b": 4}\n{"a": NaN, "b": 5}\n')
    assert_same(read(path), np.array([[1.0, 2], [math.nan, 3], [math.nan, 4], [math.nan, 5]]))


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.none() | st.floats(allow_infinity=False) | st.integers())))
@settings(deadline=None)
def test_what_the_json_module_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, float | None]]
) -> None:
    rows = [{"a": 0.0, "b": 0.0}, *rows]
    content = "\n".join(json.dumps(row) for row in rows)
    path = table_file(tmp_path_factory.getbasetemp(), content)
    expected = [[math.nan if (cell := row.get(name)) is None else float(cell) for name in "ab"] for row in rows]
    assert_same(read(path), np.array(expected))


def test_header_only_has_no_rows(reader: str, tmp_path: Path) -> None:
    for content in ("a,b\n", "a,b", "a,b\r\n\r\n"):
        assert read(table_file(tmp_path, content)).shape == (0, 2)
