"""Streams that a table is read from: files, what can be read only once, and what is packed."""

from __future__ import annotations

import io
import tempfile
import weakref
from functools import partial
from typing import IO, TYPE_CHECKING

from lr_runtime.errors import TableError
from lr_runtime.system.files import in_temporary_folder
from lr_runtime.system.streams import PIECE, pieces_of, stream_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_runtime.system.streams import Opener

_WHAT = "what is read"
"""What a temporary file holds."""


class File(io.FileIO):
    """A file that is read, whose error on closing says which it is, as that on opening does."""

    def close(self) -> None:
        """See `io.FileIO`."""
        try:
            super().close()
        except OSError as error:
            error.filename = self.name
            raise


def opened_file(path: str) -> IO[bytes]:
    """Open a file at its start."""
    return io.BufferedReader(File(path))


def kept(stream: IO[bytes]) -> Opener:
    """Return what opens `stream` at its start, as often as needed.

    What was read stands in a temporary file without a name, which the system removes with the process however it ends.
    """
    spool = _spool()

    def opened() -> IO[bytes]:
        return stream_of(_from_start(stream, spool))

    weakref.finalize(opened, spool.close)
    return opened


def _from_start(stream: IO[bytes], spool: IO[bytes]) -> Iterator[bytes]:
    """Yield first what the spool holds of a stream, then the rest, which goes there too."""
    at, piece = 0, b" "
    while piece:
        with in_temporary_folder(_WHAT):
            spool.seek(at)
            piece = spool.read(PIECE)
        if not piece:
            piece = stream.read(PIECE)
            with in_temporary_folder(_WHAT):
                spool.write(piece)
        at += len(piece)
        yield piece


def passing(stream: IO[bytes], name: str, head_bytes: int) -> Opener:
    """Return what opens `stream` at its start until more than its head was read; kept nowhere."""
    head, is_touched = stream.read(head_bytes), False

    def pieces() -> Iterator[bytes]:
        nonlocal is_touched
        yield head
        for piece in pieces_of(stream):
            is_touched = True
            yield piece

    def opened() -> IO[bytes]:
        if is_touched:
            raise TableError(f"{name} can be read only once. Save it to a file first")
        return stream_of(pieces())

    return opened


def seekable(opener: Opener) -> Opener:
    """Copy a stream to an unnamed temporary file: the formats that need it keep their index at the end."""

    def copy(spool: IO[bytes]) -> None:
        with opener() as stream:
            for piece in pieces_of(stream):
                with in_temporary_folder(_WHAT):
                    spool.write(piece)

    return spooled(copy)


def spooled(write: Callable[[IO[bytes]], None]) -> Opener:
    """Return what opens, as often as needed, what `write` writes to an unnamed temporary file."""
    spool = _spool()
    again = partial(_rewound, spool)
    weakref.finalize(again, spool.close)
    write(spool)
    return again


def _spool() -> IO[bytes]:
    with in_temporary_folder(_WHAT):
        return tempfile.TemporaryFile()


def _rewound(spool: IO[bytes]) -> IO[bytes]:
    spool.seek(0)
    return io.BufferedReader(io.FileIO(spool.fileno(), closefd=False))
