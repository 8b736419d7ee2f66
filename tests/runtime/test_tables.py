"""Tables: the strict reader is the rule, the fast one must agree with it, and what is no table is said to be none."""

from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import io
import json
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lr_runtime.errors import (
    LinedgeError,
    MissingColumnError,
    MissingExtraError,
    MissingFileError,
    TableError,
    UnusableFileError,
)
from lr_runtime.tables import TableOptions, numbers_only, open_table, reading, text
from lr_runtime.tables.acceleration import csv_block
from lr_runtime.tables.csv_syntax import CsvSyntax
from lr_runtime.tables.options import MISSING_TOKENS, NotANumberError, has_table_suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

SEMICOLONS = TableOptions(delimiter=";", decimal=",")


@pytest.fixture(params=["strict", "fast"])
def reader(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each way to parse CSV."""
    with pytest.MonkeyPatch.context() as patch:
        accelerate(patch, on=request.param == "fast")
        yield request.param


def accelerate(patch: pytest.MonkeyPatch, *, on: bool) -> None:
    patch.setattr("lr_runtime.tables.acceleration.available", lambda: on)


def table_file(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, options: TableOptions | None = None, columns: Sequence[str] | None = None) -> Values:
    table = open_table(path, options)
    names = table.names if columns is None else columns
    return np.concatenate([np.empty((0, len(names))), *(batch.values for batch in table.batches(names))])


def refusal(path: Path, options: TableOptions | None = None, columns: Sequence[str] | None = None) -> str:
    with pytest.raises(TableError) as caught:
        read(path, options, columns)
    return str(caught.value)


# --- cells ---

NUMBERS = ["0", "-0", "1", "+1", "1.", ".5", "-.5", "1e5", "1E-5", "1e+5", "0.1", "1e-400", "1.7976931348623157e308"]
NUMBERS += ["9007199254740993", "2.2250738585072011e-308", "0" * 400 + "1", "1" + "0" * 300, "5e-324", "007"]
NOT_NUMBERS = ["0x10", "1_000", "1e", "e5", "--1", "1 2", "1,5", "12e1.5", ".", "1d5", "1f", "\uff11\uff12", "\u0663"]
NOT_NUMBERS += ["six", "true", "1:2", "\xa01", "1\u2009000", "NAN", "-nan", "nan(1)", "+", "1.2.3", "½"]
INFINITE = ["inf", "-inf", "+Infinity", "INF"]


@pytest.mark.parametrize("cell", NUMBERS)
def test_a_number_is_pythons(cell: str) -> None:
    for padded in (cell, f" {cell}\t"):
        assert TableOptions().number(padded).hex() == float(cell).hex()
        assert TableOptions().is_number(padded)


@pytest.mark.parametrize("cell", NOT_NUMBERS)
def test_everything_else_is_none(cell: str) -> None:
    with pytest.raises(NotANumberError, match="is not a number"):
        TableOptions().number(cell)
    assert not TableOptions().is_number(cell)


@pytest.mark.parametrize("cell", INFINITE)
def test_infinity_is_no_number(cell: str) -> None:
    with pytest.raises(NotANumberError, match="is not a finite number"):
        TableOptions().number(cell)


@pytest.mark.parametrize("cell", ["1e400", "-1e309", "1" * 400])
def test_what_float64_cannot_hold_is_refused(cell: str) -> None:
    with pytest.raises(NotANumberError, match="beyond the range of float64"):
        TableOptions().number(cell)


@pytest.mark.parametrize("cell", MISSING_TOKENS)
def test_a_missing_token_is_nan(cell: str) -> None:
    assert math.isnan(TableOptions().number(f" {cell} "))
    assert not TableOptions().is_number(cell)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_a_decimal_comma_is_a_point(value: float) -> None:
    written = repr(value)
    assert SEMICOLONS.number(written.replace(".", ",")).hex() == value.hex()
    if "." in written:
        with pytest.raises(NotANumberError):
            SEMICOLONS.number(written)


# --- the strict reader and pyarrow ---

cells = (
    st.floats().map(repr)
    | st.floats(width=32).map(repr)
    | st.integers().map(str)
    | st.sampled_from([*NUMBERS, *NOT_NUMBERS, *INFINITE, *MISSING_TOKENS, "1e400", " 1", "2\t", "  NA "])
    | st.text("0123456789+-.eEnaNif_x ,;\"'\r\n\t", max_size=6)
    | st.sampled_from(['"1"', '"1"2', '"1\n"', '"1,5"', '"a""b"', '5"', '"', '""', "1\r2", "\ufeff1", "é", "1#2"])
)
plain_cells = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers().map(str)
    | st.sampled_from(MISSING_TOKENS)
)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """Text that is nearly a CSV table of the columns a and b."""
    cell = draw(st.sampled_from([cells, plain_cells]))
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n", "\n\n", "\r", ""]]))
    delimiter = draw(st.sampled_from([",", ",", ";"]))
    rows = draw(st.lists(st.tuples(cell, cell) | st.tuples(cell, cell), max_size=5))
    rows += draw(st.lists(st.tuples(cell) | st.tuples(cell, cell, cell), max_size=1))
    return "".join(delimiter.join(row) + draw(st.sampled_from(ends)) for row in rows)


OPTIONS = {",": TableOptions(), ";": TableOptions(delimiter=";"), ";,": SEMICOLONS}
COLUMNS = [["a", "b"], ["b", "a"], ["a"], ["b"]]


def strictly(content: str, columns: Sequence[str], options: TableOptions) -> Values:
    syntax = CsvSyntax(options)
    rows = [[syntax.number(row["ab".index(name)]) for name in columns] for _, row in syntax.records(content, "ab", 1)]
    return np.array(rows, dtype=np.float64).reshape(-1, len(columns))


@given(tables(), st.sampled_from(COLUMNS), st.sampled_from(list(OPTIONS)))
@settings(max_examples=400, deadline=None)
@example('"1"2,3\n', ["a", "b"], ",")
@example('"x"2,3\n', ["b"], ",")
@example("NAN,3\n", ["a"], ",")
@example("-nan,3\n", ["a"], ",")
@example("nan(1),3\n", ["a"], ",")
@example("1,2\r3,4\n", ["a", "b"], ",")
@example('"1\n2",2\n', ["b"], ",")
@example('5"a,b",1\n', ["b"], ",")
def test_what_pyarrow_accepts_is_what_the_strict_reader_reads(content: str, columns: list[str], how: str) -> None:
    options = OPTIONS[how]
    fast = csv_block(content.encode(), ["a", "b"], columns, options)
    if fast is not None:
        assert_same(fast, strictly(content, columns, options))


def assert_same(left: Values, right: Values) -> None:
    assert left.shape == right.shape
    # Every NaN here is a missing value, whatever its bits.
    assert np.array_equal(np.isnan(left), np.isnan(right))
    known = ~np.isnan(left)
    assert left[known].tobytes() == right[known].tobytes()


@given(st.lists(st.tuples(plain_cells, plain_cells), min_size=1, max_size=20))
@settings(deadline=None)
def test_pyarrow_reads_ordinary_tables(rows: list[tuple[str, str]]) -> None:
    content = "".join(",".join(row) + "\n" for row in rows)
    assert csv_block(content.encode(), ["a", "b"], ["a", "b"], TableOptions()) is not None


def outcome(path: Path, columns: Sequence[str], *, fast: bool, block: int) -> tuple[str, Values]:
    with pytest.MonkeyPatch.context() as patch:
        accelerate(patch, on=fast)
        patch.setattr(text, "BLOCK_BYTES", block)
        try:
            return "", read(path, columns=columns)
        except LinedgeError as error:
            return str(error), np.empty((0, 0))


@given(tables(), st.sampled_from(COLUMNS))
@settings(max_examples=200, deadline=None)
def test_with_and_without_pyarrow_a_file_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, content: str, columns: list[str]
) -> None:
    path = table_file(tmp_path_factory.getbasetemp(), "a,b\n" + content)
    said, values = outcome(path, columns, fast=False, block=1 << 20)
    said_fast, values_fast = outcome(path, columns, fast=True, block=1 << 20)
    assert said_fast == said
    assert_same(values_fast, values)


quoted_cells = plain_cells.map(lambda cell: f'"{cell}"') | st.sampled_from(['"x\ny"', '"x\r\n\n,y"', '"""\n"""'])


@given(
    st.lists(st.tuples(plain_cells | quoted_cells, plain_cells), max_size=12),
    st.integers(8, 60),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_split_into_blocks_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], block: int, end: str, fast: bool
) -> None:
    content = "".join(f"{a},{b}{end}" for a, b in rows)
    path = table_file(tmp_path_factory.getbasetemp(), f"a,b{end}{content}".removesuffix(end))
    said, values = outcome(path, ["b"], fast=fast, block=block)
    assert said == ""
    assert_same(values, np.array([[TableOptions().number(b)] for _, b in rows]).reshape(-1, 1))


@given(
    st.lists(st.sampled_from(["1,2", '"x\ny",2', "", "1,,3", "x,six", "é,2", "1,1e400"]), max_size=12),
    st.integers(8, 40),
)
@settings(max_examples=200, deadline=None)
def test_any_split_into_blocks_gives_the_same_error(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], block: int
) -> None:
    path = table_file(tmp_path_factory.getbasetemp(), "\n".join(["a,b", *rows]))
    whole, _ = outcome(path, ["b"], fast=False, block=1 << 20)
    for fast in (True, False):
        assert outcome(path, ["b"], fast=fast, block=block)[0] == whole


@given(st.lists(st.tuples(st.text(max_size=5), st.floats(allow_infinity=False)), max_size=8))
@settings(deadline=None)
def test_what_the_csv_module_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float]]
) -> None:
    sink = io.StringIO()
    csv.writer(sink, quoting=csv.QUOTE_NONNUMERIC).writerows([("note", "value"), *rows])
    path = table_file(tmp_path_factory.getbasetemp(), sink.getvalue().encode("utf-8", "replace"))
    expected = np.array([[value] for _, value in rows]).reshape(-1, 1)
    assert_same(read(path, columns=["value"]), expected)


# --- text tables that are read ---

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


@pytest.mark.parametrize("delimiter", ["\t", "|", " ", ":", "§"])
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
    expected = [[math.nan if row.get(name) is None else float(row[name] or 0) for name in "ab"] for row in rows]
    assert_same(read(path), np.array(expected))


def test_header_only_has_no_rows(reader: str, tmp_path: Path) -> None:
    for content in ("a,b\n", "a,b", "a,b\r\n\r\n"):
        assert read(table_file(tmp_path, content)).shape == (0, 2)


# --- text tables that are refused ---

REFUSED: dict[str, tuple[str | bytes, list[str]]] = {
    "nothing": (b"", ["is empty"]),
    "blank lines only": ("\n \r\n\n", ["is empty"]),
    "a byte order mark only": (b"\xef\xbb\xbf", ["is empty"]),
    "a row too long": ("a,b\n1,2\n1,2,3\n", ["line 3", "3 cells", "2 names"]),
    "a row too short": ("a,b\n1,2\n\n1\n", ["line 4", "1 cells", "2 names"]),
    "text": ("a,b\n1,2\n3,six\n", ["line 3", 'column "b"', '"six" is not a number']),
    "text behind quoted newlines": ('n,b\n"x\n\ny",2\nz,six\n', ["line 5", 'column "b"', '"six"']),
    "text behind blank lines": ("\n\na,b\n\n1,2\n\n3,six\n", ["line 7", '"six"']),
    "text with CRLF": ("a,b\r\n1,2\r\n3,six\r\n", ["line 3", '"six"']),
    "long text": ("b\n" + "x" * 500 + "\n", ["line 2", "x" * 59 + "…"]),
    "text with control characters": ("a,b\n1,\x1b[31m\n", ["line 2", "\\x1b[31m"]),
    "hexadecimal": ("b\n0x10\n", ["line 2", '"0x10" is not a number']),
    "underscores": ("b\n1_000\n", ["line 2", '"1_000" is not a number']),
    "beyond float64": ("b\n1\n-1e400\n", ["line 3", '"-1e400" is beyond the range of float64']),
    "full-width digits": ("b\n\uff11\uff12\n", ["line 2", "is not a number"]),
    "infinity": ("b\n1\n-inf\n", ["line 3", '"-inf" is not a finite number']),
    "NAN, which is no token": ("b\nNAN\n", ["line 2", '"NAN" is not a number']),
    "a decimal comma": ('a,b\n1,"1.299,00"\n', ["line 2", "decimal comma", "--decimal ,"]),
    "thousands": ('a,b\n1,"1,000,000"\n', ["line 2", "thousands"]),
    "true": ("b\ntrue\n", ["line 2", '"true" is not a number']),
    "a name twice": ("a,b,a\n1,2,3\n", ['"a" stands twice']),
    "an empty name": ("a,,b\n1,2,3\n", ["column 2 has no name"]),
    "a name of spaces": ("a,b,  \n1,2,3\n", ["column 3 has no name"]),
    "numbers for names": ("1,2\n3,4\n", ["line 1", "--no-header"]),
    "semicolons": ("a;b\n1;2\n", ["line 1", "--delimiter ';'"]),
    "tabs": ("a\tb\n1\t2\n", ["line 1", "--delimiter $'\\t'"]),
    "bars": ("a|b\n1|2\n", ["line 1", "--delimiter '|'"]),
    "an open quote": ('a,b\n1,"2\n3,4\n', ["not CSV"]),
    "text behind a quote": ('a,b\n"1"2,3\n', ["line 2", "not CSV"]),
    "carriage returns alone": ("a,b\r1,2\r3,4\r", ["carriage returns"]),
    "a carriage return in a row": ("a,b\n1,2\r3,4\n5,6\n", ["line 2", "not CSV"]),
    "Latin-1": ("a,b\n1,2\n3,\xe9\n".encode("latin-1"), ["line 3", "0xe9", "UTF-8", "Latin-1"]),
    "Latin-1 in another column": ("n,b\n1,2\n\xe9,4\n".encode("latin-1"), ["line 3", "0xe9", "Latin-1"]),
    "Latin-1 in a name": ("\xe9,b\n1,2\n".encode("latin-1"), ["line 1", "0xe9"]),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), ["UTF-16"]),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), ["binary"]),
    "NUL bytes": (b"a,b\n1,2\n\0\0\0\0\n", ["binary"]),
    "a PDF": (b"%PDF-1.7\n1 0 obj", ["PDF"]),
    "a git-LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ["git-LFS", "git lfs pull"]),
    "a zip": (b"PK\x03\x04" + bytes(40), ["zip", "spreadsheet"]),
    "a PDF in gzip": (gzip.compress(b"%PDF-1.7\n"), ["PDF"]),
    "half a Parquet file": (b"PAR1" + bytes(40), ["Parquet"]),
    "half an Arrow file": (b"ARROW1\0\0" + bytes(40), ["Arrow"]),
    "half an Arrow stream": (b"\xff\xff\xff\xff" + b"\x10\0\0\0" + bytes(8), ["Arrow"]),
    "no JSON": ('{"b": 1}\n{"b": }\n', ["line 2", "not a JSON object"]),
    "half a line of JSON": ('{"b": 1}\n{"b": 2', ["line 2", "not a JSON object"]),
    "null in place of an object": ('{"b": 1}\nnull\n', ["line 2", '"null" is not a JSON object']),
    "a JSON list": ('{"b": 1}\n\n[1]\n', ["line 3", '"[1]" is not a JSON object']),
    "two objects on a line": ('{"b": 1} {"b": 2}\n', ["line 1", "not a JSON object"]),
    "an object over two lines": ('{"b": 1}\n{"b":\n2}\n', ["line 2", "not a JSON object"]),
    "deep JSON": ('{"b": 1}\n{"b": 1, "c": ' + "[" * 100_000 + "\n", ["line 2", "not a JSON object"]),
    "no keys": ("{}\n", ["line 1", "no keys"]),
    "an unknown key": ('{"b": 1}\n{"b": 1, "c": 2}\n', ["line 2", '"c" is not in the first object']),
    "a key twice": ('{"b": 1}\n{"b": 1, "b": 2}\n', ["line 2", "a key stands twice"]),
    "text in JSON": ('{"b": 1}\n{"b": "2"}\n', ["line 2", 'column "b"', '"2" is not a number']),
    "true in JSON": ('{"b": 1}\n{"b": true}\n', ["line 2", 'column "b"', '"True" is not a number']),
    "a list in JSON": ('{"b": 1}\n{"b": [2]}\n', ["line 2", 'column "b"', '"[2]" is not a number']),
    "infinity in JSON": ('{"b": 1}\n{"b": -Infinity}\n', ["line 2", "is not a finite number"]),
    "beyond float64 in JSON": ('{"b": 1}\n{"b": 1e400}\n', ["line 2", "beyond the range of float64"]),
    "a long integer in JSON": ('{"b": 1}\n{"b": ' + "9" * 400 + "}\n", ["line 2", "beyond the range of float64"]),
    "Latin-1 in JSON": ('{"b": 1}\n{"b": "\xe9"}\n'.encode("latin-1"), ["line 2", "0xe9"]),
    "an empty key": ('{"b": 1, "": 2}\n', ["column 2 has no name"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_its_place(case: str, reader: str, tmp_path: Path) -> None:
    content, said = REFUSED[case]
    line = refusal(table_file(tmp_path, content), columns=["b"])
    for words in ["t.csv", *said]:
        assert words in line


@pytest.mark.parametrize(
    "case", ["a row too long", "text behind quoted newlines", "Latin-1 in another column", "no JSON"]
)
def test_refused_with_its_place_in_small_blocks(
    case: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, _ = REFUSED[case]
    whole = refusal(table_file(tmp_path, content), columns=["b"])
    monkeypatch.setattr(text, "BLOCK_BYTES", 9)
    assert refusal(table_file(tmp_path, content), columns=["b"]) == whole


def test_a_missing_column_lists_what_there_is(reader: str, tmp_path: Path) -> None:
    with pytest.raises(MissingColumnError, match=r't\.csv has no columns "c", "d"; it has: "a", "b"'):
        read(table_file(tmp_path, "a,b\n1,2\n"), columns=["a", "c", "d"])


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"t\.csv: no such file"):
        open_table(tmp_path / "t.csv")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="Is a directory"):
        open_table(tmp_path)


PACKED = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i * i, i) for i in range(9000)))
DAMAGED_GZIP = {
    "cut in the header": PACKED[:8],
    "cut early": PACKED[:40],
    "cut": PACKED[:-100],
    "without its checksum": PACKED[:-8],
    "a wrong checksum": PACKED[:-8] + bytes(8),
    "other bytes inside": PACKED[:2000] + b"\xff" * 500 + PACKED[2500:],
    "other bytes behind": PACKED + b"garbage",
}


@pytest.mark.parametrize("case", DAMAGED_GZIP)
def test_damaged_gzip_is_said(case: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, DAMAGED_GZIP[case], "t.csv.gz")
    with pytest.raises(UnusableFileError, match=r"t\.csv\.gz: cannot be read"):
        read(path)


def test_a_record_without_end_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 16)
    monkeypatch.setattr(text, "_LONGEST_RECORD", 64)
    assert "a quote left open?" in refusal(table_file(tmp_path, 'a,b\n1,"' + "2\n" * 100), columns=["b"])


# --- missing and infinite values ---


def test_numbers_only_names_the_place_of_a_missing_value(reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, 'n,b\n"x\ny",1\nz,\n')
    with pytest.raises(TableError, match=r't\.csv line 4, column "b": the value is missing'):
        list(numbers_only(open_table(path), ["b"]))


def test_numbers_only_passes_numbers(reader: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, "n,b\nx,1\n,2\n")
    assert [batch.values.tolist() for batch in numbers_only(open_table(path), ["b"])] == [[[1.0], [2.0]]]


def test_every_row_knows_its_line(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 12)
    path = table_file(tmp_path, '\na,b\n1,2\n\n"3\n\n",4\n5,6\n7,8\r\n9,10')
    lines = [batch.where(row) for batch in open_table(path).batches(["b"]) for row in range(len(batch.values))]
    assert lines == [f"line {line}" for line in (3, 7, 8, 9, 10)]


# --- standard input ---


class _Standard:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_standard_input_in_every_format(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"a,b\n1,2\n3,4\n", b'{"a":1,"b":2}\n{"a":3,"b":4}\n', parquet(ROWS), arrow(ROWS)):
        monkeypatch.setattr("sys.stdin", _Standard(content))
        table = open_table("-")
        assert table.name == "standard input"
        assert np.concatenate([batch.values for batch in table.batches(["b", "a"])]).tolist() == [[2, 1], [4, 3]]


def test_long_standard_input_is_read_whole_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reading, text):
        monkeypatch.setattr(module, "BLOCK_BYTES", 32)
    rows = [[float(i), float(-i)] for i in range(100)]
    monkeypatch.setattr("sys.stdin", _Standard(b"a,b\n" + b"".join(b"%d,%d\n" % (a, b) for a, b in rows)))
    table = open_table("-")
    assert np.concatenate([batch.values for batch in table.batches(["a", "b"])]).tolist() == rows
    with pytest.raises(TableError, match="only once"):
        list(table.batches(["a"]))


# --- Parquet and Arrow ---

ROWS = pa.table({"a": [1.0, 3.0], "b": pa.array([2, 4], pa.int16()), "note": ["x", "y"]})


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


def arrow(table: pa.Table, writer: Callable[..., Any] = pa.ipc.new_file) -> bytes:
    sink = io.BytesIO()
    with writer(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


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


NUMBER_TYPES: dict[str, pa.Array] = {
    "float16": pa.array(np.array([1, 0.5], np.float16)),
    "float32": pa.array([0.1, 2.0], pa.float32()),
    "uint64": pa.array([2**64 - 1, 2**53 + 1], pa.uint64()),
    "int64": pa.array([-(2**63), 2**53 + 1], pa.int64()),
    "decimal": pa.array([decimal.Decimal("1.10"), decimal.Decimal("-3.25")]),
}


@pytest.mark.parametrize("case", NUMBER_TYPES)
def test_number_types_become_float64(case: str, tmp_path: Path) -> None:
    column = NUMBER_TYPES[case]
    path = table_file(tmp_path, arrow(pa.table({"a": column})), "t.arrow")
    assert read(path).ravel().tolist() == [float(value) for value in column.to_pylist()]


OTHER_TYPES: dict[str, pa.Array] = {
    "text": pa.array(["1"]),
    "true": pa.array([True]),
    "a date": pa.array([datetime.date(2020, 1, 1)]),
    "a list": pa.array([[1.0]]),
    "nothing known": pa.array([None]),
    "a category": pa.array(["a"]).dictionary_encode(),
}


@pytest.mark.parametrize("case", OTHER_TYPES)
def test_other_types_are_refused(case: str, tmp_path: Path) -> None:
    table = pa.table({"a": [1.0], "b": OTHER_TYPES[case]})
    for content in (parquet(table), arrow(table)):
        path = table_file(tmp_path, content, "t.any")
        assert 't.any, column "b": holds' in refusal(path)
        assert read(path, columns=["a"]).tolist() == [[1.0]]


@pytest.mark.parametrize("build", [parquet, arrow], ids=["Parquet", "Arrow"])
def test_missing_and_infinite_values_name_their_row(
    build: Callable[[pa.Table], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lr_runtime.tables.arrow._BATCH_ROWS", 2)
    for column, said in {
        "null": (pa.array([1, 2, 3, None]), "the value is missing"),
        "nan": (pa.array([1.0, 2.0, 3.0, math.nan]), "the value is missing"),
        "inf": (pa.array([1.0, 2.0, 3.0, -math.inf]), "the value is not finite"),
    }.values():
        path = table_file(tmp_path, build(pa.table({"b": column})), "t.any")
        with pytest.raises(TableError, match=f't.any row 4, column "b": {said}'):
            list(numbers_only(open_table(path), ["b"]))


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


def test_without_pyarrow_the_message_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lr_runtime.tables.arrow")
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
