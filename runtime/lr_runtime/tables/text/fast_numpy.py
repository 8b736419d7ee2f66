"""Faster parsing with numpy alone, for plain tables where there is no pyarrow; else it declines with None.

As of every fast parser: what it takes, the strict reader takes with the same values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.tables.text.syntax import Parsed, Text, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.tables.cells.options import TableOptions

# numpy trims every kind of space around a number, the strict reader blanks and tabs.
_OTHER_ASCII_SPACE = (b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\x1f")
_OTHER_SPACE = re.compile(r"[^\S \t\n]")


def csv_block(block: Text, names: Sequence[str], wanted: Wanted, options: TableOptions) -> Parsed | None:
    """Parse whole CSV records; None where the strict reader must look."""
    if wanted.texts or not wanted.numbers or options.decimal != "." or options.missing_numbers or b'"' in block:
        return None
    text = _text(block, options.mark, len(names))
    if text is None:
        return None
    try:
        values = np.loadtxt(
            text.split("\n"),
            delimiter=options.mark,
            usecols=[names.index(name) for name in wanted.numbers],
            comments=None,
            ndmin=2,
        )
    except ValueError:
        return None
    if not np.isfinite(values).all():
        return None
    lines = text.split("\n") if wanted.kept else []
    records = [line.split(options.mark) for line in lines if line]
    return Parsed(values, kept=tuple([record[names.index(name)] for record in records] for name in wanted.kept))


def _text(block: Text, delimiter: str, width: int) -> str | None:
    """Return a block as text, where each line that is not empty has `width` cells, and no other space than numpy's."""
    block = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    if b"\r" in block or b"\0" in block or not delimiter.isascii() or not block.strip():
        return None
    try:
        text = block.decode()
    except UnicodeDecodeError:
        return None
    content = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    before = np.searchsorted(np.flatnonzero(content == ord(delimiter)), ends)
    is_whole = np.diff(before, prepend=0) == width - 1
    is_empty = np.diff(ends, prepend=-1) == 1
    return text if (is_whole | is_empty).all() and not _has_other_space(block, text) else None


def _has_other_space(block: Text, text: str) -> bool:
    return any(space in block for space in _OTHER_ASCII_SPACE) or (
        not block.isascii() and _OTHER_SPACE.search(text) is not None
    )
