"""Comments, preambles, `sep=`, aligned columns, columns without names: held against a reader that goes by character."""

from __future__ import annotations

import io
import random
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime.errors import LinedgeError, OptionError, TableError
from lr_runtime.system import streams
from lr_runtime.tables import TableOptions, open_followed, open_table
from lr_runtime.tables.text import table as text
from tests.runtime.tables.reading import accelerate, table_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Record = tuple[int, list[str]]


def slowly(content: str, options: TableOptions) -> Iterator[Record]:  # noqa: C901, PLR0912 - a machine of states
    """Yield each record that holds cells, with the line that it ends on: one character after the other."""
    line, cells, cell = 1, list[str](), ""
    state = "start"  # of a cell; "bare", "quoted", "closed" (behind a quote), "comment"
    is_aligned = options.delimiter == "whitespace"
    for character in content.replace("\r\n", "\n") + ("" if content.endswith("\n") else "\n"):
        if line <= options.skip_rows:
            line += character == "\n"
            continue
        if state == "quoted":
            state = "closed" if character == '"' else state
            cell += character if character != '"' else ""
            line += character == "\n"
            continue
        if state == "closed" and character == '"':
            state, cell = "quoted", cell + '"'
            continue
        if character == "\n":
            if state in {"bare", "quoted", "closed"} or cell or (cells and not is_aligned):
                cells.append(cell)
            if any(map(str.strip, cells)) or len(cells) > 1:
                yield line, cells
            line, cells, cell, state = line + 1, [], "", "start"
        elif state == "comment":
            continue
        elif character == options.comment:
            state, cell = "comment", cell.rstrip(" \t")  # blanks before a comment belong to it
        elif (character in " \t") if is_aligned else character == options.delimiter:
            if not is_aligned or state != "start":
                cells.append(cell)
            cell, state = "", "start"
        elif character == '"' and state == "start" and not cell:
            state = "quoted"
        else:
            cell, state = cell + character, "bare"


# --- generated tables ---

NAMES = ["a", "b", "t", "n m"]


class Generated:
    """A table with everything at once, from a seed."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a test
        self.chance = chance
        delimiter = chance.choice([",", ",", ";", "\t", "|", "whitespace", "whitespace"])
        comment = chance.choice([None, "#", "%", "!", "#"])
        preamble = chance.choice(
            [[], ["Station: Berlin"], ['Gerät 3, "Dach', "", "x;y|z 1 2"], ["sep=|" if 0 else '# odd " quote']]
        )
        self.options = TableOptions(delimiter=delimiter, comment=comment, skip_rows=len(preamble))
        self.end = chance.choice(["\n", "\n", "\r\n"])
        self.names = NAMES[: chance.randint(2, 4)]
        chance.shuffle(self.names)
        if delimiter != "whitespace":
            for _ in range(chance.randint(0, 2)):
                self.names.insert(chance.randint(0, len(self.names)), chance.choice(["", " "]))
        lines = [self.row([self.named(name) for name in self.names])]
        for _ in range(chance.randint(0, 12)):
            lines.append(self.row([self.cell(name) for name in self.names]))
            lines += self.between()
        head = [*preamble, *self.between()]
        self.text = self.end.join([*head, *lines]) + chance.choice([self.end, ""])

    def named(self, name: str) -> str:
        return f'"{name}"' if " " in name.strip() or self.chance.random() < 0.2 else name

    def cell(self, name: str) -> str:
        if name != "t":
            number = self.chance.choice([self.chance.randint(-99, 99), round(self.chance.uniform(-1, 1), 6)])
            return str(number) if name.strip() or self.chance.random() < 0.5 else ""
        inside = self.chance.choice(
            ["north roof", "a # b", 'say ""hi""', "x,y;z|w", "50 % off!", "two\nlines # of", "plain"]
        )
        return f'"{inside}"'

    def row(self, cells: list[str]) -> str:
        """Join cells, with blanks and a comment where these may stand."""
        chance, delimiter = self.chance, self.options.delimiter
        if delimiter == "whitespace":
            gaps = [" " * chance.randint(1, 4) if chance.random() < 0.8 else " \t " for _ in cells]
            line = chance.choice(["", "  "]) + "".join(cell + gap for cell, gap in zip(cells, gaps, strict=True))
            line = line.rstrip() if chance.random() < 0.5 else line
        else:
            line = delimiter.join(cells)
        if self.options.comment and chance.random() < 0.3:
            line += f' {self.options.comment} unsure, "of this'
        return line

    def between(self) -> list[str]:
        """Return lines without cells."""
        chance, mark = self.chance, self.options.comment
        lines = [""] if chance.random() < 0.2 else []
        if mark and chance.random() < 0.5:
            lines += [chance.choice([f'{mark} note, with; marks "', f"  {mark}{mark}", f"{mark}a,b,t", mark])]
        return lines


def expected(table: Generated) -> tuple[list[str], list[int], list[list[float]], list[list[str]]]:
    """Return the names, the rows' lines, the numbers, and the texts as they stand."""
    (_, header), *records = slowly(table.text, table.options)
    names = [name.strip() for name in header]
    numbers = [name for name in names if name not in {"t", ""}]
    values = [[float(cells[names.index(name)]) for name in numbers] for _, cells in records]
    kept = [[cells[names.index("t")]] for _, cells in records] if "t" in names else []
    return names, [line for line, _ in records], values, kept


