"""Text in other encodings, and with other line ends, to the UTF-8 with line feeds that the readers take."""

from __future__ import annotations

import codecs
import io
from abc import abstractmethod
from typing import IO, TYPE_CHECKING

from lr_runtime.errors import TableError
from lr_runtime.system.streams import ReadableStream

if TYPE_CHECKING:
    from collections.abc import Callable

BOM = codecs.BOM_UTF8
# UTF-32 first: its mark for little-endian begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
PIECE = 1 << 16


def marked_encoding(head: bytes) -> str | None:
    """Return the encoding that a byte order mark names; None for UTF-8 and for text without one."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def likely_encoding(content: bytes) -> str:
    """Guess the encoding of text that is not UTF-8: what to try first."""
    nul_bytes = content.count(0)
    if nul_bytes * 4 > len(content):
        return "utf-16-be" if content[::2].count(0) > nul_bytes / 2 else "utf-16-le"
    return "cp1252"


def has_returns_alone(head: bytes) -> bool:
    """Whether lines end in carriage returns alone, as on the first Macintosh."""
    return b"\r" in head.rstrip(b"\r\n") and b"\n" not in head


class Converted(ReadableStream):
    """A stream whose pieces are converted in order."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._waiting = memoryview(b"")
        self._ended = False

    def _next(self, size: int) -> memoryview:
        while not self._waiting and not self._ended:
            piece = self._stream.read(PIECE)
            self._ended = not piece
            self._waiting = memoryview(self._convert(piece))
        taken = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return taken

    @abstractmethod
    def _convert(self, piece: bytes) -> bytes:
        """Return what becomes of the next piece; an empty one is the end."""

    def close(self) -> None:
        """Close the stream below, too."""
        if not self.closed:
            self._stream.close()
        super().close()


class _Transcoded(Converted):
    def __init__(self, stream: IO[bytes], encoding: str, name: str) -> None:
        super().__init__(stream)
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._encoding = encoding
        self._name = name
        self._offset = 0
        self._line = 1

    def _convert(self, piece: bytes) -> bytes:
        held = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(piece, final=not piece)
            content = text.encode()
        except UnicodeError as error:
            raise TableError(self._said(error, held)) from error
        self._offset += len(piece)
        self._line += content.count(b"\n")
        return content

    def _said(self, error: UnicodeError, held: int) -> str:
        if not isinstance(error, UnicodeDecodeError):
            return f"{self._name} is not {self._encoding} text ({error}). Name its encoding with --encoding"
        offset = max(self._offset - held + error.start, 0)
        line = self._line + self._lines_before(error)
        return (
            f"{self._name} line {line}: the byte 0x{error.object[error.start]:02x} at offset {offset} "
            f"is not {self._encoding} text. Name its encoding with --encoding"
        )

    def _lines_before(self, error: UnicodeDecodeError) -> int:
        return bytes(error.object[: error.start]).decode(self._encoding, "ignore").count("\n")


class _WithLineFeeds(Converted):
    def _convert(self, piece: bytes) -> bytes:
        return piece.replace(b"\r", b"\n")


def as_utf8(opener: Callable[[], IO[bytes]], encoding: str, name: str) -> Callable[[], IO[bytes]]:
    """Return what opens the same text in UTF-8.

    Reading raises TableError at a byte that is not of this encoding, with its offset in the file.
    """
    return lambda: io.BufferedReader(_Transcoded(opener(), encoding, name), PIECE)


def with_line_feeds(opener: Callable[[], IO[bytes]]) -> Callable[[], IO[bytes]]:
    """Return what opens the same text with a line feed for each carriage return."""
    return lambda: io.BufferedReader(_WithLineFeeds(opener()), PIECE)
