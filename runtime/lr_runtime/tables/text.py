"""Text tables with the standard library: what this package reads is what a text table says.

A file is taken in blocks of whole records. A fast parser may turn a block into numbers; where it declines, the block is
read here, record by record, and either yields the same numbers or an error with the line at fault.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from lr_runtime.ahead import in_order
from lr_runtime.errors import TableError, UnusableFileError, escaped
from lr_runtime.files import what_it_is
from lr_runtime.tables.batch import READ_ERRORS, Batch, Coded, coded, positions, renamed
from lr_runtime.tables.encoding import BOM, likely_encoding
from lr_runtime.tables.options import NotANumberError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables.batch import ColumnKind
    from lr_runtime.tables.notices import Notices
    from lr_runtime.tables.options import TableOptions

T = TypeVar("T")

BLOCK_BYTES = 2 << 20
_HEAD_BYTES = 1 << 14
_LONGEST_RECORD = 64 << 20


Parsed = tuple["NDArray[np.float64]", tuple[Coded, ...]]
"""float64 (rows, columns), and the columns of text."""


@dataclass(frozen=True)
class Block:
    """Whole records as they stand in the text, from this line and this byte on."""

    content: bytes
    line: int
    offset: int


@dataclass(frozen=True)
class _Looked:
    """What a thread finds out of whole records apart from those before them: newlines, and perhaps their cells."""

    content: bytes
    offset: int
    newlines: int
    parsed: Parsed | None


class LineError(ValueError):
    """A record is not what the syntax allows.

    Attributes:
        line: where, in the text.
        hides_rows: whether it may have swallowed the rows behind it, so that none may be skipped.
    """

    def __init__(self, line: int, what: str, *, hides_rows: bool = False) -> None:
        super().__init__(what)
        self.line = line
        self.hides_rows = hides_rows


Record = tuple[int, "Sequence[Any] | LineError"]
"""The line of a record, and its cells or what is wrong with it."""


class Syntax(Protocol):
    """How text becomes records; the two are `CsvSyntax` and `JsonLinesSyntax`."""

    def header(self, text: str) -> tuple[tuple[str, ...], int]:
        """Return the columns' names, and how many lines of `text` they took; raises LineError."""
        ...

    def records(self, text: str, names: Sequence[str], line: int) -> Iterator[Record]:
        """Yield each record with its line, counted from `line`."""
        ...

    def number(self, cell: Any) -> float:
        """Return a cell as float64, NaN where it is missing; raises NotANumberError."""
        ...

    def text(self, cell: Any) -> str | None:
        """Return a cell as a category's value, None where it is missing; raises NotANumberError where it is neither."""
        ...

    def is_date(self, cell: Any) -> bool:
        """Whether a cell that is no number is a day, or a moment of one."""
        ...

    def is_integer(self, cell: Any) -> bool:
        """Whether a cell is written as an integer."""
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
        open_stream: gives the stream, UTF-8, at its start, for every pass; closed after each.
        name: the file's name, for messages.
        syntax: how text becomes records.
        size: the number of bytes, None where unknown.
        options: what the columns are called, and whether bad rows are skipped.
        notices: who hears of those, and of integers that float64 rounds.
    """

    def __init__(
        self,
        open_stream: Callable[[], IO[bytes]],
        name: str,
        syntax: Syntax,
        size: int | None,
        *,
        options: TableOptions,
        notices: Notices,
    ) -> None:
        self.name = name
        self.size = size
        self._syntax = syntax
        self._open_stream = open_stream
        self._skips = options.skips
        self._notices = notices
        with open_stream() as stream:
            self._keys, rest = self._start(stream)
        self.names = renamed(f"{name} line {max(rest.line - 1, 1)}", self._keys, options.renames)

    def kinds(self, columns: Sequence[str]) -> dict[str, ColumnKind]:
        """See `Table.kinds`; reads no further than it must."""
        waiting = dict(zip(columns, positions(self, columns), strict=True))
        kinds: dict[str, ColumnKind] = {}
        with self._open_stream() as stream:
            _, start = self._start(stream)
            records = (
                self._records(Block(part, start.line, offset))
                for content, offset in self._pieces(stream, start)
                for part in self._head_and_rest(content)
            )
            for part in records:
                for _, cells in part:
                    if isinstance(cells, LineError):
                        continue
                    for name, index in list(waiting.items()):
                        if (kind := self._kind(cells[index])) is not None:
                            kinds[name] = kind
                            del waiting[name]
                    if not waiting:
                        return kinds
        return kinds

    def _head_and_rest(self, content: bytes) -> tuple[bytes, bytes]:
        """Cut whole records behind the first few, which mostly tell enough."""
        end = self._syntax.last_record_end(content[:_HEAD_BYTES])
        return content[:end], content[end:]

    def _kind(self, cell: Any) -> ColumnKind | None:
        try:
            return None if math.isnan(self._syntax.number(cell)) else "number"
        except NotANumberError:
            return "date" if self._syntax.is_date(cell) else "category"

    def batches(self, columns: Sequence[str], categories: Sequence[str] = ()) -> Iterator[Batch]:
        """See `Table.batches`."""
        positions(self, [*columns, *categories])
        with self._open_stream() as stream:
            _, start = self._start(stream)
            line = start.line
            for looked in in_order(partial(self._look, columns, categories), self._pieces(stream, start)):
                block = Block(looked.content, line, looked.offset)
                batch = self._batch(block, looked.parsed, columns, categories)
                self._notice_large(batch, block, columns)
                yield batch
                line += looked.newlines

    def _look(self, columns: Sequence[str], categories: Sequence[str], piece: tuple[bytes, int]) -> _Looked:
        content, offset = piece
        parsed = self._syntax.fast(content, self.names, columns, categories)
        return _Looked(content, offset, _newlines(content), parsed)

    def _batch(self, block: Block, parsed: Parsed | None, columns: Sequence[str], categories: Sequence[str]) -> Batch:
        if not block.content.isascii():
            self._decoded(block)  # a fast parser looks only at the columns that it was asked for
        if parsed is None:
            return self._strict(block, positions(self, columns), positions(self, categories))
        return Batch(parsed[0], partial(self._line_of, block), len(block.content), parsed[1])

    def _start(self, stream: IO[bytes]) -> tuple[tuple[str, ...], Block]:
        """Read the header; return the names, and what was read behind it."""
        raw = self._read(stream)
        block = raw.removeprefix(BOM)
        if kind := what_it_is(block[:64]):
            raise TableError(f"{self.name} is {kind}, not a text table")
        if b"\0" in block[:4096]:
            raise TableError(self._binary(block[:4096]))
        skipped = len(raw) - len(block)
        ends = (self._syntax.last_record_end(part) for part in (block[:_HEAD_BYTES], block))
        text = self._decoded(Block(block[: next(filter(None, ends), len(block))], 1, skipped))
        if not text.strip():
            raise TableError(f"{self.name} is empty. A table has a row of names and rows of numbers")
        try:
            names, lines = self._syntax.header(text)
        except LineError as error:
            raise TableError(f"{self.name} line {error.line}: {error}") from error
        end = _end_of_line(block, lines)
        return names, Block(block[end:], 1 + lines, skipped + end)

    def _binary(self, head: bytes) -> str:
        encoding = likely_encoding(head)
        said = f"{self.name} is a binary file, not a text table (a NUL byte at offset {head.index(0)})"
        return f"{said}. It may be UTF-16 text. Try: --encoding {encoding}" if encoding.startswith("utf-16") else said

    def _pieces(self, stream: IO[bytes], start: Block) -> Iterator[tuple[bytes, int]]:
        """Yield whole records as they stand in the text, and the byte that they begin at."""
        rest, offset = start.content, start.offset
        while chunk := self._read(stream, to_line_end=True):
            rest += chunk
            end = self._syntax.last_record_end(rest)
            if end:
                yield rest[:end], offset
                rest, offset = rest[end:], offset + end
            elif len(rest) > _LONGEST_RECORD:
                raise TableError(
                    f"{self.name}: the record at offset {offset} is longer than {_LONGEST_RECORD >> 20} MiB "
                    "(a quote left open?)"
                )
        if rest:
            yield rest, offset

    def _read(self, stream: IO[bytes], *, to_line_end: bool = False) -> bytes:
        """Read a block; records mostly end where lines do, so that nothing is left over to be copied."""
        try:
            block = stream.read(BLOCK_BYTES)
            return block + stream.readline(_HEAD_BYTES) if to_line_end and len(block) == BLOCK_BYTES else block
        except READ_ERRORS as error:
            raise UnusableFileError(f"{self.name}: cannot be read ({error})") from error

    def _records(self, block: Block) -> Iterator[Record]:
        """Yield the records; a malformed one is an error, or stands for itself where rows may be skipped."""
        for line, cells in self._syntax.records(self._decoded(block), self._keys, block.line):
            if isinstance(cells, LineError) and (cells.hides_rows or not self._skips):
                raise TableError(f"{self.name} line {line}: {cells}") from cells
            yield line, cells

    def _strict(self, block: Block, numbers: Sequence[int], texts: Sequence[int]) -> Batch:
        lines: list[int] = []
        rows: list[list[float]] = []
        words: list[list[str | None]] = []
        skipped = 0
        for line, cells in self._records(block):
            try:
                row = [self._cell(line, cells, index, self._syntax.number) for index in numbers]
                word = [self._cell(line, cells, index, self._syntax.text) for index in texts]
            except TableError as fault:
                if not self._skips:
                    raise
                self._notices.skipped(str(fault))
                skipped += 1
                continue
            lines.append(line)
            rows.append(row)
            words.append(word)
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(numbers))
        columns = tuple(coded(word[index] for word in words) for index in range(len(texts)))
        return Batch(values, lambda row: f"line {lines[row]}", len(block.content), columns, skipped)

    def _cell(self, line: int, cells: Sequence[Any] | LineError, index: int, read: Callable[[Any], T]) -> T:
        if isinstance(cells, LineError):
            raise TableError(f"{self.name} line {line}: {cells}") from cells
        try:
            return read(cells[index])
        except NotANumberError as error:
            column = escaped(self.names[index])
            raise TableError(
                f"{self.name} line {line}, column {column}: {escaped(str(cells[index]))} {error}"
            ) from error

    def _line_of(self, block: Block, row: int) -> str:
        lines = (line for line, _ in self._records(block))
        return f"line {next(line for number, line in enumerate(lines) if number == row)}"

    def _notice_large(self, batch: Batch, block: Block, columns: Sequence[str]) -> None:
        for row, index in self._notices.large(batch.values, columns):
            place, position = batch.where(row), self.names.index(columns[index])
            cells = next(cells for line, cells in self._records(block) if f"line {line}" == place)
            if not isinstance(cells, LineError) and self._syntax.is_integer(cells[position]):
                integer = str(cells[position]).strip()
                self._notices.rounded_integer(f"{self.name} {place}", columns[index], integer)

    def _decoded(self, block: Block) -> str:
        try:
            return block.content.decode("utf-8")
        except UnicodeDecodeError as error:
            at, byte = block.line + block.content.count(b"\n", 0, error.start), block.content[error.start]
            raise TableError(
                f"{self.name} line {at}: the byte 0x{byte:02x} at offset {block.offset + error.start} is not UTF-8 "
                "text. It may be Windows-1252, which holds Latin-1. Try: --encoding cp1252"
            ) from error


def _newlines(content: bytes) -> int:
    """Count them; bytes.count is ten times as slow where they are frequent."""
    return int(np.count_nonzero(np.frombuffer(content, dtype=np.uint8) == ord("\n")))


def _end_of_line(block: bytes, lines: int) -> int:
    """Return the offset behind the first `lines` lines of `block`."""
    end = 0
    for _ in range(lines):
        end = block.find(b"\n", end) + 1 or len(block)
    return end
