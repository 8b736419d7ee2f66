"""Sheets of workbooks: what was written into their cells is what is read."""

from __future__ import annotations

import datetime
import io
import math
import random
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime.errors import MissingExtraError, TableError, UnusableFileError
from lr_runtime.tables import TableOptions, has_table_suffix, open_table
from lr_runtime.tables.kinds import kinds_of
from tests.optional import needs, optional
from tests.runtime.tables.reading import _Standard, table_file

if TYPE_CHECKING:
    from pathlib import Path

openpyxl = optional("openpyxl")

pytestmark = needs(openpyxl)


def book(*sheets: list[list[Any]], hidden: int = 0) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for number, rows in enumerate(sheets):
        sheet = made.create_sheet(f"sheet {number}")
        sheet.sheet_state = "hidden" if number < hidden else "visible"
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def values(table: Any, *names: str) -> list[list[float]]:
    found: list[list[float]] = np.concatenate([batch.values for batch in table.batches(names)]).tolist()
    return found


def test_generated_sheets_are_read_as_they_were_written(tmp_path: Path) -> None:
    for seed in range(12):
        chance = random.Random(seed)  # noqa: S311 - a test
        rows = [
            [
                chance.choice([chance.uniform(-1, 1), chance.randint(-(10**9), 10**9), 5e-324, True, None]),
                chance.choice(["n", "s ü", "NA", "1.5", "line\ntwo", None]),
            ]
            for _ in range(chance.randint(1, 40))
        ]
        above = [["Report"]] * chance.randint(0, 2)
        path = table_file(tmp_path, book([*above, ["a", None, "t"], *([a, None, t] for a, t in rows)]), "t.xlsx")
        table = open_table(path, TableOptions(skip_rows=len(above)))
        filled = [(a, t) for a, t in rows if a is not None or t is not None]
        found = [
            (value, None if code < 0 else batch.categories[0].values[code], batch.where(row))
            for batch in table.batches(["a"], ["t"])
            for row, (value, code) in enumerate(zip(batch.values[:, 0], batch.categories[0].codes, strict=True))
        ]
        assert [t for _, t, _ in found] == [None if t == "NA" else t for _, t in filled]
        for (value, _, _), (a, _) in zip(found, filled, strict=True):
            assert math.isnan(value) if a is None else value == float(format(float(a), ".16g"))  # as openpyxl writes it
        places = [f"line {at}" for at, row in enumerate(rows, len(above) + 2) if row != [None, None]]
        assert [place for _, _, place in found] == places


def test_the_first_sheet_that_is_shown_or_the_one_that_is_named(tmp_path: Path) -> None:
    path = table_file(tmp_path, book([["h"], [0]], [["a", "b"], [1, 2]], [["c"], [3]], hidden=1), "t.xlsx")
    said: list[str] = []
    assert values(open_table(path, warn=said.append), "b", "a") == [[2, 1]]
    assert said == [f'{path}: reading the sheet "sheet 1" of "sheet 1", "sheet 2"; --sheet names another']
    assert values(open_table(path, TableOptions(sheet="sheet 2")), "c") == [[3]]
    with pytest.raises(TableError, match='has no sheet "x"; it has: "sheet 1", "sheet 2"'):
        open_table(path, TableOptions(sheet="x"))


def test_numbers_that_stand_as_text_are_numbers(tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, book([["a", "b"], [1.5, "007"], ["2.5", 3]]), "t.xlsx"))
    assert kinds_of(table, table.names).of == {"a": "number", "b": "number"}
    assert values(table, "a", "b") == [[1.5, 7], [2.5, 3]]


