"""Comma-separated values (RFC 4180), strictly: every record has as many cells as the header has names."""

from __future__ import annotations

import csv
import io
import re
import shlex
import sys
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import escaped
from lr_runtime.tables.text import fast
from lr_runtime.tables.text.layout import TYPED, is_comment, proposed
from lr_runtime.tables.text.syntax import LineError, Parsed, Record, Text, Wanted, first_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from lr_runtime.tables.cells.options import TableOptions

_WORTH_AN_IMPORT = 1 << 16
"""Bytes that the strict reader reads before pyarrow is imported."""
_QUOTES = "A double quote inside a quoted cell is written twice"


class CsvSyntax:
    """CSV as `options` describe it; see `Syntax`."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options
        self.number, self.text, self.integer = options.number, options.text, options.integer
        self.beside: Collection[str] = ()

    def header(self, text: str) -> tuple[tuple[str, ...], int]:
        """See `Syntax.header`."""
        lines, cells = next(self._cells(text))
        if isinstance(cells, LineError):
            raise cells
        if proposal := proposed(text, self._options):
            raise LineError(lines, proposal)
        if not self._options.header:
            return tuple(f"x{index + 1}" for index in range(len(cells))), 0
        other = next((typed for mark, typed in TYPED.items() if mark in cells[0]), None)
        if len(cells) == 1 and other is not None:
            raise LineError(lines, f"one column, with {other} in its name: other delimiters? Try: --delimiter {other}")
        if all(self._options.is_number(cell) for cell in cells if cell.strip()) and any(map(str.strip, cells)):
            raise LineError(lines, "every name is a number: is this a table without names? Try: --no-header")
        return tuple(cell.strip() for cell in cells), lines

    def records(self, text: str, names: Sequence[str], line: int) -> Iterator[Record]:
        """See `Syntax.records`."""
        return self._cells(text, line, len(names))

    def _cells(self, text: str, line: int = 1, width: int | None = None) -> Iterator[Record]:
        """Yield each record with the line that it ends on; blank lines are passed over."""
        reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=self._options.mark, strict=True)
        while True:
            before = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                reason = str(error).partition(" - ")[0]  # the rest is advice for programmers
                # The reader goes on behind the line at fault, which a quote left open may have put far away.
                hides = reader.line_num > before + 1 or "unexpected end" in reason
                at = line + reader.line_num - 1
                yield at, LineError(at, f"not CSV ({reason}). {_QUOTES}", hides_rows=hides)
                continue
            if not cells:
                continue
            at = line + reader.line_num - 1
            if width is None or len(cells) == width:
                yield at, cells
            else:
                yield at, LineError(at, self._ragged(cells, width), hides_rows=reader.line_num > before + 1)

    def _ragged(self, cells: Sequence[str], width: int) -> str:
        counts = f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'} where the header has {width} names"
        if self._options.comment is None and is_comment(cells[0], self._options.mark):
            return f"{counts}. Is the line a comment? Try: --comment {shlex.quote(cells[0].lstrip()[0])}"
        if len(cells) < width:
            return f"{counts}. Is the row cut off? Give it all its cells"
        if len(cells) == width + 1 and not cells[-1].strip():
            mark = escaped(self._options.mark)
            return f"{counts}, and the last is empty. If every row ends in {mark}, let the header end in one too"
        held = "blanks" if self._options.delimiter == "whitespace" else escaped(self._options.mark)
        return f"{counts}. Put a cell that holds {held} in double quotes"

    def last_record_end(self, block: Text) -> int:
        """See `Syntax.last_record_end`: a newline inside a quoted cell ends no record."""
        end = block.rfind(b"\n") + 1
        if b'"' in block:
            while end and (opened := _open_cell(block, end, self._options.mark.encode())) is not None:
                end = block.rfind(b"\n", 0, opened) + 1
        return end

    def rows(self, block: Text) -> int | None:
        """See `Syntax.rows`: a blank line is none, and quotes may hold the end of a line."""
        if b'"' in block:
            return None
        first = first_bytes(block)
        return None if np.isin(first, list(b"\r\n")).any() else len(first)

    def fast(self, block: Text, names: Sequence[str], wanted: Wanted) -> Parsed | None:
        """See `Syntax.fast`."""
        if not fast.available():
            from lr_runtime.tables.text import fast_numpy

            return fast_numpy.csv_block(block, names, wanted, self._options)
        if len(block) < _WORTH_AN_IMPORT and "pyarrow" not in sys.modules:
            return None
        from lr_runtime.tables.text import fast_pyarrow

        return fast_pyarrow.csv_block(block, names, wanted, self._options)


def _open_cell(block: Text, end: int, delimiter: bytes) -> int | None:
    """Return where a quoted cell begins that goes on behind `end`.

    A quote opens a cell at the beginning of one and nowhere else: 5" is text.
    """
    if len(delimiter) == 1:
        content = np.frombuffer(block, np.uint8, end)
        quotes = np.flatnonzero(content == ord('"'))
        opening, closing = quotes[::2], quotes[1::2]
        before = content[np.maximum(opening - 1, 0)]
        is_first = (opening == 0) | (before == ord("\n")) | (before == ord(delimiter))
        goes_on = np.zeros(len(opening), np.bool_)
        goes_on[1:] = opening[1:] == closing[: len(opening) - 1] + 1  # "" is a quote
        if (is_first | goes_on).all():
            return int(opening[is_first][-1]) if len(opening) > len(closing) else None
    return _open_cell_by_pattern(block, end, delimiter)


def _open_cell_by_pattern(block: Text, end: int, delimiter: bytes) -> int | None:
    quoted = rb'"[^"]*+(?:""[^"]*+)*+"'
    inside = rb'(?!\A)(?<!\n)(?<!%b)"' % re.escape(delimiter)
    whole = re.compile(rb'(?:[^"]++|%b|%b)*+' % (inside, quoted)).match(block, 0, end)
    return None if whole is None or whole.end() == end else whole.end()
