"""Text of names and tables: one spelling for equal names, aligned columns, missing values, what JSON holds."""

from __future__ import annotations

import unicodedata
from math import isnan
from typing import TYPE_CHECKING

from lr_runtime.errors import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Json = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
    """A value that JSON can hold: tuples and lists are its arrays, mappings its objects."""


def composed(name: str) -> str:
    r"""Return a name in composed characters (NFC), as tables and contracts have it, whatever the keyboard made of it.

    >>> len(composed("e\u0301"))
    1
    """
    return unicodedata.normalize("NFC", name)


def is_missing(cell: object) -> bool:
    """Return whether an object is a missing value: None, NaN, NA or NaT."""
    return cell is None or (isinstance(cell, float) and isnan(cell)) or type(cell).__name__ in {"NAType", "NaTType"}


def aligned(rows: Sequence[Sequence[str]], *, numbers: bool = False, widest: int | None = None) -> Iterator[str]:
    """Yield rows of cells as lines, two blanks between the columns.

    Args:
        rows: all of one length.
        numbers: whether the columns after the first end at the same place, not begin there.
        widest: the most characters that a cell asks for in the other rows.

    >>> print(*aligned([("term", "weight"), ("x", "-0.5")], numbers=True), sep="\\n")
    term  weight
    x       -0.5
    """
    widths = [min(max(map(len, cells)), widest or max(map(len, cells))) for cells in zip(*rows, strict=True)]
    for first, *others in rows:
        justify = str.rjust if numbers else str.ljust
        cells = [first.ljust(widths[0]), *map(justify, others, widths[1:])]
        yield "  ".join(cells).rstrip()


def html_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table for a notebook, its cells as text in which nothing is a tag."""
    from html import escape

    lines = [("th", heads), *(("td", row) for row in rows)]
    cells = ["".join(f"<{tag}>{escape(shown(str(cell), 300))}</{tag}>" for cell in line) for tag, line in lines]
    return f"<table><caption>{escape(shown(caption))}</caption>{''.join(f'<tr>{each}</tr>' for each in cells)}</table>"
