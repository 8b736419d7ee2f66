"""How text becomes records and cells: what `csv_syntax.py`, `json_lines.py` and `excel.py` each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables.batch import Cell, Coded, Kept

Text = bytes | bytearray


def first_bytes(block: Text) -> NDArray[np.uint8]:
    """Return the first byte of each line (lines,): that of its end where it is empty."""
    content = np.frombuffer(block, np.uint8)
    begins: NDArray[np.uint8] = content[np.append(0, np.flatnonzero(content[:-1] == ord("\n")) + 1)]
    return begins


class Wanted(NamedTuple):
    """The names of the columns that are asked for: numbers, categories, and those kept as they stand in the text."""

    numbers: Sequence[str]
    texts: Sequence[str] = ()
    kept: Sequence[str] = ()


class Parsed(NamedTuple):
    """What a fast parser makes of whole records.

    Attributes:
        values: float64 (rows, columns).
        texts: the columns of text.
        newlines: how many there are, where the parser knows.
        kept: the columns kept.
    """

    values: NDArray[np.float64]
    texts: tuple[Coded, ...] = ()
    newlines: int | None = None
    kept: tuple[Kept, ...] = ()


class LineError(ValueError):
    """A record is not what the syntax allows, at a line of the text; where it `hides_rows`, it may have swallowed the
    rows behind it, so that none may be skipped.
    """

    def __init__(self, line: int, what: str, *, hides_rows: bool = False) -> None:
        super().__init__(what)
        self.line = line
        self.hides_rows = hides_rows


Record = tuple[int, "Sequence[Cell] | LineError"]
"""The line of a record, and its cells or what is wrong with it."""


class Syntax(Protocol):
    """How text becomes records; the two are `CsvSyntax` and `JsonLinesSyntax`."""

    @property
    def beside(self) -> Collection[str]:
        """Names of the header that are no features unless they are asked for."""
        ...

    def header(self, text: str) -> tuple[tuple[str, ...], int]:
        """Return the columns' names, and how many lines of `text` they took; raises LineError."""
        ...

    def records(self, text: str, names: Sequence[str], line: int) -> Iterator[Record]:
        """Yield each record with its line, counted from `line`."""
        ...

    def number(self, cell: Cell) -> float:
        """Return a cell as float64, NaN where it is missing; raises NotANumberError."""
        ...

    def text(self, cell: Cell) -> str | None:
        """Return a cell as a category's value, None where it is missing; raises NotANumberError where it is neither."""
        ...

    def integer(self, cell: Cell) -> int | None:
        """Return the integer that a cell is written as, None where it is another value."""
        ...

    def last_record_end(self, block: Text) -> int:
        """Return the offset behind the last whole record in `block`, 0 where there is none."""
        ...

    def rows(self, block: Text) -> int | None:
        """Return how many records these whole ones are, where their lines tell."""
        ...

    def fast(self, block: Text, names: Sequence[str], wanted: Wanted) -> Parsed | None:
        """Return what is wanted of the block, or decline with None."""
        ...
