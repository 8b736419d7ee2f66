"""Text in other encodings, and with other line ends, to the UTF-8 with line feeds that the readers take."""

from __future__ import annotations

import codecs
from functools import partial
from itertools import chain
from typing import IO, TYPE_CHECKING

from lr_runtime.errors import TableError
from lr_runtime.system.streams import converted, pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lr_runtime.system.streams import Opener

BOM = codecs.BOM_UTF8
# UTF-32 first: its mark for little-endian begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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


def transcoded(pieces: Iterable[bytes], encoding: str, name: str) -> Iterator[bytes]:
    """Yield text in UTF-8.
    Raises TableError where a byte is not of this encoding; the message has its offset in the file.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    offset, line = 0, 1
    for piece in chain(pieces, [b""]):
        held = len(decoder.getstate()[0])
        try:
            content = decoder.decode(piece, final=not piece).encode()
        except UnicodeError as error:
            where, fault = _fault(error, encoding, offset - held, line)
            raise TableError(
                f"{name}{where} is not {encoding} text{fault}. Name its encoding with --encoding"
            ) from error
        offset += len(piece)
        line += content.count(b"\n")
        yield content


def _fault(error: UnicodeError, encoding: str, offset: int, line: int) -> tuple[str, str]:
    """Return where text is that is not of its encoding, and why, in a piece that begins at an offset and a line."""
    if not isinstance(error, UnicodeDecodeError):
        return "", f" ({error})"
    line += bytes(error.object[: error.start]).decode(encoding, "ignore").count("\n")
    at = max(offset + error.start, 0)
    return f" line {line}: the byte 0x{error.object[error.start]:02x} at offset {at}", ""


def as_utf8(opener: Opener, encoding: str, name: str) -> Opener:
    """Return what opens the same text in UTF-8; see `transcoded`."""
    return converted(opener, partial(_in_utf8, encoding=encoding, name=name))


def _in_utf8(stream: IO[bytes], encoding: str, name: str) -> Iterator[bytes]:
    return transcoded(pieces_of(stream), encoding, name)


def with_line_feeds(opener: Opener) -> Opener:
    """Return what opens the same text with a line feed for each carriage return."""
    return converted(opener, _fed)


def _fed(stream: IO[bytes]) -> Iterator[bytes]:
    return (piece.replace(b"\r", b"\n") for piece in pieces_of(stream))
