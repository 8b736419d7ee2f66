"""Pieces of a table: one after the other they are the table, rows, places, faults and all."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import TableError
from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.batch import place_of
from lr_runtime.tables.pieces import pieces_of, rows_of
from lr_runtime.tables.table import Cut
from lr_runtime.tables.text import table as text
from tests.optional import needs, optional
from tests.runtime.tables.reading import table_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lr_runtime.tables.batch import Batch
    from lr_runtime.tables.table import Table

pa = optional("pyarrow")
pq = optional("pyarrow.parquet")


def told(tables: Iterable[Table], numbers: Sequence[str], texts: Sequence[str] = ()) -> list[Any]:
    """All that tables tell, row by row; only the error where one ends them, as what comes before hangs on blocks."""
    rows: list[Any] = []
    try:
        for table in tables:
            for batch in table.batches(numbers, texts, [*numbers, *texts]):
                rows += [_row(table, batch, row) for row in range(len(batch.values))]
    except TableError as error:
        return [str(error)]
    return rows


def _row(table: Table, batch: Batch, row: int) -> list[Any]:
    words = [None if each.codes[row] < 0 else each.values[each.codes[row]] for each in batch.categories]
    cells = [column[row] if isinstance(column, list) else column[row].as_py() for column in batch.kept]
    numbers = [None if np.isnan(value) else value for value in batch.values[row].tolist()]
    bad = {name: said for (at, name), said in batch.bad.items() if at == row}
    return [place_of(table, batch, row), numbers, words, cells, batch.faults.get(row), bad]


def reopened(tables: Sequence[Table]) -> list[Table]:
    return [pickle.loads(pickle.dumps(table)) for table in tables]  # noqa: S301 - what this test pickled


def hold(path: Any, options: TableOptions, cut: Cut, numbers: Sequence[str], texts: Sequence[str] = ()) -> int:
    """Hold the pieces of a table against it; return how many there are."""
    said: dict[str, list[str]] = {"whole": [], "pieces": []}
    whole = open_table(path, options, warn=said["whole"].append)
    pieces = pieces_of(open_table(path, options, warn=said["pieces"].append), cut)
    expected = told([whole], numbers, texts)
    assert told(pieces, numbers, texts) == expected
    assert said["pieces"] == said["whole"]
    assert told(reopened(pieces), numbers, texts) == expected
    assert {(piece.names, piece.indexes, piece.name) for piece in pieces} == {(whole.names, whole.indexes, whole.name)}
    for table in (whole, *pieces):
        rows = [row for row in told([table], numbers, texts) if not isinstance(row, str)]
        assert rows_of(table) in {None, len(rows)} or options.skips or isinstance(expected[-1], str)
    return len(pieces)


CELLS = st.sampled_from(["1", "-2.5", "", "NA", "x", "é", '"3"', '"a,b"', '"a\nb"', '"', '4"', "1e999", " 5 "])
LINES = st.lists(CELLS, min_size=0, max_size=4).map(",".join)
OPTIONS = st.sampled_from([TableOptions(marks=True), TableOptions(skips=True), TableOptions()])


@settings(max_examples=80)
@given(st.lists(LINES, max_size=12), OPTIONS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 40))
def test_text_with_whatever_in_it(
    tmp_path_factory: Any, lines: list[str], options: TableOptions, end: str, ends: bool, size: int
) -> None:
    content = end.join(["n,t", "1,a", *lines]) + end * ends
    path = table_file(tmp_path_factory.mktemp("pieces"), b"\xef\xbb\xbf" * (size % 2) + content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", 16 if size % 3 else 4 << 20)
        try:
            open_table(path, options)
        except TableError:  # what is no table is not cut
            return
        hold(path, options, Cut(text=size), ["n"], ["t"])


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(['{"n": 1, "t": "a"}', '{"t": "\\"\\n"}', "", " ", '{"n": "x"}', "[]", '{"o": 1}', "{"])),
    OPTIONS,
    st.integers(1, 60),
)
def test_json_lines(tmp_path_factory: Any, lines: list[str], options: TableOptions, size: int) -> None:
    content = "\n".join(['{"n": 1, "t": "b"}', *lines])
    path = table_file(tmp_path_factory.mktemp("pieces"), content, "t.jsonl")
    hold(path, options, Cut(text=size), ["n"], ["t"])


def test_pieces_of_text_have_the_blocks_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is what a writer of Parquet makes a row group of: records longer than half a block among them."""
    monkeypatch.setattr(text, "BLOCK_BYTES", 64)
    monkeypatch.setattr(text, "_HEAD_BYTES", 16)
    lengths = [1, 3, 70, 40, 40, 5, 200, 2, 2, 33, 60, 61, 62, 63, 64, 65, 1, 1, 1, 130, 4]
    path = table_file(tmp_path, "n\n" + "".join(f"{'1' * length}\n" for length in lengths * 3))
    for cut in (Cut(text=64), Cut(text=200), Cut(text=1000)):
        whole = open_table(path)
        pieces = pieces_of(open_table(path), cut)
        assert len(pieces) > 1
        blocks = [batch.size for piece in pieces for batch in piece.batches([], [], ["n"])]
        assert blocks == [batch.size for batch in whole.batches([], [], ["n"])]
        assert sum(piece.size or 0 for piece in pieces) == sum(blocks)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("n\n1\n2\n", 2),
        ("n\n1\n2", 2),
        ("n\r\n1\r\n2\r\n", 2),
        ("n\n", 0),
        ("n\n1\n\n2\n", None),
        ("n\n\n2\n", None),
        ("n\r\n1\r\n\r\n", None),
        ('n\n1\n"2"\n', None),
    ],
)
def test_rows_that_lines_tell(tmp_path: Path, content: str, rows: int | None) -> None:
    assert rows_of(open_table(table_file(tmp_path, content))) == rows


