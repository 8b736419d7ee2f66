"""A text table that is still being written: each record is a batch as soon as its line has ended."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from lr_runtime.tables.text import Block, TextTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.tables.batch import Batch


class Lines:
    """What opens a stream at its start, once; every read gives a line, and waits for no other.

    Args:
        stream: read as far as the first line that is not blank.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.head = self._next = self._first()

    def _first(self) -> bytes:
        head = b""
        while line := self._stream.readline():
            head += line
            if line.strip():
                break
        return head

    def __call__(self) -> Any:
        """Open it."""
        self._next = self.head
        return self

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the stream open: it is not ours."""

    def read(self, _: int = -1) -> bytes:
        """Return the next line, empty at the end."""
        line, self._next = self._next, b""
        return line or self._stream.readline()


class FollowedTable(TextTable):
    """A text table of `Lines`; see `TextTable`."""

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `Table.batches`: one record each, none read before the last was taken."""
        places = self._places(columns, categories, kept)
        with self._open_stream() as stream:
            _, start = self._start(stream)
            line = start.line
            for content, offset in self._pieces(stream, start):
                yield self._strict(Block(content, line, offset), places)
                line += content.count(b"\n")

    def _pieces(self, stream: IO[bytes], start: Block) -> Iterator[tuple[bytes, int]]:
        rest, offset = start.content, start.offset
        while True:
            if end := self._syntax.last_record_end(rest):
                yield rest[:end], offset
                rest, offset = rest[end:], offset + end
            self._check_length(rest, offset)
            if not (chunk := self._read(stream)):
                break
            rest += chunk
        if rest:
            yield rest, offset
