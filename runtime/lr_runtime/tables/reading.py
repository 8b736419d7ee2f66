"""Opens a table of any format: by its first bytes where they tell, else by its suffix."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tempfile
import weakref
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from lr_runtime.errors import MissingFileError, TableError, UnusableFileError, needs_extra
from lr_runtime.tables.batch import READ_ERRORS
from lr_runtime.tables.csv_syntax import CsvSyntax
from lr_runtime.tables.json_syntax import JsonLinesSyntax
from lr_runtime.tables.options import TableOptions
from lr_runtime.tables.text import BLOCK_BYTES, BOM, TextTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_runtime.tables.batch import Table

STDIN = "-"
_ARROW_HEADS = (b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")


def open_table(source: str | Path, options: TableOptions | None = None) -> Table:
    """Open a CSV (also gzip), JSON lines, Parquet or Arrow file, or standard input for "-".

    Raises:
        MissingFileError: there is no such file.
        TableError: it is no table; the message says what it is.
        MissingExtraError: Parquet and Arrow need pyarrow.
    """
    name = "standard input" if str(source) == STDIN else str(source)
    opener, head, size = _standard_input() if str(source) == STDIN else _file(Path(source))
    if head.startswith(_ARROW_HEADS):
        with needs_extra("tables"):
            from lr_runtime.tables.arrow import ArrowTable
        return ArrowTable(_seekable(opener) if str(source) == STDIN else opener, name)
    is_json = head.removeprefix(BOM).lstrip()[:1] == b"{"
    syntax = JsonLinesSyntax() if is_json else CsvSyntax(options or TableOptions())
    return TextTable(opener, name, syntax, size)


def _file(path: Path) -> tuple[Callable[[], IO[bytes]], bytes, int | None]:
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if not head.startswith(b"\x1f\x8b"):
            return (lambda: path.open("rb")), head, path.stat().st_size
        with gzip.open(path) as file:
            return partial(_gunzipped, path), file.read(64), None
    except FileNotFoundError as error:
        raise MissingFileError(path, "Name a table: CSV, JSON lines, Parquet or Arrow") from error
    except READ_ERRORS as error:
        raise UnusableFileError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _gunzipped(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path))


def _standard_input() -> tuple[Callable[[], IO[bytes]], bytes, None]:
    head = sys.stdin.buffer.read(BLOCK_BYTES)
    rest = _Rest(sys.stdin.buffer)
    return (lambda: cast("IO[bytes]", _Replayed(head, rest))), head, None


class _Rest:
    """What standard input still holds; `touched` once some of it was read, which nothing can undo."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.touched = False

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self.touched = self.touched or bool(content)
        return content


class _Replayed(io.RawIOBase):
    """Standard input from its start: the block that told its kind and its header, then the rest."""

    def __init__(self, head: bytes, rest: _Rest) -> None:
        if rest.touched:
            raise TableError("standard input can be read only once. Save it to a file first")
        self._head, self._rest = memoryview(head), rest

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`."""
        taken = self._head[: len(buffer)] if self._head else self._rest.read(len(buffer))
        self._head = self._head[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _seekable(opener: Callable[[], IO[bytes]]) -> Callable[[], IO[bytes]]:
    """Copy a stream to an unnamed temporary file: the formats that need it keep their index at the end."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the table is
    with opener() as stream:
        shutil.copyfileobj(stream, spool)
    again = partial(_rewound, spool)
    weakref.finalize(again, spool.close)
    return again


def _rewound(spool: IO[bytes]) -> IO[bytes]:
    spool.seek(0)
    return io.BufferedReader(io.FileIO(spool.fileno(), closefd=False))