@pytest.mark.parametrize("name", ["t.csv.gz", "t.txt", "t.cr.csv"])
def test_what_cannot_be_cut_is_one_piece(tmp_path: Path, name: str) -> None:
    import gzip

    content = b"n\n" + b"1\n" * 100
    made = {"t.csv.gz": gzip.compress(content), "t.cr.csv": content.replace(b"\n", b"\r"), "t.txt": content}
    options = TableOptions(comment="#") if name == "t.txt" else None
    table = open_table(table_file(tmp_path, made[name], name), options)
    assert pieces_of(table, Cut(text=10)) == [table]


@needs("pyarrow")
@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), min_size=0, max_size=8), st.integers(1, 9), st.booleans(), OPTIONS)
def test_row_groups_and_record_batches(
    tmp_path_factory: Any, groups: list[int], rows: int, is_parquet: bool, options: TableOptions
) -> None:
    kind = pa.dictionary(pa.int32(), pa.string()) if is_parquet else pa.string()
    schema = pa.schema([("n", pa.float64()), ("t", kind)])
    path = tmp_path_factory.mktemp("pieces") / ("t.parquet" if is_parquet else "t.arrow")
    with pq.ParquetWriter(path, schema) if is_parquet else pa.ipc.new_file(path, schema) as writer:
        for at, count in enumerate(groups):
            numbers = pa.array(np.where(np.arange(count) == 3, np.inf, np.arange(count) + 10.0 * at))
            texts = pa.array([f"{at}" if row else None for row in range(count)], pa.string())
            texts = texts.dictionary_encode().cast(kind) if is_parquet else texts
            writer.write_batch(pa.record_batch([numbers, texts], schema=schema))
    count = hold(path, options, Cut(rows=rows), ["n"], ["t"])
    filled, held = 0, 0
    for each in groups:
        filled, held = (filled + 1, 0) if held + each >= rows else (filled, held + each)
    assert count - filled in {0, 1}


@needs("pyarrow")
def test_files_and_folders_are_pieces(tmp_path: Path) -> None:
    for site in ("n", "s"):
        (tmp_path / f"site={site}").mkdir()
        for day in range(2):
            table = pa.table({"n": np.arange(10.0) + day, "t": [str(row % 3) for row in range(10)]})
            pq.write_table(table, tmp_path / f"site={site}" / f"{day}.parquet", row_group_size=4)
    assert hold(tmp_path, TableOptions(), Cut(rows=4), ["n"], ["t", "site"]) == 12
    assert hold(tmp_path, TableOptions(), Cut(rows=8), ["n"], ["t", "site"]) == 8
    assert hold(tmp_path, TableOptions(), Cut(), ["n"], ["t", "site"]) == 4
    sizes = [piece.size for piece in pieces_of(open_table(tmp_path), Cut(rows=4))]
    assert sizes == [4, 4, 2] * 4
    for name, content in {"a.csv": "n,t\n1,x\n", "b.csv": "t,n,Unnamed: 0\n" + "y,2,0\n" * 9}.items():
        table_file(tmp_path, content, name)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert hold(files, TableOptions(), Cut(text=24), ["n"], ["t"]) == 4