def found(table: Any) -> tuple[list[int], list[list[float]], list[list[str]]]:
    numbers = [name for name in table.names if name != "t"]
    kept = [name for name in table.names if name == "t"]
    lines, values, texts = list[int](), list[list[float]](), list[list[str]]()
    for batch in table.batches(numbers, [], kept):
        values += batch.values.tolist()
        lines += [int(batch.where(row).removeprefix("line ")) for row in range(len(batch.values))]
        texts += [
            [cell] for column in batch.kept for cell in (column if isinstance(column, list) else column.to_pylist())
        ]
    return lines, values, texts


@pytest.mark.parametrize("way", ["strict", "fast", "numpy"])
def test_generated_tables_are_read_as_the_slow_reader_does(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerate(monkeypatch, way)
    for seed in range(150):
        table = Generated(seed)
        names, lines, values, kept = expected(table)
        monkeypatch.setattr(text, "BLOCK_BYTES", 1 << 14 if seed % 3 else 24)
        monkeypatch.setattr(streams, "PIECE", 1 << 16 if seed % 2 else 5)
        path = table_file(tmp_path, table.text)
        opened = open_table(path, table.options)
        assert opened.names == tuple(filter(None, names)), (seed, table.text)
        assert found(opened) == (lines, values, kept), (seed, table.text)


class _Standard:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_a_followed_table_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(150):
        table = Generated(seed)
        if "two\nlines" in table.text:
            continue  # there, a line is a record
        monkeypatch.setattr("sys.stdin", _Standard(table.text.encode()))
        _, lines, values, kept = expected(table)
        assert found(open_followed(table.options)) == (lines, values, kept), (seed, table.text)


def test_a_fault_behind_comments_has_the_line_of_the_file(tmp_path: Path) -> None:
    content = "Log\n\n# one\n a  b\n# two\n 1  2 # three\n\n 3  six\n"
    with pytest.raises(TableError, match=r't.csv line 8, column "b": "six"'):
        found(open_table(table_file(tmp_path, content), TableOptions(delimiter="whitespace", comment="#", skip_rows=1)))


def test_comments_may_be_of_any_encoding(tmp_path: Path) -> None:
    path = table_file(tmp_path, b"a,b\n# 20 \xb0C\n1,2 # \xb5m\n3,4\n")
    assert found(open_table(path, TableOptions(comment="#")))[1] == [[1, 2], [3, 4]]
    path = table_file(tmp_path, b"a,b\n# 20 \xb0C\n1,\xb5m # \n")
    with pytest.raises(TableError, match=r"line 3: the byte 0xb5 is not UTF-8"):
        found(open_table(path, TableOptions(comment="#")))


JSON = '// made by hand\n\n# {"a": 9}\n{"a": 1, "b": 2}\n  # {"a": 7}\n{"a": 3, "b": 4}\n'


def test_comments_of_json_lines_have_lines_of_their_own(tmp_path: Path) -> None:
    path = table_file(tmp_path, JSON, "t.jsonl")
    assert found(open_table(path, TableOptions(comment="#", skip_rows=1)))[:2] == ([4, 6], [[1, 2], [3, 4]])


# --- sep= ---

SEPARATED: dict[str, tuple[str, dict[str, Any]]] = {
    "semicolons": ("sep=;\na;b\n1;2\n", {}),
    "bars, quoted, from Windows": ('"sep=|"\r\na|b\r\n1|2\r\n', {}),
    "tabs": ("SEP=\t\na\tb\n1\t2\n", {}),
    "written again by a spreadsheet": ("sep=;;\na;b\n1;2\n", {}),
    "with a mark of UTF-8": ("\ufeffsep=;\na;b\n1;2\n", {}),
    "the usual one": ("sep=,\na,b\n1,2\n", {}),
    "and an option that agrees": ("sep=;\na;b\n1;2\n", {"delimiter": ";"}),
    "an option goes first": ("sep=;\na|b\n1|2\n", {"delimiter": "|"}),
    "before a preamble": ("sep=;\nStation\n\na;b\n1;2\n", {"skip_rows": 2}),
    "before comments": ("sep=;\n# x\na;b\n1;2\n", {"comment": "#"}),
    "old line ends": ("sep=;\ra;b\r1;2\r", {}),
}


@pytest.mark.parametrize("case", SEPARATED)
def test_a_first_line_may_name_the_delimiter(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, options = SEPARATED[case]
    table = open_table(table_file(tmp_path, content), TableOptions(**options))
    assert (table.names, found(table)[1]) == (("a", "b"), [[1, 2]])
    assert found(table)[0] == [content.replace("\r\n", "\n").replace("\r", "\n").count("\n")]
    if "\r" not in content.replace("\r\n", ""):
        monkeypatch.setattr("sys.stdin", _Standard(content.encode()))
        assert found(open_followed(TableOptions(**options)))[1] == [[1, 2]]


def test_utf_16_of_a_spreadsheet(tmp_path: Path) -> None:
    assert found(open_table(table_file(tmp_path, "sep=;\na;b\n1;2\n".encode("utf-16"))))[1] == [[1, 2]]


# --- what is proposed ---

LOOKS = {
    "comments": "# made by hand\n# 2026\na,b,y\n1,2,3\n4,5,6\n",
    "one comment": "% made by hand\na,b,y\n1,2,3\n",
    "comments and semicolons": "# of 2026, by hand\na;b;y\n1;2;3\n4;5;6\n",
    "what numpy writes": "# a b y\n1.0e+00 2.0e+00 3.0e+00\n4.0 5.0 6.0\n",
    "a preamble": "Station: Berlin\nSerial: 7\n\na,b,y\n1,2,3\n4,5,6\n",
    "a preamble of pairs": "Station,Berlin\nSerial,7\na,b,y\n1,2,3\n4,5,6\n7,8,9\n",
    "a preamble in a spreadsheet": "Report,,\nSerial,7,\na,b,y\n1,2,3\n4,5,6\n",
    "a title over semicolons": "Titel\na;b;y\n1;2;3\n4;5;6\n",
    "aligned": "    a    b    y\n  1.5    2   -3\n 10.25  12    1\n",
    "aligned to the left": "a     b   y\n1.5   2   -3\n10.25 12   1\n",
    "aligned behind a title": "Log\n\n a  b  y\n 1  2  3\n 4  5  6\n",
    "aligned without names": " 1.5  2  3\n 4  5  6.5\n",
    "tabs": "a\tb\ty\n1\t2\t3\n",
}


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("case", LOOKS)
def test_what_is_proposed_reads_the_table(case: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, LOOKS[case])
    with pytest.raises(LinedgeError, match=r"it seems to hold .* Try: --") as caught:
        found(open_table(path))
    words = shlex.split(str(caught.value).rpartition("Try: ")[2].replace("$'\\t'", "'\t'"))
    given = dict(zip(words[::2], words[1::2], strict=False))
    options = TableOptions(
        delimiter=given.get("--delimiter", ","),
        header="--no-header" not in words,
        skip_rows=int(given.get("--skip-rows", 0)),
        comment=given.get("--comment"),
    )
    table = open_table(path, options)
    assert len(table.names) == 3
    assert np.isfinite(np.array(found(table)[1])).all()
    assert found(table)[1]


STAY = {
    "a name with a mark": ("#a,b\n1,2\n", ("#a", "b")),
    "a name of two words alone": ("my value\n1\n2\n", ("my value",)),
    "a column of sentences": ("a,note\n1,first of all\n2,of three more words\n", ("a", "note")),
    "text alone": ("a,b\nx,y\nu,v\n", ("a", "b")),
    "names of two words": ("my a,my b\n1,2\n3,4\n", ("my a", "my b")),
    "one row": ("a,b\n1,2\n", ("a", "b")),
    "no row": ("a,b\n", ("a", "b")),
    "a name over two lines": ('"a\nx","b"\n1,2\n', ("a\nx", "b")),
}


@pytest.mark.parametrize("case", STAY)
def test_other_tables_are_left_alone(case: str, tmp_path: Path) -> None:
    content, names = STAY[case]
    assert open_table(table_file(tmp_path, content)).names == names


RAGGED = {
    "a row too long": ("a,b\n1,2\n3,4,5\n", "line 3: 3 cells where the header has 2 names. Put"),
    "all rows too long": ("a,b\n1,2,3\n4,5,6\n", "line 2: 3 cells where the header has 2 names. Put"),
    "a comment among rows": (
        "a,b\n1,2\n# 5 volts\n3,4\n",
        "line 3: 1 cell .* Is the line a comment. Try: --comment '#'",
    ),
}


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("case", RAGGED)
def test_ragged_tables_are_ragged(case: str, tmp_path: Path) -> None:
    content, said = RAGGED[case]
    with pytest.raises(TableError, match=said):
        found(open_table(table_file(tmp_path, content)))


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("comment", ["", "##", "a", "1", '"', ",", "-", " "])
def test_what_is_no_comment_mark(comment: str) -> None:
    with pytest.raises(OptionError, match="--comment"):
        TableOptions(comment=comment)


@pytest.mark.usefixtures("typed")
def test_a_mark_cannot_be_both() -> None:
    with pytest.raises(OptionError, match="--comment and --delimiter"):
        TableOptions(delimiter=";", comment=";")
