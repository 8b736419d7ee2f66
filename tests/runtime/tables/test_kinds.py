"""The kind of a column: told by the first rows, all of them, however the table is cut and written."""

from __future__ import annotations

import datetime
import json
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from lr_runtime.errors import MissingColumnError, TableError
from lr_runtime.tables import TableOptions, open_table, sample
from lr_runtime.tables.cells.dress import dress_of
from lr_runtime.tables.cells.missing import MISSING_TOKENS
from lr_runtime.tables.kinds import first_kinds, kinds_of
from lr_runtime.tables.text import table as text
from tests.optional import optional
from tests.runtime.tables.reading import WAYS, accelerate, arrow, folder_of, table_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pa = optional("pyarrow")
optional("pyarrow.csv")  # which then parses small blocks, too
SKIPS = TableOptions(skips=True)

KINDS: dict[str, tuple[list[str], str | None]] = {
    "numbers": (["1", "2.5"], "number"),
    "booleans": (["true", "FALSE"], "number"),
    "numbers behind missing values": (["", "NA", "3"], "number"),
    "text": (["x", "y"], "category"),
    "text behind missing values": (["NA", "x"], "category"),
    "codes of a digit and a letter": (["1A", "2B", "3C", "4D"], "category"),
    "versions": (["1.2.3", "1.3.0"], "category"),
    "ranges": (["1-2", "3-4"], "category"),
    "words, of which one looks like a number": (["x", "5%", "y"], "category"),
    "nothing": (["", "NA"], None),
}

DISGUISED = {
    "percent": ["26%", "19 %", "-3.5%"],
    "per mille": ["2\u2030", "1.5 \u2030"],
    "dollars": ["$5", "$1,299.00", "-$3"],
    "a currency's sign": ["$5", "$-3.5"],
    "euros behind": ["5 \u20ac", "12,50 \u20ac"],
    "a currency's code": ["CHF 12.5", "CHF 3"],
    "thousands": ["1,000", "2,500"],
    "decimal commas": ["0,5", "1,25"],
    "Fortran's exponents": ["1.6D+01", "-2.5d-3"],
    "Fortran's exponents without a letter": ["1.6-101", "2.25+100"],
    "powers of ten": ["1.6x10^3", "2\u00d710\u207b\u00b3"],
    "brackets": ["(4.0)", "(0.25)"],
    "brackets and decimal commas": ["(4,0)", "(0,25)"],
    "a minus behind": ["4.0-", "3-"],
    "a typographer's minus": ["\u22124.0", "\u22123"],
    "apostrophes": ["'4.0", "'5"],
    "formulas": ['="1.5"', '="2"'],
    "a unit": ["5 kg", "6.5 kg"],
    "a unit without a space": ["20\u00b0C", "21.5\u00b0C"],
    "a unit with a power": ["1.2 m/s", "3 m/s"],
    "two units": ["500 g", "1.5 kg"],
    "feet": ["5'", "6'"],
    "limits of detection": ["<0.5", "<0.1"],
    "marks": ["12.5*", "13*"],
    "times": ["12:30", "9:05"],
    "hexadecimal": ["0x10", "0xff"],
    "other digits": ["\uff11", "\uff12"],
    "infinite": ["inf", "-Infinity"],
    "beyond float64": ["1e400", "2e999"],
    "days": ["2026-11-23", "2026-11-24"],
    "American days": ["11/23/2026", "11/24/2026"],
    "moments": ["2026-11-23T10:00", "2026-11-23 10:05:00"],
}


def json_cell(cell: str) -> object:
    try:
        return json.loads(cell.lower())
    except ValueError:
        return None if cell in MISSING_TOKENS else cell


def as_csv(cells: list[str]) -> str:
    escaped = [cell.replace('"', '""') for cell in cells]
    return "\n".join(["n,c", *(f'0,"{cell}"' for cell in escaped)])


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    accelerate(monkeypatch, request.param)
    return str(request.param)


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("block", [64, 1 << 20])
def test_all_cells_tell_the_kind(
    case: str, block: int, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block)
    cells, kind = KINDS[case]
    lines = "\n".join(json.dumps({"n": 0, "c": json_cell(cell)}) for cell in cells)
    for content in (as_csv(cells), lines):
        table = open_table(table_file(tmp_path, content))
        assert kinds_of(table, ["c", "n"]).of.get("c") == kind


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("case", DISGUISED)
def test_numbers_in_another_dress_are_named(case: str, tmp_path: Path) -> None:
    cells = DISGUISED[case]
    files = {"c": as_csv(cells), "j": "\n".join(json.dumps({"n": 0, "c": cell}) for cell in cells)}
    for name, content in files.items():
        path = table_file(tmp_path, content, f"{name}.txt")
        with pytest.raises(TableError) as caught:
            kinds_of(open_table(path), ["n", "c"])
        said = str(caught.value)
        place = f"{path} line {2 if name == 'c' else 1}"
        for words in (place, 'column "c"', f"of the first {len(cells)} cells are like it", "--category c"):
            assert words in said
        assert first_kinds(open_table(path), ["c"]).of["c"] in {"number", "date"}
        with pytest.raises(TableError, match="are like it"):  # no row would be left
            kinds_of(open_table(path, SKIPS), ["c"])


