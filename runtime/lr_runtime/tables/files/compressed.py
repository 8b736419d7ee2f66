"""What is packed: a table in a gzip, bzip2, xz, lzma or Zstandard stream, or alone in a zip archive.

It is unpacked as it is read, in bounded memory however much comes out.
"""

from __future__ import annotations

import io
import re
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias

from lr_runtime.errors import TableError, listed
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.signatures import BZIP2, GZIP, XZ, ZIP, ZSTANDARD
from lr_runtime.system.streams import ReadableStream
from lr_runtime.tables.files.streams import gunzipped

if TYPE_CHECKING:
    from collections.abc import Callable

    Opener = Callable[[], IO[bytes]]

_Decompressor: TypeAlias = Any
"""What bz2, lzma and compression.zstd each have; they share no type."""
_PIECE = 1 << 16
_MOST_MEMORY = 256 << 20
"""Of the dictionary of an xz or lzma stream, in bytes: `xz -9` asks for 65 MiB, and a file may ask for 4 GiB."""
WORKBOOK = "xl/workbook.xml"
_DOCUMENTS = {
    r"xl/workbook\.bin": "a spreadsheet (.xlsb), not a text table. Save the sheet as .xlsx or .csv",
    r"content\.xml": "an OpenDocument file (.ods, .odt), not a text table. Save the sheet as .xlsx or .csv",
    r"(word|ppt)/.*\.xml": "a document (.docx, .pptx), not a text table. Copy its table to a .csv file",
    r".*\.npy": "a NumPy archive (.npz), not a text table. Choose an array, in Python: numpy.load(FILE)[NAME]",
    r".*/data\.pkl": "a file of PyTorch, not a text table. Name a table",
}
"""What a zip archive is, by one of the names in it."""
_STORED, _DEFLATED, _ENCRYPTED = 0, 8, 1
"""Of a zip archive's members; the module zipfile unpacks other methods without a bound."""


class _Content(Protocol):
    def read(self, size: int) -> bytes: ...


def unpacked(opener: Opener, head: bytes, name: str) -> Opener | None:
    """Return what opens the content of a packed file, whose first bytes are `head`; None where it is not packed.

    Raises:
        TableError: a zip archive that does not hold one file alone.
        MissingExtraError: Zstandard needs pyarrow, or Python 3.14.
    """
    if head.startswith(GZIP):
        return gunzipped(opener)
    if head.startswith(ZIP):
        return _only_member(opener, name)
    if (make := _decompressor(head)) is not None:
        return partial(_opened, opener, partial(_Unpacked, make=make))
    if head.startswith(ZSTANDARD):
        with needs_extra("tables"):
            from lr_runtime.tables.arrow.memory import zstandard
        return partial(_opened, opener, zstandard)
    return None


def _decompressor(head: bytes) -> Callable[[], _Decompressor] | None:
    if head.startswith(BZIP2):
        from bz2 import BZ2Decompressor

        return BZ2Decompressor
    if head.startswith((XZ + b"\0", b"]\0\0")):  # xz; lzma has no mark, but usual settings
        from lzma import LZMADecompressor

        return lambda: LZMADecompressor(memlimit=_MOST_MEMORY)
    if head.startswith(ZSTANDARD):
        from importlib.util import find_spec

        if find_spec("compression") is not None:  # from Python 3.14 on
            from importlib import import_module

            found: Callable[[], _Decompressor] = import_module("compression.zstd").ZstdDecompressor
            return found
    return None


class _Unpacked:
    """The content of a packed stream and of those behind it, as the tools of each format join them."""

    def __init__(self, packed: IO[bytes], make: Callable[[], _Decompressor]) -> None:
        self._packed = packed
        self._make = make
        self._decompressor = make()
        self._ahead = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        content = b""
        while not content:
            if self._decompressor.eof and not self._begins_another():
                return b""
            data = b""
            if self._decompressor.needs_input:
                data, self._ahead = self._ahead or self._packed.read(_PIECE), b""
                if not data:
                    raise EOFError("the packed file ends too early")
            content = self._decompressor.decompress(data, size)
        return content

    def _begins_another(self) -> bool:
        """Whether another stream follows; zeros between them, which xz allows, are passed over."""
        data = self._decompressor.unused_data
        while not data.strip(b"\0"):
            if not (data := self._packed.read(_PIECE)):
                return False
        self._ahead, self._decompressor = data.lstrip(b"\0"), self._make()
        return True


def names_in_zip(opener: Opener, name: str) -> list[str]:
    """Return the names of what a zip archive holds.

    Raises:
        TableError: it is damaged.
    """
    from zipfile import BadZipFile, ZipFile

    try:
        with opener() as stream, ZipFile(stream) as archive:
            return archive.namelist()
    except BadZipFile as error:
        raise TableError(f"{name}: a damaged zip archive ({error})") from error


def _only_member(opener: Opener, name: str) -> Opener:
    from zipfile import ZipFile

    inside = names_in_zip(opener, name)
    if kind := next(
        (kind for member, kind in _DOCUMENTS.items() if any(re.fullmatch(member, each) for each in inside)), None
    ):
        raise TableError(f"{name} is {kind}")
    with opener() as stream, ZipFile(stream) as archive:
        members = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
    if len(members) != 1:
        within = f"{len(members)} files ({listed([info.filename for info in members], 3)})" if members else "no files"
        raise TableError(f"{name}: a zip archive of {within}; expected one table. Unpack it, and name the tables")
    (member,) = members
    if member.flag_bits & _ENCRYPTED or member.compress_type not in {_STORED, _DEFLATED}:
        why = "is encrypted" if member.flag_bits & _ENCRYPTED else "is not deflated, as usual"
        raise TableError(f"{name}: what the zip archive holds {why}. Unpack it first")
    return partial(_opened, opener, lambda packed: ZipFile(packed).open(member))


def _is_hidden(name: str) -> bool:
    """Whether a member is the packing system's own, as macOS adds them."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _opened(opener: Opener, unpack: Callable[[IO[bytes]], _Content]) -> IO[bytes]:
    return io.BufferedReader(_Stream(opener(), unpack), _PIECE)


class _Stream(ReadableStream):
    """Unpacked content, whose damages are errors of reading; the packed stream is closed with it."""

    def __init__(self, packed: IO[bytes], unpack: Callable[[IO[bytes]], _Content]) -> None:
        self._packed = packed
        self._content = unpack(packed)

    def _next(self, size: int) -> bytes:
        try:
            return self._content.read(size)
        except (OSError, EOFError, MemoryError, TableError):
            raise
        except Exception as error:  # each format has its own
            raise OSError(str(error)) from error

    def close(self) -> None:
        """See `io.RawIOBase`."""
        if not self.closed:
            self._packed.close()
        super().close()