BAD: dict[str, tuple[list[list[Any]], str]] = {
    "an error of a formula": ([["a"], [1], ["#DIV/0!"]], 't.xlsx line 3, column "a": "#DIV/0!"'),
    "a date": ([["a"], [1], [datetime.datetime(2026, 11, 27)]], 'line 3, column "a": "2026-11-27" is a date'),
    "a moment": ([["a"], [1], [datetime.datetime(2026, 11, 27, 10, 5)]], '"2026-11-27T10:05:00" is a date'),
    "names further down": ([["Report"], [], ["a", "b"], [1, 2]], "line 3: 2 cells .* 1 name. .*skip_rows=2"),
    "a cell beside the table": ([["a", "b"], [1, 2], [1, 2, 7]], "line 3: 3 cells where the header has 2 names"),
    "no names": ([[1, 2], [3, 4]], "line 1: every name is a number.*header=False"),
    "nothing": ([[]], "is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_has_its_row(case: str, tmp_path: Path) -> None:
    rows, said = BAD[case]
    with pytest.raises(TableError, match=said):
        values(open_table(table_file(tmp_path, book(rows), "t.xlsx")), "a")


def test_without_names(tmp_path: Path) -> None:
    assert values(
        open_table(table_file(tmp_path, book([[1, 2], [3, 4]]), "t.xlsx"), TableOptions(header=False)), "x2"
    ) == [
        [2],
        [4],
    ]


def test_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Standard(book([["a"], [1], [2]])))
    assert values(open_table("-", once=True), "a") == [[1], [2]]


def rebuilt(content: bytes, replaced: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, replaced.get(name, old.read(name)))
    return file.getvalue()


def test_damaged_and_hostile_workbooks_are_said(tmp_path: Path) -> None:
    good = book([["a"], *([row] for row in range(400))])
    sheet = zipfile.ZipFile(io.BytesIO(good)).read("xl/worksheets/sheet1.xml")
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + step, b"&%c;" % (97 + step) * 20) for step in range(12)
    )
    for replaced in (
        {"xl/worksheets/sheet1.xml": sheet[: len(sheet) // 2]},
        {"xl/worksheets/sheet1.xml": b"nothing"},
        {"xl/workbook.xml": b"<x/>"},
        {"xl/worksheets/sheet1.xml": laughs + b"]>" + sheet.replace(b">a<", b">&m;<")},
    ):
        path = table_file(tmp_path, rebuilt(good, replaced), "t.xlsx")
        with pytest.raises((TableError, UnusableFileError), match=r"t\.xlsx"):
            values(open_table(path), "a")


def test_a_sheet_may_state_its_size_wrongly(tmp_path: Path) -> None:
    good = book([["a", "b"], [1, 2], [3, 4]])
    sheet = zipfile.ZipFile(io.BytesIO(good)).read("xl/worksheets/sheet1.xml")
    assert b'ref="A1:B3"' in sheet
    stated = sheet.replace(b'ref="A1:B3"', b'ref="A1:A2"')
    path = table_file(tmp_path, rebuilt(good, {"xl/worksheets/sheet1.xml": stated}), "t.xlsx")
    assert values(open_table(path), "b") == [[2], [4]]


def test_texts_beyond_bounds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lr_runtime.tables.text.excel._MOST_BESIDE_SHEETS", 1000)
    with pytest.raises(TableError, match=r"1,000 are read. Save it as CSV"):
        open_table(table_file(tmp_path, book([["a"], [1]]), "t.xlsx"))


def test_without_the_extra_the_message_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_file(tmp_path, book([["a"], [1]]), "t.xlsx")
    monkeypatch.delitem(sys.modules, "lr_runtime.tables.text.excel", raising=False)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'linedge\[excel\]'"):
        open_table(path)


@pytest.mark.parametrize("member", ["xl/workbook.bin", "content.xml", "word/document.xml", "a.npy", "model/data.pkl"])
def test_other_documents_are_named(member: str, tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, b"x")
        archive.writestr("other", b"x")
    with pytest.raises(TableError, match=r"t\.zip is an? .*, not a text table\. "):
        open_table(table_file(tmp_path, file.getvalue(), "t.zip"))


def test_folders_of_sheets() -> None:
    assert has_table_suffix("Readings.XLSX")
    assert has_table_suffix("readings.xlsm")
