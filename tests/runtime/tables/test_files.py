"""Where tables come from: standard input, several files, encodings; names and categories of columns."""

from __future__ import annotations

import gzip
import json
import math
import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime.errors import (
    LinedgeError,
    MissingColumnError,
    MissingFileError,
    TableError,
)
from lr_runtime.tables import TableOptions, open_table, opening
from lr_runtime.tables.kinds import kinds_of
from lr_runtime.tables.text import table as text
from tests.optional import needs
from tests.runtime.tables.reading import (
    ROWS,
    _Standard,
    arrow,
    assert_same,
    folder_of,
    pa,
    parquet,
    read,
    refusal,
    table_file,
    written_out,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Values = NDArray[np.float64]


def test_every_row_knows_its_line(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 12)
    path = table_file(tmp_path, '\na,b\n1,2\n\n"3\n\n",4\n5,6\n7,8\r\n9,10')
    lines = [batch.where(row) for batch in open_table(path).batches(["b"]) for row in range(len(batch.values))]
    assert lines == [f"line {line}" for line in (3, 7, 8, 9, 10)]


def test_standard_input_in_every_format(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"a,b\n1,2\n3,4\n", b'{"a":1,"b":2}\n{"a":3,"b":4}\n', parquet(ROWS), arrow(ROWS)):
        monkeypatch.setattr("sys.stdin", _Standard(content))
        table = open_table("-")
        assert table.name == "standard input"
        assert np.concatenate([batch.values for batch in table.batches(["b", "a"])]).tolist() == [[2, 1], [4, 3]]


def test_long_standard_input_is_read_whole_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (opening, text):
        monkeypatch.setattr(module, "BLOCK_BYTES", 32)
        monkeypatch.setattr(module, "_HEAD_BYTES", 32)
    rows = [[float(i), float(-i)] for i in range(100)]
    monkeypatch.setattr("sys.stdin", _Standard(b"a,b\n" + b"".join(b"%d,%d\n" % (a, b) for a, b in rows)))
    table = open_table("-", once=True)
    assert np.concatenate([batch.values for batch in table.batches(["a", "b"])]).tolist() == rows
    with pytest.raises(TableError, match="only once"):
        list(table.batches(["a"]))


def test_standard_input_is_kept_for_another_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (opening, text):
        monkeypatch.setattr(module, "BLOCK_BYTES", 32)
        monkeypatch.setattr(module, "_HEAD_BYTES", 32)
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


ENCODINGS = {"latin-1": "größe", "cp1252": "größe €", "cp1251": "рост", "shift_jis": "温度", "utf-16-le": "größe"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_named_encoding(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = ENCODINGS[encoding]
    path = table_file(tmp_path, f"{name},b\n1,2\n3,4\n".encode(encoding))
    for piece in (3, 1 << 16):
        monkeypatch.setattr("lr_runtime.system.streams.PIECE", piece)
        assert open_table(path, TableOptions(encoding=encoding)).names == (name, "b")
        assert read(path, TableOptions(encoding=encoding)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("piece", [1, 3, 7, 1 << 16])
def test_a_byte_that_is_not_of_the_encoding_has_its_place(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lr_runtime.system.streams.PIECE", piece)
    path = table_file(tmp_path, "名,b\n1,2\n".encode("shift_jis") + b"x,\x81\xff\n")
    said = refusal(path, TableOptions(encoding="shift_jis"), ["b"])
    assert "t.csv line 3: the byte 0x81 at offset 11 is not shift_jis text" in said


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
