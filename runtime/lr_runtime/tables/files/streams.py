"""Streams that a table is read from: files, what can be read only once, and what is packed."""

from __future__ import annotations

import gzip
import io
import tempfile
import weakref
from functools import partial
from typing import IO, TYPE_CHECKING, cast

from lr_runtime.errors import TableError
from lr_runtime.system.files import in_temporary_folder
from lr_runtime.system.streams import ReadableStream

if TYPE_CHECKING:
    from collections.abc import Callable

_SPOOLED = 1 << 20


class File(io.FileIO):
    """A file that is read, whose error on closing says which it is, as that on opening does."""

    def close(self) -> None:
        """See `io.FileIO`."""
        try:
            super().close()
        except OSError as error:
            error.filename = self.name
            raise


def kept(stream: IO[bytes]) -> Callable[[], IO[bytes]]:
    """Return what opens `stream` at its start, as often as needed.

    What was read stands in a temporary file without a name, which the system removes with the process however it ends.
    """
    with in_temporary_folder("what is read"):
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the table is
    again = partial(_FromStart, stream, spool)
    weakref.finalize(again, spool.close)
    return cast("Callable[[], IO[bytes]]", again)


class _FromStart(ReadableStream):
    """A stream from its start: first what the spool holds of it, then the rest, which goes there too."""

    def __init__(self, stream: IO[bytes], spool: IO[bytes]) -> None:
        self._stream, self._spool = stream, spool
        self._at = 0

    def _next(self, size: int) -> bytes:
        with in_temporary_folder("what is read"):
            self._spool.seek(self._at)
            content = self._spool.read(size)
        if len(content) < size:  # whoever reads takes less for the end
            more = self._stream.read(size - len(content))
            with in_temporary_folder("what is read"):
                self._spool.write(more)
            content += more
        self._at += len(content)
        return content


def passing(stream: IO[bytes], name: str, head_bytes: int) -> Callable[[], IO[bytes]]:
    """Return what opens `stream` at its start until more than its head was read; kept nowhere."""
    head = stream.read(head_bytes)
    rest = _Rest(stream)
    return lambda: cast("IO[bytes]", _Replayed(head, rest, name))


class _Rest:
    """What a stream still holds; `touched` once some of it was read, which nothing can undo."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.touched = False

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self.touched = self.touched or bool(content)
        return content


class _Replayed(ReadableStream):
    """A stream from its start: the block that told its kind and its header, then the rest."""

    def __init__(self, head: bytes, rest: _Rest, name: str) -> None:
        if rest.touched:
            raise TableError(f"{name} can be read only once. Save it to a file first")
        self._head, self._rest = memoryview(head), rest

    def _next(self, size: int) -> bytes | memoryview:
        taken = self._head[:size] if self._head else self._rest.read(size)
        self._head = self._head[len(taken) :]
        return taken


def gunzipped(opener: Callable[[], IO[bytes]]) -> Callable[[], IO[bytes]]:
    """Return what opens the content of a gzip stream."""
    return lambda: cast("IO[bytes]", _Gunzipped(opener()))


class _Gunzipped(gzip.GzipFile):
    """A gzip stream that closes the packed one with it, as `gzip.open` does."""

    def __init__(self, packed: IO[bytes]) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed = packed

    def close(self) -> None:
        """See `gzip.GzipFile`."""
        super().close()
        self._packed.close()


def seekable(opener: Callable[[], IO[bytes]]) -> Callable[[], IO[bytes]]:
    """Copy a stream to an unnamed temporary file: the formats that need it keep their index at the end."""

    def copy(spool: IO[bytes]) -> None:
        with opener() as stream:
            while block := stream.read(_SPOOLED):
                with in_temporary_folder("what is read"):
                    spool.write(block)

    return spooled(copy)


def spooled(write: Callable[[IO[bytes]], None]) -> Callable[[], IO[bytes]]:
    """Return what opens, as often as needed, what `write` writes to an unnamed temporary file."""
    with in_temporary_folder("what is read"):
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the table is
    again = partial(_rewound, spool)
    weakref.finalize(again, spool.close)
    write(spool)
    return again


def _rewound(spool: IO[bytes]) -> IO[bytes]:
    spool.seek(0)
    return io.BufferedReader(io.FileIO(spool.fileno(), closefd=False))
