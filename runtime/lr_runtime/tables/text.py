"""Text tables with the standard library: what this package reads is what a text table says.

A file is taken in blocks of whole records. A fast parser may turn a block into numbers; where it declines, the block is
read here, record by record, and either yields the same numbers or an error with the line at fault.
"""

from __future__ import annotations

import math
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from lr_runtime.errors import TableError, UnusableFileError, escaped
from lr_runtime.files import what_it_is
from lr_runtime.tables.batch import READ_ERRORS, Batch, Coded, check_names, coded, positions
from lr_runtime.tables.options import NotANumberError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract import Kind

T = TypeVar("T")

BLOCK_BYTES = 4 << 20
_LONGEST_RECORD = 64 << 20
BOM = b"\xef\xbb\xbf"


Parsed = tuple["NDArray[np.float64]", tuple[Coded, ...]]
"""float64 (rows, columns), and the columns of text."""


class LineError(ValueError):
    """A record is not what the syntax allows, at this line of the text."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


class Syntax(Protocol):
    """How text becomes records; the two are `CsvSyntax` and `JsonLinesSyntax`."""

    def header(self, text: str) -> tuple[tuple[str, ...], int]:
        """Return the columns' names, and how many lines of `text` they took."""
        ...

    def records(self, text: str, names: Sequence[str], line: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield each record with its line, counted from `line`; raises LineError."""
        ...

    def number(self, cell: Any) -> float:
        """Return a cell as float64, NaN where it is missing; raises NotANumberError."""
        ...

    def text(self, cell: Any) -> str | None:
        """Return a cell as a category's value, None where it is missing; raises NotANumberError where it is neither."""
        ...

    def last_record_end(self, block: bytes) -> int:
        """Return the offset behind the last whole record in `block`, 0 where there is none."""
        ...

    def fast(
        self, block: bytes, names: Sequence[str], columns: Sequence[str], categories: Sequence[str]
    ) -> Parsed | None:
        """Return the block's numbers and categories, or decline with None."""
        ...


class TextTable:
    """The records between a header and the end of a stream; see `Table`.

    Args:
        open_stream: gives the stream at its start, for every pass; closed after each.
        name: the file's name, for messages.
        syntax: how text becomes records.
        size: the number of bytes, None where unknown.
    """

    def __init__(self, open_stream: Callable[[], IO[bytes]], name: str, syntax: Syntax, size: int | None) -> None:
        self.name = name
        self.size = size
        self._syntax = syntax
        self._open_stream = open_stream
        with open_stream() as stream:
            self.names, *_ = self._start(stream)

    def kinds(self, columns: Sequence[str]) -> dict[str, Kind]:
        """See `Table.kinds`; reads no further than it must."""
        waiting = dict(zip(columns, positions(self, columns), strict=True))
        kinds: dict[str, Kind] = dict.fromkeys(columns, "number")
        with self._open_stream() as stream:
            _, line, rest = self._start(stream)
            for block in self._blocks(stream, rest):
                for _, cells in self._records(block, line):
                    for name, index in list(waiting.items()):
                        if (kind := self._kind(cells[index])) is not None:
                            kinds[name] = kind
                            del waiting[name]
                    if not waiting:
                        return kinds
                line += block.count(b"\n")
        return kinds

    def _kind(self, cell: Any) -> Kind | None:
        try:
            return None if math.isnan(self._syntax.number(cell)) else "number"
        except NotANumberError:
            return "category"

    def batches(self, columns: Sequence[str], categories: Sequence[str] = ()) -> Iterator[Batch]:
        """See `Table.batches`."""
        numbers, texts = positions(self, columns), positions(self, categories)
        with self._open_stream() as stream:
            _, line, rest = self._start(stream)
            for block in self._blocks(stream, rest):
                if not block.isascii():
                    self._decoded(block, line)  # a fast parser looks only at the columns that it was asked for
                parsed = self._syntax.fast(block, self.names, columns, categories)
                values, coded_columns = parsed or self._strict(block, line, numbers, texts)
                yield Batch(values, partial(self._line_of, block, line), len(block), coded_columns)
                line += block.count(b"\n")

    def _start(self, stream: IO[bytes]) -> tuple[tuple[str, ...], int, bytes]:
        """Read the header; return the names, the line of the first record, and the bytes read from there on."""
        block = self._read(stream).removeprefix(BOM)
        kind = what_it_is(block[:64])
        if kind or b"\0" in block[:4096]:
            raise TableError(f"{self.name} is {kind or 'a binary file'}, not a text table")
        text = self._decoded(block[: self._syntax.last_record_end(block) or len(block)], 1)
        if not text.strip():
            raise TableError(f"{self.name} is empty. A table has a row of names and rows of numbers")
        try:
            names, lines = self._syntax.header(text)
        except LineError as error:
            raise TableError(f"{self.name} line {error.line}: {error}") from error
        return check_names(self.name, names), 1 + lines, block[_end_of_line(block, lines) :]

    def _blocks(self, stream: IO[bytes], rest: bytes) -> Iterator[bytes]:
        while chunk := self._read(stream):
            rest += chunk
            end = self._syntax.last_record_end(rest)
            if end:
                yield rest[:end]
                rest = rest[end:]
            elif len(rest) > _LONGEST_RECORD:
                raise TableError(
                    f"{self.name}: a record is longer than {_LONGEST_RECORD >> 20} MiB (a quote left open?)"
                )
        if rest:
            yield rest

    def _read(self, stream: IO[bytes]) -> bytes:
        try:
            return stream.read(BLOCK_BYTES)
        except READ_ERRORS as error:
            raise UnusableFileError(f"{self.name}: cannot be read ({error})") from error

    def _records(self, block: bytes, line: int) -> Iterator[tuple[int, Sequence[Any]]]:
        try:
            yield from self._syntax.records(self._decoded(block, line), self.names, line)
        except LineError as error:
            raise TableError(f"{self.name} line {error.line}: {error}") from error

    def _strict(self, block: bytes, line: int, numbers: Sequence[int], texts: Sequence[int]) -> Parsed:
        records = list(self._records(block, line))
        rows = [[self._cell(at, cells, index, self._syntax.number) for index in numbers] for at, cells in records]
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(numbers))
        columns = ((self._cell(at, cells, index, self._syntax.text) for at, cells in records) for index in texts)
        return values, tuple(coded(column) for column in columns)

    def _cell(self, line: int, cells: Sequence[Any], index: int, read: Callable[[Any], T]) -> T:
        try:
            return read(cells[index])
        except NotANumberError as error:
            column = escaped(self.names[index])
            raise TableError(
                f"{self.name} line {line}, column {column}: {escaped(str(cells[index]))} {error}"
            ) from error

    def _line_of(self, block: bytes, first_line: int, row: int) -> str:
        lines = (line for line, _ in self._records(block, first_line))
        return f"line {next(line for number, line in enumerate(lines) if number == row)}"

    def _decoded(self, content: bytes, line: int) -> str:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            at = line + content.count(b"\n", 0, error.start)
            raise TableError(
                f"{self.name} line {at}: the byte 0x{content[error.start]:02x} is not UTF-8 text. "
                "Save the table as UTF-8 (it may be Latin-1)"
            ) from error


def _end_of_line(block: bytes, lines: int) -> int:
    """Return the offset behind the first `lines` lines of `block`."""
    end = 0
    for _ in range(lines):
        end = block.find(b"\n", end) + 1 or len(block)
    return end
