"""Tables: the strict reader is the rule, the fast one must agree with it, and what is no table is said to be none."""

from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import io
import json
import math
import os
import sys
import threading
from dataclasses import replace
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
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
from lr_runtime.tables import TableOptions, open_table, opening
from lr_runtime.tables.batch import LONGEST_NAME, Coded
from lr_runtime.tables.cells.missing import MISSING_TOKENS
from lr_runtime.tables.cells.options import BOOLEANS, NotANumberError, has_table_suffix
from lr_runtime.tables.kinds import kinds_of
from lr_runtime.tables.text import fast_numpy
from lr_runtime.tables.text import table as text
from lr_runtime.tables.text.csv_syntax import CsvSyntax
from lr_runtime.tables.text.fast import csv_block, csv_cells
from lr_runtime.tables.text.syntax import LineError
from tests.optional import needs, optional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

pa = optional("pyarrow")
pq = optional("pyarrow.parquet")

SEMICOLONS = TableOptions(delimiter=";", decimal=",")


WAYS = ("strict", "fast", "numpy")


@pytest.fixture(params=WAYS)
def reader(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each way to parse CSV."""
    with pytest.MonkeyPatch.context() as patch:
        accelerate(patch, request.param)
        yield request.param


def accelerate(patch: pytest.MonkeyPatch, way: str) -> None:
    if way == "fast" and find_spec("pyarrow") is None:
        pytest.skip("pyarrow is not installed here")
    patch.setattr("lr_runtime.tables.text.fast.available", lambda: way == "fast")
    if way == "strict":
        patch.setattr("lr_runtime.tables.text.fast_numpy.csv_block", lambda *_: None)


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
NOT_NUMBERS += ["six", "tRUE", "yes", "1:2", "\xa01", "1\u2009000", "nan(1)", "+", "1.2.3", "½"]
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


@pytest.mark.parametrize("cell", BOOLEANS)
def test_a_boolean_is_one_or_zero(cell: str) -> None:
    assert TableOptions().number(f" {cell} ") == float(cell.lower() == "true")
    assert TableOptions().text(f" {cell} ") == cell


DATES = ["2026-11-23", "2026-11-23T10:00", "2026-11-23 10:00:01.5+01:00", "11/23/2026", "23.11.2026", "2026/11/23"]


@pytest.mark.parametrize("cell", DATES)
def test_a_date_is_said_to_be_one(cell: str) -> None:
    with pytest.raises(NotANumberError, match="is a date, not a number"):
        TableOptions().number(cell)
    assert TableOptions().text(cell) == cell


GROUPED = {"1,000": 1e3, "-12,345,678.5": -12345678.5, "999": 999.0, "1,000e3": 1e6, "1234,567": None, "1,00": None}


@pytest.mark.parametrize("cell", GROUPED)
def test_thousands_come_in_groups_of_three(cell: str) -> None:
    for options, written in (
        (TableOptions(thousands=","), cell),
        (TableOptions(thousands="'"), cell.replace(",", "'")),
        (TableOptions(thousands=".", decimal=","), cell.translate(str.maketrans(",.", ".,"))),
    ):
        assert options.is_number(written) == (GROUPED[cell] is not None)
        if options.is_number(written):
            assert options.number(written) == GROUPED[cell]


HINTS = {
    "1,000,000": "--thousands ,",
    "1'000": '--thousands "\'"',
    "1 000": "--thousands ' '",
    "1.299,00": "--decimal ,",
    "1,5": "--decimal ,",
    "1,000": "--thousands , or --decimal ,",
    "?": "--missing-token '?'",
    ".": "--missing-token .",
    "Missing": "--missing-token Missing",
    "not available": "--missing-token 'not available'",
    "#DIV/0!": "--missing-token '#DIV/0!'",
    "#VALUE!": "--missing-token '#VALUE!'",
    "six": "is not a number. Correct it",
    "b1O.5": "Correct it",
    "yes": "Correct it",
}


@pytest.mark.parametrize("cell", HINTS)
def test_what_to_type_for_a_cell_that_is_no_number(cell: str) -> None:
    with pytest.raises(NotANumberError) as caught:
        TableOptions().number(cell)
    assert str(caught.value).endswith(HINTS[cell])


def test_given_missing_tokens_stand_beside_the_usual_ones() -> None:
    options = TableOptions(missing=("-999", "none", "true"))
    for cell in ("-999", " none", "NA", "", "true"):
        assert math.isnan(options.number(cell))
        assert options.text(cell) is None
    assert options.number("-999.0") == -999.0


@pytest.mark.parametrize("cell", INFINITE)
def test_infinity_is_no_number(cell: str) -> None:
    with pytest.raises(NotANumberError, match="is not a finite number"):
        TableOptions().number(cell)


@pytest.mark.parametrize("cell", ["1e400", "-1e309", "1" * 400])
def test_what_float64_cannot_hold_is_refused(cell: str) -> None:
    with pytest.raises(NotANumberError, match="beyond the range of float64"):
        TableOptions().number(cell)


IN_NUMBERS = [
    "NAN",
    "Nan",
    "nAn",
    "-nan",
    "-NaN",
    "NONE",
    "none",
    "Null",
    "na",
    "Na",
    "n/A",
    "#n/a",
    "1.#QNAN",
    "-1.#IND",
]


@pytest.mark.parametrize("cell", IN_NUMBERS)
def test_in_numbers_a_token_may_be_in_any_case(cell: str, reader: str, tmp_path: Path) -> None:
    rows = "".join(f"{row},{row}\n" for row in range(9_000))  # enough for the fast parsers
    path = table_file(tmp_path, f"a,b\n{rows}1, {cell}\n2,{cell}\n")
    assert np.flatnonzero(np.isnan(read(path, columns=["b"]))).tolist() == [9000, 9001]
    (*_, batch) = open_table(path).batches(["a"], ["b"])
    assert batch.categories[0].values[-1] == cell  # a name, where the column holds names
    assert not TableOptions().is_number(cell)


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
    | st.sampled_from([*BOOLEANS, *BOOLEANS, *DATES, " true", '"true"', "-999", "none", "1'000", "1.000", "1'0"])
    | st.text("0123456789+-.eEnaNif_x ,;\"'\r\n\t", max_size=6)
    | st.sampled_from(['"1"', '"1"2', '"1\n"', '"1,5"', '"a""b"', '5"', '"', '""', "1\r2", "\ufeff1", "é", "1#2"])
)
finite_cells = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.integers(-(2**80), 2**80).map(str)
plain_cells = finite_cells | st.sampled_from(MISSING_TOKENS)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """Text that is nearly a CSV table of the columns a and b."""
    cell = draw(st.sampled_from([cells, plain_cells]))
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n", "\n\n", "\r", ""]]))
    delimiter = draw(st.sampled_from([",", ",", ";"]))
    rows = draw(st.lists(st.lists(cell, min_size=2, max_size=2), max_size=5))
    rows += draw(st.lists(st.lists(cell, min_size=1, max_size=1) | st.lists(cell, min_size=3, max_size=3), max_size=1))
    return "".join(delimiter.join(row) + draw(st.sampled_from(ends)) for row in rows)


OPTIONS = {
    ",": TableOptions(),
    ";": TableOptions(delimiter=";"),
    ";,": SEMICOLONS,
    ";,.": TableOptions(delimiter=";", decimal=",", thousands="."),
    "'": TableOptions(thousands="'"),
    "tokens": TableOptions(missing=("-999", "none", "true")),
}
COLUMNS = [["a", "b"], ["b", "a"], ["a"], ["b"]]


def strictly(content: str, columns: Sequence[str], options: TableOptions) -> Values:
    syntax = CsvSyntax(options)
    rows = [[syntax.number(row["ab".index(name)]) for name in columns] for row in records(syntax, content)]
    return np.array(rows, dtype=np.float64).reshape(-1, len(columns))


def records(syntax: CsvSyntax, content: str) -> Iterator[Sequence[Any]]:
    for _, row in syntax.records(content, "ab", 1):
        assert not isinstance(row, LineError)
        yield row


@given(tables(), st.sampled_from(COLUMNS), st.sampled_from(list(OPTIONS)))
@settings(max_examples=600, deadline=None)
@example('"1"2,3\n', ["a", "b"], ",")
@example('"x"2,3\n', ["b"], ",")
@example("NAN,3\n", ["a"], ",")
@example("-nan,3\n", ["a"], ",")
@example("nan(1),3\n", ["a"], ",")
@example("1,2\r3,4\n", ["a", "b"], ",")
@example('"1\n2",2\n', ["b"], ",")
@example('5"a,b",1\n', ["b"], ",")
@example("\ufeff1,2\n", ["a"], ",")
@example("true,2\nFALSE,3\n,4\n", ["a", "b"], ",")
@example("true,2\n1,3\n0,4\n", ["a", "b"], ",")
@example("true,2\nfalse,3\n", ["a", "b"], "tokens")
@example("1,2\n\n3,4\n", ["a", "b"], ",")
@example("\r\n1,2\r\n\r\n3,4", ["a"], ",")
@example("1,\n,\n\n,2\n", ["a", "b"], ",")
def test_what_a_fast_parser_accepts_is_what_the_strict_reader_reads(content: str, columns: list[str], how: str) -> None:
    options = OPTIONS[how]
    for parse in (csv_block, fast_numpy.csv_block):
        fast = parse(content.encode(), ["a", "b"], columns, [], options)
        if fast is not None:
            assert_same(fast.values, strictly(content, columns, options))
            assert fast.newlines in {None, content.count("\n")}


@given(tables(), st.sampled_from(list(OPTIONS)))
@settings(max_examples=400, deadline=None)
def test_the_text_that_pyarrow_accepts_is_what_the_strict_reader_reads(content: str, how: str) -> None:
    options = OPTIONS[how]
    fast = csv_block(content.encode(), ["a", "b"], [], ["b"], options)
    if fast is not None:
        assert written_out(fast.texts[0]) == [options.text(row[1]) for row in records(CsvSyntax(options), content)]


def written_out(column: Coded) -> list[str | None]:
    return [None if code < 0 else column.values[code] for code in column.codes.tolist()]


def assert_same(left: Values, right: Values) -> None:
    assert left.shape == right.shape
    # Every NaN here is a missing value, whatever its bits.
    assert np.array_equal(np.isnan(left), np.isnan(right))
    known = ~np.isnan(left)
    assert left[known].tobytes() == right[known].tobytes()


@given(tables(), st.sampled_from(COLUMNS), st.sampled_from(list(OPTIONS)))
@settings(max_examples=300, deadline=None)
def test_cells_kept_are_those_of_the_strict_reader(content: str, columns: list[str], how: str) -> None:
    options = OPTIONS[how]
    for parse, cells in (
        (csv_block, lambda: csv_cells(content.encode(), ["a", "b"], columns, options)),
        (fast_numpy.csv_block, lambda: fast_numpy.csv_cells(content.encode(), ["a", "b"], columns, options.delimiter)),
    ):
        if parse(content.encode(), ["a", "b"], columns, [], options) is not None and (kept := cells()) is not None:
            expected = [[row["ab".index(name)] for row in records(CsvSyntax(options), content)] for name in columns]
            assert [column if isinstance(column, list) else column.to_pylist() for column in kept] == expected


NUMBERS_ALONE = st.lists(st.tuples(finite_cells, finite_cells), min_size=1, max_size=20)


@given(NUMBERS_ALONE)
@settings(deadline=None)
def test_numpy_reads_ordinary_tables_of_numbers(rows: list[tuple[str, str]]) -> None:
    content = "".join(",".join(row) + "\n" for row in rows)
    assert fast_numpy.csv_block(content.encode(), ["a", "b"], ["b"], [], TableOptions()) is not None


@needs(pa)
@given(st.lists(st.tuples(plain_cells, plain_cells), min_size=1, max_size=20))
@settings(deadline=None)
def test_pyarrow_reads_ordinary_tables(rows: list[tuple[str, str]]) -> None:
    content = "".join(",".join(row) + "\n" for row in rows)
    assert csv_block(content.encode(), ["a", "b"], ["a", "b"], [], TableOptions()) is not None


@needs(pa)
@given(st.lists(st.tuples(st.sampled_from([*BOOLEANS]), plain_cells), min_size=1, max_size=20))
@settings(deadline=None)
def test_pyarrow_reads_booleans(rows: list[tuple[str, str]]) -> None:
    content = "".join(",".join(row) + "\n" for row in rows)
    assert csv_block(content.encode(), ["a", "b"], ["a", "b"], [], TableOptions()) is not None


def outcome(
    path: Path, columns: Sequence[str], *, way: str, block: int, options: TableOptions | None = None
) -> tuple[str, Values]:
    with pytest.MonkeyPatch.context() as patch:
        accelerate(patch, way)
        patch.setattr(text, "BLOCK_BYTES", block)
        try:
            return "", read(path, options, columns)
        except LinedgeError as error:
            return str(error), np.empty((0, 0))


@given(tables(), st.sampled_from(COLUMNS), st.sampled_from(list(OPTIONS)), st.booleans())
@settings(max_examples=300, deadline=None)
def test_with_and_without_pyarrow_a_file_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, content: str, columns: list[str], how: str, skips: bool
) -> None:
    options = replace(OPTIONS[how], skips=skips)
    path = table_file(tmp_path_factory.getbasetemp(), f"a{options.delimiter}b\n{content}")
    said, values = outcome(path, columns, way="strict", block=1 << 20, options=options)
    said_fast, values_fast = outcome(path, columns, way="fast", block=1 << 20, options=options)
    said_numpy, values_numpy = outcome(path, columns, way="numpy", block=1 << 20, options=options)
    assert said_fast == said_numpy == said
    assert_same(values_fast, values)
    assert_same(values_numpy, values)


quoted_cells = plain_cells.map(lambda cell: f'"{cell}"') | st.sampled_from(['"x\ny"', '"x\r\n\n,y"', '"""\n"""'])


@given(
    st.lists(st.tuples(plain_cells | quoted_cells, plain_cells), max_size=12),
    st.integers(8, 60),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(WAYS),
)
@settings(max_examples=200, deadline=None)
def test_any_split_into_blocks_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], block: int, end: str, way: str
) -> None:
    content = "".join(f"{a},{b}{end}" for a, b in rows)
    path = table_file(tmp_path_factory.getbasetemp(), f"a,b{end}{content}".removesuffix(end))
    said, values = outcome(path, ["b"], way=way, block=block)
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
    whole, _ = outcome(path, ["b"], way="strict", block=1 << 20)
    for way in WAYS:
        assert outcome(path, ["b"], way=way, block=block)[0] == whole


@given(
    st.lists(st.tuples(st.text(st.characters(exclude_characters="\0"), max_size=5), st.floats(allow_infinity=False)))
)
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


# --- text tables that are refused ---

REFUSED: dict[str, tuple[str | bytes, list[str]]] = {
    "nothing": (b"", ["is empty"]),
    "blank lines only": ("\n \r\n\n", ["is empty"]),
    "a byte order mark only": (b"\xef\xbb\xbf", ["is empty"]),
    "a row too long": ("a,b\n1,2\n1,2,3\n", ["line 3", "3 cells", "2 names", "double quotes"]),
    "a row too short": ("a,b\n1,2\n\n1\n", ["line 4", "1 cell where", "2 names", "cut off?"]),
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
    "a decimal comma": ('a,b\n1,"1.299,00"\n', ["line 2", "decimal comma", "--decimal ,"]),
    "thousands": ('a,b\n1,"1,000,000"\n', ["line 2", "thousands"]),
    "a word for a missing value": ("b\nunknown\n", ["line 2", '"unknown" is not', "--missing-token unknown"]),
    "a date": ("b\n1\n2026-11-23\n", ["line 3", 'column "b"', '"2026-11-23" is a date', "seconds or days"]),
    "a long name": (f"b,{'x' * (LONGEST_NAME + 1)}\n", ["column 2", "10,001 characters", "10,000 at most"]),
    "a name in two forms": ("a,\u00e9,e\u0301\n", ["stands twice", "columns 2 and 3"]),
    "a name twice": ("a,b,a\n1,2,3\n", ['"a" stands twice']),
    "no names": (",  ,\n1,2,3\n", ["line 1", "no column has a name"]),
    "a delimiter behind rows alone": ("a,b\n1,2,\n", ["line 2", "3 cells", "2 names", "let the header end in one"]),
    "an index before names that are numbers": (",1,2\n0,3,4\n", ["line 1", "--no-header"]),
    "numbers for names": ("1,2\n3,4\n", ["line 1", "--no-header"]),
    "semicolons": ("a;b\n1;2\n", ["line 1", "--delimiter ';'"]),
    "tabs": ("a\tb\n1\t2\n", ["line 1", "--delimiter $'\\t'"]),
    "bars": ("a|b\n1|2\n", ["line 1", "--delimiter '|'"]),
    "an open quote": ('a,b\n1,"2\n3,4\n', ["not CSV"]),
    "text behind a quote": ('a,b\n"1"2,3\n', ["line 2", "not CSV"]),
    "a carriage return in a row": ("a,b\n1,2\r3,4\n5,6\n", ["line 2", "not CSV"]),
    "Latin-1": (
        "a,b\n1,2\n3,\xe9\n".encode("latin-1"),
        ["line 3", "0xe9", "offset 10", "UTF-8", "Latin-1", "--encoding cp1252"],
    ),
    "Latin-1 in another column": ("n,b\n1,2\n\xe9,4\n".encode("latin-1"), ["line 3", "0xe9", "Latin-1"]),
    "Latin-1 in a name": ("\xe9,b\n1,2\n".encode("latin-1"), ["line 1", "0xe9"]),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-le"), ["binary", "--encoding utf-16-le"]),
    "UTF-16, big end first": ("a,b\n1,2\n".encode("utf-16-be"), ["binary", "--encoding utf-16-be"]),
    "half a character of UTF-16": ("a,b\n1,2\n".encode("utf-16") + b"\n", ["line 3", "offset 18", "utf-16"]),
    "NUL bytes": (b"a,b\n1,2\n3,4\n5,6\n\0\0\n", ["binary", "NUL byte at offset 16"]),
    "a web page": (b"<!DOCTYPE html><html>", ["web page"]),
    "a JSON array": ('[\n{"b": 1},\n{"b": 2}]\n', ["line 1", "JSON array", "one object a line", "jq"]),
    "an empty JSON array": ("[]", ["JSON array"]),
    "a PDF": (b"%PDF-1.7\n1 0 obj", ["PDF"]),
    "a git-LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ["git-LFS", "git lfs pull"]),
    "half a zip": (b"PK\x03\x04" + bytes(40), ["damaged zip archive"]),
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
    "text in JSON": ('{"b": 1}\n{"b": "two"}\n', ["line 2", 'column "b"', '"two" is not a number']),
    "a date in JSON": ('{"b": 1}\n{"b": "2026-11-23"}\n', ["line 2", 'column "b"', "is a date"]),
    "a list in JSON": ('{"b": 1}\n{"b": [2]}\n', ["line 2", 'column "b"', '"[2]" is an array']),
    "infinity in JSON": ('{"b": 1}\n{"b": -Infinity}\n', ["line 2", "is not a finite number"]),
    "beyond float64 in JSON": ('{"b": 1}\n{"b": 1e400}\n', ["line 2", "beyond the range of float64"]),
    "a long integer in JSON": ('{"b": 1}\n{"b": ' + "9" * 400 + "}\n", ["line 2", "beyond the range of float64"]),
    "Latin-1 in JSON": ('{"b": 1}\n{"b": "\xe9"}\n'.encode("latin-1"), ["line 2", "0xe9"]),
    "an empty key alone": ('{"": 2}\n', ["no column has a name"]),
}


HALVES = ("half a Parquet file", "half an Arrow file", "half an Arrow stream")


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("case", [pytest.param(case, marks=[needs(pa)] if case in HALVES else []) for case in REFUSED])
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


def test_a_folder_without_tables(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("a,b")
    with pytest.raises(TableError, match="this directory holds no tables"):
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


def test_a_quote_inside_a_cell_opens_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 16)
    monkeypatch.setattr(text, "_LONGEST_RECORD", 64)
    rows = "".join(f'{row},5" pipe\n' if row % 3 else f'{row},"a ""wide""\npipe"\n' for row in range(40))
    assert read(table_file(tmp_path, "a,b\n" + rows), columns=["a"]).ravel().tolist() == list(range(40))


LONG = "a,b\n1,2\n3," + "4" * 100 + "\n" + "".join(f"{row},0\n" for row in range(5, 60))


@pytest.mark.parametrize("way", ["a file", "gzip", "UTF-16", "standard input", "standard input, once"])
def test_a_record_longer_than_a_block_is_no_end(
    way: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (opening, text):
        monkeypatch.setattr(module, "BLOCK_BYTES", 16)
    content = {"gzip": gzip.compress(LONG.encode()), "UTF-16": LONG.encode("utf-16")}.get(way, LONG)
    monkeypatch.setattr("sys.stdin", _Standard(LONG.encode()))
    source = "-" if way.startswith("standard") else table_file(tmp_path, content)
    table = open_table(source, once=way.endswith("once"))
    values = np.concatenate([batch.values for batch in table.batches(["a"])]).ravel()
    assert values.tolist() == [1, 3, *range(5, 60)]


@pytest.mark.parametrize("cell", [" -999", "-999\t", '" -999"'])
def test_a_number_that_means_no_value_may_have_blanks_beside_it(cell: str, reader: str, tmp_path: Path) -> None:
    if reader == "fast":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed here")
    rows = "".join(f"{row}\n" for row in range(15_000))  # enough for the fast parsers
    for options in (TableOptions(missing=("-999",)), TableOptions(missing=("-999",), decimal=",", delimiter=";")):
        values = read(table_file(tmp_path, f"a\n{rows}{cell}\n"), options).ravel()
        assert np.flatnonzero(np.isnan(values)).tolist() == [15_000]


def test_a_long_header_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"column{index}" for index in range(9_000)]  # beyond 64 KiB
    content = "\n" + ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n"
    monkeypatch.setattr("sys.stdin", _Standard(content.encode()))
    for source in ("-", table_file(tmp_path, content), table_file(tmp_path, gzip.compress(content.encode()), "t.gz")):
        table = open_table(source)
        assert table.names == tuple(names)
        (batch,) = table.batches([names[-1]])
        assert batch.values.tolist() == [[1.0]]


@given(
    rows=st.lists(st.lists(st.text('"\n, a5', max_size=4), min_size=1, max_size=4), min_size=1, max_size=6),
    data=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_a_block_ends_where_a_record_ends(rows: list[list[str]], data: st.DataObject) -> None:
    records = [",".join(csv_cell(cell) for cell in row) + "\n" for row in rows]
    ends = [0, *accumulate(map(len, records))]
    cut = data.draw(st.integers(0, ends[-1]))
    block = "".join(records).encode()[:cut]
    assert CsvSyntax(TableOptions()).last_record_end(block) == max(end for end in ends if end <= cut)


def csv_cell(cell: str) -> str:
    """Write a cell with quotes only where it needs them, so that others hold theirs as text."""
    needs = cell[:1] == '"' or "," in cell or "\n" in cell
    return '"' + cell.replace('"', '""') + '"' if needs else cell


# --- places ---


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
    for module in (opening, text):
        monkeypatch.setattr(module, "BLOCK_BYTES", 32)
    rows = [[float(i), float(-i)] for i in range(100)]
    monkeypatch.setattr("sys.stdin", _Standard(b"a,b\n" + b"".join(b"%d,%d\n" % (a, b) for a, b in rows)))
    table = open_table("-", once=True)
    assert np.concatenate([batch.values for batch in table.batches(["a", "b"])]).tolist() == rows
    with pytest.raises(TableError, match="only once"):
        list(table.batches(["a"]))


def test_standard_input_is_kept_for_another_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (opening, text):
        monkeypatch.setattr(module, "BLOCK_BYTES", 32)
    monkeypatch.setattr("sys.stdin", _Standard(b"a,b\n" + b"".join(b"%d,x\n" % i for i in range(100))))
    table = open_table("-")
    assert kinds_of(table, ["a", "b"]).of == {"a": "number", "b": "category"}
    for _ in range(2):
        assert [value for batch in table.batches(["a"]) for value in batch.values[:, 0]] == list(range(100))


@pytest.mark.parametrize("packed", [False, True])
def test_a_long_header_on_standard_input_leaves_its_rows(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"voltage of sensor {index}" for index in range(3000)]
    content = (",".join(names) + "\n" + (",".join(["1"] * len(names)) + "\n") * 3).encode()
    monkeypatch.setattr("sys.stdin", _Standard(gzip.compress(content) if packed else content))
    (batch,) = open_table("-", once=True).batches(names[-1:])
    assert batch.values.tolist() == [[1.0]] * 3


@needs(pa)
def test_parquet_files_may_have_names_that_are_no_text(tmp_path: Path) -> None:
    path = table_file(tmp_path, parquet(ROWS), os.fsdecode(b"t\xff.parquet"))
    assert read(path, columns=["a"]).tolist() == [[1], [3]]


@pytest.mark.parametrize("once", [True, False])
def test_gzip_on_standard_input(once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"a,b\n1,2\n3,4\n", "a,b\n1,2\n3,4\n".encode("utf-16"), parquet(ROWS)):
        monkeypatch.setattr("sys.stdin", _Standard(gzip.compress(content)))
        batches = open_table("-", once=once).batches(["a", "b"])
        assert [batch.values.tolist() for batch in batches] == [[[1, 2], [3, 4]]]


def test_a_pipe_with_a_path_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"a,b\n1,2\n3,4\n",))
    writer.start()
    assert read(path).tolist() == [[1, 2], [3, 4]]
    writer.join()


# --- kinds and categories ---

MIXED = 'site,a,code\nnorth,1,007\n" south ",2,7\nNA,3,\nnorth,4,7.0\n'


def test_categories_stay_as_written(reader: str, tmp_path: Path) -> None:
    (batch,) = open_table(table_file(tmp_path, MIXED)).batches(["a"], ["code", "site"])
    assert batch.values.tolist() == [[1], [2], [3], [4]]
    code, site = map(written_out, batch.categories)
    assert code == ["007", "7", None, "7.0"]
    assert site == ["north", "south", None, "north"]


def test_categories_of_other_formats(tmp_path: Path) -> None:
    words = ["x", None, "", "7", "x"]
    table = pa.table({"a": [1.0] * 5, "c": words, "d": pa.array(words).dictionary_encode()})
    lines = "\n".join(json.dumps({"a": 1.0, "c": word, "d": word}) for word in words)
    for content in (parquet(table), arrow(table), lines.encode()):
        (batch,) = open_table(table_file(tmp_path, content, "t.any")).batches(["a"], ["c", "d"])
        assert [written_out(column) for column in batch.categories] == [["x", None, None, "7", "x"]] * 2


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.uint32(), pa.int64()])
def test_categories_by_codes_of_any_type(kind: Any, tmp_path: Path) -> None:
    codes = pa.array([1, None, 0], kind)
    table = pa.table({"c": pa.DictionaryArray.from_arrays(codes, ["x", "y"])})
    (batch,) = open_table(table_file(tmp_path, arrow(table), "t.arrow")).batches([], ["c"])
    assert written_out(batch.categories[0]) == ["y", None, "x"]


def test_given_missing_tokens_in_every_format(reader: str, tmp_path: Path) -> None:
    options = TableOptions(missing=("-999", "none"))
    table = pa.table({"a": [-999.0, 2.0], "c": ["none", "x"]})
    lines = '{"a": -999, "c": "none"}\n{"a": 2, "c": "x"}\n'
    for content in (b"a,c\n-999,none\n2,x\n", lines.encode(), parquet(table)):
        (batch,) = open_table(table_file(tmp_path, content, "t.any"), options).batches(["a"], ["c"])
        assert_same(batch.values, np.array([[math.nan], [2.0]]))
        assert written_out(batch.categories[0]) == [None, "x"]


# --- names ---


def test_columns_get_other_names_in_every_format(reader: str, tmp_path: Path) -> None:
    options = TableOptions(renames=(("temp", "a"), ("b", "b")))
    for content in (b"a,b\n1,2\n", b'{"a": 1, "b": 2}\n', parquet(ROWS.slice(0, 1))):
        path = table_file(tmp_path, content, "t.any")
        assert open_table(path, options).names[:2] == ("temp", "b")
        assert read(path, options, ["b", "temp"]).tolist() == [[2, 1]]


def test_names_may_change_places(tmp_path: Path) -> None:
    options = TableOptions(renames=(("a", "b"), ("b", "a")))
    assert read(table_file(tmp_path, "a,b\n1,2\n"), options, ["a", "b"]).tolist() == [[2, 1]]


def test_a_name_to_be_replaced_must_be_there(tmp_path: Path) -> None:
    path = table_file(tmp_path, "a,b\n1,2\n")
    with pytest.raises(MissingColumnError, match='has no column "t"; it has: "a", "b"'):
        open_table(path, TableOptions(renames=(("temp", "t"),)))
    with pytest.raises(TableError, match='"b" stands twice'):
        open_table(path, TableOptions(renames=(("b", "a"),)))


def test_names_are_composed(reader: str, tmp_path: Path) -> None:
    for content in ("gro\u0308\u00dfe\n1\n", '{"gro\u0308\u00dfe": 1}\n'):
        path = table_file(tmp_path, content)
        assert open_table(path).names == ("gr\u00f6\u00dfe",)
        assert read(path).tolist() == [[1]]


# --- encodings ---

ENCODINGS = {"latin-1": "größe", "cp1252": "größe €", "cp1251": "рост", "shift_jis": "温度", "utf-16-le": "größe"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_named_encoding(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = ENCODINGS[encoding]
    path = table_file(tmp_path, f"{name},b\n1,2\n3,4\n".encode(encoding))
    for piece in (3, 1 << 16):
        monkeypatch.setattr("lr_runtime.tables.text.encoding.PIECE", piece)
        assert open_table(path, TableOptions(encoding=encoding)).names == (name, "b")
        assert read(path, TableOptions(encoding=encoding)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("piece", [1, 3, 7, 1 << 16])
def test_a_byte_that_is_not_of_the_encoding_has_its_place(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lr_runtime.tables.text.encoding.PIECE", piece)
    path = table_file(tmp_path, "名,b\n1,2\n".encode("shift_jis") + b"x,\x81\xff\n")
    said = refusal(path, TableOptions(encoding="shift_jis"), ["b"])
    assert "t.csv line 3: the byte 0x81 at offset 11 is not shift_jis text" in said


# --- several files ---


def folder_of(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    return folder


def test_a_folder_is_one_table_in_the_order_of_names(reader: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "d", b="y,x\n4,3\n", a="x,y\n1,2\n", c="x,y\n5,6\n")
    (folder / "notes.md").write_text("not a table")
    (folder / ".a.csv").write_text("of an editor")
    for source in (folder, str(folder / "*.csv"), [folder / "a.csv", folder / "b.csv", folder / "c.csv"]):
        table = open_table(source)
        assert table.names == ("x", "y")
        assert [row for batch in table.batches(["x", "y"]) for row in batch.values.tolist()] == [[1, 2], [3, 4], [5, 6]]
        assert table.size == 8 * 3


def test_formats_may_be_mixed(tmp_path: Path) -> None:
    (tmp_path / "b.parquet").write_bytes(parquet(ROWS))
    (tmp_path / "a.jsonl").write_text('{"b": 0, "a": 9, "note": "z"}\n')
    table = open_table([tmp_path / "b.parquet", tmp_path / "a.jsonl"])
    batches = list(table.batches(["a"], ["note"]))
    assert [batch.values.tolist() for batch in batches] == [[[1.0], [3.0]], [[9.0]]]
    assert [written_out(batch.categories[0]) for batch in batches] == [["x", "y"], ["z"]]
    assert table.size is None


def test_a_fault_names_its_file(reader: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "d", a="x\n1\n", b="x\nsix\n")
    with pytest.raises(TableError, match=r'd/b\.csv line 2, column "x": "six"'):
        list(open_table(folder).batches(["x"]))


DIFFERENT = {
    "a column less": ("x\n", r'b\.csv has no column "y", which .*a\.csv has'),
    "a column more": ("x,y,z\n", r'a\.csv has no column "z", which .*b\.csv has'),
    "another column": ("x,z\n", r'b\.csv has "z" where .*a\.csv has "y".*--map y=z'),
}


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("case", DIFFERENT)
def test_files_with_other_columns_are_refused(case: str, tmp_path: Path) -> None:
    content, said = DIFFERENT[case]
    folder = folder_of(tmp_path / "d", a="x,y\n1,2\n", b=content)
    with pytest.raises(TableError, match=said):
        open_table(folder)


def test_a_column_is_renamed_where_it_has_the_other_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "d", a="x,y\n1,2\n", b="z,x\n3,4\n")
    table = open_table(folder, TableOptions(renames=(("y", "z"),)))
    assert [batch.values.tolist() for batch in table.batches(["x", "y"])] == [[[1, 2]], [[4, 3]]]


def test_a_file_named_twice_would_count_twice(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "d", a="x\n1\n")
    with pytest.raises(LinedgeError, match="comes twice"):
        open_table([folder, folder / "a.csv"])


def test_a_pattern_that_fits_nothing(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="fits no file"):
        open_table(str(tmp_path / "*.csv"))


def test_a_file_may_have_a_name_like_a_pattern(tmp_path: Path) -> None:
    assert read(table_file(tmp_path, "a\n1\n", "t[1].csv")).tolist() == [[1]]


# --- bad rows that are skipped, and what else is said ---

SKIPPING = TableOptions(skips=True)
BAD_ROWS = "a,b\n1,x\n2\nsix,y\n3,4,5\n1e400,z\n\n4,w\ninf,w\n"


def test_bad_rows_are_skipped_and_said_once(reader: str, tmp_path: Path) -> None:
    heard: list[str] = []
    table = open_table(table_file(tmp_path, BAD_ROWS), SKIPPING, warn=heard.append)
    for _ in range(2):
        (batch,) = table.batches(["a"], ["b"])
        assert (batch.values.tolist(), batch.skipped) == ([[1], [4]], 5)
        assert written_out(batch.categories[0]) == ["x", "w"]
        assert [batch.where(row) for row in range(2)] == ["line 2", "line 8"]
    assert len(heard) == 5
    assert all(line.startswith("skipped: ") for line in heard)
    assert [f"line {line}" in said for line, said in zip((3, 4, 5, 6, 9), heard, strict=True)] == [True] * 5


def test_only_the_first_bad_rows_are_said(tmp_path: Path) -> None:
    heard: list[str] = []
    path = table_file(tmp_path, "a\n1\n" + "six\n" * 100)
    (batch,) = open_table(path, SKIPPING, warn=heard.append).batches(["a"])
    assert (len(batch.values), batch.skipped, len(heard)) == (1, 100, 5)


def test_bad_rows_of_json_lines(tmp_path: Path) -> None:
    content = '{"a": 1}\n{"a": \n{"a": 2, "c": 1}\n[1]\n{"a": "six"}\n{"a": 3}\n'
    (batch,) = open_table(table_file(tmp_path, content), SKIPPING).batches(["a"])
    assert (batch.values.tolist(), batch.skipped) == ([[1], [3]], 4)


def test_bad_rows_of_parquet(tmp_path: Path) -> None:
    table = pa.table({"a": [1.0, math.inf, 3.0], "c": ["x", "y", "z"]})
    heard: list[str] = []
    path = table_file(tmp_path, parquet(table), "t.parquet")
    (batch,) = open_table(path, SKIPPING, warn=heard.append).batches(["a"], ["c"])
    assert (batch.values.tolist(), batch.skipped, batch.where(1)) == ([[1], [3]], 1, "row 3")
    assert batch.categories[0].values == ("x", "z")
    assert written_out(batch.categories[0]) == ["x", "z"]
    assert len(heard) == 1
    assert 't.parquet row 2, column "a": the value is not finite' in heard[0]


HIDING = {
    "an open quote at the end": 'a,b\n1,"x\n2,y\n3,z\n',
    "a stray quote closed lines later": 'a,b\n1,"x\n2,y\n3,z"w\n4,v\n',
    "a quoted cell over the rows between": 'a,b\n1,"x\n2,y\n3",z\n',
}


@pytest.mark.parametrize("case", HIDING)
def test_a_row_that_may_hide_others_is_never_skipped(case: str, reader: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="line"):
        read(table_file(tmp_path, HIDING[case]), SKIPPING, ["a"])


LARGE = {
    "CSV": b"id,a\n1,1e300\n9007199254740993,2\n9007199254740995,2\n",
    "JSON lines": b'{"id": 1, "a": 1e300}\n{"id": 9007199254740993, "a": 2}\n',
}


@pytest.mark.parametrize("case", [*LARGE, "Parquet"])
def test_integers_that_float64_rounds_are_said_once(case: str, reader: str, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2**53 + 1], "a": [1e300, 2.0]})
    path = table_file(tmp_path, LARGE.get(case) or parquet(table), "t.any")
    heard: list[str] = []
    opened = open_table(path, warn=heard.append)
    for _ in range(2):
        assert sum(len(batch.values) for batch in opened.batches(["a", "id"])) >= 2
    (said,) = heard
    place = "row 2" if case == "Parquet" else "line 3" if case == "CSV" else "line 2"
    assert f't.any {place}, column "id": "9007199254740993" is beyond 2^53' in said
    assert "identifiers?" in said
    assert "--ignore" in said


# --- Parquet and Arrow ---

ROWS = pa.table({"a": [1.0, 3.0], "b": pa.array([2, 4], pa.int16()), "note": ["x", "y"]})


def parquet(table: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def arrow(table: Any, writer: Callable[..., Any] = pa.ipc.new_file) -> bytes:
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
