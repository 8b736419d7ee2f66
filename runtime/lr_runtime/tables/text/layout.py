"""What a text table looks like whose first line is not the names of its columns: which options would read it."""

from __future__ import annotations

import csv
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.tables.cells.options import TableOptions

TYPED = {";": "';'", "\t": "$'\\t'", "|": "'|'"}
"""Delimiters beside the usual one, as a shell takes them."""

_MOST_LINES = 200
_ROWS_LOOKED_AT = 10
_COMMENTS = "#%!;"
_DIGITS_FIRST = re.compile(r"[\"'+-]*[.,]?[0-9]")
"""How a cell of numbers begins, whatever its decimal mark; names of columns begin otherwise."""


@dataclass(frozen=True)
class _Line:
    number: int
    text: str

    def cells(self, delimiter: str) -> list[str]:
        if delimiter == "whitespace":
            return self.text.split()
        try:
            return next(csv.reader([self.text], delimiter=delimiter), [])
        except csv.Error:
            return self.text.split(delimiter)


def is_comment(line: str, delimiter: str) -> bool:
    """Whether a line looks like a comment, where none was announced."""
    first = line.lstrip()[:1]
    return first != "" and first in _COMMENTS and first != delimiter


def proposed(text: str, options: TableOptions) -> str | None:
    """Say what the first lines of a table, each with its end, look like, and the options that read them; None where
    nothing tells. `options` are how the table was read.
    """
    lines = [_Line(at, line) for at, line in enumerate(text.split("\n")[:_MOST_LINES], 1) if line.strip()]
    if not lines or lines[0].text.count('"') % 2:
        return None  # blank lines alone, or a name over several lines
    seen, typed, bare = [], [], lines
    if options.comment is None and is_comment(lines[0].text, options.mark):
        mark = lines[0].text.lstrip()[0]
        bare = [line for line in lines if not line.text.lstrip().startswith(mark)]
        if not bare or (lines[1] is bare[0] and 1 < _width(lines[0], options) == _width(bare[0], options)):
            return None  # a name that begins so
        seen, typed = ["comments"], [f"--comment {shlex.quote(mark)}"]
    found = _split(bare, options)
    if found is None:
        return None
    delimiter, first = found
    if delimiter != options.delimiter:
        is_aligned = delimiter == "whitespace"
        seen.append("columns aligned with blanks" if is_aligned else "another delimiter")
        typed.append("--delimiter " + (delimiter if is_aligned else TYPED[delimiter]))
    if first:
        seen.append("lines before the names")
        typed.append(f"--skip-rows {bare[first].number - 1}")
    if typed and options.header and all(map(_DIGITS_FIRST.match, bare[first].cells(delimiter))):
        seen.append("no names")
        typed.append("--no-header")
    return f"it seems to hold {' and '.join(seen)}. Try: {' '.join(typed)}" if typed else None


def _width(line: _Line, options: TableOptions) -> int:
    return len(line.cells(options.delimiter))


def _split(lines: Sequence[_Line], options: TableOptions) -> tuple[str, int] | None:
    """Return the first delimiter that makes a table of the lines, and which of them holds the names."""
    given = options.delimiter
    least = 2
    for delimiter in (given, *(mark for mark in (*TYPED, "whitespace") if mark != given)):
        rows = [line.cells(delimiter) for line in lines]
        widths = Counter(map(len, rows))
        width = max(widths, key=lambda each: (widths[each], each))
        if (
            width >= least
            and (at := _names_at(rows, width, delimiter, options, is_given=delimiter == given)) is not None
        ):
            return delimiter, at
        if delimiter == given and len(rows[0]) > 1 and given != " ":
            least = width + 1  # a ragged table, unless another delimiter makes more of it
    return None


def _names_at(
    rows: Sequence[Sequence[str]], width: int, delimiter: str, options: TableOptions, *, is_given: bool
) -> int | None:
    """Return which row holds the names, or the first of the values where there are none; None where no row does."""
    named = sum(map(bool, map(str.strip, rows[0])))
    if delimiter == " " and named < len(rows[0]):
        return None  # aligned
    alike = all(len(row) == width for row in rows[: None if is_given else 1 + _ROWS_LOOKED_AT])
    if len(rows[0]) == width and 2 * named >= width and (is_given or alike):
        return 0
    places = range(len(rows)) if options.header else ()
    return next((at for at in places if _is_header(rows[at : at + 1 + _ROWS_LOOKED_AT], width)), None)


def _is_header(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether the first of these rows holds names, and all others, of which there are some, a number."""
    names, *rest = rows
    return (
        bool(rest)
        and all(len(row) == width for row in rows)
        and not any(map(_DIGITS_FIRST.match, names))
        and 2 * sum(map(bool, map(str.strip, names))) >= width
        and all(any(map(_DIGITS_FIRST.match, row)) for row in rest)
    )
