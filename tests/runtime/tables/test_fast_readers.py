"""The fast readers of text against the strict one: the same values, or they decline."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lr_runtime.errors import (
    LinedgeError,
)
from lr_runtime.tables import TableOptions
from lr_runtime.tables.cells.options import BOOLEANS
from lr_runtime.tables.text import fast_numpy
from lr_runtime.tables.text import table as text
from lr_runtime.tables.text.csv_syntax import CsvSyntax
from lr_runtime.tables.text.syntax import Wanted
from tests.optional import needs
from tests.runtime.tables.reading import (
    SEMICOLONS,
    WAYS,
    accelerate,
    assert_same,
    finite_cells,
    pa,
    plain_cells,
    read,
    records,
    table_file,
    tables,
    written_out,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lr_runtime.tables.text.syntax import Parsed

    Values = NDArray[np.float64]

OPTIONS = {
    ",": TableOptions(),
    ";": TableOptions(delimiter=";"),
    ";,": SEMICOLONS,
    ";,.": TableOptions(delimiter=";", decimal=",", thousands="."),
    "'": TableOptions(thousands="'"),
    "tokens": TableOptions(missing=("-999", "none", "true")),
}


COLUMNS = [["a", "b"], ["b", "a"], ["a"], ["b"]]


def best(block: bytes, names: Sequence[str], wanted: Wanted, options: TableOptions) -> Parsed | None:
    return CsvSyntax(options).fast(block, names, wanted)


def strictly(content: str, columns: Sequence[str], options: TableOptions) -> Values:
    syntax = CsvSyntax(options)
    rows = [[syntax.number(row["ab".index(name)]) for name in columns] for row in records(syntax, content)]
    return np.array(rows, dtype=np.float64).reshape(-1, len(columns))


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
    for parse in (best, fast_numpy.csv_block):
        fast = parse(content.encode(), ["a", "b"], Wanted(columns), options)
        if fast is not None:
            assert_same(fast.values, strictly(content, columns, options))
            assert fast.newlines in {None, content.count("\n")}


@given(tables(), st.sampled_from(list(OPTIONS)))
@settings(max_examples=400, deadline=None)
def test_the_text_that_pyarrow_accepts_is_what_the_strict_reader_reads(content: str, how: str) -> None:
    options = OPTIONS[how]
    fast = best(content.encode(), ["a", "b"], Wanted([], ["b"]), options)
    if fast is not None:
        assert written_out(fast.texts[0]) == [options.text(row[1]) for row in records(CsvSyntax(options), content)]


@given(tables(), st.sampled_from(COLUMNS), st.sampled_from(list(OPTIONS)))
@settings(max_examples=300, deadline=None)
def test_cells_kept_are_those_of_the_strict_reader(content: str, columns: list[str], how: str) -> None:
    options = OPTIONS[how]
    for parse in (best, fast_numpy.csv_block):
        fast = parse(content.encode(), ["a", "b"], Wanted(columns, kept=columns), options)
        if fast is not None:
            expected = [[row["ab".index(name)] for row in records(CsvSyntax(options), content)] for name in columns]
            assert [column if isinstance(column, list) else column.to_pylist() for column in fast.kept] == expected


NUMBERS_ALONE = st.lists(st.tuples(finite_cells, finite_cells), min_size=1, max_size=20)


@given(NUMBERS_ALONE)
@settings(deadline=None)
def test_numpy_reads_ordinary_tables_of_numbers(rows: list[tuple[str, str]]) -> None:
    content = "".join(",".join(row) + "\n" for row in rows)
    assert fast_numpy.csv_block(content.encode(), ["a", "b"], Wanted(["b"]), TableOptions()) is not None


@needs(pa)
@given(st.lists(st.tuples(plain_cells, plain_cells), min_size=1, max_size=20))
@settings(deadline=None)
def test_pyarrow_reads_ordinary_tables(rows: list[tuple[str, str]]) -> None:
    content = "".join(",".join(row) + "\n" for row in rows)
    assert best(content.encode(), ["a", "b"], Wanted(["a", "b"]), TableOptions()) is not None


@needs(pa)
@given(st.lists(st.tuples(st.sampled_from([*BOOLEANS]), plain_cells), min_size=1, max_size=20))
@settings(deadline=None)
def test_pyarrow_reads_booleans(rows: list[tuple[str, str]]) -> None:
    content = "".join(",".join(row) + "\n" for row in rows)
    assert best(content.encode(), ["a", "b"], Wanted(["a", "b"]), TableOptions()) is not None


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
