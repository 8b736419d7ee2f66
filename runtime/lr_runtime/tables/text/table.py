"""Text tables with the standard library: what this package reads is what a text table says.

A file is taken in blocks of whole records. A fast parser may turn a block into numbers; where it declines, the block is
read here, record by record, and either yields the same numbers or an error with the line at fault.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from lr_runtime.errors import TableError, UnusableFileError
from lr_runtime.system.parallel import in_order
from lr_runtime.tables.batch import READ_ERRORS, Batch, indexes_among, renamed
from lr_runtime.tables.sample import Sample, sort_of
from lr_runtime.tables.table import Cut, positions
from lr_runtime.tables.text.encoding import BOM
from lr_runtime.tables.text.strict import StrictRows
from lr_runtime.tables.text.syntax import LineError, Parsed, Record, Syntax, Text, Wanted

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Collection, Iterator, Sequence

    from lr_runtime.tables.cells.options import TableOptions
    from lr_runtime.tables.notices import Notices

BLOCK_BYTES = 4 << 20
_HEAD_BYTES = 1 << 14
_LONGEST_RECORD = 64 << 20
_FEW_RECORDS = 32
_LARGEST_KEPT = 32 << 20
"""Bytes of text, of what was parsed before the kinds of the columns were known."""


@dataclass(frozen=True)
class Block:
    """Whole records as they stand in the text, from this line and this byte on."""

    content: Text
    line: int
    offset: int


@dataclass(frozen=True)
class _Looked:
    """What a thread finds out of whole records apart from those before them: newlines, ASCII, perhaps their cells."""

    content: Text
    offset: int
    newlines: int
    is_ascii: bool
    parsed: Parsed | None


@dataclass(frozen=True)
class Span:
    """Whole records from a byte to before another of the text, and the line that they begin on."""

    start: int
    end: int
    line: int


class TextTable:
    """The records between a header and the end of a stream; see `Table`.

    Args:
        open_stream: gives the stream, UTF-8, at its start, for every pass; closed after each.
        name: the file's name, for messages.
        syntax: how text becomes records.
        size: the number of bytes, None where unknown.
        options: what the columns are called, and whether bad rows are skipped.
        notices: who hears of those, and of integers that float64 rounds.
        is_rewritten: whether the lines of the file were changed before they came here, so that offsets are not its own.
    """

    _may_hide_rows = True

    def __init__(
        self,
        open_stream: Callable[[], IO[bytes]],
        name: str,
        syntax: Syntax,
        size: int | None,
        *,
        options: TableOptions,
        notices: Notices,
        is_rewritten: bool = False,
    ) -> None:
        self.name, self.size, self.options, self.notices = name, size, options, notices
        self._open_stream, self._syntax, self._is_rewritten = open_stream, syntax, is_rewritten
        self._parsed_before: tuple[Wanted, dict[int, _Looked]] | None = None
        self._span: Span | None = None
        with open_stream() as stream:
            self._keys, rest = self._start(stream)
        self._columns = renamed(f"{name} line {max(rest.line - 1, 1)}", self._keys, options.renames)
        self.names = tuple(filter(None, self._columns))
        self._place = {name: place for place, name in enumerate(self._columns)}
        beside = [name for name, key in zip(self._columns, self._keys, strict=True) if key in syntax.beside]
        self._indexes = indexes_among(self.names)
        self.indexes = (*self._indexes, *beside)

    def fill(self, sample: Sample) -> None:
        """See `Table.fill`; what is parsed for it is kept for the pass that comes."""
        wanted = self._probably_wanted(sample)
        if self._parsed_before is None or self._parsed_before[0] != wanted:
            self._parsed_before = wanted, {}
        size = 0
        with self._open_stream() as stream:
            _, start = self._start(stream)
            pieces, line = self._pieces(stream, start), start.line
            count = most = min(os.cpu_count() or 1, _LARGEST_KEPT // BLOCK_BYTES or 1)
            # The first pieces mostly have rows enough; they tell how many more there must be. No core waits meanwhile.
            while sample.left and (looked_at := list(in_order(partial(self._look, wanted), islice(pieces, count)))):
                before = sample.rows
                for looked in looked_at:
                    self._sample(Block(looked.content, line, looked.offset), looked.parsed, wanted, sample)
                    line += looked.newlines
                    if (size := size + len(looked.content)) <= _LARGEST_KEPT:
                        self._parsed_before[1][looked.offset] = looked
                count = min(most, -(-sample.left * count // max(sample.rows - before, 1)))

    def _sample(self, block: Block, parsed: Parsed | None, wanted: Wanted, sample: Sample) -> None:
        read = self._syntax.number
        if parsed is not None:
            numbers = dict(zip(wanted.numbers, parsed.values.T, strict=True))
            texts = dict(zip(wanted.texts, parsed.texts, strict=True))
            line_of = self._lines_of(block)
            sample.add_rows(len(parsed.values), numbers, texts, read, lambda row: f"{self.name} {line_of(row)}")
            return
        whole = ((line, cells) for line, cells in self._records(block) if not isinstance(cells, LineError))
        rows = list(islice(whole, sample.left))
        for name in (*wanted.numbers, *wanted.texts):
            column = [cells[self._place[name]] for _, cells in rows]
            sample.add_cells(name, column, read, lambda row: f"{self.name} line {rows[row][0]}")
        sample.rows += len(rows)

    def _probably_wanted(self, sample: Sample) -> Wanted:
        """Return the columns, those of text apart by a few records: a fast parser has to be told."""
        columns = unknown = self._wanted(list(sample.cells)).numbers
        is_text: dict[str, bool] = {}
        with self._open_stream() as stream:
            _, start = self._start(stream)
            content = start.content[: self._syntax.last_record_end(start.content)]
            if not content:  # the first record is longer than what the header was read with
                content, _ = next(self._pieces(stream, start), (content, 0))
            for _, cells in islice(self._records(Block(content, start.line, start.offset)), _FEW_RECORDS):
                if isinstance(cells, LineError):
                    continue
                sorts = {name: sort_of(cells[self._place[name]], self._syntax.number)[0] for name in unknown}
                is_text |= {name: sort != "number" for name, sort in sorts.items() if sort != "missing"}
                unknown = [name for name in unknown if name not in is_text]
        texts = [name for name in columns if is_text.get(name)]
        return Wanted([name for name in columns if not is_text.get(name)], texts, [])

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `Table.batches`."""
        self.notices.passed_over(self, self._columns, self._indexes, [*columns, *categories, *kept])
        wanted = self._wanted(columns, categories, kept)
        with self._open_stream() as stream:
            _, start = self._start(stream)
            line = start.line
            for looked in in_order(partial(self._look, wanted), self._pieces(stream, start)):
                block = Block(looked.content, line, looked.offset)
                batch = self._batch(block, looked, wanted)
                self.notices.large_integers(self, batch, columns, range(len(columns)))
                yield batch
                line += looked.newlines

    def count(self) -> int | None:
        """See `CutTable.count`: the lines, where none can be anything but a row."""
        if self.size is None:
            return None
        with self._open_stream() as stream:
            _, start = self._start(stream)
            counts = [self._syntax.rows(content) for content, _ in self._pieces(stream, start)]
        return None if None in counts else sum(count or 0 for count in counts)

    def pieces(self, cut: Cut) -> list[TextTable]:
        """See `CutTable.pieces`."""
        if self.size is None or self._span is not None:
            return [self]
        with self._open_stream() as stream:
            spans = list(self._spans(stream, cut.text)) if stream.seekable() else []
        return list(map(self._piece, spans)) or [self]

    def _spans(self, stream: IO[bytes], size: int) -> Iterator[Span]:
        """Yield where pieces of so many bytes stand; they begin where blocks do."""
        _, start = self._start(stream)
        span, line = Span(start.offset, start.offset, start.line), start.line
        stream.seek(start.offset)
        for content, offset in self._pieces(stream, replace(start, content=b""), min(size, BLOCK_BYTES)):
            if offset - span.start >= size:
                yield span
                span = Span(offset, offset, line)
            line += _newlines(content)
            span = replace(span, end=offset + len(content))
        if span.end > span.start:
            yield span

    def _piece(self, span: Span) -> TextTable:
        piece = copy(self)
        piece._span, piece.size = span, span.end - span.start
        return piece

    def __getstate__(self) -> dict[str, object]:
        """Pickle without what was parsed before."""
        return vars(self) | {"_parsed_before": None}

    def _wanted(self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()) -> Wanted:
        positions(self, [*columns, *categories, *kept])
        return Wanted(list(columns), list(categories), list(kept))

    def _look(self, wanted: Wanted, piece: tuple[Text, int]) -> _Looked:
        content, offset = piece
        before = self._parsed_before
        if before is not None and before[0] == wanted and (looked := before[1].pop(offset, None)) is not None:
            return looked
        parsed = self._syntax.fast(content, self._columns, wanted)
        known = None if parsed is None else parsed.newlines
        newlines = _newlines(content) if known is None else known
        return _Looked(content, offset, newlines, content.isascii(), parsed)

    def _batch(self, block: Block, looked: _Looked, wanted: Wanted) -> Batch:
        if not looked.is_ascii:
            self._decoded(block)  # a fast parser looks only at the columns that it was asked for
        if looked.parsed is None:
            return self._strict(block, wanted)
        where, integer = self._lines_of(block), self._integers(block, wanted)
        found, size = looked.parsed, len(block.content)
        return Batch(found.values, where, size, found.texts, kept=found.kept, integer=integer)

    def _start(self, stream: IO[bytes]) -> tuple[tuple[str, ...], Block]:
        """Read the header; return the names, and what was read behind it."""
        if self._span is not None:
            stream.seek(self._span.start)
            return self._keys, Block(b"", self._span.line, self._span.start)
        size = min(_HEAD_BYTES, BLOCK_BYTES)
        raw = self._read(stream, size)
        begun = raw.removeprefix(BOM)
        if len(raw) == size and not begun[: self._syntax.last_record_end(begun)].strip():
            raw += self._read(stream, BLOCK_BYTES - size)  # what can be read once is open at its start until then
        block = raw.removeprefix(BOM)
        skipped = len(raw) - len(block)
        whole = block[: self._syntax.last_record_end(block)]
        text = self._decoded(Block(whole if whole.strip() else block, 1, skipped))  # names alone may have no line end
        if not text.strip():
            raise TableError(f"{self.name} is empty. A table has a row of names and rows of numbers")
        try:
            names, lines = self._syntax.header(text)
        except LineError as error:
            raise TableError(f"{self.name} line {error.line}: {error}") from error
        behind = block.split(b"\n", lines)[lines:]  # none where the last of the lines has no end
        end = len(block) - sum(map(len, behind))
        return names, Block(block[end:], 1 + lines, skipped + end)

    def _pieces(self, stream: IO[bytes], start: Block, at_once: int | None = None) -> Iterator[tuple[bytearray, int]]:
        """Yield whole records as they stand in the text, and the byte that they begin at. Where a block ends is told by
        what follows its begin, so that a piece that begins with one has the same blocks as the whole.
        """
        rest, offset = bytearray(start.content), start.offset
        while len(content := self._read_behind(rest, stream, offset, at_once or BLOCK_BYTES)) > len(rest):
            end = self._syntax.last_record_end(content)
            rest = content[end:]
            if end:
                del content[end:]
                yield content, offset
                offset += end
            elif len(rest) > _LONGEST_RECORD:
                raise TableError(
                    f"{self.name}: the record at offset {offset} is longer than {_LONGEST_RECORD >> 20} MiB "
                    "(a quote left open?)"
                )
        if rest:
            yield rest, offset

    def _read(self, stream: IO[bytes], size: int) -> bytes:
        with self._reading():
            return stream.read(size)

    def _read_behind(self, rest: bytearray, stream: IO[bytes], offset: int, at_once: int) -> bytearray:
        """Read a block behind what is left of the one before, which begins at `offset`; only that is copied."""
        length = (len(rest) // at_once + 1) * at_once
        if self._span is not None:
            length = min(length, self._span.end - offset)
        elif self.size is not None:
            length = min(length, max(self.size - offset, len(rest) + _HEAD_BYTES))
        block = bytearray(length)
        block[: len(rest)] = rest
        with self._reading(), memoryview(block) as room:
            count = cast("io.BufferedIOBase", stream).readinto(room[len(rest) :])
        del block[len(rest) + count :]
        return block

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except READ_ERRORS as error:
            raise UnusableFileError(f"{self.name}: cannot be read ({error})") from error

    def _records(self, block: Block) -> Iterator[Record]:
        """Yield the records; a malformed one is an error, or stands for itself where rows may be skipped."""
        for line, cells in self._syntax.records(self._decoded(block), self._keys, block.line):
            may_stay = self.options.skips or self.options.marks
            if isinstance(cells, LineError) and ((cells.hides_rows and self._may_hide_rows) or not may_stay):
                raise TableError(f"{self.name} line {line}: {cells}") from cells
            yield line, cells

    def _strict(self, block: Block, wanted: Wanted) -> Batch:
        rows = StrictRows(self._place, self._syntax, wanted, marks=self.options.marks)
        skipped: set[int] = set()
        for line, cells in self._records(block):
            fault = rows.add(line, cells)
            if fault is None or self.options.marks:
                continue
            said = f"{self.name} line {line}{':' if isinstance(cells, LineError) else ','} {fault}"
            if not self.options.skips:
                raise TableError(said)
            self.notices.skipped(said)
            skipped.add(line)
        batch = rows.batch(len(block.content), len(skipped))
        return replace(batch, integer=self._integers(block, wanted, skipped))

    def _integers(
        self, block: Block, wanted: Wanted, skipped: Collection[int] = ()
    ) -> Callable[[int, int], int | None]:
        """Return what tells how the numbers of a block are written; nothing is read again before it is asked."""
        records: list[Sequence[object] | LineError] = []
        places = [self._place[name] for name in wanted.numbers]

        def integer(row: int, column: int) -> int | None:
            if not records:
                records.extend(cells for line, cells in self._records(block) if line not in skipped)
            cells = records[row]
            return None if isinstance(cells, LineError) else self._syntax.integer(cells[places[column]])

        return integer

    def _lines_of(self, block: Block) -> Callable[[int], str]:
        """Return what tells where a row of a block stands; nothing is read again before it is asked."""
        lines: list[int] = []

        def line_of(row: int) -> str:
            if not lines:
                lines.extend(line for line, _ in self._records(block))
            return f"line {lines[row]}"

        return line_of

    def _decoded(self, block: Block) -> str:
        try:
            return block.content.decode("utf-8")
        except UnicodeDecodeError as error:
            at, byte = block.line + block.content.count(b"\n", 0, error.start), block.content[error.start]
            where = "" if self._is_rewritten else f" at offset {block.offset + error.start}"
            raise TableError(
                f"{self.name} line {at}: the byte 0x{byte:02x}{where} is not UTF-8 text. "
                "It may be Windows-1252, which holds Latin-1. Try: --encoding cp1252"
            ) from error


def _newlines(content: Text) -> int:
    """Count them; bytes.count is ten times as slow where they are frequent."""
    return int(np.count_nonzero(np.frombuffer(content, dtype=np.uint8) == ord("\n")))
