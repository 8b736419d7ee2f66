"""A text table that is still being written: each record is a batch as soon as its line has ended."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, cast

from lr_runtime.tables.text.encoding import BOM
from lr_runtime.tables.text.table import Block, TextTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lr_runtime.tables.batch import Batch


class Lines:
    """What opens a stream at its start, once; every read gives a line, and waits for no other.

    Args:
        next_line: gives the next line, empty at the end; called up to the first line that is not blank.
    """

    def __init__(self, next_line: Callable[[], bytes]) -> None:
        self._next_line = next_line
        self.head = self._next = self._first()

    def _first(self) -> bytes:
        head = b""
        while line := self._next_line():
            head += line
            if head.removeprefix(BOM).strip():
                break
        return head

    def __call__(self) -> IO[bytes]:
        """Open it."""
        self._next = self.head
        return cast("IO[bytes]", self)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the stream open: it is not ours."""

    def read(self, _: int = -1) -> bytes:
        """Return the next line, empty at the end."""
        line, self._next = self._next, b""
        return line or self._next_line()


class FollowedTable(TextTable):
    """A text table of `Lines`; see `TextTable`. A line is a record: a quote left open does not reach the next."""

    _may_hide_rows = False

    def batches(
        self, columns: Sequence[str], categories: Sequence[str] = (), kept: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """See `Table.batches`: one record each, none read before the last was taken."""
        self.notices.passed_over(self, self._columns, self._indexes, [*columns, *categories, *kept])
        wanted = self._wanted(columns, categories, kept)
        with self._open_stream() as stream:
            _, start = self._start(stream)
            content, line, offset = start.content or self._line(stream), start.line, start.offset
            while content:
                yield self._strict(Block(content, line, offset), wanted)
                line, offset = line + content.count(b"\n"), offset + len(content)
                content = self._line(stream)

    def _line(self, lines: IO[bytes]) -> bytes:
        return self._read(lines, -1)