@pytest.mark.parametrize("case", DISGUISED)
def test_one_among_numbers_is_the_rarer_sort(case: str, way: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, as_csv(["1", "2", DISGUISED[case][0], "4", "5"]))
    with pytest.raises(TableError, match=r"t\.csv line 4, column \"c\".* of the first 5 cells 4 are numbers and 1 is "):
        kinds_of(open_table(path), ["c"])
    assert kinds_of(open_table(path, SKIPS), ["c"]).of == {"c": "number"}


def test_names_are_no_numbers_in_another_dress() -> None:
    for name in ("north", "A1", "B-52", "1.5.2", "10-20", "3.5 kg net", "EUR", "ABC 12", "-", "x", "1/2 cup", "4 of 5"):
        assert dress_of(name) is None, name


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("place", [0, 1, 20, 39])
def test_one_bad_cell_is_an_error_wherever_it_stands(place: int, way: str, tmp_path: Path) -> None:
    cells = [str(row / 4) for row in range(40)]
    cells[place] = "x"
    with pytest.raises(TableError) as caught:
        kinds_of(open_table(table_file(tmp_path, as_csv(cells))), ["n", "c"])
    said = str(caught.value)
    for words in (f"t.csv line {place + 2}", 'column "c"', '"x" is not a number', "40 cells 39 are numbers and 1 is"):
        assert words in said
    assert said.index("--on-error skip") < said.index("--category c")


def test_a_number_among_text_is_an_error(way: str, tmp_path: Path) -> None:
    path = table_file(tmp_path, as_csv(["x", "y", "5", "x"]))
    with pytest.raises(TableError, match=r'line 4, column "c": "5" is a number; .* 3 are text and 1 is not'):
        kinds_of(open_table(path), ["c"])
    found = kinds_of(open_table(path, SKIPS), ["c"])
    assert found.of == {"c": "category"}
    assert found.words == {"c"}


WITH_AN_EDIT = ("percent", "a currency's sign", "Fortran's exponents", "brackets", "formulas", "a unit with a power")


@pytest.mark.parametrize("cells", [DISGUISED[case] for case in WITH_AN_EDIT], ids=WITH_AN_EDIT)
def test_what_is_proposed_makes_numbers(cells: list[str], tmp_path: Path) -> None:
    cells = [*cells, cells[0]]
    path = table_file(tmp_path, "n,c\n" + "".join(f'0,"{cell}"\n' if "," in cell else f"0,{cell}\n" for cell in cells))
    with pytest.raises(TableError) as caught:
        kinds_of(open_table(path), ["c"])
    _, _, edit = str(caught.value).partition("for example with: sed ")
    (script,) = shlex.split(edit.partition(". To take all")[0])
    edited = subprocess.run([shutil.which("sed") or "sed", script, path], capture_output=True, check=True).stdout
    assert kinds_of(open_table(table_file(tmp_path, edited)), ["c"]).of == {"c": "number"}


def test_a_category_is_not_proposed_for_what_must_be_a_number(tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, as_csv(["1", "x"])))
    with pytest.raises(TableError) as caught:
        kinds_of(table, ["c"], numeric=["c"])
    assert "category=" not in str(caught.value)


UNITS = {
    "one row": ["V,%,m/s"],
    "one column without a unit": ["V,,m/s"],
    "units and kinds": ["V,%,m/s", "Avg,Smp,Max"],
    "units, kinds and a blank row": ["V,%,m/s", "Avg,Smp,Max", "-,-,-"],
}


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("case", UNITS)
def test_a_row_of_units_is_named(case: str, way: str, tmp_path: Path) -> None:
    rows = [*UNITS[case], *(f"{row},{row + 1},{row * 2}" for row in range(30))]
    path = table_file(tmp_path, "\n".join(["a,b,y", *rows]))
    with pytest.raises(TableError, match=r't\.csv line 2 .*"V".* row of units\? To leave it out: --on-error skip'):
        kinds_of(open_table(path), ["a", "b", "y"])
    assert set(kinds_of(open_table(path, SKIPS), ["a", "b", "y"]).of.values()) == {"number"}


def test_a_bad_cell_in_each_column_is_no_row_of_units(tmp_path: Path) -> None:
    path = table_file(tmp_path, "a,b\nx,1\n2,y\n3,4\n5,6\n")
    with pytest.raises(TableError, match='line 2, column "a": "x" is not a number'):
        kinds_of(open_table(path), ["a", "b"])


def cut(folder: Path, rows: list[str], sizes: list[int]) -> Path:
    """Write the rows as several files of one folder."""
    files, start = {}, 0
    for number, size in enumerate(sizes):
        files[f"f{number}"] = "\n".join(["c,n", *rows[start : start + size]]) + "\n"
        start += size
    return folder_of(folder, **files)


