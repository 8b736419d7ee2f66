"""Sheets of Excel workbooks (.xlsx, .xlsm), through openpyxl (extra "excel"): a JSON array a row, typed as its cells.

openpyxl keeps errors such as #DIV/0! as text, where python-calamine 0.9, eight times as fast, gives empty cells: a
failed formula would pass for a missing value. It reads row by row, and needs nothing but Python.
"""

from __future__ import annotations

import json
import warnings
from datetime import date, datetime, time
from functools import partial
from typing import IO, TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

import openpyxl

from lr_runtime.errors import TableError, escaped, listed
from lr_runtime.system.streams import stream_of
from lr_runtime.tables.text.json_lines import JsonLinesSyntax
from lr_runtime.tables.text.syntax import LineError, Record
from lr_runtime.tables.text.table import TextTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.system.streams import Opener
    from lr_runtime.tables.cells.options import TableOptions
    from lr_runtime.tables.notices import Notices

_MOST_BESIDE_SHEETS = 256 << 20
"""Bytes of texts and styles, which stand in memory as a whole; sheets are read row by row."""


def sheet_table(opener: Opener, name: str, options: TableOptions, notices: Notices) -> TextTable:
    """Return the table in a workbook's sheet: the one that the options name, or the first that is not hidden.
    Raises TableError where the workbook is damaged or too large, or has no such sheet.
    """
    try:
        with opener() as stream, ZipFile(stream) as archive:
            beside = sum(info.file_size for info in archive.infolist() if "worksheets/" not in info.filename)
        if beside > _MOST_BESIDE_SHEETS:
            raise TableError(
                f"{name}: its texts take {beside:,} bytes; {_MOST_BESIDE_SHEETS:,} are read. Save it as CSV"
            )
        with opener() as stream:
            book = _workbook(stream)
            sheets = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    except TableError:
        raise
    except Exception as error:  # openpyxl lets through what zip and XML raise
        raise TableError(f"{name}: a damaged workbook ({str(error)[:200]})") from error
    if not sheets:
        raise TableError(f"{name}: a workbook without a sheet that is shown. Save the table as CSV")
    chosen = options.sheet or sheets[0]
    if chosen not in sheets:
        raise TableError(f"{name} has no sheet {escaped(chosen)}; it has: {listed(sheets)}. Try: --sheet NAME")
    if options.sheet is None and len(sheets) > 1:
        notices.say(f"{name}: reading the sheet {escaped(chosen)} of {listed(sheets)}; --sheet names another")
    syntax = SheetSyntax(options)
    opened = partial(_opened, opener, chosen, options.skip_rows)
    return TextTable(opened, name, syntax, None, options=options, notices=notices, is_rewritten=True)


def _opened(opener: Opener, sheet: str, skipped: int) -> IO[bytes]:
    return stream_of(_lines(opener, sheet, skipped))


def _workbook(stream: IO[bytes]) -> openpyxl.Workbook:
    with warnings.catch_warnings(action="ignore"):  # of styles and validations that it leaves out
        return openpyxl.load_workbook(stream, read_only=True, data_only=True)


def _lines(opener: Opener, sheet: str, skipped: int) -> Iterator[bytes]:
    with opener() as stream, warnings.catch_warnings(action="ignore"):
        try:
            rows = _workbook(stream)[sheet]
            rows.reset_dimensions()  # some programs state them wrongly
            for number, row in enumerate(rows.iter_rows(values_only=True), 1):
                is_empty = number <= skipped or all(cell is None for cell in row)
                yield b"\n" if is_empty else json.dumps(list(map(_cell, row))).encode() + b"\n"
        except (BadZipFile, SyntaxError, ValueError, KeyError) as error:  # SyntaxError is XML's
            raise OSError(f"a damaged sheet: {error}") from error


def _cell(value: object) -> object:
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


class SheetSyntax(JsonLinesSyntax):
    """Rows of typed cells; see `Syntax`. Text in a cell is read as in CSV, for sheets hold numbers as text, too."""

    def header(self, text: str) -> tuple[tuple[str, ...], int]:
        """See `Syntax.header`."""
        rows = self._rows(text, 1)
        line, cells = next(rows)
        while cells and cells[-1] is None:
            cells.pop()
        wider = next((row for row in rows if self._is_wider(row[1], len(cells))), None)
        if wider is not None and all(cell is None or isinstance(cell, str) for cell in wider[1]):
            raise LineError(wider[0], self._too_wide(wider[1], len(cells), wider[0]))
        if not self._options.header:
            return tuple(f"x{index + 1}" for index in range(len(cells))), line - 1
        if all(isinstance(cell, int | float) for cell in cells if cell is not None):
            raise LineError(line, "every name is a number: is this a table without names? Try: --no-header")
        return tuple("" if cell is None else str(cell).strip() for cell in cells), line

    def records(self, text: str, names: Sequence[str], line: int) -> Iterator[Record]:
        """See `Syntax.records`."""
        for at, cells in self._rows(text, line):
            if self._is_wider(cells, len(names)):
                yield at, LineError(at, self._too_wide(cells, len(names), at))
            else:
                yield at, (cells + [None] * len(names))[: len(names)]

    def _is_wider(self, cells: Sequence[object], width: int) -> bool:
        return any(cell is not None for cell in cells[width:])

    def _too_wide(self, cells: Sequence[object], width: int, line: int) -> str:
        counts = f"{len(cells)} cells where the header has {width} {'name' if width == 1 else 'names'}"
        if all(cell is None or isinstance(cell, str) for cell in cells):
            return f"{counts}. Are these the names? Try: --skip-rows {line - 1}"
        return f"{counts}. Give every column a name"

    def _rows(self, text: str, first: int) -> Iterator[tuple[int, list[object]]]:
        for line, content in enumerate(text.split("\n"), first):
            if content:
                yield line, json.loads(content)

    def text(self, cell: object) -> str | None:
        """See `Syntax.text`."""
        return self._options.text(cell) if isinstance(cell, str) else super().text(cell)
