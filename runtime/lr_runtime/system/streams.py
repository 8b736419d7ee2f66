"""Streams made of pieces: what is converted, unpacked or kept comes piece by piece, in bounded memory."""

from __future__ import annotations

import io
from functools import partial
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import WriteableBuffer

    Opener = Callable[[], IO[bytes]]

PIECE = 1 << 16


def pieces_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Return what is left of a stream, piece by piece.

    By `read1`, one read of the system each: `read` goes on until it has all that was asked for, and a signal that comes
    between two of its reads is not handled before a pipe gives more.
    """
    return iter(partial(getattr(stream, "read1", stream.read), PIECE), b"")


def stream_of(pieces: Iterable[bytes], below: IO[bytes] | None = None) -> IO[bytes]:
    """Return a stream that holds the pieces, each made when it is read; `below` is closed with it."""
    return io.BufferedReader(_Pieces(pieces, below), PIECE)


def converted(opener: Opener, convert: Callable[[IO[bytes]], Iterable[bytes]]) -> Opener:
    """Return what opens the stream of the pieces that `convert` makes of another stream; it can be pickled as both."""
    return partial(_converted, opener, convert)


def _converted(opener: Opener, convert: Callable[[IO[bytes]], Iterable[bytes]]) -> IO[bytes]:
    below = opener()
    return stream_of(convert(below), below)


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterable[bytes], below: IO[bytes] | None) -> None:
        self._pieces, self._below = iter(pieces), below
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """See `io.RawIOBase`."""
        room = memoryview(buffer)
        while not self._left and (piece := next(self._pieces, None)) is not None:
            self._left = memoryview(piece)
        taken, self._left = self._left[: len(room)], self._left[len(room) :]
        room[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        """See `io.RawIOBase`."""
        if self._below is not None:
            self._below.close()
        super().close()
