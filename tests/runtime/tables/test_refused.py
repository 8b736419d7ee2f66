"""Tables that are refused with a place, and bad rows that are skipped."""

from __future__ import annotations

import gzip
import math
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import (
    MissingColumnError,
    MissingFileError,
    TableError,
    UnusableFileError,
)
from lr_runtime.tables import TableOptions, open_table, opening
from lr_runtime.tables.batch import LONGEST_NAME
from lr_runtime.tables.text import table as text
from lr_runtime.tables.text.csv_syntax import CsvSyntax
from tests.optional import needs
from tests.runtime.tables.reading import _Standard, pa, parquet, read, refusal, table_file, written_out

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

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
        monkeypatch.setattr(module, "_HEAD_BYTES", 16)
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