@pytest.mark.parametrize("sizes", [[20_000], [4_000, 16_000], [9_999, 1, 10_000], [10_000, 10_000]])
@pytest.mark.parametrize("place", [9_999, 10_000])
def test_the_first_ten_thousand_rows_tell(place: int, sizes: list[int], way: str, tmp_path: Path) -> None:
    rows = [f"{row},{row}" for row in range(20_000)]
    rows[place] = f"x,{place}"
    table = open_table(cut(tmp_path / "d", rows, sizes))
    if place < sample.FIRST_ROWS:
        with pytest.raises(TableError, match="of the first 10,000 cells 9,999 are numbers"):
            kinds_of(table, ["c", "n"])
    else:
        assert kinds_of(table, ["c", "n"]).of == {"c": "number", "n": "number"}


def test_rows_in_quotes_over_several_lines_are_rows(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "FIRST_ROWS", 10)
    monkeypatch.setattr(text, "BLOCK_BYTES", 200)
    rows = [f'"a\nb {row}",{row}' for row in range(10)]
    table = open_table(table_file(tmp_path, "\n".join(["c,n", *rows, "c,x"]) + "\n"))
    assert kinds_of(table, ["c", "n"]).of == {"c": "category", "n": "number"}


def test_blank_lines_are_no_rows(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "FIRST_ROWS", 10)
    rows = "\n\n".join(f"{row},{row}" for row in range(9))
    table = open_table(table_file(tmp_path, f"c,n\n{rows}\n\n5,x\n5,y\n"))
    with pytest.raises(TableError, match=r'"x" is not a number.* of the first 10 cells 9 '):
        kinds_of(table, ["c", "n"])


def test_a_bad_row_beyond_those_is_not_looked_for(tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, "a,b\n" + "1,2\n" * 20_000 + "1\n"))
    assert kinds_of(table, ["a", "b"]).of == {"a": "number", "b": "number"}


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingColumnError):
        kinds_of(open_table(table_file(tmp_path, "a\n1\n")), ["b"])


ARROW_KINDS: dict[str, Callable[[], tuple[Any, str]]] = {
    "text": lambda: (pa.array(["p"]), "category"),
    "numbers as text": lambda: (pa.array(["1", None, "2.5"]), "number"),
    "large text": lambda: (pa.array(["p"], pa.large_string()), "category"),
    "a dictionary of text": lambda: (pa.array(["1"]).dictionary_encode(), "category"),
    "integers": lambda: (pa.array([1]), "number"),
    "booleans": lambda: (pa.array([True]), "number"),
    "days": lambda: (pa.array([datetime.date(2026, 11, 23)]), "date"),
    "moments": lambda: (pa.array([datetime.datetime(2026, 11, 23)]), "date"),
}


@pytest.mark.parametrize("case", ARROW_KINDS)
def test_kinds_of_arrow_types(case: str, tmp_path: Path) -> None:
    column, kind = ARROW_KINDS[case]()
    said: list[str] = []
    table = open_table(table_file(tmp_path, arrow(pa.table({"a": column})), "t.arrow"), warn=said.append)
    assert kinds_of(table, ["a"]).of == {"a": kind}
    assert [line.split(":")[0] for line in said] == ["warning"] * (case == "numbers as text")
    if kind == "date":
        with pytest.raises(TableError, match=r't\.arrow, column "a": holds .* is a date, not a number\. Write it'):
            list(table.batches(["a"]))


def test_text_of_arrow_is_read_as_numbers_cell_by_cell(tmp_path: Path) -> None:
    column = pa.array(["1", " 2.5", None, "NA", "1e3", "x", "7"])
    path = table_file(tmp_path, arrow(pa.table({"a": column})), "t.arrow")
    with pytest.raises(TableError, match=r't\.arrow row 6, column "a": "x" is not a number'):
        kinds_of(open_table(path), ["a"])
    with pytest.raises(TableError, match=r't\.arrow row 6, column "a": "x" is not a number'):
        list(open_table(path).batches(["a"]))
    (batch,) = open_table(path, SKIPS).batches(["a"])
    assert batch.skipped == 1
    assert [None if value != value else value for value in batch.values[:, 0].tolist()] == [1, 2.5, None, None, 1e3, 7]  # noqa: PLR0124
    (batch,) = open_table(path, TableOptions(marks=True)).batches(["a"])
    assert list(batch.faults) == [5]


@pytest.mark.parametrize("block", [64, 1 << 20])
def test_the_first_of_equal_cells_is_named(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block)
    cells = [*"pqrpqr", "5", *"pq", "5", "p"]
    files: dict[str, tuple[str, str | bytes]] = {
        "t.csv": ("line 8", as_csv(cells)),
        "t.arrow": ("row 7", arrow(pa.table({"c": cells}))),
    }
    for name, (place, content) in files.items():
        with pytest.raises(TableError, match=rf'{place}, column "c": "5" is a number; .* 9 are text and 2 are not'):
            kinds_of(open_table(table_file(tmp_path, content, name)), ["c"])


def test_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "d", a="x\n1\n2\n")
    (folder / "b.arrow").write_bytes(arrow(pa.table({"x": pa.array(["p", "q"]).dictionary_encode()})))
    with pytest.raises(TableError, match="it is a category in one file and a number in another"):
        kinds_of(open_table(folder), ["x"])
