"""What is packed: a table in a gzip, bzip2, xz, lzma or Zstandard stream, or alone in a zip archive.

It is unpacked as it is read, in bounded memory however much comes out.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

from lr_runtime.errors import TableError, listed
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.signatures import BZIP2, GZIP, XZ, ZIP, ZSTANDARD
from lr_runtime.system.streams import PIECE, converted, pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zipfile import ZipInfo

    from lr_runtime.system.streams import Opener

_Decompressor: TypeAlias = Any
"""What bz2, lzma and compression.zstd each have; they share no type."""
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


def unpacked(opener: Opener, head: bytes, name: str) -> Opener | None:
    """Return what opens the content of a packed file, whose first bytes are `head`; None where it is not packed. Raises
    TableError for a zip archive of several files; MissingExtraError as Zstandard needs pyarrow or Python 3.14.
    """
    unpack = _way(opener, head, name)
    return None if unpack is None else converted(opener, partial(_content, unpack=unpack))


def _way(opener: Opener, head: bytes, name: str) -> Callable[[IO[bytes]], Iterable[bytes]] | None:
    if head.startswith(GZIP):
        return _of_gzip
    if head.startswith(ZIP):
        return partial(_of_zip, member=_only_member(opener, name))
    if (make := _decompressor(head)) is not None:
        return partial(_unpacked, make=make)
    if head.startswith(ZSTANDARD):
        with needs_extra("tables"):
            import lr_runtime.tables.arrow.memory  # noqa: F401 - which `_of_zstandard` needs
        return _of_zstandard
    return None


def _of_gzip(packed: IO[bytes]) -> Iterator[bytes]:
    from gzip import GzipFile

    return pieces_of(cast("IO[bytes]", GzipFile(fileobj=packed)))


def _of_zip(packed: IO[bytes], member: ZipInfo) -> Iterator[bytes]:
    from zipfile import ZipFile

    return pieces_of(ZipFile(packed).open(member))


def _of_zstandard(packed: IO[bytes]) -> Iterator[bytes]:
    from lr_runtime.tables.arrow.memory import zstandard

    return pieces_of(zstandard(packed))


def _decompressor(head: bytes) -> Callable[[], _Decompressor] | None:
    if head.startswith(BZIP2):
        from bz2 import BZ2Decompressor

        return BZ2Decompressor
    if head.startswith((XZ + b"\0", b"]\0\0")):  # xz; lzma has no mark, but usual settings
        from lzma import LZMADecompressor

        return partial(LZMADecompressor, memlimit=_MOST_MEMORY)
    if head.startswith(ZSTANDARD):
        from importlib import import_module

        with suppress(ModuleNotFoundError):  # before Python 3.14
            found: Callable[[], _Decompressor] = import_module("compression.zstd").ZstdDecompressor
            return found
    return None


def _unpacked(packed: IO[bytes], make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield the content of a packed stream and of those behind it, as the tools of each format join them."""
    decompressor, data = make(), b""
    while True:
        while not decompressor.eof:
            if decompressor.needs_input and not (data := data or packed.read(PIECE)):
                raise EOFError("the packed file ends too early")
            yield decompressor.decompress(data, PIECE)
            data = b""
        # Zeros between two streams, which xz allows, are passed over.
        data = decompressor.unused_data.lstrip(b"\0")
        while not data:
            if not (piece := packed.read(PIECE)):
                return
            data = piece.lstrip(b"\0")
        decompressor = make()


def members_of(opener: Opener, name: str) -> dict[str, ZipInfo]:
    """Return what a zip archive holds, by name. Raises TableError where it is damaged."""
    from zipfile import BadZipFile, ZipFile

    try:
        with opener() as stream, ZipFile(stream) as archive:
            return {info.filename: info for info in archive.infolist()}
    except BadZipFile as error:
        raise TableError(f"{name}: a damaged zip archive ({error})") from error


def _only_member(opener: Opener, name: str) -> ZipInfo:
    inside = members_of(opener, name)
    if kind := next(
        (kind for member, kind in _DOCUMENTS.items() if any(re.fullmatch(member, each) for each in inside)), None
    ):
        raise TableError(f"{name} is {kind}")
    members = [info for info in inside.values() if not info.is_dir() and not _is_hidden(info.filename)]
    if len(members) != 1:
        within = f"{len(members)} files ({listed([info.filename for info in members], 3)})" if members else "no files"
        raise TableError(f"{name}: a zip archive of {within}; expected one table. Unpack it, and name the tables")
    (member,) = members
    if member.flag_bits & _ENCRYPTED or member.compress_type not in {_STORED, _DEFLATED}:
        why = "is encrypted" if member.flag_bits & _ENCRYPTED else "is not deflated, as usual"
        raise TableError(f"{name}: what the zip archive holds {why}. Unpack it first")
    return member


def _is_hidden(name: str) -> bool:
    """Whether a member is the packing system's own, as macOS adds them."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _content(packed: IO[bytes], unpack: Callable[[IO[bytes]], Iterable[bytes]]) -> Iterator[bytes]:
    """Yield what a stream is unpacked to; its damages are errors of reading."""
    try:
        yield from unpack(packed)
    except (OSError, EOFError, MemoryError, TableError):
        raise
    except Exception as error:  # each format has its own
        raise OSError(str(error)) from error
